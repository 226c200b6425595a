package emukit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// State is an emulator's memory as a whole. Its methods may be called at any time.
type State interface {
	// SaveState returns everything that was made through the API, as JSON. Equal states are equal bytes. It holds the
	// secrets that the emulator gave out.
	SaveState() ([]byte, error)
	// LoadState replaces everything by what SaveState returned, of this or an earlier process. On an error nothing is
	// changed.
	LoadState([]byte) error
	// ResetState forgets everything.
	ResetState() error
}

// ControlPath is below which Control answers.
const ControlPath = "/_emulator/"

// maxStateSize is the most that a state to be loaded may have.
const maxStateSize = 1 << 30

// Control is the way into a running emulator, at /_emulator/ of its API's listener. Its calls are not API calls: they
// are in no log, meet no fault and no latency, and need no credential. Instead they are answered only to this machine:
// the peer's address and the Host header must be loopback, and there may be no Origin header, so that no web page
// that a browser on this machine has open can use it. A token would protect from other users of this machine alone,
// who find credentials of equal use in the process's environment.
//
//	GET    /_emulator/                   what it is, its clock, and how many things of each type its state has
//	GET    /_emulator/faults             {seed, rules: [{rule, seen, hits}]}
//	PUT    /_emulator/faults?seed=N      the body is a schedule as ParseSchedule reads it, and replaces the present one
//	DELETE /_emulator/faults             ends all faults; what is held goes on
//	GET    /_emulator/settings           {latency, settle_reads, settle_time, ahead}
//	PATCH  /_emulator/settings           changes those of them that the body names
//	GET    /_emulator/held               the calls that a hold keeps
//	POST   /_emulator/held/{id}/release  lets one go on; id "all" means each
//	POST   /_emulator/held/{id}/drop     cuts its connection instead
//	GET    /_emulator/log                the calls as lines of JSON, oldest first
//	DELETE /_emulator/log                forgets them
//	GET    /_emulator/state              the whole state; it holds the emulator's own secrets
//	PUT    /_emulator/state              replaces it
//	POST   /_emulator/reset              forgets state, log, faults and settings
type Control struct {
	// Name is the emulator's.
	Name string
	Kit  *Kit
	// State may be nil: then its routes answer 501.
	State State
	// More are further routes, by pattern: METHOD /_emulator/NAME.
	More map[string]ControlRoute
}

// ControlRoute answers one control call: a reply that is JSON, nil for none, or an error, which is 400.
type ControlRoute func(*http.Request) (any, error)

// Wrap serves the control routes, and api below every other path.
func (c Control) Wrap(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	routes := map[string]ControlRoute{
		"GET /_emulator/{$}":                  c.about,
		"GET /_emulator/faults":               c.faults,
		"PUT /_emulator/faults":               c.setFaults,
		"DELETE /_emulator/faults":            c.endFaults,
		"GET /_emulator/settings":             c.settings,
		"PATCH /_emulator/settings":           c.tune,
		"GET /_emulator/held":                 c.held,
		"POST /_emulator/held/{id}/{release}": c.release,
		"GET /_emulator/log":                  c.log,
		"DELETE /_emulator/log":               c.forget,
		"GET /_emulator/state":                c.save,
		"PUT /_emulator/state":                c.load,
		"POST /_emulator/reset":               c.reset,
	}
	maps.Copy(routes, c.More)
	for pattern, do := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, do) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, ControlPath) {
			api.ServeHTTP(w, r)
			return
		}
		if why := foreign(r); why != "" {
			controlError(w, http.StatusForbidden, why)
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			controlError(w, http.StatusNotFound, "the emulator's control has no "+r.Method+" "+r.URL.Path)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// foreign says why a call may not come from a program on this machine, "" when it does.
func foreign(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return "the emulator's control answers to this machine only"
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !IsLoopback(host) || r.Header.Get("Origin") != "" {
		return "the emulator's control does not answer to web pages"
	}
	return ""
}

// IsLoopback reports whether a host, a name or an address, is this machine by itself.
func IsLoopback(host string) bool {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// refusal is an error of a control call, with its status.
type refusal struct {
	status int
	error
}

func answer(w http.ResponseWriter, r *http.Request, do ControlRoute) {
	reply, err := do(r)
	var no refusal
	switch raw, ready := reply.(document); {
	case errors.As(err, &no):
		controlError(w, no.status, no.Error())
	case err != nil:
		controlError(w, http.StatusBadRequest, err.Error())
	case reply == nil:
		w.WriteHeader(http.StatusNoContent)
	case ready:
		w.Header().Set("Content-Type", raw.kind)
		_, _ = w.Write(raw.body)
	default:
		WriteJSON(w, http.StatusOK, reply)
	}
}

// document is a reply that is not to be encoded.
type document struct {
	kind string
	body []byte
}

func controlError(w http.ResponseWriter, status int, message string) {
	WriteJSON(w, status, map[string]string{"error": message})
}

func (c Control) about(*http.Request) (any, error) {
	out := map[string]any{"emulator": c.Name, "clock": c.Kit.Clock(), "calls": len(c.Kit.Calls()), "held": len(c.Kit.Held())}
	if c.State == nil {
		return out, nil
	}
	raw, err := c.State.SaveState()
	if err != nil {
		return nil, err
	}
	counts, err := CountState(raw)
	out["state"] = counts
	return out, err
}

func (c Control) faults(*http.Request) (any, error) {
	out := map[string]any{"rules": []RuleCount{}}
	if s := c.Kit.live.schedule.Load(); s != nil {
		out["seed"], out["rules"] = s.Seed(), s.Rules()
	}
	return out, nil
}

func (c Control) setFaults(r *http.Request) (any, error) {
	var seed uint64
	if text := r.URL.Query().Get("seed"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fmt.Errorf("seed %q is no number", text)
		}
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	s, err := ParseSchedule(string(text), seed)
	if err != nil {
		return nil, err
	}
	c.Kit.SetSchedule(s)
	return c.faults(r)
}

func (c Control) endFaults(*http.Request) (any, error) {
	c.Kit.SetSchedule(nil)
	c.Kit.Release("", false)
	return nil, nil
}

func (c Control) settings(*http.Request) (any, error) {
	t := c.Kit.tuning()
	return map[string]any{"latency": t.Latency.String(), "settle_reads": t.Settle.Reads, "settle_time": t.Settle.Time.String(), "ahead": t.Ahead.String()}, nil
}

func (c Control) tune(r *http.Request) (any, error) {
	var in struct {
		Latency     *string `json:"latency"`
		SettleReads *int    `json:"settle_reads"`
		SettleTime  *string `json:"settle_time"`
		Ahead       *string `json:"ahead"`
	}
	if err := DecodeJSON(http.MaxBytesReader(nil, r.Body, 1<<20), &in); err != nil {
		return nil, err
	}
	t := c.Kit.tuning()
	for text, into := range map[*string]*time.Duration{in.Latency: &t.Latency, in.SettleTime: &t.Settle.Time, in.Ahead: &t.Ahead} {
		if text == nil {
			continue
		}
		d, err := time.ParseDuration(*text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q is no duration", *text)
		}
		*into = d
	}
	if in.SettleReads != nil {
		if t.Settle.Reads = *in.SettleReads; t.Settle.Reads < 0 {
			return nil, errors.New("settle_reads is below 0")
		}
	}
	c.Kit.Tune(func(now *Tuning) { *now = t })
	return c.settings(r)
}

func (c Control) held(*http.Request) (any, error) { return c.Kit.Held(), nil }

func (c Control) release(r *http.Request) (any, error) {
	id, verb := r.PathValue("id"), r.PathValue("release")
	if verb != "release" && verb != "drop" {
		return nil, refusal{http.StatusNotFound, errors.New("a held call is released or dropped")}
	}
	if id == "all" {
		id = ""
	}
	n := c.Kit.Release(id, verb == "drop")
	if n == 0 && id != "" {
		return nil, refusal{http.StatusNotFound, fmt.Errorf("no held call %q", id)}
	}
	return map[string]int{verb: n}, nil
}

func (c Control) log(*http.Request) (any, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, e := range c.Kit.Calls() {
		if err := lines.Encode(e); err != nil {
			return nil, err
		}
	}
	return document{"application/x-ndjson", b.Bytes()}, nil
}

func (c Control) forget(*http.Request) (any, error) {
	c.Kit.ForgetCalls()
	return nil, nil
}

var errNoState = refusal{http.StatusNotImplemented, errors.New("this emulator's state cannot be saved")}

func (c Control) save(*http.Request) (any, error) {
	if c.State == nil {
		return nil, errNoState
	}
	raw, err := c.State.SaveState()
	if err != nil {
		return nil, refusal{http.StatusConflict, err}
	}
	return document{"application/json", raw}, nil
}

func (c Control) load(r *http.Request) (any, error) {
	if c.State == nil {
		return nil, errNoState
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxStateSize))
	if err != nil {
		return nil, err
	}
	return nil, c.State.LoadState(raw)
}

func (c Control) reset(*http.Request) (any, error) {
	if c.State == nil {
		return nil, errNoState
	}
	c.Kit.SetSchedule(nil)
	c.Kit.Release("", true)
	c.Kit.live.tuning.Store(nil)
	if err := c.State.ResetState(); err != nil {
		return nil, err
	}
	c.Kit.ForgetCalls()
	return nil, nil
}
