package engine_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

// What cannot be read cannot be compared: that it is declared to come from elsewhere is told by the ships before.
func TestAValueThatCannotBeReadFollowsItsDeclaration(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	c.find(finding(slipway.CauseAccountRefused))
	if run := b.ship(request(t, manifest(), "one")); !run.NoChanges {
		t.Fatalf("unchanged: %s %+v %v", run.Status, run.Error, b.modes(run.ID))
	}
	m, step := manifest(), "cloud.var/DATABASE_URL@production#update"
	m.Env["DATABASE_URL"] = slipway.EnvVar{From: "cache.url"}
	run := b.ship(request(t, m, "one"))
	b.mustWait(run)
	if got := b.modes(run.ID); len(got) != 1 || got[step] != slipway.ModeManual {
		t.Errorf("another reference: %v", got)
	}
	c.mu.Lock()
	c.vars["DATABASE_URL"] = map[string]string{"id": "var-hand", "value": "pasted", "written": c.stamp()}
	c.mu.Unlock()
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: step}); got != slipway.FindingDone {
		t.Errorf("pasted: %s", got)
	}
	b.mustSucceed(b.resume(run.ID))
	if run := b.ship(request(t, m, "one")); !run.NoChanges {
		t.Errorf("written from there: %s %+v %v", run.Status, run.Error, b.modes(run.ID))
	}
	run = b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	if got := b.modes(run.ID); got[step] != slipway.ModeManual {
		t.Errorf("and back: %v", got)
	}
}

func TestAValueThatIsWrittenUnseenIsToldWhy(t *testing.T) {
	elsewhere := manifest()
	elsewhere.Env["DATABASE_URL"] = slipway.EnvVar{From: "cache.url"}
	for name, tc := range map[string]struct {
		manifest *slipway.Manifest
		reason   string
	}{
		"unchanged":         {manifest(), "neither it nor its value can be looked at"},
		"another reference": {elsewhere, "its value comes from elsewhere than when it was written"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, newCloud())
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			b.bare = true
			d, err := b.Get(t.Context(), b.ship(request(t, tc.manifest, "one")).ID)
			if err != nil {
				t.Fatal(err)
			}
			if e := d.Plan.Effect("cloud.var/DATABASE_URL@production#update"); e == nil || e.Mode != slipway.ModeManual || e.Reason != tc.reason {
				t.Errorf("%+v, want %s", e, tc.reason)
			}
		})
	}
}
