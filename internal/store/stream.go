package store

import (
	"sync"

	"github.com/slipway-dev/slipway"
)

// tailLength is how many bytes of a line of output the guard sees together with the next.
const tailLength = 512

// streams are the ends of what was last written of each stream of output. One that was written in a transaction that failed counts too:
// what it may refuse more is written again.
type streams struct {
	mu   sync.Mutex
	tail map[string]string
}

// next returns text with the end of what came before it in its stream, and keeps text's own end.
func (s *streams) next(stream, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := s.tail[stream] + text
	if s.tail == nil {
		s.tail = map[string]string{}
	}
	s.tail[stream] = joined[max(0, len(joined)-tailLength):]
	return joined
}

// endsSecret reports whether a line of output, with the end of the line before it in its stream, holds a secret.
func (t *tx) endsSecret(e slipway.Event) bool {
	text, _ := e.Data["text"].(string)
	stream, _ := e.Data["stream"].(string)
	return t.guard([]byte(t.streams.next(e.Run+" "+e.Step+" "+stream, text)))
}
