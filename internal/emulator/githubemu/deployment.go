package githubemu

import (
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

type deployment struct {
	id                                     int64
	ref, sha, task, environment, explained string
	payload                                any
	transient, production                  bool
	by                                     Account
	created, updated                       time.Time
	statuses                               []*deploymentStatus
}

type deploymentStatus struct {
	id                                              int64
	state, description, logURL, envURL, environment string
	by                                              Account
	created                                         time.Time
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}

func deploymentRoutes() []route {
	const one = repoPath + "/deployments/{deployment}"
	return []route{
		{method: "GET", path: repoPath + "/deployments", doc: "deployments/deployments#list-deployments", do: (*Server).listDeployments},
		{
			method: "POST", path: repoPath + "/deployments", doc: "deployments/deployments#create-a-deployment", status: 201, permission: "deployments",
			fields: []string{
				"ref:string!", "task:string", "auto_merge:boolean", "required_contexts:array", "environment:string", "description:string",
				"transient_environment:boolean", "production_environment:boolean",
			}, do: (*Server).createDeployment,
		},
		{method: "GET", path: one, doc: "deployments/deployments#get-a-deployment", do: (*Server).getDeployment},
		{method: "DELETE", path: one, doc: "deployments/deployments#delete-a-deployment", status: 204, permission: "deployments", do: (*Server).deleteDeployment},
		{method: "GET", path: one + "/statuses", doc: "deployments/statuses#list-deployment-statuses", do: (*Server).listDeploymentStatuses},
		{method: "GET", path: one + "/statuses/{status}", doc: "deployments/statuses#get-a-deployment-status", do: (*Server).getDeploymentStatus},
		{
			method: "POST", path: one + "/statuses", doc: "deployments/statuses#create-a-deployment-status", status: 201, permission: "deployments",
			fields: []string{"state:string!", "log_url:string", "target_url:string", "environment_url:string", "environment:string", "description:string", "auto_inactive:boolean"}, do: (*Server).createDeploymentStatus,
		},
	}
}

func (c *call) deploymentView(d *deployment) obj {
	at := c.repoURL(c.repo) + "/deployments/" + itoa(d.id)
	return obj{
		"id": d.id, "node_id": nodeID("DE", d.id), "url": at, "statuses_url": at + "/statuses", "repository_url": c.repoURL(c.repo),
		"sha": d.sha, "ref": d.ref, "task": d.task, "payload": d.payload, "environment": d.environment, "original_environment": d.environment,
		"description": orNull(d.explained), "creator": userView(c, d.by.ID, d.by.Login, "User"), "transient_environment": d.transient,
		"production_environment": d.production, "created_at": stamp(d.created), "updated_at": stamp(d.updated),
	}
}

func (c *call) statusOfDeployment(d *deployment, st *deploymentStatus) obj {
	at := c.repoURL(c.repo) + "/deployments/" + itoa(d.id)
	return obj{
		"id": st.id, "node_id": nodeID("DES", st.id), "url": at + "/statuses/" + itoa(st.id), "state": st.state, "description": st.description,
		"log_url": st.logURL, "target_url": st.logURL, "environment_url": st.envURL, "environment": st.environment, "deployment_url": at,
		"repository_url": c.repoURL(c.repo), "creator": userView(c, st.by.ID, st.by.Login, "User"), "created_at": stamp(st.created), "updated_at": stamp(st.created),
	}
}

func (s *Server) listDeployments(c *call) (any, *failure) {
	var out []*deployment
	for _, d := range newest(c.repo.deployments) {
		keep := true
		for name, have := range map[string]string{"sha": d.sha, "ref": d.ref, "task": d.task, "environment": d.environment} {
			if want := c.query(name); want != "" && want != have {
				keep = false
			}
		}
		if keep {
			out = append(out, d)
		}
	}
	return page(c, out, c.deploymentView), nil
}

// createDeployment is refused while statuses that it requires, by default all, are not success.
func (s *Server) createDeployment(c *call) (any, *failure) {
	co := c.repo.resolve(c.text("ref"))
	if co == nil {
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "No ref found for: " + c.text("ref")}
	}
	if f := checksPass(c, c.repo.latest(co.sha)); f != nil {
		return nil, f
	}
	d := &deployment{
		id: s.next(), ref: c.text("ref"), sha: co.sha, task: c.or("task", "deploy"), environment: c.or("environment", "production"),
		explained: c.text("description"), payload: obj{}, transient: c.flag("transient_environment"), by: *c.who, created: c.now, updated: c.now,
	}
	d.production = d.environment == "production"
	if c.has("production_environment") {
		d.production = c.flag("production_environment")
	}
	if c.has("payload") {
		d.payload = c.body["payload"]
	}
	c.repo.deployments = append(c.repo.deployments, d)
	s.emit(c, "deployment", obj{"action": "created", "deployment": c.deploymentView(d)})
	return c.deploymentView(d), nil
}

func checksPass(c *call, latest []*status) *failure {
	if !c.has("required_contexts") {
		if len(latest) > 0 && combined(latest) != "success" {
			return &failure{status: http.StatusConflict, message: "Conflict: Commit status checks failed for " + c.text("ref") + "."}
		}
		return nil
	}
	required, _ := c.body["required_contexts"].([]any)
	for _, want := range required {
		if !slices.ContainsFunc(latest, func(st *status) bool { return st.context == want && st.state == "success" }) {
			return &failure{status: http.StatusConflict, message: "Conflict: Commit status checks failed for " + c.text("ref") + "."}
		}
	}
	return nil
}

func (c *call) deployment() (*deployment, *failure) {
	for _, d := range c.repo.deployments {
		if d.id == c.id("deployment") {
			return d, nil
		}
	}
	return nil, notFound()
}

func (s *Server) getDeployment(c *call) (any, *failure) {
	d, f := c.deployment()
	if f != nil {
		return nil, f
	}
	return c.deploymentView(d), nil
}

// deleteDeployment takes an inactive deployment, or the only one.
func (s *Server) deleteDeployment(c *call) (any, *failure) {
	d, f := c.deployment()
	if f != nil {
		return nil, f
	}
	if len(c.repo.deployments) > 1 && (len(d.statuses) == 0 || d.statuses[len(d.statuses)-1].state != "inactive") {
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "We cannot delete an active deployment unless it is the only deployment in a given repository."}
	}
	c.repo.deployments = slices.DeleteFunc(c.repo.deployments, func(o *deployment) bool { return o == d })
	return nil, nil
}

func (s *Server) listDeploymentStatuses(c *call) (any, *failure) {
	d, f := c.deployment()
	if f != nil {
		return nil, f
	}
	return page(c, newest(d.statuses), func(st *deploymentStatus) obj { return c.statusOfDeployment(d, st) }), nil
}

func (s *Server) getDeploymentStatus(c *call) (any, *failure) {
	d, f := c.deployment()
	if f != nil {
		return nil, f
	}
	for _, st := range d.statuses {
		if st.id == c.id("status") {
			return c.statusOfDeployment(d, st), nil
		}
	}
	return nil, notFound()
}

// createDeploymentStatus by success makes the environment's earlier deployments inactive, unless auto_inactive is false
// or the environment is transient or production.
func (s *Server) createDeploymentStatus(c *call) (any, *failure) {
	d, f := c.deployment()
	if f != nil {
		return nil, f
	}
	if !slices.Contains(deploymentStates, c.text("state")) {
		return nil, invalid("DeploymentStatus", "state", "custom", "state is not included in the list") // wording [? github-deployment-state]
	}
	if utf8.RuneCountInString(c.text("description")) > maxDescription {
		return nil, invalid("DeploymentStatus", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	st := s.addDeploymentStatus(c, d, c.text("state"))
	st.description, st.envURL, st.logURL = c.text("description"), c.text("environment_url"), c.or("log_url", c.text("target_url"))
	if env := c.text("environment"); env != "" {
		d.environment, st.environment = env, env
	}
	if st.state == "success" && (!c.has("auto_inactive") || c.flag("auto_inactive")) {
		for _, o := range c.repo.deployments {
			if o != d && o.environment == d.environment && !o.transient && !o.production && o.created.Compare(d.created) <= 0 && o.succeeded() {
				s.addDeploymentStatus(c, o, "inactive")
			}
		}
	}
	s.emit(c, "deployment_status", obj{"action": "created", "deployment": c.deploymentView(d), "deployment_status": c.statusOfDeployment(d, st)})
	return c.statusOfDeployment(d, st), nil
}

func (d *deployment) succeeded() bool {
	return len(d.statuses) > 0 && d.statuses[len(d.statuses)-1].state == "success"
}

func (s *Server) addDeploymentStatus(c *call, d *deployment, state string) *deploymentStatus {
	st := &deploymentStatus{id: s.next(), state: state, environment: d.environment, by: *c.who, created: c.now}
	d.statuses = append(d.statuses, st)
	d.updated = c.now
	return st
}
