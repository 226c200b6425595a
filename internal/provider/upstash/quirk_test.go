package upstash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// at opens the provider on h and returns the session with the Specs of manifest() by address.
func at(t *testing.T, h http.Handler) (slipway.Session, map[slipway.Address]slipway.Spec) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	p := New(rest.Config{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	settings := map[string]string{"UPSTASH_EMAIL": alice, "UPSTASH_API_KEY": aliceKey, "SLIPWAY_UPSTASH_URL": server.URL}
	s, err := p.Open(t.Context(), func(env string) (slipway.Secret, bool) {
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		t.Fatal(err)
	}
	specs := map[slipway.Address]slipway.Spec{}
	for _, s := range p.Expand(manifest(), "production") {
		specs[s.Address] = s
	}
	return s, specs
}

func reply(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func TestErrorShapes(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		status int
		body   string
		code   slipway.Code
		text   string
		hint   string
	}{
		"string":            {"an error can be a JSON string", 400, `"primary region is wrong"`, slipway.CodeRefused, "primary region is wrong", ""},
		"error":             {"or an object with error", 400, `{"error":"name is wrong"}`, slipway.CodeRefused, "name is wrong", ""},
		"message":           {"or one with message", 400, `{"message":"plan is wrong"}`, slipway.CodeRefused, "plan is wrong", ""},
		"limit":             {"a limit is told by its text", 400, `"max database limit of 1 reached"`, slipway.CodeLimit, "limit of 1", "larger plan"},
		"402":               {"402 is a limit", 402, `{"error":"pay first"}`, slipway.CodeLimit, "pay first", "larger plan"},
		"not native":        {"accounts made through Vercel are refused, with no documented status", 400, `{"error":"only native accounts"}`, slipway.CodeForbidden, "native", "native Upstash accounts"},
		"not native, 403":   {"the same with 403", 403, `{"error":"no"}`, slipway.CodeForbidden, "no", "native Upstash accounts"},
		"wrong key":         {"401 names the variables", 401, `"Unauthorized"`, slipway.CodeUnauthorized, "Unauthorized", "UPSTASH_API_KEY"},
		"unknown id as 400": {"an unknown id may be no 404", 400, `"database not found"`, slipway.CodeNotFound, "not found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			session, specs := at(t, reply(c.status, c.body))
			_, err := session.Handler(kindRedis).Create(t.Context(), specs["upstash.redis/cache"])
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.text) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s: %+v, want code %s, %q and a hint with %q", c.reason, err, c.code, c.text, c.hint)
			}
		})
	}
}

func TestEndpointShapes(t *testing.T) {
	for name, c := range map[string]struct {
		reason, endpoint, slug, host, url string
	}{
		"redis slug":  {"the document shows a slug", "beloved-stallion-58500", "", "beloved-stallion-58500.upstash.io", "https://beloved-stallion-58500.upstash.io"},
		"redis host":  {"live replies have the host", "beloved-stallion-58500.upstash.io", "", "beloved-stallion-58500.upstash.io", "https://beloved-stallion-58500.upstash.io"},
		"vector slug": {"a vector host has a suffix", "glowing-baboon-15797-us1", "-vector", "glowing-baboon-15797-us1-vector.upstash.io", "https://glowing-baboon-15797-us1-vector.upstash.io"},
		"whole slug":  {"which is not put twice", "glowing-baboon-15797-us1-vector", "-vector", "glowing-baboon-15797-us1-vector.upstash.io", "https://glowing-baboon-15797-us1-vector.upstash.io"},
		"URL":         {"another server may give a URL", "http://127.0.0.1:4003/a-b-1/", "", "127.0.0.1", "http://127.0.0.1:4003/a-b-1"},
	} {
		t.Run(name, func(t *testing.T) {
			host, url := place(c.endpoint, c.slug)
			if diff := cmp.Diff([]string{c.host, c.url}, []string{host, url}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

func TestRedisURL(t *testing.T) {
	s := &upstashemu.Server{CreateTime: -1}
	session, specs := at(t, serve(s).Handler)
	want := specs["upstash.redis/cache"]
	h := session.Handler(kindRedis)
	made, err := h.Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	want.Known = &made
	pass := session.Pass().Handler(kindRedis)
	s.ForgetCalls()
	obs, err := pass.Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pass.(slipway.Outputter).Outputs(t.Context(), want, obs)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Calls()); n != 1 {
		t.Errorf("observation and outputs of one pass took %d calls, want 1", n)
	}
	host := out["endpoint"].Reveal()
	if got, want := out["url"].Reveal(), fmt.Sprintf("rediss://default:%s@%s:6379", out["password"].Reveal(), host); got != want || host == "" {
		t.Error("the connection string is not rediss://default:PASSWORD@HOST:6379")
	}
}

func TestStates(t *testing.T) {
	const database = `{"database_id":"d","database_name":"shop-cache","primary_region":"us-east-1","state":%q,"modifying_state":%q}`
	for name, c := range map[string]struct {
		reason           string
		state, modifying string
		pending, failed  bool
	}{
		"active":    {"usable", "active", "", false, false},
		"creating":  {"something is under way", "passive", "creating", true, false},
		"suspended": {"it will not come back by itself", "suspended", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			session, specs := at(t, reply(200, fmt.Sprintf(database, c.state, c.modifying)))
			want := specs["upstash.redis/cache"]
			want.Known = &slipway.Receipt{ID: "d"}
			obs, err := session.Handler(kindRedis).Observe(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			if !obs.Exists || obs.Pending != c.pending || (obs.Failed != nil) != c.failed {
				t.Errorf("%s: %+v", c.reason, obs)
			}
		})
	}
}

func TestReadRegionsHaveNoOrder(t *testing.T) {
	session, specs := at(t, reply(200, `{"database_id":"d","read_regions":["us-west-2","eu-west-1"]}`))
	want := specs["upstash.redis/cache"]
	want.Known = &slipway.Receipt{ID: "d"}
	obs, err := session.Handler(kindRedis).Observe(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Params["read_regions"], obs.Fields["read_regions"]); diff != "" {
		t.Errorf("read regions (-want +got):\n%s", diff)
	}
}

func TestTLSCannotBeTurnedOff(t *testing.T) {
	session, specs := at(t, reply(500, `"no call is due"`))
	want := specs["upstash.redis/cache"]
	want.Params = map[string]any{"tls": false}
	_, err := session.Handler(kindRedis).Update(t.Context(), want, slipway.Observation{Fields: map[string]any{"tls": true}})
	if slipway.ErrorCode(err) != slipway.CodeRefused {
		t.Errorf("turning TLS off: %v, want code %s", err, slipway.CodeRefused)
	}
}

func TestOutputsWithoutCredentialsAreMalformed(t *testing.T) {
	for kind, body := range map[slipway.Kind]string{kindRedis: `{"database_id":"d","endpoint":"e"}`, kindVector: `{"id":"x","endpoint":"e"}`} {
		session, _ := at(t, reply(200, body))
		_, err := session.Handler(kind).(slipway.Outputter).Outputs(t.Context(), slipway.Spec{}, slipway.Observation{Receipt: slipway.Receipt{ID: "d"}})
		if slipway.ErrorCode(err) != slipway.CodeMalformed {
			t.Errorf("%s: %v, want code %s", kind, err, slipway.CodeMalformed)
		}
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		reason   string
		settings map[string]string
		code     slipway.Code
		hint     string
	}{
		"nothing":   {"the missing variable is named", map[string]string{"UPSTASH_EMAIL": alice}, slipway.CodeCredential, "UPSTASH_API_KEY is missing"},
		"neither":   {"of two that are missing the same is named each time", nil, slipway.CodeCredential, "UPSTASH_EMAIL is missing"},
		"plain URL": {"a credential never goes over plain http", map[string]string{"UPSTASH_EMAIL": alice, "UPSTASH_API_KEY": aliceKey, "SLIPWAY_UPSTASH_URL": "http://example.com"}, slipway.CodeInvalid, ""},
		"default":   {"the base URL has a default", map[string]string{"UPSTASH_EMAIL": alice, "UPSTASH_API_KEY": aliceKey}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(rest.Config{}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := c.settings[env]
				return slipway.NewSecret(v), ok
			})
			var e *slipway.Error
			if slipway.ErrorCode(err) != c.code || errors.As(err, &e) && !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s: %+v, want code %q and a hint with %q", c.reason, err, c.code, c.hint)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	with := func(r slipway.ManifestResource) slipway.Manifest {
		return slipway.Manifest{App: "shop", Environments: []string{"production", "preview"}, Resources: map[string]slipway.ManifestResource{"x": r}}
	}
	for name, c := range map[string]struct {
		reason string
		m      slipway.Manifest
		paths  []string
	}{
		"fine":       {"an ordinary manifest has no problem", *manifest(), nil},
		"dimensions": {"an index has a limit", with(slipway.ManifestResource{Type: "upstash.vector", Fields: map[string]any{"dimensions": int64(5001)}}), []string{"resources.x.dimensions"}},
		"none":       {"and needs one at least", with(slipway.ManifestResource{Type: "upstash.vector", Fields: map[string]any{"dimensions": int64(0)}}), []string{"resources.x.dimensions"}},
		"long name":  {"once for all environments", with(slipway.ManifestResource{Type: "upstash.redis", Name: strings.Repeat("a", 125), PerEnvironment: true}), []string{"resources.x.name"}},
		"read region": {"the primary is no replica", with(slipway.ManifestResource{
			Type:   "upstash.redis",
			Fields: map[string]any{"region": "us-east-1", "read_regions": []string{"us-east-1"}},
		}), []string{"resources.x.read_regions"}},
		"existing":      {"what exists may be small or large", with(slipway.ManifestResource{Type: "upstash.redis", Existing: map[string]any{"id": "x"}}), nil},
		"existing each": {"one cannot be each environment's", with(slipway.ManifestResource{Type: "upstash.redis", PerEnvironment: true, Existing: map[string]any{"id": "x"}}), []string{"resources.x.per_environment"}},
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
