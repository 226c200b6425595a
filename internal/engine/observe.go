package engine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway"
)

// sight is what one observation pass saw.
type sight struct {
	specs    map[slipway.Address]slipway.Spec // with Params resolved as far as they can be known
	observed map[slipway.Address]slipway.Observation
	listed   []slipway.Observation
	ledger   *slipway.Ledger
	receipts map[slipway.Address]slipway.Receipt // recorded, or told by the ledger
	owned    map[slipway.Address]bool
	carried  map[slipway.Address]string // whose value a person carries, and why
}

// observer looks at all Specs of a run at once; each waits only for what it needs.
type observer struct {
	*Engine
	w        *wanted
	receipts map[slipway.Address]slipway.Receipt
	sessions map[string]slipway.Session

	mu    sync.Mutex
	sight sight
	done  map[slipway.Address]chan struct{}
}

// look observes every Spec of w and reads the ledger. receipts is what this home has recorded. Where a provider refuses to be looked at, it
// asks why, and looks again without.
func (e *Engine) look(ctx context.Context, w *wanted, receipts map[slipway.Address]slipway.Receipt) (*sight, error) {
	if len(receipts) == 0 { // much is to be made: what the credentials are good for is asked at the same time
		found := make(chan []slipway.Capability, 1)
		go func() { found <- e.askAll(ctx, w, slices.Collect(maps.Keys(w.sessions))) }()
		defer func() { w.noteAhead(<-found) }()
	}
	for {
		s, err := e.lookOnce(ctx, w, receipts)
		if err == nil || !e.learn(ctx, w, err) {
			return s, err
		}
	}
}

func (e *Engine) lookOnce(ctx context.Context, w *wanted, receipts map[slipway.Address]slipway.Receipt) (*sight, error) {
	o := &observer{Engine: e, w: w, receipts: maps.Clone(receipts), sessions: w.pass(), done: map[slipway.Address]chan struct{}{}}
	o.sight = sight{
		specs: map[slipway.Address]slipway.Spec{}, observed: map[slipway.Address]slipway.Observation{}, owned: map[slipway.Address]bool{},
		carried: map[slipway.Address]string{},
	}
	for _, s := range w.specs {
		o.done[s.Address] = make(chan struct{})
	}
	g, one := errgroup.WithContext(ctx)
	for _, s := range w.specs {
		g.Go(func() error {
			defer close(o.done[s.Address])
			return sheltered(func() error { return o.one(one, s) })
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	again, err := o.readLedger(ctx)
	if err != nil {
		return nil, err
	}
	if again { // what hangs on what was not seen by name was looked at without it
		return e.lookOnce(ctx, w, o.receipts)
	}
	if err := o.list(ctx); err != nil {
		return nil, err
	}
	o.sight.receipts = o.receipts
	return &o.sight, o.own(ctx)
}

// one observes s. A recorded parent is taken as it is, so that its children need not wait; if it then turns out to be gone, so are they.
func (o *observer) one(ctx context.Context, s slipway.Spec) error {
	if o.kinds[s.Address.Kind()].Versioned && !o.w.shipped {
		if err := o.wait(ctx, s.Seals...); err != nil {
			return err
		}
		s = o.seal(s)
	}
	s, err := o.attach(ctx, s)
	if err != nil {
		return err
	}
	if !o.w.visible(s.Address.Kind()) {
		r, recorded := o.receipts[s.Address]
		return o.saw(ctx, s, unseen(r, recorded))
	}
	h, err := handler(o.sessions, s.Address)
	if err != nil {
		return err
	}
	obs, err := h.Observe(ctx, s)
	if waitErr := o.wait(ctx, s.Needs...); waitErr != nil {
		return waitErr
	}
	if o.orphaned(s) && slipway.ErrorCode(err) != slipway.CodeConflict {
		obs, err = slipway.Observation{}, nil
	}
	if err != nil {
		return lookError{s.Address.Kind(), withOp(err, "%s observe", s.Address)}
	}
	if known := s.Known; known != nil && obs.Exists && known.Account != "" && obs.Receipt.Account != known.Account {
		return accountChanged(s.Address, known.Account, obs.Receipt.Account)
	}
	return o.saw(ctx, s, obs)
}

// saw keeps what was observed of s, and completes s by what its value's fingerprint is.
func (o *observer) saw(ctx context.Context, s slipway.Spec, obs slipway.Observation) (err error) {
	obs.Receipt.Address, obs.Receipt.Needs = s.Address, s.Needs
	o.mu.Lock()
	o.sight.observed[s.Address] = obs
	o.mu.Unlock()
	if s, err = o.fingerprint(ctx, s); err != nil {
		return err
	}
	o.mu.Lock()
	o.sight.specs[s.Address] = s
	o.mu.Unlock()
	return nil
}

func accountChanged(a slipway.Address, recorded, now string) error {
	return slipway.Errorf(slipway.CodeAccountChanged, "%s was made in account %s, and the credential serves %s", a, recorded, now).
		WithHint("use the credential (and the team or organisation) of %s; nothing was changed", recorded)
}

// wait ends when the Specs at addresses have been observed.
func (o *observer) wait(ctx context.Context, addresses ...slipway.Address) error {
	for _, a := range addresses {
		done, ok := o.done[a]
		if !ok {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// attach gives s what is recorded of it and of its parents, waiting for a parent that is not recorded.
func (o *observer) attach(ctx context.Context, s slipway.Spec) (slipway.Spec, error) {
	s.Parents = map[slipway.Kind]slipway.Receipt{}
	if r, ok := o.receipts[s.Address]; ok && r.ID != "" {
		s.Known = &r
	}
	for _, need := range s.Needs {
		if r, ok := o.receipts[need]; ok && !o.w.existing(need) {
			s.Parents[need.Kind()] = r
			continue
		}
		if err := o.wait(ctx, need); err != nil {
			return s, err
		}
		if obs := o.seen(need); obs.Exists {
			s.Parents[need.Kind()] = obs.Receipt
		}
	}
	return s, nil
}

func (o *observer) seen(a slipway.Address) slipway.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sight.observed[a]
}

// orphaned reports whether something that s needs was looked for and is not there.
func (o *observer) orphaned(s slipway.Spec) bool {
	return slices.ContainsFunc(s.Needs, func(a slipway.Address) bool { return !o.seen(a).Exists })
}

// seal fills the input of a Spec that freezes others, when all of their fingerprints are known.
func (o *observer) seal(s slipway.Spec) slipway.Spec {
	o.mu.Lock()
	defer o.mu.Unlock()
	prints := map[slipway.Address]string{}
	for _, a := range s.Seals {
		prints[a], _ = o.sight.specs[a].Params["fingerprint"].(string)
		if o.sight.carried[a] != "" && prints[a] == "" {
			prints[a] = carriedPrint(o.sight.specs[a], o.receipts[a], o.sight.observed[a])
		}
	}
	return sealed(s, prints)
}

// sealed returns s with Params["input"]: the digest of its other params and of the fingerprints, or null while one is unknown.
func sealed(s slipway.Spec, prints map[slipway.Address]string) slipway.Spec {
	s.Params = maps.Clone(s.Params)
	delete(s.Params, "input")
	digest := slipway.CanonicalDigest(map[string]any{"params": s.Params, "env": prints})
	s.Params["input"] = digest
	for _, fp := range prints {
		if fp == "" {
			s.Params["input"] = nil
		}
	}
	return s
}

// fingerprint fills Params["fingerprint"] where the Spec has one and its value can be known now.
func (o *observer) fingerprint(ctx context.Context, s slipway.Spec) (slipway.Spec, error) {
	if _, has := s.Params["fingerprint"]; !has {
		return s, nil
	}
	in := s.Inputs["value"]
	var v slipway.Secret
	if why := o.unresolved(o.w, in); why != "" {
		o.mu.Lock()
		o.sight.carried[s.Address] = why
		o.mu.Unlock()
		return o.w.asWritten(s, o.receipts[s.Address]), nil
	}
	if given, ok := o.given(o.w, in); ok {
		v = given
	} else {
		from, ok := o.w.server(in.From.Resource)
		if !ok {
			return s, slipway.Errorf(slipway.CodeInternal, "%s: nothing serves %s", s.Address, in.From)
		}
		if err := o.wait(ctx, from.Address); err != nil {
			return s, err
		}
		obs := o.seen(from.Address)
		if !obs.Exists || obs.Pending || len(obs.Namesakes) > 1 {
			return s, nil
		}
		o.mu.Lock()
		from = o.sight.specs[from.Address]
		o.mu.Unlock()
		values, err := o.outputs(ctx, o.w, o.sessions, from, obs)
		if slipway.ErrorCode(err) == slipway.CodeNotFound && len(differing(from, obs)) > 0 {
			return s, nil // what is missing is what this plan adds
		}
		if err != nil {
			return s, err
		}
		if v, ok = values[in.From.Output]; !ok {
			return s, nil
		}
	}
	s.Params = maps.Clone(s.Params)
	s.Params["fingerprint"] = o.print(s, v)
	return s, nil
}

// print is the fingerprint of an env var's value: the key's id and the keyed hash, bound to the address.
func (e *Engine) print(s slipway.Spec, v slipway.Secret) string {
	return e.Fingerprints.ID() + ":" + e.Fingerprints.Fingerprint(string(s.Address), v)
}

// given returns the value of an input that needs no look: a literal, a secret of the environment, or an output that a person has handed over.
func (e *Engine) given(w *wanted, in slipway.Input) (slipway.Secret, bool) {
	if in.From == nil {
		return e.literal(in), true
	}
	if from, ok := w.server(in.From.Resource); !ok || w.visible(from.Address.Kind()) {
		return slipway.Secret{}, false
	}
	return e.secret(slipway.OutputVariable(*in.From))
}

func (e *Engine) literal(in slipway.Input) slipway.Secret {
	if in.Literal != nil {
		return slipway.NewSecret(*in.Literal)
	}
	v, _ := e.secret(in.Secret)
	return v
}

// readLedger finds the ledger among what was observed and looks again, by id, at what only the ledger knows. again reports whether that
// was anything but what had been found by name.
func (o *observer) readLedger(ctx context.Context) (again bool, err error) {
	for _, s := range o.w.specs {
		obs := o.sight.observed[s.Address]
		text, _ := obs.Fields["value"].(string)
		if !isLedger(s) || !obs.Exists || text == "" {
			continue
		}
		l, err := slipway.DecodeLedger(text)
		if err != nil {
			return false, err
		}
		if l.App != o.w.manifest.App {
			return false, slipway.Errorf(slipway.CodeConflict, "the Vercel project belongs to the Slipway app %q, not to %q", l.App, o.w.manifest.App).
				WithHint("name another project, under vercel.existing; where nothing stands there, give this app another name: in the manifest")
		}
		o.sight.ledger = &l
	}
	if o.sight.ledger == nil {
		return again, nil
	}
	told := o.sight.ledger.Receipts()
	for _, a := range slices.Sorted(maps.Keys(told)) {
		if _, recorded := o.receipts[a]; recorded {
			continue
		}
		r := told[a]
		if o.w.existing(a) {
			o.receipts[a] = r
			continue
		}
		s, declared := o.sight.specs[a]
		if declared && !o.w.visible(a.Kind()) {
			o.sight.observed[a] = unseen(r, true)
		} else if obs := o.sight.observed[a]; declared && obs.Receipt.ID != r.ID {
			again = true
			if err := o.again(ctx, s, r); err != nil {
				return false, err
			}
		}
		if obs := o.sight.observed[a]; declared && obs.Exists && !obs.Unseen {
			origin := r.Origin
			r = obs.Receipt
			r.Origin = origin
		}
		o.receipts[a] = r
	}
	return again, nil
}

func isLedger(s slipway.Spec) bool { return s.Inputs["value"].Ledger }

// again observes s by the id that the ledger tells.
func (o *observer) again(ctx context.Context, s slipway.Spec, r slipway.Receipt) error {
	h, err := handler(o.sessions, s.Address)
	if err != nil {
		return err
	}
	s.Known = &r
	obs, err := h.Observe(ctx, s)
	if err != nil {
		return withOp(err, "%s observe", s.Address)
	}
	obs.Receipt.Address, obs.Receipt.Needs = s.Address, s.Needs
	o.sight.observed[s.Address] = obs
	return nil
}

// list asks the kinds that can list for what is ours.
func (o *observer) list(ctx context.Context) error {
	asked := map[slipway.Kind]bool{}
	for _, s := range o.w.specs {
		kind := s.Address.Kind()
		if asked[kind] || !o.w.visible(kind) || o.orphaned(s) {
			continue
		}
		asked[kind] = true
		h, err := handler(o.sessions, s.Address)
		if err != nil {
			return err
		}
		lister, ok := h.(slipway.Lister)
		if !ok {
			continue
		}
		s = o.sight.specs[s.Address]
		s.Address = slipway.NewAddress(kind, "any", o.w.environment)
		found, err := lister.List(ctx, s)
		if err != nil {
			return lookError{kind, withOp(err, "%s list", kind)}
		}
		for _, obs := range found {
			obs.Receipt.Needs = s.Needs
			o.sight.listed = append(o.sight.listed, obs)
		}
	}
	return nil
}

// own decides what is ours: a recorded id, the ledger, an intent of the ledger, or the provider's own mark.
func (o *observer) own(ctx context.Context) error {
	o.useExisting()
	for a, obs := range o.sight.observed {
		if !obs.Exists {
			continue
		}
		r, recorded := o.receipts[a]
		intended := o.sight.ledger != nil && slices.Contains(o.sight.ledger.Intended, a) && len(obs.Namesakes) < 2
		holdsLedger := o.sight.ledger != nil && slices.ContainsFunc(o.w.specs, func(s slipway.Spec) bool {
			return isLedger(s) && (slices.Contains(s.Needs, a) || s.Address == a)
		})
		found := o.kinds[a.Kind()].Versioned // by the digest of what we put in it
		if intended && !recorded {
			unsent, err := o.unsent(ctx, o.w.manifest.App, a)
			if err != nil {
				return err
			}
			intended = !unsent
		}
		o.sight.owned[a] = found || obs.Owned || recorded && r.ID == obs.Receipt.ID && r.Origin != slipway.OriginExisting || intended || holdsLedger
	}
	return nil
}

// unsent reports whether this home was the last to plan the making of a, and never sent a request for it: then the ledger's intent is this
// home's own, and what is there is somebody else's.
func (e *Engine) unsent(ctx context.Context, app string, a slipway.Address) (unsent bool, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		for run, err := range past(tx, slipway.RunFilter{App: app}) {
			if err != nil {
				return err
			}
			if planned, sent, err := tried(tx, run, a); err != nil || planned {
				unsent = planned && !sent
				return err
			}
		}
		return nil
	})
	return unsent, err
}

// tried reports whether a revision of run planned the making of a, and whether a request for it was about to be sent.
func tried(tx slipway.Tx, run slipway.Run, a slipway.Address) (planned, sent bool, err error) {
	if run.NoChanges {
		return false, false, nil
	}
	create, replace := slipway.EffectKey(a, slipway.OpCreate), slipway.EffectKey(a, slipway.OpReplace)
	for revision := 1; revision <= run.Revision && !planned; revision++ {
		plan, err := tx.Plan(run.ID, revision)
		if err != nil {
			return false, false, err
		}
		planned = plan.Effect(create) != nil || plan.Effect(replace) != nil
	}
	if !planned {
		return false, false, nil
	}
	steps, err := tx.Steps(run.ID, 0)
	return true, slices.ContainsFunc(steps, func(s slipway.Step) bool { return (s.Key == create || s.Key == replace) && s.Attempt > 0 }), err
}

// plan looks, and plans from what it saw.
func (e *Engine) plan(ctx context.Context, w *wanted, receipts map[slipway.Address]slipway.Receipt) (*sight, *slipway.Plan, error) {
	s, err := e.look(ctx, w, receipts)
	if err != nil {
		return nil, nil, err
	}
	pruned := func(a slipway.Address) bool {
		return e.kinds[a.Kind()].Pruned && (a.Environment() == "" || a.Environment() == w.environment)
	}
	if err := e.lookAtUndeclared(ctx, w, s, pruned); err != nil {
		return nil, nil, err
	}
	elsewhere, err := e.elsewhere(ctx, w, s)
	if err != nil {
		return nil, nil, err
	}
	in := e.planInput(w, s)
	in.Elsewhere = elsewhere
	in.Operation, in.Source, in.Probes = slipway.OperationShip, w.files.Digest(), slipway.PlainProbes(w.manifest.Verify.Health)
	in.PromoteAuto = w.manifest.Promote.Approval == "auto" && e.coversPromote(w)
	in.Released, in.RollbackAuto = slipway.PlainProbes(w.manifest.Released()), w.manifest.Promote.Rollback == slipway.RollbackAutomatic
	in.Required = w.manifest.Promote.Checks
	in.Commit, in.CommitOrder = e.standing(ctx, w, s)
	var unsandboxed error
	in.Job, in.JobParent, unsandboxed = e.job(ctx, w)
	plan, err := slipway.MakePlan(in)
	if err == nil && e.askAhead(ctx, w, changing(plan)) {
		in.Access = w.access()
		plan, err = slipway.MakePlan(in)
	}
	if err == nil {
		err = e.planCommit(ctx, w, plan)
	}
	if err == nil && w.stopped != nil && idle(plan) {
		return nil, nil, w.stopped
	}
	if err == nil && unsandboxed != nil && runsJob(plan) {
		return nil, nil, unsandboxed
	}
	if _, pinned := w.files.(slipway.Pinned); err == nil && !pinned {
		plan.Shipped = slipway.ShippedOf(w.files)
	}
	return s, plan, err
}

// idle reports whether nothing of a plan can be done, were all of it approved.
func idle(p *slipway.Plan) bool {
	open := map[slipway.Gate]bool{}
	for _, e := range p.Effects {
		open[e.Gate] = true
	}
	next := slipway.WhatNext(slipway.Progress{Plan: p, Open: open})
	return len(next.Ready) == 0 && len(next.Manual) == 0
}

func (e *Engine) planInput(w *wanted, s *sight) slipway.PlanInput {
	in := slipway.PlanInput{
		App: w.manifest.App, Environment: w.environment, Kinds: e.kinds, Observed: s.observed, Owned: s.owned,
		Receipts: s.receipts, Listed: s.listed, Ledger: s.ledger, Access: w.access(), Unresolved: s.carried,
		Planned: w.planned,
	}
	for _, spec := range w.specs {
		in.Specs = append(in.Specs, s.specs[spec.Address])
		if e.kinds[spec.Address.Kind()].UpdateOp == slipway.OpPromote {
			in.LastServed = s.receipts[spec.Address].ID
		}
	}
	return in
}
