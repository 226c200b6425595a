package redact

// Stream redacts the texts of one stream, such as the lines of a build's output without their breaks, also where a secret goes on from one text to the next.
// Nothing is held back: a text that ends in the first half of a secret or more shows none of it, one that ends in less shows that, and
// the next text then does not show the rest. It is for one goroutine.
type Stream struct {
	redactor *Redactor
	before   []byte // the end of what came before, as it was
}

// NewStream returns a stream that nothing was read from yet.
func (r *Redactor) NewStream() *Stream { return &Stream{redactor: r} }

// What is kept of the texts before, in bytes: the three that are no beginning yet, in the longest escape, and not without end.
const (
	leastBefore = 24
	mostBefore  = 64 << 10
)

// Next returns the next text of the stream with what is secret in it replaced by Mark.
func (s *Stream) Next(text string) string {
	return shapes(s.next(text))
}

func (s *Stream) next(text string) string {
	t := s.redactor.table.Load()
	from, joined := len(s.before), append(s.before, text...)
	needed := len(joined)
	if t.touches(joined) {
		spans, begun := t.spans(joined)
		if begun.any >= 0 {
			needed = begun.any
		}
		if begun.half >= 0 {
			spans = merged(append(spans, span{begun.half, len(joined)}))
		}
		text = string(cover(joined, from, spans))
	}
	s.keep(joined, needed)
	return text
}

// keep remembers the end of joined, from where it is needed on.
func (s *Stream) keep(joined []byte, needed int) {
	from := max(0, min(needed, len(joined)-leastBefore), len(joined)-mostBefore)
	s.before = append(s.before[:0], joined[from:]...)
}

// touches reports whether b holds a secret, or ends in the beginning of one.
func (t *table) touches(b []byte) bool {
	if t.longest == 0 {
		return false
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return s.any(b, func(text []byte) bool {
		begun := beginning{-1, -1}
		_, _, found := t.find(text, 0, &begun)
		return found || begun.any >= 0
	})
}
