package store

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway"
)

// TestStatementsAreKept: what is run again and again is parsed once for a database, what is run once is not kept.
func TestStatementsAreKept(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	look := func(tx slipway.Tx) error { _, err := tx.Run("r1"); return err }
	for range 2 {
		read(t, s, look)
	}
	if n := len(s.kept[s.reader].kept); n != 0 {
		t.Errorf("%d statements are kept before any was run a third time", n)
	}
	read(t, s, look)
	if n := len(s.kept[s.reader].kept); n != 1 {
		t.Errorf("%d statements are kept, want the one that was run three times", n)
	}
	if n := len(s.kept[s.writer].kept); n != 0 {
		t.Errorf("%d statements are kept of a database that had one transaction", n)
	}
}

// TestKeptStatementsAreShared: readers on several connections, and writers that wait for one, use them at the same time.
func TestKeptStatementsAreShared(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
	addRuns(t, s, slipway.Run{ID: "r1"})
	const workers, each = 8, 20
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := range each {
				err := s.Tx(t.Context(), func(tx slipway.Tx) error {
					return tx.SaveStep(slipway.Step{Run: "r1", Key: fmt.Sprint(worker, "/", i)})
				})
				if err != nil {
					t.Error(err)
					return
				}
				err = s.Read(t.Context(), func(tx slipway.Tx) error { _, err := tx.Steps("r1", 0); return err })
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	read(t, s, func(tx slipway.Tx) error {
		steps, err := tx.Steps("r1", 0)
		if len(steps) != workers*each {
			t.Errorf("%d steps, want %d", len(steps), workers*each)
		}
		return err
	})
}
