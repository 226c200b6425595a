package slipway

import (
	"maps"
	"slices"
)

// addLedger keeps the ledger true: intents are written before the creates that they stand for, ids after them.
func (p *planner) addLedger(specs []Spec) {
	i := slices.IndexFunc(specs, Spec.isLedger)
	if i < 0 {
		return
	}
	s := specs[i]
	if mode, _ := p.Access.Mode(p.Kinds[s.Address.Kind()], OpUpdate); mode == ModeManual {
		return // nobody keeps a ledger by hand: what is recorded here is all there is until the credential can write
	}
	s.Params = maps.Clone(s.Params)
	var told, makes []string // effects whose outcome the ledger tells; those of them that make something
	var intents []Address    // what they make
	carrier := ""            // the effect that carries the intents outside
	for _, e := range p.plan.Effects {
		if !p.Kinds[e.Address.Kind()].Ledgered || e.Op == OpUpdate {
			continue
		}
		if told = append(told, e.Key); e.Op == OpAdopt || e.Op == OpDelete {
			continue
		}
		if slices.Contains(s.Needs, e.Address) && e.Mode == ModeManual {
			continue // a person makes what holds the ledger, without it
		}
		makes, intents = append(makes, e.Key), append(intents, e.Address)
		if slices.Contains(s.Needs, e.Address) {
			carrier = e.Key
		}
	}
	obs := p.Observed[s.Address]
	if len(told) == 0 {
		s.Params["value"] = NewLedger(p.App, LedgerReceipts(p.Kinds, p.Receipts), nil).Encode()
		if changes := p.changes(s, obs); !obs.Exists || len(changes) > 0 {
			p.put(s, ledgerOp(obs), GateApply, changes, "the ledger tells what is ours")
		}
		return
	}
	s.Params["value"] = nil
	op := ledgerOp(obs)
	if carrier == "" && len(intents) > 0 && !p.Ledger.covers(intents) {
		e := Effect{
			Key: string(s.Address) + announcing, Op: op, Address: s.Address, Name: s.Name, Account: obs.Receipt.Account, Params: s.Params,
			Basis: Basis(s, obs), Gate: GateApply, Reason: "the ledger tells what is about to be made", Reversible: true,
		}
		e.DependsOn = p.dependencies(s)
		e.Mode, e.Cause, e.Why = EffectMode(p.Access, p.Kinds[s.Address.Kind()], e, "")
		carrier = e.Key
		p.plan.Effects = append([]Effect{e}, p.plan.Effects...)
	}
	if carrier != "" {
		op, told = OpUpdate, append(told, carrier)
	}
	for i := range p.plan.Effects {
		if e := &p.plan.Effects[i]; carrier != "" && e.Key != carrier && slices.Contains(makes, e.Key) {
			e.After = []string{carrier}
		}
	}
	p.put(s, op, GateApply, []Change{{Field: "value", From: obs.Fields["value"]}}, "the ledger tells what is ours")
	last := &p.plan.Effects[len(p.plan.Effects)-1]
	last.DependsOn = uniq(append(last.DependsOn, told...))
}

func ledgerOp(obs Observation) Op {
	if obs.Exists {
		return OpUpdate
	}
	return OpCreate
}
