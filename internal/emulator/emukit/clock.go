package emukit

import (
	"context"
	"time"
)

// Stage is a state that a thing is in from After since its start.
type Stage struct {
	State string
	After time.Duration
}

// Timeline is a thing that becomes something by the clock: a build, an operation, an alias. It needs no goroutine:
// what it is is computed from Started and the present time.
type Timeline struct {
	Started time.Time
	// Stages are in order of After; the first holds from the start whatever its After.
	Stages []Stage
}

// At returns the state at now.
func (t Timeline) At(now time.Time) string {
	state := ""
	for i, s := range t.Stages {
		if i > 0 && now.Before(t.Started.Add(s.After)) {
			break
		}
		state = s.State
	}
	return state
}

// Begins returns when a state begins. ok is false when the timeline has no such state.
func (t Timeline) Begins(state string) (at time.Time, ok bool) {
	for _, s := range t.Stages {
		if s.State == state {
			return t.Started.Add(s.After), true
		}
	}
	return time.Time{}, false
}

// End returns when the last stage begins.
func (t Timeline) End() time.Time {
	if len(t.Stages) == 0 {
		return t.Started
	}
	return t.Started.Add(t.Stages[len(t.Stages)-1].After)
}

// WaitUntil returns when the emulator's clock has reached at, or with ctx's error. A clock set by Now is looked at
// every 5 ms.
func (k *Kit) WaitUntil(ctx context.Context, at time.Time) error {
	for {
		tuned := k.retuned() // before the clock is read, so that no change is missed
		left := at.Sub(k.Clock())
		if left <= 0 {
			return ctx.Err()
		}
		if k.Now != nil {
			left = 5 * time.Millisecond
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-tuned:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// Settle says how long a created thing stays invisible in lists: for Reads list reads and for Time, both.
type Settle struct {
	Reads int
	Time  time.Duration
}

// Birth belongs to a created thing that lists show late. Make it with Born; guard it with the emulator's own lock.
type Birth struct {
	at    time.Time
	reads int
}

// Born starts a Birth at the present time.
func (k *Kit) Born() Birth { return Birth{at: k.Clock()} }

// Listed counts one list read of the thing and reports whether that list shows it.
func (k *Kit) Listed(b *Birth) bool {
	settle := k.tuning().Settle
	if b.reads < settle.Reads {
		b.reads++
		return false
	}
	return !k.Clock().Before(b.at.Add(settle.Time))
}
