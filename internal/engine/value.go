package engine

import (
	"context"
	"sync"

	"github.com/slipway-dev/slipway"
)

// valueCache holds resolved outputs in memory while one process works on one run, so that a value is asked for once. An effect on a
// resource forgets its values.
type valueCache struct {
	mu sync.Mutex
	of map[slipway.Address]map[string]slipway.Secret
}

func newValueCache() *valueCache {
	return &valueCache{of: map[slipway.Address]map[string]slipway.Secret{}}
}

func (c *valueCache) get(a slipway.Address) map[string]slipway.Secret {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[a]
}

func (c *valueCache) set(a slipway.Address, v map[string]slipway.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[a] = v
}

func (c *valueCache) forget(a slipway.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, a)
}

// outputs resolves the outputs of what was observed, and tells the redactor of each before anybody uses it.
func (e *Engine) outputs(ctx context.Context, w *wanted, sessions map[string]slipway.Session, s slipway.Spec, obs slipway.Observation) (map[string]slipway.Secret, error) {
	if v := w.values.get(s.Address); v != nil {
		return v, nil
	}
	h, err := handler(sessions, s.Address)
	if err != nil {
		return nil, err
	}
	out, ok := h.(slipway.Outputter)
	if !ok {
		return nil, slipway.Errorf(slipway.CodeInternal, "%s has no outputs", s.Address)
	}
	values, err := out.Outputs(ctx, s, obs)
	if err != nil {
		return nil, withOp(err, "%s read", s.Address)
	}
	for name, v := range values {
		if e.secretOutput(w, s, name) {
			e.Remember(v)
		}
	}
	w.values.set(s.Address, values)
	return values, nil
}

// secretOutput reports whether an output is secret. What no ResourceType describes is.
func (e *Engine) secretOutput(w *wanted, s slipway.Spec, name string) bool {
	for _, p := range e.Providers {
		for _, t := range p.Info().Types {
			if t.Name != w.manifest.Resources[s.Serves].Type {
				continue
			}
			for _, o := range t.Outputs {
				if o.Name == name {
					return o.Secret
				}
			}
		}
	}
	return true
}
