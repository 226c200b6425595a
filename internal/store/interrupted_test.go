package store

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/slipway-dev/slipway"
)

// TestATransactionWhoseContextEndsIsInterrupted: what database/sql says of the statements that it has closed is no fault of the database.
func TestATransactionWhoseContextEndsIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, filepath.Join(t.TempDir(), "slipway.db"), nil)
		addRuns(t, s, slipway.Run{ID: "r1"})
		for name, in := range map[string]func(context.Context, func(slipway.Tx) error) error{"reading": s.Read, "writing": s.Tx} {
			ctx, cancel := context.WithCancel(t.Context())
			err := in(ctx, func(tx slipway.Tx) error {
				if _, err := tx.Run("r1"); err != nil {
					return err
				}
				cancel()
				synctest.Wait() // until it is rolled back
				_, err := tx.Run("r1")
				return err
			})
			cancel()
			if slipway.ErrorCode(err) != slipway.CodeCanceled {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
