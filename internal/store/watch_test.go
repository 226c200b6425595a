package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-dev/slipway"
)

func TestChanged(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	event := func(tx slipway.Tx) error { return tx.AddEvent(slipway.Event{Run: "r1"}) }
	for name, test := range map[string]struct {
		reason string
		do     func(t *testing.T, s, other *Store)
		want   time.Duration // that one more Changed takes
	}{
		"quiet":   {"nothing changed: d", func(*testing.T, *Store, *Store) {}, time.Minute},
		"own":     {"a commit of this process between two waits", func(t *testing.T, s, _ *Store) { write(t, s, event) }, 0},
		"another": {"a commit of another connection between two waits", func(t *testing.T, _, other *Store) { write(t, other, event) }, 0},
		"told once": {"both commits were told by one wait", func(t *testing.T, s, other *Store) {
			write(t, s, event)
			write(t, other, event)
			changed(t, s, time.Minute, 0)
			time.Sleep(time.Second)
		}, time.Minute},
		"own, while waiting": {"woken at once, and not a second time by the poll", func(t *testing.T, s, _ *Store) {
			go func() { time.Sleep(7 * time.Millisecond); write(t, s, event) }()
			changed(t, s, time.Minute, 7*time.Millisecond)
			time.Sleep(time.Second)
		}, time.Minute},
		"another, while waiting": {"woken by the next poll", func(t *testing.T, s, other *Store) {
			go func() { time.Sleep(60 * time.Millisecond); write(t, other, event) }()
			changed(t, s, time.Minute, 100*time.Millisecond)
			time.Sleep(time.Second)
		}, time.Minute},
		"two waiters": {"one that was not waiting when the other was told hears of it at its next poll", func(t *testing.T, s, _ *Store) {
			write(t, s, event)
			changed(t, s, time.Minute, 0)
		}, pollEvery},
		"rolled back": {"a transaction that was not committed is no change", func(t *testing.T, s, _ *Store) {
			if err := s.Tx(t.Context(), func(slipway.Tx) error { return errors.New("no") }); err == nil {
				t.Error("no error")
			}
		}, time.Minute},
		"nothing written": {"a transaction that wrote nothing, such as a sweep, is no change", func(t *testing.T, s, _ *Store) {
			write(t, s, func(tx slipway.Tx) error { _, err := tx.Sweep(t0); return err })
		}, time.Minute},
		"read": {"a reader is no change", func(t *testing.T, s, _ *Store) {
			read(t, s, func(tx slipway.Tx) error { _, err := tx.Run("r1"); return err })
		}, time.Minute},
		"context": {"the context's end is CodeCanceled", func(t *testing.T, s, _ *Store) {
			err := s.Changed(ended, time.Minute)
			if !errors.Is(err, context.Canceled) || slipway.ErrorCode(err) != slipway.CodeCanceled {
				t.Errorf("got %v, want canceled", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Changed(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
		}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "slipway.db")
				s, other := openAt(t, path, nil), openAt(t, path, nil)
				addRuns(t, s, slipway.Run{ID: "r1"})
				changed(t, s, time.Minute, 0)
				time.Sleep(time.Second)
				test.do(t, s, other)
				if !t.Failed() {
					changed(t, s, time.Minute, test.want)
				}
				if t.Failed() {
					t.Log(test.reason)
				}
			})
		})
	}
}

// changed waits for a change and checks how long that took, on the bubble's clock.
func changed(t *testing.T, s *Store, d, want time.Duration) {
	t.Helper()
	begin := time.Now()
	if err := s.Changed(t.Context(), d); err != nil {
		t.Error(err)
	}
	if got := time.Since(begin); got != want {
		t.Errorf("Changed took %v, want %v", got, want)
	}
}
