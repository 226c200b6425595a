package engine

import (
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// Rollback starts a run that moves production back. Without a deployment named it is the one that our last promote took production away
// from: asked for twice, it is done once.
func (e *Engine) Rollback(ctx context.Context, req slipway.RollbackRequest) (slipway.Run, error) {
	w, err := e.desire(req.Manifest, req.Environment, nil)
	if err != nil {
		return slipway.Run{}, err
	}
	if req.Options.To == "" {
		if req.Options.To, err = e.servedBefore(ctx, w.manifest.App, w.environment); err != nil {
			return slipway.Run{}, err
		}
	}
	run := slipway.Run{
		ID: newID("run"), App: w.manifest.App, Environment: w.environment, Operation: slipway.OperationRollback, Status: slipway.RunActive,
		Manifest: string(req.Manifest), Requester: req.Requester, Options: req.Options, CreatedAt: e.Now(), UpdatedAt: e.Now(),
	}
	return e.begin(ctx, run, nil)
}

// planRollback looks at the deployment that is meant and at what production serves.
func (e *Engine) planRollback(ctx context.Context, w *wanted, receipts map[slipway.Address]slipway.Receipt, to string) (*sight, *slipway.Plan, error) {
	w.shipped = true
	for i, s := range w.specs {
		w.specs[i] = e.asShipped(s, receipts)
	}
	s, err := e.look(ctx, w, receipts)
	if err != nil {
		return nil, nil, err
	}
	plan, err := slipway.MakeRollback(e.planInput(w, s), to)
	if err != nil || plan.NoChanges() {
		return s, plan, err
	}
	if err := e.usable(ctx, w, s, to); err != nil {
		return nil, nil, err
	}
	written, by, err := e.writtenSince(ctx, w, to)
	if err != nil {
		return nil, nil, err
	}
	if by == nil {
		plan.Rotated = written
		plan.Effects[0].Reason += "; this home did not deploy it, so which values it was built with is not known"
		return s, plan, nil
	}
	then, err := e.sealed(by)
	if err != nil {
		return nil, nil, err
	}
	var now []slipway.Address
	for a := range receipts {
		value := func(b slipway.Address) bool { return b.Kind() == a.Kind() }
		if a.Environment() == w.environment && (slices.ContainsFunc(then, value) || slices.ContainsFunc(written, value)) {
			now = append(now, a)
		}
	}
	plan.Built = slipway.NewBuilt(then, now)
	for _, a := range written { // of the others it has no older value
		if slices.Contains(then, a) && slices.Contains(now, a) {
			plan.Rotated = append(plan.Rotated, a)
		}
	}
	return s, plan, nil
}

// sealed are the values that the deployment of a run was built with.
func (e *Engine) sealed(run *slipway.Run) (out []slipway.Address, err error) {
	m, err := e.Parse([]byte(run.Manifest))
	if err != nil {
		return nil, withOp(err, "the manifest of run %s", run.ID)
	}
	for _, p := range e.Providers {
		for _, s := range p.Expand(m, run.Environment) {
			if e.kinds[s.Address.Kind()].Versioned {
				out = append(out, s.Seals...)
			}
		}
	}
	return out, nil
}

// usable refuses a deployment that is not there, is no build of this app or of another environment, or never became ready.
func (e *Engine) usable(ctx context.Context, w *wanted, s *sight, id string) error {
	for _, spec := range w.specs {
		if !e.kinds[spec.Address.Kind()].Versioned || !w.visible(spec.Address.Kind()) {
			continue
		}
		h, err := handler(w.pass(), spec.Address)
		if err != nil {
			return err
		}
		spec.Known, spec.Parents = &slipway.Receipt{Address: spec.Address, ID: id}, map[slipway.Kind]slipway.Receipt{}
		for _, need := range spec.Needs {
			spec.Parents[need.Kind()] = s.observed[need].Receipt
		}
		obs, err := h.Observe(ctx, spec)
		switch {
		case err != nil:
			return withOp(err, "%s observe", spec.Address)
		case !obs.Exists:
			return slipway.Errorf(slipway.CodeNotFound, "there is no deployment %s of this app", id).
				WithHint("name one, as Vercel's page of deployments shows it: slipway rollback DEPLOYMENT")
		case obs.Fields["target"] != nil && obs.Fields["target"] != w.environment:
			return slipway.Errorf(slipway.CodeConflict, "the deployment %s was built for %v, not for %s", id, obs.Fields["target"], w.environment).
				WithHint("name one that production has served: slipway rollback DEPLOYMENT")
		case obs.Failed != nil || obs.Pending:
			return slipway.Errorf(slipway.CodeConflict, "the deployment %s is not ready", id).WithHint("name one that is")
		}
	}
	return nil
}

// writtenSince are the values that this home's runs have written or deleted after the one that deployed id, which is by; nil when no run
// here has deployed it.
func (e *Engine) writtenSince(ctx context.Context, w *wanted, id string) (out []slipway.Address, by *slipway.Run, err error) {
	kinds := map[slipway.Kind]bool{}
	for _, s := range w.specs {
		for _, a := range s.Seals {
			kinds[a.Kind()] = true
		}
	}
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		for run, err := range past(tx, slipway.RunFilter{App: w.manifest.App, Environment: w.environment}) {
			if err != nil {
				return err
			}
			all, err := done(tx, run)
			if err != nil {
				return err
			}
			made := func(o outcome) bool { return o.step.Receipt != nil && o.step.Receipt.ID == id }
			if slices.ContainsFunc(all, func(o outcome) bool { return (o.op == slipway.OpDeploy || kinds[o.address.Kind()]) && made(o) }) {
				by = &run
				return nil
			}
			for _, o := range all {
				if kinds[o.address.Kind()] && o.address.Environment() != "" {
					out = append(out, o.address)
				}
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), by, err
}
