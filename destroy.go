package slipway

import (
	"maps"
	"slices"
)

// DestroyScope says how much a destroy covers.
type DestroyScope struct {
	All  bool   // app-scoped resources and every environment
	Only string // this manifest resource alone; "" for no such limit
}

func (d DestroyScope) covers(a Address, environment string) bool {
	if d.Only != "" {
		return a.Key() == d.Only && (a.Environment() == "" || d.All || a.Environment() == environment)
	}
	return d.All || a.Environment() == environment
}

// MakeDestroy returns the deletes, in reverse order of need, of what the receipts say Slipway made. What was adopted or existed before
// is kept and named. It is pure.
func MakeDestroy(in PlanInput, scope DestroyScope) *Plan {
	in.Access = in.Access.In(in.Environment)
	p := &planner{PlanInput: in, last: map[Address]string{}, plan: &Plan{
		Format: PlanFormat, Operation: OperationDestroy, App: in.App, Environment: in.Environment, Effects: []Effect{}, Access: in.Access,
	}}
	going := map[Address]bool{}
	_, holder := p.ledgerAndHolder()
	for _, a := range slices.Sorted(maps.Keys(in.Receipts)) {
		if scope.Only != "" && (!p.Kinds[a.Kind()].Ledgered || a == holder) {
			continue // no resource of the manifest, whatever its key
		}
		if !scope.covers(a, in.Environment) || !in.Observed[a].Exists || p.Kinds[a.Kind()].Shared || p.Kinds[a.Kind()].UpdateOp != "" {
			continue
		}
		if in.Receipts[a].Origin != OriginCreated {
			p.plan.Kept = append(p.plan.Kept, a)
			continue
		}
		going[a] = true
	}
	for _, a := range slices.Sorted(maps.Keys(going)) {
		if p.goesWithParent(a, going) {
			continue
		}
		obs, kind := in.Observed[a], p.Kinds[a.Kind()]
		p.append(Effect{
			Key: EffectKey(a, OpDelete), Op: OpDelete, Address: a, Name: obs.Receipt.Name, Account: obs.Receipt.Account,
			Basis: Basis(Spec{Address: a}, obs), Gate: GateDestroy, Reason: "destroy was asked for", Consequence: kind.Consequence[OpDelete],
		})
	}
	p.orderDeletes(going)
	p.ledgerAfterDestroy(going)
	return p.plan
}

// goesWithParent reports whether the provider deletes a when it deletes what a is in.
func (p *planner) goesWithParent(a Address, going map[Address]bool) bool {
	needs := p.Receipts[a].Needs
	return p.Kinds[a.Kind()].Contained && len(needs) > 0 && going[needs[0]]
}

// orderDeletes makes each delete wait for the deletes of what needs it. The ledger goes last of all, alone or with what holds it.
func (p *planner) orderDeletes(going map[Address]bool) {
	ledger, last := p.ledgerAndHolder()
	if !going[last] {
		last = ledger
	}
	for i := range p.plan.Effects {
		e := &p.plan.Effects[i]
		for _, o := range p.plan.Effects {
			if o.Address == e.Address {
				continue
			}
			if slices.Contains(p.Receipts[o.Address].Needs, e.Address) || e.Address == last {
				e.DependsOn = append(e.DependsOn, o.Key)
			}
		}
		e.DependsOn = uniq(e.DependsOn)
	}
}

// ledgerAndHolder returns the ledger's address and that of what it is in; "" for none.
func (p *planner) ledgerAndHolder() (ledger, holder Address) {
	for _, s := range p.Specs {
		if s.isLedger() && len(s.Needs) > 0 {
			return s.Address, s.Needs[0]
		}
	}
	return "", ""
}

// ledgerAfterDestroy strikes what was deleted from the ledger, where the ledger itself stays.
func (p *planner) ledgerAfterDestroy(going map[Address]bool) {
	i := slices.IndexFunc(p.Specs, Spec.isLedger)
	ledger, holder := p.ledgerAndHolder()
	if i < 0 || going[ledger] || going[holder] || !p.Observed[ledger].Exists {
		return
	}
	var keys []string
	for _, e := range p.plan.Effects {
		if p.Kinds[e.Address.Kind()].Ledgered {
			keys = append(keys, e.Key)
		}
	}
	if len(keys) == 0 {
		return
	}
	s := p.Specs[i]
	s.Params = maps.Clone(s.Params)
	s.Params["value"] = nil
	p.put(s, OpUpdate, GateDestroy, nil, "the ledger tells what is ours")
	p.plan.Effects[len(p.plan.Effects)-1].DependsOn = uniq(keys)
}
