package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/rest"
)

// waitLong lets everything that an emulator does in the background come to its end.
const waitLong = 5 * time.Minute

// faults is what holds when the API fails, refuses, or answers late, twice or never.
var faults = map[string]check{
	"lost reply, connection cut": {reason: lostReason, run: func(w *World) { w.lost(emukit.Action{Drop: true}) }},
	"lost reply, status 500":     {reason: lostReason, run: func(w *World) { w.lost(emukit.Action{Status: 500}) }},
	"unreadable reply": {
		reason: "a change whose reply makes no sense is ambiguous, unless nothing of the reply was needed; a look tells",
		run: func(w *World) {
			w.lost(emukit.Action{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>")})
		},
	},
	"visible late": {
		reason: "a thing whose create was lost is found by the looks that its kind allows for",
		setup:  func(w *World) { w.Emulator.Kit.Settle.Reads = slipway.DefaultSettle.Reads - 1 },
		run:    func(w *World) { w.lost(emukit.Action{Drop: true}) },
	},
	"429 on a change": {
		reason: "a rate limit is waited for as told, and the change is made once",
		run: func(w *World) {
			w.Parents()
			obs := w.Look(w.Unknown())
			w.limitOnce(func(c *emukit.Call) bool { return c.Method != http.MethodGet })
			if _, err := w.Change(w.T.Context(), w.Unknown(), obs); err != nil {
				w.T.Fatalf("change after a 429: %v", err)
			}
			w.waited(7 * time.Second)
			w.one(obs.Exists)
		},
	},
	"429 on a look": {
		reason: "a rate limit is waited for as told",
		run: func(w *World) {
			w.Make()
			w.limitOnce(func(*emukit.Call) bool { return true })
			w.Look(w.Spec())
			w.waited(7 * time.Second)
		},
	},
	"reads are sent again": {
		reason: "a look survives 423, any 5xx and a cut connection",
		run: func(w *World) {
			w.Make()
			for _, a := range []emukit.Action{{Status: 423}, {Status: 500}, {Status: 502}, {Status: 503}, {Status: 504}, {Drop: true}} {
				w.Hook(once(nil, emukit.Before, a))
				if obs, err := w.Observe(w.Spec()); err != nil || !obs.Exists {
					w.T.Errorf("a look after %+v: exists %v, %v", a, obs.Exists, err)
				}
			}
		},
	},
	"refused looks": {
		reason: "a refusal has its code and is not asked twice",
		run: func(w *World) {
			w.Make()
			for _, status := range refusals {
				if status == http.StatusNotFound {
					continue // absence, which other cases look at
				}
				w.Hook(always(emukit.Action{Status: status}))
				var err error
				sent := w.sentBy(func() { _, err = w.Observe(w.Spec()) })
				w.refused(status, err, sent)
			}
		},
	},
	"refused changes": {
		reason: "a refusal has its code and is not asked twice, and nothing was made",
		run: func(w *World) {
			w.Parents()
			obs := w.Look(w.Unknown())
			for _, status := range refusals {
				w.Hook(func(c *emukit.Call) emukit.Action {
					if c.Phase == emukit.Before && c.Method != http.MethodGet {
						return emukit.Action{Status: status}
					}
					return emukit.Action{}
				})
				var err error
				sent := w.sentBy(func() { _, err = w.Change(w.T.Context(), w.Unknown(), obs) })
				w.refused(status, err, slices.DeleteFunc(sent, func(call string) bool { return strings.HasPrefix(call, "GET ") }))
			}
		},
	},
	"not an API": {
		reason: "an answer of a proxy, an empty one and JSON of another shape are malformed, and never an absence",
		run: func(w *World) {
			w.Make()
			html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
			for name, a := range map[string]emukit.Action{
				"HTML":        {Status: 200, Header: html, Body: []byte("<html>sign in</html>")},
				"HTML 404":    {Status: 404, Header: html, Body: []byte("<html>not here</html>")},
				"nothing":     {Status: 200, Body: []byte{}},
				"a redirect":  {Status: 302, Header: http.Header{"Location": {"https://login.example.com/"}}, Body: []byte{}},
				"other JSON":  {Status: 200, Body: []byte(`"no"`)},
				"empty JSON":  {Status: 200, Body: []byte(`{}`)},
				"half a JSON": {Status: 200, Body: []byte(`{"project":{"id":`)},
			} {
				w.Hook(always(a))
				obs, err := w.Observe(w.Spec())
				if slipway.ErrorCode(err) != slipway.CodeMalformed {
					w.T.Errorf("%s: observed %+v, error %v, want code %s", name, obs, err, slipway.CodeMalformed)
				}
			}
		},
	},
	"cancelled": {
		reason: "a look, a change and a wait end when their context does, and a change that was on its way is ambiguous",
		run: func(w *World) {
			w.Parents()
			have := w.Look(w.Unknown())
			err := w.cancelInFlight(func(ctx context.Context) error {
				_, err := w.handler(w.Spec()).Observe(ctx, w.Unknown())
				return err
			}, func(*emukit.Call) bool { return true })
			if !errors.Is(err, context.Canceled) || slipway.ErrorCode(err) != slipway.CodeCanceled {
				w.T.Errorf("a look that was cancelled: %v", err)
			}
			err = w.cancelInFlight(func(ctx context.Context) error {
				_, err := w.Change(ctx, w.Unknown(), have)
				return err
			}, func(c *emukit.Call) bool { return c.Method != http.MethodGet })
			if !errors.Is(err, context.Canceled) || slipway.RetryClass(err) != slipway.RetryAmbiguous {
				w.T.Errorf("a change that was cancelled: %v, retry class %d, want ambiguous", err, slipway.RetryClass(err))
			}
			w.Hook(always(emukit.Action{Status: 429, Header: http.Header{"Retry-After": {"30"}}}))
			ctx, cancel := context.WithCancel(w.T.Context())
			w.mu.Lock()
			w.onWait = cancel
			w.mu.Unlock()
			if _, err := w.handler(w.Spec()).Observe(ctx, w.Unknown()); !errors.Is(err, context.Canceled) {
				w.T.Errorf("a wait that was cancelled: %v", err)
			}
		},
	},
	"secrets": {
		reason: "no error holds a secret, even when the provider sends it back",
		run: func(w *World) {
			w.Parents()
			have := w.Look(w.Unknown())
			want := w.Unknown()
			for _, status := range []int{400, 401, 409, 422, 500} {
				w.Hook(always(emukit.Action{Status: status, Body: echo(w.secrets)}))
				_, err := w.Change(w.T.Context(), want, have)
				if err == nil {
					w.T.Errorf("status %d gave no error", status)
				}
				if _, err := w.Observe(want); err == nil {
					w.T.Errorf("status %d gave no error", status)
				}
			}
			if len(w.secrets) == 0 {
				w.T.Error("there was no secret to look for")
			}
		},
	},
}

const lostReason = "a change whose reply was lost is ambiguous, and a look finds the one thing that it made"

var refusals = []int{400, 401, 402, 403, 404, 409, 422}

// lost makes the subject with the reply of its create in the way of a, and looks as often as the kind says.
func (w *World) lost(a emukit.Action) {
	w.T.Helper()
	w.Parents()
	have := w.Look(w.Unknown())
	w.Hook(once(func(c *emukit.Call) bool {
		return c.Method != http.MethodGet && c.Status/100 == 2 && (w.subject.Makes == nil || w.subject.Makes(c))
	}, emukit.After, a))
	_, err := w.Change(w.T.Context(), w.Unknown(), have)
	w.Hook(nil)
	if slipway.RetryClass(err) != slipway.RetryAmbiguous && (err != nil || a.Status/100 != 2) {
		w.T.Errorf("the lost reply: %v, retry class %d, want ambiguous", err, slipway.RetryClass(err))
	}
	w.one(have.Exists)
}

// one looks as often as the kind says and fails the test unless that finds exactly one; of a thing that existed before, that it is now as
// it should be. (What a create cannot send, an update does later.)
func (w *World) one(existed bool) {
	w.T.Helper()
	settle := w.kind.Settle
	if settle.Reads == 0 {
		settle = slipway.DefaultSettle
	}
	for range settle.Reads {
		obs := w.Look(w.Unknown())
		if len(obs.Namesakes) > 0 {
			w.T.Fatalf("there are several: %+v", obs.Namesakes)
		}
		if obs.Exists && (!existed || obs.Pending || len(differing(w.Unknown(), obs)) == 0) {
			return
		}
		w.Pass(settle.Over / time.Duration(settle.Reads))
	}
	w.T.Errorf("it is not found in %d looks", settle.Reads)
}

// refused judges the error of calls that were all answered with status.
func (w *World) refused(status int, err error, calls []string) {
	w.T.Helper()
	want := rest.CodeOf(status)
	if code, ok := w.subject.Codes[status]; ok {
		want = code
	}
	if slipway.ErrorCode(err) != want || slipway.RetryClass(err) != slipway.RetryNever {
		w.T.Errorf("status %d: %v (code %s, retry class %d), want code %s and no retry", status, err, slipway.ErrorCode(err), slipway.RetryClass(err), want)
	}
	if e := (*slipway.Error)(nil); errors.As(err, &e) && !strings.HasPrefix(e.Op, string(w.kind.Kind)+" ") {
		w.T.Errorf("status %d: the error's operation is %q, want %q and a verb", status, e.Op, w.kind.Kind)
	}
	sent := map[string]int{}
	for _, c := range calls {
		sent[c]++
	}
	for call, n := range sent {
		if n > 1 {
			w.T.Errorf("status %d: %s was sent %d times", status, call, n)
		}
	}
	if len(sent) == 0 {
		w.T.Errorf("status %d: nothing was sent", status)
	}
}

// limitOnce answers the first call that matches with 429 and seven seconds to wait.
func (w *World) limitOnce(match func(*emukit.Call) bool) {
	w.mu.Lock()
	w.waits = nil
	w.mu.Unlock()
	w.Hook(once(match, emukit.Before, emukit.Action{Status: 429, Header: http.Header{"Retry-After": {strconv.Itoa(7)}}}))
}

func (w *World) waited(d time.Duration) {
	w.T.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.waits, d) {
		w.T.Errorf("waits %v, want one of %s", w.waits, d)
	}
}

// cancelInFlight cancels f while the emulator holds a call that matches, and returns f's error.
func (w *World) cancelInFlight(f func(context.Context) error, match func(*emukit.Call) bool) error {
	ctx, cancel := context.WithCancel(w.T.Context())
	defer cancel()
	arrived, hold := make(chan struct{}, 64), make(chan struct{})
	defer close(hold) // a server does not see its caller leave before it has read the body
	w.Hook(func(c *emukit.Call) emukit.Action {
		if c.Phase != emukit.Before || !match(c) {
			return emukit.Action{}
		}
		arrived <- struct{}{}
		return emukit.Action{Hold: hold}
	})
	defer w.Hook(nil)
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case <-arrived:
	case err := <-done:
		return fmt.Errorf("it ended before it was cancelled: %w", err)
	}
	cancel()
	return <-done
}

// once lets a interfere with the first call in phase that matches; nil matches all.
func once(match func(*emukit.Call) bool, phase emukit.Phase, a emukit.Action) func(*emukit.Call) emukit.Action {
	var used atomic.Bool
	return func(c *emukit.Call) emukit.Action {
		if c.Phase != phase || match != nil && !match(c) || used.Swap(true) {
			return emukit.Action{}
		}
		return a
	}
}

func always(a emukit.Action) func(*emukit.Call) emukit.Action {
	return func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before {
			return a
		}
		return emukit.Action{}
	}
}

// echo is an error envelope, in every vendor's shape, that sends secrets back.
func echo(secrets []string) []byte {
	said := "you sent " + strings.Join(secrets, " and ")
	return []byte(asJSON(map[string]any{"code": "bad", "message": said, "error": map[string]string{"code": "bad", "message": said}}))
}
