package selftest_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/slipway-dev/slipway/internal/cli"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// What is wrong with a faulty process's database: it may have so many pages and no more, as on a full disk; it is not writable; it is not
// writable as soon as this file is there.
const (
	pagesVariable    = "SLIPWAY_FAULTY_PAGES"
	readOnlyVariable = "SLIPWAY_FAULTY_READONLY"
	untilVariable    = "SLIPWAY_FAULTY_UNTIL"
)

func faulty(args []string) int {
	sql.Register("faulty", faultyDriver{})
	return cli.MainWith(args, cli.Seams{Driver: "faulty"})
}

// faultyDriver is modernc's, whose own errors SQLite itself makes.
type faultyDriver struct{}

func (faultyDriver) Open(name string) (driver.Conn, error) {
	if n := os.Getenv(pagesVariable); n != "" {
		name = strings.Replace(name, "_txlock=immediate", "_txlock=immediate&_pragma=max_page_count("+n+")", 1)
	}
	if os.Getenv(readOnlyVariable) != "" {
		name = strings.Replace(name, "mode=rw", "mode=ro", 1)
	}
	c, err := (&sqlite.Driver{}).Open(name)
	if err != nil {
		return nil, err
	}
	return faultyConn{c.(sqliteConn)}, nil
}

type faultyConn struct{ sqliteConn }

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if file := os.Getenv(untilVariable); file != "" {
		if _, err := os.Stat(file); err == nil {
			if _, err := c.ExecContext(ctx, "PRAGMA query_only=1", nil); err != nil {
				return nil, err
			}
		}
	}
	return c.sqliteConn.BeginTx(ctx, o)
}

// trouble is how a command ended.
type trouble struct {
	exit   int
	stderr string
	result struct {
		Status string
		Error  struct{ Code, Message, Hint string }
	}
}

// ask runs a command with --json and a part of its environment replaced.
func ask(t *testing.T, w *selftest.World, env map[string]string, args ...string) trouble {
	t.Helper()
	cmd := w.Command(t.Context(), append(args, "--json")...)
	for name, v := range env {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	return ended(t, cmd)
}

// ended runs a command that was asked for JSON to its end.
func ended(t *testing.T, cmd *exec.Cmd) (out trouble) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	out.exit, out.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	lines := bytes.Split(bytes.TrimSpace(stdout), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &out.result); err != nil {
		t.Fatalf("%v: no result: %v\n%s%s", cmd.Args, err, stdout, stderr.String())
	}
	return out
}

// told fails the test unless the command said, with its code and a hint, what is wrong with the database.
func (a trouble) told(t *testing.T, where, message string) {
	t.Helper()
	e := a.result.Error
	if a.exit != 1 && a.exit != 6 || e.Code != "store" || !strings.Contains(e.Message, message) || e.Hint == "" || !strings.Contains(a.stderr, "hint: ") {
		t.Errorf("%s: exit status %d, code %q, %q, hint %q, want store, %q and a hint", where, a.exit, e.Code, e.Message, e.Hint, message)
	}
}

func database(w *selftest.World) string {
	return filepath.Join(w.Home, "apps", "shop@"+w.Env["VERCEL_TEAM_ID"], "slipway.db")
}

// mutations counts the changes that reach the emulators from a moment on.
type mutations struct {
	mu    sync.Mutex
	armed bool
	seen  []string
}

// from makes the world count from the first call of that method and path on, which does not count itself; at is called then.
func (m *mutations) from(w *selftest.World, method, glob string, at func()) {
	w.Watch(func(c *emukit.Call) emukit.Action {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case c.Phase != emukit.Before || c.Method == http.MethodGet:
		case m.armed:
			m.seen = append(m.seen, c.Method+" "+c.Path)
		case c.Method == method && emukit.Glob(glob, c.Path):
			m.armed = true
			at()
		}
		return emukit.Action{}
	})
}

func (m *mutations) none(t *testing.T, where string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.armed || len(m.seen) > 0 {
		t.Errorf("%s: changes outside after the fault: %v (it came: %v)", where, m.seen, m.armed)
	}
}

func harness(t *testing.T) *selftest.Harness {
	t.Helper()
	h, err := selftest.NewHarness(t.Context(), newWorld(t), selftest.Operations()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Restore(); err != nil {
		t.Fatal(err)
	}
	return h
}

// mended goes on with the operation once all is well, and judges what is left: one of each, nothing done twice.
func mended(t *testing.T, h *selftest.Harness, where string, resume bool) {
	t.Helper()
	h.World.Watch(nil)
	r, err := h.Finish(t.Context(), where, resume)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Clean() {
		t.Errorf("%s", strings.Join(r.Findings, "\n"))
	}
}

// TestFullDisk lets the database grow to more and more pages, until that is enough.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	h, part := harness(t), readPlan(t)
	full := 0
	for pages := 4; ; pages++ {
		if !part.long && pages%11 != int(part.seed%11) {
			continue
		}
		where := strconv.Itoa(pages) + " pages"
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		a := ask(t, h.World, map[string]string{roleVariable: "faulty", pagesVariable: strconv.Itoa(pages)}, "ship", "--yes")
		if a.exit == 0 {
			break
		}
		full++
		a.told(t, where, "the disk is full")
		mended(t, h, where, pages%2 == 0)
	}
	if full < 3 {
		t.Errorf("the disk was full %d times", full)
	}
	t.Logf("full at %d sizes: told, and one of each when there was room again", full)
}

// TestReadOnly: the database cannot be written, from the start or from the middle of a run.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	h := harness(t)
	calls := &mutations{armed: true}
	calls.from(h.World, "", "", nil)
	if a := ask(t, h.World, nil, "ship"); a.exit != 3 {
		t.Fatalf("%+v", a)
	}
	a := ask(t, h.World, map[string]string{roleVariable: "faulty", readOnlyVariable: "1"}, "ship", "--yes")
	a.told(t, "at the start", "cannot be written")
	calls.none(t, "at the start")
	mended(t, h, "at the start", true)
	for _, at := range []string{"POST */v11/projects", "POST */v13/deployments", "POST */promote/*"} {
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		method, glob, _ := strings.Cut(at, " ")
		file, calls := filepath.Join(t.TempDir(), "now"), &mutations{}
		calls.from(h.World, method, glob, func() {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Error(err)
			}
		})
		a := ask(t, h.World, map[string]string{roleVariable: "faulty", untilVariable: file}, "ship", "--yes")
		a.told(t, at, "cannot be written")
		calls.none(t, at)
		mended(t, h, at, true)
	}
}

// TestDamagedDatabase writes over parts of the file, while nobody has it open and in the middle of a run.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	const page = 4096
	zero := func(from, to int) func([]byte) { return func(b []byte) { clear(b[min(from, len(b)):min(to, len(b))]) } }
	noise := func(from, to int) func([]byte) {
		return func(b []byte) {
			for i := min(from, len(b)); i < min(to, len(b)); i++ {
				b[i] = 0xa5
			}
		}
	}
	h := harness(t)
	for name, tc := range map[string]struct {
		reason string
		damage func([]byte)
	}{
		"header":       {"the first page says nothing", noise(0, 100)},
		"schema":       {"the rest of the first page", noise(100, page)},
		"all pages":    {"every page but the first", func(b []byte) { noise(page, len(b))(b) }},
		"half written": {"every page but the first is half written", func(b []byte) { halves(b, page) }},
		"zeros":        {"a hole in the middle", func(b []byte) { zero(page, len(b)/2)(b) }},
	} {
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		if a := ask(t, h.World, nil, "ship"); a.exit != 3 {
			t.Fatalf("%+v", a)
		}
		whole := contents(t, database(h.World))
		damaged := bytes.Clone(whole)
		tc.damage(damaged)
		write(t, database(h.World), damaged)
		calls := &mutations{armed: true}
		calls.from(h.World, "", "", nil)
		ask(t, h.World, nil, "ship", "--yes").told(t, name+": "+tc.reason, "damaged")
		calls.none(t, name)
		write(t, database(h.World), whole)
		mended(t, h, name, true)
	}
}

func halves(b []byte, page int) {
	for at := page; at+page <= len(b); at += page {
		clear(b[at+page/2 : at+page])
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedInTheMiddle overwrites the file while a ship works with it; then the file is moved away, as the hint says, and the ledger tells.
func TestDamagedInTheMiddle(t *testing.T) {
	t.Parallel()
	h := harness(t)
	for _, at := range []string{"POST */v11/projects", "POST */v13/deployments"} {
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		method, glob, _ := strings.Cut(at, " ")
		calls := &mutations{}
		calls.from(h.World, method, glob, func() {
			for _, suffix := range []string{"", "-wal"} { // in place, as a bad disk does
				b := contents(t, database(h.World)+suffix)
				for i := range b {
					b[i] ^= 0x5a
				}
				overwrite(t, database(h.World)+suffix, b)
			}
		})
		a := ask(t, h.World, map[string]string{roleVariable: "slipway"}, "ship", "--yes")
		if a.exit != 0 { // what SQLite has in memory may carry a run to its end
			a.told(t, at, "damaged")
			calls.none(t, at)
		}
		if a := ask(t, h.World, nil, "status"); a.exit == 0 {
			t.Errorf("%s: status reads a damaged database: %+v", at, a)
		}
		if err := os.RemoveAll(h.World.Home); err != nil {
			t.Fatal(err)
		}
		h.World.Watch(nil)
		for range 6 { // a person reads the hint for longer than lists lag: what they hide from a new home is no other's mark
			ask(t, h.World, nil, "plan")
		}
		mended(t, h, at, false)
	}
}

func overwrite(t *testing.T, path string, content []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	_, err = f.WriteAt(content, 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
}

// TestNewerSchema: a newer Slipway has changed the database.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	h := harness(t)
	if err := h.Restore(); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, h.World, nil, "ship"); a.exit != 3 {
		t.Fatalf("%+v", a)
	}
	change := func(statement string) {
		db, err := sql.Open("sqlite", database(h.World))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), statement)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	calls := &mutations{armed: true}
	calls.from(h.World, "", "", nil)
	for _, args := range [][]string{{"ship", "--yes"}, {"resume", "--yes"}, {"approve"}, {"status"}, {"cancel"}} {
		a := ask(t, h.World, nil, args...)
		a.told(t, fmt.Sprint(args), "newer Slipway")
	}
	calls.none(t, "newer schema")
	change("DELETE FROM goose_db_version WHERE version_id = 99")
	mended(t, h, "newer schema", true)
}
