package vercel

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// world is an app on an emulator where builds and moves take no time.
type world struct {
	t       *testing.T
	server  *vercelemu.Server
	session slipway.Session
	project slipway.Receipt
	specs   map[slipway.Address]slipway.Spec
}

func open(t *testing.T, h http.Handler, settings map[string]string) slipway.Session {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	s, err := New(rest.Config{Wait: noWait}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
		if env == settingURL {
			return slipway.NewSecret(srv.URL), true
		}
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start makes m's project; wrap, when not nil, stands before the emulator.
func start(t *testing.T, m *slipway.Manifest, wrap func(http.Handler) http.Handler) *world {
	t.Helper()
	w := &world{t: t, server: server(), specs: map[slipway.Address]slipway.Spec{}}
	w.server.BuildTime, w.server.AliasTime, w.server.PromoteTime = -1, -1, -1
	var h http.Handler = w.server
	if wrap != nil {
		h = wrap(h)
	}
	w.session = open(t, h, map[string]string{settingToken: token, settingTeam: acme})
	for _, environment := range m.Environments {
		for _, s := range (provider{}).Expand(m, environment) {
			w.specs[s.Address] = s
		}
	}
	r, err := w.handler(kindProject).Create(t.Context(), w.spec("vercel.project/shop"))
	if err != nil {
		t.Fatal(err)
	}
	w.project = r
	return w
}

func (w *world) handler(k slipway.Kind) slipway.Handler { return w.session.Handler(k) }

// spec returns a Spec as the engine passes it.
func (w *world) spec(a slipway.Address) slipway.Spec {
	w.t.Helper()
	s, ok := w.specs[a]
	if !ok {
		w.t.Fatalf("no spec %s", a)
	}
	s.App, s.Run = "shop", "run-1"
	s.Parents = map[slipway.Kind]slipway.Receipt{kindProject: w.project}
	s.Values = map[string]slipway.Secret{"value": slipway.NewSecret("value-of-" + a.Key()), "ledger": slipway.NewSecret(ledger("shop"))}
	if a.Key() == slipway.LedgerKey {
		s.Values["value"] = slipway.NewSecret(ledger("shop"))
	}
	s.Params = maps.Clone(s.Params)
	fill(nil, &s)
	return s
}

func ledger(app string) string { return slipway.NewLedger(app, nil, nil).Encode() }

func (w *world) observe(s slipway.Spec) slipway.Observation {
	w.t.Helper()
	obs, err := w.handler(s.Address.Kind()).Observe(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return obs
}

// send is a call by somebody else.
func (w *world) send(method, path string, body any) {
	w.t.Helper()
	raw, _ := json.Marshal(body)
	r := httptest.NewRequest(method, path, bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer "+token)
	q := r.URL.Query()
	q.Set("teamId", acme)
	r.URL.RawQuery = q.Encode()
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	if rec.Code/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
}

func (w *world) count(method, path string) int {
	n := 0
	for _, c := range w.server.Calls() {
		if c.Method == method && strings.Contains(c.Path, path) {
			n++
		}
	}
	return n
}

// bodies records the JSON bodies that are sent to a path.
type bodies struct {
	mu   sync.Mutex
	sent []map[string]any
}

func (b *bodies) of(path string, check func(r *http.Request)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == path {
				raw, _ := io.ReadAll(r.Body)
				var body map[string]any
				_ = json.Unmarshal(raw, &body)
				b.mu.Lock()
				b.sent = append(b.sent, body)
				b.mu.Unlock()
				r.Body = io.NopCloser(bytes.NewReader(raw))
				if check != nil {
					check(r)
				}
				r.Body = io.NopCloser(bytes.NewReader(raw))
			}
			h.ServeHTTP(w, r)
		})
	}
}
