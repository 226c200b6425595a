package upstash

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

const (
	vercelBase                     = "https://api.vercel.com"
	kindVercelProject slipway.Kind = "vercel.project"
)

// product is one of Upstash's in Vercel's Marketplace. The slug of Redis is that of https://vercel.com/marketplace/upstash/upstash-kv; that of
// Vector, the keys of metadata and the names of the variables are not documented [?]: the reply to the products request tells the slugs and
// the metadataSchema of each.
type product struct {
	slug, title string
	metadata    func(params map[string]any) map[string]any
	variables   []string          // that the project gets, behind the connection's prefix
	outputs     map[string]string // the variable that holds an output
}

var products = map[slipway.Kind]product{
	kindRedis: {
		slug: "upstash-kv", title: "Upstash for Redis",
		metadata: func(p map[string]any) map[string]any {
			m := map[string]any{"primaryRegion": p["region"]}
			if regions := stringsOf(p["read_regions"]); len(regions) > 0 {
				m["readRegions"] = regions
			}
			if v, declared := p["eviction"]; declared {
				m["eviction"] = v
			}
			return m
		},
		variables: []string{"KV_REST_API_READ_ONLY_TOKEN", "KV_REST_API_TOKEN", "KV_REST_API_URL", "KV_URL", "REDIS_URL"},
		outputs: map[string]string{
			"rest_url": "KV_REST_API_URL", "rest_token": "KV_REST_API_TOKEN", "read_only_rest_token": "KV_REST_API_READ_ONLY_TOKEN", "url": "KV_URL",
		},
	},
	kindVector: {
		slug: "upstash-vector", title: "Upstash for Vector",
		metadata: func(p map[string]any) map[string]any {
			metric, _ := p["metric"].(string)
			return map[string]any{"region": p["region"], "dimensionCount": p["dimensions"], "similarityFunction": metrics[metric]}
		},
		variables: []string{"UPSTASH_VECTOR_REST_READONLY_TOKEN", "UPSTASH_VECTOR_REST_TOKEN", "UPSTASH_VECTOR_REST_URL"},
		outputs: map[string]string{
			"rest_url": "UPSTASH_VECTOR_REST_URL", "rest_token": "UPSTASH_VECTOR_REST_TOKEN", "read_only_rest_token": "UPSTASH_VECTOR_REST_READONLY_TOKEN",
		},
	},
}

func vercelProject(s slipway.Spec) slipway.Address {
	return slipway.NewAddress(kindVercelProject, s.App, "")
}

// vercelTeam is what stands for the team of the app's project in requests and commands, "" for a personal account.
func (g *guide) vercelTeam() string {
	switch account := g.spec.Parents[kindVercelProject].Account; {
	case strings.HasPrefix(account, "team_"):
		return account
	case account != "":
		return ""
	}
	return g.step.Ask(slipway.Placeholder{
		Name: "VERCEL_TEAM_ID", From: pageVercelTeam.String(), To: "the account that has the integration",
	})
}

// vercelProjectID is exact where it is recorded.
func (g *guide) vercelProjectID() string {
	if id := g.spec.Parents[kindVercelProject].ID; id != "" {
		return id
	}
	return g.step.Ask(slipway.Placeholder{
		Name: "VERCEL_PROJECT_ID", From: "Vercel's reply when the project was made, or " + pageVercelProject.String(), To: "the project that gets the variables",
	})
}

// vercel is a request of Vercel's REST API, path of which ends in ? or &, in the team that has the Upstash integration.
func (g *guide) vercel(method string, status int, path string, body any) slipway.Way {
	token := g.step.Ask(slipway.Placeholder{
		Name: "VERCEL_TOKEN", From: pageVercelToken.String(), To: "the header Authorization", Secret: true,
	})
	url := strings.TrimRight(vercelBase+path, "?&")
	if team := g.vercelTeam(); team != "" {
		url = vercelBase + path + "teamId=" + team
	}
	f := &slipway.HTTPForm{Method: method, URL: url, Headers: map[string]string{"Authorization": "Bearer " + token}, Body: body, Status: status}
	if body != nil {
		f.Headers["Content-Type"] = "application/json"
	}
	return slipway.Way{HTTP: f}
}

// vercelCLI is a command of Vercel's CLI, which is logged in: https://vercel.com/docs/cli/integration
func (g *guide) vercelCLI(args ...string) slipway.Way {
	argv := append([]string{"vercel"}, args...)
	if team := g.vercelTeam(); team != "" {
		argv = append(argv, "--scope", team)
	}
	return slipway.Way{Command: argv}
}

// marketplace leads through Vercel's Marketplace: Upstash's own API refuses accounts that were made there.
func (g *guide) marketplace() {
	p := products[g.effect.Address.Kind()]
	g.step.Before = []string{
		"Upstash's integration, installed in the Vercel team by somebody who may accept its terms: " + pageInstall.String(),
	}
	if g.spec.Parents[kindVercelProject].ID == "" {
		g.step.Before = append(g.step.Before, "the app's Vercel project: its step comes first")
	}
	g.step.Needs = []string{slipway.EffectKey(vercelProject(g.spec), slipway.OpCreate)}
	if g.effect.Op == slipway.OpDelete {
		g.removeStore(p)
		return
	}
	if !g.making() {
		g.changeStore(p)
		return
	}
	g.step.Title = fmt.Sprintf("Create the store %q of %s in Vercel's Marketplace, and connect it to the project", g.name, p.title)
	g.step.Ways = g.createStore(p)
	if g.replacing() {
		g.step.Title = fmt.Sprintf("Delete the store %q in Vercel's Marketplace with all data in it, and create it anew", g.name)
		for i, remove := range g.deleteStore() {
			g.step.Ways[i] = remove.And(g.step.Ways[i])
		}
	}
	g.step.Undo = g.deleteStore()
	variables := make([]string, len(p.variables))
	for i, v := range p.variables {
		variables[i] = g.prefix() + v
	}
	g.step.See = fmt.Sprintf("the store %q is Available under the project's Storage, and the project has the variables %s: none of the app's own",
		g.name, strings.Join(variables, ", "))
	g.step.Check = "the REST URL answers with the token (PING for Redis, /info for Vector)"
	for _, output := range []string{"rest_url", "rest_token", "read_only_rest_token", "url"} {
		if variable, ok := p.outputs[output]; ok {
			g.step.Placeholders = append(g.step.Placeholders, slipway.Placeholder{
				Name: g.output(output), From: pageStoreValue.With("store", g.name, "variable", variable).String(),
				To: "the steps that need " + g.key + "." + output, Secret: output != "rest_url",
			})
		}
	}
}

// createStore: https://vercel.com/docs/rest-api/reference/endpoints/integrations/create-integration-store-free-and-paid-plans. The connection
// is what Vercel's own CLI sends, and is not in the published document.
func (g *guide) createStore(p product) []slipway.Way {
	project := g.vercelProjectID()
	configuration := g.step.Ask(slipway.Placeholder{Name: "UPSTASH_CONFIGURATION_ID", From: "the reply to the first request: id, icfg_…", To: "the requests that follow"})
	store := g.step.Ask(slipway.Placeholder{Name: g.output("store_id"), From: "the reply to the create, store.id, or " + pageStoreID.With("store", g.name).String(), To: "the connection"})
	find := g.vercel("GET", 200, "/v1/integrations/configurations?view=account&installationType=marketplace&integrationIdOrSlug=upstash&", nil)
	find.HTTP.Take = map[string]string{"UPSTASH_CONFIGURATION_ID": "0.id"}
	list := g.vercel("GET", 200, "/v1/integrations/configuration/"+configuration+"/products?", nil)
	metadata := p.metadata(g.spec.Params)
	create := g.vercel("POST", 200, "/v1/storage/stores/integration/direct?", map[string]any{
		"name": g.name, "integrationConfigurationId": configuration, "integrationProductIdOrSlug": p.slug, "metadata": metadata,
	})
	create.HTTP.Take = map[string]string{g.output("store_id"): "store.id"}
	targets := g.targets()
	connect := g.vercel("POST", 200, "/v1/storage/stores/"+store+"/connections?", map[string]any{
		"envVarEnvironments": targets, "projectId": project, "type": "integration", "envVarPrefix": g.prefix(),
	})
	args := []string{"integration", "add", "upstash/" + p.slug, "--name", g.name, "--no-env-pull", "--prefix", g.prefix()}
	for _, t := range targets {
		args = append(args, "--environment", t)
	}
	var fields []slipway.Field
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		value := fmt.Sprint(metadata[key])
		if several, ok := metadata[key].([]string); ok {
			value = strings.Join(several, ",") // as the CLI reads a list
		}
		args = append(args, "--metadata", key+"="+value)
		fields = append(fields, entry(key, value))
	}
	return []slipway.Way{
		find.And(list, create, connect),
		g.vercelCLI("link", "--yes", "--project", project).And(g.vercelCLI(args...)),
		pageBuy.With("product", p.title).Way(append(fields, entry("Resource name", g.name))...).And(
			pageConnectStore.With("store", g.name).Way(
				entry("Environments", strings.Join(targets, ", ")), entry("Custom Prefix", strings.TrimSuffix(g.prefix(), "_")))), // the page adds the _ [?]
	}
}

// prefix begins the names of the variables that the store writes into the project, so that none is one of the manifest's, nor another store's:
// https://vercel.com/docs/cli/integration#vercel-integration-add
func (g *guide) prefix() string {
	return "SLIPWAY_" + slipway.PlaceholderFor(slipway.OutputRef{Resource: g.key})
}

// targets are the environments that the store serves: all that a deployment has, where the store is shared.
func (g *guide) targets() []string {
	if env := g.effect.Address.Environment(); env != "" {
		return []string{env}
	}
	return []string{slipway.Production, slipway.Preview}
}

// deleteStore: the requests are those of Vercel's own CLI, which the published document does not have.
func (g *guide) deleteStore() []slipway.Way {
	store := g.step.Ask(slipway.Placeholder{Name: g.output("store_id"), From: pageStoreID.With("store", g.name).String(), To: "the requests of this step"})
	return []slipway.Way{
		g.vercel("DELETE", 200, "/v1/storage/stores/"+store+"/connections?", nil).And(g.vercel("DELETE", 200, "/v1/storage/stores/integration/"+store+"?", nil)),
		g.vercelCLI("integration-resource", "remove", g.name, "--disconnect-all", "--yes"),
		pageStoreDelete.With("store", g.name).Way(),
	}
}

func (g *guide) removeStore(p product) {
	g.step.Title = fmt.Sprintf("Delete the store %q of %s in Vercel's Marketplace with all data in it", g.name, p.title)
	g.step.Ways = g.deleteStore()
	g.step.See = "the store is no longer under the team's Storage, and its variables are gone from the project"
	g.step.Check = "its REST URL no longer answers"
}

// changeStore: what Upstash lets one change of such a store is on its own page, which Vercel opens.
func (g *guide) changeStore(p product) {
	var fields []slipway.Field
	for _, c := range g.effect.Changes {
		fields = append(fields, entry(c.Field, c.To))
	}
	g.step.Title = fmt.Sprintf("Change the store %q of %s in Vercel's Marketplace", g.name, p.title)
	g.step.Ways = []slipway.Way{pageStoreChange.With("store", g.name).Way(fields...)}
	g.step.See = fmt.Sprintf("the store %q as declared", g.name)
	g.step.Check = "its REST URL answers with the token (PING for Redis, /info for Vector)"
}
