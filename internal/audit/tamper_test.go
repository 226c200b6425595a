package audit

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// judged says how a bundle was refused: with a place, as unusable, or not at all.
func judged(t testing.TB, data []byte, trusted ...attest.Key) string {
	t.Helper()
	_, err := verify(t, data, trusted...)
	switch {
	case err == nil:
		return "valid"
	case errors.As(err, new(*Unusable)):
		return "unusable"
	case errors.As(err, new(*Fault)) && place(err) != "":
		return "invalid"
	}
	return "an error that is neither: " + err.Error()
}

// TestEveryByte changes each byte of a bundle in two ways with SLIPWAY_LONG, else some. None is let pass.
func TestEveryByte(t *testing.T) {
	data, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 1))
	k := key(t, testKey)
	counts := map[string]int{}
	step := 31
	if os.Getenv("SLIPWAY_LONG") != "" {
		step = 1
	}
	for i := 0; i < len(data); i += step {
		for _, bit := range []byte{0x01, 0x80} {
			data[i] ^= bit
			how := judged(t, data, k)
			if how != "invalid" && (how != "unusable" || i > 60) {
				t.Errorf("byte %d ^ %#x: %s", i, bit, how)
			}
			counts[how]++
			data[i] ^= bit
		}
	}
	for at := range data { // truncated
		if at%(13*step) == 0 {
			if how := judged(t, data[:at], k); how == "valid" {
				t.Errorf("cut at byte %d: %s", at, how)
			} else {
				counts["cut: "+how]++
			}
		}
	}
	t.Logf("%d bytes; refused: %v", len(data), counts)
	if judged(t, data, k) != "valid" {
		t.Error("as it was written it is not valid")
	}
}

// TestForgery is done by somebody who can write archives, and in the second half by somebody who has the key as well, and lies.
func TestForgery(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 2))
	k, other := key(t, testKey), key(t, strings.Repeat("2", 64))
	relabel := func(c contents) {
		head, seq := c.rechain(t)
		c.reindex(t, k, func(i *Index, _ *Envelope) { i.Events = Checkpoint{runID, seq, head} })
	}
	sum := 0
	for name, tc := range map[string]struct {
		reason string
		place  string // part of where it is found
		forge  func(c *contents)
	}{
		"file dropped":        {"an entry is missing", "core/source.json: it is missing", func(c *contents) { c.drop(nameSource) }},
		"statement dropped":   {"a statement is missing", "statements/0003.json: it is missing", func(c *contents) { c.drop("statements/0003.json") }},
		"file added":          {"something that the index does not list", "core/zzz.json: the index does not list it", func(c *contents) { c.add("core/zzz.json", "{}") }},
		"statement added":     {"a copy of a statement", "statements/0999.json: the index", func(c *contents) { c.add("statements/0999.json", string(c.of["statements/0001.json"])) }},
		"statements swapped":  {"each is signed, and they are not in their places", "statements/0001.json: it is not the statement", func(c *contents) { swap(c, "statements/0001.json", "statements/0002.json") }},
		"files swapped":       {"a plan in another's place", "core/plans/0001.json: it is not what was signed", func(c *contents) { swap(c, "core/plans/0001.json", "core/plans/0002.json") }},
		"no signature":        {"the index alone", "signature.json: it is missing", func(c *contents) { c.drop(nameSignature) }},
		"signature elsewhere": {"a statement in the signature's place", "signature.json", func(c *contents) { c.of[nameSignature] = c.of["statements/0001.json"] }},
		"key swapped":         {"signed anew by somebody else", "not trusted here", func(c *contents) { c.reindex(t, other, nil) }},
		"key claimed": {"the trusted key's id over another's signature", "signature.json: the signature by the key", func(c *contents) {
			c.reindex(t, other, nil)
			c.edit(t, nameSignature, other.ID(), k.ID())
		}},
		"statement by another": {"a statement signed by somebody else", "statements/0001.json: it is signed by the key", func(c *contents) {
			s, _ := c.statement(t, "statements/0001.json")
			c.of["statements/0001.json"] = sign(t, other, s.PredicateType, s.Predicate, s.Subject...)
		}},
		"two signatures": {"another one beside it", "signature.json: it is no envelope with one signature", func(c *contents) { c.edit(t, nameSignature, `"signatures":[`, `"signatures":[{"keyid":"","sig":""},`) }},
		"spaces":         {"the same JSON, written in another way", "signature.json: the envelope is not written", func(c *contents) { c.edit(t, nameSignature, `{"`, `{ "`) }},
		"index edited":   {"another file list", "signature.json subject", func(c *contents) { c.edit(t, nameIndex, `"app":"shop"`, `"app":"shoq"`) }},
		"event edited":   {"one event says something else", "core/events.jsonl: it is not what was signed", func(c *contents) { c.edit(t, nameEvents, `"by":"ada"`, `"by":"bob"`) }},
		"event dropped":  {"from the middle", "core/events.jsonl", func(c *contents) { c.lines(func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) }) }},
		"tail cut":       {"the last events", "core/events.jsonl", func(c *contents) { c.lines(func(l [][]byte) [][]byte { return l[:len(l)-2] }) }},
		"out of order":   {"entries in another order", "is not in order", func(c *contents) { c.names[2], c.names[3] = c.names[3], c.names[2] }},
		"twice":          {"the same name twice", "is not in order", func(c *contents) { c.names = slices.Insert(c.names, 3, c.names[2]) }},
		"path out":       {"a name that leads out", "has the name", func(c *contents) { c.add("core/../../x", "x") }},
		"absolute":       {"an absolute name", "no audit bundle", func(c *contents) { c.add("/x", "x"); slices.Sort(c.names) }},
		"folder":         {"a folder", "has the name", func(c *contents) { c.add("core/x/", "") }},
		"newer":          {"another version of the format", "newer format (v3)", func(c *contents) { c.of[nameMagic] = []byte("slipway audit bundle 3\n") }},
		"bundle of none": {"nothing but the first entry", "index.json: it is missing", func(c *contents) { c.names = c.names[:1] }},
		"nothing":        {"an archive without entries", "no audit bundle", func(c *contents) { c.names = nil }},
		"signed: cut": {"the tail, the chain mended, and the old checkpoint", "the chain ends at event", func(c *contents) {
			c.lines(func(l [][]byte) [][]byte { return l[:len(l)-2] })
			c.rechain(t)
			c.reindex(t, k, nil)
		}},
		"signed: fork": {"the chain goes on from another event", "line 6: the chain breaks", func(c *contents) {
			c.edit(t, nameEvents, `"os-user"`, `"nothing"`)
			c.lines(func(l [][]byte) [][]byte {
				l[5] = bytes.Replace(l[5], []byte(`"at":"2026`), []byte(`"at":"2027`), 1)
				return l
			})
			c.reindex(t, k, nil)
		}},
		"signed: renumber": {"an event is left out, all else mended", "core/events.jsonl line 6: it is event 7", func(c *contents) {
			c.lines(func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) })
			relabel(*c)
		}},
		"signed: status": {"a run that succeeded is told as failed", "core/run.json status", func(c *contents) {
			c.edit(t, nameRun, `"status":"succeeded"`, `"status":"rejected"`)
			c.reindex(t, k, func(i *Index, _ *Envelope) { i.Status = "rejected" })
		}},
		"signed: no plan": {"a plan is left out", "core/plans", func(c *contents) { c.drop("core/plans/0001.json"); c.reindex(t, k, nil) }},
		"signed: plan": {"another effect than was approved", "core/plans/0002.json: its digest is", func(c *contents) {
			c.edit(t, "core/plans/0002.json", `"name":"the-shop"`, `"name":"another"`)
			c.reindex(t, k, nil)
		}},
		"signed: prose": {"what is shown of an effect is not what a digest binds", "statements", func(c *contents) {
			c.restate(t, k, attest.Provision, func(p map[string]any) { p["op"] = "adopt" })
			c.reindex(t, k, nil)
		}},
		"signed: source":    {"another list of files", "core/source.json: its digest", func(c *contents) { c.edit(t, nameSource, `"size":17`, `"size":18`); c.reindex(t, k, nil) }},
		"signed: no source": {"the list is left out", "core/source.json: it is missing", func(c *contents) { c.drop(nameSource); c.reindex(t, k, nil) }},
		"signed: subject": {"another thing was approved than was shown", "core/approvals.json 3 subject", func(c *contents) {
			c.edit(t, nameApprovals, `"deployment":"dpl_1"`, `"deployment":"dpl_2"`)
			c.reindex(t, k, nil)
		}},
		"signed: approver": {"another person has approved", "core/approvals.json 2: no event tells", func(c *contents) { c.edit(t, nameApprovals, `"name":"ada"`, `"name":"bob"`); c.reindex(t, k, nil) }},
		"signed: agent":    {"an agent has approved", "core/approvals.json 2 by", func(c *contents) { c.edit(t, nameApprovals, `"kind":"user"`, `"kind":"agent"`); c.reindex(t, k, nil) }},
		"signed: late": {"approved after it had ended", "core/approvals.json 2 expires_at", func(c *contents) {
			c.edit(t, nameApprovals, `"expires_at":"2026-11-23`, `"expires_at":"2026-11-21`)
			c.reindex(t, k, nil)
		}},
		"signed: unapproved": {"the decision is told as a rejection: what came after it had no approval", "core/approvals.json 2: no event tells", func(c *contents) { c.edit(t, nameEvents, `"state":"approved"`, `"state":"rejected"`); relabel(*c) }},
		"signed: before":     {"an intent before its approval", "nobody had approved", func(c *contents) { c.lines(intentFirst); relabel(*c) }},
		"signed: outcome":    {"a step that is told as done is pending", "core/steps.json", func(c *contents) { c.edit(t, nameSteps, `"state":"done"`, `"state":"pending"`); c.reindex(t, k, nil) }},
		"signed: attempts":   {"an attempt that no event tells of", "attempt", func(c *contents) { c.edit(t, nameSteps, `"attempt":1`, `"attempt":2`); c.reindex(t, k, nil) }},
		"signed: receipt":    {"another id than the step has made", "core/receipts.json", func(c *contents) { c.edit(t, nameReceipts, `"id":"dpl_1"`, `"id":"dpl_9"`); c.reindex(t, k, nil) }},
		"signed: word": {"a note that the person has not signed", "core/steps.json 1 evidence statement", func(c *contents) {
			c.edit(t, nameSteps, `"note":"made on the page`, `"note":"made in the shop`)
			c.reindex(t, k, nil)
		}},
		"signed: observed": {"a person's word is told as observed", "core/steps.json 1 evidence", func(c *contents) {
			c.edit(t, nameSteps, `"finding":"asserted"`, `"finding":"done"`)
			c.reindex(t, k, nil)
		}},
		"signed: runbook": {"of another plan", "core/runbooks/0002.json plan", func(c *contents) {
			c.edit(t, "core/runbooks/0002.json", `"plan":"sha256:`, `"plan":"sha256:0`)
			c.reindex(t, k, nil)
		}},
		"signed: no runbook": {"what people were told is left out", "core/runbooks/0001.json: it is missing", func(c *contents) { c.drop("core/runbooks/0001.json"); c.reindex(t, k, nil) }},
		"signed: runbook's step": {"of another resource than the plan leaves to a person", "core/runbooks/0002.json steps", func(c *contents) {
			c.edit(t, "core/runbooks/0002.json", `"key":"neon.project/db`, `"key":"neon.project/da`)
			c.reindex(t, k, nil)
		}},
		"signed: a runbook more": {"of a revision that there is not", "core/runbooks/0003.json: there is no plan", func(c *contents) {
			c.add("core/runbooks/0003.json", string(c.of["core/runbooks/0002.json"]))
			c.reindex(t, k, nil)
		}},
		"signed: entry": {"one that the version does not have", "core/extra.json: version 2 of the format has no such entry", func(c *contents) { c.add("core/extra.json", "{}"); c.reindex(t, k, nil) }},
		"signed: requester": {"another asked: a policy may keep them from approving", "core/run.json requester", func(c *contents) {
			c.edit(t, nameRun, `"requester":{"kind":"user","name":"ada"}`, `"requester":{"kind":"user","name":"eve"}`)
			c.reindex(t, k, nil)
		}},
		"signed: statement": {"it says something else than the records", "predicate by", func(c *contents) {
			c.restate(t, k, attest.Approval, func(p map[string]any) { p["by"] = map[string]any{"kind": "user", "name": "eve"} })
			c.reindex(t, k, nil)
		}},
		"signed: more": {"it says more than the records", "predicate extra", func(c *contents) {
			c.restate(t, k, attest.Promotion, func(p map[string]any) { p["extra"] = true })
			c.reindex(t, k, nil)
		}},
		"signed: passed": {"a test result that was not", "predicate result", func(c *contents) {
			c.restate(t, k, attest.TestResult, func(p map[string]any) { p["result"] = "WARNED" })
			c.reindex(t, k, nil)
		}},
		"signed: origin": {"another source than was shipped", "predicate buildDefinition", func(c *contents) {
			c.restate(t, k, attest.Provenance, func(p map[string]any) { p["buildDefinition"] = map[string]any{} })
			c.reindex(t, k, nil)
		}},
		"signed: checkpoint": {"another head", "predicate seq", func(c *contents) {
			c.restate(t, k, attest.Checkpoint, func(p map[string]any) { p["seq"] = 1 })
			c.reindex(t, k, nil)
		}},
		"signed: transcript": {"another output than the step names", "basis transcript", func(c *contents) {
			c.edit(t, c.name("core/transcripts/"), "ok", "KO")
			c.reindex(t, k, nil)
		}},
		"signed: member": {"a member that the version does not have", "core/run.json: it is not written as this version", func(c *contents) { c.edit(t, nameRun, `"id":`, `"future":1,"id":`); c.reindex(t, k, nil) }},
		"signed: member of an event": {"the same in an event", "core/events.jsonl line 1: it is not written as this version", func(c *contents) {
			c.edit(t, nameEvents, `"data":{`, `"aaa":1,"data":{`)
			relabel(*c)
		}},
		"signed: name's case":        {"a decoder that does not look at the case would take it", "core/run.json: it is not", func(c *contents) { c.edit(t, nameRun, `"app":`, `"APP":`); c.reindex(t, k, nil) }},
		"signed: no transcript":      {"it is left out", "basis transcript", func(c *contents) { c.drop(c.name("core/transcripts/")); c.reindex(t, k, nil) }},
		"signed: another transcript": {"of no step", "no step names it", func(c *contents) { c.add("core/transcripts/x.txt", "x"); c.reindex(t, k, nil) }},
		"signed: one less":           {"the last statement is left out", "is missing", func(c *contents) { c.drop(c.names[len(c.names)-1]); c.reindex(t, k, nil) }},
		"signed: another run":        {"the events of another run", "index.json events", func(c *contents) { c.reindex(t, k, func(i *Index, _ *Envelope) { i.Run = "run_2" }) }},
		"signed: key":                {"the key that is shown is not the signer's", "signature.json key", func(c *contents) { c.reindex(t, k, func(_ *Index, e *Envelope) { e.Key = other.String() }) }},
		"signed: not JSON":           {"a document that is none", "core/steps.json: it is not the document", func(c *contents) { c.of[nameSteps] = []byte("["); c.reindex(t, k, nil) }},
		"signed: keys twice":         {"the same member twice", "core/run.json: it is not written as this version", func(c *contents) { c.edit(t, nameRun, `{"app":`, `{"app":"x","app":`); c.reindex(t, k, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := takeApart(t, whole)
			tc.forge(&c)
			_, err := verify(t, c.assemble(), k)
			if err == nil || !strings.Contains(err.Error(), tc.place) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
		sum++
	}
	t.Logf("%d forgeries; found are all but those that fail above", sum)
	c := takeApart(t, whole)
	c.reindex(t, k, nil)
	if again := c.assemble(); !bytes.Equal(again, whole) {
		t.Error("the forger's tools do not give the same bytes for the same bundle")
	}
}

// TestZipTricks changes what stands round the entries, as tools that read archives in different ways would take it.
func TestZipTricks(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	k := key(t, testKey)
	rewrite := func(f func(*zip.Writer, string, []byte)) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		c := takeApart(t, whole)
		for _, name := range c.names {
			f(w, name, c.of[name])
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	write := func(w *zip.Writer, h *zip.FileHeader, data []byte) {
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	end := len(whole) - endSize
	for name, data := range map[string][]byte{
		"compressed": rewrite(func(w *zip.Writer, name string, data []byte) {
			write(w, &zip.FileHeader{Name: name, Method: zip.Deflate}, data)
		}),
		"descriptors":  rewrite(func(w *zip.Writer, name string, data []byte) { write(w, &zip.FileHeader{Name: name}, data) }),
		"a prefix":     append([]byte("#!/bin/sh\n"), whole...),
		"a suffix":     append(slices.Clone(whole), 0),
		"a comment":    append(slices.Concat(whole[:len(whole)-2], []byte{2, 0}), "ok"...),
		"two ends":     slices.Concat(whole, whole[end:]),
		"two archives": slices.Concat(whole, whole),
		"gap":          slices.Concat(whole[:end], []byte{0}, whole[end:]),
		"fewer listed": func() []byte { d := slices.Clone(whole); d[end+8]--; d[end+10]--; return d }(),
	} {
		if how := judged(t, data, k); how == "valid" {
			t.Errorf("%s: %s", name, how)
		}
	}
}
