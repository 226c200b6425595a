package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// settleOld finds out what became of the requests of the app's earlier runs that were stopped between intent and outcome.
func (w *worker) settleOld(ctx context.Context) error {
	var open []slipway.Step
	err := w.Store.Read(ctx, func(tx slipway.Tx) (err error) {
		open, err = tx.OpenIntents(w.run.App, w.id)
		return err
	})
	if err != nil {
		return err
	}
	for _, step := range open {
		old, err := w.Engine.run(ctx, step.Run)
		if err != nil {
			return err
		}
		if !old.Status.Final() || old.Environment != w.run.Environment {
			continue // its own environment's next run settles it
		}
		if err := w.settleStep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// settleOwn finds out the same of this run's last revision, before another takes its place.
func (w *worker) settleOwn(ctx context.Context) error {
	steps := w.snapshot()
	for _, key := range slices.Sorted(maps.Keys(steps)) {
		if s := steps[key]; s.State == slipway.StepIntended || s.State == slipway.StepFailed && s.Unknown {
			if err := w.settleStep(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleStep looks for what one lost request made, records it when it is there, and closes the step either way.
func (w *worker) settleStep(ctx context.Context, step slipway.Step) error {
	var plan *slipway.Plan
	err := w.Store.Read(ctx, func(tx slipway.Tx) (err error) {
		plan, err = tx.Plan(step.Run, step.Revision)
		return err
	})
	if err != nil {
		return err
	}
	if c := plan.Check(step.Key); c != nil && c.Job != nil {
		return w.settleJob(ctx, *c, step)
	}
	e := plan.Effect(step.Key)
	if e == nil {
		return slipway.Errorf(slipway.CodeInternal, "no effect %s in run %s", step.Key, step.Run)
	}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	spec := w.specFor(e.Address, receipts)
	spec.Run = w.mark(e.Address.Kind(), step.Run, step.Revision)
	if spec.Name == "" {
		spec.Name = e.Name
	}
	if c, bad := w.wanted.access().Find(e.Address.Kind(), ""); bad && !w.wanted.visible(e.Address.Kind()) {
		return slipway.Errorf(slipway.CodeCredential, "what became of %s is not known, and nothing here can look: %s", e.Key, c.Reason).
			WithHint("%s", c.Hint)
	}
	u := &unit{effect: *e, spec: spec, step: step, search: true}
	sessions := w.wanted.pass()
	if err := w.lookFor(ctx, &sessions, u); err != nil {
		return err
	}
	made := u.obs.Exists && !u.foreign && len(u.obs.Namesakes) < 2 && (e.Op == slipway.OpCreate || e.Op == slipway.OpReplace)
	return w.commit(ctx, func(tx slipway.Tx) (err error) {
		if made {
			r := u.obs.Receipt
			r.Origin = slipway.OriginCreated
			step.Receipt = &r
			if err := tx.SaveReceipt(w.run.App, r); err != nil {
				return err
			}
		}
		to := slipway.StepFailed
		if made {
			to = slipway.StepDone
		}
		if step.State == slipway.StepIntended {
			if step, err = step.Move(to); err != nil {
				return err
			}
		}
		step.Unknown, step.EndedAt = false, w.Now()
		if err := tx.SaveStep(step); err != nil {
			return err
		}
		return w.event(tx, w.id, slipway.EventNote, step.Key, map[string]any{"settled": step.Run, "found": made})
	})
}
