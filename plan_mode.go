package slipway

import (
	"maps"
	"slices"
	"strings"
)

const elsewhere = "its value comes from elsewhere than when it was written"

// addUnseen plans for what cannot be looked at: what is recorded as made from the same declaration is left alone.
func (p *planner) addUnseen(s Spec) {
	kind := p.Kinds[s.Address.Kind()]
	r, recorded := p.Receipts[s.Address]
	of := slices.AppendSeq(slices.Clone(s.Seals), maps.Values(s.IDs))
	if recorded {
		p.plan.Unverified = append(p.plan.Unverified, s.Address)
	}
	switch {
	case !recorded && kind.Initial == nil:
		p.put(s, orOp(kind.CreateOp, OpCreate), kind.Gate, nil, reasonOr(s.Note, "it is not recorded, and cannot be looked at"))
	case recorded && (kind.Shared || r.Declared == "" || r.Declared == DeclaredDigest(s)) && !p.touched(of) && !p.remade(s) && !p.Elsewhere[s.Address]:
	case recorded && r.Fixed != "" && r.Fixed != FixedDigest(s, kind):
		p.put(s, OpReplace, GateDestroy, nil, "it was made with another "+strings.Join(kind.Immutable, " or ")+", which cannot be changed in place")
	case kind.Versioned:
		p.put(s, orOp(kind.CreateOp, OpCreate), kind.Gate, nil, "what it was made from has changed")
	case p.Elsewhere[s.Address]:
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, elsewhere)
	case p.Unresolved[s.Address] != "":
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, "neither it nor its value can be looked at")
	case r.valueAlone(s):
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, "its value is another than when it was written, and it cannot be looked at")
	default:
		p.put(s, orOp(kind.UpdateOp, OpUpdate), kind.Gate, nil, "it was made from another declaration, and cannot be looked at")
	}
}

// valueAlone reports whether s declares what r was made from, but for the value.
func (r Receipt) valueAlone(s Spec) bool {
	if r.Fingerprint == "" || s.Params["fingerprint"] == nil {
		return false
	}
	s.Params = maps.Clone(s.Params)
	s.Params["fingerprint"] = r.Fingerprint
	return r.Declared == DeclaredDigest(s)
}

// DeclaredDigest is the digest of what s declares; a receipt keeps that of what was last made true.
func DeclaredDigest(s Spec) string { return CanonicalDigest(s.Params) }

// FixedDigest is the digest of what s declares that cannot be changed in place; "" for a kind of which all can.
func FixedDigest(s Spec, kind KindInfo) string {
	fixed := map[string]any{}
	for _, name := range kind.Immutable {
		if v, declared := s.Params[name]; declared {
			fixed[name] = v
		}
	}
	if len(fixed) == 0 {
		return ""
	}
	return CanonicalDigest(fixed)
}

// made reports whether the plan makes a, for the first time or anew.
func (p *planner) made(a Address) bool {
	e := p.plan.Effect(p.last[a])
	return e != nil && (e.Op == OpCreate || e.Op == OpReplace)
}

// remade reports whether the plan makes what a value of s comes from: whoever carries that value carries another.
func (p *planner) remade(s Spec) bool {
	for _, in := range s.Inputs {
		if in.From != nil && slices.ContainsFunc(p.Specs, func(o Spec) bool { return o.Serves == in.From.Resource && p.made(o.Address) }) {
			return true
		}
	}
	return false
}

// unfound reports whether s is recorded as made by a person who told no id, and a variable that takes a value of it is there.
func (p *planner) unfound(s Spec) bool {
	if r, recorded := p.Receipts[s.Address]; !recorded || r.ID != "" {
		return false
	}
	serves := func(a Address) bool {
		return a == s.Address || slices.ContainsFunc(p.Specs, func(o Spec) bool { return o.Address == a && slices.Contains(o.Needs, s.Address) })
	}
	return slices.ContainsFunc(p.Specs, func(o Spec) bool {
		_, recorded := p.Receipts[o.Address]
		return (recorded || p.Observed[o.Address].Exists) && slices.ContainsFunc(o.reads(p.Specs), serves)
	})
}

// EffectMode tells who makes e true, and what speaks against Slipway's doing it. carried is why a person carries its value, "" for no such
// reason. To adopt what is as declared sends nothing.
func EffectMode(access Access, kind KindInfo, e Effect, carried string) (Mode, Cause, string) {
	mode, c := access.Mode(kind, e.Op)
	switch {
	case mode == ModeBlocked, mode == ModeManual && (e.Op != OpAdopt || len(e.Changes) > 0):
		return mode, c.Cause, c.Reason
	case carried != "" && e.Op != OpDelete:
		return ModeManual, CauseNone, carried
	case kind.ByHand != "":
		return ModeManual, CauseNone, kind.ByHand
	}
	return ModeAutomated, CauseNone, ""
}

// carried reports whether a person wrote the value that s declares, and nobody has written another since: then it has no fingerprint of ours.
func (p *planner) carried(s Spec, obs Observation) bool {
	r, recorded := p.Receipts[s.Address]
	return recorded && r.ByHand && r.ID == obs.Receipt.ID && r.Version == obs.Receipt.Version && r.Declared == DeclaredDigest(s)
}

// held tells for each effect what it waits for that Slipway does not do itself, as one text: only what waits for the same may be made to
// wait for each other.
func (p *planner) held() map[string]string {
	known := map[string][]string{}
	var waits func(e *Effect) []string
	waits = func(e *Effect) []string {
		if keys, ok := known[e.Key]; ok {
			return keys
		}
		known[e.Key] = nil
		var keys []string
		for _, key := range slices.Concat(e.DependsOn, e.After) {
			if o := p.plan.Effect(key); o != nil {
				if keys = append(keys, waits(o)...); o.Mode != ModeAutomated {
					keys = append(keys, key)
				}
			}
		}
		known[e.Key] = slices.Clip(uniq(keys))
		return known[e.Key]
	}
	out := map[string]string{}
	for i := range p.plan.Effects {
		e := &p.plan.Effects[i]
		out[e.Key] = strings.Join(waits(e), " ")
	}
	return out
}

// Modes tells who makes true what Slipway does not do alone: of effects by key, of what exists already by address.
func (p *Plan) Modes() map[string]Mode {
	out := map[string]Mode{}
	for _, e := range p.Effects {
		if e.Mode != ModeAutomated {
			out[e.Key] = e.Mode
		}
	}
	for _, u := range p.Existing {
		out[string(u.Address)] = u.Mode
	}
	return out
}

// Unseen are what nothing could look at: recorded resources, and those that exist already, which are taken as declared.
func (p *Plan) Unseen() []Address {
	out := slices.Clone(p.Unverified)
	for _, u := range p.Existing {
		if u.ID == "" {
			out = append(out, u.Address)
		}
	}
	return out
}
