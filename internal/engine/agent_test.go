package engine_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// Whatever an agent asks the Service for, with its name wherever a principal can stand, no gate opens and nothing changes outside.
func TestNoMethodLetsAnAgentApprove(t *testing.T) {
	b := newBench(t, newCloud())
	run, _ := b.asking("one")
	bot := slipway.Principal{Kind: slipway.PrincipalAgent, Name: "bot"}
	ship := request(t, manifest(), "one")
	ship.Requester = bot
	destroy := slipway.DestroyRequest{Manifest: ship.Manifest, Environment: ship.Environment, Requester: bot}
	rollback := slipway.RollbackRequest{Manifest: ship.Manifest, Environment: ship.Environment, Requester: bot}
	ctx := t.Context()
	calls := map[string]func(){
		"Plan":       func() { _, _ = b.Plan(ctx, ship) },
		"Ship":       func() { _, _ = b.Ship(ctx, ship) },
		"Resume":     func() { _, _ = b.Resume(ctx, run.ID, folder("one"), bot) },
		"Decide":     func() { _, _ = b.Decide(ctx, slipway.Decision{Run: run.ID, Approve: true, Reason: "yes"}) },
		"Runbook":    func() { _, _, _ = b.Runbook(ctx, run.ID) },
		"RunbookOf":  func() { _, _ = b.RunbookOf(ctx, ship, &slipway.Plan{}) },
		"TakeManual": func() { _, _ = b.TakeManual(ctx, run.ID, "1", false, bot) },
		"CheckManual": func() {
			_, _ = b.CheckManual(ctx, slipway.ManualCheck{Run: run.ID, Step: "1", Assert: true, Note: "done", By: bot})
		},
		"Drift":      func() { _, _ = b.Drift(ctx, "shop", slipway.Production) },
		"Get":        func() { _, _ = b.Get(ctx, run.ID) },
		"Runs":       func() { _, _ = b.Runs(ctx, slipway.RunFilter{}) },
		"Events":     func() { _, _ = b.Events(ctx, run.ID, 0) },
		"Transcript": func() { _, _ = b.Transcript(ctx, run.ID) },
		"Probe":      func() { _, _ = b.Probe(ctx) },
		"Rollback":   func() { _, _ = b.Rollback(ctx, rollback) },
		"Destroy":    func() { _, _ = b.Destroy(ctx, destroy) },
		"Cancel":     func() { _, _ = b.Cancel(ctx, run.ID, "", bot) },
	}
	service := reflect.TypeFor[slipway.Service]()
	for i := range service.NumMethod() {
		name := service.Method(i).Name
		if calls[name] == nil {
			t.Errorf("Service.%s: say here how an agent calls it", name)
			continue
		}
		if name == "Cancel" || name == "Destroy" || name == "Rollback" { // they end the run that waits: each in a world of its own would show no more
			continue
		}
		calls[name]()
	}
	run, _ = b.waiting(run.ID)
	if diff := cmp.Diff([]string{"apply requested"}, b.states(run.ID)); diff != "" || len(b.cloud.calls) != 0 {
		t.Errorf("%s, calls %v", diff, b.cloud.calls)
	}
	for _, name := range []string{"Destroy", "Rollback", "Cancel"} {
		calls[name]()
	}
	if all := b.states(run.ID); len(b.cloud.calls) != 0 || len(all) != 1 || all[0] == "apply approved" || all[0] == "apply consumed" {
		t.Errorf("%v, calls %v", all, b.cloud.calls)
	}
}
