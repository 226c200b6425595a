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
		"a mark":     {"it tells a person nothing", func(p *slipway.Plan) { p.Effects[0].Params["fingerprint"], p.Effects[0].Params["tree"] = "v1:a", "t" }, []string{"cloud.db/db#create: another secret value", "cloud.db/db#create: the source"}},
		"a literal":  {"its mark is not told beside it", func(p *slipway.Plan) { p.Effects[0].Params["fingerprint"], p.Effects[0].Params["value"] = "v1:a", "b" }, []string{"cloud.db/db#create: another secret value", "cloud.db/db#create: value: (not set) -> b"}},
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

// The lines that tell of one difference each.
func TestPlanDifferencesOfTheRest(t *testing.T) {
	long := strings.Repeat("é", 81)
	for reason, tc := range map[string]struct {
		change func(p *slipway.Plan)
		want   []string
	}{
		"an effect more":               {func(p *slipway.Plan) { p.Effects = append(p.Effects, slipway.Effect{Key: "x#create"}) }, []string{"x#create: new"}},
		"other files":                  {func(p *slipway.Plan) { p.Source = "sha256:other" }, []string{"source: sha256:tree -> sha256:other"}},
		"another check":                {func(p *slipway.Plan) { p.Checks[0].Probes[0].Status = 200 }, []string{"checks: another set"}},
		"another gate":                 {func(p *slipway.Plan) { p.Effects[0].Gate = slipway.GateDestroy }, []string{"cloud.db/db#create: gate: apply -> destroy"}},
		"another order":                {func(p *slipway.Plan) { p.Effects[0].After = nil }, []string{"cloud.db/db#create: its name, account or order differs"}},
		"a value less":                 {func(p *slipway.Plan) { delete(p.Effects[0].Params, "region") }, []string{"cloud.db/db#create: region: east -> (not set)"}},
		"a value to come":              {func(p *slipway.Plan) { p.Effects[0].Params["region"] = nil }, []string{"cloud.db/db#create: region: east -> (known during the run)"}},
		"80 characters":                {func(p *slipway.Plan) { p.Effects[0].Params["region"] = long[2:] }, []string{"cloud.db/db#create: region: east -> " + long[2:]}},
		"81 are shortened":             {func(p *slipway.Plan) { p.Effects[0].Params["region"] = long }, []string{"cloud.db/db#create: region: east -> " + long[2:] + "…"}},
		"a value more, where none was": {func(p *slipway.Plan) { p.Effects[0].Params["new"] = "x" }, []string{"cloud.db/db#create: new: (not set) -> x"}},
	} {
		after := fullPlan()
		tc.change(after)
		if d := cmp.Diff(tc.want, slipway.PlanDifferences(fullPlan(), after)); d != "" {
			t.Errorf("%s (-want +got):\n%s", reason, d)
		}
	}
	if got := slipway.PlanDifferences(nil, fullPlan()); got != nil {
		t.Errorf("from nothing: %q", got)
	}
	if got := slipway.PlanDifferences(fullPlan(), nil); got != nil {
		t.Errorf("to nothing: %q", got)
	}
}

// The approver of the same resources again reads what is not as it was.
func TestSinceApproved(t *testing.T) {
	effect := func(key string, op slipway.Op, gate slipway.Gate, params map[string]any) slipway.Effect {
		return slipway.Effect{Key: key + "#" + string(op), Address: slipway.Address(key), Op: op, Gate: gate, Params: params}
	}
	last := map[slipway.Address]slipway.Effect{
		"cloud.db/db":   effect("cloud.db/db", slipway.OpCreate, slipway.GateApply, map[string]any{"size": 1, "region": "east", "late": nil, "gone": "x", "repo_id": 1}),
		"cloud.var/A":   effect("cloud.var/A", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "a", "tree": "1", "input": "1"}),
		"cloud.var/P":   effect("cloud.var/P", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "a", "value": "blue"}),
		"cloud.var/S":   effect("cloud.var/S", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "a", "type": "plain", "value": "blue"}),
		"cloud.prod/it": effect("cloud.prod/it", slipway.OpPromote, slipway.GatePromote, nil),
	}
	plan := &slipway.Plan{Effects: []slipway.Effect{
		effect("cloud.var/B", slipway.OpCreate, slipway.GateApply, nil),
		effect("cloud.var/A", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "b", "tree": "2", "input": "2"}),
		effect("cloud.var/P", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "b", "value": "green"}),
		effect("cloud.var/S", slipway.OpUpdate, slipway.GateApply, map[string]any{"fingerprint": "b", "type": "sensitive"}),
		effect("cloud.db/db", slipway.OpUpdate, slipway.GateApply, map[string]any{"size": 2, "region": "east", "late": "now", "repo_id": 2, "new": "x"}),
		effect("cloud.prod/it", slipway.OpRollback, slipway.GatePromote, nil),
	}}
	apply := []string{
		"cloud.db/db#update: was create", "cloud.db/db#update: the repository", "cloud.db/db#update: size: 1 -> 2",
		"cloud.var/A#update: another secret value", "cloud.var/A#update: the source or its settings", "cloud.var/A#update: the source", "cloud.var/B#create: never approved before",
		"cloud.var/P#update: value: blue -> green", "cloud.var/S#update: another secret value", "cloud.var/S#update: type: plain -> sensitive",
	}
	production := []string{"cloud.prod/it#rollback: was promote"}
	for gate, want := range map[slipway.Gate][]string{
		slipway.GateApply: apply, slipway.GatePromote: production, "": slices.Concat(apply[:3], production, apply[3:]), slipway.GateDestroy: nil,
	} {
		if d := cmp.Diff(want, slipway.SinceApproved(last, plan, gate)); d != "" {
			t.Errorf("gate %q (-want +got):\n%s", gate, d)
		}
	}
}

// Lines that stay are not told; of the others each is, in order.
func TestTextDifferences(t *testing.T) {
	for name, tc := range map[string]struct{ before, after, want string }{
		"nothing":         {"a\nb\n", "a\nb", ""},
		"changed":         {"a\nb\nc\n", "a\nx\nc\n", "- b|+ x"},
		"more":            {"a\nc", "a\nb\nc\nd", "+ b|+ d"},
		"less":            {"a\nb\nc\nd", "b\nd", "- a|- c"},
		"moved":           {"a\nb\nc", "b\nc\na", "- a|+ a"},
		"twice":           {"a\na\nb", "a\nb\nb", "- a|+ b"},
		"all":             {"a\nb", "x\ny\nz", "- a|- b|+ x|+ y|+ z"},
		"two ways, short": {"x\na\nb\nc", "a\nb\nc\nx", "- x|+ x"},
	} {
		if got := strings.Join(slipway.TextDifferences(tc.before, tc.after), "|"); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// A way back that may never be gone says so; a rollback moves domains as a promote does.
func TestConsequencesOfAWayBack(t *testing.T) {
	p := &slipway.Plan{Effects: []slipway.Effect{{Key: "p#rollback", Op: slipway.OpRollback, Gate: slipway.GatePromote, OnFailure: "c#health"}, {Key: "d#update", Op: slipway.OpUpdate, Gate: slipway.GatePromote, Reason: "it differs"}}}
	a := slipway.Approval{Gate: slipway.GatePromote, Content: map[string]any{"domains": []any{"https://a"}}}
	want := []slipway.Consequence{{Effect: "p#rollback", Means: "only where c#health fails: moves 1 domain; rebuilds nothing"}, {Effect: "d#update", Means: "it differs"}}
	if d := cmp.Diff(want, a.Consequences(p)); d != "" {
		t.Error(d)
	}
}

func TestMismatch(t *testing.T) {
	variable := map[string]slipway.Input{"value": {Secret: "LEVEL"}}
	for name, tc := range map[string]struct {
		inputs     map[string]slipway.Input
		field      string
		want, have any
		says       string
		reason     string
	}{
		"a number":      {nil, "dimensions", int64(384), 3, "dimensions: 384 wanted, 3 there", "a person mends what they can see"},
		"nothing":       {nil, "region", "east", nil, "region: east wanted, nothing there", "what is not set is said"},
		"a fingerprint": {nil, "fingerprint", "v1:a", "v1:b", "value", "the mark itself tells a person nothing"},
		"a commit's id": {nil, "repo_id", 1, 2, "repository", "an id that no page shows is named by what it is of"},
		"a variable":    {variable, "value", "info", "hunter22", "value", "a secret may have been pasted there"},
	} {
		t.Run(name, func(t *testing.T) {
			s := slipway.Spec{Params: map[string]any{tc.field: tc.want}, Inputs: tc.inputs}
			got := slipway.Mismatch(s, slipway.Observation{Fields: map[string]any{tc.field: tc.have}}, tc.field)
			if got != tc.says {
				t.Errorf("%s: %q", tc.reason, got)
			}
		})
	}
}
