package slipway

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// CauseInfo is one way in which a provider's credential can fall short, as data: findings, doctor and docs/capabilities.md are made from
// it.
type CauseInfo struct {
	Cause  Cause
	Kind   Kind   // that it is about alone; "" for all of the provider's
	Sign   string // how it is found: the call, and the answer that tells
	Reason string // begins lower case, has no final stop, and can stand after "by hand because"
	Hint   string // the next thing to try
}

// CauseOf tells what the error of a provider's call says of the credential: Error.Refusal where the provider says it, else what the code
// stands for. CauseNone where it says nothing of it, as for a conflict.
func CauseOf(err error) Cause {
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return CauseNone
	}
	if e.Refusal != CauseNone {
		return e.Refusal
	}
	switch e.Code {
	case CodeCredential:
		return CauseMissing
	case CodeUnauthorized:
		return CauseInvalid
	case CodeForbidden:
		return CauseForbidden
	case CodeRateLimited:
		return CauseRateLimited
	case CodeUnavailable, CodeMalformed:
		return CauseUnreachable
	}
	return CauseNone
}

// Transient reports whether a cause passes without anybody's doing.
func (c Cause) Transient() bool { return c == CauseRateLimited || c == CauseUnreachable }

// Says returns the provider's words for a cause, else words that hold for any provider.
func (p ProviderInfo) Says(cause Cause) CauseInfo {
	out := p.generally(cause)
	out.Cause = cause
	if i := slices.IndexFunc(p.Causes, func(c CauseInfo) bool { return c.Cause == cause }); i >= 0 {
		own := p.Causes[i]
		out = CauseInfo{cause, own.Kind, cmp.Or(own.Sign, out.Sign), cmp.Or(own.Reason, out.Reason), cmp.Or(own.Hint, out.Hint)}
	}
	return out
}

// Knows reports whether a credential of this provider can fall short in that way.
func (p ProviderInfo) Knows(cause Cause) bool { return p.Says(cause).Sign != "" }

func (p ProviderInfo) generally(cause Cause) CauseInfo {
	var names []string
	for _, s := range p.Settings {
		if s.Required || s.Secret {
			names = append(names, s.Env)
		}
	}
	credential := strings.Join(names, " and ")
	switch cause {
	case CauseNone:
		return CauseInfo{Sign: "none of the calls is refused"}
	case CauseMissing:
		return CauseInfo{Sign: credential + ": not set", Reason: "no credential for " + p.Title + " is set", Hint: "set " + credential}
	case CauseInvalid:
		return CauseInfo{Reason: p.Title + " does not accept " + credential, Hint: "set " + credential + " to one that is valid"}
	case CauseExpired:
		return CauseInfo{Reason: credential + " has expired", Hint: "make a new one and set " + credential}
	case CauseForbidden:
		return CauseInfo{
			Sign: "the operation itself: 403, and nothing says why", Reason: p.Title + " refuses it to " + credential, Hint: "use a credential that may do it",
		}
	case CauseRateLimited:
		return CauseInfo{Sign: "any call: 429", Reason: p.Title + " says that there were too many calls", Hint: "wait, then try again"}
	case CauseUnreachable:
		return CauseInfo{
			Sign:   "any call: no connection, 5xx, or an answer that no API gives",
			Reason: p.Title + " gave no answer that tells", Hint: "see whether the network and the base URL are right, then try again",
		}
	}
	return CauseInfo{Reason: p.Title + " does not let " + credential + " do it", Hint: "use a credential that may do it"}
}

// Against returns c as it stands when cause holds, in the provider's words where c has none of its own.
func (p ProviderInfo) Against(c Capability, cause Cause) Capability {
	said := p.Says(cause)
	c.Provider, c.Cause, c.State = p.Name, cause, cause.State()
	c.Kind = cmp.Or(c.Kind, said.Kind)
	c.Reason, c.Hint = cmp.Or(c.Reason, said.Reason), cmp.Or(c.Hint, said.Hint)
	return c
}
