package neonemu

import (
	"context"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var _ emukit.State = (*Server)(nil)

// graph is the state of the control plane. What real databases hold is not in it: after a load a branch's databases are
// there and empty.
func (s *Server) graph() emukit.Graph {
	return emukit.Graph{Name: "neon", Root: s, Kit: &s.Kit, Skip: []string{"Server.handler", "branch.real", "batch.working", "Server.limiters", "Server.jobs", "Server.rested"}}
}

// SaveState is of emukit.State.
func (s *Server) SaveState() ([]byte, error) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.graph().Save()
}

// LoadState is of emukit.State.
func (s *Server) LoadState(raw []byte) error {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Postgres == nil {
		return s.graph().Load(raw)
	}
	for s.jobs > 0 {
		s.rested.Wait()
	}
	for id := range s.branches {
		_ = s.Postgres.Drop(context.Background(), id) // what cannot be dropped is still made anew
	}
	if err := s.graph().Load(raw); err != nil {
		return err
	}
	for _, p := range s.order {
		for _, b := range p.branches {
			if !b.gone {
				s.locate(b)
				s.apply(b, unwatched())
			}
		}
	}
	return nil
}

// ResetState is of emukit.State.
func (s *Server) ResetState() error {
	raw, err := (&Server{}).SaveState()
	if err != nil {
		return err
	}
	return s.LoadState(raw)
}
