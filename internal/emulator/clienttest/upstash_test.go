package clienttest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
)

// serveUpstash listens with srv until the test ends and returns the base of the Developer API. Every 2xx reply of it
// is judged by the published document as well, and every call of it and of the data planes is told to client.
func serveUpstash(t *testing.T, srv *upstashemu.Server, client *calls) (url string) {
	t.Helper()
	check := speccheck.Load(t, "upstash")
	data, err := emukit.Start(t.Context(), 0, client.wrap(srv.Data()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	srv.DataURL = data.URL
	api, err := emukit.Start(t.Context(), 0, client.wrap(check.Wrap(t, srv)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close(); srv.Close() })
	return api.URL
}

// upstashStore makes a database or an index, not by way of the client, and returns its reply.
func upstashStore(t *testing.T, srv *upstashemu.Server, path, body string) (out object) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v2"+path, strings.NewReader(body))
	r.SetBasicAuth(upstashemu.DefaultEmail, upstashemu.DefaultAPIKey)
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("POST %s: %d %v %v", path, rec.Code, out, err)
	}
	return out
}

func TestUpstashCLI(t *testing.T) {
	need(t, ".", "node", "@upstash/cli")
	url := serveUpstash(t, &upstashemu.Server{CreateTime: -1}, record(t, upstashemu.Operations(), upstashemu.DataOperations()))
	patch, err := filepath.Abs(filepath.Join("testdata", "upstash-fetch.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	env := environ(t, "UPSTASH_URL="+url, "UPSTASH_EMAIL="+upstashemu.DefaultEmail, "UPSTASH_API_KEY="+upstashemu.DefaultAPIKey, "NODE_OPTIONS=--import "+patch)
	cli := filepath.Join("node_modules", "@upstash", "cli", "dist", "cli.js")
	upstash := func(args ...string) any {
		t.Helper()
		out, _ := run(t.Context(), t, ".", env, "node", append([]string{cli}, args...)...)
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("upstash %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return v
	}
	refused := func(why string, args ...string) {
		t.Helper()
		out, errs, err := try(t.Context(), ".", env, "node", append([]string{cli}, args...)...)
		if err == nil || !strings.Contains(out+errs, why) {
			t.Errorf("upstash %s: %v, want %q\n%s\n%s", strings.Join(args, " "), err, why, out, errs)
		}
	}
	equal := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	db := upstash("redis", "create", "--name", "cache", "--region", "eu-west-1")
	id := field(db, "database_id").(string)
	of := func(verb string, args ...string) []string {
		return append([]string{"redis", verb, "--db-id", id}, args...)
	}
	equal("databases", []string{"cache"}, each(upstash("redis", "list"), "database_name"))
	equal("hidden", nil, field(upstash(of("get", "--hide-credentials")...), "rest_token"))
	equal("rename", "cache2", field(upstash(of("rename", "--name", "cache2")...), "database_name"))
	upstash(of("enable-eviction")...)
	upstash(of("change-plan", "--plan", "payg")...)
	changed := upstash(of("get")...)
	equal("changed", []any{true, "payg"}, []any{field(changed, "eviction"), field(changed, "type")})
	after := upstash(of("reset-password")...)
	equal("exec", object{"result": "OK"}, upstash("redis", "exec", "--db-url", field(after, "endpoint").(string), "--db-token", field(after, "rest_token").(string), "SET", "a", "1"))
	refused("Database not found", "redis", "get", "--db-id", "none") // an error that is a JSON string

	index := upstash("vector", "create", "--name", "search", "--region", "us-east-1", "--similarity-function", "COSINE", "--dimension-count", "2")
	indexID := field(index, "id").(string)
	equal("indexes", []string{"search"}, each(upstash("vector", "list"), "name"))
	upstash("vector", "reset-password", "--index-id", indexID)
	if field(upstash("vector", "get", "--index-id", indexID), "token") == field(index, "token") {
		t.Error("the index kept its token")
	}
	refused("Index not found", "vector", "get", "--index-id", "none") // an error that is {error}

	team := upstash("team", "create", "--name", "ops")
	equal("teams", []string{"ops"}, each(upstash("team", "list"), "team_name"))
	refused("Team not found", "team", "members", "--team-id", "none") // an error that is {message}
	upstash("team", "delete", "--team-id", field(team, "team_id").(string))
	upstash("vector", "delete", "--index-id", indexID)
	upstash("redis", "delete", "--db-id", id)
	equal("databases", 0, len(each(upstash("redis", "list"), "database_name")))
}

func TestUpstashCLIOfAnAccountThatTheAPIRefuses(t *testing.T) {
	need(t, ".", "node", "@upstash/cli")
	url := serveUpstash(t, &upstashemu.Server{RefuseDeveloperAPI: true}, nil)
	patch, err := filepath.Abs(filepath.Join("testdata", "upstash-fetch.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	env := environ(t, "UPSTASH_URL="+url, "UPSTASH_EMAIL="+upstashemu.DefaultEmail, "UPSTASH_API_KEY="+upstashemu.DefaultAPIKey, "NODE_OPTIONS=--import "+patch)
	out, errs, err := try(t.Context(), ".", env, "node", filepath.Join("node_modules", "@upstash", "cli", "dist", "cli.js"), "redis", "list")
	if err == nil || !strings.Contains(out+errs, "native Upstash accounts only") {
		t.Errorf("%v\n%s\n%s", err, out, errs)
	}
}

func TestUpstashRedis(t *testing.T) {
	need(t, ".", "node", "@upstash/redis")
	srv := &upstashemu.Server{CreateTime: -1}
	serveUpstash(t, srv, record(t, upstashemu.DataOperations()))
	d := upstashStore(t, srv, "/redis/database", `{"database_name":"cache","platform":"aws","primary_region":"eu-west-1"}`)
	script(t, "upstash-redis.mjs", "REDIS_URL="+d["endpoint"].(string), "REDIS_TOKEN="+d["rest_token"].(string), "REDIS_READ_TOKEN="+d["read_only_rest_token"].(string))
}

func TestUpstashVector(t *testing.T) {
	need(t, ".", "node", "@upstash/vector")
	srv := &upstashemu.Server{CreateTime: -1}
	serveUpstash(t, srv, record(t, upstashemu.DataOperations()))
	x := upstashStore(t, srv, "/vector/index", `{"name":"search","region":"us-east-1","similarity_function":"COSINE","dimension_count":2}`)
	script(t, "upstash-vector.mjs", "VECTOR_URL="+x["endpoint"].(string), "VECTOR_TOKEN="+x["token"].(string), "VECTOR_READ_TOKEN="+x["read_only_token"].(string))
}
