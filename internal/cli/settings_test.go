package cli

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		reason string
		env    map[string]string
		want   string
		code   slipway.Code
	}{
		"Unset":      {"a variable that is not set is empty", nil, "", ""},
		"Variable":   {"the variable itself", map[string]string{"TOKEN": "direct"}, "direct", ""},
		"File":       {"a file's content without its last line break", map[string]string{"TOKEN_FILE": file}, "from a file", ""},
		"Both":       {"two sources are a mistake", map[string]string{"TOKEN": "direct", "TOKEN_FILE": file}, "", slipway.CodeInvalid},
		"Unreadable": {"a file that is not there is told", map[string]string{"TOKEN_FILE": file + "x"}, "", slipway.CodeInvalid},
		"EmptyFile":  {"an empty NAME_FILE is not set", map[string]string{"TOKEN": "direct", "TOKEN_FILE": ""}, "direct", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := redact.New()
			s := newSettings(func(n string) (string, bool) { v, ok := tc.env[n]; return v, ok }, r)
			got, ok, err := s.secret("TOKEN")
			if got.Reveal() != tc.want || ok != (tc.want != "") || slipway.ErrorCode(err) != tc.code {
				t.Errorf("%s: %q %v %v", tc.reason, got.Reveal(), ok, err)
			}
			if len(tc.want) >= redact.MinLength && !r.Has([]byte("x"+tc.want)) {
				t.Errorf("%s: the redactor does not know it", tc.reason)
			}
		})
	}
}

func TestSettleIsForEmulators(t *testing.T) {
	local := map[string]string{
		"SLIPWAY_VERCEL_URL": "http://127.0.0.1:1", "SLIPWAY_NEON_URL": "http://localhost:2/api/v2", "SLIPWAY_UPSTASH_URL": "http://[::1]:3", "SLIPWAY_GITHUB_URL": "http://127.0.0.1:4",
	}
	for name, tc := range map[string]struct {
		reason   string
		settle   string
		variable string // set to value
		value    string
		want     *slipway.Settle
		code     slipway.Code
	}{
		"Unset":    {"each kind's own time holds", "", "", "", nil, ""},
		"Emulated": {"all providers are on this machine", "90ms", "", "", &slipway.Settle{Reads: 3, Over: 90 * time.Millisecond}, ""},
		"Real":     {"one provider is not: its lists may lag for longer", "90ms", "SLIPWAY_NEON_URL", "https://console.neon.tech/api/v2", nil, slipway.CodeInvalid},
		"Default":  {"no URL means the real provider", "90ms", "SLIPWAY_VERCEL_URL", "", nil, slipway.CodeInvalid},
		"NoTime":   {"it is a duration", "soon", "", "", nil, slipway.CodeInvalid},
		"Zero":     {"nothing is found in no time", "0s", "", "", nil, slipway.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			env := maps.Clone(local)
			env["SLIPWAY_SETTLE"], env[tc.variable] = tc.settle, tc.value
			s := newSettings(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, redact.New())
			got, err := s.settle(provider.All(rest.Config{}))
			if d := cmp.Diff(tc.want, got); d != "" || slipway.ErrorCode(err) != tc.code {
				t.Errorf("%s: %v\n%s", tc.reason, err, d)
			}
		})
	}
}

func TestTheFingerprintKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "fingerprint.key")
	const processes = 16
	keys := make([]string, processes)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			var err error
			if keys[i], err = readOrMakeKey(path, "fingerprint"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, k := range keys {
		if k != keys[0] || len(k) != 64 {
			t.Fatalf("keys differ, or are not 32 bytes in hex: %q %q", keys[0], k)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestTheHomeIsWhereTheSystemKeepsState(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the XDG folders are Linux's")
	}
	t.Setenv("HOME", "/somebody")
	tests := map[string]struct {
		reason string
		env    map[string]string
		want   string
	}{
		"Set":      {"SLIPWAY_HOME wins", map[string]string{"SLIPWAY_HOME": "/a", "XDG_STATE_HOME": "/b"}, "/a"},
		"XDG":      {"else the state folder", map[string]string{"XDG_STATE_HOME": "/b"}, "/b/slipway"},
		"Relative": {"a relative XDG folder is to be ignored", map[string]string{"XDG_STATE_HOME": "b"}, "/somebody/.local/state/slipway"},
		"Default":  {"else its default", nil, "/somebody/.local/state/slipway"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := desk{env: tc.env}.app(nil, newScreen())
			got, err := a.home()
			if err != nil || got != tc.want {
				t.Errorf("%s: %q %v, not %q", tc.reason, got, err, tc.want)
			}
		})
	}
}

func TestADatabaseIsTheAppsAndTheTeams(t *testing.T) {
	tests := map[string]struct {
		reason string
		team   string
		env    map[string]string
		want   string
	}{
		"Manifest":    {"the manifest's team wins", "acme", map[string]string{"VERCEL_TEAM_ID": "team_x"}, "shop@acme"},
		"Environment": {"else the environment's", "", map[string]string{"VERCEL_TEAM_ID": "team_x"}, "shop@team_x"},
		"Personal":    {"else personal", "", nil, "shop@personal"},
		"Hostile":     {"a team cannot leave the folder", "../../etc", nil, "shop@______etc"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"SLIPWAY_HOME": t.TempDir()}
			for k, v := range tc.env {
				env[k] = v
			}
			a := desk{env: env}.app(nil, newScreen())
			got, err := a.database(&slipway.Manifest{App: "shop", Vercel: slipway.VercelSettings{Team: tc.team}})
			want := filepath.Join(env["SLIPWAY_HOME"], "apps", tc.want, "slipway.db")
			if err != nil || got != want {
				t.Errorf("%s: %q %v, not %q", tc.reason, got, err, want)
			}
		})
	}
	a := desk{env: map[string]string{"SLIPWAY_DATABASE_URL": "postgres://user:pass@host/db"}}.app(nil, newScreen())
	if _, err := a.database(&slipway.Manifest{App: "shop"}); slipway.ErrorCode(err) != slipway.CodeUnsupported || strings.Contains(err.Error(), "pass") {
		t.Errorf("PostgreSQL: %v", err)
	}
}
