package neon

import (
	"net/http"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
)

// faulty is an emulator that fails as the schedule says.
func faulty(t *testing.T, schedule string) *neonemu.Server {
	t.Helper()
	hook, err := emukit.ParseFaults(schedule)
	if err != nil {
		t.Fatal(err)
	}
	return &neonemu.Server{Kit: emukit.Kit{Hook: hook}}
}

func is(reason string, api http.Handler, settings map[string]string, want []string, evidence string) providertest.Access {
	return providertest.Access{Reason: reason, API: api, Settings: settings, Want: want, Evidence: evidence}
}

func TestProbe(t *testing.T) {
	org, person := map[string]string{"NEON_API_KEY": neonemu.DefaultOrgKey}, map[string]string{"NEON_API_KEY": neonemu.DefaultPersonalKey}
	with := func(settings map[string]string, id string) map[string]string {
		return map[string]string{"NEON_API_KEY": settings["NEON_API_KEY"], "NEON_ORG_ID": id}
	}
	const seesOrg = "GET /auth 200; GET /organizations/" + neonemu.DefaultOrgID + " 200"
	providertest.Probe(t, New, manifest(), "SLIPWAY_NEON_URL", "/api/v2", map[string]providertest.Access{
		"organisation": is("the key of an organisation", &neonemu.Server{}, org, nil, seesOrg+"; GET /projects 200"),
		"person":       is("a person's key, and an organisation of hers", &neonemu.Server{}, with(person, neonemu.DefaultOrgID), nil, "GET /auth 200; GET /projects 200"),
		"invalid": is(
			"nothing else is asked", &neonemu.Server{}, map[string]string{"NEON_API_KEY": "napi_wrong_0123456789"}, []string{"invalid"}, "GET /auth 401",
		),
		"revoked":               is("a key that was good", faulty(t, "* *#*=with:access:revoked"), org, []string{"invalid"}, "GET /auth 401"),
		"organisation required": is("a person's key alone", &neonemu.Server{}, person, []string{"organisation_required"}, "GET /auth 200; GET /projects 400"),
		"wrong organisation":    is("not hers", &neonemu.Server{}, with(person, "org-other-1"), []string{"wrong_team"}, "GET /auth 200; GET /projects 404"),
		"another organisation":  is("not the key's own", &neonemu.Server{}, with(org, "org-other-1"), []string{"wrong_team"}, "GET /auth 200"),
		"project": is(
			"it does not see its organisation", faulty(t, "* *#*=with:access:project"), org, []string{"project_scoped"},
			"GET /auth 200; GET /organizations/"+neonemu.DefaultOrgID+" 404",
		),
		"read-only":    is("that cannot be told without a change", faulty(t, "* *#*=with:access:read-only"), org, nil, seesOrg+"; GET /projects 200"),
		"no auth call": is("a key that may not ask who it is can be ready", faulty(t, "GET */auth#*=403"), org, nil, "GET /auth 403 forbidden; GET /projects 200"),
		"rate limited": is("429 passes", faulty(t, "* *#*=429:5"), org, []string{"rate_limited"}, "GET /auth 429 rate_limited"),
		"down":         is("5xx tells nothing", faulty(t, "* *#*=503"), org, []string{"unreachable"}, "GET /auth 503 service_unavailable"),
		"half down":    is("and nothing is concluded from the rest", faulty(t, "GET */projects#*=503"), org, []string{"unreachable"}, seesOrg+"; GET /projects 503 service_unavailable"),
		"cut":          is("no answer", faulty(t, "* *#*=reset-before"), org, []string{"unreachable"}, "GET /auth no answer"),
		"no API":       is("a proxy's page", reply(200, `<html>`), org, []string{"unreachable"}, "GET /auth 200"),
	})
}

func TestRefusedChange(t *testing.T) {
	tests := map[string]struct {
		reason string
		api    http.Handler
		want   slipway.Cause
	}{
		"read-only": {"the message tells that the key only reads", faulty(t, "* *#*=with:access:read-only"), slipway.CauseReadOnly},
		"forbidden": {"nothing tells why", faulty(t, "POST */projects#*=403"), slipway.CauseForbidden},
		"limit":     {"a plan's limit says nothing of the key", faulty(t, "POST */projects#*=402"), slipway.CauseNone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			session, want := at(t, test.api, map[string]string{"NEON_API_KEY": neonemu.DefaultOrgKey})
			_, err := session.Handler(kindProject).Create(t.Context(), want)
			if got := slipway.CauseOf(err); err == nil || got != test.want {
				t.Errorf("%s: %v is %q, not %q", test.reason, err, got, test.want)
			}
		})
	}
}
