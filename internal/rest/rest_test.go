package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// reply is one scripted answer: "reset" cuts the connection after the request was read.
type reply struct {
	status int
	header string // "Name: value"
	body   string
	reset  bool
}

// script serves the replies in order, the last for good, and counts the calls.
func script(t *testing.T, replies ...reply) (string, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := int(calls.Add(1))
		next := replies[min(n, len(replies))-1]
		if next.reset {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(next.header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(next.status)
		_, _ = io.WriteString(w, next.body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, &calls
}

// waits records what would have been waited.
type waits struct {
	mu   sync.Mutex
	told []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, d)
	return ctx.Err()
}

func TestRetry(t *testing.T) {
	ok := reply{status: 200, body: `{"a":1}`}
	envelope := `{"error":{"code":"x","message":"No."}}`
	tests := map[string]struct {
		reason  string
		method  string
		replies []reply
		calls   int32
		code    slipway.Code
		retry   slipway.Retry
	}{
		"get":                       {"the plain case", "GET", []reply{ok}, 1, "", 0},
		"get 503":                   {"a read is repeated", "GET", []reply{{status: 503}, ok}, 2, "", 0},
		"get 423":                   {"a read waits for a running operation", "GET", []reply{{status: 423, body: envelope}, ok}, 2, "", 0},
		"get 429":                   {"a read waits for its turn", "GET", []reply{{status: 429, body: envelope}, ok}, 2, "", 0},
		"get reset":                 {"a read is repeated after a cut", "GET", []reply{{reset: true}, ok}, 2, "", 0},
		"get 500 for good":          {"four attempts and no more", "GET", []reply{{status: 500}}, 4, slipway.CodeUnavailable, slipway.RetryLater},
		"get 501":                   {"what is not there does not come by asking", "GET", []reply{{status: 501, body: envelope}}, 1, slipway.CodeUnsupported, 0},
		"get 404":                   {"absence is an answer", "GET", []reply{{status: 404, body: envelope}}, 1, slipway.CodeNotFound, 0},
		"get 404 html":              {"absence is not what a proxy says", "GET", []reply{{status: 404, body: "<html>", header: "Content-Type: text/html"}}, 1, slipway.CodeMalformed, 0},
		"get html":                  {"not an API", "GET", []reply{{status: 200, body: "<html>", header: "Content-Type: text/html"}}, 1, slipway.CodeMalformed, 0},
		"get nothing":               {"not an answer", "GET", []reply{{status: 200}}, 1, slipway.CodeMalformed, 0},
		"get other shape":           {"JSON of another shape", "GET", []reply{{status: 200, body: `{"a":"one"}`}}, 1, slipway.CodeMalformed, 0},
		"get redirect":              {"a redirect would carry the credential away", "GET", []reply{{status: 302, header: "Location: http://127.0.0.1:1/"}}, 1, slipway.CodeMalformed, 0},
		"post":                      {"the plain case", "POST", []reply{ok}, 1, "", 0},
		"post 429":                  {"429 means that nothing was done", "POST", []reply{{status: 429, body: envelope}, ok}, 2, "", 0},
		"post 429 for good":         {"and may be sent again later", "POST", []reply{{status: 429, body: envelope}}, 4, slipway.CodeRateLimited, slipway.RetryLater},
		"post 423":                  {"a provider that promises nothing about 423", "POST", []reply{{status: 423, body: envelope}}, 1, slipway.CodeBusy, 0},
		"post 503 that is safe":     {"Neon promises that nothing was done", "POST", []reply{{status: 598, body: envelope}, ok}, 2, "", 0},
		"post 500":                  {"it may have been done", "POST", []reply{{status: 500}}, 1, slipway.CodeUnavailable, slipway.RetryAmbiguous},
		"post reset":                {"it may have been done", "POST", []reply{{reset: true}}, 1, slipway.CodeUnavailable, slipway.RetryAmbiguous},
		"post html":                 {"2xx and unreadable: it may have been done", "POST", []reply{{status: 200, body: "<html>"}}, 1, slipway.CodeMalformed, slipway.RetryAmbiguous},
		"post nothing":              {"2xx and empty: it may have been done", "POST", []reply{{status: 200}}, 1, slipway.CodeMalformed, slipway.RetryAmbiguous},
		"post other shape":          {"2xx of another shape: it may have been done", "POST", []reply{{status: 200, body: `{"a":"one"}`}}, 1, slipway.CodeMalformed, slipway.RetryAmbiguous},
		"post 400":                  {"refused", "POST", []reply{{status: 400, body: envelope}}, 1, slipway.CodeRefused, 0},
		"post 401":                  {"not accepted", "POST", []reply{{status: 401, body: envelope}}, 1, slipway.CodeUnauthorized, 0},
		"post 402":                  {"a limit", "POST", []reply{{status: 402, body: envelope}}, 1, slipway.CodeLimit, 0},
		"post 403":                  {"not allowed", "POST", []reply{{status: 403, body: envelope}}, 1, slipway.CodeForbidden, 0},
		"post 409":                  {"taken", "POST", []reply{{status: 409, body: envelope}}, 1, slipway.CodeConflict, 0},
		"post 422":                  {"refused", "POST", []reply{{status: 422, body: envelope}}, 1, slipway.CodeRefused, 0},
		"repeatable post after 500": {"an upload under its digest may be repeated", "REPEAT", []reply{{status: 500}, ok}, 2, "", 0},
		"repeatable post and reset": {"the same after a cut", "REPEAT", []reply{{reset: true}, ok}, 2, "", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			base, calls := script(t, tc.replies...)
			var w waits
			c := New(Config{Wait: w.wait, Base: transport(t)}, API{Name: "x", Base: base, RefusedSafe: map[int]bool{598: true}})
			r := Request{Op: "x.y verb", Method: tc.method, Path: "/a", Body: map[string]int{"n": 1}}
			switch tc.method {
			case "GET":
				r.Body = nil
			case "REPEAT":
				r.Method, r.Repeatable = "POST", true
			}
			var out struct{ A int }
			err := c.Do(t.Context(), r, &out)
			if got := slipway.ErrorCode(err); got != tc.code || slipway.RetryClass(err) != tc.retry {
				t.Errorf("%s: error %v, code %q, retry %d; want code %q, retry %d", tc.reason, err, got, slipway.RetryClass(err), tc.code, tc.retry)
			}
			if calls.Load() != tc.calls || len(w.told) != int(tc.calls)-1 {
				t.Errorf("%s: %d calls, waits %v; want %d calls", tc.reason, calls.Load(), w.told, tc.calls)
			}
			if err == nil && out.A != 1 {
				t.Errorf("%s: decoded %+v", tc.reason, out)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "x.y verb: ") {
				t.Errorf("%s: the operation is not named in %q", tc.reason, err)
			}
		})
	}
}

// transport is one without idle connections of other tests.
func transport(t *testing.T) http.RoundTripper {
	tr := NewTransport()
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func TestWaitsAsTold(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := map[string]struct {
		reason string
		header http.Header
		want   time.Duration
	}{
		"seconds":  {"RFC 9110", http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		"fraction": {"some send one", http.Header{"Retry-After": {"0.5"}}, time.Second / 2},
		"date":     {"relative to the reply's own clock", http.Header{"Date": {date.Format(http.TimeFormat)}, "Retry-After": {date.Add(9 * time.Second).Format(http.TimeFormat)}}, 9 * time.Second},
		"past":     {"no negative wait", http.Header{"Date": {date.Format(http.TimeFormat)}, "Retry-After": {date.Add(-time.Hour).Format(http.TimeFormat)}}, 0},
		"nonsense": {"not understood is not told", http.Header{"Retry-After": {"soon"}}, 0},
		"none":     {"not told", http.Header{}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retryAfter(tc.header); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
	t.Run("in the call", func(t *testing.T) {
		base, _ := script(t, reply{status: 429, header: "Retry-After: 7", body: `{}`}, reply{status: 429, body: `{"wait":3}`}, reply{status: 200, body: `{}`})
		var w waits
		c := New(Config{Wait: w.wait}, API{Name: "x", Base: base, Error: func(status int, _ http.Header, body []byte) *slipway.Error {
			e := Default(status, body)
			if strings.Contains(string(body), "wait") {
				e.RetryAfter = 3 * time.Second
			}
			return e
		}})
		if err := c.Do(t.Context(), Request{Method: "POST", Path: "/a"}, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]time.Duration{7 * time.Second, 3 * time.Second}, w.told); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("too long", func(t *testing.T) {
		base, calls := script(t, reply{status: 429, header: "Retry-After: 3600", body: `{}`})
		err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "GET", Path: "/a"}, nil)
		var e *slipway.Error
		if !errors.As(err, &e) || e.RetryAfter != time.Hour || e.Retry != slipway.RetryLater || calls.Load() != 1 {
			t.Errorf("an hour's wait is the engine's: %+v after %d calls", e, calls.Load())
		}
	})
}

func TestProviderSaysRetry(t *testing.T) {
	base, calls := script(t, reply{status: 400, body: `{"error":{"code":"ongoing_update"}}`}, reply{status: 200, body: `{}`})
	c := New(Config{Wait: (&waits{}).wait}, API{Name: "x", Base: base, Error: func(status int, _ http.Header, body []byte) *slipway.Error {
		e := Default(status, body)
		if Envelope(body).Code == "ongoing_update" {
			e.Retry = slipway.RetryLater
		}
		return e
	}})
	if err := c.Do(t.Context(), Request{Method: "POST", Path: "/a"}, nil); err != nil || calls.Load() != 2 {
		t.Errorf("what the provider's mapping calls safe is sent again: %v after %d calls", err, calls.Load())
	}
}

type named struct{ Name string }

func (n *named) Missing() string {
	if n.Name == "" {
		return "name"
	}
	return ""
}

func TestChecker(t *testing.T) {
	for method, want := range map[string]slipway.Retry{"GET": slipway.RetryNever, "POST": slipway.RetryAmbiguous} {
		base, _ := script(t, reply{status: 200, body: `{}`})
		err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: method, Path: "/a"}, &named{})
		if slipway.ErrorCode(err) != slipway.CodeMalformed || slipway.RetryClass(err) != want || !strings.Contains(err.Error(), "no name") {
			t.Errorf("%s: %v, retry %d", method, err, slipway.RetryClass(err))
		}
	}
}

func TestPageInsteadOfNothing(t *testing.T) {
	for reason, tc := range map[string]struct {
		reply reply
		code  slipway.Code
	}{
		"nothing is a fair answer where nothing is read": {reply{status: 201}, ""},
		"a page is not": {reply{status: 200, body: "<html>", header: "Content-Type: text/html; charset=utf-8"}, slipway.CodeMalformed},
	} {
		base, _ := script(t, tc.reply)
		err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "POST", Path: "/a"}, nil)
		if slipway.ErrorCode(err) != tc.code || err != nil && slipway.RetryClass(err) != slipway.RetryAmbiguous {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestBackoffGrows(t *testing.T) {
	for n := 1; n < attempts; n++ {
		full := firstWait << (n - 1)
		for range 50 {
			if d := backoff(n); d < full/2 || d >= full {
				t.Fatalf("wait %d is %s, want within [%s, %s)", n, d, full/2, full)
			}
		}
	}
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	_ = l.Close()
	var w waits
	var n Counter
	err = New(Config{Wait: w.wait, Counter: &n}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "POST", Path: "/a", Query: url.Values{"k": {"v"}}, Body: 1}, nil)
	if slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != slipway.RetryLater || strings.Contains(err.Error(), "k=v") {
		t.Errorf("nothing was sent, so it may be sent again, and no query shows: %v, retry %d", err, slipway.RetryClass(err))
	}
	if diff := cmp.Diff(map[string]map[string]int{"x": {"POST": attempts}}, n.Snapshot()); diff != "" {
		t.Error(diff)
	}
}

func TestTimeout(t *testing.T) {
	for method, want := range map[string]slipway.Retry{"GET": slipway.RetryLater, "POST": slipway.RetryAmbiguous} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Base: never{}}, API{Name: "x", Base: "https://x.example"})
				started := time.Now()
				err := c.Do(t.Context(), Request{Method: method, Path: "/a"}, nil)
				if slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != want {
					t.Errorf("%v, retry %d, want %d", err, slipway.RetryClass(err), want)
				}
				if method == "POST" && time.Since(started) != DefaultTimeout {
					t.Errorf("gave up after %s", time.Since(started))
				}
			})
		})
	}
}

// never answers.
type never struct{}

func (never) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestCancel(t *testing.T) {
	tests := map[string]struct {
		reason, method string
		base           http.RoundTripper
		retry          slipway.Retry
	}{
		"in flight":          {"a read left nothing behind", "GET", never{}, slipway.RetryNever},
		"in flight, post":    {"it may have been done", "POST", never{}, slipway.RetryAmbiguous},
		"in the wait":        {"nothing was done", "POST", always(429), slipway.RetryNever},
		"in the wait, a get": {"nothing was done", "GET", always(503), slipway.RetryNever},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				c := New(Config{Base: tc.base, Wait: func(ctx context.Context, _ time.Duration) error { return wait(ctx, time.Hour) }}, API{Name: "x", Base: "https://x.example"})
				done := make(chan error)
				go func() { done <- c.Do(ctx, Request{Method: tc.method, Path: "/a"}, nil) }()
				synctest.Wait()
				started := time.Now()
				cancel()
				err := <-done
				if slipway.ErrorCode(err) != slipway.CodeCanceled || !errors.Is(err, context.Canceled) || slipway.RetryClass(err) != tc.retry {
					t.Errorf("%s: %v, retry %d", tc.reason, err, slipway.RetryClass(err))
				}
				if time.Since(started) != 0 {
					t.Errorf("%s: returned after %s", tc.reason, time.Since(started))
				}
			})
		})
	}
}

type always int

func (s always) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(s), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`))}, nil
}

func TestErrorHoldsNoSecret(t *testing.T) {
	const canary = "canary-0123456789"
	redact := func(s string) string { return strings.ReplaceAll(s, canary, "[redacted]") }
	for _, status := range []int{400, 401, 404, 409, 422, 500, 503} {
		for _, body := range []string{`{"error":{"message":"bad ` + canary + `"}}`, `"` + canary + `"`, canary, "<p>" + canary} {
			base, _ := script(t, reply{status: status, body: body, header: "Content-Type: text/" + canary})
			c := New(Config{Redact: redact, Wait: (&waits{}).wait}, API{Name: "x", Base: base, Auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+canary) }})
			err := c.Do(t.Context(), Request{Method: "POST", Path: "/a", Body: map[string]string{"password": canary}}, nil)
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) {
				t.Errorf("status %d, body %q: %s", status, body, text)
			}
		}
	}
}

func TestErrorIsOneShortLine(t *testing.T) {
	base, _ := script(t, reply{status: 400, body: `{"message":"a\nb\u001b[31m` + strings.Repeat("x", 2000) + `"}`})
	err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "POST", Path: "/a"}, nil)
	if len(err.Error()) > maxMessage+10 || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%q", err)
	}
}

func TestEnvelope(t *testing.T) {
	tests := map[string]struct {
		reason, body string
		want         Problem
	}{
		"vercel":       {"code and message within error", `{"error":{"code":"forbidden","message":"No."}}`, Problem{"forbidden", "No."}},
		"neon":         {"code and message", `{"request_id":"1","code":"PROJECTS_LIMIT_EXCEEDED","message":"limit"}`, Problem{"PROJECTS_LIMIT_EXCEEDED", "limit"}},
		"error string": {"Upstash", `{"error":"no such database"}`, Problem{"", "no such database"}},
		"string":       {"Upstash", `"not allowed"`, Problem{"", "not allowed"}},
		"plain":        {"not JSON and not HTML", "no such thing", Problem{"", "no such thing"}},
		"html":         {"a page says nothing", "<html>x</html>", Problem{}},
		"array":        {"an answer of no known shape", `[1]`, Problem{}},
		"empty":        {"nothing", ``, Problem{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Envelope([]byte(tc.body))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestCheckBase(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://api.vercel.com":           true,
		"https://console.neon.tech/api/v2": true,
		"http://127.0.0.1:8080":            true,
		"http://[::1]:8080/api":            true,
		"http://localhost:1":               true,
		"http://api.localhost:1":           true,
		"http://api.vercel.com":            false,
		"http://127.0.0.1.example.com":     false,
		"http://localhost.example.com":     false,
		"https://api.vercel.com/":          false,
		"https://u:p@api.vercel.com":       false,
		"https://api.vercel.com?x=1":       false,
		"ftp://127.0.0.1":                  false,
		"api.vercel.com":                   false,
		"":                                 false,
	} {
		err := CheckBase(base)
		if (err == nil) != ok {
			t.Errorf("CheckBase(%q) = %v", base, err)
		}
		if callErr := New(Config{Base: always(200)}, API{Base: base}).Do(t.Context(), Request{Method: "GET", Path: "/a"}, nil); (callErr == nil) != ok {
			t.Errorf("a call to %q = %v", base, callErr)
		}
	}
}

func TestEmptySegment(t *testing.T) {
	c := New(Config{Base: always(200)}, API{Name: "x", Base: "https://x.example"})
	for path, ok := range map[string]bool{
		Path("/projects/%s", "a"):      true,
		Path("/projects/%s", "a/b"):    true,
		Path("/projects/%s", ""):       false,
		Path("/projects/%s/env", ""):   false,
		Path("/p/%s/env/%s", "a", ""):  false,
		Path("/p/%s/env/%s", "a", "b"): true,
	} {
		if err := c.Do(t.Context(), Request{Method: "DELETE", Path: path}, nil); (err == nil) != ok {
			t.Errorf("DELETE %s = %v: an empty id must not address the whole list", path, err)
		}
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{}`)
	}))
	defer srv.Close()
	c := New(Config{UserAgent: "slipway/1"}, API{Name: "x", Base: srv.URL + "/api", Query: url.Values{"teamId": {"t"}}, Auth: func(r *http.Request) { r.SetBasicAuth("u", "p") }})
	err := c.Do(t.Context(), Request{
		Method: "POST", Path: Path("/a/%s", "b/c d"), Query: url.Values{"q": {"1"}}, Header: http.Header{"x-vercel-digest": {"abc"}},
		Raw: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }, Size: 7,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"path": "/api/a/b%2Fc%20d", "query": "q=1&teamId=t", "digest": "abc", "agent": "slipway/1", "body": "content", "length": "7", "type": "application/octet-stream"}
	have := map[string]string{
		"path": got.URL.EscapedPath(), "query": got.URL.RawQuery, "digest": got.Header.Get("X-Vercel-Digest"), "agent": got.UserAgent(),
		"body": body, "length": fmt.Sprint(got.ContentLength), "type": got.Header.Get("Content-Type"),
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if u, _, ok := got.BasicAuth(); !ok || u != "u" {
		t.Error("the request carries no credential")
	}
}

func TestRawFails(t *testing.T) {
	base, _ := script(t, reply{status: 200, body: `{}`})
	changed := slipway.Errorf(slipway.CodeSourceChanged, "a file changed")
	for reason, open := range map[string]func() (io.ReadCloser, error){
		"it does not open": func() (io.ReadCloser, error) { return nil, changed },
		"it breaks while reading": func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("ab"), broken{changed})), nil
		},
	} {
		err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "POST", Path: "/a", Raw: open, Size: 10}, nil)
		if slipway.ErrorCode(err) != slipway.CodeSourceChanged || slipway.RetryClass(err) != slipway.RetryNever {
			t.Errorf("%s: %v, retry %d", reason, err, slipway.RetryClass(err))
		}
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestBodyLimit(t *testing.T) {
	base, _ := script(t, reply{status: 200, body: `"` + strings.Repeat("x", MaxBody) + `"`})
	var out string
	err := New(Config{}, API{Name: "x", Base: base}).Do(t.Context(), Request{Method: "GET", Path: "/a"}, &out)
	if slipway.ErrorCode(err) != slipway.CodeMalformed || out != "" {
		t.Errorf("%v", err)
	}
}

func TestPass(t *testing.T) {
	var calls atomic.Int32
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		if r.URL.Path == "/hold" {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		if r.URL.Path == "/gone" {
			w.WriteHeader(404)
		}
		_, _ = fmt.Fprintf(w, `{"n":%d}`, n)
	}))
	defer srv.Close()
	get := func(ctx context.Context, c *Client, op, path string) (int, error) {
		var out struct{ N int }
		err := c.Do(ctx, Request{Op: op, Method: "GET", Path: path}, &out)
		return out.N, err
	}
	root := New(Config{Wait: (&waits{}).wait}, API{Name: "x", Base: srv.URL})

	t.Run("equal gets share one reply", func(t *testing.T) {
		calls.Store(0)
		c := root.Pass()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if n, err := get(t.Context(), c, "a", "/hold"); n != 1 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		close(hold)
		wg.Wait()
		if n, _ := get(t.Context(), c, "a", "/other"); n != 2 {
			t.Errorf("another path has reply %d", n)
		}
		if n, _ := get(t.Context(), root, "a", "/hold"); n != 3 {
			t.Errorf("outside the pass: reply %d", n)
		}
		if n, _ := get(t.Context(), c.Pass(), "a", "/hold"); n != 4 {
			t.Errorf("another pass: reply %d", n)
		}
	})
	t.Run("a failure is shared under each caller's own name", func(t *testing.T) {
		calls.Store(0)
		c := root.Pass()
		for _, op := range []string{"a", "b"} {
			_, err := get(t.Context(), c, op, "/gone")
			if slipway.ErrorCode(err) != slipway.CodeNotFound || !strings.HasPrefix(err.Error(), op+": ") {
				t.Errorf("%v", err)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
	})
	t.Run("a mutating call is always sent, and makes reads fresh", func(t *testing.T) {
		calls.Store(0)
		c := root.Pass()
		_, _ = get(t.Context(), c, "a", "/x")
		for range 2 {
			if err := c.Do(t.Context(), Request{Method: "POST", Path: "/x"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n, _ := get(t.Context(), c, "a", "/x"); n != 4 {
			t.Errorf("reply %d", n)
		}
	})
}

func TestPassWhenTheFirstCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		c := New(Config{Base: gate{block}}, API{Name: "x", Base: "https://x.example"}).Pass()
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error), make(chan error)
		r := Request{Method: "GET", Path: "/a"}
		go func() { first <- c.Do(ctx, r, nil) }()
		synctest.Wait()
		go func() { second <- c.Do(t.Context(), r, nil) }()
		synctest.Wait()
		cancel()
		if err := <-first; slipway.ErrorCode(err) != slipway.CodeCanceled {
			t.Errorf("first: %v", err)
		}
		close(block)
		if err := <-second; err != nil {
			t.Errorf("the second is not cancelled with the first: %v", err)
		}
	})
}

// gate answers when open.
type gate struct{ open chan struct{} }

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-g.open:
		return always(200).RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestStream(t *testing.T) {
	t.Run("is read as it comes", func(t *testing.T) {
		next := make(chan string)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			for line := range next {
				_, _ = io.WriteString(w, line)
				w.(http.Flusher).Flush()
			}
		}))
		defer srv.Close()
		go func() { next <- "one\n" }()
		body, err := New(Config{}, API{Name: "x", Base: srv.URL}).Stream(t.Context(), Request{Method: "GET", Path: "/a"})
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		line := make([]byte, 4)
		if _, err := io.ReadFull(body, line); err != nil || string(line) != "one\n" {
			t.Fatalf("%q, %v", line, err)
		}
		close(next)
		if rest, err := io.ReadAll(body); err != nil || len(rest) != 0 {
			t.Errorf("%q, %v", rest, err)
		}
	})
	t.Run("is opened again and mapped like any call", func(t *testing.T) {
		base, calls := script(t, reply{status: 503}, reply{status: 404, body: `{"error":{"message":"gone"}}`})
		_, err := New(Config{Wait: (&waits{}).wait}, API{Name: "x", Base: base}).Stream(t.Context(), Request{Op: "x watch", Method: "GET", Path: "/a"})
		if slipway.ErrorCode(err) != slipway.CodeNotFound || calls.Load() != 2 || !strings.HasPrefix(err.Error(), "x watch: ") {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
	t.Run("the time limit ends with the header", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pr, pw := io.Pipe()
			c := New(Config{Base: bodyOf{pr}}, API{Name: "x", Base: "https://x.example"})
			body, err := c.Stream(t.Context(), Request{Method: "GET", Path: "/a"})
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_ = wait(t.Context(), 10*DefaultTimeout)
				_, _ = io.WriteString(pw, "late")
				_ = pw.Close()
			}()
			if got, err := io.ReadAll(body); string(got) != "late" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			_ = body.Close()
		})
	})
}

type bodyOf struct{ body io.ReadCloser }

func (b bodyOf) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: b.body}, nil
}

func TestLocalhostNames(t *testing.T) {
	base, _ := script(t, reply{status: 200, body: `{}`})
	u, _ := url.Parse(base)
	for _, host := range []string{"localhost", "app-x1.localhost", "a.b.LOCALHOST"} {
		c := New(Config{Base: transport(t)}, API{Name: "x", Base: "http://" + net.JoinHostPort(host, u.Port())})
		if err := c.Do(t.Context(), Request{Method: "GET", Path: "/a"}, nil); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestCounterNil(t *testing.T) {
	var n *Counter
	n.add("x", "GET")
	if got := n.Snapshot(); len(got) != 0 {
		t.Error(got)
	}
}

func BenchmarkDo(b *testing.B) {
	body := []byte(`{"a":1}`)
	c := New(Config{Base: canned{body}}, API{Name: "x", Base: "https://x.example"})
	var out struct{ A int }
	for b.Loop() {
		if err := c.Do(b.Context(), Request{Method: "GET", Path: "/a"}, &out); err != nil {
			b.Fatal(err)
		}
	}
}

type canned struct{ body []byte }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body))}, nil
}
