package connect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/slipway-dev/slipway"
)

// DNS returns what looks records up. resolver is HOST:PORT, or "" for the first of /etc/resolv.conf. Where the servers of a name's zone answer,
// they are asked instead of the resolver, whose cache can be hours old. The lookup of all records of a call ends after 20 s.
func DNS(resolver string) (slipway.DNSLookup, error) {
	if resolver != "" {
		if _, _, err := net.SplitHostPort(resolver); err != nil {
			return nil, slipway.Errorf(slipway.CodeInvalid, "SLIPWAY_DNS is no HOST:PORT").WithHint("write it as in 9.9.9.9:53, or unset it for the system's resolver")
		}
	}
	return names{resolver: resolver, port: "53", try: 3 * time.Second}.lookup, nil
}

// names asks the DNS.
type names struct {
	resolver string        // HOST:PORT; "" for the system's
	port     string        // of the servers of a zone
	try      time.Duration // how long one server is waited for
}

const dnsLimit = 20 * time.Second

func (n names) lookup(ctx context.Context, records []slipway.DNSRecord) []slipway.DNSFinding {
	ctx, cancel := context.WithTimeout(ctx, dnsLimit)
	defer cancel()
	out := make([]slipway.DNSFinding, len(records))
	if n.resolver == "" {
		n.resolver = systemResolver()
	}
	for i, r := range records {
		f, err := n.find(ctx, r)
		if f.Record = r; err != nil {
			f.State, f.Found = slipway.DNSUnreachable, []string{err.Error()}
		}
		slices.Sort(f.Found)
		out[i] = f
	}
	return out
}

// systemResolver is "" where the system names none.
func systemResolver() string {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(c.Servers) == 0 {
		return ""
	}
	return net.JoinHostPort(c.Servers[0], c.Port)
}

// find looks one record up, and what of other types stands in its way.
func (n names) find(ctx context.Context, r slipway.DNSRecord) (slipway.DNSFinding, error) {
	types := map[string][]uint16{"A": {dns.TypeA, dns.TypeAAAA}, "CNAME": {dns.TypeCNAME, dns.TypeA, dns.TypeAAAA}, "TXT": {dns.TypeTXT}}[r.Type]
	var right, others []string
	for _, kind := range types {
		answers, err := n.resolve(ctx, r.Name, kind)
		if err != nil {
			return slipway.DNSFinding{}, err
		}
		for _, rr := range answers {
			if !strings.EqualFold(rr.Header().Name, dns.Fqdn(r.Name)) {
				continue // of what a CNAME leads to
			}
			said := dns.TypeToString[rr.Header().Rrtype] + " " + valueOf(rr)
			if fits(r, rr) {
				right = append(right, said)
			} else {
				others = append(others, said)
			}
		}
		if r.Type == "CNAME" && len(right)+len(others) > 0 {
			break // nothing else can stand beside a CNAME
		}
	}
	slices.Sort(right)
	f := slipway.DNSFinding{State: slipway.DNSRight, Found: append(slices.Compact(right), uniq(others)...)}
	switch {
	case len(right) > 0 && (len(others) == 0 || r.Type == "TXT"):
		return n.issues(ctx, r, f)
	case len(right) > 0:
		f.State = slipway.DNSSeveral
	case len(others) > 0:
		f.State = slipway.DNSWrong
	default:
		f.State = slipway.DNSAbsent
	}
	return f, nil
}

func uniq(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// fits reports whether rr is what r wants.
func fits(r slipway.DNSRecord, rr dns.RR) bool {
	if dns.TypeToString[rr.Header().Rrtype] != r.Type {
		return false
	}
	have := valueOf(rr)
	return slices.ContainsFunc(append([]string{r.Value}, r.Also...), func(want string) bool {
		return have == want || r.Type != "TXT" && strings.EqualFold(have, strings.TrimSuffix(want, "."))
	})
}

// valueOf is what a record says, as a runbook writes it.
func valueOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.AAAA:
		return rr.AAAA.String()
	case *dns.CNAME:
		return strings.TrimSuffix(rr.Target, ".")
	case *dns.TXT:
		return strings.Join(rr.Txt, "")
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// issues makes f forbidden where the CAA records closest to the name keep r.Issuer from it: https://www.rfc-editor.org/rfc/rfc8659. The
// resolver is asked, since it follows a CNAME as an issuer does.
func (n names) issues(ctx context.Context, r slipway.DNSRecord, f slipway.DNSFinding) (slipway.DNSFinding, error) {
	for at := r.Name; r.Issuer != "" && strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		reply, err := n.ask(ctx, n.resolver, at, dns.TypeCAA, true)
		if err != nil {
			return f, err
		}
		var said []string
		var some, restricted, allowed bool
		for _, rr := range reply.Answer {
			c, ok := rr.(*dns.CAA)
			if some = some || ok; !ok || !strings.EqualFold(c.Tag, "issue") {
				continue
			}
			issuer, _, _ := strings.Cut(c.Value, ";")
			restricted, allowed = true, allowed || strings.TrimSpace(issuer) == r.Issuer
			said = append(said, fmt.Sprintf("CAA %s %d issue %q", strings.TrimSuffix(c.Hdr.Name, "."), c.Flag, c.Value))
		}
		if restricted && !allowed {
			f.State, f.Found = slipway.DNSForbidden, said
		}
		if some {
			break
		}
	}
	return f, nil
}

// resolve returns the records of a type at a name, none for NXDOMAIN: from a server of its zone that answers, else from the resolver.
func (n names) resolve(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	for _, server := range n.servers(ctx, name) {
		if reply, err := n.ask(ctx, server, name, kind, false); err == nil && reply.Authoritative {
			return reply.Answer, nil
		}
	}
	reply, err := n.ask(ctx, n.resolver, name, kind, true)
	if err != nil {
		return nil, err
	}
	return reply.Answer, nil
}

// maxServers is how many servers of a zone are tried.
const maxServers = 2

// servers are the addresses of the servers of the zone that name is in, none where they cannot be found.
func (n names) servers(ctx context.Context, name string) []string {
	var out []string
	for at := name; strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		reply, err := n.ask(ctx, n.resolver, at, dns.TypeNS, true)
		if err != nil {
			return nil
		}
		for _, rr := range reply.Answer {
			ns, ok := rr.(*dns.NS)
			if !ok || !strings.EqualFold(ns.Hdr.Name, dns.Fqdn(at)) || len(out) == maxServers {
				continue
			}
			if a, err := n.ask(ctx, n.resolver, ns.Ns, dns.TypeA, true); err == nil {
				out = append(out, n.addresses(a)...)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// addresses are where the first server that a reply names is.
func (n names) addresses(reply *dns.Msg) []string {
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			return []string{net.JoinHostPort(a.A.String(), n.port)}
		}
	}
	return nil
}

// ask sends one question, by TCP where UDP has no room for the answer. An answer that does not tell is an error: it says nothing of what
// is there.
func (n names) ask(ctx context.Context, server, name string, kind uint16, recurse bool) (*dns.Msg, error) {
	if server == "" {
		return nil, errors.New("the system names no resolver: set SLIPWAY_DNS to one as HOST:PORT")
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	question.RecursionDesired = recurse
	question.SetEdns0(1232, false)
	var reply *dns.Msg
	for _, network := range []string{"udp", "udp", "tcp"} {
		var err error
		if reply, err = n.exchange(ctx, network, server, question); err == nil && !reply.Truncated {
			break
		}
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case reply == nil:
		return nil, fmt.Errorf("%s does not answer", server)
	case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s", server, dns.RcodeToString[reply.Rcode])
	}
	return reply, nil
}

func (n names) exchange(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, n.try)
	defer cancel()
	client := dns.Client{Net: network, Timeout: n.try}
	reply, _, err := client.ExchangeContext(ctx, question, server)
	return reply, err
}
