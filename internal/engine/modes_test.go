package engine_test

import (
	"fmt"
	"strings"
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

// receipt is what this home has recorded at an address.
func (b *bench) receipt(a slipway.Address) (r slipway.Receipt) {
	b.t.Helper()
	err := b.store.Read(b.t.Context(), func(tx slipway.Tx) error {
		all, err := tx.Receipts("shop")
		r = all[a]
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// sized is the shop with a database of another size.
func sized(size string) *slipway.Manifest {
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": size}}
	return m
}

func TestAPersonsWordKeepsWhatIsRecorded(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	before := b.receipt("cloud.db/db")
	c.find(finding(slipway.CauseAccountRefused))
	b.given = map[string]string{}
	for _, name := range []string{"db", "cache"} {
		b.given["SLIPWAY_OUTPUT_"+strings.ToUpper(name)+"_URL"] = "postgres://secret-of-" + b.receipt(slipway.Address("cloud.db/"+name)).ID
	}
	run := b.ship(request(t, sized("2"), "one"))
	b.mustWait(run)
	b.given = nil
	check := slipway.ManualCheck{Run: run.ID, Step: "cloud.db/db#update", Assert: true, Note: "made it larger", By: person}
	if s, err := b.CheckManual(t.Context(), check); err != nil || s.State != slipway.StepDone {
		t.Fatalf("%v %v", s.State, err)
	}
	after := b.receipt("cloud.db/db")
	if after.ID != before.ID || after.Account != before.Account || !after.ByHand {
		t.Errorf("recorded was %+v, and is now %+v", before, after)
	}
	check.ID, check.Step = "db-other", "cloud.db/db#update"
	if _, err := b.CheckManual(t.Context(), check); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("done a second time: %v", err)
	}
}

func TestAHandedValueNeedNotBeHandedAgain(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	b.given = map[string]string{}
	for _, name := range []string{"db", "cache"} {
		b.given["SLIPWAY_OUTPUT_"+strings.ToUpper(name)+"_URL"] = "postgres://secret-of-" + c.byHand("shop-"+name, "east")
	}
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	for _, step := range []string{dbStep, cacheStep} {
		b.check(slipway.ManualCheck{Run: run.ID, Step: step})
	}
	b.mustSucceed(b.resume(run.ID))
	b.given = nil
	calls := len(c.calls)
	for range 2 {
		if run := b.ship(request(t, manifest(), "one")); !run.NoChanges || len(c.calls) != calls {
			t.Errorf("shipped again: %s %+v, manual %v, %v", run.Status, run.Error, b.modes(run.ID), c.calls[calls:])
		}
	}
}

func TestAUrlHoldsNoCredential(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	for _, url := range []string{
		"https://ada:hunter22@shop.example", "https://shop.example/?token=hunter22", "https://shop.example/#hunter22", "https://", "https://a b", "https:///x",
	} {
		_, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, URL: url, By: person})
		if slipway.ErrorCode(err) != slipway.CodeInvalid || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAnApprovalIsUsedByWhatAPersonDoes(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseMissing))
	b := newBench(t, c)
	b.bare = true
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	check := slipway.ManualCheck{Run: run.ID, Step: "cloud.project/shop#create", Assert: true, Note: "made", By: person}
	if _, err := b.CheckManual(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	if got := b.detail(run.ID).Approvals[0].State; got != slipway.ApprovalConsumed {
		t.Errorf("the approval is %s: it would expire amid the work", got)
	}
}

func TestNoDriftInWhatAPersonMade(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.bare = true
	run := b.ship(request(t, manifest(), "one"))
	for run.Status == slipway.RunWaitingManual {
		for _, e := range b.detail(run.ID).Plan.Effects {
			check := slipway.ManualCheck{Run: run.ID, Step: e.Key, By: person}
			if _, err := b.CheckManual(t.Context(), check); err != nil {
				continue
			}
			c.does(e, run.ID, nil)
			check.Assert, check.Note = true, "done"
			if _, err := b.CheckManual(t.Context(), check); err != nil {
				t.Fatal(err)
			}
		}
		run = b.resume(run.ID)
	}
	b.mustSucceed(run)
	b.bare = false // now somebody can look
	d, err := b.Drift(t.Context(), "shop", slipway.Production)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range d.Found {
		if d.Kind != slipway.DriftUnseen {
			t.Errorf("%s is called %s: %v", d.Address, d.Kind, d.Changes)
		}
	}
}

func TestDestroyOfWhatIsNotDeclaredAndCannotBeLookedAt(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	c.find(finding(slipway.CauseAccountRefused))
	m := manifest()
	delete(m.Resources, "cache")
	delete(m.Env, "CACHE_URL")
	run := b.destroy(m, slipway.RunOptions{All: true})
	b.mustWait(run)
	if got := b.modes(run.ID); got["cloud.db/cache#delete"] != slipway.ModeManual || got["cloud.db/db#delete"] != slipway.ModeManual {
		t.Errorf("modes %v", got)
	}
}
