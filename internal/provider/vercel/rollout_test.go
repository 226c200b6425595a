package vercel

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// TestRollout looks at production in every state of a rolling release: as whoever plans, whoever has asked for it, and whoever waits behind it.
func TestRollout(t *testing.T) {
	w := start(t, manifest(), nil)
	first := w.promoted("one")
	of := func(want slipway.Spec) string { return want.Params["deployment"].(string) }
	one := of(first)
	w.send("PATCH", "/v1/projects/"+w.project.ID+"/rolling-release/config", map[string]any{
		"stages": []map[string]any{{"targetPercentage": 10, "requireApproval": true}, {"targetPercentage": 100}},
	})
	known := func(want slipway.Spec) slipway.Spec {
		want.Known = &slipway.Receipt{ID: of(want)}
		return want
	}
	second := known(w.promoted("two"))
	two := of(second)
	d := w.spec("vercel.deployment/shop@production")
	d.Params["input"] = "three"
	r, err := w.handler(kindDeployment).Create(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	third := w.spec("vercel.production/shop@production")
	third.Params["deployment"] = r.ID
	nothing := w.spec("vercel.production/shop@production")
	nothing.Params["deployment"] = nil
	theirs := third
	theirs.App = "blog"

	type seen struct {
		Serves         string
		Pending, Owned bool
		Failed         slipway.Code
		Rollout        *slipway.Rollout
	}
	look := func(reason string, want slipway.Spec, expected seen) {
		t.Helper()
		obs := w.observe(want)
		got := seen{Pending: obs.Pending, Owned: obs.Owned, Rollout: obs.Rollout}
		got.Serves, _ = obs.Fields["deployment"].(string)
		if obs.Failed != nil {
			got.Failed = slipway.ErrorCode(obs.Failed)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
	other := &slipway.Rollout{Of: two, Queued: true, Percent: 10, ByHand: true}
	look("its own is waited for, and what served still serves", second, seen{one, true, true, "", &slipway.Rollout{Of: two, Percent: 10, ByHand: true}})
	look("another's is what production serves; nothing is waited for that was not asked for", third, seen{two, false, true, "", other})
	look("so it is for a plan that knows no deployment yet", nothing, seen{two, false, true, "", other})
	look("whose it is hangs on the deployment that is rolled out", theirs, seen{two, false, false, "", other})

	w.send("POST", "/v10/projects/"+w.project.ID+"/promote/"+r.ID, map[string]any{})
	look("what is queued behind another's is waited for", third, seen{two, true, true, "", other})

	w.send("POST", "/v1/projects/"+w.project.ID+"/rollback/"+one, map[string]any{})
	look("its own was aborted", second, seen{Serves: one, Owned: true, Failed: slipway.CodeDrift})
	unasked := second
	unasked.Known = nil
	look("an aborted one of what was not asked for now is over", unasked, seen{Serves: one, Owned: true})
	look("what was queued is neither waited for nor failed", known(third), seen{Serves: one, Owned: true})

	obs := w.observe(known(third))
	if _, err := w.handler(kindProduction).Update(t.Context(), third, obs); err != nil {
		t.Fatal(err)
	}
	w.send("POST", "/v1/projects/"+w.project.ID+"/rolling-release/complete", map[string]any{"canaryDeploymentId": r.ID})
	look("its own is complete", known(third), seen{Serves: r.ID, Owned: true})
	look("an older one that was aborted says nothing of it", second, seen{Serves: r.ID, Owned: true})
}
