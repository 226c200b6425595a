package vercelemu

import "time"

// rollingStage is one share of the traffic that a rolling release gives to its canary. The last one of a release is 100%.
type rollingStage struct {
	percent  float64
	approval bool          // somebody has to approve the next
	lasts    time.Duration // until the next comes by itself; 0 for never
	linear   bool
}

// release is a rolling release: production serves current, and a growing share of the traffic goes to canary. Which share is told and not
// served: hosts lead to current until it is complete. https://vercel.com/docs/rolling-releases
type release struct {
	state            string // ACTIVE, COMPLETE or ABORTED
	current, canary  string
	queued           string // the deployment that is rolled out next, "" for none
	stages           []rollingStage
	active           int
	started, updated int64
	due              time.Time // of the next stage; zero when it waits for somebody
	how, next        jobTerms  // by which the canary, and what is queued, moves
}

const (
	releaseActive   = "ACTIVE"
	releaseComplete = "COMPLETE"
	releaseAborted  = "ABORTED"
)

func rollingRoutes() []route {
	const path = "/projects/{project}/rolling-release"
	stage := object(map[string]*schema{"targetPercentage": number(), "requireApproval": boolean(), "duration": number(), "linearShift": boolean()}, "targetPercentage")
	config := openObject(map[string]*schema{"target": str(0), "stages": null(list(stage)), "canaryResponseHeader": boolean()})
	return []route{
		{method: "GET", versions: "v1", path: path + "/config", doc: "rolling-release/get-rolling-release-configuration", do: (*Server).getRollingConfig},
		{method: "PATCH", versions: "v1", path: path + "/config", doc: "rolling-release/update-the-rolling-release-settings-for-the-project", body: config, do: (*Server).setRollingConfig},
		{method: "DELETE", versions: "v1", path: path + "/config", doc: "rolling-release/delete-rolling-release-configuration", do: (*Server).deleteRollingConfig},
		{method: "GET", versions: "v1", path: path, doc: "rolling-release/get-the-active-rolling-release-information-for-a-project", do: (*Server).getRelease},
		{
			method: "POST", versions: "v1", path: path + "/approve-stage", doc: "rolling-release/update-the-active-rolling-release-to-the-next-stage-for-a-project",
			body: openObject(map[string]*schema{"nextStageIndex": number(), "canaryDeploymentId": str(0)}, "nextStageIndex", "canaryDeploymentId"), do: (*Server).approveStage,
		},
		{
			method: "POST", versions: "v1", path: path + "/complete", doc: "rolling-release/complete-the-rolling-release-for-the-project",
			body: openObject(map[string]*schema{"canaryDeploymentId": str(0)}, "canaryDeploymentId"), do: (*Server).completeRelease,
		},
	}
}

func (s *Server) getRollingConfig(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	return obj{"rollingRelease": p.rollingView()}, nil
}

// setRollingConfig holds for what is promoted next, not for a release that is under way.
func (s *Server) setRollingConfig(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var in struct {
		Stages []struct {
			TargetPercentage, Duration   float64
			RequireApproval, LinearShift bool
		}
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	var stages []rollingStage
	for i, st := range in.Stages {
		if i > 0 && st.TargetPercentage <= stages[i-1].percent {
			return nil, badRequest("Invalid request: each stage has a larger `targetPercentage` than the one before it.")
		}
		stages = append(stages, rollingStage{st.TargetPercentage, st.RequireApproval, time.Duration(st.Duration * float64(time.Minute)), st.LinearShift})
	}
	if n := len(stages); n < 2 || stages[n-1].percent != 100 { // [? vercel-rolling-stages] the wordings
		return nil, badRequest("Invalid request: there are two `stages` or more, and the last has `targetPercentage` 100.")
	}
	p.rolling = stages
	return obj{"rollingRelease": p.rollingView()}, nil
}

func (s *Server) deleteRollingConfig(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	p.rolling = nil
	return obj{"rollingRelease": nil}, nil
}

// rollingView is the project's configuration, nil when rolling releases are off. It counts in minutes.
func (p *project) rollingView() any {
	if p.rolling == nil {
		return nil
	}
	stages := []obj{}
	for _, st := range p.rolling {
		v := obj{"targetPercentage": st.percent, "requireApproval": st.approval, "linearShift": st.linear}
		if st.lasts > 0 {
			v["duration"] = st.lasts.Minutes()
		}
		stages = append(stages, v)
	}
	return obj{"target": "production", "stages": stages}
}

func (s *Server) getRelease(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if state := c.query("state"); p.release != nil && state != "" && state != p.release.state {
		return obj{"rollingRelease": nil}, nil
	}
	return s.releaseView(p, c.now), nil
}

// releaseView counts in seconds.
func (s *Server) releaseView(p *project, now time.Time) obj {
	r := p.release
	if r == nil {
		return obj{"rollingRelease": nil}
	}
	stage := func(i int) any {
		if i < 0 || i >= len(r.stages) {
			return nil
		}
		st := r.stages[i]
		v := obj{
			"index": i, "isFinalStage": i == len(r.stages)-1, "targetPercentage": st.percent, "requireApproval": st.approval,
			"duration": nil, "linearShift": st.linear,
		}
		if st.lasts > 0 && !st.approval {
			v["duration"] = st.lasts.Seconds()
		}
		return v
	}
	v := obj{
		"state": r.state, "currentDeployment": s.rolledView(r.current, now), "canaryDeployment": s.rolledView(r.canary, now), "queuedDeploymentId": nil,
		"advancementType": "automatic", "activeStage": nil, "nextStage": nil, "startedAt": r.started, "updatedAt": r.updated,
	}
	if r.queued != "" {
		v["queuedDeploymentId"] = r.queued
	}
	stages := []any{}
	for i, st := range r.stages {
		if stages = append(stages, stage(i)); st.approval {
			v["advancementType"] = "manual-approval"
		}
	}
	v["stages"] = stages
	if r.state != releaseAborted {
		v["activeStage"] = stage(r.active)
	}
	if r.state == releaseActive {
		v["nextStage"] = stage(r.active + 1)
	}
	return obj{"rollingRelease": v}
}

// rolledView is a deployment of a release, nil for one that is gone.
func (s *Server) rolledView(id string, now time.Time) any {
	d := s.deployments[id]
	if d == nil {
		return nil
	}
	return obj{"id": d.id, "name": d.name, "url": d.host, "target": "production", "source": d.source(), "createdAt": d.created, "readyState": d.state(now)}
}

// underWay finds the release that is under way, for a call that names its canary.
func (s *Server) underWay(c *call) (*project, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var in struct{ CanaryDeploymentID string }
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if p.release == nil || p.release.state != releaseActive || p.release.canary != in.CanaryDeploymentID {
		return nil, notFound("There is no active rolling release of this deployment.") // [? vercel-rolling-not-active]
	}
	return p, nil
}

func (s *Server) approveStage(c *call) (any, *failure) {
	p, f := s.underWay(c)
	if f != nil {
		return nil, f
	}
	var in struct{ NextStageIndex int }
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if in.NextStageIndex != p.release.active+1 {
		return nil, badRequest("Invalid request: `nextStageIndex` is not the next stage.") // [? vercel-rolling-wrong-stage]
	}
	s.tellRelease(p, "approved")
	s.advanceRelease(p, c.now)
	s.advance(c.now)
	return s.releaseView(p, c.now), nil
}

func (s *Server) completeRelease(c *call) (any, *failure) {
	p, f := s.underWay(c)
	if f != nil {
		return nil, f
	}
	p.release.active = len(p.release.stages) - 2
	s.advanceRelease(p, c.now)
	s.advance(c.now)
	return s.releaseView(p, c.now), nil
}

// startRelease begins to roll d out, by the project's configuration.
func (s *Server) startRelease(p *project, d *deployment, how jobTerms, now time.Time) {
	r := &release{state: releaseActive, current: s.serving(p.primary).id, canary: d.id, stages: p.rolling, how: how, started: s.stamp()}
	r.updated = r.started
	p.release = r
	s.tellRelease(p, "started")
	s.await(p, now)
}

// rolledOut reports whether a build that takes production by itself is rolled out instead, or queued behind the release that is under way.
func (s *Server) rolledOut(d *deployment, now time.Time) bool {
	p, how := d.project, jobTerms{each: s.promoteTime(), deadline: s.PromoteDeadline, kept: d.aliasFails}
	switch {
	case p.releasing():
		p.release.queued, p.release.next, p.release.updated = d.id, how, s.stamp()
	case p.rolling != nil && s.serving(p.primary) != nil:
		s.startRelease(p, d, how, now)
	default:
		return false
	}
	return true
}

// await makes the next stage of a release due, where it comes by itself.
func (s *Server) await(p *project, now time.Time) {
	r := p.release
	st := r.stages[r.active]
	if r.due = (time.Time{}); st.approval || st.lasts == 0 {
		return
	}
	r.due = now.Add(st.lasts)
	s.nextStage(p)
}

func (s *Server) nextStage(p *project) {
	r, due := p.release, p.release.due
	s.at(due, func(at time.Time) {
		if p.release == r && r.state == releaseActive && r.due.Equal(due) {
			s.advanceRelease(p, at)
		}
	})
}

// advanceRelease goes on to the next stage. At the last one the canary takes production's hosts.
func (s *Server) advanceRelease(p *project, now time.Time) {
	r := p.release
	r.active++
	if r.updated = s.stamp(); r.active < len(r.stages)-1 {
		s.await(p, now)
		return
	}
	r.state = releaseComplete
	d := s.deployments[r.canary]
	if d == nil {
		r.state = releaseAborted
		return
	}
	s.tellRelease(p, "completed")
	s.beginJob(p, d, "promote", r.how, now)
}

// abortRelease is a rollback to what production serves while a release is under way, as the vendor's CLI aborts one:
// https://github.com/vercel/vercel/blob/main/packages/cli/src/commands/rolling-release/abort-rolling-release.ts
// What was queued behind it is forgotten, or with the setting queue-survives rolled out next [? vercel-rolling-abort-queue].
func (s *Server) abortRelease(c *call, p *project) *failure {
	survives, f := c.truth("queue-survives")
	if f != nil {
		return f
	}
	r := p.release
	r.state, r.updated = releaseAborted, s.stamp()
	s.tellRelease(p, "aborted")
	if !survives {
		r.queued = ""
	}
	return nil
}

func (s *Server) tellRelease(p *project, what string) {
	if d := s.deployments[p.release.canary]; d != nil {
		s.tell(d, "project.rolling-release."+what, nil)
	}
}

// dequeue rolls out what was queued behind the project's last release.
func (s *Server) dequeue(p *project, now time.Time) {
	r := p.release
	if r == nil || r.state == releaseActive || r.queued == "" {
		return
	}
	d := s.deployments[r.queued]
	r.queued = ""
	switch {
	case d == nil:
	case p.rolling != nil:
		s.startRelease(p, d, r.next, now)
	default:
		s.beginJob(p, d, "promote", r.next, now)
	}
}
