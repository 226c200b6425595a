package dnsemu

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const zone = `
# the shop
shop.example.com. CNAME Cname.Vercel-DNS.com.
cname.vercel-dns.com A 76.76.21.21
example.com A 192.0.2.1
example.com A 192.0.2.2
_vercel.example.com TXT "vc-domain-verify=shop.example.com," "0123"
example.com CAA 0 issue "letsencrypt.org"
`

func TestAnswers(t *testing.T) {
	var z Zone
	if err := z.Replace(zone); err != nil {
		t.Fatal(err)
	}
	s, err := Serve(t.Context(), "127.0.0.1", 0, &z)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, tc := range map[string]struct {
		reason string
		kind   uint16
		rcode  int
		want   []string
	}{
		"shop.example.com.":    {"a CNAME is followed", dns.TypeA, dns.RcodeSuccess, []string{"CNAME Cname.Vercel-DNS.com.", "A 76.76.21.21"}},
		"SHOP.example.com.":    {"names have no case", dns.TypeCNAME, dns.RcodeSuccess, []string{"CNAME Cname.Vercel-DNS.com."}},
		"example.com.":         {"several records", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.1", "A 192.0.2.2"}},
		"com.":                 {"what has something below it exists", dns.TypeA, dns.RcodeSuccess, nil},
		"none.example.com.":    {"what has not does not", dns.TypeA, dns.RcodeNameError, nil},
		"_vercel.example.com.": {"a type that it has not", dns.TypeA, dns.RcodeSuccess, nil},
	} {
		for _, network := range []string{"udp", "tcp"} {
			reply, _, err := (&dns.Client{Net: network}).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, tc.kind), s.Address)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, rr := range reply.Answer {
				got = append(got, strings.Join(strings.Fields(rr.String())[3:], " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || reply.Rcode != tc.rcode || !reply.Authoritative {
				t.Errorf("%s by %s: %s: %s\n%s", name, network, tc.reason, dns.RcodeToString[reply.Rcode], diff)
			}
		}
	}
}

func TestValues(t *testing.T) {
	var z Zone
	if err := z.Replace(zone); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		reason, at, kind string
		want             []string
	}{
		"text":  {"its parts are one", "_vercel.example.com", "TXT", []string{"vc-domain-verify=shop.example.com,0123"}},
		"alias": {"what it leads to", "shop.example.com", "A", []string{"76.76.21.21"}},
		"caa":   {"as in a zone file", "example.com", "CAA", []string{`0 issue "letsencrypt.org"`}},
		"none":  {"nothing", "other.example.com", "A", nil},
	} {
		if diff := cmp.Diff(tc.want, z.Values(tc.at, tc.kind)); diff != "" {
			t.Errorf("%s: %s\n%s", name, tc.reason, diff)
		}
	}
}

func TestChange(t *testing.T) {
	var z Zone
	if err := z.Replace(zone); err != nil {
		t.Fatal(err)
	}
	if err := z.Change("example.com A 76.76.21.21\nexample.com CAA\n"); err != nil {
		t.Fatal(err)
	}
	raw, err := z.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	var other Zone
	if err := other.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"shop.example.com CNAME Cname.Vercel-DNS.com.", "cname.vercel-dns.com A 76.76.21.21",
		`_vercel.example.com TXT "vc-domain-verify=shop.example.com," "0123"`, "example.com A 76.76.21.21",
	}
	if diff := cmp.Diff(want, other.Lines()); diff != "" {
		t.Errorf("what is named is replaced, all else stays, and a saved zone is the same:\n%s", diff)
	}
	for name, text := range map[string]string{"no type": "example.com", "an unknown type": "example.com ADDRESS 1", "no value of its type": "example.com A there"} {
		if err := z.Change(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
