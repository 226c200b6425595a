package engine_test

import (
	"fmt"
	"testing"

	"github.com/slipway-dev/slipway"
)

// does is a person who does one manual step at the provider's page, as the runbook says, and returns the id of what was made.
func (c *cloud) does(e slipway.Effect, run string, input any) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.id("hand")
	switch kind := e.Address.Kind(); {
	case kind == "cloud.project":
		c.project = map[string]string{"id": id}
	case kind == "cloud.var" && e.Op != slipway.OpDelete:
		if v := c.vars[e.Name]; v != nil {
			id = v["id"]
		}
		c.vars[e.Name] = map[string]string{"id": id, "value": "pasted"}
	case kind == "cloud.deploy":
		text, _ := input.(string)
		c.deploys = append(c.deploys, map[string]string{"id": id, "run": run, "input": text})
	case kind == "cloud.live":
		c.serving = c.deploys[len(c.deploys)-1]["id"]
		id = c.serving
	case kind == "cloud.db" && e.Op == slipway.OpCreate:
		c.dbs[id] = map[string]string{"name": e.Name, "region": fmt.Sprint(e.Params["region"]), "size": fmt.Sprint(e.Params["size"])}
	default:
		panic("a person cannot do " + e.Key)
	}
	return id
}

// byPerson does all the manual steps of a run, each time until it goes on.
func (b *bench) byPerson(run slipway.Run) slipway.Run {
	b.t.Helper()
	for turn := 0; run.Status == slipway.RunWaitingManual; turn++ {
		if turn > 30 {
			b.t.Fatalf("a person's work has no end: %v", b.modes(run.ID))
		}
		book, steps, err := b.Runbook(b.t.Context(), run.ID)
		if err != nil {
			b.t.Fatal(err)
		}
		plan := b.detail(run.ID).Plan
		for _, s := range book.Steps {
			if steps[s.Key].State == slipway.StepDone {
				continue
			}
			check := slipway.ManualCheck{Run: run.ID, Step: s.Key, By: person}
			if _, err := b.CheckManual(b.t.Context(), check); slipway.ErrorCode(err) == slipway.CodeConflict {
				continue // it is not its turn
			}
			e := *plan.Effect(s.Key)
			id := b.cloud.does(e, run.ID, b.cloud.guided[s.Key])
			done, err := b.CheckManual(b.t.Context(), check)
			if err == nil && done.Evidence.Finding == slipway.FindingUnseen {
				check.Assert, check.Note, check.ID = true, "done", id
				done, err = b.CheckManual(b.t.Context(), check)
			}
			if err != nil || done.State != slipway.StepDone {
				b.t.Fatalf("%s was done, and the check says %+v, %v", s.Key, done.Evidence, err)
			}
			break
		}
		run = b.resume(run.ID)
	}
	return run
}

// TestWhatIsDoneIsNotDoneAgain ships three times in every combination of cause and kind: once all manual steps of the first are done,
// nothing is left to do.
func TestWhatIsDoneIsNotDoneAgain(t *testing.T) {
	causes := []slipway.Cause{slipway.CauseMissing, slipway.CauseReadOnly, slipway.CauseProjectScoped, slipway.CauseAccountRefused, slipway.CauseForbidden}
	for _, cause := range causes {
		for _, kind := range []slipway.Kind{"", "cloud.project", "cloud.db", "cloud.var", "cloud.deploy", "cloud.live"} {
			t.Run(fmt.Sprintf("%s of %q", cause, kind), func(t *testing.T) {
				t.Parallel()
				c := newCloud()
				f := finding(cause)
				f.Kind = kind
				c.find(f)
				b := newBench(t, c)
				b.mustSucceed(b.byPerson(b.ship(request(t, manifest(), "one"))))
				calls, dbs := len(c.calls), len(c.dbs)
				for range 2 {
					run := b.ship(request(t, manifest(), "one"))
					if !run.NoChanges || len(c.calls) != calls || len(c.dbs) != dbs {
						t.Fatalf("shipped again: %s %+v, manual %v, %v", run.Status, run.Error, b.modes(run.ID), c.calls[calls:])
					}
				}
				c.find() // the credential is mended
				var run slipway.Run
				for range 3 {
					run = b.byPerson(b.ship(request(t, manifest(), "one")))
					b.mustSucceed(run)
				}
				if !run.NoChanges || len(c.dbs) != 2 {
					t.Errorf("with a credential that can do all it never comes to rest: %d databases, %v", len(c.dbs), c.calls[calls:])
				}
			})
		}
	}
}
