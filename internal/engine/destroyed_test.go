package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// TestDestroyAfterACancelledOne cancels a destroy before each commit and around each change of it, and asks for another: that one deletes what is
// left, and nothing twice.
func TestDestroyAfterACancelledOne(t *testing.T) {
	first, stride := sample(t)
	op := operations(t)["destroy"]
	reference := newBench(t, newCloud())
	op.before(reference)
	run, err := op.begin(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	reference.mustSucceed(reference.finish(run.ID))
	for point := first; ; point += stride {
		b := newBench(t, newCloud())
		op.before(b)
		run, err := op.begin(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		where, canceled := b.canceledAt(run, point)
		if where == "" {
			if point < 30 {
				t.Fatalf("fewer than %d points", point)
			}
			return
		}
		if got := b.detail(run.ID).Run.Status; canceled && got != slipway.RunCanceled {
			t.Errorf("point %d (%s): the run is %s", point, where, got)
		}
		again, err := op.begin(t.Context(), b)
		if err != nil {
			t.Fatalf("point %d (%s): %v", point, where, err)
		}
		if canceled && again.ID == run.ID {
			t.Errorf("point %d (%s): the cancelled run is gone on with", point, where)
		}
		if again = b.finish(again.ID); again.Status != slipway.RunSucceeded {
			t.Fatalf("point %d (%s): the second destroy is %s: %+v", point, where, again.Status, again.Error)
		}
		if d := cmp.Diff(reference.cloud.state(), b.cloud.state()); d != "" {
			t.Errorf("point %d (%s): state (-one destroy +cancelled and destroyed):\n%s", point, where, d)
		}
		if d := cmp.Diff(reference.cloud.calls, b.cloud.calls); d != "" && len(b.cloud.calls) > len(reference.cloud.calls) {
			t.Errorf("point %d (%s): something was deleted twice (-one destroy +cancelled and destroyed):\n%s", point, where, d)
		}
	}
}

// canceledAt works on a run, and cancels it at its nth point; canceled is false where it had ended by then.
func (b *bench) canceledAt(run slipway.Run, point int) (where string, canceled bool) {
	b.t.Helper()
	var seen atomic.Int64
	var within atomic.Bool
	strike := func(at string) error {
		if within.Load() || seen.Add(1) != int64(point) {
			return nil
		}
		within.Store(true)
		defer within.Store(false)
		where = at
		_, err := b.Cancel(b.t.Context(), run.ID, "", person)
		if canceled = err == nil; err != nil && slipway.ErrorCode(err) != slipway.CodeConflict {
			b.t.Errorf("point %d (%s): %v", point, at, err)
		}
		return nil
	}
	b.cloud.point, b.store.point = strike, strike
	_, _ = b.work(b.t.Context(), operation{begin: func(context.Context, *bench) (slipway.Run, error) { return run, nil }}) // how it ends shows in the record
	b.cloud.point, b.store.point = nil, nil
	return where, canceled
}
