package upstashemu

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
	alice, aliceKey = "alice@example.com", "key-of-alice"
	bob, bobKey     = "bob@example.com", "key-of-bob"

	redisBody  = `{"database_name":"cache","platform":"aws","primary_region":"us-east-1"}`
	vectorJSON = `{"name":"search","region":"us-east-1","similarity_function":"COSINE","dimension_count":2}`
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
	w := &world{t: t, server: s, spec: speccheck.Load(t, "upstash"), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.h = w.spec.Wrap(t, s)
	s.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	if s.Accounts == nil {
		s.Accounts = map[string]Account{
			alice: {APIKey: aliceKey, Teams: []Team{{ID: "t1", Name: "Acme", CopyCC: true}}},
			bob:   {APIKey: bobKey},
		}
	}
	t.Cleanup(s.Close)
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

type object = map[string]any

func (w *world) as(email, key, method, path, body string) (int, any) {
	w.t.Helper()
	r := httptest.NewRequest(method, "/v2"+path, strings.NewReader(body))
	r.SetBasicAuth(email, key)
	r.Header.Set("Content-Type", "application/json")
	return w.send(w.h, r)
}

func (w *world) send(h http.Handler, r *http.Request) (int, any) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	var out any
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		w.t.Errorf("%s %s: reply is no JSON: %v\n%s", r.Method, r.URL.Path, err, rec.Body)
	}
	return rec.Code, out
}

func (w *world) do(method, path, body string) (int, any) {
	w.t.Helper()
	return w.as(alice, aliceKey, method, path, body)
}

// must is do for a call that has to succeed.
func (w *world) must(method, path, body string) any {
	w.t.Helper()
	code, out := w.do(method, path, body)
	if code != 200 {
		w.t.Fatalf("%s %s: %d %v", method, path, code, out)
	}
	return out
}

// data calls a data plane at the host of an endpoint.
func (w *world) data(endpoint, token, method, path, body string) (int, any) {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://"+endpoint+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	return w.send(w.server.Data(), r)
}

// redis creates a database that is ready.
func (w *world) redis() object {
	w.t.Helper()
	d := w.must("POST", "/redis/database", redisBody).(object)
	w.pass(time.Second)
	return d
}

// vector creates an index of two dimensions that is ready.
func (w *world) vector(similarity string) object {
	w.t.Helper()
	x := w.must("POST", "/vector/index", strings.Replace(vectorJSON, "COSINE", similarity, 1)).(object)
	w.pass(time.Second)
	return x
}

func str(v any, field string) string {
	o, _ := v.(object)
	s, _ := o[field].(string)
	return s
}
