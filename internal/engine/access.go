package engine

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/slipway-dev/slipway"
)

// lookError is why a kind could not be looked at.
type lookError struct {
	kind slipway.Kind
	error
}

func (e lookError) Unwrap() error { return e.error }

// visible reports whether a kind can be looked at: its provider is open, and its credential is good enough for that.
func (w *wanted) visible(kind slipway.Kind) bool {
	return w.sessions[kind.Provider()] != nil && w.access().Readable(kind)
}

// unseen is the observation of what nothing here can look at: what is recorded.
func unseen(r slipway.Receipt, recorded bool) slipway.Observation {
	return slipway.Observation{Unseen: true, Exists: recorded, Receipt: r}
}

// missing is what speaks against a provider that has no credential.
func missing(provider string, err error) slipway.Capability {
	c := slipway.Capability{
		Provider: provider, Name: "credential", State: slipway.CapabilityMissing, Cause: slipway.CauseMissing, Reason: err.Error(), Hint: hintOf(err),
	}
	if e := (*slipway.Error)(nil); errors.As(err, &e) {
		c.Reason = e.Message
	}
	return c
}

// learn asks the provider whose answer was err what its credential is good for. It reports whether that tells why err came, so that the
// look can be done again without what cannot be looked at.
func (e *Engine) learn(ctx context.Context, w *wanted, err error) bool {
	at := lookError{}
	if !errors.As(err, &at) || ctx.Err() != nil || !w.visible(at.kind) {
		return false
	}
	switch slipway.ErrorCode(err) {
	case slipway.CodeUnauthorized, slipway.CodeForbidden, slipway.CodeRefused, slipway.CodeNotFound, slipway.CodeRateLimited, slipway.CodeUnavailable:
	default:
		return false
	}
	w.note(e.ask(ctx, w, at.kind.Provider())...)
	if w.visible(at.kind) {
		return false
	}
	if c, _ := w.access().Find(at.kind, ""); w.stopped == nil && w.access().Blocks(at.kind) {
		w.stopped = withHint(at.error, c.Hint)
	}
	return true
}

// withHint gives err a hint where it has none.
func withHint(err error, hint string) error {
	if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Hint == "" {
		e.Hint = hint
	}
	return err
}

// ask asks an open provider what its credential is good for, and returns what speaks against it.
func (e *Engine) ask(ctx context.Context, w *wanted, provider string) []slipway.Capability {
	w.asked.Store(provider, true)
	p, ok := w.sessions[provider].(slipway.Prober)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(p.Probe(ctx), func(c slipway.Capability) bool { return c.Cause == slipway.CauseNone })
}

// askAhead asks the providers named what their credentials are good for, before anything is changed. It reports whether there is news.
func (e *Engine) askAhead(ctx context.Context, w *wanted, providers []string) bool {
	before := len(w.access())
	w.noteAhead(e.askAll(ctx, w, providers))
	return len(w.access()) > before
}

// noteAhead notes what findings leave to a person. What would only block is left to the calls themselves: they may come when it is over.
func (w *wanted) noteAhead(found []slipway.Capability) {
	for _, c := range found {
		if !c.Cause.Blocks() {
			w.note(c)
		}
	}
}

// askAll asks those of the providers named that were not asked yet, at once.
func (e *Engine) askAll(ctx context.Context, w *wanted, providers []string) []slipway.Capability {
	found := make([][]slipway.Capability, len(providers))
	var group sync.WaitGroup
	for i, name := range providers {
		if _, asked := w.asked.Load(name); !asked {
			group.Go(func() { found[i] = e.ask(ctx, w, name) })
		}
	}
	group.Wait()
	return slices.Concat(found...)
}

// changing are the providers at which Slipway itself is to change something.
func changing(p *slipway.Plan) []string {
	var out []string
	for _, e := range p.Effects {
		if name := e.Address.Kind().Provider(); e.Mode == slipway.ModeAutomated && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// note adds findings that are not known yet.
func (w *wanted) note(found ...slipway.Capability) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range found {
		if !slices.ContainsFunc(w.found, func(o slipway.Capability) bool {
			return o.Provider == c.Provider && o.Kind == c.Kind && o.Op == c.Op && o.Cause == c.Cause
		}) {
			w.found = append(w.found, c)
		}
	}
}

// unresolved says why the value of an input cannot be read here, "" when it can.
func (e *Engine) unresolved(w *wanted, in slipway.Input) string {
	switch {
	case in.Secret != "":
		if _, ok := e.secret(in.Secret); !ok {
			return "its value is " + in.Secret + ", which the environment does not set"
		}
	case in.From != nil:
		from, ok := w.server(in.From.Resource)
		if !ok || w.visible(from.Address.Kind()) {
			return ""
		}
		if _, ok := e.secret(slipway.OutputVariable(*in.From)); !ok {
			c, _ := w.access().Find(from.Address.Kind(), "")
			return "its value is " + in.From.String() + ", which Slipway cannot read: " + c.Reason
		}
	}
	return ""
}

// carried returns s without what only the writer of its value can know: a person carries it.
func carried(s slipway.Spec) slipway.Spec {
	params := map[string]any{}
	for name, v := range s.Params {
		if name != "fingerprint" && name != "written" {
			params[name] = v
		}
	}
	s.Params = params
	return s
}

// carriedPrint stands for the fingerprint of a value that cannot be read here: the one that Slipway has written with it, from a value that was
// handed over then, else one that changes when another declaration is made true by hand. "" while neither was.
func carriedPrint(s slipway.Spec, r slipway.Receipt, obs slipway.Observation) string {
	if fp, _ := obs.Fields["fingerprint"].(string); fp != "" && !r.ByHand && r.ID == obs.Receipt.ID {
		return fp
	}
	if r.Declared != "" && r.Declared == slipway.DeclaredDigest(s) {
		return "carried:" + r.Declared
	}
	return ""
}

// handed are the outputs of a manifest resource that the environment gives.
func (e *Engine) handed(resource string, names []string) map[string]slipway.Secret {
	out := map[string]slipway.Secret{}
	for _, name := range names {
		if v, ok := e.secret(slipway.OutputVariable(slipway.OutputRef{Resource: resource, Output: name})); ok {
			out[name] = v
		}
	}
	return out
}

// refused notes that a provider has refused an effect to this credential: a person who may do it can. It reports whether u was. Where the
// provider can tell why, that counts; else the refusal itself does.
func (w *worker) refused(ctx context.Context, u *unit) bool {
	e, kind := (*slipway.Error)(nil), u.effect.Address.Kind()
	if !errors.As(u.err, &e) || e.Code != slipway.CodeForbidden || u.sent || !u.tried {
		return false
	}
	why := w.ask(ctx, w.wanted, kind.Provider())
	w.wanted.note(why...)
	if mode, _ := w.wanted.access().Mode(w.kinds[kind], u.effect.Op); mode != slipway.ModeAutomated {
		return true
	}
	w.wanted.note(slipway.Capability{
		Provider: kind.Provider(), Name: string(u.effect.Op) + " " + string(kind), Kind: kind, Op: u.effect.Op,
		State: slipway.CapabilityInsufficient, Cause: slipway.CauseForbidden, Reason: w.Redact("the credential may not: " + e.Message),
		Evidence: string(e.Code), Hint: e.Hint, Credential: w.credential(kind.Provider()),
	})
	return true
}

// credential is a keyed fingerprint of a provider's secret settings.
func (e *Engine) credential(provider string) string {
	for _, p := range e.Providers {
		if p.Info().Name != provider {
			continue
		}
		for _, s := range p.Info().Settings {
			if v, ok := e.Settings(s.Env); ok && s.Secret {
				return e.Fingerprints.ID() + ":" + e.Fingerprints.Fingerprint("credential:"+s.Env, v)
			}
		}
	}
	return ""
}

// otherModes reports whether the run is to be planned anew before anything else: it has no plan, or what its credentials are good for has
// changed the mode of an effect that is still to be done, or whether what a person does can be looked at.
func (w *worker) otherModes(ctx context.Context) (bool, error) {
	if w.run.Revision == 0 {
		_ = w.takeAnew(w.id)
		return true, nil
	}
	if err := w.loadPlan(ctx); err != nil {
		return false, err
	}
	if err := w.recall(ctx, w.takeAnew(w.id)); err != nil {
		return false, err
	}
	for _, e := range w.plan.Effects {
		spec, _ := w.wanted.spec(e.Address)
		mode, _, _ := slipway.EffectMode(w.wanted.access(), w.kinds[e.Address.Kind()], e, w.unresolved(w.wanted, spec.Inputs["value"]))
		seen := w.plan.Access.Readable(e.Address.Kind()) == w.wanted.access().Readable(e.Address.Kind())
		if w.step(e.Key).State != slipway.StepDone && (mode != e.Mode || mode == slipway.ModeManual && !seen) {
			return true, nil
		}
	}
	return false, nil
}

// recall finds out again what the plan's findings were about. A refusal that nothing but the refused request tells is kept for as long as
// the credential is the same. Where anew says that the run was asked for again, and no person has begun with its manual steps, the request is
// worth another try.
func (w *worker) recall(ctx context.Context, anew bool) error {
	begun, err := w.begun(ctx)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, c := range w.plan.Access {
		switch {
		case w.wanted.sessions[c.Provider] == nil:
		case c.Cause == slipway.CauseForbidden && c.Credential != "":
			if (begun || !anew) && c.Credential == w.credential(c.Provider) {
				w.wanted.note(c)
			}
		case !asked[c.Provider]:
			asked[c.Provider] = true
			w.wanted.note(w.ask(ctx, w.wanted, c.Provider)...)
		}
	}
	return ctx.Err()
}

// begun reports whether somebody has taken or looked at a manual step of the run.
func (w *worker) begun(ctx context.Context) (begun bool, err error) {
	err = w.Store.Read(ctx, func(tx slipway.Tx) error {
		for revision := 1; revision <= w.run.Revision && !begun; revision++ {
			steps, err := tx.Steps(w.id, revision)
			if err != nil {
				return err
			}
			begun = slices.ContainsFunc(steps, func(s slipway.Step) bool { return s.Taken != nil || s.Evidence != nil })
		}
		return nil
	})
	return begun, err
}

// blocked is why a run cannot go on before something is mended.
func (w *worker) blocked() error {
	if w.wanted.stopped != nil {
		return w.wanted.stopped
	}
	for _, e := range w.plan.Effects {
		if e.Mode != slipway.ModeBlocked || w.step(e.Key).State == slipway.StepDone {
			continue
		}
		c, _ := w.wanted.access().Find(e.Address.Kind(), e.Op)
		return slipway.Errorf(blockedCodes[c.Cause], "%s: %s", e.Key, c.Reason).WithHint("%s; then: slipway resume %s", c.Hint, w.id)
	}
	return slipway.Errorf(slipway.CodeInternal, "nothing can go on, and nothing says why")
}

// blockedCodes is the error code of each cause that blocks.
var blockedCodes = map[slipway.Cause]slipway.Code{
	slipway.CauseInvalid: slipway.CodeUnauthorized, slipway.CauseExpired: slipway.CodeUnauthorized,
	slipway.CauseWrongTeam: slipway.CodeForbidden, slipway.CauseOrganisation: slipway.CodeRefused,
	slipway.CauseRateLimited: slipway.CodeRateLimited, slipway.CauseUnreachable: slipway.CodeUnavailable,
}
