package engine

import (
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// TellStopped makes the host of the source of a run that was cancelled, rejected or superseded no longer show that it goes on. It is called
// once nothing works on the run, as often as wanted: what was told is not looked for again. Nothing depends on it, and what cannot be told
// now is told when the environment's next run begins.
func (e *Engine) TellStopped(ctx context.Context, id string) {
	if run, err := e.run(ctx, id); err == nil {
		e.tellStopped(ctx, run)
	}
}

func (e *Engine) tellStopped(ctx context.Context, run slipway.Run) {
	if !run.Status.Stopped() {
		return
	}
	e.telling.Lock()
	defer e.telling.Unlock()
	report, ok := e.pendingReport(ctx, run)
	if !ok {
		return
	}
	data, sent := e.sendReport(ctx, report)
	if !sent {
		return
	}
	data[finalReport] = true
	err := e.Store.Tx(ctx, func(tx slipway.Tx) error { return e.event(tx, run.ID, slipway.EventReported, "", data) })
	if err != nil {
		e.Log.Debug("a report is not recorded", "run", run.ID, "code", slipway.ErrorCode(err))
	}
}

// finalReport marks, in the data of EventReported, what was told of a run that is over.
const finalReport = "final"

// sendReport sends a report and returns what is to be recorded of it; sent is false where there is no host, or ctx is over.
func (e *Engine) sendReport(ctx context.Context, r slipway.CommitReport) (data map[string]any, sent bool) {
	host, name := e.openHost(ctx)
	if host == nil {
		return nil, false
	}
	at, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	err := host.Report(at, r)
	data = map[string]any{"provider": name, "to": r.Commit.Repository, "state": string(r.State)}
	if err != nil {
		data["code"], data["error"] = string(slipway.ErrorCode(err)), e.Redact(err.Error())
	}
	return data, ctx.Err() == nil
}

// pendingReport is that a run was stopped; ok is false where that was told, or nothing is ever told of the run.
func (e *Engine) pendingReport(ctx context.Context, run slipway.Run) (r slipway.CommitReport, ok bool) {
	if run.Operation != slipway.OperationShip {
		return r, false
	}
	err := e.Store.Read(ctx, func(tx slipway.Tx) error {
		approvals, err := tx.Approvals(run.ID)
		if err != nil || !slices.ContainsFunc(approvals, func(a slipway.Approval) bool { return len(a.Votes) > 0 }) {
			return err // nothing was begun
		}
		told, err := toldFinally(tx, run.ID)
		if err != nil || told {
			return err
		}
		for revision := run.Revision; revision > 0 && !ok; revision-- {
			plan, err := tx.Plan(run.ID, revision)
			if err != nil {
				return err
			}
			if ok = plan.Report != nil && plan.Report.Skipped == ""; ok {
				r = slipway.CommitReport{Commit: *plan.Commit, App: run.App, Environment: run.Environment, Run: run.ID, State: slipway.CommitStopped}
			}
		}
		return nil
	})
	return r, ok && err == nil
}

// toldFinally reports whether the host of the source has taken that the run is over.
func toldFinally(tx slipway.Tx, run string) (bool, error) {
	for after := int64(0); ; {
		events, err := tx.Events(run, after)
		if err != nil || len(events) == 0 {
			return false, err
		}
		for _, ev := range events {
			if _, failed := ev.Data["error"]; ev.Type == slipway.EventReported && ev.Data[finalReport] == true && !failed {
				return true, nil
			}
		}
		after = events[len(events)-1].Seq
	}
}

// openHost returns a session at the host of sources, with its provider's name; nil where there is none.
func (e *Engine) openHost(ctx context.Context) (slipway.Repositories, string) {
	for _, p := range e.Providers {
		info := p.Info()
		if !info.Source {
			continue
		}
		s, _ := p.Open(ctx, e.Settings)
		if host, ok := s.(slipway.Repositories); ok {
			return host, info.Name
		}
	}
	return nil, ""
}

// tellOld tells of the environment's runs that were stopped since the last one that succeeded, where whoever stopped them could not.
func (w *worker) tellOld(ctx context.Context) {
	if w.run.Operation != slipway.OperationShip || w.wanted.manifest.Source.GitHub == "" {
		return
	}
	var stopped []slipway.Run
	err := w.Store.Read(ctx, func(tx slipway.Tx) error {
		for run, err := range past(tx, slipway.RunFilter{App: w.run.App, Environment: w.run.Environment}) {
			if err != nil || run.Status == slipway.RunSucceeded {
				return err
			}
			if run.Manifest = ""; run.Status.Stopped() {
				stopped = append(stopped, run)
			}
		}
		return nil
	})
	for i := 0; i < len(stopped) && err == nil; i++ {
		w.tellStopped(ctx, stopped[i])
	}
}

// reportFailure tells that the run has failed, where it had begun to ship; where an earlier plan of it had, that it no longer goes on.
func (w *worker) reportFailure(ctx context.Context) {
	if w.begunToShip() {
		w.report(ctx, slipway.CommitFailed, "")
		return
	}
	r, ok := w.pendingReport(ctx, w.run)
	if !ok {
		return
	}
	if data, sent := w.sendReport(ctx, r); sent {
		w.recordReport(ctx, data)
	}
}
