package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// saved writes steps, each ended a second after the one before.
func saved(t *testing.T, s slipway.Store, steps ...slipway.Step) {
	t.Helper()
	write(t, s, func(tx slipway.Tx) error {
		for i, step := range steps {
			step.EndedAt = t0.Add(time.Duration(i) * time.Second)
			if err := tx.SaveStep(step); err != nil {
				return err
			}
		}
		return nil
	})
}

func namesOf(steps []slipway.Step) (out []string) {
	for _, s := range steps {
		out = append(out, fmt.Sprintf("%s.%d %s", s.Run, s.Revision, s.Key))
	}
	return out
}

func testSteps(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "a"}, slipway.Run{ID: "b"})
	saved(t, s, slipway.Step{Run: "a", Revision: 2, Key: "x"}, slipway.Step{Run: "a", Revision: 1, Key: "z"}, slipway.Step{Run: "a", Revision: 1, Key: "y"},
		slipway.Step{Run: "b", Revision: 1, Key: "x"})
	for name, tc := range map[string]struct {
		revision int
		want     []string
		reason   string
	}{
		"one":  {1, []string{"a.1 y", "a.1 z"}, "a revision's, by key"},
		"all":  {0, []string{"a.1 y", "a.1 z", "a.2 x"}, "the first revision's first"},
		"none": {3, nil, "nothing was saved"},
	} {
		read(t, s, func(tx slipway.Tx) error {
			steps, err := tx.Steps("a", tc.revision)
			if d := cmp.Diff(tc.want, namesOf(steps)); d != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, d)
			}
			return err
		})
	}
}

func testLastDone(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "old", App: "a", Environment: "production"}, slipway.Run{ID: "new", App: "a", Environment: "production"},
		slipway.Run{ID: "preview", App: "a", Environment: "preview"}, slipway.Run{ID: "other", App: "b", Environment: "production"})
	step := func(run string, revision int, key string, state slipway.StepState) slipway.Step {
		return slipway.Step{Run: run, Revision: revision, Key: key, State: state}
	}
	saved(t, s, step("old", 1, "v/K@p#create", slipway.StepDone), step("old", 2, "v/K@p#update", slipway.StepDone),
		step("new", 1, "v/K@p#update", slipway.StepDone), step("new", 1, "v/K@p#delete", slipway.StepFailed), step("new", 1, "v/K@p#health", slipway.StepDone),
		step("new", 1, "v/KK@p#update", slipway.StepDone), step("preview", 1, "v/K@p#update", slipway.StepDone), step("other", 1, "v/K@p#update", slipway.StepDone))
	for name, tc := range map[string]struct {
		environment string
		address     slipway.Address
		want        []string
		reason      string
	}{
		"each op":     {"production", "v/K@p", []string{"new.1 v/K@p#update", "old.1 v/K@p#create"}, "the last of each, the newest first; a failed step and a check are none"},
		"environment": {"preview", "v/K@p", []string{"preview.1 v/K@p#update"}, "another environment's runs do not count"},
		"nothing":     {"production", "v/NEW@p", nil, "nothing was done to it"},
	} {
		read(t, s, func(tx slipway.Tx) error {
			steps, err := tx.LastDone("a", tc.environment, tc.address)
			if d := cmp.Diff(tc.want, namesOf(steps)); d != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, d)
			}
			return err
		})
	}
}

func testUsed(t *testing.T, open opener) {
	s := open(t, nil)
	addRuns(t, s, slipway.Run{ID: "old", App: "a", Environment: "production"}, slipway.Run{ID: "new", App: "a", Environment: "production"},
		slipway.Run{ID: "mine", App: "a", Environment: "production"}, slipway.Run{ID: "preview", App: "a", Environment: "preview"})
	write(t, s, func(tx slipway.Tx) error {
		for i, a := range []slipway.Approval{
			{ID: "1", Run: "new", State: slipway.ApprovalConsumed},
			{ID: "2", Run: "new", State: slipway.ApprovalConsumed},
			{ID: "3", Run: "new", State: slipway.ApprovalVoided},
			{ID: "4", Run: "old", State: slipway.ApprovalConsumed},
			{ID: "5", Run: "mine", State: slipway.ApprovalConsumed},
			{ID: "6", Run: "preview", State: slipway.ApprovalConsumed},
		} {
			a.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			if err := tx.SaveApproval(a); err != nil {
				return err
			}
		}
		return nil
	})
	for n, want := range map[int][]string{9: {"2", "1", "4"}, 1: {"2"}} {
		read(t, s, func(tx slipway.Tx) error {
			used, err := tx.Used("a", "production", "mine", n)
			var ids []string
			for _, a := range used {
				ids = append(ids, a.ID)
			}
			if d := cmp.Diff(want, ids); d != "" {
				t.Errorf("%d at the most, the newest run's first (-want +got):\n%s", n, d)
			}
			return err
		})
	}
}
