package vercelemu

import (
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// domain is a hostname that belongs to a project.
type domain struct {
	name, redirect, gitBranch string
	customEnv                 string // id
	redirectStatus            int
	project                   *project
	verified                  bool
	challenge                 string // the TXT value that proves ownership
	created, updated          int64
}

// SetTXT plants a TXT record, such as the one that a domain's verification asks for. An empty value removes all.
func (s *Server) SetTXT(name, value string) {
	s.once.Do(s.init)
	s.mu.Lock()
	defer s.mu.Unlock()
	if value == "" {
		delete(s.txt, name)
		return
	}
	s.txt[name] = append(s.txt[name], value)
}

// SetDNS says how a domain's DNS leads to Vercel: "A", "CNAME", "http", "dns-01", or "" for not at all.
func (s *Server) SetDNS(name, configuredBy string) {
	s.once.Do(s.init)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dns[name] = configuredBy
}

func domainRoutes() []route {
	options := map[string]*schema{"gitBranch": null(str(250)), "redirect": null(str(0)), "redirectStatusCode": null(number()), "customEnvironmentId": str(0)}
	create := map[string]*schema{"name": str(0)}
	for k, v := range options {
		create[k] = v
	}
	const path = "/projects/{project}/domains/{domain}"
	return []route{
		{method: "GET", versions: "v9", path: "/projects/{project}/domains", doc: "projects/retrieve-project-domains-by-project-by-id-or-name", do: (*Server).listDomains},
		{method: "POST", versions: "v10 v9", path: "/projects/{project}/domains", doc: "projects/add-a-domain-to-a-project", body: openObject(create, "name"), limit: "domain-change", do: (*Server).addDomain},
		{method: "GET", versions: "v9", path: path, doc: "projects/get-a-project-domain", do: (*Server).getDomain},
		{method: "PATCH", versions: "v9", path: path, doc: "projects/update-a-project-domain", body: openObject(options), limit: "domain-change", do: (*Server).patchDomain},
		{method: "DELETE", versions: "v9", path: path, doc: "projects/remove-a-domain-from-a-project", body: empty(openObject(nil)), limit: "domain-change", do: (*Server).deleteDomain},
		{method: "POST", versions: "v1", path: path + "/move", doc: "projects/move-a-project-domain", body: openObject(map[string]*schema{"projectId": str(0)}, "projectId"), limit: "domain-change", do: (*Server).moveDomain},
		{method: "POST", versions: "v9", path: path + "/verify", doc: "projects/verify-project-domain", body: empty(openObject(nil)), do: (*Server).verifyDomain},
		{method: "GET", versions: "v6", path: "/domains/{domain}/config", doc: "domains/get-a-domains-configuration", do: (*Server).domainConfig},
	}
}

func (p *project) domain(name string) *domain {
	for _, d := range p.domains {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (sc *scope) domain(name string) *domain {
	for _, p := range sc.projects {
		if d := p.domain(name); d != nil {
			return d
		}
	}
	return nil
}

// apex is the registered name: the last two labels.
func apex(name string) string {
	labels := strings.Split(name, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

func (d *domain) view() obj {
	v := obj{
		"name": d.name, "apexName": apex(d.name), "projectId": d.project.id, "verified": d.verified, "createdAt": d.created, "updatedAt": d.updated,
		"redirect": nil, "redirectStatusCode": nil, "gitBranch": nil, "customEnvironmentId": nil,
	}
	if d.redirect != "" {
		v["redirect"], v["redirectStatusCode"] = d.redirect, cmp.Or(d.redirectStatus, http.StatusPermanentRedirect)
	}
	if d.gitBranch != "" {
		v["gitBranch"] = d.gitBranch
	}
	if d.customEnv != "" {
		v["customEnvironmentId"] = d.customEnv
	}
	if !d.verified {
		v["verification"] = []obj{{"type": "TXT", "domain": "_vercel." + apex(d.name), "value": d.challenge, "reason": "pending_domain_verification"}}
	}
	return v
}

func (s *Server) findDomain(c *call) (*domain, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if d := p.domain(strings.ToLower(c.path("domain"))); d != nil {
		return d, nil
	}
	return nil, notFound("The domain \"" + c.path("domain") + "\" is not assigned to \"" + p.name + "\".")
}

func (s *Server) listDomains(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, f
	}
	until, f := c.millis("until")
	if f != nil {
		return nil, f
	}
	var found []*domain
	for _, d := range slices.Backward(p.domains) {
		if v := c.query("verified"); v != "" && (v == "true") != d.verified {
			continue
		}
		if c.query("redirects") == "false" && d.redirect != "" || c.query("target") == "preview" && d.gitBranch == "" {
			continue
		}
		found = append(found, d)
	}
	page, next := emukit.PageBefore(found, func(d *domain) int64 { return d.created }, until, limit)
	views := []obj{}
	for _, d := range page {
		views = append(views, d.view())
	}
	if strings.EqualFold(c.query("order"), "ASC") {
		slices.Reverse(views)
	}
	return obj{"domains": views, "pagination": pagination(len(views), next)}, nil
}

// textOrNull tells null, which clears, from what is left out.
type textOrNull struct {
	given bool
	text  string
}

// UnmarshalJSON is of json.Unmarshaler.
func (t *textOrNull) UnmarshalJSON(raw []byte) error {
	t.given = true
	return json.Unmarshal(raw, &t.text)
}

type domainInput struct {
	Name                string
	Redirect, GitBranch textOrNull
	RedirectStatusCode  *int
	CustomEnvironmentID string `json:"customEnvironmentId"`
}

// check refuses what cannot be together. The codes are [? vercel-domain-options].
func (in domainInput) check(p *project, name string) *failure {
	switch {
	case in.GitBranch.text != "" && in.Redirect.text != "":
		return badRequest("You can't set both a git branch and a redirect for the domain.")
	case in.Redirect.text == name:
		return badRequest("A domain cannot redirect to itself.")
	case in.GitBranch.text != "" && p.link != nil && p.link["productionBranch"] == in.GitBranch.text:
		return badRequest("You can not set the production branch as a branch for your domain.")
	case in.CustomEnvironmentID != "" && p.customEnv(in.CustomEnvironmentID) == nil:
		return customEnvNotFound()
	}
	return nil
}

func (d *domain) set(in domainInput) {
	if in.Redirect.given {
		d.redirect = in.Redirect.text
	}
	if in.GitBranch.given {
		d.gitBranch = in.GitBranch.text
	}
	if in.CustomEnvironmentID != "" {
		d.customEnv = in.CustomEnvironmentID
	}
	if in.RedirectStatusCode != nil {
		d.redirectStatus = *in.RedirectStatusCode
	}
}

func (s *Server) addDomain(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var in domainInput
	if f := c.into(&in); f != nil {
		return nil, f
	}
	d, f := s.giveDomain(c, p, in)
	if f != nil {
		return nil, f
	}
	return d.view(), nil
}

// giveDomain adds a domain to a project unless anybody else has it.
func (s *Server) giveDomain(c *call, p *project, in domainInput) (*domain, *failure) {
	name := strings.ToLower(in.Name)
	if !hostname.MatchString(name) || !strings.Contains(name, ".") {
		return nil, &failure{status: http.StatusBadRequest, code: "invalid_domain", message: "The domain \"" + in.Name + "\" is not valid."}
	}
	if f := in.check(p, name); f != nil {
		return nil, f
	}
	if slices.Contains(s.TakenDomains, name) {
		return nil, inUse(name, "another Vercel account", map[string]any{"domain": obj{"name": name}})
	}
	for _, sc := range s.scopes {
		if d := sc.domain(name); d != nil {
			more := map[string]any{"domain": obj{"name": name}}
			if sc == c.scope {
				more["projectId"] = d.project.id
			}
			return nil, inUse(name, owner(sc == c.scope, d.project), more)
		}
	}
	now := s.stamp()
	d := &domain{
		name: name, project: p, created: now, updated: now,
		verified:  s.VerifiedDomains || strings.HasSuffix(name, "."+s.suffix()),
		challenge: "vc-domain-verify=" + name + "," + s.RandomString(20, "0123456789abcdef"),
	}
	d.set(in)
	p.domains = append(p.domains, d)
	s.serveDomain(d)
	return d, nil
}

func inUse(name, by string, more map[string]any) *failure {
	return &failure{
		status: http.StatusConflict, code: "domain_already_in_use", more: more, message: "Cannot add " + name + " since it's already in use by " + by + ".",
	}
}

func owner(ours bool, p *project) string {
	if ours {
		return "your project \"" + p.name + "\""
	}
	return "another Vercel account"
}

// serveDomain lets a verified domain serve what production serves; one with a branch that branch's newest preview, one with a redirect
// nothing.
func (s *Server) serveDomain(d *domain) {
	now := s.serving(d.project.primary)
	switch {
	case d.redirect != "":
		now = nil
	case d.gitBranch != "":
		now = s.newestOf(d.project, d.gitBranch)
	case d.customEnv != "":
		return
	}
	switch a := s.aliases[d.name]; {
	case d.verified && now != nil:
		s.point(d.name, now)
	case a != nil && a.project == d.project && (d.redirect != "" || d.gitBranch != ""):
		s.unpoint(a)
	}
}

// newestOf is the newest preview of a branch that is ready; nil for none.
func (s *Server) newestOf(p *project, branch string) (newest *deployment) {
	for _, d := range p.deployments {
		if d.git != nil && d.git.Ref == branch && d.target == "" && d.custom == nil && d.state(s.Clock()) == ready {
			newest = d
		}
	}
	return newest
}

// redirected is where a request's host is sent to by its domain, with the status; "" for nowhere. The path is kept:
// https://vercel.com/docs/domains/working-with-domains/deploying-and-redirecting#redirecting-domains
func (s *Server) redirected(r *http.Request) (to string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host, port, err := net.SplitHostPort(strings.ToLower(r.Host))
	if err != nil {
		host, port = strings.ToLower(r.Host), ""
	}
	for _, sc := range s.scopes {
		d := sc.domain(host)
		if d == nil || d.redirect == "" || !d.verified {
			continue
		}
		at := url.URL{Scheme: "http", Host: d.redirect, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
		if port != "" {
			at.Host = net.JoinHostPort(d.redirect, port)
		}
		return at.String(), cmp.Or(d.redirectStatus, http.StatusPermanentRedirect)
	}
	return "", 0
}

func (s *Server) getDomain(c *call) (any, *failure) {
	d, f := s.findDomain(c)
	if f != nil {
		return nil, f
	}
	return d.view(), nil
}

func (s *Server) patchDomain(c *call) (any, *failure) {
	d, f := s.findDomain(c)
	if f != nil {
		return nil, f
	}
	var in domainInput
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if f := in.check(d.project, d.name); f != nil {
		return nil, f
	}
	d.set(in)
	d.updated = s.stamp()
	s.serveDomain(d)
	return d.view(), nil
}

// moveDomain gives a domain to another project of the account, where it serves production at once. A project's own
// generated domain stays [? vercel-domain-move-generated].
func (s *Server) moveDomain(c *call) (any, *failure) {
	d, f := s.findDomain(c)
	if f != nil {
		return nil, f
	}
	var body struct{ ProjectID string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	to := c.scope.project(body.ProjectID)
	switch {
	case to == nil:
		return nil, notFound("Project not found.")
	case d.name == d.project.primary, to == d.project:
		return nil, &failure{status: http.StatusConflict, code: "conflict", message: "The domain \"" + d.name + "\" cannot be moved to \"" + to.name + "\"."}
	}
	s.dropDomain(d)
	d.project, d.gitBranch, d.customEnv, d.updated = to, "", "", s.stamp()
	to.domains = append(to.domains, d)
	s.serveDomain(d)
	return d.view(), nil
}

// dropDomain takes a domain from its project.
func (s *Server) dropDomain(d *domain) {
	d.project.domains = slices.DeleteFunc(d.project.domains, func(o *domain) bool { return o == d })
	if a := s.aliases[d.name]; a != nil && a.project == d.project {
		s.unpoint(a)
	}
}

func (s *Server) deleteDomain(c *call) (any, *failure) {
	d, f := s.findDomain(c)
	if f != nil {
		return nil, f
	}
	s.dropDomain(d)
	return obj{}, nil
}
