package store

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"github.com/slipway-dev/slipway"
)

func openAt(t testing.TB, path string, guard func([]byte) bool) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path, Create: true, Guard: guard})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	suite(t, func(t *testing.T, guard func([]byte) bool) slipway.Store {
		return openAt(t, filepath.Join(t.TempDir(), "app", "slipway.db"), guard)
	})
}

func checkMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
		t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b#?%25@team", "slipway.db")
	_, err := Open(t.Context(), Config{Path: path})
	if slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("without Create: got %v, want not_found", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("without Create: a folder was made")
	}
	s := openAt(t, path, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	checkMode(t, filepath.Dir(path), 0o700)
	for _, suffix := range []string{"", "-wal", "-shm", ".migrate"} {
		checkMode(t, path+suffix, 0o600)
	}
	loose := filepath.Join(t.TempDir(), "slipway.db")
	if err := os.WriteFile(loose, nil, 0o644); err != nil { // an empty file is what a kill at the first start leaves
		t.Fatal(err)
	}
	openAt(t, loose, nil)
	checkMode(t, loose, 0o600)
}

func TestPragmas(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
	for name, test := range map[string]struct {
		db     *sql.DB
		pragma string
		want   string
		reason string
	}{
		"journal":        {s.writer, "journal_mode", "wal", "readers and the writer do not wait for each other"},
		"synchronous":    {s.writer, "synchronous", "2", "FULL: a commit survives power loss before a request is sent"},
		"reader's sync":  {s.reader, "synchronous", "2", "the last connection to close may be the one that writes the WAL back"},
		"secure delete":  {s.writer, "secure_delete", "1", "what is deleted is overwritten"},
		"foreign keys":   {s.writer, "foreign_keys", "1", "no step without a run"},
		"writer's wait":  {s.writer, "busy_timeout", "10000", "other processes write too"},
		"reader's wait":  {s.reader, "busy_timeout", "10000", "recovery of a WAL locks"},
		"reader":         {s.reader, "query_only", "1", "a reader cannot write"},
		"writer's query": {s.writer, "query_only", "0", "the writer can"},
	} {
		var got string
		if err := test.db.QueryRowContext(t.Context(), "PRAGMA "+test.pragma).Scan(&got); err != nil || got != test.want {
			t.Errorf("%s: %s is %q (%v), want %q: %s", name, test.pragma, got, err, test.want, test.reason)
		}
	}
}

// TestPragmasOfALaterConnection: database/sql opens another one when a connection has gone bad.
func TestPragmasOfALaterConnection(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
	for range 3 {
		conn, err := s.writer.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "secure_delete": "1"} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
			}
		}
		if err := conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(err, driver.ErrBadConn) {
			t.Fatal(err)
		}
		_ = conn.Close() // it is gone already
	}
	if n := s.writer.Stats().OpenConnections; n > 1 {
		t.Errorf("%d connections that write", n)
	}
}

// twisted is the driver with another DSN.
type twisted struct {
	driver.Driver
	replace *strings.Replacer
}

func (d twisted) Open(name string) (driver.Conn, error) {
	return d.Driver.Open(d.replace.Replace(name))
}

// twist registers a driver that replaces parts of the DSN and returns its name.
func twist(t *testing.T, oldnew ...string) string {
	name := "sqlite " + t.Name()
	sql.Register(name, twisted{&sqlite.Driver{}, strings.NewReplacer(oldnew...)})
	return name
}

func checkFault(t *testing.T, err error, message, hint string) {
	t.Helper()
	e := (*slipway.Error)(nil)
	if !errors.As(err, &e) || e.Code != slipway.CodeStore || !strings.Contains(e.Error(), message) || !strings.Contains(e.Hint, hint) {
		t.Errorf("got %v %+v, want store, %q, hint %q", err, e, message, hint)
	}
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, path, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	if _, err := s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{Path: path, Create: true})
	checkFault(t, err, "its schema is 99, this program knows 7", "upgrade")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestUnusableFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, good, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bytesOf := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	put := func(change func([]byte) []byte) func(path string) error {
		return func(path string) error { return os.WriteFile(path, change(bytesOf(good)), 0o600) }
	}
	for name, test := range map[string]struct {
		reason        string
		prepare       func(path string) error
		message, hint string
	}{
		"folder":      {"a folder is in its place", func(path string) error { return os.Mkdir(path, 0o700) }, "is not a file", "SLIPWAY_HOME"},
		"no database": {"another kind of file", put(func([]byte) []byte { return bytes.Repeat([]byte("no database\n"), 1000) }), "damaged", "ledger"},
		"cut":         {"all but the first page is lost", put(func(b []byte) []byte { return b[:4096] }), "damaged", "ledger"},
		"overwritten": {"the pages after the first are garbage", put(func(b []byte) []byte {
			return append(b[:4096], bytes.Repeat([]byte{0xaa}, len(b)-4096)...)
		}), "damaged", "ledger"},
		"half written": {"the second half of every page after the first is lost", put(func(b []byte) []byte {
			for at := 4096; at < len(b); at += 4096 {
				clear(b[at+2048 : at+4096])
			}
			return b
		}), "damaged", "ledger"},
		"no lock file": {"a folder is in the place of the lock: nothing can be written beside it", func(path string) error {
			return errors.Join(put(bytes.Clone)(path), os.Mkdir(path+".migrate", 0o700))
		}, "cannot be opened", "permissions"},
		"parent is a file": {"its folder cannot be made", func(path string) error {
			return errors.Join(os.Remove(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
		}, "cannot be opened", "permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app", "slipway.db")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), test.prepare(path)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Config{Path: path, Create: true})
			if err == nil { // a page is only read when it is needed
				err = errors.Join(s.Tx(t.Context(), func(tx slipway.Tx) error { return tx.AddRun(slipway.Run{ID: "r2"}) }), s.Close())
			}
			checkFault(t, err, test.message, test.hint)
		})
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	addRuns(t, openAt(t, path, nil), slipway.Run{ID: "r1"})
	s, err := Open(t.Context(), Config{Path: path, Driver: twist(t, "mode=rw", "mode=ro")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Tx(t.Context(), func(tx slipway.Tx) error { return tx.SaveStep(slipway.Step{Run: "r1"}) })
	checkFault(t, err, "cannot be written", "permissions")
	read(t, s, func(tx slipway.Tx) error { _, err := tx.Run("r1"); return err })
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	addRuns(t, openAt(t, path, nil), slipway.Run{ID: "r1"})
	full := twist(t, "_txlock=immediate", "_txlock=immediate&_pragma=max_page_count(60)")
	s, err := Open(t.Context(), Config{Path: path, Driver: full})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var written int
	for err == nil {
		err = s.Tx(t.Context(), func(tx slipway.Tx) error {
			if err := tx.AddEvent(slipway.Event{Run: "r1", Step: "before"}); err != nil {
				return err
			}
			return tx.PutArtifact(fmt.Sprint(written), bytes.Repeat([]byte{'x'}, 30000))
		})
		if err == nil {
			written++
		}
	}
	checkFault(t, err, "the disk is full", "free some space")
	read(t, s, func(tx slipway.Tx) error {
		events, err := tx.Events("r1", 0)
		if len(events) != written || written == 0 {
			t.Errorf("%d events after %d commits: a half-written transaction", len(events), written)
		}
		return err
	})
	write(t, s, func(tx slipway.Tx) error { return tx.SetDue("r1", t0) }) // what needs no new page goes on
}

// TestTornWAL cuts the WAL as a power loss would: each prefix of it holds the first commits, whole.
func TestTornWAL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, path, nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	const commits = 6
	var synced [commits + 1]int // bytes of the WAL after each commit
	for i := range commits {
		write(t, s, func(tx slipway.Tx) error {
			return errors.Join(tx.AddEvent(slipway.Event{Run: "r1"}), tx.SaveStep(slipway.Step{Run: "r1", Key: fmt.Sprint(i)}))
		})
		synced[i+1] = int(fileSize(t, path+"-wal"))
	}
	db, err1 := os.ReadFile(path)
	wal, err2 := os.ReadFile(path + "-wal")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	const header, frame = 32, 24 + 4096 // https://www.sqlite.org/fileformat2.html#the_write_ahead_log
	if (len(wal)-header)%frame != 0 || synced[commits] != len(wal) {
		t.Fatalf("the WAL has %d bytes, which are no whole frames", len(wal))
	}
	for end := header; end <= len(wal); end += frame {
		for _, cut := range []int{end, end + 10, end + 24, end + frame/2, end + frame - 1} {
			if cut > len(wal) {
				continue
			}
			want := 0
			for want < commits && synced[want+1] <= cut {
				want++
			}
			torn := filepath.Join(t.TempDir(), "slipway.db")
			if err := errors.Join(os.WriteFile(torn, db, 0o600), os.WriteFile(torn+"-wal", wal[:cut], 0o600)); err != nil {
				t.Fatal(err)
			}
			read(t, openAt(t, torn, nil), func(tx slipway.Tx) error {
				events, err1 := tx.Events("r1", 0)
				steps, err2 := tx.Steps("r1", 0)
				if len(events) != want || len(steps) != want {
					t.Errorf("cut at %d: %d events and %d steps, want the %d commits that were synced", cut, len(events), len(steps), want)
				}
				return errors.Join(err1, err2)
			})
		}
	}
}

func TestDeletedIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	s := openAt(t, path, nil)
	name := "artifact-with-a-name-to-look-for"
	write(t, s, func(tx slipway.Tx) error { return tx.SaveReceipt("a", slipway.Receipt{Address: "k/x", ID: name}) })
	checkpoint := func() []byte {
		if _, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Contains(checkpoint(), []byte(name)) {
		t.Fatal("the receipt is not in the file: the test looks for the wrong thing")
	}
	write(t, s, func(tx slipway.Tx) error { return tx.DeleteReceipt("a", "k/x") })
	if bytes.Contains(checkpoint(), []byte(name)) {
		t.Error("what was deleted is still in the file")
	}
}
