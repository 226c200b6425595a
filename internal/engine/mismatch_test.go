package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// TestAWrongStepTellsWhatIsWantedAndWhatIsThere looks at a database by the API and by its value.
func TestAWrongStepTellsWhatIsWantedAndWhatIsThere(t *testing.T) {
	for name, tc := range map[string]struct {
		cause  slipway.Cause
		region string
		want   []string
		reason string
	}{
		"by the API":   {slipway.CauseReadOnly, "west", []string{"region: east wanted, west there"}, "a person mends what they can see"},
		"by its value": {slipway.CauseAccountRefused, "west", []string{"region: east wanted, west there"}, "a connection tells as much"},
		"a secret":     {slipway.CauseReadOnly, "npg_west", []string{"region: east wanted, redactedwest there"}, "what looks like a secret is not repeated"},
		"nothing":      {slipway.CauseReadOnly, "", []string{"region: east wanted, nothing there"}, "what is not set is said"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			c.find(finding(tc.cause))
			b := newBench(t, c)
			run := b.ship(request(t, manifest(), "one"))
			b.mustWait(run)
			b.given = map[string]string{"SLIPWAY_OUTPUT_DB_URL": "postgres://secret-of-" + c.byHand("shop-db", tc.region)}
			s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, By: person})
			if err != nil || s.State == slipway.StepDone {
				t.Fatalf("%+v, %v", s, err)
			}
			if d := cmp.Diff(tc.want, s.Evidence.Differs); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}
