package engine

import (
	"context"
	"maps"
	"slices"
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
			switch {
			case u.obs.Failed != nil:
				u.err = u.obs.Failed
				return w.endLog(ctx, u)
			case w.lostTo(u) != nil:
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
		if w.leaves(u.obs.Pending, poll.spent) {
			return errLeft
		}
		begun, wait := time.Now(), poll.next(u.watched())
		rung, err := w.await(ctx, u, wait, bell)
		if err != nil {
			return err
		}
		if poll.woken(rung, wait-time.Since(begun)); poll.over(u.obs.Pending) {
			u.err = w.notSettled(u)
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

// parts are what of an observation is there, and what is waited for.
func parts(obs slipway.Observation) (there, waiting []string) {
	for _, name := range slices.Sorted(maps.Keys(obs.Parts)) {
		if obs.Parts[name] {
			there = append(there, name)
		} else {
			waiting = append(waiting, name)
		}
	}
	return there, waiting
}

// tellWaiting says that something is there and cannot be used yet: once, and again whenever more of it can.
func (w *worker) tellWaiting(ctx context.Context, u *unit) error {
	moved, waiting := parts(u.obs)
	if !u.obs.Pending || u.waiting && slices.Equal(u.parts, waiting) {
		return nil
	}
	u.waiting, u.parts = true, waiting
	data := map[string]any{"address": string(u.effect.Address), "id": u.obs.Receipt.ID}
	if len(moved)+len(waiting) > 0 {
		data["moved"], data["waiting"] = toAny(moved), toAny(waiting)
	}
	return w.commit(ctx, func(tx slipway.Tx) error {
		return w.event(tx, w.id, slipway.EventStepWaiting, u.effect.Key, data)
	})
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

func (w *worker) notSettled(u *unit) error {
	what := "is not usable yet"
	if u.obs.Exists && !u.obs.Pending {
		what = "still differs from what was declared"
	}
	return slipway.Errorf(slipway.CodeUnavailable, "%s was sent and %s", u.effect.Address, what).
		WithHint("look at it on the provider's page, then: slipway resume %s", w.id)
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
			u.err = w.notSettled(u)
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
	step.Basis, step.EndedAt, step.Error = slipway.Basis(u.spec, u.obs), w.Now(), nil
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
	r := u.obs.Receipt
	r.Origin, r.Declared = slipway.OriginCreated, slipway.DeclaredDigest(u.spec)
	r.Fixed = slipway.FixedDigest(u.spec, w.kinds[u.effect.Address.Kind()])
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
		data := map[string]any{"code": string(e.Code), "error": e.Message, "hint": e.Hint}
		return w.event(tx, w.id, slipway.EventStepFailed, u.effect.Key, data)
	})
	if err == nil {
		w.remember(step)
	}
	return err
}

// A resource may be pending for longPending, as a long build is; one that is ready and differs, or is not seen, mends itself within
// shortPending or not at all.
const (
	longPending  = 45 * time.Minute
	movePending  = 15 * time.Minute // a promote may be queued behind a rolling release before anything shows of it
	shortPending = 30 * time.Second
)

// poller spaces the looks at something pending. Where its provider sends news it keeps calm, but for some looks after each.
type poller struct {
	every, most, spent, limit time.Duration
	calm                      time.Duration // 0: there is no news
	brisk                     int           // looks before it is calm again
}

func (w *worker) poll(u *unit) *poller {
	p := &poller{every: w.kinds[u.effect.Address.Kind()].Poll, most: 2 * time.Second}
	if p.every == 0 {
		p.every = 250 * time.Millisecond
	}
	if moves(u.effect.Op) {
		p.limit = movePending
	}
	if (u.watched() || moves(u.effect.Op)) && w.notified(u.effect.Address.Kind().Provider()) {
		p.calm = w.Calm
	}
	return p
}

// pace is the least time between two looks at what is built and tells its log.
const pace = time.Second

// next is how long to wait before the next look. What is built is looked at once a second, and later once for each twelfth of the time
// that it has taken: that it is ready shows within 1.2 s, or within a tenth of the build's length.
func (p *poller) next(built bool) time.Duration {
	d := p.every
	if built {
		d = max(pace, p.spent/12)
	}
	if p.calm > 0 && p.brisk == 0 {
		d = max(d, p.calm)
	}
	p.brisk = max(p.brisk-1, 0)
	p.spent += d
	p.every = min(p.every*9/8, max(p.most, p.every))
	return d
}

// woken takes back what was not waited, and makes the next looks come as if there were no more news, when a bell has rung.
func (p *poller) woken(rung bool, unspent time.Duration) {
	if p.spent -= max(unspent, 0); rung {
		p.brisk = brisk
	}
}

func (p *poller) over(pending bool) bool {
	if p.limit > 0 {
		return p.spent > p.limit
	}
	if pending {
		return p.spent > longPending
	}
	return p.spent > shortPending
}
