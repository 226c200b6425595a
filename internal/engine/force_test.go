package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// only lets these people approve, and nothing open by itself.
func only(names ...string) *rules {
	return &rules{"only " + strings.Join(names, " "), func(q slipway.Question) slipway.Answer {
		if q.Action != slipway.ActionAutoApprove && slices.Contains(names, q.Principal.Name) {
			return slipway.Answer{Allow: true, Rules: []string{"only"}, Approvers: 1}
		}
		return slipway.Answer{Approvers: 1, Why: "only " + strings.Join(names, " ") + " may"}
	}}
}

// lax lets everything open by itself.
func lax() *rules {
	return &rules{"lax", func(slipway.Question) slipway.Answer {
		return slipway.Answer{Allow: true, Rules: []string{"lax"}, Approvers: 1}
	}}
}

// from works in another folder, which has another policy.
func (b *bench) from(policy *rules) {
	b.rules = policy
	b.restart()
}

func (b *bench) yes(run string, by slipway.Approver) slipway.Code {
	return b.decide(slipway.Decision{Run: run, Approve: true, By: by})
}

func (b *bench) goesOn(run slipway.Run) (slipway.Run, slipway.Approval) {
	b.t.Helper()
	if _, err := b.Resume(b.t.Context(), run.ID, folder("one"), person); err != nil {
		b.t.Fatal(err)
	}
	run, a := b.waiting(run.ID)
	for _, other := range b.approvals(run.ID) {
		if other.State == slipway.ApprovalRequested {
			a = other // the last
		}
	}
	return run, a
}

// The policy of an app is the one of its first request. Another folder with a laxer one decides nothing: what it has is a change, which those approve
// who approve under the one in force; then it counts.
func TestAPolicyIsTheApps(t *testing.T) {
	b := newBench(t, newCloud())
	b.from(only("ada"))
	run, a := b.asking("one")
	b.from(lax())
	if code := b.yes(run.ID, bob); code != slipway.CodeForbidden {
		t.Fatalf("from a folder with a laxer policy: %q", code)
	}
	run, change := b.goesOn(run)
	if change.Gate != slipway.GatePolicy || change.Policy != only("ada").Digest() || len(b.cloud.calls) != 0 {
		t.Fatalf("%+v, calls %v", change, b.cloud.calls)
	}
	if diff := cmp.Diff([]string{"- only ada", "+ lax"}, change.Differs); diff != "" {
		t.Errorf("the approver does not see the change:\n%s", diff)
	}
	if _, again := b.goesOn(run); again.ID != change.ID {
		t.Error("it is asked for twice")
	}
	policyGate := slipway.Decision{Run: run.ID, Gate: slipway.GatePolicy, Approve: true, By: bob}
	if code := b.decide(policyGate); code != slipway.CodeForbidden {
		t.Fatalf("bob may not approve under the policy in force, and changes it: %q", code)
	}
	if c, err := b.PolicyChange(t.Context(), "shop"); err != nil || c == nil || c.After != lax().Digest() {
		t.Errorf("the change is not told: %+v %v", c, err)
	}
	policyGate.By = ada
	if code := b.decide(policyGate); code != "" {
		t.Fatal(code)
	}
	if _, err := b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	states := b.states(run.ID)
	if diff := cmp.Diff([]string{"apply voided", "policy consumed", "apply consumed", "promote consumed"}, states); diff != "" {
		t.Errorf("%s\n%+v", diff, a)
	}
	if c, err := b.PolicyChange(t.Context(), "shop"); err != nil || c != nil {
		t.Errorf("it is in force, and told as a change: %+v %v", c, err)
	}
}

// A change that is taken back, or overtaken by another, opens nothing, whoever approved it.
func TestAChangeOfPolicyIsOfOneText(t *testing.T) {
	b := newBench(t, newCloud())
	b.from(only("ada"))
	run, _ := b.asking("one")
	b.from(lax())
	run, _ = b.goesOn(run)
	if code := b.decide(slipway.Decision{Run: run.ID, Gate: slipway.GatePolicy, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.from(only("bob"))
	run, a := b.goesOn(run)
	if a.Gate != slipway.GatePolicy || a.Content["after"] != only("bob").Digest() || len(b.cloud.calls) != 0 {
		t.Errorf("the approval of another text was used: %+v", a)
	}
	b.from(only("ada"))
	run, a = b.goesOn(run)
	if diff := cmp.Diff([]string{"apply requested", "policy voided", "policy voided"}, b.states(run.ID)); diff != "" || a.Gate != slipway.GateApply {
		t.Errorf("%s\n%+v", diff, a)
	}
}

// The next run finds what is in force as the last one left it, whatever else was lost.
func TestAPolicyOutlivesItsRun(t *testing.T) {
	b := newBench(t, newCloud())
	b.from(only("ada"))
	first, _ := b.asking("one")
	if _, err := b.Cancel(t.Context(), first.ID, "", person); err != nil {
		t.Fatal(err)
	}
	b.from(lax())
	run, a := b.asking("two")
	if a.Gate != slipway.GatePolicy || len(b.cloud.calls) != 0 {
		t.Errorf("%+v", a)
	}
	if code := b.decide(slipway.Decision{Run: run.ID, By: bob, Reason: "no"}); code != "" || b.states(run.ID)[0] != "policy rejected" {
		t.Errorf("a no: %q %v", code, b.states(run.ID))
	}
}

// Killed before or after any commit of a change of policy, it ends as it does without a kill: changed once, by an approval that is used.
func TestKilledWhileAPolicyChanges(t *testing.T) {
	first, stride := sample(t)
	for point := first; !killedChanging(t, point); point += stride {
	}
}

// killedChanging changes a policy, killed at a point, and again in a new process. finished: there is no such point.
func killedChanging(t *testing.T, point int) (finished bool) {
	b := newBench(t, newCloud())
	b.from(only("ada"))
	run, _ := b.asking("one")
	b.from(only("ada", "bob"))
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	n := 0
	b.store.point = func(string) error {
		if n++; n > point {
			b.store.dead.Store(true)
			kill()
		}
		return nil
	}
	change := slipway.Decision{Run: run.ID, Gate: slipway.GatePolicy, Approve: true, By: ada}
	work := func() bool {
		if _, err := b.Resume(ctx, run.ID, folder("one"), person); err != nil || b.Start(ctx) != nil {
			return false
		}
		defer b.Stop()
		after, err := b.Wait(ctx, run.ID)
		return err == nil && after.Status == slipway.RunWaitingApproval && !b.store.dead.Load()
	}
	finished = work() && b.decide(change) == "" && work()
	b.restart()
	if len(b.cloud.calls) != 0 {
		t.Fatalf("at %d: calls %v", point, b.cloud.calls)
	}
	if states := b.states(run.ID); !slices.Contains(states, "policy approved") && !slices.Contains(states, "policy consumed") {
		run, _ = b.goesOn(run)
		if code := b.decide(change); code != "" {
			t.Fatalf("at %d: %q, %v", point, code, states)
		}
	}
	if run, _ = b.goesOn(run); b.yes(run.ID, bob) != "" {
		t.Fatalf("at %d: bob may not approve, %v", point, b.states(run.ID))
	}
	b.mustSucceed(b.finish(run.ID))
	used := slices.DeleteFunc(b.states(run.ID), func(s string) bool { return s != "policy consumed" })
	if len(used) != 1 {
		t.Errorf("at %d: %v", point, b.states(run.ID))
	}
	return finished
}
