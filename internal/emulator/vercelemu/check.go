package vercelemu

import (
	"encoding/json"
	"net/http"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// check is what an integration says of a deployment. A blocking one keeps the aliases from a READY deployment until it
// is completed, for good when it failed: https://vercel.com/docs/checks
type check struct {
	id, name, path, status, conclusion, detailsURL, externalID string
	blocking, rerequestable                                    bool
	output                                                     json.RawMessage
	created, updated, started, completed                       int64
}

func checkRoutes() []route {
	const path, one = "/deployments/{deployment}/checks", "/deployments/{deployment}/checks/{check}"
	create := map[string]*schema{"name": str(100), "path": str(255), "blocking": boolean(), "detailsUrl": str(0), "externalId": str(0), "rerequestable": boolean()}
	vital := openObject(map[string]*schema{"value": null(number()), "previousValue": number(), "source": oneOf("web-vitals")}, "value", "source")
	metrics := object(map[string]*schema{"FCP": vital, "LCP": vital, "CLS": vital, "TBT": vital, "virtualExperienceScore": vital}, "FCP", "LCP", "CLS", "TBT")
	update := map[string]*schema{
		"name": str(100), "path": str(255), "status": oneOf("running", "completed"),
		"conclusion": oneOf("canceled", "failed", "neutral", "succeeded", "skipped"), "detailsUrl": str(0), "externalId": str(0),
		"output": openObject(map[string]*schema{"metrics": metrics}),
	}
	return []route{
		{method: "POST", versions: "v1", path: path, doc: "checks/creates-a-new-check", body: openObject(create, "name", "blocking"), do: (*Server).createCheck},
		{method: "GET", versions: "v1", path: path, doc: "checks/retrieve-a-list-of-all-checks", do: (*Server).listChecks},
		{method: "GET", versions: "v1", path: one, doc: "checks/get-a-single-check", do: (*Server).getCheck},
		{method: "PATCH", versions: "v1", path: one, doc: "checks/update-a-check", body: openObject(update), do: (*Server).updateCheck},
		{method: "POST", versions: "v1", path: one + "/rerequest", doc: "checks/rerequest-a-check", body: empty(openObject(nil)), do: (*Server).rerequestCheck},
	}
}

func (k *check) view(d *deployment) obj {
	v := obj{
		"id": k.id, "name": k.name, "status": k.status, "blocking": k.blocking, "rerequestable": k.rerequestable,
		"integrationId": "oac_emulator", "deploymentId": d.id, "createdAt": k.created, "updatedAt": k.updated,
	}
	for name, text := range map[string]string{"path": k.path, "conclusion": k.conclusion, "detailsUrl": k.detailsURL, "externalId": k.externalID} {
		if text != "" {
			v[name] = text
		}
	}
	if k.output != nil {
		v["output"] = k.output
	}
	if k.started != 0 {
		v["startedAt"] = k.started
	}
	if k.completed != 0 {
		v["completedAt"] = k.completed
	}
	return v
}

// checks returns checksState and checksConclusion of a deployment. Without checks they are completed and skipped.
func (d *deployment) checksState() (state, conclusion string) {
	if len(d.checks) == 0 {
		return "completed", "skipped"
	}
	state = "completed"
	for _, k := range d.checks {
		switch {
		case k.status == "registered" && state == "completed":
			state = "registered"
		case k.status == "running":
			state = "running"
		}
	}
	if state != "completed" {
		return state, ""
	}
	conclusion = "succeeded"
	for _, k := range d.checks {
		if k.blocking && k.conclusion == "failed" {
			return state, "failed"
		}
		if k.blocking && k.conclusion == "canceled" {
			conclusion = "canceled"
		}
	}
	return state, conclusion
}

// blocked says whether a check keeps the aliases away.
func (d *deployment) blocked() bool {
	for _, k := range d.checks {
		if k.blocking && (k.status != "completed" || k.conclusion == "failed" || k.conclusion == "canceled") {
			return true
		}
	}
	return false
}

func (s *Server) createCheck(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	if !d.aliasedAt.IsZero() || d.state(c.now) == errored || d.state(c.now) == canceled {
		return nil, badRequest("Cannot create check for finished deployment")
	}
	var in struct {
		Name, Path, DetailsURL, ExternalID string
		Blocking, Rerequestable            bool
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	now := s.stamp()
	k := &check{
		id: "check_" + s.RandomString(28, emukit.Alnum), name: in.Name, path: in.Path, detailsURL: in.DetailsURL, externalID: in.ExternalID,
		blocking: in.Blocking, rerequestable: in.Rerequestable, status: "registered", created: now, updated: now,
	}
	d.checks = append(d.checks, k)
	return k.view(d), nil
}

func (s *Server) listChecks(c *call) (any, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, f
	}
	views := []obj{}
	for _, k := range d.checks {
		views = append(views, k.view(d))
	}
	return obj{"checks": views}, nil
}

func (s *Server) findCheck(c *call) (*deployment, *check, *failure) {
	d, f := s.findDeployment(c, c.path("deployment"))
	if f != nil {
		return nil, nil, f
	}
	for _, k := range d.checks {
		if k.id == c.path("check") {
			return d, k, nil
		}
	}
	return nil, nil, notFound("Check was not found")
}

func (s *Server) getCheck(c *call) (any, *failure) {
	d, k, f := s.findCheck(c)
	if f != nil {
		return nil, f
	}
	return k.view(d), nil
}

// maxCheckOutput is where an output is too large [? vercel-check-output-size].
const maxCheckOutput = 64 << 10

func (s *Server) updateCheck(c *call) (any, *failure) {
	d, k, f := s.findCheck(c)
	if f != nil {
		return nil, f
	}
	in := struct {
		Name, Path, Status, Conclusion, DetailsURL, ExternalID string
		Output                                                 json.RawMessage
	}{k.name, k.path, k.status, k.conclusion, k.detailsURL, k.externalID, k.output}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if len(in.Output) > maxCheckOutput {
		return nil, &failure{status: http.StatusRequestEntityTooLarge, code: "check_output_too_large", message: "The output provided is too large"}
	}
	if in.Status == "completed" && in.Conclusion == "" {
		return nil, badRequest("Invalid request: a completed check needs a `conclusion`.") // [? vercel-check-no-conclusion]
	}
	k.name, k.path, k.detailsURL, k.externalID, k.output, k.updated = in.Name, in.Path, in.DetailsURL, in.ExternalID, in.Output, s.stamp()
	k.status, k.conclusion = in.Status, in.Conclusion
	if k.status == "running" && k.started == 0 {
		k.started = k.updated
	}
	if k.status == "completed" && k.completed == 0 {
		k.completed = k.updated
	}
	if due := d.build.End().Add(s.aliasTime()); d.aliasedAt.IsZero() && !c.now.Before(due) {
		s.assign(d, c.now)
	}
	return k.view(d), nil
}

// rerequestCheck starts a check over: registered, or running at once with ?autoUpdate=true.
func (s *Server) rerequestCheck(c *call) (any, *failure) {
	d, k, f := s.findCheck(c)
	if f != nil {
		return nil, f
	}
	if !k.rerequestable {
		return nil, badRequest("The check cannot be rerequested.") // [? vercel-check-rerequest]
	}
	k.status, k.conclusion, k.started, k.completed, k.updated = "registered", "", 0, 0, s.stamp()
	if c.query("autoUpdate") == "true" {
		k.status, k.started = "running", k.updated
	}
	s.tell(d, "deployment.check-rerequested", obj{"check": obj{"id": k.id}})
	return obj{}, nil
}
