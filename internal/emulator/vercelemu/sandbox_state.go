package vercelemu

import "github.com/slipway-dev/slipway/internal/emulator/emukit"

var _ emukit.State = (*SandboxServer)(nil)

// stateless is what there is to save: a sandbox is processes and folders, and outlives no emulator.
type stateless struct{}

func (s *SandboxServer) graph() emukit.Graph {
	return emukit.Graph{Name: "sandbox", Root: &stateless{}, Kit: &s.Kit}
}

// SaveState is of emukit.State. No sandbox is in it.
func (s *SandboxServer) SaveState() ([]byte, error) { return s.graph().Save() }

// LoadState is of emukit.State: it ends all sandboxes.
func (s *SandboxServer) LoadState(raw []byte) error {
	if err := s.graph().Load(raw); err != nil {
		return err
	}
	return s.ResetState()
}

// ResetState is of emukit.State: it ends all sandboxes and removes their folders.
func (s *SandboxServer) ResetState() error {
	s.once.Do(s.init)
	s.mu.Lock()
	var over []chan struct{}
	for len(s.all) > 0 {
		over = append(over, s.all[0].current.over)
		s.drop(s.all[0])
	}
	s.mu.Unlock()
	for _, ch := range over {
		<-ch
	}
	return nil
}
