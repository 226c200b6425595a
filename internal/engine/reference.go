package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// elsewhere tells whose value was written last from another reference than w declares, of those that s says cannot be read here: what
// cannot be read cannot be compared. The newest ship that succeeded, or that has written the value, tells; what none tells is left out.
func (e *Engine) elsewhere(ctx context.Context, w *wanted, s *sight) (map[slipway.Address]bool, error) {
	out, open := map[slipway.Address]bool{}, maps.Clone(s.carried)
	if len(open) == 0 {
		return out, nil
	}
	return out, e.Store.Read(ctx, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{App: w.manifest.App, Environment: w.environment, Limit: 1000})
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.Operation != slipway.OperationShip || len(open) == 0 {
				continue
			}
			wrote, err := written(tx, r)
			if err != nil {
				return err
			}
			was := e.references(r)
			for a := range maps.Clone(open) {
				if before, declared := was[a]; declared && wrote(a) {
					out[a] = before != reference(s.specs[a])
					delete(open, a)
				}
			}
		}
		return nil
	})
}

// written tells of each address whether r has made true what it declares of it.
func written(tx slipway.Tx, r slipway.Run) (func(slipway.Address) bool, error) {
	done := map[string]bool{}
	for revision := 1; revision <= r.Revision && r.Status != slipway.RunSucceeded; revision++ {
		steps, err := tx.Steps(r.ID, revision)
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			done[s.Key] = done[s.Key] || s.State == slipway.StepDone
		}
	}
	return func(a slipway.Address) bool {
		return r.Status == slipway.RunSucceeded || slices.ContainsFunc(
			[]slipway.Op{slipway.OpCreate, slipway.OpUpdate, slipway.OpAdopt, slipway.OpReplace},
			func(op slipway.Op) bool { return done[string(a)+"#"+string(op)] })
	}, nil
}

// references are where the values that r's manifest declares come from.
func (e *Engine) references(r slipway.Run) map[slipway.Address]string {
	out := map[slipway.Address]string{}
	for _, s := range e.declared(r) {
		out[s.Address] = reference(s)
	}
	return out
}

// declared are the Specs of r's manifest; none for one that is no longer understood.
func (e *Engine) declared(r slipway.Run) []slipway.Spec {
	m, err := e.Parse([]byte(r.Manifest))
	if err != nil {
		return nil
	}
	specs, err := e.expand(&wanted{manifest: m, environment: r.Environment, values: newValueCache(), planned: r.CreatedAt})
	if err != nil {
		return nil
	}
	return specs
}

// reference names where the value of s comes from; "" for one that it tells itself.
func reference(s slipway.Spec) string {
	switch in := s.Inputs["value"]; {
	case in.From != nil:
		return "from " + in.From.String()
	case in.Secret != "":
		return "secret " + in.Secret
	}
	return ""
}
