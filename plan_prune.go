package slipway

import (
	"cmp"
	"maps"
	"slices"
)

// prune adds a delete for what Slipway made of a kind that is pruned, and the manifest no longer declares. What it did not make, or what is
// there in its place by now, stays and is told.
func (p *planner) prune(specs []Spec) {
	for _, a := range slices.Sorted(maps.Keys(p.Receipts)) {
		kind, obs := p.Kinds[a.Kind()], p.Observed[a]
		declared := slices.ContainsFunc(specs, func(s Spec) bool { return s.Address == a })
		if !kind.Pruned || declared || a.Environment() != "" && a.Environment() != p.Environment || !obs.Exists {
			continue
		}
		if r := p.Receipts[a]; r.Origin != OriginCreated || obs.Receipt.ID != r.ID && !obs.Unseen {
			p.plan.Kept = append(p.plan.Kept, a)
			continue
		}
		p.append(Effect{
			Key: EffectKey(a, OpDelete), Op: OpDelete, Address: a, Name: obs.Receipt.Name, Account: obs.Receipt.Account,
			Basis: Basis(Spec{Address: a}, obs), Gate: cmp.Or(kind.PruneGate, GateDestroy), Reason: "the manifest no longer declares it", Consequence: kind.Consequence[OpDelete],
		})
	}
}
