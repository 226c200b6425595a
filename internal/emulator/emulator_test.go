package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ask calls the emulated Vercel API.
func ask(t *testing.T, env map[string]string, method, path, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env["SLIPWAY_VERCEL_URL"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env["VERCEL_TOKEN"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode
}

type synced struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *synced) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func TestAStartedAppIsServedUnderItsOwnHost(t *testing.T) {
	var log synced
	r, err := Start(t.Context(), Options{BuildTime: time.Millisecond, RequestLog: &log})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	var d struct {
		ID    string
		Alias []string
	}
	files := `{"name":"shop","target":"production","projectSettings":{},"files":[{"file":"index.html","data":"hello"}]}`
	if status := ask(t, env, "POST", "/v13/deployments?teamId="+env["VERCEL_TEAM_ID"], files, &d); status != 200 {
		t.Fatalf("deployment: %d", status)
	}
	for len(d.Alias) == 0 {
		if status := ask(t, env, "GET", "/v13/deployments/"+d.ID+"?teamId="+env["VERCEL_TEAM_ID"], "", &d); status != 200 {
			t.Fatalf("deployment: %d", status)
		}
	}
	i := 0
	if strings.Contains(d.Alias[0], "-acme") {
		i = 1
	}
	if !strings.HasPrefix(d.Alias[i], "shop.localhost:") {
		t.Fatalf("aliases %v", d.Alias)
	}
	// Not every resolver knows names below localhost.
	loopback := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	defer loopback.CloseIdleConnections()
	res, err := (&http.Client{Transport: loopback}).Get("http://" + d.Alias[i] + "/")
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	_, _ = page.ReadFrom(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 || page.String() != "hello" {
		t.Errorf("%d %s", res.StatusCode, page.String())
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if first, _, _ := strings.Cut(log.buf.String(), "\n"); !strings.Contains(first, `"route":"/v13/deployments"`) || strings.Contains(log.buf.String(), env["VERCEL_TOKEN"]) {
		t.Errorf("request log: %s", first)
	}
	if n := r.Kit("vercel").Mutations(); n != 1 {
		t.Errorf("%d mutating calls, 1 was made", n)
	}
}

func TestEnvNamesEveryEmulatorAndRepeatsWithASeed(t *testing.T) {
	keys := func(env map[string]string) (urls, rest map[string]string) {
		urls, rest = map[string]string{}, map[string]string{}
		for k, v := range env {
			if strings.HasPrefix(k, "SLIPWAY_") {
				urls[k] = v
			} else {
				rest[k] = v
			}
		}
		return urls, rest
	}
	var credentials []map[string]string
	for _, seed := range []uint64{7, 7, 0} {
		r, err := Start(t.Context(), Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		urls, rest := keys(r.Env())
		r.Close()
		for _, e := range All() {
			if !strings.HasPrefix(urls[e.URLVar], "http://127.0.0.1:") || !strings.HasSuffix(urls[e.URLVar], e.Path) {
				t.Errorf("%s = %q", e.URLVar, urls[e.URLVar])
			}
		}
		credentials = append(credentials, rest)
	}
	if diff := cmp.Diff(credentials[0], credentials[1]); diff != "" {
		t.Errorf("one seed, other credentials (-first +second):\n%s", diff)
	}
	if credentials[0]["VERCEL_TOKEN"] == credentials[2]["VERCEL_TOKEN"] {
		t.Error("an unseeded start repeats the seeded token")
	}
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	if _, err := Start(t.Context(), Options{Faults: "POST nothing"}); err == nil {
		t.Error("a broken fault schedule was accepted")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(t.Context(), Options{Port: l.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Error("a taken port was accepted")
	}
}

func TestFaultsReachTheAPITheyName(t *testing.T) {
	r, err := Start(t.Context(), Options{Faults: "vercel:GET /v2/user=429:3, neon:GET *#*=503"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var reply struct{ Error struct{ Code string } }
	if status := ask(t, r.Env(), "GET", "/v2/user", "", &reply); status != 429 || reply.Error.Code != "rate_limited" {
		t.Errorf("first call: %d %+v", status, reply)
	}
	if status := ask(t, r.Env(), "GET", "/v2/user", "", &reply); status != 200 {
		t.Errorf("second call: %d", status)
	}
}
