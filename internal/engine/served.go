package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// served is what production has served, as far as a home's ships tell, the oldest first. The last is what it was moved to last: rollbacks
// do not count, so that one that is asked for again means the same.
type served struct {
	all   []string
	bad   []string // failed their checks
	built string   // the newest deployment that a run has made
}

// moved notes that production serves id from now on.
func (s *served) moved(id string) {
	if id != "" && (len(s.all) == 0 || s.all[len(s.all)-1] != id) {
		s.all = append(s.all, id)
	}
}

// before is the newest that is not the last, and has not failed its checks; "" for none.
func (s *served) before() string {
	for i := len(s.all) - 2; i >= 0; i-- {
		if id := s.all[i]; id != s.all[len(s.all)-1] && !slices.Contains(s.bad, id) {
			return id
		}
	}
	return ""
}

// add notes what a ship's plans saw, and what its steps did. One that has succeeded leaves production at the newest deployment, even where
// somebody else moved it there.
func (s *served) add(tx slipway.Tx, run slipway.Run) error {
	seen, promoted := "", false
	for revision := 1; revision <= run.Revision; revision++ {
		plan, err := tx.Plan(run.ID, revision)
		if err != nil {
			return err
		}
		steps, err := tx.Steps(run.ID, revision)
		if err != nil {
			return err
		}
		if seen = cmp.Or(plan.Serving, seen); !slices.Contains(s.all, plan.Serving) {
			s.moved(plan.Serving)
		}
		for _, step := range steps {
			if effect := plan.Effect(step.Key); effect != nil && step.State == slipway.StepDone && step.Receipt != nil {
				switch effect.Op {
				case slipway.OpDeploy:
					s.built = step.Receipt.ID
				case slipway.OpPromote:
					promoted = true
					s.moved(plan.Serving)
					s.moved(step.Receipt.ID)
				}
			}
		}
		if slices.ContainsFunc(steps, func(c slipway.Step) bool { return c.Error != nil && c.Error.Code == slipway.CodeCheckFailed }) {
			s.bad = append(s.bad, s.built)
		}
	}
	if run.Status == slipway.RunSucceeded && !promoted && seen != "" && seen != s.built {
		s.moved(seen)
		s.moved(s.built)
	}
	return nil
}

// servedBefore is the deployment that production served before the one that it was moved to last.
func (e *Engine) servedBefore(ctx context.Context, app, environment string) (id string, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{App: app, Environment: environment, Limit: 1000})
		if err != nil {
			return err
		}
		var s served
		for _, run := range slices.Backward(runs) { // the newest comes first
			if run.Operation != slipway.OperationShip {
				continue
			}
			if err := s.add(tx, run); err != nil {
				return err
			}
		}
		id = s.before()
		return nil
	})
	if err == nil && id == "" {
		err = slipway.Errorf(slipway.CodeConflict, "this home knows of no deployment that production served before").
			WithHint("name one, as Vercel's page of deployments shows it: slipway rollback DEPLOYMENT")
	}
	return id, err
}
