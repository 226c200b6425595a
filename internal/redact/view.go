package redact

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// canonical returns b without line breaks, which may stand anywhere in a secret: b itself when it has none, else in dst's memory.
func canonical(dst, b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	dst = dst[:0]
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		for {
			part, rest, more := bytes.Cut(line, []byte("\r"))
			dst = append(dst, part...)
			if !more {
				break
			}
			line = rest
		}
	}
	return dst
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' }

// decoder undoes one kind of escape: the sign that begins it, and what stands at the start of b, which begins with the sign. size is
// how many bytes of b it takes: 0 when it is no escape, -1 when b ends before that can be said.
type decoder struct {
	sign byte
	one  func(b []byte) (decoded []byte, size int)
}

var decoders = []decoder{{'%', percent}, {'\\', backslash}, {'&', entity}}

// view is a text as one way of reading it shows it, in canonical form.
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
		for _, c := range decoded {
			if isBreak(c) {
				continue
			}
			out.text = append(out.text, c)
			if mapped {
				out.at = append(out.at, v.at[i])
			}
		}
		i += size
	}
	return out, changed
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
		if changed && (f(out.text) || s.deeper(out, level+1, f)) {
			return true
		}
	}
	return false
}

// mappedViews returns b's views with their positions.
func mappedViews(b []byte) []view {
	raw := view{end: len(b)}
	for i, c := range b {
		if !isBreak(c) {
			raw.text, raw.at = append(raw.text, c), append(raw.at, int32(i))
		}
	}
	all := []view{raw}
	for from, level := 0, 0; level < depth; level++ {
		to := len(all)
		for _, v := range all[from:to] {
			for _, d := range decoders {
				if out, changed := d.decode(v, view{end: len(b)}); changed {
					all = append(all, out)
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
