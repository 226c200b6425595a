package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// Drift looks at what the last ship of an environment made true, and what unfinished or failed runs have since, and tells what is no longer so.
// It changes nothing and keeps nothing. CodeConflict when nothing was shipped from this home.
func (e *Engine) Drift(ctx context.Context, app, environment string) ([]slipway.Difference, slipway.Run, error) {
	run, err := e.lastShip(ctx, app, environment)
	if err != nil {
		return nil, run, err
	}
	w, err := e.desire([]byte(run.Manifest), environment, nil)
	if err != nil {
		return nil, run, err
	}
	if err := e.overlay(ctx, w, run); err != nil {
		return nil, run, err
	}
	receipts, err := e.receipts(ctx, app)
	if err != nil {
		return nil, run, err
	}
	w.shipped = true
	for i, s := range w.specs {
		w.specs[i] = e.asShipped(s, receipts)
	}
	s, err := e.look(ctx, w, receipts)
	if err != nil {
		return nil, run, err
	}
	return slipway.FindDrift(e.planInput(w, s)), run, nil
}

// lastShip is the newest ship of an environment that succeeded.
func (e *Engine) lastShip(ctx context.Context, app, environment string) (slipway.Run, error) {
	runs, err := e.Runs(ctx, slipway.RunFilter{App: app, Environment: environment, Limit: 1000})
	if err != nil {
		return slipway.Run{}, err
	}
	for _, r := range runs {
		switch {
		case r.Operation == slipway.OperationDestroy && r.Status == slipway.RunSucceeded:
			return r, slipway.Errorf(slipway.CodeConflict, "the last run that succeeded took %s (%s) down", app, environment)
		case r.Status == slipway.RunSucceeded && r.Operation == slipway.OperationShip:
			return r, nil
		}
	}
	return slipway.Run{}, slipway.Errorf(slipway.CodeConflict, "%s (%s) was never shipped from this home", app, environment).
		WithHint("ship it first: slipway ship; what a ship would change shows with: slipway plan")
}

// overlay replaces and adds to the Specs of w, which are those of the run last, by what later runs have made true, however they ended.
func (e *Engine) overlay(ctx context.Context, w *wanted, last slipway.Run) error {
	var later []slipway.Spec // the newest first
	err := e.Store.Read(ctx, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{App: last.App, Limit: 1000})
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.ID == last.ID {
				return nil
			}
			made, err := e.done(tx, r, func(e slipway.Effect) bool {
				return e.Op != slipway.OpDelete && (e.Address.Environment() == "" || e.Address.Environment() == w.environment)
			})
			if err != nil {
				return err
			}
			specs := e.declared(r)
			for i := range specs {
				if slices.ContainsFunc(made, func(o outcome) bool { return o.effect.Address == specs[i].Address }) {
					later = append(later, specs[i])
				}
			}
		}
		return nil
	})
	if err != nil || len(later) == 0 {
		return err
	}
	seen, specs := map[slipway.Address]bool{}, []slipway.Spec(nil)
	for _, s := range append(later, w.specs...) {
		if !seen[s.Address] {
			specs = append(specs, s)
		}
		seen[s.Address] = true
	}
	w.specs = specs
	return e.open(w)
}

// asShipped is s as the last ship made it true: without the fingerprint of a value, which may have changed here since, and with what
// production was moved to.
func (e *Engine) asShipped(s slipway.Spec, receipts map[slipway.Address]slipway.Receipt) slipway.Spec {
	kind := e.kinds[s.Address.Kind()]
	if s.Params = maps.Clone(s.Params); kind.Versioned {
		s.Params = map[string]any{}
	}
	delete(s.Params, "fingerprint")
	for name := range s.IDs {
		if r := receipts[s.Address]; r.ID != "" {
			s.Params[name] = r.ID
		}
	}
	return s
}
