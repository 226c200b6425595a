package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestDrift(t *testing.T) {
	db := func(c *cloud, name string) string {
		for id, d := range c.dbs {
			if d["name"] == name {
				return id
			}
		}
		return ""
	}
	for name, tc := range map[string]struct {
		change func(*cloud)
		want   []slipway.Difference
		reason string
	}{
		"nothing": {func(*cloud) {}, nil, "what was changed here since the ship does not count"},
		"field": {
			func(c *cloud) { c.dbs[db(c, "shop-db")]["size"] = "9" },
			[]slipway.Difference{{
				Address: "cloud.db/db", Kind: slipway.DriftChanged, Name: "shop-db", Changes: []slipway.Change{{Field: "size", From: "1", To: "9"}},
			}},
			"a field that was declared",
		},
		"gone": {
			func(c *cloud) { delete(c.dbs, db(c, "shop-cache")) },
			[]slipway.Difference{{Address: "cloud.db/cache", Kind: slipway.DriftGone, Name: "shop-cache"}},
			"a database that somebody deleted, and not what follows from it",
		},
		"variable gone": {
			func(c *cloud) { delete(c.vars, "LEVEL") },
			[]slipway.Difference{{Address: "cloud.var/LEVEL@production", Kind: slipway.DriftGone, Name: "LEVEL"}},
			"a variable that somebody deleted",
		},
		"variable made anew": {
			func(c *cloud) { c.vars["LEVEL"]["id"] = "var-other" },
			[]slipway.Difference{{
				Address: "cloud.var/LEVEL@production", Kind: slipway.DriftChanged, Name: "LEVEL",
				Changes: []slipway.Change{{Field: "id", From: "…", To: "var-other"}},
			}},
			"deleted and made again is told apart by its id",
		},
		"added": {
			func(c *cloud) {
				c.vars["EXTRA"] = map[string]string{"id": "var-x", "fingerprint": "ours", "value": "x"}
			},
			[]slipway.Difference{{Address: "cloud.var/EXTRA@production", Kind: slipway.DriftAdded, Name: "EXTRA"}},
			"what bears our mark and was not shipped",
		},
		"production": {
			func(c *cloud) { c.serving = "dpl-other" },
			[]slipway.Difference{{
				Address: "cloud.live/shop@production", Kind: slipway.DriftChanged, Name: "shop",
				Changes: []slipway.Change{{Field: "deployment", From: "…", To: "dpl-other"}},
			}},
			"production was moved by somebody else",
		},
		"unseen": {
			func(c *cloud) { c.findings = slipway.Access{finding(slipway.CauseAccountRefused)} },
			[]slipway.Difference{
				{Address: "cloud.db/cache", Kind: slipway.DriftUnseen, Name: "shop-cache"}, {Address: "cloud.db/db", Kind: slipway.DriftUnseen, Name: "shop-db"},
			},
			"what could not be looked at is not called in order",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b := newBench(t, c)
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			m := manifest()
			m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
			run, err := b.Ship(t.Context(), request(t, m, "two")) // wanted, and not yet shipped
			if err != nil {
				t.Fatal(err)
			}
			tc.change(c)
			calls := len(c.calls)
			drifted, err := b.Drift(t.Context(), "shop", slipway.Production)
			if err != nil {
				t.Fatal(err)
			}
			got := drifted.Found
			for i := range got {
				for j := range got[i].Changes {
					if c := &got[i].Changes[j]; c.Field == "id" || c.Field == "deployment" {
						c.From = "…"
					}
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			if len(c.calls) != calls {
				t.Errorf("drift changed something: %v", c.calls[calls:])
			}
			if _, err := b.Cancel(t.Context(), run.ID, "", person); err != nil {
				t.Fatal(err)
			}
		})
	}
	b := newBench(t, newCloud())
	if _, err := b.Drift(t.Context(), "shop", slipway.Production); slipway.ErrorCode(err) != slipway.CodeConflict {
		t.Errorf("before the first ship: %v", err)
	}
}

// What a ship has written is Slipway's own, though the ship failed afterwards and production was moved back.
func TestNoDriftInWhatAFailedShipWrote(t *testing.T) {
	c, bad := newCloud(), false
	b, _ := probed(t, c, wellUntil(&bad))
	b.mustSucceed(b.ship(request(t, watched(), "one")))
	first := c.serving
	bad = true
	m := watched()
	m.Resources["db"].Fields["size"] = "2"
	m.Env["EXTRA"] = slipway.EnvVar{Value: "more"}
	delete(m.Env, "LEVEL")
	run := b.ship(request(t, m, "two"))
	if run.Status != slipway.RunFailed || c.serving != first {
		t.Fatalf("the run is %s; production serves %s", run.Status, c.serving)
	}
	drift := func() slipway.Drift {
		d, err := b.Drift(t.Context(), "shop", slipway.Production)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if got := drift(); len(got.Found) > 0 || len(got.Since) != 1 || got.Since[0].ID != run.ID {
		t.Errorf("after the way back: %+v, changed since by %v; want by %s", got.Found, got.Since, run.ID)
	}
	for _, d := range c.dbs {
		if d["name"] == "shop-db" {
			d["size"] = "1"
		}
	}
	delete(c.vars, "EXTRA")
	want := []slipway.Difference{
		{Address: "cloud.db/db", Kind: slipway.DriftChanged, Name: "shop-db", Changes: []slipway.Change{{Field: "size", From: "2", To: "1"}}},
		{Address: "cloud.var/EXTRA@production", Kind: slipway.DriftGone, Name: "EXTRA"},
	}
	if d := cmp.Diff(want, drift().Found); d != "" {
		t.Errorf("what somebody has taken back since (-want +got):\n%s", d)
	}
}

func TestNoDriftInWhatARollbackDeclares(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	b.mustSucceed(b.ship(request(t, manifest(), "two")))
	m := manifest()
	m.Resources["db"].Fields["size"] = "2" // wanted, and not yet shipped
	run, err := b.Rollback(t.Context(), slipway.RollbackRequest{Manifest: request(t, m, "two").Manifest, Requester: person})
	if err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	d, err := b.Drift(t.Context(), "shop", slipway.Production)
	if err != nil || len(d.Found) > 0 || len(d.Since) != 1 || d.Since[0].ID != run.ID {
		t.Errorf("%+v %v; want that %s has moved production since", d, err, run.ID)
	}
}
