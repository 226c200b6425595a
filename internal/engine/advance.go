package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

// The lease outlives the longest single call; the heartbeat renews it and sees a cancel within a beat.
const (
	leaseTime = 60 * time.Second
	beat      = 500 * time.Millisecond
	renewal   = 15 * time.Second

	// maxRevisions bounds how often one worker plans anew because a basis has changed.
	maxRevisions = 10
)

// errFenced ends a worker quietly: the run was cancelled, or somebody else has it.
var errFenced = &slipway.Error{Code: slipway.CodeFenced, Message: "another worker has the run, or it is over"}

// worker advances one run under one lease.
type worker struct {
	*Engine
	id    string
	epoch int64
	files slipway.FileSet // nil for a destroy

	run    slipway.Run
	wanted *wanted
	plan   *slipway.Plan

	passes passes
	made   chan struct{} // something was made that others wait for
	mu     sync.Mutex
	steps  map[string]slipway.Step
}

// advance does all that a run may do now, then parks it. It is the queue's work function.
func (e *Engine) advance(ctx context.Context, id string) {
	files, mine := e.taken(id)
	if run, err := e.run(ctx, id); err == nil && run.Status.Stopped() {
		e.tellStopped(ctx, run)
		return
	}
	if !mine {
		return
	}
	w := &worker{Engine: e, id: id, files: files, passes: passes{now: e.Now, of: map[string]*passAge{}}, made: make(chan struct{}, 1)}
	ok, err := w.claim(ctx)
	if err != nil || !ok {
		e.noteUnwritable(err)
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	beating.Go(func() { w.heartbeat(ctx, cancel) })
	defer func() {
		cancel(nil)
		beating.Wait()
		// Released even when ctx is over, so that the next owner need not wait for the lease.
		_ = e.Store.Tx(context.WithoutCancel(ctx), func(tx slipway.Tx) error { return tx.Release(id, w.epoch) })
	}()
	switch err := sheltered(func() error { return w.drive(ctx) }); {
	case err == nil, ctx.Err() != nil, errors.Is(err, errFenced):
	case errors.Is(err, errLeft):
		w.noteLeft(id)
	default:
		w.fail(context.WithoutCancel(ctx), err, "")
	}
}

// sheltered turns a panic of f into an error that names no value.
func sheltered(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = slipway.Errorf(slipway.CodeInternal, "a defect in Slipway stopped the run").WithHint("resume it; please report what you did")
		}
	}()
	return f()
}

func (w *worker) claim(ctx context.Context) (ok bool, err error) {
	now := w.Now()
	err = w.Store.Tx(ctx, func(tx slipway.Tx) error {
		w.epoch, ok, err = tx.Claim(w.id, w.Holder, now, now.Add(leaseTime))
		return err
	})
	return ok, err
}

// heartbeat renews the lease, and cancels the work when the run is no longer this worker's.
func (w *worker) heartbeat(ctx context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	renewed := w.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now := w.Now(); now.Sub(renewed) >= renewal {
			if err := w.commit(ctx, func(slipway.Tx) error { return nil }); err != nil {
				w.noteUnwritable(err)
				cancel(err)
				return
			}
			renewed = now
			continue
		}
		if run, err := w.Engine.run(ctx, w.id); err == nil && run.Status != slipway.RunActive {
			cancel(errFenced)
			return
		}
	}
}

// commit runs f in a transaction that holds only while this worker has the run.
func (w *worker) commit(ctx context.Context, f func(slipway.Tx) error) error {
	return w.Store.Tx(ctx, func(tx slipway.Tx) error {
		ok, err := tx.Fence(w.id, w.epoch, w.Now().Add(leaseTime))
		if err != nil {
			return err
		}
		if !ok {
			return errFenced
		}
		return f(tx)
	})
}

// drive plans where there is no plan, works until nothing can go on, and parks or ends the run.
func (w *worker) drive(ctx context.Context) error {
	run, err := w.Engine.run(ctx, w.id)
	if err != nil {
		return err
	}
	w.run = run
	if run.Operation == slipway.OperationShip && w.files == nil {
		return slipway.Errorf(slipway.CodeSourceChanged, "this process was not given the run's source").
			WithHint("in the app's folder: slipway resume %s", w.id)
	}
	if w.wanted, err = w.desire([]byte(run.Manifest), run.Environment, w.files); err != nil {
		return err
	}
	w.wanted.planned, w.wanted.requester = run.CreatedAt, run.Requester
	w.tellOld(ctx)
	if err := w.settleOld(ctx); err != nil {
		return err
	}
	replan, err := w.otherModes(ctx)
	if err != nil {
		return err
	}
	replan = replan || w.takenBack()
	for turn := 0; ; turn++ {
		if turn > maxRevisions {
			return slipway.Errorf(slipway.CodeVoided, "what is outside changed %d times while the run planned", turn).
				WithHint("find out what else changes this app's resources, then: slipway resume %s", w.id)
		}
		if replan {
			if over, err := w.makePlan(ctx); err != nil || over {
				return err
			}
		} else if err := w.loadPlan(ctx); err != nil {
			return err
		}
		verdict, err := w.work(ctx)
		if err != nil {
			return err
		}
		switch verdict {
		case verdictDone:
			return w.finish(ctx)
		case verdictGate:
			parked, err := w.park(ctx)
			if replan = slipway.ErrorCode(err) == slipway.CodeVoided; !replan && (err != nil || parked) {
				return err
			}
		case verdictManual:
			if parked, err := w.parkManual(ctx); err != nil || parked {
				return err
			}
			replan = false
		case verdictBlocked:
			return w.blocked()
		case verdictFailed:
			return w.failSteps(ctx)
		case verdictVoid:
			replan = true
		}
	}
}

// makePlan observes, plans, and stores the next revision. over: there is nothing to do, and the run has ended.
func (w *worker) makePlan(ctx context.Context) (over bool, err error) {
	if err := w.settleOwn(ctx); err != nil {
		return false, err
	}
	before, done := w.plan, w.snapshot()
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return false, err
	}
	var s *sight
	switch w.run.Operation {
	case slipway.OperationDestroy:
		s, w.plan, err = w.planDestroy(ctx, w.wanted, receipts, w.run.Options)
	case slipway.OperationRollback:
		s, w.plan, err = w.planRollback(ctx, w.wanted, receipts, w.run.Options.To)
	default:
		s, w.plan, err = w.Engine.plan(ctx, w.wanted, receipts)
	}
	if err != nil {
		return false, err
	}
	if want := w.run.Options.Plan; want != "" && want != w.plan.Digest() {
		return false, slipway.Errorf(slipway.CodePlanMismatch, "the plan is now %s, not %s", w.plan.Digest(), want).
			WithHint("look at what changed with: slipway plan")
	}
	w.steps, w.run.Tool = map[string]slipway.Step{}, w.Tool
	stale := false
	err = w.commit(ctx, func(tx slipway.Tx) error {
		now, err := tx.Receipts(w.run.App)
		if err != nil {
			return err
		}
		if stale = w.doneByHand(receipts, now); stale {
			return nil
		}
		if err := w.notInHand(tx, before); err != nil {
			return err
		}
		if err := w.recordSeen(tx, s); err != nil {
			return err
		}
		w.run.Revision++
		if err := tx.AddPlan(w.id, w.run.Revision, w.plan); err != nil {
			return err
		}
		if err := w.carryJobs(tx, before, done); err != nil {
			return err
		}
		if err := w.carryTaken(tx); err != nil {
			return err
		}
		if err := w.spend(tx); err != nil {
			return err
		}
		if err := tx.SaveRun(w.run); err != nil {
			return err
		}
		data := map[string]any{"revision": w.run.Revision, "digest": w.plan.Digest(), "effects": w.plan.Counts()}
		return w.event(tx, w.id, slipway.EventPlanMade, "", data)
	})
	if stale {
		w.plan, w.steps = before, done
		return w.makePlan(ctx)
	}
	if err != nil || !w.plan.NoChanges() {
		return false, err
	}
	w.run.NoChanges = w.run.Revision == 1
	return true, w.finishSeen(ctx, s)
}

// doneByHand reports whether a person's step was found done while the plan was made: what was planned on is no longer so.
func (w *worker) doneByHand(before, now map[slipway.Address]slipway.Receipt) bool {
	for a, r := range now {
		if was, had := before[a]; r.ByHand && (!had || !was.ByHand || was.Declared != r.Declared || was.ID != r.ID) {
			return true
		}
	}
	for a := range before {
		if _, has := now[a]; !has {
			return true
		}
	}
	return false
}

// carryTaken keeps who does a manual step that the next revision still has.
func (w *worker) carryTaken(tx slipway.Tx) error {
	old, err := tx.Steps(w.id, w.run.Revision-1)
	if err != nil {
		return err
	}
	for _, s := range old {
		if e := w.plan.Effect(s.Key); s.Taken != nil && s.State != slipway.StepDone && e != nil && e.Mode == slipway.ModeManual {
			next := slipway.Step{Run: w.id, Revision: w.run.Revision, Key: s.Key, State: slipway.StepPending, Taken: s.Taken}
			if err := tx.SaveStep(next); err != nil {
				return err
			}
			w.remember(next)
		}
	}
	return nil
}

// recordSeen keeps the receipts of what is ours: what the ledger told, and what was observed of it now.
func (w *worker) recordSeen(tx slipway.Tx, s *sight) error {
	for _, a := range slices.Sorted(maps.Keys(s.receipts)) {
		r, obs := s.receipts[a], s.observed[a]
		if w.kinds[a.Kind()].Versioned && obs.Exists && !obs.Unseen && obs.Receipt.ID != r.ID { // another home's, of the same input
			if err := w.saveOwned(tx, w.asSeen(obs.Receipt, s)); err != nil {
				return err
			}
			continue
		}
		if obs.Exists && !obs.Unseen && obs.Receipt.ID == r.ID && w.kinds[a.Kind()].UpdateOp == "" {
			origin := r.Origin
			r = refresh(r, obs.Receipt)
			r.Origin = origin
		}
		if err := tx.SaveReceipt(w.run.App, w.asSeen(r, s)); err != nil {
			return err
		}
	}
	for a, obs := range s.observed {
		if _, recorded := s.receipts[a]; !recorded && obs.Exists && !obs.Unseen && s.owned[a] {
			if err := w.saveOwned(tx, w.asSeen(obs.Receipt, s)); err != nil {
				return err
			}
		}
	}
	for _, obs := range s.listed {
		if _, recorded := s.receipts[obs.Receipt.Address]; !recorded && obs.Exists {
			if err := w.saveOwned(tx, w.asSeen(obs.Receipt, s)); err != nil {
				return err
			}
		}
	}
	return nil
}

// saveOwned keeps the receipt of what is ours. Where its kind tells no origin, Slipway has made it.
func (w *worker) saveOwned(tx slipway.Tx, r slipway.Receipt) error {
	r.Origin = cmp.Or(r.Origin, slipway.OriginCreated)
	return tx.SaveReceipt(w.run.App, r)
}

// refresh takes what an observation knows better; the version of our last write stays, since it is what a foreign write is told by.
func refresh(recorded, seen slipway.Receipt) slipway.Receipt {
	version := recorded.Version
	if version != "" {
		seen.Version = version
	}
	if seen.CreatedAt.IsZero() {
		seen.CreatedAt = recorded.CreatedAt
	}
	seen.Declared, seen.Fixed, seen.Fingerprint, seen.ByHand = recorded.Declared, recorded.Fixed, recorded.Fingerprint, recorded.ByHand
	return seen
}

func (w *worker) loadPlan(ctx context.Context) error {
	w.steps = map[string]slipway.Step{}
	return w.Store.Read(ctx, func(tx slipway.Tx) (err error) {
		if w.run, err = tx.Run(w.id); err != nil {
			return err
		}
		if w.plan, err = tx.Plan(w.id, w.run.Revision); err != nil {
			return err
		}
		steps, err := tx.Steps(w.id, w.run.Revision)
		for _, s := range steps {
			w.steps[s.Key] = s
		}
		return err
	})
}

type verdict int

const (
	verdictDone verdict = iota
	verdictGate
	verdictManual
	verdictBlocked
	verdictFailed
	verdictVoid
)

// work starts what may run, in parallel, until nothing can go on.
func (w *worker) work(ctx context.Context) (verdict, error) {
	type result struct {
		keys []string
		err  error
	}
	results := make(chan result)
	inFlight, left := map[string]bool{}, map[string]bool{} // those that are left count as in flight: somebody else sees how they end
	var stop error                                         // what ends the work once all in flight has come back
	ahead := false
	for {
		open, err := w.openGates(ctx)
		if err != nil && stop == nil {
			stop = err
		}
		next := slipway.WhatNext(slipway.Progress{Plan: w.plan, Steps: w.snapshot(), Open: open, InFlight: inFlight})
		if !ahead && len(next.Ready) > 0 {
			ahead = true
			w.lookAhead(ctx)
		}
		if stop == nil && ctx.Err() == nil {
			for _, group := range w.groups(next.Ready) {
				for _, k := range group {
					inFlight[k] = true
				}
				go func() {
					results <- result{group, sheltered(func() error { return w.perform(ctx, group) })}
				}()
			}
		}
		if len(inFlight) == len(left) {
			if len(left) > 0 && stop == nil {
				stop = errLeft
			}
			return verdictOf(ctx, next, stop)
		}
		var r result
		select {
		case r = <-results:
		case <-w.made:
		}
		for _, k := range r.keys {
			if errors.Is(r.err, errLeft) {
				left[k] = true
			} else {
				delete(inFlight, k)
			}
		}
		if errors.Is(r.err, errLeft) {
			continue
		}
		if r.err != nil && (stop == nil || slipway.ErrorCode(r.err) == slipway.CodeFenced) {
			stop = r.err
		}
	}
}

func verdictOf(ctx context.Context, next slipway.Next, stop error) (verdict, error) {
	switch {
	case slipway.ErrorCode(stop) == slipway.CodeVoided:
		return verdictVoid, nil
	case stop != nil:
		return 0, stop
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case next.Stuck:
		return verdictFailed, nil
	case len(next.Gates) > 0:
		return verdictGate, nil
	case len(next.Manual) > 0:
		return verdictManual, nil
	case len(next.Blocked) > 0:
		return verdictBlocked, nil
	case next.Done:
		return verdictDone, nil
	}
	return verdictFailed, nil
}

func (w *worker) snapshot() map[string]slipway.Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.steps)
}

// groups puts the ready effects of one batch together.
func (w *worker) groups(ready []string) [][]string {
	var out [][]string
	batch := map[slipway.Kind]int{}
	for _, key := range ready {
		e := w.plan.Effect(key)
		if e == nil || !w.kinds[e.Address.Kind()].Batch || e.Op == slipway.OpDelete {
			out = append(out, []string{key})
			continue
		}
		kind := e.Address.Kind()
		if i, ok := batch[kind]; ok {
			out[i] = append(out[i], key)
			continue
		}
		batch[kind] = len(out)
		out = append(out, []string{key})
	}
	return out
}

// perform does one group or one check. A step that fails is committed as failed and is no error of the run's; what is returned ends
// the work: fenced, voided, a database that cannot be written, or ctx.
func (w *worker) perform(ctx context.Context, keys []string) error {
	for _, c := range w.plan.Checks {
		switch {
		case c.Key == keys[0] && c.Job != nil:
			return w.verify(ctx, c)
		case c.Key == keys[0] && len(c.Required) > 0:
			return w.commitChecks(ctx, c)
		case c.Key == keys[0]:
			return w.check(ctx, c)
		}
	}
	if w.plan.Effect(keys[0]).Op == slipway.OpDeploy {
		w.report(ctx, slipway.CommitRunning, "")
	}
	return w.ensure(ctx, keys)
}

func (w *worker) step(key string) slipway.Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.steps[key]; ok {
		return s
	}
	return slipway.Step{Run: w.id, Revision: w.run.Revision, Key: key, State: slipway.StepPending}
}

// save writes a step inside tx and remembers it when tx has committed, by the returned function.
func (w *worker) save(tx slipway.Tx, s slipway.Step, to slipway.StepState) (slipway.Step, error) {
	next, err := s.Move(to)
	if err != nil {
		return s, err
	}
	return next, tx.SaveStep(next)
}

func (w *worker) remember(steps ...slipway.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range steps {
		w.steps[s.Key] = s
	}
}

// failSteps ends the work of a run that has a failed step, with that step's error.
func (w *worker) failSteps(ctx context.Context) error {
	steps := w.snapshot()
	for _, key := range slices.Sorted(maps.Keys(steps)) {
		if s := steps[key]; s.State == slipway.StepFailed && s.Error != nil {
			w.failWith(ctx, w.bothFacts(key, *s.Error), key)
			return nil
		}
	}
	return slipway.Errorf(slipway.CodeInternal, "nothing can go on, and no step failed")
}

// fail parks the run as failed; it can be resumed.
func (w *worker) fail(ctx context.Context, err error, step string) {
	w.failWith(ctx, w.runError(err, step), step)
}

func (w *worker) runError(err error, step string) slipway.RunError {
	return slipway.RunError{Code: slipway.ErrorCode(err), Message: w.Redact(err.Error()), Hint: w.Redact(hintOf(err)), Step: step}
}

func (w *worker) failWith(ctx context.Context, re slipway.RunError, step string) {
	re.Step = step
	w.reportFailure(ctx)
	err := w.commit(ctx, func(tx slipway.Tx) error {
		run, err := tx.Run(w.id)
		if err != nil {
			return err
		}
		run.Error = &re
		_, err = w.setStatus(tx, run, slipway.RunFailed)
		return err
	})
	if err != nil {
		w.noteUnwritable(err)
		w.Log.Error("a run could not be marked as failed", "run", w.id, "code", slipway.ErrorCode(err))
	}
}

// finish ends a run whose every step is done, with the URL that was observed.
func (w *worker) finish(ctx context.Context) error {
	url := ""
	for _, e := range w.plan.Effects {
		r := w.step(e.Key).Receipt
		if r == nil || len(r.URLs) == 0 || w.run.Operation == slipway.OperationDestroy {
			continue
		}
		kind := w.kinds[e.Address.Kind()]
		if kind.UpdateOp == slipway.OpPromote || kind.Versioned && w.run.Environment != slipway.Production {
			url = r.URLs[0]
		}
	}
	if url == "" {
		return w.finishLooking(ctx)
	}
	w.report(ctx, slipway.CommitSucceeded, url)
	return w.succeed(ctx, url)
}

// finishLooking asks for the URL where no effect of this run told it.
func (w *worker) finishLooking(ctx context.Context) error {
	if w.run.Operation == slipway.OperationDestroy {
		return w.succeed(ctx, "")
	}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	s, err := w.look(ctx, w.wanted, receipts)
	if err != nil {
		return err
	}
	return w.finishSeen(ctx, s)
}

func (w *worker) finishSeen(ctx context.Context, s *sight) error {
	url := ""
	for _, a := range slices.Sorted(maps.Keys(s.observed)) {
		kind, obs := w.kinds[a.Kind()], s.observed[a]
		live := kind.UpdateOp == slipway.OpPromote || kind.Versioned && w.run.Environment != slipway.Production
		if live && obs.Exists && len(obs.Receipt.URLs) > 0 && w.run.Operation != slipway.OperationDestroy {
			url = obs.Receipt.URLs[0]
		}
	}
	return w.succeed(ctx, url)
}

func (w *worker) succeed(ctx context.Context, url string) error {
	return w.commit(ctx, func(tx slipway.Tx) error {
		run := w.run
		run.URL, run.Error = url, nil
		_, err := w.setStatus(tx, run, slipway.RunSucceeded)
		return err
	})
}
