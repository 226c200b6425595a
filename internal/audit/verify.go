package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/slipway-dev/slipway/internal/attest"
)

// Verifier reads bundles. It uses the file and the keys alone: no network, no database, no clock.
type Verifier struct {
	// Trusted are the public keys that may have signed a bundle, and what people assert in it.
	Trusted []attest.Key
	// Approvers are the public keys that are known to be people's: what they have signed is witnessed, and not only asserted.
	Approvers []attest.Key
	// Gaps tells, by the id of one of the Approvers, when it was not trusted, though it had been before: what it has signed then is asserted alone.
	Gaps map[string][]Gap
	// Holders are the names that the Approvers are trusted under, by the ids of their keys: a record may call them otherwise.
	Holders map[string]string
}

// Gap is a time in which a key that had been trusted was not. The zero Until: it is not yet again.
type Gap struct{ From, Until time.Time }

func (g Gap) holds(at time.Time) bool {
	return !at.Before(g.From) && (g.Until.IsZero() || at.Before(g.Until))
}

// String is when, in words that follow "trusted here".
func (g Gap) String() string {
	if g.Until.IsZero() {
		return "until " + timestamp(g.From)
	}
	return "until " + timestamp(g.From) + ", and again from " + timestamp(g.Until)
}

// reading is a bundle that is being verified: what of it is decoded, and what was found to be right.
type reading struct {
	*archive
	trusted    []attest.Key
	approvers  []attest.Key
	gaps       map[string][]Gap
	holders    map[string]string
	index      Index
	envelope   Envelope
	signer     string
	statements []signed
	log        eventLog
	report     *Report
	facts
}

// signed is a statement whose signature is a trusted key's.
type signed struct {
	path string
	attest.Statement
}

// Verify checks every byte of a bundle, every hash and signature, and that what it holds agrees with itself. The error is a *Fault for what is
// not right, with its place, and *Unusable for a file that is no bundle. The report of a Fault tells what had been checked before.
func (v Verifier) Verify(ctx context.Context, r io.ReaderAt, size int64) (*Report, error) {
	report := &Report{}
	a, err := openArchive(r, size)
	if err != nil {
		return report, err
	}
	b := &reading{archive: a, trusted: strong(v.Trusted), approvers: strong(v.Approvers), gaps: v.Gaps, holders: v.Holders, report: report}
	for _, c := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"the archive's layout", func(context.Context) error { return nil }},
		{"the index", b.readIndex},
		{"the signature over it", b.checkSignature},
		{"the hashes of all entries", b.checkFiles},
		{"the statements' signatures", b.checkStatements},
		{"the chain of events", b.checkEvents},
		{"run, plans and their digests", b.checkPlans},
		{"the list of the source's files", b.checkSource},
		{"approvals, and that each change had one", b.checkApprovals},
		{"the policies that they were asked under", b.checkPolicies},
		{"steps, their intents, outcomes and receipts", b.checkSteps},
		{"what people did by hand", b.checkByHand},
		{"that the statements say what the records say", b.checkClaims},
	} {
		if err := c.do(ctx); err != nil {
			return report, err
		}
		report.Checked = append(report.Checked, c.what)
	}
	b.summarize()
	return report, nil
}

// strong are the keys that prove something: nothing is believed that anybody can sign.
func strong(keys []attest.Key) []attest.Key {
	return slices.DeleteFunc(slices.Clone(keys), attest.Key.Weak)
}

// exactly decodes a document of the core, of which the version knows every member. Documents of version 1 may have others.
func (b *reading) exactly(place string, data []byte, v any) error {
	if b.version < sinceExact {
		return decode(place, data, v)
	}
	return exact(place, data, v)
}

// exact decodes a document and refuses any bytes but those that v is written as.
func exact(place string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fault(place, "it is not the document that belongs here")
	}
	again, err := canonical(v)
	if err != nil || !bytes.Equal(again, data) {
		return fault(place, "it is not written as this version of the format is")
	}
	return nil
}

// decode decodes a document that is canonical JSON, of which v may be a part.
func decode(place string, data []byte, v any) error {
	again, err := jcs.Transform(data)
	if err != nil || !bytes.Equal(again, data) {
		return fault(place, "it is not canonical JSON")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fault(place, "it is not the document that belongs here")
	}
	return nil
}

func (b *reading) readIndex(context.Context) error {
	data, err := b.read(nameIndex)
	if err != nil {
		return err
	}
	if err := exact(nameIndex, data, &b.index); err != nil {
		return err
	}
	i := b.index
	switch {
	case i.Format != FormatName || i.Version != b.version:
		return fault(nameIndex, "format %q, version %d, in an archive of version %d", i.Format, i.Version, b.version)
	case i.Events.Run != i.Run:
		return fault(nameIndex+" events", "they are of run %q", i.Events.Run)
	}
	listed := []string{nameMagic, nameIndex, nameSignature}
	for n, f := range i.Files {
		if !strings.HasPrefix(f.Path, "core/") || n > 0 && i.Files[n-1].Path >= f.Path {
			return fault(nameIndex+" files", "%q is not in its place", f.Path)
		}
		if b.version >= sinceExact && !isEntry(f.Path) {
			return fault(f.Path, "version %d of the format has no such entry", b.version)
		}
		listed = append(listed, f.Path)
	}
	for n, s := range i.Statements {
		if s.Path != fmt.Sprintf(nameStatement, n+1) {
			return fault(nameIndex+" statements", "%q is not in its place", s.Path)
		}
		listed = append(listed, s.Path)
	}
	slices.Sort(listed)
	for _, e := range b.entries {
		if _, found := slices.BinarySearch(listed, e.name); !found {
			return fault(e.name, "the index does not list it")
		}
	}
	for _, name := range listed {
		if _, ok := b.byName[name]; !ok {
			return fault(name, "it is missing")
		}
	}
	return nil
}

// isEntry reports whether a version that is known whole has an entry of this name below core. What stands in a folder is judged with what names it.
func isEntry(name string) bool {
	switch path.Dir(name) {
	case path.Dir(namePlan), path.Dir(nameRunbook), path.Dir(namePolicy), path.Dir(nameTranscript):
		return true
	}
	return slices.Contains([]string{nameApprovals, nameEvents, nameManifest, nameReceipts, nameRun, nameSource, nameSpec, nameSteps}, name)
}

// opened is an envelope as it is written here: one signature, and nothing that could be written in another way.
type opened struct {
	Type       string `json:"payloadType"`
	Payload    string `json:"payload"`
	Signatures []struct {
		ID  string `json:"keyid"`
		Sig string `json:"sig"`
	} `json:"signatures"`
}

// open returns the statement and payload of a signed entry, and who has signed it.
func (b *reading) open(ctx context.Context, name string) (s attest.Statement, payload []byte, by string, err error) {
	data, err := b.read(name)
	if err != nil {
		return s, nil, "", err
	}
	var e opened
	if err := json.Unmarshal(data, &e); err != nil || len(e.Signatures) != 1 {
		return s, nil, "", fault(name, "it is no envelope with one signature")
	}
	again, err := json.Marshal(e)
	payload, errPayload := decodeBase64(e.Payload)
	_, errSig := decodeBase64(e.Signatures[0].Sig)
	if err = errors.Join(err, errPayload, errSig); err != nil || !bytes.Equal(again, data) {
		return s, nil, "", fault(name, "the envelope is not written as it is")
	}
	s, keys, err := attest.Open(ctx, data, b.trusted...)
	switch {
	case err != nil && !slices.ContainsFunc(b.trusted, func(k attest.Key) bool { return k.ID() == e.Signatures[0].ID }):
		f := fault(name, "it is signed by the key %s, which is not trusted here", e.Signatures[0].ID)
		f.Signer = e.Signatures[0].ID
		return s, nil, "", f
	case err != nil || !slices.Contains(keys, e.Signatures[0].ID):
		return s, nil, "", fault(name, "the signature by the key %s is not of this content", e.Signatures[0].ID)
	}
	if written, err := attest.Payload(s.PredicateType, s.Predicate, s.Subject...); err != nil || !bytes.Equal(written, payload) {
		return s, nil, "", fault(name, "the statement is not written as it is")
	}
	return s, payload, e.Signatures[0].ID, nil
}

// decodeBase64 takes what is written in one way: the decoder alone passes over line ends, and over bits behind the last byte.
func decodeBase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(data) != text {
		err = errors.New("it is not base64 as it is written")
	}
	return data, err
}

// subjectIs says that a statement is about one thing, by its SHA-256 in hex.
func subjectIs(place string, s attest.Statement, name, sha256 string) error {
	if len(s.Subject) != 1 || s.Subject[0].Name != name || len(s.Subject[0].Digest) != 1 || s.Subject[0].Digest["sha256"] != sha256 {
		return fault(place+" subject", "it is not about %s as it is here", name)
	}
	return nil
}

func (b *reading) checkSignature(ctx context.Context) error {
	s, _, by, err := b.open(ctx, nameSignature)
	if err != nil {
		return err
	}
	index, err := b.read(nameIndex)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(index)
	if err := subjectIs(nameSignature, s, nameIndex, hex.EncodeToString(sum[:])); err != nil {
		return err
	}
	if s.PredicateType != attest.Bundle {
		return fault(nameSignature, "it states %q", s.PredicateType)
	}
	if err := exact(nameSignature+" predicate", s.Predicate, &b.envelope); err != nil {
		return err
	}
	e := b.envelope
	if e.Run != b.index.Run || e.Core != "sha256:"+hex.EncodeToString(sum[:]) || e.Checkpoint != b.index.Events || e.Complete != b.index.Complete {
		return fault(nameSignature+" predicate", "it is about another bundle")
	}
	if k, err := attest.PublicKey(e.Key); err != nil || k.ID() != by {
		return fault(nameSignature+" key", "it is not the signer's")
	}
	b.signer = by
	return nil
}

// checkFiles reads every entry once, in parts.
func (b *reading) checkFiles(ctx context.Context) error {
	want := map[string]File{}
	for _, f := range b.index.Files {
		want[f.Path] = f
	}
	buffer := make([]byte, 256<<10)
	for _, e := range b.entries {
		h, c := sha256.New(), crc32.NewIEEE()
		for r := b.archive.open(e); ; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := r.Read(buffer)
			h.Write(buffer[:n])
			c.Write(buffer[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return unreadable(err)
			}
		}
		f, listed := want[e.name]
		switch {
		case c.Sum32() != e.crc:
			return fault(e.name, "its checksum in the archive is wrong")
		case listed && (f.Size != e.size || f.SHA256 != hex.EncodeToString(h.Sum(nil))):
			return fault(e.name, "it is not what was signed: its size or SHA-256 differs")
		}
	}
	return nil
}

func (b *reading) checkStatements(ctx context.Context) error {
	for _, p := range b.index.Statements {
		s, payload, by, err := b.open(ctx, p.Path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(payload)
		switch {
		case hex.EncodeToString(sum[:]) != p.SHA256:
			return fault(p.Path, "it is not the statement that the index lists")
		case s.PredicateType != p.Type:
			return fault(p.Path, "it states %q", s.PredicateType)
		case by != b.signer:
			return fault(p.Path, "it is signed by %s, not by %s as the bundle is", by, b.signer)
		case len(s.Subject) != 1:
			return fault(p.Path+" subject", "it is about %d things", len(s.Subject))
		}
		b.statements = append(b.statements, signed{p.Path, s})
	}
	return nil
}

// maxLine bounds a line of the events, in bytes.
const maxLine = 32 << 20

// checkEvents follows the chain, and hands each event to the log.
func (b *reading) checkEvents(ctx context.Context) error {
	e, ok := b.byName[nameEvents]
	if !ok {
		return fault(nameEvents, "it is missing")
	}
	head := sha256.Sum256([]byte(b.index.Run))
	lines := bufio.NewReaderSize(b.archive.open(e), 256<<10)
	seq := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		seq++
		place := fmt.Sprintf("%s line %d", nameEvents, seq)
		if err != nil {
			return fault(place, "the line does not end")
		}
		event, hash, found := splitLine(line)
		if !found {
			return fault(place, "it is no event with its hash")
		}
		h := sha256.New()
		h.Write(head[:])
		h.Write(event)
		h.Sum(head[:0])
		if hex.EncodeToString(head[:]) != string(hash) {
			return fault(place, "the chain breaks: the hash is not of this event after the one before it")
		}
		if err := b.takeEvent(place, seq, event); err != nil {
			return err
		}
	}
	if c := b.index.Events; c.Seq != seq || c.Head != hex.EncodeToString(head[:]) {
		return fault(nameEvents, "the chain ends at event %d, and not at the checkpoint, event %d", seq, c.Seq)
	}
	return nil
}

// readLine returns the next line without its end; what is longer than maxLine does not end.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) && len(long) < maxLine {
		line, err = r.ReadSlice('\n')
		long = append(long, line...)
	}
	return bytes.TrimSuffix(long, []byte("\n")), err
}

// splitLine takes a line of the events apart: what stands in it is fixed but for the event and the hash.
func splitLine(line []byte) (event, hash []byte, ok bool) {
	const before, between, after = `{"event":`, `,"hash":"`, `"}`
	at := len(line) - len(after) - 2*sha256.Size
	if at < len(before)+len(between) || !bytes.HasPrefix(line, []byte(before)) || !bytes.HasSuffix(line, []byte(after)) {
		return nil, nil, false
	}
	if !bytes.Equal(line[at-len(between):at], []byte(between)) {
		return nil, nil, false
	}
	return line[len(before) : at-len(between)], line[at : len(line)-len(after)], true
}

// numbered returns the entries of a folder that are numbered from 1, in order.
func (b *reading) numbered(pattern string) (names []string) {
	for n := 1; ; n++ {
		name := fmt.Sprintf(pattern, n)
		if _, ok := b.byName[name]; !ok {
			break
		}
		names = append(names, name)
	}
	return names
}

// below returns the entries of a folder.
func (b *reading) below(folder string) (names []string) {
	for _, e := range b.entries {
		if path.Dir(e.name) == folder {
			names = append(names, e.name)
		}
	}
	return names
}
