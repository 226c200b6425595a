package connect

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/rest"
)

// world is all emulators; branches are real databases where the machine has PostgreSQL.
type world struct {
	*emulator.Running
	t *testing.T
}

func newWorld(t *testing.T, postgres string) world {
	t.Helper()
	e, err := emulator.Start(t.Context(), emulator.Options{Postgres: postgres})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return world{e, t}
}

// send calls an emulator's API and returns its reply, nil for one that is not 2xx.
func (w world) send(method, urlVar, path string, body any) map[string]any {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	env := w.Env()
	r, err := http.NewRequestWithContext(w.t.Context(), method, env[urlVar]+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	if r.Header.Set("Authorization", "Bearer "+env["NEON_API_KEY"]); urlVar == "SLIPWAY_UPSTASH_URL" {
		r.SetBasicAuth(env["UPSTASH_EMAIL"], env["UPSTASH_API_KEY"])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode/100 != 2 {
		return nil
	}
	return out
}

func handed(restURL, token string) map[string]slipway.Secret {
	return map[string]slipway.Secret{"rest_url": slipway.NewSecret(restURL), "rest_token": slipway.NewSecret(token)}
}

func TestPostgresOnABranch(t *testing.T) {
	w := newWorld(t, "auto")
	if bin, _ := w.Postgres(); bin == "" {
		if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
			t.Fatal("no PostgreSQL server found")
		}
		t.Skip("no PostgreSQL server found: install one, or put its programs on the PATH")
	}
	const api = "SLIPWAY_NEON_URL"
	made := w.send("POST", api, "/projects", map[string]any{"project": map[string]any{
		"org_id": w.Env()["NEON_ORG_ID"], "branch": map[string]string{"role_name": "app", "database_name": "store"},
	}})
	path := "/projects/" + made["project"].(map[string]any)["id"].(string) + "/connection_uri?database_name=store&role_name=app"
	var uri string
	for uri == "" { // until the operations of the create have finished
		if reply := w.send("GET", api, path, nil); reply != nil {
			uri, _ = reply["uri"].(string)
		}
		if t.Context().Err() != nil {
			t.Fatal("no connection string")
		}
	}
	right, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := right.User.Password()
	connect := All(rest.Config{})[slipway.ConnectPostgres]
	var facts map[string]any
	for facts == nil { // until the compute has started
		facts, err = connect(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret(uri)})
		if slipway.ErrorCode(err) != "" && slipway.ErrorCode(err) != slipway.CodeUnavailable || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	if pooled, err := connect(t.Context(), map[string]slipway.Secret{"pooled_url": slipway.NewSecret(uri)}); err != nil || !cmp.Equal(pooled, facts) {
		t.Errorf("a pooled connection string is one like any other: %v, %v", pooled, err)
	}
	if d := cmp.Diff(map[string]any{"database": "store", "role": "app", "owner": "app"}, facts); d != "" {
		t.Errorf("what it connected to (-want +got):\n%s", d)
	}
	for name, tc := range map[string]struct {
		reason string
		change func(u *url.URL)
		code   slipway.Code
	}{
		"password": {"another password", func(u *url.URL) { u.User = url.UserPassword("app", canary) }, slipway.CodeUnauthorized},
		"role":     {"a role that is not there", func(u *url.URL) { u.User = url.UserPassword("nobody", password) }, slipway.CodeUnauthorized},
		"database": {"a database that is not there", func(u *url.URL) { u.Path = "/other" }, slipway.CodeCheckFailed},
		"verified": {"a certificate of nobody that it knows", func(u *url.URL) { u.RawQuery = "sslmode=verify-full&channel_binding=require" }, slipway.CodeCheckFailed},
	} {
		t.Run(name, func(t *testing.T) {
			u := *right
			tc.change(&u)
			facts, err := connect(t.Context(), map[string]slipway.Secret{"url": slipway.NewSecret(u.String())})
			mustFail(t, tc.reason, facts, err, tc.code)
			if strings.Contains(err.Error(), password) {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestStores(t *testing.T) {
	w := newWorld(t, "")
	const api = "SLIPWAY_UPSTASH_URL"
	redis := w.send("POST", api, "/v2/redis/database", map[string]any{"database_name": "cache", "platform": "aws", "primary_region": "us-east-1"})
	index := w.send("POST", api, "/v2/vector/index", map[string]any{
		"name": "search", "region": "us-east-1", "similarity_function": "DOT_PRODUCT", "dimension_count": 384,
	})
	text := func(of map[string]any, name string) string { s, _ := of[name].(string); return s }
	redisURL, indexURL := text(redis, "endpoint"), text(index, "endpoint")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<p>" + canary + "</p>"))
	}))
	t.Cleanup(page.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"result":"` + canary + `"}`))
	}))
	t.Cleanup(other.Close)
	metric := map[string]any{"dimensions": int64(384), "metric": "dot_product"}

	for name, tc := range map[string]struct {
		reason     string
		connection slipway.Connection
		url, token string
		facts      map[string]any // nil: it fails
		code       slipway.Code
	}{
		"redis":             {"PONG", slipway.ConnectRedis, redisURL, text(redis, "rest_token"), map[string]any{}, ""},
		"redis, slash":      {"as some copy it", slipway.ConnectRedis, redisURL + "/", text(redis, "rest_token"), map[string]any{}, ""},
		"redis, reads":      {"the token that only reads answers PING too", slipway.ConnectRedis, redisURL, text(redis, "read_only_rest_token"), nil, slipway.CodeUnauthorized},
		"redis, token":      {"another token", slipway.ConnectRedis, redisURL, canary, nil, slipway.CodeUnauthorized},
		"redis, no token":   {"nothing", slipway.ConnectRedis, redisURL, "", nil, slipway.CodeCheckFailed},
		"redis, two lines":  {"a copied line end", slipway.ConnectRedis, redisURL, canary + "\nX: y", nil, slipway.CodeCheckFailed},
		"redis, TCP":        {"the URL of the other protocol", slipway.ConnectRedis, "rediss://default:" + canary + "@cache.upstash.io:6379", canary, nil, slipway.CodeCheckFailed},
		"redis, plain":      {"a token never goes out in the open", slipway.ConnectRedis, "http://" + canary + ".upstash.io", canary, nil, slipway.CodeCheckFailed},
		"redis, swapped":    {"the token where the URL belongs", slipway.ConnectRedis, canary, redisURL, nil, slipway.CodeCheckFailed},
		"redis, an index's": {"the URL and token of another kind of store", slipway.ConnectRedis, indexURL, text(index, "token"), nil, slipway.CodeCheckFailed},
		"redis, closed":     {"nothing listens", slipway.ConnectRedis, "http://" + closedPort(t), canary, nil, slipway.CodeUnavailable},
		"redis, a page":     {"no API", slipway.ConnectRedis, page.URL, canary, nil, slipway.CodeCheckFailed},
		"redis, no pong":    {"another API", slipway.ConnectRedis, other.URL, canary, nil, slipway.CodeCheckFailed},
		"vector":            {"it tells dimensions and metric", slipway.ConnectVector, indexURL, text(index, "token"), metric, ""},
		"vector, reads":     {"the token that only reads is one too", slipway.ConnectVector, indexURL, text(index, "read_only_token"), metric, ""},
		"vector, token":     {"another token", slipway.ConnectVector, indexURL, canary, nil, slipway.CodeUnauthorized},
		"vector, a redis's": {"the URL and token of another kind of store", slipway.ConnectVector, redisURL, text(redis, "rest_token"), nil, slipway.CodeCheckFailed},
		"vector, closed":    {"nothing listens", slipway.ConnectVector, "http://" + closedPort(t), canary, nil, slipway.CodeUnavailable},
		"vector, no info":   {"another API", slipway.ConnectVector, other.URL, canary, nil, slipway.CodeCheckFailed},
	} {
		t.Run(name, func(t *testing.T) {
			facts, err := All(rest.Config{})[tc.connection](t.Context(), handed(tc.url, tc.token))
			if tc.code != "" {
				mustFail(t, tc.reason, facts, err, tc.code)
				if bad := rest.CheckBase(tc.url) != nil; bad != strings.Contains(err.Error(), "https://") {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			if d := cmp.Diff(tc.facts, facts); d != "" || err != nil {
				t.Errorf("%s: %v, facts (-want +got):\n%s", tc.reason, err, d)
			}
		})
	}
}
