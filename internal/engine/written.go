package engine

import (
	"context"
	"maps"

	"github.com/slipway-dev/slipway"
)

// asWritten completes s, whose value cannot be read here: where nothing can look at s either, by the fingerprint that was recorded when the
// declaration of its receipt r was made true, as long as it declares the same; else it is s without what only the writer can know.
func (e *Engine) asWritten(ctx context.Context, w *wanted, s slipway.Spec, r slipway.Receipt) (slipway.Spec, error) {
	if w.visible(s.Address.Kind()) || r.Declared == "" {
		return carried(s), nil
	}
	out := carried(s)
	err := e.Store.Read(ctx, func(tx slipway.Tx) error {
		last, err := tx.LastDone(w.manifest.App, w.environment, s.Address)
		for _, step := range last {
			fields, _ := step.Basis["fields"].(map[string]any)
			same := s
			same.Params = maps.Clone(s.Params)
			same.Params["fingerprint"] = fields["fingerprint"]
			if fields["fingerprint"] != nil && r.Declared == slipway.DeclaredDigest(same) {
				out = same
				break
			}
		}
		return err
	})
	return out, err
}
