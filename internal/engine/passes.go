package engine

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway"
)

// passLife is how old a look may be and still count as "just before" an effect's intent. It never spans a gate: each worker starts anew.
const passLife = 2 * time.Second

// passes shares looks between the effects that a worker starts at about the same time: one pass a provider, renewed when it is older
// than passLife and whenever this worker changes something at that provider.
type passes struct {
	mu  sync.Mutex
	now func() time.Time
	of  map[string]*passAge
}

type passAge struct {
	session slipway.Session
	born    time.Time
}

// current returns the passes that are young enough, beginning those that are not.
func (p *passes) current(w *wanted) map[string]slipway.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]slipway.Session{}
	for name, s := range w.sessions {
		if p.of[name] == nil || p.now().Sub(p.of[name].born) > passLife {
			p.of[name] = &passAge{s.Pass(), p.now()}
		}
		out[name] = p.of[name].session
	}
	return out
}

// changed ends the pass of a provider that was just changed.
func (p *passes) changed(provider string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, provider)
}

// lookAhead observes all effects that may start soon at once, so that their basis checks need not wait for one another. What it cannot
// see is seen, or fails, in its turn.
func (w *worker) lookAhead(ctx context.Context) {
	sessions := w.passes.current(w.wanted)
	var g errgroup.Group
	for _, e := range w.plan.Effects {
		if s := w.step(e.Key); s.State != slipway.StepPending || e.Mode != slipway.ModeAutomated || e.OnFailure != "" || w.kinds[e.Address.Kind()].Versioned {
			continue
		}
		g.Go(func() error {
			u, err := w.unit(ctx, e.Key)
			if err != nil {
				return err
			}
			return w.observeUnit(ctx, sessions, u)
		})
	}
	_ = g.Wait() // only the pass's memory matters
}
