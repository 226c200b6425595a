package emukit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a State of one number.
type memory struct {
	mu sync.Mutex
	n  int
}

func (m *memory) SaveState() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Appendf(nil, `{"objects":{"n:%d":0}}`, m.n), nil
}

func (m *memory) LoadState(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := fmt.Sscanf(string(b), `{"objects":{"n:%d":0}}`, &m.n); err != nil {
		return errors.New("not a state")
	}
	return nil
}

func (m *memory) ResetState() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n = 0
	return nil
}

type controlled struct {
	t     *testing.T
	kit   *Kit
	state *memory
	url   string
}

func newControlled(t *testing.T, k *Kit) *controlled {
	c := &controlled{t: t, kit: k, state: &memory{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /things", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.state.mu.Lock()
		defer c.state.mu.Unlock()
		c.state.n++
		WriteJSON(w, http.StatusCreated, map[string]any{"n": c.state.n, "body": string(body), "with": Setting(r.Context(), "colour")})
	})
	mux.HandleFunc("GET /things", func(w http.ResponseWriter, r *http.Request) {
		WriteJSON(w, http.StatusOK, map[string]string{"limit": r.URL.Query().Get("limit")})
	})
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, http.StatusOK, []int{1, 2, 3}) })
	srv := httptest.NewServer(Control{Name: "test", Kit: k, State: c.state}.Wrap(k.Wrap(API{Name: "test", Mux: mux, Error: writeError})))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

func (c *controlled) do(method, path, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(b))
}

func (c *controlled) want(status int, body, method, path, in string) {
	c.t.Helper()
	got, text := c.do(method, path, in)
	if diff := cmp.Diff(body, text); got != status || diff != "" {
		c.t.Errorf("%s %s: %d, want %d (-want +got):\n%s", method, path, got, status, diff)
	}
}

func TestControl(t *testing.T) {
	c := newControlled(t, &Kit{Latency: time.Millisecond})
	c.want(200, `{"rules":[]}`, "GET", "/_emulator/faults", "")
	c.want(400, `{"error":"fault \"POST\": no = in it (want `+strings.ReplaceAll(FaultSyntax, `"`, `\"`)+`)"}`, "PUT", "/_emulator/faults", "POST")
	c.want(200, `{"rules":[{"rule":"POST /things=503","seen":0,"hits":0}],"seed":7}`, "PUT", "/_emulator/faults?seed=7", "# one\nPOST /things=503\n")
	if status, _ := c.do("POST", "/things", ""); status != 503 {
		t.Errorf("the fault did not come: %d", status)
	}
	c.want(201, `{"body":"x","n":1,"with":""}`, "POST", "/things", "x")
	c.want(200, `{"rules":[{"rule":"POST /things=503","seen":2,"hits":1}],"seed":7}`, "GET", "/_emulator/faults", "")
	c.want(204, "", "DELETE", "/_emulator/faults", "")

	c.want(200, `{"ahead":"0s","latency":"2ms","settle_reads":3,"settle_time":"0s"}`, "PATCH", "/_emulator/settings", `{"latency":"2ms","settle_reads":3}`)
	c.want(400, `{"error":"\"soon\" is no duration"}`, "PATCH", "/_emulator/settings", `{"latency":"soon"}`)
	born := c.kit.Born()
	for i := range 3 {
		if c.kit.Listed(&born) {
			t.Errorf("listed in read %d", i)
		}
	}
	if !c.kit.Listed(&born) {
		t.Error("not listed after three reads")
	}

	_, log := c.do("GET", "/_emulator/log", "")
	if lines := strings.Split(log, "\n"); len(lines) != 2 || !strings.Contains(lines[0], `"status":503`) || strings.Contains(log, "_emulator") {
		t.Errorf("log: %s", log)
	}
	c.want(200, `{"objects":{"n:1":0}}`, "GET", "/_emulator/state", "")
	c.want(204, "", "PUT", "/_emulator/state", `{"objects":{"n:5":0}}`)
	c.want(400, `{"error":"not a state"}`, "PUT", "/_emulator/state", `{}`)
	_, about := c.do("GET", "/_emulator/", "")
	var a struct {
		Emulator    string
		State       map[string]int
		Calls, Held int
	}
	if err := json.Unmarshal([]byte(about), &a); err != nil || a.Emulator != "test" || a.State["n"] != 1 || a.Calls != 2 || a.Held != 0 {
		t.Errorf("about: %v %s", err, about)
	}
	c.want(204, "", "DELETE", "/_emulator/log", "")
	c.want(200, "", "GET", "/_emulator/log", "")
	c.want(204, "", "POST", "/_emulator/reset", "")
	c.want(200, `{"ahead":"0s","latency":"1ms","settle_reads":0,"settle_time":"0s"}`, "GET", "/_emulator/settings", "")
	c.want(201, `{"body":"","n":1,"with":""}`, "POST", "/things", "")
	c.want(404, `{"error":"the emulator's control has no GET /_emulator/nothing"}`, "GET", "/_emulator/nothing", "")
}

func TestClockAhead(t *testing.T) {
	c := newControlled(t, &Kit{})
	begun := c.kit.Clock()
	over, ended := make(chan error, 1), begun.Add(time.Hour)
	go func() { over <- c.kit.WaitUntil(t.Context(), ended) }()
	c.want(200, `{"ahead":"2h0m0s","latency":"0s","settle_reads":0,"settle_time":"0s"}`, "PATCH", "/_emulator/settings", `{"ahead":"2h"}`)
	if err := <-over; err != nil {
		t.Errorf("who waits for an hour: %v, two hours on", err)
	}
	if now := c.kit.Clock(); now.Before(begun.Add(2 * time.Hour)) {
		t.Errorf("it is %s, two hours after %s", now, begun)
	}
	c.want(400, `{"error":"\"-1h\" is no duration"}`, "PATCH", "/_emulator/settings", `{"ahead":"-1h"}`)
	if err := c.kit.WaitUntil(t.Context(), ended); err != nil {
		t.Errorf("what is over: %v", err)
	}
}

func TestControlAnswersThisMachineOnly(t *testing.T) {
	h := Control{Name: "test", Kit: &Kit{}, State: &memory{}}.Wrap(http.NotFoundHandler())
	for name, tc := range map[string]struct {
		reason, peer, host, origin string
		status                     int
	}{
		"here":      {"a program on this machine", "127.0.0.1:9", "127.0.0.1:4000", "", 200},
		"IPv6":      {"the other loopback", "[::1]:9", "localhost:4000", "", 200},
		"elsewhere": {"another machine", "192.0.2.7:9", "127.0.0.1:4000", "", 403},
		"rebinding": {"a web page whose name was bound to loopback", "127.0.0.1:9", "evil.example:4000", "", 403},
		"page":      {"a web page by fetch", "127.0.0.1:9", "127.0.0.1:4000", "https://evil.example", 403},
		"no peer":   {"nobody", "", "127.0.0.1:4000", "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://"+tc.host+"/_emulator/state", nil)
			r.RemoteAddr = tc.peer
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != tc.status {
				t.Errorf("%s: %d", tc.reason, rec.Code)
			}
		})
	}
}

func TestHeldCallsAreReleasedAndDroppedByControl(t *testing.T) {
	c := newControlled(t, &Kit{})
	c.do("PUT", "/_emulator/faults", "POST /things#*=hold")
	statuses := make(chan int)
	for range 2 {
		go func() { s, _ := c.do("POST", "/things", ""); statuses <- s }()
	}
	var held []HeldCall
	for len(held) < 2 {
		_, text := c.do("GET", "/_emulator/held", "")
		if err := json.Unmarshal([]byte(text), &held); err != nil {
			t.Fatal(err)
		}
	}
	if held[0].Path != "/things" || held[0].After {
		t.Errorf("held: %+v", held)
	}
	c.want(200, `{"drop":1}`, "POST", "/_emulator/held/"+held[0].ID+"/drop", "")
	if got := <-statuses; got != 0 {
		t.Errorf("the dropped call got %d", got)
	}
	c.want(200, `{"release":1}`, "POST", "/_emulator/held/all/release", "")
	if got := <-statuses; got != 201 {
		t.Errorf("the released call got %d", got)
	}
	c.want(404, `{"error":"no held call \"77\""}`, "POST", "/_emulator/held/77/release", "")
}

func TestFaultsThatChangeACall(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, faults, method, path, want string
		acted                              int
	}{
		"page":     {"a page size replaces the caller's", "GET *=page:3", "GET", "/things?limit=100", `{"limit":"3"}`, 0},
		"ends":     {"a list ends early", "GET *=truncate:1", "GET", "/list", `[1]`, 0},
		"twice":    {"both acts see the body, the first answers", "POST *=twice", "POST", "/things", `{"body":"b","n":1,"with":""}`, 2},
		"with":     {"a setting reaches the handler", "POST *=with:colour:red:1", "POST", "/things", `{"body":"b","n":1,"with":"red:1"}`, 1},
		"together": {"what does not break adds up", "POST *=twice\nPOST *=with:colour:red\nPOST *=delay:1ms", "POST", "/things", `{"body":"b","n":1,"with":"red"}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newControlled(t, &Kit{})
			c.do("PUT", "/_emulator/faults", tc.faults)
			_, got := c.do(tc.method, tc.path, "b")
			if diff := cmp.Diff(tc.want, got); diff != "" || c.state.n != tc.acted {
				t.Errorf("%s: acted %d (-want +got):\n%s", tc.reason, c.state.n, diff)
			}
		})
	}
}

// fates is what becomes of n calls.
func fates(t *testing.T, text string, seed uint64, n int) []int {
	t.Helper()
	s, err := ParseSchedule(text, seed)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int, n)
	for i := range out {
		out[i] = s.Hook(&Call{Method: "GET", Path: "/x"}).Status
	}
	return out
}

func TestChanceRepeatsWithItsSeed(t *testing.T) {
	const text = "* *%20=503|500"
	first := fates(t, text, 7, 1000)
	if diff := cmp.Diff(first, fates(t, text, 7, 1000)); diff != "" {
		t.Errorf("one seed, another fate:\n%s", diff)
	}
	if cmp.Equal(first, fates(t, text, 8, 1000)) {
		t.Error("another seed, the same fate")
	}
	count := map[int]int{}
	for _, status := range first {
		count[status]++
	}
	if hit := count[503] + count[500]; hit < 150 || hit > 250 || count[503] < 50 || count[500] < 50 {
		t.Errorf("of 1000 calls at 20%%: %v", count)
	}
	// A seed taken at random can be given again.
	s, _ := ParseSchedule(text, 0)
	again, _ := ParseSchedule(text, s.Seed())
	for range 100 {
		if a, b := s.Hook(&Call{}).Status, again.Hook(&Call{}).Status; a != b {
			t.Fatalf("%d and %d", a, b)
		}
	}
}

func TestLogIsLinesOfJSON(t *testing.T) {
	c := newControlled(t, &Kit{})
	for range 3 {
		c.do("GET", "/things", "")
	}
	_, log := c.do("GET", "/_emulator/log", "")
	n := 0
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); n++ {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Route != "/things" {
			t.Errorf("%v %s", err, lines.Text())
		}
	}
	if n != 3 {
		t.Errorf("%d lines", n)
	}
}
