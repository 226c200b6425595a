package connect

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/slipway-dev/slipway"
)

// nameserver answers from lines of a zone file; a name that begins with fail. is SERVFAIL. It returns HOST:PORT.
func nameserver(t *testing.T, host string, port string, authoritative bool, zone string) string {
	t.Helper()
	p, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	var records []dns.RR
	for line := range strings.Lines(zone) {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: p, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Authoritative, reply.Rcode = authoritative, dns.RcodeNameError
		for _, rr := range records {
			if rr.Header().Name == q.Question[0].Name {
				reply.Rcode = dns.RcodeSuccess
				if kind := rr.Header().Rrtype; kind == q.Question[0].Qtype || kind == dns.TypeCNAME {
					reply.Answer = append(reply.Answer, rr)
				}
			}
		}
		if strings.HasPrefix(q.Question[0].Name, "fail.") {
			reply.Rcode = dns.RcodeServerFailure
		}
		_ = w.WriteMsg(reply)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	return p.LocalAddr().String()
}

const zone = `www.example.com. CNAME cname.vercel-dns.com.
other.example.com. CNAME elsewhere.example.net.
host.example.com. A 192.0.2.1
example.com. A 76.76.21.21
two.example.com. A 76.76.21.21
two.example.com. A 192.0.2.1
six.example.com. A 76.76.21.21
six.example.com. AAAA 2001:db8::1
_vercel.example.com. TXT "v=spf1" "-all"
_vercel.example.com. TXT "vc-domain-verify=a," "b"
_wrong.example.com. TXT "vc-domain-verify=c"
shop.strict.example.org. A 76.76.21.21
strict.example.org. CAA 0 issue "digicert.com"
shop.open.example.org. A 76.76.21.21
open.example.org. CAA 0 issue "letsencrypt.org; validationmethods=http-01"
example.org. CAA 0 issue ";"
fail.example.com. A 76.76.21.21`

func TestDNS(t *testing.T) {
	a := func(name string) slipway.DNSRecord {
		return slipway.DNSRecord{Type: "A", Name: name, Value: "76.76.21.21", Also: []string{"76.76.21.22"}, Issuer: "letsencrypt.org"}
	}
	cname := func(name string) slipway.DNSRecord {
		return slipway.DNSRecord{Type: "CNAME", Name: name, Value: "CNAME.vercel-dns.com."}
	}
	txt := func(name string) slipway.DNSRecord {
		return slipway.DNSRecord{Type: "TXT", Name: name, Value: "vc-domain-verify=a,b"}
	}
	look, err := DNS(nameserver(t, "127.0.0.1", "0", false, zone))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		reason string
		record slipway.DNSRecord
		state  slipway.DNSState
		found  []string
	}{
		"a name":        {"as it is to be, whatever its case", cname("www.example.com"), slipway.DNSRight, []string{"CNAME cname.vercel-dns.com"}},
		"another name":  {"it leads elsewhere", cname("other.example.com"), slipway.DNSWrong, []string{"CNAME elsewhere.example.net"}},
		"an address":    {"something else stands there", cname("host.example.com"), slipway.DNSWrong, []string{"A 192.0.2.1"}},
		"nothing":       {"no such name", cname("none.example.com"), slipway.DNSAbsent, nil},
		"right":         {"as it is to be", a("example.com"), slipway.DNSRight, []string{"A 76.76.21.21"}},
		"several":       {"half of the visitors go elsewhere", a("two.example.com"), slipway.DNSSeveral, []string{"A 192.0.2.1", "A 76.76.21.21"}},
		"IPv6":          {"so do those of IPv6", a("six.example.com"), slipway.DNSSeveral, []string{"A 76.76.21.21", "AAAA 2001:db8::1"}},
		"an alias":      {"an address is asked for", a("www.example.com"), slipway.DNSWrong, []string{"CNAME cname.vercel-dns.com"}},
		"a text":        {"among others", txt("_vercel.example.com"), slipway.DNSRight, []string{"TXT vc-domain-verify=a,b"}},
		"another text":  {"is told", txt("_wrong.example.com"), slipway.DNSWrong, []string{"TXT vc-domain-verify=c"}},
		"no text":       {"the name is there, the type is not", txt("example.com"), slipway.DNSAbsent, nil},
		"CAA":           {"a parent forbids the issuer", a("shop.strict.example.org"), slipway.DNSForbidden, []string{`CAA strict.example.org 0 issue "digicert.com"`}},
		"CAA that lets": {"the closest counts", a("shop.open.example.org"), slipway.DNSRight, []string{"A 76.76.21.21"}},
		"it fails":      {"that says nothing of the record", a("fail.example.com"), slipway.DNSUnreachable, []string{"answers SERVFAIL"}},
	} {
		got := look(t.Context(), []slipway.DNSRecord{tc.record})[0]
		if tc.state == slipway.DNSUnreachable && len(got.Found) == 1 && strings.HasSuffix(got.Found[0], tc.found[0]) {
			got.Found = tc.found
		}
		if tc.state == slipway.DNSRight && tc.record.Type == "TXT" {
			got.Found = got.Found[len(got.Found)-1:]
		}
		if diff := cmp.Diff(tc.found, got.Found); diff != "" || got.State != tc.state {
			t.Errorf("%s: %s: %s, wanted %s\n%s", name, tc.reason, got.State, tc.state, diff)
		}
	}
}

// TestDNSAsksTheZoneItself: a resolver that remembers an old answer is not believed where the zone's own server answers.
func TestDNSAsksTheZoneItself(t *testing.T) {
	zone := nameserver(t, "127.0.0.1", "0", true, "example.com. A 76.76.21.21")
	_, port, err := net.SplitHostPort(zone)
	if err != nil {
		t.Fatal(err)
	}
	old := "example.com. A 192.0.2.1\nexample.com. NS ns.example.net.\nns.example.net. A 127.0.0.1"
	want := []slipway.DNSRecord{{Type: "A", Name: "example.com", Value: "76.76.21.21"}}
	n := names{resolver: nameserver(t, "127.0.0.1", "0", false, old), port: port, try: time.Second}
	if got := n.lookup(t.Context(), want)[0]; got.State != slipway.DNSRight {
		t.Errorf("%s: %v", got.State, got.Found)
	}
	n.port = "1" // nothing answers there
	if got := n.lookup(t.Context(), want)[0]; got.State != slipway.DNSWrong {
		t.Errorf("without it the resolver is believed: %s: %v", got.State, got.Found)
	}
}

func TestDNSWithoutAResolver(t *testing.T) {
	want := []slipway.DNSRecord{{Type: "A", Name: "example.com", Value: "76.76.21.21"}}
	n := names{resolver: "127.0.0.1:1", port: "1", try: time.Second}
	if got := n.lookup(t.Context(), want)[0]; got.State != slipway.DNSUnreachable || got.Says() != "A example.com could not be looked up: 127.0.0.1:1 does not answer" {
		t.Errorf("%s: %s", got.State, got.Says())
	}
	if _, err := DNS("9.9.9.9"); slipway.ErrorCode(err) != slipway.CodeInvalid {
		t.Errorf("no port: %v", err)
	}
}
