package vercelemu

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type project struct {
	id, name         string
	scope            *scope
	created, updated int64
	birth            emukit.Birth
	settings         map[string]json.RawMessage
	envs             []*envVar
	bypass           []bypass
	customs          []*customEnv
	domains          []*domain
	link             obj
	deployments      []*deployment // oldest first
	job              *aliasJob
	rollback         *aliasJob
	rolling          []rollingStage // of what is promoted next; nil: rolling releases are off
	release          *release       // the last one
	hosts            []string       // that are aliases of its deployments, sorted
	primary          string         // the alias project.<suffix>, or with the team's slug when that was taken
	listed           listedProject
}

// frameworks are the published values of `framework`.
var frameworks = strings.Fields(`blitzjs nextjs gatsby remix react-router astro hexo eleventy docusaurus-2 docusaurus preact
	solidstart-1 solidstart dojo ember vue scully ionic-angular angular polymer svelte sveltekit sveltekit-1 ionic-react
	create-react-app gridsome umijs sapper saber stencil nuxtjs redwoodjs hugo jekyll brunch middleman zola hydrogen vite
	vitepress vuepress parcel fastapi flask fasthtml sanity-v3 sanity storybook nitro hono express h3 nestjs fastify xmcp`)

// buildSettings are the settings that a project, its update and a deployment's projectSettings share.
func buildSettings() map[string]*schema {
	return map[string]*schema{
		"buildCommand": null(str(256)), "commandForIgnoringBuildStep": null(str(256)), "devCommand": null(str(256)),
		"framework": null(oneOf(frameworks...)), "installCommand": null(str(256)), "outputDirectory": null(str(256)),
		"rootDirectory": null(str(256)), "serverlessFunctionRegion": null(str(4)), "skipGitConnectDuringLink": boolean(),
	}
}

func projectSettings(more map[string]*schema) map[string]*schema {
	fields := buildSettings()
	for k, v := range map[string]*schema{
		"enablePreviewFeedback": null(boolean()), "enableProductionFeedback": null(boolean()), "previewDeploymentsDisabled": null(boolean()),
		"publicSource": null(boolean()), "serverlessFunctionZeroConfigFailover": boolean(), "enableAffectedProjectsDeployments": boolean(),
		"ssoProtection":   null(object(map[string]*schema{"deploymentType": oneOf(protectionTypes...)}, "deploymentType")),
		"oidcTokenConfig": object(map[string]*schema{"enabled": boolean(), "issuerMode": oneOf("team", "global")}),
		"resourceConfig": object(map[string]*schema{
			"fluid": boolean(), "functionDefaultRegions": list(str(4)), "functionDefaultTimeout": number(),
			"functionDefaultMemoryType":  oneOf("standard_legacy", "standard", "performance"),
			"functionZeroConfigFailover": boolean(),
			"elasticConcurrencyEnabled":  boolean(),
			"buildMachineType":           null(oneOf("enhanced", "turbo")),
			"isNSNBDisabled":             boolean(),
		}),
	} {
		fields[k] = v
	}
	for k, v := range more {
		fields[k] = v
	}
	return fields
}

var createProjectBody = object(projectSettings(map[string]*schema{
	"name": str(0),
	"environmentVariables": list(openObject(map[string]*schema{
		"key": str(0), "value": str(0), "type": oneOf(envTypes...),
		"target": either(oneOf(envTargets...), list(oneOf(envTargets...))), "gitBranch": str(250), "comment": str(500),
	}, "key", "value", "target")),
	"gitRepository": openObject(map[string]*schema{"repo": str(0), "type": oneOf("github", "github-limited", "gitlab", "bitbucket")}, "repo", "type"),
}), "name")

var patchProjectBody = object(projectSettings(map[string]*schema{
	"name": str(0), "autoExposeSystemEnvs": boolean(), "autoAssignCustomDomains": boolean(), "autoAssignCustomDomainsUpdatedBy": str(0),
	"customerSupportCodeVisibility": boolean(), "directoryListing": boolean(), "gitForkProtection": boolean(), "gitLFS": boolean(),
	"nodeVersion":              oneOf("22.x", "20.x", "18.x", "16.x", "14.x", "12.x", "10.x"),
	"skewProtectionBoundaryAt": number(), "skewProtectionMaxAge": number(), "sourceFilesOutsideRootDirectory": boolean(),
	"staticIps": object(map[string]*schema{"enabled": boolean()}, "enabled"),
}))

func projectRoutes() []route {
	return []route{
		{method: "GET", versions: "v10 v9 v4", path: "/projects", doc: "projects/retrieve-a-list-of-projects", do: (*Server).listProjects},
		{method: "POST", versions: "v11 v10 v9 v8 v1 -", path: "/projects", doc: "projects/create-a-new-project", body: createProjectBody, do: (*Server).createProject},
		{method: "GET", versions: "v9 v10 v1 -", path: "/projects/{project}", doc: "projects/find-a-project-by-id-or-name", do: (*Server).getProject},
		{method: "PATCH", versions: "v9 v10", path: "/projects/{project}", doc: "projects/update-an-existing-project", body: patchProjectBody, do: (*Server).patchProject},
		{method: "DELETE", versions: "v9 v10 v1", path: "/projects/{project}", doc: "projects/delete-a-project", status: http.StatusNoContent, do: (*Server).deleteProject},
		{method: "PATCH", versions: "v1 v10", path: "/projects/{project}/protection-bypass", doc: "projects/update-protection-bypass-for-automation", body: empty(bypassBody), do: (*Server).patchBypass},
		{method: "POST", versions: "v9 v4", path: "/projects/{project}/link", doc: "projects/link-git-repository", body: linkBody, do: (*Server).linkRepo},
		{method: "DELETE", versions: "v9 v4", path: "/projects/{project}/link", doc: "projects/unlink-git-repository", do: (*Server).unlinkRepo},
	}
}

// find returns the project by id or name. Another account's is 404, as if it were not there.
func (s *Server) find(c *call) (*project, *failure) {
	if p := c.scope.project(c.path("project")); p != nil {
		return p, nil
	}
	return nil, notFound("Project not found.")
}

func (sc *scope) project(idOrName string) *project {
	for _, p := range sc.projects {
		if p.id == idOrName || p.name == idOrName {
			return p
		}
	}
	return nil
}

var projectName = regexp.MustCompile(`^[a-z0-9._-]{1,100}$`)

func checkProjectName(name string) *failure {
	if projectName.MatchString(name) && !strings.Contains(name, "---") {
		return nil
	}
	return badRequest("Project names can be up to 100 characters long and must be lowercase. They can include letters, digits, " +
		"and the following characters: '.', '_', '-'. However, they cannot contain the sequence '---'.")
}

func (s *Server) createProject(c *call) (any, *failure) {
	var body struct {
		Name                 string
		EnvironmentVariables []envInput
		GitRepository        *struct{ Repo, Type string }
	}
	if f := c.into(&body); f != nil {
		return nil, f
	}
	var settings map[string]json.RawMessage
	if f := c.into(&settings); f != nil {
		return nil, f
	}
	for _, k := range []string{"name", "environmentVariables", "gitRepository"} {
		delete(settings, k)
	}
	for i := range body.EnvironmentVariables {
		if body.EnvironmentVariables[i].Type == "" {
			body.EnvironmentVariables[i].Type = "encrypted"
		}
		if f := checkEnv(nil, body.EnvironmentVariables[i]); f != nil {
			return nil, f
		}
	}
	var link obj
	if body.GitRepository != nil {
		var f *failure
		if link, f = s.newLink(c, body.GitRepository.Type, body.GitRepository.Repo); f != nil {
			return nil, f
		}
	}
	p, f := s.newProject(c, body.Name, settings)
	if f != nil {
		return nil, f
	}
	p.link = link
	for _, in := range body.EnvironmentVariables {
		p.envs = append(p.envs, s.newEnv(c, in))
	}
	return s.projectView(p), nil
}

func (s *Server) newProject(c *call, name string, settings map[string]json.RawMessage) (*project, *failure) {
	if f := checkProjectName(name); f != nil {
		return nil, f
	}
	if c.scope.project(name) != nil {
		// A taken name, recorded once [? vercel-name-taken]: https://github.com/dyad-sh/dyad/issues/1873
		return nil, &failure{status: http.StatusConflict, code: "conflict", message: `Project "` + name + `" already exists.`}
	}
	if s.MaxProjects > 0 && len(c.scope.projects) >= s.MaxProjects {
		return nil, &failure{status: http.StatusPaymentRequired, code: "too_many_projects", message: "You have reached the maximum number of projects."} // [? vercel-project-limit] the status
	}
	now := s.stamp()
	p := &project{
		id: "prj_" + s.RandomString(28, emukit.Alnum), name: name, scope: c.scope, created: now, updated: now,
		birth: s.Born(), settings: settings,
	}
	if _, set := settings["ssoProtection"]; !set && !s.Unprotected {
		p.settings["ssoProtection"] = json.RawMessage(`{"deploymentType":"prod_deployment_urls_and_all_previews"}`)
	}
	p.primary = s.freeHost(name, c.scope.slug)
	p.domains = []*domain{{name: p.primary, project: p, verified: true, created: now, updated: now}}
	c.scope.projects = append(c.scope.projects, p)
	s.tellProject(p, c.who.User.ID, "project.created")
	return p, nil
}

// freeHost returns name.<suffix>, or name-slug.<suffix> when another account's project has that one.
func (s *Server) freeHost(name, slug string) string {
	host := label(name) + "." + s.suffix()
	for _, sc := range s.scopes {
		for _, p := range sc.projects {
			if p.primary == host {
				return label(name+"-"+slug) + "." + s.suffix()
			}
		}
	}
	return host
}

// label makes a host name's label of a project's name: at most 63 characters, no dots or underscores.
func label(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return '-'
		}
		return r
	}, name)
	return strings.Trim(name[:min(len(name), 63)], "-")
}

func (s *Server) listProjects(c *call) (any, *failure) {
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, f
	}
	from, f := c.millis("from")
	if f != nil {
		return nil, f
	}
	var found []*project
	for _, p := range slices.Backward(c.scope.projects) {
		if strings.Contains(p.name, strings.ToLower(c.query("search"))) && s.Listed(&p.birth) {
			found = append(found, p)
		}
	}
	page, next := emukit.PageBefore(found, func(p *project) int64 { return p.created }, from, limit)
	return s.encodeProjects(page, pagination(len(page), next))
}

func (s *Server) getProject(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	view := s.projectView(p)
	envs := make([]obj, 0, len(p.envs))
	for _, e := range p.envs {
		envs = append(envs, e.view(false))
	}
	view["env"], view["alias"] = envs, s.aliasesOf(p, true)
	return view, nil
}

func (s *Server) patchProject(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var settings map[string]json.RawMessage
	if f := c.into(&settings); f != nil {
		return nil, f
	}
	if raw, ok := settings["name"]; ok {
		var name string
		_ = json.Unmarshal(raw, &name) // the schema says it is a string
		if f := checkProjectName(name); f != nil {
			return nil, f
		}
		if other := c.scope.project(name); other != nil && other != p {
			return nil, &failure{status: http.StatusConflict, code: "conflict", message: `Project "` + name + `" already exists.`}
		}
		p.name = name
		delete(settings, "name")
	}
	for k, v := range settings {
		p.settings[k] = v
	}
	p.updated = s.stamp()
	return s.projectView(p), nil
}

func (s *Server) deleteProject(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	for _, d := range slices.Clone(p.deployments) {
		s.remove(d)
	}
	s.tellProject(p, c.who.User.ID, "project.removed")
	c.scope.projects = slices.DeleteFunc(c.scope.projects, func(o *project) bool { return o == p })
	return nil, nil
}

func (s *Server) projectView(p *project) obj {
	resources := json.RawMessage(`{"functionDefaultRegions":["iad1"]}`)
	v := obj{
		"id": p.id, "name": p.name, "accountId": p.scope.id, "createdAt": p.created, "updatedAt": p.updated,
		"directoryListing": false, "nodeVersion": "22.x", "resourceConfig": resources, "defaultResourceConfig": resources,
		"framework": nil, "buildCommand": nil, "devCommand": nil, "installCommand": nil, "outputDirectory": nil, "rootDirectory": nil,
		"publicSource": nil, "ssoProtection": nil, "passwordProtection": nil, "autoAssignCustomDomains": true, "autoExposeSystemEnvs": true,
		"gitForkProtection": true, "live": s.serving(p.primary) != nil, "protectionBypass": p.bypassView(),
		"targets": s.targetsView(p), "alias": s.aliasesOf(p, false), "latestDeployments": s.latestView(p),
		"lastAliasRequest": nil, "lastRollbackTarget": nil, "rollingRelease": p.rollingView(),
		// The published document does not require it; the vendor's SDK refuses a project without it.
		"deploymentExpiration": obj{
			"expirationDays": 36500, "expirationDaysProduction": 36500, "expirationDaysCanceled": 36500,
			"expirationDaysErrored": 36500, "deploymentsToKeep": 10,
		},
	}
	for k, raw := range p.settings {
		v[k] = raw
		if k == "resourceConfig" {
			v[k] = withRegions(raw)
		}
	}
	if p.link != nil {
		v["link"] = p.link
	}
	if p.job != nil {
		v["lastAliasRequest"] = p.job.view()
	}
	if p.rollback != nil {
		v["lastRollbackTarget"] = p.rollback.view()
		if p.rollback.description != "" {
			v["rollbackDescription"] = obj{
				"userId": p.rollback.userID, "username": p.rollback.username,
				"description": p.rollback.description, "createdAt": p.rollback.requested.UnixMilli(),
			}
		}
	}
	return v
}

// withRegions gives a resourceConfig the regions that replies always have.
func withRegions(raw json.RawMessage) obj {
	out := obj{}
	_ = json.Unmarshal(raw, &out) // stored only after it passed the schema
	if out["functionDefaultRegions"] == nil {
		out["functionDefaultRegions"] = []string{"iad1"}
	}
	return out
}

// setting returns a string setting, "" when it is unset or null.
func (p *project) setting(name string) string {
	var text *string
	if json.Unmarshal(p.settings[name], &text) != nil || text == nil {
		return ""
	}
	return *text
}

func (p *project) latest(n int) []*deployment {
	out := slices.Clone(p.deployments[max(0, len(p.deployments)-n):])
	slices.Reverse(out)
	return out
}
