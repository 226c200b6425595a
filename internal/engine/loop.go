package engine

import (
	"context"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

// Queue dispatches runs to workers. The job is never the truth: a queue that loses one is mended by the sweep. The local queue serves
// SQLite, where one process owns the file; another implementation can serve a database with many workers.
type Queue interface {
	// Insert makes run due at a time, inside the caller's transaction.
	Insert(tx slipway.Tx, run string, at time.Time) error
	// Start calls work for each run that is due, never twice at once for one run, until ctx ends or Stop.
	Start(ctx context.Context, work func(ctx context.Context, run string)) error
	// Stop cancels the work and waits for it.
	Stop()
}

var _ Queue = (*localQueue)(nil)

// sweepEvery is how often runs that nobody works on are looked for.
const sweepEvery = 30 * time.Second

// localQueue is the loop over the due table.
type localQueue struct {
	store  slipway.Store
	now    func() time.Time
	failed func(error) // told why a run that is due could not be taken

	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	busy map[string]bool // runs being worked on
	late map[string]bool // became due meanwhile
}

func (q *localQueue) Insert(tx slipway.Tx, run string, at time.Time) error { return tx.SetDue(run, at) }

func (q *localQueue) Start(ctx context.Context, work func(context.Context, string)) error {
	// This process has just become the owner: whoever held a lease is gone.
	if err := q.sweep(ctx, q.now().Add(24*time.Hour)); err != nil {
		return err
	}
	ctx, q.cancel = context.WithCancel(ctx)
	q.done, q.busy, q.late = make(chan struct{}), map[string]bool{}, map[string]bool{}
	go q.loop(ctx, work)
	return nil
}

func (q *localQueue) Stop() {
	if q.cancel != nil {
		q.cancel()
		<-q.done
	}
}

// sweep makes every active run due that nobody holds, counting leases that end before at as given up.
func (q *localQueue) sweep(ctx context.Context, at time.Time) error {
	return q.store.Tx(ctx, func(tx slipway.Tx) error {
		idle, err := tx.Sweep(at)
		if err != nil {
			return err
		}
		for _, id := range idle {
			if err := q.Insert(tx, id, q.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *localQueue) loop(ctx context.Context, work func(context.Context, string)) {
	defer close(q.done)
	var group sync.WaitGroup
	defer group.Wait()
	nextSweep := q.now().Add(sweepEvery)
	for ctx.Err() == nil {
		wait := q.tick(ctx, &group, work)
		if now := q.now(); !now.Before(nextSweep) {
			nextSweep = now.Add(sweepEvery)
			_ = q.sweep(ctx, now) // a database that cannot be written shows in the run's own work
		}
		_ = q.store.Changed(ctx, wait)
	}
}

// tick starts what is due and returns how long nothing else will be.
func (q *localQueue) tick(ctx context.Context, group *sync.WaitGroup, work func(context.Context, string)) time.Duration {
	due, wait := q.take(ctx)
	for _, id := range due {
		q.mu.Lock()
		if q.busy[id] {
			q.late[id] = true
			q.mu.Unlock()
			continue
		}
		q.busy[id] = true
		q.mu.Unlock()
		group.Go(func() {
			for again := true; again && ctx.Err() == nil; {
				work(ctx, id)
				q.mu.Lock()
				again = q.late[id]
				delete(q.late, id)
				if !again {
					delete(q.busy, id)
				}
				q.mu.Unlock()
			}
		})
	}
	return wait
}

func (q *localQueue) take(ctx context.Context) (due []string, wait time.Duration) {
	now := q.now()
	var next time.Time
	look := func(tx slipway.Tx) (err error) { next, err = tx.NextDue(); return err }
	if err := q.store.Read(ctx, look); err != nil {
		q.failed(err)
		return nil, time.Second
	}
	if next.IsZero() {
		return nil, sweepEvery
	}
	if now.Before(next) {
		return nil, min(sweepEvery, next.Sub(now))
	}
	take := func(tx slipway.Tx) (err error) { due, err = tx.TakeDue(now); return err }
	if err := q.store.Tx(ctx, take); err != nil {
		q.failed(err)
		return nil, time.Second
	}
	return due, 0
}
