package engine_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func (b *bench) rollback(to string) slipway.Run {
	b.t.Helper()
	req := slipway.RollbackRequest{Manifest: request(b.t, manifest(), "any").Manifest, Requester: person, Options: slipway.RunOptions{To: to}}
	run, err := b.Rollback(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.finish(run.ID)
}

func TestRollbackMovesProductionBackAndTellsOldValues(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	if _, err := b.Rollback(t.Context(), slipway.RollbackRequest{Manifest: request(t, manifest(), "one").Manifest, Requester: person}); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("before anything was shipped: %v", err)
	}
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	first := c.serving
	changed := manifest()
	changed.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
	b.mustSucceed(b.ship(request(t, changed, "two")))
	second := c.serving
	calls := len(c.calls)
	run := b.rollback("")
	b.mustSucceed(run)
	if c.serving != first || run.URL != "http://live" {
		t.Errorf("production serves %s, url %q; want %s", c.serving, run.URL, first)
	}
	if d := cmp.Diff([]string{"cloud.live update"}, c.calls[calls:]); d != "" {
		t.Errorf("a rollback is one call (-want +got):\n%s", d)
	}
	d, err := b.Get(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := []slipway.Address{"cloud.var/LEVEL@production"}; !slices.Equal(d.Plan.Rotated, want) || d.Approvals[0].Gate != slipway.GateRollback {
		t.Errorf("rotated %v, gate %s; want %v behind its own gate", d.Plan.Rotated, d.Approvals[0].Gate, want)
	}
	if diff := cmp.Diff(&slipway.Built{With: []slipway.Address{
		"cloud.var/CACHE_URL@production", "cloud.var/DATABASE_URL@production", "cloud.var/LEVEL@production", "cloud.var/STRIPE_KEY@production",
	}}, d.Plan.Built); diff != "" {
		t.Errorf("what it was built with (-want +got):\n%s", diff)
	}
	if run := b.rollback(first); !run.NoChanges {
		t.Errorf("to what production serves: %s", run.Status)
	}
	if run := b.rollback("dpl-nowhere"); run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeNotFound {
		t.Errorf("to nothing: %s %+v", run.Status, run.Error)
	}
	if run := b.rollback(""); !run.NoChanges || c.serving != first {
		t.Errorf("asked for again: %s, production serves %s; a rollback does not flip", run.Status, c.serving)
	}
	b.mustSucceed(b.rollback(second))
	if c.serving != second {
		t.Errorf("production serves %s, want %s", c.serving, second)
	}
}

// TestRollbackKnowsWhatOthersMoved: a release that ends by another hand leaves no promote of ours that is done.
func TestRollbackKnowsWhatOthersMoved(t *testing.T) {
	for name, sources := range map[string][]string{"once": {"one"}, "twice": {"zero", "one"}} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b := newBench(t, c)
			for _, source := range sources {
				b.mustSucceed(b.ship(request(t, manifest(), source)))
			}
			first := c.serving
			id := b.begin(request(t, manifest(), "two"))
			b.until(id, slipway.GatePromote)
			if _, err := b.Cancel(t.Context(), id, "", person); err != nil {
				t.Fatal(err)
			}
			id = b.begin(request(t, manifest(), "two"))
			b.until(id, slipway.GatePromote)
			c.mu.Lock()
			c.move(c.lastDeploy())
			c.mu.Unlock()
			b.mustSucceed(b.finish(id))
			b.mustSucceed(b.rollback(""))
			if c.serving != first {
				t.Errorf("production serves %s, want %s, which it served before", c.serving, first)
			}
		})
	}
}

// TestRollbackProposesNothingThatFailed: what failed on production is not gone back to, but for what has passed in the end.
func TestRollbackProposesNothingThatFailed(t *testing.T) {
	for name, passes := range map[string]bool{"failed": false, "passed in the end": true} {
		t.Run(name, func(t *testing.T) {
			c, bad := newCloud(), false
			b, _ := probed(t, c, wellUntil(&bad))
			m := watched()
			m.Promote.Rollback = ""
			b.mustSucceed(b.ship(request(t, m, "one")))
			want := c.serving
			bad = true
			if run := b.ship(request(t, m, "two")); run.Status != slipway.RunFailed || c.serving == want {
				t.Fatalf("%s, and production serves %s", run.Status, c.serving)
			}
			bad = false
			if passes {
				want = c.serving
				b.mustSucceed(b.ship(request(t, m, "two")))
			}
			b.mustSucceed(b.ship(request(t, m, "three")))
			b.mustSucceed(b.rollback(""))
			if c.serving != want {
				t.Errorf("production serves %s, want %s", c.serving, want)
			}
		})
	}
}

func TestRollbackIsCompareAndSwap(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	first := c.serving
	b.mustSucceed(b.ship(request(t, manifest(), "two")))
	run, err := b.Rollback(t.Context(), slipway.RollbackRequest{Manifest: request(t, manifest(), "one").Manifest, Requester: person})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%s %v", run.Status, err)
	}
	c.mu.Lock()
	c.serving = "dpl-theirs" // a person moves it meanwhile
	c.mu.Unlock()
	if _, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: ada}); err != nil {
		t.Fatal(err)
	}
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval || run.Revision != 2 || c.serving == first {
		t.Errorf("%s in revision %d, production serves %s, %v: the approval was for another move", run.Status, run.Revision, c.serving, err)
	}
}
