package slipway_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

// fullPlan has every field set, so that each can be changed.
func fullPlan() *slipway.Plan {
	retries := 3
	return &slipway.Plan{
		Format: slipway.PlanFormat, Operation: slipway.OperationShip, App: "shop", Environment: slipway.Production, Source: "sha256:tree",
		Effects: []slipway.Effect{{
			Key: "cloud.db/db#create", Op: slipway.OpCreate, Address: db, Name: "shop-db <&>é", Account: "acme",
			Params:  map[string]any{"region": "east", "size": int64(1536), "on": true, "list": []string{"a", "b"}},
			Secrets: []slipway.SecretWrite{{Name: "value", Reference: "secret:KEY", Fingerprint: "fp"}},
			Basis:   map[string]any{"exists": true, "id": "x", "fields": map[string]any{"size": int64(1)}},
			// One key each, so that a change of order cannot pass for a change of content.
			DependsOn: []string{"a#create"}, After: []string{"b#create"}, OnFailure: "c#health", Gate: slipway.GateApply,
			Changes: []slipway.Change{{Field: "size", From: int64(1), To: int64(2)}}, Reason: "why", Consequence: "what", Reversible: true,
		}},
		Checks: []slipway.Check{{
			Key: "c#health", Address: deploy, DependsOn: []string{"d#deploy"}, Probes: []slipway.HealthProbe{{
				Path: "/", Status: 204, Contains: "ok", JSON: &slipway.JSONProbe{Path: "/a", Equals: "b"}, Within: "2s", Retries: &retries, Interval: "5s",
			}},
			Gate: slipway.GateApply, Job: &slipway.Job{
				Commands: [][]string{{"npm", "test"}}, Network: []string{"all"}, Timeout: 600, Memory: 4096, Runtime: "node24", Sandbox: "local",
			},
		}},
		Access: slipway.Access{{Provider: "cloud", Cause: slipway.CauseMissing}}, Unverified: []slipway.Address{"cloud.db/unseen"}, Rotated: []slipway.Address{"cloud.var/KEY@production"},
		Built:      &slipway.Built{With: []slipway.Address{"cloud.var/KEY@production"}, Without: []slipway.Address{"cloud.var/NEW@production"}, Lost: []slipway.Address{"cloud.var/OLD@production"}},
		Shipped:    &slipway.Shipped{Files: 1, Bytes: 2, Held: []string{".env"}, HeldBack: 1},
		Existing:   []slipway.Used{{Address: "cloud.db/there", Account: "acme", ID: "x", Name: "n", Mode: slipway.ModeAssisted, Note: "why"}},
		Undeclared: []slipway.Address{"cloud.db/old"}, Kept: []slipway.Address{"cloud.db/kept"}, Serving: "dpl-0", Drift: true, Held: slipway.HoldOlder,
	}
}

// The vector was made with Python 3.11, from the wire form of RFC 8785 (keys in order, no blanks, no escapes but those needed):
//
//	import json, hashlib
//	plan = {"format": 1, "operation": "ship", "app": "shop", "environment": "production", "source": "sha256:tree",
//	  "effects": [{"key": "cloud.db/db#create", "op": "create", "address": "cloud.db/db", "name": "shop-db <&>é", "account": "acme",
//	    "params": {"region": "east", "size": 1536, "on": True, "list": ["a", "b"]},
//	    "secrets": [{"name": "value", "reference": "secret:KEY", "fingerprint": "fp"}],
//	    "basis": {"exists": True, "id": "x", "fields": {"size": 1}},
//	    "depends_on": ["a#create"], "after": ["b#create"], "on_failure": "c#health", "gate": "apply", "reason": "", "reversible": False}],
//	  "checks": [{"key": "c#health", "address": "cloud.deploy/shop@production", "depends_on": ["d#deploy"],
//	    "probes": [{"path": "/", "status": 204, "contains": "ok", "json": {"path": "/a", "equals": "b"}, "within": "2s", "retries": 3,
//	      "interval": "5s"}], "gate": "apply",
//	    "job": {"commands": [["npm", "test"]], "network": ["all"], "timeout_seconds": 600, "memory_mib": 4096, "runtime": "node24",
//	      "sandbox": "local"}}],
//	  "existing": [{"address": "cloud.db/there", "account": "acme", "id": "x", "name": "n", "mode": "assisted"}],
//	  "undeclared": ["cloud.db/old"], "kept": ["cloud.db/kept"], "serving": "dpl-0", "drift": True, "held": "older"}
//	raw = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
//	print("sha256:" + hashlib.sha256(raw).hexdigest())
const planVector = "sha256:ea497737ee22760efa432ff9d49417d85664879f76eeaf4157d5d769c86ecbac"

func TestDigestVector(t *testing.T) {
	if got := fullPlan().Digest(); got != planVector {
		t.Errorf("the digest of the same plan has changed: got %s, want %s", got, planVector)
	}
	if got, want := slipway.CanonicalDigest(map[string]any{}), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"; got != want {
		t.Errorf("the digest of {}: got %s, want %s (printf {} | sha256sum)", got, want)
	}
}

// prose are the fields that no approval binds.
var prose = []string{"Existing[0].Note", "Access", "Unverified", "Rotated", "Built", "Shipped", "Effects[0].Changes", "Effects[0].Cause", "Effects[0].Why", "Effects[0].Reason", "Effects[0].Consequence", "Effects[0].Reversible"}

func TestDigestBindsAllButProse(t *testing.T) {
	fullPlan := func() *slipway.Plan {
		p := fullPlan()
		p.Commit = &slipway.Commit{Repository: "acme/shop", RepoID: 7, Ref: "main", SHA: "a", Tree: "b"}
		p.Report = &slipway.Reporting{To: "acme/shop"}
		p.Checks[0].Required = []string{"test"}
		return p
	}
	before := fullPlan().Digest()
	changed := map[string]bool{}
	for i := range mutations(reflect.ValueOf(fullPlan()).Elem(), "") {
		p := fullPlan()
		m := mutations(reflect.ValueOf(p).Elem(), "")[i]
		m.do()
		isProse := slices.ContainsFunc(prose, func(f string) bool { return strings.HasPrefix(m.path, f) })
		if same := p.Digest() == before; same != isProse {
			t.Errorf("a change of %s: digest the same %t, prose %t", m.path, same, isProse)
		}
		field, _, _ := strings.Cut(strings.ReplaceAll(m.path, "[0]", ""), " ")
		changed[field] = true
	}
	for in, of := range map[string]any{
		"": slipway.Plan{}, "Effects.": slipway.Effect{}, "Checks.": slipway.Check{}, "Effects.Secrets.": slipway.SecretWrite{}, "Checks.Probes.": slipway.HealthProbe{},
		"Checks.Job.": slipway.Job{}, "Existing.": slipway.Used{},
	} {
		for f := range reflect.TypeOf(of).Fields() {
			if !changed[in+f.Name] {
				t.Errorf("%T.%s was never changed: set it in fullPlan", of, f.Name)
			}
		}
	}
}

type mutation struct {
	path string
	do   func()
}

// mutations are the ways to change one thing in v.
func mutations(v reflect.Value, path string) (out []mutation) {
	change := func(how string, do func()) { out = append(out, mutation{path + how, do}) }
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, mutations(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."))...)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		change(" dropped", func() { v.SetZero() })
		out = append(out, mutations(v.Elem(), path)...)
	case reflect.Slice:
		change(" dropped", func() { v.SetLen(0) })
		for i := range v.Len() {
			out = append(out, mutations(v.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			change(" without "+k.String(), func() { v.SetMapIndex(k, reflect.Value{}) })
			change(" with another "+k.String(), func() { v.SetMapIndex(k, reflect.ValueOf("another")) })
			change(" with null for "+k.String(), func() { v.SetMapIndex(k, reflect.Zero(v.Type().Elem())) })
			if in := v.MapIndex(k).Elem(); in.Kind() == reflect.Map {
				out = append(out, mutations(in, path+" "+k.String())...)
			}
		}
	case reflect.String:
		change("", func() { v.SetString(v.String() + "x") })
	case reflect.Int, reflect.Int64:
		change("", func() { v.SetInt(v.Int() + 1) })
	case reflect.Bool:
		change("", func() { v.SetBool(!v.Bool()) })
	case reflect.Interface:
		change("", func() { v.Set(reflect.ValueOf("another")) })
	default:
		panic("no way to change " + path)
	}
	return out
}

func TestDigestOutlivesTheDatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		var back slipway.Plan
		if err := json.Unmarshal([]byte(asJSON(p)), &back); err != nil {
			t.Fatal(err)
		}
		if back.Digest() != p.Digest() {
			t.Error("a plan that was stored and read has another digest")
		}
		slices.Reverse(back.Effects)
		if back.Digest() != p.Digest() {
			t.Error("the order of effects is prose: what depends on what is bound by itself")
		}
	})
}

func TestPlanIsDeterministicAndPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		before := asJSON(w.PlanInput)
		first, firstErr := slipway.MakePlan(w.PlanInput)
		firstDestroy := slipway.MakeDestroy(w.PlanInput, slipway.DestroyScope{All: true})
		if diff := cmp.Diff(before, asJSON(w.PlanInput)); diff != "" {
			t.Fatalf("planning changed its input:\n%s", diff)
		}
		w.Specs = rapid.Permutation(w.Specs).Draw(t, "specs")
		w.Listed = rapid.Permutation(w.Listed).Draw(t, "listed in another order")
		second, secondErr := slipway.MakePlan(w.PlanInput)
		if fmt.Sprint(firstErr) != fmt.Sprint(secondErr) {
			t.Fatalf("errors differ: %v, %v", firstErr, secondErr)
		}
		if diff := cmp.Diff(asJSON(first), asJSON(second)); diff != "" {
			t.Errorf("the same in another order is another plan:\n%s", diff)
		}
		if first != nil && first.Digest() != second.Digest() {
			t.Error("and another digest")
		}
		if diff := cmp.Diff(asJSON(firstDestroy), asJSON(slipway.MakeDestroy(w.PlanInput, slipway.DestroyScope{All: true}))); diff != "" {
			t.Errorf("and another destroy:\n%s", diff)
		}
	})
}

func TestSettledNeedsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.Listed = nil
		if p := mustPlan(t, w.settle().PlanInput); !p.NoChanges() {
			t.Errorf("all is as declared, and planned was %v", lines(p))
		}
	})
}

func TestKeysAreKnownAndHaveNoCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, p := range []*slipway.Plan{drawPlan(t), slipway.MakeDestroy(drawWorld(t).PlanInput, slipway.DestroyScope{All: rapid.Bool().Draw(t, "all")})} {
			acyclic(t, p)
		}
	})
}

// acyclic fails when a key stands twice, is not known, or waits for itself.
func acyclic(t *rapid.T, p *slipway.Plan) {
	needs := map[string][]string{}
	for _, e := range p.Effects {
		if _, twice := needs[e.Key]; twice {
			t.Errorf("%s stands twice", e.Key)
		}
		needs[e.Key] = slices.Concat(e.DependsOn, e.After)
	}
	for _, c := range p.Checks {
		needs[c.Key] = c.DependsOn
	}
	state := map[string]int{}
	var visit func(key string)
	visit = func(key string) {
		if state[key] == 1 {
			t.Fatalf("%s waits for itself in\n%s", key, strings.Join(lines(p), "\n"))
		}
		if state[key] == 2 {
			return
		}
		state[key] = 1
		for _, need := range needs[key] {
			if _, known := needs[need]; !known {
				t.Fatalf("%s waits for %s, which is not in the plan\n%s", key, need, strings.Join(lines(p), "\n"))
			}
			visit(need)
		}
		state[key] = 2
	}
	for key := range needs {
		visit(key)
	}
}

// What the plan does to one address it does one after the other.
func TestOneAddressOneEffectAtATime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		at := map[slipway.Address]string{}
		for _, e := range p.Effects {
			if before := at[e.Address]; before != "" && !slices.Contains(e.DependsOn, before) {
				t.Errorf("%s does not wait for %s", e.Key, before)
			}
			at[e.Address] = e.Key
		}
	})
}

// All of a batch become ready together, intents and deletes apart.
func TestBatchesShareTheirDependencies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		var first *slipway.Effect
		for i := range p.Effects {
			e := &p.Effects[i]
			if e.Address.Kind() != "cloud.var" || e.Op == slipway.OpDelete || strings.HasSuffix(e.Key, "#intend") {
				continue
			}
			if first == nil {
				first = e
			}
			if diff := cmp.Diff(first.DependsOn, e.DependsOn); diff != "" {
				t.Errorf("%s and %s go out apart:\n%s", first.Key, e.Key, diff)
			}
		}
	})
}
