package audit

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/attest"
)

// contents are the entries of a bundle, as a forger takes them apart.
type contents struct {
	names []string
	of    map[string][]byte
}

func takeApart(t testing.TB, data []byte) contents {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := contents{of: map[string][]byte{}}
	for _, f := range r.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		c.names, c.of[f.Name] = append(c.names, f.Name), all
	}
	return c
}

// assemble writes an archive of the entries, in their order, as archiver would, but with any names.
func (c contents) assemble() []byte {
	var out []byte
	var entries []entry
	for _, name := range c.names {
		e := entry{name: name, header: int64(len(out)), size: int64(len(c.of[name])), crc: crc32.ChecksumIEEE(c.of[name])}
		out = append(append(out, e.local()...), c.of[name]...)
		entries = append(entries, e)
	}
	return append(out, directory(entries, int64(len(out)))...)
}

// reindex makes the index right again for what the entries are now, and signs it. Only whoever has the key can.
func (c contents) reindex(t testing.TB, k attest.Key, change func(*Index, *Envelope)) {
	t.Helper()
	var i Index
	if err := json.Unmarshal(c.of[nameIndex], &i); err != nil {
		t.Fatal(err)
	}
	i.Files, i.Statements = []File{}, []Payload{}
	for _, name := range c.names {
		data := c.of[name]
		hash := strings.TrimPrefix(digest(data), "sha256:")
		switch {
		case strings.HasPrefix(name, "core/"):
			i.Files = append(i.Files, File{name, int64(len(data)), hash})
		case strings.HasPrefix(name, "statements/"):
			s, payload := c.statement(t, name)
			i.Statements = append(i.Statements, Payload{name, s.PredicateType, strings.TrimPrefix(digest(payload), "sha256:")})
		}
	}
	e := Envelope{Run: i.Run, Checkpoint: i.Events, Complete: i.Complete, Tool: tool, Key: k.String()}
	if change != nil {
		change(&i, &e)
	}
	e.Checkpoint = i.Events
	index, err := canonical(i)
	if err != nil {
		t.Fatal(err)
	}
	c.of[nameIndex], e.Core = index, digest(index)
	c.of[nameSignature] = sign(t, k, attest.Bundle, e, attest.About(nameIndex, digest(index)))
}

func (c contents) statement(t testing.TB, name string) (s attest.Statement, payload []byte) {
	t.Helper()
	var e struct{ Payload []byte }
	if err := errors.Join(json.Unmarshal(c.of[name], &e), json.Unmarshal(e.Payload, &s)); err != nil && len(e.Payload) == 0 {
		t.Fatal(err)
	}
	if err := json.Unmarshal(e.Payload, &s); err != nil {
		t.Fatal(err)
	}
	return s, e.Payload
}

func sign(t testing.TB, k attest.Key, kind string, predicate any, about ...attest.Subject) []byte {
	t.Helper()
	raw, err := canonical(predicate)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := k.Sign(t.Context(), kind, json.RawMessage(raw), about...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// restate changes the predicate of the nth statement of a type, and signs it anew.
func (c contents) restate(t testing.TB, k attest.Key, kind string, change func(map[string]any)) {
	t.Helper()
	for _, name := range c.names {
		if !strings.HasPrefix(name, "statements/") {
			continue
		}
		s, _ := c.statement(t, name)
		if s.PredicateType != kind {
			continue
		}
		var p map[string]any
		if err := json.Unmarshal(s.Predicate, &p); err != nil {
			t.Fatal(err)
		}
		change(p)
		c.of[name] = sign(t, k, kind, p, s.Subject...)
		return
	}
	t.Fatalf("no statement %s", kind)
}

// edit replaces text in an entry, once.
func (c contents) edit(t testing.TB, name, from, to string) {
	t.Helper()
	if !bytes.Contains(c.of[name], []byte(from)) {
		t.Fatalf("%s does not hold %q", name, from)
	}
	c.of[name] = bytes.Replace(c.of[name], []byte(from), []byte(to), 1)
}

// name is that of the first entry with a prefix.
func (c contents) name(prefix string) string {
	return c.names[slices.IndexFunc(c.names, func(n string) bool { return strings.HasPrefix(n, prefix) })]
}

func (c *contents) drop(name string) {
	c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
}

func (c *contents) add(name string, data string) {
	c.names = append(c.names, name)
	slices.Sort(c.names)
	c.of[name] = []byte(data)
}

// rechain makes the chain right again after events were changed, from a line on.
func (c contents) rechain(t testing.TB) (head string, seq int64) {
	t.Helper()
	sum := []byte(strings.TrimPrefix(digest([]byte(runID)), "sha256:"))
	var out bytes.Buffer
	for line := range bytes.Lines(c.of[nameEvents]) {
		event := line[len(`{"event":`):bytes.LastIndex(line, []byte(`,"hash":`))]
		raw := fmt.Appendf(nil, "%s", unhex(t, sum))
		sum = []byte(strings.TrimPrefix(digest(append(raw, event...)), "sha256:"))
		fmt.Fprintf(&out, "{\"event\":%s,\"hash\":\"%s\"}\n", event, sum)
		seq++
	}
	c.of[nameEvents] = out.Bytes()
	return string(sum), seq
}

func unhex(t testing.TB, text []byte) []byte {
	t.Helper()
	var out []byte
	if _, err := fmt.Sscanf(string(text), "%x", &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// lines changes the lines of the events.
func (c contents) lines(change func([][]byte) [][]byte) {
	c.of[nameEvents] = bytes.Join(change(slices.Collect(bytes.Lines(c.of[nameEvents]))), nil)
}

func swap(c *contents, a, b string) { c.of[a], c.of[b] = c.of[b], c.of[a] }

// intentFirst puts the first intent before everything but the first two events, and numbers all anew.
func intentFirst(l [][]byte) [][]byte {
	i := slices.IndexFunc(l, func(line []byte) bool { return bytes.Contains(line, []byte(`"type":"step.intended"`)) })
	gate := slices.IndexFunc(l, func(line []byte) bool { return bytes.Contains(line, []byte(`"type":"gate.decided"`)) })
	intent := l[i]
	l = slices.Insert(slices.Delete(l, i, i+1), gate, intent)
	for n := range l {
		at := bytes.Index(l[n], []byte(`,"seq":`))
		end := at + 1 + bytes.IndexByte(l[n][at+1:], ',')
		l[n] = slices.Concat(l[n][:at], fmt.Appendf(nil, `,"seq":%d`, n+1), l[n][end:])
	}
	return l
}
