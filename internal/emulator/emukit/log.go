package emukit

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Entry is one call in the request log. Bodies and headers are never in it.
type Entry struct {
	Time     time.Time     `json:"time"`
	API      string        `json:"api"`
	Method   string        `json:"method"`
	Path     string        `json:"path"`
	Route    string        `json:"route"` // empty when the route is not modelled
	Query    string        `json:"query,omitempty"`
	Status   int           `json:"status"` // the status sent; 0 when the connection was dropped
	Bytes    int64         `json:"bytes"`
	Duration time.Duration `json:"duration"` // nanoseconds
	Dropped  bool          `json:"dropped,omitempty"`
}

// Mutating reports whether the entry's method may change something.
func (e Entry) Mutating() bool {
	switch e.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// Calls returns a copy of the request log, oldest first.
func (k *Kit) Calls() []Entry {
	k.logMu.Lock()
	defer k.logMu.Unlock()
	return k.log.all()
}

// Mutations counts the POST, PUT, PATCH and DELETE calls in the request log.
func (k *Kit) Mutations() int {
	n := 0
	for _, e := range k.Calls() {
		if e.Mutating() {
			n++
		}
	}
	return n
}

// ForgetCalls empties the request log.
func (k *Kit) ForgetCalls() {
	k.logMu.Lock()
	defer k.logMu.Unlock()
	k.log = ring{}
}

func (k *Kit) record(e Entry) {
	size := k.LogSize
	if size <= 0 {
		size = 4096
	}
	k.logMu.Lock()
	defer k.logMu.Unlock()
	k.log.add(e, size)
	if k.RequestLog == nil {
		return
	}
	if line, err := json.Marshal(e); err == nil {
		_, _ = k.RequestLog.Write(append(line, '\n'))
	}
}

type ring struct {
	entries []Entry
	next    int
}

func (r *ring) add(e Entry, size int) {
	if len(r.entries) < size {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % len(r.entries)
}

func (r *ring) all() []Entry {
	out := make([]Entry, 0, len(r.entries))
	out = append(out, r.entries[r.next:]...)
	return append(out, r.entries[:r.next]...)
}

var secretParameters = []string{"token", "secret", "password", "bypass", "key", "code", "signature", "auth"}

// safeQuery encodes q with the value of each parameter whose name sounds like a secret replaced.
func safeQuery(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	out := make(url.Values, len(q))
	for name, values := range q {
		out[name] = values
		for _, word := range secretParameters {
			if strings.Contains(strings.ToLower(name), word) {
				out[name] = []string{"redacted"}
				break
			}
		}
	}
	return out.Encode()
}
