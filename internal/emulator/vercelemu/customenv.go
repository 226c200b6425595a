package vercelemu

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// customEnv is an environment besides production, preview and development:
// https://vercel.com/docs/deployments/environments#custom-environments
type customEnv struct {
	id, slug, description string
	matcher               *branchMatcher
	created, updated      int64
}

type branchMatcher struct {
	Type    string `json:"type"`
	Pattern string `json:"pattern"`
}

var matcherBody = object(map[string]*schema{"type": oneOf("equals", "startsWith", "endsWith"), "pattern": str(100)}, "type", "pattern")

func customEnvRoutes() []route {
	const path, one = "/projects/{project}/custom-environments", "/projects/{project}/custom-environments/{environment}"
	fields := map[string]*schema{"slug": str(32), "description": str(256), "branchMatcher": null(matcherBody)}
	create := map[string]*schema{"slug": str(32), "description": str(256), "branchMatcher": matcherBody, "copyEnvVarsFrom": str(0)}
	return []route{
		{method: "GET", versions: "v9 -", path: path, doc: "environment/retrieve-custom-environments", do: (*Server).listCustomEnvs},
		{method: "POST", versions: "v9", path: path, doc: "environment/create-a-custom-environment-for-the-current-project", body: empty(openObject(create)), status: http.StatusCreated, do: (*Server).createCustomEnv},
		{method: "GET", versions: "v9 -", path: one, doc: "environment/retrieve-a-custom-environment", do: (*Server).getCustomEnv},
		{method: "PATCH", versions: "v9 -", path: one, doc: "environment/update-a-custom-environment", body: empty(openObject(fields)), do: (*Server).patchCustomEnv},
		{
			method: "DELETE", versions: "v9 -", path: one, doc: "environment/remove-a-custom-environment",
			body: empty(openObject(map[string]*schema{"deleteUnassignedEnvironmentVariables": boolean()})), do: (*Server).deleteCustomEnv,
		},
	}
}

func (p *project) customEnv(slugOrID string) *customEnv {
	for _, e := range p.customs {
		if e.id == slugOrID || e.slug == slugOrID {
			return e
		}
	}
	return nil
}

func (s *Server) customEnvView(p *project, e *customEnv) obj {
	v := obj{"id": e.id, "slug": e.slug, "type": "preview", "createdAt": e.created, "updatedAt": e.updated, "domains": []obj{}}
	if e.description != "" {
		v["description"] = e.description
	}
	if e.matcher != nil {
		v["branchMatcher"] = e.matcher
	}
	domains, aliases := []obj{}, []string{}
	for _, d := range p.domains {
		if d.customEnv == e.id {
			domains = append(domains, d.view())
			aliases = append(aliases, d.name)
		}
	}
	v["domains"], v["currentDeploymentAliases"] = domains, aliases
	return v
}

// findCustomEnv returns the environment that the path names.
func (s *Server) findCustomEnv(c *call) (*project, *customEnv, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, nil, f
	}
	if e := p.customEnv(c.path("environment")); e != nil {
		return p, e, nil
	}
	return nil, nil, customEnvNotFound()
}

func customEnvNotFound() *failure { return notFound("The custom environment was not found.") }

func (s *Server) listCustomEnvs(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	views := []obj{}
	for _, e := range p.customs {
		views = append(views, s.customEnvView(p, e))
	}
	return obj{"accountLimit": obj{"total": s.maxCustomEnvs()}, "environments": views}, nil
}

func (s *Server) maxCustomEnvs() int { return cmp.Or(s.MaxCustomEnvironments, 12) }

var customSlug = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// checkSlug refuses a slug that is taken, or not one.
func (p *project) checkSlug(slug string, own *customEnv) *failure {
	if !customSlug.MatchString(slug) || slices.Contains(envTargets, slug) {
		return badRequest("The slug \"" + slug + "\" is not valid for a custom environment.")
	}
	if e := p.customEnv(slug); e != nil && e != own {
		return badRequest("A custom environment with the slug \"" + slug + "\" already exists.") // [? vercel-environment-slug-taken] the status
	}
	return nil
}

func (s *Server) createCustomEnv(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var in struct {
		Slug, Description, CopyEnvVarsFrom string
		BranchMatcher                      *branchMatcher
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if f := p.checkSlug(in.Slug, nil); f != nil {
		return nil, f
	}
	if len(p.customs) >= s.maxCustomEnvs() {
		return nil, &failure{status: http.StatusPaymentRequired, code: "custom_environments_limit", message: "You have reached the maximum number of custom environments."} // [? vercel-environment-limit] the code
	}
	from := p.customEnv(in.CopyEnvVarsFrom)
	if in.CopyEnvVarsFrom != "" && from == nil && !slices.Contains(envTargets, in.CopyEnvVarsFrom) {
		return nil, customEnvNotFound()
	}
	now := s.stamp()
	e := &customEnv{id: "env_" + s.RandomString(28, emukit.Alnum), slug: in.Slug, description: in.Description, matcher: in.BranchMatcher, created: now, updated: now}
	p.customs = append(p.customs, e)
	for _, v := range p.envs {
		if from != nil && slices.Contains(v.customs, from.id) || from == nil && slices.Contains(v.targets, in.CopyEnvVarsFrom) {
			v.customs = append(v.customs, e.id)
		}
	}
	return s.customEnvView(p, e), nil
}

func (s *Server) getCustomEnv(c *call) (any, *failure) {
	p, e, f := s.findCustomEnv(c)
	if f != nil {
		return nil, f
	}
	return s.customEnvView(p, e), nil
}

func (s *Server) patchCustomEnv(c *call) (any, *failure) {
	p, e, f := s.findCustomEnv(c)
	if f != nil {
		return nil, f
	}
	in := struct {
		Slug, Description string
		BranchMatcher     json.RawMessage
	}{Slug: e.slug, Description: e.description}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if f := p.checkSlug(in.Slug, e); f != nil {
		return nil, f
	}
	if in.BranchMatcher != nil {
		e.matcher = nil
		_ = json.Unmarshal(in.BranchMatcher, &e.matcher) // the schema has checked it
	}
	e.slug, e.description, e.updated = in.Slug, in.Description, s.stamp()
	return s.customEnvView(p, e), nil
}

// deleteCustomEnv takes the environment away from its variables; those that are left with none stay, unless the body
// says otherwise.
func (s *Server) deleteCustomEnv(c *call) (any, *failure) {
	p, e, f := s.findCustomEnv(c)
	if f != nil {
		return nil, f
	}
	var in struct{ DeleteUnassignedEnvironmentVariables bool }
	if f := c.into(&in); f != nil {
		return nil, f
	}
	gone := s.customEnvView(p, e)
	p.customs = slices.DeleteFunc(p.customs, func(o *customEnv) bool { return o == e })
	p.envs = slices.DeleteFunc(p.envs, func(v *envVar) bool {
		had := slices.Contains(v.customs, e.id)
		v.customs = slices.DeleteFunc(v.customs, func(id string) bool { return id == e.id })
		return had && in.DeleteUnassignedEnvironmentVariables && len(v.targets)+len(v.customs) == 0
	})
	for _, d := range p.domains {
		if d.customEnv == e.id {
			d.customEnv = ""
		}
	}
	return gone, nil
}
