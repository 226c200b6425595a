package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-dev/slipway"
)

// What is told of a build's log: its beginning as it comes, and its last lines when it is over. However long it is, memory and database
// hold no more of it.
const (
	logTold  = 5000
	logTail  = 200
	logBatch = 64 // lines in one transaction
)

// What a finished build's log is waited for: until it is silent for logSilence, and not over logGrace.
const (
	logSilence = 200 * time.Millisecond
	logGrace   = 2 * time.Second
)

// follower reads a pending resource's log beside the looks at it, so that neither waits for the other.
type follower struct {
	lines  chan slipway.LogLine // cleaned
	ended  chan logEnd
	cancel context.CancelFunc
}

// logEnd is how Watch ended.
type logEnd struct {
	since string
	err   error
}

// follow begins to read u's log, where it has one and nothing reads it yet: that of a build that is over only when nothing here has read of it.
// What it has begun ends with unfollow, or by itself.
func (w *worker) follow(ctx context.Context, u *unit) {
	watcher, ok := u.handler.(slipway.Watcher)
	if u.log != nil || !ok || !u.obs.Exists || !u.obs.Pending && u.followed {
		return
	}
	u.followed = true
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{lines: make(chan slipway.LogLine, logBatch), ended: make(chan logEnd, 1), cancel: cancel}
	u.log = f
	ref, since := u.obs.Receipt, u.step.Since
	go func() {
		end := logEnd{since, slipway.Errorf(slipway.CodeInternal, "a defect in Slipway stopped the reading of a log")}
		defer func() {
			_ = recover() // its value may hold what the log says
			f.ended <- end
		}()
		end.since, end.err = watcher.Watch(ctx, ref, since, func(l slipway.LogLine) {
			if l.Text = u.clean(w.Lines, l); l.Again {
				return
			}
			l.Text = cut(l.Text)
			select {
			case f.lines <- l:
			case <-ctx.Done():
			}
		})
	}()
}

// watched reports whether u has a log.
func (u *unit) watched() bool {
	_, ok := u.handler.(slipway.Watcher)
	return ok
}

// unfollow stops reading, and waits for it.
func (u *unit) unfollow() {
	if u.log != nil {
		u.log.cancel()
		<-u.log.ended
		u.log = nil
	}
}

// await tells u's log for d, until bell rings, or until the log has ended and there may be news: then the next look comes at once, but not
// twice in a row, and after a bell not within pace of the last. rung says that it was the bell.
func (w *worker) await(ctx context.Context, u *unit, d time.Duration, bell <-chan struct{}) (rung bool, err error) {
	w.follow(ctx, u)
	begun, timer, flush := time.Now(), time.NewTimer(d), time.NewTicker(tapeFlush)
	defer timer.Stop()
	defer flush.Stop()
	for {
		var lines chan slipway.LogLine // nil, as all three of a log that is not read: never ready
		var ended chan logEnd
		var tick <-chan time.Time
		if u.log != nil {
			lines, ended, tick = u.log.lines, u.log.ended, flush.C
		}
		select {
		case <-ctx.Done():
			return rung, ctx.Err()
		case <-timer.C:
			u.woken = false
			return rung, w.tellLog(ctx, u, "")
		case <-bell:
			rung, bell = true, nil
			timer.Reset(min(d, pace) - time.Since(begun))
		case <-tick:
			err = w.tellLog(ctx, u, "")
		case l := <-lines:
			err = w.hear(ctx, u, l)
		case end := <-ended:
			var news bool
			if news, err = w.logEnded(ctx, u, end); err == nil && news && !u.woken {
				u.woken = true
				return rung, nil
			}
		}
		if err != nil {
			return rung, err
		}
	}
}

// endLog tells what is left of the log of a build that is over.
func (w *worker) endLog(ctx context.Context, u *unit) error {
	quiet := logSilence
	if !u.followed { // the request for it is still to be answered
		w.follow(ctx, u)
		quiet = logGrace
	}
	grace, silence := time.NewTimer(logGrace), time.NewTimer(quiet)
	defer grace.Stop()
	defer silence.Stop()
	for u.log != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grace.C:
			u.unfollow()
		case <-silence.C:
			u.unfollow()
		case l := <-u.log.lines:
			silence.Reset(logSilence)
			if err := w.hear(ctx, u, l); err != nil {
				return err
			}
		case end := <-u.log.ended:
			if _, err := w.logEnded(ctx, u, end); err != nil {
				return err
			}
		}
	}
	u.feed.finish()
	return w.tellLog(ctx, u, "")
}

// logEnded tells what the log has said last, and whether there may be news: it moved on and ended by itself. A log that cannot be followed
// does not stop the build: the next look tells.
func (w *worker) logEnded(ctx context.Context, u *unit, end logEnd) (news bool, err error) {
	f, before := u.log, u.step.Since
	u.log = nil
	f.cancel()
	for len(f.lines) > 0 {
		if err := w.hear(ctx, u, <-f.lines); err != nil {
			return false, err
		}
	}
	if err := w.tellLog(ctx, u, end.since); err != nil {
		return false, err
	}
	return end.err == nil && end.since != before, nil
}

func (w *worker) hear(ctx context.Context, u *unit, l slipway.LogLine) error {
	u.feed.take(l)
	if len(u.feed.pending) < logBatch {
		return nil
	}
	return w.tellLog(ctx, u, "")
}

// tellLog commits the lines that have come, and how far the log was read; since "" leaves that as it is.
func (w *worker) tellLog(ctx context.Context, u *unit, since string) error {
	if since == u.step.Since {
		since = ""
	}
	if len(u.feed.pending) == 0 && since == "" {
		return nil
	}
	step := u.step
	if since != "" {
		step.Since = since
	}
	err := w.commit(ctx, func(tx slipway.Tx) error {
		for _, l := range u.feed.pending {
			if err := w.event(tx, w.id, slipway.EventLog, u.effect.Key, map[string]any{"stream": l.Stream, "text": l.Text}); err != nil {
				return err
			}
		}
		return tx.SaveStep(step)
	})
	if err == nil {
		u.feed.pending, u.step = nil, step
		w.remember(step)
	}
	return err
}

// feed bounds what is told of a log.
type feed struct {
	pending []slipway.LogLine // to be told
	told    int
	skipped int               // lines that are in tail, or gone
	tail    []slipway.LogLine // the last of those that were not told, in a ring
}

func (f *feed) take(l slipway.LogLine) {
	if f.told < logTold {
		f.told++
		f.pending = append(f.pending, l)
		return
	}
	if f.skipped == 0 {
		f.pending = append(f.pending, slipway.LogLine{At: l.At, Stream: "state", Text: "the rest of the log is not told here, but for its end"})
	}
	if len(f.tail) < logTail {
		f.tail = append(f.tail, l)
	} else {
		f.tail[f.skipped%logTail] = l
	}
	f.skipped++
}

// finish makes the last lines ones to be told.
func (f *feed) finish() {
	if left := f.skipped - len(f.tail); left > 0 {
		f.pending = append(f.pending, slipway.LogLine{At: f.tail[0].At, Stream: "state", Text: fmt.Sprintf("%d lines are left out here", left)})
		at := f.skipped % logTail
		f.tail = append(f.tail[at:len(f.tail):len(f.tail)], f.tail[:at]...)
	}
	f.pending, f.tail, f.skipped = append(f.pending, f.tail...), nil, 0
}

// clean takes what is secret from a line, also where the line before it in its stream began it.
func (u *unit) clean(stream func() func(string) string, l slipway.LogLine) string {
	if u.streams == nil {
		u.streams = map[string]func(string) string{}
	}
	if u.streams[l.Stream] == nil {
		u.streams[l.Stream] = stream()
	}
	return u.streams[l.Stream](l.Text)
}
