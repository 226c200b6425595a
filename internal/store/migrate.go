package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slipway-dev/slipway"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date under the lock at lockPath: goose's own first start races with itself.
func migrate(ctx context.Context, db *sql.DB, lockPath string) (err error) {
	unlock, err := waitLock(ctx, lockPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return unusable(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return unusable(err)
	}
	sources := provider.ListSources()
	know := sources[len(sources)-1].Version
	have, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if have > know {
		return slipway.Errorf(slipway.CodeStore, "the database was written by a newer Slipway: its schema is %d, this program knows %d", have, know).
			WithHint("upgrade slipway; nothing was changed")
	}
	if have < know {
		_, err = provider.Up(ctx)
	}
	return unusable(err)
}

// schemaVersion returns 0 for an empty database, and that it is damaged for one that has runs and no version. goose is not asked: it takes a
// damaged table for one that is not there.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var tables int
	const ask = "SELECT coalesce(max(version_id), 0), (SELECT count(*) FROM sqlite_schema WHERE name = 'runs') FROM goose_db_version WHERE is_applied"
	err = db.QueryRowContext(ctx, ask).Scan(&version, &tables)
	switch {
	case primary(err) == sqlite3.SQLITE_ERROR: // no such table
		return 0, nil
	case err == nil && version == 0 && tables > 0:
		return 0, &slipway.Error{Code: slipway.CodeStore, Op: "database", Message: damaged.message, Hint: damaged.hint}
	}
	return version, unusable(err)
}

// waitLock waits for the lock at path, which others hold for some milliseconds.
func waitLock(ctx context.Context, path string) (unlock func() error, err error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := lockFile(path)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return f.Close, nil
		}
		select {
		case <-ctx.Done():
			return nil, unusable(ctx.Err())
		case <-tick.C:
		}
	}
}
