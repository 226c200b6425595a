package engine_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

// A change of policy that was approved counts only while the policy in force would still let it be: a freeze holds it as it holds everything else.
func TestAChangeOfPolicyLapses(t *testing.T) {
	b := newBench(t, newCloud())
	frozen, asked := false, []slipway.Question(nil)
	calm := only("ada")
	ask := calm.ask
	calm.ask = func(q slipway.Question) slipway.Answer {
		if asked = append(asked, q); frozen {
			return slipway.Answer{Approvers: 1, Why: "a freeze"}
		}
		return ask(q)
	}
	b.from(calm)
	run, _ := b.asking("one")
	b.from(lax())
	run, _ = b.goesOn(run)
	asked = nil
	if code := b.decide(slipway.Decision{Run: run.ID, Gate: slipway.GatePolicy, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	for _, q := range asked { // of a change, whatever the run is
		if q.Action != slipway.PolicyAction(slipway.GateApply) || q.Environment != slipway.Production || q.Operation != slipway.OperationShip || !q.Stateful || q.Requester != run.Requester || len(q.Ops) > 0 {
			t.Errorf("the policy is asked about %+v", q)
		}
	}
	frozen = true
	_, a := b.goesOn(run)
	if a.Gate != slipway.GatePolicy || len(b.cloud.calls) != 0 {
		t.Errorf("the change counts, and nobody could have approved it now: %+v", a)
	}
	if c, err := b.PolicyChange(t.Context(), "shop"); err != nil || c == nil || c.Before != calm.Digest() {
		t.Errorf("another policy is in force: %+v, %v", c, err)
	}
}
