package engine

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

// TestALostUpdateIsFound: what an update whose reply was lost has left is told from what was there before.
func TestALostUpdateIsFound(t *testing.T) {
	before := map[string]any{"fingerprint": "old", "written": true, "size": float64(1)}
	for name, tc := range map[string]struct {
		reason        string
		version       string // that is seen; 1 is recorded
		before, after map[string]any
		want          bool
	}{
		"as declared": {"nothing is left to do", "2", before, map[string]any{"fingerprint": "new", "written": true, "size": 1}, true},
		"untouched":   {"the request never arrived", "1", before, before, false},
		"arrived": {
			"the write made another version than the recorded one, which is why it was not written last by what is recorded", "2", before,
			map[string]any{"fingerprint": "new", "written": false, "size": 1},
			true,
		},
		"same version": {
			"what differs is not explained by a write: it is to be sent again", "1", before,
			map[string]any{"fingerprint": "new", "written": true, "size": 7},
			false,
		},
		"half": {
			"what was to change has not all changed", "2",
			map[string]any{"fingerprint": "old", "written": true, "size": float64(2)},
			map[string]any{"fingerprint": "new", "written": false, "size": 2},
			false,
		},
		"their write": {
			"it was to undo what somebody else wrote, and nothing says that it did", "2",
			map[string]any{"fingerprint": "new", "written": false, "size": 1},
			map[string]any{"fingerprint": "new", "written": false, "size": 1},
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := slipway.Receipt{ID: "var-1", Version: "1", Origin: slipway.OriginCreated}
			spec := slipway.Spec{
				Address: "cloud.var/LEVEL", Known: &known, Params: map[string]any{"fingerprint": "new", "written": true, "size": 1},
			}
			seen := slipway.Receipt{ID: "var-1", Version: tc.version}
			u := &unit{
				effect: slipway.Effect{
					Key: "cloud.var/LEVEL#update", Address: spec.Address, Op: slipway.OpUpdate,
					Basis: map[string]any{"exists": true, "id": "var-1", "fields": tc.before},
				},
				spec: spec, search: true, obs: slipway.Observation{Exists: true, Receipt: seen, Fields: tc.after},
			}
			w := &worker{Engine: &Engine{}, plan: &slipway.Plan{Effects: []slipway.Effect{u.effect}}}
			if got := w.found(u); got != tc.want {
				t.Errorf("%s: found is %v", tc.reason, got)
			}
			if tc.want && (u.spec.Known.Origin != slipway.OriginCreated || name == "arrived" && u.spec.Known.Version != "2") {
				t.Errorf("%s: it goes on by the receipt %+v", tc.reason, u.spec.Known)
			}
		})
	}
}
