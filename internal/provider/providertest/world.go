package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

// canary begins every value that the suite writes.
const canary = "canary-7Qd2vXk9-"

// World is one emulator with one session on it.
type World struct {
	T        *testing.T
	Emulator Emulator
	URL      string // base URL of the API
	Provider slipway.Provider
	Session  slipway.Session

	subject  Subject
	kind     slipway.KindInfo
	specs    []slipway.Spec // the subject's and what it needs, parents first
	receipts map[slipway.Address]slipway.Receipt
	redactor *redact.Redactor
	secrets  []string

	mu     sync.Mutex
	now    time.Time
	waits  []time.Duration
	sent   []string // METHOD and URL of what the session sent
	onWait func()
	hook   func(*emukit.Call) emukit.Action
}

func newWorld(t *testing.T, s Subject, setup func(*World)) *World {
	t.Helper()
	w := &World{
		T: t, Emulator: s.Emulator(), subject: s, receipts: map[slipway.Address]slipway.Receipt{}, redactor: redact.New(),
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	w.Emulator.Kit.Now = w.clock
	w.Emulator.Kit.Hook = w.interfere
	if setup != nil {
		setup(w)
	}
	server := httptest.NewServer(w.Emulator.Handler)
	t.Cleanup(server.Close)
	w.URL = server.URL + w.Emulator.BasePath
	transport := rest.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	w.Provider = s.New(rest.Config{Base: sender{w, transport}, Redact: w.redactor.String, Wait: w.wait})
	w.Session = w.Open(w.Emulator.Settings)
	for _, k := range w.Provider.Info().Kinds {
		if k.Kind == s.Address.Kind() {
			w.kind = k
		}
	}
	w.specs = w.needed()
	return w
}

// Open opens the provider with settings, on this world's emulator.
func (w *World) Open(settings map[string]string) slipway.Session {
	w.T.Helper()
	for _, known := range w.Provider.Info().Settings {
		if v := settings[known.Env]; known.Secret && v != "" {
			w.secrets = append(w.secrets, v)
			w.redactor.Add(slipway.NewSecret(v))
		}
	}
	session, err := w.Provider.Open(w.T.Context(), func(env string) (slipway.Secret, bool) {
		if env == w.Emulator.BaseEnv {
			return slipway.NewSecret(w.URL), true
		}
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		w.T.Fatalf("open: %v", err)
	}
	return session
}

func (w *World) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Pass moves the clock.
func (w *World) Pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// wait stands for every wait of the transport: it takes no time, and the emulator's clock moves by it.
func (w *World) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	w.waits = append(w.waits, d)
	then := w.onWait
	w.now = w.now.Add(d)
	w.mu.Unlock()
	if then != nil {
		then()
	}
	return ctx.Err()
}

// sender notes what the session sends. The emulator may see a call that its sender has given up much later.
type sender struct {
	world *World
	http.RoundTripper
}

func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	s.world.mu.Lock()
	s.world.sent = append(s.world.sent, r.Method+" "+r.URL.RequestURI())
	s.world.mu.Unlock()
	return s.RoundTripper.RoundTrip(r)
}

// sentBy returns what the session sends during f.
func (w *World) sentBy(f func()) []string {
	w.mu.Lock()
	w.sent = nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// Hook makes the emulator interfere from here on; nil ends it.
func (w *World) Hook(hook func(*emukit.Call) emukit.Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = hook
}

func (w *World) interfere(c *emukit.Call) emukit.Action {
	w.mu.Lock()
	hook := w.hook
	w.mu.Unlock()
	if hook == nil {
		return emukit.Action{}
	}
	return hook(c)
}

// Send makes a call of its own, as somebody else would, and decodes the reply into out; nil discards it. It fails the test on any status
// that is not 2xx.
func (w *World) Send(method, path string, body, out any) {
	w.T.Helper()
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			w.T.Fatal(err)
		}
		content = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(w.T.Context(), method, w.URL+path, content)
	if err != nil {
		w.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	w.Emulator.Auth(r)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.T.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		w.T.Fatalf("%s %s: status %d: %s", method, path, resp.StatusCode, raw)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			w.T.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// needed returns the subject's Spec, last, and before it all that it needs.
func (w *World) needed() []slipway.Spec {
	w.T.Helper()
	all, err := slipway.SortSpecs(w.Provider.Expand(w.subject.Manifest, w.subject.Environment))
	if err != nil {
		w.T.Fatal(err)
	}
	byAddress := map[slipway.Address]slipway.Spec{}
	for _, s := range all {
		byAddress[s.Address] = s
	}
	want := map[slipway.Address]bool{}
	var mark func(a slipway.Address)
	mark = func(a slipway.Address) {
		if want[a] {
			return
		}
		want[a] = true
		s := byAddress[a]
		for _, of := range [][]slipway.Address{s.Needs, s.Seals, slices.Collect(maps.Values(s.IDs))} {
			for _, b := range of {
				mark(b)
			}
		}
	}
	mark(w.subject.Address)
	var out []slipway.Spec
	for _, s := range all {
		if want[s.Address] {
			out = append(out, s)
		}
	}
	if len(out) == 0 || out[len(out)-1].Address != w.subject.Address {
		w.T.Fatalf("%s is not among what the manifest expands to, or is not the last of what it needs", w.subject.Address)
	}
	return out
}

// Spec returns the Spec under test as the engine would pass it: with what was recorded so far.
func (w *World) Spec() slipway.Spec { return w.filled(w.specs[len(w.specs)-1]) }

// Unknown is Spec without the recorded receipt.
func (w *World) Unknown() slipway.Spec {
	s := w.Spec()
	s.Known = nil
	return s
}

func (w *World) filled(s slipway.Spec) slipway.Spec {
	s.App, s.Run = w.subject.Manifest.App, "run-1"
	s.Params = maps.Clone(s.Params)
	s.Parents = map[slipway.Kind]slipway.Receipt{}
	for _, a := range s.Needs {
		if r, ok := w.receipts[a]; ok {
			s.Parents[a.Kind()] = r
		}
	}
	for name, a := range s.IDs {
		s.Params[name] = w.receipts[a].ID
	}
	if r, ok := w.receipts[s.Address]; ok {
		s.Known = &r
	}
	s.Values = map[string]slipway.Secret{}
	for name, in := range s.Inputs {
		s.Values[name] = w.value(name, in)
		if in.Ledger && !in.CreateOnly {
			s.Params[name] = s.Values[name].Reveal()
		}
	}
	if w.subject.Fill != nil {
		w.subject.Fill(w, &s)
	}
	return s
}

func (w *World) value(name string, in slipway.Input) slipway.Secret {
	switch {
	case in.Ledger:
		return slipway.NewSecret(slipway.NewLedger(w.subject.Manifest.App, nil, nil).Encode())
	case in.Literal != nil:
		return slipway.NewSecret(*in.Literal)
	}
	v := slipway.NewSecret(canary + name)
	w.redactor.Add(v)
	w.secrets = append(w.secrets, v.Reveal())
	return v
}

func (w *World) handler(s slipway.Spec) slipway.Handler {
	w.T.Helper()
	h := w.Session.Handler(s.Address.Kind())
	if h == nil {
		w.T.Fatalf("the session has no handler for %s", s.Address.Kind())
	}
	return h
}

// Observe observes want and fails the test if that changed anything.
func (w *World) Observe(want slipway.Spec) (slipway.Observation, error) {
	w.T.Helper()
	before := w.Emulator.Kit.Mutations()
	obs, err := w.handler(want).Observe(w.T.Context(), want)
	if n := w.Emulator.Kit.Mutations() - before; n != 0 {
		w.T.Errorf("an observation made %d mutating calls", n)
	}
	w.scan(err)
	return obs, err
}

// Look is Observe that must work.
func (w *World) Look(want slipway.Spec) slipway.Observation {
	w.T.Helper()
	obs, err := w.Observe(want)
	if err != nil {
		w.T.Fatalf("observe %s: %v", want.Address, err)
	}
	return obs
}

// Change creates what is absent and updates what differs, as the engine does.
func (w *World) Change(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	w.T.Helper()
	var got slipway.Receipt
	var err error
	h := w.handler(want)
	switch b, ok := h.(slipway.Batcher); {
	case ok:
		var results []slipway.Result
		if results, err = b.Batch(ctx, []slipway.Spec{want}); err == nil {
			if len(results) != 1 {
				w.T.Fatalf("a batch of one gave %d results", len(results))
			}
			got, err = results[0].Receipt, results[0].Err
		}
	case have.Exists:
		got, err = h.Update(ctx, want, have)
	default:
		got, err = h.Create(ctx, want)
	}
	w.scan(err)
	return got, err
}

// Parents makes all that the subject needs.
func (w *World) Parents() {
	w.T.Helper()
	for _, s := range w.specs[:len(w.specs)-1] {
		w.ensure(s)
	}
}

// Make makes the subject and what it needs, and returns it as observed.
func (w *World) Make() slipway.Observation {
	w.T.Helper()
	w.Parents()
	return w.ensure(w.specs[len(w.specs)-1])
}

// ensure makes one Spec true and returns what is then observed. What a create cannot send, an update does.
func (w *World) ensure(s slipway.Spec) slipway.Observation {
	w.T.Helper()
	obs := w.settled(s)
	for range 2 {
		want := w.filled(s)
		if obs.Exists && len(differing(want, obs)) == 0 {
			break
		}
		got, err := w.Change(w.T.Context(), want, obs)
		if err != nil {
			w.T.Fatalf("make %s: %v", s.Address, err)
		}
		w.receipts[s.Address] = got
		obs = w.settled(s)
	}
	if fields := differing(w.filled(s), obs); !obs.Exists || len(fields) > 0 {
		w.T.Fatalf("%s was made and then differs in %v: %+v", s.Address, fields, obs)
	}
	w.receipts[s.Address] = obs.Receipt
	return obs
}

// settled observes until nothing is pending.
func (w *World) settled(s slipway.Spec) slipway.Observation {
	w.T.Helper()
	for range 200 {
		obs := w.Look(w.filled(s))
		if obs.Failed != nil {
			w.T.Fatalf("%s failed: %v", s.Address, obs.Failed)
		}
		if !obs.Pending {
			return obs
		}
		w.Pass(500 * time.Millisecond)
	}
	w.T.Fatalf("%s is pending for good", s.Address)
	return slipway.Observation{}
}

// differing lists the params whose observed value is another.
func differing(want slipway.Spec, have slipway.Observation) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want.Params)) {
		if want.Params[name] != nil && asJSON(want.Params[name]) != asJSON(have.Fields[name]) {
			out = append(out, name)
		}
	}
	return out
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("unencodable: %v", err)
	}
	return string(raw)
}

// scan fails the test when an error holds one of the canaries.
func (w *World) scan(err error) {
	w.T.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %s", err, err, asJSON(err))
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			w.T.Error("an error holds a secret")
		}
	}
}

// calls returns the calls made by f.
func (w *World) calls(f func()) []emukit.Entry {
	before := len(w.Emulator.Kit.Calls())
	f()
	return w.Emulator.Kit.Calls()[before:]
}
