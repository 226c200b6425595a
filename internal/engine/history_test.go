package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// age gives the home runs that have done nothing, each newer than all before: more than anything reads at once.
func (b *bench) age(n int, change func(slipway.Tx, slipway.Run) error) {
	b.t.Helper()
	err := b.Store.Tx(b.t.Context(), func(tx slipway.Tx) error {
		for i := range n {
			now := b.Now()
			r := slipway.Run{
				ID: fmt.Sprintf("run_idle_%d_%05d", now.UnixNano(), i), App: "shop", Environment: slipway.Production, Operation: slipway.OperationShip,
				Status: slipway.RunCanceled, Manifest: string(request(b.t, manifest(), "one").Manifest), Requester: person, CreatedAt: now, UpdatedAt: now,
			}
			if err := tx.AddRun(r); err != nil {
				return err
			}
			if change == nil {
				continue
			}
			if err := change(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestWhatLiesManyRunsBackCounts(t *testing.T) {
	const many = 1100
	for name, tc := range map[string]struct {
		test   func(t *testing.T, c *cloud, b *bench)
		reason string
	}{
		"drift": {func(t *testing.T, _ *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			b.age(many, nil)
			if d, err := b.Drift(t.Context(), "shop", slipway.Production); err != nil || len(d.Found)+len(d.Since) > 0 {
				t.Errorf("%+v %v", d, err)
			}
		}, "the last ship is found"},
		"written since": {func(t *testing.T, c *cloud, _ *bench) {
			bad := false
			b, _ := probed(t, c, wellUntil(&bad))
			b.mustSucceed(b.ship(request(t, watched(), "one")))
			bad = true
			m := watched()
			m.Env["EXTRA"] = slipway.EnvVar{Value: "more"}
			failed := b.ship(request(t, m, "two"))
			b.age(many, nil)
			if d, err := b.Drift(t.Context(), "shop", slipway.Production); err != nil || len(d.Found) > 0 || len(d.Since) != 1 || d.Since[0].ID != failed.ID {
				t.Errorf("%+v %v", d, err)
			}
		}, "what failed after it has written counts as ours"},
		"rollback": {func(t *testing.T, c *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			first, m := c.serving, manifest()
			m.Env["LEVEL"] = slipway.EnvVar{Value: "debug"}
			b.mustSucceed(b.ship(request(t, m, "two")))
			b.age(many, nil)
			run := b.rollback("")
			b.mustSucceed(run)
			p := b.detail(run.ID).Plan
			if c.serving != first || p.Built == nil || !slices.Equal(p.Rotated, []slipway.Address{"cloud.var/LEVEL@production"}) {
				t.Errorf("production serves %s, not %s; built with %v, rotated %v", c.serving, first, p.Built, p.Rotated)
			}
		}, "what production served before, and what it was built with"},
		"elsewhere": {func(t *testing.T, c *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			m := manifest()
			m.Env["DATABASE_URL"] = slipway.EnvVar{From: "cache.url"}
			b.age(many, nil)
			c.find(finding(slipway.CauseAccountRefused))
			run := b.ship(request(t, m, "one"))
			if got := b.modes(run.ID); got["cloud.var/DATABASE_URL@production#update"] != slipway.ModeManual {
				t.Errorf("%v", got)
			}
		}, "from where a value was written"},
		"unseen": {func(t *testing.T, _ *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			b.age(many, nil)
			b.bare = true
			if run := b.ship(request(t, manifest(), "one")); !run.NoChanges {
				t.Errorf("%s %v", run.Status, b.modes(run.ID))
			}
		}, "as what it was written"},
		"intended": {func(t *testing.T, c *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			const more = slipway.Address("cloud.db/more")
			l, err := slipway.DecodeLedger(c.vars["SLIPWAY"]["value"])
			if err != nil {
				t.Fatal(err)
			}
			l.Intended = append(l.Intended, more)
			c.vars["SLIPWAY"]["value"] = l.Encode()
			b.age(1, func(tx slipway.Tx, r slipway.Run) error {
				r.Revision = 1
				effect := slipway.Effect{Key: slipway.EffectKey(more, slipway.OpCreate), Op: slipway.OpCreate, Address: more}
				if err := tx.AddPlan(r.ID, 1, &slipway.Plan{Effects: []slipway.Effect{effect}}); err != nil {
					return err
				}
				return tx.SaveRun(r)
			})
			b.age(many, nil)
			c.dbs["db-theirs"] = map[string]string{"name": "shop-more", "region": "east", "size": "1"}
			m := manifest()
			m.Resources["more"] = m.Resources["db"]
			plan, err := b.Plan(t.Context(), request(t, m, "one"))
			if err != nil || plan.Effect(slipway.EffectKey(more, slipway.OpAdopt)) == nil {
				t.Errorf("%v: somebody else's is not taken without being asked: %+v", err, plan)
			}
		}, "that a request was planned and never sent"},
		"approved": {func(t *testing.T, _ *cloud, b *bench) {
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			b.age(60, func(tx slipway.Tx, r slipway.Run) error { // approved and used, for something else
				r.Revision = 1
				p := &slipway.Plan{App: "shop", Environment: slipway.Production, Effects: []slipway.Effect{{
					Key: "cloud.var/OTHER@production#update", Op: slipway.OpUpdate, Address: "cloud.var/OTHER@production", Gate: slipway.GateApply,
				}}}
				a := slipway.Approval{
					ID: "approval_" + r.ID, Run: r.ID, Gate: slipway.GateApply, State: slipway.ApprovalConsumed, By: &person, CreatedAt: r.CreatedAt,
					Content: map[string]any{"plan": p.Digest()},
				}
				if err := tx.AddPlan(r.ID, 1, p); err != nil {
					return err
				}
				if err := tx.SaveApproval(a); err != nil {
					return err
				}
				return tx.SaveRun(r)
			})
			b.age(many, nil)
			m := manifest()
			m.Env["LEVEL"], m.Env["NEW"] = slipway.EnvVar{Value: "debug"}, slipway.EnvVar{Value: "new"}
			plan, err := b.Plan(t.Context(), request(t, m, "one"))
			if err != nil {
				t.Fatal(err)
			}
			lines, err := b.Since(t.Context(), plan)
			if err != nil || len(lines) == 0 || !strings.HasPrefix(lines[0], "since run run_idle_") {
				t.Fatalf("%v %v", lines, err)
			}
			want := []string{
				"cloud.var/LEVEL@production#update: another secret value",
				"cloud.var/LEVEL@production#update: was create", "cloud.var/NEW@production#create: never approved before",
			}
			slices.Sort(lines[1:])
			if d := cmp.Diff(want, lines[1:]); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}, "what was approved for a resource last"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			t.Log(tc.reason)
			tc.test(t, c, newBench(t, c))
		})
	}
}

// TestARunThatNeverDeployedFailsNoDeployment: what is wrong with a source that was not deployed is not wrong with what production serves.
func TestARunThatNeverDeployedFailsNoDeployment(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.box = newBox()
	b.restart()
	b.mustSucceed(b.ship(request(t, verified(), "one")))
	first := c.serving
	b.box.run = failing(slipway.JobExited, 1)
	if run := b.ship(request(t, verified(), "two")); run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeCheckFailed {
		t.Fatalf("%s %+v", run.Status, run.Error)
	}
	b.box.run = nil
	b.mustSucceed(b.ship(request(t, verified(), "three")))
	b.mustSucceed(b.rollback(""))
	if c.serving != first {
		t.Errorf("production serves %s, want %s", c.serving, first)
	}
}
