package neon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// at opens the provider on h and returns the session with the project's Spec of manifest().
func at(t *testing.T, h http.Handler, settings map[string]string) (slipway.Session, slipway.Spec) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	p := New(rest.Config{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	s, err := p.Open(t.Context(), func(env string) (slipway.Secret, bool) {
		if env == "SLIPWAY_NEON_URL" {
			return slipway.NewSecret(server.URL + "/api/v2"), true
		}
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, p.Expand(manifest(), "production")[0]
}

// clock is a time that only the test moves, in seconds.
type clock struct{ passed atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.passed.Load()) * time.Second)
}

func made(t *testing.T, s *neonemu.Server) (slipway.Session, slipway.Spec, *clock) {
	t.Helper()
	c := &clock{}
	s.Now = c.now
	session, want := at(t, s, map[string]string{"NEON_API_KEY": neonemu.DefaultOrgKey})
	got, err := session.Handler(kindProject).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	want.Known = &got
	return session, want, c
}

func observe(t *testing.T, s slipway.Session, want slipway.Spec) slipway.Observation {
	t.Helper()
	obs, err := s.Handler(want.Address.Kind()).Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func paths(entries []emukit.Entry) []string {
	var out []string
	for _, e := range entries {
		path := strings.TrimPrefix(e.Route, "/api/v2/projects")
		out = append(out, e.Method+" "+path)
	}
	return out
}

func TestAProjectIsPendingUntilItsOperationsFinished(t *testing.T) {
	s := &neonemu.Server{ProjectTime: 10 * time.Second}
	session, want, clock := made(t, s)
	s.ForgetCalls()
	obs := observe(t, session, want)
	if !obs.Exists || !obs.Pending || obs.Receipt.Version != "" {
		t.Errorf("while its operations run: %+v", obs)
	}
	for _, call := range paths(s.Calls()) {
		if strings.Contains(call, "connection_uri") {
			t.Error("the connection string was asked for while operations run, which is 423")
		}
	}
	if diff := cmp.Diff(want.Params, obs.Fields); diff != "" {
		t.Errorf("what is still being made counts as made (-want +got):\n%s", diff)
	}
	clock.passed.Add(11)
	if obs = observe(t, session, want); obs.Pending || obs.Failed != nil || obs.Receipt.Version == "" {
		t.Errorf("when they have finished: %+v", obs)
	}
}

func TestASettledProjectTakesTwoCallsAndItsOutputsNone(t *testing.T) {
	s := &neonemu.Server{}
	session, want, clock := made(t, s)
	clock.passed.Add(60)
	obs := observe(t, session, want)
	want.Known = &obs.Receipt
	pass := session.Pass()
	s.ForgetCalls()
	if obs = observe(t, pass, want); obs.Pending || !obs.Exists {
		t.Fatalf("observed %+v", obs)
	}
	out, err := pass.Handler(kindProject).(slipway.Outputter).Outputs(t.Context(), want, obs)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Calls()); n != 2 {
		t.Errorf("%d calls, want 2: %v", n, paths(s.Calls()))
	}
	host := out["host"].Reveal()
	id, domain, _ := strings.Cut(host, ".")
	wantURL := fmt.Sprintf("postgresql://shop_front:%s@%s/shop_front?sslmode=require&channel_binding=require", out["password"].Reveal(), host)
	wantPooled := strings.Replace(wantURL, host, id+"-pooler."+domain, 1)
	got := []string{out["url"].Reveal(), out["pooled_url"].Reveal(), out["user"].Reveal(), out["database"].Reveal()}
	if diff := cmp.Diff([]string{wantURL, wantPooled, "shop_front", "shop_front"}, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestAFailedOperationFailsTheProject(t *testing.T) {
	s := &neonemu.Server{FailOperation: func(_, action string) string {
		if action == "start_compute" {
			return "no capacity"
		}
		return ""
	}}
	session, want, clock := made(t, s)
	clock.passed.Add(60)
	obs := observe(t, session, want)
	if obs.Failed == nil || !strings.Contains(obs.Failed.Message, "no capacity") || !strings.Contains(obs.Failed.Message, "start_compute") {
		t.Errorf("failed: %v, want the operation and its error", obs.Failed)
	}
}

func TestAMissingComputeFailsTheProject(t *testing.T) {
	s := &neonemu.Server{}
	session, want, clock := made(t, s)
	clock.passed.Add(60)
	obs := observe(t, session, want)
	id, _, _ := strings.Cut(obs.Receipt.Details["host"], ".")
	if err := session.Handler(kindEndpoint).Delete(t.Context(), slipway.Receipt{ID: obs.Receipt.ID + "/" + id}); err != nil {
		t.Fatal(err)
	}
	clock.passed.Add(60)
	if obs = observe(t, session, want); slipway.ErrorCode(obs.Failed) != slipway.CodeConflict {
		t.Errorf("without a compute: %+v", obs)
	}
}

func TestARoleAndADatabaseAreAddedTogether(t *testing.T) {
	s := &neonemu.Server{OpTime: time.Second}
	session, want, clock := made(t, s)
	clock.passed.Add(60)
	want.Params["role"], want.Params["database"] = "writer", "store"
	obs := observe(t, session, want)
	if obs.Fields["role"] != "" || obs.Fields["database"] != "" {
		t.Fatalf("fields %v, want no role and no database", obs.Fields)
	}
	// The database has to wait for the role's operations: 423 until then.
	_, err := session.Handler(kindProject).Update(t.Context(), want, obs)
	if slipway.ErrorCode(err) != slipway.CodeBusy || slipway.RetryClass(err) != slipway.RetryLater {
		t.Fatalf("update while operations run: %v, want busy and later", err)
	}
	clock.passed.Add(60)
	if obs = observe(t, session, want); obs.Fields["role"] != "writer" || obs.Fields["database"] != "" {
		t.Fatalf("fields %v, want the role alone", obs.Fields)
	}
	if _, err = session.Handler(kindProject).Update(t.Context(), want, obs); err != nil {
		t.Fatal(err)
	}
	clock.passed.Add(60)
	if obs = observe(t, session, want); obs.Pending || obs.Fields["role"] != "writer" || obs.Fields["database"] != "store" {
		t.Errorf("after both: %+v", obs)
	}
}

func TestDeletedProjectsInAListAreAbsent(t *testing.T) {
	s := &neonemu.Server{ListDeleted: true}
	session, want, clock := made(t, s)
	clock.passed.Add(60)
	if err := session.Handler(kindProject).Delete(t.Context(), *want.Known); err != nil {
		t.Fatal(err)
	}
	want.Known = nil
	if obs := observe(t, session, want); obs.Exists {
		t.Errorf("a deleted project was found: %+v", obs)
	}
}

func TestRefusals(t *testing.T) {
	person := map[string]string{"NEON_API_KEY": neonemu.DefaultPersonalKey}
	org := map[string]string{"NEON_API_KEY": neonemu.DefaultOrgKey}
	for name, c := range map[string]struct {
		reason   string
		server   *neonemu.Server
		settings map[string]string
		code     slipway.Code
		hint     string
	}{
		"no organisation": {"a personal key must say whose projects", &neonemu.Server{}, person, slipway.CodeRefused, "NEON_ORG_ID"},
		"too many":        {"422 PROJECTS_LIMIT_EXCEEDED is a limit", &neonemu.Server{MaxProjects: 1}, org, slipway.CodeLimit, "larger plan"},
		"wrong key":       {"401 names the variable", &neonemu.Server{}, map[string]string{"NEON_API_KEY": "napi_wrong_0123456789"}, slipway.CodeUnauthorized, "NEON_API_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			session, want := at(t, c.server, c.settings)
			var err error
			for range 2 { // one project is allowed
				if _, err = session.Handler(kindProject).Create(t.Context(), want); err != nil {
					break
				}
			}
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s: %v, want code %s and a hint with %q", c.reason, err, c.code, c.hint)
			}
		})
	}
}

// reply answers every call with one body.
func reply(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func TestProjectsThatNeonCouldNotShowAreNoAbsence(t *testing.T) {
	session, want := at(t, reply(200, `{"projects":[],"unavailable_project_ids":["x"]}`), map[string]string{"NEON_API_KEY": key})
	if _, err := session.Handler(kindProject).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != slipway.RetryLater {
		t.Errorf("a list with gaps: %v, want unavailable and later", err)
	}
}

func TestAProjectWithoutAnIDIsMalformed(t *testing.T) {
	session, want := at(t, reply(200, `{"operations":[],"project":{}}`), map[string]string{"NEON_API_KEY": key})
	want.Known = &slipway.Receipt{ID: "p"}
	if obs, err := session.Handler(kindProject).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeMalformed {
		t.Errorf("observed %+v, %v, want code %s", obs, err, slipway.CodeMalformed)
	}
}

func TestAConnectionStringIsNeverInAnError(t *testing.T) {
	const secret = "npg_canaryCanary1"
	session, want := at(t, reply(200, `{"uri":"postgresql://app:`+secret+`@ho st:port/%zz"}`), map[string]string{"NEON_API_KEY": key})
	_, err := session.Handler(kindProject).(slipway.Outputter).Outputs(t.Context(), want, slipway.Observation{Receipt: slipway.Receipt{ID: "p"}})
	if slipway.ErrorCode(err) != slipway.CodeMalformed || strings.Contains(fmt.Sprintf("%+v %v", err, errors.Unwrap(err)), secret) {
		t.Errorf("outputs of a broken connection string: code %s, or the string is in it", slipway.ErrorCode(err))
	}
}

func TestPooledHosts(t *testing.T) {
	for host, want := range map[string]string{
		"ep-cool-sun-1.us-east-2.aws.neon.tech":        "ep-cool-sun-1-pooler.us-east-2.aws.neon.tech",
		"ep-cool-sun-1-pooler.us-east-2.aws.neon.tech": "ep-cool-sun-1-pooler.us-east-2.aws.neon.tech",
		"127.0.0.1:5432": "127.0.0.1:5432",
		"localhost:5432": "localhost:5432",
	} {
		out, err := client{}.outputs(slipway.NewSecret("postgresql://u:p@" + host + "/d"))
		if err != nil {
			t.Fatal(err)
		}
		if got := out["pooled_url"].Reveal(); got != "postgresql://u:p@"+want+"/d" {
			t.Errorf("pooled %s: %s", host, got)
		}
	}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("a", 60)
	for name, c := range map[string]struct {
		reason string
		m      slipway.Manifest
		paths  []string
	}{
		"fine":              {"an ordinary manifest has no problem", *manifest(), nil},
		"reserved role":     {"PostgreSQL keeps pg_", with(map[string]any{"role": "pg_app"}), []string{"resources.db.role"}},
		"long database":     {"an environment's suffix counts", with(map[string]any{"database": long}), []string{"resources.db.database"}},
		"reserved database": {"postgres is there already", with(map[string]any{"database": "postgres"}), []string{"resources.db.database"}},
		"existing": {"what exists has its own names", slipway.Manifest{App: "a", Resources: map[string]slipway.ManifestResource{
			"db": {Type: typePostgres, Existing: map[string]any{"project": "p", "database": "postgres", "role": "public"}},
		}}, nil},
		"existing and names": {"they stand in one place", slipway.Manifest{App: "a", Resources: map[string]slipway.ManifestResource{
			"db": {Type: typePostgres, Existing: map[string]any{"project": "p", "database": "d"}, Fields: map[string]any{"role": "r", "database": "e"}},
		}}, []string{"resources.db.database", "resources.db.role"}},
		"main": {"the default branch has the name", slipway.Manifest{
			App: "a", Environments: []string{"production", "main"},
			Resources: map[string]slipway.ManifestResource{"db": {Type: typePostgres}},
		}, []string{"environments.1"}},
		"others": {"other providers' resources are not looked at", slipway.Manifest{
			App: "a", Environments: []string{"main"},
			Resources: map[string]slipway.ManifestResource{"c": {Type: "upstash.redis"}},
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range New(rest.Config{}).Check(&c.m) {
				got = append(got, strings.Join(p.Path, "."))
			}
			if diff := cmp.Diff(c.paths, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func with(fields map[string]any) slipway.Manifest {
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: typePostgres, Fields: fields}
	return *m
}

func TestNamesOfSeveral(t *testing.T) {
	m := manifest()
	m.Resources["logs"] = slipway.ManifestResource{Type: typePostgres}
	m.Resources["old"] = slipway.ManifestResource{Type: typePostgres, Name: "legacy"}
	want := []string{"neon.project/db shop-front-db db", "neon.project/logs shop-front-logs logs", "neon.project/old legacy old"}
	if diff := cmp.Diff(want, shown(New(rest.Config{}).Expand(m, "production"))); diff != "" {
		t.Errorf("specs (-want +got):\n%s", diff)
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		reason   string
		settings map[string]string
		code     slipway.Code
	}{
		"no key":    {"a missing credential is named", nil, slipway.CodeCredential},
		"plain URL": {"a credential never goes over plain http", map[string]string{"NEON_API_KEY": key, "SLIPWAY_NEON_URL": "http://example.com"}, slipway.CodeInvalid},
		"default":   {"the base URL has a default", map[string]string{"NEON_API_KEY": key}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(rest.Config{}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := c.settings[env]
				return slipway.NewSecret(v), ok
			})
			if slipway.ErrorCode(err) != c.code {
				t.Errorf("%s: %v, want code %q", c.reason, err, c.code)
			}
		})
	}
}
