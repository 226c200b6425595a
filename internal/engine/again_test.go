package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// An approval that was given and is not what it should be opens nothing, says why, and is asked for again.
func TestGivenAndNotWhatItShouldBe(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		give   func(b *bench, run slipway.Run, a slipway.Approval)
		want   string
	}{
		"a clock that was set back": {"it would hold for longer than a day", func(b *bench, run slipway.Run, _ slipway.Approval) {
			b.ahead.Store(int64(48 * time.Hour))
			if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
				t.Fatal(code)
			}
			b.ahead.Store(0)
		}, "this machine's clock is behind that now"},
		"a ballot of another request": {"what was signed is looked at again when it is used", func(b *bench, run slipway.Run, a slipway.Approval) {
			if code := b.decide(sign(t, "ada", a.Ballot(slipway.Decision{}, time.Now()))); code != "" {
				t.Fatal(code)
			}
			other := a.Ballot(slipway.Decision{}, b.approvals(run.ID)[0].Votes[0].At)
			other.Nonce = "another"
			given := b.approvals(run.ID)[0]
			err := b.Store.Tx(t.Context(), func(tx slipway.Tx) error {
				given.Votes[0].Statement = sign(t, "ada", other).Statement
				return tx.SaveApproval(given)
			})
			if err != nil {
				t.Fatal(err)
			}
		}, "it answers another request"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, newCloud())
			b.rules = people(1)
			b.restart()
			run, a := b.asking("one")
			tc.give(b, run, a)
			run, _ = b.waiting(run.ID)
			if d := cmp.Diff([]string{"apply voided", "apply requested"}, b.states(run.ID)); d != "" || len(b.cloud.calls) != 0 {
				t.Errorf("%s: %s, calls %v", tc.reason, d, b.cloud.calls)
			}
			if why := strings.Join(b.approvals(run.ID)[0].Differs, " "); !strings.Contains(why, tc.want) {
				t.Errorf("it says %q", why)
			}
		})
	}
}
