package store

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-dev/slipway"
)

// advice is what to say about a primary result code of SQLite (https://www.sqlite.org/rescode.html).
var advice = map[int]struct{ message, hint string }{
	sqlite3.SQLITE_FULL:     {"the disk is full", "free some space and repeat the command; a run that was begun goes on with: slipway resume"},
	sqlite3.SQLITE_READONLY: {"the database cannot be written", "look at the permissions of the file and its folder, or set SLIPWAY_HOME to a folder that can be written"},
	sqlite3.SQLITE_PERM:     {"the database cannot be opened", "look at the permissions of the file and its folder"},
	sqlite3.SQLITE_CANTOPEN: {"the database cannot be opened", "look at the permissions of the file and its folder"},
	sqlite3.SQLITE_IOERR:    {"the disk reports an error", "look at the disk and at its free space; SLIPWAY_HOME must be on a local disk"},
	sqlite3.SQLITE_CORRUPT:  damaged,
	sqlite3.SQLITE_NOTADB:   damaged,
	sqlite3.SQLITE_BUSY:     busy,
	sqlite3.SQLITE_LOCKED:   busy,
}

var (
	damaged = struct{ message, hint string }{
		"the database is damaged",
		"move it away (with its -wal and -shm files) and run slipway ship again: the ledger at the provider tells what is yours",
	}
	busy = struct{ message, hint string }{"another process keeps the database locked", "try again, or end the other slipway process"}
)

// unusable makes err a CodeStore error that says what to do, CodeCanceled when a context ended, nil for nil. An *Error stays as it is.
func unusable(err error) error {
	if err == nil || errors.As(err, new(*slipway.Error)) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &slipway.Error{Code: slipway.CodeCanceled, Op: "database", Message: "interrupted", Cause: err}
	}
	out := &slipway.Error{Code: slipway.CodeStore, Op: "database", Message: "it cannot be used", Cause: err}
	if a, ok := advice[primary(err)]; ok {
		out.Message, out.Hint = a.message, a.hint
	}
	if primary(err) == sqlite3.SQLITE_BUSY || primary(err) == sqlite3.SQLITE_LOCKED {
		out.Retry = slipway.RetryLater
	}
	return out
}

// primary returns SQLite's primary result code, or for a file system's error the one that means the same; 0 for any other.
func primary(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the file beside the WAL finds no room
			return sqlite3.SQLITE_FULL
		}
		return e.Code() & 0xff
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return sqlite3.SQLITE_READONLY
	case errors.Is(err, syscall.ENOSPC):
		return sqlite3.SQLITE_FULL
	case errors.As(err, new(*fs.PathError)):
		return sqlite3.SQLITE_CANTOPEN
	}
	return 0
}

// noParent reports whether err is a broken foreign key: the run is not there.
func noParent(err error) bool {
	e := (*sqlite.Error)(nil)
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// noLocks is for a file system that cannot lock.
func noLocks(err error) error {
	return &slipway.Error{
		Code: slipway.CodeStore, Op: "database", Message: "the file system cannot lock files",
		Hint: "set SLIPWAY_HOME to a folder on a local disk", Cause: err,
	}
}
