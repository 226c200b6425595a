package engine_test

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// A step on a person's word alone may get the id that was forgotten, as long as nothing relies on its having none.
func TestAnIDMayFollowAnAssertion(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	word := slipway.ManualCheck{Run: run.ID, Step: cacheStep, Assert: true, Note: "made it", By: person}
	if s, err := b.CheckManual(t.Context(), word); err != nil || s.Receipt == nil || s.Receipt.ID != "" {
		t.Fatalf("asserted without an id: %+v, %v", s.Receipt, err)
	}
	later := slipway.ManualCheck{Run: run.ID, Step: cacheStep, ID: "hand-7", By: person}
	for name, tc := range map[string]struct {
		reason string
		check  func(c slipway.ManualCheck) slipway.ManualCheck
		code   slipway.Code
	}{
		"no id":  {"there is nothing to add", func(c slipway.ManualCheck) slipway.ManualCheck { c.ID = ""; return c }, slipway.CodeConflict},
		"agent":  {"only a person's word counts", func(c slipway.ManualCheck) slipway.ManualCheck { c.By.Kind = slipway.PrincipalAgent; return c }, slipway.CodeForbidden},
		"secret": {"a secret is no id", func(c slipway.ManualCheck) slipway.ManualCheck { c.ID = "npg_abcdef"; return c }, slipway.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := b.CheckManual(t.Context(), tc.check(later)); slipway.ErrorCode(err) != tc.code || strings.Contains(err.Error(), "npg_") {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
	s, err := b.CheckManual(t.Context(), later)
	if err != nil || s.State != slipway.StepDone || s.Receipt.ID != "hand-7" || s.Evidence.Note != "made it" || s.Evidence.Finding != slipway.FindingAsserted {
		t.Fatalf("with its id: %+v %+v, %v", s.Receipt, s.Evidence, err)
	}
	if word.ID = "hand-7"; len(s.Evidence.Statement) == 0 {
		t.Error("nobody has signed for the id")
	}
	if _, err := b.CheckManual(t.Context(), word); err != nil {
		t.Errorf("the same again is the same: %v", err)
	}
	word.ID = "hand-8"
	if _, err := b.CheckManual(t.Context(), word); slipway.ErrorCode(err) != slipway.CodeConflict || !strings.Contains(err.Error(), "hand-7") {
		t.Errorf("another id: %v", err)
	}
	if got := b.receipt("cloud.db/cache"); got.ID != "hand-7" || !got.ByHand {
		t.Errorf("recorded: %+v", got)
	}
}

func TestAnIDComesTooLateWhereSomethingReliesOnItsAbsence(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	for _, step := range []string{cacheStep, "cloud.var/CACHE_URL@production#create"} {
		if step != cacheStep {
			c.mu.Lock()
			c.vars["CACHE_URL"] = map[string]string{"id": "var-hand", "value": "pasted"}
			c.mu.Unlock()
		}
		if s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: step, Assert: step == cacheStep, Note: "made it", By: person}); err != nil || s.State != slipway.StepDone {
			t.Fatalf("%s: %s %v", step, s.State, err)
		}
	}
	late := slipway.ManualCheck{Run: run.ID, Step: cacheStep, ID: "hand-7", By: person}
	if _, err := b.CheckManual(t.Context(), late); slipway.ErrorCode(err) != slipway.CodeConflict || !strings.Contains(err.Error(), "CACHE_URL") {
		t.Errorf("its variable is written already: %v", err)
	}
	if got := b.receipt("cloud.db/cache"); got.ID != "" {
		t.Errorf("recorded all the same: %+v", got)
	}
}

// What was looked at has its id from that.
func TestAnObservedStepTakesNoOtherID(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	id := c.byHand("shop-db", "east")
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDone {
		t.Fatal(got)
	}
	_, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, ID: "hand-99", By: person})
	if slipway.ErrorCode(err) != slipway.CodeConflict || b.receipt("cloud.db/db").ID != id {
		t.Errorf("%v, recorded %+v", err, b.receipt("cloud.db/db"))
	}
}
