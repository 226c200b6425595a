package neonemu

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// TestErrorShapes: every error is {request_id, code, message}, with code often empty; the document has that shape for all
// of them, and the world judges by it. Every route is in the table.
func TestErrorShapes(t *testing.T) {
	w := newWorld(t, &Server{MaxBranches: 2})
	p, b := w.project("shop")
	w.must("POST", p+"/branches", `{"branch":{"name":"bare"}}`)
	w.settle()
	bare := p + "/branches/" + str(w.must("GET", p+"/branches?search=bare", ""), "branches.0.id")
	branchID := strings.TrimPrefix(b, p+"/branches/")
	w.server.APIKeys[scopedKey] = Account{Orgs: []Org{{ID: acme}}, Project: strings.TrimPrefix(p, "/projects/")}

	mux, judged := http.NewServeMux(), map[string]bool{}
	for _, rt := range w.server.routes() {
		op := rt.method + " " + rt.path
		mux.HandleFunc(op, func(http.ResponseWriter, *http.Request) { judged[op] = true })
	}
	for name, tc := range map[string]struct {
		reason, source, key, method, path, body string
		status                                  int
		code, message                           string
	}{
		"no key":                {"recorded: wrong and missing keys answer alike", "[? neon-wrong-key]", "-", "GET", "/projects", "", 401, "", "supplied credentials do not pass authentication"},
		"org_id":                {"recorded: a personal key of someone in organisations needs org_id", speccheck.Document, aliceKey, "GET", "/projects", "", 400, "", "org_id is required, you can find it on your organization settings page"},
		"org_id create":         {"so does a create", speccheck.Document, aliceKey, "POST", "/projects", `{"project":{}}`, 400, "", "org_id is required, you can find it on your organization settings page"},
		"foreign org":           {"an organisation that the key is not in is not there", speccheck.Document, acmeKey, "GET", "/projects?org_id=" + beta, "", 404, "", "organization not found"},
		"foreign org get":       {"nor can it be read", speccheck.Document, acmeKey, "GET", "/organizations/" + beta, "", 404, "", "organization not found"},
		"org key has no user":   {"an organisation key is nobody", "[? neon-user-of-org-key]", acmeKey, "GET", "/users/me", "", 404, "", "user not found"},
		"foreign project":       {"404 for another account's project", speccheck.Document, loneKey, "GET", p, "", 404, "", "project not found"},
		"read-only":             {"a read-only key changes nothing", "[? neon-read-only-key]", readKey, "DELETE", p, "", 403, "", "the API key is read-only"},
		"scoped create":         {"a project-scoped key makes no project", "[? neon-project-key-create]", scopedKey, "POST", "/projects", `{"project":{}}`, 403, "", "the API key is limited to one project"},
		"scoped delete":         {"nor deletes its own", "[? neon-project-key-delete]", scopedKey, "DELETE", p, "", 403, "", "the API key is limited to one project"},
		"limit":                 {"limit <= 400", speccheck.Document, acmeKey, "GET", "/projects?limit=401", "", 400, "", "limit must be from 1 to 400"},
		"cursor":                {"a cursor of ours only", speccheck.Document, acmeKey, "GET", "/projects?cursor=!", "", 400, "", "invalid cursor"},
		"bad json":              {"malformed JSON is the caller's fault", speccheck.Document, acmeKey, "POST", "/projects", `{"project":`, 400, "", "request body has an error: unexpected EOF"},
		"no body":               {"the body is required", speccheck.Document, acmeKey, "POST", "/projects", ``, 400, "", "request body is required"},
		"unknown field":         {"a misspelt field is no wish", "[? neon-unknown-field]", acmeKey, "POST", "/projects", `{"project":{"nome":"x"}}`, 400, "", `request body has an error: unknown field "nome"`},
		"region":                {"regions are a list", "[? neon-unknown-region]", acmeKey, "POST", "/projects", `{"project":{"region_id":"aws-moon-1"}}`, 400, "", `unknown region "aws-moon-1"`},
		"version":               {"14 to 18", speccheck.Document, acmeKey, "POST", "/projects", `{"project":{"pg_version":13}}`, 400, "", "unsupported Postgres version 13"},
		"long name":             {"at most 256", speccheck.Document, acmeKey, "POST", "/projects", `{"project":{"name":"` + strings.Repeat("x", 257) + `"}}`, 400, "", "project name must have from 1 to 256 bytes"},
		"branch exists":         {"recorded, neondatabase/create-branch-action#67", "https://github.com/neondatabase/create-branch-action/issues/67", acmeKey, "POST", p + "/branches", `{"branch":{"name":"main"}}`, 409, "", `branch already exists; branch_name:"main"`},
		"branch limit":          {"branches are limited", speccheck.Document, acmeKey, "POST", p + "/branches", `{"branch":{"name":"x"}}`, 422, "BRANCHES_LIMIT_EXCEEDED", "branches limit of 2 exceeded, got 2"},
		"root":                  {"recorded: the root stays", "[? neon-delete-default-branch]", acmeKey, "DELETE", b, "", 422, "", "cannot delete the root branch"},
		"no branch":             {"recorded", speccheck.Document, acmeKey, "GET", p + "/branches/br-none-1", "", 404, "", "branch not found"},
		"second writer":         {"one read-write compute a branch", "[? neon-second-writer]", acmeKey, "POST", p + "/endpoints", `{"endpoint":{"branch_id":"` + branchID + `","type":"read_write"}}`, 409, "ENDPOINTS_LIMIT_EXCEEDED", "read_write endpoint already exists"},
		"role without compute":  {"recorded: a role needs a compute", "[? neon-database-without-compute]", acmeKey, "POST", bare + "/roles", `{"role":{"name":"x"}}`, 404, "", "no read-write endpoint for branch"},
		"role exists":           {"role names are unique in a branch", speccheck.Document, acmeKey, "POST", b + "/roles", `{"role":{"name":"neondb_owner"}}`, 409, "", "role already exists"},
		"role reserved":         {"PostgreSQL keeps pg_", speccheck.Document, acmeKey, "POST", b + "/roles", `{"role":{"name":"pg_x"}}`, 400, "", `role name "pg_x" is reserved`},
		"role owns":             {"a role that owns a database stays", "[? neon-delete-owner]", acmeKey, "DELETE", b + "/roles/neondb_owner", "", 422, "", `role "neondb_owner" owns databases`},
		"database exists":       {"database names are unique in a branch", speccheck.Document, acmeKey, "POST", b + "/databases", `{"database":{"name":"neondb","owner_name":"neondb_owner"}}`, 409, "", "database already exists"},
		"database owner":        {"the owner must be there", speccheck.Document, acmeKey, "POST", b + "/databases", `{"database":{"name":"x","owner_name":"ghost"}}`, 404, "", "role not found"},
		"uri parameters":        {"database_name and role_name are required", speccheck.Document, acmeKey, "GET", p + "/connection_uri?role_name=neondb_owner", "", 400, "", `query parameter "database_name" is required`},
		"uri role":              {"of a role that is there", speccheck.Document, acmeKey, "GET", p + "/connection_uri?role_name=x&database_name=neondb", "", 404, "", "role not found"},
		"uri compute":           {"a branch without compute has no string", speccheck.Document, acmeKey, "GET", p + "/connection_uri?role_name=neondb_owner&database_name=neondb&branch_id=" + strings.TrimPrefix(bare, p+"/branches/"), "", 404, "", "no read-write endpoint for branch"},
		"recover alive":         {"only what is deleted is recovered", "[? neon-recover-living-project]", acmeKey, "POST", p + "/recover", "", 422, "", "project is not deleted"},
		"recover branch":        {"a branch too", "[? neon-recover-branch]", acmeKey, "POST", b + "/recover", "", 422, "", "branch is not deleted"},
		"recover nothing":       {"what never was is not there", speccheck.Document, acmeKey, "POST", "/projects/none/recover", "", 404, "", "project not found"},
		"not modelled":          {"501 with the route's name", speccheck.Ours, acmeKey, "GET", p + "/snapshots", "", 501, "not_implemented", "the emulator does not model GET /api/v2" + p + "/snapshots"},
		"partly modelled":       {"501 for a part of a route", speccheck.Ours, acmeKey, "POST", p + "/branches", `{"branch":{"init_source":"schema-only"}}`, 501, "not_implemented", "the emulator does not model branches that are archived, schema-only or of a past moment"},
		"too large":             {"a body over 1 MiB is refused", speccheck.Document, acmeKey, "POST", "/projects", strings.Repeat(" ", 2<<20), 413, "payload_too_large", "The body is over 1048576 bytes."},
		"no key, auth":          {"of each route", "[? neon-wrong-key]", "-", "GET", "/auth", "", 401, "", "supplied credentials do not pass authentication"},
		"no key, organizations": {"of each route", "[? neon-wrong-key]", "-", "GET", "/users/me/organizations", "", 401, "", "supplied credentials do not pass authentication"},
		"no key, regions":       {"of each route", "[? neon-wrong-key]", "-", "GET", "/regions", "", 401, "", "supplied credentials do not pass authentication"},
		"change nothing":        {"a project to change", speccheck.Document, acmeKey, "PATCH", "/projects/none", `{"project":{}}`, 404, "", "project not found"},
		"change without one":    {"and how", speccheck.Document, acmeKey, "PATCH", p, `{}`, 400, "", "project is required"},
		"history":               {"30 days at most", speccheck.Document, acmeKey, "PATCH", p, `{"project":{"history_retention_seconds":2592001}}`, 400, "", "history_retention_seconds must be from 0 to 2592000"},
		"operations of none":    {"of no project", speccheck.Document, acmeKey, "GET", "/projects/none/operations", "", 404, "", "project not found"},
		"no operation":          {"one that is not there", speccheck.Document, acmeKey, "GET", p + "/operations/none", "", 404, "", "operation not found"},
		"branches of none":      {"of no project", speccheck.Document, acmeKey, "GET", "/projects/none/branches", "", 404, "", "project not found"},
		"branches' order":       {"by a field that there is", speccheck.Document, acmeKey, "GET", p + "/branches?sort_by=size", "", 400, "", "invalid sort_by or sort_order"},
		"count of none":         {"of no project", speccheck.Document, acmeKey, "GET", "/projects/none/branches/count", "", 404, "", "project not found"},
		"change no branch":      {"one that is not there", speccheck.Document, acmeKey, "PATCH", p + "/branches/none", `{"branch":{}}`, 404, "", "branch not found"},
		"branch taken":          {"a name that is taken", "https://github.com/neondatabase/create-branch-action/issues/67", acmeKey, "PATCH", bare, `{"branch":{"name":"main"}}`, 409, "", `branch already exists; branch_name:"main"`},
		"default, no branch":    {"one that is not there", speccheck.Document, acmeKey, "POST", p + "/branches/none/set_as_default", "", 404, "", "branch not found"},
		"computes of none":      {"of no branch", speccheck.Document, acmeKey, "GET", p + "/branches/none/endpoints", "", 404, "", "branch not found"},
		"roles of none":         {"of no branch", speccheck.Document, acmeKey, "GET", p + "/branches/none/roles", "", 404, "", "branch not found"},
		"no role":               {"one that is not there", speccheck.Document, acmeKey, "GET", b + "/roles/none", "", 404, "", "role not found"},
		"reveal no role":        {"nor its password", speccheck.Document, acmeKey, "GET", b + "/roles/none/reveal_password", "", 404, "", "role not found"},
		"reset no role":         {"nor reset", speccheck.Document, acmeKey, "POST", b + "/roles/none/reset_password", "", 404, "", "role not found"},
		"databases of none":     {"of no branch", speccheck.Document, acmeKey, "GET", p + "/branches/none/databases", "", 404, "", "branch not found"},
		"no database":           {"one that is not there", speccheck.Document, acmeKey, "GET", b + "/databases/none", "", 404, "", "database not found"},
		"change no database":    {"nor changed", speccheck.Document, acmeKey, "PATCH", b + "/databases/none", `{"database":{"name":"x"}}`, 404, "", "database not found"},
		"delete no database":    {"of no branch", speccheck.Document, acmeKey, "DELETE", p + "/branches/none/databases/none", "", 404, "", "branch not found"},
		"database reserved":     {"PostgreSQL has it", speccheck.Document, acmeKey, "POST", b + "/databases", `{"database":{"name":"template1","owner_name":"neondb_owner"}}`, 400, "", `database name "template1" is reserved`},
		"computes of nothing":   {"of no project", speccheck.Document, acmeKey, "GET", "/projects/none/endpoints", "", 404, "", "project not found"},
		"no compute":            {"one that is not there", speccheck.Document, acmeKey, "GET", p + "/endpoints/none", "", 404, "", "endpoint not found"},
		"change no compute":     {"nor changed", speccheck.Document, acmeKey, "PATCH", p + "/endpoints/none", `{"endpoint":{}}`, 404, "", "endpoint not found"},
		"delete no compute":     {"of no project", speccheck.Document, acmeKey, "DELETE", "/projects/none/endpoints/none", "", 404, "", "project not found"},
		"start no compute":      {"nor started", speccheck.Document, acmeKey, "POST", p + "/endpoints/none/start", "", 404, "", "endpoint not found"},
		"suspend no compute":    {"nor suspended", speccheck.Document, acmeKey, "POST", p + "/endpoints/none/suspend", "", 404, "", "endpoint not found"},
		"restart no compute":    {"nor restarted", speccheck.Document, acmeKey, "POST", p + "/endpoints/none/restart", "", 404, "", "endpoint not found"},
		"compute's sleep":       {"a week at most", speccheck.Document, acmeKey, "POST", p + "/endpoints", `{"endpoint":{"branch_id":"` + branchID + `","type":"read_only","suspend_timeout_seconds":604801}}`, 400, "", "suspend_timeout_seconds must be from -1 to 604800"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := w.as(tc.key, tc.method, tc.path, tc.body)
			got, want := object{"status": code}, object{"status": tc.status, "code": tc.code, "message": tc.message}
			for k, v := range out {
				if k != "request_id" {
					got[k] = v
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if !w.spec.Cited(t, tc.source, tc.method, "/api/v2"+tc.path, tc.status) {
				t.Errorf("%s is no source of a %d of %s %s", tc.source, tc.status, tc.method, tc.path)
			}
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		})
	}
	for _, rt := range w.server.routes() {
		if !judged[rt.method+" "+rt.path] {
			t.Errorf("no error of %s %s is judged", rt.method, rt.path)
		}
	}
	if n := len(list(w.must("GET", "/projects", ""), "projects")); n != 1 {
		t.Errorf("refused calls made %d projects", n-1)
	}
}
