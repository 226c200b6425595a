package manual_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
)

var update = flag.Bool("update", false, "write testdata: runbooks as they are shown now")

// paper is an app that exists on paper alone: what is planned and shown is the same everywhere.
type paper struct {
	manifest    *slipway.Manifest
	environment string
	cause       slipway.Cause
	observed    map[slipway.Address]slipway.Observation
	receipts    map[slipway.Address]slipway.Receipt
	effects     []slipway.Effect // instead of the plan's
}

func (p paper) runbook(t *testing.T) slipway.Runbook {
	t.Helper()
	providers, kinds := provider.All(rest.Config{}), map[slipway.Kind]slipway.KindInfo{}
	var specs []slipway.Spec
	for _, of := range providers {
		for _, k := range of.Info().Kinds {
			kinds[k.Kind] = k
		}
		specs = append(specs, of.Expand(p.manifest, p.environment)...)
	}
	for i := range specs {
		specs[i].App = p.manifest.App
		if specs[i].Address.Kind() == "vercel.deployment" {
			specs[i].Params["tree"] = "sha256:5678"
		}
	}
	if p.observed == nil {
		p.observed = map[slipway.Address]slipway.Observation{}
	}
	owned := map[slipway.Address]bool{}
	for a := range p.receipts {
		owned[a] = true
	}
	plan, err := slipway.MakePlan(slipway.PlanInput{
		Operation: slipway.OperationShip, App: p.manifest.App, Environment: p.environment, Source: "sha256:5678", Specs: specs, Kinds: kinds,
		Observed: p.observed, Receipts: p.receipts, Owned: owned, Access: mayOnlyRead(p.cause),
	})
	if err != nil {
		t.Fatal(err)
	}
	plan.Effects = append(plan.Effects, p.effects...)
	return slipway.MakeRunbook(plan, slipway.GuideBy(providers, p.manifest, p.environment, func(e slipway.Effect) slipway.Spec {
		spec := slipway.Spec{Address: e.Address, App: p.manifest.App, Parents: map[slipway.Kind]slipway.Receipt{}}
		for _, s := range specs {
			if s.Address == e.Address {
				spec.Params, spec.Name, spec.Inputs, spec.Serves, spec.Needs = e.Params, s.Name, s.Inputs, s.Serves, s.Needs
			}
		}
		for _, need := range spec.Needs {
			if r, ok := p.receipts[need]; ok {
				spec.Parents[need.Kind()] = r
			}
		}
		if r, ok := p.receipts[e.Address]; ok {
			spec.Known = &r
		}
		return spec
	}))
}

func papers() map[string]paper {
	first := paper{manifest: shop(), environment: slipway.Production, cause: slipway.CauseMissing}
	preview := paper{manifest: shop(), environment: slipway.Preview, cause: slipway.CauseMissing}
	refused := paper{manifest: shop(), environment: slipway.Production, cause: slipway.CauseAccountRefused}
	refused.manifest.Env = map[string]slipway.EnvVar{"CACHE_TOKEN": {From: "cache.rest_token"}}
	beside := refused // the project is there, as its receipt tells
	beside.observed, beside.receipts = map[slipway.Address]slipway.Observation{}, map[slipway.Address]slipway.Receipt{}
	beside.there("vercel.project/shop", "prj_0123", "team_acme", map[string]any{"framework": "nextjs", "build_command": "npm run build", "node_version": "20.x", "region": "fra1"})
	changed := paper{
		manifest: shop(), environment: slipway.Production, cause: slipway.CauseReadOnly,
		observed: map[slipway.Address]slipway.Observation{}, receipts: map[slipway.Address]slipway.Receipt{},
	}
	changed.there("vercel.project/shop", "prj_0123", "team_acme", map[string]any{"framework": "vite", "build_command": "npm run build", "node_version": "20.x", "region": "fra1"})
	changed.there("neon.project/db", "quiet-sun-1", "org-acme", map[string]any{"name": "shop", "region": "aws-eu-central-1", "version": int64(15), "database": "shop", "role": "shop"})
	changed.there("upstash.redis/cache", "4f1b", "me@example.com", map[string]any{"name": "cache", "region": "eu-west-1", "eviction": false})
	changed.there("upstash.vector/search", "9a2c", "me@example.com", map[string]any{"name": "search", "region": "us-east-1", "dimensions": int64(3), "metric": "cosine"})
	changed.there("vercel.deployment/shop@production", "dpl_new", "team_acme", nil)
	changed.there("vercel.production/shop@production", "dpl_old", "team_acme", map[string]any{"deployment": "dpl_old"})
	changed.effects = append(deletes("vercel.env/OLD@production")(nil, sight{observed: map[slipway.Address]slipway.Observation{
		"vercel.env/OLD@production": {Exists: true, Receipt: slipway.Receipt{ID: "env_1", Name: "OLD", Account: "team_acme", Details: map[string]string{"project_id": "prj_0123"}}},
	}}), deletes("neon.branch/db@preview")(nil, sight{observed: map[slipway.Address]slipway.Observation{
		"neon.branch/db@preview": {Exists: true, Receipt: slipway.Receipt{ID: "quiet-sun-1/br-old", Name: "preview"}},
	}})...)
	changed.receipts["vercel.env/OLD@production"] = slipway.Receipt{ID: "env_1", Name: "OLD", Account: "team_acme", Details: map[string]string{"project_id": "prj_0123"}}
	return map[string]paper{"first": first, "preview": preview, "marketplace": refused, "marketplace-beside": beside, "changed": changed}
}

func (p *paper) there(a slipway.Address, id, account string, fields map[string]any) {
	r := slipway.Receipt{Address: a, ID: id, Account: account, Origin: slipway.OriginCreated, Details: map[string]string{}}
	if a.Kind() == "vercel.project" {
		r.Name = "shop"
	}
	p.receipts[a] = r
	p.observed[a] = slipway.Observation{Exists: true, Receipt: r, Fields: fields}
}

func TestRunbooksAreShownAsRecorded(t *testing.T) {
	for name, p := range papers() {
		t.Run(name, func(t *testing.T) {
			book := p.runbook(t)
			raw, err := json.MarshalIndent(book, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			for ending, got := range map[string]string{"md": manual.Markdown(book), "txt": manual.Text(book), "json": string(raw) + "\n"} {
				file := filepath.Join("testdata", name+"."+ending)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s is stale: go test ./internal/manual -run AsRecorded -update (-recorded +now):\n%s", file, diff)
				}
			}
			for range 20 { // maps have no order
				if again := p.runbook(t); manual.Markdown(again) != manual.Markdown(book) || manual.Text(again) != manual.Text(book) {
					t.Fatal("the same plan gives another runbook")
				}
			}
		})
	}
}

// A person is told where each value comes from that the check of a step takes, also one that no variable of the app has.
func TestWhatACheckTakesIsFound(t *testing.T) {
	all := papers()
	all["token alone"] = paper{manifest: shop(), environment: slipway.Production, cause: slipway.CauseMissing}
	all["token alone"].manifest.Env = map[string]slipway.EnvVar{"CACHE_TOKEN": {From: "cache.rest_token"}, "SEARCH_URL": {From: "search.rest_url"}}
	n := 0
	for name, p := range all {
		book := p.runbook(t)
		for _, s := range book.Steps {
			text := manual.Text(slipway.Runbook{Steps: []slipway.ManualStep{s}})
			for _, v := range s.Exports {
				value := slipway.Exported(v)
				n++
				if value == "VERCEL_BYPASS" {
					continue // its step tells
				}
				if !strings.Contains(text, "is <"+value+">") && !strings.Contains(text, "<"+value+"> for ") && !strings.Contains(text, "prints   <"+value+">") {
					t.Errorf("%s: %s does not tell where %s comes from:\n%s", name, s.Key, v, text)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no check takes anything")
	}
}
