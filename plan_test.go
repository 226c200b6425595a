package slipway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestPlan(t *testing.T) {
	broken := func(w *world) *world {
		o := w.Observed[deploy]
		o.Failed = slipway.Errorf(slipway.CodeBuildFailed, "the build failed")
		w.Observed[deploy] = o
		return w
	}
	vanished := func(w *world, addresses ...slipway.Address) *world {
		for _, a := range addresses {
			delete(w.Observed, a)
			w.Observed[a] = slipway.Observation{Vanished: true}
		}
		return w
	}
	tests := map[string]struct {
		reason string
		world  *world
		want   []string
	}{
		"first ship": {
			reason: "the create of the project plants the ledger, so all else that is ledgered comes after it; variables go out at once, with the ledger",
			world:  fresh(),
			want: []string{
				"db/db#create [apply] ~ project/shop#create",
				"project/shop#create [apply]",
				"var/DATABASE_URL#create [apply] < db/db#create project/shop#create role/db#create",
				"var/LOG_LEVEL#create [apply] < db/db#create project/shop#create role/db#create",
				"var/STRIPE_KEY#create [apply] < db/db#create project/shop#create role/db#create",
				"deploy/shop#deploy [apply] < project/shop#create var/DATABASE_URL#create var/LOG_LEVEL#create var/STRIPE_KEY#create",
				"door/shop#create [apply] < project/shop#create",
				"role/db#create [apply] < db/db#create ~ project/shop#create",
				"var/SLIPWAY#update [apply] < db/db#create project/shop#create role/db#create",
				"live/shop#promote [promote] < db/db#create deploy/shop#deploy deploy/shop#health door/shop#create project/shop#create role/db#create var/DATABASE_URL#create var/LOG_LEVEL#create var/SLIPWAY#update var/STRIPE_KEY#create",
				"deploy/shop#health [check] < deploy/shop#deploy door/shop#create",
			},
		},
		"nothing to do": {
			reason: "a settled app needs no call, not even for its ledger",
			world:  settled(),
		},
		"update": {
			reason: "one changed field is one update, and the ledger stays",
			world:  settled().differs(db, "size", int64(2)),
			want: []string{
				"db/db#update [apply]",
			},
		},
		"update of a project that is there": {
			reason: "what needs the project waits for its update",
			world:  settled().differs(project, "framework", "hugo").absent(keyVar),
			want: []string{
				"project/shop#update [apply]",
				"var/STRIPE_KEY#create [apply] < project/shop#update",
				"deploy/shop#deploy [apply] < project/shop#update var/STRIPE_KEY#create",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health project/shop#update var/STRIPE_KEY#create",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"number as another type": {
			reason: "an observed number is equal as JSON, whatever its Go type",
			world:  settled().differs(db, "size", float64(1)),
		},
		"unknown value": {
			reason: "what is known only during the run may differ: it is written, and the deployment carries it",
			world:  settled().unknown("fingerprint", urlVar).unknown("input", deploy),
			want: []string{
				"var/DATABASE_URL#update [apply]",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#update",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health var/DATABASE_URL#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"unknown value, never shown": {
			reason: "that the provider shows no fingerprint is not that it is the same",
			world:  settled().unknown("fingerprint", keyVar).differs(keyVar, "fingerprint", nil).unknown("input", deploy),
			want: []string{
				"var/STRIPE_KEY#update [apply]",
				"deploy/shop#deploy [apply] < var/STRIPE_KEY#update",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health var/STRIPE_KEY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"rewritten variable": {
			reason: "a variable written again has the value that the deployment was built from, and still an older build does not carry it",
			world:  settled().differs(level, "value", "debug"),
			want: []string{
				"var/LOG_LEVEL#update [apply]",
				"deploy/shop#deploy [apply] < var/LOG_LEVEL#update",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health var/LOG_LEVEL#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"replace of what is immutable": {
			reason: "a region cannot change in place: a replace at the destroy gate, its intent written first",
			world:  settled().differs(db, "region", "west"),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"db/db#replace [destroy] ~ var/SLIPWAY#intend",
				"var/DATABASE_URL#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#update",
				"role/db#create [apply] < db/db#replace ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health role/db#create var/DATABASE_URL#update var/SLIPWAY#intend var/SLIPWAY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"vanished and stateful": {
			reason: "data is gone: making it anew is a replace, for a person to see",
			world:  vanished(settled(), db).absent(role).unknown("fingerprint", urlVar).unknown("input", deploy),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"db/db#replace [destroy] ~ var/SLIPWAY#intend",
				"var/DATABASE_URL#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#update",
				"role/db#create [apply] < db/db#replace ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health role/db#create var/DATABASE_URL#update var/SLIPWAY#intend var/SLIPWAY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"made by hand and not found": {
			reason: "nobody has told its id, and the app has its value: an empty one in its place is a replace, for a person to see",
			world:  byHand(settled(), db).absent(role).unknown("fingerprint", urlVar).unknown("input", deploy),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"db/db#replace [destroy] ~ var/SLIPWAY#intend",
				"var/DATABASE_URL#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#update",
				"role/db#create [apply] < db/db#replace ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < db/db#replace role/db#create var/SLIPWAY#intend",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health role/db#create var/DATABASE_URL#update var/SLIPWAY#intend var/SLIPWAY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"said to be made, and not used yet": {
			reason: "nothing of the app has a value of it: it is made, as it was to be",
			world:  byHand(settled(), db).absent(role, urlVar).unknown("fingerprint", urlVar).unknown("input", deploy),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"db/db#create [apply] ~ var/SLIPWAY#intend",
				"var/DATABASE_URL#create [apply] < db/db#create role/db#create var/SLIPWAY#intend",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#create",
				"role/db#create [apply] < db/db#create ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < db/db#create role/db#create var/SLIPWAY#intend",
				"live/shop#promote [promote] < db/db#create deploy/shop#deploy deploy/shop#health role/db#create var/DATABASE_URL#create var/SLIPWAY#intend var/SLIPWAY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"vanished and not stateful": {
			reason: "a role holds no data: it is simply made again",
			world:  vanished(settled(), role),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"role/db#create [apply] ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < role/db#create var/SLIPWAY#intend",
			},
		},
		"vanished project": {
			reason: "the new project carries the ledger, as a first one does; nothing waits for a ledger that waits for it",
			world:  vanished(settled().absent(ledger, door, urlVar, keyVar, level, deploy, live).serves("").absent(live), project),
			want: []string{
				"project/shop#replace [destroy]",
				"var/DATABASE_URL#create [apply] < project/shop#replace",
				"var/LOG_LEVEL#create [apply] < project/shop#replace",
				"var/STRIPE_KEY#create [apply] < project/shop#replace",
				"deploy/shop#deploy [apply] < project/shop#replace var/DATABASE_URL#create var/LOG_LEVEL#create var/STRIPE_KEY#create",
				"door/shop#create [apply] < project/shop#replace",
				"var/SLIPWAY#update [apply] < project/shop#replace",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health door/shop#create project/shop#replace var/DATABASE_URL#create var/LOG_LEVEL#create var/SLIPWAY#update var/STRIPE_KEY#create",
				"deploy/shop#health [check] < deploy/shop#deploy door/shop#create",
			},
		},
		"adopt": {
			reason: "a namesake is adopted behind the gate; nothing is made, so no intent is written first, and the ledger tells it afterwards",
			world:  settled().foreign(db).foreign(role).writeLedger(),
			want: []string{
				"db/db#adopt [apply]",
				"role/db#adopt [apply] < db/db#adopt",
				"var/SLIPWAY#update [apply] < db/db#adopt role/db#adopt",
			},
		},
		"adopt with a difference": {
			reason: "the same effect mends what differs",
			world:  settled().foreign(db).differs(db, "size", int64(2)).writeLedger(),
			want: []string{
				"db/db#adopt [apply]",
				"var/SLIPWAY#update [apply] < db/db#adopt",
			},
		},
		"adopt the project": {
			reason: "a project of somebody else has no ledger: it is written when the project is ours",
			world:  settled().foreign(project).absent(ledger),
			want: []string{
				"project/shop#adopt [apply]",
				"var/SLIPWAY#create [apply] < project/shop#adopt",
			},
		},
		"adopt the project and make a database": {
			reason: "the intent needs the project, and the create needs the intent",
			world:  settled().foreign(project).absent(ledger, db, role).unknown("fingerprint", urlVar).unknown("input", deploy),
			want: []string{
				"var/SLIPWAY#intend [apply] < project/shop#adopt",
				"db/db#create [apply] ~ var/SLIPWAY#intend",
				"project/shop#adopt [apply]",
				"var/DATABASE_URL#update [apply] < db/db#create project/shop#adopt role/db#create var/SLIPWAY#intend",
				"deploy/shop#deploy [apply] < project/shop#adopt var/DATABASE_URL#update",
				"role/db#create [apply] < db/db#create ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < db/db#create project/shop#adopt role/db#create var/SLIPWAY#intend",
				"live/shop#promote [promote] < db/db#create deploy/shop#deploy deploy/shop#health project/shop#adopt role/db#create var/DATABASE_URL#update var/SLIPWAY#intend var/SLIPWAY#update",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"adopt a variable": {
			reason: "it overwrites a value that is not ours; a variable is not in the ledger",
			world:  settled().foreign(keyVar),
			want: []string{
				"var/STRIPE_KEY#adopt [apply]",
				"deploy/shop#deploy [apply] < var/STRIPE_KEY#adopt",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health var/STRIPE_KEY#adopt",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"delete": {
			reason: "ours and no longer declared: deleted at the destroy gate; what was never listed as ours is not touched",
			world:  settled().list("cloud.var/OLD@production").list(keyVar),
			want: []string{
				"var/OLD#delete [destroy]",
			},
		},
		"delete and deploy": {
			reason: "the deployment is built without the deleted variables, whatever order they were listed in",
			world:  settled().list("cloud.var/OLD2@production").list("cloud.var/OLD1@production").differs(deploy, "input", "older"),
			want: []string{
				"deploy/shop#deploy [apply] < var/OLD1#delete var/OLD2#delete",
				"var/OLD1#delete [destroy]",
				"var/OLD2#delete [destroy]",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"listed and stateful": {
			reason: "a database never goes because it left the manifest",
			world:  settled().list("cloud.db/old"),
		},
		"deploy": {
			reason: "another input is another deployment, probed before production moves to it",
			world:  settled().differs(deploy, "input", "older"),
			want: []string{
				"deploy/shop#deploy [apply]",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"deploy without probes": {
			reason: "no probes, no check",
			world:  func() *world { w := settled().differs(deploy, "input", "older"); w.Probes = nil; return w }(),
			want: []string{
				"deploy/shop#deploy [apply]",
				"live/shop#promote [promote] < deploy/shop#deploy",
			},
		},
		"failed build": {
			reason: "a failed build counts as absent",
			world:  broken(settled()),
			want: []string{
				"deploy/shop#deploy [apply]",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"promote": {
			reason: "the deployment is there and production serves an older one of ours: probe, then move",
			world:  settled().serves("dpl-0"),
			want: []string{
				"live/shop#promote [promote] < deploy/shop#health",
				"deploy/shop#health [check]",
			},
		},
		"promote when checked": {
			reason: "production waits for what others say of the commit, and that for the deployment",
			world: func() *world {
				w := settled().differs(deploy, "input", "older")
				w.Required, w.Commit = []string{"test"}, slipway.Commit{SHA: "abc"}
				return w
			}(),
			want: []string{
				"deploy/shop#deploy [apply]",
				"live/shop#promote [promote] < deploy/shop#checks deploy/shop#deploy deploy/shop#health",
				"deploy/shop#health [check] < deploy/shop#deploy",
				"deploy/shop#checks [check] < deploy/shop#deploy",
			},
		},
		"a folder has no checks": {
			reason: "nobody says anything of it",
			world:  func() *world { w := settled().serves("dpl-0"); w.Required = []string{"test"}; return w }(),
			want: []string{
				"live/shop#promote [promote] < deploy/shop#health",
				"deploy/shop#health [check]",
			},
		},
		"promote without asking": {
			reason: "the apply approval covers it",
			world:  func() *world { w := settled().serves("dpl-0"); w.PromoteAuto = true; return w }(),
			want: []string{
				"live/shop#promote [apply] < deploy/shop#health",
				"deploy/shop#health [check]",
			},
		},
		"drift": {
			reason: "somebody else moved production: its own gate even with promote auto",
			world: func() *world {
				w := settled().serves("dpl-0")
				w.PromoteAuto, w.LastServed = true, "dpl-before"
				return w
			}(),
			want: []string{
				"live/shop#promote [promote] < deploy/shop#health",
				"deploy/shop#health [check]",
			},
		},
		"shared": {
			reason: "the door is used as found, whoever made it",
			world:  settled().foreign(door).differs(door, "scope", "another"),
		},
		"shared and absent": {
			reason: "made when absent; nothing is deployed, so there is nothing to probe",
			world:  settled().absent(door),
			want: []string{
				"door/shop#create [apply]",
			},
		},
		"ledger lost": {
			reason: "a ledger that is gone is written from the receipts",
			world:  settled().absent(ledger),
			want: []string{
				"var/SLIPWAY#create [apply]",
			},
		},
		"ledger stale": {
			reason: "a receipt that the ledger does not tell is added",
			world:  settled().differs(ledger, "value", `{"slipway":1,"app":"shop"}`),
			want: []string{
				"var/SLIPWAY#update [apply]",
			},
		},
		"new and ledgered": {
			reason: "the project exists: the intent is written first, the create comes after it, the id follows",
			world:  settled().absent(role).writeLedger(),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"role/db#create [apply] ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < role/db#create var/SLIPWAY#intend",
			},
		},
		"intended before": {
			reason: "an earlier run wrote the intent: no second one",
			world:  settled().absent(role).writeLedger(role),
			want: []string{
				"role/db#create [apply]",
				"var/SLIPWAY#update [apply] < role/db#create",
			},
		},
		"another is intended": {
			reason: "an intent for something else covers nothing",
			world:  settled().absent(role).writeLedger(db),
			want: []string{
				"var/SLIPWAY#intend [apply]",
				"role/db#create [apply] ~ var/SLIPWAY#intend",
				"var/SLIPWAY#update [apply] < role/db#create var/SLIPWAY#intend",
			},
		},
		"not ledgered": {
			reason: "a variable goes without an intent",
			world:  settled().absent(keyVar),
			want: []string{
				"var/STRIPE_KEY#create [apply]",
				"deploy/shop#deploy [apply] < var/STRIPE_KEY#create",
				"live/shop#promote [promote] < deploy/shop#deploy deploy/shop#health var/STRIPE_KEY#create",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
		"batch": {
			reason: "variables share their dependencies, so that one call writes them: all wait for the database that one of them reads",
			world:  settled().absent(db, role, keyVar).unknown("fingerprint", urlVar).unknown("input", deploy).writeLedger(db, role),
			want: []string{
				"db/db#create [apply]",
				"var/DATABASE_URL#update [apply] < db/db#create role/db#create",
				"var/STRIPE_KEY#create [apply] < db/db#create role/db#create",
				"deploy/shop#deploy [apply] < var/DATABASE_URL#update var/STRIPE_KEY#create",
				"role/db#create [apply] < db/db#create",
				"var/SLIPWAY#update [apply] < db/db#create role/db#create",
				"live/shop#promote [promote] < db/db#create deploy/shop#deploy deploy/shop#health role/db#create var/DATABASE_URL#update var/SLIPWAY#update var/STRIPE_KEY#create",
				"deploy/shop#health [check] < deploy/shop#deploy",
			},
		},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		tc := tests[name]
		t.Run(name, func(t *testing.T) {
			p := mustPlan(t, tc.world.PlanInput)
			if diff := cmp.Diff(tc.want, lines(p)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestEffectTellsAll(t *testing.T) {
	w := settled().differs(db, "region", "west").list("cloud.var/OLD@production").absent(keyVar).serves("dpl-0")
	w.LastServed = "dpl-before"
	w.Kinds["cloud.db"] = slipway.KindInfo{
		Ledgered: true, Stateful: true, Immutable: []string{"region"}, Consequence: map[slipway.Op]string{slipway.OpReplace: "all data is lost"},
	}
	w.spec(keyVar).Note = "the app asked for it"
	p := mustPlan(t, w.PlanInput)
	tests := map[string]struct {
		reason string
		want   slipway.Effect
	}{
		"cloud.db/db#replace": {
			reason: "a replace names the field, cannot be undone, and its basis is what its diff read",
			want: slipway.Effect{
				Op: slipway.OpReplace, Address: db, Name: "shop-db", Account: "acme", Params: map[string]any{"region": "east", "size": int64(1)},
				Basis: map[string]any{"exists": true, "id": "id of cloud.db/db", "fields": map[string]any{"region": "west", "size": int64(1)}},
				Gate:  slipway.GateDestroy, After: []string{"cloud.var/SLIPWAY#intend"},
				Changes: []slipway.Change{{Field: "region", From: "west", To: "east"}}, Reason: "its region cannot be changed in place",
				Consequence: "all data is lost",
			},
		},
		"cloud.var/OLD@production#delete": {
			reason: "a delete cannot be undone and looks at nothing but the thing itself",
			want: slipway.Effect{
				Op: slipway.OpDelete, Address: "cloud.var/OLD@production", Name: "OLD", Account: "acme",
				Basis: map[string]any{"exists": true, "id": "listed-0", "fields": map[string]any{}},
				Gate:  slipway.GateDestroy, Reason: "the manifest no longer declares it",
			},
		},
		"cloud.var/STRIPE_KEY@production#create": {
			reason: "a create's basis is absence, its secret a reference with a fingerprint, its reason the Spec's",
			want: slipway.Effect{
				Op: slipway.OpCreate, Address: keyVar, Name: "STRIPE_KEY", Params: map[string]any{"fingerprint": "fingerprint of " + string(keyVar)},
				Secrets: []slipway.SecretWrite{{Name: "value", Reference: "secret:STRIPE_KEY", Fingerprint: "fingerprint of " + string(keyVar)}},
				Basis:   map[string]any{"exists": false}, Gate: slipway.GateApply, Reason: "the app asked for it", Reversible: true,
				DependsOn: []string{"cloud.db/db#replace", "cloud.role/db@production#create", "cloud.var/SLIPWAY#intend"},
			},
		},
		"cloud.var/DATABASE_URL@production#update": {
			reason: "what reads a replaced database is known only during the run",
			want: slipway.Effect{
				Op: slipway.OpUpdate, Address: urlVar, Name: "DATABASE_URL", Account: "acme", Params: map[string]any{"fingerprint": nil},
				Secrets: []slipway.SecretWrite{{Name: "value", Reference: "db.url"}},
				Basis: map[string]any{
					"exists": true, "id": "id of " + string(urlVar), "fields": map[string]any{"fingerprint": "fingerprint of " + string(urlVar)},
				},
				Gate: slipway.GateApply, Reason: "its value is known only during the run", Reversible: true,
				Changes:   []slipway.Change{{Field: "fingerprint", From: "fingerprint of " + string(urlVar)}},
				DependsOn: []string{"cloud.db/db#replace", "cloud.role/db@production#create", "cloud.var/SLIPWAY#intend"},
			},
		},
		"cloud.deploy/shop@production#deploy": {
			reason: "a deployment is always new, and its input is not known before its variables",
			want: slipway.Effect{
				Op: slipway.OpDeploy, Address: deploy, Name: "shop", Account: "acme", Params: map[string]any{"input": nil},
				Basis: map[string]any{"exists": false}, Gate: slipway.GateApply, Reason: "what it was made from has changed", Reversible: true,
				Changes:   []slipway.Change{{Field: "input", From: "input of " + string(deploy)}},
				DependsOn: []string{"cloud.var/DATABASE_URL@production#update", "cloud.var/OLD@production#delete", "cloud.var/STRIPE_KEY@production#create"},
			},
		},
		"cloud.var/SLIPWAY#intend": {
			reason: "the intent says what is about to be made, on what the ledger was seen to say",
			want: slipway.Effect{
				Op: slipway.OpUpdate, Address: ledger, Name: "SLIPWAY", Account: "acme", Params: map[string]any{"value": nil},
				Basis: slipway.Basis(*w.spec(ledger), w.Observed[ledger]), Gate: slipway.GateApply, Reason: "the ledger tells what is about to be made", Reversible: true,
			},
		},
	}
	for key, tc := range tests {
		t.Run(key, func(t *testing.T) {
			got := p.Effect(key)
			if got == nil {
				t.Fatalf("no such effect in %v", lines(p))
			}
			tc.want.Key = key
			if diff := cmp.Diff(tc.want, *got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	if p.Effect("cloud.db/db#create") != nil {
		t.Error("an effect that the plan does not have was found")
	}
	if p.Serving != "dpl-0" || !p.Drift {
		t.Errorf("production serves %q, drift %t; want dpl-0 and drift", p.Serving, p.Drift)
	}
	counts := map[slipway.Op]int{
		slipway.OpReplace: 1, slipway.OpDelete: 1, slipway.OpCreate: 2, slipway.OpUpdate: 3, slipway.OpDeploy: 1, slipway.OpPromote: 1,
	}
	if diff := cmp.Diff(counts, p.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A person reads of a value, never of the mark by which values are compared.
func TestReasonOfAValue(t *testing.T) {
	for reason, tc := range map[string]struct {
		world *world
		want  string
	}{
		"a literal that was changed":        {settled().differs(level, "value", "debug").differs(level, "fingerprint", "k1:a").declares(level, "fingerprint", "k1:b"), "its value differs"},
		"a secret that was changed":         {settled().differs(keyVar, "fingerprint", "k1:a").declares(keyVar, "fingerprint", "k1:b"), "its value differs"},
		"another key cannot compare":        {settled().differs(keyVar, "fingerprint", "k1:a").declares(keyVar, "fingerprint", "k2:b"), "its value was written under another fingerprint key"},
		"what makes it is not there yet":    {settled().unknown("fingerprint", keyVar), "its value is known only during the run"},
		"more than its value":               {settled().differs(keyVar, "fingerprint", "k1:a").declares(keyVar, "type", "plain"), "it differs in value, type"},
		"a setting":                         {settled().differs(project, "framework", "hugo"), "it differs in framework"},
		"somebody wrote it, maybe as it is": {settled().differs(keyVar, "written", false).declares(keyVar, "written", true), "its value differs"},
	} {
		p := mustPlan(t, tc.world.PlanInput)
		i := slices.IndexFunc(p.Effects, func(e slipway.Effect) bool { return e.Op == slipway.OpUpdate })
		if i < 0 || p.Effects[i].Reason != tc.want {
			t.Errorf("%s: %+v, want %q", reason, p.Effects, tc.want)
		}
	}
}

func TestPromote(t *testing.T) {
	tests := map[string]struct {
		reason     string
		change     func(w *world)
		deployment any
		serving    string
		drift      bool
		basis      any
	}{
		"our last": {
			reason:     "production serves what our last promote moved it to: no drift, and the new id is known",
			change:     func(w *world) { w.serves("dpl-0") },
			deployment: "id of " + string(deploy), serving: "dpl-0", basis: "dpl-0",
		},
		"made by this run": {
			reason: "the id of a deployment that is still to be made is known only during the run",
			change: func(w *world) { w.differs(deploy, "input", "older").serves("dpl-0") }, serving: "dpl-0", basis: "dpl-0",
		},
		"failed build": {
			reason: "the id of a failed deployment is nowhere promoted",
			change: func(w *world) {
				o := w.serves("dpl-0").Observed[deploy]
				o.Failed = slipway.Errorf(slipway.CodeBuildFailed, "the build failed")
				w.Observed[deploy] = o
			},
			serving: "dpl-0", basis: "dpl-0",
		},
		"another's": {
			reason: "production serves something else", change: func(w *world) { w.serves("dpl-x").LastServed = "dpl-0" },
			deployment: "id of " + string(deploy), serving: "dpl-x", drift: true, basis: "dpl-x",
		},
		"never served by us": {
			reason: "an adopted project serves something, and nothing is recorded", change: func(w *world) { w.serves("dpl-x").LastServed = "" },
			deployment: "id of " + string(deploy), serving: "dpl-x", drift: true, basis: "dpl-x",
		},
		"ours, unrecorded": {
			reason: "the deployment itself says that this app made it: a lost home is no drift",
			change: func(w *world) {
				o := w.serves("dpl-x").Observed[live]
				w.LastServed, o.Owned = "", true
				w.Observed[live] = o
			},
			deployment: "id of " + string(deploy), serving: "dpl-x", basis: "dpl-x",
		},
		"no longer served": {
			reason: "production serves nothing any more: there is nothing to move over", change: func(w *world) { w.serves("").LastServed = "dpl-0" },
			deployment: "id of " + string(deploy), basis: "",
		},
		"nothing served": {
			reason: "a first promote moves away from nothing", change: func(w *world) { w.absent(live).LastServed = "" },
			deployment: "id of " + string(deploy), basis: "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := settled()
			tc.change(w)
			p := mustPlan(t, w.PlanInput)
			e := p.Effect(string(live) + "#promote")
			if e == nil {
				t.Fatalf("%s: no promote in %v", tc.reason, lines(p))
			}
			fields, _ := e.Basis["fields"].(map[string]any)
			got := []any{e.Params["deployment"], p.Serving, p.Drift, fields["deployment"]}
			if diff := cmp.Diff([]any{tc.deployment, tc.serving, tc.drift, tc.basis}, got); diff != "" {
				t.Errorf("%s: deployment, serving, drift, basis (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	namesakes := func(w *world) {
		w.absent(db).Observed[db] = slipway.Observation{Namesakes: []slipway.Receipt{{ID: "db-c"}, {ID: "db-a"}, {ID: "db-b"}}}
	}
	tests := map[string]struct {
		reason string
		change func(w *world)
		code   slipway.Code
		says   string
	}{
		"conflict": {
			reason: "somebody else's database in another region cannot become ours",
			change: func(w *world) { w.foreign(db).differs(db, "region", "west") },
			code:   slipway.CodeConflict, says: `cloud.db "shop-db" exists, was not made by Slipway, and its region differs: east wanted, west there`,
		},
		"ambiguous": {
			reason: "every match is listed, sorted",
			change: namesakes, code: slipway.CodeAmbiguous, says: `cloud.db/db: 3 are named "shop-db": db-a, db-b, db-c`,
		},
		"cycle of needs": {
			reason: "what needs itself can never be made",
			change: func(w *world) { w.spec(db).Needs = []slipway.Address{role} }, code: slipway.CodeInvalid, says: "depends on itself",
		},
		"cycle of values": {
			reason: "reading a value is a need",
			change: func(w *world) { w.spec(db).Needs = []slipway.Address{urlVar} }, code: slipway.CodeInvalid, says: "depends on itself",
		},
		"cycle of ids": {
			reason: "an id is a need",
			change: func(w *world) { w.spec(deploy).Needs = []slipway.Address{live} }, code: slipway.CodeInvalid, says: "depends on itself",
		},
		"cycle of seals": {
			reason: "what is sealed in is a need",
			change: func(w *world) { w.spec(keyVar).Needs = []slipway.Address{deploy} }, code: slipway.CodeInvalid, says: "depends on itself",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := settled()
			tc.change(w)
			p, err := slipway.MakePlan(w.PlanInput)
			if p != nil || slipway.ErrorCode(err) != tc.code || err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: plan %v, error %v (%s); want %s, %q", tc.reason, p, err, slipway.ErrorCode(err), tc.code, tc.says)
			}
		})
	}
	t.Run("one namesake", func(t *testing.T) {
		w := settled()
		o := w.Observed[db]
		o.Namesakes = []slipway.Receipt{{ID: "db-a"}}
		w.Observed[db] = o
		if p := mustPlan(t, w.PlanInput); !p.NoChanges() {
			t.Errorf("a single match is not ambiguous: %v", lines(p))
		}
	})
}

func TestUndeclared(t *testing.T) {
	w := settled().list("cloud.db/listed").list("cloud.var/OLD@production")
	for _, a := range []slipway.Address{"cloud.db/old", "cloud.db/here@production", "cloud.db/there@preview", "cloud.role/old@production"} {
		w.Receipts[a] = slipway.Receipt{Address: a, ID: "id", Origin: slipway.OriginCreated}
	}
	p := mustPlan(t, w.PlanInput)
	want := []slipway.Address{"cloud.db/here@production", "cloud.db/listed", "cloud.db/old"}
	if diff := cmp.Diff(want, p.Undeclared); diff != "" {
		t.Errorf("stateful, ours, of this environment or of all, and not declared (-want +got):\n%s", diff)
	}
	for _, e := range p.Effects {
		if e.Op == slipway.OpDelete && e.Address.Kind() != "cloud.var" {
			t.Errorf("%s: a stateful thing goes only by destroy", e.Key)
		}
	}
}

// preview has a deployment and no production to move.
func TestPlanOfPreview(t *testing.T) {
	w := settled().differs(deploy, "input", "older")
	w.Specs = slices.DeleteFunc(w.Specs, func(s slipway.Spec) bool { return s.Address == live })
	want := []string{"deploy/shop#deploy [apply]", "deploy/shop#health [check] < deploy/shop#deploy"}
	if diff := cmp.Diff(want, lines(mustPlan(t, w.PlanInput))); diff != "" {
		t.Errorf("a deployment is probed without a promote as well (-want +got):\n%s", diff)
	}
}

func TestBasis(t *testing.T) {
	s := slipway.Spec{Params: map[string]any{"size": int64(1), "new": nil}}
	there := slipway.Observation{Exists: true, Receipt: slipway.Receipt{ID: "x", Version: "now"}, Fields: map[string]any{"size": int64(2), "other": true}}
	failed := there
	failed.Failed = slipway.Errorf(slipway.CodeBuildFailed, "failed")
	tests := map[string]struct {
		reason string
		obs    slipway.Observation
		want   map[string]any
	}{
		"absent": {reason: "absence is a basis", want: map[string]any{"exists": false}},
		"there": {
			reason: "the id and what the params name: nothing volatile, nothing undeclared", obs: there,
			want: map[string]any{"exists": true, "id": "x", "fields": map[string]any{"size": int64(2), "new": nil}},
		},
		"failed": {reason: "what will never be usable counts as absent", obs: failed, want: map[string]any{"exists": false}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, slipway.Basis(s, tc.obs)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	if !slipway.EqualBasis(map[string]any{"a": int64(1)}, map[string]any{"a": float64(1)}) || slipway.EqualBasis(map[string]any{"a": 1}, map[string]any{"a": 2}) ||
		slipway.EqualBasis(map[string]any{"a": nil}, map[string]any{}) {
		t.Error("bases are compared as JSON")
	}
}
