package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// nameLater gives a step that is done on a person's word the id that was not given then. What was looked at has its id from that; and once
// something that comes after the step has begun, it relies on what was recorded.
func (w *worker) nameLater(ctx context.Context, effect slipway.Effect, s slipway.Step, c slipway.ManualCheck) (slipway.Step, error) {
	switch word := s.Evidence; {
	case c.ID == "" || word == nil || word.Finding != slipway.FindingAsserted || s.Receipt == nil:
		return s, alreadyDone(effect.Key)
	case s.Receipt.ID == c.ID:
		return s, nil
	case c.By.Kind != slipway.PrincipalUser:
		return s, slipway.Errorf(slipway.CodeForbidden, "only a person can tell the id of what was asserted").
			WithHint("let a person say: slipway manual %s --assert '%s' --id ID --note TEXT", c.Run, effect.Key)
	case word.By != nil && *word.By == c.By:
		c.Note = cmp.Or(c.Note, word.Note)
	}
	c.Assert = true
	u, ev, err := w.find(ctx, effect, c)
	if err != nil {
		return s, err
	}
	if !slices.Contains([]slipway.Finding{slipway.FindingDone, slipway.FindingAsserted}, ev.Finding) {
		return s, slipway.Errorf(slipway.CodeConflict, "%s is not what %s describes: %s", c.ID, effect.Key, ev.Finding).WithHint("look at the id again")
	}
	return w.decideStep(ctx, effect, c.By, func(tx slipway.Tx, s slipway.Step) (slipway.Step, error) {
		if err := w.nameable(tx, effect, s); err != nil {
			return s, err
		}
		s.Evidence, s.Basis = &ev, slipway.Basis(u.spec, u.obs)
		if err := w.tellCheck(tx, effect.Key, ev); err != nil {
			return s, err
		}
		err := w.saveByHand(tx, u, &s)
		return s, err
	})
}

// nameable refuses a step that has an id, or on which something relies already.
func (w *worker) nameable(tx slipway.Tx, effect slipway.Effect, s slipway.Step) error {
	if s.Receipt == nil {
		return alreadyDone(effect.Key)
	}
	if s.Receipt.ID != "" {
		return slipway.Errorf(slipway.CodeConflict, "%s is already done, and has the id %s", effect.Key, s.Receipt.ID)
	}
	steps, err := tx.Steps(w.id, w.run.Revision)
	if err != nil {
		return err
	}
	for _, o := range steps {
		begun := o.State == slipway.StepIntended || o.State == slipway.StepDone || o.State == slipway.StepFailed && o.Unknown
		if e := w.plan.Effect(o.Key); begun && e != nil && slices.Contains(slices.Concat(e.DependsOn, e.After), effect.Key) {
			return slipway.Errorf(slipway.CodeConflict, "%s has begun, and relies on %s having no id", o.Key, effect.Key).
				WithHint("let the run end; a credential that reads finds it by its name")
		}
	}
	return nil
}
