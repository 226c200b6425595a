package engine

import (
	"maps"

	"github.com/slipway-dev/slipway"
)

// asWritten completes s, whose value cannot be read here: where nothing can look at s either, by the fingerprint that was recorded when the
// declaration of its receipt r was true last, as long as it declares the same; else it is s without what only the writer can know.
func (w *wanted) asWritten(s slipway.Spec, r slipway.Receipt) slipway.Spec {
	same := s
	same.Params = maps.Clone(s.Params)
	if same.Params["fingerprint"] = r.Fingerprint; !w.visible(s.Address.Kind()) && r.Fingerprint != "" && r.Declared == slipway.DeclaredDigest(same) {
		return same
	}
	return carried(s)
}

// declaring is r with what s declares, which is true of it.
func (e *Engine) declaring(r slipway.Receipt, s slipway.Spec) slipway.Receipt {
	r.Declared, r.Fixed = slipway.DeclaredDigest(s), slipway.FixedDigest(s, e.kinds[s.Address.Kind()])
	r.Fingerprint, _ = s.Params["fingerprint"].(string)
	return r
}

// asSeen is r, with what its Spec declares where that was seen to be so: later it can be told what has changed, though nothing can look any more. Of a value
// that cannot be read here, or that a person has written, nothing is seen.
func (e *Engine) asSeen(r slipway.Receipt, s *sight) slipway.Receipt {
	spec, declared := s.specs[r.Address]
	obs := s.observed[r.Address]
	if !declared || s.carried[r.Address] != "" || r.ByHand || obs.Unseen || obs.Pending || obs.Failed != nil || r.ID != obs.Receipt.ID {
		return r
	}
	for name, want := range spec.Params {
		if want == nil || !slipway.EqualBasis(map[string]any{"v": want}, map[string]any{"v": obs.Fields[name]}) {
			return r
		}
	}
	return e.declaring(r, spec)
}
