package selftest_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// What a cramped process is told: the folder that its home begins as a copy of, the folder that it leaves a copy of its home in, and whether
// the home's file system is full from the start.
const (
	fromVariable = "SLIPWAY_CRAMPED_FROM"
	toVariable   = "SLIPWAY_CRAMPED_TO"
	fullVariable = "SLIPWAY_CRAMPED_FULL"
)

// cramped is Slipway's command line in a home that is a file system of its own. It fills that when it reads a byte from descriptor 3, and says
// so on descriptor 4.
func cramped(args []string) int {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	home := os.Getenv("SLIPWAY_HOME")
	ballast := filepath.Join(home, "ballast")
	must(exec.Command("cp", "-a", os.Getenv(fromVariable)+"/.", home).Run())
	if os.Getenv(fullVariable) != "" {
		must(fill(ballast))
	}
	go func() {
		if n, _ := os.NewFile(3, "fill").Read(make([]byte, 1)); n == 1 {
			must(fill(ballast))
			_, err := os.NewFile(4, "filled").Write([]byte{1})
			must(err)
		}
	}()
	program, err := os.Executable()
	must(err)
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), roleVariable+"=slipway")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); !errors.As(err, new(*exec.ExitError)) {
		must(err)
	}
	must(os.RemoveAll(ballast))
	must(exec.Command("cp", "-a", home+"/.", os.Getenv(toVariable)).Run())
	return cmd.ProcessState.ExitCode()
}

// fill writes a file until the file system has no room for a byte.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// needBubblewrap skips the test where nothing can be mounted.
func needBubblewrap(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bwrap", "--dev-bind", "/", "/", "--size", "4096", "--tmpfs", t.TempDir(), "true").CombinedOutput()
	if err == nil {
		return
	}
	reason := fmt.Sprintf("bubblewrap (bwrap, 0.7 or later) does not mount here: %v %s", err, out)
	if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// mounted makes cmd run where bubblewrap has mounted something.
func mounted(t *testing.T, cmd *exec.Cmd, mount ...string) {
	t.Helper()
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = slices.Concat([]string{"bwrap", "--die-with-parent", "--dev-bind", "/", "/"}, mount, []string{"--", cmd.Path}, cmd.Args[1:])
	cmd.Path = bwrap
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
}

// room is a world's home on a file system of its own, for one command at a time.
type room struct {
	t     *testing.T
	world *selftest.World
	bytes int
	full  bool // from the start

	mu           sync.Mutex
	tell, filled *os.File // of the command that runs
}

// ask runs a command there, and leaves the home as it is then in the world. The file system can be filled while it runs.
func (r *room) ask(args ...string) trouble {
	r.t.Helper()
	from, to := r.t.TempDir(), r.t.TempDir()
	replace(r.t, r.world.Home, from)
	cmd := r.world.Command(r.t.Context(), append(args, "--json")...)
	mounted(r.t, cmd, "--size", strconv.Itoa(r.bytes), "--tmpfs", r.world.Home)
	cmd.Env = append(cmd.Env, roleVariable+"=cramped", fromVariable+"="+from, toVariable+"="+to)
	if r.full {
		cmd.Env = append(cmd.Env, fullVariable+"=1")
	}
	wait, tell, err1 := os.Pipe()
	filled, say, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.tell, r.filled, cmd.ExtraFiles = tell, filled, []*os.File{wait, say}
	r.mu.Unlock()
	out := ended(r.t, cmd)
	for _, f := range []*os.File{wait, tell, filled, say} {
		if err := f.Close(); err != nil {
			r.t.Error(err)
		}
	}
	replace(r.t, to, r.world.Home)
	return out
}

// fill fills the file system of the command that runs.
func (r *room) fill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.tell.Write([]byte{1}); err != nil {
		r.t.Error(err)
	}
	if _, err := r.filled.Read(make([]byte, 1)); err != nil {
		r.t.Error(err)
	}
}

// replace makes the folder to a copy of from, which need not be there.
func replace(t *testing.T, from, to string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(from, 0o700), os.RemoveAll(to), os.MkdirAll(to, 0o700)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// causes are the steps whose intents come before a change at a provider: the beginning of a step's key by the end of the change's name.
var causes = map[string]string{
	"/v11/projects":      "vercel.project/shop#create",
	"/protection-bypass": "vercel.bypass/shop#create",
	"/v13/deployments":   "vercel.deployment/shop@production#deploy",
	"/api/v2/projects":   "neon.project/db#create",
	"/v2/redis/database": "upstash.redis/cache#create",
	"/v2/vector/index":   "upstash.vector/search#create",
}

// cause returns the beginning of the key of the step that makes a change, "" when it is not known.
func cause(change string) string {
	for end, step := range causes {
		if strings.HasSuffix(change, end) {
			return step
		}
	}
	if _, variable, ok := strings.Cut(change, "/env "); ok {
		return "vercel.env/" + variable
	}
	if strings.Contains(change, "/promote/") {
		return "vercel.production/shop@production#promote"
	}
	return ""
}

// committed returns how many changes were made at the providers. It fails the test unless each has an intent in the database.
func committed(t *testing.T, w *selftest.World, where string) int {
	t.Helper()
	state := observe(t, w)
	steps := intents(t, w)
	for change, n := range state.Effects {
		step := cause(change)
		if step == "" {
			t.Errorf("%s: %s: a change of which it is not known what step makes it", where, change)
		} else if n > 1 || !slices.ContainsFunc(steps, func(key string) bool { return strings.HasPrefix(key, step) }) {
			t.Errorf("%s: %s was made %d times, and the intents are %v", where, change, n, steps)
		}
	}
	return len(state.Effects)
}

// intents returns the keys of the steps that were begun. The database is looked at as a copy.
func intents(t *testing.T, w *selftest.World) (keys []string) {
	t.Helper()
	dir := t.TempDir()
	replace(t, filepath.Dir(database(w)), dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT key FROM steps WHERE intent_at IS NOT NULL")
	if err != nil { // no schema yet
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestSmallDisk gives the home file systems of more and more bytes, until one is enough for a ship.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	h, part := harness(t), readPlan(t)
	full, later := 0, 0
	for pages := 1; ; pages++ {
		if !part.long && pages%53 != 1+int(part.seed%53) {
			continue
		}
		where := strconv.Itoa(pages) + " pages"
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		r := room{t: t, world: h.World, bytes: 4096 * pages}
		a := r.ask("ship", "--yes")
		if a.exit == 0 {
			break
		}
		full++
		a.told(t, where, "the disk is full")
		if committed(t, h.World, where) > 0 {
			later++
		}
		mended(t, h, where, pages%2 == 0)
	}
	if later < 2 {
		t.Errorf("the disk was full %d times, %d of them after a change", full, later)
	}
	t.Logf("counts: full at %d sizes, at %d of them after a change: told, and one of each when there was room again", full, later)
}

// TestDiskFills fills the home's file system at a request of a ship: what has no intent then is not sent.
func TestDiskFills(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	h, part := harness(t), readPlan(t)
	for at, tc := range map[string]struct {
		reason  string
		changes int // made until then; -1: any number
	}{
		"before GET */v9/projects/shop #2":     {"the plan is approved, and nothing can be intended", 0},
		"before POST */v11/projects #1":        {"the project is made, and cannot be written down", 1},
		"after POST */v11/projects #1":         {"it is made already", 1},
		"after POST */api/v2/projects #1":      {"others are being made at the same time", -1},
		"after POST */env #1":                  {"all variables are written, and no deployment follows", 12},
		"before POST */v13/deployments #1":     {"the deployment is made, and is followed no more", 13},
		"after GET */v13/deployments/* #1":     {"it is built, and its outcome cannot be written down", 13},
		"before POST */promote/* #1":           {"production moves", 14},
		"after GET */deployments/*/aliases #1": {"it has moved, and its outcome cannot be written down", 14},
	} {
		if !part.picks(at, 3) {
			continue
		}
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		where := at + ": " + tc.reason
		r := room{t: t, world: h.World, bytes: 16 << 20}
		h.World.Watch(once(at, r.fill))
		r.ask("ship", "--yes").told(t, where, "the disk is full")
		if n := committed(t, h.World, where); n != tc.changes && tc.changes >= 0 {
			t.Errorf("%s: %d changes outside, want %d", where, n, tc.changes)
		}
		mended(t, h, where, true)
	}
}

// once returns what does something at one call, that is named by its phase, method, path and how manieth of that it is.
func once(at string, do func()) func(*emukit.Call) emukit.Action {
	var phase, method, glob string
	var n int
	_, _ = fmt.Sscanf(at, "%s %s %s #%d", &phase, &method, &glob, &n)
	var mu sync.Mutex
	return func(c *emukit.Call) emukit.Action {
		mu.Lock()
		defer mu.Unlock()
		if (phase == "before") == (c.Phase == emukit.Before) && c.Method == method && emukit.Glob(glob, c.Path) {
			if n--; n == 0 {
				do()
			}
		}
		return emukit.Action{}
	}
}

// TestDecisionOnFullDisk: a decision that cannot be kept is not made.
func TestDecisionOnFullDisk(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	h := harness(t)
	calls := &mutations{armed: true}
	calls.from(h.World, "", "", nil)
	if a := ask(t, h.World, nil, "ship"); a.exit != 3 {
		t.Fatalf("%+v", a)
	}
	r := room{t: t, world: h.World, bytes: 16 << 20, full: true}
	for _, args := range [][]string{{"approve"}, {"reject"}, {"cancel"}, {"resume", "--yes"}, {"ship", "--yes"}} {
		r.ask(args...).told(t, strings.Join(args, " "), "the disk is full")
	}
	calls.none(t, "a full disk")
	if a := ask(t, h.World, nil, "resume"); a.result.Status != "waiting_approval" {
		t.Errorf("the run does not wait any more: %+v", a)
	}
	mended(t, h, "a full disk", true)
}

// TestKeyOnFullDisk: a fingerprint key that was not kept whole is not kept.
func TestKeyOnFullDisk(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	w := newWorld(t)
	delete(w.Env, "SLIPWAY_FINGERPRINT_KEY")
	r := room{t: t, world: w, bytes: 1 << 20}
	if a := r.ask("ship"); a.exit != 3 {
		t.Fatalf("%+v", a)
	}
	key := filepath.Join(w.Home, "fingerprint.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	r.full = true
	if a := r.ask("ship", "--yes"); a.exit != 1 || a.result.Error.Code != "store" || a.result.Error.Hint == "" {
		t.Errorf("%+v", a)
	}
	if left, err := filepath.Glob(key + "*"); len(left) > 0 || err != nil {
		t.Errorf("it left %v (%v)", left, err)
	}
}

// TestReadOnlyMount mounts the home read-only while a run waits.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	h := harness(t)
	calls := &mutations{armed: true}
	calls.from(h.World, "", "", nil)
	if a := ask(t, h.World, nil, "ship"); a.exit != 3 {
		t.Fatalf("%+v", a)
	}
	for _, args := range [][]string{{"approve"}, {"cancel"}, {"resume", "--yes"}, {"ship", "--yes"}, {"status"}} {
		cmd := h.World.Command(t.Context(), append(args, "--json")...)
		mounted(t, cmd, "--ro-bind", h.World.Home, h.World.Home)
		a := ended(t, cmd)
		a.told(t, strings.Join(args, " "), "cannot be written")
	}
	calls.none(t, "a read-only home")
	mended(t, h, "a read-only home", true)
}
