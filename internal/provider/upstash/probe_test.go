package upstash

import (
	"net/http"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
)

// faulty is an emulator that fails as the schedule says.
func faulty(t *testing.T, schedule string) http.Handler {
	t.Helper()
	hook, err := emukit.ParseFaults(schedule)
	if err != nil {
		t.Fatal(err)
	}
	return serve(&upstashemu.Server{Kit: emukit.Kit{Hook: hook}}).Handler
}

func is(reason string, api http.Handler, settings map[string]string, want []string, evidence string) providertest.Access {
	return providertest.Access{Reason: reason, API: api, Settings: settings, Want: want, Evidence: evidence}
}

func TestProbe(t *testing.T) {
	settings := map[string]string{"UPSTASH_EMAIL": alice, "UPSTASH_API_KEY": aliceKey}
	both := func(cause string) []string { return []string{cause + " upstash.redis", cause + " upstash.vector"} }
	const call = "GET /v2/redis/databases "
	providertest.Probe(t, New, manifest(), "SLIPWAY_UPSTASH_URL", "", map[string]providertest.Access{
		"ready":      is("both lists answer", faulty(t, ""), settings, nil, call+"200"),
		"invalid":    is("nothing else is asked", reply(401, `"Unauthorized"`), settings, []string{"invalid"}, call+"401"),
		"not native": is("the API refuses the account", faulty(t, "* *#*=with:refuse:403"), settings, both("account_refused"), call+"403"),
		"not native by another status": is(
			"the status is not documented, and the message tells", faulty(t, "* *#*=with:refuse:400"), settings, both("account_refused"), call+"400",
		),
		"not native, as 401": is("nor is it an invalid key then", faulty(t, "* *#*=with:refuse:401"), settings, both("account_refused"), call+"401"),
		"vector refused":     is("one of the two", faulty(t, "GET */vector/index#*=403"), settings, []string{"account_refused upstash.vector"}, call+"200"),
		"read-only":          is("that cannot be told without a change", faulty(t, "* *#*=with:access:read-only"), settings, nil, call+"200"),
		"rate limited":       is("429 passes", faulty(t, "* *#*=429:5"), settings, both("rate_limited"), call+"429"),
		"down":               is("5xx tells nothing", faulty(t, "* *#*=503"), settings, both("unreachable"), call+"503"),
		"cut":                is("no answer", faulty(t, "* *#*=reset-before"), settings, both("unreachable"), call+"no answer"),
		"something else":     is("an answer that is no list", reply(200, `{}`), settings, both("unreachable"), call+"200"),
	})
}

func TestRefusedChange(t *testing.T) {
	tests := map[string]struct {
		reason string
		api    http.Handler
		want   slipway.Cause
	}{
		"read-only":  {"the message tells that the key only reads", faulty(t, "* *#*=with:access:read-only"), slipway.CauseReadOnly},
		"not native": {"the message tells that the account is refused", faulty(t, "POST *#*=with:refuse:403"), slipway.CauseAccountRefused},
		"forbidden":  {"nothing tells why", reply(403, `{"error":"no"}`), slipway.CauseForbidden},
		"limit":      {"a plan's limit says nothing of the key", reply(400, `"limit reached"`), slipway.CauseNone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			session, specs := at(t, test.api)
			for a, want := range specs {
				_, err := session.Handler(a.Kind()).Create(t.Context(), want)
				if got := slipway.CauseOf(err); err == nil || got != test.want {
					t.Errorf("%s: %s: %v is %q, not %q", test.reason, a, err, got, test.want)
				}
			}
		})
	}
}
