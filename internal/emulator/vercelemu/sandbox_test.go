package vercelemu

import (
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func TestEverySandboxReplyFitsThePublishedDocument(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	name, session := w.create(obj{"name": "one", "ports": []int{3000}, "tags": obj{"run": "r1"}, "env": obj{"A": "1"}, "networkPolicy": obj{"mode": "deny-all"}})
	w.want(200, "POST", "/v2/sandboxes", obj{"projectId": "prj_1", "runtime": "node22", "resources": obj{"vcpus": 4, "memory": 8192}, "persistent": false})
	w.want(200, "GET", "/v2/sandboxes", nil)
	w.want(200, "GET", "/v2/sandboxes?project=prj_1&limit=1", nil)
	w.want(200, "GET", "/v2/sandboxes/"+name+"?projectId=prj_1", nil)
	w.want(200, "PATCH", "/v2/sandboxes/"+name, obj{"timeout": 600000, "tags": obj{"run": "r2"}, "ports": []int{3000, 4000}})
	w.want(200, "GET", "/v2/sandboxes/sessions?project=prj_1", nil)
	w.want(200, "GET", session, nil)
	w.want(200, "POST", session+"/extend-timeout", obj{"duration": 1000})
	w.want(200, "POST", session+"/network-policy", obj{"allow": obj{"api.example.com": []obj{{"transform": []obj{{"headers": obj{"authorization": "canary"}}}}}}, "subnets": obj{"deny": []string{"10.0.0.0/8"}}})
	w.want(200, "POST", session+"/fs/mkdir", obj{"path": "made"})
	if a := w.write(session, "/", archive(t, tarEntry{name: "vercel/sandbox/made/f", content: "text"})); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if a := w.readFile(session, "made/f"); a.status != 200 || string(a.raw) != "text" || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d %s %q", a.status, a.header, a.raw)
	}
	cmd := w.want(200, "POST", session+"/cmd", obj{"command": "sleep", "args": []string{"100"}}).str("command", "id")
	w.want(200, "GET", session+"/cmd/"+cmd, nil)
	w.want(200, "GET", session+"/cmd", nil)
	w.want(200, "POST", session+"/cmd/"+cmd+"/kill", obj{"signal": 15})
	if a := w.want(200, "GET", session+"/cmd/"+cmd+"?wait=true", nil); a.get("command", "exitCode") != 143.0 {
		t.Errorf("killed: %s", a.raw)
	}
	w.want(200, "GET", session+"/cmd/"+cmd+"/logs", nil)
	w.want(200, "POST", session+"/stop", nil)
	w.want(200, "GET", session, nil)
	w.want(200, "GET", "/v2/sandboxes/"+name+"?resume=true", nil)
	w.want(200, "DELETE", "/v2/sandboxes/"+name, nil)

	covered := w.check.Covered()
	var untouched []string
	for _, rt := range sandboxRoutes() {
		if !slices.ContainsFunc(covered, func(op string) bool { return shape(op) == shape(rt.method+" "+rt.path) }) {
			untouched = append(untouched, rt.method+" "+rt.path)
		}
	}
	// The stream is judged by lines; the last two are 501.
	want := []string{"GET /v2/sandboxes/sessions/{session}/cmd/{cmd}/logs", "GET /v2/sandboxes/snapshots", "GET /v2/sandboxes/drives"}
	if diff := cmp.Diff(want, untouched); diff != "" {
		t.Errorf("modelled and not judged by the document (-want +got):\n%s", diff)
	}
}

func TestSandboxErrorEnvelopes(t *testing.T) {
	viewer := DefaultAccount()
	viewer.ReadOnly = true
	srv := &SandboxServer{Tokens: map[string]Account{DefaultToken: DefaultAccount(), "viewer": viewer}, MaxLife: time.Hour}
	w := newSandboxes(t, srv)
	_, session := w.create(obj{"name": "taken"})
	_, ended := w.create(nil)
	w.want(200, "POST", ended+"/stop", nil)
	other := srv.OIDCToken(acme, "prj_other", time.Hour)
	body := obj{"projectId": "prj_1"}
	big := func(n int) string { return `{"projectId":"` + strings.Repeat("x", n) + `"}` }
	for name, tc := range map[string]struct {
		method, path string
		body         any
		token, team  string
		status       int
		code, reason string
	}{
		"no token":             {"GET", "/v2/sandboxes", nil, "-", acme, 401, "forbidden", ""},
		"wrong token":          {"GET", "/v2/sandboxes", nil, "wrong", acme, 403, "forbidden", ""},
		"forged JWT":           {"GET", "/v2/sandboxes", nil, other[:len(other)-4] + "AAAA", acme, 403, "forbidden", "its signature is checked"},
		"broken JWT":           {"GET", "/v2/sandboxes", nil, "a.b.c", acme, 403, "forbidden", ""},
		"expired JWT":          {"GET", "/v2/sandboxes", nil, srv.OIDCToken(acme, "prj_1", -time.Second), acme, 403, "forbidden", ""},
		"JWT, other team":      {"GET", "/v2/sandboxes", nil, other, "team_other", 403, "forbidden", "owner_id is the team"},
		"JWT, other project":   {"POST", "/v3/sandboxes", body, other, acme, 403, "forbidden", "project_id is the project"},
		"JWT, other's session": {"GET", session, nil, other, acme, 404, "not_found", ""},
		"no team":              {"GET", "/v2/sandboxes", nil, "", "-", 400, "bad_request", "token, team and project, all three"},
		"other team":           {"GET", "/v2/sandboxes", nil, "", "team_other", 403, "forbidden", ""},
		"no project":           {"POST", "/v3/sandboxes", obj{}, "", acme, 400, "bad_request", ""},
		"empty project":        {"POST", "/v3/sandboxes", obj{"projectId": ""}, "", acme, 400, "bad_request", ""},
		"read-only":            {"POST", "/v3/sandboxes", body, "viewer", acme, 403, "forbidden", ""},
		"taken name":           {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "taken"}, "", acme, 409, "conflict", ""},
		"strange name":         {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "../x"}, "", acme, 400, "bad_request", ""},
		"a route's name":       {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "sessions"}, "", acme, 400, "bad_request", "it could not be asked for"},
		"unknown runtime":      {"POST", "/v2/sandboxes", obj{"projectId": "prj_1", "runtime": "node4"}, "", acme, 400, "bad_request", ""},
		"16 ports":             {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "ports": make([]int, 16)}, "", acme, 400, "bad_request", ""},
		"3 CPUs":               {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "resources": obj{"vcpus": 3}}, "", acme, 400, "bad_request", ""},
		"too long a life":      {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "timeout": 3600001}, "", acme, 400, "bad_request", ""},
		"policy":               {"POST", session + "/network-policy", obj{"mode": "some"}, "", acme, 400, "bad_request", ""},
		"policy, subnet":       {"POST", session + "/network-policy", obj{"subnets": obj{"allow": []string{"10"}}}, "", acme, 400, "bad_request", ""},
		"malformed JSON":       {"POST", "/v3/sandboxes", `{"projectId":`, "", acme, 400, "invalid_json", ""},
		"wrong type":           {"POST", "/v3/sandboxes", `{"projectId":7}`, "", acme, 400, "bad_request", ""},
		"10 MB of JSON":        {"POST", "/v3/sandboxes", big(11 << 20), "", acme, 413, "payload_too_large", ""},
		"snapshot source":      {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "snapshot", "snapshotId": "s"}}, "", acme, 501, "not_implemented", ""},
		"source far away":      {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "tarball", "url": "https://example.com/x.tgz"}}, "", acme, 400, "bad_request", "nothing here reaches out"},
		"git from a file":      {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "git", "url": "file:///etc"}}, "", acme, 400, "bad_request", ""},
		"drives":               {"POST", "/v3/sandboxes", obj{"projectId": "prj_1", "mounts": obj{"/d": obj{"drive": "d"}}}, "", acme, 501, "not_implemented", ""},
		"snapshot":             {"POST", session + "/snapshot", obj{}, "", acme, 501, "not_implemented", ""},
		"snapshots":            {"GET", "/v2/sandboxes/snapshots", nil, "", acme, 501, "not_implemented", ""},
		"fork":                 {"POST", "/v2/sandboxes/taken/fork", obj{}, "", acme, 501, "not_implemented", ""},
		"interactive":          {"POST", session + "/interactive", obj{}, "", acme, 501, "not_implemented", ""},
		"absent sandbox":       {"GET", "/v2/sandboxes/absent", nil, "", acme, 404, "not_found", ""},
		"other project":        {"GET", "/v2/sandboxes/taken?projectId=prj_2", nil, "", acme, 404, "not_found", ""},
		"absent session":       {"GET", "/v2/sandboxes/sessions/absent", nil, "", acme, 404, "not_found", ""},
		"absent command":       {"GET", session + "/cmd/absent", nil, "", acme, 404, "not_found", ""},
		"absent file":          {"POST", session + "/fs/read", obj{"path": "absent"}, "", acme, 404, "not_found", ""},
		"folder":               {"POST", session + "/fs/read", obj{"path": "."}, "", acme, 400, "bad_request", ""},
		"file elsewhere":       {"POST", session + "/fs/read", obj{"path": "/etc/passwd"}, "", acme, 400, "bad_request", ""},
		"file above":           {"POST", session + "/fs/read", obj{"path": "../../../etc/passwd"}, "", acme, 400, "bad_request", ""},
		"folder that is":       {"POST", session + "/fs/mkdir", obj{"path": "/tmp"}, "", acme, 400, "bad_request", ""},
		"no parent":            {"POST", session + "/fs/mkdir", obj{"path": "a/b"}, "", acme, 404, "not_found", ""},
		"signal":               {"POST", session + "/cmd/absent/kill", obj{"signal": 0}, "", acme, 400, "bad_request", ""},
		"no signal":            {"POST", session + "/cmd/absent/kill", obj{}, "", acme, 400, "bad_request", ""},
		"extended too far":     {"POST", session + "/extend-timeout", obj{"duration": 3600000}, "", acme, 400, "bad_request", ""},
		"cursor":               {"GET", "/v2/sandboxes?cursor=x", nil, "", acme, 400, "bad_request", ""},
		"sort":                 {"GET", "/v2/sandboxes?sortBy=size", nil, "", acme, 400, "bad_request", ""},
		"order":                {"GET", "/v2/sandboxes/sessions?sortOrder=up", nil, "", acme, 400, "bad_request", ""},
		"run when stopped":     {"POST", ended + "/cmd", obj{"command": "true"}, "", acme, 410, "sandbox_stopped", ""},
		"read when stopped":    {"POST", ended + "/fs/read", obj{"path": "x"}, "", acme, 410, "sandbox_stopped", ""},
		"extend when stopped":  {"POST", ended + "/extend-timeout", obj{"duration": 1}, "", acme, 410, "sandbox_stopped", ""},
		"not modelled":         {"GET", "/v2/elsewhere", nil, "", acme, 501, "not_implemented", ""},
		"archive's kind":       {"POST", session + "/fs/write", "{}", "", acme, 415, "unsupported_media_type", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			for _, v := range []struct {
				to   *string
				from string
			}{{&w.token, tc.token}, {&w.team, tc.team}} {
				switch v.from {
				case "":
				case "-":
					*v.to = ""
				default:
					*v.to = v.from
				}
			}
			if a := w.do(tc.method, tc.path, tc.body); a.status != tc.status || a.str("error", "code") != tc.code {
				t.Errorf("%s: %d %s, want %d %s", tc.reason, a.status, a.raw, tc.status, tc.code)
			}
		})
	}
}

func TestOIDCTokenNamesTeamAndProjectItself(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	w.token, w.team = srv.OIDCToken(acme, "prj_1", time.Hour), ""
	name, _ := w.create(nil)
	w.want(200, "GET", "/api/v2/sandboxes/"+name, nil)
}

func TestStopEndsCommandsAndRemovesFolders(t *testing.T) {
	needCommands(t)
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	name, session := w.create(obj{"persistent": false})
	w.want(200, "POST", session+"/fs/mkdir", obj{"path": "made"})
	cmd := w.want(200, "POST", session+"/cmd", obj{"command": "sleep", "args": []string{"1000"}}).str("command", "id")
	if a := w.want(200, "POST", session+"/stop", nil); a.str("session", "status") != "stopped" || a.get("session", "stoppedAt") == nil {
		t.Errorf("%s", a.raw)
	}
	if left, _ := os.ReadDir(srv.Dir); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
	if a := w.want(200, "GET", session+"/cmd/"+cmd, nil); a.get("command", "exitCode") != 137.0 {
		t.Errorf("%s", a.raw)
	}
	lines := w.lines(w.want(200, "GET", session+"/cmd/"+cmd+"/logs", nil))
	if len(lines) != 1 || lines[0]["stream"] != "error" {
		t.Errorf("the stream does not say that the sandbox stopped: %v", lines)
	}
	w.want(200, "POST", session+"/stop", nil)
	a := w.want(200, "GET", "/v2/sandboxes/"+name+"?resume=true", nil)
	if a.get("resumed") != true || strings.HasSuffix(session, a.str("session", "id")) {
		t.Errorf("%s", a.raw)
	}
	if read := w.do("POST", "/v2/sandboxes/sessions/"+a.str("session", "id")+"/fs/mkdir", obj{"path": "made"}); read.status != 200 {
		t.Errorf("a sandbox that is not persistent has kept its files: %s", read.raw)
	}
}

func TestPersistentSandboxKeepsItsFiles(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	name, session := w.create(nil)
	if a := w.write(session, sandboxCwd, archive(t, tarEntry{name: "f", content: "kept"})); a.status != 200 {
		t.Fatal(a.status)
	}
	w.want(200, "POST", session+"/stop", nil)
	a := w.want(200, "GET", "/v2/sandboxes/"+name+"?resume=true", nil)
	if got := w.readFile("/v2/sandboxes/sessions/"+a.str("session", "id"), "f"); string(got.raw) != "kept" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	w.want(200, "DELETE", "/v2/sandboxes/"+name, nil)
	if left, _ := os.ReadDir(srv.Dir); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
	w.want(404, "GET", "/v2/sandboxes/"+name, nil)
}

func TestTimeoutStopsAndExtensionDefersIt(t *testing.T) {
	var offset atomic.Int64
	start := time.Now()
	srv := &SandboxServer{Kit: emukit.Kit{Now: func() time.Time { return start.Add(time.Duration(offset.Load())) }}}
	w := newSandboxes(t, srv)
	name, session := w.create(obj{"timeout": 60000})
	if a := w.want(200, "POST", session+"/extend-timeout", obj{"duration": 60000}); a.get("session", "timeout") != 120000.0 {
		t.Errorf("it adds to what is left: %s", a.raw)
	}
	offset.Store(int64(119 * time.Second))
	w.want(200, "POST", session+"/fs/mkdir", obj{"path": "a"})
	offset.Store(int64(120 * time.Second))
	srv.mu.Lock()
	over := srv.all[0].current.over
	srv.mu.Unlock()
	<-over
	w.want(410, "POST", session+"/fs/mkdir", obj{"path": "b"})
	if a := w.want(200, "GET", "/v2/sandboxes/"+name, nil); a.str("sandbox", "status") != "stopped" {
		t.Errorf("%s", a.raw)
	}
}

func TestStoppingIs422(t *testing.T) {
	var offset atomic.Int64
	start := time.Now()
	srv := &SandboxServer{StopTime: time.Second, Kit: emukit.Kit{Now: func() time.Time { return start.Add(time.Duration(offset.Load())) }}}
	w := newSandboxes(t, srv)
	t.Cleanup(func() { offset.Store(int64(time.Hour)) })
	name, session := w.create(nil)
	stopped := make(chan answer)
	go func() { stopped <- w.do("POST", session+"/stop", nil) }()
	until(t, func() bool { return w.want(200, "GET", session, nil).str("session", "status") == "stopping" })
	if a := w.want(422, "POST", session+"/cmd", obj{"command": "true"}); a.str("error", "code") != "sandbox_stopping" {
		t.Errorf("%s", a.raw)
	}
	resumed := make(chan answer)
	go func() { resumed <- w.do("GET", "/v2/sandboxes/"+name+"?resume=true", nil) }()
	offset.Store(int64(time.Second))
	if a := <-stopped; a.status != 200 || a.str("session", "id") == "" {
		t.Errorf("%d %s", a.status, a.raw)
	}
	if a := <-resumed; a.get("resumed") != true || a.str("session", "status") != "running" {
		t.Errorf("%s", a.raw)
	}
}

func TestSandboxListsPageFilterAndSort(t *testing.T) {
	w := newSandboxes(t, &SandboxServer{})
	for _, name := range []string{"b", "a", "c"} {
		w.create(obj{"name": name, "tags": obj{"kind": name}})
	}
	w.want(200, "POST", "/v3/sandboxes", obj{"projectId": "prj_2", "name": "other"})
	names := func(query string) (out []string) {
		for cursor := ""; ; {
			a := w.want(200, "GET", "/v2/sandboxes?"+query+"&cursor="+cursor, nil)
			for i := range a.len("sandboxes") {
				out = append(out, a.str("sandboxes", i, "name"))
			}
			if cursor = a.str("pagination", "next"); cursor == "" {
				return out
			}
		}
	}
	for query, want := range map[string][]string{
		"project=prj_1&limit=1":             {"c", "a", "b"},
		"project=prj_1&sortOrder=asc":       {"b", "a", "c"},
		"project=prj_1&sortBy=name&limit=2": {"c", "b", "a"},
		"namePrefix=o":                      {"other"},
		"tags=kind:a":                       {"a"},
		"status=stopped":                    nil,
	} {
		if diff := cmp.Diff(want, names(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestNetworkPolicyIsShownWithoutItsSecrets(t *testing.T) {
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	a := w.want(200, "POST", session+"/network-policy", obj{
		"allow":   obj{"api.example.com": []obj{{"transform": []obj{{"headers": obj{"authorization": "canary"}}}}}, "b.example.com": []obj{}},
		"subnets": obj{"allow": []string{"10.1.0.0/16"}},
	})
	want := map[string]any{
		"mode": "custom", "allowedDomains": []any{"api.example.com", "b.example.com"}, "allowedCIDRs": []any{"10.1.0.0/16"},
		"injectionRules": []any{map[string]any{"domain": "api.example.com", "headerNames": []any{"authorization"}}},
	}
	if diff := cmp.Diff(want, a.get("session", "networkPolicy")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(string(a.raw), "canary") {
		t.Error("the header's value is shown")
	}
}

func TestResetEndsAllSandboxes(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	w.create(obj{"name": "stopped"})
	w.want(200, "POST", session+"/stop", nil)
	if err := srv.LoadState([]byte(`{"format":"other"}`)); err == nil {
		t.Error("another state was loaded")
	}
	if n := w.want(200, "GET", "/v2/sandboxes", nil).len("sandboxes"); n != 2 {
		t.Errorf("%d sandboxes after a refused load", n)
	}
	if err := srv.ResetState(); err != nil {
		t.Fatal(err)
	}
	if n := w.want(200, "GET", "/v2/sandboxes", nil).len("sandboxes"); n != 0 {
		t.Errorf("%d sandboxes are left", n)
	}
	if left, _ := os.ReadDir(srv.Dir); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
}

func BenchmarkSandboxGet(b *testing.B) {
	srv := &SandboxServer{Dir: b.TempDir()}
	defer srv.Close()
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path+"?teamId="+acme, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		return rec
	}
	if rec := ask("POST", "/v3/sandboxes", `{"projectId":"prj_1","name":"one"}`); rec.Code != 200 {
		b.Fatal(rec.Body)
	}
	for b.Loop() {
		if rec := ask("GET", "/v2/sandboxes/one", ""); rec.Code != 200 {
			b.Fatal(rec.Body)
		}
	}
}
