package vercelemu

import (
	"net/http"
	"time"
)

// aliasJob moves a project's production aliases to a deployment, one after another.
type aliasJob struct {
	kind             string // promote or rollback
	from, to         string
	requested, ends  time.Time
	moves            []*aliasMove
	description      string
	userID, username string // of who rolled back
	rolled           string // the canary of the rolling release that a rollback ended, "" for none
}

// jobTerms are how a promotion or rollback moves: by its call's settings.
type jobTerms struct {
	each, deadline time.Duration
	kept           string // pattern of hosts that do not move
}

type aliasMove struct {
	host, id string
	status   string // pending, completed or failed
	at       int64
	due      time.Time
	kept     string // pattern of hosts that do not move
}

func promoteRoutes() []route {
	return []route{
		{method: "POST", versions: "v10 v9 v1", path: "/projects/{project}/promote/{deployment}", doc: "projects/points-all-production-domains-for-a-project-to-the-given-deploy", body: empty(openObject(nil)), status: http.StatusCreated, do: (*Server).promote},
		{method: "GET", versions: "v1 v9", path: "/projects/{project}/promote/aliases", doc: "projects/gets-a-list-of-aliases-with-status-for-the-current-promote", do: (*Server).promoteAliases},
		{method: "POST", versions: "v1 v9", path: "/projects/{project}/rollback/{deployment}", doc: "projects/points-all-production-domains-for-a-project-to-the-given-deploy", body: empty(openObject(nil)), status: http.StatusCreated, do: (*Server).rollBack},
		{method: "PATCH", versions: "v1", path: "/projects/{project}/rollback/{deployment}/update-description", doc: "projects/updates-the-description-for-a-rollback", body: empty(openObject(map[string]*schema{"description": str(0)})), do: (*Server).describeRollback},
		{method: "GET", versions: "v1 v9", path: "/projects/{project}/rollback/aliases", doc: "projects/gets-a-list-of-aliases-with-status-for-the-current-promote", do: (*Server).promoteAliases},
	}
}

// promotable finds the deployment and refuses what neither promote nor rollback takes.
func (s *Server) promotable(c *call) (*project, *deployment, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, nil, f
	}
	d := s.deployments[c.path("deployment")]
	if d == nil || d.project != p {
		return nil, nil, deploymentNotFound(c.path("deployment"))
	}
	conflict := func(message string) *failure {
		return &failure{status: http.StatusConflict, code: "conflict", message: message}
	}
	switch {
	case d.state(c.now) != ready:
		return nil, nil, conflict("The deployment is not READY.") // [? vercel-promote-not-ready] the status
	case p.job != nil && c.now.Before(p.job.ends):
		return nil, nil, conflict("Another promotion or rollback of this project is in progress.")
	case s.serving(p.primary) == d && !p.releasing():
		return nil, nil, conflict("The deployment is already the current production deployment.") // [? vercel-promote-current] [? vercel-rollback-current] the status
	}
	return p, d, nil
}

func (s *Server) promote(c *call) (any, *failure) {
	p, d, f := s.promotable(c)
	if f != nil {
		return nil, f
	}
	if d.target != "production" {
		return nil, &failure{status: http.StatusUnprocessableEntity, code: "unprocessable_entity", // [? vercel-promote-preview] the code
			message: "A preview deployment cannot be promoted: it has to be built for production."}
	}
	how, f := s.terms(c)
	if f != nil {
		return nil, f
	}
	switch {
	case p.releasing() && (p.release.canary == d.id || p.release.current == d.id): // [? vercel-rolling-promote-canary] the status
		return nil, &failure{status: http.StatusConflict, code: "conflict", message: "The deployment is part of the active rolling release."}
	case p.releasing():
		p.release.queued, p.release.next, p.release.updated = d.id, how, s.stamp()
		c.status = http.StatusAccepted
	case p.rolling != nil && s.serving(p.primary) != nil:
		s.startRelease(p, d, how, c.now)
	default:
		s.beginJob(p, d, "promote", how, c.now)
	}
	s.advance(c.now)
	return nil, nil
}

func (p *project) releasing() bool { return p.release != nil && p.release.state == releaseActive }

func (s *Server) rollBack(c *call) (any, *failure) {
	p, d, f := s.promotable(c)
	if f != nil {
		return nil, f
	}
	if !d.promoted {
		return nil, &failure{status: http.StatusUnprocessableEntity, code: "unprocessable_entity", // [? vercel-rollback-never-promoted] the code
			message: "The deployment has never served production."}
	}
	how, f := s.terms(c)
	if f != nil {
		return nil, f
	}
	rolled := ""
	if p.releasing() {
		rolled = p.release.canary
		if f := s.abortRelease(c, p); f != nil {
			return nil, f
		}
	}
	p.rollback = s.beginJob(p, d, "rollback", how, c.now)
	p.rollback.description, p.rollback.rolled = c.query("description"), rolled
	p.rollback.userID, p.rollback.username = c.who.User.ID, c.who.User.Username
	s.advance(c.now)
	return nil, nil
}

func (s *Server) describeRollback(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if p.rollback == nil || p.rollback.to != c.path("deployment") {
		return nil, deploymentNotFound(c.path("deployment"))
	}
	var body struct{ Description string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	p.rollback.description = body.Description
	return nil, nil
}

func (s *Server) terms(c *call) (how jobTerms, f *failure) {
	if how.each, f = c.duration("promote-time", s.promoteTime()); f != nil {
		return how, f
	}
	how.deadline, f = c.duration("promote-deadline", s.PromoteDeadline)
	how.kept = c.with("alias-fails")
	return how, f
}

func (s *Server) beginJob(p *project, d *deployment, kind string, how jobTerms, now time.Time) *aliasJob {
	j := &aliasJob{kind: kind, to: d.id, requested: now}
	if serving := s.serving(p.primary); serving != nil {
		j.from = serving.id
	}
	at := now
	for _, host := range s.productionHosts(p) {
		at = at.Add(how.each)
		m := &aliasMove{host: host, due: at, kept: how.kept, id: s.RandomString(24, "0123456789abcdef"), status: "pending", at: now.UnixMilli()}
		j.moves = append(j.moves, m)
		s.at(at, func(time.Time) { s.move(m, d) })
	}
	if limit := now.Add(how.deadline); how.deadline > 0 && limit.Before(at) {
		at = limit
	}
	j.ends = at
	p.job = j
	s.at(at, func(at time.Time) { s.finish(j, d, at) })
	return j
}

func (s *Server) move(m *aliasMove, d *deployment) {
	if m.status != "pending" {
		return
	}
	if s.deployments[d.id] != d || s.keptBack(m.kept, m.host) {
		m.status = "failed"
		return
	}
	s.point(m.host, d)
	m.status, d.promoted = "completed", true
}

// finish fails what the job has not moved by its end.
func (s *Server) finish(j *aliasJob, d *deployment, now time.Time) {
	for _, m := range j.moves {
		if m.status == "pending" {
			m.status = "failed"
		}
	}
	if j.kind == "promote" && j.status() == "succeeded" {
		s.tell(d, "deployment.promoted", nil)
	}
	s.dequeue(d.project, now)
}

// status is of the whole job: failed when one alias did not move.
func (j *aliasJob) status() string {
	done, failed := 0, 0
	for _, m := range j.moves {
		switch m.status {
		case "completed":
			done++
		case "failed":
			failed++
		}
	}
	switch {
	case done+failed < len(j.moves) && done+failed == 0:
		return "pending"
	case done+failed < len(j.moves):
		return "in-progress"
	case failed > 0:
		return "failed"
	}
	return "succeeded"
}

func (j *aliasJob) view() obj {
	v := obj{"fromDeploymentId": j.from, "toDeploymentId": j.to, "jobStatus": j.status(), "requestedAt": j.requested.UnixMilli(), "type": j.kind}
	if j.rolled != "" {
		v["fromRollingReleaseId"] = j.rolled
	}
	return v
}

func (s *Server) promoteAliases(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	views := []obj{}
	if p.job != nil {
		for _, m := range p.job.moves {
			if c.query("failedOnly") == "true" && m.status != "failed" {
				continue
			}
			views = append(views, obj{"id": m.id, "alias": m.host, "status": m.status, "createdAt": m.at})
		}
	}
	return obj{"aliases": views, "pagination": pagination(len(views), 0)}, nil
}
