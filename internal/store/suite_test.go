package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// opener opens a fresh database that the test closes; guard may be nil.
type opener func(t *testing.T, guard func([]byte) bool) slipway.Store

// suite is what every database must do. It knows no SQLite.
func suite(t *testing.T, open opener) {
	for name, test := range map[string]func(*testing.T, opener){
		"round trip":           testRoundTrip,
		"not found":            testNotFound,
		"runs":                 testRuns,
		"unfinished":           testUnfinished,
		"save run":             testSaveRun,
		"fence":                testFence,
		"sweep":                testSweep,
		"one claim of many":    testClaimRace,
		"written once":         testWrittenOnce,
		"open intents":         testOpenIntents,
		"events":               testEvents,
		"receipts":             testReceipts,
		"due":                  testDue,
		"all or nothing":       testAllOrNothing,
		"reading writes not":   testReadOnly,
		"guard":                testGuard,
		"guard is not evaded":  testGuardSticks,
		"counted concurrently": testCounter,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func write(t *testing.T, s slipway.Store, f func(slipway.Tx) error) {
	t.Helper()
	if err := s.Tx(t.Context(), f); err != nil {
		t.Fatalf("Tx: %v", err)
	}
}

func read(t *testing.T, s slipway.Store, f func(slipway.Tx) error) {
	t.Helper()
	if err := s.Read(t.Context(), f); err != nil {
		t.Fatalf("Read: %v", err)
	}
}

func addRuns(t *testing.T, s slipway.Store, runs ...slipway.Run) {
	t.Helper()
	write(t, s, func(tx slipway.Tx) error {
		for i, r := range runs {
			if r.Status == "" {
				r.Status = slipway.RunActive
			}
			if r.CreatedAt.IsZero() {
				r.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			}
			if err := tx.AddRun(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill sets every field of v to a value of its own. text gives each string, map keys too.
func fill(v reflect.Value, text func() string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7.5)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{text(): []any{text(), 7.5, true, nil}}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(t0))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

// filled returns a T whose every field is set; r1 stands for each text that must name a run.
func filled[T any]() T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), func() string { n++; return fmt.Sprintf("<text> & \"%d\" é\n", n) })
	for _, name := range []string{"ID", "Run"} {
		if f := reflect.ValueOf(&v).Elem().FieldByName(name); f.IsValid() && f.Kind() == reflect.String {
			f.SetString("r1")
		}
	}
	return v
}

func testRoundTrip(t *testing.T, open opener) {
	s := open(t, nil)
	run, plan, step := filled[slipway.Run](), filled[slipway.Plan](), filled[slipway.Step]()
	approval, event, receipt := filled[slipway.Approval](), filled[slipway.Event](), filled[slipway.Receipt]()
	blob := []byte{0, 1, 0xff, '\'', 0}
	write(t, s, func(tx slipway.Tx) error {
		return errors.Join(tx.AddRun(run), tx.AddPlan("r1", 1, &plan), tx.SaveStep(step), tx.SaveStep(step), tx.SaveApproval(approval),
			tx.SaveApproval(approval), tx.AddEvent(event), tx.SaveReceipt("app", receipt), tx.SaveReceipt("app", receipt),
			tx.PutArtifact("blob", blob), tx.PutArtifact("empty", nil))
	})
	event.Seq = 1
	same := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s did not come back as it was (-want +got):\n%s", what, d)
		}
	}
	check := func(tx slipway.Tx) error {
		gotRun, err := tx.Run("r1")
		same("run", gotRun, run, err)
		gotPlan, err := tx.Plan("r1", 1)
		same("plan", gotPlan, &plan, err)
		steps, err := tx.Steps("r1", step.Revision)
		same("step", steps, []slipway.Step{step}, err)
		approvals, err := tx.Approvals("r1")
		same("approval", approvals, []slipway.Approval{approval}, err)
		events, err := tx.Events("r1", 0)
		same("event", events, []slipway.Event{event}, err)
		receipts, err := tx.Receipts("app")
		same("receipt", receipts, map[slipway.Address]slipway.Receipt{receipt.Address: receipt}, err)
		got, err := tx.Artifact("blob")
		same("artifact", got, blob, err)
		got, err = tx.Artifact("empty")
		same("length of an empty artifact", len(got), 0, err)
		return nil
	}
	read(t, s, check)
	write(t, s, check)

	bare := slipway.Run{ID: "bare", Status: slipway.RunActive, CreatedAt: t0, UpdatedAt: t0}
	write(t, s, func(tx slipway.Tx) error {
		return errors.Join(tx.AddRun(bare), tx.SaveStep(slipway.Step{Run: "bare"}), tx.AddPlan("bare", 0, &slipway.Plan{}))
	})
	read(t, s, func(tx slipway.Tx) error {
		got, err := tx.Run("bare")
		same("a run with nothing set", got, bare, err)
		steps, err := tx.Steps("bare", 0)
		same("a step with nothing set", steps, []slipway.Step{{Run: "bare"}}, err)
		p, err := tx.Plan("bare", 0)
		same("a plan with nothing set", p.Digest(), (&slipway.Plan{}).Digest(), err)
		return nil
	})
}

func testNotFound(t *testing.T, open opener) {
	s := open(t, nil)
	for name, f := range map[string]func(slipway.Tx) error{
		"Run":          func(tx slipway.Tx) error { _, err := tx.Run("x"); return err },
		"SaveRun":      func(tx slipway.Tx) error { return tx.SaveRun(slipway.Run{ID: "x"}) },
		"Claim":        func(tx slipway.Tx) error { _, _, err := tx.Claim("x", "h", t0, t0); return err },
		"Fence":        func(tx slipway.Tx) error { _, err := tx.Fence("x", 1, t0); return err },
		"Release":      func(tx slipway.Tx) error { return tx.Release("x", 1) },
		"AddPlan":      func(tx slipway.Tx) error { return tx.AddPlan("x", 1, &slipway.Plan{}) },
		"Plan":         func(tx slipway.Tx) error { _, err := tx.Plan("x", 1); return err },
		"SaveStep":     func(tx slipway.Tx) error { return tx.SaveStep(slipway.Step{Run: "x"}) },
		"SaveApproval": func(tx slipway.Tx) error { return tx.SaveApproval(slipway.Approval{ID: "a", Run: "x"}) },
		"AddEvent":     func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "x"}) },
		"Artifact":     func(tx slipway.Tx) error { _, err := tx.Artifact("x"); return err },
		"SetDue":       func(tx slipway.Tx) error { return tx.SetDue("x", t0) },
	} {
		if err := s.Tx(t.Context(), f); slipway.ErrorCode(err) != slipway.CodeNotFound {
			t.Errorf("%s of what is not there: %v, want not_found", name, err)
		}
	}
	write(t, s, func(tx slipway.Tx) error {
		_, err := tx.Run("x")
		if err == nil {
			t.Error("Run of what is not there: no error")
		}
		return tx.DeleteReceipt("x", "x") // nothing to forget is no error, and a look that found nothing spoils no transaction
	})
}

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
	for _, status := range []slipway.RunStatus{slipway.RunActive, slipway.RunWaitingApproval, slipway.RunFailed, slipway.RunSucceeded,
		slipway.RunRejected, slipway.RunCanceled, slipway.RunSuperseded} {
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

func testWrittenOnce(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1", App: "first"}, slipway.Run{ID: "r2"})
	approval := slipway.Approval{ID: "a1", Run: "r1", Gate: slipway.GateApply, Subject: "sha256:1", State: slipway.ApprovalRequested, CreatedAt: t0}
	write(t, s, func(tx slipway.Tx) error {
		return errors.Join(tx.AddPlan("r1", 1, &slipway.Plan{App: "first"}), tx.SaveApproval(approval), tx.PutArtifact("x", []byte("first")))
	})
	other := func(change func(*slipway.Approval)) func(slipway.Tx) error {
		a := approval
		a.State = slipway.ApprovalApproved
		change(&a)
		return func(tx slipway.Tx) error { return tx.SaveApproval(a) }
	}
	for name, f := range map[string]func(slipway.Tx) error{
		"run":              func(tx slipway.Tx) error { return tx.AddRun(slipway.Run{ID: "r1", App: "second"}) },
		"plan":             func(tx slipway.Tx) error { return tx.AddPlan("r1", 1, &slipway.Plan{App: "second"}) },
		"approval subject": other(func(a *slipway.Approval) { a.Subject = "sha256:2" }),
		"approval gate":    other(func(a *slipway.Approval) { a.Gate = slipway.GateDestroy }),
		"approval run":     other(func(a *slipway.Approval) { a.Run = "r2" }),
	} {
		if err := s.Tx(t.Context(), f); slipway.ErrorCode(err) != slipway.CodeConflict {
			t.Errorf("%s again: %v, want conflict", name, err)
		}
	}
	write(t, s, func(tx slipway.Tx) error { return tx.PutArtifact("x", []byte("second")) })
	read(t, s, func(tx slipway.Tx) error {
		r, err1 := tx.Run("r1")
		p, err2 := tx.Plan("r1", 1)
		x, err3 := tx.Artifact("x")
		as, err4 := tx.Approvals("r1")
		if d := cmp.Diff([]string{"first", "first", "first"}, []string{r.App, p.App, string(x)}); d != "" {
			t.Errorf("the first stays (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]slipway.Approval{approval}, as); d != "" {
			t.Errorf("the first approval stays (-want +got):\n%s", d)
		}
		return errors.Join(err1, err2, err3, err4)
	})
}

func testOpenIntents(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "old", App: "a"}, slipway.Run{ID: "new", App: "a"}, slipway.Run{ID: "mine", App: "a"}, slipway.Run{ID: "other", App: "b"})
	write(t, s, func(tx slipway.Tx) error {
		for _, step := range []slipway.Step{
			{Run: "new", Revision: 1, Key: "new", State: slipway.StepIntended},
			{Run: "old", Revision: 2, Key: "z", State: slipway.StepIntended},
			{Run: "old", Revision: 2, Key: "a", State: slipway.StepFailed, Unknown: true},
			{Run: "old", Revision: 1, Key: "first", State: slipway.StepIntended},
			{Run: "old", Revision: 1, Key: "known", State: slipway.StepFailed},
			{Run: "old", Revision: 1, Key: "done", State: slipway.StepDone},
			{Run: "old", Revision: 1, Key: "pending", State: slipway.StepPending},
			{Run: "mine", Revision: 1, Key: "mine", State: slipway.StepIntended},
			{Run: "other", Revision: 1, Key: "other", State: slipway.StepIntended},
		} {
			if err := tx.SaveStep(step); err != nil {
				return err
			}
		}
		return nil
	})
	read(t, s, func(tx slipway.Tx) error {
		steps, err := tx.OpenIntents("a", "mine")
		var keys []string
		for _, step := range steps {
			keys = append(keys, step.Key)
		}
		if d := cmp.Diff([]string{"first", "a", "z", "new"}, keys); d != "" {
			t.Errorf("steps whose outcome is not known, the oldest run's first (-want +got):\n%s", d)
		}
		return err
	})
}

func testEvents(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1"}, slipway.Run{ID: "r2"})
	write(t, s, func(tx slipway.Tx) error {
		for range 1100 {
			if err := tx.AddEvent(slipway.Event{Run: "r1", Type: slipway.EventNote, At: t0}); err != nil {
				return err
			}
		}
		return tx.AddEvent(slipway.Event{Run: "r2", Seq: 99, Type: slipway.EventNote})
	})
	if err := s.Tx(t.Context(), func(tx slipway.Tx) error {
		return errors.Join(tx.AddEvent(slipway.Event{Run: "r2"}), errors.New("no"))
	}); err == nil {
		t.Error("an error of f was lost")
	}
	write(t, s, func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r2"}) })
	for name, test := range map[string]struct {
		reason      string
		run         string
		after       int64
		first, last int64
		n           int
	}{
		"first page": {"at most 1,000", "r1", 0, 1, 1000, 1000},
		"the rest":   {"after is exclusive", "r1", 1000, 1001, 1100, 100},
		"no more":    {"none is no error", "r1", 1100, 0, 0, 0},
		"other run":  {"each run counts from 1; a rolled back event leaves no gap", "r2", 0, 1, 2, 2},
	} {
		read(t, s, func(tx slipway.Tx) error {
			events, err := tx.Events(test.run, test.after)
			if len(events) != test.n || test.n > 0 && (events[0].Seq != test.first || events[test.n-1].Seq != test.last) {
				t.Errorf("%s: got %d events, want %d, %d to %d: %s", name, len(events), test.n, test.first, test.last, test.reason)
			}
			for i, e := range events {
				if e.Seq != test.first+int64(i) || e.At.IsZero() {
					t.Fatalf("%s: event %d has seq %d and time %s", name, i, e.Seq, e.At)
				}
			}
			return err
		})
	}
}

func testReceipts(t *testing.T, open opener) {
	s := open(t, nil)
	write(t, s, func(tx slipway.Tx) error {
		return errors.Join(tx.SaveReceipt("a", slipway.Receipt{Address: "k/x", ID: "1"}), tx.SaveReceipt("a", slipway.Receipt{Address: "k/x", ID: "2"}),
			tx.SaveReceipt("a", slipway.Receipt{Address: "k/y", ID: "3"}), tx.SaveReceipt("b", slipway.Receipt{Address: "k/x", ID: "4"}),
			tx.DeleteReceipt("a", "k/y"))
	})
	read(t, s, func(tx slipway.Tx) error {
		a, err := tx.Receipts("a")
		if d := cmp.Diff(map[slipway.Address]slipway.Receipt{"k/x": {Address: "k/x", ID: "2"}}, a); d != "" {
			t.Errorf("app a (-want +got):\n%s", d)
		}
		none, err2 := tx.Receipts("none")
		if none == nil {
			t.Error("no receipts: a nil map")
		}
		return errors.Join(err, err2)
	})
}

func testDue(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "a"}, slipway.Run{ID: "b"}, slipway.Run{ID: "c"})
	after := func(d time.Duration) time.Time { return t0.Add(d) }
	take := func(now time.Time, want []string, wantNext time.Time, reason string) {
		t.Helper()
		write(t, s, func(tx slipway.Tx) error {
			runs, next, err := tx.TakeDue(now)
			if d := cmp.Diff(want, runs); d != "" || !next.Equal(wantNext) {
				t.Errorf("%s: next %v, want %v (-want +got):\n%s", reason, next, wantNext, d)
			}
			return err
		})
	}
	take(t0, nil, time.Time{}, "nothing is due ever")
	write(t, s, func(tx slipway.Tx) error {
		return errors.Join(tx.SetDue("a", after(3*time.Second)), tx.SetDue("a", after(2*time.Second)), tx.SetDue("a", after(4*time.Second)),
			tx.SetDue("b", after(time.Second)), tx.SetDue("c", after(time.Hour)))
	})
	take(t0, nil, after(time.Second), "nothing is due yet")
	take(after(2*time.Second), []string{"b", "a"}, after(time.Hour), "the earliest time of each wins, and its instant counts")
	take(after(time.Minute), nil, after(time.Hour), "what was taken is gone")
	write(t, s, func(tx slipway.Tx) error { return tx.SetDue("a", after(5*time.Second)) })
	take(after(time.Minute), []string{"a"}, after(time.Hour), "a run can be due again")
}

func testAllOrNothing(t *testing.T, open opener) {
	s := open(t, nil)
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	add := func(id string, then func() error) func(slipway.Tx) error {
		return func(tx slipway.Tx) error { return errors.Join(tx.AddRun(slipway.Run{ID: id}), then()) }
	}
	if err := s.Tx(t.Context(), add("error", func() error { return boom })); !errors.Is(err, boom) {
		t.Errorf("f's error: got %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic in f was swallowed")
			}
		}()
		_ = s.Tx(t.Context(), add("panic", func() error { panic(boom) }))
	}()
	if err := s.Tx(ctx, add("canceled", func() error { cancel(); return nil })); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before the commit: got %v", err)
	}
	if err := s.Tx(ctx, add("too late", func() error { return nil })); slipway.ErrorCode(err) != slipway.CodeCanceled {
		t.Errorf("canceled before the start: got %v, want canceled", err)
	}
	swallow := func(tx slipway.Tx) error {
		_ = tx.AddRun(slipway.Run{ID: "swallowed"})
		_ = tx.SaveStep(slipway.Step{Run: "not there"})
		return nil
	}
	if err := s.Tx(t.Context(), swallow); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("a failed write that f did not report: got %v, want not_found", err)
	}
	var kept slipway.Tx
	write(t, s, func(tx slipway.Tx) error { kept = tx; return tx.AddRun(slipway.Run{ID: "kept"}) })
	if err := kept.AddRun(slipway.Run{ID: "after"}); err == nil {
		t.Error("a transaction was used after its end")
	}
	read(t, s, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{})
		if len(runs) != 1 || runs[0].ID != "kept" {
			t.Errorf("got %v, want the committed run only", runs)
		}
		return err
	})
}

func testReadOnly(t *testing.T, open opener) {
	s := open(t, nil)
	err := s.Read(t.Context(), func(tx slipway.Tx) error { return tx.AddRun(slipway.Run{ID: "r1"}) })
	if slipway.ErrorCode(err) != slipway.CodeInternal {
		t.Errorf("a write in Read: got %v, want internal", err)
	}
	addRuns(t, s, slipway.Run{ID: "r1"})
	read(t, s, func(tx slipway.Tx) error {
		before, err := tx.Events("r1", 0)
		write(t, s, func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r1"}) })
		after, err2 := tx.Events("r1", 0)
		if len(before) != len(after) {
			t.Error("a Read saw a commit that came after its start")
		}
		return errors.Join(err, err2)
	})
}

// canary has what JSON and HTML escape differently.
const canary = "c4n4ry&<v4lue>"

func holdsCanary(b []byte) bool { return bytes.Contains(b, []byte(canary)) }

// readers are the methods of slipway.Tx that write nothing. Every other one must refuse a secret in each text that it takes.
var readers = []string{"Run", "Runs", "Plan", "Steps", "OpenIntents", "Approvals", "Events", "Receipts", "Artifact"}

// texts is the least number of texts that a writing method takes, so that a filler that fills nothing is noticed.
var texts = map[string]int{"AddRun": 16, "SaveRun": 16, "Claim": 2, "Fence": 1, "Release": 1, "Sweep": 0, "AddPlan": 20, "SaveStep": 15,
	"SaveApproval": 10, "AddEvent": 5, "SaveReceipt": 10, "DeleteReceipt": 2, "PutArtifact": 2, "SetDue": 1, "TakeDue": 0}

func testGuard(t *testing.T, open opener) {
	s := open(t, holdsCanary)
	addRuns(t, s, slipway.Run{ID: "r1"})
	txType := reflect.TypeFor[slipway.Tx]()
	for i := range txType.NumMethod() {
		method := txType.Method(i)
		if least, n := texts[method.Name], callWithCanaries(t, s, method); n >= 0 && (n < least || least == 0 && n > 0) {
			t.Errorf("%s takes %d texts, the table says at least %d: bring it up to date", method.Name, n, least)
		}
	}
}

// callWithCanaries calls a writing method once for each text among its arguments, with the canary there. It returns how many there are,
// -1 for a method that only reads.
func callWithCanaries(t *testing.T, s slipway.Store, method reflect.Method) int {
	if slices.Contains(readers, method.Name) {
		return -1
	}
	for target := 0; ; target++ {
		n := 0
		args := make([]reflect.Value, method.Type.NumIn())
		for i := range args {
			args[i] = reflect.New(method.Type.In(i)).Elem()
			fill(args[i], func() string {
				n++
				if n-1 == target {
					return "x" + canary
				}
				return fmt.Sprint("x", n)
			})
		}
		if target >= n {
			return n
		}
		err := call(t, s, method.Name, args)
		if slipway.ErrorCode(err) == slipway.CodeNotFound { // it begins with the run's row, where the text that leaks is not
			err = call(t, s, method.Name, withRun(args))
		}
		if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
			t.Errorf("%s, text %d: got %v, want secret_leak", method.Name, target, err)
			continue
		}
		if msg := err.Error(); strings.Contains(msg, "c4n4ry") || !strings.Contains(msg, ".") {
			t.Errorf("%s, text %d: %q must name table and column and not the value", method.Name, target, msg)
		}
	}
}

func call(t *testing.T, s slipway.Store, method string, args []reflect.Value) error {
	return s.Tx(t.Context(), func(tx slipway.Tx) error {
		out := reflect.ValueOf(tx).MethodByName(method).Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		return err
	})
}

// withRun makes the texts that name a run name r1.
func withRun(args []reflect.Value) []reflect.Value {
	for _, a := range args {
		if a.Kind() == reflect.Struct {
			for _, name := range []string{"Run", "ID"} {
				if f := a.FieldByName(name); f.IsValid() && f.Kind() == reflect.String && !strings.Contains(f.String(), canary) {
					f.SetString("r1")
				}
			}
		}
	}
	return args
}

func testGuardSticks(t *testing.T, open opener) {
	s := open(t, holdsCanary)
	err := s.Tx(t.Context(), func(tx slipway.Tx) error {
		if err := tx.AddRun(slipway.Run{ID: "r1"}); err != nil {
			return err
		}
		_ = tx.AddEvent(slipway.Event{Run: "r1", Data: map[string]any{"line": canary}})
		return nil
	})
	if slipway.ErrorCode(err) != slipway.CodeSecretLeak {
		t.Errorf("f did not report the refusal: got %v, want secret_leak", err)
	}
	read(t, s, func(tx slipway.Tx) error {
		if _, err := tx.Run("r1"); slipway.ErrorCode(err) != slipway.CodeNotFound {
			t.Errorf("the rest of the transaction was kept: %v", err)
		}
		return nil
	})
}

func testCounter(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := s.Tx(t.Context(), increment("r1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	read(t, s, func(tx slipway.Tx) error {
		r, err := tx.Run("r1")
		if r.Revision != 100 {
			t.Errorf("100 increments made %d: a transaction is not alone", r.Revision)
		}
		return err
	})
}

// increment reads and writes one run.
func increment(id string) func(slipway.Tx) error {
	return func(tx slipway.Tx) error {
		r, err := tx.Run(id)
		if err != nil {
			return err
		}
		r.Revision++
		return tx.SaveRun(r)
	}
}
