package vercelemu

import (
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var _ emukit.State = (*Server)(nil)

// graph is the state. What is due is found again from what is unfinished; functions are laid out again when called.
func (s *Server) graph() emukit.Graph {
	return emukit.Graph{Name: "vercel", Root: s, Kit: &s.Kit, Base: "." + s.suffix(), Skip: []string{
		"Server.handler", "Server.due", "Server.planned", "Server.edition", "project.listed",
		"Server.life", "Server.direct", "Server.closed", "Server.workDir", "deployment.dir",
	}}
}

// SaveState is of emukit.State. The host names in it are those that this process serves.
func (s *Server) SaveState() ([]byte, error) {
	s.once.Do(s.init)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(s.Clock())
	return s.graph().Save()
}

// LoadState is of emukit.State. What was given a host name below another DomainSuffix gets it below this one's.
func (s *Server) LoadState(raw []byte) error {
	s.once.Do(s.init)
	s.mu.Lock()
	defer s.mu.Unlock()
	scopes := s.scopes
	if err := s.graph().Load(raw); err != nil {
		return err
	}
	for id, own := range scopes { // accounts are settings: those that the state does not know are empty
		if s.scopes[id] == nil {
			s.scopes[id] = &scope{id: own.id, slug: own.slug, team: own.team, files: map[string][]byte{}}
		}
	}
	s.resume()
	return nil
}

// ResetState is of emukit.State.
func (s *Server) ResetState() error {
	s.once.Do(s.init)
	raw, err := (&Server{Tokens: s.Tokens, DomainSuffix: s.DomainSuffix}).SaveState()
	if err != nil {
		return err
	}
	return s.LoadState(raw)
}

// resume makes due again what was due when the state was saved. s.mu is held.
func (s *Server) resume() {
	s.due = nil
	for _, sc := range s.scopes {
		for _, p := range sc.projects {
			for _, d := range p.deployments {
				s.resumeBuild(d)
			}
			s.resumeJob(p)
			if p.releasing() && !p.release.due.IsZero() {
				s.nextStage(p)
			}
		}
	}
}

func (s *Server) resumeBuild(d *deployment) {
	d.ended = make(chan struct{})
	switch {
	case !d.canceledAt.IsZero():
		close(d.ended)
	case !d.told:
		s.at(d.build.End(), func(at time.Time) { s.built(d, at) })
	case d.broken == "" && d.aliasedAt.IsZero() && d.aliasError == nil:
		s.at(d.build.End().Add(s.aliasTime()), func(at time.Time) { s.assign(d, at) })
	}
}

func (s *Server) resumeJob(p *project) {
	if p.job == nil {
		return
	}
	d := s.deployments[p.job.to]
	ends := p.job.ends
	unfinished := slices.ContainsFunc(p.job.moves, func(m *aliasMove) bool { return m.status == "pending" })
	for _, m := range p.job.moves {
		if m.status != "pending" {
			continue
		}
		if d == nil {
			m.status = "failed"
			continue
		}
		s.at(m.due, func(time.Time) { s.move(m, d) })
	}
	if unfinished && d != nil {
		s.at(ends, func(at time.Time) { s.finish(p.job, d, at) })
	}
}
