package github

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// shown is what GitHub shows of a commit: its statuses and the states of its deployments, the oldest first.
func (w *world) shown(sha string) (out []string) {
	w.t.Helper()
	list := func(path string) (all []map[string]any) {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("User-Agent", "test")
		rec := httptest.NewRecorder()
		w.emu.ServeHTTP(rec, r)
		if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil {
			w.t.Fatalf("%s: %v", path, err)
		}
		return all
	}
	text := func(v any) string { s, _ := v.(string); return s }
	statuses := list("/repos/acme/shop/commits/" + sha + "/statuses")
	for i := range statuses {
		s := statuses[len(statuses)-1-i]
		out = append(out, "status "+text(s["context"])+" "+text(s["state"])+" "+text(s["target_url"]))
	}
	deployments := list("/repos/acme/shop/deployments?sha=" + sha)
	for i := range deployments {
		d := deployments[len(deployments)-1-i]
		id, _ := d["id"].(float64)
		raw, _ := json.Marshal(int64(id))
		states := list("/repos/acme/shop/deployments/" + string(raw) + "/statuses")
		for j := range states {
			s := states[len(states)-1-j]
			out = append(out, "deployment "+text(d["environment"])+" "+text(s["state"])+" "+text(s["environment_url"]))
		}
	}
	return out
}

func TestReport(t *testing.T) {
	const (
		pending, done    = "status slipway/shop/production pending ", "status slipway/shop/production success https://shop.example.com"
		running, success = "deployment shop-production in_progress ", "deployment shop-production success https://shop.example.com"
	)
	const stopped = "status slipway/shop/production error "
	first := []slipway.CommitState{slipway.CommitRunning, slipway.CommitSucceeded}
	tests := map[string]struct {
		reason, faults string
		states         []slipway.CommitState
		want           []string
	}{
		"once":          {"a run that goes well", "", first, []string{pending, done, running, success}},
		"again":         {"a process that was killed tells the same again", "", []slipway.CommitState{first[0], first[0], first[1], first[1]}, []string{pending, done, running, success}},
		"lost status":   {"a reply that is lost is looked for", "POST /repos/*/statuses/*#1=reset-after", first, []string{pending, done, running, success}},
		"lost":          {"so is that of a deployment", "POST /repos/*/deployments#1=reset-after", first, []string{pending, done, running, success}},
		"lost state":    {"and that of its state", "POST /repos/*/deployments/*/statuses#1=reset-after", first, []string{pending, done, running, success}},
		"stopped":       {"a run that was cancelled no longer goes on", "", []slipway.CommitState{first[0], slipway.CommitStopped, slipway.CommitStopped}, []string{pending, stopped, running, "deployment shop-production error "}},
		"stopped early": {"nothing is made to tell that nothing was done", "", []slipway.CommitState{slipway.CommitStopped}, nil},
		"stopped late":  {"what has ended stays as it ended", "", []slipway.CommitState{slipway.CommitFailed, slipway.CommitStopped}, []string{"status slipway/shop/production failure ", "deployment shop-production failure "}},
		"half told":     {"of a success whose deployment was not told, that is", "POST /repos/*/deployments/*/statuses#2=422", []slipway.CommitState{first[0], first[1], slipway.CommitStopped}, []string{pending, done, running, success}},
		"half begun":    {"a deployment without a state is ended", "POST /repos/*/deployments/*/statuses#1=422", []slipway.CommitState{first[0], slipway.CommitStopped}, []string{pending, stopped, "deployment shop-production error "}},
		"failed, then": {"a run that was resumed", "", []slipway.CommitState{slipway.CommitFailed, slipway.CommitRunning}, []string{
			"status slipway/shop/production failure ", pending, "deployment shop-production failure ", running,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.resolve(w.owner(), "acme/shop", "main")
			hook, err := emukit.ParseFaults(test.faults)
			if err != nil {
				t.Fatal(err)
			}
			w.emu.Hook = hook
			for _, state := range test.states {
				r := slipway.CommitReport{Commit: c, App: "shop", Environment: slipway.Production, Run: "run_1", State: state}
				if state == slipway.CommitSucceeded {
					r.URL = "https://shop.example.com"
				}
				if err := w.owner().Report(t.Context(), r); err != nil && slipway.ErrorCode(err) != slipway.CodeRefused { // each by a process of its own
					t.Fatal(err)
				}
			}
			w.emu.Hook = nil
			if diff := cmp.Diff(test.want, w.shown(c.SHA)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestAReportIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.resolve(w.owner(), "acme/shop", "main")
	r := slipway.CommitReport{Commit: c, App: "shop", Environment: slipway.Production, Run: "run_1", State: slipway.CommitRunning}
	if err := w.session(nil).Report(t.Context(), r); slipway.ErrorCode(err) != slipway.CodeCredential {
		t.Errorf("without a token: %v", err)
	}
	w.emu.Hook, _ = emukit.ParseFaults("* *#*=with:access:read-only")
	if err := w.owner().Report(t.Context(), r); slipway.ErrorCode(err) != slipway.CodeForbidden {
		t.Errorf("by a token that may only read: %v", err)
	}
}
