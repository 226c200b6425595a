package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-dev/slipway"
)

// A resource may be pending for longPending, as a long build is; one that is ready and differs, or is not seen, mends itself within
// shortPending or not at all. A move of which nothing shows is waited for as long as movePending, since it may be queued where nothing tells.
const (
	longPending  = 45 * time.Minute
	movePending  = 15 * time.Minute
	shortPending = 30 * time.Second
)

// rolloutPace is the longest time between two looks at a rolling release.
const rolloutPace = 15 * time.Second

// poller spaces the looks at something pending. Where its provider sends news it keeps calm, but for some looks after each.
type poller struct {
	every, most, spent, limit time.Duration
	calm                      time.Duration    // 0: there is no news
	brisk                     int              // looks before it is calm again
	patience                  time.Duration    // in place of every bound; 0 for none
	rolled                    time.Duration    // of rolling releases: it does not count for a bound
	left                      *slipway.Rollout // behind which a move is queued no longer
}

func (w *worker) poll(u *unit) *poller {
	p := &poller{every: w.kinds[u.effect.Address.Kind()].Poll, most: 2 * time.Second, patience: w.Patience}
	if p.every == 0 {
		p.every = 250 * time.Millisecond
	}
	if moves(u.effect.Op) {
		p.limit = p.bound(movePending)
	}
	if (u.watched() || moves(u.effect.Op)) && w.notified(u.effect.Address.Kind().Provider()) {
		p.calm = w.Calm
	}
	return p
}

func (p *poller) bound(d time.Duration) time.Duration {
	if p.patience > 0 {
		return p.patience
	}
	return d
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
		return p.spent > p.bound(longPending)
	}
	return p.spent > p.bound(shortPending)
}

// leftQueue reports whether a move that was queued when it was looked at before, here or by another process, no longer is, and does not show: it
// is given a moment, since its turn may have come. While a rolling release goes on the time that it takes does not count.
func (p *poller) leftQueue(u *unit) bool {
	if u.obs.Rollout != nil && u.obs.Pending {
		p.rolled, p.spent, p.most, p.left = p.rolled+p.spent, 0, rolloutPace, nil
		return false
	}
	before := u.behind
	if told := u.step.Progress; before == nil && told != nil {
		before = told.Rollout
	}
	if before == nil || !before.Queued || u.obs.Pending {
		return false
	}
	if p.left == nil {
		p.left, p.spent, p.every, p.most = before, 0, pace, 2*time.Second
		p.limit = p.bound(shortPending)
	}
	return true
}

// tellWaiting says that something is there and cannot be used yet: once, and again whenever more of it can. The step keeps it.
func (w *worker) tellWaiting(ctx context.Context, u *unit) error {
	move := slipway.MovementOf(u.obs)
	if !u.obs.Pending || u.waiting && move.Equal(u.step.Progress) {
		return nil
	}
	u.waiting = true
	step := u.step
	step.Progress = move
	data := move.Data()
	if data["address"] = string(u.effect.Address); u.obs.Receipt.ID != "" {
		data["id"] = u.obs.Receipt.ID
	}
	err := w.commit(ctx, func(tx slipway.Tx) error {
		if move != nil {
			if err := tx.SaveStep(step); err != nil {
				return err
			}
		}
		return w.event(tx, w.id, slipway.EventStepWaiting, u.effect.Key, data)
	})
	if err == nil && move != nil {
		u.step = step
		w.remember(step)
	}
	return err
}

// notSettled is why something that was sent is waited for no longer.
func (w *worker) notSettled(u *unit, p *poller) error {
	resume := "look at it on the provider's page, then: slipway resume " + w.id
	switch {
	case p.left != nil:
		return slipway.Errorf(slipway.CodeUnavailable, "%v was queued behind a rolling release of %s; it no longer is, and production serves %v",
			u.spec.Params["deployment"], p.left.Of, u.obs.Fields["deployment"]).
			WithHint("to ask for the move again: slipway resume %s", w.id)
	case moves(u.effect.Op):
		return slipway.Errorf(slipway.CodeUnavailable, "production was asked to move to %v, and %s later it has not: %s",
			u.spec.Params["deployment"], p.limit, stands(u.obs)).WithHint("%s", resume)
	case u.watched() && !u.obs.Exists && u.step.Receipt != nil:
		return slipway.Errorf(slipway.CodeVanished, "%s was there, and is gone", u.step.Receipt.ID).
			WithHint("somebody deleted it; to build anew: slipway resume %s", w.id)
	case u.watched() && u.obs.Pending:
		return slipway.Errorf(slipway.CodeUnavailable, "%s is not ready after %s", u.obs.Receipt.ID, p.bound(longPending)).
			WithHint("to wait on: slipway resume %s; a build that hangs is cancelled on the provider's page, and a run by: slipway cancel %s", w.id, w.id)
	}
	what := "is not usable yet"
	if u.obs.Exists && !u.obs.Pending {
		what = "still differs from what was declared"
	}
	return slipway.Errorf(slipway.CodeUnavailable, "%s was sent and %s", u.effect.Address, what).WithHint("%s", resume)
}

// stands is what was seen last of a move.
func stands(obs slipway.Observation) string {
	if m := slipway.MovementOf(obs); m != nil {
		return m.String()
	}
	if now := fmt.Sprint(obs.Fields["deployment"]); obs.Fields["deployment"] != nil && now != "" {
		return "it serves " + now
	}
	return "it serves nothing"
}
