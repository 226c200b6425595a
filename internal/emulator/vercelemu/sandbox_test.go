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
