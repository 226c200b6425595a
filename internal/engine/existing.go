package engine

import "github.com/slipway-dev/slipway"

// existing reports whether the manifest says that a is there already.
func (w *wanted) existing(a slipway.Address) bool {
	s, declared := w.spec(a)
	return declared && s.Existing
}

// useExisting records what is there already as used as found. What Slipway made at that address stays recorded: MakePlan refuses to lose it.
func (o *observer) useExisting() {
	for _, s := range o.w.specs {
		r, obs := o.receipts[s.Address], o.sight.observed[s.Address]
		if !s.Existing || !obs.Exists || obs.Unseen || r.Origin == slipway.OriginCreated && r.ID != "" && r.ID != obs.Receipt.ID {
			continue
		}
		r = obs.Receipt
		r.Origin = slipway.OriginExisting
		o.receipts[s.Address] = r
	}
}
