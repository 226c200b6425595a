package vercel

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// TestRecordsStepTellsWhatTheDomainServes: a redirect and a branch show nothing of production.
func TestRecordsStepTellsWhatTheDomainServes(t *testing.T) {
	for name, tc := range map[string]struct {
		reason      string
		serves      *service // nil: the domain is not on the project yet
		environment string
		want        string
	}{
		"production":           {"it serves what is promoted", &service{}, slipway.Production, "https://a.example.com shows what production serves; "},
		"redirect":             {"its visitors are sent on", &service{redirect: "b.example.com", status: 308}, slipway.Production, "https://a.example.com sends its visitors on to https://b.example.com; "},
		"branch":               {"it shows a preview", &service{branch: "next"}, slipway.Preview, "https://a.example.com shows the newest preview of the branch next; "},
		"not made":             {"it may be a redirect", nil, slipway.Production, "https://a.example.com serves what the manifest declares for it; "},
		"not made, of preview": {"none but branches belong there", nil, slipway.Preview, "https://a.example.com shows the newest preview of its branch; "},
	} {
		t.Run(name, func(t *testing.T) {
			at, domain := slipway.NewAddress(kindDNS, "a.example.com", tc.environment), slipway.NewAddress(kindDomain, "a.example.com", tc.environment)
			spec := slipway.Spec{Address: at, Parents: map[slipway.Kind]slipway.Receipt{}}
			if tc.serves != nil {
				d := projectDomain{Name: "a.example.com", ApexName: "example.com", Redirect: tc.serves.redirect, RedirectStatusCode: tc.serves.status, GitBranch: tc.serves.branch}
				spec.Parents[kindDomain] = d.receipt(slipway.Spec{Address: domain}, slipway.Receipt{ID: "prj_1"}, nil)
			}
			if got := (provider{}).Guide(slipway.Effect{Op: slipway.OpUpdate, Address: at}, spec).See; !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: %q, wanted %q", tc.reason, got, tc.want)
			}
		})
	}
}
