package rest

import (
	"maps"
	"sync"
)

// Counter counts calls. The zero value is ready; a nil one counts nothing.
type Counter struct {
	mu    sync.Mutex
	calls map[string]map[string]int
}

func (c *Counter) add(api, method string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]map[string]int{}
	}
	if c.calls[api] == nil {
		c.calls[api] = map[string]int{}
	}
	c.calls[api][method]++
}

// Snapshot returns the attempts so far: provider, method, number.
func (c *Counter) Snapshot() map[string]map[string]int {
	out := map[string]map[string]int{}
	if c == nil {
		return out
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for api, methods := range c.calls {
		out[api] = maps.Clone(methods)
	}
	return out
}
