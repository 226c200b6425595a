package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
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
	elsewhere, remade := manifest(), manifest()
	remade.Resources["db"].Fields["region"] = "west"
	elsewhere.Env["DATABASE_URL"] = slipway.EnvVar{From: "cache.url"}
	for name, tc := range map[string]struct {
		manifest *slipway.Manifest
		reason   string
	}{
		"made anew":         {remade, "neither it nor its value can be looked at"},
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

// What nothing here can look at is as it was written last, as far as the home knows: only a declaration that has changed is told.
func TestWhatCannotBeSeenIsAsItWasWritten(t *testing.T) {
	const level, url = "cloud.var/LEVEL@production#update", "cloud.var/DATABASE_URL@production#update"
	const deploy, promote = "cloud.deploy/shop@production#deploy", "cloud.live/shop@production#promote"
	for name, tc := range map[string]struct {
		edit   func(*slipway.Manifest)
		source string
		want   []string
		reason string
	}{
		"unchanged": {func(*slipway.Manifest) {}, "one", nil, "all is as it was shipped"},
		"a value": {
			func(m *slipway.Manifest) { m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"} }, "one",
			[]string{deploy, promote, level},
			"a value that can be told is another",
		},
		"the source": {func(*slipway.Manifest) {}, "two", []string{deploy, promote}, "the values are the same"},
		"a reference": {
			func(m *slipway.Manifest) { m.Env["DATABASE_URL"] = slipway.EnvVar{From: "cache.url"} }, "one",
			[]string{deploy, promote, url},
			"it comes from elsewhere",
		},
		"a secret that is not set": {
			func(m *slipway.Manifest) { m.Env["LEVEL"] = slipway.EnvVar{Secret: "UNSET"} }, "one",
			[]string{deploy, promote, level},
			"it was written from the manifest",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, newCloud())
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			b.bare = true
			m := manifest()
			tc.edit(m)
			run := b.ship(request(t, m, tc.source))
			if d := cmp.Diff(tc.want, slices.Sorted(maps.Keys(b.modes(run.ID)))); d != "" {
				t.Fatalf("%s (-want +got):\n%s", tc.reason, d)
			}
			for run.Status == slipway.RunWaitingManual { // a person does all of it
				for _, e := range b.detail(run.ID).Plan.Effects {
					_, _ = b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: e.Key, Assert: true, Note: "done", By: person})
				}
				if _, err := b.Resume(t.Context(), run.ID, folder(tc.source), person); err != nil {
					t.Fatal(err)
				}
				run = b.finish(run.ID)
			}
			b.mustSucceed(run)
			if run := b.ship(request(t, m, tc.source)); !run.NoChanges {
				t.Errorf("shipped again: %s %+v %v", run.Status, run.Error, b.modes(run.ID))
			}
		})
	}
}

// A home that has only seen what another one wrote tells what is another value now, though nothing can look any more.
func TestAValueThatWasSeenIsToldWhenItIsAnother(t *testing.T) {
	const key = "cloud.var/STRIPE_KEY@production#update"
	for name, tc := range map[string]struct {
		now    string
		want   []string
		reason string
	}{
		"the same": {"the value of ", nil, "what was seen is as it was, and what cannot be read too"},
		"another": {
			"another value of ",
			[]string{"cloud.deploy/shop@production#deploy", "cloud.live/shop@production#promote", key},
			"a person writes it anew",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			writer := newBench(t, c)
			writer.mustSucceed(writer.ship(request(t, manifest(), "one")))
			home, value := newBench(t, c), "the value of "
			home.edit = func(c *engine.Config) {
				c.Secrets = func(n string) (slipway.Secret, bool) {
					return slipway.NewSecret(value + n), !strings.HasPrefix(n, "SLIPWAY_OUTPUT_")
				}
			}
			home.restart()
			if run := home.ship(request(t, manifest(), "one")); !run.NoChanges {
				t.Fatalf("while it can look: %s %v", run.Status, home.modes(run.ID))
			}
			home.bare, value = true, tc.now
			plan, err := home.Plan(t.Context(), request(t, manifest(), "one"))
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, e := range plan.Effects {
				if keys = append(keys, e.Key); e.Mode != slipway.ModeManual {
					t.Errorf("%s is %s", e.Key, e.Mode)
				}
			}
			slices.Sort(keys)
			if d := cmp.Diff(tc.want, keys); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			if e := plan.Effect(key); e != nil && e.Reason != "its value is another than when it was written, and it cannot be looked at" {
				t.Errorf("reason: %s", e.Reason)
			}
		})
	}
}
