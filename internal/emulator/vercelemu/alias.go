package vercelemu

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// alias is a hostname that points at a deployment and can be moved to another.
type alias struct {
	uid, host        string
	project          *project
	deployment       *deployment
	created, updated int64
}

func aliasRoutes() []route {
	body := openObject(map[string]*schema{"alias": str(0), "redirect": null(str(0))})
	return []route{
		{method: "GET", versions: "v2", path: "/deployments/{deployment}/aliases", doc: "aliases/list-deployment-aliases", do: (*Server).listDeploymentAliases},
		{method: "POST", versions: "v2", path: "/deployments/{deployment}/aliases", doc: "aliases/assign-an-alias", body: body, limit: "alias-create", do: (*Server).setAlias},
		{method: "GET", versions: "v4", path: "/aliases", doc: "aliases/list-aliases", do: (*Server).listAliases},
		{
			method: "GET", versions: "v4", path: "/aliases/{alias}", doc: "aliases/get-an-alias", do: (*Server).getAlias,
			differs: "the published document has an array; the vendor's SDK and CLI read an object",
		},
		{method: "DELETE", versions: "v2", path: "/aliases/{alias}", doc: "aliases/delete-an-alias", do: (*Server).deleteAlias},
	}
}

// serving returns the deployment that a hostname leads to, nil when there is none.
func (s *Server) serving(host string) *deployment {
	if a := s.aliases[host]; a != nil {
		return a.deployment
	}
	return s.hosts[host]
}

// point moves a hostname to d.
func (s *Server) point(host string, d *deployment) *alias {
	now := s.stamp()
	a := s.aliases[host]
	if a == nil {
		a = &alias{uid: s.RandomString(32, emukit.LowerAlnum), host: host, created: now}
	} else {
		s.unpoint(a)
	}
	a.project, a.deployment, a.updated = d.project, d, now
	s.aliases[host] = a
	at, _ := slices.BinarySearch(a.project.hosts, host)
	a.project.hosts = slices.Insert(a.project.hosts, at, host)
	return a
}

// unpoint takes an alias away.
func (s *Server) unpoint(a *alias) {
	delete(s.aliases, a.host)
	a.project.hosts = slices.DeleteFunc(a.project.hosts, func(h string) bool { return h == a.host })
}

// productionHosts are the hostnames that a production deployment of p gets, the project's own first.
func (s *Server) productionHosts(p *project) []string {
	hosts := []string{p.primary}
	if auto := label(p.name+"-"+p.scope.slug) + "." + s.suffix(); auto != p.primary && !s.foreign(auto, p) {
		hosts = append(hosts, auto)
	}
	for _, d := range p.domains {
		if d.name != p.primary && d.verified && d.redirect == "" && d.gitBranch == "" && d.customEnv == "" {
			hosts = append(hosts, d.name)
		}
	}
	return hosts
}

func (s *Server) foreign(host string, p *project) bool {
	a := s.aliases[host]
	return a != nil && a.project != p
}

// assign happens when a build is READY and its aliases are due. A build that is overtaken by a later one moves
// nothing back.
func (s *Server) assign(d *deployment, at time.Time) {
	if s.deployments[d.id] != d || d.state(at) != ready || d.blocked() {
		return
	}
	if d.target == "production" && !d.staged && s.rolledOut(d, at) {
		d.aliasedAt = at
		s.tell(d, "deployment.succeeded", nil)
		return
	}
	if !d.staged {
		for _, host := range s.hostsFor(d) {
			if a := s.aliases[host]; a != nil && a.deployment.created > d.created {
				continue
			}
			if s.keptBack(d.aliasFails, host) {
				d.aliasError = &failure{code: "alias_failed", message: "The alias " + host + " could not be assigned."}
				continue
			}
			s.point(host, d)
			d.promoted = d.promoted || d.target == "production"
		}
	}
	if d.aliasError == nil {
		d.aliasedAt = at
		s.tell(d, "deployment.succeeded", nil)
	}
}

// hostsFor are the hostnames that a deployment will get: production's, a custom environment's, or its branch's.
func (s *Server) hostsFor(d *deployment) []string {
	if d.target == "production" {
		if d.staged {
			return []string{}
		}
		return s.productionHosts(d.project)
	}
	hosts := []string{}
	for _, o := range d.project.domains {
		if o.verified && o.redirect == "" && (d.custom != nil && o.customEnv == d.custom.id || d.custom == nil && d.git != nil && o.gitBranch != "" && o.gitBranch == d.git.Ref) {
			hosts = append(hosts, o.name)
		}
	}
	if d.git != nil && d.custom == nil && d.target == "" {
		branch := label(d.project.name+"-git-"+branchLabel(d.git.Ref)+"-"+d.project.scope.slug) + "." + s.suffix()
		if !s.foreign(branch, d.project) {
			hosts = append(hosts, branch)
		}
	}
	return hosts
}

// branchLabel is a branch as a part of a hostname.
func branchLabel(branch string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(branch))
}

func (s *Server) hostsOf(d *deployment) []string {
	hosts := []string{}
	for _, host := range d.project.hosts {
		if s.aliases[host].deployment == d {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// aliasesOf is `alias` of a project: its hostnames and, in a single read, what each serves.
func (s *Server) aliasesOf(p *project, single bool) []obj {
	out := []obj{}
	for _, host := range p.hosts {
		a := s.aliases[host]
		v := obj{"domain": host, "createdAt": a.created, "environment": "production", "target": "PRODUCTION", "configuredBy": "A"}
		if single {
			v["deployment"] = s.projectsView(a.deployment, s.Clock())
		}
		if a.deployment.target != "production" {
			v["environment"], v["target"] = "preview", "PREVIEW"
		}
		out = append(out, v)
	}
	return out
}

func (s *Server) listDeploymentAliases(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	out := []obj{}
	for _, host := range s.hostsOf(d) {
		a := s.aliases[host]
		out = append(out, obj{"uid": a.uid, "alias": host, "created": isoTime(a.created), "redirect": nil})
	}
	return obj{"aliases": out}, nil
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:[0-9]+)?$`)

func (s *Server) setAlias(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	var body struct{ Alias string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	host := strings.ToLower(body.Alias)
	if !strings.Contains(host, ".") {
		host += "." + s.suffix()
	}
	switch {
	case body.Alias == "" || !hostname.MatchString(host):
		return nil, &failure{status: http.StatusBadRequest, code: "invalid_alias", message: "The supplied alias is invalid"}
	case d.state(c.now) != ready:
		return nil, &failure{status: http.StatusBadRequest, code: "deployment_not_ready", message: "The deployment is not READY and can not be aliased"}
	case s.hosts[host] != nil, s.aliases[host] != nil && s.aliases[host].project.scope != c.scope:
		return nil, &failure{status: http.StatusConflict, code: "alias_in_use", message: "The alias is in use by another account."}
	case s.serving(host) == d:
		return nil, &failure{status: http.StatusConflict, code: "conflict", message: "The provided alias is already assigned to the given deployment"}
	case !strings.HasSuffix(host, "."+s.suffix()) && c.scope.domain(host) == nil:
		return nil, notFound("The domain used for the alias was not found")
	}
	reply := obj{}
	if old := s.aliases[host]; old != nil {
		reply["oldDeploymentId"] = old.deployment.id
	}
	a := s.point(host, d)
	reply["uid"], reply["alias"], reply["created"] = a.uid, host, isoTime(a.created)
	return reply, nil
}

func (s *Server) listAliases(c *call) (any, *failure) {
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, f
	}
	until, f := c.millis("until")
	if f != nil {
		return nil, f
	}
	var found []*alias
	for _, a := range s.aliases {
		id, domain := c.query("projectId"), c.query("domain")
		if a.project.scope == c.scope && (id == "" || id == a.project.id) && (domain == "" || a.host == domain || strings.HasSuffix(a.host, "."+domain)) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b *alias) int { return int(b.created - a.created) })
	page, next := emukit.PageBefore(found, func(a *alias) int64 { return a.created }, until, limit)
	views := []obj{}
	for _, a := range page {
		views = append(views, a.view())
	}
	return obj{"aliases": views, "pagination": pagination(len(views), next)}, nil
}

func (a *alias) view() obj {
	return obj{
		"uid": a.uid, "alias": a.host, "created": isoTime(a.created), "createdAt": a.created, "updatedAt": a.updated,
		"deploymentId": a.deployment.id, "projectId": a.project.id, "redirect": nil,
		"deployment": obj{"id": a.deployment.id, "url": a.deployment.host},
		"creator":    obj{"uid": a.deployment.creator.ID, "email": a.deployment.creator.Email, "username": a.deployment.creator.Username},
	}
}

func (s *Server) findAlias(c *call) (*alias, *failure) {
	named := strings.ToLower(c.path("alias"))
	for _, a := range s.aliases {
		if (a.host == named || a.uid == named) && a.project.scope == c.scope {
			return a, nil
		}
	}
	return nil, notFound("The alias was not found")
}

func (s *Server) getAlias(c *call) (any, *failure) {
	a, f := s.findAlias(c)
	if f != nil {
		return nil, f
	}
	return a.view(), nil
}

func (s *Server) deleteAlias(c *call) (any, *failure) {
	a, f := s.findAlias(c)
	if f != nil {
		return nil, f
	}
	s.unpoint(a)
	return obj{"status": "SUCCESS"}, nil
}

func isoTime(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// contextUntil is ctx that also ends when the channel closes.
func contextUntil(ctx context.Context, ended <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
