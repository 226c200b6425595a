package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

const manifest = `app: NAME
source: {dir: app}
resources:
  db:     {type: neon.postgres, region: aws-us-east-1, version: 17}
  cache:  {type: upstash.redis, region: us-east-1}
  search: {type: upstash.vector, region: us-east-1, dimensions: 384, metric: cosine}
env:
  DATABASE_URL:             {from: db.pooled_url}
  UPSTASH_REDIS_REST_URL:   {from: cache.rest_url}
  UPSTASH_REDIS_REST_TOKEN: {from: cache.rest_token}
  UPSTASH_VECTOR_REST_URL:  {from: search.rest_url}
  SESSION_KEY:              {secret: SESSION_KEY}
  GREETING:                 {value: hello}
verify:
  health: [{path: /, status: 200, contains: slipway-live}]
`

// TestLive needs SLIPWAY_LIVE_TEAM, the Vercel team to work in, and the credentials that `slipway doctor` asks for.
func TestLive(t *testing.T) {
	team := os.Getenv("SLIPWAY_LIVE_TEAM")
	if team == "" {
		t.Skip("not asked for: set SLIPWAY_LIVE_TEAM and the credentials, then make live")
	}
	env := map[string]string{"VERCEL_TEAM_ID": team}
	for _, name := range []string{
		"VERCEL_TOKEN", "NEON_API_KEY", "NEON_ORG_ID", "UPSTASH_EMAIL", "UPSTASH_API_KEY",
		"SLIPWAY_VERCEL_URL", "SLIPWAY_NEON_URL", "SLIPWAY_UPSTASH_URL",
	} {
		if v := os.Getenv(name); v != "" {
			env[name] = v
		}
	}
	for _, a := range play(t, env) {
		t.Log(a)
	}
}

// Against the emulators the whole of it works, and each answer is the one that is documented.
func TestLiveAgainstEmulators(t *testing.T) {
	running, err := emulator.Start(t.Context(), emulator.Options{BuildTime: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Close)
	answers := play(t, running.Env())
	if len(answers) != len(Questions()) {
		t.Errorf("%d answers to %d questions", len(answers), len(Questions()))
	}
	for _, a := range answers {
		t.Log(a)
		if a.Err != nil || a.Got != a.Here {
			t.Errorf("%s (%s): %q %v, documented is %q", a.ID, a.Asks, a.Got, a.Err, a.Here)
		}
	}
	left, err := running.Save()
	if err != nil {
		t.Fatal(err)
	}
	var states struct{ Emulators map[string]json.RawMessage }
	if err := json.Unmarshal(left, &states); err != nil {
		t.Fatal(err)
	}
	for name, state := range states.Emulators {
		counts, err := emukit.CountState(state)
		if err != nil {
			t.Fatal(err)
		}
		if n := counts["project"] + counts["database"] + counts["index"]; n > 0 && name != "neon" { // which remembers for 7 days
			t.Errorf("%d things are left at %s: %v", n, name, counts)
		}
	}
}

// play ships an app, asks, and destroys it, also when it fails.
func play(t *testing.T, env map[string]string) []Answer {
	t.Helper()
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	name, dir := Prefix+hex.EncodeToString(random[:4]), t.TempDir()
	for file, text := range map[string]string{"slipway.yaml": strings.Replace(manifest, "NAME", name, 1), "app/index.html": "<h1>slipway-live</h1>\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "slipway")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/slipway-dev/slipway/cmd/slipway").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	environ := []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "SLIPWAY_HOME=" + filepath.Join(dir, "home"),
		"SLIPWAY_FINGERPRINT_KEY=" + hex.EncodeToString(random), "SESSION_KEY=" + hex.EncodeToString(random),
	}
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	run := func(ctx context.Context, want string, args ...string) {
		t.Helper()
		c := exec.CommandContext(ctx, program, append([]string{"-C", dir, "--json"}, args...)...)
		c.Env = environ
		var errs bytes.Buffer
		c.Stderr = &errs
		out, _ := c.Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		var last struct{ Status string }
		_ = json.Unmarshal([]byte(lines[len(lines)-1]), &last)
		t.Logf("slipway %s: %s", strings.Join(args, " "), last.Status)
		if last.Status != want {
			t.Errorf("slipway %s: %s, want %s\n%s\n%s", strings.Join(args, " "), last.Status, want, lines[len(lines)-1], errs.String())
		}
	}
	t.Logf("the app is %s", name)
	defer run(context.WithoutCancel(t.Context()), "succeeded", "destroy", "--all", "--yes", "--confirm", name)
	run(t.Context(), "succeeded", "ship", "--yes") // six variables, Neon, Redis, Vector, a staged deployment, its promotion
	run(t.Context(), "no_changes", "ship", "--yes")
	if t.Failed() {
		return nil
	}
	s := &Session{App: name, Env: func(name string) string { return env[name] }}
	answers, err := s.Ask(t.Context())
	if err != nil {
		t.Error(err)
	}
	return answers
}
