package vercel

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestNodeVersionAfterCreate(t *testing.T) {
	m := manifest()
	m.Vercel.NodeVersion = "20.x"
	w := start(t, m, nil)
	want := w.spec("vercel.project/shop")
	obs := w.observe(want)
	if obs.Fields["node_version"] == "20.x" || obs.Fields["region"] != "fra1" {
		t.Fatalf("a create takes the region and not the version of Node.js: %v", obs.Fields)
	}
	if _, err := w.handler(kindProject).Update(t.Context(), want, obs); err != nil {
		t.Fatal(err)
	}
	if got := w.observe(want).Fields["node_version"]; got != "20.x" {
		t.Errorf("node_version = %v", got)
	}
}

func TestProjectOfAnotherAccountByID(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.project/shop")
	for reason, tc := range map[string]struct {
		known    slipway.Receipt
		code     slipway.Code
		vanished bool
	}{
		"gone, in the right account":   {slipway.Receipt{ID: "prj_gone", Account: acme}, "", true},
		"gone, and of another account": {slipway.Receipt{ID: "prj_gone", Account: "team_other"}, slipway.CodeAccountChanged, false},
		"it was handed over":           {slipway.Receipt{ID: w.project.ID, Account: "team_other"}, slipway.CodeAccountChanged, false},
	} {
		want.Known = &tc.known
		obs, err := w.handler(kindProject).Observe(t.Context(), want)
		if slipway.ErrorCode(err) != tc.code || err == nil && obs.Vanished != tc.vanished {
			t.Errorf("%s: %+v, %v", reason, obs, err)
		}
	}
}

func TestLedger(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.env/SLIPWAY")
	obs := w.observe(want)
	if !obs.Exists || !obs.Owned || obs.Fields["value"] != ledger("shop") {
		t.Fatalf("the create of the project planted the ledger: %+v", obs)
	}
	if r, err := w.handler(kindEnv).Update(t.Context(), want, obs); err != nil || r.ID != obs.Receipt.ID {
		t.Fatalf("update: %+v, %v", r, err)
	}
	for reason, value := range map[string]string{
		"another app's ledger":    ledger("blog"),
		"somebody else's SLIPWAY": "yes",
	} {
		w.send("PATCH", "/v9/projects/"+w.project.ID+"/env/"+obs.Receipt.ID, map[string]any{"value": value})
		if _, err := w.handler(kindEnv).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeConflict {
			t.Errorf("%s is not overwritten: %v", reason, err)
		}
	}
}
