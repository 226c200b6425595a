package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// maxRounds bounds how often a group is sent again after replies that were lost or put off.
const maxRounds = 8

// unit is one effect under way.
type unit struct {
	effect  slipway.Effect
	spec    slipway.Spec
	handler slipway.Handler
	obs     slipway.Observation
	step    slipway.Step
	search  bool  // a request may have been sent: look for its result before anything is sent again
	sent    bool  // it is done, or this process has sent it and knows the reply
	replied bool  // this process has the reply to its request
	late    error // why it is sent again
	waiting bool  // it was told that it is waited for
	err     error
}

// ensure makes a group of effects true: look, check the basis, intend, send, look again. More than one only for a batch.
func (w *worker) ensure(ctx context.Context, keys []string) error {
	var units []*unit
	for _, k := range keys {
		u, err := w.unit(ctx, k)
		if err != nil {
			return err
		}
		u.search = u.step.State == slipway.StepIntended
		units = append(units, u)
	}
	for round := 0; ; round++ {
		wait, err := w.round(ctx, units)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(slices.Clone(units), func(u *unit) bool { return u.sent || u.err != nil })
		if len(open) == 0 {
			break
		}
		if round == maxRounds {
			for _, u := range open {
				e := slipway.Errorf(slipway.CodeUnavailable, "%s gave no usable answer after %d tries", u.effect.Address, round+1).
					WithHint("resume the run when the provider works again: slipway resume %s", w.id)
				e.Cause = u.late
				u.err = e
			}
			break
		}
		if err := w.tellAgain(ctx, open); err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	units, err := w.echoed(ctx, units)
	if err != nil {
		return err
	}
	for _, u := range units {
		if u.err == nil {
			if err := w.settleDown(ctx, u); err != nil {
				return err
			}
		}
		if u.err != nil {
			if err := w.failStep(ctx, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// echoed commits, together, the units whose reply showed all that a second look would, and returns the others.
func (w *worker) echoed(ctx context.Context, units []*unit) (rest []*unit, err error) {
	var done []*unit
	for _, u := range units {
		if u.err == nil && u.replied && u.effect.Op != slipway.OpDelete && w.kinds[u.effect.Address.Kind()].Echo {
			u.obs.Fields = u.spec.Params
			done = append(done, u)
		} else {
			rest = append(rest, u)
		}
	}
	if len(done) == 0 {
		return rest, nil
	}
	return rest, w.done(ctx, done...)
}

// round looks at every open unit and sends what is to be sent. What comes back is only what ends the work; a unit's own error is in it.
// wait is how long the next round is put off.
func (w *worker) round(ctx context.Context, units []*unit) (wait time.Duration, err error) {
	sessions := w.passes.current(w.wanted)
	var send []*unit
	for _, u := range units {
		if u.sent || u.err != nil {
			continue
		}
		if err := w.lookFor(ctx, &sessions, u); err != nil {
			if u.err = err; ctx.Err() != nil {
				return 0, ctx.Err()
			}
			wait = max(wait, w.putOff(u))
			continue
		}
		if u.search { // only its values tell whether a lost write arrived
			if err := w.resolve(ctx, sessions, []*unit{u}); err != nil {
				return 0, err
			}
			if u.err != nil {
				wait = max(wait, w.putOff(u))
				continue
			}
		}
		done, err := w.compare(ctx, u)
		if err != nil {
			return 0, err
		}
		if done {
			u.sent = true
			continue
		}
		if u.err == nil {
			send = append(send, u)
		}
	}
	if len(send) == 0 {
		return wait, nil
	}
	if err := w.resolve(ctx, sessions, send); err != nil {
		return 0, err
	}
	send = slices.DeleteFunc(send, func(u *unit) bool {
		failed := u.err != nil
		wait = max(wait, w.putOff(u))
		return failed
	})
	if len(send) == 0 {
		return wait, nil
	}
	if err := w.intend(ctx, send); err != nil {
		return 0, err
	}
	w.send(ctx, send)
	w.passes.changed(send[0].effect.Address.Kind().Provider())
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, u := range send {
		if u.err != nil {
			wait = max(wait, w.putOff(u))
			continue
		}
		if err := w.received(ctx, u); err != nil {
			return 0, err
		}
	}
	return wait, nil
}

// lookFor observes u; where a create may have been sent and is not seen yet, it looks again until the kind has settled.
func (w *worker) lookFor(ctx context.Context, sessions *map[string]slipway.Session, u *unit) error {
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
	return nil
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

// specFor completes the Spec of an address, declared or not, with the receipts.
func (w *worker) specFor(a slipway.Address, receipts map[slipway.Address]slipway.Receipt) slipway.Spec {
	s, declared := w.wanted.spec(a)
	s.Run, s.Parents = w.id, map[slipway.Kind]slipway.Receipt{}
	if r, ok := receipts[a]; ok {
		s.Known = &r
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
	if w.kinds[u.effect.Address.Kind()].Versioned && u.step.Attempt == 0 && u.effect.Op != slipway.OpDelete {
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
	return nil
}

// sealUnit computes a deployment's input from the fingerprints of the values that its environment has now.
func (w *worker) sealUnit(ctx context.Context, sessions map[string]slipway.Session, u *unit) error {
	prints := map[slipway.Address]string{}
	for _, a := range u.spec.Seals {
		s, _ := w.wanted.spec(a)
		in := s.Inputs["value"]
		v, err := w.value(ctx, sessions, in)
		if err != nil {
			return err
		}
		prints[a] = w.print(s, v)
	}
	u.spec = sealed(u.spec, prints)
	return nil
}

// value resolves one input in memory.
func (w *worker) value(ctx context.Context, sessions map[string]slipway.Session, in slipway.Input) (slipway.Secret, error) {
	if in.Ledger {
		return w.ledger(ctx)
	}
	if in.From == nil {
		return w.literal(in), nil
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

// compare tells whether u is already as it should be, and stops the work when what is seen is not what was approved.
func (w *worker) compare(ctx context.Context, u *unit) (done bool, err error) {
	if len(u.obs.Namesakes) > 1 {
		u.err = slipway.Errorf(slipway.CodeAmbiguous, "%s: %d have its name, and nothing says which is this run's", u.effect.Address, len(u.obs.Namesakes)).
			WithHint("delete or rename all but one of them, then: slipway resume %s", w.id)
		return false, nil
	}
	if u.search {
		return w.found(u), nil
	}
	expected := u.effect.Basis
	if b := w.ownOutcome(u.effect); b != nil {
		expected = b
	}
	if w.planted(u) {
		expected = w.basis(u)
	}
	if now := w.basis(u); !slipway.EqualBasis(expected, now) {
		return false, w.tellVoid(ctx, u, expected, now)
	}
	return u.effect.Op == slipway.OpAdopt && w.satisfied(u), nil
}

// basis is what the plan's diff would read now. Params that only this run knows were null in the plan, and are observed all the same. A
// delete looks at nothing but the thing itself.
func (w *worker) basis(u *unit) map[string]any {
	if u.effect.Op == slipway.OpDelete {
		return slipway.Basis(slipway.Spec{}, u.obs)
	}
	return slipway.Basis(u.spec, u.obs)
}

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
			if w.step(string(need)+"#"+string(op)).State == slipway.StepDone {
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
	case slipway.OpPromote: // a move that is under way already is refused a second time
		return u.obs.Exists && u.obs.Pending || w.satisfied(u)
	}
	return w.satisfied(u)
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

// resolve gets the values that are about to be written, in memory, and their fingerprints.
func (w *worker) resolve(ctx context.Context, sessions map[string]slipway.Session, units []*unit) error {
	for _, u := range units {
		if u.effect.Op == slipway.OpDelete {
			continue
		}
		u.spec.Values = map[string]slipway.Secret{}
		for name, in := range u.spec.Inputs {
			v, err := w.value(ctx, sessions, in)
			if err != nil {
				u.err = err
				break
			}
			u.spec.Values[name] = v
			if _, has := u.spec.Params["fingerprint"]; has && name == "value" {
				u.spec.Params["fingerprint"] = w.print(u.spec, v)
			}
			if in.Ledger && !in.CreateOnly {
				u.spec.Params["value"] = v.Reveal()
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// intend commits, before anything is sent, that it is about to be.
func (w *worker) intend(ctx context.Context, units []*unit) error {
	steps := make([]slipway.Step, len(units))
	err := w.commit(ctx, func(tx slipway.Tx) error {
		for i, u := range units {
			if err := w.consume(tx, u.effect.Gate); err != nil {
				return err
			}
			s := u.step
			s.Attempt++
			s.IntentAt, s.Error, s.Unknown = w.Now(), nil, false
			var err error
			if steps[i], err = w.save(tx, s, slipway.StepIntended); err != nil {
				return err
			}
			data := map[string]any{"op": string(u.effect.Op), "address": string(u.effect.Address), "attempt": s.Attempt}
			if err := w.event(tx, w.id, slipway.EventStepIntended, u.effect.Key, data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, u := range units {
		u.step = steps[i]
		w.wanted.values.forget(u.effect.Address)
	}
	w.remember(steps...)
	return nil
}

// send makes the call: one for a batch, one for a single effect. The reply, or the error, is in the units.
func (w *worker) send(ctx context.Context, units []*unit) {
	batcher, ok := units[0].handler.(slipway.Batcher)
	if !ok || units[0].effect.Op == slipway.OpDelete {
		u := units[0]
		var r slipway.Receipt
		r, u.err = w.call(ctx, u)
		u.reply(r)
		return
	}
	specs := make([]slipway.Spec, len(units))
	for i, u := range units {
		specs[i] = u.spec
	}
	results, err := batcher.Batch(ctx, specs)
	for i, u := range units {
		if u.err = err; err == nil {
			u.err = results[i].Err
			u.reply(results[i].Receipt)
		}
		u.err = withOp(u.err, "%s %s", u.effect.Address, u.effect.Op)
	}
}

func (w *worker) call(ctx context.Context, u *unit) (r slipway.Receipt, err error) {
	switch {
	case u.effect.Op == slipway.OpDelete:
		err = u.handler.Delete(ctx, u.obs.Receipt)
		r = u.obs.Receipt
	case u.effect.Op == slipway.OpReplace:
		r, err = w.replace(ctx, u)
	case u.obs.Exists && u.effect.Op != slipway.OpDeploy:
		r, err = u.handler.Update(ctx, u.spec, u.obs)
	default:
		r, err = u.handler.Create(ctx, u.spec)
	}
	return r, withOp(err, "%s %s", u.effect.Address, u.effect.Op)
}

// replace deletes what the plan saw, where it is still there, and makes it anew. A kill between the two leaves nothing by that name, and
// the next look says so.
func (w *worker) replace(ctx context.Context, u *unit) (slipway.Receipt, error) {
	if u.obs.Exists {
		if err := u.handler.Delete(ctx, u.obs.Receipt); err != nil {
			return slipway.Receipt{}, err
		}
	}
	u.spec.Known = nil
	return u.handler.Create(ctx, u.spec)
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

// putOff decides what becomes of a unit's error: sent again later, looked for first, or final. It returns how long to wait.
func (w *worker) putOff(u *unit) time.Duration {
	var e *slipway.Error
	if !errors.As(u.err, &e) || e.Retry == slipway.RetryNever {
		return 0
	}
	wait := time.Second
	if e.Retry == slipway.RetryAmbiguous {
		u.search = true
		wait = 0
	} else if e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	u.late, u.err = u.err, nil
	return wait
}

// tellAgain says that units are looked for or sent again, and why.
func (w *worker) tellAgain(ctx context.Context, units []*unit) error {
	return w.commit(ctx, func(tx slipway.Tx) error {
		for _, u := range units {
			if u.late == nil {
				continue
			}
			data := map[string]any{"code": string(slipway.ErrorCode(u.late)), "error": w.Redact(u.late.Error())}
			if err := w.event(tx, w.id, slipway.EventStepRetry, u.effect.Key, data); err != nil {
				return err
			}
		}
		return nil
	})
}

// received commits the outcome of a call: the receipt is safe before anything else happens. A delete strikes the receipt.
func (w *worker) received(ctx context.Context, u *unit) error {
	step := u.step
	err := w.commit(ctx, func(tx slipway.Tx) (err error) {
		if u.effect.Op == slipway.OpDelete {
			return nil
		}
		r := u.obs.Receipt
		step.Receipt = &r
		if step, err = w.save(tx, step, slipway.StepIntended); err != nil {
			return err
		}
		return tx.SaveReceipt(w.run.App, r)
	})
	if err != nil {
		return err
	}
	if u.step = step; step.Receipt != nil {
		u.spec.Known = step.Receipt
	}
	u.sent, u.replied = true, true
	w.remember(step)
	select {
	case w.made <- struct{}{}:
	default:
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
