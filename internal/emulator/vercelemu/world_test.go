package vercelemu

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// world is an emulator in a synctest bubble, where time passes only when everybody waits. Each 2xx reply is checked
// against the published document.
type world struct {
	t     *testing.T
	srv   *Server
	api   http.Handler
	check *speccheck.Checker
	token string
	team  string
}

const (
	acme  = "team_LLHUOMOoDlqOp8wPE4kFo9pE"
	other = "team_other"
)

// play runs f on srv inside a bubble.
func play(t *testing.T, srv *Server, f func(*world)) {
	t.Helper()
	check := speccheck.Load(t, "vercel")
	for op := range KnownDifferences() {
		check.Except(op)
	}
	synctest.Test(t, func(t *testing.T) {
		defer srv.Close()
		f(&world{t: t, srv: srv, api: check.Wrap(t, srv), check: check, token: DefaultToken, team: acme})
	})
}

type answer struct {
	status int
	header http.Header
	raw    []byte
	body   any
}

func (w *world) request(method, path string, body any) *http.Request {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	case []byte:
		in = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	if w.team != "" {
		path += sep + "teamId=" + w.team
	}
	r := httptest.NewRequest(method, path, in)
	r.Header.Set("Content-Type", "application/json")
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	return r.WithContext(w.t.Context())
}

func (w *world) send(r *http.Request) answer {
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: rec.Body.Bytes()}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(a.raw, &a.body); err != nil {
			w.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
		}
	}
	if a.status >= 400 && (a.str("error", "code") == "" || a.str("error", "message") == "") {
		w.t.Errorf("%s %s: %d is no error envelope: %s", r.Method, r.URL.Path, a.status, a.raw)
	}
	return a
}

func (w *world) do(method, path string, body any) answer {
	w.t.Helper()
	return w.send(w.request(method, path, body))
}

// want is do for a call that must answer status.
func (w *world) want(status int, method, path string, body any) answer {
	w.t.Helper()
	a := w.do(method, path, body)
	if a.status != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.raw)
	}
	return a
}

// get digs in the body: get("pagination", "next"), get("projects", 0, "id").
func (a answer) get(path ...any) any {
	v := a.body
	for _, step := range path {
		switch k := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

func (a answer) str(path ...any) string {
	s, _ := a.get(path...).(string)
	return s
}

func (a answer) len(path ...any) int {
	l, _ := a.get(path...).([]any)
	return len(l)
}

func digest(content string) string {
	sum := sha1.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (w *world) upload(content string) {
	w.t.Helper()
	r := w.request("POST", "/v2/files", content)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("x-vercel-digest", digest(content))
	if a := w.send(r); a.status != 200 {
		w.t.Fatalf("upload: %d %s", a.status, a.raw)
	}
}

func (w *world) project(name string) string {
	w.t.Helper()
	return w.want(200, "POST", "/v11/projects", obj{"name": name}).str("id")
}

// deploy posts a deployment with inline files and returns its id and host.
func (w *world) deploy(project string, more obj, files map[string]string) (id, host string) {
	w.t.Helper()
	in := []obj{}
	for name, content := range files {
		in = append(in, obj{"file": name, "data": content, "encoding": "utf-8"})
	}
	body := obj{"name": project, "project": project, "projectSettings": obj{"framework": nil}, "files": in}
	for k, v := range more {
		if body[k] = v; v == nil {
			delete(body, k)
		}
	}
	a := w.want(200, "POST", "/v13/deployments", body)
	return a.str("id"), a.str("url")
}

// sleep lets the bubble's time pass.
func (w *world) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// visit asks the hosting.
func (w *world) visit(host, path string, header http.Header) answer {
	r := httptest.NewRequest("GET", "http://"+host+path, nil).WithContext(w.t.Context())
	for k, v := range header {
		r.Header[k] = v
	}
	rec := httptest.NewRecorder()
	w.srv.Hosting().ServeHTTP(rec, r)
	return answer{status: rec.Code, header: rec.Header(), raw: rec.Body.Bytes()}
}
