package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// lasting is what a sandbox that outlives its caller remembers: how often each command was run.
type lasting struct{ ran map[string]int }

// resumable is a box whose jobs outlive the process that began them.
type resumable struct{ *box }

// place is the box as the engine gets it.
func (b *box) place() slipway.Sandbox {
	if b.lasting != nil {
		return resumable{b}
	}
	return b
}

func (b resumable) Run(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	if _, err := b.box.Run(ctx, get, slipway.Order{Name: o.Name}, emit); err != nil {
		return slipway.JobResult{}, err
	}
	return b.goOn(ctx, o, emit)
}

func (b resumable) Resume(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	b.mu.Lock()
	there := b.live[o.Name]
	b.mu.Unlock()
	switch {
	case o.Mark.Session == "" && !there:
		return b.Run(ctx, get, o, emit)
	case !there:
		return slipway.JobResult{}, &slipway.Error{Code: slipway.CodeUnavailable, Message: "it is gone", Retry: slipway.RetryLater}
	}
	return b.goOn(ctx, o, emit)
}

// goOn runs what was not run yet, and gives the output of everything.
func (b resumable) goOn(ctx context.Context, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	r, m := slipway.JobResult{Isolation: slipway.Isolation{Backend: "box"}}, o.Mark
	if m.Session = "s-" + o.Name; m.Project == "" {
		m.Project = "p"
		if err := o.Save(ctx, m); err != nil {
			return r, err
		}
	}
	for i, argv := range o.Commands {
		if i == len(m.Commands) {
			m.Commands = append(m.Commands, slipway.CommandMark{})
			if err := o.Save(ctx, m); err != nil {
				return r, err
			}
		}
		name := strings.Join(argv, " ")
		if b.lasting.ran[name] == 0 {
			if err := b.at("before " + name); err != nil {
				return r, err
			}
			b.lasting.ran[name]++
		}
		if err := b.at("after " + name); err != nil {
			return r, err
		}
		emit(slipway.LogLine{Stream: "stdout", Text: "ran " + name})
		end := slipway.CommandResult{Argv: argv, End: slipway.JobExited}
		r.Commands, m.Commands[i].End = append(r.Commands, end), &end
		if err := o.Save(ctx, m); err != nil {
			return r, err
		}
	}
	return r, nil
}

// told are the lines of output that a run's events tell.
func (b *bench) told(run string) (out []string) {
	b.t.Helper()
	for after := int64(0); ; {
		events, err := b.Events(b.t.Context(), run, after)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(events) == 0 {
			return out
		}
		for _, e := range events {
			if after = e.Seq; e.Type == slipway.EventLog {
				out = append(out, e.Data["text"].(string))
			}
		}
	}
}

func newResumer(t *testing.T) *bench {
	b := newBench(t, newCloud())
	b.box = newBox()
	b.box.lasting = &lasting{ran: map[string]int{}}
	b.restart()
	return b
}

// A verification that has passed is not run again because its sandbox could not be stopped.
func TestAPassedJobIsNotRunAgain(t *testing.T) {
	for name, b := range map[string]*bench{"that starts again": newVerifier(t), "that lasts": newResumer(t)} {
		t.Run(name, func(t *testing.T) {
			b.box.stuck = slipway.Errorf(slipway.CodeUnauthorized, "the token has expired")
			run := b.ship(request(t, verified(), "one"))
			if step := b.verification(run.ID); run.Status != slipway.RunFailed || !step.Unknown || run.Error.Code != slipway.CodeUnauthorized {
				t.Fatalf("%s, unknown %t: %+v", run.Status, step.Unknown, run.Error)
			}
			b.box.stuck = nil
			run, err := b.Resume(t.Context(), run.ID, folder("one"), person)
			if err != nil {
				t.Fatal(err)
			}
			b.mustSucceed(b.finish(run.ID))
			if len(b.box.jobs) != 1 || len(b.box.live) != 0 {
				t.Errorf("%d jobs, %d sandboxes left", len(b.box.jobs), len(b.box.live))
			}
			if step := b.verification(run.ID); step.Since != "" || step.Basis["transcript"] == nil {
				t.Errorf("the step keeps a mark, or no result: %+v", step)
			}
		})
	}
}

// What cannot be looked at is not known: the job is kept, and gone on with by whoever can.
func TestAJobThatCannotBeLookedAtIsUnknown(t *testing.T) {
	b := newResumer(t)
	over := slipway.Errorf(slipway.CodeUnauthorized, "the token has expired")
	b.cloud.point = nil
	b.box.point = func(where string) error {
		if where == "after npm test" {
			b.box.stuck = over
			return over
		}
		return nil
	}
	run := b.ship(request(t, verified(), "one"))
	if step := b.verification(run.ID); run.Status != slipway.RunFailed || !step.Unknown || step.Since == "" || len(b.cloud.deploys) != 0 {
		t.Fatalf("%s, unknown %t, mark %q: %+v", run.Status, step.Unknown, step.Since, run.Error)
	}
	b.box.refuses = over
	run, err := b.Resume(t.Context(), run.ID, folder("one"), person)
	if err != nil {
		t.Fatal(err)
	}
	if run = b.finish(run.ID); run.Status != slipway.RunFailed || !b.verification(run.ID).Unknown {
		t.Fatalf("still without a token: %s, %+v", run.Status, run.Error)
	}
	b.box.point, b.box.stuck, b.box.refuses = nil, nil, nil
	if run, err = b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	if len(b.box.jobs) != 1 || b.box.lasting.ran["npm ci"] != 1 || b.box.lasting.ran["npm test"] != 1 || len(b.box.live) != 0 {
		t.Errorf("%d jobs, runs %v, %d sandboxes left", len(b.box.jobs), b.box.lasting.ran, len(b.box.live))
	}
	if n := strings.Count(strings.Join(b.told(run.ID), "\n"), "ran npm ci"); n != 1 {
		t.Errorf("the first line was told %d times", n)
	}
}

// laggard is a store whose transactions, once it lags, take a while or until their context ends.
type laggard struct {
	slipway.Store
	lags  atomic.Bool
	begun chan struct{}
}

func (l *laggard) Tx(ctx context.Context, f func(slipway.Tx) error) error {
	if l.lags.CompareAndSwap(true, false) {
		close(l.begun)
		timer := time.NewTimer(300 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return l.Store.Tx(ctx, f)
}

// What a job prints last is told, also when it ends while the lines before it are being written.
func TestNoLineIsLostAtTheEnd(t *testing.T) {
	b := newBench(t, newCloud())
	l := &laggard{begun: make(chan struct{})}
	b.box = newBox()
	b.edit = func(c *engine.Config) { l.Store, c.Store = c.Store, l }
	b.restart()
	b.box.run = func(ctx context.Context, _ int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
		for !b.idle() { // nobody else writes
			if ctx.Err() != nil {
				return slipway.JobResult{}, ctx.Err()
			}
		}
		l.lags.Store(true)
		emit(slipway.LogLine{Stream: "stdout", Text: "first"})
		<-l.begun
		return passed(o, emit), nil
	}
	run := b.ship(request(t, verified(), "one"))
	b.mustSucceed(run)
	if d := cmp.Diff([]string{"first", "ran npm ci", "ran npm test"}, b.told(run.ID)); d != "" {
		t.Error(d)
	}
}

// idle reports whether all of the first run that does not wait for the verification is done.
func (b *bench) idle() bool {
	runs, err := b.Runs(b.t.Context(), slipway.RunFilter{})
	if err != nil || len(runs) != 1 {
		b.t.Errorf("%v, %d runs", err, len(runs))
		return true
	}
	d := b.detail(runs[0].ID)
	done := map[string]bool{}
	for _, s := range d.Steps {
		done[s.Key] = s.State == slipway.StepDone
	}
	for _, e := range d.Plan.Effects {
		if e.Gate == slipway.GateApply && e.Op != slipway.OpDeploy && !done[e.Key] {
			return false
		}
	}
	return true
}
