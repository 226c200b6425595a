package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// watched is an app whose production is looked at after it has moved, and moved back by itself.
func watched() *slipway.Manifest {
	once := 0
	m := manifest()
	m.Promote = slipway.Promote{Rollback: slipway.RollbackAutomatic, Health: []slipway.HealthProbe{{Path: "/live", Retries: &once}}}
	return m
}

// wellUntil makes production answer well until bad.
func wellUntil(bad *bool) func(int, string) (int, string, time.Duration) {
	return func(int, string) (int, string, time.Duration) {
		if *bad {
			return 500, "", 0
		}
		return 200, "", 0
	}
}

func TestProductionIsMovedBackByItself(t *testing.T) {
	c, bad := newCloud(), false
	b, _ := probed(t, c, wellUntil(&bad))
	b.mustSucceed(b.ship(request(t, watched(), "one")))
	first, calls := c.serving, len(c.calls)
	bad = true
	id := b.begin(request(t, watched(), "two"))
	d := b.until(id, slipway.GatePromote)
	if got := d.Approvals[len(d.Approvals)-1].Content["rollback"]; got != "by itself, to "+first+", when cloud.live/shop@production#health fails" {
		t.Errorf("the approver sees: %v", got)
	}
	if got := d.Approvals[len(d.Approvals)-1].Content["deployment"]; got != c.lastDeploy() {
		t.Errorf("the approver sees that %v is promoted; it is %s", got, c.lastDeploy())
	}
	if d.Plan.Counts()[slipway.OpRollback] != 0 {
		t.Errorf("what is not to be expected is counted: %v", d.Plan.Counts())
	}
	run := b.finish(id)
	want := "GET /live: status 500, not 200; production was moved back to " + first + ", and serves it on every domain"
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeCheckFailed || run.Error.Message != want || c.serving != first {
		t.Fatalf("the run is %s: %+v; production serves %s", run.Status, run.Error, c.serving)
	}
	if d := cmp.Diff([]string{"cloud.deploy create", "cloud.live update", "cloud.live update"}, c.calls[calls:]); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
	d, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got := evidence(t, d, "cloud.live/shop@production#health"); len(got) != 1 || got[0].URL != "http://live" || got[0].Status != 500 {
		t.Errorf("evidence: %+v", got)
	}

	// Resumed, it asks about what was moved back from; it neither probes the old deployment in its place nor promotes again.
	bad = false
	if _, err := b.Resume(t.Context(), id, folder("two"), person); err != nil {
		t.Fatal(err)
	}
	if d := b.until(id, slipway.GatePromote); d.Plan.Held != slipway.HoldRolledBack || c.serving != first {
		t.Errorf("resumed: held %q, production serves %s", d.Plan.Held, c.serving)
	}
	b.mustSucceed(b.ship(request(t, watched(), "three")))
}

func TestProductionIsNotMovedBack(t *testing.T) {
	for name, tc := range map[string]struct {
		edit   func(*slipway.Manifest)
		reply  func(c *cloud, first string) int
		code   slipway.Code
		says   string
		reason string
	}{
		"manual": {
			func(m *slipway.Manifest) { m.Promote.Rollback = "" }, func(*cloud, string) int { return 500 }, slipway.CodeCheckFailed, "status 500",
			"nobody has asked for it",
		},
		"protected": {
			func(*slipway.Manifest) {}, func(*cloud, string) int { return 401 }, slipway.CodeProtected, "protected",
			"nothing is known of the app",
		},
		"moved meanwhile": {
			func(*slipway.Manifest) {}, func(c *cloud, _ string) int {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.move("dpl-theirs")
				return 500
			}, slipway.CodeCheckFailed, ": production now serves dpl-theirs",
			"what a person put there stays",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, first, second := newCloud(), "", false
			b, _ := probed(t, c, func(int, string) (int, string, time.Duration) {
				if !second {
					return 200, "", 0
				}
				return tc.reply(c, first), "", 0
			})
			m := watched()
			tc.edit(m)
			b.mustSucceed(b.ship(request(t, m, "one")))
			first, second = c.serving, true
			run := b.ship(request(t, m, "two"))
			if run.Status != slipway.RunFailed || run.Error.Code != tc.code || !strings.Contains(run.Error.Message, tc.says) || c.serving == first {
				t.Errorf("%s: %s %+v; production serves %s", tc.reason, run.Status, run.Error, c.serving)
			}
		})
	}
}

// TestWhatSomebodyElsePutThereIsNotProbed: production is moved between the promote and its probes.
func TestWhatSomebodyElsePutThereIsNotProbed(t *testing.T) {
	c, bad := newCloud(), false
	b, _ := probed(t, c, wellUntil(&bad))
	b.mustSucceed(b.ship(request(t, watched(), "one")))
	id := b.begin(request(t, watched(), "two"))
	b.until(id, slipway.GatePromote)
	looks := 0
	c.beforeObs = func(kind slipway.Kind) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if kind == "cloud.live" && c.calls[len(c.calls)-1] == "cloud.live update" {
			if looks++; looks == 2 {
				c.move("dpl-theirs")
			}
		}
		return nil
	}
	run := b.finish(id)
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeDrift || c.serving != "dpl-theirs" {
		t.Errorf("%s %+v; production serves %s", run.Status, run.Error, c.serving)
	}
}

func TestTheFirstShipHasNoWayBack(t *testing.T) {
	c, bad := newCloud(), true
	b, _ := probed(t, c, wellUntil(&bad))
	run := b.ship(request(t, watched(), "one"))
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeCheckFailed || c.serving == "" {
		t.Errorf("%s %+v; production serves %q", run.Status, run.Error, c.serving)
	}
}

// TestKilledOnTheWayBack: wherever it dies, production ends where it was, and the run failed with both facts.
func TestKilledOnTheWayBack(t *testing.T) {
	first, stride := sample(t)
	for point := first; ; point += stride {
		c, bad := newCloud(), false
		b, _ := probed(t, c, wellUntil(&bad))
		b.mustSucceed(b.ship(request(t, watched(), "one")))
		before := c.serving
		bad = true
		id := b.begin(request(t, watched(), "two"))
		b.until(id, slipway.GatePromote)
		b.approve(id, "")
		where := b.kill(id, point)
		if where == "" {
			if point < 10 {
				t.Fatalf("only %d kill points", point)
			}
			t.Logf("%d kill points", (point-first)/stride)
			return
		}
		if _, err := b.Resume(t.Context(), id, folder("two"), person); err != nil {
			t.Fatal(err)
		}
		run, err := b.run(id)
		if err != nil {
			t.Fatal(err)
		}
		if run.Status == slipway.RunWaitingApproval && run.Revision == 2 { // it had ended, and was resumed: it asks
			if c.serving != before {
				t.Errorf("point %d (%s): production serves %s", point, where, c.serving)
			}
			continue
		}
		if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeCheckFailed || !strings.Contains(run.Error.Message, "moved back to "+before) || c.serving != before {
			t.Errorf("point %d (%s): %s in revision %d, %+v; production serves %s, not %s", point, where, run.Status, run.Revision, run.Error, c.serving, before)
		}
	}
}

// kill works on a run until its nth point, dies there, and is what a new process sees. It returns which point that was, "" for none.
func (b *bench) kill(id string, n int) (where string) {
	b.t.Helper()
	ctx, strike := context.WithCancel(b.t.Context())
	defer strike()
	var seen atomic.Int64
	point := func(at string) error {
		if seen.Add(1) == int64(n) {
			where = at
			b.store.dead.Store(true)
			strike()
		}
		if b.store.dead.Load() {
			return &slipway.Error{Code: slipway.CodeUnavailable, Message: "killed", Retry: slipway.RetryAmbiguous}
		}
		return nil
	}
	if err := b.Start(ctx); err != nil {
		b.t.Fatal(err)
	}
	b.cloud.point, b.store.point = point, point
	_, _ = b.Wait(ctx, id)
	b.Stop()
	b.cloud.point, b.store.point = nil, nil
	b.restart()
	return where
}

// run works on a run until it is no longer active.
func (b *bench) run(id string) (slipway.Run, error) {
	b.t.Helper()
	if err := b.Start(b.t.Context()); err != nil {
		return slipway.Run{}, err
	}
	defer b.Stop()
	return b.Wait(b.t.Context(), id)
}
