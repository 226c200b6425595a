package slipway

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMovement(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		obs    Observation
		want   string
		data   map[string]any
	}{
		"one thing": {"what has no parts does not move in parts", Observation{Pending: true}, "", map[string]any{}},
		"a build":   {"at what stage it is", Observation{Pending: true, Stage: "building"}, "building", map[string]any{"stage": "building"}},
		"nothing yet": {
			"all of it is waited for",
			Observation{Parts: map[string]Part{"b": PartWaiting, "a": PartWaiting}},
			"waits for a, b",
			map[string]any{"moved": []any{}, "waiting": []any{"a", "b"}},
		},
		"in part": {
			"each part by name",
			Observation{Parts: map[string]Part{"a": PartMoved, "b": PartWaiting, "c": PartFailed}},
			"moved a; waits for b; failed c",
			map[string]any{"moved": []any{"a"}, "waiting": []any{"b"}, "failed": []any{"c"}},
		},
		"queued": {
			"behind what, and for whom it waits",
			Observation{Rollout: &Rollout{Of: "dpl_1", Queued: true, Percent: 12.5, ByHand: true}},
			"queued behind a rolling release of dpl_1, which has 12.5% of the traffic until somebody approves its next stage",
			map[string]any{
				"rollout": map[string]any{"of": "dpl_1", "queued": true, "percent": 12.5, "by_hand": true},
				"why":     "queued behind a rolling release of dpl_1, which has 12.5% of the traffic until somebody approves its next stage",
			},
		},
		"rolled out": {
			"its own share",
			Observation{Rollout: &Rollout{Of: "dpl_1", Percent: 50}},
			"in a rolling release of dpl_1, which has 50% of the traffic",
			map[string]any{
				"rollout": map[string]any{"of": "dpl_1", "queued": false, "percent": 50.0, "by_hand": false},
				"why":     "in a rolling release of dpl_1, which has 50% of the traffic",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := MovementOf(tc.obs)
			if got := m.String(); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
			if d := cmp.Diff(tc.data, m.Data()); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			if again := MovementOf(tc.obs); !m.Equal(again) || m != nil && m.Equal(MovementOf(Observation{Parts: map[string]Part{"z": PartMoved}})) {
				t.Errorf("%s: it is not equal to itself, or to what is another", tc.reason)
			}
		})
	}
}
