package slipway

import (
	"context"
	"slices"
)

// Prober is a Session that can say what its credential is good for. Probing changes nothing outside.
type Prober interface {
	Probe(ctx context.Context) []Capability
}

// CapabilityState is what a credential can really do.
type CapabilityState string

const (
	CapabilityReady        CapabilityState = "ready"
	CapabilityMissing      CapabilityState = "missing"      // it is not set
	CapabilityInvalid      CapabilityState = "invalid"      // the provider does not accept it
	CapabilityInsufficient CapabilityState = "insufficient" // it is accepted, and may not do this
	CapabilityUnsupported  CapabilityState = "unsupported"  // the provider's API does not serve this account
	CapabilityUnreachable  CapabilityState = "unreachable"  // the provider gave no answer that tells
)

// Cause says why a credential is not ready. Causes are stable: tables, scripts and docs/capabilities.md rely on them.
type Cause string

const (
	CauseNone            Cause = ""
	CauseMissing         Cause = "missing"
	CauseInvalid         Cause = "invalid"
	CauseExpired         Cause = "expired"
	CauseWrongTeam       Cause = "wrong_team"
	CauseOrganisation    Cause = "organisation_required"
	CauseReadOnly        Cause = "read_only"
	CauseProjectScoped   Cause = "project_scoped"
	CauseForbidden       Cause = "forbidden" // this one operation was refused, and nothing says why
	CauseAccountRefused  Cause = "account_refused"
	CauseAppNotInstalled Cause = "app_not_installed"
	CauseRateLimited     Cause = "rate_limited"
	CauseUnreachable     Cause = "unreachable"
)

// Causes are all of them, none first.
var Causes = []Cause{
	CauseNone, CauseMissing, CauseInvalid, CauseExpired, CauseWrongTeam, CauseOrganisation, CauseReadOnly, CauseProjectScoped, CauseForbidden,
	CauseAccountRefused, CauseAppNotInstalled, CauseRateLimited, CauseUnreachable,
}

// State is the state that a cause belongs to.
func (c Cause) State() CapabilityState {
	switch c {
	case CauseNone:
		return CapabilityReady
	case CauseMissing:
		return CapabilityMissing
	case CauseInvalid, CauseExpired:
		return CapabilityInvalid
	case CauseAccountRefused:
		return CapabilityUnsupported
	case CauseRateLimited, CauseUnreachable:
		return CapabilityUnreachable
	default:
		return CapabilityInsufficient
	}
}

// Blocks reports whether c is something to be mended, and not a reason to do the work by hand.
func (c Cause) Blocks() bool { return outcomes[c].inner == ModeBlocked }

// Capability is one finding about a credential.
type Capability struct {
	Provider string          `json:"provider"`
	Name     string          `json:"name"`           // what was probed, such as "projects"
	Kind     Kind            `json:"kind,omitempty"` // the kind that it is about; "" for all of the provider's
	Op       Op              `json:"op,omitempty"`   // the effect that it is about; "" for all
	State    CapabilityState `json:"state"`
	Cause    Cause           `json:"cause,omitempty"`
	Account  string          `json:"account,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Evidence string          `json:"evidence,omitempty"` // method, path, status and code of the probe, redacted
	Hint     string          `json:"hint,omitempty"`
	// Environment is the one that it is about; "" for all.
	Environment string `json:"environment,omitempty"`
	Expires     string `json:"expires,omitempty"` // when the credential ends, RFC 3339, where the provider tells
	// Credential is a keyed fingerprint of the credential that was refused: another one may do what this one may not.
	Credential string `json:"credential,omitempty"`
}

// Mode is who makes a resource or an effect true.
type Mode string

const (
	ModeAutomated Mode = ""         // Slipway does it
	ModeAssisted  Mode = "assisted" // it exists: Slipway checks it and wires it
	ModeManual    Mode = "manual"   // a person does it, Slipway checks
	ModeBlocked   Mode = "blocked"  // nobody can do it before something is mended
	ModeSkipped   Mode = "skipped"  // it is left out: nothing depends on it
)

// Access is what the credentials of a run are good for. What it does not mention is ready.
type Access []Capability

// Find returns what speaks against an operation on a kind; op "" is looking. The finding that is closest to the operation wins.
func (a Access) Find(kind Kind, op Op) (Capability, bool) {
	best, rank := Capability{}, -1
	for _, c := range a {
		r := 0
		switch {
		case c.Cause == CauseNone || c.Provider != kind.Provider() || c.Kind != "" && c.Kind != kind || c.Op != "" && c.Op != op:
			continue
		case c.Op != "":
			r = 2
		case c.Kind != "":
			r = 1
		}
		if r > rank {
			best, rank = c, r
		}
	}
	return best, rank >= 0
}

// In returns what counts in an environment.
func (a Access) In(environment string) Access {
	return slices.DeleteFunc(slices.Clone(a), func(c Capability) bool { return c.Environment != "" && c.Environment != environment })
}

// Readable reports whether resources of a kind can be looked at.
func (a Access) Readable(kind Kind) bool {
	c, bad := a.Find(kind, "")
	return !bad || outcomes[c.Cause].reads
}

// Blocks reports whether what speaks against looking at a kind is something to be mended, and not a reason to do it by hand.
func (a Access) Blocks(kind Kind) bool {
	c, bad := a.Find(kind, "")
	return bad && c.Cause.Blocks()
}

// Mode returns who makes an effect true, and what speaks against Slipway's doing it.
func (a Access) Mode(kind KindInfo, op Op) (Mode, Capability) {
	c, bad := a.Find(kind.Kind, op)
	switch {
	case !bad:
		return ModeAutomated, c
	case kind.Root && op != OpUpdate:
		return outcomes[c.Cause].root, c
	}
	return outcomes[c.Cause].inner, c
}

// outcome is what a cause means: whether resources can be looked at, who makes and deletes what is made in the account itself (root),
// and who does all else (inner).
type outcome struct {
	reads       bool
	root, inner Mode
}

// outcomes is the one table from a cause to what it means. A credential that is set and broken blocks, because to do the work by hand is
// hardly what was meant; one that is not there or may not do it makes the work manual.
var outcomes = map[Cause]outcome{
	CauseNone:            {true, ModeAutomated, ModeAutomated},
	CauseMissing:         {false, ModeManual, ModeManual},
	CauseInvalid:         {false, ModeBlocked, ModeBlocked},
	CauseExpired:         {false, ModeBlocked, ModeBlocked},
	CauseWrongTeam:       {false, ModeBlocked, ModeBlocked},
	CauseOrganisation:    {false, ModeBlocked, ModeBlocked},
	CauseReadOnly:        {true, ModeManual, ModeManual},
	CauseProjectScoped:   {true, ModeManual, ModeAutomated},
	CauseForbidden:       {true, ModeManual, ModeManual},
	CauseAccountRefused:  {false, ModeManual, ModeManual},
	CauseAppNotInstalled: {true, ModeManual, ModeManual},
	CauseRateLimited:     {false, ModeBlocked, ModeBlocked},
	CauseUnreachable:     {false, ModeBlocked, ModeBlocked},
}
