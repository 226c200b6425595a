package slipway

import (
	"maps"
	"slices"
)

// DriftKind is how something outside differs from what the last ship made true.
type DriftKind string

const (
	DriftChanged DriftKind = "changed" // it differs, or was written anew
	DriftGone    DriftKind = "gone"
	DriftAdded   DriftKind = "added"  // it bears our mark, and no ship has made it
	DriftUnseen  DriftKind = "unseen" // no credential could look
)

// Difference is one thing that is not as the last ship left it. A value that cannot be read back shows as written: true to false.
type Difference struct {
	Address Address   `json:"address"`
	Kind    DriftKind `json:"kind"`
	Name    string    `json:"name,omitempty"`
	Changes []Change  `json:"changes,omitempty"`
	Note    string    `json:"note,omitempty"` // what else the provider showed, in a clause
}

// Drift is what is no longer as it was made true.
type Drift struct {
	Found []Difference `json:"found"`
	Run   Run          `json:"run"`             // the last ship that succeeded
	Since []Run        `json:"since,omitempty"` // the runs that have changed something since, the newest first: what they did counts as made true
}

// FindDrift compares what is recorded of the last ship with what was observed. in.Specs are as they were shipped: without the fingerprints of
// values, which may have changed here since, and with what production was moved to. It is pure.
func FindDrift(in PlanInput) []Difference {
	p := &planner{PlanInput: in}
	declared := map[Address]bool{}
	var out []Difference
	for _, s := range in.Specs {
		declared[s.Address] = true
		if d, drifted := p.drift(s); drifted {
			out = append(out, d)
		}
	}
	for _, obs := range in.Listed {
		if a := obs.Receipt.Address; !declared[a] && obs.Exists {
			out = append(out, Difference{Address: a, Kind: DriftAdded, Name: obs.Receipt.Name})
		}
	}
	slices.SortStableFunc(out, func(a, b Difference) int {
		if a.Address < b.Address {
			return -1
		}
		return 1
	})
	return out
}

func (p *planner) drift(s Spec) (Difference, bool) {
	obs, r := p.Observed[s.Address], p.Receipts[s.Address]
	d := Difference{Address: s.Address, Name: s.Name, Kind: DriftChanged, Note: obs.Note}
	_, recorded := p.Receipts[s.Address]
	switch {
	case !recorded || s.isLedger():
		return d, false
	case obs.Unseen, r.ID == "" && p.Kinds[s.Address.Kind()].Versioned: // nobody knows which one a person made
		d.Kind = DriftUnseen
	case !obs.Exists || obs.Failed != nil:
		d.Kind = DriftGone
	default:
		if r.ID != "" && obs.Receipt.ID != r.ID && p.Kinds[s.Address.Kind()].UpdateOp == "" {
			d.Changes = append(d.Changes, Change{Field: "id", From: r.ID, To: obs.Receipt.ID})
		}
		for _, name := range slices.Sorted(maps.Keys(s.Params)) {
			if want, have := s.Params[name], obs.Fields[name]; want != nil && !equalJSON(want, have) {
				d.Changes = append(d.Changes, Change{Field: name, From: want, To: have})
			}
		}
		return d, len(d.Changes) > 0
	}
	return d, true
}
