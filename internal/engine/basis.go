package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// compare tells whether u is already as it should be, and stops the work when what is seen is not what was approved.
func (w *worker) compare(ctx context.Context, u *unit) (done bool, err error) {
	if len(u.obs.Namesakes) > 1 {
		u.err = w.ambiguous(u.effect.Address, u.obs.Namesakes)
		return false, nil
	}
	if u.foreign {
		return false, w.tellVoid(ctx, u, u.effect.Basis, w.basis(u))
	}
	if u.search && (!moves(u.effect.Op) || w.found(u)) {
		return w.found(u), nil
	}
	if u.search && moves(u.effect.Op) && w.satisfied(u) { // it has moved, but for some domains, and these are asked for again
		return false, nil
	}
	expected := u.effect.Basis
	if b := w.ownOutcome(u.effect); b != nil {
		expected = b
	}
	if w.planted(u) {
		expected = w.basis(u)
	}
	if now := w.basis(u); !slipway.EqualBasis(expected, now) && u.effect.OnFailure != "" {
		u.err = movedOn(u.obs)
		return false, nil
	} else if !slipway.EqualBasis(expected, now) {
		return false, w.tellVoid(ctx, u, expected, now)
	}
	if u.effect.Op == slipway.OpPromote {
		if err := w.promotable(ctx, u); err != nil {
			return false, err
		}
	}
	if moves(u.effect.Op) && u.obs.Pending { // somebody has asked for the same already: it is waited for, and refused a second time
		return true, nil
	}
	return u.effect.Op == slipway.OpAdopt && w.satisfied(u), nil
}

func (w *worker) ambiguous(a slipway.Address, namesakes []slipway.Receipt) error {
	var ids []string
	for _, r := range namesakes {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return slipway.Errorf(slipway.CodeAmbiguous, "%s: %d have its name, and nothing says which is this run's: %s", a, len(ids), strings.Join(ids, ", ")).
		WithHint("delete or rename all but one of them, then: slipway resume %s", w.id)
}

// basis is what the plan's diff would read now. Params that only this run knows were null in the plan, and are observed all the same. A
// delete looks at nothing but the thing itself.
func (w *worker) basis(u *unit) map[string]any {
	if u.effect.Op == slipway.OpDelete {
		return slipway.Basis(slipway.Spec{}, u.obs)
	}
	obs := u.obs
	if u.search && moves(u.effect.Op) { // a move that has failed in part has still to be made
		obs.Failed = nil
	}
	return slipway.Basis(u.spec, obs)
}

// moves reports whether op moves production: a request for it is sent again only to what production served when it was planned.
func moves(op slipway.Op) bool { return op == slipway.OpPromote || op == slipway.OpRollback }

// ownOutcome is the basis that an earlier effect of this run left at the same address.
func (w *worker) ownOutcome(e slipway.Effect) map[string]any {
	var last map[string]any
	for _, o := range w.plan.Effects {
		if o.Address == e.Address && o.Key != e.Key {
			if s := w.step(o.Key); s.State == slipway.StepDone {
				last = s.Basis
			}
		}
	}
	return last
}

// planted reports whether u is the ledger that this run's own create of the project carried.
func (w *worker) planted(u *unit) bool {
	text, _ := u.obs.Fields["value"].(string)
	l, err := slipway.DecodeLedger(text)
	if !isLedger(u.spec) || err != nil || l.App != w.run.App {
		return false
	}
	for _, need := range u.spec.Needs {
		for _, op := range []slipway.Op{slipway.OpCreate, slipway.OpReplace} {
			if w.step(slipway.EffectKey(need, op)).State == slipway.StepDone {
				return true
			}
		}
	}
	return false
}

// found reports whether what a lost request was to do is done.
func (w *worker) found(u *unit) bool {
	switch u.effect.Op {
	case slipway.OpDelete:
		return !u.obs.Exists
	case slipway.OpReplace:
		return u.obs.Exists && u.obs.Receipt.ID != u.effect.Basis["id"]
	case slipway.OpCreate, slipway.OpDeploy:
		if !w.kinds[u.effect.Address.Kind()].Batch {
			return u.obs.Exists && u.obs.Failed == nil
		}
	case slipway.OpPromote, slipway.OpRollback: // a move that is under way already is refused a second time
		return u.obs.Exists && u.obs.Pending || w.satisfied(u) && u.obs.Failed == nil
	case slipway.OpUpdate:
		return w.satisfied(u) || w.arrived(u)
	}
	return w.satisfied(u)
}

// arrived reports whether all that an update was to change is as declared, though something else is not: the write itself, whose reply was
// lost, made another version than the one that is recorded. u then goes on by what is there.
func (w *worker) arrived(u *unit) bool {
	basis := u.effect.Basis
	if b := w.ownOutcome(u.effect); b != nil {
		basis = b
	}
	fields, _ := basis["fields"].(map[string]any)
	changing := differing(u.spec, slipway.Observation{Fields: fields})
	left := differing(u.spec, u.obs)
	if !u.obs.Exists || u.spec.Known == nil || u.spec.Known.Version == u.obs.Receipt.Version || len(changing) == 0 {
		return false
	}
	if slices.ContainsFunc(changing, func(f string) bool { return slices.Contains(left, f) }) {
		return false
	}
	seen := u.obs.Receipt
	seen.Origin = u.spec.Known.Origin
	u.spec.Known = &seen
	return true
}

// satisfied reports whether every param is as declared.
func (w *worker) satisfied(u *unit) bool {
	return u.obs.Exists && len(differing(u.spec, u.obs)) == 0
}

func differing(s slipway.Spec, obs slipway.Observation) []string {
	var names []string
	for name, want := range s.Params {
		if want != nil && !slipway.EqualBasis(map[string]any{"v": want}, map[string]any{"v": obs.Fields[name]}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tellVoid stops the work: what is there is not what was planned on.
func (w *worker) tellVoid(ctx context.Context, u *unit, expected, now map[string]any) error {
	data := map[string]any{"address": string(u.effect.Address), "planned": expected, "observed": now, "gate": string(u.effect.Gate)}
	err := w.commit(ctx, func(tx slipway.Tx) error { return w.event(tx, w.id, slipway.EventGateVoided, u.effect.Key, data) })
	if err != nil {
		return err
	}
	return slipway.Errorf(slipway.CodeVoided, "%s has changed since it was planned", u.effect.Address)
}
