package vercel

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
	"github.com/slipway-dev/slipway/internal/rest"
)

// faulty is an emulator that fails as the schedule says.
func faulty(t *testing.T, schedule string) *vercelemu.Server {
	t.Helper()
	hook, err := emukit.ParseFaults(schedule)
	if err != nil {
		t.Fatal(err)
	}
	s := server()
	s.Hook = hook
	return s
}

func as(t *testing.T, access string) *vercelemu.Server { return faulty(t, "* *#*=with:access:"+access) }

// rewritten is an API whose replies to a path are another body.
func rewritten(api http.Handler, path, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			api.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
}

func is(reason string, api http.Handler, settings map[string]string, want []string, evidence string) providertest.Access {
	return providertest.Access{Reason: reason, API: api, Settings: settings, Want: want, Evidence: evidence}
}

func TestProbe(t *testing.T) {
	team, alone := map[string]string{settingToken: token, settingTeam: "acme"}, map[string]string{settingToken: token}
	const who, whole = "GET /v2/user 200; GET /v5/user/tokens/current 200", "GET /v2/user 200; GET /v5/user/tokens/current 200; GET /v2/teams/acme 200"
	developer := server()
	developer.Tokens[token] = vercelemu.Account{
		User: developer.Tokens[token].User, Teams: developer.Tokens[token].Teams, Role: "DEVELOPER", Permissions: []string{"CreateProject", "EnvVariableManager"},
	}
	providertest.Probe(t, New, manifest(), settingURL, "", map[string]providertest.Access{
		"team":              is("an owner of the team", server(), team, nil, whole),
		"personal":          is("the token's own account", server(), alone, nil, who+"; GET /v10/projects 200"),
		"invalid":           is("nothing else is asked", server(), map[string]string{settingToken: "vercel-canary-wrong"}, []string{"invalid"}, "GET /v2/user 403 forbidden"),
		"expired":           is("that is all that the API says of it", as(t, "expired"), team, []string{"invalid"}, "GET /v2/user 403 forbidden"),
		"wrong team":        is("the token is good, and not for this team", server(), map[string]string{settingToken: token, settingTeam: "team_beta"}, []string{"wrong_team"}, "GET /v2/user 403 forbidden"),
		"wrong team, later": is("an API that does not look at the team when the user is asked for", userOfAnyTeam(server()), map[string]string{settingToken: token, settingTeam: "beta"}, []string{"wrong_team"}, who+"; GET /v2/teams/beta 403 forbidden"),
		"no team":           is("the token is limited to a team, and none is named", as(t, "team"), alone, []string{"wrong_team"}, who),
		"limited to a team": is("and it is named", as(t, "team"), team, nil, whole),
		"viewer":            is("the role only reads", as(t, "viewer"), team, []string{"read_only"}, whole),
		"contributor":       is("single projects", as(t, "contributor"), team, []string{"project_scoped"}, whole),
		"developer": is("three permissions are missing", as(t, "developer"), team, []string{
			"forbidden vercel.project create", "forbidden vercel.project delete", "forbidden vercel.env", "forbidden vercel.deployment deploy", "forbidden vercel.production promote", "forbidden vercel.production rollback",
		}, whole),
		"developer with permissions": is("and some are given", developer, team, []string{"forbidden vercel.deployment deploy", "forbidden vercel.production promote", "forbidden vercel.production rollback"}, whole),
		"project":                    is("what is the user's is refused", as(t, "project"), team, []string{"project_scoped"}, "GET /v2/user 403 forbidden; GET /v5/user/tokens/current 403 forbidden"),
		"project, and told": is(
			"the metadata tells the scope", rewritten(server(), "/v5/user/tokens/current", `{"token":{"scopes":[{"type":"project","projectId":"prj_1"}]}}`), team, []string{"project_scoped"}, who,
		),
		"no GitHub app":    is("it is about links alone", as(t, "no-github"), team, []string{"app_not_installed vercel.link"}, whole),
		"GitHub app hides": is("what cannot be asked is not told", faulty(t, "GET */git-namespaces#*=403"), team, nil, whole),
		"no metadata":      is("a token that may not ask for itself can be ready", faulty(t, "GET */tokens/current#*=403"), team, nil, "GET /v2/user 200; GET /v5/user/tokens/current 403 forbidden; GET /v2/teams/acme 200"),
		"rate limited":     is("429 passes", faulty(t, "* *#*=429:5"), team, []string{"rate_limited"}, "GET /v2/user 429 rate_limited"),
		"down":             is("5xx tells nothing", faulty(t, "* *#*=503"), team, []string{"unreachable"}, "GET /v2/user 503 service_unavailable"),
		"half down":        is("and nothing is concluded from the rest", faulty(t, "GET */teams/*#*=503, GET */projects/*#*=503"), team, []string{"unreachable"}, "GET /v2/user 200; GET /v5/user/tokens/current 200; GET /v2/teams/acme 503 service_unavailable"),
		"cut":              is("no answer", faulty(t, "* *#*=reset-before"), team, []string{"unreachable"}, "GET /v2/user no answer"),
	})
}

// userOfAnyTeam answers what is asked of the token itself as if no team were named.
func userOfAnyTeam(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/user" || r.URL.Path == "/v5/user/tokens/current" {
			r.URL.RawQuery = ""
		}
		api.ServeHTTP(w, r)
	})
}

func TestProbeTellsWhenTheTokenEnds(t *testing.T) {
	s := server()
	a := s.Tokens[token]
	a.Expires = time.Now().Add(100 * time.Hour).UTC().Truncate(time.Second)
	s.Tokens[token] = a
	got := open(t, s, map[string]string{settingToken: token, settingTeam: acme}).(slipway.Prober).Probe(t.Context())
	if diff := cmp.Diff(a.Expires.Format(time.RFC3339), got[0].Expires); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedChange(t *testing.T) {
	tests := map[string]struct {
		reason string
		body   string
		want   slipway.Cause
	}{
		"team":      {"the reply names the scope", `{"error":{"code":"forbidden","message":"Not authorized","scope":"beta"}}`, slipway.CauseWrongTeam},
		"invalid":   {"the reply says that the token is none", `{"error":{"code":"forbidden","message":"Not authorized","invalidToken":true}}`, slipway.CauseInvalid},
		"forbidden": {"nothing tells why", `{"error":{"code":"forbidden","message":"You don't have permission"}}`, slipway.CauseForbidden},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(test.body))
			})
			session := open(t, api, map[string]string{settingToken: token})
			_, err := session.Handler(kindProject).Create(t.Context(), New(rest.Config{}).Expand(manifest(), "production")[0])
			if got := slipway.CauseOf(err); got != test.want {
				t.Errorf("%s: %v is %q, not %q", test.reason, err, got, test.want)
			}
		})
	}
}
