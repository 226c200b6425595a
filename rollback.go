package slipway

import "slices"

// Built are the names of the values of a deployment, against those that are there now. All are sorted.
type Built struct {
	With    []Address `json:"with,omitempty"`    // all that it was built with
	Without []Address `json:"without,omitempty"` // those that were added since: it does not have them
	Lost    []Address `json:"lost,omitempty"`    // those that were deleted since: it still has them
}

// NewBuilt compares the values that a deployment was built with and those of now.
func NewBuilt(then, now []Address) *Built {
	minus := func(a, b []Address) (out []Address) {
		for _, x := range a {
			if !slices.Contains(b, x) {
				out = append(out, x)
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return &Built{With: minus(then, nil), Without: minus(now, then), Lost: minus(then, now)}
}

// MakeRollback returns the plan that moves production back to the deployment named: one effect behind a gate of its own, or none when it
// serves that already. It is pure. CodeUnsupported for an environment that has no production to move.
func MakeRollback(in PlanInput, to string) (*Plan, error) {
	in.Access = in.Access.In(in.Environment)
	p := &planner{PlanInput: in, last: map[Address]string{}, plan: &Plan{
		Format: PlanFormat, Operation: OperationRollback, App: in.App, Environment: in.Environment, Effects: []Effect{}, Access: in.Access,
	}}
	for _, s := range in.Specs {
		kind := p.Kinds[s.Address.Kind()]
		if kind.UpdateOp != OpPromote {
			continue
		}
		obs := p.Observed[s.Address]
		serving, _ := obs.Fields["deployment"].(string)
		p.plan.Serving = serving
		p.plan.Drift = serving != "" && serving != p.LastServed && !obs.Owned
		if serving != to {
			s.Params = map[string]any{"deployment": to}
			p.append(Effect{
				Key: EffectKey(s.Address, OpRollback), Op: OpRollback, Address: s.Address, Name: s.Name, Account: obs.Receipt.Account,
				Params: s.Params, Basis: Basis(s, obs), Gate: GateRollback, Changes: []Change{{Field: "deployment", From: serving, To: to}},
				Reason: "a rollback was asked for", Consequence: kind.Consequence[OpRollback], Reversible: true,
			})
		}
		return p.plan, nil
	}
	return nil, Errorf(CodeUnsupported, "the environment %s serves its newest deployment: there is nothing to roll back", in.Environment).
		WithHint("ship the older source again")
}
