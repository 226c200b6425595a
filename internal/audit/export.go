package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// Exporter writes bundles. The same run gives the same bytes with the same Key and Tool, wherever it is; the core is the same with any.
type Exporter struct {
	Key  attest.Key
	Tool Tool
	// Guard reports whether bytes hold a secret: then nothing is written but what came before. nil lets everything pass.
	Guard func([]byte) bool
	// Runbook returns the manual steps of a plan, from what is recorded of its run alone. nil: bundles have none.
	Runbook func(run slipway.Run, plan *slipway.Plan, receipts map[slipway.Address]slipway.Receipt) (slipway.Runbook, error)
}

// Summary tells what was exported.
type Summary struct {
	Run        string `json:"run"`
	Status     string `json:"status"` // of the run
	Complete   bool   `json:"complete"`
	Core       string `json:"core"` // sha256:… of index.json: equal for all exports of the run
	Bytes      int64  `json:"bytes"`
	Entries    int    `json:"entries"`
	Events     int64  `json:"events"`
	Statements int    `json:"statements"`
	Key        string `json:"key"` // public, in hex
	KeyID      string `json:"key_id"`
}

// part is one entry that is about to be written.
type part struct {
	name  string
	write func(io.Writer) error
}

// export is one under way.
type export struct {
	Exporter
	tx    slipway.Tx
	parts []part
	files []File
	record
	checkpoint Checkpoint
}

// record is what is known of a run.
type record struct {
	run       slipway.Run
	plans     []*slipway.Plan // by revision, from 1
	steps     []slipway.Step  // by revision and key
	approvals []slipway.Approval
	receipts  map[slipway.Address]slipway.Receipt // of this run's own steps
	left      []Remark
}

// Export writes the bundle of a run, finished or not, as it is at one moment. CodeNotFound: there is no such run. CodeSecretLeak: something of it
// holds a secret.
func (x Exporter) Export(ctx context.Context, store slipway.Store, run string, out Output) (s Summary, err error) {
	err = store.Read(ctx, func(tx slipway.Tx) error {
		e := &export{Exporter: x, tx: tx}
		if err := e.load(run); err != nil {
			return err
		}
		s, err = e.writeAll(ctx, out)
		return err
	})
	return s, err
}

// writeAll writes the archive.
func (e *export) writeAll(ctx context.Context, out Output) (s Summary, err error) {
	if err := e.collect(); err != nil {
		return s, err
	}
	a := &archiver{out: out}
	if _, err := a.add(nameMagic, func(w io.Writer) error { _, err := io.WriteString(w, magic(Version)); return err }); err != nil {
		return s, err
	}
	for _, p := range e.parts {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		f, err := a.add(p.name, p.write)
		if err != nil {
			return s, err
		}
		e.files = append(e.files, f)
	}
	index, payloads, err := e.index()
	if err != nil {
		return s, err
	}
	if err := e.seal(ctx, a, index, payloads); err != nil {
		return s, err
	}
	return Summary{
		Run: e.run.ID, Status: string(e.run.Status), Complete: e.run.Status.Final(), Core: digest(index), Bytes: a.at + int64(len(directory(a.entries, a.at))),
		Entries: len(a.entries), Events: e.checkpoint.Seq, Statements: len(payloads), Key: e.Key.String(), KeyID: e.Key.ID(),
	}, nil
}

// add makes an entry of v, as canonical JSON.
func (e *export) add(name string, v any) error {
	raw, err := canonical(v)
	if err != nil {
		return err
	}
	if err := e.guarded(name, raw); err != nil {
		return err
	}
	e.parts = append(e.parts, part{name, func(w io.Writer) error { _, err := w.Write(raw); return err }})
	return nil
}

func (e *export) guarded(name string, data []byte) error {
	if e.Guard != nil && e.Guard(data) {
		return slipway.Errorf(slipway.CodeSecretLeak, "refused to write a secret into the bundle: %s holds one", name).
			WithHint("this is a defect in slipway: no bundle was written; please report the name of the entry")
	}
	return nil
}

// guardLong looks at what is long in parts, each with the end of the one before.
func (e *export) guardLong(name string, data []byte) error {
	for at := 0; at < len(data); at += window {
		if err := e.guarded(name, data[max(0, at-tail):min(len(data), at+window)]); err != nil {
			return err
		}
	}
	return nil
}

// How much is looked at for secrets at once, in bytes, and how much of what came before together with it.
const (
	window   = 1 << 20
	tail     = 64 << 10
	lineTail = 1 << 10 // for lines of output
)

// writeEvents writes the chain: h(0) = SHA-256 of the run's id, h(n) = SHA-256 of h(n-1) and the event.
func (e *export) writeEvents(w io.Writer) error {
	head := sha256.Sum256([]byte(e.run.ID))
	ends := map[string][]byte{} // of each step's output
	buffer := make([]byte, 0, 1024)
	for after := int64(0); ; {
		events, err := e.tx.Events(e.run.ID, after)
		if err != nil {
			return err
		}
		for _, event := range events {
			event.At = event.At.UTC()
			line, err := canonical(event)
			if err != nil {
				return err
			}
			if err := e.guardEvent(event, line, ends); err != nil {
				return err
			}
			h := sha256.New()
			h.Write(head[:])
			h.Write(line)
			h.Sum(head[:0])
			buffer = append(buffer[:0], `{"event":`...)
			buffer = append(buffer, line...)
			buffer = append(buffer, `,"hash":"`...)
			buffer = hex.AppendEncode(buffer, head[:])
			buffer = append(buffer, "\"}\n"...)
			if _, err := w.Write(buffer); err != nil {
				return err
			}
			after = event.Seq
		}
		if len(events) == 0 {
			e.checkpoint = Checkpoint{Run: e.run.ID, Seq: after, Head: hex.EncodeToString(head[:])}
			return nil
		}
	}
}

// guardEvent looks at an event, and at a line of output together with the lines before it.
func (e *export) guardEvent(event slipway.Event, line []byte, ends map[string][]byte) error {
	if err := e.guarded(nameEvents, line); err != nil || event.Type != slipway.EventLog || e.Guard == nil {
		return err
	}
	text, _ := event.Data["text"].(string)
	joined := append(ends[event.Step], text...)
	ends[event.Step] = bytes.Clone(joined[max(0, len(joined)-lineTail):])
	return e.guarded(nameEvents, joined)
}

// index makes the index, and the statements that it lists, which are signed after it.
func (e *export) index() (index []byte, payloads [][]byte, err error) {
	i := Index{
		Format: FormatName, Version: Version, Run: e.run.ID, App: e.run.App, Environment: e.run.Environment, Status: string(e.run.Status),
		Complete: e.run.Status.Final(), Files: e.files, Statements: []Payload{}, Events: e.checkpoint, Left: e.left,
	}
	for n, s := range e.statements() {
		predicate, err := canonical(s.predicate)
		if err != nil {
			return nil, nil, err
		}
		payload, err := attest.Payload(s.about, json.RawMessage(predicate), s.subject...)
		if err != nil {
			return nil, nil, err
		}
		path := fmt.Sprintf(nameStatement, n+1)
		if err := e.guarded(path, payload); err != nil {
			return nil, nil, err
		}
		sum := sha256.Sum256(payload)
		i.Statements = append(i.Statements, Payload{Path: path, Type: s.about, SHA256: hex.EncodeToString(sum[:])})
		payloads = append(payloads, payload)
	}
	index, err = canonical(i)
	return index, payloads, err
}

// seal writes the index, the signature over it, and the statements.
func (e *export) seal(ctx context.Context, a *archiver, index []byte, payloads [][]byte) error {
	put := func(name string, data []byte) error {
		_, err := a.add(name, func(w io.Writer) error { _, err := w.Write(data); return err })
		return err
	}
	if err := put(nameIndex, index); err != nil {
		return err
	}
	envelope := Envelope{
		Run: e.run.ID, Core: digest(index), Checkpoint: e.checkpoint, Complete: e.run.Status.Final(), Tool: e.Tool, Key: e.Key.String(),
	}
	predicate, err := canonical(envelope)
	if err != nil {
		return err
	}
	signed, err := e.Key.Sign(ctx, attest.Bundle, json.RawMessage(predicate), attest.About(nameIndex, digest(index)))
	if err != nil {
		return err
	}
	if err := put(nameSignature, signed); err != nil {
		return err
	}
	for n, payload := range payloads {
		signed, err := e.Key.SignPayload(ctx, payload)
		if err != nil {
			return err
		}
		if err := put(fmt.Sprintf(nameStatement, n+1), signed); err != nil {
			return err
		}
	}
	return a.close()
}
