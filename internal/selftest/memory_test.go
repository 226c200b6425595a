package selftest_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/manifest"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/store"
)

// cloud is every emulator that a ship needs, in memory: no listener, and so, in a synctest bubble, no wall clock. The engine's own settle
// times and time-outs are waited for in no time, and requests are cut where a test says.
type cloud struct {
	vercel  *vercelemu.Server
	neon    *neonemu.Server
	upstash *upstashemu.Server
	hosting http.Handler

	mu   sync.Mutex
	hook func(*emukit.Call) emukit.Action
	wire func(*http.Request) wireFault // on the way there and back; nil: none
}

// wireFault is what the network does to one exchange. The zero value lets it pass.
type wireFault struct {
	half bool   // the reply breaks off in the middle of its body
	sent func() // called before the request goes out
	done func() // called when the server has acted and before its reply is read
}

func newCloud() *cloud {
	c := &cloud{
		vercel:  &vercelemu.Server{DomainSuffix: "apps.localhost", BuildTime: 2 * time.Second, VerifiedDomains: true},
		neon:    &neonemu.Server{ProjectTime: time.Second, OpTime: time.Second},
		upstash: &upstashemu.Server{CreateTime: time.Second},
	}
	c.vercel.SetDNS("shop.example.com", "A")
	c.hosting = c.vercel.Hosting()
	for _, k := range c.kits() {
		k.Hook = c.interfere
	}
	return c
}

func (c *cloud) kits() map[string]*emukit.Kit {
	return map[string]*emukit.Kit{"vercel": &c.vercel.Kit, "neon": &c.neon.Kit, "upstash": &c.upstash.Kit}
}

func (c *cloud) states() map[string]emukit.State {
	return map[string]emukit.State{"vercel": c.vercel, "neon": c.neon, "upstash": c.upstash}
}

// somebody marks the requests of somebody else, which no fault meets.
const somebody = "X-Somebody-Else"

func (c *cloud) interfere(call *emukit.Call) emukit.Action {
	c.mu.Lock()
	hook := c.hook
	c.mu.Unlock()
	if hook == nil || call.Header.Get(somebody) != "" {
		return emukit.Action{}
	}
	return hook(call)
}

// disturb makes the emulators interfere from here on; nil ends it.
func (c *cloud) disturb(hook func(*emukit.Call) emukit.Action) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

func (c *cloud) onWire(f func(*http.Request) wireFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wire = f
}

// settings are of an account that may do everything.
func (c *cloud) settings(name string) (slipway.Secret, bool) {
	v, ok := map[string]string{
		"SLIPWAY_VERCEL_URL": "http://vercel.localhost", "VERCEL_TOKEN": vercelemu.DefaultToken,
		"VERCEL_TEAM_ID":   vercelemu.DefaultAccount().Teams[0].ID,
		"SLIPWAY_NEON_URL": "http://neon.localhost/api/v2", "NEON_API_KEY": neonemu.DefaultPersonalKey, "NEON_ORG_ID": neonemu.DefaultOrgID,
		"SLIPWAY_UPSTASH_URL": "http://upstash.localhost", "UPSTASH_EMAIL": upstashemu.DefaultEmail, "UPSTASH_API_KEY": upstashemu.DefaultAPIKey,
	}[name]
	return slipway.NewSecret(v), ok
}

// RoundTrip carries a request to the emulator that its host names, and to the deployed apps otherwise.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	h := map[string]http.Handler{"vercel.localhost": c.vercel, "neon.localhost": c.neon, "upstash.localhost": c.upstash}[r.URL.Host]
	if h == nil {
		h = c.hosting
	}
	c.mu.Lock()
	wire := c.wire
	c.mu.Unlock()
	var fault wireFault
	if wire != nil && r.Header.Get(somebody) == "" {
		fault = wire(r)
	}
	if fault.sent != nil {
		fault.sent()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	x := newExchange(r)
	go x.serve(h)
	select {
	case <-x.begun:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if fault.done != nil {
		fault.done()
	}
	return x.response(fault.half)
}

// exchange is one request and its reply, which may be a stream.
type exchange struct {
	request *http.Request
	header  http.Header
	once    sync.Once
	begun   chan struct{} // closed when status and header are there, or the connection is cut
	status  int           // 0: cut
	to      *io.PipeWriter
	from    *io.PipeReader
}

func newExchange(r *http.Request) *exchange {
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	x := &exchange{request: in, header: http.Header{}, begun: make(chan struct{})}
	x.from, x.to = io.Pipe()
	return x
}

func (x *exchange) serve(h http.Handler) {
	stop := context.AfterFunc(x.request.Context(), func() { _ = x.to.CloseWithError(x.request.Context().Err()) })
	defer stop()
	defer func() {
		switch p := recover(); p {
		case nil:
			x.WriteHeader(http.StatusOK)
			_ = x.to.Close()
		case http.ErrAbortHandler:
			x.once.Do(func() { close(x.begun) })
			_ = x.to.CloseWithError(io.ErrUnexpectedEOF)
		default:
			panic(p)
		}
	}()
	h.ServeHTTP(x, x.request)
}

func (x *exchange) Header() http.Header { return x.header }
func (x *exchange) Flush()              { x.WriteHeader(http.StatusOK) }

func (x *exchange) WriteHeader(status int) {
	x.once.Do(func() { x.status = status; close(x.begun) })
}

func (x *exchange) Write(b []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	return x.to.Write(b)
}

var errCut = errors.New("connection reset by peer")

func (x *exchange) response(half bool) (*http.Response, error) {
	if x.status == 0 {
		return nil, errCut
	}
	res := &http.Response{
		StatusCode: x.status, Status: fmt.Sprintf("%d %s", x.status, http.StatusText(x.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.header.Clone(), Body: x.from, ContentLength: -1, Request: x.request,
	}
	if half {
		whole, err := io.ReadAll(x.from)
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), broken{}))
	}
	return res, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// call is what somebody else, with the same credentials, does at an API. The answer is decoded into out; nil discards it.
func (c *cloud) call(api, method, path, body string, out any) error {
	base, _ := c.settings("SLIPWAY_" + strings.ToUpper(api) + "_URL")
	r, err := http.NewRequest(method, base.Reveal()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set(somebody, "1")
	r.Header.Set("Content-Type", "application/json")
	switch api {
	case "vercel":
		team, _ := c.settings("VERCEL_TEAM_ID")
		q := r.URL.Query()
		q.Set("teamId", team.Reveal())
		r.URL.RawQuery = q.Encode()
		r.Header.Set("Authorization", "Bearer "+vercelemu.DefaultToken)
	case "neon":
		r.Header.Set("Authorization", "Bearer "+neonemu.DefaultPersonalKey)
	case "upstash":
		r.SetBasicAuth(upstashemu.DefaultEmail, upstashemu.DefaultAPIKey)
	}
	res, err := c.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %s", method, path, res.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// process is what one process of Slipway has open: a home, and an engine on it.
type process struct {
	t      *testing.T
	store  *store.Store
	engine *engine.Engine
}

var person = slipway.Principal{Kind: slipway.PrincipalUser, Name: "ada"}

var approver = func() slipway.Approver {
	by, err := slipway.PersonApprover(person, slipway.ProofOSUser, "os-user")
	if err != nil {
		panic(err)
	}
	return by
}()

// start opens the home, a database's path, with the real providers on c. Every process has the same fingerprint key.
func (c *cloud) start(t *testing.T, home string) *process {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(home, "slipway.db"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	key, err := slipway.NewFingerprintKey(slipway.NewSecret("a key of thirty-two bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	providers := provider.All(rest.Config{Base: c})
	p := &process{t: t, store: s, engine: engine.New(engine.Config{
		Store: s, Providers: providers, Settings: c.settings, Fingerprints: key, HTTP: c, Parse: parser(providers),
		Secrets: func(name string) (slipway.Secret, bool) { return slipway.NewSecret("the value of " + name), true },
	})}
	t.Cleanup(p.end)
	return p
}

// end is the end of a process: nothing of it is left but its home.
func (p *process) end() {
	p.engine.Stop()
	if err := p.store.Close(); err != nil {
		p.t.Errorf("close: %v", err)
	}
}

func parser(providers []slipway.Provider) func([]byte) (*slipway.Manifest, error) {
	var types []slipway.ResourceType
	for _, p := range providers {
		types = append(types, p.Info().Types...)
	}
	return func(raw []byte) (*slipway.Manifest, error) {
		doc, err := manifest.Parse("slipway.yaml", raw, types)
		if err != nil {
			return nil, err
		}
		var problems []slipway.Problem
		for _, p := range providers {
			problems = append(problems, p.Check(doc.Manifest)...)
		}
		return doc.Manifest, doc.Problems(problems)
	}
}

// ship asks for a run; nothing moves before drive.
func (p *process) ship(manifest, environment string) slipway.Run {
	p.t.Helper()
	run, err := p.engine.Ship(p.t.Context(), slipway.ShipRequest{Manifest: []byte(manifest), Environment: environment, Files: page("<h1>the shop</h1>"), Requester: person})
	if err != nil {
		p.t.Fatal(err)
	}
	return run
}

// drive works on a run until it is over, or gate says no to an approval that it waits for; nil approves all.
func (p *process) drive(run slipway.Run, gate func(*slipway.RunDetail) bool) *slipway.RunDetail {
	p.t.Helper()
	if err := p.engine.Start(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	defer p.engine.Stop()
	for {
		run, err := p.engine.Wait(p.t.Context(), run.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		d, err := p.engine.Get(p.t.Context(), run.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		if run.Status != slipway.RunWaitingApproval || gate != nil && !gate(d) {
			return d
		}
		i := slices.IndexFunc(d.Approvals, func(a slipway.Approval) bool { return a.State == slipway.ApprovalRequested })
		if i < 0 {
			p.t.Fatalf("run %s waits for an approval that nobody asks for", run.ID)
		}
		a := d.Approvals[i]
		if _, err := p.engine.Decide(p.t.Context(), slipway.Decision{Run: run.ID, Gate: a.Gate, Approve: true, By: approver, Confirm: a.Targets()}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// page is a source tree of one page.
type page string

func (p page) Digest() string { return "sha256:" + p.sum() }

func (p page) sum() string {
	sum := sha1.Sum([]byte(p))
	return hex.EncodeToString(sum[:])
}

func (p page) Files() []slipway.File {
	return []slipway.File{{Path: "index.html", Mode: 0o100644, Size: int64(len(p)), SHA1: p.sum()}}
}

func (p page) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(p))), nil
}
