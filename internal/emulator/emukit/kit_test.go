package emukit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type world struct {
	kit   *Kit
	acted atomic.Int64
	srv   *httptest.Server
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	WriteJSON(w, status, map[string]string{"code": code, "message": message})
}

func newWorld(t *testing.T, k *Kit) *world {
	t.Helper()
	w := &world{kit: k}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /things", func(rw http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			writeError(rw, http.StatusRequestEntityTooLarge, "too_large", err.Error())
			return
		}
		WriteJSON(rw, http.StatusCreated, map[string]int64{"n": w.acted.Add(1)})
	})
	mux.HandleFunc("GET /things/{id}", func(rw http.ResponseWriter, r *http.Request) {
		WriteJSON(rw, http.StatusOK, map[string]string{"id": r.PathValue("id")})
	})
	limit := func(string) int64 { return 64 }
	w.srv = httptest.NewServer(k.Wrap(API{Name: "test", Mux: mux, Error: writeError, BodyLimit: limit}))
	t.Cleanup(w.srv.Close)
	return w
}

func (w *world) do(t *testing.T, method, path, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, w.srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, nil, ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(b)
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		reason, faults string
		status         int
		acted          int64
		retryAfter     string
		body           string
	}{
		"none":             {"no rule lets the call pass", "", 201, 1, "", `{"n":1}`},
		"other method":     {"a rule for another method does not apply", "GET /things=503", 201, 1, "", `{"n":1}`},
		"other API":        {"a rule for another API does not apply", "neon:POST /things=503", 201, 1, "", `{"n":1}`},
		"this API":         {"a rule may name its API", "test:POST /things=503", 503, 0, "", `{"code":"service_unavailable","message":"injected by the emulator's fault schedule"}`},
		"second only":      {"the first call is not the second", "POST /things#2=503", 201, 1, "", `{"n":1}`},
		"429":              {"Retry-After comes with it", "POST *#*=429:2", 429, 0, "2", `{"code":"rate_limited","message":"injected by the emulator's fault schedule"}`},
		"reset before":     {"nothing was done", "POST /things=reset-before", 0, 0, "", ""},
		"reset after":      {"the change stands though the reply is lost", "POST /things=reset-after", 0, 1, "", ""},
		"500 after":        {"the change stands though the reply says 500", "POST /th*=500-after", 500, 1, "", `{"code":"internal_server_error","message":"injected by the emulator's fault schedule"}`},
		"first rule wins":  {"one fault a call", "* /things=423\nPOST /things=500", 423, 0, "", `{"code":"locked","message":"injected by the emulator's fault schedule"}`},
		"held for a while": {"a hold with an end goes on", "POST /things=hold:1", 201, 1, "", `{"n":1}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			hook, err := ParseFaults(tc.faults)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, &Kit{Hook: hook})
			status, header, body := w.do(t, "POST", "/things", "{}")
			if status != tc.status || w.acted.Load() != tc.acted || header.Get("Retry-After") != tc.retryAfter {
				t.Errorf("%s: status %d, acted %d, Retry-After %q", tc.reason, status, w.acted.Load(), header.Get("Retry-After"))
			}
			if diff := cmp.Diff(tc.body, body); diff != "" {
				t.Errorf("%s: body (-want +got):\n%s", tc.reason, diff)
			}
			if calls := w.kit.Calls(); len(calls) != 1 || calls[0].Status != tc.status || calls[0].Dropped != (tc.status == 0) {
				t.Errorf("request log: %+v", calls)
			}
		})
	}
}

func TestParseFaultsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no kind": "POST /x", "no path": "POST=500", "no such kind": "POST /x=explode", "zeroth": "POST /x#0=500",
		"no seconds": "POST /x=429:soon", "status out of range": "POST /x=99", "hold after": "POST /x=hold-after",
		"truncated below nothing": "GET /x=truncate:-1",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseFaults(text); err == nil {
				t.Errorf("%q was accepted", text)
			}
		})
	}
}

func TestBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		asked  bool
		want   string
	}{
		"asked":     {"a hook sees what the handler has read", true, `{"name":"x"}`},
		"not asked": {"else it is not kept", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan string, 2)
			w := newWorld(t, &Kit{Bodies: tc.asked, Hook: func(c *Call) Action { seen <- string(c.Body); return Action{} }})
			if status, _, _ := w.do(t, "POST", "/things", `{"name":"x"}`); status != 201 {
				t.Fatalf("status %d", status)
			}
			if before, after := <-seen, <-seen; before != "" || after != tc.want {
				t.Errorf("%s: %q before and %q after, want %q", tc.reason, before, after, tc.want)
			}
		})
	}
}

func TestHoldEndsWithItsChannelOrItsCaller(t *testing.T) {
	held := make(chan struct{})
	entered := make(chan struct{}, 2)
	w := newWorld(t, &Kit{Hook: func(c *Call) Action {
		if c.Phase == Before {
			entered <- struct{}{}
			return Action{Hold: held}
		}
		return Action{}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", w.srv.URL+"/things", nil)
	gone := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(req)
		gone <- err
	}()
	<-entered
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatalf("the caller who left got %v", err)
	}
	status := make(chan int)
	go func() { s, _, _ := w.do(t, "POST", "/things", ""); status <- s }()
	<-entered
	close(held)
	if got := <-status; got != 201 || w.acted.Load() != 1 {
		t.Errorf("status %d, acted %d; want 201 and one act, by the call that stayed", got, w.acted.Load())
	}
}

func TestUnmodelledRouteIs501NamingIt(t *testing.T) {
	w := newWorld(t, &Kit{})
	status, _, body := w.do(t, "DELETE", "/things/1", "")
	if want := `{"code":"not_implemented","message":"the emulator does not model DELETE /things/1"}`; status != 501 || body != want {
		t.Errorf("got %d %s", status, body)
	}
}

func TestBodyLimit(t *testing.T) {
	w := newWorld(t, &Kit{})
	if status, _, _ := w.do(t, "POST", "/things", strings.Repeat("x", 65)); status != 413 || w.acted.Load() != 0 {
		t.Errorf("status %d, acted %d", status, w.acted.Load())
	}
}

func TestRequestLogHoldsNoSecret(t *testing.T) {
	var out bytes.Buffer
	k := &Kit{RequestLog: &out, LogSize: 2}
	w := newWorld(t, k)
	for range 3 {
		w.do(t, "GET", "/things/1?teamId=t1&access_token=hunter2&x-vercel-protection-bypass=hunter2", "")
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("a secret is in the log: %s", out.String())
	}
	var e Entry
	if err := json.NewDecoder(&out).Decode(&e); err != nil {
		t.Fatal(err)
	}
	want := Entry{
		Time: e.Time, API: "test", Method: "GET", Path: "/things/1", Route: "/things/{id}",
		Query: "access_token=redacted&teamId=t1&x-vercel-protection-bypass=redacted", Status: 200, Bytes: 10, Duration: e.Duration,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if got := len(k.Calls()); got != 2 || k.Mutations() != 0 {
		t.Errorf("the ring of 2 holds %d, %d of them mutations", got, k.Mutations())
	}
}

func TestSeedRepeats(t *testing.T) {
	a, b, c := &Kit{Seed: 7}, &Kit{Seed: 7}, &Kit{}
	if x, y := a.RandomString(24, Alnum), b.RandomString(24, Alnum); x != y {
		t.Errorf("%s and %s from one seed", x, y)
	}
	if x, y := a.RandomUUID(), c.RandomUUID(); x == y {
		t.Errorf("%s twice", x)
	}
}

func TestPaging(t *testing.T) {
	stamps := []int64{50, 40, 30, 20, 10}
	self := func(n int64) int64 { return n }
	var got [][]int64
	for until := int64(0); ; {
		page, next := PageBefore(stamps, self, until, 2)
		got = append(got, page)
		if until = next; next == 0 {
			break
		}
	}
	if diff := cmp.Diff([][]int64{{50, 40}, {30, 20}, {10}}, got); diff != "" {
		t.Errorf("by time (-want +got):\n%s", diff)
	}
	if page, next := PageBefore(stamps[:2], self, 0, 2); len(page) != 2 || next != 0 {
		t.Errorf("a full last page promises another: %v %d", page, next)
	}

	names := []string{"a", "b", "c"}
	name := func(s string) string { return s }
	first, cursor, _ := PageAfter(names, name, "", 2)
	rest, end, ok := PageAfter(names, name, cursor, 2)
	if diff := cmp.Diff([][]string{{"a", "b"}, {"c"}}, [][]string{first, rest}); diff != "" || end != "" || !ok {
		t.Errorf("by cursor, end %q (-want +got):\n%s", end, diff)
	}
	if _, _, ok := PageAfter(names, name, "bm9uZQ", 2); ok {
		t.Error("a cursor that names nothing was accepted")
	}
}

func TestDecodeJSONIsStrict(t *testing.T) {
	var v struct{ A int }
	for name, tc := range map[string]struct {
		reason, body string
		unknown, ok  bool
	}{
		"fine":          {"a known field passes", `{"A":1}`, false, true},
		"unknown field": {"an unknown field is told apart", `{"B":1}`, true, false},
		"trailing":      {"one value only", `{"A":1} 2`, false, false},
		"wrong type":    {"types are checked", `{"A":"x"}`, false, false},
		"empty":         {"nothing is not an object", ``, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := DecodeJSON(strings.NewReader(tc.body), &v)
			if (err == nil) != tc.ok || errors.Is(err, ErrUnknownField) != tc.unknown {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestTimelineIsAFunctionOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &Kit{Settle: Settle{Reads: 1, Time: time.Second}}
		line := Timeline{Started: k.Clock(), Stages: []Stage{{"QUEUED", 0}, {"BUILDING", time.Second}, {"READY", 3 * time.Second}}}
		born := k.Born()
		first := k.Listed(&born)
		got := []string{line.At(k.Clock())}
		for _, s := range []string{"BUILDING", "READY"} {
			at, _ := line.Begins(s)
			if err := k.WaitUntil(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			got = append(got, line.At(k.Clock()))
		}
		if diff := cmp.Diff([]string{"QUEUED", "BUILDING", "READY"}, got); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if first || !k.Listed(&born) || line.End() != k.Clock() {
			t.Errorf("listed at once: %v; the timeline ends at %v, now is %v", first, line.End(), k.Clock())
		}
	})
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, 0, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(s.URL)
	if err != nil || res.StatusCode != 404 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	cancel()
	<-s.done
	if _, err := http.Get(s.URL); err == nil {
		t.Error("it still answers")
	}
}

func BenchmarkWrap(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, map[string]int{"a": 1}) })
	h := (&Kit{}).Wrap(API{Name: "bench", Mux: mux, Error: writeError})
	r := httptest.NewRequest("GET", "/x", nil)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
