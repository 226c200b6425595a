package rest

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestLook(t *testing.T) {
	tests := map[string]struct {
		reason   string
		reply    reply
		cause    slipway.Cause
		evidence string
	}{
		"ready":        {"a reply that fits speaks for the credential", reply{status: 200, body: `{"a":1}`}, slipway.CauseNone, "GET /x 200"},
		"unauthorized": {"401 is a credential that is not accepted", reply{status: 401, body: `{"error":{"code":"nope"}}`}, slipway.CauseInvalid, "GET /x 401 nope"},
		"forbidden":    {"403 says that this one thing is refused", reply{status: 403, body: `{"code":"no","message":"m"}`}, slipway.CauseForbidden, "GET /x 403 no"},
		"rate limited": {"429 passes", reply{status: 429, body: `{}`}, slipway.CauseRateLimited, "GET /x 429"},
		"unavailable":  {"5xx tells nothing of the credential", reply{status: 503}, slipway.CauseUnreachable, "GET /x 503"},
		"no API":       {"a proxy's page tells nothing of the credential", reply{status: 200, body: "<html>", header: "Content-Type: text/html"}, slipway.CauseUnreachable, "GET /x 200"},
		"another":      {"JSON of another shape is no API's word either", reply{status: 200, body: `{"a":"x"}`}, slipway.CauseUnreachable, "GET /x 200"},
		"cut":          {"a cut connection is no answer", reply{reset: true}, slipway.CauseUnreachable, "GET /x no answer"},
		"conflict":     {"a failure that says nothing of the credential must not pass for ready", reply{status: 409, body: `{}`}, slipway.CauseUnreachable, "GET /x 409"},
		"secret":       {"evidence is redacted", reply{status: 403, body: `{"code":"hush"}`}, slipway.CauseForbidden, "GET /x 403 redacted"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			base, calls := script(t, test.reply)
			redact := func(s string) string {
				if s == "hush" {
					return "redacted"
				}
				return s
			}
			c := New(Config{Redact: redact}, API{Name: "x", Base: base}).Pass()
			var out struct{ A int }
			for range 2 {
				seen := c.Look(t.Context(), Request{Op: "probe", Method: http.MethodGet, Path: "/x"}, &out)
				if diff := cmp.Diff([]string{string(test.cause), test.evidence}, []string{string(seen.Cause()), Finding(slipway.ProviderInfo{}, slipway.Capability{}, seen.Cause(), seen).Evidence}); diff != "" {
					t.Errorf("%s:\n%s", test.reason, diff)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("%d calls for two looks: each is sent once, whatever a pass has kept", calls.Load())
			}
		})
	}
}

func TestFindingTellsTheWait(t *testing.T) {
	base, _ := script(t, reply{status: 429, body: `{}`, header: "Retry-After: 90"})
	seen := New(Config{}, API{Base: base}).Look(t.Context(), Request{Method: http.MethodGet, Path: "/x"}, nil)
	f := Finding(slipway.ProviderInfo{Name: "x", Title: "X"}, slipway.Capability{}, seen.Cause(), Seen{Call: "GET /w", Status: 200}, seen)
	want := slipway.Capability{
		Provider: "x", State: slipway.CapabilityUnreachable, Cause: slipway.CauseRateLimited, Reason: "X says that there were too many calls",
		Evidence: "GET /w 200; GET /x 429", Hint: "wait 1m30s, then try again",
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
}
