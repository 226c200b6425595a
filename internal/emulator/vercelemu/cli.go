package vercelemu

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// cliRoutes are operations that the vendor's CLI calls and no document publishes. Their shapes are what the CLI's
// source reads.
func cliRoutes() []route {
	const doc = "https://github.com/vercel/vercel/tree/main/packages/cli"
	return []route{
		{method: "GET", versions: "v3", path: "/env/pull/{project}/{target}", doc: doc, limit: "env-read", do: (*Server).pullEnv},
		{method: "GET", versions: "v3", path: "/env/pull/{project}/{target}/{branch}", doc: doc, limit: "env-read", do: (*Server).pullEnv},
		{method: "POST", versions: "-", path: "/projects/{project}/alias", doc: doc, body: openObject(map[string]*schema{"domain": str(0)}, "domain"), limit: "domain-change", do: (*Server).addProjectAlias},
		{method: "DELETE", versions: "-", path: "/projects/{project}/alias", doc: doc, do: (*Server).deleteProjectAlias},
	}
}

// pullEnv answers the readable values of a target, or of a custom environment by slug or id. A sensitive one is there
// and empty [? vercel-env-pull-sensitive]. VERCEL_OIDC_TOKEN is a JWT that names owner and project and is signed by nobody.
func (s *Server) pullEnv(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	target := c.path("target")
	if e := p.customEnv(target); e != nil {
		target = e.id
	} else if !slices.Contains(envTargets, target) {
		return nil, customEnvNotFound()
	}
	env := p.envFor(target, c.path("branch"))
	for _, e := range p.envs {
		if e.kind == "sensitive" && e.serves(target) {
			env[e.key] = ""
		}
	}
	env["VERCEL_OIDC_TOKEN"] = s.oidcToken(c, p)
	return obj{"env": env, "buildEnv": obj{}}, nil
}

// oidcToken has the claims of https://vercel.com/docs/oidc/reference
func (s *Server) oidcToken(c *call, p *project) string {
	environment := c.path("target")
	claims := obj{
		"iss": "https://oidc.vercel.com/" + p.scope.slug, "aud": "https://vercel.com/" + p.scope.slug, "scope": "owner:" + p.scope.slug,
		"sub":   "owner:" + p.scope.slug + ":project:" + p.name + ":environment:" + environment,
		"owner": p.scope.slug, "owner_id": p.scope.id, "project": p.name, "project_id": p.id, "environment": environment, "user_id": c.who.User.ID,
		"iat": c.now.Unix(), "nbf": c.now.Unix(), "exp": c.now.Add(12 * time.Hour).Unix(),
	}
	part := func(v obj) string {
		b, _ := json.Marshal(v) // strings and numbers
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(obj{"alg": "RS256", "typ": "JWT", "kid": "emulator"}) + "." + part(claims) + "." + s.RandomString(86, emukit.Alnum)
}

// addProjectAlias is the older way to give a project a domain. The reply has the new domain also where it serves nothing yet: without it the
// CLI says that it failed.
func (s *Server) addProjectAlias(c *call) (any, *failure) {
	var body struct{ Domain string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	d, f := s.giveDomain(c, p, domainInput{Name: body.Domain})
	if f != nil {
		return nil, f
	}
	out := s.aliasesOf(p, false)
	if !slices.ContainsFunc(out, func(a obj) bool { return a["domain"] == d.name }) {
		out = append(out, obj{"domain": d.name, "createdAt": d.created, "environment": "production", "target": "PRODUCTION", "configuredBy": nil})
	}
	return out, nil
}

func (s *Server) deleteProjectAlias(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	d := p.domain(strings.ToLower(c.query("domain")))
	if d == nil {
		return nil, notFound("The domain \"" + c.query("domain") + "\" is not assigned to \"" + p.name + "\".")
	}
	s.dropDomain(d)
	return s.aliasesOf(p, false), nil
}
