package slipway_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestDNSFindingSays(t *testing.T) {
	proof := slipway.DNSRecord{Type: "TXT", Name: "_vercel.example.com", Value: "vc-domain-verify=a,1"}
	visitors := slipway.DNSRecord{Type: "A", Name: "example.com", Value: "76.76.21.21"}
	for name, tc := range map[string]struct {
		reason  string
		finding slipway.DNSFinding
		want    string
	}{
		"another text": {
			"each domain has a proof of its own under the one name: the others must stay",
			slipway.DNSFinding{Record: proof, State: slipway.DNSWrong, Found: []string{"TXT vc-domain-verify=b,2"}},
			"TXT _vercel.example.com is to be vc-domain-verify=a,1, and there is TXT vc-domain-verify=b,2: add it beside them",
		},
		"other texts": {
			"none of them is in its way",
			slipway.DNSFinding{Record: proof, State: slipway.DNSWrong, Found: []string{"TXT vc-domain-verify=b,2", "TXT vc-domain-verify=c,3"}},
			"TXT _vercel.example.com is to be vc-domain-verify=a,1, and there is TXT vc-domain-verify=b,2, TXT vc-domain-verify=c,3: add it beside them",
		},
		"another address": {
			"visitors go where it leads: it is in the way",
			slipway.DNSFinding{Record: visitors, State: slipway.DNSWrong, Found: []string{"A 192.0.2.1"}},
			"A example.com is to be 76.76.21.21, and there is A 192.0.2.1",
		},
		"nothing": {"there is nothing beside it", slipway.DNSFinding{Record: proof, State: slipway.DNSAbsent}, "TXT _vercel.example.com is not there"},
	} {
		if got := tc.finding.Says(); got != tc.want {
			t.Errorf("%s: %s:\n%s\nwant\n%s", name, tc.reason, got, tc.want)
		}
	}
}
