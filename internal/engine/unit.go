package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// unit is one effect under way.
type unit struct {
	effect   slipway.Effect
	spec     slipway.Spec
	handler  slipway.Handler
	obs      slipway.Observation
	step     slipway.Step
	search   bool                           // a request may have been sent: look for its result before anything is sent again
	sent     bool                           // it is done, or this process has sent it and knows the reply
	replied  bool                           // this process has the reply to its request
	late     error                          // why it is sent again
	waiting  bool                           // it was told that it is waited for
	tried    bool                           // this process has sent a request for it
	streams  map[string]func(string) string // clean the lines of its log, by stream
	log      *follower                      // reads its log; nil while nothing does
	followed bool                           // its log is read, or was
	woken    bool                           // the last look came at once because the log had ended
	feed     feed                           // what of its log is told
	foreign  bool                           // a search found it, and it cannot be what the lost request made
	behind   *slipway.Rollout               // somebody else's rolling release that was seen last, as long as no look shows one of what is wanted
	several  bool                           // what was made is one of several, and nothing tells which is meant
	err      error
}

// lookFor observes u; where a create may have been sent and is not seen yet, it looks again until the kind has settled.
func (w *worker) lookFor(ctx context.Context, sessions *map[string]slipway.Session, u *unit) error {
	if moves(u.effect.Op) { // compare and swap: what production served a moment ago does not count
		return w.observeUnit(ctx, w.wanted.pass(), u)
	}
	if !u.search || u.effect.Op == slipway.OpDelete {
		return w.observeUnit(ctx, *sessions, u)
	}
	*sessions = w.wanted.pass() // a search trusts no earlier look
	if err := w.observeUnit(ctx, *sessions, u); err != nil {
		return err
	}
	settle := w.settle(u.effect.Address.Kind())
	for read := 1; read < settle.Reads && !u.obs.Exists && len(u.obs.Namesakes) == 0; read++ {
		if err := sleep(ctx, settle.Over/time.Duration(max(settle.Reads-1, 1))); err != nil {
			return err
		}
		*sessions = w.wanted.pass()
		if err := w.observeUnit(ctx, *sessions, u); err != nil {
			return err
		}
	}
	return w.tellForeign(ctx, *sessions, u)
}

// tellForeign finds out whether what a search shows lacks the mark that goes out with its create: the ledger of a project, or what a
// provider calls Owned of a variable. Kinds without such a mark are told by having been absent before the intent.
func (w *worker) tellForeign(ctx context.Context, sessions map[string]slipway.Session, u *unit) error {
	u.foreign = false
	if u.effect.Op != slipway.OpCreate || !u.obs.Exists || u.spec.Known != nil || isLedger(u.spec) {
		return nil
	}
	if w.kinds[u.effect.Address.Kind()].Batch {
		u.foreign = !u.obs.Owned
		return nil
	}
	i := slices.IndexFunc(w.wanted.specs, func(s slipway.Spec) bool { return isLedger(s) && slices.Contains(s.Needs, u.effect.Address) })
	if i < 0 {
		return nil
	}
	ledger := w.wanted.specs[i]
	ledger.Parents = map[slipway.Kind]slipway.Receipt{u.effect.Address.Kind(): u.obs.Receipt}
	h, err := handler(sessions, ledger.Address)
	if err != nil {
		return err
	}
	obs, err := h.Observe(ctx, ledger)
	u.foreign = err == nil && !obs.Exists
	return withOp(err, "%s observe", ledger.Address)
}

func (w *worker) settle(kind slipway.Kind) slipway.Settle {
	switch {
	case w.Settle != nil:
		return *w.Settle
	case w.kinds[kind].Settle.Reads > 0:
		return w.kinds[kind].Settle
	}
	return slipway.DefaultSettle
}

// unit prepares an effect: its Spec with what is recorded of it and its parents.
func (w *worker) unit(ctx context.Context, key string) (*unit, error) {
	e := w.plan.Effect(key)
	if e == nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "no effect %s", key)
	}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return nil, err
	}
	u := &unit{effect: *e, step: w.step(key)}
	u.spec = w.specFor(e.Address, receipts)
	u.spec.Op = e.Op
	u.spec.Run = w.mark(e.Address.Kind(), w.id, w.run.Revision)
	if e.Op == slipway.OpDelete { // what is meant is what is recorded, whatever the manifest now says of it
		u.spec = slipway.Spec{
			Address: e.Address, Name: u.spec.Name, Needs: u.spec.Needs, App: u.spec.App, Known: u.spec.Known, Parents: u.spec.Parents,
		}
		return u, nil
	}
	u.spec.Params = maps.Clone(u.spec.Params)
	for name, of := range u.spec.IDs {
		if u.spec.Params[name] = e.Params[name]; e.Params[name] == nil { // made by this run
			u.spec.Params[name] = receipts[of].ID
		}
	}
	// What a replace has made is not what is recorded: that is what it replaces.
	if e.Op == slipway.OpReplace && u.step.State == slipway.StepIntended {
		u.spec.Known = nil
	}
	if u.step.Receipt != nil {
		u.spec.Known = u.step.Receipt
	}
	return u, nil
}

// mark is by what a run finds its own again: a later revision may make the same once more, and must not take that of an earlier one for its own.
func (w *worker) mark(kind slipway.Kind, run string, revision int) string {
	if !w.kinds[kind].Versioned || revision < 2 {
		return run
	}
	return fmt.Sprintf("%s.%d", run, revision)
}

// specFor completes the Spec of an address, declared or not, with the receipts.
func (w *worker) specFor(a slipway.Address, receipts map[slipway.Address]slipway.Receipt) slipway.Spec {
	s, declared := w.wanted.spec(a)
	s.Run, s.Planned, s.Parents = w.id, w.wanted.planned, map[slipway.Kind]slipway.Receipt{}
	if r, ok := receipts[a]; ok {
		if s.Known = &r; r.ID == "" { // a person did it, and nobody knows its id
			s.Known = nil
		}
		if !declared {
			s.Needs, s.Name = r.Needs, r.Name
		}
	}
	for _, need := range s.Needs {
		if r, ok := receipts[need]; ok {
			s.Parents[need.Kind()] = r
		}
	}
	return s
}

// observeUnit looks at u in the given pass. Sealed Specs get their input from what was really written.
func (w *worker) observeUnit(ctx context.Context, sessions map[string]slipway.Session, u *unit) (err error) {
	if u.handler, err = handler(sessions, u.effect.Address); err != nil {
		return err
	}
	if w.kinds[u.effect.Address.Kind()].Versioned && u.effect.Op != slipway.OpDelete {
		if err := w.sealUnit(ctx, sessions, u); err != nil {
			return err
		}
	}
	byHand := u.effect.Mode == slipway.ModeManual
	if w.kinds[u.effect.Address.Kind()].Versioned && u.step.Attempt == 0 && u.effect.Op != slipway.OpDelete && !byHand {
		u.obs = slipway.Observation{} // it is told from others by this run's id, and this run has asked for none yet
		return nil
	}
	obs, err := u.handler.Observe(ctx, u.spec)
	if err != nil {
		return withOp(err, "%s observe", u.effect.Address)
	}
	if known := u.spec.Known; known != nil && obs.Exists && known.Account != "" && known.Account != obs.Receipt.Account {
		return accountChanged(u.effect.Address, known.Account, obs.Receipt.Account)
	}
	obs.Receipt.Address, obs.Receipt.Needs = u.effect.Address, u.spec.Needs
	u.obs = obs
	if r := obs.Rollout; r != nil {
		if u.behind = nil; r.Queued {
			u.behind = r
		}
	}
	return nil
}

// sealUnit computes a deployment's input from the fingerprints of the values that its environment has now.
func (w *worker) sealUnit(ctx context.Context, sessions map[string]slipway.Session, u *unit) error {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	prints := map[slipway.Address]string{}
	for _, a := range u.spec.Seals {
		s, _ := w.wanted.spec(a)
		in := s.Inputs["value"]
		if w.unresolved(w.wanted, in) != "" {
			obs, err := w.lookAt(ctx, sessions, a, receipts)
			if err != nil {
				return err
			}
			s = w.wanted.asWritten(s, receipts[a])
			if prints[a], _ = s.Params["fingerprint"].(string); prints[a] == "" {
				prints[a] = carriedPrint(s, receipts[a], obs)
			}
			continue
		}
		v, err := w.value(ctx, sessions, in)
		if err != nil {
			return err
		}
		prints[a] = w.print(s, v)
	}
	u.spec = sealed(u.spec, prints)
	return nil
}

// lookAt observes what is at an address, where that can be looked at.
func (w *worker) lookAt(ctx context.Context, sessions map[string]slipway.Session, a slipway.Address, receipts map[slipway.Address]slipway.Receipt) (slipway.Observation, error) {
	if !w.wanted.visible(a.Kind()) {
		return slipway.Observation{}, nil
	}
	h, err := handler(sessions, a)
	if err != nil {
		return slipway.Observation{}, err
	}
	obs, err := h.Observe(ctx, w.specFor(a, receipts))
	return obs, withOp(err, "%s observe", a)
}

// value resolves one input in memory.
func (w *worker) value(ctx context.Context, sessions map[string]slipway.Session, in slipway.Input) (slipway.Secret, error) {
	if in.Ledger {
		return w.ledger(ctx)
	}
	if v, ok := w.given(w.wanted, in); ok {
		return v, nil
	}
	from, ok := w.wanted.server(in.From.Resource)
	if !ok {
		return slipway.Secret{}, slipway.Errorf(slipway.CodeInternal, "nothing serves %s", in.From)
	}
	values := w.wanted.values.get(from.Address)
	if values == nil {
		receipts, err := w.receipts(ctx, w.run.App)
		if err != nil {
			return slipway.Secret{}, err
		}
		from = w.specFor(from.Address, receipts)
		h, err := handler(sessions, from.Address)
		if err != nil {
			return slipway.Secret{}, err
		}
		obs, err := h.Observe(ctx, from)
		if err != nil {
			return slipway.Secret{}, withOp(err, "%s observe", from.Address)
		}
		if !obs.Exists {
			return slipway.Secret{}, slipway.Errorf(slipway.CodeVanished, "%s is gone", from.Address).WithHint("plan again with: slipway plan")
		}
		if values, err = w.outputs(ctx, w.wanted, sessions, from, obs); err != nil {
			return slipway.Secret{}, err
		}
	}
	v, ok := values[in.From.Output]
	if !ok {
		return v, slipway.Errorf(slipway.CodeMalformed, "%s gave no %s", from.Address, in.From.Output)
	}
	return v, nil
}

// ledger is what the ledger must say now: what is recorded, and what this plan is still to make.
func (w *worker) ledger(ctx context.Context) (slipway.Secret, error) {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return slipway.Secret{}, err
	}
	var intended []slipway.Address
	for _, e := range w.plan.Effects {
		makes := e.Op == slipway.OpCreate || e.Op == slipway.OpReplace
		if makes && w.kinds[e.Address.Kind()].Ledgered && w.step(e.Key).State != slipway.StepDone {
			intended = append(intended, e.Address)
		}
	}
	l := slipway.NewLedger(w.run.App, slipway.LedgerReceipts(w.kinds, receipts), intended)
	return slipway.NewSecret(l.Encode()), nil
}

// announced is what the ledger must say for u to be done: text; or what it says already, where u has told it, before this process began, of
// all that the plan is to make. Some of that may be made and recorded by now, which is told when all of it is.
func (w *worker) announced(u *unit, text string) string {
	told, _ := u.obs.Fields["value"].(string)
	l, err := slipway.DecodeLedger(told)
	if !u.search || !slipway.Announces(u.effect) || err != nil || l.App != w.run.App {
		return text
	}
	for _, e := range w.plan.Effects {
		makes := e.Op == slipway.OpCreate || e.Op == slipway.OpReplace
		if makes && w.kinds[e.Address.Kind()].Ledgered && !slices.Contains(l.Intended, e.Address) {
			return text
		}
	}
	return told
}

// reply takes the receipt of a call that succeeded.
func (u *unit) reply(r slipway.Receipt) {
	if u.err != nil {
		return
	}
	r.Address, r.Needs = u.effect.Address, u.spec.Needs
	r.Origin = slipway.OriginCreated
	if u.effect.Op == slipway.OpAdopt {
		r.Origin = slipway.OriginAdopted
	} else if u.spec.Known != nil && u.spec.Known.Origin != "" && u.effect.Op != slipway.OpReplace {
		r.Origin = u.spec.Known.Origin
	}
	u.obs.Receipt, u.obs.Exists = r, true
}
