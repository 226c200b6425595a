package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
)

// Plan observes and plans; it changes nothing and keeps nothing.
func (e *Engine) Plan(ctx context.Context, req slipway.ShipRequest) (*slipway.Plan, error) {
	w, err := e.desire(req.Manifest, req.Environment, req.Files)
	if err != nil {
		return nil, err
	}
	receipts, err := e.receipts(ctx, w.manifest.App)
	if err != nil {
		return nil, err
	}
	w.requester = req.Requester
	_, plan, err := e.plan(ctx, w, receipts)
	return plan, err
}

func (e *Engine) receipts(ctx context.Context, app string) (out map[slipway.Address]slipway.Receipt, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		out, err = tx.Receipts(app)
		return err
	})
	return out, err
}

// Ship starts a run, continues the unfinished one when the same is wanted, else supersedes it.
func (e *Engine) Ship(ctx context.Context, req slipway.ShipRequest) (slipway.Run, error) {
	w, err := e.desire(req.Manifest, req.Environment, req.Files)
	if err != nil {
		return slipway.Run{}, err
	}
	run := slipway.Run{
		ID: newID("run"), App: w.manifest.App, Environment: w.environment, Operation: slipway.OperationShip, Status: slipway.RunActive,
		Manifest: string(req.Manifest), Source: req.Files.Digest(), Requester: req.Requester, Options: req.Options,
		CreatedAt: e.Now(), UpdatedAt: e.Now(),
	}
	return e.begin(ctx, run, req.Files)
}

// Destroy starts a run that deletes what Slipway made.
func (e *Engine) Destroy(ctx context.Context, req slipway.DestroyRequest) (slipway.Run, error) {
	w, err := e.desire(req.Manifest, req.Environment, nil)
	if err != nil {
		return slipway.Run{}, err
	}
	if only := req.Options.Only; only != "" {
		if _, declared := w.manifest.Resources[only]; !declared {
			receipts, err := e.receipts(ctx, w.manifest.App)
			if err != nil {
				return slipway.Run{}, err
			}
			if !e.isResource(receipts, only) {
				return slipway.Run{}, slipway.Errorf(slipway.CodeInvalid, "there is no resource %q", only).
					WithHint("name one of the manifest's resources, or one that slipway status lists")
			}
		}
	}
	run := slipway.Run{
		ID: newID("run"), App: w.manifest.App, Environment: w.environment, Operation: slipway.OperationDestroy, Status: slipway.RunActive,
		Manifest: string(req.Manifest), Requester: req.Requester, Options: req.Options, CreatedAt: e.Now(), UpdatedAt: e.Now(),
	}
	return e.begin(ctx, run, nil)
}

// isResource reports whether key is that of a recorded resource that a manifest can name.
func (e *Engine) isResource(receipts map[slipway.Address]slipway.Receipt, key string) bool {
	for a := range receipts {
		if a.Key() == key && e.kinds[a.Kind()].Ledgered && e.hasTypes(a.Kind().Provider()) {
			return true
		}
	}
	return false
}

func (e *Engine) hasTypes(provider string) bool {
	for _, p := range e.Providers {
		if info := p.Info(); info.Name == provider {
			return len(info.Types) > 0
		}
	}
	return false
}

// begin stores run, or wakes the unfinished run of its environment that wants the same.
func (e *Engine) begin(ctx context.Context, run slipway.Run, files slipway.FileSet) (slipway.Run, error) {
	err := e.Store.Tx(ctx, func(tx slipway.Tx) (err error) {
		unfinished, err := tx.Runs(slipway.RunFilter{App: run.App, Environment: run.Environment, Unfinished: true})
		if err != nil {
			return err
		}
		for _, old := range unfinished {
			if e.sameWanted(old, run) {
				e.take(old.ID, files)
				run, err = e.wake(tx, old)
				return err
			}
			old.Error = nil
			if _, err := e.setStatus(tx, old, slipway.RunSuperseded); err != nil {
				return err
			}
			if err := e.endApprovals(tx, old.ID, slipway.ApprovalSuperseded, "run "+run.ID+" took its place"); err != nil {
				return err
			}
		}
		run.Tool = e.Tool
		if err := tx.AddRun(run); err != nil {
			return err
		}
		if err := keepSource(tx, run.ID, files); err != nil {
			return err
		}
		data := map[string]any{"operation": string(run.Operation), "environment": run.Environment, "by": run.Requester.Name}
		if err := e.event(tx, run.ID, slipway.EventRunCreated, "", data); err != nil {
			return err
		}
		e.take(run.ID, files)
		return e.queue.Insert(tx, run.ID, e.Now())
	})
	return run, err
}

// keepSource keeps the list of the files that a run ships, or its commit.
func keepSource(tx slipway.Tx, run string, files slipway.FileSet) error {
	if files == nil {
		return nil
	}
	if pinned, ok := files.(slipway.Pinned); ok {
		return keepCommit(tx, run, pinned.Commit())
	}
	list, err := json.Marshal(files.Files())
	if err != nil {
		return slipway.Errorf(slipway.CodeInternal, "the list of the source's files cannot be encoded: %v", err)
	}
	return tx.PutArtifact(slipway.SourceArtifact(files.Digest()), list)
}

// wake makes an unfinished run due: failed steps become pending again, or are looked for when their outcome is unknown.
func (e *Engine) wake(tx slipway.Tx, run slipway.Run) (slipway.Run, error) {
	if run.Status.Final() {
		return run, slipway.Errorf(slipway.CodeConflict, "run %s is %s", run.ID, run.Status).WithHint("start another with: slipway ship")
	}
	steps, err := tx.Steps(run.ID, run.Revision)
	if err != nil {
		return run, err
	}
	var plan *slipway.Plan
	if len(steps) > 0 {
		if plan, err = tx.Plan(run.ID, run.Revision); err != nil {
			return run, err
		}
	}
	for _, s := range steps {
		if s.State != slipway.StepFailed || keepsFailed(plan, s) {
			continue
		}
		to := slipway.StepPending
		if s.Unknown {
			to = slipway.StepIntended
		}
		if s, err = s.Move(to); err != nil {
			return run, err
		}
		s.Error = nil
		if err := tx.SaveStep(s); err != nil {
			return run, err
		}
	}
	if run.Status != slipway.RunActive {
		run.Error = nil
		if run, err = e.setStatus(tx, run, slipway.RunActive); err != nil {
			return run, err
		}
	}
	return run, e.queue.Insert(tx, run.ID, e.Now())
}

// Resume continues an unfinished run with a source tree that must be the planned one.
func (e *Engine) Resume(ctx context.Context, id string, files slipway.FileSet, by slipway.Principal) (run slipway.Run, err error) {
	err = e.Store.Tx(ctx, func(tx slipway.Tx) error {
		if run, err = tx.Run(id); err != nil {
			return err
		}
		if files != nil && run.Operation == slipway.OperationShip && files.Digest() != run.Source {
			return slipway.Errorf(slipway.CodeSourceChanged, "the source is not the one that run %s planned", id).
				WithHint("restore the files, or start another run with: slipway ship")
		}
		e.take(id, files)
		run, err = e.wake(tx, run)
		return err
	})
	return run, err
}

// Cancel ends a run. What is in flight is given up within a second, and looked for by the app's next run.
func (e *Engine) Cancel(ctx context.Context, id, reason string, by slipway.Principal) (run slipway.Run, err error) {
	if err := slipway.Remark("--reason", reason); err != nil {
		return run, err
	}
	err = e.Store.Tx(ctx, func(tx slipway.Tx) error {
		if run, err = tx.Run(id); err != nil {
			return err
		}
		if run.Status.Final() {
			return slipway.Errorf(slipway.CodeConflict, "run %s is already %s", id, run.Status).
				WithHint("look at it with: slipway status %s", id)
		}
		run.Error = &slipway.RunError{Code: slipway.CodeCanceled, Message: strings.TrimSpace("cancelled by " + by.Name + " " + reason)}
		if err := e.tellSent(tx, run); err != nil {
			return err
		}
		if run, err = e.setStatus(tx, run, slipway.RunCanceled); err != nil {
			return err
		}
		return e.endApprovals(tx, id, slipway.ApprovalVoided, "the run was cancelled")
	})
	return run, err
}

// tellSent completes why a run has ended by the move of production that it has asked for and not seen the end of: what becomes of that is not known.
func (e *Engine) tellSent(tx slipway.Tx, run slipway.Run) error {
	if run.Revision == 0 {
		return nil
	}
	plan, err := tx.Plan(run.ID, run.Revision)
	if err != nil {
		return err
	}
	steps, err := tx.Steps(run.ID, run.Revision)
	if err != nil {
		return err
	}
	for _, s := range steps {
		effect := plan.Effect(s.Key)
		open := s.State == slipway.StepIntended || s.State == slipway.StepFailed && s.Unknown
		givenUp := s.State == slipway.StepFailed && s.Progress != nil && len(s.Progress.Failed) > 0
		if effect == nil || !open || givenUp || !moves(effect.Op) {
			continue
		}
		how := ""
		if p := s.Progress.String(); p != "" {
			how = " (" + slipway.PlainLine(p) + ")"
		}
		run.Error.Step, run.Error.Hint = s.Key, e.kinds[effect.Address.Kind()].Sent
		run.Error.Message += fmt.Sprintf("; %s had been asked for by then%s, and what becomes of it is not known: production may still move", s.Key, how)
	}
	return nil
}

// Get returns a run with all that belongs to it.
func (e *Engine) Get(ctx context.Context, id string) (*slipway.RunDetail, error) {
	d := &slipway.RunDetail{}
	err := e.Store.Read(ctx, func(tx slipway.Tx) (err error) {
		if d.Run, err = tx.Run(id); err != nil {
			return err
		}
		if d.Commit, err = commitOf(tx, d.Run); err != nil {
			return err
		}
		if d.Approvals, err = tx.Approvals(id); err != nil || d.Run.Revision == 0 {
			return err
		}
		for i, a := range d.Approvals {
			d.Approvals[i] = a.AsOf(e.Now())
		}
		if d.Plan, err = tx.Plan(id, d.Run.Revision); err != nil {
			return err
		}
		d.Digest = d.Plan.Digest()
		d.Waits = waits(d.Plan, d.Approvals)
		d.Modes = d.Plan.Modes()
		d.Steps, err = tx.Steps(id, d.Run.Revision)
		return err
	})
	if err != nil {
		return nil, err
	}
	next := nextOf(d, e.Now())
	d.Manual, d.Ready = next.Manual, next.Ready
	return d, nil
}

// Runs returns the newest first.
func (e *Engine) Runs(ctx context.Context, f slipway.RunFilter) (out []slipway.Run, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		out, err = tx.Runs(f)
		return err
	})
	return out, err
}

// Events returns those after seq.
func (e *Engine) Events(ctx context.Context, run string, after int64) (out []slipway.Event, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		out, err = tx.Events(run, after)
		return err
	})
	return out, err
}

// Probe asks every provider what its credential is good for.
func (e *Engine) Probe(ctx context.Context) ([]slipway.Capability, error) {
	var out []slipway.Capability
	for _, p := range e.Providers {
		s, err := p.Open(ctx, e.Settings)
		if err != nil {
			out = append(out, unopened(p.Info(), err))
			continue
		}
		if prober, ok := s.(slipway.Prober); ok {
			out = append(out, prober.Probe(ctx)...)
		}
	}
	return out, ctx.Err()
}

// unopened is what speaks against a provider that did not open: its credential is missing, or a setting of it cannot be used.
func unopened(info slipway.ProviderInfo, err error) slipway.Capability {
	c := slipway.Capability{Name: "credential", Hint: hintOf(err)}
	if slipway.CauseOf(err) == slipway.CauseMissing {
		return info.Against(c, slipway.CauseMissing)
	}
	c.Reason = "a setting of " + info.Title + " cannot be used: " + err.Error()
	return info.Against(c, slipway.CauseInvalid)
}
