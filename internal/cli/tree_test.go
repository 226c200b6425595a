package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func detail(effects int) *slipway.RunDetail {
	d := &slipway.RunDetail{Run: slipway.Run{ID: "run_1", App: "shop", Environment: "production", Operation: slipway.OperationShip}, Plan: &slipway.Plan{}}
	for i := range effects {
		d.Plan.Effects = append(d.Plan.Effects, slipway.Effect{Key: fmt.Sprintf("e%d", i)})
	}
	return d
}

func treeOf(width, height int) (*tree, *strings.Builder) {
	var out strings.Builder
	hide := func(s string) string { return strings.ReplaceAll(s, "canary", "[redacted]") }
	return newTree(&out, hide, func() (int, int) { return width, height }), &out
}

func TestTheTreeIsDrawnOverItself(t *testing.T) {
	tree, out := treeOf(40, 24)
	tree.planned(detail(3))
	tree.event(slipway.Event{Type: slipway.EventStepIntended, Step: "e0"})
	tree.flush()
	tree.event(slipway.Event{Type: slipway.EventStepDone, Step: "e0"})
	tree.event(slipway.Event{Type: slipway.EventStepIntended, Step: "e1"})
	tree.event(slipway.Event{Type: slipway.EventLog, Step: "e1", Data: map[string]any{"text": "building the canary, which is a long line"}})
	tree.flush()
	tree.flush() // nothing new: nothing is drawn
	want := "ship shop (production)  run_1\n  → e0\n  · e1\n  · e2\n" +
		"\x1b[4A\x1b[J" +
		"ship shop (production)  run_1\n  ✓ e0\n  → e1\n      | building the [redacted], which \n  · e2\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheTreeIsNotTallerThanTheTerminal(t *testing.T) {
	tree, out := treeOf(80, 6)
	tree.planned(detail(20))
	for i := range 18 {
		tree.event(slipway.Event{Type: slipway.EventStepDone, Step: fmt.Sprintf("e%d", i)})
	}
	tree.event(slipway.Event{Type: slipway.EventStepFailed, Step: "e18", Data: map[string]any{"error": "x"}})
	tree.flush()
	want := "ship shop (production)  run_1\n  ✓ 18 done\n  ✗ e18\n  · e19\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestThePlanNamesEveryKindOfEffect(t *testing.T) {
	effect := func(op slipway.Op, key string, more func(*slipway.Effect)) slipway.Effect {
		e := slipway.Effect{Op: op, Address: slipway.Address("neon.project/" + key), Key: key, Gate: slipway.GateApply, Reason: "because", Reversible: true}
		if more != nil {
			more(&e)
		}
		return e
	}
	p := &slipway.Plan{
		Operation: slipway.OperationShip, App: "shop", Environment: "production",
		Effects: []slipway.Effect{
			effect(slipway.OpCreate, "a", func(e *slipway.Effect) {
				e.Name, e.Consequence = "shop", "it costs"
				e.Params = map[string]any{"region": "eu", "fingerprint": "abc", "list": []any{"x", "y"}, "later": nil}
				e.Secrets = []slipway.SecretWrite{{Reference: "db.url"}}
			}),
			effect(slipway.OpUpdate, "b", func(e *slipway.Effect) {
				e.Changes = []slipway.Change{{Field: "fingerprint", From: "k:1", To: "k:2"}, {Field: "written", From: false, To: true}, {Field: "type", From: "plain", To: "sensitive"}, {Field: "framework", From: nil, To: "hugo"}, {Field: "id", From: "x", To: nil}}
			}),
			effect(slipway.OpUpdate, "c", func(e *slipway.Effect) {
				e.Changes = []slipway.Change{{Field: "fingerprint", From: "k:1", To: "k:2"}, {Field: "value", From: "one", To: "two"}}
			}),
			effect(slipway.OpAdopt, "d", nil),
			effect(slipway.OpReplace, "e", func(e *slipway.Effect) { e.Gate, e.Reversible = slipway.GateDestroy, false }),
			effect(slipway.OpDelete, "f", func(e *slipway.Effect) { e.Gate, e.Reversible = slipway.GateDestroy, false }),
			effect(slipway.OpDeploy, "g", nil),
			effect(slipway.OpPromote, "h", func(e *slipway.Effect) { e.Gate = slipway.GatePromote }),
		},
		Checks:     []slipway.Check{{Key: "g#health", Probes: []slipway.HealthProbe{{Path: "/x", Status: 204, Contains: "ok"}}}},
		Undeclared: []slipway.Address{"upstash.redis/old"}, Kept: []slipway.Address{"neon.project/theirs"}, Serving: "dpl_1", Drift: true,
		Access: slipway.Access{
			{Provider: "neon", Cause: slipway.CauseInvalid, Reason: "the key is not accepted", Hint: "make a new key"},
			{Provider: "neon", Kind: "neon.branch", Cause: slipway.CauseInvalid, Reason: "the key is not accepted", Hint: "make a new key"},
			{Provider: "upstash", Cause: slipway.CauseMissing, Reason: "no key"},
		},
	}
	want := `ship shop (production)

  + neon.project/a  "shop"
      list: [x, y], region: eu, from db.url
      because; it costs
  ~ neon.project/b
      secret changed
      changed outside Slipway
      type: plain -> sensitive
      framework: (not set) -> hugo
      id: x -> (known during the run)
      because
  ~ neon.project/c
      value: one -> two
      because
  = neon.project/d
      because
  ! neon.project/e  [gate destroy]
      because
      this cannot be undone
  - neon.project/f  [gate destroy]
      because
      this cannot be undone
  > neon.project/g
      because
  ? g#health
      GET /x answers 204 with "ok"
  ^ neon.project/h  [gate promote]
      because

1 create, 2 update, 1 adopt, 1 replace, 1 delete, 1 deploy, 1 promote
digest: ` + p.Digest() + `
undeclared: upstash.redis/old is ours and stays; delete it with: slipway destroy --only old
kept: neon.project/theirs was not made by Slipway
neon: the key is not accepted
      make a new key
upstash: no key
drift: production serves dpl_1, which Slipway did not put there
`
	if diff := cmp.Diff(want, planText(p)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPlanHint(t *testing.T) {
	manual := slipway.Effect{Key: "a", Address: "upstash.redis/cache", Mode: slipway.ModeManual}
	blocked := slipway.Effect{Key: "b", Address: "neon.project/db", Mode: slipway.ModeBlocked}
	access := slipway.Access{{Provider: "neon", Cause: slipway.CauseInvalid, Hint: "make a new key"}}
	for reason, tc := range map[string]struct {
		effects []slipway.Effect
		runbook bool
		want    string
	}{
		"Slipway does it all":           {[]slipway.Effect{{Key: "c"}}, false, ""},
		"a person finds the steps":      {[]slipway.Effect{manual}, false, "slipway plan --runbook shows what a person is to do"},
		"the steps were shown":          {[]slipway.Effect{manual}, true, ""},
		"what is broken is first":       {[]slipway.Effect{manual, blocked}, false, "make a new key; then: slipway plan"},
		"nothing to do, nothing to say": {nil, false, ""},
	} {
		if got := planHint(&slipway.Plan{Effects: tc.effects, Access: access}, tc.runbook); got != tc.want {
			t.Errorf("%s: %q, want %q", reason, got, tc.want)
		}
	}
}
