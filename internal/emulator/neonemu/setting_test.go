package neonemu

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// TestSettings: every setting of Settings does what it says, for the call that a schedule names.
func TestSettings(t *testing.T) {
	untried := Settings()
	for name, tc := range map[string]struct {
		reason, value, bad string
		got                func(w *world) any
		want               any
	}{
		"op-time": {"operations take as long", "3s", "-1s", func(w *world) any {
			out := w.must("POST", "/projects", `{"project":{}}`)
			w.pass(2 * time.Second)
			path := "/projects/" + str(out, "project.id")
			before, _ := w.do("PATCH", path, `{"project":{"name":"x"}}`)
			w.pass(time.Second)
			after, _ := w.do("PATCH", path, `{"project":{"name":"x"}}`)
			return []int{before, after}
		}, []int{423, 200}},
		"op-fails": {"the last operation fails", "no disk", "", func(w *world) any {
			p, _ := w.project("shop")
			op := get(w.must("GET", p+"/operations", ""), "operations.0")
			return []string{str(op, "status"), str(op, "error")}
		}, []string{"failed", "no disk"}},
		"max-projects": {"one project more than that is refused", "1", "many", func(w *world) any {
			w.project("one")
			_, out := w.do("POST", "/projects", `{"project":{}}`)
			return str(out, "code")
		}, "PROJECTS_LIMIT_EXCEEDED"},
		"requests-per-minute": {"one call more than that is 429", "2", "0", func(w *world) any {
			var codes []int
			for range 3 {
				code, _ := w.do("POST", "/projects", `{"project":{}}`)
				codes = append(codes, code)
			}
			return codes
		}, []int{201, 201, 429}},
		"access": {"a key that only reads may not make a project", "read-only", "admin", func(w *world) any {
			code, _ := w.do("POST", "/projects", `{"project":{}}`)
			return code
		}, 403},
	} {
		delete(untried, name)
		t.Run(name, func(t *testing.T) {
			hook := func(value string) func(*emukit.Call) emukit.Action {
				schedule, err := emukit.ParseSchedule("POST /api/v2/projects#*=with:"+name+":"+value, 1)
				if err != nil {
					t.Fatal(err)
				}
				return schedule.Hook
			}
			w := newWorld(t, &Server{Kit: emukit.Kit{Hook: hook(tc.value)}})
			if diff := cmp.Diff(tc.want, tc.got(w)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if tc.bad == "" {
				return
			}
			w = newWorld(t, &Server{Kit: emukit.Kit{Hook: hook(tc.bad)}})
			if code, _ := w.do("POST", "/projects", `{"project":{}}`); code != 400 || len(w.server.order) != 0 {
				t.Errorf("%s: %d, %d projects", tc.bad, code, len(w.server.order))
			}
		})
	}
	if len(untried) > 0 {
		t.Errorf("settings without a test: %v", untried)
	}
}
