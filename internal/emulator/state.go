package emulator

import (
	"encoding/json"
	"fmt"
)

// stateFormat is the version of what Save writes.
const stateFormat = "slipway-emulators/1"

type savedStates struct {
	Format    string                     `json:"format"`
	Emulators map[string]json.RawMessage `json:"emulators"`
}

// Save returns what was made at all emulators, as JSON. It holds the secrets that they gave out, and neither their
// credentials nor their ports: the same Seed and Port repeat those.
func (r *Running) Save() ([]byte, error) {
	out := savedStates{stateFormat, map[string]json.RawMessage{}}
	for name, s := range r.states {
		raw, err := s.SaveState()
		if err != nil {
			return nil, err
		}
		out.Emulators[name] = raw
	}
	return json.Marshal(out)
}

// Load replaces what was made by what Save returned, here or in an earlier process. An emulator that the state does
// not name keeps its own.
func (r *Running) Load(raw []byte) error {
	var in savedStates
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("emulator state: %w", err)
	}
	if in.Format != stateFormat {
		return fmt.Errorf("emulator state: format %q is not %q", in.Format, stateFormat)
	}
	for name, state := range in.Emulators {
		s := r.states[name]
		if s == nil {
			return fmt.Errorf("emulator state: there is no emulator %q", name)
		}
		if err := s.LoadState(state); err != nil {
			return err
		}
	}
	return nil
}
