package engine

import (
	"context"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// maxRounds bounds how often a group is sent again after replies that were lost or put off.
const maxRounds = 8

// ensure makes a group of effects true: look, check the basis, intend, send, look again. More than one only for a batch.
func (w *worker) ensure(ctx context.Context, keys []string) error {
	var units []*unit
	for _, k := range keys {
		u, err := w.unit(ctx, k)
		if err != nil {
			return err
		}
		u.search = u.step.State == slipway.StepIntended
		units = append(units, u)
	}
	for round := 0; ; round++ {
		wait, err := w.round(ctx, units)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(slices.Clone(units), func(u *unit) bool { return u.sent || u.err != nil })
		if len(open) == 0 {
			break
		}
		if round == maxRounds {
			for _, u := range open {
				e := slipway.Errorf(slipway.CodeUnavailable, "%s gave no usable answer after %d tries", u.effect.Address, round+1).
					WithHint("resume the run when the provider works again: slipway resume %s", w.id)
				e.Cause = u.late
				u.err = e
			}
			break
		}
		if err := w.tellAgain(ctx, open); err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	units, err := w.echoed(ctx, units)
	if err != nil {
		return err
	}
	refused := false
	for _, u := range units {
		if u.err == nil {
			if err := w.settleDown(ctx, u); err != nil {
				return err
			}
		}
		if u.err != nil {
			if err := w.failStep(ctx, u); err != nil {
				return err
			}
			refused = w.refused(ctx, u) || refused
		}
	}
	if refused {
		return slipway.Errorf(slipway.CodeVoided, "what was planned is not allowed to this credential")
	}
	return nil
}

// round looks at every open unit and sends what is to be sent. What comes back is only what ends the work; a unit's own error is in it.
// wait is how long the next round is put off.
func (w *worker) round(ctx context.Context, units []*unit) (wait time.Duration, err error) {
	sessions := w.passes.current(w.wanted)
	var send []*unit
	for _, u := range units {
		if u.sent || u.err != nil {
			continue
		}
		if err := w.lookFor(ctx, &sessions, u); err != nil {
			if u.err = err; ctx.Err() != nil {
				return 0, ctx.Err()
			}
			wait = max(wait, w.putOff(u))
			continue
		}
		if u.search { // only its values tell whether a lost write arrived
			if err := w.resolve(ctx, sessions, []*unit{u}); err != nil {
				return 0, err
			}
			if u.err != nil {
				wait = max(wait, w.putOff(u))
				continue
			}
		}
		done, err := w.compare(ctx, u)
		if err != nil {
			return 0, err
		}
		if done {
			u.sent = true
			continue
		}
		if u.err == nil {
			send = append(send, u)
		}
	}
	if len(send) == 0 {
		return wait, nil
	}
	if err := w.resolve(ctx, sessions, send); err != nil {
		return 0, err
	}
	send = slices.DeleteFunc(send, func(u *unit) bool {
		failed := u.err != nil
		wait = max(wait, w.putOff(u))
		return failed
	})
	if len(send) == 0 {
		return wait, nil
	}
	if err := w.intend(ctx, send); err != nil {
		return 0, err
	}
	w.send(ctx, send)
	w.passes.changed(send[0].effect.Address.Kind().Provider())
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, u := range send {
		if u.err != nil {
			wait = max(wait, w.putOff(u))
			continue
		}
		if err := w.received(ctx, u); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
