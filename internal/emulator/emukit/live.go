package emukit

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Tuning is what may be changed while an emulator runs. Until Tune is called the Kit's fields of the same names hold.
type Tuning struct {
	Latency time.Duration
	Settle  Settle
	Ahead   time.Duration // of the clock: what takes its time is over as much sooner
}

// live is the part of a Kit that is changed while it runs.
type live struct {
	tuning   atomic.Pointer[Tuning]
	schedule atomic.Pointer[Schedule]
	calls    atomic.Int64 // that are served now

	mu    sync.Mutex
	held  []*HeldCall // oldest first
	last  int
	tuned chan struct{} // closed at the next Tune; nil: nobody waits for it
}

func (k *Kit) tuning() Tuning {
	if t := k.live.tuning.Load(); t != nil {
		return *t
	}
	return Tuning{Latency: k.Latency, Settle: k.Settle}
}

// Tune changes the tuning. It may be called at any time.
func (k *Kit) Tune(change func(*Tuning)) {
	t := k.tuning()
	change(&t)
	k.live.tuning.Store(&t)
	k.live.mu.Lock()
	defer k.live.mu.Unlock()
	if k.live.tuned != nil {
		close(k.live.tuned)
		k.live.tuned = nil
	}
}

// retuned returns a channel that closes at the next Tune.
func (k *Kit) retuned() <-chan struct{} {
	k.live.mu.Lock()
	defer k.live.mu.Unlock()
	if k.live.tuned == nil {
		k.live.tuned = make(chan struct{})
	}
	return k.live.tuned
}

// SetSchedule replaces the faults, which come after Hook. nil ends them. It may be called at any time.
func (k *Kit) SetSchedule(s *Schedule) { k.live.schedule.Store(s) }

func (k *Kit) scheduled(c *Call) Action {
	if s := k.live.schedule.Load(); s != nil {
		return s.Hook(c)
	}
	return Action{}
}

// HeldCall is a call that a hold keeps.
type HeldCall struct {
	ID     string    `json:"id"`
	Since  time.Time `json:"since"`
	API    string    `json:"api"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	After  bool      `json:"after"` // the change is made already

	end chan bool // true drops it; has room for one
}

// hold keeps a call until the hook's channel closes or the call is released, and reports whether it is to be dropped.
func (k *Kit) hold(ctx context.Context, c *Call, until <-chan struct{}) (drop bool) {
	h := &HeldCall{Since: k.Clock(), API: c.API, Method: c.Method, Path: c.Path, After: c.Phase == After, end: make(chan bool, 1)}
	k.live.mu.Lock()
	k.live.last++
	h.ID = strconv.Itoa(k.live.last)
	k.live.held = append(k.live.held, h)
	k.live.mu.Unlock()
	defer k.forget(h)
	select {
	case <-until:
		return false
	case drop = <-h.end:
		return drop
	case <-ctx.Done():
		return true
	}
}

func (k *Kit) forget(h *HeldCall) {
	k.live.mu.Lock()
	defer k.live.mu.Unlock()
	k.live.held = slices.DeleteFunc(k.live.held, func(o *HeldCall) bool { return o == h })
}

// Held returns the calls that are held now, oldest first.
func (k *Kit) Held() []HeldCall {
	k.live.mu.Lock()
	defer k.live.mu.Unlock()
	out := make([]HeldCall, 0, len(k.live.held))
	for _, h := range k.live.held {
		out = append(out, *h)
	}
	return out
}

// Release lets a held call go on, or drops it, and returns how many it was: id "" means all.
func (k *Kit) Release(id string, drop bool) int {
	k.live.mu.Lock()
	defer k.live.mu.Unlock()
	n := 0
	for _, h := range k.live.held {
		if id != "" && h.ID != id {
			continue
		}
		select {
		case h.end <- drop:
			n++
		default: // released already
		}
	}
	return n
}

type settingKey struct{}

// Setting returns what a fault schedule sets for this call alone by with:NAME:VALUE, "" when it sets nothing.
func Setting(ctx context.Context, name string) string {
	with, _ := ctx.Value(settingKey{}).(map[string]string)
	return with[name]
}

// handle serves the call, changed as the action says.
func (a Action) handle(api API, rec *reply, r *http.Request) {
	h := api.Mux
	if a.PageSize > 0 {
		r = withPageSize(r, cmp.Or(api.PageSize, "limit"), strconv.Itoa(a.PageSize))
	}
	if len(a.With) > 0 {
		r = r.WithContext(context.WithValue(r.Context(), settingKey{}, a.With))
	}
	if !a.Twice {
		h.ServeHTTP(rec, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	for i := range 2 {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		if i == 1 {
			rec = &reply{to: discard{}, pause: func() error { return nil }, log: func(bool) {}}
		}
		h.ServeHTTP(rec, again)
	}
}

func withPageSize(r *http.Request, name, n string) *http.Request {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set(name, n)
	r.URL.RawQuery = q.Encode()
	return r
}

// failing is the end of a body that could not be read whole.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
