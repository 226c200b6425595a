package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// planDestroy looks at all that is recorded or told by the ledger, declared or not, and plans its deletion.
func (e *Engine) planDestroy(ctx context.Context, w *wanted, receipts map[slipway.Address]slipway.Receipt, opts slipway.RunOptions) (*sight, *slipway.Plan, error) {
	s, err := e.look(ctx, w, receipts)
	if err != nil {
		return nil, nil, err
	}
	for a, obs := range s.observed {
		if _, recorded := s.receipts[a]; !recorded && obs.Exists && s.owned[a] {
			r := obs.Receipt
			r.Origin = slipway.OriginCreated
			s.receipts[a] = r
		}
	}
	for _, obs := range s.listed {
		if _, recorded := s.receipts[obs.Receipt.Address]; !recorded {
			r := obs.Receipt
			r.Origin = slipway.OriginCreated
			s.receipts[r.Address], s.observed[r.Address] = r, obs
		}
	}
	for a := range s.observed {
		// Looked at by what a ship would deploy or use; what is meant here is what was made.
		if e.kinds[a.Kind()].Versioned || w.existing(a) && s.receipts[a].Origin == slipway.OriginCreated {
			delete(s.observed, a)
		}
	}
	if err := e.lookAtUndeclared(ctx, w, s, func(slipway.Address) bool { return true }); err != nil {
		return nil, nil, err
	}
	in := e.planInput(w, s)
	in.Operation = slipway.OperationDestroy
	scope := slipway.DestroyScope{All: opts.All, Only: opts.Only}
	plan := slipway.MakeDestroy(in, scope)
	if e.askAhead(ctx, w, changing(plan)) {
		in.Access = w.access()
		plan = slipway.MakeDestroy(in, scope)
	}
	return s, plan, nil
}

// lookAtUndeclared observes what is recorded and not expanded from the manifest: other environments, or what it no longer names. Only what
// counts is looked at.
func (e *Engine) lookAtUndeclared(ctx context.Context, w *wanted, s *sight, counts func(slipway.Address) bool) error {
	for _, a := range slices.Sorted(maps.Keys(s.receipts)) {
		if _, seen := s.observed[a]; seen || !counts(a) {
			continue
		}
		r := s.receipts[a]
		if err := e.openFor(ctx, w, a.Kind().Provider()); err != nil {
			return err
		}
		if !w.visible(a.Kind()) {
			s.observed[a] = unseen(r, true)
			continue
		}
		h, err := handler(w.sessions, a)
		if err != nil {
			return err
		}
		spec := slipway.Spec{Address: a, App: w.manifest.App, Name: r.Name, Known: &r, Needs: r.Needs, Parents: map[slipway.Kind]slipway.Receipt{}}
		gone := false
		for _, need := range r.Needs {
			if p, ok := s.receipts[need]; ok {
				spec.Parents[need.Kind()] = p
			}
			gone = gone || !s.observed[need].Exists
		}
		var obs slipway.Observation
		if !gone {
			if obs, err = h.Observe(ctx, spec); err != nil {
				return withOp(err, "%s observe", a)
			}
		}
		obs.Receipt.Address, obs.Receipt.Needs = a, r.Needs
		s.observed[a], s.specs[a] = obs, spec
	}
	return nil
}

// openFor opens a provider that the manifest does not need and something recorded does. One without a credential stays closed.
func (e *Engine) openFor(ctx context.Context, w *wanted, provider string) error {
	if _, bad := w.access().Find(slipway.Kind(provider+"."), ""); bad || w.sessions[provider] != nil {
		return nil
	}
	for _, p := range e.Providers {
		if p.Info().Name != provider {
			continue
		}
		s, err := p.Open(ctx, e.settingsFor(w.manifest))
		if slipway.ErrorCode(err) == slipway.CodeCredential {
			w.note(missing(provider, err))
			return nil
		}
		if err != nil {
			return err
		}
		w.sessions[provider] = s
	}
	return nil
}
