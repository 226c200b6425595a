package cli

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/source"
	"github.com/slipway-dev/slipway/internal/store"
)

// files reads the app's source tree, and names the files that are held back.
func (w *workspace) files(ctx context.Context) (slipway.FileSet, error) {
	if w.manifest.Source.GitHub != "" {
		return w.commit(ctx)
	}
	open := source.Open
	if w.manifest.Source.Prebuilt {
		open = func(ctx context.Context, dir string) (*source.Tree, error) {
			return source.OpenPrebuilt(ctx, dir, source.Prebuilt{Root: w.manifest.Vercel.RootDirectory, Target: w.environment})
		}
	}
	tree, err := open(ctx, w.sourceFolder())
	if err != nil {
		return nil, err
	}
	for _, path := range tree.Denied() {
		w.tell("not shipped: %s (it looks like a credential)\n", path)
	}
	return tree, nil
}

// drive works on a run until it ends or waits for somebody else. by decides at the gates where it may; nil decides nothing.
func (w *workspace) drive(ctx context.Context, id string, by approver) (result, error) {
	if err := w.lock.SetRun(id); err != nil {
		return result{}, err
	}
	if err := w.engine.Start(ctx); err != nil {
		return result{}, err
	}
	defer w.engine.Stop()
	v := w.newView()
	defer v.close()
	f := &follower{workspace: w, view: v, since: w.started}
	for {
		run, err := f.follow(ctx, id)
		if ctx.Err() != nil {
			w.engine.Stop()
			return w.interrupted(id)
		}
		if err != nil {
			return result{Run: id, Calls: w.calls()}, err
		}
		switch run.Status {
		case slipway.RunActive:
			return w.left(ctx, run)
		case slipway.RunWaitingApproval:
		case slipway.RunWaitingManual:
			return w.waitingManual(ctx, run)
		default:
			if run.Status.Stopped() {
				w.engine.Stop()
				w.tellStopped(ctx, run.ID)
			}
			return w.outcome(ctx, run)
		}
		v.pause()
		decided, why, err := w.decide(ctx, run, by)
		if ctx.Err() != nil {
			return w.interrupted(id)
		}
		if err != nil {
			return result{Run: id, Calls: w.calls()}, err
		}
		if !decided {
			return w.waiting(ctx, run, why)
		}
	}
}

// tellStopped has the host of the source told that a run was stopped. Another process that works on the app does it itself.
func (w *workspace) tellStopped(ctx context.Context, run string) {
	if w.lock == nil {
		lock, _, err := store.TryLock(w.lockPath())
		if err != nil {
			return
		}
		defer lock.Close()
	}
	w.engine.TellStopped(ctx, run)
}

func (w *workspace) interrupted(id string) (result, error) {
	return result{Status: statusInterrupted, Run: id, Calls: w.calls()},
		slipway.Errorf(slipway.CodeCanceled, "interrupted").WithHint("go on with: slipway resume %s", id)
}

// follower tells a run's events.
type follower struct {
	*workspace
	view     view
	since    time.Time // older events are not told
	after    int64
	revision int // of the plan that the view has
}

// follow tells the run's events until it is no longer active, or left, or until ctx ends, and returns it.
func (f *follower) follow(ctx context.Context, id string) (slipway.Run, error) {
	for {
		left := f.engine.Left(id) // asked first: then all that it has told is there
		run, events, err := f.read(ctx, id)
		if err != nil {
			return run, err
		}
		if run.Revision != f.revision {
			d, err := f.engine.Get(ctx, id)
			if err != nil {
				return run, err
			}
			f.revision = run.Revision
			f.view.planned(d)
		}
		for _, e := range events {
			f.after = e.Seq
			if !e.At.Before(f.since) {
				f.view.event(e)
			}
		}
		f.view.flush()
		if len(events) > 0 {
			continue // there may be more than one page
		}
		if left || run.Status != slipway.RunActive {
			return run, nil
		}
		if err := f.engine.Err(); err != nil {
			return run, err
		}
		if err := f.store.Changed(ctx, time.Second); err != nil {
			return run, err
		}
	}
}

// read returns the run and its next events, as they are at one moment.
func (f *follower) read(ctx context.Context, id string) (run slipway.Run, events []slipway.Event, err error) {
	err = f.store.Read(ctx, func(tx slipway.Tx) error {
		if run, err = tx.Run(id); err != nil {
			return err
		}
		events, err = tx.Events(id, f.after)
		return err
	})
	return run, events, err
}

// outcome is the result of a run that has ended.
func (w *workspace) outcome(ctx context.Context, run slipway.Run) (result, error) {
	r := result{Run: run.ID, URL: run.URL, Calls: w.calls()}
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil {
		return r, err
	}
	r.PlanDigest = d.Digest
	if d.Plan != nil {
		r.Effects, r.Unseen = d.Plan.Counts(), d.Plan.Unseen()
	}
	switch run.Status {
	case slipway.RunSucceeded:
		r.Status = statusSucceeded
		if run.NoChanges {
			r.Status = statusNoChanges
		}
		return r, nil
	case slipway.RunRejected:
		r.Status = statusRejected
	case slipway.RunCanceled, slipway.RunSuperseded:
		r.Status = statusCanceled
	case slipway.RunFailed:
		if re := run.Error; re != nil && re.Code == slipway.CodeCanceled { // the run was not
			r.Status = statusFailed
		}
	}
	return r, runFailure(d)
}

// runFailure is why a run is not going on, as an error.
func runFailure(d *slipway.RunDetail) error {
	e := slipway.Errorf(slipway.CodeInternal, "run %s is %s", d.Run.ID, d.Run.Status)
	if re := d.Run.Error; re != nil {
		e.Code, e.Message, e.Hint = re.Code, re.Message, re.Hint
	}
	switch d.Run.Status {
	case slipway.RunSuperseded:
		e.Code, e.Message, e.Hint = slipway.CodeCanceled, "run "+d.Run.ID+" was superseded by another", "list them with: slipway runs"
	case slipway.RunFailed:
		for _, s := range d.Steps {
			known := s.Error != nil && s.Error.Code == slipway.CodeBuildFailed || s.Progress != nil && len(s.Progress.Failed) > 0
			if s.State == slipway.StepFailed && s.Unknown && !known {
				e.Retry = slipway.RetryAmbiguous
			}
		}
		if e.Hint == "" {
			e.Hint = "go on with: slipway resume " + d.Run.ID
		}
	}
	return e
}

// waiting is the result of a run that waits for an approval. why, when not nil, is what kept it from being given here.
func (w *workspace) waiting(ctx context.Context, run slipway.Run, why error) (result, error) {
	r := result{Status: statusWaitingApproval, Run: run.ID, Calls: w.calls()}
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil {
		return r, err
	}
	r.PlanDigest = d.Digest
	if d.Plan != nil {
		r.Effects = d.Plan.Counts()
	}
	if why != nil {
		return r, why
	}
	waiting := requested(d)
	for _, a := range waiting {
		standing := a.Standing()
		if standing != "" {
			standing = ", " + standing + " approvals given"
		}
		w.tell("run %s waits at the %s gate%s\n", run.ID, a.Gate, standing)
	}
	r.Hint = approveHint(run.ID, waiting)
	return r, nil
}

// approveHint is what to type to open what a run waits at: a change of policy comes before all else.
func approveHint(run string, waiting []slipway.Approval) string {
	var commands []string
	for _, a := range waiting {
		if a.Gate == slipway.GatePolicy {
			return "look at the change with: slipway status " + run + "; then: " + a.Command(true) + ", then: slipway resume " + run
		}
		commands = append(commands, a.Command(len(waiting) > 1))
	}
	return strings.Join(commands, ", and: ") + ", then: slipway resume " + run
}

// waitingManual is the result of a run that only a person's steps can bring on.
func (w *workspace) waitingManual(ctx context.Context, run slipway.Run) (result, error) {
	r := result{Status: statusWaitingManual, Run: run.ID, Calls: w.calls(), Hint: manualHint(run.ID)}
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil {
		return r, err
	}
	r.PlanDigest, r.Effects = d.Digest, d.Plan.Counts()
	return r, nil
}

// manualHint is what to type to see what a person has to do.
func manualHint(run string) string { return "slipway manual " + run + " tells what to do" }

// requested are the approvals that a run waits for.
func requested(d *slipway.RunDetail) []slipway.Approval {
	var out []slipway.Approval
	for _, a := range d.Approvals {
		if a.State == slipway.ApprovalRequested {
			out = append(out, a)
		}
	}
	return out
}
