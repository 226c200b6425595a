package engine

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-dev/slipway"
)

// echoed commits, together, the units whose reply showed all that a second look would, and returns the others.
func (w *worker) echoed(ctx context.Context, units []*unit) (rest []*unit, err error) {
	var done []*unit
	for _, u := range units {
		if u.err == nil && u.replied && u.effect.Op != slipway.OpDelete && w.kinds[u.effect.Address.Kind()].Echo {
			u.obs.Fields = u.spec.Params
			done = append(done, u)
		} else {
			rest = append(rest, u)
		}
	}
	if len(done) == 0 {
		return rest, nil
	}
	return rest, w.done(ctx, done...)
}

// resolve gets the values that are about to be written, in memory, and their fingerprints.
func (w *worker) resolve(ctx context.Context, sessions map[string]slipway.Session, units []*unit) error {
	for _, u := range units {
		if u.effect.Op == slipway.OpDelete {
			continue
		}
		u.spec.Values = map[string]slipway.Secret{}
		for name, in := range u.spec.Inputs {
			v, err := w.value(ctx, sessions, in)
			if err != nil {
				u.err = err
				break
			}
			u.spec.Values[name] = v
			if _, has := u.spec.Params["fingerprint"]; has && name == "value" {
				u.spec.Params["fingerprint"] = w.print(u.spec, v)
			}
			if in.Ledger && !in.CreateOnly {
				u.spec.Params["value"] = w.announced(u, v.Reveal())
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// intend commits, before anything is sent, that it is about to be.
func (w *worker) intend(ctx context.Context, units []*unit) error {
	if w.uncovered(units) {
		return slipway.Errorf(slipway.CodeVoided, "the approval of apply does not cover the promote any more").WithHint("look at it again with: slipway status %s", w.id)
	}
	steps := make([]slipway.Step, len(units))
	err := w.commit(ctx, func(tx slipway.Tx) error {
		for i, u := range units {
			if err := w.consume(ctx, tx, u.effect.Gate); err != nil {
				return err
			}
			s := u.step
			s.Attempt++
			s.IntentAt, s.Error, s.Unknown = w.Now(), nil, false
			var err error
			if steps[i], err = w.save(tx, s, slipway.StepIntended); err != nil {
				return err
			}
			data := map[string]any{"op": string(u.effect.Op), "address": string(u.effect.Address), "attempt": s.Attempt}
			if err := w.event(tx, w.id, slipway.EventStepIntended, u.effect.Key, data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, u := range units {
		u.step = steps[i]
		w.wanted.values.forget(u.effect.Address)
	}
	w.remember(steps...)
	return nil
}

// send makes the call: one for a batch, one for a single effect. The reply, or the error, is in the units.
func (w *worker) send(ctx context.Context, units []*unit) {
	for _, u := range units {
		u.tried = true
	}
	batcher, ok := units[0].handler.(slipway.Batcher)
	if !ok || units[0].effect.Op == slipway.OpDelete {
		u := units[0]
		var r slipway.Receipt
		r, u.err = w.call(ctx, u)
		u.reply(r)
		return
	}
	specs := make([]slipway.Spec, len(units))
	for i, u := range units {
		specs[i] = u.spec
	}
	results, err := batcher.Batch(ctx, specs)
	for i, u := range units {
		if u.err = err; err == nil {
			u.err = results[i].Err
			u.reply(results[i].Receipt)
		}
		u.err = withOp(u.err, "%s %s", u.effect.Address, u.effect.Op)
	}
}

func (w *worker) call(ctx context.Context, u *unit) (r slipway.Receipt, err error) {
	switch {
	case u.effect.Op == slipway.OpDelete:
		err = u.handler.Delete(ctx, u.obs.Receipt)
		r = u.obs.Receipt
	case u.effect.Op == slipway.OpReplace:
		r, err = w.replace(ctx, u)
	case u.obs.Exists && u.effect.Op != slipway.OpDeploy:
		r, err = u.handler.Update(ctx, u.spec, u.obs)
	default:
		r, err = w.create(ctx, u)
	}
	return r, withOp(err, "%s %s", u.effect.Address, u.effect.Op)
}

// replace deletes what the plan saw, where it is still there, and makes it anew. A kill between the two leaves nothing by that name, and
// the next look says so.
func (w *worker) replace(ctx context.Context, u *unit) (slipway.Receipt, error) {
	if u.obs.Exists {
		if err := u.handler.Delete(ctx, u.obs.Receipt); err != nil {
			return slipway.Receipt{}, err
		}
	}
	u.spec.Known = nil
	return u.handler.Create(ctx, u.spec)
}

// putOff decides what becomes of a unit's error: sent again later, looked for first, or final. It returns how long to wait.
func (w *worker) putOff(u *unit) time.Duration {
	var e *slipway.Error
	if !errors.As(u.err, &e) || e.Retry == slipway.RetryNever {
		return 0
	}
	wait := time.Second
	if e.Retry == slipway.RetryAmbiguous {
		u.search = true
		wait = 0
	} else if e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	u.late, u.err = u.err, nil
	return wait
}

// tellAgain says that units are looked for or sent again, and why.
func (w *worker) tellAgain(ctx context.Context, units []*unit) error {
	return w.commit(ctx, func(tx slipway.Tx) error {
		for _, u := range units {
			if u.late == nil {
				continue
			}
			data := map[string]any{"code": string(slipway.ErrorCode(u.late)), "error": w.Redact(u.late.Error())}
			if err := w.event(tx, w.id, slipway.EventStepRetry, u.effect.Key, data); err != nil {
				return err
			}
		}
		return nil
	})
}

// received commits the outcome of a call: the receipt is safe before anything else happens. A delete strikes the receipt.
func (w *worker) received(ctx context.Context, u *unit) error {
	step := u.step
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		if u.effect.Op == slipway.OpDelete {
			return nil
		}
		r := u.obs.Receipt
		step.Receipt = &r
		if step, err = w.save(tx, step, slipway.StepIntended); err != nil {
			return err
		}
		return tx.SaveReceipt(w.run.App, r)
	})
	if err != nil {
		return err
	}
	if u.step = step; step.Receipt != nil {
		u.spec.Known = step.Receipt
	}
	u.sent, u.replied = true, true
	w.remember(step)
	select {
	case w.made <- struct{}{}:
	default:
	}
	return nil
}
