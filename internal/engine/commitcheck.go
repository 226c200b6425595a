package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	// absentAfter is how long nothing may move on a commit before a required check that it does not have counts as one that will not come.
	absentAfter = 15 * time.Minute
	// checksTime is how long checks are waited for in all.
	checksTime = 24 * time.Hour
	// Between two looks at a commit's checks there is a twelfth of the time that they have been waited for, but no less and no more than this.
	checksPace, checksMost = 2 * time.Second, time.Minute
)

// checksWatch is one wait for the checks of a commit. What of it outlives the process is in the step.
type checksWatch struct {
	*worker
	check          slipway.Check
	step           slipway.Step
	began, changed time.Time
	checks         []slipway.CommitCheck
	underway       bool // something has not ended on the commit, required or not: it may be what a check comes after
	poll           poller
	late           slipway.Code // why the last look failed, as it was told
}

// commitChecks waits until the required checks of the commit have passed, and commits how they stand. Killed or left it is gone on with: the time
// that they were waited for counts on.
func (w *worker) commitChecks(ctx context.Context, c slipway.Check) error {
	k := &checksWatch{worker: w, check: c, step: w.step(c.Key)}
	k.began, k.changed = timeOf(k.step.Basis, "began", w.Now()), timeOf(k.step.Basis, "changed", w.Now())
	host, name := w.repositories(w.wanted)
	source, ok := host.(slipway.CheckedCommits)
	if !ok || w.plan.Commit == nil {
		return k.fail(ctx, slipway.Errorf(slipway.CodeInternal, "nothing here knows the checks of a commit"))
	}
	if w.notified(name) {
		k.poll.calm = w.Calm
	}
	for {
		bell := w.bell(w.id)
		seen, err := source.Checks(ctx, *w.plan.Commit)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if over, err := k.judge(ctx, seen, err); over || err != nil {
			return err
		}
		if w.leaves(true, k.poll.spent) {
			return errLeft
		}
		begun, wait := time.Now(), k.next(err)
		rung, err := wakeful(ctx, wait, bell)
		if err != nil {
			return err
		}
		k.poll.woken(rung, wait-time.Since(begun))
	}
}

// timeOf reads a time from a basis; now where there is none.
func timeOf(basis map[string]any, name string, now time.Time) time.Time {
	text, _ := basis[name].(string)
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at
	}
	return now
}

// wakeful waits for d, or until bell rings, and then for what is left of pace.
func wakeful(ctx context.Context, d time.Duration, bell <-chan struct{}) (rung bool, err error) {
	begun, timer := time.Now(), time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		return false, nil
	case <-bell:
		return true, sleep(ctx, min(d, pace)-time.Since(begun))
	}
}

// next is how long to wait before the next look, after one that ended with err.
func (k *checksWatch) next(err error) time.Duration {
	d := min(max(k.poll.spent/12, checksPace), checksMost)
	if k.poll.calm > 0 && k.poll.brisk == 0 {
		d = max(d, k.poll.calm)
	}
	if k.Leave {
		d = pace
	}
	if e := (*slipway.Error)(nil); errors.As(err, &e) {
		d = max(d, e.RetryAfter)
	}
	k.poll.brisk = max(k.poll.brisk-1, 0)
	k.poll.spent += d
	return d
}

// judge takes one look, which may have failed. over: the step has ended.
func (k *checksWatch) judge(ctx context.Context, seen []slipway.CommitCheck, bad error) (over bool, err error) {
	if bad != nil {
		if slipway.RetryClass(bad) == slipway.RetryNever {
			return true, k.fail(ctx, bad)
		}
		return false, k.tellLate(ctx, bad)
	}
	k.late = ""
	for i := range seen {
		seen[i].Name, seen[i].Says, seen[i].URL = k.Redact(seen[i].Name), k.Redact(seen[i].Says), k.Redact(seen[i].URL)
	}
	checks, state := slipway.RequireChecks(k.check.Required, seen)
	k.underway = slices.ContainsFunc(seen, slipway.CommitCheck.Awaited)
	moved := k.checks == nil && k.step.Basis["checks"] == nil || k.checks != nil && !slices.Equal(checks, k.checks)
	k.checks = checks
	switch state {
	case slipway.CheckPassed:
		return true, k.finish(ctx, slipway.StepDone, nil)
	case slipway.CheckFailed:
		return true, k.fail(ctx, k.failed())
	}
	if moved {
		k.changed = k.Now()
	}
	switch now := k.Now(); {
	case now.Sub(k.began) > checksTime:
		return true, k.fail(ctx, slipway.Errorf(slipway.CodeCheckFailed, "the checks have not ended in %v: %s", checksTime, k.waits()).
			WithHint("look at them at %s, then: slipway resume %s", k.plan.Commit.Repository, k.id))
	case now.Sub(k.changed) > absentAfter && k.absent() != "":
		return true, k.fail(ctx, k.never(seen))
	}
	if !moved && k.poll.spent > 0 {
		return false, nil
	}
	return false, k.tellWaits(ctx)
}

// failed names the first check that did not pass.
func (k *checksWatch) failed() error {
	i := slices.IndexFunc(k.checks, func(c slipway.CommitCheck) bool { return c.State == slipway.CheckFailed })
	c := k.checks[i]
	e := slipway.Errorf(slipway.CodeCheckFailed, "the check %s of %s did not pass: %s", c.Name, short7(k.plan.Commit.SHA), c.Says)
	see := ""
	if c.URL != "" {
		see = "see " + c.URL + "; "
	}
	return e.WithHint("%smend the source and ship again, or let it run again, then: slipway resume %s", see, k.id)
}

// absent is the first required check that the commit does not have, "" where it has all, or may get it when something else has ended.
func (k *checksWatch) absent() string {
	i := slices.IndexFunc(k.checks, func(c slipway.CommitCheck) bool { return c.Says == slipway.CheckAbsent })
	if i < 0 || k.underway {
		return ""
	}
	return k.checks[i].Name
}

// never says that a check has not come.
func (k *checksWatch) never(seen []slipway.CommitCheck) error {
	var names []string
	for _, c := range seen {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	what := "the commit " + short7(k.plan.Commit.SHA) + " has no check " + k.absent()
	if k.absent() == slipway.ChecksAll {
		what = "the commit " + short7(k.plan.Commit.SHA) + " has no checks"
	}
	has := ""
	if len(names) > 0 {
		has = "; it has " + strings.Join(slices.Compact(names), ", ")
	}
	return slipway.Errorf(slipway.CodeCheckFailed, "%s, and none came in %v%s", what, absentAfter, has).
		WithHint("name in promote.checks what %s shows on the commit, and ship again; or start it there, then: slipway resume %s", k.plan.Commit.Repository, k.id)
}

func short7(sha string) string { return sha[:min(len(sha), 7)] }

// waits are the checks that have not ended, in words.
func (k *checksWatch) waits() string {
	var out []string
	for _, c := range k.checks {
		if c.State == slipway.CheckPending {
			out = append(out, c.String())
		}
	}
	return strings.Join(out, ", ")
}

// tellWaits commits how the checks stand, and says which are waited for.
func (k *checksWatch) tellWaits(ctx context.Context) error {
	step := k.basis()
	step.Basis["began"], step.Basis["changed"] = k.began.Format(time.RFC3339Nano), k.changed.Format(time.RFC3339Nano)
	moved, waiting := []any{}, []any{}
	for _, c := range k.checks {
		if c.State == slipway.CheckPending {
			waiting = append(waiting, c.Name+": "+c.Says)
		} else {
			moved = append(moved, c.Name)
		}
	}
	err := k.commit(ctx, func(tx slipway.Tx) error {
		if err := tx.SaveStep(step); err != nil {
			return err
		}
		data := map[string]any{"address": string(k.check.Address), "checks": step.Basis["checks"], "moved": moved, "waiting": waiting}
		return k.event(tx, k.id, slipway.EventStepWaiting, k.check.Key, data)
	})
	if err == nil {
		k.step = step
		k.remember(step)
	}
	return err
}

// basis is the step with the checks as they stand.
func (k *checksWatch) basis() slipway.Step {
	step := k.step
	list := make([]any, len(k.checks))
	for i, c := range k.checks {
		m := map[string]any{"name": c.Name, "state": string(c.State)}
		if c.Says != "" {
			m["says"] = c.Says
		}
		if c.URL != "" {
			m["url"] = c.URL
		}
		list[i] = m
	}
	step.Basis = map[string]any{"checks": list}
	return step
}

// tellLate says once why a look failed that is tried again.
func (k *checksWatch) tellLate(ctx context.Context, bad error) error {
	if k.late == slipway.ErrorCode(bad) {
		return nil
	}
	k.late = slipway.ErrorCode(bad)
	data := map[string]any{"code": string(k.late), "error": k.Redact(bad.Error())}
	return k.commit(ctx, func(tx slipway.Tx) error { return k.event(tx, k.id, slipway.EventStepRetry, k.check.Key, data) })
}

func (k *checksWatch) fail(ctx context.Context, bad error) error {
	return k.finish(ctx, slipway.StepFailed, bad)
}

// finish commits the end of the wait. A resume of one that failed begins anew.
func (k *checksWatch) finish(ctx context.Context, to slipway.StepState, bad error) error {
	step := k.basis()
	step.EndedAt, step.Error = k.Now(), nil
	data := map[string]any{"checks": step.Basis["checks"]}
	kind := slipway.EventStepDone
	if bad != nil {
		e := k.runError(bad, k.check.Key)
		step.Error, kind = &e, slipway.EventStepFailed
		data["code"], data["error"], data["hint"] = string(e.Code), e.Message, e.Hint
	}
	err := k.commit(ctx, func(tx slipway.Tx) (err error) {
		if step, err = k.save(tx, step, to); err != nil {
			return err
		}
		return k.event(tx, k.id, kind, k.check.Key, data)
	})
	if err == nil {
		k.remember(step)
	}
	return err
}
