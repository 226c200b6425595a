// Package redact keeps secrets out of what leaves the process or comes to rest: it knows the values that this process has seen, in each
// encoding that they are likely to turn up in, and the shapes that credentials have. The store's guard, the log, the error messages and
// the lines of commands and builds all go through one Redactor.
//
// A value is looked for raw, in base64 (either alphabet, at any offset in what was encoded) and in hex; each of these also URL-, JSON- or
// HTML-escaped, up to two of them one inside the other, whichever characters the escape chose; and each broken by line breaks and by a
// terminal's colours. What is compressed, encrypted, reversed or spelled with other characters in between is not found.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/slipway-dev/slipway"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// MinLength is the least length in bytes of a value that is looked for: a shorter one turns up in innocent text.
const MinLength = 8

// Redactor knows secret values. It is safe for concurrent use; looking never waits for adding.
type Redactor struct {
	mu    sync.Mutex
	known map[string]bool
	table atomic.Pointer[table]
}

// New returns a Redactor that knows no value yet; it redacts by shape alone.
func New() *Redactor {
	r := &Redactor{known: map[string]bool{}}
	r.table.Store(&table{})
	return r
}

// minLine is the least length in bytes of a line that is looked for by itself.
const minLine = 20

// Add makes r look for s, and for each longer line of s alone: a build prints a key line by line. Values under MinLength bytes are not
// added.
func (r *Redactor) Add(s slipway.Secret) {
	value := s.Reveal()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(value)
	r.add(strings.TrimSpace(value))
	if !strings.Contains(value, "\n") {
		return
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= minLine && !strings.HasPrefix(line, "-----") {
			r.add(line)
		}
	}
}

func (r *Redactor) add(value string) {
	if len(value) < MinLength || r.known[value] {
		return
	}
	r.known[value] = true
	r.table.Store(r.table.Load().with(patterns(value)))
}

// patterns returns the forms of value that are looked for in each view of a text, themselves canonical and at least MinLength long.
func patterns(value string) [][]byte {
	code := hex.EncodeToString([]byte(value))
	forms := []string{value, visible(value), strings.ReplaceAll(value, " ", "+"), code, strings.ToUpper(code)}
	for offset := range 3 {
		forms = append(forms, inBase64(base64.RawStdEncoding, value, offset), inBase64(base64.RawURLEncoding, value, offset))
	}
	slices.Sort(forms)
	var out [][]byte
	for _, f := range slices.Compact(forms) {
		if p := canonical(nil, []byte(f)); len(p) >= MinLength {
			out = append(out, p)
		}
	}
	return out
}

// visible is value as slipway.PlainLine leaves its lines: a tab is a blank, and there are no control characters.
func visible(value string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0): // C0, DEL and C1, as unicode.IsControl has them
			return -1
		}
		return r
	}, value)
}

// inBase64 returns those characters of the encoding that depend on value alone when it begins offset bytes into a group of three.
func inBase64(enc *base64.Encoding, value string, offset int) string {
	text := enc.EncodeToString(append(make([]byte, offset), value...))
	first := (offset*8 + 5) / 6
	last := (offset + len(value)) * 8 / 6
	return text[first:last]
}

// Has reports whether b holds an added secret, in any form of the package comment.
func (r *Redactor) Has(b []byte) bool {
	t := r.table.Load()
	if t.longest == 0 || len(b) < MinLength {
		return false
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return s.any(b, t.has)
}

// String returns s with every added secret and everything that has the shape of a credential replaced by Mark.
func (r *Redactor) String(s string) string {
	t := r.table.Load()
	b := []byte(s)
	if t.longest > 0 && len(b) >= MinLength {
		sc := scratches.Get().(*scratch)
		defer scratches.Put(sc)
		if sc.any(b, t.has) {
			spans, _ := t.spans(b)
			s = string(cover(b, 0, spans))
		}
	}
	return shapes(s)
}

// span is a part of a text, from the first byte to before the last.
type span struct{ from, to int }

// spans returns where in b secrets are, whichever view shows them, in order and without overlaps; and where the beginning of a secret is
// that b ends with.
func (t *table) spans(b []byte) (all []span, begun beginning) {
	begun = beginning{-1, -1}
	for _, v := range mappedViews(b) {
		for at := 0; ; {
			here := beginning{-1, -1}
			start, end, found := t.find(v.text, at, &here)
			if !found {
				if here.any >= 0 {
					begun.note(int(v.at[here.any]), 0, 1)
				}
				if here.half >= 0 {
					begun.note(int(v.at[here.half]), 1, 1)
				}
				break
			}
			all = append(all, v.span(start, end))
			at = end
		}
	}
	return merged(all), begun
}

func merged(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range all {
		if n := len(out); n > 0 && s.from < out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// cover returns b from a place on, with Mark in place of each span.
func cover(b []byte, from int, spans []span) []byte {
	var out bytes.Buffer
	for _, s := range spans {
		if s.to <= from {
			continue
		}
		out.Write(b[from:max(from, s.from)])
		out.WriteString(Mark)
		from = s.to
	}
	out.Write(b[from:])
	return out.Bytes()
}
