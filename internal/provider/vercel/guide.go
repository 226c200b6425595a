package vercel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

var _ slipway.Guide = provider{}

// Placeholders of the app's own: there is one Vercel project in a runbook.
const (
	teamName       = "VERCEL_TEAM_ID"
	projectIDName  = "VERCEL_PROJECT_ID"
	deploymentName = "VERCEL_DEPLOYMENT_ID"
	urlName        = "VERCEL_DEPLOYMENT_URL"
)

// Guide is pure. Names, settings and marks are those that the client sends.
func (provider) Guide(e slipway.Effect, s slipway.Spec) slipway.ManualStep {
	g := &guide{effect: e, spec: s, name: cmp.Or(s.Name, e.Name)}
	switch e.Address.Kind() {
	case kindProject:
		g.project()
	case kindLink:
		g.link()
	case kindBypass:
		g.bypass()
	case kindEnv:
		g.env()
	case kindDeployment:
		g.deployment()
	case kindProduction:
		g.production()
	case kindDomain:
		g.domain()
	case kindDNS:
		g.dns()
	}
	g.step.Logged("vercel", "for the command line: Vercel's CLI, logged in by vercel login: "+pageCLI.String())
	return g.step
}

// guide writes one step.
type guide struct {
	effect slipway.Effect
	spec   slipway.Spec
	name   string
	step   slipway.ManualStep
}

// id is the recorded id of what the effect is on, else the one that the plan saw; "" for none.
func (g *guide) id() string {
	if g.spec.Known != nil {
		return g.spec.Known.ID
	}
	return text(g.effect.Basis["id"])
}

// account is the team's or the user's id, "" where nothing tells.
func (g *guide) account() string {
	known := slipway.Receipt{}
	if g.spec.Known != nil {
		known = *g.spec.Known
	}
	return cmp.Or(g.effect.Account, g.spec.Parents[kindProject].Account, known.Account)
}

// team is what stands for the team in requests and commands, "" for a personal account.
func (g *guide) team() string {
	switch a := g.account(); {
	case strings.HasPrefix(a, "team_"):
		return a
	case a != "":
		return ""
	}
	return g.step.Ask(slipway.Placeholder{
		Name: teamName, From: pageTeamID.String(), To: "the account that the project is in",
	})
}

// projectID is exact where it is recorded.
func (g *guide) projectID() string {
	if p := g.spec.Parents[kindProject]; p.ID != "" {
		return p.ID
	}
	if k := g.spec.Known; k != nil && k.Details["project_id"] != "" {
		return k.Details["project_id"]
	}
	if id := g.id(); g.effect.Address.Kind() == kindProject && g.effect.Op != slipway.OpCreate && id != "" {
		return id
	}
	return g.step.Ask(slipway.Placeholder{
		Name: projectIDName, From: "Vercel's reply when the project was made, or " + pageProjectID.String(), To: "the requests of this step",
	})
}

// projectName is the project's, by which the CLI finds it.
func (g *guide) projectName() string {
	return cmp.Or(g.spec.Parents[kindProject].Name, g.projectID())
}

// form is a request of the REST API: https://vercel.com/docs/rest-api/reference/welcome
func (g *guide) form(method string, status int, path string, body any, query ...string) slipway.Way {
	token := g.step.Ask(slipway.Placeholder{
		Name: settingToken, From: pageTokens.String(), To: "the header Authorization", Secret: true,
	})
	if team := g.team(); team != "" {
		query = append(query, "teamId="+team)
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	f := &slipway.HTTPForm{
		Method: method, URL: defaultURL + path, Headers: map[string]string{"Authorization": "Bearer " + token}, Body: body, Status: status,
	}
	if body != nil {
		f.Headers["Content-Type"] = "application/json"
	}
	return slipway.Way{HTTP: f}
}

// command is one of Vercel's CLI, which is logged in: https://vercel.com/docs/cli
func (g *guide) command(args ...string) slipway.Way {
	argv := append([]string{"vercel"}, args...)
	if team := g.team(); team != "" {
		argv = append(argv, "--scope", team)
	}
	return slipway.Way{Command: argv}
}

func entry(label, value string) slipway.Field { return slipway.Field{Label: label, Value: value} }

const mayDeploy = "a role in the Vercel team that may change the project: Owner, Member, Developer, or Project Administrator of this project"

// settingLabels are the dashboard's.
var settingLabels = map[string]string{
	"framework": "Framework Preset", "build_command": "Build Command", "install_command": "Install Command",
	"output_directory": "Output Directory", "root_directory": "Root Directory", "region": "Function Region", "node_version": "Node.js Version",
}

func (g *guide) project() {
	g.step.Before = []string{mayDeploy}
	at := rest.Path("/v9/projects/%s", g.id())
	if g.effect.Op == slipway.OpDelete {
		g.step.Title = fmt.Sprintf("Delete the Vercel project %q with its deployments, domains and variables", g.name)
		// Not by the command line: vercel project rm asks, on a terminal alone, and ends elsewhere with 0 and nothing removed.
		g.step.Ways = []slipway.Way{
			g.form("DELETE", 204, at, nil),
			pageDeleteProject.Way(entry("Project name", g.name)),
		}
		g.step.See, g.step.Check = "the project is no longer in the dashboard", "GET "+at+" answers 404"
		return
	}
	changed := g.declared()
	if g.effect.Op == slipway.OpCreate || g.effect.Op == slipway.OpReplace {
		g.createProject(changed)
	} else {
		g.step.Title = fmt.Sprintf("Change the settings of the Vercel project %q", g.name)
		g.step.Ways = g.settings(at, changed)
		before := map[string]any{}
		for _, c := range g.effect.Changes {
			before[fieldOf(c.Field)] = c.From
		}
		if len(before) > 0 {
			g.step.Undo = []slipway.Way{g.form("PATCH", 200, at, before)}
		}
	}
	var shown []string
	for _, s := range changed {
		shown = append(shown, settingLabels[s.param]+" "+text(g.spec.Params[s.param]))
	}
	g.step.See = strings.TrimSuffix(fmt.Sprintf("the project %q with %s", g.name, strings.Join(shown, ", ")), " with ")
	g.step.Check = "GET /v9/projects/" + g.name + " shows these settings"
}

// declared are the settings that the effect makes true: all of the manifest's for a new project, else those that differ.
func (g *guide) declared() []setting {
	return slices.DeleteFunc(slices.Clone(settings), func(s setting) bool {
		differs := slices.ContainsFunc(g.effect.Changes, func(c slipway.Change) bool { return c.Field == s.param })
		return g.spec.Params[s.param] == nil || g.effect.Op != slipway.OpCreate && g.effect.Op != slipway.OpReplace && !differs
	})
}

func fieldOf(param string) string {
	for _, s := range settings {
		if s.param == param {
			return s.field
		}
	}
	return param
}

// createProject: the create takes all settings but node_version.
func (g *guide) createProject(declared []setting) {
	g.step.Title = fmt.Sprintf("Create the Vercel project %q", g.name)
	id := g.step.Ask(slipway.Placeholder{Name: projectIDName, From: "the reply to the request, id, or " + pageProjectID.String(), To: "what follows, and what undoes it"})
	body := map[string]any{"name": g.name}
	var later []setting
	for _, s := range declared {
		if s.create {
			body[s.field] = g.spec.Params[s.param]
		} else {
			later = append(later, s)
		}
	}
	create := g.form("POST", 200, "/v11/projects", body)
	create.HTTP.Take = map[string]string{projectIDName: "id"}
	cli := g.command("project", "add", g.name)
	find := g.form("GET", 200, rest.Path("/v9/projects/%s", g.name), nil)
	find.HTTP.Take = create.HTTP.Take
	cli = cli.And(find)
	if len(declared) > 0 {
		cli = cli.And(g.settings("/v9/projects/"+id, declared)[0])
	}
	if len(later) > 0 {
		create = create.And(g.settings("/v9/projects/"+id, later)[0])
	}
	if g.effect.Op == slipway.OpReplace {
		g.step.Title = fmt.Sprintf("Create the Vercel project %q anew", g.name)
	}
	g.step.Ways = []slipway.Way{create, cli}
	g.step.Undo = []slipway.Way{g.form("DELETE", 204, "/v9/projects/"+id, nil), pageDeleteProject.Way(entry("Project name", g.name))}
}

// settings are the ways to change some of them.
func (g *guide) settings(at string, changed []setting) []slipway.Way {
	body, args := map[string]any{}, []string{"project", "update", g.name}
	var fields, functions []slipway.Field
	commanded := true
	for _, s := range changed {
		v := text(g.spec.Params[s.param])
		body[s.field] = g.spec.Params[s.param]
		args = append(args, "--"+strings.ReplaceAll(s.param, "_", "-"), v)
		if s.param == "region" { // on a page of its own, and no option of the CLI
			functions, commanded = append(functions, entry(settingLabels[s.param], v)), false
			continue
		}
		fields = append(fields, entry(settingLabels[s.param], v))
	}
	ways := []slipway.Way{g.form("PATCH", 200, at, body)}
	if commanded {
		ways = append(ways, g.command(append(args, "--yes")...))
	}
	switch {
	case len(fields) == 0:
		return append(ways, pageFunctions.Way(functions...))
	case len(functions) > 0:
		return append(ways, pageBuild.Way(fields...).And(pageFunctions.Way(functions...)))
	}
	return append(ways, pageBuild.Way(fields...))
}

func (g *guide) bypass() {
	id := g.projectID()
	g.step.Before = []string{mayDeploy}
	g.step.Title = "Make a protection bypass for automation, by which health probes reach protected deployments"
	g.step.Ways = []slipway.Way{
		g.form("PATCH", 200, "/v1/projects/"+id+"/protection-bypass", map[string]any{}),
		g.command("project", "protection", "enable", g.projectName(), "--protection-bypass"),
		pageBypass.Way(),
	}
	g.step.Undo = []slipway.Way{pageNoBypass.Way()}
	g.step.See = "a secret under Protection Bypass for Automation; only where no token for Vercel is set the probes need it, as SLIPWAY_OUTPUT_VERCEL_BYPASS"
	g.step.Check = "GET /v9/projects/" + id + " shows an automation bypass"
}

func (g *guide) env() {
	key, to, id := g.effect.Address.Key(), target(g.effect.Address), g.projectID()
	g.step.Before = []string{mayDeploy}
	remove := g.command("env", "rm", key, to, "--project", g.projectName(), "--yes")
	if g.effect.Op == slipway.OpDelete {
		g.step.Title = fmt.Sprintf("Delete the variable %s (%s) of the Vercel project", key, to)
		g.step.Ways = []slipway.Way{
			g.form("DELETE", 200, "/v9/projects/"+id+"/env/"+g.id(), nil), remove,
			pageRemoveEnv.With("key", key, "target", to).Way(),
		}
		g.step.See, g.step.Check = "the variable is no longer in the list for "+to, "the project's variables have none of this name for "+to
		return
	}
	value := g.value(key)
	kind := text(g.spec.Params["type"])
	body := map[string]any{"key": key, "value": value, "type": kind, "target": []string{to}}
	fields := []slipway.Field{entry("Key", key), entry("Value", value), entry("Environments", to), entry("Sensitive", "on")}
	if mark := text(g.spec.Params["fingerprint"]); mark != "" {
		body["comment"] = envComment + mark
		fields = append(fields, entry("Note", envComment+mark))
	}
	g.step.Title = fmt.Sprintf("Set the variable %s (%s) of the Vercel project", key, to)
	if g.effect.Op != slipway.OpCreate {
		g.step.Title = fmt.Sprintf("Overwrite the variable %s (%s) of the Vercel project", key, to)
	} else {
		made := g.step.Ask(slipway.Placeholder{Name: "VERCEL_ENV_" + strings.ToUpper(key) + "_ID", From: "the reply to the request: created.id", To: "what undoes it"})
		g.step.Undo = []slipway.Way{
			g.form("DELETE", 200, "/v9/projects/"+id+"/env/"+made, nil), remove, pageRemoveEnv.With("key", key, "target", to).Way(),
		}
	}
	write := g.form("POST", 201, "/v10/projects/"+id+"/env", body, "upsert=true") // alone, a refusal is an error status; in a list it hides in failed
	if g.effect.Op == slipway.OpCreate {
		write.HTTP.Take = map[string]string{"VERCEL_ENV_" + strings.ToUpper(key) + "_ID": "created.id"}
	}
	g.step.Ways = []slipway.Way{write}
	if kind == "sensitive" && body["comment"] == nil { // the CLI writes no comment
		cli := g.command("env", "add", key, to, "--project", g.projectName(), "--force", "--yes", "--sensitive")
		cli.Input = value
		g.step.Ways = append(g.step.Ways, cli)
	}
	if kind == "sensitive" { // neither the CLI nor the dashboard makes a plain one
		at := pageAddEnv
		if g.effect.Op != slipway.OpCreate { // a name that is there is not added again
			at = pageEditEnv.With("key", key, "target", to)
		}
		g.step.Ways = append(g.step.Ways, at.Way(fields...))
	}
	g.step.See = fmt.Sprintf("%s in the list for %s; it applies to the next deployment", key, to)
	g.step.Check = fmt.Sprintf("the project's variables have one of this name for %s alone, of type %s; a sensitive value cannot be read back", to, kind)
}

// value is a literal as it is, and a placeholder for anything else: an output's place is filled in by slipway.GuideBy.
func (g *guide) value(key string) string {
	in := g.spec.Inputs["value"]
	to := "the value of " + key
	switch {
	case in.Literal != nil:
		return *in.Literal
	case in.From != nil:
		return g.step.Ask(slipway.Placeholder{Name: slipway.PlaceholderFor(*in.From), To: to, Secret: true})
	case in.Ledger:
		return g.step.Ask(slipway.Placeholder{Name: "LEDGER", From: "Slipway writes the ledger itself as soon as its credential may", To: to})
	}
	return g.step.Ask(slipway.Placeholder{Name: in.Secret, From: "your own environment: " + in.Secret, To: to, Secret: true})
}

func (g *guide) deployment() {
	if g.effect.Op == slipway.OpDelete {
		g.step.Before = []string{mayDeploy}
		g.step.Title = "Delete the deployment " + g.id()
		g.step.Ways = []slipway.Way{
			g.form("DELETE", 200, rest.Path("/v13/deployments/%s", g.id()), nil),
			pageDeleteDeployment.With("deployment", g.id()).Way(),
		}
		g.step.See, g.step.Check = "its URL answers 404", "GET /v13/deployments/"+g.id()+" answers 404"
		return
	}
	production := g.effect.Address.Environment() == slipway.Production
	g.step.Title = "Deploy the source as a preview"
	args := []string{"deploy", "--yes", "--project", g.projectName()}
	if text(g.spec.Params["prebuilt"]) != "" {
		args = append(args, "--prebuilt")
	}
	if production {
		g.step.Title = "Deploy the source for production, without moving any domain"
		args = append(args, "--prod", "--skip-domain")
	}
	g.step.Before = []string{mayDeploy, "a shell in the folder of the app's source, unchanged since the plan"}
	meta := g.meta()
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		args = append(args, "--meta", k+"="+meta[k])
	}
	deploy := g.command(args...)
	deploy.Prints = map[string]string{urlName: ""}
	query := []string{"projectId=" + g.projectID(), "limit=1"}
	if production {
		query = append(query, "target=production")
	}
	look := g.form("GET", 200, "/v6/deployments", nil, query...)
	look.HTTP.Until = map[string]string{"deployments.0.state": "READY"}
	look.HTTP.Take = map[string]string{deploymentName: "deployments.0.uid"}
	g.step.Ways = []slipway.Way{deploy.And(look)}
	if sha := text(g.spec.Params[slipway.DetailCommit]); sha != "" {
		g.step.Before = []string{mayDeploy}
		g.step.Ways = []slipway.Way{g.deployCommit(sha, production)}
	}
	made := g.step.Ask(slipway.Placeholder{Name: deploymentName, From: "the reply to the request, deployments.0.uid, or " + pageDeployment.String(), To: "what comes after the deployment, and what undoes it"})
	g.step.Undo = []slipway.Way{g.form("DELETE", 200, "/v13/deployments/"+made, nil), pageDeleteDeployment.With("deployment", made).Way()}
	g.step.See = "the deployment's state is Ready, and its URL shows the app; production serves what it served"
	g.step.Check = "a deployment of this project with these marks is READY"
}

// meta is by what a deployment is found again. What is known only during the run is left out.
func (g *guide) meta() map[string]string {
	meta := map[string]string{metaKey("app"): g.spec.App}
	if g.spec.Run != "" {
		meta[metaKey("run")] = g.spec.Run
	}
	for param, value := range g.spec.Params {
		if s, ok := value.(string); ok {
			meta[metaKey(param)] = s
		}
	}
	return meta
}

func (g *guide) deploymentURL() string {
	return g.step.Ask(slipway.Placeholder{Name: urlName, From: "what vercel deploy printed, or " + pageDeploymentURL.String(), To: "what comes after the deployment"})
}

func (g *guide) production() {
	id, project := text(g.spec.Params["deployment"]), g.projectID()
	which := id
	if id == "" {
		which = g.deploymentURL()
		id = g.step.Ask(slipway.Placeholder{Name: deploymentName, From: pageDeployment.String(), To: "the request of this step"})
	}
	g.step.Before = []string{mayDeploy, "the deployment has been looked at, and is the one that production is to serve"}
	title, path, verb, page := "Promote the deployment "+which+" to production", "/v10/projects/"+project+"/promote/", "promote", pagePromote
	if g.effect.Op == slipway.OpRollback {
		title, path, verb, page = "Roll production back to the deployment "+which, "/v1/projects/"+project+"/rollback/", "rollback", pageRollback
	}
	g.step.Title = title
	g.step.Ways = []slipway.Way{
		g.form("POST", 201, path+id, map[string]any{}),
		g.command(verb, which, "--yes"),
		page.With("deployment", which).Way(),
	}
	if fields, _ := g.effect.Basis["fields"].(map[string]any); text(fields["deployment"]) != "" {
		was := text(fields["deployment"])
		g.step.Undo = []slipway.Way{g.form("POST", 201, "/v1/projects/"+project+"/rollback/"+was, map[string]any{}), g.command("rollback", was, "--yes")}
	}
	g.step.See = "every production domain shows the new deployment, and the project's page names it as Current"
	g.step.Check = "GET /v9/projects/" + project + " shows it as the production target, and each production domain is among its aliases"
}
