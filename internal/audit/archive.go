package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/slipway-dev/slipway"
)

// The archive is a zip of which every byte is determined by the names and contents of its entries: stored, in order, without times, comments,
// extra fields, data descriptors and zip64. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
const (
	localSize    = 30
	centralSize  = 46
	endSize      = 22
	dosDay       = 0x21 // 1980-01-01
	zipVersion   = 20
	maxEntries   = math.MaxUint16 - 1
	maxArchive   = math.MaxUint32 - 1 // bytes
	localMark    = 0x04034b50
	centralMark  = 0x02014b50
	archiveEnd   = 0x06054b50
	maxEntryName = 200
)

var entryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

// entry is one file in the archive.
type entry struct {
	name   string
	header int64 // where its local header begins
	size   int64
	crc    uint32
}

func (e entry) body() int64 { return e.header + localSize + int64(len(e.name)) }
func (e entry) end() int64  { return e.body() + e.size }

// common is what local and central headers share, from the version on.
func (e entry) common() []byte {
	b := binary.LittleEndian.AppendUint16(nil, zipVersion)
	b = binary.LittleEndian.AppendUint16(b, 0) // flags
	b = binary.LittleEndian.AppendUint16(b, 0) // stored
	b = binary.LittleEndian.AppendUint16(b, 0) // time
	b = binary.LittleEndian.AppendUint16(b, dosDay)
	b = binary.LittleEndian.AppendUint32(b, e.crc)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.size))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.size))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.name)))
	return binary.LittleEndian.AppendUint16(b, 0) // extra
}

func (e entry) local() []byte {
	b := append(binary.LittleEndian.AppendUint32(nil, localMark), e.common()...)
	return append(b, e.name...)
}

func (e entry) central() []byte {
	b := binary.LittleEndian.AppendUint32(nil, centralMark)
	b = binary.LittleEndian.AppendUint16(b, zipVersion)
	b = append(b, e.common()...)
	b = append(b, make([]byte, 10)...) // comment, disk, attributes
	b = binary.LittleEndian.AppendUint32(b, uint32(e.header))
	return append(b, e.name...)
}

// directory is what follows the entries, which end at a byte.
func directory(entries []entry, at int64) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, e.central()...)
	}
	size := len(b)
	b = binary.LittleEndian.AppendUint32(b, archiveEnd)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, uint32(at))
	return append(b, 0, 0) // comment
}

// archiver writes an archive, entry by entry in order.
type archiver struct {
	out     Output
	at      int64
	entries []entry
}

// add writes one entry by what write gives out, and returns it as the index lists it.
func (a *archiver) add(name string, write func(io.Writer) error) (File, error) {
	if n := len(a.entries); !entryName.MatchString(name) || len(name) > maxEntryName || n > 0 && a.entries[n-1].name >= name || n == maxEntries {
		return File{}, slipway.Errorf(slipway.CodeInternal, "the bundle cannot have an entry %q here", name)
	}
	e := entry{name: name, header: a.at}
	if _, err := a.out.Write(e.local()); err != nil {
		return File{}, unwritable(err)
	}
	c, h := crc32.NewIEEE(), sha256.New()
	buffer := bufio.NewWriterSize(io.MultiWriter(a.out, c, h), 64<<10)
	counted := &counter{w: buffer, left: maxArchive - e.body()}
	if err := write(counted); err != nil {
		return File{}, err
	}
	if err := buffer.Flush(); err != nil {
		return File{}, unwritable(err)
	}
	e.size, e.crc = counted.n, c.Sum32()
	if _, err := a.out.WriteAt(e.local(), e.header); err != nil {
		return File{}, unwritable(err)
	}
	a.at, a.entries = e.end(), append(a.entries, e)
	return File{Path: name, Size: e.size, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// close writes what follows the entries.
func (a *archiver) close() error {
	_, err := a.out.Write(directory(a.entries, a.at))
	return unwritable(err)
}

func unwritable(err error) error {
	if err == nil || errors.As(err, new(*slipway.Error)) {
		return err
	}
	return slipway.Errorf(slipway.CodeStore, "the bundle cannot be written: %v", err).WithHint("name another file with -o")
}

// counter counts what passes, and refuses more than is left.
type counter struct {
	w       io.Writer
	n, left int64
}

func (c *counter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		return 0, slipway.Errorf(slipway.CodeLimit, "a bundle is at most %d bytes", int64(maxArchive))
	}
	n, err := c.w.Write(p)
	c.n, c.left = c.n+int64(n), c.left-int64(n)
	return n, unwritable(err)
}

// archive is one that was read.
type archive struct {
	version int // of the format, as the first entry tells it
	r       io.ReaderAt
	entries []entry
	byName  map[string]entry
}

// openArchive reads the headers of an archive. A byte that archiver would not have written is a Fault; what is no bundle at all is Unusable.
func openArchive(r io.ReaderAt, size int64) (*archive, error) {
	a := &archive{r: r, byName: map[string]entry{}}
	var err error
	if a.version, err = readVersion(r, size); err != nil {
		return nil, err
	}
	at := int64(0)
	for {
		e, more, err := readLocal(r, at, size)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if n := len(a.entries); n > 0 && a.entries[n-1].name >= e.name {
			return nil, fault(fmt.Sprintf("byte %d", at), "the entry %s is not in order", e.name)
		}
		a.entries, a.byName[e.name] = append(a.entries, e), e
		at = e.end()
	}
	want := directory(a.entries, at)
	have := make([]byte, min(int64(len(want)), size-at))
	if _, err := r.ReadAt(have, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(err)
	}
	if i := firstDifference(want, have); i >= 0 {
		return nil, fault(fmt.Sprintf("byte %d", at+int64(i)), "the archive's directory is not that of its entries")
	}
	if end := at + int64(len(want)); end != size {
		return nil, fault(fmt.Sprintf("byte %d", end), "%d bytes follow the archive", size-end)
	}
	return a, nil
}

func unreadable(err error) error {
	return &Unusable{Message: fmt.Sprintf("the file cannot be read: %v", err)}
}

// magicLine is the first entry's content in any version.
var magicLine = regexp.MustCompile(`^` + magicText + `([1-9][0-9]{0,5})\n`)

// readVersion tells a bundle from other files, and returns its version. What it relies on stays in all versions: a bundle begins with 30 bytes that
// begin as a zip file does, the name BUNDLE, and the line with the version.
func readVersion(r io.ReaderAt, size int64) (int, error) {
	const at = localSize + len(nameMagic)
	have := make([]byte, min(size, int64(at+len(magicText)+7)))
	if _, err := r.ReadAt(have, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, unreadable(err)
	}
	no := &Unusable{Message: "this is no audit bundle"}
	if len(have) < at || binary.LittleEndian.Uint32(have) != localMark || string(have[localSize:at]) != nameMagic {
		return 0, no
	}
	found := magicLine.FindSubmatch(have[at:])
	if found == nil {
		return 0, no
	}
	version, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return 0, no
	}
	if version > Version {
		return 0, &Unusable{
			Message: fmt.Sprintf("this audit bundle was made by a newer format (v%d), and this program knows up to v%d", version, Version), Newer: version,
		}
	}
	text := magic(version)
	want := append(entry{name: nameMagic, size: int64(len(text)), crc: crc32.ChecksumIEEE([]byte(text))}.local(), text...)
	if i := firstDifference(want, have); i >= 0 {
		return 0, fault(fmt.Sprintf("byte %d", i), "the header of an entry is not as it is written")
	}
	return version, nil
}

// readLocal reads the entry that begins at a byte. more is false where the entries end.
func readLocal(r io.ReaderAt, at, size int64) (e entry, more bool, err error) {
	place := fmt.Sprintf("byte %d", at)
	head := make([]byte, localSize)
	if n, err := r.ReadAt(head, at); n < 4 || err != nil && !errors.Is(err, io.EOF) {
		return e, false, cut(place, err)
	}
	if binary.LittleEndian.Uint32(head) == centralMark {
		return e, false, nil
	}
	e = entry{header: at, crc: binary.LittleEndian.Uint32(head[14:]), size: int64(binary.LittleEndian.Uint32(head[18:]))}
	name := make([]byte, binary.LittleEndian.Uint16(head[26:]))
	if len(name) > maxEntryName {
		return e, false, fault(place, "this is no header of an entry")
	}
	if _, err := r.ReadAt(name, at+localSize); err != nil {
		return e, false, cut(place, err)
	}
	e.name = string(name)
	if i := firstDifference(e.local(), slices.Concat(head, name)); i >= 0 {
		return e, false, fault(fmt.Sprintf("byte %d", at+int64(i)), "the header of an entry is not as it is written")
	}
	switch {
	case !entryName.MatchString(e.name):
		return e, false, fault(place, "an entry has the name %q", e.name)
	case e.end() > size:
		return e, false, fault(place, "%s is cut off: the file ends at byte %d", e.name, size)
	}
	return e, true, nil
}

func cut(place string, err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return unreadable(err)
	}
	return fault(place, "the file ends here")
}

// firstDifference is the first byte in which have is not want, -1 for none.
func firstDifference(want, have []byte) int {
	for i := range want {
		if i >= len(have) || want[i] != have[i] {
			return i
		}
	}
	return -1
}

// open returns the content of an entry.
func (a *archive) open(e entry) *io.SectionReader { return io.NewSectionReader(a.r, e.body(), e.size) }

// maxDocument bounds what is read into memory at once: any entry but events and transcripts.
const maxDocument = 64 << 20

// read returns the content of an entry that is one document.
func (a *archive) read(name string) ([]byte, error) {
	e, ok := a.byName[name]
	if !ok {
		return nil, fault(name, "it is missing")
	}
	if e.size > maxDocument {
		return nil, fault(name, "it is %d bytes long, more than any document", e.size)
	}
	data := make([]byte, e.size)
	if _, err := io.ReadFull(a.open(e), data); err != nil {
		return nil, unreadable(err)
	}
	return data, nil
}
