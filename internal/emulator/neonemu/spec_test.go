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
