package provider_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
)

// row is what a cause means: whether Slipway looks, who makes (creates, adopts with changes, replaces, deletes) and who changes what is made
// in the account itself, and who does everything inside of it.
type row struct {
	looks               bool
	make, change, inner slipway.Mode
	links               slipway.Mode // of vercel.link
}

const (
	auto    = slipway.ModeAutomated
	manual  = slipway.ModeManual
	blocked = slipway.ModeBlocked
)

// declared is the matrix as it is meant, written here apart from the code. docs/capabilities.md shows what the code makes of it.
var declared = map[slipway.Cause]row{
	"":                      {true, auto, auto, auto, auto},
	"missing":               {false, manual, manual, manual, manual},
	"invalid":               {false, blocked, blocked, blocked, blocked},
	"expired":               {false, blocked, blocked, blocked, blocked},
	"wrong_team":            {false, blocked, blocked, blocked, blocked},
	"organisation_required": {false, blocked, blocked, blocked, blocked},
	"read_only":             {true, manual, manual, manual, manual},
	"project_scoped":        {true, manual, auto, auto, auto},
	"forbidden":             {true, manual, manual, manual, manual},
	"account_refused":       {false, manual, manual, manual, manual},
	"app_not_installed":     {true, manual, manual, manual, manual},
	"rate_limited":          {false, blocked, blocked, blocked, blocked},
	"unreachable":           {false, blocked, blocked, blocked, blocked},
}

// meant is what a cause means at one provider: that Vercel's GitHub app is missing is about links alone.
func meant(provider string, cause slipway.Cause) row {
	if provider == "vercel" && cause == "app_not_installed" {
		r := declared[""]
		r.links = manual
		return r
	}
	return declared[cause]
}

// inAccount are the kinds that are made in the account itself.
var inAccount = []slipway.Kind{"vercel.project", "neon.project", "upstash.redis", "upstash.vector"}

// byHand is the kind that only a person changes, whatever the credential may do.
const byHand slipway.Kind = "vercel.dns"

const ledger slipway.Address = "vercel.env/SLIPWAY"

// mode is who is meant to make an effect true. To adopt what is as declared sends nothing; a value that Slipway cannot read is carried by a
// person.
func (r row) mode(e slipway.Effect, carried bool) slipway.Mode {
	m := r.inner
	if slices.Contains(inAccount, e.Address.Kind()) {
		if m = r.make; e.Op == slipway.OpUpdate {
			m = r.change
		}
	}
	if e.Address.Kind() == "vercel.link" {
		m = r.links
	}
	if e.Op == slipway.OpAdopt && len(e.Changes) == 0 && m == manual {
		m = auto
	}
	if (carried && e.Op != slipway.OpDelete || e.Address.Kind() == byHand) && m == auto {
		m = manual
	}
	return m
}

// The tables of all providers: their data by name, and their kinds.
var (
	providers    = provider.All(rest.Config{})
	infos, kinds = tables(providers)
	names        = slices.Sorted(maps.Keys(infos))
)

func tables(all []slipway.Provider) (map[string]slipway.ProviderInfo, map[slipway.Kind]slipway.KindInfo) {
	infos, kinds := map[string]slipway.ProviderInfo{}, map[slipway.Kind]slipway.KindInfo{}
	for _, p := range all {
		info := p.Info()
		infos[info.Name] = info
		for _, k := range info.Kinds {
			kinds[k.Kind] = k
		}
	}
	return infos, kinds
}

func shop() *slipway.Manifest {
	return &slipway.Manifest{
		App: "shop", Environments: []string{"production", "preview"}, Source: slipway.Source{GitHub: "acme/shop"},
		Vercel: slipway.VercelSettings{Framework: "nextjs", Domains: []slipway.Domain{{Name: "shop.example.com"}}},
		Resources: map[string]slipway.ManifestResource{
			"db":     {Type: "neon.postgres"},
			"cache":  {Type: "upstash.redis", Fields: map[string]any{"region": "us-east-1"}},
			"search": {Type: "upstash.vector", Fields: map[string]any{"region": "us-east-1", "dimensions": int64(3)}},
		},
		Env: map[string]slipway.EnvVar{
			"DATABASE_URL": {From: "db.pooled_url"}, "REDIS_TOKEN": {From: "cache.rest_token"}, "VECTOR_TOKEN": {From: "search.rest_token"},
			"STRIPE_KEY": {Secret: "STRIPE_KEY"}, "LOG_LEVEL": {Value: "info", HasValue: true},
		},
		Verify: slipway.Verify{Health: []slipway.HealthProbe{{Path: "/"}}},
	}
}

// specs are those of an environment; nothing may change them.
func specs(environment string) []slipway.Spec { return expanded()[environment] }

// expanded are the Specs by environment, and digests what each declares by its address.
var (
	expanded = sync.OnceValue(func() map[string][]slipway.Spec {
		return map[string][]slipway.Spec{"production": expand("production"), "preview": expand("preview")}
	})
	digests = sync.OnceValue(func() map[slipway.Address]string {
		out := map[slipway.Address]string{}
		for _, environment := range expanded() {
			for _, s := range environment {
				out[s.Address] = slipway.DeclaredDigest(s)
			}
		}
		return out
	})
)

// expand asks all providers, and fills what the engine does.
func expand(environment string) []slipway.Spec {
	var out []slipway.Spec
	for _, p := range providers {
		for _, s := range p.Expand(shop(), environment) {
			s.Params = maps.Clone(s.Params)
			for _, name := range []string{"fingerprint", "input"} {
				if v, has := s.Params[name]; has && v == nil {
					s.Params[name] = name + " of " + string(s.Address)
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// states are how a resource can be found.
var states = []string{"absent", "same", "differs", "moved", "foreign", "foreign, differs", "vanished"}

// world is what is found of every Spec, and what speaks against each provider.
type world struct {
	name   string
	specs  []slipway.Spec
	causes map[string]slipway.Cause
	in     slipway.PlanInput
}

// newWorld finds each Spec in the state that pick says, as far as the causes let it be looked at.
func newWorld(environment string, causes map[string]slipway.Cause, pick func(slipway.Spec) string) *world {
	w := &world{specs: specs(environment), causes: causes, in: slipway.PlanInput{
		Operation: slipway.OperationShip, App: "shop", Environment: environment, Kinds: kinds, Probes: shop().Verify.Health,
		Observed: map[slipway.Address]slipway.Observation{}, Owned: map[slipway.Address]bool{}, Receipts: map[slipway.Address]slipway.Receipt{},
		Unresolved: map[slipway.Address]string{},
	}}
	w.in.Specs = w.specs
	for _, name := range names {
		w.in.Access = append(w.in.Access, infos[name].Against(slipway.Capability{Name: "credential"}, causes[name]))
	}
	for _, s := range w.specs {
		w.find(s, pick(s))
	}
	if w.looks("vercel.env") {
		old := slipway.Receipt{Address: slipway.NewAddress("vercel.env", "OLD", environment), ID: "old", Name: "OLD"}
		w.in.Listed = append(w.in.Listed, slipway.Observation{Exists: true, Owned: true, Receipt: old})
	}
	for _, s := range w.specs {
		for _, in := range s.Inputs {
			if in.From != nil && !w.looks(w.serving(in.From.Resource).Kind()) {
				w.in.Unresolved[s.Address] = "Slipway cannot read its value"
			}
		}
	}
	return w
}

func (w *world) looks(k slipway.Kind) bool { return meant(k.Provider(), w.causes[k.Provider()]).looks }

func (w *world) serving(resource string) slipway.Address {
	for _, s := range w.specs {
		if s.Serves == resource {
			return s.Address
		}
	}
	return ""
}

func (w *world) find(s slipway.Spec, state string) {
	a, kind := s.Address, kinds[s.Address.Kind()]
	r := slipway.Receipt{Address: a, ID: "id of " + string(a), Name: s.Name, Declared: digests()[a], Needs: s.Needs, Origin: slipway.OriginCreated}
	obs := slipway.Observation{Exists: true, Receipt: r, Fields: maps.Clone(s.Params)}
	for name, of := range s.IDs {
		obs.Fields[name] = "id of " + string(of)
	}
	ours := true
	switch state {
	case "absent":
		if !w.looks(a.Kind()) {
			w.in.Observed[a] = slipway.Observation{Unseen: true}
		}
		return
	case "differs":
		r.Declared = "another"
		change(obs.Fields, kind, false)
	case "moved":
		r.Declared = "another"
		change(obs.Fields, kind, len(kind.Immutable) > 0)
	case "foreign":
		ours = false
	case "foreign, differs":
		ours = false
		change(obs.Fields, kind, false)
	case "vanished":
		obs = slipway.Observation{Vanished: true}
	}
	if ours {
		w.in.Receipts[a] = r
		w.in.Owned[a] = state != "vanished"
	}
	if !w.looks(a.Kind()) {
		obs = slipway.Observation{Unseen: true, Exists: ours, Receipt: r}
	}
	w.in.Observed[a] = obs
}

// change makes one field another: an immutable one, or one that is not.
func change(fields map[string]any, kind slipway.KindInfo, immutable bool) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if slices.Contains(kind.Immutable, name) == immutable {
			fields[name] = "other"
			return
		}
	}
}

// dependsOn returns the keys of the effects and checks that each effect or check of a plan must wait for, as it is meant.
func (w *world) dependsOn(p *slipway.Plan) map[string][]string {
	last := map[slipway.Address]string{}
	for _, e := range p.Effects {
		if e.Address != ledger {
			last[e.Address] = e.Key
		}
	}
	out := map[string][]string{}
	on := func(key string, addresses ...slipway.Address) {
		for _, a := range addresses {
			if k := last[a]; k != "" && k != key {
				out[key] = append(out[key], k)
			}
		}
	}
	for _, s := range w.specs {
		key := last[s.Address]
		on(key, s.Needs...)
		on(key, s.After...)
		on(key, s.Seals...)
		on(key, slices.Collect(maps.Values(s.IDs))...)
		for _, in := range s.Inputs {
			if in.From != nil {
				on(key, w.serving(in.From.Resource))
			}
		}
	}
	for _, e := range p.Effects {
		switch {
		case e.Address == ledger: // it tells what was made, or is about to be
			for _, o := range p.Effects {
				if kinds[o.Address.Kind()].Ledgered && o.Op != slipway.OpUpdate && o.Op != slipway.OpDelete && !strings.HasSuffix(e.Key, "#intend") {
					out[e.Key] = append(out[e.Key], o.Key)
				}
			}
			on(e.Key, "vercel.project/shop")
		case e.Op == slipway.OpDeploy: // it carries the variables as they are by then
			for _, o := range p.Effects {
				if o.Op == slipway.OpDelete {
					out[e.Key] = append(out[e.Key], o.Key)
				}
			}
		case e.Op == slipway.OpPromote: // production moves when all else is done
			for _, o := range p.Effects {
				if o.Gate == slipway.GateApply && o.Key != e.Key && o.Address.Kind() != byHand {
					out[e.Key] = append(out[e.Key], o.Key)
				}
			}
			for _, c := range p.Checks {
				out[e.Key] = append(out[e.Key], c.Key)
			}
		}
		out[e.Key] = append(out[e.Key], e.After...) // intents are told before what they are about is made
	}
	for _, c := range p.Checks {
		on(c.Key, c.Address)
		for _, e := range p.Effects {
			if kinds[e.Address.Kind()].Probing != "" {
				out[c.Key] = append(out[c.Key], e.Key)
			}
		}
	}
	return out
}

// reach plays a plan to its end with every gate open; people do their steps when they may, or never. It returns what was done.
func reach(t *testing.T, p *slipway.Plan, people bool) map[string]bool {
	t.Helper()
	progress := slipway.Progress{
		Plan: p, Steps: map[string]slipway.Step{}, Open: map[slipway.Gate]bool{slipway.GateApply: true, slipway.GatePromote: true, slipway.GateDestroy: true},
	}
	done := map[string]bool{}
	for {
		next := slipway.WhatNext(progress)
		now := slices.Clone(next.Ready)
		if people {
			now = append(now, next.Manual...)
		}
		for _, part := range []struct {
			keys []string
			mode slipway.Mode
		}{{next.Ready, auto}, {next.Manual, manual}, {next.Blocked, blocked}} {
			for _, key := range part.keys {
				if e := p.Effect(key); e != nil && e.Mode != part.mode {
					t.Fatalf("%s is %q, and comes as %q", key, e.Mode, part.mode)
				}
			}
		}
		if len(now) == 0 {
			return done
		}
		for _, key := range now {
			done[key] = true
			progress.Steps[key] = slipway.Step{Key: key, State: slipway.StepDone}
		}
	}
}

// held are the keys that must wait for ever when effects of such a mode are not done.
func held(p *slipway.Plan, needs map[string][]string, undone func(slipway.Mode) bool) map[string]bool {
	out := map[string]bool{}
	for changed := true; changed; {
		changed = false
		look := func(key string, own bool) {
			if !out[key] && (own || slices.ContainsFunc(needs[key], func(k string) bool { return out[k] })) {
				out[key], changed = true, true
			}
		}
		for _, e := range p.Effects {
			look(e.Key, undone(e.Mode))
		}
		for _, c := range p.Checks {
			look(c.Key, false)
		}
	}
	return out
}

// check proves one plan.
func (w *world) check(t *testing.T) *slipway.Plan {
	t.Helper()
	name := w.name
	p, err := slipway.MakePlan(w.in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, e := range p.Effects {
		at := e.Address.Kind().Provider()
		r := meant(at, w.causes[at])
		want := r.mode(e, w.in.Unresolved[e.Address] != "")
		if e.Mode != want || (e.Why == "") != (want == auto) {
			t.Fatalf("%s: %s is %q because %q, declared %q", name, e.Key, e.Mode, e.Why, want)
		}
		if e.Address == ledger && want == manual {
			t.Fatalf("%s: %s: nobody keeps a ledger by hand", name, e.Key)
		}
	}
	if closed := slipway.WhatNext(slipway.Progress{Plan: p}); slices.ContainsFunc(closed.Ready, func(k string) bool { return p.Effect(k) != nil }) {
		t.Fatalf("%s: ready before a gate is open: %v", name, closed.Ready)
	}
	needs := w.dependsOn(p)
	w.goesOn(t, name+", people at work", p, reach(t, p, true), held(p, needs, func(m slipway.Mode) bool { return m == blocked }))
	w.goesOn(t, name+", nobody at work", p, reach(t, p, false), held(p, needs, func(m slipway.Mode) bool { return m != auto }))
	return p
}

func (w *world) goesOn(t *testing.T, name string, p *slipway.Plan, done, held map[string]bool) {
	t.Helper()
	var keys []string
	for _, e := range p.Effects {
		keys = append(keys, e.Key)
	}
	for _, c := range p.Checks {
		keys = append(keys, c.Key)
	}
	for _, key := range keys {
		if done[key] == held[key] {
			t.Fatalf("%s: %s: done %t, held back %t\n%s", name, key, done[key], held[key], show(p))
		}
	}
}

func show(p *slipway.Plan) string {
	var b strings.Builder
	for _, e := range p.Effects {
		fmt.Fprintf(&b, "%-45s %-8s needs %v after %v\n", e.Key, cmp.Or(e.Mode, "auto"), e.DependsOn, e.After)
	}
	return b.String()
}

// TestMatrix: every combination of what can speak against each of the four providers, in a world that is drawn for it: before anything
// happens each effect has exactly the mode that is declared, and what is not held back by what cannot be done goes on to the end.
func TestMatrix(t *testing.T) {
	if diff := gocmp.Diff(len(slipway.Causes), len(declared)); diff != "" {
		t.Fatalf("the causes that are declared:\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"github", "neon", "upstash", "vercel"}, names); diff != "" {
		t.Fatalf("the providers:\n%s", diff)
	}
	var modes [3]atomic.Int64
	for i, vercel := range slipway.Causes {
		t.Run("vercel "+cmp.Or(string(vercel), "ready"), func(t *testing.T) {
			t.Parallel()
			for j, neon := range slipway.Causes {
				for k, upstash := range slipway.Causes {
					for l, github := range slipway.Causes {
						p := drawWorld([]int{i, j, k, l}, map[string]slipway.Cause{"vercel": vercel, "neon": neon, "upstash": upstash, "github": github}).check(t)
						for _, e := range p.Effects {
							modes[slices.Index([]slipway.Mode{auto, manual, blocked}, e.Mode)].Add(1)
						}
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("effects: %d automated, %d manual, %d blocked", modes[0].Load(), modes[1].Load(), modes[2].Load())
		for i := range modes {
			if modes[i].Load() == 0 {
				t.Errorf("a mode was never met: %d", i)
			}
		}
	})
}

// drawWorld finds each Spec in a state that is drawn, the same for the same causes; of every third world all are in one state.
func drawWorld(at []int, causes map[string]slipway.Cause) *world {
	seed := uint64(0)
	for _, n := range at {
		seed = seed*uint64(len(slipway.Causes)) + uint64(n)
	}
	draw := rand.New(rand.NewPCG(seed, 1))
	pick := func(slipway.Spec) string { return states[draw.IntN(len(states))] }
	if seed%3 == 0 {
		state := states[draw.IntN(len(states))]
		pick = func(slipway.Spec) string { return state }
	}
	w := newWorld([]string{"production", "preview"}[draw.IntN(2)], causes, pick)
	w.name = fmt.Sprintf("world %d %v", seed, causes)
	return w
}

// TestMatrixCoversEveryOperation: with each cause that lets a kind be looked at, each of its operations is met, and with each that does not
// those that need no look.
func TestMatrixCoversEveryOperation(t *testing.T) {
	for _, cause := range slipway.Causes {
		met := map[string]bool{}
		for _, name := range names {
			for _, environment := range []string{"production", "preview"} {
				for _, state := range states {
					for _, s := range specs(environment) { // one Spec alone in that state, all others as declared
						w := newWorld(environment, map[string]slipway.Cause{name: cause}, func(o slipway.Spec) string {
							if o.Address == s.Address {
								return state
							}
							return "same"
						})
						w.name = fmt.Sprintf("%s %s, %s, %s %s", name, cmp.Or(cause, "ready"), environment, s.Address, state)
						p := w.check(t)
						for _, e := range p.Effects {
							if e.Address.Kind().Provider() == name {
								met[string(e.Address.Kind())+" "+string(e.Op)] = true
							}
						}
					}
				}
			}
		}
		for _, k := range kinds {
			for op := range k.Consequence {
				if op != slipway.OpDelete && op != slipway.OpRollback && declared[cause].looks && !met[string(k.Kind)+" "+string(op)] {
					t.Errorf("%s: no plan to %s a %s", cmp.Or(cause, "ready"), op, k.Kind)
				}
			}
		}
	}
}

// TestMatrixOfDeletes: a destroy of each kind alone has the mode that is declared.
func TestMatrixOfDeletes(t *testing.T) {
	for _, cause := range slipway.Causes {
		for _, k := range kinds {
			if _, has := k.Consequence[slipway.OpDelete]; !has {
				continue
			}
			a := slipway.NewAddress(k.Kind, "shop", "")
			r := slipway.Receipt{Address: a, ID: "x", Origin: slipway.OriginCreated}
			info := infos[k.Kind.Provider()]
			p := slipway.MakeDestroy(slipway.PlanInput{
				App: "shop", Kinds: kinds, Receipts: map[slipway.Address]slipway.Receipt{a: r},
				Observed: map[slipway.Address]slipway.Observation{a: {Exists: true, Receipt: r}},
				Access:   slipway.Access{info.Against(slipway.Capability{Name: "credential"}, cause)},
				// To delete a value nobody has to read it.
				Unresolved: map[slipway.Address]string{a: "Slipway cannot read its value"},
			}, slipway.DestroyScope{All: true})
			if len(p.Effects) != 1 || p.Effects[0].Mode != meant(info.Name, cause).mode(p.Effects[0], true) {
				t.Errorf("%s: %+v, declared %+v", cmp.Or(cause, "ready"), p.Effects, declared[cause])
			}
		}
	}
}

// TestMatrixOfRollbacks: a rollback has the mode that is declared, and what is said of another environment does not count.
func TestMatrixOfRollbacks(t *testing.T) {
	for _, cause := range slipway.Causes {
		for _, of := range []string{"", slipway.Production, slipway.Preview} {
			w := newWorld(slipway.Production, nil, func(slipway.Spec) string { return "same" })
			c := infos["vercel"].Against(slipway.Capability{Name: "credential", Environment: of}, cause)
			w.in.Access = slipway.Access{c}
			p, err := slipway.MakeRollback(w.in, "an older one")
			if err != nil {
				t.Fatal(err)
			}
			want := meant("vercel", cause)
			if of == slipway.Preview {
				want = declared[""]
			}
			if len(p.Effects) != 1 || p.Effects[0].Mode != want.mode(p.Effects[0], false) {
				t.Errorf("%s, said of %q: %+v, declared %+v", cmp.Or(cause, "ready"), of, p.Effects, want)
			}
		}
	}
}

// TestOutcomes: what each cause means for a kind that is made in the account and for one inside of it, at any provider.
func TestOutcomes(t *testing.T) {
	acme := slipway.ProviderInfo{Name: "acme", Title: "Acme"}
	root, inner := slipway.KindInfo{Kind: "acme.root", Root: true}, slipway.KindInfo{Kind: "acme.inner"}
	for cause, want := range declared {
		access := slipway.Access{acme.Against(slipway.Capability{}, cause)}
		mode := func(k slipway.KindInfo, op slipway.Op) slipway.Mode { m, _ := access.Mode(k, op); return m }
		got := []slipway.Mode{mode(root, slipway.OpCreate), mode(root, slipway.OpDelete), mode(root, slipway.OpUpdate), mode(inner, slipway.OpCreate), mode(inner, slipway.OpUpdate)}
		if diff := gocmp.Diff([]slipway.Mode{want.make, want.make, want.change, want.inner, want.inner}, got); diff != "" || access.Readable(inner.Kind) != want.looks {
			t.Errorf("%s: looks %t\n%s", cause, access.Readable(inner.Kind), diff)
		}
		if blocks := want.inner == blocked; access.Blocks(inner.Kind) != blocks {
			t.Errorf("%s: to look is blocked: %t", cause, !blocks)
		}
	}
}

// TestAFindingIsForItsOperationAlone: what speaks against one operation of one kind leaves all others alone.
func TestAFindingIsForItsOperationAlone(t *testing.T) {
	for _, k := range kinds {
		for op := range k.Consequence {
			c := infos[k.Kind.Provider()].Against(slipway.Capability{Name: "x", Kind: k.Kind, Op: op}, slipway.CauseForbidden)
			for _, o := range kinds {
				for other := range o.Consequence {
					mode, _ := slipway.Access{c}.Mode(o, other)
					if (mode == manual) != (o.Kind == k.Kind && other == op) {
						t.Errorf("a finding about %s %s makes %s %s %q", k.Kind, op, o.Kind, other, mode)
					}
				}
			}
		}
	}
}

// TestGitHubHoldsNothingBack: it has no kinds, so that no state of its token changes a plan.
func TestGitHubHoldsNothingBack(t *testing.T) {
	absent := func(slipway.Spec) string { return "absent" }
	want := newWorld("production", nil, absent).check(t).Digest()
	for _, cause := range slipway.Causes {
		if got := newWorld("production", map[string]slipway.Cause{"github": cause}, absent).check(t).Digest(); got != want {
			t.Errorf("%s changes the plan", cause)
		}
	}
}
