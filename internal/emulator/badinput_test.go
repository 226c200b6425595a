package emulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// target is a call that takes a body, at any emulator.
type target struct {
	reason, urlVar, method, path, contentType string
}

// targets has a JSON body of each emulator and what takes files.
var targets = map[string]target{
	"vercel":      {"a project", "SLIPWAY_VERCEL_URL", "POST", "/v11/projects", "application/json"},
	"vercel env":  {"variables of a project that is there", "SLIPWAY_VERCEL_URL", "POST", "/v10/projects/shop/env", "application/json"},
	"vercel dpl":  {"a deployment", "SLIPWAY_VERCEL_URL", "POST", "/v13/deployments", "application/json"},
	"vercel file": {"a file", "SLIPWAY_VERCEL_URL", "POST", "/v2/files", "application/octet-stream"},
	"neon":        {"a project", "SLIPWAY_NEON_URL", "POST", "/projects", "application/json"},
	"redis":       {"a database", "SLIPWAY_UPSTASH_URL", "POST", "/v2/redis/database", "application/json"},
	"vector":      {"an index", "SLIPWAY_UPSTASH_URL", "POST", "/v2/vector/index", "application/json"},
	"github":      {"a repository", "SLIPWAY_GITHUB_URL", "POST", "/user/repos", "application/json"},
}

func started(t testing.TB, o Options) map[string]string {
	t.Helper()
	r, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.Env()
}

// request makes an authorised request; the body is read as it is sent.
func (g target) request(t testing.TB, env map[string]string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), g.method, env[g.urlVar]+g.path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", g.contentType)
	switch g.urlVar {
	case "SLIPWAY_VERCEL_URL":
		req.Header.Set("Authorization", "Bearer "+env["VERCEL_TOKEN"])
	case "SLIPWAY_NEON_URL":
		req.Header.Set("Authorization", "Bearer "+env["NEON_API_KEY"])
	case "SLIPWAY_UPSTASH_URL":
		req.SetBasicAuth(env["UPSTASH_EMAIL"], env["UPSTASH_API_KEY"])
	case "SLIPWAY_GITHUB_URL":
		req.Header.Set("Authorization", "Bearer "+env["GITHUB_TOKEN"])
	}
	return req
}

// status sends a request and returns the reply's status; a connection that the server closes while the body is still
// being sent is 413 as well, for what the sender has seen of it.
func status(t testing.TB, req *http.Request) (int, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if strings.Contains(err.Error(), "broken pipe") || strings.Contains(err.Error(), "connection reset") {
			return http.StatusRequestEntityTooLarge, ""
		}
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// spaces is a body of n bytes that nobody has to hold.
type spaces struct{ left int }

func (s *spaces) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), s.left)
	for i := range b[:n] {
		b[i] = ' '
	}
	s.left -= n
	return n, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestBodiesOf100MBAreRefused(t *testing.T) {
	env := started(t, Options{})
	before := heap()
	for name, g := range targets {
		for _, announced := range []bool{true, false} {
			req := g.request(t, env, &spaces{left: 100<<20 + 1})
			if announced {
				req.ContentLength = 100<<20 + 1
			}
			got, body := status(t, req)
			if got/100 != 4 {
				t.Errorf("%s (%s), announced %v: %d %s", name, g.reason, announced, got, body)
			}
		}
	}
	if after := heap(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d MB", before>>20, after>>20)
	}
}

func TestMalformedBodiesAreAClear4xx(t *testing.T) {
	env := started(t, Options{})
	for name, body := range map[string]string{
		"ends early": `{"name":`, "no JSON": "hello", "two values": `{} {}`, "deep": strings.Repeat("[", 100_000), "a number": "7", "null": "null",
		"not UTF-8": "{\"name\":\"\xff\xfe\"", "NUL": "{\"name\":\"a\x00b\"", "huge number": `{"name":1e999999}`, "keys twice": `{"name":1,"name":2}`, "empty": "",
		"gzip": "\x1f\x8b\x08\x00broken", "list of lists": `[[[]]]`, "very long name": `{"name":"` + strings.Repeat("x", 1<<16) + `"`,
	} {
		for where, g := range targets {
			req := g.request(t, env, strings.NewReader(body))
			if name == "gzip" {
				req.Header.Set("Content-Encoding", "gzip")
			}
			got, reply := status(t, req)
			// At Neon an empty body is a project without a name.
			if where == "neon" && (name == "empty" || name == "null") && got == 201 {
				continue
			}
			if got/100 != 4 || reply == "" {
				t.Errorf("%s at %s (%s): %d %s", name, where, g.reason, got, reply)
			}
		}
	}
}

func TestFileNamesStayInTheirFolder(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	env := started(t, Options{BuildTime: time.Nanosecond})
	for _, name := range []string{"../x", "/etc/x", "a/../../x", "..", ".", "", "a/./b", "a//b", "a/", `..\x`, `a\b`, "C:x", "a\x00b", "a/../b", "./a", strings.Repeat("a/", 4000) + "a"} {
		body := fmt.Sprintf(`{"name":"shop","projectSettings":{},"files":[{"file":%q,"data":"x"},{"file":"api/hello.js","data":"module.exports=(q,s)=>s.end()"}]}`, name)
		body = strings.ReplaceAll(body, `\x00`, `\u0000`)
		if got, reply := status(t, targets["vercel dpl"].request(t, env, strings.NewReader(body))); got != 400 || !strings.Contains(reply, "Invalid file name") {
			t.Errorf("%q: %d %s", name, got, reply)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("files were written: %v %v", left, err)
	}
}

// 10,000 streams at once: those that there is room for are served, the others are told 429, and nothing is left when
// they are gone.
func TestTenThousandStreamsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 connections")
	}
	env := started(t, Options{BuildTime: time.Hour})
	dpl := targets["vercel dpl"]
	if got, reply := status(t, dpl.request(t, env, strings.NewReader(`{"name":"shop","projectSettings":{},"files":[{"file":"a","data":"x"}]}`))); got != 200 {
		t.Fatalf("%d %s", got, reply)
	}
	var list struct{ Deployments []struct{ UID string } }
	ask(t, env, "GET", "/v7/deployments", "", &list)
	before, goroutines := heap(), runtime.NumGoroutine()
	request := fmt.Sprintf("GET /v3/deployments/%s/events?follow=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", list.Deployments[0].UID, env["VERCEL_TOKEN"])
	address := strings.TrimPrefix(env["SLIPWAY_VERCEL_URL"], "http://")

	var mu sync.Mutex
	counts := map[string]int{}
	var open []net.Conn
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			for range work {
				line, c := firstLine(address, request)
				mu.Lock()
				counts[line]++
				if c != nil {
					open = append(open, c)
				}
				mu.Unlock()
			}
		})
	}
	for range 10_000 {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	served, refused := counts["HTTP/1.1 200 OK"], counts["HTTP/1.1 429 Too Many Requests"]
	if served < 1000 || served > 2048 || served+refused+counts[""] != 10_000 || refused == 0 {
		t.Errorf("first lines of the replies: %v", counts)
	}
	if after := heap(); after > before+512<<20 {
		t.Errorf("%d streams take %d MB", served, (after-before)>>20)
	}
	for _, c := range open {
		_ = c.Close()
	}
	for runtime.NumGoroutine() > goroutines+50 { // the test's deadline ends this
		runtime.Gosched()
	}
	var user map[string]any
	if got := ask(t, env, "GET", "/v2/user", "", &user); got != 200 {
		t.Errorf("afterwards: %d", got)
	}
}

// firstLine sends a request and returns the first line of its reply, and the connection when it stays open.
func firstLine(address, request string) (string, net.Conn) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error(), nil
	}
	_, _ = io.WriteString(c, request)
	buf := make([]byte, 512)
	n, _ := c.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	if strings.Contains(line, " 200 ") {
		return line, c
	}
	_ = c.Close()
	return line, nil
}

// A thousand projects with 20 variables each cost in proportion: the work of a read does not grow with their number, and
// that of reading them all grows with it alone. Allocations stand in for time, which a test must not judge.
func TestAThousandProjectsCostInProportion(t *testing.T) {
	if testing.Short() {
		t.Skip("1,000 projects")
	}
	one := func(n int) (read, all float64) {
		r, err := Start(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		env := r.Env()
		fill(t, env, n)
		get := func(path string, into any) {
			if got := ask(t, env, "GET", path, "", into); got != 200 {
				t.Fatalf("%s: %d", path, got)
			}
		}
		read = testing.AllocsPerRun(20, func() { var v any; get("/v9/projects/p0", &v); get("/v10/projects/p0/env", &v) })
		all = testing.AllocsPerRun(1, func() {
			for from := ""; ; {
				var page struct {
					Projects   []struct{ ID string }
					Pagination struct{ Next *int64 }
				}
				get("/v10/projects?limit=100"+from, &page)
				if page.Pagination.Next == nil {
					return
				}
				from = fmt.Sprintf("&from=%d", *page.Pagination.Next)
			}
		})
		return read, all
	}
	read100, all100 := one(100)
	read1000, all1000 := one(1000)
	if read1000 > 1.5*read100 {
		t.Errorf("one read: %.0f allocations among 100 projects, %.0f among 1,000", read100, read1000)
	}
	if all1000 > 15*all100 {
		t.Errorf("reading all: %.0f allocations for 100 projects, %.0f for 1,000", all100, all1000)
	}
	t.Logf("allocations: one read %.0f and %.0f, all %.0f and %.0f", read100, read1000, all100, all1000)
}

// fill makes n projects with 20 variables each.
func fill(t testing.TB, env map[string]string, n int) {
	t.Helper()
	var batch []string
	for i := range 20 {
		batch = append(batch, fmt.Sprintf(`{"key":"K%d","value":"v","type":"plain","target":["production"]}`, i))
	}
	vars := []byte("[" + strings.Join(batch, ",") + "]")
	for i := range n {
		p := target{"", "SLIPWAY_VERCEL_URL", "POST", "/v11/projects", "application/json"}
		if got, reply := status(t, p.request(t, env, strings.NewReader(fmt.Sprintf(`{"name":"p%d"}`, i)))); got != 200 {
			t.Fatalf("project %d: %d %s", i, got, reply)
		}
		p.path = fmt.Sprintf("/v10/projects/p%d/env", i)
		if got, reply := status(t, p.request(t, env, bytes.NewReader(vars))); got != 201 {
			t.Fatalf("variables %d: %d %s", i, got, reply)
		}
	}
}
