package upstashemu

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// TestSettings: every setting of Settings does what it says, for the call that a schedule names.
func TestSettings(t *testing.T) {
	untried := Settings()
	twice := func(w *world, path, body string) []int {
		first, _ := w.do("POST", path, body)
		second, _ := w.do("POST", path, body)
		return []int{first, second}
	}
	for name, tc := range map[string]struct {
		reason, value, bad string
		got                func(w *world, path, body string) []int
		want               []int
	}{
		"access":       {"a key that only reads may make nothing", "read-only", "admin", twice, []int{403, 403}},
		"refuse":       {"the account is refused", "451", "200", twice, []int{451, 451}},
		"max":          {"one more than that is refused", "1", "0", twice, []int{200, 400}},
		"unique-names": {"a taken name is a conflict", "1", "no", twice, []int{200, 409}},
		"create-time": {"it is being made as long", "1h", "-1s", func(w *world, path, body string) []int {
			made := w.must("POST", path, body)
			w.pass(time.Minute)
			endpoint, token := str(made, "endpoint"), str(made, "rest_token")+str(made, "token")
			before, _ := w.data(endpoint, token, "GET", "/info", "")
			w.pass(time.Hour)
			after, _ := w.data(endpoint, token, "GET", "/info", "")
			return []int{before, after}
		}, []int{503, 200}},
	} {
		delete(untried, name)
		t.Run(name, func(t *testing.T) {
			for path, body := range map[string]string{"/redis/database": redisBody, "/vector/index": vectorJSON} {
				for _, value := range []string{tc.value, tc.bad} {
					hook, err := emukit.ParseFaults("POST /v2" + path + "#*=with:" + name + ":" + value)
					if err != nil {
						t.Fatal(err)
					}
					w := newWorld(t, &Server{Kit: emukit.Kit{Hook: hook}})
					if value == tc.bad {
						if code, out := w.do("POST", path, body); code != 400 {
							t.Errorf("%s %s: %d %v", path, value, code, out)
						}
					} else if diff := cmp.Diff(tc.want, tc.got(w, path, body)); diff != "" {
						t.Errorf("%s: %s (-want +got):\n%s", path, tc.reason, diff)
					}
				}
			}
		})
	}
	if len(untried) > 0 {
		t.Errorf("settings without a test: %v", untried)
	}
}
