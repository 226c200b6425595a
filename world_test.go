package slipway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

// Addresses of the shop, an app on an invented cloud whose kinds have every trait that planning knows.
const (
	project = slipway.Address("cloud.project/shop")
	ledger  = slipway.Address("cloud.var/SLIPWAY")
	db      = slipway.Address("cloud.db/db")
	role    = slipway.Address("cloud.role/db@production")
	door    = slipway.Address("cloud.door/shop")
	urlVar  = slipway.Address("cloud.var/DATABASE_URL@production")
	keyVar  = slipway.Address("cloud.var/STRIPE_KEY@production")
	level   = slipway.Address("cloud.var/LOG_LEVEL@production")
	deploy  = slipway.Address("cloud.deploy/shop@production")
	live    = slipway.Address("cloud.live/shop@production")
)

func kinds() map[slipway.Kind]slipway.KindInfo {
	return map[slipway.Kind]slipway.KindInfo{
		"cloud.project": {Ledgered: true, Stateful: true},
		"cloud.db":      {Ledgered: true, Stateful: true, Immutable: []string{"region"}},
		"cloud.role":    {Ledgered: true, Contained: true, Immutable: []string{"name"}},
		"cloud.door":    {Shared: true, Probing: "x-bypass", Contained: true},
		"cloud.var":     {Batch: true, Contained: true},
		"cloud.deploy":  {Versioned: true, CreateOp: slipway.OpDeploy, Contained: true},
		"cloud.live": {
			Contained: true, UpdateOp: slipway.OpPromote, Gate: slipway.GatePromote, Initial: map[string]any{"deployment": ""},
			Consequence: map[slipway.Op]string{slipway.OpPromote: "moves production"},
		},
	}
}

func literal(s string) slipway.Input { return slipway.Input{Literal: &s} }

func output(resource, name string) slipway.Input {
	return slipway.Input{From: &slipway.OutputRef{Resource: resource, Output: name}}
}

// envVar is a Spec of kind cloud.var for production; its value is known only during the run.
func envVar(key string, in slipway.Input) slipway.Spec {
	s := slipway.Spec{
		Address: slipway.NewAddress("cloud.var", key, slipway.Production), Name: key, Needs: []slipway.Address{project},
		Params: map[string]any{"fingerprint": nil}, Inputs: map[string]slipway.Input{"value": in},
	}
	if in.Literal != nil {
		s.Params["value"] = *in.Literal
	}
	return s
}

func dbSpec(key string) slipway.Spec {
	return slipway.Spec{
		Address: slipway.NewAddress("cloud.db", key, ""), Name: "shop-" + key, Serves: key, Params: map[string]any{"region": "east", "size": int64(1)},
	}
}

func roleSpec(key string) slipway.Spec {
	return slipway.Spec{
		Address: slipway.NewAddress("cloud.role", key, slipway.Production), Name: "shop", Params: map[string]any{"name": "shop"},
		Needs: []slipway.Address{slipway.NewAddress("cloud.db", key, "")},
	}
}

// world is what planning reads, with ways to change it.
type world struct{ slipway.PlanInput }

// app is an app with those databases and variables, of which nothing exists yet.
func app(dbs []string, vars ...slipway.Spec) *world {
	held := []slipway.Address{project}
	specs := []slipway.Spec{
		{Address: project, Name: "shop", Params: map[string]any{"framework": "next"}, Inputs: map[string]slipway.Input{"ledger": {Ledger: true, CreateOnly: true}}},
		{Address: ledger, Name: "SLIPWAY", Needs: held, Params: map[string]any{"value": nil}, Inputs: map[string]slipway.Input{"value": {Ledger: true}}},
		{Address: door, Name: "shop", Needs: held, Params: map[string]any{"scope": "probes"}, Note: "the probes need it"},
	}
	for _, key := range dbs {
		specs = append(specs, dbSpec(key), roleSpec(key))
	}
	d := slipway.Spec{Address: deploy, Name: "shop", Needs: held, Params: map[string]any{"input": nil}}
	for _, v := range vars {
		specs, d.Seals = append(specs, v), append(d.Seals, v.Address)
	}
	return &world{slipway.PlanInput{
		Operation: slipway.OperationShip, App: "shop", Environment: slipway.Production, Source: "sha256:tree", Kinds: kinds(),
		Specs: append(specs, d, slipway.Spec{
			Address: live, Name: "shop", Needs: held, Params: map[string]any{"deployment": nil}, IDs: map[string]slipway.Address{"deployment": deploy},
		}),
		Observed: map[slipway.Address]slipway.Observation{}, Owned: map[slipway.Address]bool{}, Receipts: map[slipway.Address]slipway.Receipt{},
		Probes: []slipway.HealthProbe{{Path: "/healthz"}},
	}}
}

// fresh is the shop before its first ship.
func fresh() *world {
	return app([]string{"db"}, envVar("DATABASE_URL", output("db", "url")), envVar("STRIPE_KEY", slipway.Input{Secret: "STRIPE_KEY"}), envVar("LOG_LEVEL", literal("info")))
}

// settled is the shop after a ship that went well.
func settled() *world { return fresh().settle() }

// settle makes everything declared exist as it is declared, recorded here and in the ledger.
func (w *world) settle() *world {
	for i := range w.Specs {
		s := &w.Specs[i]
		for name := range s.Params {
			if s.Params[name] == nil && s.Address != ledger && s.Address != live {
				s.Params[name] = name + " of " + string(s.Address)
			}
		}
		w.exists(s.Address, maps.Clone(s.Params))
	}
	return w.serves(w.Receipts[deploy].ID).writeLedger()
}

func (w *world) spec(a slipway.Address) *slipway.Spec {
	i := slices.IndexFunc(w.Specs, func(s slipway.Spec) bool { return s.Address == a })
	if i < 0 {
		panic("no spec " + string(a))
	}
	return &w.Specs[i]
}

// exists makes a be there and ours.
func (w *world) exists(a slipway.Address, fields map[string]any) {
	r := slipway.Receipt{Address: a, ID: "id of " + string(a), Account: "acme", Origin: slipway.OriginCreated}
	if i := slices.IndexFunc(w.Specs, func(s slipway.Spec) bool { return s.Address == a }); i >= 0 {
		r.Name, r.Needs = w.Specs[i].Name, w.Specs[i].Needs
	}
	w.Observed[a] = slipway.Observation{Exists: true, Receipt: r, Fields: fields}
	w.Receipts[a], w.Owned[a] = r, true
}

// absent makes a be neither there nor recorded.
func (w *world) absent(addresses ...slipway.Address) *world {
	for _, a := range addresses {
		if a == ledger {
			w.Ledger = nil
		}
		delete(w.Observed, a)
		delete(w.Receipts, a)
		delete(w.Owned, a)
	}
	return w
}

// byHand makes a something that a person has made under an id that was not told, and that is not found by name.
func byHand(w *world, a slipway.Address) *world {
	w.absent(a)
	w.Receipts[a] = slipway.Receipt{Address: a, Origin: slipway.OriginCreated, ByHand: true}
	return w
}

// foreign makes a somebody else's.
func (w *world) foreign(a slipway.Address) *world {
	delete(w.Receipts, a)
	delete(w.Owned, a)
	return w
}

// differs changes one observed field.
func (w *world) differs(a slipway.Address, field string, value any) *world {
	o := w.Observed[a]
	o.Fields = maps.Clone(o.Fields)
	o.Fields[field] = value
	w.Observed[a] = o
	return w
}

// declares sets a param of a Spec.
func (w *world) declares(a slipway.Address, param string, value any) *world {
	s := w.spec(a)
	s.Params = maps.Clone(s.Params)
	s.Params[param] = value
	return w
}

// unknown makes a param known only during the run.
func (w *world) unknown(param string, addresses ...slipway.Address) *world {
	for _, a := range addresses {
		w.spec(a).Params[param] = nil
	}
	return w
}

// serves makes production serve a deployment that our last promote moved it to.
func (w *world) serves(id string) *world {
	w.exists(live, map[string]any{"deployment": id})
	o, r := w.Observed[live], w.Receipts[live]
	o.Receipt.ID, r.ID = id, id
	w.Observed[live], w.Receipts[live], w.LastServed = o, r, id
	return w
}

// writeLedger makes the ledger say what is recorded, and what is intended.
func (w *world) writeLedger(intended ...slipway.Address) *world {
	l := slipway.NewLedger(w.App, slipway.LedgerReceipts(w.Kinds, w.Receipts), intended)
	w.exists(ledger, map[string]any{"value": l.Encode()})
	w.Ledger = &l
	return w
}

// list makes something ours be there that the manifest may not declare. Ids follow the order of the calls, not that of the addresses.
func (w *world) list(a slipway.Address) *world {
	w.Listed = append(w.Listed, slipway.Observation{Exists: true, Receipt: slipway.Receipt{
		Address: a, ID: fmt.Sprintf("listed-%d", len(w.Listed)), Name: a.Key(), Account: "acme", Needs: []slipway.Address{project},
	}})
	return w
}

// lines shows a plan's effects and checks: key [gate] < what it depends on, ~ what it comes after.
func lines(p *slipway.Plan) []string {
	var out []string
	for _, e := range p.Effects {
		out = append(out, line(e.Key, string(e.Gate), e.DependsOn, e.After))
	}
	for _, c := range p.Checks {
		out = append(out, line(c.Key, "check", c.DependsOn, nil))
	}
	return out
}

func line(key, gate string, needs, after []string) string {
	s := fmt.Sprintf("%s [%s]", key, gate)
	if len(needs) > 0 {
		s += " < " + strings.Join(needs, " ")
	}
	if len(after) > 0 {
		s += " ~ " + strings.Join(after, " ")
	}
	return strings.NewReplacer("cloud.", "", "@production", "").Replace(s)
}

func mustPlan(t interface {
	Helper()
	Fatal(...any)
}, in slipway.PlanInput,
) *slipway.Plan {
	t.Helper()
	p, err := slipway.MakePlan(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// drawWorld is an app of any size in which each resource is absent, as declared, different, gone, broken or somebody else's.
func drawWorld(t *rapid.T) *world {
	var dbs []string
	for i := range rapid.IntRange(0, 3).Draw(t, "databases") {
		dbs = append(dbs, fmt.Sprintf("db%d", i))
	}
	var vars []slipway.Spec
	for i := range rapid.IntRange(0, 4).Draw(t, "variables") {
		in := slipway.Input{Secret: "KEY"}
		if len(dbs) > 0 && rapid.Bool().Draw(t, "from") {
			in = output(rapid.SampledFrom(dbs).Draw(t, "source"), "url")
		}
		vars = append(vars, envVar(fmt.Sprintf("VAR%d", i), in))
	}
	w := app(dbs, vars...).settle()
	w.PromoteAuto = rapid.Bool().Draw(t, "promote auto")
	if rapid.Bool().Draw(t, "no probes") {
		w.Probes = nil
	}
	if rapid.Bool().Draw(t, "job") {
		w.Job = slipway.Verify{Commands: [][]string{{"npm", "test"}}}.Job()
		w.JobParent = rapid.SampledFrom([]slipway.Kind{"", "cloud.project"}).Draw(t, "job's parent")
	}
	for i := range w.Specs {
		w.disturb(t, &w.Specs[i])
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "listed") {
		w.list(slipway.NewAddress("cloud.var", fmt.Sprintf("OLD%d", i), slipway.Production))
	}
	switch rapid.SampledFrom([]string{"true", "intended", "stale", "none"}).Draw(t, "ledger") {
	case "none":
		w.absent(ledger)
	case "true":
		w.writeLedger()
	case "intended":
		w.writeLedger(project, slipway.NewAddress("cloud.db", "db0", ""), slipway.NewAddress("cloud.role", "db0", slipway.Production))
	}
	w.orphan(dbs)
	return w
}

func (w *world) disturb(t *rapid.T, s *slipway.Spec) {
	kind := w.Kinds[s.Address.Kind()]
	state := rapid.SampledFrom([]string{"there", "there", "absent", "differs", "immutable", "foreign", "vanished", "failed"}).Draw(t, string(s.Address))
	switch {
	case state == "absent", kind.UpdateOp != "" && state == "vanished":
		w.absent(s.Address)
	case state == "vanished":
		w.Observed[s.Address] = slipway.Observation{Vanished: true}
	case state == "foreign":
		w.foreign(s.Address)
	case state == "failed" && kind.Versioned:
		o := w.Observed[s.Address]
		o.Failed = slipway.Errorf(slipway.CodeBuildFailed, "the build failed")
		w.Observed[s.Address] = o
	case state == "immutable" && len(kind.Immutable) > 0:
		w.differs(s.Address, kind.Immutable[0], "another")
	case state == "differs" && len(s.Params) > 0:
		names := slices.Sorted(maps.Keys(s.Params))
		w.differs(s.Address, names[len(names)-1], "another")
	}
}

// orphan makes what is in something that is not there be absent, and what is read from it unknown, as observing does.
func (w *world) orphan(dbs []string) {
	if !w.Observed[project].Exists {
		for _, s := range w.Specs {
			if slices.Contains(s.Needs, project) {
				w.absent(s.Address)
			}
		}
		w.Listed, w.LastServed = nil, ""
	}
	for _, key := range dbs {
		if w.Observed[slipway.NewAddress("cloud.db", key, "")].Exists {
			continue
		}
		w.absent(slipway.NewAddress("cloud.role", key, slipway.Production))
		for i := range w.Specs {
			if in := w.Specs[i].Inputs["value"]; in.From != nil && in.From.Resource == key {
				w.unknown("fingerprint", w.Specs[i].Address).unknown("input", deploy)
			}
		}
	}
}

// drawPlan is the plan of any world in which nothing conflicts.
func drawPlan(t *rapid.T) *slipway.Plan {
	p, err := slipway.MakePlan(drawWorld(t).PlanInput)
	if slipway.ErrorCode(err) == slipway.CodeConflict {
		t.Skip("a foreign thing with an immutable difference")
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}
