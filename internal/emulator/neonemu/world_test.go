package neonemu

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

const (
	aliceKey   = "napi_alice"    // a person in acme and beta
	acmeKey    = "napi_acme"     // the organisation acme
	loneKey    = "napi_lone"     // a person in no organisation
	readKey    = "napi_readonly" // acme, read-only
	scopedKey  = "napi_scoped"   // acme, limited to a project that the test names
	acme, beta = "org-acme-1", "org-beta-2"
)

// world is an emulator with a clock that only the test moves, each 2xx reply of which is judged by the specification.
type world struct {
	t      *testing.T
	server *Server
	spec   *speccheck.Checker
	h      http.Handler

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, s *Server) *world {
	w := &world{t: t, server: s, spec: speccheck.Load(t, "neon"), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.h = w.spec.Wrap(t, s)
	s.Kit.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	orgs := []Org{{ID: acme, Name: "Acme", Handle: "acme"}, {ID: beta, Name: "Beta", Handle: "beta", Plan: "free"}}
	if s.APIKeys == nil {
		s.APIKeys = map[string]Account{
			aliceKey: {User: User{ID: "u-alice", Login: "alice", Name: "Alice", Email: "alice@example.com"}, Orgs: orgs},
			acmeKey:  {Orgs: orgs[:1]},
			loneKey:  {User: User{ID: "u-lone", Login: "lone", Name: "Lone", Email: "lone@example.com"}},
			readKey:  {Orgs: orgs[:1], ReadOnly: true},
		}
	}
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// settle lets all operations finish.
func (w *world) settle() { w.pass(time.Minute) }

type object = map[string]any

func (w *world) as(key, method, path, body string) (int, object) {
	w.t.Helper()
	r := httptest.NewRequest(method, "/api/v2"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	var out object
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
			w.t.Errorf("%s %s: reply is no JSON object: %v\n%s", method, path, err, rec.Body)
		}
	}
	return rec.Code, out
}

func (w *world) do(method, path, body string) (int, object) {
	w.t.Helper()
	return w.as(acmeKey, method, path, body)
}

// must is do for a call that has to succeed.
func (w *world) must(method, path, body string) object {
	w.t.Helper()
	code, out := w.do(method, path, body)
	if code/100 != 2 {
		w.t.Fatalf("%s %s: %d %v", method, path, code, out)
	}
	return out
}

// project creates one, waits for it, and returns its path and its default branch's.
func (w *world) project(name string) (project, branch string) {
	w.t.Helper()
	out := w.must("POST", "/projects", `{"project":{"name":"`+name+`"}}`)
	w.settle()
	project = "/projects/" + str(out, "project.id")
	return project, project + "/branches/" + str(out, "branch.id")
}

// get walks a dotted path through objects and arrays; a missing step is nil.
func get(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case object:
			v = x[step]
		case []any:
			i := int(step[0] - '0')
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func str(v any, path string) string {
	s, _ := get(v, path).(string)
	return s
}

func list(v any, path string) []any {
	l, _ := get(v, path).([]any)
	return l
}

func names(v any, path, field string) []string {
	var out []string
	for _, item := range list(v, path) {
		out = append(out, str(item, field))
	}
	return out
}
