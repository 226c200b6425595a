package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// Drift looks at what the last ship of an environment made true, and what unfinished or failed runs have since, and tells what is no longer so.
// It changes nothing and keeps nothing. CodeConflict when nothing was shipped from this home.
func (e *Engine) Drift(ctx context.Context, app, environment string) (d slipway.Drift, err error) {
	if d.Run, err = e.lastShip(ctx, app, environment); err != nil {
		return d, err
	}
	w, err := e.desire([]byte(d.Run.Manifest), environment, nil)
	if err != nil {
		return d, err
	}
	if d.Since, err = e.overlay(ctx, w, d.Run); err != nil {
		return d, err
	}
	receipts, err := e.receipts(ctx, app)
	if err != nil {
		return d, err
	}
	w.shipped = true
	for i, s := range w.specs {
		w.specs[i] = e.asShipped(s, receipts)
	}
	s, err := e.look(ctx, w, receipts)
	if err != nil {
		return d, err
	}
	d.Found = slipway.FindDrift(e.planInput(w, s))
	return d, nil
}

// lastShip is the newest ship of an environment that succeeded.
func (e *Engine) lastShip(ctx context.Context, app, environment string) (last slipway.Run, err error) {
	var newest slipway.Run
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		for r, err := range past(tx, slipway.RunFilter{App: app, Environment: environment}) {
			switch {
			case err != nil:
				return err
			case r.Operation == slipway.OperationDestroy && r.Status == slipway.RunSucceeded:
				return slipway.Errorf(slipway.CodeConflict, "the last run that succeeded took %s (%s) down", app, environment)
			case r.Status == slipway.RunSucceeded && r.Operation == slipway.OperationShip:
				last = r
				return nil
			case r.Operation == slipway.OperationShip && newest.ID == "":
				newest = r
			}
		}
		return neverShipped(app, environment, newest)
	})
	return last, err
}

// neverShipped is why there is nothing to compare with: newest is a ship that has not succeeded, as none before it has; zero for none.
func neverShipped(app, environment string, newest slipway.Run) error {
	const would = "what a ship would change shows with: slipway plan"
	if newest.ID == "" {
		return slipway.Errorf(slipway.CodeConflict, "%s (%s) was never shipped from this home", app, environment).WithHint("ship it first: slipway ship; %s", would)
	}
	e := slipway.Errorf(slipway.CodeConflict, "no ship of %s (%s) from this home has succeeded yet: %s is %s", app, environment, newest.ID, newest.Status)
	if newest.Status.Final() {
		return e.WithHint("ship again: slipway ship; %s", would)
	}
	return e.WithHint("finish it: slipway resume %s, or ship again: slipway ship; %s", newest.ID, would)
}

// overlay replaces and adds to the Specs of w, which are those of the run last, by what later runs have made true, however they ended. It returns
// the runs that have changed something since, the newest first.
func (e *Engine) overlay(ctx context.Context, w *wanted, last slipway.Run) (since []slipway.Run, err error) {
	var specs []slipway.Spec // the newest first
	seen, declared := map[slipway.Address]bool{}, declarations{Engine: e}
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		for r, err := range past(tx, slipway.RunFilter{App: last.App}) {
			if err != nil || r.ID == last.ID {
				return err
			}
			changed, made, err := didHere(tx, r, w.environment)
			if err != nil {
				return err
			}
			for _, s := range declared.among(r, made) {
				if !seen[s.Address] {
					seen[s.Address], specs = true, append(specs, s)
				}
			}
			if changed {
				r.Manifest = ""
				since = append(since, r)
			}
		}
		return nil
	})
	if err != nil || len(specs) == 0 {
		return since, err
	}
	w.specs = append(specs, slices.DeleteFunc(w.specs, func(s slipway.Spec) bool { return seen[s.Address] })...)
	return since, e.open(w)
}

// didHere tells what a run has done to the resources that an environment has or shares: whether it has changed one, and which it has made true.
func didHere(tx slipway.Tx, r slipway.Run, environment string) (changed bool, made map[slipway.Address]bool, err error) {
	made = map[slipway.Address]bool{}
	all, err := done(tx, r)
	for _, o := range all {
		if at := o.address.Environment(); at == "" || at == environment {
			changed = true
			made[o.address] = made[o.address] || o.op != slipway.OpDelete
		}
	}
	return changed, made, err
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
