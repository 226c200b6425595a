package selftest

import (
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"iter"
	"slices"
	"strings"
)

// Canary is a secret that was planted: where, and what it is.
type Canary struct{ Name, Value string }

// hit is a canary that was found. It does not say the value.
type hit struct {
	canary, form string
	at           int // in what was searched; in the innermost of what was compressed
}

// A canary is at least minCanary bytes long, so that half of it is no accident.
const (
	minCanary = 16
	block     = 8        // bytes of a needle by which it is looked up
	near      = 16 << 10 // how far from one part of a secret the other may be
	spared    = 3        // so many characters of a needle may be missing
	inflated  = 64 << 20
	nesting   = 3
)

// needle is a canary in one form.
type needle struct {
	canary, form string
	text         []byte
}

// searcher looks for canaries in bytes. It shares nothing with what redacts them.
type searcher struct {
	needles []needle
	blocks  map[uint64][]place
	filter  []uint64
}

// place is a block of a needle.
type place struct{ needle, at int }

func newSearcher(canaries []Canary) *searcher {
	s := &searcher{blocks: map[uint64][]place{}, filter: make([]uint64, 1<<14)}
	seen := map[string]bool{}
	for _, c := range canaries {
		for _, f := range forms {
			if text := f.write(c.Value); !seen[text] {
				seen[text] = true
				s.add(needle{c.Name, f.name, []byte(text)})
			}
		}
	}
	return s
}

// add makes the first block of each half of a needle known: however it is cut in two, one half is whole.
func (s *searcher) add(n needle) {
	s.needles = append(s.needles, n)
	for _, at := range []int{0, len(n.text) / 2} {
		if at+block > len(n.text) {
			continue
		}
		key := binary.BigEndian.Uint64(n.text[at:])
		s.blocks[key] = append(s.blocks[key], place{len(s.needles) - 1, at})
		bit := bucket(key)
		s.filter[bit>>6] |= 1 << (bit & 63)
	}
}

func bucket(key uint64) uint64 { return (key ^ key>>29) * 0xbf58476d1ce4e5b9 >> 44 }

// search returns what data shows, once for each canary and form.
func (s *searcher) search(data []byte) []hit { return s.deep(data, nesting) }

func (s *searcher) deep(data []byte, levels int) []hit {
	found := map[[2]string]hit{}
	for i := 0; i+block <= len(data); i++ {
		key := binary.BigEndian.Uint64(data[i:])
		if bit := bucket(key); s.filter[bit>>6]&(1<<(bit&63)) == 0 {
			continue
		}
		for _, p := range s.blocks[key] {
			n := s.needles[p.needle]
			if how, shown := judge(data, i, n.text, p.at); shown {
				found[[2]string{n.canary, n.form}] = hit{n.canary, n.form + how, i - p.at}
			}
		}
	}
	if levels > 0 {
		for _, within := range unpacked(data) {
			for _, h := range s.deep(within.data, levels-1) {
				h.form += ", " + within.how
				found[[2]string{h.canary, h.form}] = h
			}
		}
	}
	var hits []hit
	for _, h := range found {
		hits = append(hits, h)
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.canary, b.canary), cmp.Compare(a.form, b.form), cmp.Compare(a.at, b.at))
	})
	return hits
}

// judge says whether data, which has a block of the needle's at i, that from its place at on, shows the needle: whole, or in parts that
// are near each other. Half of it alone is no finding.
func judge(data []byte, i int, text []byte, at int) (how string, shown bool) {
	from, to, start, end := at, at+block, i, i+block
	for from > 0 && start > 0 && data[start-1] == text[from-1] {
		from, start = from-1, start-1
	}
	for to < len(text) && end < len(data) && data[end] == text[to] {
		to, end = to+1, end+1
	}
	switch {
	case from+len(text)-to <= spared:
		return "", true
	case to-from < len(text)/2:
		return "", false
	}
	before, after := data[max(0, start-near):start], data[end:min(len(data), end+near)]
	for _, part := range [][]byte{text[:from], text[to:]} {
		if len(part) > spared && !bytes.Contains(before, part) && !bytes.Contains(after, part) {
			return "", false
		}
	}
	return ", split", true
}

// inner is what was found within other bytes.
type inner struct {
	how  string
	data []byte
}

// unpacked returns what is compressed in data, what is compressed and then encoded, and data as one line.
func unpacked(data []byte) []inner {
	all := members(data)
	if oneLine := lineBreaks.Replace(string(data)); len(oneLine) < len(data) {
		all = append(all, inner{"across lines", []byte(oneLine)})
	}
	for at := range occurrences(data, "H4sI") { // base64 of what gzip begins with
		run := data[at : at+span(data[at:], isBase64)]
		raw, _ := base64.RawStdEncoding.DecodeString(string(run[:len(run)/4*4]))
		all = append(all, inflate("gzip in base64", raw, fromGzip)...)
	}
	for at := range occurrences(data, "1f8b08") {
		run := data[at : at+span(data[at:], isHex)]
		raw, _ := hex.DecodeString(string(run[:len(run)/2*2]))
		all = append(all, inflate("gzip in hex", raw, fromGzip)...)
	}
	return all
}

var lineBreaks = strings.NewReplacer("\r", "", "\n", "", `\r`, "", `\n`, "")

// members returns what gzip, zlib and zip have compressed in data.
func members(data []byte) (all []inner) {
	for at := range occurrences(data, "\x1f\x8b\x08") {
		all = append(all, inflate("gzip", data[at:], fromGzip)...)
	}
	for at := range occurrences(data, "\x78") {
		if at+2 < len(data) && (int(data[at])<<8|int(data[at+1]))%31 == 0 { // RFC 1950, 2.2
			all = append(all, inflate("zlib", data[at:], func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })...)
		}
	}
	for at := range occurrences(data, "PK\x03\x04") { // a local file header: APPNOTE.TXT, 4.3.7
		if head := data[at:]; len(head) > 30 && binary.LittleEndian.Uint16(head[8:]) == 8 {
			body := 30 + int(binary.LittleEndian.Uint16(head[26:])) + int(binary.LittleEndian.Uint16(head[28:]))
			all = append(all, inflate("zip", head[min(body, len(head)):], func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil })...)
		}
	}
	return all
}

func fromGzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// inflate returns what can be read of a compressed member, nothing when it is none.
func inflate(how string, member []byte, open func(io.Reader) (io.Reader, error)) []inner {
	r, err := open(bytes.NewReader(member))
	if err != nil {
		return nil
	}
	out, _ := io.ReadAll(io.LimitReader(r, inflated)) // what was read before an error counts
	if len(out) < block {
		return nil
	}
	return []inner{{how, out}}
}

func occurrences(data []byte, of string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; ; at++ {
			next := bytes.Index(data[at:], []byte(of))
			if next < 0 {
				return
			}
			if at += next; !yield(at) {
				return
			}
		}
	}
}

func span(data []byte, is func(byte) bool) int {
	n := 0
	for n < len(data) && is(data[n]) {
		n++
	}
	return n
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isBase64(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '+' || c == '/'
}
