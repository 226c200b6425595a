package vercelemu

import "time"

// substate is STAGED for a production build that no alias was moved to yet, ROLLING while it is rolled out, PROMOTED once it has served
// production.
func (d *deployment) substate(now time.Time) string {
	switch {
	case d.project.releasing() && d.project.release.canary == d.id:
		return "ROLLING"
	case d.promoted:
		return "PROMOTED"
	case d.target == "production" && d.state(now) == ready:
		return "STAGED"
	}
	return ""
}

// common is what every view of a deployment has.
func (s *Server) common(d *deployment, now time.Time) obj {
	state := d.state(now)
	v := obj{
		"name": d.name, "url": d.host, "createdAt": d.created, "creator": obj{"uid": d.creator.ID, "username": d.creator.Username, "email": d.creator.Email},
		"type": "LAMBDAS", "meta": d.meta, "target": nil, "readyState": state, "inspectorUrl": d.inspector(),
		"aliasError": nil,
	}
	checks, conclusion := d.checksState()
	if v["checksState"] = checks; conclusion != "" {
		v["checksConclusion"] = conclusion
	}
	if d.custom != nil {
		v["customEnvironment"] = obj{"id": d.custom.id, "slug": d.custom.slug}
	}
	if d.target != "" {
		v["target"] = d.target
	}
	if sub := d.substate(now); sub != "" {
		v["readySubstate"] = sub
	}
	if d.aliasError != nil {
		v["aliasError"] = obj{"code": d.aliasError.code, "message": d.aliasError.message}
	}
	if at, ok := d.build.Begins(building); ok && !now.Before(at) {
		v["buildingAt"] = at.UnixMilli()
	}
	switch state {
	case ready:
		v["ready"] = d.build.End().UnixMilli()
	case errored:
		v["errorCode"], v["errorMessage"], v["errorStep"] = "BUILD_UTILS_SPAWN_1", d.broken, "buildStep"
	case canceled:
		v["canceledAt"] = d.canceledAt.UnixMilli()
	}
	return v
}

// dashboard and inspector are pages that people look at.
func (p *project) dashboard() string { return "https://vercel.com/" + p.scope.slug + "/" + p.name }

func (d *deployment) inspector() string { return d.project.dashboard() + "/" + d.id[4:] }

func (d *deployment) source() string {
	if d.git != nil {
		return "git"
	}
	return "cli"
}

// deploymentView is a deployment as read singly.
func (s *Server) deploymentView(d *deployment, now time.Time) obj {
	v := s.common(d, now)
	for k, value := range map[string]any{
		"id": d.id, "status": v["readyState"], "projectId": d.project.id, "project": obj{"id": d.project.id, "name": d.project.name}, "ownerId": d.project.scope.id,
		"build": obj{"env": d.envNames}, "env": d.envNames, "isInConcurrentBuildsQueue": false, "isInSystemBuildsQueue": false,
		"projectSettings": d.settings, "aliasAssigned": !d.aliasedAt.IsZero(), "bootedAt": d.created, "buildSkipped": false,
		"public": false, "regions": []string{"iad1"}, "version": 2, "plan": s.plan(), "createdIn": "sfo1", "routes": nil,
		"alias": s.hostsOf(d), "autoAssignCustomDomains": !d.staged, "source": d.source(),
	} {
		v[k] = value
	}
	if team := d.project.scope.team; team != "" {
		v["team"] = obj{"id": d.project.scope.id, "name": team, "slug": d.project.scope.slug}
	}
	if d.git != nil {
		v["gitSource"] = d.git.view()
	}
	if v["buildingAt"] == nil {
		v["buildingAt"] = d.created
	}
	if !d.aliasedAt.IsZero() {
		v["aliasAssignedAt"] = d.aliasedAt.UnixMilli()
	}
	return v
}

// listedView is a deployment in a list, which names some fields differently.
func (s *Server) listedView(d *deployment, now time.Time) obj {
	v := s.common(d, now)
	v["uid"], v["created"], v["state"], v["projectId"], v["source"] = d.id, d.created, v["readyState"], d.project.id, d.source()
	v["isRollbackCandidate"] = d.promoted && d != s.serving(d.project.primary)
	v["projectSettings"] = d.settings
	v["aliasAssigned"] = nil
	if !d.aliasedAt.IsZero() {
		v["aliasAssigned"] = d.aliasedAt.UnixMilli()
	}
	return v
}

// projectsView is a deployment inside a project.
func (s *Server) projectsView(d *deployment, now time.Time) obj {
	v := s.common(d, now)
	for k, value := range map[string]any{
		"id": d.id, "createdIn": "sfo1", "deploymentHostname": d.host, "plan": s.plan(), "private": false, "userId": d.creator.ID,
		"teamId": nil, "alias": s.hostsOf(d), "aliasAssigned": nil, "requestedAt": d.created,
	} {
		v[k] = value
	}
	if d.project.scope.id != d.creator.ID {
		v["teamId"] = d.project.scope.id
	}
	if !d.aliasedAt.IsZero() {
		v["aliasAssigned"] = d.aliasedAt.UnixMilli()
	}
	if at, ok := v["ready"]; ok {
		v["readyAt"] = at
	}
	return v
}

// targetsView is what each target serves: production is the deployment behind the project's first alias.
func (s *Server) targetsView(p *project) obj {
	d := s.serving(p.primary)
	if d == nil {
		return obj{}
	}
	return obj{"production": s.projectsView(d, s.Clock())}
}

func (s *Server) latestView(p *project) []obj {
	out := []obj{}
	for _, d := range p.latest(1) {
		out = append(out, s.projectsView(d, s.Clock()))
	}
	return out
}
