package slipway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// What a policy is asked about a gate is what the effects behind it are, and nothing of the others.
func TestAbout(t *testing.T) {
	kinds := map[slipway.Kind]slipway.KindInfo{"cloud.db": {Stateful: true}, "cloud.var": {}}
	effect := func(kind string, op slipway.Op, gate slipway.Gate, mode slipway.Mode) slipway.Effect {
		return slipway.Effect{Address: slipway.Address(kind + "/x"), Op: op, Gate: gate, Mode: mode}
	}
	apply, destroy := slipway.GateApply, slipway.GateDestroy
	asks := func(change func(q *slipway.Question)) slipway.Question {
		q := slipway.Question{Gate: apply, App: "shop", Environment: "preview", Operation: slipway.OperationShip, Requester: ada.Principal()}
		change(&q)
		return q
	}
	for reason, tc := range map[string]struct {
		drift   bool
		effects []slipway.Effect
		want    slipway.Question
	}{
		"nothing is behind it": {false, []slipway.Effect{effect("cloud.db", slipway.OpDelete, destroy, slipway.ModeManual)}, asks(func(*slipway.Question) {})},
		"each once, sorted": {
			false,
			[]slipway.Effect{effect("cloud.var", slipway.OpUpdate, apply, ""), effect("cloud.var", slipway.OpCreate, apply, ""), effect("cloud.var", slipway.OpUpdate, apply, "")},
			asks(func(q *slipway.Question) {
				q.Ops, q.Kinds = []slipway.Op{slipway.OpCreate, slipway.OpUpdate}, []slipway.Kind{"cloud.var"}
			}),
		},
		"one of two holds data": {
			false,
			[]slipway.Effect{effect("cloud.db", slipway.OpCreate, apply, ""), effect("cloud.var", slipway.OpCreate, apply, "")},
			asks(func(q *slipway.Question) {
				q.Ops, q.Kinds, q.Stateful = []slipway.Op{slipway.OpCreate}, []slipway.Kind{"cloud.db", "cloud.var"}, true
			}),
		},
		"one of two deletes": {
			false,
			[]slipway.Effect{effect("cloud.var", slipway.OpDelete, apply, ""), effect("cloud.var", slipway.OpCreate, apply, "")},
			asks(func(q *slipway.Question) {
				q.Ops, q.Kinds, q.Destructive = []slipway.Op{slipway.OpCreate, slipway.OpDelete}, []slipway.Kind{"cloud.var"}, true
			}),
		},
		"replacing destroys": {
			false,
			[]slipway.Effect{effect("cloud.var", slipway.OpReplace, apply, "")},
			asks(func(q *slipway.Question) {
				q.Ops, q.Kinds, q.Destructive = []slipway.Op{slipway.OpReplace}, []slipway.Kind{"cloud.var"}, true
			}),
		},
		"one of two is done by hand, and production was moved": {
			true,
			[]slipway.Effect{effect("cloud.var", slipway.OpCreate, apply, slipway.ModeManual), effect("cloud.var", slipway.OpCreate, apply, "")},
			asks(func(q *slipway.Question) {
				q.Ops, q.Kinds, q.Manual, q.Drift = []slipway.Op{slipway.OpCreate}, []slipway.Kind{"cloud.var"}, true, true
			}),
		},
	} {
		run := slipway.Run{App: "shop", Environment: "preview", Operation: slipway.OperationShip, Requester: ada.Principal()}
		got := slipway.About(run, &slipway.Plan{Effects: tc.effects, Drift: tc.drift}, apply, kinds)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", reason, d)
		}
	}
}

// Whoever approves is in the question as they have proved themselves.
func TestApproverAsks(t *testing.T) {
	k, err := slipway.KeyApprover(slipway.Signer{Name: "grace", Key: "0123", Groups: []string{"managers"}})
	if err != nil {
		t.Fatal(err)
	}
	want := slipway.Question{App: "shop", Principal: slipway.Principal{Kind: slipway.PrincipalUser, Name: "grace"}, Proof: slipway.ProofKey, Key: "0123", Groups: []string{"managers"}}
	if d := cmp.Diff(want, k.Asks(slipway.Question{App: "shop"})); d != "" {
		t.Error(d)
	}
	want = slipway.Question{Principal: slipway.Principal{Kind: slipway.PrincipalUser, Name: "ada"}, Proof: slipway.ProofOSUser}
	if d := cmp.Diff(want, ada.Asks(slipway.Question{})); d != "" {
		t.Error(d)
	}
}
