package selftest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// rows looks at every value of every column of every table, and notes the types of events.
func (s *secrets) rows() error {
	names, err := filepath.Glob(filepath.Join(s.Home, "apps", "*", "slipway.db"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.database(name); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

func (s *secrets) database(name string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(name)+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	tables, err := texts(db, `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		return err
	}
	for _, table := range tables {
		columns, err := texts(db, `SELECT name FROM pragma_table_info('`+table+`')`)
		if err != nil {
			return err
		}
		for _, column := range columns {
			values, err := texts(db, fmt.Sprintf(`SELECT %q FROM %q WHERE %[1]q IS NOT NULL ORDER BY rowid`, column, table))
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
	types, err := texts(db, `SELECT DISTINCT type FROM events`)
	for _, t := range types {
		s.events[t] = true
	}
	return err
}

// texts are the values of a query's one column.
func texts(db *sql.DB, query string) (out []string, err error) {
	rows, err := db.Query(query)
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
