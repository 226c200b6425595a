package slipway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

const (
	branch    = slipway.Address("cloud.branch/db@preview")
	branchVar = slipway.Address("cloud.var/DATABASE_URL@preview")
	old       = slipway.Address("cloud.db/old")
)

// grown is the settled shop with a preview and a database that the manifest no longer names.
func grown() *world {
	w := settled()
	w.Kinds["cloud.branch"] = slipway.KindInfo{Stateful: true, Ledgered: true, Consequence: map[slipway.Op]string{slipway.OpDelete: "its data goes"}}
	for a, need := range map[slipway.Address]slipway.Address{branch: db, branchVar: project, old: ""} {
		w.exists(a, nil)
		r := w.Receipts[a]
		if r.Name = a.Key(); need != "" {
			r.Needs = []slipway.Address{need}
		}
		w.Receipts[a] = r
		w.Observed[a] = slipway.Observation{Exists: true, Receipt: r}
	}
	return w.writeLedger()
}

func (w *world) origin(a slipway.Address, o slipway.Origin) *world {
	r := w.Receipts[a]
	r.Origin = o
	w.Receipts[a] = r
	return w
}

func TestDestroy(t *testing.T) {
	tests := map[string]struct {
		reason string
		world  *world
		scope  slipway.DestroyScope
		want   []string
		kept   []slipway.Address
	}{
		"all": {
			reason: "what needs goes before what is needed, what is in something goes with it, and the project, which holds the ledger, last",
			world:  grown(), scope: slipway.DestroyScope{All: true},
			want: []string{
				"branch/db@preview#delete [destroy]",
				"db/db#delete [destroy] < branch/db@preview#delete",
				"db/old#delete [destroy]",
				"project/shop#delete [destroy] < branch/db@preview#delete db/db#delete db/old#delete",
			},
		},
		"production": {
			reason: "this environment's alone; its project stays, and so the ledger is told of what it listed",
			world:  grown(),
			want: []string{
				"deploy/shop#delete [destroy]", "role/db#delete [destroy]", "var/DATABASE_URL#delete [destroy]", "var/LOG_LEVEL#delete [destroy]",
				"var/STRIPE_KEY#delete [destroy]", "var/SLIPWAY#update [destroy] < role/db#delete",
			},
		},
		"preview": {
			reason: "production is not touched",
			world:  func() *world { w := grown(); w.Environment = slipway.Preview; return w }(),
			want:   []string{"branch/db@preview#delete [destroy]", "var/DATABASE_URL@preview#delete [destroy]", "var/SLIPWAY#update [destroy] < branch/db@preview#delete"},
		},
		"only": {
			reason: "one resource, what it shares and what this environment has of it; the role goes with its database",
			world:  grown(), scope: slipway.DestroyScope{Only: "db"},
			want: []string{"db/db#delete [destroy]", "var/SLIPWAY#update [destroy] < db/db#delete"},
		},
		"only, everywhere": {
			reason: "all environments of the one",
			world:  grown(), scope: slipway.DestroyScope{Only: "db", All: true},
			want: []string{
				"branch/db@preview#delete [destroy]", "db/db#delete [destroy] < branch/db@preview#delete",
				"var/SLIPWAY#update [destroy] < branch/db@preview#delete db/db#delete",
			},
		},
		"only what is no longer declared": {
			reason: "an undeclared database goes by its name",
			world:  grown(), scope: slipway.DestroyScope{Only: "old"},
			want: []string{"db/old#delete [destroy]", "var/SLIPWAY#update [destroy] < db/old#delete"},
		},
		"only a name that is the app's": {
			reason: "the project has the app's key, and is no resource of the manifest",
			world:  grown(), scope: slipway.DestroyScope{Only: "shop"},
		},
		"adopted and existing": {
			reason: "what Slipway did not make stays, and is named",
			world:  grown().origin(db, slipway.OriginAdopted).origin(old, slipway.OriginExisting).origin(branch, slipway.OriginAdopted),
			scope:  slipway.DestroyScope{All: true},
			want: []string{
				"project/shop#delete [destroy] < role/db#delete", "role/db#delete [destroy]",
			},
			kept: []slipway.Address{branch, db, old},
		},
		"adopted project": {
			reason: "what is in it goes one by one, and the ledger when nothing is left to tell",
			world:  grown().origin(project, slipway.OriginAdopted).absent(branch, branchVar, old), scope: slipway.DestroyScope{All: true},
			want: []string{
				"db/db#delete [destroy]", "deploy/shop#delete [destroy]", "var/DATABASE_URL#delete [destroy]", "var/LOG_LEVEL#delete [destroy]",
				"var/SLIPWAY#delete [destroy] < db/db#delete deploy/shop#delete var/DATABASE_URL#delete var/LOG_LEVEL#delete var/STRIPE_KEY#delete",
				"var/STRIPE_KEY#delete [destroy]",
			},
			kept: []slipway.Address{project},
		},
		"gone already": {
			reason: "what is recorded and no longer there needs no call",
			world: func() *world {
				w := grown()
				delete(w.Observed, old)
				return w
			}(),
			scope: slipway.DestroyScope{Only: "old"},
		},
		"nothing ours": {reason: "what is there and not recorded is not ours to delete", world: settled().foreign(project).absent(db, role, ledger, door, urlVar, keyVar, level, deploy, live), scope: slipway.DestroyScope{All: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := slipway.MakeDestroy(tc.world.PlanInput, tc.scope)
			if diff := cmp.Diff(tc.want, lines(p)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.kept, p.Kept); diff != "" {
				t.Errorf("%s: kept (-want +got):\n%s", tc.reason, diff)
			}
			if p.Operation != slipway.OperationDestroy {
				t.Errorf("operation %s", p.Operation)
			}
		})
	}
}

func TestDestroyTellsAll(t *testing.T) {
	w := grown()
	got := slipway.MakeDestroy(w.PlanInput, slipway.DestroyScope{All: true}).Effect(string(branch) + "#delete")
	want := &slipway.Effect{
		Key: "cloud.branch/db@preview#delete", Op: slipway.OpDelete, Address: branch, Name: "db", Account: "acme",
		Basis: map[string]any{"exists": true, "id": "id of cloud.branch/db@preview", "fields": map[string]any{}}, Gate: slipway.GateDestroy,
		Reason: "destroy was asked for", Consequence: "its data goes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a delete names the id that it was planned on (-want +got):\n%s", diff)
	}
}

func TestDestroyDeletesOnlyWhatIsOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for _, s := range w.Specs {
			if _, recorded := w.Receipts[s.Address]; recorded {
				w.origin(s.Address, rapid.SampledFrom([]slipway.Origin{slipway.OriginCreated, slipway.OriginAdopted, slipway.OriginExisting}).Draw(t, "origin"))
			}
		}
		p := slipway.MakeDestroy(w.PlanInput, slipway.DestroyScope{All: true})
		for i, e := range p.Effects {
			if e.Op != slipway.OpDelete {
				continue
			}
			if w.Receipts[e.Address].Origin != slipway.OriginCreated || !w.Observed[e.Address].Exists || e.Gate != slipway.GateDestroy {
				t.Errorf("%s: origin %s, gate %s", e.Key, w.Receipts[e.Address].Origin, e.Gate)
			}
			for _, o := range p.Effects {
				if slices.Contains(w.Receipts[o.Address].Needs, e.Address) && o.Op == slipway.OpDelete && !slices.Contains(p.Effects[i].DependsOn, o.Key) {
					t.Errorf("%s does not wait for %s, which needs it", e.Key, o.Key)
				}
			}
		}
		if e := p.Effect(string(project) + "#delete"); e != nil && len(e.DependsOn) != len(p.Effects)-1 {
			t.Errorf("the project does not go last:\n%s", strings.Join(lines(p), "\n"))
		}
	})
}
