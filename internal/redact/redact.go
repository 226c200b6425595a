// Package redact keeps secrets out of what leaves the process or comes to rest: it knows the values that this process has seen, in each
// encoding that they are likely to turn up in, and the shapes that credentials have. The store's guard, the log, the error messages and
// the lines of commands and builds all go through one Redactor.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
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
	if len(value) < MinLength {
		return
	}
	if r.known[value] {
		return
	}
	r.known[value] = true
	r.table.Store(r.table.Load().with(encodings(value)))
}

// Has reports whether b holds an added secret: raw, in base64 (standard or URL alphabet, at any offset in what was encoded), in hex,
// URL-escaped or JSON-escaped.
func (r *Redactor) Has(b []byte) bool {
	_, _, found := r.table.Load().find(b, 0)
	return found
}

// String returns s with every added secret, in the encodings of Has, and everything that has the shape of a credential replaced by
// Mark.
func (r *Redactor) String(s string) string {
	return shapes(string(r.values([]byte(s))))
}

// values replaces added secrets. It returns b itself when there is none.
func (r *Redactor) values(b []byte) []byte {
	t := r.table.Load()
	start, end, found := t.find(b, 0)
	if !found {
		return b
	}
	var out []byte
	at := 0
	for found {
		out = append(append(out, b[at:start]...), Mark...)
		at = end
		start, end, found = t.find(b, at)
	}
	return append(out, b[at:]...)
}

// encodings returns the forms in which value is looked for, each at least MinLength bytes long.
func encodings(value string) [][]byte {
	forms := []string{value, hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value)))}
	for _, escaped := range []string{url.QueryEscape(value), url.PathEscape(value)} {
		forms = append(forms, escaped, lowerEscapes(escaped))
	}
	for _, html := range []bool{true, false} {
		forms = append(forms, jsonEscape(value, html))
	}
	for offset := range 3 {
		forms = append(forms, inBase64(base64.RawStdEncoding, value, offset), inBase64(base64.RawURLEncoding, value, offset))
	}
	seen := map[string]bool{}
	var out [][]byte
	for _, f := range forms {
		if len(f) >= MinLength && !seen[f] {
			seen[f] = true
			out = append(out, []byte(f))
		}
	}
	return out
}

// inBase64 returns those characters of the encoding that depend on value alone when it begins offset bytes into a group of three.
func inBase64(enc *base64.Encoding, value string, offset int) string {
	text := enc.EncodeToString(append(make([]byte, offset), value...))
	first := (offset*8 + 5) / 6
	last := (offset + len(value)) * 8 / 6
	return text[first:last]
}

func jsonEscape(value string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(value) != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// table finds many patterns in one pass: a bit set over the hash of each window of eight bytes says where to look closer. It is not
// changed once made.
type table struct {
	bits    [1 << 10]uint64
	byHead  map[uint64][][]byte // by the first eight bytes, longest first
	longest int
	lines   int // length of the longest pattern with a line break in it; 0: none has one
}

func slot(head uint64) (word, bit uint64) {
	h := (head * 0x9E3779B97F4A7C15) >> 48
	return h >> 6, 1 << (h & 63)
}

func (t *table) with(patterns [][]byte) *table {
	next := *t
	next.byHead = maps.Clone(t.byHead)
	if next.byHead == nil {
		next.byHead = map[uint64][][]byte{}
	}
	for _, p := range patterns {
		head := binary.LittleEndian.Uint64(p)
		word, bit := slot(head)
		next.bits[word] |= bit
		next.byHead[head] = insert(next.byHead[head], p)
		next.longest = max(next.longest, len(p))
		if bytes.IndexByte(p, '\n') >= 0 {
			next.lines = max(next.lines, len(p))
		}
	}
	return &next
}

// insert returns a new list, so that tables in use do not change.
func insert(list [][]byte, p []byte) [][]byte {
	var out [][]byte
	for len(list) > 0 && len(list[0]) >= len(p) {
		out, list = append(out, list[0]), list[1:]
	}
	return append(append(out, p), list...)
}

// find returns the first pattern in b from at on, the longest where several begin.
func (t *table) find(b []byte, at int) (start, end int, found bool) {
	if t.longest == 0 {
		return 0, 0, false
	}
	for ; at+MinLength <= len(b); at++ {
		head := binary.LittleEndian.Uint64(b[at:])
		word, bit := slot(head)
		if t.bits[word]&bit == 0 {
			continue
		}
		for _, p := range t.byHead[head] {
			if bytes.HasPrefix(b[at:], p) {
				return at, at + len(p), true
			}
		}
	}
	return 0, 0, false
}
