package providertest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// maxProbe is how many calls a probe may make.
const maxProbe = 4

// Access is one way in which a credential stands.
type Access struct {
	Reason   string
	API      http.Handler
	Settings map[string]string // beside the base URL; the values of secret ones must show nowhere
	Want     []string          // what is found that speaks against it: CAUSE, CAUSE KIND or CAUSE KIND OP
	Evidence string            // of the first finding, whatever it says
}

// Probe proves of each case that the session's Prober finds what is wanted, by GETs alone and few of them, in words that fit, and that it
// tells the same as a real look at each Spec of m. urlVar and path are the base URL's variable and what follows the host in it. Every cause
// that the provider declares must be in a case, but those that only a refused operation or an earlier probe tells.
func Probe(t *testing.T, newProvider func(rest.Config) slipway.Provider, m *slipway.Manifest, urlVar, path string, cases map[string]Access) {
	found := map[slipway.Cause]bool{}
	p := newProvider(rest.Config{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := &watched{api: c.API}
			server := httptest.NewServer(w)
			defer server.Close()
			session, err := p.Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := c.Settings[env]
				if env == urlVar {
					v, ok = server.URL+path, true
				}
				return slipway.NewSecret(v), ok
			})
			if err != nil {
				t.Fatal(err)
			}
			findings := session.(slipway.Prober).Probe(t.Context())
			calls := w.calls()
			if len(calls) > maxProbe || slices.ContainsFunc(calls, func(c string) bool { return !strings.HasPrefix(c, "GET ") }) {
				t.Errorf("a probe is at most %d GETs: %v", maxProbe, calls)
			}
			var got []string
			for _, f := range findings {
				checkWords(t, p.Info(), c, f)
				if f.Cause != slipway.CauseNone {
					found[f.Cause] = true
					got = append(got, strings.TrimSpace(string(f.Cause)+" "+string(f.Kind)+" "+string(f.Op)))
				}
			}
			if diff := cmp.Diff(c.Want, got); diff != "" {
				t.Errorf("%s: findings (-want +got):\n%s", c.Reason, diff)
			}
			if len(findings) == 0 || findings[0].Evidence != c.Evidence {
				t.Errorf("%s: evidence of %+v, want %q", c.Reason, findings, c.Evidence)
			}
			checkLook(t, p, session, m, findings)
		})
	}
	for _, c := range p.Info().Causes {
		elsewhere := strings.HasPrefix(c.Sign, "the operation itself") || strings.HasPrefix(c.Sign, "an earlier probe")
		if !found[c.Cause] && !elsewhere {
			t.Errorf("no case finds %s", c.Cause)
		}
	}
}

func checkWords(t *testing.T, info slipway.ProviderInfo, c Access, f slipway.Capability) {
	t.Helper()
	if f.Provider != info.Name || f.Name == "" || f.Evidence == "" || f.State != f.Cause.State() {
		t.Errorf("incomplete: %+v", f)
	}
	if f.Cause == slipway.CauseNone {
		return
	}
	first, _ := firstRune(f.Reason)
	word, _, _ := strings.Cut(f.Reason, " ")
	name := strings.HasPrefix(word, info.Title) || word == strings.ToUpper(word) // a name keeps its case
	if f.Hint == "" || f.Reason == "" || !unicode.IsLower(first) && !name || strings.HasSuffix(f.Reason, ".") || !info.Knows(f.Cause) {
		t.Errorf("the words must fit after %q: %+v", "by hand because", f)
	}
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if v := c.Settings[s.Env]; s.Secret && v != "" && strings.Contains(string(raw), v) {
			t.Errorf("%s shows in %s", s.Env, raw)
		}
	}
}

func firstRune(s string) (rune, bool) {
	for _, r := range s {
		return r, true
	}
	return 0, false
}

// checkLook compares the findings with what a real look meets.
func checkLook(t *testing.T, p slipway.Provider, session slipway.Session, m *slipway.Manifest, findings []slipway.Capability) {
	t.Helper()
	for _, s := range p.Expand(m, slipway.Production) {
		if len(s.Needs) > 0 {
			continue // it cannot be looked at before its parent is there
		}
		_, err := session.Handler(s.Address.Kind()).Observe(t.Context(), s)
		if readable := slipway.Access(findings).Readable(s.Address.Kind()); readable != (err == nil) {
			t.Errorf("%s: the probe says readable %t, and a look says %v", s.Address, readable, err)
		}
	}
}

// watched is an API whose calls are kept.
type watched struct {
	api http.Handler
	mu  sync.Mutex
	log []string
}

func (w *watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.log = append(w.log, r.Method+" "+r.URL.Path)
	w.mu.Unlock()
	w.api.ServeHTTP(rw, r)
}

func (w *watched) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}
