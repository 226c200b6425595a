package manual_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// scenario is something that is to become true. It is done twice from the same moment, by Slipway's clients and by hand, and what the
// providers then hold must be the same.
type scenario struct {
	reason string
	before func(*world)                         // what is there already, and recorded; nil: nothing
	want   func(*world)                         // what changes then; nil: nothing
	only   func(slipway.Effect) bool            // the effects that count; nil: all that need no source
	made   func(*world, sight) []slipway.Effect // instead of the plan's
	typed  bool                                 // Vercel's command line has something for it
}

func all(slipway.Effect) bool { return true }

// needsNoSource leaves out what is made from the app's source: a person has no way to deploy but Vercel's command line.
func needsNoSource(e slipway.Effect) bool {
	return e.Op != slipway.OpDeploy && e.Op != slipway.OpPromote
}

func of(kinds ...slipway.Kind) func(slipway.Effect) bool {
	return func(e slipway.Effect) bool { return slices.Contains(kinds, e.Address.Kind()) && needsNoSource(e) }
}

// shipped makes all that the manifest wants and that needs no source.
func shipped(w *world) {
	w.t.Helper()
	w.automate(only(w.plan(w.look(), nil), needsNoSource))
}

func previewed(w *world) {
	shipped(w)
	w.environment = slipway.Preview
	shipped(w)
}

func only(plan *slipway.Plan, keep func(slipway.Effect) bool) *slipway.Plan {
	p := *plan
	p.Effects = slices.DeleteFunc(slices.Clone(plan.Effects), func(e slipway.Effect) bool { return !keep(e) })
	for i := range p.Effects {
		p.Effects[i].DependsOn = slices.DeleteFunc(slices.Clone(p.Effects[i].DependsOn), func(key string) bool { return p.Effect(key) == nil })
	}
	return &p
}

// mayOnlyRead speaks against every effect: each becomes a person's.
func mayOnlyRead(cause slipway.Cause) slipway.Access {
	var out slipway.Access
	for _, provider := range []string{"vercel", "neon", "upstash"} {
		out = append(out, slipway.Capability{Provider: provider, Name: "all", Cause: cause, State: cause.State(), Reason: "the credential may only read"})
	}
	return out
}

func (w *world) field(resource, name string, v any) {
	r := w.manifest.Resources[resource]
	r.Fields = maps.Clone(r.Fields)
	r.Fields[name] = v
	w.manifest.Resources[resource] = r
}

func (w *world) rename(resource, name string) {
	r := w.manifest.Resources[resource]
	r.Name = name
	w.manifest.Resources[resource] = r
}

// effect is one of a plan that no plan of this manifest would have: a provider deletes the thing together with what it is in.
func (w *world) effect(s sight, a slipway.Address, op slipway.Op) []slipway.Effect {
	obs := s.observed[a]
	e := slipway.Effect{
		Key: string(a) + "#" + string(op), Op: op, Address: a, Name: obs.Receipt.Name, Account: obs.Receipt.Account,
		Basis: slipway.Basis(slipway.Spec{Address: a}, obs), Gate: slipway.GateDestroy, Mode: slipway.ModeManual, Why: "asked for",
	}
	return []slipway.Effect{e}
}

func deletes(addresses ...slipway.Address) func(*world, sight) []slipway.Effect {
	return func(w *world, s sight) (out []slipway.Effect) {
		for _, a := range addresses {
			out = append(out, w.effect(s, a, slipway.OpDelete)...)
		}
		return out
	}
}

// behind is what somebody else does at a provider.
func (w *world) behind(method, url string, body any) {
	w.t.Helper()
	runbook := map[string]any{"steps": []any{map[string]any{"number": 1, "ways": []any{map[string]any{"http": map[string]any{
		"method": method, "url": url, "status": 200, "again": 423, "body": body, "headers": map[string]string{
			"Authorization": "Bearer <NEON_API_KEY>", "Content-Type": "application/json",
		},
	}}}}}}
	raw, err := json.Marshal(runbook)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.person(byhand.HTTP).Do(w.t.Context(), raw); err != nil {
		w.t.Fatal(err)
	}
}

const neonAPI = "https://console.neon.tech/api/v2"

// forget loses what is recorded, and waits until all of it shows in lists.
func (w *world) forget() {
	known := maps.Clone(w.receipts)
	clear(w.receipts)
	for {
		seen := w.look().observed
		if !slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(a slipway.Address) bool { return !seen[a].Exists && w.declared(a) }) {
			return
		}
		w.pause()
	}
}

func (w *world) declared(a slipway.Address) bool {
	return a.Environment() == "" || a.Environment() == w.environment
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"first": {reason: "everything of production, from nothing", only: needsNoSource},
		"preview": {
			reason: "another environment has a branch, a compute, a role and a database of its own",
			before: shipped, want: func(w *world) { w.environment = slipway.Preview },
		},
		"update": {
			typed: true, reason: "what can change in place: names, settings, values", before: shipped, want: func(w *world) {
				w.rename("db", "shop-renamed")
				w.rename("cache", "cache-renamed")
				w.rename("search", "search-renamed")
				w.field("cache", "eviction", false)
				w.field("cache", "read_regions", []string{"us-east-1"})
				w.field("cache", "plan", "payg")
				w.field("cache", "tls", true)
				w.manifest.Vercel.BuildCommand, w.manifest.Vercel.NodeVersion, w.manifest.Vercel.Regions = "make", "18.x", []string{"iad1"}
				w.manifest.Env["GREETING"] = slipway.EnvVar{Value: "hello", HasValue: true}
				w.secrets["PAYMENT_KEY"] = "sk_live_9876543210"
			},
		},
		"settings the other way": {
			reason: "what can be turned off can be turned on", before: func(w *world) {
				w.field("cache", "eviction", false)
				shipped(w)
			}, want: func(w *world) { w.field("cache", "eviction", true) },
		},
		"undeclared variable": {
			typed: true, reason: "a variable that left the manifest is deleted", before: shipped, want: func(w *world) { delete(w.manifest.Env, "GREETING") },
		},
		"missing role and database": {
			reason: "what somebody deleted in the default branch is added again", before: shipped, want: func(w *world) {
				at := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID + "/branches/" + w.receipts["neon.project/db"].Details["branch_id"]
				w.behind("DELETE", at+"/databases/shop", nil)
				w.behind("DELETE", at+"/roles/shop", nil)
			}, only: of("neon.project"),
		},
		"drifted branch": {
			reason: "a branch that was renamed, a compute that was disabled and a database of another owner", before: previewed, want: func(w *world) {
				project := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID
				branch, compute := last(w.receipts["neon.branch/db@preview"].ID), last(w.receipts["neon.endpoint/db@preview"].ID)
				w.behind("PATCH", project+"/branches/"+branch+"/databases/shop_preview", map[string]any{"database": map[string]any{"owner_name": "shop"}})
				w.behind("PATCH", project+"/branches/"+branch, map[string]any{"branch": map[string]any{"name": "moved"}})
				w.behind("PATCH", project+"/endpoints/"+compute, map[string]any{"endpoint": map[string]any{"disabled": true}})
			}, only: of("neon.branch", "neon.endpoint", "neon.database"),
		},
		"adopt": {
			typed: true, reason: "what somebody else made and differs is made as declared", before: shipped, want: func(w *world) {
				w.forget()
				w.field("db", "role", "owner")
				w.field("db", "database", "store")
				w.field("cache", "eviction", false)
				w.manifest.Vercel.BuildCommand = "make"
				w.secrets["PAYMENT_KEY"] = "sk_live_9876543210"
			}, only: of("neon.project", "upstash.redis", "vercel.project", "vercel.env"),
		},
		"adopt of a preview": {
			reason: "so is what is in a branch", before: previewed, want: func(w *world) {
				project := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID
				branch, compute := last(w.receipts["neon.branch/db@preview"].ID), last(w.receipts["neon.endpoint/db@preview"].ID)
				w.behind("PATCH", project+"/branches/"+branch+"/databases/shop_preview", map[string]any{"database": map[string]any{"owner_name": "shop"}})
				w.behind("PATCH", project+"/endpoints/"+compute, map[string]any{"endpoint": map[string]any{"disabled": true}})
				w.forget()
			}, only: of("neon.endpoint", "neon.database"),
		},
		"replace": {
			reason: "what cannot change in place is deleted and made anew", before: shipped, want: func(w *world) {
				w.field("db", "region", "aws-us-east-2")
				w.field("cache", "region", "us-east-1")
				w.field("search", "metric", "euclidean")
			}, only: of("neon.project", "upstash.redis", "upstash.vector"),
		},
		"vanished": {
			reason: "what somebody deleted is made anew", before: previewed, want: func(w *world) {
				project := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID
				w.behind("DELETE", project+"/branches/"+last(w.receipts["neon.branch/db@preview"].ID), nil)
			}, only: of("neon.branch", "neon.endpoint", "neon.role", "neon.database"),
		},
		"vanished database": {
			reason: "a database alone can vanish", before: previewed, want: func(w *world) {
				at := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID + "/branches/" + last(w.receipts["neon.branch/db@preview"].ID)
				w.behind("DELETE", at+"/databases/shop_preview", nil)
			}, only: of("neon.database"),
		},
		"replaced role": {
			reason: "a role has no other field than its name", before: func(w *world) {
				previewed(w)
				at := neonAPI + "/projects/" + w.receipts["neon.project/db"].ID + "/branches/" + last(w.receipts["neon.branch/db@preview"].ID)
				w.behind("PATCH", at+"/databases/shop_preview", map[string]any{"database": map[string]any{"owner_name": "shop"}})
			}, want: func(w *world) { w.field("db", "role", "keeper") }, only: of("neon.role"),
		},
		"vanished project": {
			reason: "a Vercel project that is gone is made anew", before: shipped, want: func(w *world) {
				r := w.receipts["vercel.project/shop"]
				w.behindVercel("DELETE", "/v9/projects/"+r.ID, 204)
			}, only: of("vercel.project"),
		},
		"delete of a branch": {reason: "a preview goes", before: previewed, made: deletes("neon.branch/db@preview")},
		"delete within a branch": {
			reason: "and what is in it can go alone", before: previewed, made: deletes("neon.database/db@preview", "neon.role/db@preview", "neon.endpoint/db@preview"),
		},
		"destroy": {reason: "everything goes", before: shipped, made: deletes("upstash.redis/cache", "upstash.vector/search", "neon.project/db", "vercel.project/shop")},
		"delete of a deployment": {
			reason: "its URL stops answering", before: deployed, made: deletes("vercel.deployment/shop@production"),
		},
		"rollback": {
			typed: true, reason: "production goes back to what it served before", before: func(w *world) {
				w.automate(only(w.plan(w.look(), nil), all))
				first := w.receipts["vercel.production/shop@production"].ID
				w.page = "<h1>the other shop</h1>\n"
				w.automate(only(w.plan(w.look(), nil), all))
				w.back = first
			}, made: func(w *world, s sight) []slipway.Effect {
				effects := w.effect(s, "vercel.production/shop@production", slipway.OpRollback)
				effects[0].Params = map[string]any{"deployment": w.back}
				return effects
			},
		},
		"domains": {
			typed: true, reason: "domains are added, one is taken over from a branch, and serves production", before: shipped, want: func(w *world) {
				w.addsDomain("theirs.example.com", map[string]any{"gitBranch": "fix"})
				w.manifest.Vercel.Domains = []slipway.Domain{{Name: "shop.example.com"}, {Name: "theirs.example.com"}}
			}, only: of("vercel.domain"),
		},
		"a domain's redirect": {
			reason: "a domain of ours serves production again", before: func(w *world) {
				shipped(w)
				w.addsDomain("shop.example.com", map[string]any{"redirect": "example.org"})
				w.manifest.Vercel.Domains = []slipway.Domain{{Name: "shop.example.com"}}
				w.receipts["vercel.domain/shop.example.com@production"] = w.look().observed["vercel.domain/shop.example.com@production"].Receipt
			}, only: of("vercel.domain"),
		},
		"a domain goes": {
			reason: "it stops answering", before: func(w *world) {
				shipped(w)
				w.addsDomain("shop.example.com", nil)
				w.manifest.Vercel.Domains = []slipway.Domain{{Name: "shop.example.com"}}
			}, made: deletes("vercel.domain/shop.example.com@production"),
		},
		"a link": {
			reason: "a repository is linked, and a push moves no domain", before: shipped, want: linked, only: of("vercel.link"),
		},
		"a link whose pushes move domains": {
			reason: "the setting is turned off again", before: func(w *world) {
				linkedByHand(w)
				w.asksVercel("PATCH", "/v9/projects/"+w.receipts["vercel.project/shop"].ID, map[string]any{"autoAssignCustomDomains": true}, 200)
			}, only: of("vercel.link"),
		},
		"a link goes": {reason: "no push builds", before: linkedByHand, made: deletes("vercel.link/shop")},
		"promote":     {reason: "production moves", before: deployed, typed: true, only: func(e slipway.Effect) bool { return e.Op == slipway.OpPromote }},
		"every value": {
			reason: "a page shows each value, and what the console made already is kept", want: func(w *world) {
				w.field("db", "database", "neondb")
				w.manifest.Env = map[string]slipway.EnvVar{}
				for _, p := range w.providers {
					for _, of := range p.Info().Types {
						for key, r := range w.manifest.Resources {
							for _, o := range of.Outputs {
								// An emulator's endpoint is a whole URL where a real one is a host: what is made of it differs.
								if of.Name == r.Type && o.Name != "endpoint" && (o.Name != "url" || key == "db") {
									w.manifest.Env[strings.ToUpper(key+"_"+o.Name)] = slipway.EnvVar{From: key + "." + o.Name}
								}
							}
						}
					}
				}
			},
		},
	}
}

// linked is a manifest whose source is a repository.
func linked(w *world) { w.manifest.Source = slipway.Source{GitHub: "acme/shop"} }

func linkedByHand(w *world) {
	shipped(w)
	linked(w)
	w.automate(only(w.plan(w.look(), nil), of("vercel.link")))
}

func (w *world) behindVercel(method, path string, status int) {
	w.t.Helper()
	w.asksVercel(method, path, nil, status)
}

// asksVercel is what somebody else does there.
func (w *world) asksVercel(method, path string, body map[string]any, status int) {
	w.t.Helper()
	request := map[string]any{
		"method": method, "url": "https://api.vercel.com" + path + "?teamId=<VERCEL_TEAM_ID>", "status": status,
		"headers": map[string]string{"Authorization": "Bearer <VERCEL_TOKEN>", "Content-Type": "application/json"},
	}
	if body != nil {
		request["body"] = body
	}
	raw, err := json.Marshal(map[string]any{"steps": []any{map[string]any{"number": 1, "ways": []any{map[string]any{"http": request}}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.person(byhand.HTTP).Do(w.t.Context(), raw); err != nil {
		w.t.Fatal(err)
	}
}

// addsDomain is what somebody does in the project's pages.
func (w *world) addsDomain(name string, more map[string]any) {
	w.t.Helper()
	body := map[string]any{"name": name}
	maps.Copy(body, more)
	w.asksVercel("POST", "/v10/projects/shop/domains", body, 200)
}

// last is what stands after the last slash.
func last(id string) string {
	_, rest := id, id
	for i := range id {
		if id[i] == '/' {
			rest = id[i+1:]
		}
	}
	return rest
}

func deployed(w *world) {
	w.t.Helper()
	w.automate(only(w.plan(w.look(), nil), func(e slipway.Effect) bool { return e.Op != slipway.OpPromote }))
}

// Somebody who sends the requests that are printed, somebody who clicks through the pages as their documentation is read here, and somebody who
// types what is printed for Vercel's command line come to what Slipway's own clients come to. What has no page or no command is done by the
// API.
func TestTheManualWayReachesWhatTheAutomatedWayReaches(t *testing.T) {
	var mu sync.Mutex
	var l ledger
	done, ran := map[string]bool{}, 0
	t.Run("do", func(t *testing.T) {
		for name, sc := range scenarios() {
			ways := []func(*world, *byhand.Person, slipway.Runbook){byJSON(byhand.HTTP), l.noting(byhand.Pages, byhand.HTTP)}
			if sc.typed {
				ways = append(ways, l.noting(byhand.Command, byhand.HTTP))
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				effects := prove(t, sc, ways...)
				mu.Lock()
				defer mu.Unlock()
				ran++
				for _, e := range effects {
					done[string(e.Address.Kind())+" "+string(e.Op)] = true
				}
			})
		}
		l.beside(t)
	})
	if t.Failed() || ran < len(scenarios()) { // some were not asked for
		return
	}
	var open []string
	for _, p := range provider.All(rest.Config{}) {
		for _, k := range p.Info().Kinds {
			for op := range k.Consequence {
				if what := string(k.Kind) + " " + string(op); !done[what] && elsewhere[what] == "" {
					open = append(open, what)
				}
			}
		}
	}
	slices.Sort(open)
	if len(open) > 0 {
		t.Errorf("no scenario does by hand: %q", open)
	}
	l.judge(t)
	l.judgeCommands(t)
}

// elsewhere are effects that no scenario here does, and why.
var elsewhere = map[string]string{
	"neon.branch adopt":        "it is found by its name, and has nothing else that could differ: nothing is sent",
	"neon.role adopt":          "it is found by its name, and has nothing else that could differ: nothing is sent",
	"upstash.vector adopt":     "it is found by its name, and nothing else of it can change: nothing is sent",
	"vercel.dns update":        "TestRecordsByHand: no client writes records",
	"vercel.deployment deploy": "beside the scenarios: a command alone makes it",
}

// byJSON is somebody who reads the runbook's JSON.
func byJSON(means ...byhand.Means) func(*world, *byhand.Person, slipway.Runbook) {
	return func(w *world, p *byhand.Person, book slipway.Runbook) {
		w.t.Helper()
		raw, err := json.Marshal(book)
		if err != nil {
			w.t.Fatal(err)
		}
		p.Means = means
		if err := p.Do(w.t.Context(), raw); err != nil {
			w.t.Fatal(err)
		}
	}
}

// prove does the scenario by Slipway's clients and, from the same moment, in each of ways, and returns its effects.
func prove(t *testing.T, sc scenario, ways ...func(*world, *byhand.Person, slipway.Runbook)) []slipway.Effect {
	t.Helper()
	w := newWorld(t)
	if sc.before != nil {
		sc.before(w)
	}
	if sc.want != nil {
		sc.want(w)
	}
	s := w.look()
	plan := only(w.plan(s, mayOnlyRead(slipway.CauseReadOnly)), orAll(sc.only))
	if sc.made != nil {
		plan.Effects = sc.made(w, s)
	}
	plan = only(plan, func(e slipway.Effect) bool { return e.Op != slipway.OpAdopt || len(e.Changes) > 0 }) // else nothing is sent
	if len(plan.Effects) == 0 {
		t.Fatalf("%s: the plan has no effect", sc.reason)
	}
	for _, e := range plan.Effects {
		if e.Mode != slipway.ModeManual {
			t.Errorf("%s is not manual", e.Key)
		}
	}
	start, err := w.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	receipts := maps.Clone(w.receipts)
	w.automate(plan)
	want := w.holds(plan)
	for _, do := range ways {
		if err := w.Restore(start); err != nil {
			t.Fatal(err)
		}
		w.receipts = maps.Clone(receipts)
		w.byHand(sc, plan, s, want, do)
	}
	return plan.Effects
}

// byHand does a plan's steps, compares what the providers then hold with want, and undoes them.
func (w *world) byHand(sc scenario, plan *slipway.Plan, s sight, want []selftest.Thing, do func(*world, *byhand.Person, slipway.Runbook)) {
	t := w.t
	t.Helper()
	person := w.person()
	w.copyFromPages(person, s)
	do(w, person, w.runbook(plan, s))
	for _, e := range plan.Effects {
		if e.Op == slipway.OpCreate || e.Op == slipway.OpReplace || e.Op == slipway.OpDelete {
			delete(w.receipts, e.Address)
		}
	}
	for _, e := range plan.Effects {
		if e.Op != slipway.OpDelete {
			w.settle(e.Address)
		}
	}
	if diff := cmp.Diff(want, w.holds(plan)); diff != "" {
		t.Errorf("%s (-automated +by hand):\n%s", sc.reason, diff)
	}
	raw, err := json.Marshal(w.runbook(plan, s))
	if err != nil {
		t.Fatal(err)
	}
	if err := person.Undo(t.Context(), raw); err != nil {
		t.Error(err)
	}
}

func orAll(keep func(slipway.Effect) bool) func(slipway.Effect) bool {
	if keep == nil {
		return needsNoSource
	}
	return keep
}

// copyFromPages gives the person what the pages of existing resources show.
func (w *world) copyFromPages(p *byhand.Person, s sight) {
	for resource := range w.manifest.Resources {
		for output, v := range w.outputs(resource, &s) {
			p.Values[slipway.PlaceholderFor(slipway.OutputRef{Resource: resource, Output: output})] = v.Reveal()
		}
	}
}

// runbook is that of a plan's manual steps.
func (w *world) runbook(plan *slipway.Plan, s sight) slipway.Runbook {
	return slipway.MakeRunbook(plan, slipway.GuideBy(w.providers, w.manifest, w.environment, func(e slipway.Effect) slipway.Spec {
		spec := s.spec(e.Address)
		spec.Known = nil
		if obs := w.seen(e.Address, s); obs.Exists {
			spec.Known = &obs.Receipt
		}
		return spec
	}))
}

func (w *world) seen(a slipway.Address, s sight) slipway.Observation {
	for _, obs := range s.listed {
		if obs.Receipt.Address == a {
			return obs
		}
	}
	return s.observed[a]
}

// holds is what the providers hold. The mark of a value that nobody could know when the runbook was written is not compared.
func (w *world) holds(plan *slipway.Plan) []selftest.Thing {
	w.t.Helper()
	state, err := w.Observe()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, thing := range state.Things {
		// Neon's command line names a compute after its branch, and annotates the branch with nothing; Vercel's sends two settings of its own.
		switch thing.Kind {
		case "neon.endpoint":
			delete(thing.Fields, "name")
		case "neon.branch":
			delete(thing.Fields, "annotation")
		// The console makes a database of its own first, and Neon counts them.
		case "neon.database":
			delete(thing.Fields, "id")
		case "neon.project":
			delete(thing.Fields, "nextDB")
		case "vercel.project", "vercel.deployment":
			thing.Fields["settings"] = ownOfVercelCLI.Replace(thing.Fields["settings"])
		}
	}
	for _, e := range plan.Effects {
		for _, thing := range state.Things {
			if thing.Kind == "vercel.env" && e.Address.Kind() == "vercel.env" && e.Params["fingerprint"] == nil && thing.Fields["key"] == `"`+e.Address.Key()+`"` {
				delete(thing.Fields, "comment")
			}
		}
	}
	return state.Things
}

// ownOfVercelCLI are rootDirectory null and sourceFilesOutsideRootDirectory true.
var ownOfVercelCLI = strings.NewReplacer(`"rootDirectory":"bnVsbA==",`, "", `,"sourceFilesOutsideRootDirectory":"dHJ1ZQ=="`, "")
