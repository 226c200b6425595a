package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func testRuns(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "1", App: "a", Environment: "production"},
		slipway.Run{ID: "2", App: "a", Environment: "preview", Status: slipway.RunSucceeded},
		slipway.Run{ID: "3", App: "b", Environment: "production", Status: slipway.RunFailed},
		slipway.Run{ID: "5", App: "a", Environment: "production", CreatedAt: t0.Add(time.Nanosecond)},
		slipway.Run{ID: "4", App: "a", Environment: "production", CreatedAt: t0.Add(time.Nanosecond)})
	for name, test := range map[string]struct {
		reason string
		filter slipway.RunFilter
		want   string
	}{
		"all":        {"newest first; a nanosecond counts, then the id", slipway.RunFilter{}, "3 2 5 4 1"},
		"app":        {"the other app's are left out", slipway.RunFilter{App: "a"}, "2 5 4 1"},
		"both":       {"filters add up", slipway.RunFilter{App: "a", Environment: "production"}, "5 4 1"},
		"unfinished": {"failed can be resumed, so it is unfinished", slipway.RunFilter{Unfinished: true}, "3 5 4 1"},
		"every one":  {"all filters at once", slipway.RunFilter{App: "b", Environment: "production", Unfinished: true}, "3"},
		"limit":      {"the newest are kept", slipway.RunFilter{Limit: 2}, "3 2"},
		"before":     {"a page goes on where the one before ended", slipway.RunFilter{Before: "2"}, "5 4 1"},
		"before one": {"of the same moment, by id", slipway.RunFilter{App: "a", Before: "5", Limit: 1}, "4"},
		"another's":  {"what it is before may be left out itself", slipway.RunFilter{App: "a", Before: "3"}, "2 5 4 1"},
		"the last":   {"nothing comes before it", slipway.RunFilter{Before: "1"}, ""},
		"nothing":    {"no match is no error", slipway.RunFilter{App: "c"}, ""},
	} {
		read(t, s, func(tx slipway.Tx) error {
			runs, err := tx.Runs(test.filter)
			var ids []string
			for _, r := range runs {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != test.want {
				t.Errorf("%s: got %q, want %q: %s", name, got, test.want, test.reason)
			}
			return err
		})
	}
	read(t, s, func(tx slipway.Tx) error {
		if _, err := tx.Runs(slipway.RunFilter{Before: "nowhere"}); slipway.ErrorCode(err) != slipway.CodeNotFound {
			t.Errorf("before a run that is not there: %v", err)
		}
		return nil
	})
	var many []slipway.Run
	for i := range 120 {
		many = append(many, slipway.Run{ID: fmt.Sprint("many", i)})
	}
	addRuns(t, s, many...)
	read(t, s, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{})
		if len(runs) != 100 {
			t.Errorf("no limit: got %d runs, want 100", len(runs))
		}
		return err
	})
}

func testUnfinished(t *testing.T, open opener) {
	for _, status := range []slipway.RunStatus{
		slipway.RunActive, slipway.RunWaitingApproval, slipway.RunFailed, slipway.RunSucceeded,
		slipway.RunRejected, slipway.RunCanceled, slipway.RunSuperseded,
	} {
		s := open(t, nil)
		addRuns(t, s, slipway.Run{ID: "r1", Status: status})
		read(t, s, func(tx slipway.Tx) error {
			runs, err := tx.Runs(slipway.RunFilter{Unfinished: true})
			if found := len(runs) == 1; found == status.Final() {
				t.Errorf("%s: listed as unfinished: %v", status, found)
			}
			return err
		})
	}
}

func testSaveRun(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1", App: "a", Manifest: "one", Error: &slipway.RunError{Code: "x"}})
	changed := filled[slipway.Run]()
	changed.Status = slipway.RunActive
	changed.CreatedAt = t0.Add(time.Hour)
	write(t, s, func(tx slipway.Tx) error {
		epoch, ok, err := tx.Claim("r1", "me", t0, t0.Add(time.Minute))
		if err != nil || !ok {
			t.Fatalf("claim: %v %v", ok, err)
		}
		if err := tx.SaveRun(changed); err != nil {
			return err
		}
		if ok, err := tx.Fence("r1", epoch, t0.Add(time.Minute)); !ok || err != nil {
			t.Errorf("SaveRun touched the lease: %v %v", ok, err)
		}
		return nil
	})
	changed.CreatedAt = t0
	read(t, s, func(tx slipway.Tx) error {
		got, err := tx.Run("r1")
		if d := cmp.Diff(changed, got); d != "" {
			t.Errorf("all but created_at is written (-want +got):\n%s", d)
		}
		return err
	})
	changed.Error, changed.Manifest = nil, ""
	write(t, s, func(tx slipway.Tx) error { return tx.SaveRun(changed) })
	read(t, s, func(tx slipway.Tx) error {
		got, err := tx.Run("r1")
		if d := cmp.Diff(changed, got); d != "" {
			t.Errorf("what was set can be taken away (-want +got):\n%s", d)
		}
		return err
	})
}

func testFence(t *testing.T, open opener) {
	minute := t0.Add(time.Minute)
	claim := func(holder string, now, until time.Time) func(slipway.Tx) (bool, error) {
		return func(tx slipway.Tx) (bool, error) { _, ok, err := tx.Claim("r1", holder, now, until); return ok, err }
	}
	fence := func(epoch int64, until time.Time) func(slipway.Tx) (bool, error) {
		return func(tx slipway.Tx) (bool, error) { return tx.Fence("r1", epoch, until) }
	}
	release := func(epoch int64) func(slipway.Tx) (bool, error) {
		return func(tx slipway.Tx) (bool, error) { return true, tx.Release("r1", epoch) }
	}
	status := func(to slipway.RunStatus) func(slipway.Tx) (bool, error) {
		return func(tx slipway.Tx) (bool, error) {
			r, err := tx.Run("r1")
			r.Status = to
			return true, errors.Join(err, tx.SaveRun(r))
		}
	}
	sweep := func(now time.Time) func(slipway.Tx) (bool, error) {
		return func(tx slipway.Tx) (bool, error) { ids, err := tx.Sweep(now); return len(ids) == 1, err }
	}
	type move struct {
		do     func(slipway.Tx) (bool, error)
		want   bool
		reason string
	}
	for name, moves := range map[string][]move{
		"held": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{claim("b", t0, minute), false, "a holds it"},
			{claim("a", t0, minute), false, "also for itself: two jobs of one process"},
			{claim("b", minute, minute), false, "the lease holds at its last instant"},
			{fence(1, minute), true, "the holder goes on"},
		},
		"lease over": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{claim("b", minute.Add(1), minute.Add(time.Minute)), true, "a's lease is over"},
			{fence(1, minute.Add(time.Hour)), false, "a was paused: its epoch is stale"},
			{fence(2, minute.Add(time.Hour)), true, "b has it"},
			{release(1), true, "a stale release does nothing"},
			{claim("c", minute.Add(2*time.Minute), minute), false, "b extended it, and a's release did not free it"},
			{fence(3, minute), false, "no such epoch yet"},
		},
		"released": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{release(1), true, "a gives it back"},
			{fence(1, minute), false, "a straggler of a must not act between two holders"},
			{claim("b", t0, minute), true, "free"},
			{fence(1, minute), false, "nor after"},
			{fence(2, minute), true, "b has epoch 2"},
		},
		"canceled": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{status(slipway.RunCanceled), true, "a person cancels"},
			{fence(1, minute), false, "not active: the holder stops at its next fence"},
			{release(1), true, "and gives it back"},
			{claim("b", t0, minute), false, "not active: nobody may take it"},
			{sweep(minute.Add(1)), false, "nor does a sweep bring it back"},
		},
		"parked and resumed": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{status(slipway.RunWaitingApproval), true, "a gate"},
			{release(1), true, "parked"},
			{claim("b", t0, minute), false, "nothing to do before a decision"},
			{status(slipway.RunActive), true, "approved"},
			{fence(1, minute), false, "the epoch before the gate is stale"},
			{claim("b", t0, minute), true, "free"},
		},
		"swept": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{sweep(minute), false, "the lease holds at its last instant"},
			{sweep(minute.Add(1)), true, "over: freed"},
			{fence(1, minute.Add(time.Hour)), false, "a is fenced before anybody claims"},
			{fence(2, minute.Add(time.Hour)), false, "nobody holds the epoch that the sweep made"},
			{sweep(minute.Add(1)), true, "it is told until somebody claims it"},
			{claim("b", t0, minute), true, "free"},
			{fence(3, minute), true, "the sweep took an epoch"},
		},
		"extended": {
			{claim("a", t0, minute), true, "nobody holds it"},
			{fence(1, minute.Add(time.Hour)), true, "the holder goes on"},
			{sweep(minute.Add(time.Minute)), false, "the lease was extended"},
			{claim("b", minute.Add(time.Minute), minute), false, "the lease was extended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, nil)
			addRuns(t, s, slipway.Run{ID: "r1"})
			for i, m := range moves {
				write(t, s, func(tx slipway.Tx) error {
					got, err := m.do(tx)
					if got != m.want {
						t.Errorf("move %d: got %v, want %v: %s", i+1, got, m.want, m.reason)
					}
					return err
				})
			}
		})
	}
}

func testSweep(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "free"}, slipway.Run{ID: "held"}, slipway.Run{ID: "over"},
		slipway.Run{ID: "parked", Status: slipway.RunWaitingApproval}, slipway.Run{ID: "failed", Status: slipway.RunFailed})
	write(t, s, func(tx slipway.Tx) error {
		_, _, err := tx.Claim("held", "a", t0, t0.Add(time.Hour))
		_, _, err2 := tx.Claim("over", "a", t0, t0.Add(time.Second))
		return errors.Join(err, err2)
	})
	write(t, s, func(tx slipway.Tx) error {
		ids, err := tx.Sweep(t0.Add(time.Minute))
		if d := cmp.Diff([]string{"free", "over"}, ids); d != "" {
			t.Errorf("active runs that nobody holds (-want +got):\n%s", d)
		}
		return err
	})
}

func testClaimRace(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for i := range 8 {
		wg.Go(func() {
			err := s.Tx(t.Context(), func(tx slipway.Tx) error {
				_, ok, err := tx.Claim("r1", fmt.Sprint(i), t0, t0.Add(time.Minute))
				mu.Lock()
				defer mu.Unlock()
				if ok {
					won++
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 8 claims won, want 1", won)
	}
}
