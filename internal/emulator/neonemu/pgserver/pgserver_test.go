//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
)

// shared makes its base once for all tests.
var shared = sync.OnceValues(func() (*Server, error) { return New(Config{}) })

func TestMain(m *testing.M) {
	if os.Getenv(dieVar) != "" {
		os.Exit(awaitDeath())
	}
	code := m.Run()
	if s, err := shared(); err == nil {
		s.Close()
	}
	os.Exit(code)
}

// world is a server with the branches of one project.
type world struct {
	*Server
	t *testing.T
}

func newWorld(t *testing.T, s *Server, err error) world {
	t.Helper()
	if errors.Is(err, ErrNotFound) {
		if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip("no PostgreSQL server found: install one, or put its programs on the PATH")
	}
	if err != nil {
		t.Fatal(err)
	}
	return world{s, t}
}

func sharedWorld(t *testing.T) world {
	t.Helper()
	s, err := shared()
	return newWorld(t, s, err)
}

func ownWorld(t *testing.T, c Config) world {
	t.Helper()
	s, err := New(c)
	if err == nil {
		t.Cleanup(s.Close)
	}
	return newWorld(t, s, err)
}

func (w world) apply(spec neonemu.BranchSpec) {
	w.t.Helper()
	if err := w.Apply(w.t.Context(), spec); err != nil {
		w.t.Fatal(err)
	}
}

// as runs a statement as a client of the branch would and returns what psql prints.
func (w world) as(branchID, role, password, database, sql string) (string, error) {
	w.t.Helper()
	return w.with("sslmode=require&channel_binding=require", branchID, role, password, database, sql)
}

func (w world) with(options, branchID, role, password, database, sql string) (string, error) {
	w.t.Helper()
	address, err := w.Address(branchID)
	if err != nil {
		w.t.Fatal(err)
	}
	uri := "postgresql://" + role + ":" + password + "@" + address + "/" + database + "?" + options
	c := exec.CommandContext(w.t.Context(), filepath.Join(w.Bin(), "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, uri)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.t.TempDir(), "LC_ALL=C"}
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w world) must(branchID, role, password, database, sql string) string {
	w.t.Helper()
	out, err := w.as(branchID, role, password, database, sql)
	if err != nil {
		w.t.Fatalf("%s: %v: %s", sql, err, out)
	}
	return out
}

// refused checks that a connection fails and that the client is told why.
func (w world) refused(branchID, role, password, database, why string) {
	w.t.Helper()
	if out, err := w.as(branchID, role, password, database, "SELECT 1"); err == nil || !strings.Contains(out, why) {
		w.t.Errorf("%s at %s: %v %q, want %q", role, database, err, out, why)
	}
}

func root(t *testing.T) neonemu.BranchSpec {
	return neonemu.BranchSpec{
		ID: branchID(t, "main"), PgVersion: 17, Roles: []neonemu.RoleSpec{{Name: "app", Password: "npg_first"}},
		Databases: []neonemu.DatabaseSpec{{ID: 1, Name: "store", Owner: "app"}},
	}
}

func TestABranchIsARealDatabase(t *testing.T) {
	w := sharedWorld(t)
	main := root(t)
	w.apply(main)
	got := w.must(main.ID, "app", "npg_first", "store", `CREATE TABLE t (a int); INSERT INTO t VALUES (1);
		SELECT current_user, current_database(), pg_has_role('neon_superuser', 'member'), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`)
	if got != "app|store|t|t" {
		t.Errorf("got %s", got)
	}
	w.refused(main.ID, "app", "npg_wrong", "store", "password authentication failed")
	w.refused(main.ID, superuser, w.admin, "postgres", "pg_hba.conf rejects")
	w.refused(main.ID, "app", "npg_first", "none", "does not exist")

	child := main
	child.ID, child.Parent = branchID(t, "child"), main.ID
	child.Databases = []neonemu.DatabaseSpec{{ID: 2, Name: "store", Owner: "app"}}
	child.Roles = append(child.Roles, neonemu.RoleSpec{Name: "app_dev", Password: "npg_dev"})
	w.apply(child)
	w.must(child.ID, "app_dev", "npg_dev", "store", "INSERT INTO t VALUES (2)")
	w.must(main.ID, "app", "npg_first", "store", "INSERT INTO t VALUES (3)")
	for branch, want := range map[string]string{main.ID: "1\n3", child.ID: "1\n2"} {
		if got := w.must(branch, "app", "npg_first", "store", "SELECT a FROM t ORDER BY a"); got != want {
			t.Errorf("%s holds %q, want %q", branch, got, want)
		}
	}
	w.refused(main.ID, "app_dev", "npg_dev", "store", "password authentication failed")

	if err := w.Drop(t.Context(), child.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(w.Dir(), child.ID)); !os.IsNotExist(err) {
		t.Errorf("a dropped branch's folder: %v", err)
	}
}

func branchID(t *testing.T, name string) string {
	return "br-" + strings.ReplaceAll(t.Name(), "/", "-") + "-" + name
}

// TestApplyChangesARunningBranchAndAStoppedOne: each change is made while the cluster runs, and before it runs again.
func TestApplyChangesARunningBranchAndAStoppedOne(t *testing.T) {
	for name, suspend := range map[string]bool{"running": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			w := sharedWorld(t)
			spec := root(t)
			apply := func(change func(*neonemu.BranchSpec)) {
				t.Helper()
				change(&spec)
				spec.Suspend = suspend
				w.apply(spec)
			}
			apply(func(*neonemu.BranchSpec) {})
			w.must(spec.ID, "app", "npg_first", "store", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")

			apply(func(s *neonemu.BranchSpec) { s.Roles = []neonemu.RoleSpec{{Name: "app", Password: "npg_second"}} })
			w.refused(spec.ID, "app", "npg_first", "store", "password authentication failed")

			apply(func(s *neonemu.BranchSpec) {
				s.Databases = []neonemu.DatabaseSpec{{ID: 1, Name: `sh"op'`, Owner: "app"}}
			})
			w.refused(spec.ID, "app", "npg_second", "store", "does not exist")
			if got := w.must(spec.ID, "app", "npg_second", "sh%22op'", "SELECT a FROM t"); got != "1" {
				t.Errorf("a renamed database holds %q", got)
			}

			apply(func(s *neonemu.BranchSpec) {
				s.Roles = append(s.Roles, neonemu.RoleSpec{Name: `o"dd`, Password: "npg_odd"}, neonemu.RoleSpec{Name: "locked"})
				s.Databases = append(s.Databases, neonemu.DatabaseSpec{ID: 2, Name: "two", Owner: `o"dd`})
			})
			w.must(spec.ID, "o%22dd", "npg_odd", "two", "CREATE TABLE mine (a int)")
			w.must(spec.ID, "app", "npg_second", "two", "SELECT * FROM mine") // neon_superuser reads all
			w.refused(spec.ID, "locked", "x", "two", "password authentication failed")

			apply(func(s *neonemu.BranchSpec) {
				s.Roles = []neonemu.RoleSpec{{Name: "app", Password: "npg_second"}}
				s.Databases = []neonemu.DatabaseSpec{{ID: 1, Name: `sh"op'`, Owner: "app"}, {ID: 2, Name: "two", Owner: "app"}}
			})
			w.refused(spec.ID, "o%22dd", "npg_odd", "two", "password authentication failed")
			if got := w.must(spec.ID, "app", "npg_second", "two", "SELECT tableowner FROM pg_tables WHERE tablename = 'mine'"); got != "app" {
				t.Errorf("the table of a dropped role is %q's", got)
			}

			apply(func(s *neonemu.BranchSpec) { s.Databases = s.Databases[:1] })
			w.refused(spec.ID, "app", "npg_second", "two", "does not exist")
		})
	}
}

// TestANewPasswordDropsConnections: one that was made with the old password ends.
func TestANewPasswordDropsConnections(t *testing.T) {
	w := sharedWorld(t)
	spec := root(t)
	w.apply(spec)
	w.must(spec.ID, "app", "npg_first", "store", "SELECT 1")
	ended := make(chan string)
	go func() {
		out, _ := w.as(spec.ID, "app", "npg_first", "store", "SELECT pg_sleep(600)")
		ended <- out
	}()
	b, err := w.branch(spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	poll(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		n, err := b.sql(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event = 'PgSleep'")
		return err == nil && strings.TrimSpace(n) == "1"
	})
	spec.Roles = []neonemu.RoleSpec{{Name: "app", Password: "npg_second"}}
	w.apply(spec)
	if out := <-ended; !strings.Contains(out, "terminating connection due to administrator command") {
		t.Errorf("the session ended with %q", out)
	}
	w.must(spec.ID, "app", "npg_second", "store", "SELECT 1")
}

// TestAClientThatVerifiesTheCertificate, as node-postgres does with sslmode=require, is served; one without TLS is not.
func TestAClientThatVerifiesTheCertificate(t *testing.T) {
	w := sharedWorld(t)
	spec := root(t)
	w.apply(spec)
	for options, want := range map[string]string{
		"sslmode=verify-full&sslrootcert=" + w.CertFile(): "",
		"sslmode=verify-full&sslrootcert=/dev/null":       "could not read root certificate file",
		"sslmode=disable": "no encryption",
	} {
		if out, err := w.with(options, spec.ID, "app", "npg_first", "store", "SELECT 1"); (err == nil) != (want == "") || !strings.Contains(out, want) {
			t.Errorf("%s: %v %s", options, err, out)
		}
	}
}

func TestAClosedBranchTakesNoConnection(t *testing.T) {
	w := sharedWorld(t)
	spec := root(t)
	w.apply(spec)
	w.must(spec.ID, "app", "npg_first", "store", "CREATE TABLE t (a int)")
	spec.Closed = true
	w.apply(spec)
	w.refused(spec.ID, "app", "npg_first", "store", errNoCompute.Error())
	spec.Closed = false
	w.apply(spec)
	w.must(spec.ID, "app", "npg_first", "store", "SELECT * FROM t")
}

func TestAnIdleClusterStopsAndStartsAgain(t *testing.T) {
	w := ownWorld(t, Config{Idle: time.Millisecond})
	spec := root(t)
	w.apply(spec)
	b, err := w.branch(spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.must(spec.ID, "app", "npg_first", "store", "SELECT 1")
		poll(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.running() })
	}
}

func TestABranchOfAnUnusedOneNeedsNoCluster(t *testing.T) {
	w := sharedWorld(t)
	main := root(t)
	w.apply(main)
	child := main
	child.ID, child.Parent = branchID(t, "child"), main.ID
	w.apply(child)
	for _, id := range []string{main.ID, child.ID} {
		if _, err := os.Stat(filepath.Join(w.Dir(), id)); !os.IsNotExist(err) {
			t.Errorf("%s has a cluster that nobody asked for", id)
		}
	}
	w.must(child.ID, "app", "npg_first", "store", "SELECT 1")
}

func TestAThousandBranchesNeedNoCluster(t *testing.T) {
	w := sharedWorld(t)
	spec := root(t)
	before, err := os.ReadDir(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{}
	for i := range 1000 {
		spec.ID = branchID(t, fmt.Sprint(i))
		address, err := w.Address(spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		addresses[address] = true
		w.apply(spec)
	}
	after, err := os.ReadDir(w.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if len(addresses) != 1000 || len(after) > len(before)+1 { // the base, when this test is the first
		t.Errorf("%d addresses, and %d entries in the folder, were %d", len(addresses), len(after), len(before))
	}
	w.must(spec.ID, "app", "npg_first", "store", "SELECT 1")
	for i := range 1000 {
		if err := w.Drop(t.Context(), branchID(t, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestABranchOfAChangedStoppedOne has the change.
func TestABranchOfAChangedStoppedOne(t *testing.T) {
	w := sharedWorld(t)
	main := root(t)
	w.apply(main)
	w.must(main.ID, "app", "npg_first", "store", "CREATE TABLE t (a int)")
	main.Suspend = true
	main.Databases = []neonemu.DatabaseSpec{{ID: 1, Name: "renamed", Owner: "app"}}
	w.apply(main)
	child := main
	child.ID, child.Parent = branchID(t, "child"), main.ID
	child.Databases = []neonemu.DatabaseSpec{{ID: 2, Name: "renamed", Owner: "app"}}
	w.apply(child)
	w.must(child.ID, "app", "npg_first", "renamed", "SELECT * FROM t")
}

func TestCloseLeavesNothing(t *testing.T) {
	w := ownWorld(t, Config{})
	s, spec := w.Server, root(t)
	w.apply(spec)
	w.must(spec.ID, "app", "npg_first", "store", "SELECT 1")
	b, err := w.branch(spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	process, address := b.process, b.listener.Addr().String()
	s.Close()
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("folder: %v", err)
	}
	select {
	case <-process.exited:
	case <-t.Context().Done():
		t.Error("the postmaster runs on")
	}
	if c, err := net.Dial("tcp4", address); err == nil {
		c.Close()
		t.Error("the branch still listens")
	}
	s.Close()
	if err := s.Apply(context.Background(), spec); !errors.Is(err, errClosed) {
		t.Errorf("Apply after Close: %v", err)
	}
}

// dieVar makes this binary a process with a running cluster, which tells its folder and the postmaster and is then killed.
const dieVar = "SLIPWAY_PGSERVER_DIES"

func awaitDeath() int {
	s, err := New(Config{})
	if err != nil {
		return 1
	}
	spec := neonemu.BranchSpec{ID: "br-1", Roles: []neonemu.RoleSpec{{Name: "a", Password: "b"}}}
	if err := s.Apply(context.Background(), spec); err != nil {
		return 1
	}
	b, err := s.branch(spec.ID)
	if err != nil {
		return 1
	}
	if _, err := b.open(); err != nil {
		return 1
	}
	fmt.Println(s.Dir(), b.process.cmd.Process.Pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func TestAProcessThatDiesLeavesNothing(t *testing.T) {
	sharedWorld(t) // there is a PostgreSQL
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), dieVar+"=1")
	_, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	var pid int
	if _, err := fmt.Fscan(out, &dir, &pid); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	poll(t, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
	poll(t, func() bool { return !alive(pid) })
}

// alive reports whether a process runs; one that waits for its parent's notice does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestNewNeedsPostgreSQL(t *testing.T) {
	if s, err := New(Config{Bin: t.TempDir()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v %v", s, err)
	}
}

func TestMajor(t *testing.T) {
	got := map[string]int{}
	for _, dir := range []string{"/usr/lib/postgresql/15/bin", "/usr/pgsql-16/bin", "/opt/homebrew/opt/postgresql@17/bin", "/usr/bin"} {
		got[dir] = major(dir)
	}
	want := map[string]int{"/usr/lib/postgresql/15/bin": 15, "/usr/pgsql-16/bin": 16, "/opt/homebrew/opt/postgresql@17/bin": 17, "/usr/bin": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// poll waits until what is true, which the test's own deadline ends.
func poll(t *testing.T, what func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !what() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it did not happen")
		}
	}
}
