package neonemu

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryRouteFitsTheSpec makes each modelled route answer 2xx, which the world checks, and sees that none was left out.
func TestEveryRouteFitsTheSpec(t *testing.T) {
	w := newWorld(t, &Server{})
	for _, path := range []string{"/auth", "/users/me", "/users/me/organizations", "/organizations/" + acme, "/regions", "/regions?org_id=" + acme} {
		if code, out := w.as(aliceKey, "GET", path, ""); code != 200 {
			t.Errorf("GET %s: %d %v", path, code, out)
		}
	}
	w.must("GET", "/auth", "")
	p, b := w.project("shop")
	w.project("other")
	for _, path := range []string{"", "/operations", "/branches", "/branches/count", "/endpoints"} {
		w.must("GET", p+path, "")
	}
	w.must("GET", "/projects?limit=1", "")
	w.must("GET", p+"/operations/"+str(w.must("GET", p+"/operations", ""), "operations.0.id"), "")
	w.must("PATCH", p, `{"project":{"name":"shop2","settings":{"quota":{"active_time_seconds":1}}}}`)
	w.must("GET", b, "")
	w.must("GET", b+"/endpoints", "")
	w.must("GET", p+"/connection_uri?database_name=neondb&role_name=neondb_owner", "")

	change := func(method, path, body string) object {
		t.Helper()
		out := w.must(method, path, body)
		w.settle()
		return out
	}
	change("POST", b+"/roles", `{"role":{"name":"app"}}`)
	change("POST", b+"/roles/app/reset_password", "")
	change("POST", b+"/databases", `{"database":{"name":"appdb","owner_name":"app"}}`)
	change("PATCH", b+"/databases/appdb", `{"database":{"name":"appdb2"}}`)
	for _, path := range []string{"/roles", "/roles/app", "/roles/app/reveal_password", "/databases", "/databases/appdb2"} {
		w.must("GET", b+path, "")
	}
	child := change("POST", p+"/branches", `{"branch":{"name":"dev","expires_at":"2027-01-01T00:00:00Z"},"endpoints":[{"type":"read_write"}],"annotation_value":{"a":"b"}}`)
	c, e := p+"/branches/"+str(child, "branch.id"), p+"/endpoints/"+str(child, "endpoints.0.id")
	w.must("GET", p+"/branches", "")
	change("PATCH", c, `{"branch":{"name":"dev2"}}`)
	change("PATCH", e, `{"endpoint":{"suspend_timeout_seconds":60}}`)
	for _, verb := range []string{"/suspend", "/start", "/restart"} {
		change("POST", e+verb, "")
	}
	w.must("GET", e, "")
	replica := change("POST", p+"/endpoints", `{"endpoint":{"branch_id":"`+str(child, "branch.id")+`","type":"read_only"}}`)
	change("DELETE", p+"/endpoints/"+str(replica, "endpoint.id"), "")
	change("DELETE", b+"/databases/appdb2", "")
	change("DELETE", b+"/roles/app", "")
	change("POST", c+"/set_as_default", "")
	change("POST", b+"/set_as_default", "")
	change("DELETE", c, "")
	w.must("GET", p+"/branches?include_deleted=true", "")
	change("POST", c+"/recover", "")
	change("DELETE", p, "")
	change("POST", p+"/recover", "")
	change("DELETE", p, "")
	w.must("GET", "/projects?recoverable=true", "")

	if diff := cmp.Diff(modelled(w.server), anonymous(w.spec.Covered())); diff != "" {
		t.Errorf("routes that answered 2xx (-modelled +checked):\n%s", diff)
	}
}

func modelled(s *Server) []string {
	var out []string
	for _, r := range s.routes() {
		out = append(out, r.method+" "+r.path)
	}
	return anonymous(out)
}

// anonymous takes the names out of path parameters, which the specification calls differently.
func anonymous(routes []string) []string {
	var out []string
	for _, r := range routes {
		parts := strings.Split(r, "/")
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = "{}"
			}
		}
		out = append(out, strings.Join(parts, "/"))
	}
	slices.Sort(out)
	return out
}

// TestErrorShapes: every error is {request_id, code, message}, with code often empty.
func TestErrorShapes(t *testing.T) {
	w := newWorld(t, &Server{MaxBranches: 2})
	p, b := w.project("shop")
	w.must("POST", p+"/branches", `{"branch":{"name":"bare"}}`)
	w.settle()
	bare := p + "/branches/" + str(w.must("GET", p+"/branches?search=bare", ""), "branches.0.id")
	branchID := strings.TrimPrefix(b, p+"/branches/")
	w.server.APIKeys[scopedKey] = Account{Orgs: []Org{{ID: acme}}, Project: strings.TrimPrefix(p, "/projects/")}

	for name, tc := range map[string]struct {
		reason, key, method, path, body string
		status                          int
		code, message                   string
	}{
		"no key":               {"recorded: wrong and missing keys answer alike", "-", "GET", "/projects", "", 401, "", "supplied credentials do not pass authentication"},
		"org_id":               {"recorded: a personal key of someone in organisations needs org_id", aliceKey, "GET", "/projects", "", 400, "", "org_id is required, you can find it on your organization settings page"},
		"org_id create":        {"so does a create", aliceKey, "POST", "/projects", `{"project":{}}`, 400, "", "org_id is required, you can find it on your organization settings page"},
		"foreign org":          {"an organisation that the key is not in is not there", acmeKey, "GET", "/projects?org_id=" + beta, "", 404, "", "organization not found"},
		"foreign org get":      {"nor can it be read", acmeKey, "GET", "/organizations/" + beta, "", 404, "", "organization not found"},
		"org key has no user":  {"an organisation key is nobody", acmeKey, "GET", "/users/me", "", 404, "", "user not found"},
		"foreign project":      {"404 for another account's project", loneKey, "GET", p, "", 404, "", "project not found"},
		"read-only":            {"a read-only key changes nothing", readKey, "DELETE", p, "", 403, "", "the API key is read-only"},
		"scoped create":        {"a project-scoped key makes no project", scopedKey, "POST", "/projects", `{"project":{}}`, 403, "", "the API key is limited to one project"},
		"scoped delete":        {"nor deletes its own", scopedKey, "DELETE", p, "", 403, "", "the API key is limited to one project"},
		"limit":                {"limit <= 400", acmeKey, "GET", "/projects?limit=401", "", 400, "", "limit must be from 1 to 400"},
		"cursor":               {"a cursor of ours only", acmeKey, "GET", "/projects?cursor=!", "", 400, "", "invalid cursor"},
		"bad json":             {"malformed JSON is the caller's fault", acmeKey, "POST", "/projects", `{"project":`, 400, "", "request body has an error: unexpected EOF"},
		"no body":              {"the body is required", acmeKey, "POST", "/projects", ``, 400, "", "request body is required"},
		"unknown field":        {"a misspelt field is no wish", acmeKey, "POST", "/projects", `{"project":{"nome":"x"}}`, 400, "", `request body has an error: unknown field "nome"`},
		"region":               {"regions are a list", acmeKey, "POST", "/projects", `{"project":{"region_id":"aws-moon-1"}}`, 400, "", `unknown region "aws-moon-1"`},
		"version":              {"14 to 18", acmeKey, "POST", "/projects", `{"project":{"pg_version":13}}`, 400, "", "unsupported Postgres version 13"},
		"long name":            {"at most 256", acmeKey, "POST", "/projects", `{"project":{"name":"` + strings.Repeat("x", 257) + `"}}`, 400, "", "project name must have from 1 to 256 bytes"},
		"branch exists":        {"recorded, neondatabase/create-branch-action#67", acmeKey, "POST", p + "/branches", `{"branch":{"name":"main"}}`, 409, "", `branch already exists; branch_name:"main"`},
		"branch limit":         {"branches are limited", acmeKey, "POST", p + "/branches", `{"branch":{"name":"x"}}`, 422, "BRANCHES_LIMIT_EXCEEDED", "branches limit of 2 exceeded, got 2"},
		"root":                 {"recorded: the root stays", acmeKey, "DELETE", b, "", 422, "", "cannot delete the root branch"},
		"no branch":            {"recorded", acmeKey, "GET", p + "/branches/br-none-1", "", 404, "", "branch not found"},
		"second writer":        {"one read-write compute a branch", acmeKey, "POST", p + "/endpoints", `{"endpoint":{"branch_id":"` + branchID + `","type":"read_write"}}`, 409, "ENDPOINTS_LIMIT_EXCEEDED", "read_write endpoint already exists"},
		"role without compute": {"recorded: a role needs a compute", acmeKey, "POST", bare + "/roles", `{"role":{"name":"x"}}`, 404, "", "no read-write endpoint for branch"},
		"role exists":          {"role names are unique in a branch", acmeKey, "POST", b + "/roles", `{"role":{"name":"neondb_owner"}}`, 409, "", "role already exists"},
		"role reserved":        {"PostgreSQL keeps pg_", acmeKey, "POST", b + "/roles", `{"role":{"name":"pg_x"}}`, 400, "", `role name "pg_x" is reserved`},
		"role owns":            {"a role that owns a database stays", acmeKey, "DELETE", b + "/roles/neondb_owner", "", 422, "", `role "neondb_owner" owns databases`},
		"database exists":      {"database names are unique in a branch", acmeKey, "POST", b + "/databases", `{"database":{"name":"neondb","owner_name":"neondb_owner"}}`, 409, "", "database already exists"},
		"database owner":       {"the owner must be there", acmeKey, "POST", b + "/databases", `{"database":{"name":"x","owner_name":"ghost"}}`, 404, "", "role not found"},
		"uri parameters":       {"database_name and role_name are required", acmeKey, "GET", p + "/connection_uri?role_name=neondb_owner", "", 400, "", `query parameter "database_name" is required`},
		"uri role":             {"of a role that is there", acmeKey, "GET", p + "/connection_uri?role_name=x&database_name=neondb", "", 404, "", "role not found"},
		"uri compute":          {"a branch without compute has no string", acmeKey, "GET", p + "/connection_uri?role_name=neondb_owner&database_name=neondb&branch_id=" + strings.TrimPrefix(bare, p+"/branches/"), "", 404, "", "no read-write endpoint for branch"},
		"recover alive":        {"only what is deleted is recovered", acmeKey, "POST", p + "/recover", "", 422, "", "project is not deleted"},
		"recover branch":       {"a branch too", acmeKey, "POST", b + "/recover", "", 422, "", "branch is not deleted"},
		"recover nothing":      {"what never was is not there", acmeKey, "POST", "/projects/none/recover", "", 404, "", "project not found"},
		"not modelled":         {"501 with the route's name", acmeKey, "GET", p + "/snapshots", "", 501, "not_implemented", "the emulator does not model GET /api/v2" + p + "/snapshots"},
		"partly modelled":      {"501 for a part of a route", acmeKey, "POST", p + "/branches", `{"branch":{"init_source":"schema-only"}}`, 501, "not_implemented", "the emulator does not model branches that are archived, schema-only or of a past moment"},
		"too large":            {"a body over 1 MiB is refused", acmeKey, "POST", "/projects", strings.Repeat(" ", 2<<20), 413, "payload_too_large", "The body is over 1048576 bytes."},
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
		})
	}
	if n := len(list(w.must("GET", "/projects", ""), "projects")); n != 1 {
		t.Errorf("refused calls made %d projects", n-1)
	}
}
