package vercel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestEnvObserve(t *testing.T) {
	project := func(w *world) string { return "/v10/projects/" + w.project.ID + "/env" }
	foreign := func(target []string, more map[string]any) func(*world) {
		return func(w *world) {
			body := map[string]any{"key": "STRIPE_KEY", "value": "theirs", "type": "encrypted", "target": target}
			for k, v := range more {
				body[k] = v
			}
			w.send("POST", project(w), body)
		}
	}
	tests := map[string]struct {
		reason string
		before func(*world)
		exists bool
		owned  bool
		code   slipway.Code
	}{
		"none":            {"absent", func(*world) {}, false, false, ""},
		"foreign":         {"found, and not ours", foreign([]string{"production"}, nil), true, false, ""},
		"other target":    {"another target's variable is another variable", foreign([]string{"preview"}, nil), false, false, ""},
		"branch":          {"a branch's variable is another variable", foreign([]string{"preview"}, map[string]any{"gitBranch": "x"}), false, false, ""},
		"several targets": {"a variable for several targets is not split silently", foreign([]string{"production", "preview"}, nil), false, false, slipway.CodeConflict},
		"ours":            {"our comment proves it ours", foreign([]string{"production"}, map[string]any{"comment": envComment + fingerprint}), true, true, ""},
		"like ours":       {"a comment of another form proves nothing", foreign([]string{"production"}, map[string]any{"comment": "slipway v1 hello"}), true, false, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := start(t, manifest(), nil)
			tc.before(w)
			obs, err := w.handler(kindEnv).Observe(t.Context(), w.spec("vercel.env/STRIPE_KEY@production"))
			if slipway.ErrorCode(err) != tc.code || obs.Exists != tc.exists || obs.Owned != tc.owned {
				t.Errorf("%s: %+v, %v", tc.reason, obs, err)
			}
			if tc.code != "" && !(strings.Contains(err.Error(), "STRIPE_KEY") && strings.Contains(err.Error(), "production, preview")) {
				t.Errorf("the error names neither key nor targets: %v", err)
			}
		})
	}
}

func TestEnvTypeCannotBecomePlain(t *testing.T) {
	w := start(t, manifest(), nil)
	w.send("POST", "/v10/projects/"+w.project.ID+"/env", map[string]any{"key": "LOG_LEVEL", "value": "x", "type": "sensitive", "target": []string{"production"}})
	want := w.spec("vercel.env/LOG_LEVEL@production")
	if _, err := w.handler(kindEnv).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeRefused {
		t.Errorf("refused before anything is planned: %v", err)
	}
	if _, err := w.handler(kindEnv).Create(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeRefused || slipway.RetryClass(err) != slipway.RetryNever {
		t.Errorf("and by the API itself: %v", err)
	}
}

func TestEnvBatch(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.EnvFails = func(key string) string {
		if key == "STRIPE_KEY" {
			return "ENV_CONFLICT"
		}
		return ""
	}
	wants := []slipway.Spec{w.spec("vercel.env/STRIPE_KEY@production"), w.spec("vercel.env/SLIPWAY"), w.spec("vercel.env/LOG_LEVEL@production")}
	before := w.server.Mutations()
	results, err := w.handler(kindEnv).(slipway.Batcher).Batch(t.Context(), wants)
	if err != nil || len(results) != 3 || w.server.Mutations()-before != 1 {
		t.Fatalf("%d results by %d calls, %v", len(results), w.server.Mutations()-before, err)
	}
	if slipway.ErrorCode(results[0].Err) != slipway.CodeConflict || !strings.Contains(results[0].Err.Error(), "STRIPE_KEY (production)") {
		t.Errorf("the one that failed is told by key and target: %v", results[0].Err)
	}
	for _, i := range []int{1, 2} {
		r := results[i]
		if r.Err != nil || r.Receipt.ID == "" || r.Receipt.Version == "0" || r.Receipt.Address != wants[i].Address || r.Receipt.Details["project_id"] != w.project.ID {
			t.Errorf("%s: %+v", wants[i].Address, r)
		}
	}
}

func TestEnvList(t *testing.T) {
	w := start(t, manifest(), nil)
	var wants []slipway.Spec
	for _, a := range []slipway.Address{"vercel.env/STRIPE_KEY@production", "vercel.env/LOG_LEVEL@production", "vercel.env/LOG_LEVEL@preview", "vercel.env/SLIPWAY"} {
		wants = append(wants, w.spec(a))
	}
	if _, err := w.handler(kindEnv).(slipway.Batcher).Batch(t.Context(), wants); err != nil {
		t.Fatal(err)
	}
	w.send("POST", "/v10/projects/"+w.project.ID+"/env", map[string]any{"key": "THEIRS", "value": "x", "type": "plain", "target": []string{"production"}})
	listed, err := w.handler(kindEnv).(slipway.Lister).List(t.Context(), w.spec("vercel.env/LOG_LEVEL@production"))
	if err != nil {
		t.Fatal(err)
	}
	var got []slipway.Address
	for _, obs := range listed {
		got = append(got, obs.Receipt.Address)
		if !obs.Exists || !obs.Owned {
			t.Errorf("%+v", obs)
		}
	}
	if diff := cmp.Diff([]slipway.Address{"vercel.env/STRIPE_KEY@production", "vercel.env/LOG_LEVEL@production"}, got); diff != "" {
		t.Errorf("ours of this environment alone, and not the ledger (-want +got):\n%s", diff)
	}
}
