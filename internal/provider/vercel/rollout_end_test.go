package vercel

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// rolled is an app that rolls out a deployment, whose promote is known, over another. *before comes once, before the next look at the release.
func rolled(t *testing.T, each time.Duration, before *func()) (w *world, second slipway.Spec) {
	t.Helper()
	w = start(t, manifest(), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if do := *before; do != nil && strings.HasSuffix(r.URL.Path, "/rolling-release") {
				*before = nil
				do()
			}
			h.ServeHTTP(rw, r)
		})
	})
	w.promoted("one")
	w.send("PATCH", "/v1/projects/"+w.project.ID+"/rolling-release/config", map[string]any{
		"stages": []map[string]any{{"targetPercentage": 10, "requireApproval": true}, {"targetPercentage": 100}},
	})
	w.server.PromoteTime = each
	second = w.promoted("two")
	second.Known = &slipway.Receipt{ID: second.Params["deployment"].(string)}
	return w, second
}

func (w *world) complete(want slipway.Spec) {
	w.t.Helper()
	w.send("POST", "/v1/projects/"+w.project.ID+"/rolling-release/complete", map[string]any{"canaryDeploymentId": want.Params["deployment"]})
}

// TestRolloutEndsBetween completes a release after the project was looked at, and before the release is. That must not look as if nothing had
// been asked for, or it would be asked for twice.
func TestRolloutEndsBetween(t *testing.T) {
	for name, c := range map[string]struct {
		each            time.Duration
		pending, serves bool
		reason          string
	}{
		"at once": {-1, false, true, "it is over, and production serves what was rolled out"},
		"slowly":  {time.Hour, true, false, "it is over, and the aliases have still to move"},
	} {
		t.Run(name, func(t *testing.T) {
			var before func()
			w, second := rolled(t, c.each, &before)
			before = func() { w.complete(second) }
			obs := w.observe(second)
			if serves := obs.Fields["deployment"] == second.Params["deployment"]; obs.Pending != c.pending || serves != c.serves || obs.Failed != nil {
				t.Errorf("%s: pending %v, serves it %v, failed %v", c.reason, obs.Pending, serves, obs.Failed)
			}
		})
	}
}

// TestQueuedBehindAMove looks at what is queued behind a release that is complete and has still to move its aliases: it is waited for, and
// told no more as behind a release, which would be waited for without an end. Of what was asked for by nobody nothing is waited for.
func TestQueuedBehindAMove(t *testing.T) {
	var before func()
	w, second := rolled(t, time.Hour, &before)
	third := w.promoted("three")
	third.Known = &slipway.Receipt{ID: third.Params["deployment"].(string)}
	w.complete(second)
	if obs := w.observe(third); !obs.Pending || obs.Failed != nil || obs.Rollout != nil {
		t.Errorf("queued: %+v", obs)
	}
	other := third
	other.Params = map[string]any{"deployment": "dpl_other"}
	other.Known = &slipway.Receipt{ID: "dpl_other"}
	if obs := w.observe(other); obs.Pending {
		t.Errorf("not queued: %+v", obs)
	}
}
