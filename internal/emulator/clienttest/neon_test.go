package clienttest

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu/pgserver"
)

// serveNeon listens with srv until the test ends and returns its base URL. Every 2xx reply is judged by the published
// document as well, and told to client.
func serveNeon(t *testing.T, srv *neonemu.Server, client *calls) (url string) {
	t.Helper()
	check := speccheck.Load(t, "neon")
	api, err := emukit.Start(t.Context(), 0, client.wrap(check.Wrap(t, srv)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api.URL + "/api/v2"
}

// postgres returns what makes branches real, or skips.
func postgres(t *testing.T) *pgserver.Server {
	t.Helper()
	pg, err := pgserver.New(pgserver.Config{})
	if errors.Is(err, pgserver.ErrNotFound) {
		skip(t, "no PostgreSQL server found: install one, or put its programs on the PATH")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Close)
	return pg
}

// neonCLI is the vendor's command line with its environment.
type neonCLI struct {
	t    *testing.T
	args []string
	env  []string
}

func newNeonCLI(t *testing.T, url string) neonCLI {
	t.Helper()
	home := t.TempDir()
	return neonCLI{
		t: t, env: environ(t, "NEON_API_KEY="+neonemu.DefaultPersonalKey),
		args: []string{filepath.Join("node_modules", "neon", "dist", "cli.js"), "--api-host", url, "--no-analytics", "--config-dir", home},
	}
}

// text runs one command and returns what it printed.
func (c neonCLI) text(args ...string) string {
	c.t.Helper()
	out, _ := run(c.t.Context(), c.t, ".", c.env, "node", append(c.args, args...)...)
	return strings.TrimSpace(out)
}

// json runs one command and returns its answer.
func (c neonCLI) json(args ...string) any {
	c.t.Helper()
	out := c.text(append(args, "--output", "json")...)
	var v any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		c.t.Fatalf("neon %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// refused runs one command that must fail and say why.
func (c neonCLI) refused(why string, args ...string) {
	c.t.Helper()
	out, errs, err := try(c.t.Context(), ".", c.env, "node", append(c.args, args...)...)
	if err == nil || !strings.Contains(errs, why) {
		c.t.Errorf("neon %s: %v, want %q\n%s\n%s", strings.Join(args, " "), err, why, out, errs)
	}
}

type object = map[string]any

// field walks from v along names and, for arrays, takes the first.
func field(v any, names ...string) any {
	for _, name := range names {
		if l, ok := v.([]any); ok && len(l) > 0 {
			v = l[0]
		}
		o, _ := v.(object)
		v = o[name]
	}
	return v
}

// each returns a field of every item of a list.
func each(v any, name string) []string {
	var out []string
	items, _ := v.([]any)
	for _, item := range items {
		text, _ := item.(object)[name].(string)
		out = append(out, text)
	}
	return out
}

func TestNeonCLI(t *testing.T) {
	need(t, ".", "node", "neon")
	need(t, ".", "psql")
	neon := newNeonCLI(t, serveNeon(t, &neonemu.Server{Postgres: postgres(t)}, record(t, neonemu.Operations())))
	equal := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	equal("me", "emulator", field(neon.json("me"), "login"))
	equal("organisations", []string{neonemu.DefaultOrgID}, each(neon.json("orgs", "list"), "id"))
	created := neon.json("projects", "create", "--name", "shop", "--org-id", neonemu.DefaultOrgID, "--region-id", "aws-eu-central-1")
	project := field(created, "project", "id").(string)
	of := func(args ...string) []string { return append(args, "--project-id", project) }
	equal("projects", []string{project}, each(neon.json("projects", "list", "--org-id", neonemu.DefaultOrgID), "id"))
	equal("region", "aws-eu-central-1", field(neon.json("projects", "get", project), "region_id"))

	branch := neon.json(of("branches", "create", "--name", "dev")...)
	equal("a branch from the CLI has a compute", "read_write", field(branch, "endpoints", "type"))
	equal("branches", []string{"dev", "main"}, each(neon.json(of("branches", "list")...), "name"))
	neon.refused("branch already exists", of("branches", "create", "--name", "dev")...)

	neon.json(of("roles", "create", "--name", "app", "--branch", "dev")...)
	equal("roles", []string{"neondb_owner", "app"}, each(neon.json(of("roles", "list", "--branch", "dev")...), "name"))
	neon.json(of("databases", "create", "--name", "store", "--owner-name", "app", "--branch", "dev")...)
	equal("databases", []string{"neondb", "store"}, each(neon.json(of("databases", "list", "--branch", "dev")...), "name"))

	uri := neon.text(of("connection-string", "dev", "--database-name", "store", "--role-name", "app")...)
	if !strings.HasPrefix(uri, "postgresql://app:npg_") || !strings.HasSuffix(uri, "/store?sslmode=require&channel_binding=require") {
		t.Errorf("connection string %s", uri)
	}
	who := "SELECT current_user || '@' || current_database()"
	out, _ := run(t.Context(), t, ".", neon.env, "psql", "-XAtc", who, uri)
	equal("psql with the CLI's connection string", "app@store\n", out)
	if out := neon.text(append(of("psql", "dev", "--database-name", "store", "--role-name", "app"), "--", "-XAtc", who)...); !strings.Contains(out, "app@store") {
		t.Errorf("neon psql: %s", out)
	}

	equal("operations", "finished", field(neon.json(of("operations", "list")...), "status"))
	neon.json(of("databases", "delete", "store", "--branch", "dev")...)
	neon.json(of("roles", "delete", "app", "--branch", "dev")...)
	neon.refused("cannot delete the root branch", of("branches", "delete", "main")...)
	neon.json(of("branches", "delete", "dev")...)
	equal("branches", []string{"main"}, each(neon.json(of("branches", "list")...), "name"))
	neon.json("projects", "delete", project)
	neon.refused("project not found", "projects", "get", project)
}

func TestNeonAPIClient(t *testing.T) {
	need(t, ".", "node", "@neondatabase/api-client")
	url := serveNeon(t, &neonemu.Server{MaxProjects: 2}, record(t, neonemu.Operations()))
	script(t, "neon-api-client.mjs", "NEON_URL="+url, "NEON_API_KEY="+neonemu.DefaultPersonalKey, "NEON_ORG_ID="+neonemu.DefaultOrgID)
}

// TestPsql: a branch has its parent's rows, and what is written to one is not in the other.
func TestPsql(t *testing.T) {
	need(t, ".", "psql")
	url := serveNeon(t, &neonemu.Server{Postgres: postgres(t), ProjectTime: -1, OpTime: -1}, nil)
	call := func(method, path, body string) (out object) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+neonemu.DefaultOrgKey)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, out, err)
		}
		return out
	}
	settled := func(project string) {
		t.Helper()
		for {
			busy := false
			for _, status := range each(call("GET", project+"/operations", "")["operations"], "status") {
				busy = busy || status != "finished"
			}
			if !busy {
				return
			}
		}
	}
	env := environ(t)
	psql := func(uri any, sql string) string {
		t.Helper()
		out, _ := run(t.Context(), t, ".", env, "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, uri.(string))
		return strings.TrimSpace(out)
	}
	made := call("POST", "/projects", `{"project":{"name":"shop"}}`)
	project := "/projects/" + field(made, "project", "id").(string)
	main := field(made, "connection_uris", "connection_uri")
	settled(project)
	psql(main, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)")
	branched := call("POST", project+"/branches", `{"endpoints":[{"type":"read_write"}]}`)
	child := field(branched, "connection_uris", "connection_uri")
	settled(project)
	psql(child, "INSERT INTO orders VALUES (2)")
	if got := psql(main, "SELECT count(*) FROM orders") + " " + psql(child, "SELECT count(*) FROM orders"); got != "1 2" {
		t.Errorf("parent and child have %s orders", got)
	}
	role := project + "/branches/" + field(branched, "branch", "id").(string) + "/roles/neondb_owner/reset_password"
	call("POST", role, "")
	settled(project)
	if _, errs, err := try(t.Context(), ".", env, "psql", "-Xc", "SELECT 1", child.(string)); err == nil || !strings.Contains(errs, "password authentication failed") {
		t.Errorf("the old password: %v %s", err, errs)
	}
}
