package engine_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// app answers the probes, each after a time of its own on a clock that moves by nothing else.
type app struct {
	mu    sync.Mutex
	at    time.Time
	gets  []string
	reply func(n int, url string) (status int, body string, takes time.Duration)
}

func (a *app) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gets = append(a.gets, r.Method+" "+r.URL.String())
	status, body, takes := a.reply(len(a.gets), r.URL.String())
	a.at = a.at.Add(takes)
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewBufferString(body)), Header: http.Header{}, Request: r}, nil
}

func (a *app) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at
}

// probed is a bench whose deployments answer as reply says.
func probed(t *testing.T, c *cloud, reply func(n int, url string) (int, string, time.Duration)) (*bench, *app) {
	a := &app{at: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), reply: reply}
	b := &bench{t: t, cloud: c, dir: newHome(t), edit: func(c *engine.Config) { c.HTTP, c.Now = a, a.now }}
	b.open()
	t.Cleanup(func() { b.close() })
	return b, a
}

func TestProbesAreKeptAsEvidence(t *testing.T) {
	none, one := 0, 1
	for name, tc := range map[string]struct {
		probe  slipway.HealthProbe
		reply  func(n int) (int, string, time.Duration)
		want   slipway.ProbeResult
		code   slipway.Code
		reason string
	}{
		"passes": {
			slipway.HealthProbe{Path: "/h", JSON: &slipway.JSONProbe{Path: "/status", Equals: "ok"}, Within: "2s"},
			func(int) (int, string, time.Duration) { return 200, `{"status":"ok"}`, 7 * time.Millisecond },
			slipway.ProbeResult{Outcome: slipway.ProbePassed, Status: 200, Millis: 7, Attempts: 1},
			"", "what was measured is kept",
		},
		"passes at last": {
			slipway.HealthProbe{Path: "/h", Retries: &one, Interval: "1ms", Within: "2s"},
			func(n int) (int, string, time.Duration) { return 200, "", time.Duration(3-n) * 1500 * time.Millisecond },
			slipway.ProbeResult{Outcome: slipway.ProbePassed, Status: 200, Millis: 1500, Attempts: 2},
			"", "a cold start is not the app's fault; each GET is measured by itself",
		},
		"too slow": {
			slipway.HealthProbe{Path: "/h", Retries: &one, Interval: "1ms", Within: "2s"},
			func(int) (int, string, time.Duration) { return 200, "", 3 * time.Second },
			slipway.ProbeResult{Outcome: slipway.ProbeFailed, Status: 200, Millis: 3000, Attempts: 2},
			slipway.CodeCheckFailed, "an answer that comes too late does not pass",
		},
		"no answer": {
			slipway.HealthProbe{Path: "/h", Retries: &none},
			func(int) (int, string, time.Duration) { return 0, "", 0 },
			slipway.ProbeResult{Outcome: slipway.ProbeFailed, Attempts: 1},
			slipway.CodeCheckFailed, "retries: 0 is one GET",
		},
		"protected": {
			slipway.HealthProbe{Path: "/h"},
			func(int) (int, string, time.Duration) { return 401, "", 0 },
			slipway.ProbeResult{Outcome: slipway.ProbeProtected, Status: 401, Attempts: 1},
			slipway.CodeProtected, "nothing is known of the app, and asking again tells nothing more",
		},
		"401 is wanted": {
			slipway.HealthProbe{Path: "/h", Status: 401},
			func(int) (int, string, time.Duration) { return 401, "", 0 },
			slipway.ProbeResult{Outcome: slipway.ProbePassed, Status: 401, Attempts: 1},
			"", "an app may have a door of its own",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b, a := probed(t, c, func(n int, _ string) (int, string, time.Duration) { return tc.reply(n) })
			m := manifest()
			m.Verify.Health = []slipway.HealthProbe{tc.probe}
			run := b.ship(request(t, m, "one"))
			d, err := b.Get(t.Context(), run.ID)
			if err != nil {
				t.Fatal(err)
			}
			tc.want.URL, tc.want.Path = "http://"+c.deploys[0]["id"], "/h"
			if diff := cmp.Diff([]slipway.ProbeResult{tc.want}, evidence(t, d, "cloud.deploy/shop@production#health")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			got := slipway.Code("")
			if run.Error != nil {
				got = run.Error.Code
			}
			if got != tc.code || (c.serving == "") != (tc.code != "") {
				t.Errorf("%s: code %q, want %q; production serves %q", tc.reason, got, tc.code, c.serving)
			}
			if a.gets[0] != "GET "+tc.want.URL+"/h" {
				t.Errorf("%s was sent", a.gets[0])
			}
		})
	}
}

// evidence is what a check's step keeps of its probes.
func evidence(t *testing.T, d *slipway.RunDetail, key string) (out []slipway.ProbeResult) {
	t.Helper()
	for _, s := range d.Steps {
		if s.Key != key {
			continue
		}
		raw, err := json.Marshal(s.Basis["probes"])
		if err == nil {
			err = json.Unmarshal(raw, &out)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}
