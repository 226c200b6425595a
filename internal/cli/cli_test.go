package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

// screen is a buffer that tells when it has grown.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newScreen() *screen { return &screen{more: make(chan struct{})} }

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
	return s.text.Write(b)
}

func (s *screen) Close() error { return nil }

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await returns when text has been written n times. ended says that the command ended instead.
func (s *screen) await(t *testing.T, text string, n int, ended <-chan int) {
	t.Helper()
	for {
		s.mu.Lock()
		found, more := strings.Count(s.text.String(), text) >= n, s.more
		s.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case exit := <-ended:
			t.Fatalf("%q was not written %d times; exit %d\n%s", text, n, exit, s)
		}
	}
}

// desk is a folder with an app, and emulators.
type desk struct {
	dir string
	env map[string]string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	running, err := emulator.Start(t.Context(), emulator.Options{BuildTime: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Close)
	d := desk{t.TempDir(), running.Env()}
	d.env["SLIPWAY_HOME"] = filepath.Join(t.TempDir(), "home")
	for name, text := range map[string]string{
		"slipway.yaml":    "app: shop\nsource: {dir: site}\nenv: {LOG_LEVEL: {value: info}}\n",
		"site/index.html": "<h1>the shop</h1>",
	} {
		path := filepath.Join(d.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// app returns an invocation at a terminal that is out and in.
func (d desk) app(in io.Reader, out *screen) *app {
	redactor := redact.New()
	lookup := func(name string) (string, bool) { v, ok := d.env[name]; return v, ok }
	return &app{
		in: in, out: redactor.NewWriter(out), err: redactor.NewWriter(out), rawOut: out, rawErr: out, live: true, asks: true,
		started: time.Now(), settings: newSettings(lookup, redactor), redactor: redactor, counter: &rest.Counter{},
	}
}

func TestShipAsksAtEachGate(t *testing.T) {
	tests := map[string]struct {
		reason string
		typed  string
		exit   int
		gates  int // questions asked
	}{
		"Approved":      {"both gates are opened by yes", "y\nYES\n", slipway.ExitDone, 2},
		"LeftAtApply":   {"anything but yes leaves the run waiting", "\n", slipway.ExitWaitingApproval, 1},
		"LeftAtPromote": {"the second gate is a question of its own", "y\nno\n", slipway.ExitWaitingApproval, 2},
		"NoInput":       {"an end of input is no approval", "", slipway.ExitWaitingApproval, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d, out := newDesk(t), newScreen()
			if exit := d.app(strings.NewReader(tc.typed), out).main(t.Context(), []string{"-C", d.dir, "ship"}); exit != tc.exit {
				t.Errorf("%s: exit %d, not %d\n%s", tc.reason, exit, tc.exit, out)
			}
			if n := strings.Count(out.String(), "[y/N]"); n != tc.gates {
				t.Errorf("%s: %d questions, not %d\n%s", tc.reason, n, tc.gates, out)
			}
			if !strings.Contains(out.String(), "+ vercel.project/shop") {
				t.Errorf("%s: the plan was not shown before the question\n%s", tc.reason, out)
			}
		})
	}
}

func TestAQuestionEndsWhenAnotherProcessAnswers(t *testing.T) {
	d, out := newDesk(t), newScreen()
	in, keyboard := io.Pipe() // nothing is ever typed
	defer keyboard.Close()
	exit := make(chan int)
	go func() { exit <- d.app(in, out).main(t.Context(), []string{"-C", d.dir, "ship"}) }()
	for n := 1; n <= 2; n++ {
		out.await(t, "[y/N]", n, exit)
		other := newScreen()
		if code := d.app(strings.NewReader(""), other).main(t.Context(), []string{"-C", d.dir, "approve"}); code != 0 {
			t.Fatalf("approve exits %d\n%s", code, other)
		}
		if strings.Contains(other.String(), "slipway resume") {
			t.Errorf("approve hints at resume although ship goes on by itself\n%s", other)
		}
	}
	if code := <-exit; code != 0 {
		t.Errorf("ship exits %d\n%s", code, out)
	}
}

func TestDestroyAsksForTheName(t *testing.T) {
	d := newDesk(t)
	if exit := d.app(strings.NewReader(""), newScreen()).main(t.Context(), []string{"-C", d.dir, "ship", "--yes"}); exit != 0 {
		t.Fatalf("ship exits %d", exit)
	}
	for _, tc := range []struct {
		typed string
		exit  int
	}{{"y\n", slipway.ExitWaitingApproval}, {"shop\n", slipway.ExitDone}} {
		out := newScreen()
		if exit := d.app(strings.NewReader(tc.typed), out).main(t.Context(), []string{"-C", d.dir, "destroy", "--all"}); exit != tc.exit {
			t.Errorf("typed %q: exit %d, not %d\n%s", tc.typed, exit, tc.exit, out)
		}
	}
}

func TestEveryHelpEndsWithTheExitStatuses(t *testing.T) {
	a := desk{env: map[string]string{}}.app(nil, newScreen())
	root := a.root()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		var out bytes.Buffer
		c.SetOut(&out)
		help(c, nil)
		if !strings.HasSuffix(out.String(), exitStatuses) {
			t.Errorf("%s: the help does not end with the exit statuses", c.CommandPath())
		}
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

func TestErrorsBecomeStatuses(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	lost := slipway.Errorf(slipway.CodeUnavailable, "no answer")
	lost.Retry = slipway.RetryAmbiguous
	tests := map[string]struct {
		reason string
		ctx    context.Context
		err    error
		status string
		exit   int
	}{
		"Usage":       {"a wrong manifest or command line", t.Context(), slipway.Errorf(slipway.CodeInvalid, "x"), statusInvalid, 2},
		"Failed":      {"any other code", t.Context(), slipway.Errorf(slipway.CodeConflict, "x"), statusFailed, 1},
		"Foreign":     {"an error that is not ours", t.Context(), errors.New("x"), statusFailed, 1},
		"Protected":   {"nothing is known of the app", t.Context(), slipway.Errorf(slipway.CodeProtected, "x"), statusUnknown, 6},
		"Ambiguous":   {"more than one match", t.Context(), slipway.Errorf(slipway.CodeAmbiguous, "x"), statusAmbiguous, 6},
		"Unknown":     {"a request that may have acted", t.Context(), lost, statusUnknown, 6},
		"Rejected":    {"a person said no", t.Context(), slipway.Errorf(slipway.CodeRejected, "x"), statusRejected, 5},
		"Canceled":    {"a person ended it", t.Context(), slipway.Errorf(slipway.CodeCanceled, "x"), statusCanceled, 5},
		"Interrupted": {"a signal, whatever error came of it", interrupted, lost, statusInterrupted, 130},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var r result
			r.fail(tc.ctx, tc.err)
			if r.Status != tc.status || r.Exit != tc.exit || r.Error == nil {
				t.Errorf("%s: status %s exit %d, not %s and %d", tc.reason, r.Status, r.Exit, tc.status, tc.exit)
			}
		})
	}
}

func TestJSONLinesStayJSONWhenRedacted(t *testing.T) {
	out := newScreen()
	a := desk{env: map[string]string{}}.app(nil, out)
	a.json = true
	a.redactor.Add(slipway.NewSecret(`can"ary\secret`))
	in := map[string]any{"a": `say "token=abcdefgh12345"`, "b": `x can"ary\secret y`, "c": []any{"plain", 1.0, true, nil}, "<&>": "é\n"}
	a.object("thing", in)
	var got map[string]any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, out)
	}
	want := map[string]any{
		"type": "thing", "a": `say "token=` + redact.Mark + `"`, "b": "x " + redact.Mark + " y", "c": in["c"], "<&>": "é\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEmulatePrintsAnEnvironmentThatWorks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, exit := newScreen(), make(chan int, 1)
	log := filepath.Join(t.TempDir(), "requests")
	go func() {
		exit <- desk{env: map[string]string{}}.app(nil, out).main(ctx, []string{"emulate", "--print-env", "--request-log", log})
	}()
	out.await(t, "VERCEL_TOKEN", 1, exit)
	env := map[string]string{"SLIPWAY_HOME": t.TempDir()}
	for line := range strings.Lines(out.String()) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || !strings.HasPrefix(line, "export ") {
			t.Fatalf("not a line for a shell: %q", line)
		}
		env[name] = strings.Trim(value, "'")
	}
	found := newScreen()
	if code := (desk{env: env}).app(nil, found).main(ctx, []string{"-C", t.TempDir(), "doctor"}); code != 0 {
		t.Errorf("doctor exits %d\n%s", code, found)
	}
	if strings.Contains(found.String(), env["VERCEL_TOKEN"]) {
		t.Error("doctor shows the token")
	}
	cancel()
	if code := <-exit; code != 0 {
		t.Errorf("emulate exits %d\n%s", code, out)
	}
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), `"api":"vercel"`) {
		t.Errorf("request log: %v\n%s", err, text)
	}
}

func TestTheEnvironmentTopicNamesEverySetting(t *testing.T) {
	a := desk{env: map[string]string{}}.app(nil, newScreen())
	text := a.environmentTopic().Long
	for _, p := range a.providers() {
		for _, s := range p.Info().Settings {
			if !strings.Contains(text, s.Env) {
				t.Errorf("%s is not documented", s.Env)
			}
		}
	}
}
