package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// TestAnIntentIsWrittenOnce: the ledger said what was about to be made, one of that was made, and the process died before it had looked at
// the ledger again. What is recorded by now is not what the ledger says, but it says enough.
func TestAnIntentIsWrittenOnce(t *testing.T) {
	op := operations(t)["change"]
	op.begin = func(ctx context.Context, b *bench) (slipway.Run, error) {
		m := manifest()
		m.Resources["more"] = m.Resources["cache"]
		return b.Ship(ctx, request(b.t, m, "one"))
	}
	written := func(c *cloud) (calls []string) {
		return slices.DeleteFunc(slices.Clone(c.calls), func(call string) bool { return !strings.HasPrefix(call, "cloud.var") })
	}
	reference := newBench(t, newCloud())
	op.before(reference)
	run, err := op.begin(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	reference.mustSucceed(reference.finish(run.ID))

	c := newCloud()
	b := newBench(t, c)
	op.before(b)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	before := len(c.calls)
	since := func(what string) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.calls[before:], func(call string) bool { return strings.HasPrefix(call, what) })
	}
	c.beforeObs = func(kind slipway.Kind) error {
		if kind != "cloud.var" || !since("cloud.var batch") || since("cloud.db create") {
			return nil
		}
		select { // until the create that the ledger allows was sent, or for lack of it
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
			return nil
		}
	}
	b.store.point = func(where string) error {
		if where == "after commit" && since("cloud.db create") {
			b.store.dead.Store(true)
			kill()
		}
		return nil
	}
	b.untilDead(ctx, op)
	if !b.store.dead.Load() {
		t.Fatal("nothing was made while the ledger was looked at")
	}
	c.beforeObs = nil
	b.restart()
	if run, err = op.begin(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	if d := cmp.Diff(written(reference.cloud), written(c)); d != "" {
		t.Errorf("writes of variables (-uninterrupted +killed):\n%s", d)
	}
	if d := cmp.Diff(reference.cloud.state(), c.state()); d != "" {
		t.Error(d)
	}
}
