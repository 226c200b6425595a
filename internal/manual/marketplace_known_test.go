package manual_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual"
)

// What the receipt of the Vercel project tells is no placeholder in a step of the Marketplace, and what it does not tell is one.
func TestMarketplaceStepsNameTheProject(t *testing.T) {
	for name, tc := range map[string]struct {
		receipt slipway.Receipt
		asked   []string
		said    []string
		not     []string
		reason  string
	}{
		"recorded": {
			slipway.Receipt{ID: "prj_0123", Account: "team_acme"},
			nil,
			[]string{`"projectId":"prj_0123"`, "teamId=team_acme", "vercel link --yes --project prj_0123 --scope team_acme"},
			nil, "the run knows both",
		},
		"a person's own account": {
			slipway.Receipt{ID: "prj_0123", Account: "user_ada"},
			nil,
			[]string{`"projectId":"prj_0123"`, "vercel link --yes --project prj_0123\n"},
			[]string{"teamId", "--scope", "?&", `&"`, `?"`},
			"it has no team",
		},
		"made by hand, id unknown": {
			slipway.Receipt{Account: "team_acme"}, []string{"VERCEL_PROJECT_ID"}, []string{"teamId=team_acme", "${VERCEL_PROJECT_ID}"}, nil, "a person's word told no id",
		},
		"nothing": {
			slipway.Receipt{},
			[]string{"VERCEL_PROJECT_ID", "VERCEL_TEAM_ID"},
			[]string{"teamId=${VERCEL_TEAM_ID}", "<VERCEL_PROJECT_ID> for the project that gets the variables, from"},
			nil, "there is no project yet",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := papers()["marketplace-beside"]
			p.receipts["vercel.project/shop"] = tc.receipt
			book := p.runbook(t)
			i := slices.IndexFunc(book.Steps, func(s slipway.ManualStep) bool { return s.Key == "upstash.redis/cache#create" })
			if i < 0 {
				t.Fatal("there is no such step")
			}
			book.Steps = book.Steps[i : i+1]
			var asked []string
			for _, v := range book.Steps[0].Placeholders {
				if v.Name == "VERCEL_PROJECT_ID" || v.Name == "VERCEL_TEAM_ID" {
					asked = append(asked, v.Name)
				}
			}
			if slices.Sort(asked); !slices.Equal(asked, tc.asked) {
				t.Errorf("%s: it asks for %v, want %v", tc.reason, asked, tc.asked)
			}
			text := manual.Text(book)
			for _, want := range tc.said {
				if !strings.Contains(text, want) {
					t.Errorf("%s: no %q in\n%s", tc.reason, want, text)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(text, not) {
					t.Errorf("%s: %q in\n%s", tc.reason, not, text)
				}
			}
		})
	}
}
