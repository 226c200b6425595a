// Package emukit is what every provider emulator stands on: the request log, latency, fault hooks, body limits, ids,
// paging, strict JSON, states that pass by the clock, and a loopback listener. It knows no provider and imports
// nothing of ours, so that an emulator and the client under test cannot share a mistake.
package emukit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultBodyLimit is how many bytes of a request body a route reads when its API names no other limit.
const DefaultBodyLimit = 16 << 20

// DefaultMaxUploads is the MaxUploads of a Kit that has none.
const DefaultMaxUploads = 1 << 30

// maxCalls is how many calls an emulator serves at once, streams and held calls included. One more is answered 429, so
// that a caller in a loop cannot eat the machine. A listener has room for twice as many connections.
const maxCalls = 2048

// Kit is the part of an emulator that does not depend on its provider. The zero value is ready: real clock, no
// latency, no faults, random ids. Set the exported fields before the first request; they are not guarded.
type Kit struct {
	// Now is the emulator's clock. nil means time.Now.
	Now func() time.Time
	// Latency is added to each reply, half before the handler acts and half after, as a network does. A caller that
	// goes away in the first half is never acted upon.
	Latency time.Duration
	// Hook sees each call of a modelled route twice, before the handler and after it, and may interfere. It runs on
	// the call's goroutine and may be called by many at once. nil means no interference.
	Hook func(*Call) Action
	// Bodies gives a Hook the requests' bodies.
	Bodies bool
	// Settle delays how soon a created thing shows in lists. Zero means at once.
	Settle Settle
	// RequestLog receives one JSON object a line for each call. It must be safe for concurrent use when several
	// kits share it. nil means the in-memory log only.
	RequestLog io.Writer
	// LogSize is how many calls Calls remembers. 0 means 4096.
	LogSize int
	// MaxUploads is how many bytes of uploaded files an emulator keeps in memory; one more file is refused with 413. 0
	// means DefaultMaxUploads.
	MaxUploads int64
	// Seed makes ids and secrets repeatable. 0 means random ones.
	Seed uint64

	logMu sync.Mutex
	log   ring

	live live // what is changed while it runs

	idMu sync.Mutex
	rng  *rand.ChaCha8
}

// Clock returns the emulator's present time.
func (k *Kit) Clock() time.Time {
	now := time.Now
	if k.Now != nil {
		now = k.Now
	}
	return now().Add(k.tuning().Ahead)
}

// Room reports whether an emulator that keeps kept bytes of uploads may take more.
func (k *Kit) Room(kept, more int64) bool {
	limit := k.MaxUploads
	if limit == 0 {
		limit = DefaultMaxUploads
	}
	return kept+more <= limit
}

// Phase says at which side of the handler a Hook is called.
type Phase int

const (
	// Before is before the handler: nothing has been changed yet.
	Before Phase = iota
	// After is after the handler: the change is made and the reply is ready, but (unless streamed) not yet sent.
	After
)

// Call is one request as a Hook sees it: the same pointer in both phases.
type Call struct {
	Phase Phase
	// API is the name of the surface that was called: API.Name.
	API    string
	Method string
	// Path is the request's path, Route the pattern that serves it without its method.
	Path, Route string
	Query       url.Values
	// Header is the request's header, with credentials in it: never log it.
	Header http.Header
	// Status is the handler's status. Zero before.
	Status int
	// Body is what the handler has read of the request's body, where Kit.Bodies asks for it. nil before.
	Body []byte

	planned map[*Schedule][]fault
}

// Action is what a Hook makes of a call. The zero value lets it pass.
type Action struct {
	// Hold keeps the call until the channel closes or the caller goes away. The rest of the Action follows.
	Hold <-chan struct{}
	// Drop closes the connection without a reply: before the handler nothing was done, after it the change stands.
	Drop bool
	// Status, when not zero, answers instead of the handler (Before) or in place of its reply (After).
	Status int
	// Header is added to such an answer.
	Header http.Header
	// Body is such an answer's body. nil means the provider's own error envelope for Status.
	Body []byte
	// Rewrite changes a reply that is not streamed, after the handler and when nothing of the above answers instead.
	Rewrite func(status int, body []byte) (int, []byte)

	// What follows counts before the handler only, and lets the call pass.

	// Delay is added to the call's latency.
	Delay time.Duration
	// PageSize, when not zero, replaces the page size that the caller asked for: ?limit= or ?per_page=.
	PageSize int
	// Twice lets the handler act twice on the request; the first reply is sent.
	Twice bool
	// With are settings for this call alone, which the handler finds by Setting.
	With map[string]string
}

func (a Action) passes() bool {
	return a.Hold == nil && !a.Drop && a.Status == 0 && a.Rewrite == nil && a.Delay == 0 && a.PageSize == 0 && !a.Twice && len(a.With) == 0
}

// Chain makes one Hook of several: the first that interferes in a phase wins, and the others do not see that phase.
func Chain(hooks ...func(*Call) Action) func(*Call) Action {
	return func(c *Call) Action {
		for _, h := range hooks {
			if h == nil {
				continue
			}
			if a := h(c); !a.passes() {
				return a
			}
		}
		return Action{}
	}
}

// API is one HTTP surface to be wrapped by a Kit.
type API struct {
	// Name tells the surfaces apart in a shared request log: "vercel", "neon", "upstash".
	Name string
	// Mux holds the modelled routes.
	Mux *http.ServeMux
	// Error writes the provider's error envelope. Its header may already hold Retry-After.
	Error func(w http.ResponseWriter, status int, code, message string)
	// PageSize is the query parameter by which a caller asks for a page size. "" means limit.
	PageSize string
	// BodyLimit returns how many bytes a route may be sent. nil means DefaultBodyLimit for all.
	BodyLimit func(route string) int64
}

// Wrap serves api with latency, hooks, body limits and the request log. A route that api.Mux does not have is
// answered 501 with code not_implemented and the route in the message.
func (k *Kit) Wrap(api API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		_, pattern := api.Mux.Handler(r)
		c := &Call{API: api.Name, Method: r.Method, Path: r.URL.Path, Route: routeOf(pattern), Query: r.URL.Query(), Header: r.Header}
		latency := k.tuning().Latency
		rec := &reply{to: w, pause: func() error { return pause(r.Context(), latency-latency/2) }}
		logged := false
		rec.log = func(dropped bool) {
			if logged {
				return
			}
			logged = true
			e := Entry{
				Time: k.Clock(), API: api.Name, Method: c.Method, Path: c.Path, Route: c.Route,
				Query: safeQuery(c.Query), Status: rec.status, Bytes: rec.bytes, Duration: time.Since(started),
			}
			if dropped {
				e.Status, e.Dropped = 0, true
			}
			k.record(e)
		}
		if k.live.calls.Add(1) > maxCalls {
			defer k.live.calls.Add(-1)
			rec.Header().Set("Retry-After", "1")
			api.Error(rec, http.StatusTooManyRequests, "rate_limited", fmt.Sprintf("the emulator serves %d calls at once", maxCalls))
			rec.send()
			return
		}
		defer k.live.calls.Add(-1)
		defer rec.log(true) // logs only when the handler is left by a panic, which is how a connection is dropped
		if pause(r.Context(), latency/2) != nil {
			panic(http.ErrAbortHandler)
		}
		k.serve(api, rec, r, c, pattern)
		rec.log(false)
	})
}

func (k *Kit) serve(api API, rec *reply, r *http.Request, c *Call, pattern string) {
	ctx := r.Context()
	if pattern == "" {
		api.Error(rec, http.StatusNotImplemented, "not_implemented",
			fmt.Sprintf("the emulator does not model %s %s", c.Method, c.Path))
		rec.send()
		return
	}
	a := k.ask(c)
	if k.interfere(ctx, api, rec, c, a) {
		return
	}
	limit := int64(DefaultBodyLimit)
	if api.BodyLimit != nil {
		limit = api.BodyLimit(c.Route)
	}
	if r.ContentLength > limit {
		api.Error(rec, http.StatusRequestEntityTooLarge, "payload_too_large", fmt.Sprintf("The body is over %d bytes.", limit))
		rec.send()
		return
	}
	r.Body = http.MaxBytesReader(rec, r.Body, limit)
	var body bytes.Buffer
	if k.Bodies {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &body), r.Body}
	}
	a.handle(api, rec, r)
	c.Phase, c.Status, c.Body = After, rec.code(), body.Bytes()
	if !k.interfere(ctx, api, rec, c, k.ask(c)) {
		rec.send()
	}
}

// ask is what the hooks make of the call in its present phase.
func (k *Kit) ask(c *Call) Action {
	return Chain(k.Hook, k.scheduled)(c)
}

// interfere does what the hooks say of this phase, and reports whether the call has been answered.
func (k *Kit) interfere(ctx context.Context, api API, rec *reply, c *Call, a Action) bool {
	if pause(ctx, a.Delay) != nil {
		panic(http.ErrAbortHandler)
	}
	if a.Hold != nil {
		a.Drop = k.hold(ctx, c, a.Hold) || a.Drop
	}
	if a.Drop {
		panic(http.ErrAbortHandler)
	}
	if a.Rewrite != nil && a.Status == 0 && c.Phase == After && !rec.streaming {
		rec.status, rec.body = a.Rewrite(rec.code(), rec.body)
		rec.bytes = int64(len(rec.body))
	}
	if a.Status == 0 || rec.streaming {
		return false
	}
	rec.reset()
	for name, values := range a.Header {
		rec.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if a.Body == nil {
		api.Error(rec, a.Status, StatusCode(a.Status), "injected by the emulator's fault schedule")
	} else {
		rec.WriteHeader(a.Status)
		_, _ = rec.Write(a.Body)
	}
	rec.send()
	return true
}

// StatusCode returns the machine code that goes with an HTTP status when nothing better is known: 429 is
// rate_limited, any other its standard text in snake case.
func StatusCode(status int) string {
	if status == http.StatusTooManyRequests {
		return "rate_limited"
	}
	text := http.StatusText(status)
	if text == "" {
		return "status_" + strconv.Itoa(status)
	}
	return strings.ReplaceAll(strings.ToLower(text), " ", "_")
}

func routeOf(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

// pause waits on the real clock: latency belongs to the wire, not to the emulated world.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reply holds a handler's answer back until the hook has seen it. A handler that flushes makes it a stream, which is
// sent as it is written.
type reply struct {
	to        http.ResponseWriter
	pause     func() error
	log       func(dropped bool) // once: before a whole reply is sent, so that its receiver finds it in the log, or after a stream
	header    http.Header
	body      []byte
	status    int
	bytes     int64
	streaming bool
}

func (p *reply) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *reply) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
	}
}

func (p *reply) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	p.bytes += int64(len(b))
	if p.streaming {
		return p.to.Write(b)
	}
	p.body = append(p.body, b...)
	return len(b), nil
}

// Flush makes the reply a stream.
func (p *reply) Flush() {
	if !p.streaming {
		p.streaming = true
		p.deliver()
	}
	if f, ok := p.to.(http.Flusher); ok {
		f.Flush()
	}
}

func (p *reply) code() int {
	p.WriteHeader(http.StatusOK)
	return p.status
}

func (p *reply) reset() { p.header, p.body, p.status, p.bytes = nil, nil, 0, 0 }

func (p *reply) send() {
	if p.streaming {
		return
	}
	p.deliver()
}

func (p *reply) deliver() {
	if p.pause() != nil {
		panic(http.ErrAbortHandler)
	}
	code := p.code()
	if !p.streaming {
		p.log(false)
	}
	to := p.to.Header()
	for name, values := range p.Header() {
		to[name] = values
	}
	p.to.WriteHeader(code)
	_, _ = p.to.Write(p.body)
	p.body = nil
}

// TooLarge reports whether err is a body that went over its route's limit.
func TooLarge(err error) bool {
	var e *http.MaxBytesError
	return errors.As(err, &e)
}
