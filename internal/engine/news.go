package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// brisk is how many looks after news come at the usual pace: what the news is about may show a moment later.
const brisk = 8

// bells wake those who wait in this process, by run.
type bells map[string]chan struct{}

// bell is closed at the next news about a run. Whoever is to miss none asks for it before the look.
func (e *Engine) bell(run string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bells[run] == nil {
		e.bells[run] = make(chan struct{})
	}
	return e.bells[run]
}

func (e *Engine) ring(run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.bells[run]; b != nil {
		close(b)
		delete(e.bells, run)
	}
}

// Wake makes the runs that this process works on look now, where n is about one of their resources or about the commit that they ship. about is
// false where it is about none. Nothing of n is believed.
func (e *Engine) Wake(ctx context.Context, n slipway.News) (about bool, err error) {
	e.mu.Lock()
	mine := slices.Sorted(maps.Keys(e.mine))
	e.mu.Unlock()
	for _, id := range mine {
		told := false
		err := e.Store.Tx(ctx, func(tx slipway.Tx) (err error) {
			told, err = e.tellNews(tx, id, n)
			return err
		})
		if err != nil {
			return about, err
		}
		if told {
			about = true
			e.ring(id)
		}
	}
	return about, nil
}

func (e *Engine) tellNews(tx slipway.Tx, id string, n slipway.News) (bool, error) {
	run, err := tx.Run(id)
	if err != nil || run.Status != slipway.RunActive {
		return false, err
	}
	receipts, err := tx.Receipts(run.App)
	if err != nil {
		return false, err
	}
	commit, err := commitOf(tx, run)
	if err != nil || !n.About(receipts, commit) {
		return false, err
	}
	return true, e.event(tx, id, slipway.EventNews, "", map[string]any{"provider": n.Provider, "event": n.Event})
}

// notified reports whether a provider sends news to this process, which is here long enough for it.
func (e *Engine) notified(provider string) bool {
	return !e.Leave && slices.Contains(e.Notified, provider)
}
