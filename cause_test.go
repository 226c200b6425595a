package slipway

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCauseOf(t *testing.T) {
	tests := map[string]struct {
		reason string
		err    error
		want   Cause
	}{
		"none":         {"no error speaks against nothing", nil, CauseNone},
		"plain":        {"an error that is no provider's says nothing", errors.New("x"), CauseNone},
		"conflict":     {"a conflict says nothing of the credential", Errorf(CodeConflict, "x"), CauseNone},
		"missing":      {"Open's error is a missing credential", Errorf(CodeCredential, "x"), CauseMissing},
		"invalid":      {"401", Errorf(CodeUnauthorized, "x"), CauseInvalid},
		"forbidden":    {"403", Errorf(CodeForbidden, "x"), CauseForbidden},
		"rate limited": {"429", Errorf(CodeRateLimited, "x"), CauseRateLimited},
		"unreachable":  {"5xx", Errorf(CodeUnavailable, "x"), CauseUnreachable},
		"not an API":   {"what is no API's answer", Errorf(CodeMalformed, "x"), CauseUnreachable},
		"told":         {"the provider's own word is more than the code's", &Error{Code: CodeForbidden, Refusal: CauseReadOnly}, CauseReadOnly},
		"wrapped":      {"context around it changes nothing", fmt.Errorf("look: %w", &Error{Code: CodeRefused, Refusal: CauseOrganisation}), CauseOrganisation},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := CauseOf(test.err); got != test.want {
				t.Errorf("%s: %q, not %q", test.reason, got, test.want)
			}
		})
	}
}

func TestAgainst(t *testing.T) {
	p := ProviderInfo{
		Name: "acme", Title: "Acme", Settings: []Setting{{Env: "ACME_URL"}, {Env: "ACME_TOKEN", Required: true}},
		Causes: []CauseInfo{{Cause: CauseInvalid, Sign: "GET /me: 401", Hint: "make a token"}},
	}
	want := Capability{
		Provider: "acme", Name: "credential", State: CapabilityInvalid, Cause: CauseInvalid,
		Reason: "Acme does not accept ACME_TOKEN", Hint: "make a token",
	}
	if diff := cmp.Diff(want, p.Against(Capability{Name: "credential"}, CauseInvalid)); diff != "" {
		t.Errorf("the provider's words come before the general ones:\n%s", diff)
	}
	ready := Capability{Provider: "acme", Name: "credential", State: CapabilityReady}
	if diff := cmp.Diff(ready, p.Against(Capability{Name: "credential"}, CauseNone)); diff != "" {
		t.Errorf("nothing speaks against it:\n%s", diff)
	}
	if !p.Knows(CauseInvalid) || !p.Knows(CauseMissing) || p.Knows(CauseWrongTeam) {
		t.Error("a provider knows what it or every provider has a sign for")
	}
	for _, c := range Causes {
		if said := p.Says(c); strings.HasSuffix(said.Reason, ".") || said.Cause != c {
			t.Errorf("%s: %+v", c, said)
		}
	}
}

func TestAccessInAnEnvironment(t *testing.T) {
	kind := KindInfo{Kind: "acme.env"}
	a := Access{{Provider: "acme", Kind: "acme.env", Cause: CauseForbidden, Environment: Production}}
	for environment, want := range map[string]Mode{Production: ModeManual, Preview: ModeAutomated} {
		if got, _ := a.In(environment).Mode(kind, OpCreate); got != want {
			t.Errorf("what is said of production makes %s %q", environment, got)
		}
	}
	if len(a) != 1 {
		t.Error("what is found is not forgotten")
	}
}
