package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// elsewhere tells whose value was written last from another reference than w declares, of those that s says cannot be read here: what
// cannot be read cannot be compared. The newest ship that succeeded, or that has written the value, tells; what none tells is left out, and what is
// not recorded none can.
func (e *Engine) elsewhere(ctx context.Context, w *wanted, s *sight) (map[slipway.Address]bool, error) {
	out, open := map[slipway.Address]bool{}, maps.Clone(s.carried)
	maps.DeleteFunc(open, func(a slipway.Address, _ string) bool { _, recorded := s.receipts[a]; return !recorded })
	if len(open) == 0 {
		return out, nil
	}
	declared := declarations{Engine: e}
	return out, e.Store.Read(ctx, func(tx slipway.Tx) error {
		for r, err := range past(tx, slipway.RunFilter{App: w.manifest.App, Environment: w.environment}) {
			if err != nil || len(open) == 0 {
				return err
			}
			if r.Operation != slipway.OperationShip {
				continue
			}
			wrote, err := written(tx, r)
			if err != nil {
				return err
			}
			for _, was := range declared.by(r) {
				if _, asked := open[was.Address]; asked && wrote(was.Address) {
					out[was.Address] = reference(was) != reference(s.specs[was.Address])
					delete(open, was.Address)
				}
			}
		}
		return nil
	})
}

// written tells of each address whether r has made true what it declares of it.
func written(tx slipway.Tx, r slipway.Run) (func(slipway.Address) bool, error) {
	if r.Status == slipway.RunSucceeded {
		return func(slipway.Address) bool { return true }, nil
	}
	all, err := done(tx, r)
	return func(a slipway.Address) bool {
		return slices.ContainsFunc(all, func(o outcome) bool {
			return o.address == a && slices.Contains([]slipway.Op{slipway.OpCreate, slipway.OpUpdate, slipway.OpAdopt, slipway.OpReplace}, o.op)
		})
	}, err
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
