package redact

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// canonical returns b without what may stand anywhere in a secret and is not seen: line breaks and a terminal's colours. It is b itself
// when there is none of it, else in dst's memory.
func canonical(dst, b []byte) []byte {
	next := nextGap(b)
	if next == len(b) {
		return b
	}
	dst = dst[:0]
	for ; next < len(b); next = nextGap(b) {
		dst = append(dst, b[:next]...)
		b = b[next+gap(b[next:]):]
	}
	return append(dst, b...)
}

// nextGap returns where the first of what canonical leaves out begins: len(b) when there is none.
func nextGap(b []byte) int {
	next := len(b)
	for _, sign := range []byte("\n\r\x1b") {
		for at := 0; at < next; at++ {
			i := bytes.IndexByte(b[at:next], sign)
			if i < 0 {
				break
			}
			if at += i; gap(b[at:]) > 0 {
				next = at
			}
		}
	}
	return next
}

// gap is how many bytes at b's start canonical leaves out: a line break, or an escape sequence of a terminal (ECMA-48, CSI).
func gap(b []byte) int {
	switch {
	case b[0] == '\n' || b[0] == '\r':
		return 1
	case b[0] == '\x1b' && len(b) > 1 && b[1] == '[':
		for i := 2; i < len(b) && i < maxSequence; i++ {
			if b[i] >= '@' && b[i] <= '~' {
				return i + 1
			}
		}
	}
	return 0
}

// maxSequence bounds a terminal's escape sequence.
const maxSequence = 32

// decoder undoes one kind of escape: the sign that begins it, and what stands at the start of b, which begins with the sign. size is
// how many bytes of b it takes: 0 when it is no escape, -1 when b ends before that can be said.
type decoder struct {
	sign byte
	one  func(b []byte) (decoded []byte, size int)
}

var decoders = []decoder{{'%', percent}, {'\\', backslash}, {'&', entity}}

// view is a text as one way of reading it shows it.
type view struct {
	text []byte
	at   []int32 // where in the source each byte of text comes from; empty: not asked for
	end  int     // of the source
}

// span returns where in the source text[start:end] is.
func (v view) span(start, end int) span {
	s := span{int(v.at[start]), v.end}
	if end < len(v.at) {
		s.to = int(v.at[end])
	}
	return s
}

// decode appends to out what d makes of v. changed is false when there is nothing to decode. An escape that v's end cuts is left out.
func (d decoder) decode(v view, out view) (_ view, changed bool) {
	mapped := len(v.at) > 0
	for i := 0; i < len(v.text); {
		next := bytes.IndexByte(v.text[i:], d.sign)
		if next < 0 {
			next = len(v.text) - i
		}
		out.text = append(out.text, v.text[i:i+next]...)
		if mapped {
			out.at = append(out.at, v.at[i:i+next]...)
		}
		if i += next; i == len(v.text) {
			break
		}
		decoded, size := d.one(v.text[i:])
		switch {
		case size < 0:
			return out, true
		case size == 0:
			decoded, size = v.text[i:i+1], 1
		default:
			changed = true
		}
		out.text = append(out.text, decoded...)
		for range decoded {
			if mapped {
				out.at = append(out.at, v.at[i])
			}
		}
		i += size
	}
	return out, changed
}

// tidied returns v in canonical form, which what was decoded need not have.
func (v view) tidied() view {
	if nextGap(v.text) == len(v.text) {
		return v
	}
	out := view{end: v.end}
	for i := 0; i < len(v.text); {
		if n := gap(v.text[i:]); n > 0 {
			i += n
			continue
		}
		out.text = append(out.text, v.text[i])
		if len(v.at) > 0 {
			out.at = append(out.at, v.at[i])
		}
		i++
	}
	return out
}

// depth is how many escapes are undone one inside the other.
const depth = 2

// scratch holds the views of one text, to be used again.
type scratch struct {
	whole   []byte // without line breaks
	decoded [depth]view
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// any reports whether f does for one of b's views.
func (s *scratch) any(b []byte, f func(text []byte) bool) bool {
	text := canonical(s.whole, b)
	if len(text) < len(b) {
		s.whole = text
	}
	return f(text) || s.deeper(view{text: text}, 0, f)
}

func (s *scratch) deeper(v view, level int, f func([]byte) bool) bool {
	if level == depth {
		return false
	}
	for _, d := range decoders {
		if bytes.IndexByte(v.text, d.sign) < 0 {
			continue
		}
		out, changed := d.decode(v, view{text: s.decoded[level].text[:0]})
		s.decoded[level] = out
		if !changed {
			continue
		}
		if out = out.tidied(); f(out.text) || s.deeper(out, level+1, f) {
			return true
		}
	}
	return false
}

// mappedViews returns b's views with their positions.
func mappedViews(b []byte) []view {
	raw := view{text: b, at: make([]int32, len(b)), end: len(b)}
	for i := range raw.at {
		raw.at[i] = int32(i)
	}
	raw = raw.tidied()
	all := []view{raw}
	for from, level := 0, 0; level < depth; level++ {
		to := len(all)
		for _, v := range all[from:to] {
			for _, d := range decoders {
				if out, changed := d.decode(v, view{end: len(b)}); changed {
					all = append(all, out.tidied())
				}
			}
		}
		from = to
	}
	return all
}

// percent decodes %2F and %2f.
func percent(b []byte) ([]byte, int) {
	v, size := digits(b, 1, 2)
	if size <= 0 {
		return nil, size
	}
	return []byte{byte(v)}, size
}

// digits reads n hex digits from at on; size is where they end, 0 when they are not there, -1 when b ends before.
func digits(b []byte, at, n int) (v rune, size int) {
	for i := at; i < at+n; i++ {
		if i >= len(b) {
			return 0, -1
		}
		d := strings.IndexByte("0123456789abcdef", b[i]|0x20)
		if d < 0 || b[i] < '0' {
			return 0, 0
		}
		v = v<<4 | rune(d)
	}
	return v, at + n
}

// plainEscapes are the escapes of JSON, JavaScript and Go that stand for one byte.
var plainEscapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', '\'': '\'', 'a': 7, 'b': 8, 'f': 12, 'n': '\n', 'r': '\r', 't': '\t', 'v': 11,
}

// backslash decodes the escapes of strings in JSON, JavaScript and Go.
func backslash(b []byte) ([]byte, int) {
	if len(b) < 2 {
		return nil, -1
	}
	if c, ok := plainEscapes[b[1]]; ok {
		return []byte{c}, 2
	}
	switch b[1] {
	case 'x':
		v, size := digits(b, 2, 2)
		return []byte{byte(v)}, size
	case 'u':
		return unicode(b)
	case 'U':
		v, size := digits(b, 2, 8)
		return utf8.AppendRune(nil, v), size
	}
	return nil, 0
}

// unicode decodes \u00e9, and two of them where they are a pair of surrogates.
func unicode(b []byte) ([]byte, int) {
	v, size := digits(b, 2, 4)
	if size <= 0 {
		return nil, size
	}
	if utf16.IsSurrogate(v) && bytes.HasPrefix(b[size:], []byte(`\u`)) {
		low, end := digits(b, size+2, 4)
		if end < 0 {
			return nil, end
		}
		if r := utf16.DecodeRune(v, low); end > 0 && r != utf8.RuneError {
			v, size = r, end
		}
	}
	return utf8.AppendRune(nil, v), size
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

// maxEntity is the length of the longest entity that is decoded: &#x10FFFF;
const maxEntity = 10

// entity decodes &amp;, &#38; and &#x26;
func entity(b []byte) ([]byte, int) {
	end := bytes.IndexByte(b[:min(len(b), maxEntity)], ';')
	if end < 0 {
		if len(b) < maxEntity {
			return nil, -1
		}
		return nil, 0
	}
	name := string(b[1:end])
	if text, ok := entities[name]; ok {
		return []byte(text), end + 1
	}
	number, ok := strings.CutPrefix(name, "#")
	base := rune(10)
	if strings.HasPrefix(number, "x") || strings.HasPrefix(number, "X") {
		base, number = 16, number[1:]
	}
	if !ok || number == "" {
		return nil, 0
	}
	var v rune
	for _, c := range []byte(number) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' || rune(d) >= base {
			return nil, 0
		}
		v = v*base + rune(d)
	}
	return utf8.AppendRune(nil, v), end + 1
}
