package rest

import (
	"context"
	"sync"

	"github.com/slipway-dev/slipway"
)

// memo keeps the replies of one observation pass by URL.
type memo struct {
	mu      sync.Mutex
	replies map[string]*answer
}

type answer struct {
	done chan struct{}
	body []byte
	err  *slipway.Error
}

// get returns what do returned for url, now or earlier in the pass. When the caller who sent it gave up, the next sends it again.
func (m *memo) get(ctx context.Context, url string, do func() ([]byte, *slipway.Error)) ([]byte, *slipway.Error) {
	for {
		m.mu.Lock()
		kept := m.replies[url]
		if kept == nil {
			kept = &answer{done: make(chan struct{})}
			if m.replies == nil {
				m.replies = map[string]*answer{}
			}
			m.replies[url] = kept
			m.mu.Unlock()
			m.fill(url, kept, do)
			return kept.body, kept.err
		}
		m.mu.Unlock()
		select {
		case <-kept.done:
		case <-ctx.Done():
			return nil, &slipway.Error{Code: slipway.CodeCanceled, Message: "stopped while waiting for an answer", Cause: ctx.Err()}
		}
		if kept.err == nil || kept.err.Code != slipway.CodeCanceled {
			return kept.body, kept.err
		}
	}
}

func (m *memo) fill(url string, kept *answer, do func() ([]byte, *slipway.Error)) {
	defer close(kept.done)
	// A panic in do must not leave the others waiting for good.
	kept.err = slipway.Errorf(slipway.CodeCanceled, "the call was abandoned")
	defer func() {
		if kept.err != nil && kept.err.Code == slipway.CodeCanceled {
			m.mu.Lock()
			if m.replies[url] == kept {
				delete(m.replies, url)
			}
			m.mu.Unlock()
		}
	}()
	kept.body, kept.err = do()
}

func (m *memo) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replies = nil
}
