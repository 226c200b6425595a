package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// ship is what a ship's plans saw and what its steps did, as far as it tells what production served.
type ship struct {
	revisions []release
	succeeded bool
}

// release is one revision of it.
type release struct {
	serving string // what its plan saw
	steps   []outcome
	bad     bool // a probe has failed
}

// shipOf reads what a ship has done.
func shipOf(tx slipway.Tx, run slipway.Run) (ship, error) {
	out := ship{make([]release, run.Revision), run.Status == slipway.RunSucceeded}
	for i := range out.revisions {
		plan, err := tx.Plan(run.ID, i+1)
		if err != nil {
			return out, err
		}
		steps, err := tx.Steps(run.ID, i+1)
		if err != nil {
			return out, err
		}
		r := &out.revisions[i]
		r.serving = plan.Serving
		for _, s := range steps {
			c := plan.Check(s.Key)
			r.bad = r.bad || c != nil && len(c.Probes) > 0 && s.Error != nil && s.Error.Code == slipway.CodeCheckFailed
			if a, op, ok := slipway.CutKey(s.Key); ok && s.State == slipway.StepDone && s.Receipt != nil && (op == slipway.OpDeploy || op == slipway.OpPromote) {
				r.steps = append(r.steps, outcome{a, op, slipway.Step{Receipt: s.Receipt}})
			}
		}
	}
	return out, nil
}

// served is what production has served, as far as ships tell, the oldest first. The last is what it was moved to last: rollbacks do not count, so
// that one that is asked for again means the same.
type served struct {
	all    []string
	bad    []string // failed their checks
	built  string   // the newest deployment that a run has made
	unsure int      // how many of all an older ship may say otherwise of: those up to the last of which it cannot be told
	vague  bool     // what has failed its checks, or was moved to, was built by an older ship
}

// retell goes through ships, of which the newest comes first.
func retell(ships []ship) *served {
	s := &served{}
	for _, one := range slices.Backward(ships) {
		s.add(one)
	}
	return s
}

// moved notes that production serves id from now on.
func (s *served) moved(id string) {
	if id != "" && (len(s.all) == 0 || s.all[len(s.all)-1] != id) {
		s.all = append(s.all, id)
	}
}

// last is where before finds its answer; -1 for nowhere.
func (s *served) last() int {
	for i := len(s.all) - 2; i >= 0; i-- {
		if id := s.all[i]; id != s.all[len(s.all)-1] && !slices.Contains(s.bad, id) {
			return i
		}
	}
	return -1
}

// before is the newest that is not the last, and has not failed its checks; "" for none.
func (s *served) before() string {
	if i := s.last(); i >= 0 {
		return s.all[i]
	}
	return ""
}

// sure reports whether no older ship can change what before is.
func (s *served) sure() bool { return s.last() >= s.unsure && !s.vague }

// saw notes what a plan saw production serve. That it serves again what it has served before is somebody's rollback, which does not count.
func (s *served) saw(id string) {
	if id == "" || slices.Contains(s.all, id) {
		return
	}
	s.moved(id)
	s.unsure = len(s.all)
}

// add notes a ship. One that has succeeded leaves production at the newest deployment, even where somebody else moved it there.
func (s *served) add(one ship) {
	seen, promoted := "", false
	for _, r := range one.revisions {
		seen = cmp.Or(r.serving, seen)
		s.saw(r.serving)
		for _, o := range r.steps {
			switch o.op {
			case slipway.OpDeploy:
				s.built = o.step.Receipt.ID
			case slipway.OpPromote:
				promoted = true
				s.moved(r.serving)
				s.moved(o.step.Receipt.ID)
			}
		}
		if r.bad {
			s.bad, s.vague = append(s.bad, s.built), s.vague || s.built == ""
		}
	}
	if one.succeeded && !promoted && seen != "" && seen != s.built {
		s.vague = s.vague || s.built == ""
		s.moved(seen)
		s.moved(s.built)
	}
}

// servedBefore is the deployment that production served before the one that it was moved to last.
func (e *Engine) servedBefore(ctx context.Context, app, environment string) (id string, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		id, err = servedIn(tx, slipway.RunFilter{App: app, Environment: environment})
		return err
	})
	if err == nil && id == "" {
		err = slipway.Errorf(slipway.CodeConflict, "this home knows of no deployment that production served before").
			WithHint("name one, as Vercel's page of deployments shows it: slipway rollback DEPLOYMENT")
	}
	return id, err
}

// servedIn goes back as far as the answer depends on: what older ships have done is not read where it could not change it.
func servedIn(tx slipway.Tx, f slipway.RunFilter) (string, error) {
	var ships []ship // the newest first
	retold := 0
	for run, err := range past(tx, f) {
		if err != nil {
			return "", err
		}
		if run.Operation != slipway.OperationShip || run.NoChanges {
			continue
		}
		one, err := shipOf(tx, run)
		if err != nil {
			return "", err
		}
		if ships = append(ships, one); len(ships) > 2*retold {
			retold = len(ships)
			if s := retell(ships); s.sure() {
				return s.before(), nil
			}
		}
	}
	return retell(ships).before(), nil
}
