package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

func benchStore(b *testing.B) *Store {
	s := openAt(b, filepath.Join(b.TempDir(), "slipway.db"), nil)
	err := s.Tx(b.Context(), func(tx slipway.Tx) error {
		if err := tx.AddRun(slipway.Run{ID: "r1", App: "a", Status: slipway.RunActive, Manifest: string(make([]byte, 4000))}); err != nil {
			return err
		}
		_, _, err := tx.Claim("r1", "me", t0, t0.Add(time.Hour))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func step(i int) slipway.Step {
	return slipway.Step{
		Run: "r1", Revision: 1, Key: fmt.Sprint("vercel.env/KEY", i%100, "#create"), State: slipway.StepDone, IntentAt: t0, EndedAt: t0,
		Receipt: &slipway.Receipt{Address: "vercel.env/KEY", ID: "env_123456789", Account: "team_1"}, Basis: map[string]any{"exists": true, "id": "env_1"},
	}
}

// BenchmarkCommit is what one effect costs twice: the fence, its step and an event, synced to disk.
func BenchmarkCommit(b *testing.B) {
	s := benchStore(b)
	i := 0
	for b.Loop() {
		i++
		err := s.Tx(b.Context(), func(tx slipway.Tx) error {
			if _, err := tx.Fence("r1", 1, t0.Add(time.Hour)); err != nil {
				return err
			}
			if err := tx.SaveStep(step(i)); err != nil {
				return err
			}
			return tx.AddEvent(slipway.Event{Run: "r1", At: t0, Type: slipway.EventStepDone, Step: "x"})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLogLines is 100 lines of a build in one commit.
func BenchmarkLogLines(b *testing.B) {
	s := benchStore(b)
	line := map[string]any{"line": string(make([]byte, 100))}
	b.SetBytes(100 * 100)
	for b.Loop() {
		err := s.Tx(b.Context(), func(tx slipway.Tx) error {
			for range 100 {
				if err := tx.AddEvent(slipway.Event{Run: "r1", At: t0, Type: slipway.EventLog, Data: line}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads what a worker needs to go on: the run, 100 steps, approvals.
func BenchmarkLoad(b *testing.B) {
	s := benchStore(b)
	err := s.Tx(b.Context(), func(tx slipway.Tx) error {
		for i := range 100 {
			if err := tx.SaveStep(step(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := s.Read(b.Context(), func(tx slipway.Tx) error {
			if _, err := tx.Run("r1"); err != nil {
				return err
			}
			if _, err := tx.Steps("r1", 1); err != nil {
				return err
			}
			_, err := tx.Approvals("r1")
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is what each command pays: an existing database, opened and closed.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "slipway.db")
	openAt(b, path, nil)
	for b.Loop() {
		s, err := Open(b.Context(), Config{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPoll is what a waiting process pays twenty times a second.
func BenchmarkPoll(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		if err := s.watch.look(); err != nil {
			b.Fatal(err)
		}
	}
}
