package vercel

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// TestReadyIsNotLive: what else than READY a deployment has to be before it counts as there.
func TestReadyIsNotLive(t *testing.T) {
	refused := &struct{ Code, Message string }{"alias_failed", "not assigned"}
	for name, tc := range map[string]struct {
		reason  string
		of      deployment
		pending bool
		code    slipway.Code
	}{
		"building":         {"a build takes time", deployment{ReadyState: "BUILDING", Target: "production"}, true, ""},
		"staged":           {"a staged build has no alias to wait for", deployment{ReadyState: "READY", Target: "production"}, false, ""},
		"checks to come":   {"a check that has not begun may fail", deployment{ReadyState: "READY", Target: "production", ChecksState: "registered"}, true, ""},
		"checks that run":  {"a check that runs may fail", deployment{ReadyState: "READY", Target: "production", ChecksState: "running"}, true, ""},
		"checks passed":    {"they are over", deployment{ReadyState: "READY", Target: "production", ChecksState: "completed", ChecksConclusion: "succeeded"}, false, ""},
		"checks failed":    {"no later look changes that", deployment{ReadyState: "READY", Target: "production", ChecksState: "completed", ChecksConclusion: "failed"}, false, slipway.CodeBuildFailed},
		"preview":          {"its aliases are still to be assigned", deployment{ReadyState: "READY", AliasAssigned: false}, true, ""},
		"preview, live":    {"they are", deployment{ReadyState: "READY", AliasAssigned: true}, false, ""},
		"preview, refused": {"they will not be", deployment{ReadyState: "READY", AliasAssigned: false, AliasError: refused}, false, slipway.CodeUnavailable},
		"canceled":         {"somebody has cancelled it", deployment{ReadyState: "CANCELED"}, false, slipway.CodeBuildFailed},
	} {
		t.Run(name, func(t *testing.T) {
			h := deployments{&client{rest: rest.New(rest.Config{}, rest.API{})}}
			obs := h.observation(&tc.of, slipway.Spec{}, slipway.Receipt{})
			code := slipway.Code("")
			if obs.Failed != nil {
				code = obs.Failed.Code
			}
			if obs.Pending != tc.pending || code != tc.code {
				t.Errorf("%s: pending %t, %q; want %t, %q", tc.reason, obs.Pending, code, tc.pending, tc.code)
			}
		})
	}
}

// TestAStageTellsNoSecret: it is redacted as it came, since in lower case nothing knows it again.
func TestAStageTellsNoSecret(t *testing.T) {
	hide := func(s string) string { return strings.ReplaceAll(s, "Canary-ABC", "[redacted]") }
	h := deployments{&client{rest: rest.New(rest.Config{Redact: hide}, rest.API{})}}
	obs := h.observation(&deployment{ReadyState: "BUILDING Canary-ABC"}, slipway.Spec{}, slipway.Receipt{})
	if !obs.Pending || obs.Stage != "building [redacted]" {
		t.Errorf("%+v", obs)
	}
}
