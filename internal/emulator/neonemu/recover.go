package neonemu

import (
	"net/http"
	"slices"
)

// recoverProject brings a deleted project back within 7 days, its branches, computes and connection strings with it. A
// project that lives is 422 [? neon-recover-living-project].
func (s *Server) recoverProject(q *request) (any, *failure) {
	p, ok := s.projects[q.PathValue("project")]
	if !ok || !q.account.owns(p.owner) || !q.account.reaches(p.id) || p.lost(q.now) {
		return nil, notFound("project")
	}
	if p.deleted.IsZero() {
		return nil, fail(http.StatusUnprocessableEntity, "project is not deleted")
	}
	if f := s.checkLimit(q, p.owner); f != nil {
		return nil, f
	}
	p.deleted, p.updated = zeroTime, q.now
	branches := make([]branchBody, 0, len(p.branches))
	for _, b := range p.branches {
		if b.alive() {
			s.apply(b, unwatched())
			branches = append(branches, b.wire(q.now))
		}
	}
	return struct {
		Project  projectBody  `json:"project"`
		Branches []branchBody `json:"branches"`
	}{s.projectDetail(p), branches}, nil
}

// recoverProjectBranch brings a softly deleted branch back within 7 days: its computes are idle, and it no longer
// expires. It is 409 when its name is taken, and 422 when its parent is gone [? neon-recover-branch].
func (s *Server) recoverProjectBranch(q *request) (any, *failure) {
	p, f := s.writable(q)
	if f != nil {
		return nil, f
	}
	i := slices.IndexFunc(p.branches, func(b *branch) bool { return b.id == q.PathValue("branch") })
	if i < 0 || p.branches[i].lost(q.now) {
		return nil, notFound("branch")
	}
	b := p.branches[i]
	switch {
	case b.alive():
		return nil, fail(http.StatusUnprocessableEntity, "branch is not deleted")
	case !b.parent.alive():
		return nil, fail(http.StatusUnprocessableEntity, "the parent branch is deleted")
	case slices.ContainsFunc(p.branches, func(o *branch) bool { return o.alive() && o.name == b.name }):
		return nil, fail(http.StatusConflict, "branch already exists; branch_name:%q", b.name)
	}
	b.deleted, b.expires, b.updated = zeroTime, zeroTime, q.now
	for _, e := range b.computes {
		e.suspended = true
	}
	p.endpoints, b.computes = append(p.endpoints, b.computes...), nil
	s.apply(b, unwatched())
	return struct {
		Branch    branchBody     `json:"branch"`
		Endpoints []endpointBody `json:"endpoints"`
	}{b.wire(q.now), s.listEndpoints(q, p, b).Endpoints}, nil
}
