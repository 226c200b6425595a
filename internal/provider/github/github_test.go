package github

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
	"github.com/slipway-dev/slipway/internal/rest"
)

const token = "ghp_canary00000000000000000000000000000000"

func emulator(t *testing.T, account githubemu.Account, schedule string) *githubemu.Server {
	t.Helper()
	hook, err := emukit.ParseFaults(schedule)
	if err != nil {
		t.Fatal(err)
	}
	s := &githubemu.Server{Tokens: map[string]githubemu.Account{token: account}, Kit: emukit.Kit{Hook: hook}}
	t.Cleanup(s.Close)
	return s
}

func is(reason string, api http.Handler, settings map[string]string, want []string, evidence string) providertest.Access {
	return providertest.Access{Reason: reason, API: api, Settings: settings, Want: want, Evidence: evidence}
}

func TestProbe(t *testing.T) {
	owner := githubemu.DefaultAccount()
	as := func(access string) http.Handler { return emulator(t, owner, "* *#*=with:access:"+access) }
	faulty := func(schedule string) http.Handler { return emulator(t, owner, schedule) }
	classic := owner
	classic.ReadOnly = true
	limited := emulator(t, owner, "")
	limited.RateLimit = 1
	shop, alone := map[string]string{settingToken: token, settingRepository: "acme/shop"}, map[string]string{settingToken: token}
	const user, repo = "GET /user 200", "; GET /repos/acme/shop "
	providertest.Probe(t, New, &slipway.Manifest{App: "shop"}, settingURL, "", map[string]providertest.Access{
		"none":             is("nothing is asked", faulty(""), map[string]string{}, []string{"missing"}, "GITHUB_TOKEN: not set"),
		"alone":            is("a token, and no repository is named", faulty(""), alone, nil, user),
		"repository":       is("it may write", faulty(""), shop, nil, user+repo+"200"),
		"invalid":          is("nothing else is asked", faulty(""), map[string]string{settingToken: "ghp_wrong", settingRepository: "acme/shop"}, []string{"invalid"}, "GET /user 401"),
		"expired":          is("that is all that GitHub says of it", as("expired"), shop, []string{"invalid"}, "GET /user 401"),
		"read-only":        is("it may not push", as("read-only"), shop, []string{"read_only"}, user+repo+"200"),
		"classic, no repo": is("its scopes tell", emulator(t, classic, ""), alone, []string{"read_only"}, user),
		"elsewhere":        is("it is for other repositories", as("elsewhere"), shop, []string{"wrong_team"}, user+repo+"404"),
		"app":              is("an app's token is no user's", as("app"), shop, nil, "GET /user 403"+repo+"200"),
		"app, elsewhere":   is("the app is not there", emulator(t, owner, "* *#*=with:access:app, GET /repos/*#*=404"), shop, []string{"app_not_installed"}, "GET /user 403"+repo+"404"),
		"rate limited":     is("429", faulty("* *#*=429:5"), shop, []string{"rate_limited"}, "GET /user 429"),
		"rate limited by 403": is(
			"which is no refusal", limited, shop, []string{"rate_limited"}, user+repo+"403",
		),
		"down": is("5xx tells nothing", faulty("* *#*=503"), shop, []string{"unreachable"}, "GET /user 503"),
		"cut":  is("no answer", faulty("* *#*=reset-before"), shop, []string{"unreachable"}, "GET /user no answer"),
	})
}

func TestEnds(t *testing.T) {
	tests := map[string]struct{ reason, header, want string }{
		"utc":    {"as documented", "2026-12-01 09:00:00 UTC", "2026-12-01T09:00:00Z"},
		"offset": {"as seen", "2026-12-01 09:00:00 +0200", "2026-12-01T07:00:00Z"},
		"none":   {"a token without a day", "", ""},
		"odd":    {"what cannot be read is not told", "soon", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ends(http.Header{"Github-Authentication-Token-Expiration": {test.header}}); got != test.want {
				t.Errorf("%s: %q", test.reason, got)
			}
		})
	}
}

func TestUntilReset(t *testing.T) {
	h := http.Header{"X-Ratelimit-Reset": {"1000000090"}, "Date": {time.Unix(1000000000, 0).UTC().Format(http.TimeFormat)}}
	if got := untilReset(h); got != 90*time.Second {
		t.Errorf("%s", got)
	}
	if got := untilReset(http.Header{}); got != 0 {
		t.Errorf("nothing is told: %s", got)
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		reason   string
		settings map[string]string
		code     slipway.Code
	}{
		"none":       {"what is public can be read without", nil, ""},
		"good":       {"a token is enough", map[string]string{settingToken: token}, ""},
		"repository": {"it has two parts", map[string]string{settingToken: token, settingRepository: "shop"}, slipway.CodeInvalid},
		"plain":      {"a token is not sent in the clear", map[string]string{settingToken: token, settingURL: "http://api.github.com"}, slipway.CodeInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(rest.Config{}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := test.settings[env]
				return slipway.NewSecret(v), ok
			})
			if got := slipway.ErrorCode(err); got != test.code {
				t.Errorf("%s: %v", test.reason, err)
			}
		})
	}
}

func TestItAsksForNothing(t *testing.T) {
	p := New(rest.Config{})
	m := &slipway.Manifest{App: "shop", Source: slipway.Source{GitHub: "acme/shop"}}
	if diff := cmp.Diff([]int{0, 0}, []int{len(p.Expand(m, slipway.Production)), len(p.Check(m))}); diff != "" {
		t.Errorf("a provider without kinds must not make a run need it:\n%s", diff)
	}
}
