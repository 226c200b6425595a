// Package store keeps runs in an SQL database: SQLite, one file that one process owns and others write decisions into. Its statements
// are plain SQL that PostgreSQL understands too. Every argument of every write passes the guard, which refuses secrets.
package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"github.com/slipway-dev/slipway"
)

// Config says which database to open, and how.
type Config struct {
	// Path of the database file. Beside it come PATH-wal, PATH-shm and PATH.migrate, the lock that is held while the schema is looked at.
	Path string
	// Create makes the file (mode 0600) and its folder (mode 0700) when they are not there. Without it that is CodeNotFound.
	Create bool
	// Guard reports whether bytes hold a secret; it is asked about every text and blob of every write, about each line of output also
	// together with the end of the one before, and must be safe for concurrent use. nil lets everything pass.
	Guard func([]byte) bool
	// Now fills an event's or a run's time that is zero. Default time.Now.
	Now func() time.Time
	// Driver is the database/sql driver. Default "sqlite", modernc's.
	Driver string
}

// Store implements slipway.Store on SQLite. It is safe for concurrent use.
type Store struct {
	writer *sql.DB // one connection: writers of this process queue here, those of others at SQLite's lock
	reader *sql.DB // query_only
	kept   map[*sql.DB]*statements
	watch  *watch
	guard  func([]byte) bool
	now    func() time.Time

	streams streams
}

var _ slipway.Store = (*Store)(nil)

// Open opens the database and brings its schema up to date. It fails with CodeNotFound when there is none and Create is not set, and
// with CodeStore when it cannot be used: damaged, not writable, no space, or written by a newer Slipway.
func Open(ctx context.Context, c Config) (*Store, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, unusable(err)
	}
	if err := prepareFile(path, c.Create); err != nil {
		return nil, err
	}
	if c.Driver == "" {
		c.Driver = "sqlite"
	}
	s := &Store{guard: c.Guard, now: c.Now}
	if s.guard == nil {
		s.guard = func([]byte) bool { return false }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.open(ctx, c.Driver, path); err != nil {
		_ = s.Close() // err says more
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, driver, path string) (err error) {
	if s.writer, err = sql.Open(driver, dsn(path, "immediate", "journal_mode(WAL)", "synchronous(FULL)")); err != nil {
		return unusable(err)
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open(driver, dsn(path, "deferred", "query_only(1)")); err != nil {
		return unusable(err)
	}
	if err := migrate(ctx, s.writer, path+".migrate"); err != nil {
		return err
	}
	s.kept = map[*sql.DB]*statements{s.writer: newStatements(s.writer), s.reader: newStatements(s.reader)}
	s.watch, err = newWatch(ctx, s.reader)
	return err
}

// dsn returns a data source name that never creates a file. busy_timeout comes first: the pragmas after it may wait for a lock.
func dsn(path, txlock string, pragmas ...string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/x is file:///C:/x
	}
	q := url.Values{"mode": {"rw"}, "_txlock": {txlock}, "_error_rc": {"1"}, "_busy_timeout": {"10000"}}
	q["_pragma"] = append(pragmas, "foreign_keys(1)", "secure_delete(1)", "cell_size_check(1)")
	return (&url.URL{Scheme: "file", Path: p, RawQuery: q.Encode()}).String()
}

// prepareFile makes sure that path is a file that only this user can read.
func prepareFile(path string, create bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !create:
		return slipway.Errorf(slipway.CodeNotFound, "there is no database at %s", path).
			WithHint("nothing was shipped from here yet; start with: slipway ship")
	case errors.Is(err, fs.ErrNotExist):
		return createFile(path)
	case err != nil:
		return unusable(err)
	case !info.Mode().IsRegular():
		return slipway.Errorf(slipway.CodeStore, "%s is not a file", path).WithHint("move it away, or set SLIPWAY_HOME to another folder")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return unusable(os.Chmod(path, 0o600))
	}
	return nil
}

func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return unusable(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return unusable(err)
	}
	return unusable(f.Close())
}

// Close waits for transactions to end. The last process to close writes the WAL back into the database. A second call does nothing.
func (s *Store) Close() error {
	var errs []error
	if s.watch != nil {
		errs = append(errs, s.watch.close())
	}
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return unusable(errors.Join(errs...))
}

// Tx runs f in one writing transaction. What f did is kept only when f returns nil and none of its writes failed.
func (s *Store) Tx(ctx context.Context, f func(slipway.Tx) error) error {
	if err := s.run(ctx, s.writer, false, f); err != nil {
		return err
	}
	s.watch.committed()
	return nil
}

// Read runs f in one reading transaction: it sees one moment of the database. A write in f is CodeInternal.
func (s *Store) Read(ctx context.Context, f func(slipway.Tx) error) error {
	return s.run(ctx, s.reader, true, f)
}

func (s *Store) run(ctx context.Context, db *sql.DB, readOnly bool, f func(slipway.Tx) error) error {
	kept := s.kept[db]
	kept.keep(ctx)
	sqlTx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
	if err != nil {
		return unusable(err)
	}
	defer sqlTx.Rollback() // after a commit it does nothing; this is for an error and for a panic in f
	t := &tx{ctx: ctx, sql: sqlTx, guard: s.guard, streams: &s.streams, now: s.now, readOnly: readOnly, kept: kept, prepared: map[string]*sql.Stmt{}}
	if err := f(t); err != nil {
		if ctx.Err() != nil && slipway.ErrorCode(err) == slipway.CodeStore { // database/sql has closed the statements, when ctx ended
			return unusable(ctx.Err())
		}
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	err = sqlTx.Commit()
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil { // database/sql rolled back already, when ctx ended
		err = ctx.Err()
	}
	return unusable(err)
}

// Changed waits until another connection or process has committed, or this one has, or d is over: nil in each case. A commit between
// two calls makes the second return at once; when several wait by turns it is told to each, so that one or two calls within 100 ms of
// it may return for nothing. When ctx ends it returns CodeCanceled round ctx's error.
func (s *Store) Changed(ctx context.Context, d time.Duration) error {
	return s.watch.wait(ctx, d)
}
