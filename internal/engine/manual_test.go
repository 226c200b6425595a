package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

var grace = slipway.Principal{Kind: slipway.PrincipalUser, Name: "grace"}

// connect stands for a connection test: a value is right when a database of the cloud has it. It tells the database's region.
func (b *bench) connect(_ context.Context, values map[string]slipway.Secret) (map[string]any, error) {
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	for id, db := range b.cloud.dbs {
		if values["url"].Reveal() == "postgres://secret-of-"+id || values["pooled_url"].Reveal() == "postgres://pool.secret-of-"+id {
			return map[string]any{"region": db["region"], "latency": 7}, nil
		}
	}
	return nil, slipway.Errorf(slipway.CodeUnauthorized, "the password is wrong")
}

// byHand makes a database as a person does, on the provider's page, and returns its id.
func (c *cloud) byHand(name, region string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.id("hand")
	c.dbs[id] = map[string]string{"name": name, "region": region, "size": "1"}
	return id
}

func (c *cloud) find(f ...slipway.Capability) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = f
}

func finding(cause slipway.Cause) slipway.Capability {
	return slipway.Capability{
		Provider: "cloud", Name: "databases", Kind: "cloud.db", State: cause.State(), Cause: cause, Reason: "databases are " + string(cause), Hint: "mend it",
	}
}

// check looks at a manual step and returns what was found.
func (b *bench) check(c slipway.ManualCheck) slipway.Finding {
	b.t.Helper()
	if c.By.Name == "" {
		c.By = person
	}
	s, err := b.CheckManual(b.t.Context(), c)
	if err != nil {
		b.t.Fatalf("check of %s: %v", c.Step, err)
	}
	return s.Evidence.Finding
}

func (b *bench) mustWait(run slipway.Run) {
	b.t.Helper()
	if run.Status != slipway.RunWaitingManual {
		b.t.Fatalf("run is %s: %+v", run.Status, run.Error)
	}
}

func (b *bench) modes(run string) map[string]slipway.Mode {
	b.t.Helper()
	d, err := b.Get(b.t.Context(), run)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]slipway.Mode{}
	for _, e := range d.Plan.Effects {
		if e.Mode != slipway.ModeAutomated {
			out[e.Key] = e.Mode
		}
	}
	return out
}

func (b *bench) resume(id string) slipway.Run {
	b.t.Helper()
	if _, err := b.Resume(b.t.Context(), id, folder("one"), person); err != nil {
		b.t.Fatal(err)
	}
	return b.finish(id)
}

const dbStep, cacheStep = "cloud.db/db#create", "cloud.db/cache#create"

func TestReadOnlyCredentialWaitsForWhatAPersonMakes(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if d := cmp.Diff(map[string]slipway.Mode{dbStep: slipway.ModeManual, cacheStep: slipway.ModeManual}, b.modes(run.ID)); d != "" {
		t.Errorf("a credential that reads resolves values: only the databases are made by hand (-want +got):\n%s", d)
	}
	if c.made["cloud.project"] != 1 || c.made["cloud.var"] != 2 {
		t.Errorf("made %v: what can go on goes on", c.made)
	}
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingAbsent {
		t.Errorf("not at all: %s", got)
	}
	wrong := c.byHand("shop-db", "west")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingWrong {
		t.Errorf("in another region: %s", got)
	}
	right := c.byHand("shop-db", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDuplicate {
		t.Errorf("twice: %s", got)
	}
	c.mu.Lock()
	delete(c.dbs, wrong)
	c.mu.Unlock()
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: "1", ID: right}); got != slipway.FindingDone && got != slipway.FindingAbsent {
		t.Errorf("right: %s", got)
	}
	c.byHand("shop-cache", "east")
	for _, step := range []string{dbStep, cacheStep} {
		if s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: step, By: person}); err == nil && s.Evidence.Finding != slipway.FindingDone {
			t.Errorf("%s: %s", step, s.Evidence.Finding)
		}
	}
	if got := b.resume(run.ID); got.Status != slipway.RunSucceeded || got.Revision != 1 {
		t.Fatalf("resumed: %s in revision %d, %+v", got.Status, got.Revision, got.Error)
	}
	if c.made["cloud.db"] != 0 || len(c.dbs) != 2 {
		t.Errorf("%d databases were made beside a person's two", c.made["cloud.db"])
	}
	calls := len(c.calls)
	if run := b.ship(request(t, manifest(), "one")); !run.NoChanges || len(c.calls) != calls {
		t.Errorf("the second ship: no_changes %t, %v", run.NoChanges, c.calls[calls:])
	}
	destroyed, err := b.Destroy(t.Context(), slipway.DestroyRequest{
		Manifest: request(t, manifest(), "one").Manifest, Requester: person, Options: slipway.RunOptions{All: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	run = b.finish(destroyed.ID)
	b.mustWait(run)
	if got := b.modes(run.ID); got["cloud.db/db#delete"] != slipway.ModeManual {
		t.Errorf("what was made by hand is deleted by hand: %v", got)
	}
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: "cloud.db/db#delete"}); got != slipway.FindingAbsent {
		t.Errorf("not deleted yet: %s", got)
	}
	c.mu.Lock()
	c.dbs = map[string]map[string]string{}
	c.mu.Unlock()
	for _, step := range []string{"cloud.db/db#delete", "cloud.db/cache#delete"} {
		if got := b.check(slipway.ManualCheck{Run: run.ID, Step: step}); got != slipway.FindingDone {
			t.Errorf("deleted: %s", got)
		}
	}
	if _, err := b.Resume(t.Context(), run.ID, nil, person); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	if c.project != nil {
		t.Error("the project is still there")
	}
}

func TestRefusedAccountIsCarriedByAPerson(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	vars := []string{"cloud.var/CACHE_URL@production#create", "cloud.var/DATABASE_URL@production#create"}
	want := map[string]slipway.Mode{dbStep: slipway.ModeManual, cacheStep: slipway.ModeManual, vars[0]: slipway.ModeManual, vars[1]: slipway.ModeManual}
	if d := cmp.Diff(want, b.modes(run.ID)); d != "" {
		t.Errorf("what cannot be read is carried by a person (-want +got):\n%s", d)
	}
	book, _, err := b.Runbook(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, s := range book.Steps {
		order = append(order, s.Key)
	}
	if slices.Index(order, dbStep) > slices.Index(order, vars[1]) || len(order) != 4 {
		t.Errorf("the runbook's order: %v", order)
	}
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingUnseen {
		t.Errorf("nothing can look: %s", got)
	}
	if _, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: vars[1], By: person}); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("out of order: %v", err)
	}
	b.given = map[string]string{"SLIPWAY_OUTPUT_DB_URL": "postgres://wrong"}
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingWrong {
		t.Errorf("a value that does not connect: %s", got)
	}
	b.given["SLIPWAY_OUTPUT_DB_URL"] = "postgres://secret-of-" + c.byHand("shop-db", "west")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingWrong {
		t.Errorf("a value that connects to something else than declared: %s", got)
	}
	b.given["SLIPWAY_OUTPUT_DB_URL"] = "postgres://secret-of-" + c.byHand("shop-db", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDone {
		t.Errorf("a value that connects: %s", got)
	}
	agent := slipway.Principal{Kind: slipway.PrincipalAgent, Name: "robot"}
	for name, tc := range map[string]struct {
		check  slipway.ManualCheck
		code   slipway.Code
		reason string
	}{
		"agent":   {slipway.ManualCheck{Assert: true, Note: "seen", By: agent}, slipway.CodeForbidden, "only a person's word counts"},
		"no note": {slipway.ManualCheck{Assert: true, By: person}, slipway.CodeInvalid, "evidence says what was seen"},
		"spaces":  {slipway.ManualCheck{ID: "db 1", By: person}, slipway.CodeInvalid, "an id has no spaces"},
		"url":     {slipway.ManualCheck{ID: "https://cloud.example/db-1", By: person}, slipway.CodeInvalid, "a URL is no id"},
		"secret":  {slipway.ManualCheck{ID: "npg_abcdef", By: person}, slipway.CodeInvalid, "a secret is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.check.Run, tc.check.Step = run.ID, cacheStep
			_, err := b.CheckManual(t.Context(), tc.check)
			if slipway.ErrorCode(err) != tc.code || strings.Contains(err.Error(), "npg_") {
				t.Errorf("%s: got %v, want %s", tc.reason, err, tc.code)
			}
			var told *slipway.Error
			if !errors.As(err, &told) || told.Hint == "" {
				t.Errorf("%s: no hint with %v", tc.reason, err)
			}
		})
	}
	s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: cacheStep, Assert: true, Note: "made it, id 7", By: person})
	if err != nil || s.Evidence.Finding != slipway.FindingAsserted || !strings.Contains(string(s.Evidence.Statement), cacheStep) {
		t.Errorf("asserted: %+v, %v", s.Evidence, err)
	}
	// The handed value lets Slipway write one variable itself; the other is a person's.
	b.mustWait(b.resume(run.ID))
	if got := b.modes(run.ID); got[vars[1]] != slipway.ModeAutomated || got[vars[0]] != slipway.ModeManual {
		t.Errorf("modes %v", got)
	}
	if _, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: vars[0], Assert: true, Note: "done", By: person}); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("what can be looked at is not asserted: %v", err)
	}
	c.mu.Lock()
	c.vars["CACHE_URL"] = map[string]string{"id": "var-hand", "value": "pasted"}
	c.mu.Unlock()
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: vars[0]}); got != slipway.FindingDone {
		t.Errorf("pasted: %s", got)
	}
	b.mustSucceed(b.resume(run.ID))
	calls := len(c.calls)
	if run := b.ship(request(t, manifest(), "one")); !run.NoChanges || len(c.calls) != calls {
		t.Errorf("the second ship: no_changes %t (%s %+v), %v", run.NoChanges, run.Status, run.Error, c.calls[calls:])
	}
}

func TestCredentialsThatComeAndGo(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	c.byHand("shop-db", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDone {
		t.Fatalf("done by hand: %s", got)
	}
	c.find() // the right to write turns up
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	waiting, err := b.Wait(t.Context(), run.ID)
	b.Stop()
	if err != nil || waiting.Status != slipway.RunWaitingApproval || waiting.Revision != 2 {
		t.Fatalf("another plan wants another approval: %s in revision %d, %v", waiting.Status, waiting.Revision, err)
	}
	c.find(finding(slipway.CauseReadOnly)) // and goes again before anybody approves
	run = b.resume(run.ID)
	b.mustWait(run)
	c.find()
	b.mustSucceed(b.resume(run.ID))
	if c.made["cloud.db"] != 1 || len(c.dbs) != 2 || c.made["cloud.var"] != 4 {
		t.Errorf("made %v, databases %d: nothing that was done is done again", c.made, len(c.dbs))
	}
}

func TestRefusalAtTheCallTurnsManual(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	f := finding(slipway.CauseForbidden)
	f.Op = slipway.OpCreate
	c.find(f)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if got := b.modes(run.ID); got[dbStep] != slipway.ModeManual || got[cacheStep] != slipway.ModeManual {
		t.Errorf("modes %v", got)
	}
	if c.made["cloud.db"] != 0 || c.made["cloud.project"] != 1 {
		t.Errorf("made %v", c.made)
	}
	c.find()
	b.mustSucceed(b.resume(run.ID))
	if c.made["cloud.db"] != 2 {
		t.Errorf("with the right, resume makes them: %v", c.made)
	}
}

func TestTwoPeopleCannotTakeOneStep(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, person); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"take": func() error { _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, grace); return err },
		"check": func() error {
			_, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, By: grace})
			return err
		},
	} {
		if err := try(); slipway.ErrorCode(err) != slipway.CodeConflict || !strings.Contains(err.Error(), "ada") {
			t.Errorf("%s by another: %v", name, err)
		}
	}
	if _, err := b.TakeManual(t.Context(), run.ID, dbStep, true, person); err != nil {
		t.Fatal(err)
	}
	if _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, grace); err != nil {
		t.Errorf("given back and taken: %v", err)
	}
}

func TestWhatIsBlockedStopsOnlyWhatNeedsIt(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseExpired))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	if run.Status != slipway.RunFailed || run.Error.Hint == "" || c.made["cloud.project"] != 1 || c.made["cloud.db"] != 0 {
		t.Fatalf("%s %+v, made %v", run.Status, run.Error, c.made)
	}
	c.find()
	b.mustSucceed(b.resume(run.ID))
	want := map[string]int{"cloud.project": 1, "cloud.db": 2, "cloud.var": 4, "cloud.deploy": 1}
	if d := cmp.Diff(want, c.made); d != "" {
		t.Errorf("made (-want +got):\n%s", d)
	}
	c.find(finding(slipway.CauseExpired))
	if run := b.ship(request(t, manifest(), "one")); run.Status != slipway.RunFailed {
		t.Errorf("nothing was looked at, and the run says %s", run.Status)
	}
}

func TestWithoutAnyCredentialAllIsManual(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.bare = true
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if c.probes > 0 || len(c.calls) > 0 {
		t.Errorf("%d probes and %v were sent without a credential", c.probes, c.calls)
	}
	d, err := b.Get(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Plan.Effects {
		if e.Mode != slipway.ModeManual || e.Address == "cloud.var/SLIPWAY" {
			t.Errorf("%s is %q", e.Key, e.Mode)
		}
		check := slipway.ManualCheck{Run: run.ID, Step: e.Key, Assert: true, Note: "done", By: person}
		if s, err := b.CheckManual(t.Context(), check); err != nil || s.State != slipway.StepDone {
			t.Errorf("%s: %v %v", e.Key, s.State, err)
		}
		run = b.resume(run.ID)
	}
	b.mustSucceed(run)
	if run := b.ship(request(t, manifest(), "one")); !run.NoChanges {
		t.Errorf("the second ship: %s %+v %v", run.Status, run.Error, b.modes(run.ID))
	}
	m := manifest()
	m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
	b.mustWait(b.ship(request(t, m, "one")))
}

func TestAWordCountsOnlyWhereTheRunsCredentialIsBlind(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	b.bare = true // another process, without the credential
	assert := slipway.ManualCheck{Run: run.ID, Step: dbStep, Assert: true, Note: "made it", By: person}
	if _, err := b.CheckManual(t.Context(), assert); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("the owner can look: %v", err)
	}
	b.mustWait(b.resume(run.ID)) // the credential is gone for good
	if got := b.check(assert); got != slipway.FindingAsserted {
		t.Errorf("nobody can look any more: %s", got)
	}
}

func TestWhoDoesAStepStaysWithIt(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, person); err != nil {
		t.Fatal(err)
	}
	c.byHand("shop-cache", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: cacheStep}); got != slipway.FindingDone {
		t.Fatalf("cache: %s", got)
	}
	b.bare = true // what can be looked at changes, and with it the plan
	b.mustWait(b.resume(run.ID))
	if _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, grace); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("a revision later another took the step: %v", err)
	}
}

func TestDestroyOfWhatNothingCanLookAtIsManual(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	b.bare = true
	run, err := b.Destroy(t.Context(), slipway.DestroyRequest{
		Manifest: request(t, manifest(), "one").Manifest, Requester: person, Options: slipway.RunOptions{All: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.mustWait(b.finish(run.ID))
	for key, mode := range b.modes(run.ID) {
		if mode != slipway.ModeManual {
			t.Errorf("%s is %s", key, mode)
		}
	}
}

func TestWhatCannotBeChangedInPlaceIsReplacedUnseenAsWell(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	c.find(finding(slipway.CauseAccountRefused))
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "west", "size": "1"}}
	run := b.ship(request(t, m, "one"))
	b.mustWait(run)
	d, err := b.Get(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if e := d.Plan.Effect("cloud.db/db#replace"); e == nil || e.Mode != slipway.ModeManual || e.Gate != slipway.GateDestroy {
		t.Errorf("another region: %+v", e)
	}
	if e := d.Plan.Effect("cloud.var/DATABASE_URL@production#update"); e == nil || e.Mode != slipway.ModeManual {
		t.Errorf("the new one's address has to be carried: %+v", e)
	}
	if e := d.Plan.Effect("cloud.db/cache#update"); e != nil {
		t.Errorf("what did not change is left alone: %+v", e)
	}
}
