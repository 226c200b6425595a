package selftest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// rows looks at every value of every column of every table, and notes the types of events.
func (s *secrets) rows(ctx context.Context) error {
	names, err := filepath.Glob(filepath.Join(s.Home, "apps", "*", "slipway.db"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.database(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

func (s *secrets) database(ctx context.Context, name string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(name)+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	tables, err := texts(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		return err
	}
	for _, table := range tables {
		columns, err := texts(ctx, db, `SELECT name FROM pragma_table_info('`+table+`')`)
		if err != nil {
			return err
		}
		for _, column := range columns {
			values, err := texts(ctx, db, fmt.Sprintf(`SELECT %q FROM %q WHERE %[1]q IS NOT NULL ORDER BY rowid`, column, table))
			if err != nil {
				return err
			}
			sink := sinkRows
			if table == "events" {
				sink = sinkEvents
			}
			s.look(sink, table+"."+column, []byte(strings.Join(values, "\n")))
		}
	}
	types, err := texts(ctx, db, `SELECT DISTINCT type FROM events`)
	for _, t := range types {
		s.events[t] = true
	}
	return err
}

// texts are the values of a query's one column.
func texts(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v sql.RawBytes
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, string(v))
	}
	return out, rows.Err()
}
