package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// using is the shop on a database that is there already under id, of which the fields are declared.
func using(id string, fields map[string]any) *slipway.Manifest {
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Existing: map[string]any{"id": id}, Fields: fields}
	return m
}

// touched are the calls that changed a database.
func (c *cloud) touched() []string {
	return slices.DeleteFunc(slices.Clone(c.calls), func(call string) bool { return !strings.HasPrefix(call, "cloud.db ") })
}

func (b *bench) destroy(m *slipway.Manifest, o slipway.RunOptions) slipway.Run {
	b.t.Helper()
	run, err := b.Destroy(b.t.Context(), slipway.DestroyRequest{Manifest: request(b.t, m, "one").Manifest, Requester: person, Options: o})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.finish(run.ID)
}

func TestWhatExistsIsWiredAndLeftAlone(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	id := c.byHand("theirs", "east")
	theirs := maps.Clone(c.dbs[id])
	m := using(id, map[string]any{"region": "east"})
	run := b.ship(request(t, m, "one"))
	b.mustSucceed(run)
	if d := cmp.Diff([]string{"cloud.db create"}, c.touched()); d != "" {
		t.Errorf("only the cache is made (-want +got):\n%s", d)
	}
	plan := b.detail(run.ID).Plan
	if len(plan.Existing) != 1 || plan.Existing[0].ID != id || plan.Existing[0].Mode != slipway.ModeAssisted {
		t.Errorf("the plan shows %+v", plan.Existing)
	}
	if v := c.vars["DATABASE_URL"]["value"]; v != "postgres://secret-of-"+id {
		t.Errorf("DATABASE_URL is of another database")
	}
	if !strings.Contains(c.vars["SLIPWAY"]["value"], `"id":"`+id+`","account":"acct","origin":"existing"`) {
		t.Errorf("the ledger does not tell how it came to be the app's: %s", c.vars["SLIPWAY"]["value"])
	}
	calls := len(c.calls)
	for _, home := range []string{"the same", "an empty"} {
		if run := b.ship(request(t, m, "one")); !run.NoChanges || len(c.calls) != calls {
			t.Errorf("from %s home it is shipped again: %s %+v, %v", home, run.Status, run.Error, c.calls[calls:])
		}
		b.close()
		b.dir = newHome(t)
		b.open()
	}
	b.mustSucceed(b.destroy(m, slipway.RunOptions{All: true}))
	if d := cmp.Diff(theirs, c.dbs[id]); d != "" || len(c.dbs) != 1 {
		t.Errorf("after destroy there are %v (-want +got):\n%s", c.dbs, d)
	}
}

func TestWhatIsToExistIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		id     string
		fields map[string]any
		code   slipway.Code
	}{
		"absent":  {"it is not made", "db-none", nil, slipway.CodeNotFound},
		"differs": {"it is not changed", "", map[string]any{"size": "9"}, slipway.CodeConflict},
		"region":  {"it is not replaced", "", map[string]any{"region": "west"}, slipway.CodeConflict},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b := newBench(t, c)
			id := c.byHand("theirs", "east")
			if tc.id != "" {
				id = tc.id
			}
			run := b.ship(request(t, using(id, tc.fields), "one"))
			if run.Status != slipway.RunFailed || run.Error.Code != tc.code || len(c.calls) > 0 {
				t.Errorf("%s: %s %+v, %v", tc.reason, run.Status, run.Error, c.calls)
			}
		})
	}
}

func TestWhatSlipwayMadeIsNotLostToWhatExists(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	id := c.byHand("theirs", "east")
	m, calls := using(id, nil), len(c.calls)
	for _, home := range []string{"this", "an empty"} {
		if run := b.ship(request(t, m, "one")); run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeConflict || len(c.calls) != calls {
			t.Fatalf("from %s home the one that was made would be lost from sight: %s %+v", home, run.Status, run.Error)
		}
		b.close()
		b.dir = newHome(t)
		b.open()
	}
	b.mustSucceed(b.destroy(m, slipway.RunOptions{Only: "db"}))
	if len(c.dbs) != 2 || c.dbs[id] == nil {
		t.Errorf("destroy takes the one that was made, and leaves the other: %v", c.dbs)
	}
	b.mustSucceed(b.ship(request(t, m, "one")))
	if v := c.vars["DATABASE_URL"]["value"]; v != "postgres://secret-of-"+id {
		t.Errorf("DATABASE_URL is of another database")
	}
}

// To take existing: away does not hand the thing over to Slipway: that takes a person's word.
func TestWhatExistedIsAdoptedOnlyByApproval(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	id := c.byHand("shop-db", "east")
	b.mustSucceed(b.ship(request(t, using(id, nil), "one")))
	run := b.ship(request(t, manifest(), "one"))
	b.mustSucceed(run)
	if e := b.detail(run.ID).Plan.Effect("cloud.db/db#adopt"); e == nil {
		t.Errorf("it is taken over without a word: %v", b.detail(run.ID).Plan.Effects)
	}
	b.mustSucceed(b.destroy(manifest(), slipway.RunOptions{All: true}))
	if c.dbs[id] == nil {
		t.Error("what was adopted was deleted")
	}
}

func TestWhatExistsAndCannotBeLookedAt(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	id := c.byHand("theirs", "east")
	b.given = map[string]string{"SLIPWAY_OUTPUT_DB_URL": "postgres://secret-of-" + id, "SLIPWAY_OUTPUT_CACHE_URL": "postgres://of-the-cache"}
	m := using(id, nil)
	delete(m.Resources, "cache")
	delete(m.Env, "CACHE_URL")
	run := b.ship(request(t, m, "one"))
	b.mustSucceed(run)
	if used := b.detail(run.ID).Plan.Existing; len(used) != 1 || used[0].ID != "" || used[0].Note == "" {
		t.Errorf("the plan shows %+v", used)
	}
	if v := c.vars["DATABASE_URL"]["value"]; v != "postgres://secret-of-"+id || len(c.touched()) > 0 {
		t.Errorf("the value that was handed over is not wired, or %v", c.touched())
	}
}

// A database that a person made under another name than the declared one, and of which nobody told the id: a credential that turns up after the
// ship does not put an empty one in its place without a person who confirms it, and existing: says which it is.
func TestWhatAPersonMadeIsNotReplacedWhereItIsNotFound(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	r := b.receipt("cloud.db/db")
	c.dbs[r.ID]["name"] = "as-the-person-likes"
	id := r.ID
	r.ID, r.ByHand = "", true
	if err := b.store.Tx(t.Context(), func(tx slipway.Tx) error { return tx.SaveReceipt("shop", r) }); err != nil {
		t.Fatal(err)
	}
	c.vars["SLIPWAY"]["value"] = strings.ReplaceAll(c.vars["SLIPWAY"]["value"], `"id":"`+id+`"`, `"id":""`)
	dbs := len(c.dbs)
	plan, err := b.Plan(t.Context(), request(t, manifest(), "one"))
	if err != nil {
		t.Fatal(err)
	}
	if e := plan.Effect("cloud.db/db#replace"); e == nil || e.Gate != slipway.GateDestroy {
		t.Errorf("the plan puts an empty one in its place, and asks for no more than for any change: %+v", plan.Effects)
	}
	b.mustSucceed(b.ship(request(t, using(id, nil), "one")))
	if v := c.vars["DATABASE_URL"]["value"]; v != "postgres://secret-of-"+id || len(c.dbs) != dbs {
		t.Errorf("there are %d databases, and DATABASE_URL is %s", len(c.dbs), v)
	}
	if got := b.receipt("cloud.db/db"); got.Origin != slipway.OriginExisting || got.ID != id {
		t.Errorf("recorded: %+v", got)
	}
}
