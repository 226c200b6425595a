package githubemu

import (
	"slices"
	"strconv"
	"time"
)

// suite is a check suite: the check runs of one app for one commit.
type suite struct {
	id      int64
	sha     string
	app     Account
	created time.Time
	runs    []*checkRun
}

type checkRun struct {
	id                       int64
	name, status, conclusion string
	details, external        string
	output                   obj
	started, completed       time.Time
}

var (
	checkStatuses    = []string{"queued", "in_progress", "completed"}
	checkConclusions = []string{"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}
	checkFields      = []string{"status:string", "conclusion:string", "details_url:string", "external_id:string", "started_at:string", "completed_at:string", "output:object"}
)

func checkRoutes() []route {
	return []route{
		{method: "POST", path: repoPath + "/check-runs", doc: "checks/runs#create-a-check-run", status: 201, permission: "checks", fields: append([]string{"name:string!", "head_sha:string!"}, checkFields...), do: (*Server).createCheckRun},
		{method: "GET", path: repoPath + "/check-runs/{run}", doc: "checks/runs#get-a-check-run", do: (*Server).getCheckRun},
		{method: "PATCH", path: repoPath + "/check-runs/{run}", doc: "checks/runs#update-a-check-run", permission: "checks", fields: append([]string{"name:string"}, checkFields...), do: (*Server).updateCheckRun},
		{method: "GET", path: repoPath + "/commits/{ref}/check-runs", doc: "checks/runs#list-check-runs-for-a-git-reference", do: (*Server).listCheckRuns},
		{method: "GET", path: repoPath + "/commits/{ref}/check-suites", doc: "checks/suites#list-check-suites-for-a-git-reference", do: (*Server).listCheckSuites},
		{method: "GET", path: repoPath + "/check-suites/{suite}", doc: "checks/suites#get-a-check-suite", do: (*Server).getCheckSuite},
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func at(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func (c *call) checkView(su *suite, run *checkRun) obj {
	output := obj{"title": nil, "summary": nil, "text": nil, "annotations_count": 0, "annotations_url": c.repoURL(c.repo) + "/check-runs/" + itoa(run.id) + "/annotations"}
	for k, v := range run.output {
		output[k] = v
	}
	return obj{
		"id": run.id, "node_id": nodeID("CR", run.id), "head_sha": su.sha, "name": run.name, "status": run.status, "conclusion": orNull(run.conclusion),
		"external_id": run.external, "details_url": orNull(run.details), "html_url": "https://github.com/" + c.repo.fullName() + "/runs/" + itoa(run.id),
		"url": c.repoURL(c.repo) + "/check-runs/" + itoa(run.id), "started_at": at(run.started), "completed_at": at(run.completed), "output": output,
		"check_suite": obj{"id": su.id}, "app": appView(su.app), "pull_requests": []obj{},
	}
}

func appView(a Account) obj { return obj{"id": a.ID, "slug": a.Login, "name": a.Login} }

func (su *suite) state() (status string, conclusion any) {
	worst := "success"
	for _, run := range su.runs {
		if run.status != "completed" {
			return "in_progress", nil
		}
		if run.conclusion != "success" && run.conclusion != "neutral" && run.conclusion != "skipped" {
			worst = run.conclusion
		}
	}
	return "completed", worst
}

func (c *call) suiteView(su *suite) obj {
	state, conclusion := su.state()
	return obj{
		"id": su.id, "node_id": nodeID("CS", su.id), "head_sha": su.sha, "head_branch": defaultBranch, "status": state, "conclusion": conclusion,
		"url": c.repoURL(c.repo) + "/check-suites/" + itoa(su.id), "before": nil, "after": su.sha, "app": appView(su.app), "pull_requests": []obj{},
		"latest_check_runs_count": len(su.runs), "created_at": stamp(su.created), "updated_at": stamp(su.created), "repository": c.repoView(c.repo),
		"check_runs_url": c.repoURL(c.repo) + "/check-suites/" + itoa(su.id) + "/check-runs",
	}
}

func (s *Server) createCheckRun(c *call) (any, *failure) {
	co := c.repo.commit(c.text("head_sha"))
	if co == nil {
		return nil, noCommit(c.text("head_sha"))
	}
	run := &checkRun{id: s.next(), name: c.text("name"), status: "queued"}
	if f := run.set(c); f != nil {
		return nil, f
	}
	i := slices.IndexFunc(c.repo.suites, func(su *suite) bool { return su.sha == co.sha && su.app.ID == c.who.ID })
	if i < 0 {
		i = len(c.repo.suites)
		c.repo.suites = append(c.repo.suites, &suite{id: s.next(), sha: co.sha, app: *c.who, created: c.now})
	}
	su := c.repo.suites[i]
	su.runs = append(su.runs, run)
	s.emit(c, "check_run", obj{"action": "created", "check_run": c.checkView(su, run)})
	return c.checkView(su, run), nil
}

// set takes the body's fields over. A conclusion completes the run; completed needs a conclusion.
func (run *checkRun) set(c *call) *failure {
	next := *run
	next.name, next.status = c.or("name", run.name), c.or("status", run.status)
	if conclusion := c.text("conclusion"); conclusion != "" {
		next.conclusion, next.status = conclusion, "completed"
	}
	switch {
	case !slices.Contains(checkStatuses, next.status):
		return invalid("CheckRun", "status", "invalid", "")
	case next.status == "completed" && next.conclusion == "":
		return invalid("CheckRun", "conclusion", "missing_field", "")
	case next.conclusion != "" && !slices.Contains(checkConclusions, next.conclusion):
		return invalid("CheckRun", "conclusion", "invalid", "")
	}
	for field, into := range map[string]*time.Time{"started_at": &next.started, "completed_at": &next.completed} {
		if text := c.text(field); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return invalid("CheckRun", field, "invalid", "")
			}
			*into = t
		}
	}
	if next.started.IsZero() {
		next.started = c.now
	}
	if next.status == "completed" && next.completed.IsZero() {
		next.completed = c.now
	}
	next.details, next.external = c.or("details_url", run.details), c.or("external_id", run.external)
	if output, ok := c.body["output"].(obj); ok {
		if _, titled := output["title"].(string); !titled {
			return invalid("CheckRun", "output.title", "missing_field", "")
		}
		next.output = output
	}
	*run = next
	return nil
}

func (c *call) checkRun() (*suite, *checkRun) {
	for _, su := range c.repo.suites {
		for _, run := range su.runs {
			if run.id == c.id("run") {
				return su, run
			}
		}
	}
	return nil, nil
}

func (s *Server) getCheckRun(c *call) (any, *failure) {
	su, run := c.checkRun()
	if run == nil {
		return nil, notFound()
	}
	return c.checkView(su, run), nil
}

func (s *Server) updateCheckRun(c *call) (any, *failure) {
	su, run := c.checkRun()
	if run == nil {
		return nil, notFound()
	}
	before := run.status
	if f := run.set(c); f != nil {
		return nil, f
	}
	if before != "completed" && run.status == "completed" {
		s.emit(c, "check_run", obj{"action": "completed", "check_run": c.checkView(su, run)})
	}
	return c.checkView(su, run), nil
}

func (s *Server) listCheckRuns(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, noCommit(c.path("ref"))
	}
	type pair struct {
		su  *suite
		run *checkRun
	}
	var all []pair
	for _, su := range c.repo.suites {
		for i, run := range su.runs {
			newer := slices.ContainsFunc(su.runs[i+1:], func(o *checkRun) bool { return o.name == run.name })
			if newer && c.query("filter") != "all" { // the default is latest
				continue
			}
			if su.sha == co.sha && (c.query("check_name") == "" || c.query("check_name") == run.name) && (c.query("status") == "" || c.query("status") == run.status) {
				all = append(all, pair{su, run})
			}
		}
	}
	return obj{"total_count": len(all), "check_runs": page(c, all, func(p pair) obj { return c.checkView(p.su, p.run) })}, nil
}

func (s *Server) listCheckSuites(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, noCommit(c.path("ref"))
	}
	var all []*suite
	for _, su := range c.repo.suites {
		if su.sha == co.sha {
			all = append(all, su)
		}
	}
	return obj{"total_count": len(all), "check_suites": page(c, all, c.suiteView)}, nil
}

func (s *Server) getCheckSuite(c *call) (any, *failure) {
	for _, su := range c.repo.suites {
		if su.id == c.id("suite") {
			return c.suiteView(su), nil
		}
	}
	return nil, notFound()
}
