package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-dev/slipway/internal/cli"
	"github.com/slipway-dev/slipway/internal/emulator"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/isolate"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/scratch"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts' golden files")

func TestMain(m *testing.M) {
	isolate.Reenter()
	// Scripts wait for builds, moves and deadlines as long as they work. -parallel, which is read later, has the last word.
	if f := flag.Lookup("test.parallel"); f != nil {
		_ = f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))) // a number is taken
	}
	testscript.Main(m, map[string]func(){"slipway": program})
}

// program is main, but for what a key's passphrase costs: a second of work for each approval, which tells a script nothing.
func program() { os.Exit(cli.MainWith(os.Args[1:], cli.Seams{Work: 8})) }

// TestScripts runs testdata/script/NOUN_verb.txtar. Each script has its own emulators, home and fingerprint key. Beyond testscript's own
// commands there are those of the map below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireUniqueNames: true, WorkdirRoot: scratch.Dir(t),
		Setup: func(env *testscript.Env) error { return setUp(t.Context(), env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "result": resultHas, "answers": answers, "faults": faults, "await": await, "calls": calls, "alter": alter,
			"foreign": foreign, "reply": reply, "call": call, "serving": serving, "records": records, "served": served,
			"port": port, "hook": hook, "until": until, "release": release, "ahead": ahead, "shows": shows,
		},
		// isolated: commands can run apart from the rest of this machine. long: what takes minutes is asked for.
		Condition: func(name string) (bool, error) {
			switch name {
			case "isolated":
				_, err := isolate.Check(t.Context())
				return err == nil, nil
			case "long":
				return os.Getenv("SLIPWAY_LONG") != "", nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}

// wire watches and disturbs the calls of one script.
type wire struct {
	mu    sync.Mutex
	begun []string      // "api METHOD path" of each call, before it is served
	more  chan struct{} // closed and replaced at each call
	fault func(*emukit.Call) emukit.Action
	held  chan struct{} // what a hold keeps goes on when it closes; then it is replaced
}

type wireKey struct{}

func setUp(ctx context.Context, env *testscript.Env) error {
	running, err := emulator.Start(ctx, emulator.Options{BuildTime: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	env.Defer(running.Close)
	w := &wire{more: make(chan struct{}), held: make(chan struct{})}
	for _, e := range emulator.All() {
		running.Kit(e.Name).Hook = w.hook
	}
	for name, value := range running.Env() {
		env.Setenv(name, value)
	}
	env.Setenv("SLIPWAY_HOME", env.WorkDir+"/home")
	env.Setenv("SLIPWAY_FINGERPRINT_KEY", "0123456789abcdef0123456789abcdef")
	env.Setenv("HOME", env.WorkDir)
	vectors, err := filepath.Abs("../../internal/audit/testdata") // bundles of each version
	if err != nil {
		return err
	}
	env.Setenv("VECTORS", vectors)
	env.Defer(func() { bundled(ctx, env) })
	env.Values[wireKey{}] = w
	// The servers' goroutines are there already: this write, and their next read, is what orders the hooks between them.
	return os.WriteFile(env.WorkDir+"/.ready", []byte("ready"), 0o600)
}

func (w *wire) hook(c *emukit.Call) emukit.Action {
	w.mu.Lock()
	if c.Phase == emukit.Before {
		w.begun = append(w.begun, c.API+" "+c.Method+" "+c.Path)
		close(w.more)
		w.more = make(chan struct{})
	}
	fault, held := w.fault, w.held
	w.mu.Unlock()
	if fault == nil {
		return emukit.Action{}
	}
	a := fault(c)
	if a.Hold != nil {
		a.Hold = held
	}
	return a
}

// count returns how many calls match "api METHOD GLOB", each of which may be *, and a channel that closes at the next call. METHOD may
// be CHANGE: any but GET and HEAD.
func (w *wire) count(args []string) (int, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, call := range w.begun {
		part := strings.SplitN(call, " ", 3)
		method := args[1] == part[1] || args[1] == "*" || args[1] == "CHANGE" && part[1] != http.MethodGet && part[1] != http.MethodHead
		if method && emukit.Glob(args[0], part[0]) && emukit.Glob(args[2], part[2]) {
			n++
		}
	}
	return n, w.more
}

func wireOf(ts *testscript.TestScript) *wire { return ts.Value(wireKey{}).(*wire) }

// exits STATUS ARGS...: slipway with these arguments exits with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits STATUS ARGS...")
	}
	got := 0
	if err := ts.Exec("slipway", args[1:]...); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			ts.Fatalf("slipway %s: the time of all scripts together is over, which go test -timeout bounds", strings.Join(args[1:], " "))
		}
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("slipway: %v", err)
		}
		got = exit.ExitCode()
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("slipway %s: exit status %d, not %s\n%s%s", strings.Join(args[1:], " "), got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// lastResult is the last line of the last command's stdout, which must be a result.
func lastResult(ts *testscript.TestScript) map[string]any {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			ts.Fatalf("not JSON: %s", l)
		}
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || r["type"] != "result" {
		ts.Fatalf("the last line is no result: %s", lines[len(lines)-1])
	}
	return r
}

// result PATH [VALUE]: the last line of --json holds VALUE at PATH (names with points), as printed by fmt. With ! it does not; without
// VALUE it holds nothing there.
func resultHas(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: [!] result PATH [VALUE]")
	}
	var at any = lastResult(ts)
	for name := range strings.SplitSeq(args[0], ".") {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	want, got := "<nil>", fmt.Sprint(at)
	if len(args) == 2 {
		want = args[1]
	}
	if (got == want) == neg {
		ts.Fatalf("%s is %s; wanted %s (negated: %v)", args[0], got, want, neg)
	}
}

// answers TEXT: the result's url answers 200 with TEXT.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] answers TEXT")
	}
	url, _ := lastResult(ts)["url"].(string)
	transport := rest.NewTransport()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(url)
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if (res.StatusCode == http.StatusOK && bytes.Contains(body, []byte(args[0]))) == neg {
		ts.Fatalf("%s answers %d: %s", url, res.StatusCode, body)
	}
}

// faults SCHEDULE: from now on the emulators fail as it says (emukit.FaultSyntax); an empty one ends that. A hold lasts until release.
func faults(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: faults SCHEDULE")
	}
	hook, err := emukit.ParseFaults(args[0])
	ts.Check(err)
	w := wireOf(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = hook
}

// await API METHOD GLOB [N]: waits until such a call, or N of them, have reached their emulator.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: await API METHOD GLOB [N]")
	}
	want := 1
	if len(args) == 4 {
		var err error
		want, err = strconv.Atoi(args[3])
		ts.Check(err)
	}
	for {
		n, more := wireOf(ts).count(args[:3])
		if n >= want {
			return
		}
		<-more // the test's own deadline ends this
	}
}

// calls API METHOD GLOB N: since the last "calls forget" there were N such calls.
func calls(ts *testscript.TestScript, neg bool, args []string) {
	w := wireOf(ts)
	if len(args) == 1 && args[0] == "forget" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.begun = nil
		return
	}
	if neg || len(args) != 4 {
		ts.Fatalf("usage: calls API METHOD GLOB N, with <= before N for at most, or: calls forget")
	}
	n, _ := w.count(args[:3])
	most, bounded := strings.CutPrefix(args[3], "<=")
	if limit, _ := strconv.Atoi(most); bounded && n > limit || !bounded && fmt.Sprint(n) != args[3] {
		w.mu.Lock()
		defer w.mu.Unlock()
		ts.Fatalf("%d calls, not %s; all:\n%s", n, args[3], strings.Join(w.begun, "\n"))
	}
}

// alter FILE OLD NEW: replaces text in a file.
func alter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: alter FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

// foreign PROJECT: somebody deploys to production past Slipway. The deployment's id is then $FOREIGN.
func foreign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: foreign PROJECT")
	}
	ask := func(method, path, body string) (d struct {
		ID            string
		AliasAssigned any
	},
	) {
		req, err := http.NewRequest(method, ts.Getenv("SLIPWAY_VERCEL_URL")+path+"?teamId="+ts.Getenv("VERCEL_TEAM_ID"), strings.NewReader(body))
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("VERCEL_TOKEN"))
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		defer res.Body.Close()
		ts.Check(json.NewDecoder(res.Body).Decode(&d))
		return d
	}
	d := ask("POST", "/v13/deployments", `{"name":"`+args[0]+`","target":"production","files":[{"file":"index.html","data":"theirs"}]}`)
	for d.AliasAssigned == nil || d.AliasAssigned == false {
		d = ask("GET", "/v13/deployments/"+d.ID, "")
	}
	ts.Setenv("FOREIGN", d.ID)
}
