package engine

import (
	"slices"

	"github.com/slipway-dev/slipway"
)

// onceSpent is why a used approval opens nothing any more.
const onceSpent = "used before the plan was made again"

// spend ends, as a plan is made again, what was used to ask production to move or something to die: what became of that (moved back, undone by
// somebody, refused) is in nobody's approval, and the plan may well be the same. What was used for nothing of the kind goes on opening its gate
// for the same plan.
func (w *worker) spend(tx slipway.Tx) error {
	revision := w.run.Revision - 1
	if revision == 0 {
		return nil
	}
	plan, err := tx.Plan(w.id, revision)
	if err != nil {
		return err
	}
	steps, err := tx.Steps(w.id, revision)
	if err != nil {
		return err
	}
	var gates []slipway.Gate
	for _, s := range steps {
		e := plan.Effect(s.Key)
		begun := s.Attempt > 0 || s.Evidence != nil && s.State == slipway.StepDone
		if e != nil && begun && (moves(e.Op) || e.Gate == slipway.GateDestroy) {
			gates = append(gates, e.Gate)
		}
	}
	all, err := tx.Approvals(w.id)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.State != slipway.ApprovalConsumed || len(a.Void) > 0 || !slices.Contains(gates, a.Gate) {
			continue
		}
		a.Void = []string{onceSpent}
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
		data := map[string]any{"gate": string(a.Gate), "subject": a.Subject, "why": onceSpent}
		if err := w.event(tx, w.id, slipway.EventGateVoided, "", data); err != nil {
			return err
		}
	}
	return nil
}
