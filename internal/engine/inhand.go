package engine

import "github.com/slipway-dev/slipway"

// notInHand returns CodeConflict where the new plan would do itself what somebody has taken in the revision before, whose plan is before. It is
// asked in the transaction that adds the revision: nobody takes a step of the old one afterwards.
func (w *worker) notInHand(tx slipway.Tx, before *slipway.Plan) error {
	if before == nil {
		return nil
	}
	steps, err := tx.Steps(w.id, w.run.Revision)
	if err != nil {
		return err
	}
	for _, s := range steps {
		old := before.Effect(s.Key)
		if s.Taken == nil || s.State == slipway.StepDone || old == nil {
			continue
		}
		for _, e := range w.plan.Effects {
			if e.Address == old.Address && e.Mode == slipway.ModeAutomated {
				return slipway.Errorf(slipway.CodeConflict, "%s has taken %s, which could be done without a person now", s.Taken.Name, s.Key).
					WithHint("let them finish it and check it, or give it back: slipway manual %s --release '%s'; then: slipway resume %s", w.id, s.Key, w.id)
			}
		}
	}
	return nil
}
