package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// post makes somebody say something of a commit.
func (w *world) post(path, body string) {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/repos/acme/shop"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("User-Agent", "test")
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.emu.ServeHTTP(rec, r)
	if rec.Code/100 != 2 {
		w.t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
	}
}

func TestChecks(t *testing.T) {
	w := newWorld(t)
	c := w.resolve(w.owner(), "acme/shop", "main")
	w.emu.Hook, _ = emukit.ParseFaults("POST */check-runs#*=with:access:app") // apps alone make them
	states := map[string]slipway.CheckState{
		"success": "passed", "neutral": "passed", "skipped": "passed",
		"failure": "failed", "cancelled": "failed", "timed_out": "failed", "action_required": "failed",
	}
	var want []string
	for _, conclusion := range []string{"success", "neutral", "skipped", "failure", "cancelled", "timed_out", "action_required"} {
		w.post("/check-runs", fmt.Sprintf(`{"name":"%s","head_sha":"%s","conclusion":"%[1]s"}`, conclusion, c.SHA))
		want = append(want, conclusion+" "+string(states[conclusion])+" "+conclusion)
	}
	for _, status := range []string{"queued", "in_progress"} {
		w.post("/check-runs", fmt.Sprintf(`{"name":"%s","head_sha":"%s","status":"%[1]s"}`, status, c.SHA))
		want = append(want, status+" pending "+status)
	}
	for _, state := range []string{"failure", "success"} { // run again: the last counts
		w.post("/check-runs", fmt.Sprintf(`{"name":"again","head_sha":"%s","conclusion":"%s"}`, c.SHA, state))
		w.post("/statuses/"+c.SHA, fmt.Sprintf(`{"context":"ci/again","state":"%s"}`, state))
	}
	want = append(want, "again passed success", "ci/again passed success")
	for state, as := range map[string]string{"error": "failed", "failure": "failed", "pending": "pending", "success": "passed"} {
		w.post("/statuses/"+c.SHA, fmt.Sprintf(`{"context":"ci/%s","state":"%[1]s","target_url":"https://ci.example/%[1]s"}`, state))
		want = append(want, "ci/"+state+" "+as+" "+state+" https://ci.example/"+state)
	}
	w.post("/statuses/"+c.SHA, `{"context":"ci/odd","state":"success","target_url":"javascript:alert(1)"}`)
	want = append(want, "ci/odd passed success")
	for i := range 120 { // more than a page of each
		w.post("/check-runs", fmt.Sprintf(`{"name":"many %d","head_sha":"%s"}`, i, c.SHA))
		w.post("/statuses/"+c.SHA, fmt.Sprintf(`{"context":"ci/many %d","state":"success"}`, i))
		want = append(want, fmt.Sprintf("many %d pending queued", i), fmt.Sprintf("ci/many %d passed success", i))
	}
	var got []string
	checks, err := w.owner().Checks(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range checks {
		text := k.Name + " " + string(k.State) + " " + k.Says
		if strings.HasPrefix(k.URL, "https://github.com/acme/shop/runs/") {
			k.URL = "" // of a check run's own page
		}
		got = append(got, strings.TrimSpace(text+" "+k.URL))
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestChecksAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		faults string
		code   slipway.Code
		hint   string
		reason string
	}{
		"forbidden":    {"GET */check-runs#*=403", slipway.CodeForbidden, "Checks: read", "a fine-grained token without that permission"},
		"statuses too": {"GET */status#*=403", slipway.CodeForbidden, "Commit statuses: read", "which is another one"},
		"gone":         {"GET /repositories/*#*=404", slipway.CodeNotFound, "", "the repository cannot be seen any more"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.resolve(w.owner(), "acme/shop", "main")
			w.emu.Hook, _ = emukit.ParseFaults(tc.faults)
			_, err := w.owner().Checks(t.Context(), c)
			if e, ok := err.(*slipway.Error); !ok || e.Code != tc.code || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}
