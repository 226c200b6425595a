package live

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// TestLive needs SLIPWAY_LIVE_TEAM, the Vercel team to work in, and the credentials that `slipway doctor` asks for; GITHUB_TOKEN, with the
// scopes repo and delete_repo, for the questions to GitHub. SLIPWAY_LIVE_JSON names a file for the answers as lines of JSON.
func TestLive(t *testing.T) {
	team := os.Getenv("SLIPWAY_LIVE_TEAM")
	if team == "" {
		t.Skip("not asked for: set SLIPWAY_LIVE_TEAM and the credentials, then make live")
	}
	env := map[string]string{"VERCEL_TEAM_ID": team}
	for _, s := range services {
		for _, name := range []string{s.key, s.variable, "NEON_ORG_ID", "UPSTASH_EMAIL"} {
			if v := os.Getenv(name); v != "" {
				env[name] = v
			}
		}
	}
	for _, name := range []string{"VERCEL_TOKEN", "NEON_API_KEY", "UPSTASH_EMAIL", "UPSTASH_API_KEY"} {
		if env[name] == "" {
			t.Errorf("set %s", name)
		}
	}
	if t.Failed() {
		return
	}
	c := config(t, build(t), env, os.Stdout)
	if name := os.Getenv("SLIPWAY_LIVE_JSON"); name != "" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		c.JSON = file
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM) // to the end: a second Ctrl-C must not cut the cleaning
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	if _, err := Run(ctx, c); err != nil {
		t.Error(err)
	}
}

// build makes the program of this tree.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "slipway")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/slipway-dev/slipway/cmd/slipway").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func config(t *testing.T, program string, env map[string]string, out io.Writer) Config {
	t.Helper()
	return Config{Program: program, Dir: t.TempDir(), Env: env, Path: os.Getenv("PATH"), Out: out}
}

// provoke is what has to happen at the emulators for a question to be one: a build that takes long, an operation that does, an update
// that goes on, a limit.
const provoke = `
vercel:POST /v13/deployments#3=with:build-time:10m
vercel:PATCH /v9/projects/*/env/*#2=with:env-busy:1
vercel:POST /v9/projects/*/link=with:link-fails:repo_not_found
neon:POST */branches=with:op-time:5s
neon:GET */regions#*=with:requests-per-minute:60
`

// world is a set of emulators, with the app's questions provoked once it is shipped.
type world struct {
	*emulator.Running
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	running, err := emulator.Start(t.Context(), emulator.Options{BuildTime: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Close)
	return world{running, t}
}

func (w world) schedule(faults string) {
	w.t.Helper()
	schedule, err := emukit.ParseSchedule(faults, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range emulator.All() {
		w.Kit(e.Name).SetSchedule(schedule)
	}
}

func (w world) session(app string) *Session {
	env := w.Env()
	return newSession(w.t.Context(), app, func(name string) string { return env[name] })
}

// left is what there is under names of ours, sandboxes too.
func (w world) left() []thing {
	w.t.Helper()
	s := w.session(Prefix)
	found, err := s.things(Prefix)
	if err != nil {
		w.t.Fatal(err)
	}
	var list struct{ Sandboxes []struct{ Name string } }
	if err := s.need(&list, "sandbox", "GET", "/v2/sandboxes?sortBy=name&namePrefix="+Prefix, nil); err != nil {
		w.t.Fatal(err)
	}
	for _, b := range list.Sandboxes {
		found = append(found, thing{"sandbox", "sandbox", b.Name, ""})
	}
	return found
}

// notHere are the questions that the emulators' accounts cannot be asked, and why.
var notHere = map[string]string{
	"neon-user-of-org-key": "NEON_API_KEY is a person's: to find out, use an organisation's",
}

// Against the emulators the whole of it works, and each answer is the one that is documented.
func TestLiveAgainstEmulators(t *testing.T) {
	w := newWorld(t)
	var out, lines bytes.Buffer
	c := config(t, build(t), w.Env(), &out)
	c.JSON, c.Shipped = &lines, func() { w.schedule(provoke) }
	answers, err := Run(t.Context(), c)
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Error(err)
	}
	if len(answers) != len(Questions()) {
		t.Errorf("%d answers to %d questions", len(answers), len(Questions()))
	}
	for _, a := range answers {
		want := AsDocumented
		switch {
		case a.NotAsked != "" || notHere[a.ID] != "":
			want = NotAsked
		case a.Verdict == Differs && strings.HasPrefix(a.Got, "501 "):
			t.Logf("%s: this machine cannot: %s", a.ID, a.Said)
			continue
		}
		if why := notHere[a.ID]; a.Verdict != want || why != "" && a.Why != why {
			t.Errorf("%s (%s): %s %q %s, want %s %q", a.ID, a.Asks, a.Verdict, a.Got, a.Why, want, a.Here)
		}
	}
	for _, thing := range w.left() {
		t.Errorf("left: %s", thing.remove())
	}
	if n := strings.Count(lines.String(), "\n"); n != len(answers) {
		t.Errorf("%d lines of JSON for %d answers", n, len(answers))
	}
	for _, secret := range []string{"VERCEL_TOKEN", "NEON_API_KEY", "UPSTASH_API_KEY", "GITHUB_TOKEN"} {
		if value := w.Env()[secret]; strings.Contains(out.String()+lines.String(), value) {
			t.Errorf("%s is in the report", secret)
		}
	}
}
