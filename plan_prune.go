package slipway

import (
	"maps"
	"slices"
)

// prune adds a delete for what Slipway made of a kind that is pruned, and the manifest no longer declares. What was adopted stays.
func (p *planner) prune(specs []Spec) {
	for _, a := range slices.Sorted(maps.Keys(p.Receipts)) {
		kind, obs := p.Kinds[a.Kind()], p.Observed[a]
		declared := slices.ContainsFunc(specs, func(s Spec) bool { return s.Address == a })
		if !kind.Pruned || declared || a.Environment() != p.Environment || p.Receipts[a].Origin != OriginCreated || !obs.Exists {
			continue
		}
		p.append(Effect{
			Key: string(a) + "#" + string(OpDelete), Op: OpDelete, Address: a, Name: obs.Receipt.Name, Account: obs.Receipt.Account,
			Basis: Basis(Spec{Address: a}, obs), Gate: GateDestroy, Reason: "the manifest no longer declares it", Consequence: kind.Consequence[OpDelete],
		})
	}
}
