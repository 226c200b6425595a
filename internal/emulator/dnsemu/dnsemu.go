// Package dnsemu is the public DNS of the emulators' world: a name server on loopback, over UDP and TCP, that is authoritative for every
// name and holds the records that it is given. The emulated Vercel reads its zone as the real one reads the DNS, and Slipway asks it as
// the resolver of SLIPWAY_DNS. A name without records is NXDOMAIN: https://www.rfc-editor.org/rfc/rfc1034
package dnsemu

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Zone holds the records. The zero value is empty and ready.
type Zone struct {
	mu      sync.Mutex
	records []record // in the order in which they were given
}

// record is one, with its text as a zone file has it: "shop.example.com.	300	IN	A	76.76.21.21".
type record struct {
	name string // in lower case, without the last dot
	kind string // A, CNAME, TXT …
	text string
}

// ttl is told of every record; nothing waits for it.
const ttl = "300"

// parse reads lines "NAME TYPE VALUE", the value as in a zone file. Empty lines and those that begin with ; or # say nothing. A line
// without a value stands for no record of that name and type.
func parse(text string) (records []record, named map[[2]string]bool, err error) {
	named = map[[2]string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		part := strings.Fields(line)
		if len(part) < 2 {
			return nil, nil, fmt.Errorf("%q is no record: NAME TYPE VALUE", line)
		}
		name, kind := canonical(part[0]), strings.ToUpper(part[1])
		if _, known := dns.StringToType[kind]; !known {
			return nil, nil, fmt.Errorf("%q: there is no type %s", line, kind)
		}
		named[[2]string{name, kind}] = true
		if len(part) == 2 {
			continue
		}
		value := strings.TrimSpace(line[strings.Index(line, part[1])+len(part[1]):])
		rr, err := dns.NewRR(dns.Fqdn(name) + " " + ttl + " IN " + kind + " " + value)
		if err != nil || rr == nil {
			return nil, nil, fmt.Errorf("%q is no record of a zone file: %v", line, err)
		}
		records = append(records, record{name, kind, rr.String()})
	}
	return records, named, nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Replace makes the lines all that the zone holds.
func (z *Zone) Replace(text string) error {
	records, _, err := parse(text)
	if err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = records
	return nil
}

// Change makes the lines all that the zone holds of each name and type that they name; a line without a value removes.
func (z *Zone) Change(text string) error {
	records, named, err := parse(text)
	if err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(z.records), func(r record) bool { return named[[2]string{r.name, r.kind}] })
	z.records = append(kept, records...)
	return nil
}

// Lines are the zone's records as Replace reads them.
func (z *Zone) Lines() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := []string{}
	for _, r := range z.records {
		out = append(out, r.name+" "+r.kind+" "+value(r.text))
	}
	return out
}

// value is what stands after the type in a record's text.
func value(text string) string { return strings.Join(strings.Split(text, "\t")[4:], " ") }

// Values are those of the records of a type at a name, texts joined and without quotes. One that has a CNAME has the values of what that
// names, unless the CNAME itself is asked for.
func (z *Zone) Values(name, kind string) []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var out []string
	answers, _ := z.answer(name, kind)
	for _, rr := range answers {
		if text, ok := rr.(*dns.TXT); ok && kind == "TXT" {
			out = append(out, strings.Join(text.Txt, ""))
		} else if dns.TypeToString[rr.Header().Rrtype] == kind {
			out = append(out, strings.TrimSuffix(value(rr.String()), "."))
		}
	}
	return out
}

// chain is how many CNAMEs are followed.
const chain = 8

// answer returns the records, with the CNAMEs that lead to them; exists is false for a name that has none and nothing below it.
func (z *Zone) answer(name, kind string) (answers []dns.RR, exists bool) {
	for range chain {
		name = canonical(name)
		next := ""
		for _, r := range z.records {
			exists = exists || r.name == name || strings.HasSuffix(r.name, "."+name)
			if r.name != name || r.kind != kind && r.kind != "CNAME" {
				continue
			}
			rr, err := dns.NewRR(r.text)
			if err != nil {
				continue // it was parsed when it was given
			}
			answers = append(answers, rr)
			if c, ok := rr.(*dns.CNAME); ok && kind != "CNAME" {
				next = c.Target
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	return answers, exists
}

// ServeDNS is of dns.Handler.
func (z *Zone) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	reply.Authoritative = true
	if len(question.Question) == 1 {
		z.mu.Lock()
		answers, exists := z.answer(question.Question[0].Name, dns.TypeToString[question.Question[0].Qtype])
		z.mu.Unlock()
		if reply.Answer = answers; !exists {
			reply.Rcode = dns.RcodeNameError
		}
	} else {
		reply.Rcode = dns.RcodeFormatError
	}
	if w.RemoteAddr().Network() == "udp" {
		reply.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(reply) // who asked may be gone
}

// Server is a zone that listens.
type Server struct {
	// Address is host and port, of UDP and of TCP.
	Address  string
	udp, tcp *dns.Server
	ended    sync.WaitGroup
}

// portTries is how often a free port of TCP is looked for that is free for UDP as well.
const portTries = 16

// Serve answers from z at address until ctx ends or Close. Port 0 takes a free one.
func Serve(ctx context.Context, address string, port int, z *Zone) (*Server, error) {
	var listen net.ListenConfig
	for try := 1; ; try++ {
		l, err := listen.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			return nil, fmt.Errorf("emulator: %w", err)
		}
		p, err := listen.ListenPacket(ctx, "udp", l.Addr().String())
		if err != nil {
			_ = l.Close()
			if port == 0 && try < portTries {
				continue
			}
			return nil, fmt.Errorf("emulator: %w", err)
		}
		s := &Server{Address: l.Addr().String(), tcp: &dns.Server{Listener: l, Handler: z}, udp: &dns.Server{PacketConn: p, Handler: z}}
		for _, part := range []*dns.Server{s.tcp, s.udp} {
			started := make(chan struct{})
			part.NotifyStartedFunc = func() { close(started) }
			s.ended.Go(func() { _ = part.ActivateAndServe() })
			<-started
		}
		context.AfterFunc(ctx, s.stop)
		return s, nil
	}
}

func (s *Server) stop() {
	_ = s.tcp.Shutdown()
	_ = s.udp.Shutdown()
}

// Close stops listening.
func (s *Server) Close() {
	s.stop()
	s.ended.Wait()
}

// SaveState returns the records as JSON.
func (z *Zone) SaveState() ([]byte, error) { return json.Marshal(map[string]any{"records": z.Lines()}) }

// LoadState replaces the records by what SaveState returned.
func (z *Zone) LoadState(raw []byte) error {
	var in struct{ Records []string }
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	return z.Replace(strings.Join(in.Records, "\n"))
}

// ResetState forgets all records.
func (z *Zone) ResetState() error { return z.Replace("") }
