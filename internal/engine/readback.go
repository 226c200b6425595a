package engine

import (
	"context"
	"time"

	"github.com/slipway-dev/slipway"
)

// settleDown looks at what was sent until it can be used and is as declared, and commits the step as done. A unit's own failure is left
// in u.err.
func (w *worker) settleDown(ctx context.Context, u *unit) error {
	if u.effect.Op == slipway.OpDelete {
		return w.untilGone(ctx, u)
	}
	defer u.unfollow()
	mended, sessions := false, w.passes.current(w.wanted)
	for poll := w.poll(u); ; sessions = w.wanted.pass() {
		bell := w.bell(w.id)
		if err := w.observeUnit(ctx, sessions, u); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if slipway.RetryClass(err) == slipway.RetryNever {
				u.err = err
				return nil
			}
		} else {
			left := poll.leftQueue(u)
			switch {
			case u.obs.Failed != nil:
				u.err = u.obs.Failed
				return w.endLog(ctx, u)
			case !left && w.lostTo(u) != nil:
				u.err = w.lostTo(u)
				return nil
			case u.obs.Exists && !u.obs.Pending && len(differing(u.spec, u.obs)) == 0:
				if err := w.endLog(ctx, u); err != nil {
					return err
				}
				if err := w.alone(ctx, u); err != nil || u.err != nil {
					return err
				}
				w.readValues(ctx, sessions, u)
				return w.done(ctx, u)
			case u.obs.Exists && !u.obs.Pending && !mended && canMend(u):
				// A create cannot always carry every field; what is left is one update.
				mended = true
				if _, err := u.handler.Update(ctx, u.spec, u.obs); err != nil && slipway.RetryClass(err) == slipway.RetryNever {
					u.err = withOp(err, "%s update", u.effect.Address)
					return nil
				}
				continue
			}
			if err := w.tellWaiting(ctx, u); err != nil {
				return err
			}
		}
		if w.leaves(u.obs.Pending, poll.spent+poll.rolled) {
			return errLeft
		}
		begun, wait := time.Now(), poll.next(u.watched())
		rung, err := w.await(ctx, u, wait, bell)
		if err != nil {
			return err
		}
		if poll.woken(rung, wait-time.Since(begun)); poll.over(u.obs.Pending) {
			u.err = w.notSettled(u, poll)
			return nil
		}
	}
}

// alone looks by name, as after a lost reply, whether a create that was sent more than once has made one thing: a list that lags longer
// than the kind's settle time, or ends early, must not leave a second one behind in silence. What is wrong is left in u.err.
func (w *worker) alone(ctx context.Context, u *unit) error {
	kind := w.kinds[u.effect.Address.Kind()]
	makes := u.effect.Op == slipway.OpCreate || u.effect.Op == slipway.OpReplace || u.effect.Op == slipway.OpDeploy
	if !makes || u.step.Attempt < 2 || kind.Batch || kind.Shared {
		return nil
	}
	id := u.obs.Receipt.ID
	byName := *u
	byName.spec.Known, byName.search = nil, true
	sessions := w.wanted.pass()
	if err := w.lookFor(ctx, &sessions, &byName); err != nil {
		if u.err = err; ctx.Err() != nil {
			return ctx.Err()
		}
		return nil
	}
	switch {
	case len(byName.obs.Namesakes) > 1:
		u.err, u.several = w.ambiguous(u.effect.Address, byName.obs.Namesakes), true
	case !byName.obs.Exists || byName.obs.Receipt.ID != id:
		u.several = true
		u.err = slipway.Errorf(slipway.CodeAmbiguous, "%s was sent %d times, and a look by its name does not show %s", u.effect.Address, u.step.Attempt, id).
			WithHint("see on the provider's page that there is one of them, then: slipway resume %s", w.id)
	}
	return nil
}

// readValues resolves, in the pass that has just shown u, the outputs that other effects will write. It costs no call where the pass
// has the reply; what fails here is asked for again when it is needed.
func (w *worker) readValues(ctx context.Context, sessions map[string]slipway.Session, u *unit) {
	if _, ok := u.handler.(slipway.Outputter); ok && (u.spec.Serves != "" || w.kinds[u.effect.Address.Kind()].Probing != "") {
		_, _ = w.outputs(ctx, w.wanted, sessions, u.spec, u.obs)
	}
}

func canMend(u *unit) bool {
	return u.effect.Op == slipway.OpCreate || u.effect.Op == slipway.OpReplace || u.effect.Op == slipway.OpAdopt
}

// untilGone looks until a deleted thing is no longer there.
func (w *worker) untilGone(ctx context.Context, u *unit) error {
	for poll := w.poll(u); ; {
		err := w.observeUnit(ctx, w.wanted.pass(), u)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && !u.obs.Exists {
			return w.done(ctx, u)
		}
		if err != nil && slipway.RetryClass(err) == slipway.RetryNever {
			u.err = err
			return nil
		}
		if poll.over(false) {
			u.err = w.notSettled(u, poll)
			return nil
		}
		if err := sleep(ctx, poll.next(false)); err != nil {
			return err
		}
	}
}

// done commits the outcome of a step, with what was observed after it.
func (w *worker) done(ctx context.Context, units ...*unit) error {
	steps := make([]slipway.Step, len(units))
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		for i, u := range units {
			if steps[i], err = w.saveDone(tx, u); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.remember(steps...)
	}
	return err
}

func (w *worker) saveDone(tx slipway.Tx, u *unit) (step slipway.Step, err error) {
	step = u.step
	step.Basis, step.EndedAt, step.Error, step.Progress = slipway.Basis(u.spec, u.obs), w.Now(), nil, nil
	data := map[string]any{"op": string(u.effect.Op), "address": string(u.effect.Address)}
	if u.effect.Op == slipway.OpDelete {
		if err := tx.DeleteReceipt(w.run.App, u.effect.Address); err != nil {
			return step, err
		}
		if err := w.strikeContained(tx, u.effect.Address); err != nil {
			return step, err
		}
	} else {
		r := w.outcome(u)
		step.Receipt = &r
		data["id"] = r.ID
		if len(r.URLs) > 0 {
			data["url"] = r.URLs[0]
		}
		if err := tx.SaveReceipt(w.run.App, r); err != nil {
			return step, err
		}
	}
	if step, err = w.save(tx, step, slipway.StepDone); err != nil {
		return step, err
	}
	return step, w.event(tx, w.id, slipway.EventStepDone, u.effect.Key, data)
}

// outcome is the receipt of u: what was observed last, with the origin of what was sent.
func (w *worker) outcome(u *unit) slipway.Receipt {
	r := w.declaring(u.obs.Receipt, u.spec)
	r.Origin = slipway.OriginCreated
	switch {
	case u.effect.Op == slipway.OpAdopt:
		r.Origin = slipway.OriginAdopted
	case u.spec.Known != nil && u.spec.Known.Origin != "":
		r.Origin = u.spec.Known.Origin
	}
	return r
}

// strikeContained forgets the receipts of what went with its parent.
func (w *worker) strikeContained(tx slipway.Tx, gone slipway.Address) error {
	receipts, err := tx.Receipts(w.run.App)
	if err != nil {
		return err
	}
	for a, r := range receipts {
		if w.kinds[a.Kind()].Contained && len(r.Needs) > 0 && r.Needs[0] == gone {
			if err := tx.DeleteReceipt(w.run.App, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// failStep commits that a step failed. Unknown says that a request may have acted, and that resume must look first.
func (w *worker) failStep(ctx context.Context, u *unit) error {
	step := u.step
	e := w.runError(u.err, u.effect.Key)
	if m := slipway.MovementOf(u.obs); m != nil {
		step.Progress = m
	}
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		step.Error, step.EndedAt = &e, w.Now()
		step.Unknown = (u.search || u.sent) && e.Code != slipway.CodeDrift
		if u.several { // which of them is meant is for a person to say, by leaving one
			step.Receipt = nil
			if err := tx.DeleteReceipt(w.run.App, u.effect.Address); err != nil {
				return err
			}
		}
		if step, err = w.save(tx, step, slipway.StepFailed); err != nil {
			return err
		}
		data := step.Progress.Data()
		data["code"], data["error"], data["hint"] = string(e.Code), e.Message, e.Hint
		return w.event(tx, w.id, slipway.EventStepFailed, u.effect.Key, data)
	})
	if err == nil {
		w.remember(step)
	}
	return err
}
