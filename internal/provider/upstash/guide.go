package upstash

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

var _ slipway.GuideBeside = provider{}

// Beside is the app's Vercel project, where the Marketplace is the way.
func (provider) Beside(e slipway.Effect, s slipway.Spec) []slipway.Address {
	if e.Cause != slipway.CauseAccountRefused {
		return nil
	}
	return []slipway.Address{vercelProject(s)}
}

// Guide is pure. An account that the Developer API refuses is led through Vercel's Marketplace; any other through Upstash's own API, CLI
// and console. Names, regions and settings are those that the client sends.
func (provider) Guide(e slipway.Effect, s slipway.Spec) slipway.ManualStep {
	g := &guide{effect: e, spec: s, key: e.Address.Key(), name: cmp.Or(s.Name, e.Name)}
	switch {
	case e.Cause == slipway.CauseAccountRefused:
		g.marketplace()
	case e.Address.Kind() == kindRedis:
		g.redis()
	case e.Address.Kind() == kindVector:
		g.vector()
	}
	g.step.Logged("upstash", "for the command line: Upstash's CLI, logged in by upstash login or with UPSTASH_EMAIL and UPSTASH_API_KEY exported: "+pageCLI.String())
	g.step.Logged("vercel", "for the command line: Vercel's CLI, logged in by vercel login: "+pageVercelCLI.String())
	return g.step
}

// guide writes one step.
type guide struct {
	effect slipway.Effect
	spec   slipway.Spec
	key    string // of the manifest's resource
	name   string // of the store
	step   slipway.ManualStep
}

// id is the recorded id of the store, else the one that the plan saw; "" for none.
func (g *guide) id() string {
	if g.spec.Known != nil {
		return g.spec.Known.ID
	}
	id, _ := g.effect.Basis["id"].(string)
	return id
}

func (g *guide) replacing() bool {
	return g.effect.Op == slipway.OpReplace && g.effect.Basis["exists"] == true && g.id() != ""
}

func (g *guide) making() bool {
	return g.effect.Op == slipway.OpCreate || g.effect.Op == slipway.OpReplace
}

func (g *guide) output(name string) string {
	return slipway.PlaceholderFor(slipway.OutputRef{Resource: g.key, Output: name})
}

// made is the placeholder's name for the id that Upstash gives to a new store.
func (g *guide) made() string { return g.output("upstash_id") }

// form is a request of the Developer API: https://upstash.com/docs/devops/developer-api/authentication
func (g *guide) form(method, path string, body any) slipway.Way {
	email := g.step.Ask(slipway.Placeholder{Name: "UPSTASH_EMAIL", From: "the e-mail of the Upstash account", To: "the request's user"})
	key := g.step.Ask(slipway.Placeholder{
		Name: "UPSTASH_API_KEY", From: pageKeys.String(), To: "the request's password", Secret: true,
	})
	f := &slipway.HTTPForm{Method: method, URL: defaultURL + "/v2" + path, User: email + ":" + key, Body: body, Status: 200}
	if body != nil {
		f.Headers = map[string]string{"Content-Type": "application/json"}
	}
	return slipway.Way{HTTP: f}
}

// command is one of Upstash's CLI: https://upstash.com/docs/agent-resources/cli
func command(args ...string) slipway.Way {
	return slipway.Way{Command: append([]string{"upstash"}, args...)}
}

func entry(label string, value any) slipway.Field {
	if several := stringsOf(value); len(several) > 0 {
		value = strings.Join(several, ", ")
	}
	return slipway.Field{Label: label, Value: fmt.Sprint(value)}
}

const mayChange = "a native Upstash account, or a role in its team that may change stores"

func (g *guide) redis() {
	g.step.Before = []string{mayChange}
	remove := []slipway.Way{
		g.form("DELETE", rest.Path("/redis/database/%s", g.id()), nil), command("redis", "delete", "--db-id", g.id()),
		pageRedisDelete.With("id", g.id()).Way(),
	}
	switch {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Delete the Upstash Redis database %q with all data in it", g.name)
		g.step.Ways = remove
		g.step.See, g.step.Check = "the database is no longer in Upstash's list", "GET /v2/redis/database/"+g.id()+" answers 404"
		return
	case g.making():
		g.step.Title = fmt.Sprintf("Create the Upstash Redis database %q", g.name)
		g.step.Ways = g.createRedis()
		g.step.Undo = []slipway.Way{g.form("DELETE", "/redis/database/<"+g.made()+">", nil), command("redis", "delete", "--db-id", "<"+g.made()+">"), pageRedisDelete.With("id", "<"+g.made()+">").Way()}
	default:
		g.step.Title = fmt.Sprintf("Change the Upstash Redis database %q", g.name)
		g.changeRedis(g.id())
	}
	if g.replacing() {
		g.step.Title = fmt.Sprintf("Delete the Upstash Redis database %q with all data in it, and create it anew", g.name)
		for i := range g.step.Ways {
			g.step.Ways[i] = remove[i].And(g.step.Ways[i])
		}
	}
	g.step.See = fmt.Sprintf("the database %q in %v, as declared", g.name, g.spec.Params["region"])
	g.step.Check = "GET /v2/redis/databases finds one of this name with the declared settings, and PING on its REST URL answers PONG"
}

func (g *guide) createRedis() []slipway.Way {
	p := g.spec.Params
	region, _ := p["region"].(string)
	body := map[string]any{"database_name": g.name, "platform": "aws", "primary_region": region}
	if slices.Contains(gcpRegions, region) {
		body["platform"] = "gcp"
	}
	cli := []string{"redis", "create", "--name", g.name, "--region", region}
	fields := []slipway.Field{entry("Name", g.name), entry("Primary Region", region)}
	if regions := stringsOf(p["read_regions"]); len(regions) > 0 {
		body["read_regions"] = regions
		cli = append(append(cli, "--read-regions"), regions...)
		fields = append(fields, entry("Read Regions", regions))
	}
	id := g.step.Ask(slipway.Placeholder{Name: g.made(), From: "the reply to the first request or command, database_id, or " + pageRedisID.String(), To: "what follows, and what undoes it"})
	made := command(cli...)
	take := map[string]string{
		g.made(): "database_id", g.output("rest_url"): "https://{endpoint}", g.output("rest_token"): "rest_token",
		g.output("read_only_rest_token"): "read_only_rest_token", g.output("endpoint"): "endpoint", g.output("password"): "password",
		g.output("url"): "rediss://default:{password}@{endpoint}:{port}",
	}
	made.Prints = take
	steps := []slipway.Way{made}
	for _, name := range []string{"plan", "eviction", "tls"} {
		v, declared := p[name]
		if !declared {
			continue
		}
		body[name] = v
		fields = append(fields, entry(redisLabels[name], v))
		if c := redisCommand(name, id, v); c != nil {
			steps = append(steps, command(c...))
		}
	}
	create := g.form("POST", "/redis/database", body)
	create.HTTP.Take = take
	return []slipway.Way{create, steps[0].And(steps[1:]...), pageRedis.Way(fields...)}
}

var redisLabels = map[string]string{"name": "Name", "plan": "Plan", "eviction": "Eviction", "tls": "TLS", "read_regions": "Read Regions"}

// redisCommand makes one setting true, nil where the CLI has no command for it.
func redisCommand(name, id string, v any) []string {
	switch {
	case name == "name":
		return []string{"redis", "rename", "--db-id", id, "--name", fmt.Sprint(v)}
	case name == "plan":
		return []string{"redis", "change-plan", "--db-id", id, "--plan", fmt.Sprint(v)}
	case name == "eviction" && v == true:
		return []string{"redis", "enable-eviction", "--db-id", id}
	case name == "eviction":
		return []string{"redis", "disable-eviction", "--db-id", id}
	case name == "tls" && v == true:
		return []string{"redis", "enable-tls", "--db-id", id}
	case name == "read_regions":
		return append([]string{"redis", "update-regions", "--db-id", id, "--read-regions"}, stringsOf(v)...)
	}
	return nil
}

// redisForm makes one setting true: https://upstash.com/docs/devops/developer-api/redis
func (g *guide) redisForm(name, id string, v any) slipway.Way {
	switch name {
	case "name":
		return g.form("POST", rest.Path("/redis/rename/%s", id), map[string]any{"name": v})
	case "plan":
		return g.form("POST", rest.Path("/redis/%s/change-plan", id), map[string]any{"plan_name": v})
	case "read_regions":
		return g.form("POST", rest.Path("/redis/update-regions/%s", id), map[string]any{"read_regions": v})
	case "tls":
		return g.form("POST", rest.Path("/redis/enable-tls/%s", id), nil)
	}
	verb := "/redis/disable-eviction/%s"
	if v == true {
		verb = "/redis/enable-eviction/%s"
	}
	return g.form("POST", rest.Path(verb, id), nil)
}

func (g *guide) changeRedis(id string) {
	var forms, commands, undo []slipway.Way
	var fields []slipway.Field
	for _, name := range []string{"name", "tls", "eviction", "plan", "read_regions"} {
		i := slices.IndexFunc(g.effect.Changes, func(c slipway.Change) bool { return c.Field == name })
		if i < 0 {
			continue
		}
		forms = append(forms, g.redisForm(name, id, g.spec.Params[name]))
		fields = append(fields, entry(redisLabels[name], g.spec.Params[name]))
		if c := redisCommand(name, id, g.spec.Params[name]); c != nil {
			commands = append(commands, command(c...))
		}
		if from := g.effect.Changes[i].From; name != "tls" && from != nil {
			undo = append(undo, g.redisForm(name, id, from))
		}
	}
	if len(undo) > 0 {
		g.step.Undo = []slipway.Way{undo[0].And(undo[1:]...)}
	}
	if len(forms) > 0 {
		g.step.Ways = append(g.step.Ways, forms[0].And(forms[1:]...))
	}
	if len(commands) > 0 {
		g.step.Ways = append(g.step.Ways, commands[0].And(commands[1:]...))
	}
	g.step.Ways = append(g.step.Ways, pageRedisChange.With("id", id).Way(fields...))
}

func (g *guide) vector() {
	g.step.Before = []string{mayChange}
	remove := []slipway.Way{
		g.form("DELETE", rest.Path("/vector/index/%s", g.id()), nil), command("vector", "delete", "--index-id", g.id()),
		pageVectorDelete.With("id", g.id()).Way(),
	}
	switch {
	case g.effect.Op == slipway.OpDelete:
		g.step.Title = fmt.Sprintf("Delete the Upstash Vector index %q with all vectors in it", g.name)
		g.step.Ways = remove
		g.step.See, g.step.Check = "the index is no longer in Upstash's list", "GET /v2/vector/index/"+g.id()+" answers 404"
		return
	case g.making():
		g.step.Title = fmt.Sprintf("Create the Upstash Vector index %q", g.name)
		g.step.Ways = g.createVector()
		g.step.Undo = []slipway.Way{g.form("DELETE", "/vector/index/<"+g.made()+">", nil), command("vector", "delete", "--index-id", "<"+g.made()+">"), pageVectorDelete.With("id", "<"+g.made()+">").Way()}
	default:
		g.step.Title = fmt.Sprintf("Rename the Upstash Vector index to %q", g.name)
		g.step.Ways = []slipway.Way{
			g.form("POST", rest.Path("/vector/index/%s/rename", g.id()), map[string]any{"name": g.name}),
			command("vector", "rename", "--index-id", g.id(), "--name", g.name),
			pageVectorRename.With("id", g.id()).Way(entry("Name", g.name)),
		}
		for _, c := range g.effect.Changes {
			g.step.Undo = append(g.step.Undo, g.form("POST", rest.Path("/vector/index/%s/rename", g.id()), map[string]any{"name": c.From}))
		}
	}
	if g.replacing() {
		g.step.Title = fmt.Sprintf("Delete the Upstash Vector index %q with all vectors in it, and create it anew", g.name)
		for i := range g.step.Ways {
			g.step.Ways[i] = remove[i].And(g.step.Ways[i])
		}
	}
	p := g.spec.Params
	g.step.See = fmt.Sprintf("the index %q in %v with %v dimensions and the metric %v", g.name, p["region"], p["dimensions"], p["metric"])
	g.step.Check = "GET /v2/vector/index finds one of this name, and /info on its REST URL tells its dimensions and metric"
}

func (g *guide) createVector() []slipway.Way {
	p := g.spec.Params
	metric, _ := p["metric"].(string)
	create := g.form("POST", "/vector/index", map[string]any{
		"name": g.name, "region": p["region"], "similarity_function": metrics[metric], "dimension_count": p["dimensions"],
	})
	g.step.Ask(slipway.Placeholder{Name: g.made(), From: "the reply to the request or command, id, or " + pageVectorID.String(), To: "what undoes it"})
	take := map[string]string{
		g.made(): "id", g.output("rest_url"): "https://{endpoint}", g.output("rest_token"): "token",
		g.output("read_only_rest_token"): "read_only_token", g.output("endpoint"): "endpoint",
	}
	create.HTTP.Take = take
	cli := command("vector", "create", "--name", g.name, "--region", fmt.Sprint(p["region"]), "--similarity-function", metrics[metric], "--dimension-count", fmt.Sprint(p["dimensions"]))
	cli.Prints = take
	return []slipway.Way{create, cli, pageVector.Way(
		entry("Name", g.name), entry("Region", p["region"]), entry("Dimensions", p["dimensions"]), entry("Metric", metrics[metric]))}
}
