package sandbox

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/isolate"
	"github.com/slipway-dev/slipway/internal/rest"
)

func TestMain(m *testing.M) {
	isolate.Reenter()
	os.Exit(m.Run())
}

// need skips where this machine cannot isolate, with the reason. SLIPWAY_NO_SKIP=1 makes that a failure.
func need(t *testing.T) {
	t.Helper()
	if _, err := isolate.Check(t.Context()); err != nil {
		if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// tree is a source in memory: content by path. A path that ends with @ is a link, one with * can be executed.
type tree map[string]string

func (tr tree) Digest() string { return "sha256:tree" }

func (tr tree) Files() (out []slipway.File) {
	for _, p := range slices.Sorted(maps.Keys(tr)) {
		f := slipway.File{Path: p, Mode: 0o100644, Size: int64(len(tr[p]))}
		if path, ok := strings.CutSuffix(p, "@"); ok {
			f.Path, f.Mode = path, 0o120777
		}
		if path, ok := strings.CutSuffix(p, "*"); ok {
			f.Path, f.Mode = path, 0o100755
		}
		out = append(out, f)
	}
	return out
}

func (tr tree) Open(_ context.Context, f slipway.File) (io.ReadCloser, error) {
	for _, mark := range []string{"", "@", "*"} {
		if text, ok := tr[f.Path+mark]; ok {
			if text == "gone" {
				return nil, slipway.Errorf(slipway.CodeSourceChanged, "%s is gone", f.Path)
			}
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return nil, slipway.Errorf(slipway.CodeSourceChanged, "no %s", f.Path)
}

// place is one of the sandboxes under test, and what is left of its jobs.
type place struct {
	slipway.Sandbox
	settings slipway.Settings
	left     func() int
}

func localPlace(t *testing.T) place {
	dir := filepath.Join(t.TempDir(), "verify")
	return place{
		&local{config: Config{Dir: dir, Now: time.Now}}, func(string) (slipway.Secret, bool) { return slipway.Secret{}, false },
		func() int { all, _ := os.ReadDir(dir); return len(all) },
	}
}

// world is Vercel Sandbox as the emulator has it.
type world struct {
	*vercelemu.SandboxServer
	place
	mu    sync.Mutex
	calls []string
	fault func(*emukit.Call) emukit.Action
}

func (w *world) count(end string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if strings.HasSuffix(c, end) {
			n++
		}
	}
	return n
}

func vercelPlace(t *testing.T, srv *vercelemu.SandboxServer) *world {
	w := &world{SandboxServer: srv}
	srv.Dir = t.TempDir()
	srv.Kit.Hook = func(c *emukit.Call) emukit.Action {
		w.mu.Lock()
		if c.Phase == emukit.Before {
			w.calls = append(w.calls, c.Method+" "+c.Path)
		}
		fault := w.fault
		w.mu.Unlock()
		if fault == nil {
			return emukit.Action{}
		}
		return fault(c)
	}
	at := httptest.NewServer(srv)
	t.Cleanup(func() { srv.Close(); at.Close() })
	token := srv.OIDCToken(vercelemu.DefaultAccount().Teams[0].ID, "prj_1", time.Hour)
	w.place = place{
		&remote{config: Config{Now: time.Now, REST: rest.Config{Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}}, life: sandboxLife},
		settings(map[string]string{settingURL: at.URL + "/api", settingOIDC: token}),
		func() int { all, _ := os.ReadDir(srv.Dir); return len(all) },
	}
	return w
}

func settings(values map[string]string) slipway.Settings {
	return func(name string) (slipway.Secret, bool) {
		v, ok := values[name]
		return slipway.NewSecret(v), ok
	}
}

// places are those that every one of which has to do the same.
func places(t *testing.T) map[string]place {
	need(t)
	return map[string]place{"local": localPlace(t), "vercel": vercelPlace(t, &vercelemu.SandboxServer{}).place}
}

func order(files tree, commands ...[]string) slipway.Order {
	return slipway.Order{
		Name: "slipway-test", Files: files,
		Job: slipway.Job{Commands: commands, Timeout: 60, Memory: 2048, Runtime: "node24"},
	}
}

// run runs o and stops it, and returns what it printed as stream|text.
func (p place) run(t *testing.T, o slipway.Order) (slipway.JobResult, []string, error) {
	t.Helper()
	if _, err := p.Ready(t.Context(), p.settings, o.Job); err != nil {
		t.Fatal(err)
	}
	var out []string
	r, err := p.Run(t.Context(), p.settings, o, func(l slipway.LogLine) { out = append(out, l.Stream+"|"+l.Text) })
	if stop := p.Stop(t.Context(), p.settings, o); stop != nil {
		t.Errorf("stop: %v", stop)
	}
	if n := p.left(); n != 0 {
		t.Errorf("%d folders are left", n)
	}
	return r, out, err
}

func ends(r slipway.JobResult) (out []slipway.JobEnd) {
	for _, c := range r.Commands {
		out = append(out, c.End)
	}
	return out
}

func TestCommandsRunOnTheSource(t *testing.T) {
	files := tree{
		"README": "text", "lib/deep/file": "deep", "bin/run*": "#!/bin/sh\necho ran as it is\n", "link@": "lib/deep", "only/link@": "../README", "empty": "",
		"check.sh": "cat link/file only/link; ls -A; echo to stderr >&2; env | cut -d= -f1 | sort | tr '\\n' ' '; echo; echo CI=$CI; echo x > made; printf 'no end'",
	}
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CANARY", "of Slipway's environment")
			r, out, err := p.run(t, order(files, []string{"./bin/run"}, []string{"sh", "check.sh"}, []string{"cat", "made"}))
			if err != nil || !r.Passed(3) || r.Isolation.Backend == "" || len(r.Isolation.Layers) < 2 {
				t.Fatalf("%v %+v\n%s", err, r, strings.Join(out, "\n"))
			}
			errs := slices.DeleteFunc(slices.Clone(out), func(l string) bool { return !strings.HasPrefix(l, "stderr|") })
			if d := cmp.Diff([]string{"stderr|to stderr"}, errs); d != "" {
				t.Error(d)
			}
			text := strings.Join(slices.DeleteFunc(out, func(l string) bool { return strings.HasPrefix(l, "stderr|") }), "\n")
			for _, want := range []string{
				"command|./bin/run\nstdout|ran as it is\ncommand|sh check.sh\nstdout|deeptextREADME\nstdout|bin", "stdout|CI HOME LANG LOGNAME PATH PWD TMPDIR USER \n",
				"stdout|CI=1\n", "stdout|no end\ncommand|cat made\nstdout|x",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
		})
	}
}

func TestTheFirstFailureEndsTheJob(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			r, out, err := p.run(t, order(tree{"f": "x"}, []string{"true"}, []string{"ls", "/nothing"}, []string{"echo", "never"}))
			if err != nil || len(r.Commands) != 2 || r.Commands[1].End != slipway.JobExited || r.Commands[1].Exit != 2 || r.Passed(3) {
				t.Errorf("%v %+v", err, r)
			}
			if strings.Contains(strings.Join(out, "\n"), "never") {
				t.Errorf("%v", out)
			}
		})
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			r, _, err := p.run(t, order(tree{"f": "x"}, []string{"no-such-program", "--flag"}))
			if err != nil || cmp.Diff([]slipway.JobEnd{slipway.JobAbsent}, ends(r)) != "" {
				t.Errorf("%v %+v", err, r)
			}
		})
	}
}

func TestTheTimeOfAllCommandsIsBounded(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			o := order(tree{"f": "x"}, []string{"true"}, []string{"sleep", "1000"}, []string{"true"})
			var r slipway.JobResult
			var err error
			for o.Timeout = 1; o.Timeout < 100 && len(r.Commands) < 2; o.Timeout *= 2 { // a slow machine takes longer to come to the second command
				r, _, err = p.run(t, o)
			}
			if err != nil || cmp.Diff([]slipway.JobEnd{slipway.JobExited, slipway.JobTime}, ends(r)) != "" {
				t.Errorf("%v %+v", err, r)
			}
		})
	}
}

// Where the time is over before the first command can begin, that is what is told.
func TestTheTimeIsOverBeforeTheFirstCommand(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			o := order(tree{"f": "x"}, []string{"true"})
			o.Mark.Began = time.Now().Add(-2 * seconds(o.Job))
			_, _, err := p.run(t, o)
			e := (*slipway.Error)(nil)
			if !errors.As(err, &e) || e.Code != slipway.CodeCheckFailed || !strings.Contains(e.Message, "not ready within the time limit") || e.Hint != "raise verify.timeout" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	p := localPlace(t)
	need(t)
	o := order(tree{"f": "x"}, []string{"sh", "-c", "head -c 400m /dev/zero | tail | wc -c"})
	o.Memory = 100
	if r, out, err := p.run(t, o); err != nil || r.Passed(1) && !strings.Contains(strings.Join(out, " "), "stdout|0") {
		t.Errorf("400 MiB in 100: %v %+v %v", err, r, out)
	}
}

func TestNoNetworkUnlessDeclared(t *testing.T) {
	at := httptest.NewServer(nil)
	defer at.Close()
	script := tree{"reach.sh": "at=" + strings.TrimPrefix(at.URL, "http://") + "\nexec 3<>/dev/tcp/${at%:*}/${at#*:}"}
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			if r, _, err := p.run(t, order(script, []string{"bash", "reach.sh"})); err != nil || r.Passed(1) {
				t.Errorf("it reaches out: %v %+v", err, r)
			}
		})
	}
	p, o := localPlace(t), order(script, []string{"bash", "reach.sh"})
	o.Network = []string{slipway.NetworkAll}
	if r, out, err := p.run(t, o); err != nil || !r.Passed(1) || !slices.Contains(r.Isolation.Layers, "shared network") {
		t.Errorf("declared, and not there: %v %+v %v", err, r, out)
	}
}

func TestInterruptedAtOnce(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := order(tree{"f": "x"}, []string{"sleep", "1000"})
			_, err := p.Run(ctx, p.settings, o, func(l slipway.LogLine) { cancel() })
			if slipway.ErrorCode(err) != slipway.CodeCanceled {
				t.Errorf("%v", err)
			}
			for range 2 {
				if err := p.Stop(t.Context(), p.settings, o); err != nil {
					t.Errorf("stop, and again: %v", err)
				}
			}
			if n := p.left(); n != 0 {
				t.Errorf("%d folders are left", n)
			}
		})
	}
}

func TestAChangedSourceIsNotRun(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			_, out, err := p.run(t, order(tree{"a": "x", "b": "gone"}, []string{"true"}))
			if slipway.ErrorCode(err) != slipway.CodeSourceChanged || len(out) != 0 {
				t.Errorf("%v %v", err, out)
			}
		})
	}
}

func TestAJobOfTheSameNameIsRefused(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			o := order(tree{"f": "x"}, []string{"true"})
			drop := func(slipway.LogLine) {}
			if _, err := p.Run(t.Context(), p.settings, o, drop); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Run(t.Context(), p.settings, o, drop); err == nil {
				t.Error("a second job runs in what the first has left")
			}
			if err := p.Stop(t.Context(), p.settings, o); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLocalCannotTellHostsApart(t *testing.T) {
	j := order(nil, []string{"true"}).Job
	j.Network = []string{"packages.example.com"}
	if _, err := localPlace(t).Ready(t.Context(), nil, j); slipway.ErrorCode(err) != slipway.CodeUnsandboxed {
		t.Errorf("%v", err)
	}
}

// Without bubblewrap the same is kept apart in another way, and the result says so.
func TestWithoutBubblewrap(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	need(t)
	p, o := localPlace(t), order(tree{"f": "text"}, []string{"cat", "f"}, []string{"sh", "-c", "echo x > f; touch /usr/x 2>/dev/null || echo kept"})
	r, out, err := p.run(t, o)
	if err != nil || !r.Passed(2) || r.Isolation.Backend != "namespaces" || !strings.Contains(r.Isolation.String(), "Landlock ABI ") {
		t.Fatalf("%v %+v %v", err, r, out)
	}
	if text := strings.Join(out, "\n"); !strings.Contains(text, "stdout|text\n") || !strings.HasSuffix(text, "stdout|kept") {
		t.Error(text)
	}
}

func TestAllIsInTheOrderOfAuto(t *testing.T) {
	var names []string
	for _, s := range All(Config{}) {
		names = append(names, s.Name())
	}
	if d := cmp.Diff([]string{Vercel, Local}, names); d != "" {
		t.Error(d)
	}
}
