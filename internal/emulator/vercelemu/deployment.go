package vercelemu

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// States of a deployment. QUEUED, INITIALIZING and BUILDING pass by the clock into READY or ERROR; a cancel in
// between ends in CANCELED.
const (
	queued       = "QUEUED"
	initializing = "INITIALIZING"
	building     = "BUILDING"
	ready        = "READY"
	errored      = "ERROR"
	canceled     = "CANCELED"
)

type deployment struct {
	id, name, host string
	buildID        string
	project        *project
	creator        User
	created        int64
	birth          emukit.Birth
	build          emukit.Timeline
	broken         string // the build's error message; "" for a build that succeeds
	target         string // production, staging, or "" for preview
	staged         bool   // autoAssignCustomDomains was false
	meta           map[string]string
	tree           map[string][]byte
	env            map[string]string // frozen at create
	envNames       []string          // of env, without the system's own
	settings       map[string]json.RawMessage
	canceledAt     time.Time
	aliasedAt      time.Time // zero until aliasAssigned
	aliasError     *failure
	aliasFails     string // pattern of hosts
	warning        string // of the build's log
	told           bool   // the build's end has happened
	checks         []*check
	custom         *customEnv    // nil for none
	git            *gitSource    // nil for one of files
	prebuilt       bool          // its files are a build's output
	promoted       bool          // has served production
	ended          chan struct{} // closed by cancel and delete
	dir            string        // where its files are laid out for functions
}

// deploymentBody is the published schema plus what the vendor's own clients send and the document forbids:
// autoAssignCustomDomains, version, public, source, env, build and regions from the CLI, mode of a file from
// @vercel/client.
var deploymentBody = object(map[string]*schema{
	"customEnvironmentSlugOrId": str(0), "deploymentId": str(0), "monorepoManager": null(str(0)), "name": str(0), "project": str(0),
	"target": str(0), "withLatestCommit": boolean(), "meta": mapOf(str(65536)), "gitSource": gitSourceBody,
	"gitMetadata": object(map[string]*schema{
		"remoteUrl": str(0), "commitAuthorName": str(0), "commitAuthorEmail": str(0),
		"commitMessage": str(0), "commitRef": str(0), "commitSha": str(0), "dirty": boolean(), "ci": boolean(), "ciType": str(0),
		"ciGitProviderUsername": str(0), "ciGitRepoVisibility": str(0),
	}),
	"projectSettings": object(deploymentSettings()),
	"files": list(either(
		object(map[string]*schema{"file": str(0), "data": str(0), "encoding": oneOf("base64", "utf-8"), "mode": number()}, "file", "data"),
		object(map[string]*schema{"file": str(0), "sha": str(0), "size": number(), "mode": number()}, "file"))),
	"autoAssignCustomDomains": boolean(), "version": number(), "public": boolean(), "source": str(0),
	"env": mapOf(str(0)), "build": anything(), "regions": list(str(0)),
}, "name")

func deploymentSettings() map[string]*schema {
	fields := buildSettings()
	fields["nodeVersion"] = oneOf("22.x", "20.x", "18.x", "16.x", "14.x", "12.x", "10.x", "8.10.x")
	fields["sourceFilesOutsideRootDirectory"] = boolean()
	return fields
}

func deploymentRoutes() []route {
	return []route{
		{method: "POST", versions: "v13", path: "/deployments", doc: "deployments/create-a-new-deployment", body: deploymentBody, limit: "deployment-create", do: (*Server).createDeployment},
		{method: "GET", versions: "v13", path: "/deployments/{deployment}", doc: "deployments/get-a-deployment-by-id-or-url", limit: "deployment-get", do: (*Server).getDeployment},
		{method: "DELETE", versions: "v13", path: "/deployments/{deployment}", doc: "deployments/delete-a-deployment", do: (*Server).deleteDeployment},
		{method: "GET", versions: "v6 v7", path: "/deployments", doc: "deployments/list-deployments", limit: "deployment-list", do: (*Server).listDeployments},
		{method: "PATCH", versions: "v12", path: "/deployments/{deployment}/cancel", doc: "deployments/cancel-a-deployment", do: (*Server).cancelDeployment},
		{method: "GET", versions: "v3", path: "/deployments/{deployment}/events", doc: "deployments/get-deployment-events", stream: (*Server).getEvents},
		{method: "GET", versions: "v3", path: "/now/deployments/{deployment}/events", doc: "deployments/get-deployment-events", stream: (*Server).getEvents},
	}
}

type deploymentInput struct {
	Name, Project, Target, DeploymentID, CustomEnvironmentSlugOrID string
	Files                                                          []fileInput
	Meta                                                           map[string]string
	Env                                                            map[string]string
	GitSource                                                      *gitSource
	ProjectSettings                                                map[string]json.RawMessage
	AutoAssignCustomDomains                                        *bool
	buildTime                                                      time.Duration
	prebuilt                                                       bool
}

// project is the one that a deployment names.
func (in deploymentInput) project() string {
	if in.Project != "" {
		return in.Project
	}
	return in.Name
}

func (s *Server) createDeployment(c *call) (any, *failure) {
	var in deploymentInput
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if in.Target != "" && in.Target != "production" && in.Target != "staging" {
		return nil, badRequest("Invalid request: `target` should be equal to one of the allowed values \"production, staging\".")
	}
	if f := s.deploymentQuota(c); f != nil {
		return nil, f
	}
	if p := c.scope.project(in.project()); in.CustomEnvironmentSlugOrID != "" && (p == nil || p.customEnv(in.CustomEnvironmentSlugOrID) == nil) {
		return nil, customEnvNotFound()
	}
	if len(in.Files) == 0 && in.DeploymentID == "" && in.GitSource != nil {
		src, f := s.fetch(c, in)
		if f != nil {
			return nil, f
		}
		in.GitSource = src
	}
	var f *failure
	if in.buildTime, f = c.duration("build-time", s.buildTime()); f != nil {
		return nil, f
	}
	tree, f := s.deploymentTree(c, in)
	if f != nil {
		return nil, f
	}
	p, f := s.deploymentProject(c, in)
	if f != nil {
		return nil, f
	}
	in.prebuilt = c.query("prebuilt") == "1"
	if old := s.deployments[in.DeploymentID]; old != nil {
		in.prebuilt = old.prebuilt
	}
	d := s.newDeployment(c, p, in, tree)
	return s.deploymentView(d, c.now), nil
}

func (s *Server) deploymentTree(c *call, in deploymentInput) (map[string][]byte, *failure) {
	if in.DeploymentID != "" {
		old := s.deployments[in.DeploymentID]
		if old == nil || old.project.scope != c.scope {
			return nil, deploymentNotFound(in.DeploymentID)
		}
		return old.tree, nil
	}
	if in.GitSource != nil && in.GitSource.files != nil {
		return in.GitSource.files, nil
	}
	if len(in.Files) == 0 {
		return nil, badRequest("The deployment has no files.")
	}
	tree, missing, f := c.scope.tree(in.Files)
	if f != nil {
		return nil, f
	}
	if len(missing) > 0 {
		return nil, &failure{status: http.StatusBadRequest, code: "missing_files", message: "Missing files", more: map[string]any{"missing": missing}}
	}
	return tree, nil
}

// deploymentProject finds the project, or makes one of the deployment's name when none was named.
func (s *Server) deploymentProject(c *call, in deploymentInput) (*project, *failure) {
	p := c.scope.project(in.project())
	if p == nil && in.Project != "" {
		return nil, notFound("Project not found.")
	}
	first := p == nil || len(p.deployments) == 0
	if first && in.ProjectSettings == nil && c.query("skipAutoDetectionConfirmation") != "1" && in.DeploymentID == "" {
		return nil, &failure{
			status: http.StatusBadRequest, code: "missing_project_settings",
			message: "The `projectSettings` object is required for new projects, but is missing in the deployment payload",
			more:    map[string]any{"framework": obj{"slug": nil, "name": "Other"}},
		}
	}
	if p == nil {
		var f *failure
		if p, f = s.newProject(c, in.Name, map[string]json.RawMessage{}); f != nil {
			return nil, f
		}
	}
	if first {
		for k, v := range in.ProjectSettings {
			p.settings[k] = v
		}
	}
	return p, nil
}

func (s *Server) newDeployment(c *call, p *project, in deploymentInput, tree map[string][]byte) *deployment {
	d := &deployment{
		id: "dpl_" + s.RandomString(28, emukit.Alnum), buildID: "bld_" + s.RandomString(9, emukit.LowerAlnum), name: p.name, project: p,
		creator: c.who.User, created: s.stamp(), birth: s.Born(), target: in.Target, meta: in.Meta, tree: tree, ended: make(chan struct{}),
		staged: in.AutoAssignCustomDomains != nil && !*in.AutoAssignCustomDomains,
	}
	if in.AutoAssignCustomDomains == nil {
		var auto *bool
		_ = json.Unmarshal(p.settings["autoAssignCustomDomains"], &auto)
		// After a rollback nothing new takes production by itself until a promote:
		// https://vercel.com/docs/instant-rollback
		d.staged = auto != nil && !*auto || p.job != nil && p.job.kind == "rollback"
	}
	d.staged = d.staged && d.target == "production"
	d.custom = p.customEnv(in.CustomEnvironmentSlugOrID)
	if d.meta == nil {
		d.meta = map[string]string{}
	}
	if in.GitSource != nil && in.GitSource.files != nil {
		src := *in.GitSource
		src.files = nil // they are the tree
		d.git = &src
		maps.Copy(d.meta, d.git.meta())
	}
	d.settings = map[string]json.RawMessage{}
	for _, from := range []map[string]json.RawMessage{p.settings, in.ProjectSettings} {
		for k := range deploymentSettings() {
			if raw, ok := from[k]; ok {
				d.settings[k] = raw
			}
		}
	}
	d.host = s.deploymentHost(p)
	s.freezeEnv(d, in.Env)
	d.aliasFails = c.with("alias-fails")
	if d.broken = c.with("build-fails"); d.broken == "" {
		d.broken = s.buildFailure(d)
	}
	if d.prebuilt = in.prebuilt; d.prebuilt && d.broken == "" {
		d.broken = d.outputFault()
	}
	if d.hasFunctions() {
		d.warning = s.runner().warning()
	}
	last := ready
	if d.broken != "" {
		last = errored
	}
	t := in.buildTime
	if s.BuildTakes != nil && c.with("build-time") == "" {
		if own := s.BuildTakes(d.asBuild()); own > 0 {
			t = own
		}
	}
	d.build = emukit.Timeline{Started: c.now, Stages: []emukit.Stage{{State: queued}, {State: initializing, After: t / 20}, {State: building, After: t / 10}, {State: last, After: t}}}
	p.deployments = append(p.deployments, d)
	p.updated = d.created
	s.deployments[d.id], s.hosts[d.host] = d, d
	s.tell(d, "deployment.created", obj{"alias": s.hostsFor(d)})
	s.at(d.build.End(), func(at time.Time) { s.built(d, at) })
	s.advance(c.now)
	return d
}

// built happens at the end of a build.
func (s *Server) built(d *deployment, at time.Time) {
	d.told = true
	if s.deployments[d.id] != d {
		return
	}
	switch d.state(at) {
	case errored:
		s.tell(d, "deployment.error", nil)
	case ready:
		s.tell(d, "deployment.ready", nil)
		s.at(at.Add(s.aliasTime()), func(at time.Time) { s.assign(d, at) })
	}
}

// deploymentHost is <project>-<9 random>-<team>.<suffix>, its label at most 63 characters.
func (s *Server) deploymentHost(p *project) string {
	tail := "-" + s.RandomString(9, emukit.LowerAlnum) + "-" + p.scope.slug
	name := label(p.name)
	return strings.TrimRight(name[:min(len(name), max(1, 63-len(tail)))], "-") + tail + "." + s.suffix()
}

// freezeEnv sets what the deployment keeps for life: https://vercel.com/docs/environment-variables says that a change
// applies to the next deployment.
func (s *Server) freezeEnv(d *deployment, own map[string]string) {
	target, branch := "preview", ""
	if d.target == "production" {
		target = "production"
	} else if d.git != nil {
		branch = d.git.Ref
	}
	named := target
	d.env = map[string]string{}
	if d.custom == nil {
		d.env = d.project.envFor(target, branch)
	} else {
		d.env, named = d.project.envFor(d.custom.id, branch), d.custom.slug
	}
	maps.Copy(d.env, own)
	d.envNames = slices.AppendSeq(make([]string, 0, len(d.env)), maps.Keys(d.env))
	slices.Sort(d.envNames)
	maps.Copy(d.env, map[string]string{
		"VERCEL": "1", "VERCEL_ENV": target, "VERCEL_TARGET_ENV": named, "VERCEL_URL": d.host,
		"VERCEL_DEPLOYMENT_ID": d.id, "VERCEL_PROJECT_ID": d.project.id, "VERCEL_PROJECT_PRODUCTION_URL": d.project.primary,
		"VERCEL_REGION": "dev1", "NODE_ENV": "production",
	})
	if d.git != nil {
		maps.Copy(d.env, map[string]string{
			"VERCEL_GIT_PROVIDER": d.git.Type, "VERCEL_GIT_REPO_OWNER": d.git.Org, "VERCEL_GIT_REPO_SLUG": d.git.Repo,
			"VERCEL_GIT_COMMIT_REF": d.git.Ref, "VERCEL_GIT_COMMIT_SHA": d.git.SHA,
		})
	}
}

func (d *deployment) asBuild() Build {
	return Build{ID: d.id, Project: d.project.name, Target: d.target, Meta: d.meta, File: func(name string) []byte { return d.tree[name] }}
}

func (s *Server) buildFailure(d *deployment) string {
	if s.BuildFails != nil {
		return s.BuildFails(d.asBuild())
	}
	text, ok := d.tree["vercelemu.fail"]
	if !ok {
		return ""
	}
	if msg := strings.TrimSpace(string(text)); msg != "" {
		return msg
	}
	return `Command "npm run build" exited with 1`
}

// state is what the deployment is at now.
func (d *deployment) state(now time.Time) string {
	if !d.canceledAt.IsZero() && !now.Before(d.canceledAt) {
		return canceled
	}
	return d.build.At(now)
}

func deploymentNotFound(named string) *failure {
	return notFound(`The deployment "` + named + `" can't be found.`)
}

// findDeployment takes an id or a hostname, generated or alias.
func (s *Server) findDeployment(c *call, named string) (*deployment, *failure) {
	d := s.deployments[named]
	if d == nil {
		d = s.serving(strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(named, "https://"), "http://")))
	}
	if d == nil || d.project.scope != c.scope {
		return nil, deploymentNotFound(named)
	}
	return d, nil
}

func (s *Server) getDeployment(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	return s.deploymentView(d, c.now), nil
}

func (s *Server) deleteDeployment(c *call) (any, *failure) {
	named := c.path("deployment")
	if url := c.query("url"); url != "" {
		named = url
	}
	d, f := s.findDeployment(c, named)
	if f != nil {
		return nil, f
	}
	s.remove(d)
	return obj{"uid": d.id, "state": "DELETED"}, nil
}

func (s *Server) remove(d *deployment) {
	delete(s.deployments, d.id)
	delete(s.hosts, d.host)
	for _, host := range s.hostsOf(d) {
		s.unpoint(s.aliases[host])
	}
	d.project.deployments = slices.DeleteFunc(d.project.deployments, func(o *deployment) bool { return o == d })
	d.end()
	s.discard(d)
}

func (d *deployment) end() {
	select {
	case <-d.ended:
	default:
		close(d.ended)
	}
}

func (s *Server) cancelDeployment(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	if state := d.state(c.now); state == ready || state == errored || state == canceled {
		return nil, badRequest("The deployment cannot be canceled because it is " + state + ".") // [? vercel-cancel-ready] the status
	}
	d.canceledAt = c.now
	d.end()
	s.tell(d, "deployment.canceled", nil)
	return s.deploymentView(d, c.now), nil
}

func (s *Server) listDeployments(c *call) (any, *failure) {
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, f
	}
	until, f := c.millis("until")
	if f != nil {
		return nil, f
	}
	since, f := c.millis("since")
	if f != nil {
		return nil, f
	}
	var found []*deployment
	for _, p := range c.scope.projects {
		if named := c.query("projectId"); named != "" && named != p.id && named != p.name {
			continue
		}
		for _, d := range p.deployments {
			if d.created > since && d.matches(c) && s.Listed(&d.birth) {
				found = append(found, d)
			}
		}
	}
	slices.SortFunc(found, func(a, b *deployment) int { return int(b.created - a.created) })
	page, next := emukit.PageBefore(found, func(d *deployment) int64 { return d.created }, until, limit)
	views := make([]obj, 0, len(page))
	for _, d := range page {
		views = append(views, s.listedView(d, c.now))
	}
	return obj{"deployments": views, "pagination": pagination(len(views), next)}, nil
}

func (d *deployment) matches(c *call) bool {
	q := c.values
	if app := q.Get("app"); app != "" && app != d.name {
		return false
	}
	if ids := q["projectIds"]; len(ids) > 0 && !slices.Contains(ids, d.project.id) {
		return false
	}
	if target := q.Get("target"); target != "" && target != d.target && !(target == "preview" && d.target == "") {
		return false
	}
	if states := q.Get("state"); states != "" && !slices.Contains(strings.Split(strings.ToUpper(states), ","), d.state(c.now)) {
		return false
	}
	if users := q.Get("users"); users != "" && !slices.Contains(strings.Split(users, ","), d.creator.ID) {
		return false
	}
	for name, values := range q {
		if key, ok := strings.CutPrefix(name, "meta-"); ok && d.meta[key] != values[0] {
			return false
		}
	}
	return true
}
