package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	// pollEvery is how often the database is asked for another process's commits while somebody waits.
	pollEvery = 50 * time.Millisecond
	// lateFor: a change was told to those who waited. One who was between two waits then is told too when they wait again within lateFor.
	lateFor = 100 * time.Millisecond
)

// watch tells of commits. It costs nothing while nobody waits.
type watch struct {
	mu      sync.Mutex
	conn    *sql.Conn     // only for data_version, which moves when any other connection has committed
	version int64         // data_version when it was last looked at
	changes int64         // seen so far
	told    int64         // of these, how many a wait has returned for
	last    time.Time     // when the last change was told
	wake    chan struct{} // closed at each commit of this process
}

func newWatch(ctx context.Context, reader *sql.DB) (*watch, error) {
	conn, err := reader.Conn(ctx)
	if err != nil {
		return nil, unusable(err)
	}
	w := &watch{conn: conn, wake: make(chan struct{})}
	if err := w.look(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w.changes = 0
	return w, nil
}

func (w *watch) close() error {
	if err := w.conn.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// look asks the database. A wait's context must not cut it: that would cost the connection.
func (w *watch) look() error {
	var version int64
	if err := w.conn.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&version); err != nil {
		return unusable(err)
	}
	if version != w.version {
		w.version = version
		w.changes++
	}
	return nil
}

// committed makes those who wait look at once.
func (w *watch) committed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.wake)
	w.wake = make(chan struct{})
}

func (w *watch) wait(ctx context.Context, d time.Duration) error {
	over := time.NewTimer(d)
	defer over.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	from, late := int64(-1), false
	for {
		if err := ctx.Err(); err != nil {
			return &slipway.Error{Code: slipway.CodeCanceled, Op: "database", Message: "interrupted", Cause: err}
		}
		w.mu.Lock()
		err := w.look()
		if from < 0 {
			from, late = w.told, time.Since(w.last) < lateFor
		}
		changed := w.changes > from
		if changed {
			w.told, w.last = w.changes, time.Now()
		}
		wake := w.wake
		w.mu.Unlock()
		if err != nil || changed {
			return err
		}
		select {
		case <-ctx.Done():
		case <-over.C:
			return nil
		case <-wake:
		case <-tick.C:
			if late {
				return nil
			}
		}
	}
}
