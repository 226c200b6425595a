package vercelemu

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/isolate"
)

// sandboxes is a sandbox emulator on the real clock, for commands are real. Each 2xx reply is checked against the
// published document, a stream line by line.
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
	if a.status/100 == 2 && kind == ndjson {
		for line := range bytes.Lines(a.raw) {
			if err := judge(w.check, line); err != nil {
				w.t.Errorf("line of the stream of %s %s: %v: %s", method, path, err, line)
			}
		}
	} else if a.status/100 == 2 {
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
