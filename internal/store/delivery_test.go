package store

import (
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

func testDelivered(t *testing.T, open opener) {
	s := open(t, nil)
	deliver := func(id string, at time.Time) (again bool) {
		t.Helper()
		write(t, s, func(tx slipway.Tx) (err error) {
			again, err = tx.Delivered(id, at, at.Add(-time.Hour))
			return err
		})
		return again
	}
	for i, step := range []struct {
		id     string
		after  time.Duration
		again  bool
		reason string
	}{
		{"a", 0, false, "the first of it"},
		{"a", time.Second, true, "it has come before"},
		{"b", time.Second, false, "another"},
		{"a", time.Hour, true, "still within the hour"},
		{"a", time.Hour + time.Nanosecond, false, "what is older than the hour is forgotten"},
		{"a", time.Hour + time.Second, true, "and known again from then on"},
	} {
		if got := deliver(step.id, t0.Add(step.after)); got != step.again {
			t.Errorf("step %d: again is %t: %s", i, got, step.reason)
		}
	}
}
