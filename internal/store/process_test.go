package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// The test binary plays another process when this variable names a role; the database's path is its first argument.
const roleVariable = "SLIPWAY_STORE_TEST_ROLE"

var roles = map[string]func(ctx context.Context, path string) error{
	"open":  childOpen,
	"race":  childRace,
	"write": childWrite,
	"die":   childDie,
	"lock":  childLock,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(context.Background(), os.Args[1]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is another process: it writes lines, and a line that it gets lets it go on.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, role, path string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{t, cmd, stdin, bufio.NewScanner(stdout)}
}

func (c *child) expect(want string) {
	c.t.Helper()
	if !c.lines.Scan() || c.lines.Text() != want {
		c.t.Fatalf("the other process said %q, want %q", c.lines.Text(), want)
	}
}

func (c *child) goOn() {
	if _, err := io.WriteString(c.stdin, "\n"); err != nil {
		c.t.Fatal(err)
	}
}

// rest returns what it still says before it ends well.
func (c *child) rest() []string {
	var out []string
	for c.lines.Scan() {
		out = append(out, c.lines.Text())
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatalf("the other process: %v: %s", err, out)
	}
	return out
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func waitLine() {
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func childOpen(ctx context.Context, path string) error {
	fmt.Println("ready")
	waitLine()
	s, err := Open(ctx, Config{Path: path, Create: true})
	if err != nil {
		return err
	}
	if err := s.Tx(ctx, func(tx slipway.Tx) error { return tx.AddRun(slipway.Run{ID: fmt.Sprint(os.Getpid())}) }); err != nil {
		return err
	}
	return s.Close()
}

func TestFirstStartOfManyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app", "slipway.db")
	var children []*child
	for range 6 {
		children = append(children, start(t, "open", path))
	}
	for _, c := range children {
		c.expect("ready")
	}
	for _, c := range children {
		c.goOn()
	}
	for _, c := range children {
		c.rest()
	}
	read(t, openAt(t, path, nil), func(tx slipway.Tx) error {
		runs, err := tx.Runs(slipway.RunFilter{})
		if len(runs) != 6 {
			t.Errorf("6 processes made %d runs", len(runs))
		}
		return err
	})
}

const raceRuns = 60

func childRace(ctx context.Context, path string) error {
	s, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	waitLine()
	now := time.Now()
	for i := range raceRuns {
		id := fmt.Sprint("r", i)
		err := s.Tx(ctx, func(tx slipway.Tx) error {
			if err := tx.AddRun(slipway.Run{ID: fmt.Sprint(os.Getpid(), "-", i)}); err != nil {
				return err
			}
			_, ok, err := tx.Claim(id, fmt.Sprint(os.Getpid()), now, now.Add(time.Hour))
			if ok {
				fmt.Println(id)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := s.Tx(ctx, increment("counter")); err != nil {
			return err
		}
	}
	return s.Close()
}

func TestTwoProcessesInsertAndClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, path, nil)
	runs := []slipway.Run{{ID: "counter"}}
	for i := range raceRuns {
		runs = append(runs, slipway.Run{ID: fmt.Sprint("r", i)})
	}
	addRuns(t, s, runs...)
	a, b := start(t, "race", path), start(t, "race", path)
	a.expect("ready")
	b.expect("ready")
	a.goOn()
	b.goOn()
	won := map[string]int{}
	for _, id := range append(a.rest(), b.rest()...) {
		won[id]++
	}
	for i := range raceRuns {
		if id := fmt.Sprint("r", i); won[id] != 1 {
			t.Errorf("run %s was claimed %d times, want once", id, won[id])
		}
	}
	read(t, s, func(tx slipway.Tx) error {
		counter, err := tx.Run("counter")
		if counter.Revision != 2*raceRuns {
			t.Errorf("%d increments made %d", 2*raceRuns, counter.Revision)
		}
		return err
	})
}

func childWrite(ctx context.Context, path string) error {
	s, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	waitLine()
	if err := s.Tx(ctx, func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r1"}) }); err != nil {
		return err
	}
	return s.Close()
}

func TestChangedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, path, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	c := start(t, "write", path)
	c.expect("ready")
	for done := false; !done; { // until what came before is told
		begin := time.Now()
		if err := s.Changed(t.Context(), 3*pollEvery); err != nil {
			t.Fatal(err)
		}
		done = time.Since(begin) >= 3*pollEvery
	}
	c.goOn()
	if err := s.Changed(t.Context(), 24*time.Hour); err != nil { // only the change ends it before the test's own deadline
		t.Fatal(err)
	}
	c.rest()
	read(t, s, func(tx slipway.Tx) error {
		events, err := tx.Events("r1", 0)
		if len(events) != 1 {
			t.Errorf("woken with %d events, want 1", len(events))
		}
		return err
	})
}

// childDie commits, then begins a transaction that is too large for the page cache, so that part of it is in the WAL, and waits.
func childDie(ctx context.Context, path string) error {
	lock, _, err := TryLock(path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close() // never reached; it keeps the lock referenced
	if err := lock.SetRun("r1"); err != nil {
		return err
	}
	s, err := Open(ctx, Config{Path: path, Create: true})
	if err != nil {
		return err
	}
	err = s.Tx(ctx, func(tx slipway.Tx) error {
		if err := tx.AddRun(slipway.Run{ID: "r1"}); err != nil {
			return err
		}
		return tx.AddEvent(slipway.Event{Run: "r1", Step: "committed"})
	})
	if err != nil {
		return err
	}
	return s.Tx(ctx, func(tx slipway.Tx) error {
		if err := tx.AddEvent(slipway.Event{Run: "r1", Step: "lost"}); err != nil {
			return err
		}
		for i := range 40 {
			if err := tx.PutArtifact(fmt.Sprint(i), []byte(strings.Repeat("x", 1<<20))); err != nil {
				return err
			}
		}
		fmt.Println("in the middle")
		waitLine()
		return nil
	})
}

func TestKilledInTheMiddleOfATransaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	c := start(t, "die", path)
	c.expect("in the middle")
	if size := fileSize(t, path+"-wal"); size < 10<<20 {
		t.Fatalf("the WAL has %d bytes: the transaction is not half written", size)
	}
	_, owner, err := TryLock(path + ".lock")
	if slipway.ErrorCode(err) != slipway.CodeLocked || owner.PID != c.cmd.Process.Pid || owner.Run != "r1" {
		t.Errorf("before the kill: got %v, %v, want locked by %d", owner, err, c.cmd.Process.Pid)
	}
	c.kill()
	if _, err := os.Stat(path + ".lock.owner"); err != nil {
		t.Errorf("no stale note was left: %v", err)
	}
	lock, _, err := TryLock(path + ".lock")
	if err != nil {
		t.Fatalf("the lock of a dead process, with its note: %v", err)
	}
	defer lock.Close()
	s := openAt(t, path, nil)
	read(t, s, func(tx slipway.Tx) error {
		events, err := tx.Events("r1", 0)
		if len(events) != 1 || events[0].Step != "committed" {
			t.Errorf("got %v, want the committed event only", events)
		}
		if _, err := tx.Artifact("0"); slipway.ErrorCode(err) != slipway.CodeNotFound {
			t.Errorf("half a transaction was kept: %v", err)
		}
		return err
	})
	write(t, s, func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r1"}) })
}

func childLock(_ context.Context, path string) error {
	lock, owner, err := TryLock(path)
	if err != nil {
		fmt.Println(slipway.ErrorCode(err), owner.PID, owner.Run)
		return nil
	}
	fmt.Println("won")
	return lock.Close()
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app", "lock")
	ask := func() string { return strings.Join(start(t, "lock", path).rest(), "") }
	lock, owner, err := TryLock(path)
	if err != nil || owner != nil {
		t.Fatalf("a free lock: %v, %v", owner, err)
	}
	if got, want := ask(), fmt.Sprintf("locked %d ", os.Getpid()); got != want {
		t.Errorf("before a run: got %q, want %q", got, want)
	}
	if err := lock.SetRun("r7"); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(), fmt.Sprintf("locked %d r7", os.Getpid()); got != want {
		t.Errorf("with a run: got %q, want %q", got, want)
	}
	_, owner, err = TryLock(path) // also in this process
	e, _ := err.(*slipway.Error)
	if e == nil || e.Code != slipway.CodeLocked || owner.Since.IsZero() || !strings.Contains(e.Hint, "slipway watch r7") {
		t.Errorf("a second lock: got %+v, %v", owner, err)
	}
	if err := os.WriteFile(path+".owner", []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(), "locked 0 "; got != want {
		t.Errorf("a note that cannot be read: got %q, want %q", got, want)
	}
	checkMode(t, path, 0o600)
	checkMode(t, filepath.Dir(path), 0o700)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := lock.SetRun("r8"); err == nil {
		t.Error("SetRun after Close: no error")
	}
	if got := ask(); got != "won" {
		t.Errorf("given back: got %q, want won", got)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
