package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/scratch"
	"github.com/slipway-dev/slipway/internal/store"
)

// newHome returns a folder with the database of a home in which nothing was done yet. How one is made where there is none is the store's.
func newHome(t *testing.T) string {
	t.Helper()
	database, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch.Dir(t)
	if err := os.WriteFile(filepath.Join(dir, "slipway.db"), database, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// empty is a database with a schema alone, which takes ten times as long to make as to copy.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "slipway-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "slipway.db")
	s, err := store.Open(context.Background(), store.Config{Path: path, Create: true})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
