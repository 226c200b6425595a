package vercelemu

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Every setting of SandboxSettings does what it says, to the call that it is set for.
func TestAFaultScheduleSetsSingleSandboxCalls(t *testing.T) {
	needCommands(t)
	untried := SandboxSettings()
	for name, tc := range map[string]struct {
		fault, value string
		status       int
		want         string
		broken       bool
		reason       string
	}{
		"stopping":     {"sandbox", "stopping", 422, `"sandbox_stopping"`, false, "asked again later"},
		"snapshotting": {"sandbox", "snapshotting", 422, `"sandbox_snapshotting"`, false, "the same"},
		"stopped":      {"sandbox", "stopped", 410, `"sandbox_stopped"`, false, "it is over"},
		"expired":      {"access", "expired", 403, `"invalidToken":true`, false, "the token's time is over"},
		"cut":          {"stream-cut", "10", 200, `{"command"`, true, "in the middle of a line"},
		"error":        {"stream-error", "boom", 200, `{"code":"boom"`, false, "no exit code"},
	} {
		t.Run(name, func(t *testing.T) {
			delete(untried, tc.fault)
			srv := &SandboxServer{}
			w := newSandboxes(t, srv)
			_, session := w.create(nil)
			hook, err := emukit.ParseFaults("POST */cmd=with:" + tc.fault + ":" + tc.value)
			if err != nil {
				t.Fatal(err)
			}
			srv.Hook = hook
			at := httptest.NewServer(srv)
			defer at.Close()
			for _, faulty := range []bool{true, false} {
				req, err := http.NewRequestWithContext(t.Context(), "POST", at.URL+session+"/cmd?teamId="+acme, strings.NewReader(`{"command":"echo","args":["x"],"wait":true,"logs":true}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+srv.OIDCToken(acme, "prj_1", time.Hour))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				text := strings.ReplaceAll(string(body), ": ", ":")
				if !faulty {
					if err != nil || res.StatusCode != 200 || !strings.Contains(text, `"exitCode":0`) {
						t.Errorf("the next call: %v %d %s", err, res.StatusCode, text)
					}
				} else if res.StatusCode != tc.status || !strings.Contains(text, tc.want) || (err != nil) != tc.broken || strings.Contains(text, `"exitCode":0`) {
					t.Errorf("%s: %v %d %s", tc.reason, err, res.StatusCode, text)
				}
			}
		})
	}
	if len(untried) > 0 {
		t.Errorf("not tried: %v", untried)
	}
}
