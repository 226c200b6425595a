package slipway_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// Whatever changes the digest is told, and nothing else is.
func TestEveryDifferenceIsTold(t *testing.T) {
	n := len(mutations(reflect.ValueOf(fullPlan()).Elem(), ""))
	for i := range n {
		before, after := fullPlan(), fullPlan()
		m := mutations(reflect.ValueOf(after).Elem(), "")[i]
		m.do()
		told := slipway.PlanDifferences(before, after)
		if (before.Digest() != after.Digest()) != (len(told) > 0) {
			t.Errorf("%s: the digests differ: %t; told: %q", m.path, before.Digest() != after.Digest(), told)
		}
	}
	if n == 0 {
		t.Error("nothing was changed")
	}
}

func TestPlanDifferences(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(p *slipway.Plan)
		want   []string
	}{
		"nothing":    {"equal plans", func(*slipway.Plan) {}, nil},
		"a value":    {"from what to what", func(p *slipway.Plan) { p.Effects[0].Params["region"] = "west" }, []string{"cloud.db/db#create: region: east -> west"}},
		"a secret":   {"never which", func(p *slipway.Plan) { p.Effects[0].Secrets[0].Fingerprint = "other" }, []string{"cloud.db/db#create: another secret value"}},
		"outside":    {"what is there was changed by somebody", func(p *slipway.Plan) { p.Effects[0].Basis["id"] = "y" }, []string{"cloud.db/db#create: what is there now differs"}},
		"gone":       {"an effect less", func(p *slipway.Plan) { p.Effects = nil }, []string{"cloud.db/db#create: no longer"}},
		"by hand":    {"who does it", func(p *slipway.Plan) { p.Effects[0].Mode = slipway.ModeManual }, []string{"cloud.db/db#create: mode: automated -> manual"}},
		"production": {"somebody moved it", func(p *slipway.Plan) { p.Serving = "dpl-9" }, []string{"production serves: dpl-0 -> dpl-9"}},
		"prose":      {"words bind nothing", func(p *slipway.Plan) { p.Effects[0].Reason, p.Effects[0].Consequence = "x", "y" }, nil},
	} {
		after := fullPlan()
		tc.change(after)
		if d := cmp.Diff(tc.want, slipway.PlanDifferences(fullPlan(), after)); d != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, d)
		}
	}
}

// The approver reads what each effect means, with the domains that really move.
func TestConsequences(t *testing.T) {
	p := &slipway.Plan{Effects: []slipway.Effect{
		{Key: "a#create", Op: slipway.OpCreate, Gate: slipway.GateApply, Consequence: "costs money", Reason: "it does not exist"},
		{Key: "b#update", Op: slipway.OpUpdate, Gate: slipway.GateApply, Reason: "it differs"},
		{Key: "p#promote", Op: slipway.OpPromote, Gate: slipway.GatePromote, Consequence: "moves production"},
	}}
	means := func(a slipway.Approval) (out []string) {
		for _, c := range a.Consequences(p) {
			out = append(out, c.Effect+": "+c.Means)
		}
		return out
	}
	three := map[string]any{"domains": []any{"https://a", "https://b", "https://c"}}
	for want, a := range map[string]slipway.Approval{
		"a#create: costs money|b#update: it differs":   {Gate: slipway.GateApply},
		"p#promote: moves 3 domains; rebuilds nothing": {Gate: slipway.GatePromote, Content: three},
		"p#promote: moves 1 domain; rebuilds nothing":  {Gate: slipway.GatePromote, Content: map[string]any{"domains": []any{"https://a"}}},
		"p#promote: moves production":                  {Gate: slipway.GatePromote},
		"p#promote: production serves nothing yet: each domain that the project has will serve the deployment; rebuilds nothing": {
			Gate: slipway.GatePromote, Content: map[string]any{"domains": []any{}, "serving": ""},
		},
		"p#promote: moves 0 domains; rebuilds nothing": {Gate: slipway.GatePromote, Content: map[string]any{"domains": []any{}, "serving": "dpl_1"}},
	} {
		if got := means(a); !slices.Equal(got, strings.Split(want, "|")) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
