package selftest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// approved counts the approvals in the home that were given, by gate: also those that were voided since.
func (w *World) approved(ctx context.Context) (map[string]int, error) {
	out := map[string]int{}
	names, err := filepath.Glob(filepath.Join(w.Home, "apps", "*", "slipway.db"))
	for _, name := range names {
		if err == nil {
			err = given(ctx, name, out)
		}
	}
	return out, err
}

// given adds those of one database.
func given(ctx context.Context, name string, to map[string]int) error {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(name)+"?mode=ro")
	if err != nil {
		return fmt.Errorf("selftest: %w", err)
	}
	defer db.Close()
	gates, err := texts(ctx, db, `SELECT gate FROM approvals WHERE decided_by IS NOT NULL AND state <> 'rejected'`)
	if err != nil {
		return fmt.Errorf("selftest: %s: %w", filepath.Base(name), err)
	}
	for _, gate := range gates {
		to[gate]++
	}
	return nil
}
