package connect

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// Only a refusal of the command itself says that a token may not write; what else a database answers says nothing of the token.
func TestWhetherARedisTokenMayWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		reply  string // to the command that writes
		code   slipway.Code
		reason string
	}{
		"it may":            {200, `[{"result":0}]`, "", "nothing was there to delete"},
		"it may not":        {200, `[{"error":"NOPERM this user has no permissions to run the 'del' command or its subcommand"}]`, slipway.CodeUnauthorized, "it only reads"},
		"it may not, newer": {200, `[{"error":"NOPERM User default_ro has no permissions to run the 'del' command"}]`, slipway.CodeUnauthorized, "the other wording of Redis"},
		"some keys":         {200, `[{"error":"NOPERM No permissions to access a key"}]`, "", "a token for some keys may write those"},
		"limit":             {200, `[{"error":"ERR max daily request limit exceeded"}]`, "", "it says nothing of the token"},
		"no pipeline":       {404, `{"error":"not found"}`, "", "nothing is told"},
		"another reply":     {200, `{"result":"canary"}`, "", "nothing is told"},
		"gone":              {503, `{}`, slipway.CodeUnavailable, "try again"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var sent [][]string
			store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodGet && r.URL.Path == "/ping" {
					_, _ = w.Write([]byte(`{"result":"PONG"}`))
					return
				}
				var commands [][]string
				if err := json.NewDecoder(r.Body).Decode(&commands); err != nil || r.URL.Path != "/pipeline" {
					t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
				}
				mu.Lock()
				sent = append(sent, commands...)
				mu.Unlock()
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.reply))
			}))
			defer store.Close()
			for range 2 {
				_, err := All(rest.Config{Wait: atOnce})[slipway.ConnectRedis](t.Context(), handed(store.URL, "token"))
				if slipway.ErrorCode(err) != tc.code {
					t.Errorf("%s: got %v, want %q", tc.reason, err, tc.code)
				}
				if err != nil && tc.code == slipway.CodeUnauthorized && !strings.Contains(err.Error(), "may only read") {
					t.Errorf("it does not say why: %v", err)
				}
			}
			keys := map[string]bool{}
			for _, c := range sent {
				if len(c) != 2 || c[0] != "DEL" || len(c[1]) < 26 {
					t.Errorf("it sent %q", c)
					continue
				}
				keys[c[1]] = true
			}
			if len(keys) < 2 {
				t.Errorf("%d keys of %d commands: one that is guessed may be there", len(keys), len(sent))
			}
		})
	}
}

func atOnce(context.Context, time.Duration) error { return nil }
