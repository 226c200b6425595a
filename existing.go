package slipway

import "cmp"

// Used is a resource that was there already: it is checked against the manifest and wired, and neither made, replaced nor deleted.
type Used struct {
	Address Address `json:"address"`
	Account string  `json:"account,omitempty"`
	ID      string  `json:"id,omitempty"` // "" where nothing could look at it
	Name    string  `json:"name,omitempty"`
	Mode    Mode    `json:"mode"`           // assisted
	Note    string  `json:"note,omitempty"` // what is to be known of it. Outside the digest
}

// addExisting checks what the manifest says is there. Nothing is planned before all of it is there and as declared; only what a kind adjusts
// is then changed, and only in what is declared.
func (p *planner) addExisting(s Spec) error {
	kind, obs := p.Kinds[s.Address.Kind()], p.Observed[s.Address]
	recorded := p.Receipts[s.Address]
	used := Used{
		Address: s.Address, Account: obs.Receipt.Account, ID: obs.Receipt.ID, Name: cmp.Or(obs.Receipt.Name, s.Name), Mode: ModeAssisted, Note: obs.Note,
	}
	if obs.Unseen {
		used.Note = "nothing could look at it"
		p.plan.Existing = append(p.plan.Existing, used)
		return nil
	}
	switch {
	case !obs.Exists:
		return Errorf(CodeNotFound, "%s is to exist already, and %s", s.Address, missingBy(s)).
			WithHint("look the id or name up at the provider, and see whether the credential is for that account; nothing was changed")
	case obs.Failed != nil:
		return obs.Failed
	case recorded.Origin == OriginCreated && recorded.ID != "" && recorded.ID != obs.Receipt.ID: // "": a person made it, and this is which
		return Errorf(CodeConflict, "%s was made by Slipway as %s, and existing: names %s in its place", s.Address, recorded.ID, obs.Receipt.ID).
			WithHint("give what exists a key of its own in the manifest; slipway destroy --only %s deletes the other", s.Address.Key())
	}
	changes := p.changes(s, obs)
	if len(changes) > 0 && (!kind.Adjusts || immutable(kind, changes) != "") {
		c := changes[0]
		if bad := immutable(kind, changes); bad != "" {
			for _, of := range changes {
				if of.Field == bad {
					c = of
				}
			}
		}
		return Errorf(CodeConflict, "%s (%s) exists, and its %s is %v, not %v", s.Address, used.ID, c.Field, shown(c.From), shown(c.To)).
			WithHint("declare what exists, name another, or leave %s out; what exists is never changed", c.Field)
	}
	p.plan.Existing = append(p.plan.Existing, used)
	if len(changes) > 0 {
		s.Name = used.Name
		p.put(s, OpUpdate, kind.Gate, changes, "it exists, and differs in "+fieldNames(changes))
	}
	return nil
}

func missingBy(s Spec) string {
	if s.Name == "" {
		return "there is none"
	}
	return "there is no " + s.Name
}

// shown is a field's value for a person.
func shown(v any) any {
	if v == nil || v == "" {
		return "none"
	}
	return v
}
