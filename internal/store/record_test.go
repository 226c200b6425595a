package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

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
			runs, errTake := tx.TakeDue(now)
			next, errNext := tx.NextDue()
			err := errors.Join(errTake, errNext)
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
