package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// reportTime bounds how long a run waits for the host of its source to take a report.
const reportTime = 20 * time.Second

// sourceAt reports whether the manifest's source is at that provider.
func (w *wanted) sourceAt(p slipway.ProviderInfo) bool {
	return w.manifest.Source.GitHub != "" && p.Source
}

// commit is what the source pins; nil for a folder.
func (w *wanted) commit() *slipway.Commit {
	pinned, ok := w.files.(slipway.Pinned)
	if !ok {
		return nil
	}
	c := pinned.Commit()
	return &c
}

// commitParams are what a deployment of a commit declares beside the digest of its source.
func (w *wanted) commitParams() map[string]any {
	c := w.commit()
	if c == nil {
		return nil
	}
	return map[string]any{slipway.DetailCommit: c.SHA, slipway.DetailRepoID: c.RepoID.String()}
}

// rightSource says that what is to be shipped is what the manifest declares: a commit, or a folder's files.
func (w *wanted) rightSource() error {
	if (w.commit() != nil) == (w.manifest.Source.GitHub != "") {
		return nil
	}
	return slipway.Errorf(slipway.CodeSourceChanged, "the manifest declares another sort of source than this process was given").
		WithHint("start another run with: slipway ship")
}

// repositories returns the session at which the source is, nil for none, with its provider's name.
func (e *Engine) repositories(w *wanted) (slipway.Repositories, string) {
	for _, p := range e.Providers {
		info := p.Info()
		if r, ok := w.sessions[info.Name].(slipway.Repositories); ok && w.sourceAt(info) {
			return r, info.Name
		}
	}
	return nil, ""
}

// planCommit says where a run that deploys a commit is reported, or why it is not, and refuses a job on a commit that nothing here can fetch.
func (e *Engine) planCommit(ctx context.Context, w *wanted, plan *slipway.Plan) error {
	if plan.Commit = w.commit(); plan.Commit == nil || !ships(plan) {
		return nil
	}
	if plan.Commit.Tree == "" && runsJob(plan) {
		return slipway.Errorf(slipway.CodeUnsandboxed, "verify.commands cannot run on a commit that was stated and that nothing here can fetch; nothing was changed").
			WithHint("set GITHUB_TOKEN to a token that reads %s, or leave verify.commands out", plan.Commit.Repository)
	}
	_, name := e.repositories(w)
	plan.Report = &slipway.Reporting{To: plan.Commit.Repository}
	if _, asked := w.asked.Load(name); !asked && name != "" {
		w.note(e.ask(ctx, w, name)...)
		plan.Access = w.access().In(w.environment)
	}
	if mode, c := w.access().Report(name); mode == slipway.ModeSkipped {
		plan.Report.Skipped = c.Reason
	}
	return ctx.Err()
}

// ships reports whether a plan deploys or moves production.
func ships(p *slipway.Plan) bool {
	return slices.ContainsFunc(p.Effects, func(e slipway.Effect) bool { return e.Op == slipway.OpDeploy || e.Op == slipway.OpPromote })
}

// begunToShip reports whether a deployment of the run's plan was begun, or a check of it.
func (w *worker) begunToShip() bool {
	if w.plan == nil {
		return false
	}
	begun := func(key string) bool { s := w.step(key); return s.Attempt > 0 || s.State == slipway.StepFailed }
	return slices.ContainsFunc(w.plan.Checks, func(c slipway.Check) bool { return begun(c.Key) }) ||
		slices.ContainsFunc(w.plan.Effects, func(e slipway.Effect) bool { return e.Op == slipway.OpDeploy && begun(e.Key) })
}

// report tells the host of the source how the run goes, where the plan says so. It comes before the commit that ends a run, so that a kill
// between the two ends in a second report, which finds the first. Nothing depends on it: a failure is told, and is all.
func (w *worker) report(ctx context.Context, state slipway.CommitState, url string) {
	if w.plan == nil || w.plan.Report == nil || w.plan.Report.Skipped != "" || w.run.Operation != slipway.OperationShip {
		return
	}
	data, sent := w.sendReport(ctx, slipway.CommitReport{
		Commit: *w.plan.Commit, App: w.run.App, Environment: w.run.Environment, Run: w.id, State: state, URL: url,
	})
	if sent {
		w.recordReport(ctx, data)
	}
}

// recordReport tells what became of a report.
func (w *worker) recordReport(ctx context.Context, data map[string]any) {
	if err := w.commit(ctx, func(tx slipway.Tx) error { return w.event(tx, w.id, slipway.EventReported, "", data) }); err != nil {
		w.Log.Debug("a report is not recorded", "run", w.id, "code", slipway.ErrorCode(err))
	}
}

// checkout is the files that verify.commands run on: those of a folder, or of the commit, fetched now.
func (w *worker) checkout(ctx context.Context) (slipway.FileSet, error) {
	if pinned, ok := w.files.(slipway.Pinned); ok {
		files, err := pinned.Checkout(ctx)
		return files, withOp(err, "fetching the commit")
	}
	return w.files, nil
}

// keepCommit keeps the commit that a run ships.
func keepCommit(tx slipway.Tx, run string, c slipway.Commit) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return slipway.Errorf(slipway.CodeInternal, "the commit cannot be encoded: %v", err)
	}
	return tx.PutArtifact(slipway.CommitArtifact(run), raw)
}

// commitOf returns the commit that a run ships; nil for a folder.
func commitOf(tx slipway.Tx, run slipway.Run) (*slipway.Commit, error) {
	if run.Source == "" {
		return nil, nil
	}
	raw, err := tx.Artifact(slipway.CommitArtifact(run.ID))
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return nil, nil
	}
	c := &slipway.Commit{}
	if err == nil && json.Unmarshal(raw, c) != nil {
		err = slipway.Errorf(slipway.CodeStore, "the commit of run %s is damaged", run.ID)
	}
	return c, err
}
