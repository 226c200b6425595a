package vercel

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// promoted deploys and promotes, and returns the Spec of production with the deployment filled in.
func (w *world) promoted(input string) slipway.Spec {
	w.t.Helper()
	d := w.spec("vercel.deployment/shop@production")
	d.Params["input"] = input
	r, err := w.handler(kindDeployment).Create(w.t.Context(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.specs["vercel.production/shop@production"].Params["deployment"] = r.ID
	want := w.spec("vercel.production/shop@production")
	obs := w.observe(want)
	if obs.Pending || obs.Failed != nil || obs.Fields["deployment"] == r.ID {
		w.t.Fatalf("before the promote: %+v", obs)
	}
	if _, err := w.handler(kindProduction).Update(w.t.Context(), want, obs); err != nil {
		w.t.Fatal(err)
	}
	return want
}

func TestPromote(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.VerifiedDomains = true
	w.send("POST", "/v10/projects/"+w.project.ID+"/domains", map[string]any{"name": "shop.example.com"})
	want := w.promoted("one")
	obs := w.observe(want)
	if obs.Pending || obs.Failed != nil || obs.Fields["deployment"] != want.Params["deployment"] {
		t.Fatalf("%+v", obs)
	}
	if diff := cmp.Diff([]string{"http://shop-front.vercel.app", "http://shop.example.com"}, obs.Receipt.URLs); diff != "" {
		t.Errorf("the project's domain comes first (-want +got):\n%s", diff)
	}
	if got := obs.Receipt.Details["domains"]; got != "shop-front.vercel.app,shop.example.com" {
		t.Errorf("domains %q", got)
	}
	unfilled := want
	unfilled.Params = map[string]any{"deployment": nil}
	before := len(w.server.Calls())
	obs = w.observe(unfilled)
	if obs.Fields["deployment"] != want.Params["deployment"] || !obs.Owned || len(w.server.Calls())-before != 1 {
		t.Errorf("while planning, one read of the project tells what is served and whose it is: %+v by %+v", obs, w.server.Calls()[before:])
	}
	unfilled.App = "blog"
	if obs := w.observe(unfilled); obs.Owned {
		t.Errorf("another app's deployment is not ours: %+v", obs)
	}
}

func TestPromoteTakesTime(t *testing.T) {
	w := start(t, manifest(), nil)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	w.server.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	w.server.PromoteTime = time.Second
	want := w.promoted("one")
	if obs := w.observe(want); !obs.Pending {
		t.Errorf("just after the promote: %+v", obs)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	if obs := w.observe(want); obs.Pending || obs.Fields["deployment"] != want.Params["deployment"] {
		t.Errorf("a minute later: %+v", obs)
	}
}

func TestPromoteMovesOneOfTwo(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.VerifiedDomains = true
	w.send("POST", "/v10/projects/"+w.project.ID+"/domains", map[string]any{"name": "shop.example.com"})
	w.server.AliasFails = func(host string) bool { return host == "shop.example.com" }
	obs := w.observe(w.promoted("one"))
	if obs.Failed == nil || !strings.Contains(obs.Failed.Message, "shop.example.com") || strings.Contains(obs.Failed.Message, "vercel.app") {
		t.Errorf("the domain that did not move is named: %+v", obs)
	}
}
