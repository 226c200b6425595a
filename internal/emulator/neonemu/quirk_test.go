package neonemu

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// The tests of this file are named after the behaviours that a client has to live with.

func TestCreateGivesPasswordsRolesDatabasesOperationsBranchAndEndpoint(t *testing.T) {
	w := newWorld(t, &Server{})
	out := w.must("POST", "/projects", `{"project":{"name":"shop","region_id":"aws-eu-central-1","pg_version":16,
		"branch":{"name":"prod","role_name":"app","database_name":"store"}}}`)
	u, err := url.Parse(str(out, "connection_uris.0.connection_uri"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if !strings.HasPrefix(password, "npg_") || password != str(out, "roles.0.password") {
		t.Error("the connection string does not hold the role's new password")
	}
	host := str(out, "endpoints.0.id") + ".eu-central-1.aws.not-connectable.invalid"
	want := []any{"shop", acme, "prod", true, "app", "store", "app", "read_write", host, host, "/store", "app"}
	got := []any{
		str(out, "project.name"), str(out, "project.org_id"), str(out, "branch.name"), get(out, "branch.default"),
		str(out, "roles.0.name"), str(out, "databases.0.name"), str(out, "databases.0.owner_name"), str(out, "endpoints.0.type"),
		str(out, "endpoints.0.host"), u.Host, u.Path, u.User.Username(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
}

func TestDefaultsOfACreate(t *testing.T) {
	w := newWorld(t, &Server{})
	out := w.must("POST", "/projects", `{"project":{}}`)
	got := []any{
		str(out, "project.name") == str(out, "project.id"), str(out, "project.region_id"), get(out, "project.pg_version"),
		str(out, "branch.name"), str(out, "databases.0.name"), str(out, "roles.0.name"),
	}
	if diff := cmp.Diff([]any{true, "aws-us-east-2", 17.0, "main", "neondb", "neondb_owner"}, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestNamesAreNotUnique(t *testing.T) {
	w := newWorld(t, &Server{})
	first, _ := w.project("shop")
	second, _ := w.project("shop")
	if first == second {
		t.Fatal("two creates made one project")
	}
	if diff := cmp.Diff([]string{"shop", "shop"}, names(w.must("GET", "/projects", ""), "projects", "name")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestSearchIsAPartialMatch(t *testing.T) {
	w := newWorld(t, &Server{})
	w.project("shop")
	w.project("shop-preview")
	w.project("other")
	if diff := cmp.Diff([]string{"shop-preview", "shop"}, names(w.must("GET", "/projects?search=SHOP", ""), "projects", "name")); diff != "" {
		t.Errorf("search (-want +got):\n%s", diff)
	}
}

func TestCursorComesWithTheLastPageToo(t *testing.T) {
	w := newWorld(t, &Server{})
	for i := range 5 {
		w.project(fmt.Sprint("p", i))
	}
	var got [][]string
	path := "/projects?limit=2"
	for range 10 {
		out := w.must("GET", path, "")
		got = append(got, names(out, "projects", "name"))
		if len(list(out, "projects")) == 0 {
			break
		}
		path = "/projects?limit=2&cursor=" + str(out, "pagination.cursor")
	}
	if diff := cmp.Diff([][]string{{"p4", "p3"}, {"p2", "p1"}, {"p0"}, nil}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestCursorOutlivesItsProject(t *testing.T) {
	w := newWorld(t, &Server{})
	w.project("p0")
	last, _ := w.project("p1")
	out := w.must("GET", "/projects?limit=1", "")
	w.must("DELETE", last, "")
	out = w.must("GET", "/projects?limit=1&cursor="+str(out, "pagination.cursor"), "")
	if diff := cmp.Diff([]string{"p0"}, names(out, "projects", "name")); diff != "" {
		t.Errorf("page after a deleted one (-want +got):\n%s", diff)
	}
}

func TestOperationsPassThroughSchedulingAndRunning(t *testing.T) {
	w := newWorld(t, &Server{ProjectTime: 2 * time.Second})
	p := "/projects/" + str(w.must("POST", "/projects", `{"project":{}}`), "project.id")
	var got [][]string
	for _, step := range []time.Duration{0, 200 * time.Millisecond, 900 * time.Millisecond, 899 * time.Millisecond, time.Millisecond} {
		w.pass(step)
		got = append(got, names(w.must("GET", p+"/operations", ""), "operations", "status")) // newest first
	}
	want := [][]string{{"scheduling", "scheduling"}, {"scheduling", "running"}, {"running", "finished"}, {"running", "finished"}, {"finished", "finished"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestRunningOperationsLockTheProject(t *testing.T) {
	w := newWorld(t, &Server{})
	out := w.must("POST", "/projects", `{"project":{"name":"shop"}}`)
	p := "/projects/" + str(out, "project.id")
	b, e := p+"/branches/"+str(out, "branch.id"), p+"/endpoints/"+str(out, "endpoints.0.id")
	for name, c := range map[string][3]string{
		"project":         {"PATCH", p, `{"project":{"name":"x"}}`},
		"project delete":  {"DELETE", p, ""},
		"branch":          {"POST", p + "/branches", ""},
		"branch update":   {"PATCH", b, `{"branch":{"name":"x"}}`},
		"branch default":  {"POST", b + "/set_as_default", ""},
		"role":            {"POST", b + "/roles", `{"role":{"name":"x"}}`},
		"role reset":      {"POST", b + "/roles/neondb_owner/reset_password", ""},
		"role delete":     {"DELETE", b + "/roles/neondb_owner", ""},
		"database":        {"POST", b + "/databases", `{"database":{"name":"x","owner_name":"neondb_owner"}}`},
		"database update": {"PATCH", b + "/databases/neondb", `{"database":{"name":"x"}}`},
		"database delete": {"DELETE", b + "/databases/neondb", ""},
		"endpoint":        {"POST", p + "/endpoints", `{"endpoint":{"branch_id":"` + str(out, "branch.id") + `","type":"read_only"}}`},
		"endpoint update": {"PATCH", e, `{"endpoint":{"suspend_timeout_seconds":60}}`},
		"endpoint delete": {"DELETE", e, ""},
		"endpoint start":  {"POST", e + "/start", ""},
		"connection uri":  {"GET", p + "/connection_uri?database_name=neondb&role_name=neondb_owner", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := w.do(c[0], c[1], c[2])
			if code != 423 || str(out, "message") != "project already has running conflicting operations, scheduling of new ones is prohibited" {
				t.Errorf("%d %v", code, out)
			}
		})
	}
	w.must("GET", p, "") // reading goes on
	w.settle()
	w.must("PATCH", p, `{"project":{"name":"x"}}`)
}

func TestABranchIsInitUntilItsOperationsFinished(t *testing.T) {
	w := newWorld(t, &Server{})
	out := w.must("POST", "/projects", `{"project":{}}`)
	p := "/projects/" + str(out, "project.id")
	states := func(b any, e any) []any {
		return []any{get(b, "current_state"), get(b, "pending_state"), get(e, "current_state"), get(e, "pending_state")}
	}
	if diff := cmp.Diff([]any{"init", "ready", "init", "active"}, states(get(out, "branch"), get(out, "endpoints.0"))); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	w.settle()
	b, e := w.must("GET", p+"/branches", ""), w.must("GET", p+"/endpoints", "")
	if diff := cmp.Diff([]any{"ready", nil, "active", nil}, states(get(b, "branches.0"), get(e, "endpoints.0"))); diff != "" {
		t.Errorf("later (-want +got):\n%s", diff)
	}
}

func TestAnIdleComputeIsNoChange(t *testing.T) {
	w := newWorld(t, &Server{})
	p, _ := w.project("shop")
	before := w.must("GET", p+"/endpoints", "")
	w.pass(10 * time.Minute)
	after := w.must("GET", p+"/endpoints", "")
	if str(before, "endpoints.0.current_state") != "active" || str(after, "endpoints.0.current_state") != "idle" {
		t.Error("a compute does not fall idle by itself")
	}
	if str(before, "endpoints.0.updated_at") != str(after, "endpoints.0.updated_at") {
		t.Error("falling idle changed updated_at")
	}
}

func TestAFailedOperationLeavesNothingUsable(t *testing.T) {
	w := newWorld(t, &Server{FailOperation: func(_, action string) string {
		if action == "apply_config" {
			return "compute did not answer"
		}
		return ""
	}})
	p, b := w.project("shop")
	w.must("POST", b+"/databases", `{"database":{"name":"extra","owner_name":"neondb_owner"}}`)
	w.settle()
	op := get(w.must("GET", p+"/operations", ""), "operations.0")
	if str(op, "status") != "failed" || str(op, "error") == "" {
		t.Errorf("operation %v", op)
	}
	if code, _ := w.do("GET", p+"/connection_uri?database_name=extra&role_name=neondb_owner", ""); code != 423 {
		t.Errorf("a database that was never made: %d", code)
	}
	w.must("GET", p+"/connection_uri?database_name=neondb&role_name=neondb_owner", "")
}

func TestABranchHasNoComputeUnlessAskedFor(t *testing.T) {
	w := newWorld(t, &Server{})
	p, _ := w.project("shop")
	bare := w.must("POST", p+"/branches", "")
	w.settle()
	full := w.must("POST", p+"/branches", `{"endpoints":[{"type":"read_write"}]}`)
	if n := len(list(bare, "endpoints")); n != 0 || get(bare, "connection_uris") != nil {
		t.Errorf("%d computes and a connection string nobody asked for", n)
	}
	if len(list(full, "endpoints")) != 1 || len(list(full, "connection_uris")) != 1 {
		t.Errorf("no compute or no connection string: %v", full)
	}
	if name, id := str(bare, "branch.name"), str(bare, "branch.id"); name != id {
		t.Errorf("a branch without a name is called %s, not %s", name, id)
	}
}

func TestAChildInheritsItsParentOfThatMoment(t *testing.T) {
	w := newWorld(t, &Server{})
	p, b := w.project("shop")
	change := func(method, path, body string) object {
		t.Helper()
		out := w.must(method, path, body)
		w.settle()
		return out
	}
	password := str(w.must("GET", b+"/roles/neondb_owner/reveal_password", ""), "password")
	child := p + "/branches/" + str(change("POST", p+"/branches", `{"endpoints":[{"type":"read_write"}]}`), "branch.id")
	change("POST", b+"/roles", `{"role":{"name":"late"}}`)
	change("POST", b+"/databases", `{"database":{"name":"latedb","owner_name":"late"}}`)
	if diff := cmp.Diff([]string{"neondb_owner"}, names(w.must("GET", child+"/roles", ""), "roles", "name")); diff != "" {
		t.Errorf("child's roles (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"neondb"}, names(w.must("GET", child+"/databases", ""), "databases", "name")); diff != "" {
		t.Errorf("child's databases (-want +got):\n%s", diff)
	}
	if str(w.must("GET", child+"/roles/neondb_owner/reveal_password", ""), "password") != password {
		t.Error("the child has another password")
	}
	change("POST", child+"/roles/neondb_owner/reset_password", "")
	if str(w.must("GET", b+"/roles/neondb_owner/reveal_password", ""), "password") != password {
		t.Error("a reset in the child changed the parent")
	}
}

func TestRootDefaultAndParentBranchesStay(t *testing.T) {
	w := newWorld(t, &Server{})
	p, b := w.project("shop")
	branch := func(parent string) string {
		out := w.must("POST", p+"/branches", `{"branch":{"parent_id":"`+strings.TrimPrefix(parent, p+"/branches/")+`"}}`)
		w.settle()
		return p + "/branches/" + str(out, "branch.id")
	}
	child := branch(b)
	grandchild := branch(child)
	refused := func(path, message string) {
		t.Helper()
		if code, out := w.do("DELETE", path, ""); code != 422 || str(out, "message") != message {
			t.Errorf("%d %v, want 422 %s", code, out, message)
		}
	}
	refused(b, "cannot delete the root branch")
	refused(child, "cannot delete branch that has children")
	w.must("POST", grandchild+"/set_as_default", "")
	refused(grandchild, "cannot delete the default branch")
	w.must("POST", b+"/set_as_default", "")
	w.must("DELETE", grandchild, "")
	w.settle()
	w.must("DELETE", child, "")
}

func TestDeleteOfNothingIs204(t *testing.T) {
	w := newWorld(t, &Server{})
	p, b := w.project("shop")
	for _, path := range []string{p + "/branches/br-none-1", p + "/endpoints/ep-none-1", b + "/roles/none", b + "/databases/none"} {
		if code, out := w.do("DELETE", path, ""); code != 204 || out != nil {
			t.Errorf("DELETE %s: %d %v", path, code, out)
		}
	}
	if code, _ := w.do("DELETE", "/projects/none", ""); code != 404 {
		t.Errorf("DELETE of no project: %d, want 404", code)
	}
}

func TestDeletedIsGoneFromLists(t *testing.T) {
	w := newWorld(t, &Server{})
	p, _ := w.project("shop")
	id := strings.TrimPrefix(p, "/projects/")
	soft := str(w.must("POST", p+"/branches", ""), "branch.id")
	w.settle()
	hard := str(w.must("POST", p+"/branches", ""), "branch.id")
	w.settle()
	w.must("DELETE", p+"/branches/"+soft, "")
	w.settle()
	w.must("DELETE", p+"/branches/"+hard+"?hard_delete=true", "")
	w.settle()
	if diff := cmp.Diff([]string{"main"}, names(w.must("GET", p+"/branches", ""), "branches", "name")); diff != "" {
		t.Errorf("branches (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{soft, "main"}, names(w.must("GET", p+"/branches?include_deleted=true", ""), "branches", "name")); diff != "" {
		t.Errorf("branches with recoverable ones (-want +got):\n%s", diff)
	}
	w.must("DELETE", p, "")
	if code, _ := w.do("GET", p, ""); code != 404 {
		t.Errorf("a deleted project: %d", code)
	}
	if n := len(list(w.must("GET", "/projects", ""), "projects")); n != 0 {
		t.Errorf("%d projects listed", n)
	}
	out := w.must("GET", "/projects?recoverable=true", "")
	if diff := cmp.Diff([]string{id}, names(out, "projects", "id")); diff != "" || str(out, "projects.0.deleted_at") == "" {
		t.Errorf("recoverable (-want +got):\n%s", diff)
	}
	w.pass(recoverable)
	if n := len(list(w.must("GET", "/projects?recoverable=true", ""), "projects")); n != 0 {
		t.Errorf("%d projects recoverable after 7 days", n)
	}
}

func TestDeletedProjectsCanShowUp(t *testing.T) {
	w := newWorld(t, &Server{ListDeleted: true})
	p, _ := w.project("shop")
	w.must("DELETE", p, "")
	if out := w.must("GET", "/projects", ""); str(out, "projects.0.deleted_at") == "" {
		t.Errorf("list %v", out)
	}
}

func TestADeletedProjectIsRecoverableFor7Days(t *testing.T) {
	w := newWorld(t, &Server{MaxProjects: 1})
	p, b := w.project("shop")
	uri := p + "/connection_uri?database_name=neondb&role_name=neondb_owner"
	before := w.must("GET", uri, "")
	w.must("DELETE", p, "")
	if out := w.must("POST", p+"/recover", ""); str(out, "project.name") != "shop" || len(list(out, "branches")) != 1 {
		t.Errorf("recovered %v", out)
	}
	w.must("GET", b, "")
	if diff := cmp.Diff(before, w.must("GET", uri, "")); diff != "" {
		t.Errorf("connection string (-before +after):\n%s", diff)
	}
	if n := len(list(w.must("GET", "/projects?recoverable=true", ""), "projects")); n != 0 {
		t.Errorf("%d projects still recoverable", n)
	}
	w.must("DELETE", p, "")
	if code, _ := w.as(loneKey, "POST", p+"/recover", ""); code != 404 {
		t.Errorf("someone else's project: %d", code)
	}
	other, _ := w.project("other")
	if code, out := w.do("POST", p+"/recover", ""); code != 422 || str(out, "code") != "PROJECTS_LIMIT_EXCEEDED" {
		t.Errorf("over the limit: %d %v", code, out)
	}
	w.must("DELETE", other, "")
	w.pass(recoverable)
	if code, _ := w.do("POST", p+"/recover", ""); code != 404 {
		t.Errorf("after 7 days: %d", code)
	}
}

func TestADeletedBranchIsRecoverableUnlessHardDeleted(t *testing.T) {
	w := newWorld(t, &Server{})
	p, _ := w.project("shop")
	branch := func(name string) string {
		t.Helper()
		out := w.must("POST", p+"/branches", `{"branch":{"name":"`+name+`","expires_at":"2027-01-01T00:00:00Z"},"endpoints":[{"type":"read_write"}]}`)
		w.settle()
		return p + "/branches/" + str(out, "branch.id")
	}
	remove := func(path string) {
		t.Helper()
		w.must("DELETE", path, "")
		w.settle()
	}
	soft, hard := branch("soft"), branch("hard")
	endpoint := str(w.must("GET", soft+"/endpoints", ""), "endpoints.0.id")
	remove(soft)
	remove(hard + "?hard_delete=true")
	if code, _ := w.do("GET", p+"/endpoints/"+endpoint, ""); code != 404 {
		t.Errorf("a deleted branch's compute: %d", code)
	}
	out := w.must("POST", soft+"/recover", "")
	got := []any{str(out, "branch.name"), get(out, "branch.expires_at"), str(out, "endpoints.0.id"), str(out, "endpoints.0.current_state")}
	if diff := cmp.Diff([]any{"soft", nil, endpoint, "idle"}, got); diff != "" {
		t.Errorf("recovered (-want +got):\n%s", diff)
	}
	if code, _ := w.do("POST", hard+"/recover", ""); code != 404 {
		t.Errorf("a hard-deleted branch: %d", code)
	}
	remove(soft)
	again := branch("soft")
	if code, out := w.do("POST", soft+"/recover", ""); code != 409 {
		t.Errorf("its name is taken: %d %v", code, out)
	}
	remove(again)
	w.pass(recoverable)
	if code, _ := w.do("POST", soft+"/recover", ""); code != 404 {
		t.Errorf("after 7 days: %d", code)
	}
}

// The document: 700 requests a minute, and at most 40 at once to one route.
func TestRateLimits(t *testing.T) {
	w := newWorld(t, &Server{RequestsPerMinute: NeonRequestsPerMinute})
	burst := func(key, path string) int {
		n := 0
		for ; n < 1000; n++ {
			if code, _ := w.as(key, "GET", path, ""); code == 429 {
				break
			}
		}
		return n
	}
	if n := burst(acmeKey, "/projects"); n != NeonBurst {
		t.Errorf("%d calls at once", n)
	}
	if n := burst(acmeKey, "/regions"); n != NeonBurst {
		t.Errorf("another route: %d calls at once", n)
	}
	if n := burst(loneKey, "/projects"); n != NeonBurst {
		t.Errorf("another account: %d calls at once", n)
	}
	r := httptest.NewRequest("GET", "/api/v2/projects", nil)
	r.Header.Set("Authorization", "Bearer "+acmeKey)
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" || !strings.Contains(rec.Body.String(), "rate limit exceeded") {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	w.pass(time.Second)
	if n := burst(acmeKey, "/projects"); n != NeonRequestsPerMinute/60 {
		t.Errorf("%d calls a second later", n)
	}
	w.pass(time.Hour)
	if n := burst(acmeKey, "/projects"); n != NeonBurst {
		t.Errorf("%d calls at once an hour later", n)
	}
}

func TestResetPasswordGivesANewOneUsableAfterItsOperations(t *testing.T) {
	w := newWorld(t, &Server{})
	p, b := w.project("shop")
	uri := p + "/connection_uri?database_name=neondb&role_name=neondb_owner"
	before := str(w.must("GET", uri, ""), "uri")
	password := str(w.must("POST", b+"/roles/neondb_owner/reset_password", ""), "role.password")
	if code, _ := w.do("GET", uri, ""); code != 423 {
		t.Errorf("connection string before the operations finished: %d", code)
	}
	w.settle()
	after := str(w.must("GET", uri, ""), "uri")
	if before == after || !strings.Contains(after, password) {
		t.Error("the connection string does not carry the new password")
	}
}

func TestPooledAddsPoolerToTheFirstLabel(t *testing.T) {
	w := newWorld(t, &Server{HostSuffix: "example.test"})
	p, _ := w.project("shop")
	uri := p + "/connection_uri?database_name=neondb&role_name=neondb_owner"
	host := func(path string) string {
		u, err := url.Parse(str(w.must("GET", path, ""), "uri"))
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	direct, pooled := host(uri), host(uri+"&pooled=true")
	id, rest, _ := strings.Cut(direct, ".")
	if want := id + "-pooler." + rest; pooled != want || rest != "us-east-2.aws.example.test" {
		t.Errorf("direct %s, pooled %s", direct, pooled)
	}
}

func TestRevealPasswordIs412WhenStoringIsOff(t *testing.T) {
	w := newWorld(t, &Server{})
	out := w.must("POST", "/projects", `{"project":{"store_passwords":false}}`)
	w.settle()
	b := "/projects/" + str(out, "project.id") + "/branches/" + str(out, "branch.id")
	if code, out := w.do("GET", b+"/roles/neondb_owner/reveal_password", ""); code != 412 {
		t.Errorf("%d %v", code, out)
	}
}

func TestTooManyProjects(t *testing.T) {
	w := newWorld(t, &Server{MaxProjects: 1})
	p, _ := w.project("shop")
	code, out := w.do("POST", "/projects", `{"project":{}}`)
	delete(out, "request_id")
	want := object{"code": "PROJECTS_LIMIT_EXCEEDED", "message": "user projects limit of 1 exceeded, got 1"}
	if diff := cmp.Diff(want, out); code != 422 || diff != "" {
		t.Errorf("%d (-want +got):\n%s", code, diff)
	}
	if code, out := w.as(loneKey, "POST", "/projects", `{"project":{}}`); code != 201 {
		t.Errorf("another owner is limited too: %d %v", code, out)
	}
	w.must("DELETE", p, "")
	w.must("POST", "/projects", `{"project":{}}`)
}

func TestAccountsSeeOnlyTheirOwn(t *testing.T) {
	w := newWorld(t, &Server{})
	w.project("acme's")
	for key, want := range map[string]int{aliceKey: 1, acmeKey: 1, readKey: 1} {
		_, out := w.as(key, "GET", "/projects?org_id="+acme, "")
		if n := len(list(out, "projects")); n != want {
			t.Errorf("%s sees %d", key, n)
		}
	}
	for key, path := range map[string]string{aliceKey: "/projects?org_id=" + beta, loneKey: "/projects"} {
		if code, out := w.as(key, "GET", path, ""); code != 200 || len(list(out, "projects")) != 0 {
			t.Errorf("%s sees %d %v", key, code, out)
		}
	}
}

func TestACreatedProjectIsInvisibleForNReads(t *testing.T) {
	w := newWorld(t, &Server{Kit: emukit.Kit{Settle: emukit.Settle{Reads: 2}}})
	p, _ := w.project("shop")
	var got []int
	for range 3 {
		got = append(got, len(list(w.must("GET", "/projects", ""), "projects")))
	}
	if diff := cmp.Diff([]int{0, 0, 1}, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	w.must("GET", p, "") // by id at once
}

func TestErrorsCarryTheCallersRequestID(t *testing.T) {
	w := newWorld(t, &Server{})
	r := httptest.NewRequest("GET", "/api/v2/projects", nil)
	r.Header.Set("X-Request-ID", "mine")
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	var out object
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || out["request_id"] != "mine" {
		t.Errorf("%v %s", err, rec.Body)
	}
	if _, out := w.as("-", "GET", "/projects", ""); str(out, "request_id") == "" {
		t.Error("no request id was made")
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, &Server{OpTime: -1, ProjectTime: -1})
	p, _ := w.project("shared")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			name := fmt.Sprintf("b%d", i)
			w.do("POST", "/projects", `{"project":{"name":"`+name+`"}}`)
			w.do("POST", p+"/branches", `{"branch":{"name":"`+name+`"}}`)
			w.do("POST", p+"/branches", `{"branch":{"name":"same"}}`)
			w.do("GET", p+"/branches", "")
			w.do("GET", "/projects?limit=400", "")
			w.do("GET", p+"/operations", "")
		})
	}
	wg.Wait()
	if n := get(w.must("GET", p+"/branches/count", ""), "count"); n != 22.0 {
		t.Errorf("%v branches, want main, same and 20", n)
	}
	if n := len(list(w.must("GET", "/projects?limit=400", ""), "projects")); n != 21 {
		t.Errorf("%d projects, want 21", n)
	}
}

func TestZeroValueIsReady(t *testing.T) {
	w := newWorld(t, &Server{APIKeys: DefaultAPIKeys()})
	if code, out := w.as(DefaultOrgKey, "POST", "/projects", `{"project":{}}`); code != 201 || str(out, "project.org_id") != DefaultOrgID {
		t.Errorf("%d %v", code, out)
	}
	if code, _ := w.as(DefaultPersonalKey, "GET", "/projects?org_id="+DefaultOrgID, ""); code != 200 {
		t.Errorf("the personal key: %d", code)
	}
}
