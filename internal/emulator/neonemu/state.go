package neonemu

import "github.com/slipway-dev/slipway/internal/emulator/emukit"

var _ emukit.State = (*Server)(nil)

// graph is the state of the control plane. What real databases hold is not in it: after a load a branch has none and
// says so, see Connectable.
func (s *Server) graph() emukit.Graph {
	return emukit.Graph{Name: "neon", Root: s, Kit: &s.Kit, Skip: []string{"Server.handler", "branch.real", "batch.working"}}
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
	return s.graph().Load(raw)
}

// ResetState is of emukit.State.
func (s *Server) ResetState() error {
	raw, err := (&Server{}).SaveState()
	if err != nil {
		return err
	}
	return s.LoadState(raw)
}
