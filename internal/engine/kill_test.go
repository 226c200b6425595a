package engine_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// operation is something that can be killed: what goes before it, and how it is asked for.
type operation struct {
	before func(b *bench)
	begin  func(ctx context.Context, b *bench) (slipway.Run, error)
	least  int // kill points that there must be at the least
}

func operations(t *testing.T) map[string]operation {
	shipped := func(b *bench) { b.mustSucceed(b.ship(request(b.t, manifest(), "one"))) }
	ship := func(change func(*slipway.Manifest), source string) func(context.Context, *bench) (slipway.Run, error) {
		return func(ctx context.Context, b *bench) (slipway.Run, error) {
			m := manifest()
			change(m)
			return b.Ship(ctx, request(b.t, m, source))
		}
	}
	return map[string]operation{
		"first ship": {func(*bench) {}, ship(func(*slipway.Manifest) {}, "one"), 80},
		"promote":    {shipped, ship(func(*slipway.Manifest) {}, "two"), 40},
		"change": {shipped, ship(func(m *slipway.Manifest) {
			m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
			delete(m.Env, "STRIPE_KEY")
			m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
			m.Resources["more"] = m.Resources["cache"]
			m.Env["MORE_URL"] = slipway.EnvVar{From: "more.url"}
		}, "two"), 90},
		"replace": {shipped, ship(func(m *slipway.Manifest) {
			m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "west", "size": "1"}}
		}, "one"), 70},
		"rollback": {func(b *bench) {
			shipped(b)
			b.mustSucceed(b.ship(request(b.t, manifest(), "two")))
		}, func(ctx context.Context, b *bench) (slipway.Run, error) {
			return b.Rollback(ctx, slipway.RollbackRequest{Manifest: request(t, manifest(), "one").Manifest, Requester: person})
		}, 15},
		"destroy": {shipped, func(ctx context.Context, b *bench) (slipway.Run, error) {
			return b.Destroy(ctx, slipway.DestroyRequest{
				Manifest: request(t, manifest(), "one").Manifest, Requester: person, Options: slipway.RunOptions{All: true},
			})
		}, 40},
	}
}

// sample says which kill points are tried: every seventh, or with SLIPWAY_LONG=1 all of shard i of n (SLIPWAY_SHARD=i/n, default 1/1).
func sample(t *testing.T) (first, stride int) {
	if os.Getenv("SLIPWAY_LONG") == "" {
		return 1, 7
	}
	shard := os.Getenv("SLIPWAY_SHARD")
	if shard == "" {
		return 1, 1
	}
	if n, err := fmt.Sscanf(shard, "%d/%d", &first, &stride); n != 2 || err != nil || first < 1 || first > stride {
		t.Fatalf("SLIPWAY_SHARD=%q: not i/n with i from 1 to n", shard)
	}
	return first, stride
}

// TestKilledAnywhere kills the process at commits and requests of each operation, asks for the same again, and compares with an
// uninterrupted run.
func TestKilledAnywhere(t *testing.T) {
	first, stride := sample(t)
	for name, op := range operations(t) {
		t.Run(name, func(t *testing.T) {
			reference := newBench(t, newCloud())
			op.before(reference)
			run, err := op.begin(t.Context(), reference)
			if err != nil {
				t.Fatal(err)
			}
			reference.mustSucceed(reference.finish(run.ID))
			for point := first; ; point += stride {
				if where := killedAt(t, op, point, reference.cloud); where != "" {
					continue
				}
				if point <= op.least {
					t.Fatalf("fewer than %d kill points", point)
				}
				t.Logf("%d kill points: the same state, and one of each, after every one", (point-first)/stride)
				return
			}
		})
	}
}

// killedAt kills op at its nth point, finishes it in a new process, and compares. It returns which point that was, "" for none.
func killedAt(t *testing.T, op operation, point int, reference *cloud) (where string) {
	b := newBench(t, newCloud())
	op.before(b)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var seen atomic.Int64
	strike := func(at string) error {
		if seen.Add(1) == int64(point) {
			where = at
			b.store.dead.Store(true)
			kill()
		}
		if b.store.dead.Load() {
			return &slipway.Error{Code: slipway.CodeUnavailable, Message: "killed", Retry: slipway.RetryAmbiguous}
		}
		return nil
	}
	b.cloud.point, b.store.point = strike, strike
	run, err := b.work(ctx, op)
	if where == "" {
		t.Logf("point %d was not reached: the run is %s: %+v, %v", point, run.Status, run.Error, err)
		return ""
	}
	b.cloud.point = nil
	b.cloud.hide(4) // lists may lag when the next process looks
	b.restart()
	if run, err = op.begin(t.Context(), b); err != nil {
		t.Fatalf("point %d (%s): %v", point, where, err)
	}
	if run = b.finish(run.ID); run.Status != slipway.RunSucceeded {
		t.Fatalf("point %d (%s): run is %s: %+v", point, where, run.Status, run.Error)
	}
	if run.Revision > 1 {
		t.Errorf("point %d (%s): the resumed run planned %d times; its own outcomes are no reason to ask again", point, where, run.Revision)
	}
	if d := cmp.Diff(reference.state(), b.cloud.state()); d != "" {
		t.Errorf("point %d (%s): state (-uninterrupted +resumed):\n%s", point, where, d)
	}
	if d := cmp.Diff(reference.made, b.cloud.made); d != "" {
		t.Errorf("point %d (%s): made (-uninterrupted +resumed):\n%s", point, where, d)
	}
	return where
}

func (b *bench) untilDead(ctx context.Context, op operation) { _, _ = b.work(ctx, op) }

// work does op as far as it gets, and returns how it ended.
func (b *bench) work(ctx context.Context, op operation) (run slipway.Run, err error) {
	if run, err = op.begin(ctx, b); err != nil {
		return run, err
	}
	if err := b.Start(ctx); err != nil {
		return run, err
	}
	defer b.Stop()
	for {
		run, err = b.Wait(ctx, run.ID)
		if err != nil || run.Status != slipway.RunWaitingApproval {
			return run, err
		}
		if _, err := b.Decide(ctx, slipway.Decision{Run: run.ID, Gate: b.gate(run.ID), Approve: true, By: ada, Confirm: b.targets(run.ID)}); err != nil {
			return run, err
		}
	}
}

func TestHomeLostAnywhere(t *testing.T) {
	reference := newBench(t, newCloud())
	reference.mustSucceed(reference.ship(request(t, manifest(), "one")))
	for point := 1; ; point++ {
		c := newCloud()
		b := newBench(t, c)
		ctx, kill := context.WithCancel(t.Context())
		var seen atomic.Int64
		where := ""
		c.point = func(at string) error {
			if seen.Add(1) == int64(point) {
				where = at
				b.store.dead.Store(true)
				kill()
			}
			if b.store.dead.Load() {
				return &slipway.Error{Code: slipway.CodeUnavailable, Message: "killed", Retry: slipway.RetryAmbiguous}
			}
			return nil
		}
		b.untilDead(ctx, operations(t)["first ship"])
		kill()
		if where == "" {
			return
		}
		c.point = nil
		fresh := newBench(t, c)
		fresh.mustSucceed(fresh.ship(request(t, manifest(), "one")))
		if d := cmp.Diff(reference.cloud.state(), c.state()); d != "" {
			t.Errorf("home lost at point %d (%s): state (-uninterrupted +fresh home):\n%s", point, where, d)
		}
	}
}

func TestLostReplyIsLookedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		lag    int
		sent   bool
		reason string
	}{
		"acted":     {0, true, "the reply was lost after the create: it is found"},
		"not acted": {0, false, "the request never arrived: it is sent again"},
		"late":      {4, true, "the create shows only at the fifth look: the settle time covers it"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			lost := false
			c.point = func(at string) error {
				want := "before cloud.db create"
				if tc.sent {
					want = "after cloud.db create"
				}
				if at == want && !lost {
					lost = true
					c.hide(tc.lag)
					return &slipway.Error{Code: slipway.CodeUnavailable, Message: "reset", Retry: slipway.RetryAmbiguous}
				}
				return nil
			}
			m := manifest()
			delete(m.Resources, "cache")
			delete(m.Env, "CACHE_URL")
			b := newBench(t, c)
			b.mustSucceed(b.ship(request(t, m, "one")))
			if len(c.dbs) != 1 {
				t.Errorf("%s: %d databases", tc.reason, len(c.dbs))
			}
		})
	}
}

// TestSupersededIntentIsLookedFor: a run is killed after a create that lists do not show yet, and another one is asked for.
func TestSupersededIntentIsLookedFor(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	c.point = func(at string) error {
		if at == "after cloud.db create" {
			b.store.dead.Store(true)
			kill()
			return &slipway.Error{Code: slipway.CodeUnavailable, Message: "killed", Retry: slipway.RetryAmbiguous}
		}
		return nil
	}
	b.untilDead(ctx, operations(t)["first ship"])
	c.point = nil
	c.hide(4)
	b.restart()
	b.mustSucceed(b.ship(request(t, manifest(), "two")))
	if len(c.dbs) != 2 {
		t.Errorf("%d databases: what the superseded run made was made again", len(c.dbs))
	}
}

// TestAFencedWorkerStops: somebody else takes the run over between a request and its outcome, as after a long pause of this process.
func TestAFencedWorkerStops(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	taken := make(chan struct{})
	c.point = func(at string) error {
		if at != "after cloud.project create" {
			return nil
		}
		defer close(taken)
		return b.store.Store.Tx(t.Context(), func(tx slipway.Tx) error {
			_, err := tx.Sweep(time.Now().Add(24 * time.Hour))
			return err
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go b.untilDead(ctx, operations(t)["first ship"])
	<-taken
	quiet, done := context.WithTimeout(t.Context(), time.Second) // too short only lets a defect pass
	defer done()
	<-quiet.Done()
	cancel()
	b.Stop()
	if len(c.calls) != 1 || len(c.dbs) != 0 {
		t.Errorf("a worker that had lost its run went on: %v", c.calls)
	}
}
