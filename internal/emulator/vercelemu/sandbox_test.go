package vercelemu

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/isolate"
)

// sandboxes is a sandbox emulator on the real clock, for commands are real. Each 2xx reply is checked against the
// published document, but for streams, of which it says only that they are text.
type sandboxes struct {
	t     *testing.T
	srv   *SandboxServer
	check *speccheck.Checker
	token string
	team  string
}

func newSandboxes(t *testing.T, srv *SandboxServer) *sandboxes {
	t.Helper()
	srv.Dir = t.TempDir()
	t.Cleanup(func() {
		srv.Close()
		if left, _ := os.ReadDir(srv.Dir); len(left) > 0 {
			t.Errorf("%d folders are left after Close", len(left))
		}
	})
	return &sandboxes{t: t, srv: srv, check: speccheck.Load(t, "vercel"), token: DefaultToken, team: acme}
}

// needCommands skips where commands cannot be isolated.
func needCommands(t *testing.T) {
	t.Helper()
	if _, err := isolate.Check(t.Context()); err != nil {
		if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func (w *sandboxes) request(method, path string, body any, header ...string) *http.Request {
	if w.team != "" {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "teamId=" + w.team
	}
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	r := httptest.NewRequest(method, path, in).WithContext(w.t.Context())
	r.Header.Set("Content-Type", "application/json")
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (w *sandboxes) do(method, path string, body any, header ...string) answer {
	w.t.Helper()
	r := w.request(method, path, body, header...)
	rec := httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: rec.Body.Bytes()}
	kind := rec.Header().Get("Content-Type")
	if strings.HasPrefix(kind, "application/json") {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	if a.status/100 == 2 && kind != ndjson {
		if err := w.check.Response(r, a.status, a.header, a.raw); err != nil {
			w.t.Errorf("reply of %s %s: %v\n%s", method, path, err, a.raw)
		}
	}
	if a.status/100 != 2 && (a.str("error", "code") == "" || a.str("error", "message") == "") {
		w.t.Errorf("%s %s: %d without an error's envelope: %s", method, path, a.status, a.raw)
	}
	return a
}

func (w *sandboxes) want(status int, method, path string, body any, header ...string) answer {
	w.t.Helper()
	a := w.do(method, path, body, header...)
	if a.status != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.raw)
	}
	return a
}

// create makes a sandbox and returns its name and its session's path.
func (w *sandboxes) create(more obj) (name, session string) {
	w.t.Helper()
	body := obj{"projectId": "prj_1"}
	for k, v := range more {
		body[k] = v
	}
	a := w.want(200, "POST", "/v3/sandboxes", body)
	return a.str("sandbox", "name"), "/v2/sandboxes/sessions/" + a.str("session", "id")
}

// lines reads a stream, and checks that each line has one of the three forms.
func (w *sandboxes) lines(a answer) (out []obj) {
	w.t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/x-ndjson" {
		w.t.Fatalf("content type %q: %s", kind, a.raw)
	}
	for line := range bytes.Lines(a.raw) {
		var v obj
		if err := json.Unmarshal(line, &v); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		_, isCommand := v["command"].(map[string]any)
		_, isText := v["data"].(string)
		failure, isError := v["data"].(map[string]any)
		switch v["stream"] {
		case nil:
			isText = isCommand
		case "error":
			_, code := failure["code"].(string)
			isText = isError && code
		case "stdout", "stderr":
		default:
			isText = false
		}
		if !isText {
			w.t.Errorf("no line of a stream: %s", line)
		}
		out = append(out, v)
	}
	return out
}

// sh runs a script and returns its exit code and its output.
func (w *sandboxes) sh(session, script string) (code float64, stdout, stderr string) {
	w.t.Helper()
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sh", "args": []string{"-c", script}, "wait": true, "logs": true}))
	for _, l := range lines {
		switch l["stream"] {
		case "stdout":
			stdout += l["data"].(string)
		case "stderr":
			stderr += l["data"].(string)
		case "error":
			w.t.Fatalf("%v", l)
		}
	}
	last, _ := lines[len(lines)-1]["command"].(map[string]any)
	code, ok := last["exitCode"].(float64)
	if first, _ := lines[0]["command"].(map[string]any); !ok || first["exitCode"] != nil || first["id"] != last["id"] {
		w.t.Fatalf("first %v, last %v", lines[0], last)
	}
	return code, stdout, stderr
}

// until polls until ok.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never came")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

type tarEntry struct {
	name, content, link string
	kind                byte
	mode                int64
	size                int64 // said, when not the content's
}

func archive(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tw := tar.NewWriter(zipped)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.content))}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if e.size > 0 {
			h.Size = e.size
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.content); err != nil {
			t.Fatal(err)
		}
	}
	_ = tw.Close() // an entry that says more than it has is refused here, not by the emulator
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (w *sandboxes) write(session, cwd string, body []byte) answer {
	w.t.Helper()
	return w.do("POST", session+"/fs/write", body, "Content-Type", "application/gzip", "x-cwd", cwd)
}

func (w *sandboxes) readFile(session, path string) answer {
	w.t.Helper()
	return w.do("POST", session+"/fs/read", obj{"path": path})
}

// Every modelled operation answers 2xx here, and each reply fits the document.
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

func TestArchivesThatLeadOutAreRefused(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	outside := t.TempDir()
	good := archive(t, tarEntry{name: "f", content: "text"})
	bomb := archive(t, tarEntry{name: "big", content: strings.Repeat("\x00", 1<<20), size: 1 << 20})
	for name, tc := range map[string]struct {
		body   []byte
		cwd    string
		status int
		reason string
	}{
		"above":             {archive(t, tarEntry{name: "../../canary", content: "x"}), sandboxCwd, 400, ""},
		"above, hidden":     {archive(t, tarEntry{name: "a/../../../canary", content: "x"}), sandboxCwd, 400, ""},
		"absolute":          {archive(t, tarEntry{name: outside + "/canary", content: "x"}), sandboxCwd, 400, ""},
		"elsewhere":         {archive(t, tarEntry{name: "etc/canary", content: "x"}), "/", 400, "the client's names are relative to /"},
		"symbolic link":     {archive(t, tarEntry{name: "l", kind: tar.TypeSymlink, link: outside}, tarEntry{name: "l/canary", content: "x"}), sandboxCwd, 400, ""},
		"hard link":         {archive(t, tarEntry{name: "l", kind: tar.TypeLink, link: "/etc/passwd"}), sandboxCwd, 400, ""},
		"device":            {archive(t, tarEntry{name: "d", kind: tar.TypeBlock}), sandboxCwd, 400, ""},
		"pipe":              {archive(t, tarEntry{name: "p", kind: tar.TypeFifo}), sandboxCwd, 400, ""},
		"no gzip":           {[]byte("plain"), sandboxCwd, 400, ""},
		"nothing":           {nil, sandboxCwd, 400, ""},
		"cut":               {good[:len(good)/2], sandboxCwd, 400, ""},
		"checksum":          {append(slices.Clone(good[:len(good)-8]), 1, 2, 3, 4, 5, 6, 7, 8), sandboxCwd, 400, ""},
		"no tar":            {zipped(t, strings.Repeat("x", 2000)), sandboxCwd, 400, ""},
		"says too much":     {archive(t, tarEntry{name: "f", content: "x", size: 1 << 40}), sandboxCwd, 413, ""},
		"says more":         {archive(t, tarEntry{name: "f", content: "x", size: 1 << 20}), sandboxCwd, 400, "less follows than it says"},
		"over 100 MB":       {make([]byte, maxArchive+1), sandboxCwd, 413, ""},
		"relative x-cwd":    {good, "work", 400, ""},
		"x-cwd elsewhere":   {good, "/etc", 400, ""},
		"a file as folder":  {archive(t, tarEntry{name: "a", content: "x"}, tarEntry{name: "a/b", content: "x"}), sandboxCwd, 400, ""},
		"good":              {good, sandboxCwd, 200, ""},
		"good, compressed":  {bomb, sandboxCwd, 200, ""},
		"replaced":          {archive(t, tarEntry{name: "f", content: "other", mode: 0o755}), sandboxCwd, 200, ""},
		"folder in between": {archive(t, tarEntry{name: "x/", kind: tar.TypeDir}, tarEntry{name: "x/y/z", content: "deep"}), sandboxCwd, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			if a := w.write(session, tc.cwd, tc.body); a.status != tc.status {
				t.Errorf("%s: %d %s, want %d", tc.reason, a.status, a.raw, tc.status)
			}
		})
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("outside: %v", left)
	}
	if found, _ := filepath.Glob(srv.Dir + "/*/canary"); len(found) != 0 {
		t.Errorf("above: %v", found)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(archive(f, tarEntry{name: "f", content: "text"}, tarEntry{name: "a/b/c", content: "x", mode: 0o755}), sandboxCwd)
	f.Add(archive(f, tarEntry{name: "../canary", content: "x"}), "/tmp")
	f.Add(archive(f, tarEntry{name: "l", kind: tar.TypeSymlink, link: "/"}, tarEntry{name: "l/canary", content: "x"}), "/")
	f.Add([]byte("plain"), "//")
	f.Fuzz(func(t *testing.T, body []byte, cwd string) {
		srv := &SandboxServer{Dir: t.TempDir()}
		srv.once.Do(srv.init)
		b := &sandbox{}
		if err := srv.folders(b); err != nil {
			t.Fatal(err)
		}
		if fail := b.unpack(cwd, bytes.NewReader(body)); fail != nil && fail.status/100 != 4 {
			t.Errorf("%d %s", fail.status, fail.message)
		}
		above, err := os.ReadDir(srv.Dir)
		if err != nil || len(above) != 1 {
			t.Errorf("%v %v", above, err)
		}
		beside, err := os.ReadDir(b.dir)
		if err != nil || len(beside) != 3 {
			t.Errorf("%v %v", beside, err)
		}
	})
}

func TestManyCommandsAtOnce(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if code, out, _ := w.sh(session, fmt.Sprintf("echo %d > f%d; cat f%d; exit %d", i, i, i, i)); code != float64(i) || out != fmt.Sprintf("%d\n", i) {
				t.Errorf("command %d: exit %v, %q", i, code, out)
			}
		})
	}
	all.Wait()
	if n := w.want(200, "GET", session+"/cmd", nil).len("commands"); n != 20 {
		t.Errorf("%d commands", n)
	}
}

func TestOnlySoManyCommandsAreRemembered(t *testing.T) {
	done := make(chan struct{})
	close(done)
	ses, running := &session{}, &command{done: make(chan struct{})}
	ses.remember(running)
	for range 2 * maxCommands {
		ses.remember(&command{done: done})
	}
	if len(ses.commands) != maxCommands || ses.commands[0] != running {
		t.Errorf("%d commands are remembered", len(ses.commands))
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestLinksThatACommandMadeLeadNowhere(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	outside := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(outside, []byte("canary"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.sh(session, "ln -s "+outside+" file; ln -s "+filepath.Dir(outside)+" folder; ln -s ../../../../../../../../etc/passwd up; mkfifo pipe; ln -s /dev/zero zero")
	for _, path := range []string{"file", "folder/canary", "up", "pipe", "zero"} {
		if a := w.readFile(session, path); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %.50q", path, a.status, a.raw)
		}
		if a := w.write(session, sandboxCwd, archive(t, tarEntry{name: path, content: "x"})); a.status != 400 {
			t.Errorf("writing %s: %d %s", path, a.status, a.raw)
		}
	}
	if raw, err := os.ReadFile(outside); err != nil || string(raw) != "canary" {
		t.Errorf("%q %v", raw, err)
	}
}

func TestCommandsReallyRunIsolated(t *testing.T) {
	needCommands(t)
	t.Setenv("CANARY", "canary")
	w := newSandboxes(t, &SandboxServer{HostNetwork: true})
	_, session := w.create(obj{"env": obj{"A": "sandbox", "B": "sandbox"}, "networkPolicy": obj{"mode": "deny-all"}})
	if a := w.write(session, "/", archive(t, tarEntry{name: "vercel/sandbox/run.sh", content: "#!/bin/sh\necho ran $1\n", mode: 0o755})); a.status != 200 {
		t.Fatalf("%s", a.raw)
	}
	for name, tc := range map[string]struct {
		script         string
		code           float64
		stdout, stderr string
		reason         string
	}{
		"folder":  {"pwd", 0, "/vercel/sandbox\n", "", ""},
		"user":    {"id -un; echo $HOME", 0, "vercel-sandbox\n/home/vercel-sandbox\n", "", ""},
		"written": {"./run.sh well", 0, "ran well\n", "", "a file from fs/write, with its mode"},
		"env":     {"echo $A $B ${CANARY:-none}", 0, "sandbox sandbox none\n", "", "nothing of this process"},
		"both":    {"echo out; echo err >&2; exit 3", 3, "out\n", "err\n", ""},
		"network": {"tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", 0, "lo\n", "", "deny-all"},
		"UTF-8":   {`printf 'caf\303'; sleep 0.2; printf '\251\n'`, 0, "café\n", "", "a character over two writes is whole"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			if code, stdout, stderr := w.sh(session, tc.script); code != tc.code || stdout != tc.stdout || stderr != tc.stderr {
				t.Errorf("%s: exit %v, %q, %q", tc.reason, code, stdout, stderr)
			}
		})
	}
	w.want(400, "POST", session+"/cmd", obj{"command": "no-such-program", "wait": true})
	w.want(400, "POST", session+"/cmd", obj{"command": "true", "cwd": "absent"})
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sh", "args": []string{"-c", "echo $A-$B; pwd; echo kept > /tmp/f"}, "env": obj{"B": "command"}, "cwd": "/tmp", "wait": true}))
	if len(lines) != 2 {
		t.Errorf("without logs a stream has the command twice: %v", lines)
	}
	id := lines[1]["command"].(map[string]any)["id"].(string)
	text := ""
	for _, l := range w.lines(w.want(200, "GET", session+"/cmd/"+id+"/logs", nil)) {
		text += l["data"].(string)
	}
	if text != "sandbox-command\n/tmp\n" {
		t.Errorf("logs: %q", text)
	}
	if code, _, _ := w.sh(session, "test -f /tmp/f"); code != 0 {
		t.Error("one command's files in /tmp are not there for the next")
	}
}

func TestCommandTimeoutEndsTheCommand(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	lines := w.lines(w.want(200, "POST", session+"/cmd", obj{"command": "sleep", "args": []string{"1000"}, "timeout": 200, "wait": true}))
	if code := lines[1]["command"].(map[string]any)["exitCode"]; code != 137.0 {
		t.Errorf("%v", lines)
	}
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
	a := w.want(200, "POST", session+"/network-policy", obj{"allow": obj{"api.example.com": []obj{{"transform": []obj{{"headers": obj{"authorization": "canary"}}}}}, "b.example.com": []obj{}},
		"subnets": obj{"allow": []string{"10.1.0.0/16"}}})
	want := map[string]any{"mode": "custom", "allowedDomains": []any{"api.example.com", "b.example.com"}, "allowedCIDRs": []any{"10.1.0.0/16"},
		"injectionRules": []any{map[string]any{"domain": "api.example.com", "headerNames": []any{"authorization"}}}}
	if diff := cmp.Diff(want, a.get("session", "networkPolicy")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(string(a.raw), "canary") {
		t.Error("the header's value is shown")
	}
}

func TestSourcesFromThisMachine(t *testing.T) {
	body := archive(t, tarEntry{name: "src/f", content: "text"})
	from := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.tgz":
			_, _ = rw.Write(body)
		case "/away":
			http.Redirect(rw, r, "http://192.0.2.1/x", http.StatusFound)
		default:
			http.NotFound(rw, r)
		}
	}))
	defer from.Close()
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	source := func(path string) obj {
		return obj{"projectId": "prj_1", "source": obj{"type": "tarball", "url": from.URL + path}}
	}
	a := w.want(200, "POST", "/v3/sandboxes", source("/good.tgz"))
	if got := w.readFile("/v2/sandboxes/sessions/"+a.str("session", "id"), "src/f"); string(got.raw) != "text" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	w.want(400, "POST", "/v3/sandboxes", source("/absent"))
	w.want(400, "POST", "/v3/sandboxes", source("/away"))
	if n := w.want(200, "GET", "/v2/sandboxes", nil).len("sandboxes"); n != 1 {
		t.Errorf("%d sandboxes, one had a source that could be had", n)
	}
}

func TestGitSourceFromThisMachine(t *testing.T) {
	needCommands(t)
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git on this machine")
	}
	dir := t.TempDir()
	for _, argv := range [][]string{{"init", "-q", "-b", "main"}, {"add", "f"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "m"}, {"update-server-info"}} {
		if argv[0] == "add" {
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), "git", argv...)
		c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", argv, err, out)
		}
	}
	files := http.FileServer(http.Dir(filepath.Join(dir, ".git")))
	from := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "x-access-token" || password != "canary" {
			rw.Header().Set("WWW-Authenticate", "Basic")
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(rw, r)
	}))
	defer from.Close()
	w := newSandboxes(t, &SandboxServer{})
	source := obj{"type": "git", "url": from.URL, "revision": "main", "username": "x-access-token", "password": "canary"}
	a := w.want(200, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": source})
	session := "/v2/sandboxes/sessions/" + a.str("session", "id")
	if got := w.readFile(session, "f"); string(got.raw) != "text" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if code, _, _ := w.sh(session, "! grep -r canary .git ~ /tmp"); code != 0 {
		t.Error("the password is left in the sandbox")
	}
	source["password"] = "wrong"
	if a := w.want(400, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": source}); strings.Contains(string(a.raw), "wrong") {
		t.Errorf("the reply shows the password: %s", a.raw)
	}
}

func TestLogOfAGigabyteIsStreamedWhole(t *testing.T) {
	log := newCmdLog()
	reader, late := log.follow(), log.follow()
	late.leave()
	const chunks, size = 1 << 14, 1 << 16
	go func() {
		w, chunk := log.writer("stdout"), bytes.Repeat([]byte("x"), size)
		for range chunks {
			_, _ = w.Write(chunk)
		}
		log.end()
	}()
	total := 0
	for {
		line, ok := reader.next()
		if !ok {
			break
		}
		total += len(line.data)
		log.mu.Lock()
		if log.size > maxLog+size {
			t.Fatalf("%d bytes are held", log.size)
		}
		log.mu.Unlock()
	}
	if total != chunks*size {
		t.Errorf("%d bytes came, %d were written", total, chunks*size)
	}
	reader.leave()
	after, kept := log.follow(), 0
	for {
		line, ok := after.next()
		if !ok {
			break
		}
		kept += len(line.data)
	}
	if kept > maxEndedLog+size || kept < maxEndedLog-size {
		t.Errorf("%d bytes are kept for who comes later", kept)
	}
}

func TestSlowReaderDoesNotKeepASandboxFromStopping(t *testing.T) {
	needCommands(t)
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	cmd := w.want(200, "POST", session+"/cmd", obj{"command": "yes"}).str("command", "id")
	srv.mu.Lock()
	log := srv.sessions[strings.TrimPrefix(session, "/v2/sandboxes/sessions/")].commands[0].log
	srv.mu.Unlock()
	reader := log.follow() // reads nothing
	defer reader.leave()
	until(t, func() bool {
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.size > maxLog
	})
	w.want(200, "POST", session+"/stop", nil)
	if a := w.want(200, "GET", session+"/cmd/"+cmd, nil); a.get("command", "exitCode") != 137.0 {
		t.Errorf("%s", a.raw)
	}
}

func TestResetEndsAllSandboxes(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	w.create(obj{"name": "stopped"})
	w.want(200, "POST", session+"/stop", nil)
	raw, err := srv.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.LoadState([]byte(`{"format":"other"}`)); err == nil {
		t.Error("another state was loaded")
	}
	if n := w.want(200, "GET", "/v2/sandboxes", nil).len("sandboxes"); n != 2 {
		t.Errorf("%d sandboxes after a refused load", n)
	}
	if err := srv.LoadState(raw); err != nil {
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
