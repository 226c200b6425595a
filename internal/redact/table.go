package redact

import (
	"bytes"
	"encoding/binary"
	"maps"
)

// table finds many patterns, of eight bytes or more, in one pass over canonical text: wherever one begins, a block of five bytes at a
// multiple of four is within its first eight, and a bit set over the hashes of such blocks says where to look closer. It is not changed
// once made.
type table struct {
	bits    [1 << 10]uint64
	byHead  map[uint64][][]byte // by the first eight bytes, longest first
	byBegin map[uint32][][]byte // by the first four bytes
	longest int
}

const stride = 4

// hash is of the low five bytes of a block.
func hash(block uint64) uint64 { return (block << 24 * spread) >> 48 }

// spread is 2^64 over the golden ratio, which spreads what it multiplies over the upper bits.
const spread = 0x9E3779B97F4A7C15

func (t *table) with(patterns [][]byte) *table {
	next := *t
	next.byHead, next.byBegin = maps.Clone(t.byHead), maps.Clone(t.byBegin)
	if next.byHead == nil {
		next.byHead, next.byBegin = map[uint64][][]byte{}, map[uint32][][]byte{}
	}
	for _, p := range patterns {
		head, begin := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint32(p)
		for offset := range stride {
			h := hash(head >> (8 * offset))
			next.bits[h>>6] |= 1 << (h & 63)
		}
		next.byHead[head] = insert(next.byHead[head], p)
		next.byBegin[begin] = insert(next.byBegin[begin], p)
		next.longest = max(next.longest, len(p))
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

// beginning is the longest beginning of a pattern that a text ends with.
type beginning struct {
	any  int // where it begins; negative: there is none
	half int // where the longest begins that is at least half of its pattern; negative: there is none
}

func (b *beginning) note(at, length, pattern int) {
	if b.any < 0 || at < b.any {
		b.any = at
	}
	if 2*length >= pattern && (b.half < 0 || at < b.half) {
		b.half = at
	}
}

func (t *table) has(text []byte) bool {
	_, _, found := t.find(text, 0, nil)
	return found
}

// find returns the first pattern in text that begins at from or later, the longest where several begin. When there is none it has noted in begun, which
// may be nil, the beginnings of patterns that text ends with; those under four bytes do not count.
func (t *table) find(text []byte, from int, begun *beginning) (start, end int, found bool) {
	for at := from; at <= len(text)-5; at += stride {
		h := hash(block(text, at))
		if t.bits[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for start := max(from, at-stride+1); start <= min(at, len(text)-MinLength); start++ {
			if end, found := t.match(text, start, begun); found {
				return start, end, true
			}
		}
	}
	for at := max(from, len(text)-MinLength+1); begun != nil && at <= len(text)-4; at++ {
		for _, p := range t.byBegin[binary.LittleEndian.Uint32(text[at:])] {
			if bytes.HasPrefix(p, text[at:]) {
				begun.note(at, len(text)-at, len(p))
			}
		}
	}
	return 0, 0, false
}

// block returns the bytes of text from at on, at least five of them, the first in the lowest place.
func block(text []byte, at int) uint64 {
	if at+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[at : at+8 : len(text)])
	}
	return uint64(binary.LittleEndian.Uint32(text[at:])) | uint64(text[at+4])<<32
}

// match returns where the longest pattern ends that begins at start; it notes what text breaks off.
func (t *table) match(text []byte, start int, begun *beginning) (end int, found bool) {
	for _, p := range t.byHead[binary.LittleEndian.Uint64(text[start:])] {
		if bytes.HasPrefix(text[start:], p) {
			return start + len(p), true
		}
		if n := len(text) - start; begun != nil && n < len(p) && bytes.HasPrefix(p, text[start:]) {
			begun.note(start, n, len(p))
		}
	}
	return 0, false
}
