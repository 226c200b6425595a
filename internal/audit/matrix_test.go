package audit

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// packer writes the entries of a bundle as an archive in which one thing is another way than it should be.
type packer struct {
	contents
	prefix, gap, suffix []byte                             // before the first entry, between entries, after the end
	moved               bool                               // offsets count the prefix
	local, central, end func(header []byte, i int) []byte  // change a header
	body                func(data []byte, i int) []byte    // what stands in the entry's place
	listed              func(central [][]byte) [][]byte    // change the directory
	last                func(directory, end []byte) []byte // what ends the archive
}

func (p packer) write() []byte {
	same := func(h []byte, _ int) []byte { return h }
	for _, f := range []*func([]byte, int) []byte{&p.local, &p.central, &p.end, &p.body} {
		if *f == nil {
			*f = same
		}
	}
	out := slices.Clone(p.prefix)
	var central [][]byte
	for i, name := range p.names {
		data := p.of[name]
		e := entry{name: name, header: int64(len(out)), size: int64(len(data)), crc: crc32.ChecksumIEEE(data)}
		if !p.moved {
			e.header -= int64(len(p.prefix))
		}
		out = append(append(out, p.local(e.local(), i)...), p.body(data, i)...)
		out = append(out, p.gap...)
		central = append(central, p.central(e.central(), i))
	}
	if p.listed != nil {
		central = p.listed(central)
	}
	all := bytes.Join(central, nil)
	tail := directory(nil, int64(len(out)))
	binary.LittleEndian.PutUint16(tail[8:], uint16(len(central)))
	binary.LittleEndian.PutUint16(tail[10:], uint16(len(central)))
	binary.LittleEndian.PutUint32(tail[12:], uint32(len(all)))
	tail = p.end(tail, 0)
	if p.last != nil {
		return append(append(out, p.last(all, tail)...), p.suffix...)
	}
	return slices.Concat(out, all, tail, p.suffix)
}

// at makes a change of a header of one entry.
func at(n int, change func(h []byte) []byte) func([]byte, int) []byte {
	return func(h []byte, i int) []byte {
		if i != n {
			return h
		}
		return change(slices.Clone(h))
	}
}

// put16 sets a field, and put32 a longer one.
func put16(offset int, v uint16) func([]byte) []byte {
	return func(h []byte) []byte { binary.LittleEndian.PutUint16(h[offset:], v); return h }
}

func put32(offset int, v uint32) func([]byte) []byte {
	return func(h []byte) []byte { binary.LittleEndian.PutUint32(h[offset:], v); return h }
}

// more appends to a header, and counts it in the field of its length.
func more(offset int, text []byte) func([]byte) []byte {
	return func(h []byte) []byte {
		binary.LittleEndian.PutUint16(h[offset:], uint16(len(text)))
		return append(h, text...)
	}
}

// renamed writes an entry under another name in the local header, the directory, or both.
func renamed(offset int, name string) func([]byte) []byte {
	return func(h []byte) []byte {
		from := localSize
		if offset == 28 {
			from = centralSize
		}
		binary.LittleEndian.PutUint16(h[offset:], uint16(len(name)))
		return append(h[:from:from], name...)
	}
}

// archiveTricks are archives that some tool takes for the bundle, or for another one.
func archiveTricks(t *testing.T, whole []byte) map[string][]byte {
	c := takeApart(t, whole)
	n := slices.Index(c.names, nameRun)
	zip64 := []byte{1, 0, 24, 0}
	zip64 = append(zip64, make([]byte, 24)...)
	unicodePath := append([]byte{0x75, 0x70, 13, 0, 1, 0, 0, 0, 0}, "evil.txt"...) // APPNOTE 4.6.9
	deflated := func(data []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	small := deflated(c.of[nameRun])
	all := map[string][]byte{}
	try := func(name string, p packer) {
		p.contents = contents{slices.Clone(c.names), c.of}
		all[name] = p.write()
	}
	header := func(name string, change func(h []byte) []byte) {
		try(name+", local", packer{local: at(n, change)})
		try(name+", both", packer{local: at(n, change), central: at(n, func(h []byte) []byte {
			return append(slices.Clone(h[:6]), change(append([]byte("PK\x03\x04"), h[6:]...))[4:]...)
		})})
	}
	header("encrypted", put16(6, 1))
	header("descriptor flag", put16(6, 8))
	header("UTF-8 flag", put16(6, 0x800))
	header("strong encryption flag", put16(6, 0x40))
	header("method deflate", put16(8, 8))
	header("method LZMA", put16(8, 14))
	header("a time", put16(10, 0x6000))
	header("another day", put16(12, 0x5b00))
	header("needs version 45", put16(4, 45))
	header("checksum of nothing", put32(14, 0))
	header("no size", put32(22, 0))
	header("size in zip64", put32(18, 0xffffffff))
	for name, text := range map[string][]byte{"extra": {0xfe, 0xca, 0, 0}, "zip64 extra": zip64, "unicode path": unicodePath, "padding": make([]byte, 40)} {
		try(name+", local", packer{local: at(n, more(28, text))})
		try(name+", central", packer{central: at(n, more(30, text))})
		try(name+", both", packer{local: at(n, more(28, text)), central: at(n, more(30, text))})
	}
	for name, change := range map[string]func([]byte) []byte{
		"comment of an entry": more(32, []byte("ok")), "symlink": func(h []byte) []byte { h[5] = 3; return put32(38, 0xa1ff0000)(h) }, "program": put32(38, 0x81ed0000),
		"made by unix": func(h []byte) []byte { h[5] = 3; return h }, "folder attribute": put32(38, 0x10), "text attribute": put16(36, 1), "second disk": put16(34, 1),
		"offset of another": put32(42, 0), "offset past the end": put32(42, 0x7fffffff), "offset in zip64": put32(42, 0xffffffff),
		"name only in the directory": renamed(28, "core/run.jsom"), "empty name in the directory": renamed(28, ""), "name in the directory leads out": renamed(28, "../run.json"),
	} {
		try(name, packer{central: at(n, change)})
	}
	for _, name := range []string{
		"CORE/run.json", "core/RUN.JSON", "core/Run.json", "core\\run.json", "core//run.json", "./core/run.json", "core/./run.json", "core/../core/run.json", "../core/run.json", "/core/run.json", "C:/run.json",
		"core/run.json/", "core/run.json\x00", "core/run.json\x00.txt", "core/run.json ", " core/run.json", "core/run\u0301.json", "core/r\u00fan.json", "core/ru\u0301n.json", "core/run.json\u200b", "core/\u202erun.json", "core/.run.json", "core/-run.json", "core/run.json:stream",
		"core/" + strings.Repeat("x", 300), "", ".", "..", "\xff",
	} {
		try(fmt.Sprintf("name %q in both", name), packer{local: at(n, renamed(26, name)), central: at(n, renamed(28, name))})
		try(fmt.Sprintf("name %q locally", name), packer{local: at(n, renamed(26, name))})
	}
	signature := []byte("PK\x07\x08")
	try("a gap between entries", packer{gap: []byte{0}})
	try("descriptors", packer{gap: append(signature, make([]byte, 12)...)})
	try("an entry that the directory does not list", packer{listed: func(l [][]byte) [][]byte { return slices.Delete(l, n, n+1) }})
	try("an entry listed twice", packer{listed: func(l [][]byte) [][]byte { return slices.Insert(l, n, l[n]) }})
	try("overlapping: two names for one body", packer{listed: func(l [][]byte) [][]byte {
		return slices.Insert(l, n+1, renamed(28, "core/run.jsoo")(slices.Clone(l[n])))
	}})
	try("the directory in another order", packer{listed: func(l [][]byte) [][]byte { slices.Reverse(l); return l }})
	try("no directory", packer{listed: func([][]byte) [][]byte { return nil }})
	try("really deflated", packer{
		local: at(n, func(h []byte) []byte { return put32(18, uint32(len(small)))(put16(8, 8)(h)) }), body: func(data []byte, i int) []byte {
			if i == n {
				return small
			}
			return data
		},
		central: at(n, func(h []byte) []byte { return put32(20, uint32(len(small)))(put16(10, 8)(h)) }),
	})
	for name, prefix := range map[string][]byte{"a program before it": []byte("#!/bin/sh\n"), "a byte before it": {0}, "another archive before it": whole, "zeros before it": make([]byte, 512)} {
		try(name, packer{prefix: prefix})
		try(name+", with offsets", packer{prefix: prefix, moved: true})
	}
	for name, suffix := range map[string][]byte{"a byte after it": {0}, "a line after it": []byte("\n"), "an end after it": whole[len(whole)-endSize:], "itself after it": whole, "a local header after it": whole[:200]} {
		try(name, packer{suffix: suffix})
	}
	for name, change := range map[string]func([]byte) []byte{
		"archive comment": more(20, []byte("comment")), "comment longer than the file": put16(20, 9), "disk 1": put16(4, 1), "directory on disk 1": put16(6, 1), "one entry less on the disk": put16(8, uint16(len(c.names)-1)),
		"one entry less": put16(10, uint16(len(c.names)-1)), "one entry more": put16(10, uint16(len(c.names)+1)), "entries in zip64": put16(10, 0xffff), "no size of the directory": put32(12, 0), "directory in zip64": put32(16, 0xffffffff), "directory at 0": put32(16, 0),
	} {
		try(name, packer{end: at(0, change)})
	}
	try("zip64 end and locator", packer{last: func(directory, end []byte) []byte {
		record := slices.Concat([]byte("PK\x06\x06"), binary.LittleEndian.AppendUint64(nil, 44), make([]byte, 44))
		locator := slices.Concat([]byte("PK\x06\x07"), make([]byte, 4), binary.LittleEndian.AppendUint64(nil, uint64(len(directory))), []byte{1, 0, 0, 0})
		return slices.Concat(directory, record, locator, end)
	}})
	try("a signature of the directory", packer{last: func(directory, end []byte) []byte {
		return slices.Concat(directory, []byte("PK\x05\x05\x00\x00"), end)
	}})
	return all
}

// TestArchiveMatrix: tools read archives in many ways; of a bundle there is one. Every trick is refused, and in place, whatever a tool would make of it.
func TestArchiveMatrix(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	k := key(t, testKey)
	if plain := (packer{contents: takeApart(t, whole)}).write(); !bytes.Equal(plain, whole) {
		t.Fatal("without a trick the packer writes other bytes")
	}
	counts := map[string]int{}
	for name, data := range archiveTricks(t, whole) {
		how := judged(t, data, k)
		if how != "invalid" && (how != "unusable" || bytes.HasPrefix(data, whole[:60])) {
			t.Errorf("%s: %s", name, how)
		}
		if bytes.Equal(data, whole) {
			t.Errorf("%s: nothing was changed", name)
		}
		counts[how]++
	}
	t.Logf("%d tricks with the archive; refused: %v", counts["invalid"]+counts["unusable"], counts)
}

// TestHeaderBytes changes every byte of every header: of each entry, of the directory, of the end.
func TestHeaderBytes(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	k, random := key(t, testKey), rand.New(rand.NewPCG(1, 2))
	c := takeApart(t, whole)
	var spans [][2]int
	from := 0
	for _, name := range c.names {
		head := localSize + len(name)
		spans = append(spans, [2]int{from, from + head})
		from += head + len(c.of[name])
	}
	spans = append(spans, [2]int{from, len(whole)})
	refused := 0
	for _, span := range spans {
		for i := span[0]; i < span[1]; i++ {
			bits := []byte{1 << random.IntN(8)}
			if os.Getenv("SLIPWAY_LONG") != "" {
				bits = []byte{1, 2, 4, 8, 16, 32, 64, 128, 255}
			}
			for _, bit := range bits {
				whole[i] ^= bit
				if how := judged(t, whole, k); how == "invalid" || how == "unusable" && i < 60 {
					refused++
				} else {
					t.Errorf("byte %d ^ %#x: %s", i, bit, how)
				}
				whole[i] ^= bit
			}
		}
	}
	t.Logf("%d changes of headers, all refused", refused)
}
