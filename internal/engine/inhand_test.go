package engine_test

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// What a person has in hand is not done by Slipway as well, whoever approves it: they finish it, or give it back.
func TestWhatAPersonHasInHandIsLeftToThem(t *testing.T) {
	for name, tc := range map[string]struct {
		end    func(*bench, *cloud, string) // of the person's work
		made   int                          // databases, by Slipway
		reason string
	}{
		"given back": {func(b *bench, _ *cloud, run string) {
			if _, err := b.TakeManual(b.t.Context(), run, dbStep, true, person); err != nil {
				b.t.Error(err)
			}
		}, 2, "Slipway may do it now"},
		"finished": {func(b *bench, c *cloud, run string) {
			c.byHand("shop-db", "east")
			if got := b.check(slipway.ManualCheck{Run: run, Step: dbStep}); got != slipway.FindingDone {
				b.t.Errorf("done by hand: %s", got)
			}
		}, 1, "nothing done is done again"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			c.find(finding(slipway.CauseReadOnly))
			b := newBench(t, c)
			run := b.ship(request(t, manifest(), "one"))
			b.mustWait(run)
			if _, err := b.TakeManual(t.Context(), run.ID, dbStep, false, person); err != nil {
				t.Fatal(err)
			}
			b.mustWait(b.resume(run.ID)) // nothing has changed: the run goes on as planned
			c.find()                     // the right to write turns up
			for range 2 {
				got := b.resume(run.ID)
				if got.Status != slipway.RunFailed || got.Revision != 1 || got.Error.Code != slipway.CodeConflict {
					t.Fatalf("resumed: %s in revision %d, %+v", got.Status, got.Revision, got.Error)
				}
				if !strings.Contains(got.Error.Message, "ada has taken "+dbStep) || !strings.Contains(got.Error.Hint, "slipway manual "+run.ID+" --release '"+dbStep+"'") {
					t.Errorf("it does not say who, or what to do: %+v", got.Error)
				}
			}
			if c.made["cloud.db"] != 0 {
				t.Fatalf("%d databases were made beside what ada makes", c.made["cloud.db"])
			}
			tc.end(b, c, run.ID)
			b.mustSucceed(b.resume(run.ID))
			if c.made["cloud.db"] != tc.made || len(c.dbs) != 2 {
				t.Errorf("%s: %d databases made of %d", tc.reason, c.made["cloud.db"], len(c.dbs))
			}
		})
	}
}
