package engine

import (
	"context"
	"errors"
	"slices"

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
	return w.sessions[kind.Provider()] != nil && w.access.Readable(kind)
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
	w.note(e.probe(ctx, w, at.kind.Provider())...)
	if w.visible(at.kind) {
		return false
	}
	if c, _ := w.access.Find(at.kind, ""); w.stopped == nil && w.access.Blocks(at.kind) {
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

// probe asks an open provider what its credential is good for, and returns what speaks against it.
func (e *Engine) probe(ctx context.Context, w *wanted, provider string) []slipway.Capability {
	p, ok := w.sessions[provider].(slipway.Prober)
	if !ok {
		return nil
	}
	return slices.DeleteFunc(p.Probe(ctx), func(c slipway.Capability) bool { return c.Cause == slipway.CauseNone })
}

// note adds findings that are not known yet.
func (w *wanted) note(found ...slipway.Capability) {
	for _, c := range found {
		if !slices.ContainsFunc(w.access, func(o slipway.Capability) bool { return o.Provider == c.Provider && o.Kind == c.Kind && o.Op == c.Op && o.Cause == c.Cause }) {
			w.access = append(w.access, c)
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
			c, _ := w.access.Find(from.Address.Kind(), "")
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

// carriedPrint stands for the fingerprint of a value that a person carried: it changes when another declaration is made true by hand. ""
// while none was.
func carriedPrint(s slipway.Spec, receipts map[slipway.Address]slipway.Receipt) string {
	if r, ok := receipts[s.Address]; ok && r.Declared == slipway.DeclaredDigest(s) {
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
