package engine_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// held stops the next look at a kind until release is called; reached is closed when it is there.
func (c *cloud) held(kind slipway.Kind) (reached <-chan struct{}, release func()) {
	at, on := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	c.beforeObs = func(k slipway.Kind) error {
		if k == kind && first.CompareAndSwap(false, true) {
			close(at)
			<-on
		}
		return nil
	}
	return at, sync.OnceFunc(func() { close(on) })
}

// A check looks without holding anything; what was decided meanwhile counts.
func TestACheckThatIsOvertaken(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		during func(b *bench, run slipway.Run)
		code   slipway.Code
		after  func(b *bench, run slipway.Run)
	}{
		"cancel": {
			"a run that is over takes no outcome", func(b *bench, run slipway.Run) {
				if _, err := b.Cancel(b.t.Context(), run.ID, "", person); err != nil {
					b.t.Fatal(err)
				}
			}, slipway.CodeConflict, func(b *bench, run slipway.Run) {
				if got := b.detail(run.ID); got.Run.Status != slipway.RunCanceled || b.receipt("cloud.db/db").ID != "" {
					b.t.Errorf("%s, recorded %+v", got.Run.Status, b.receipt("cloud.db/db"))
				}
			},
		},
		"another ship": {
			"a run that was superseded takes none either", func(b *bench, _ slipway.Run) {
				m := manifest()
				m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
				b.mustWait(b.ship(request(b.t, m, "one")))
			}, slipway.CodeConflict, func(*bench, slipway.Run) {},
		},
		"another revision": {
			"what Slipway has made itself meanwhile stays recorded as that", func(b *bench, run slipway.Run) {
				b.cloud.find()
				b.mustSucceed(b.resume(run.ID))
			}, slipway.CodeConflict, func(b *bench, _ slipway.Run) {
				if r := b.receipt("cloud.db/cache"); r.ByHand || r.ID == "" {
					b.t.Errorf("recorded %+v", r)
				}
			},
		},
		"resume": {
			"the same plan waits for the same step", func(b *bench, run slipway.Run) { b.mustWait(b.resume(run.ID)) }, "", func(b *bench, run slipway.Run) {
				if got := b.detail(run.ID).Run.Status; got != slipway.RunActive {
					b.t.Errorf("what parked meanwhile is not woken: %s", got)
				}
			},
		},
		"the same check": {
			"one of two is the outcome", func(b *bench, run slipway.Run) { b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}) },
			slipway.CodeConflict, func(*bench, slipway.Run) {},
		},
		"taken": {
			"somebody has said that they do it", func(b *bench, run slipway.Run) {
				if _, err := b.TakeManual(b.t.Context(), run.ID, dbStep, false, grace); err != nil {
					b.t.Fatal(err)
				}
			}, slipway.CodeConflict, func(*bench, slipway.Run) {},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			c.find(finding(slipway.CauseReadOnly))
			b := newBench(t, c)
			run := b.ship(request(t, manifest(), "one"))
			b.mustWait(run)
			c.byHand("shop-db", "east")
			reached, release := c.held("cloud.db")
			defer release()
			checked := make(chan error, 1)
			go func() {
				_, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, By: person})
				checked <- err
			}()
			<-reached
			tc.during(b, run)
			release()
			if err := <-checked; slipway.ErrorCode(err) != tc.code {
				t.Errorf("%s: %v", tc.reason, err)
			}
			tc.after(b, run)
		})
	}
}

// landing lets f happen before the nth commit of the home's other work, and reports whether there were so many.
func (b *bench) landing(n int, f func()) (happened *atomic.Bool) {
	var seen atomic.Int64
	happened = &atomic.Bool{}
	b.store.point = func(where string) error {
		if where == "before commit" && seen.Add(1) == int64(n) {
			happened.Store(true)
			f()
		}
		return nil
	}
	return happened
}

// TestAStepThatIsDoneAtAnyMomentCounts lets a person's steps land before each commit of a run that is about to wait for them.
func TestAStepThatIsDoneAtAnyMomentCounts(t *testing.T) {
	for n := 1; ; n++ {
		c := newCloud()
		c.find(finding(slipway.CauseReadOnly))
		b := newBench(t, c)
		landed := 0
		run, err := b.Ship(t.Context(), request(t, manifest(), "one"))
		if err != nil {
			t.Fatal(err)
		}
		happened := b.landing(n, func() {
			c.byHand("shop-db", "east")
			c.byHand("shop-cache", "east")
			for _, step := range []string{dbStep, cacheStep} {
				if s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: step, By: person}); err == nil && s.State == slipway.StepDone {
					landed++
				}
			}
		})
		got := b.finish(run.ID)
		if !happened.Load() {
			if n < 12 {
				t.Fatalf("fewer than %d commits", n)
			}
			return
		}
		switch {
		case landed == 2: // by itself, or woken when it had just parked
			b.mustSucceed(b.finish(run.ID))
		case got.Status == slipway.RunSucceeded: // the plan was made when they were there: they were adopted
		case got.Status != slipway.RunWaitingManual:
			t.Errorf("before commit %d: %s, %+v", n, got.Status, got.Error)
		default:
			for _, step := range []string{dbStep, cacheStep} {
				if s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: step, By: person}); err != nil && slipway.ErrorCode(err) != slipway.CodeConflict {
					t.Fatalf("before commit %d: %s: %+v, %v", n, step, s.Evidence, err)
				}
			}
			b.mustSucceed(b.resume(run.ID))
		}
		if c.made["cloud.db"] != 0 || len(c.dbs) != 2 {
			t.Errorf("before commit %d: %d databases, %d of them made beside a person's", n, len(c.dbs), c.made["cloud.db"])
		}
	}
}

// TestWhatAStepOpensIsDoneBesideAClosedGate does the same where the run is about to wait for an approval as well: the step's variable needs none.
func TestWhatAStepOpensIsDoneBesideAClosedGate(t *testing.T) {
	const queueStep = "cloud.db/queue#create"
	for n := 1; ; n++ {
		c := newCloud()
		b := newBench(t, c)
		b.mustSucceed(b.ship(request(t, manifest(), "one")))
		c.find(finding(slipway.CauseReadOnly))
		m := manifest()
		m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "west", "size": "1"}}
		m.Resources["queue"] = m.Resources["cache"]
		m.Env["QUEUE_URL"] = slipway.EnvVar{From: "queue.url"}
		run, err := b.Ship(t.Context(), request(t, m, "one"))
		if err != nil {
			t.Fatal(err)
		}
		landed, last := false, false
		happened := b.landing(n, func() {
			c.byHand("shop-queue", "east")
			s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: queueStep, By: person})
			landed = err == nil && s.State == slipway.StepDone
		})
		b.applyOnly(run.ID)
		if b.detail(run.ID).Run.Status == slipway.RunActive { // woken when it had just parked
			b.applyOnly(run.ID)
		}
		if last = !happened.Load(); last { // it has parked: the step comes after
			if n < 12 {
				t.Fatalf("fewer than %d commits", n)
			}
			c.byHand("shop-queue", "east")
			landed = b.check(slipway.ManualCheck{Run: run.ID, Step: queueStep}) == slipway.FindingDone
			b.applyOnly(run.ID)
		}
		if _, there := c.vars["QUEUE_URL"]; landed && !there {
			t.Errorf("before commit %d: the step is done, and what comes after it waits for the approval of something else: %s", n, b.detail(run.ID).Run.Status)
		}
		if last {
			if !landed {
				t.Error("the step is not done at the end")
			}
			return
		}
	}
}

// applyOnly works on a run until it waits, and approves at the apply gate alone.
func (b *bench) applyOnly(id string) {
	b.t.Helper()
	if err := b.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	defer b.Stop()
	for {
		if _, err := b.Wait(b.t.Context(), id); err != nil {
			b.t.Fatal(err)
		}
		_, err := b.Decide(b.t.Context(), slipway.Decision{Run: id, Gate: slipway.GateApply, Approve: true, By: ada})
		if slipway.ErrorCode(err) == slipway.CodeConflict && b.detail(id).Run.Status != slipway.RunActive {
			return
		}
		if err != nil && slipway.ErrorCode(err) != slipway.CodeConflict {
			b.t.Fatal(err)
		}
	}
}

// Two processes on one home: each has its own connection to the file.
func TestTwoProcessesCheckOneStep(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	c.byHand("shop-db", "east")
	var group sync.WaitGroup
	codes := make([]slipway.Code, 6)
	for i := range codes {
		other := &bench{t: t, cloud: c, dir: b.dir}
		other.open()
		defer other.close()
		group.Go(func() {
			_, err := other.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, By: person})
			codes[i] = slipway.ErrorCode(err)
		})
	}
	group.Wait()
	slices.Sort(codes)
	if codes[0] != "" || slices.ContainsFunc(codes[1:], func(c slipway.Code) bool { return c != slipway.CodeConflict }) {
		t.Errorf("one is the outcome, and all others are told: %q", codes)
	}
	events, err := b.Events(t.Context(), run.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, e := range events {
		if e.Type == slipway.EventStepDone && e.Step == dbStep {
			done++
		}
	}
	if done != 1 {
		t.Errorf("it is told %d times in %s", done, filepath.Base(b.dir))
	}
}

// What a person has made is taken only from the account that the run's other resources are in.
func TestACheckWithATokenOfAnotherAccount(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	c.byHand("shop-db", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDone {
		t.Fatal(got)
	}
	c.byHand("shop-cache", "east")
	c.mu.Lock()
	c.account = "another"
	c.mu.Unlock()
	_, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: cacheStep, By: person})
	if slipway.ErrorCode(err) != slipway.CodeAccountChanged || !strings.Contains(err.Error(), "another") {
		t.Errorf("a namesake in another account: %v", err)
	}
	if r := b.receipt("cloud.db/cache"); r.ID != "" {
		t.Errorf("recorded %+v", r)
	}
}

// TestKilledDuringACheck kills the process at each commit of a check and of an assertion.
func TestKilledDuringACheck(t *testing.T) {
	for name, tc := range map[string]struct {
		cause slipway.Cause
		check slipway.ManualCheck
	}{
		"check":     {slipway.CauseReadOnly, slipway.ManualCheck{Step: dbStep}},
		"assertion": {slipway.CauseAccountRefused, slipway.ManualCheck{Step: dbStep, Assert: true, Note: "made it", ID: "hand-1"}},
	} {
		for _, moment := range []string{"before commit", "after commit"} {
			t.Run(name+", "+moment, func(t *testing.T) {
				c := newCloud()
				c.find(finding(tc.cause))
				b := newBench(t, c)
				run := b.ship(request(t, manifest(), "one"))
				b.mustWait(run)
				id := c.byHand("shop-db", "east")
				tc.check.Run, tc.check.By = run.ID, person
				b.store.point = func(where string) error {
					if where == moment {
						b.store.dead.Store(true)
					}
					return nil
				}
				if _, err := b.CheckManual(t.Context(), tc.check); err == nil {
					t.Fatal("it was not killed")
				}
				b.restart()
				s, err := b.CheckManual(t.Context(), tc.check)
				switch {
				case moment == "before commit" && (err != nil || s.State != slipway.StepDone):
					t.Errorf("nothing was kept, and it cannot be checked again: %v", err)
				case moment == "after commit" && slipway.ErrorCode(err) != slipway.CodeConflict && (err != nil || s.Receipt.ID != "hand-1"):
					t.Errorf("it was kept: %v", err)
				}
				if r := b.receipt("cloud.db/db"); !r.ByHand || tc.check.ID == "" && r.ID != id {
					t.Errorf("recorded %+v", r)
				}
				b.mustSucceed(b.byPerson(b.resume(run.ID)))
				if c.made["cloud.db"] != 0 {
					t.Errorf("%d databases were made beside a person's", c.made["cloud.db"])
				}
			})
		}
	}
}

// TestKilledWherePeopleDoSteps kills the process anywhere in runs that a person has steps in, and has them finished.
func TestKilledWherePeopleDoSteps(t *testing.T) {
	first, stride := sample(t)
	if stride == 7 {
		stride = 15
	}
	refused := finding(slipway.CauseForbidden)
	refused.Op = slipway.OpCreate
	waits := func(b *bench) slipway.Run {
		b.cloud.find(finding(slipway.CauseReadOnly))
		run := b.ship(request(b.t, manifest(), "one"))
		b.mustWait(run)
		b.cloud.byHand("shop-db", "east")
		b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep})
		return run
	}
	for name, tc := range map[string]struct {
		before func(b *bench) slipway.Run // the run that is resumed; none: one is begun
		least  int
	}{
		"a token that only reads": {func(b *bench) slipway.Run { b.cloud.find(finding(slipway.CauseReadOnly)); return slipway.Run{} }, 20},
		"a 403 at the call":       {func(b *bench) slipway.Run { b.cloud.find(refused); return slipway.Run{} }, 20},
		"the token may write":     {func(b *bench) slipway.Run { run := waits(b); b.cloud.find(); return run }, 20},
		"the token is gone":       {func(b *bench) slipway.Run { run := waits(b); b.bare = true; return run }, 4},
	} {
		t.Run(name, func(t *testing.T) {
			reference := ""
			for point := 0; ; point += stride {
				if point == stride {
					point = first
				}
				c := newCloud()
				b := newBench(t, c)
				run := tc.before(b)
				where := b.killedIn(t, run, point)
				if point > 0 && where == "" {
					if point <= tc.least {
						t.Fatalf("fewer than %d kill points", point)
					}
					return
				}
				c.hide(4)
				b.restart()
				if run.ID == "" {
					run = b.ship(request(t, manifest(), "one"))
				} else {
					run = b.resume(run.ID)
				}
				if run = b.byPerson(run); run.Status != slipway.RunSucceeded {
					t.Fatalf("point %d (%s): %s, %+v", point, where, run.Status, run.Error)
				}
				if reference == "" {
					reference = c.state()
				}
				if d := cmp.Diff(reference, c.state()); d != "" {
					t.Errorf("point %d (%s): (-uninterrupted +resumed):\n%s", point, where, d)
				}
				if again := b.ship(request(t, manifest(), "one")); !again.NoChanges {
					t.Errorf("point %d (%s): the next ship is %s, %v", point, where, again.Status, b.modes(again.ID))
				}
			}
		})
	}
}

// killedIn works on a run, or on a new one, and dies at its nth point; 0 is never. It returns which that was, "" for none.
func (b *bench) killedIn(t *testing.T, run slipway.Run, point int) (where string) {
	if point == 0 {
		return ""
	}
	var seen atomic.Int64
	op := operation{begin: resuming(run)}
	dying, kill := context.WithCancel(t.Context())
	defer kill()
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
	b.untilDead(dying, op)
	b.cloud.point, b.store.point = nil, nil
	return where
}

// resuming begins with a run that is there, else with a new one.
func resuming(run slipway.Run) func(context.Context, *bench) (slipway.Run, error) {
	return func(ctx context.Context, b *bench) (slipway.Run, error) {
		if run.ID == "" {
			return b.Ship(ctx, request(b.t, manifest(), "one"))
		}
		return b.Resume(ctx, run.ID, folder("one"), person)
	}
}

// An approval that another process gives at any moment, also just before the run asks for it once more, is the only one that is needed.
func TestAGateIsOpenedWhileItIsAskedFor(t *testing.T) {
	ended := false
	for n := 1; !ended; n++ {
		b := newBench(t, newCloud())
		b.mustSucceed(b.ship(request(t, manifest(), "one")))
		m := manifest()
		m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
		delete(m.Env, "STRIPE_KEY")
		run, err := b.Ship(t.Context(), request(t, m, "one"))
		if err != nil {
			t.Fatal(err)
		}
		b.waiting(run.ID)
		if d := cmp.Diff([]string{"apply requested", "destroy requested"}, b.states(run.ID)); d != "" {
			t.Fatal(d)
		}
		open := func(gate slipway.Gate) slipway.Code {
			return b.decide(slipway.Decision{Run: run.ID, Gate: gate, Approve: true, By: ada, Confirm: b.targets(run.ID)})
		}
		if code := open(slipway.GateApply); code != "" {
			t.Fatal(code)
		}
		var commits atomic.Int32
		b.store.point = func(where string) error {
			if where == "before commit" && commits.Add(1) == int32(n) {
				if code := open(slipway.GateDestroy); code != "" {
					t.Errorf("commit %d: %s", n, code)
				}
			}
			return nil
		}
		b.waiting(run.ID) // for the promote, or for what nobody has opened
		if ended = commits.Load() < int32(n); ended {
			continue
		}
		b.mustSucceed(b.finish(run.ID))
		if d := cmp.Diff([]string{"apply consumed", "destroy consumed", "promote consumed"}, b.states(run.ID)); d != "" {
			t.Errorf("opened before commit %d: %s", n, d)
		}
	}
}
