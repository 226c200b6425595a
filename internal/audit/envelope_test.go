package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// order is that of the group, L: https://www.rfc-editor.org/rfc/rfc8032#section-5.1
var order, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// malleable is another signature of the same content: S + n·L.
func malleable(t *testing.T, signature []byte, n int64) []byte {
	t.Helper()
	little := slices.Clone(signature[32:])
	slices.Reverse(little)
	s := new(big.Int).SetBytes(little)
	s.Add(s, new(big.Int).Mul(order, big.NewInt(n)))
	if s.BitLen() > 256 {
		t.Fatalf("S + %d L does not fit", n)
	}
	big := s.FillBytes(make([]byte, 32))
	slices.Reverse(big)
	return append(slices.Clone(signature[:32]), big...)
}

// envelopeTricks are other ways to write an envelope that some reader takes for the same one.
func envelopeTricks(t *testing.T, data []byte) map[string][]byte {
	var e opened
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	payload, sig := e.Payload, e.Signatures[0].Sig
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	write := func(payload string, signature []byte) []byte {
		return bytes.Replace(bytes.Replace(data, []byte(sig), []byte(base64.StdEncoding.EncodeToString(signature)), 1), []byte(e.Payload), []byte(payload), 1)
	}
	in := func(from, to string) []byte { return bytes.Replace(data, []byte(from), []byte(to), 1) }
	encode := func(p []byte) string { return base64.StdEncoding.EncodeToString(p) }
	// loose has bits set behind the end that a decoder drops.
	loose := func(b64 string) string {
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		at := len(strings.TrimRight(b64, "=")) - 1
		return b64[:at] + string(digits[strings.IndexByte(digits, b64[at])|1]) + b64[at+1:]
	}
	id := e.Signatures[0].ID
	all := map[string][]byte{
		"payload in base64url": write(base64.URLEncoding.EncodeToString(text), raw), "payload without padding": write(strings.TrimRight(payload, "="), raw),
		"payload with more padding": write(payload+"=", raw), "a line end in the payload": write(payload[:76]+`\n`+payload[76:], raw), "a space in the payload": write(payload[:8]+" "+payload[8:], raw),
		"payload with a line end": write(encode(append(slices.Clone(text), '\n')), raw), "payload with a space": write(encode(append([]byte(" "), text...)), raw), "no payload": write("", raw), "half a payload": write(payload[:len(payload)/8*4], raw),
		"signature in base64url": in(sig, base64.RawURLEncoding.EncodeToString(raw)+"=="), "signature without padding": in(sig, strings.TrimRight(sig, "=")), "loose bits of the signature": in(sig, loose(sig)),
		"a line end in the signature": in(sig, sig[:10]+`\r\n`+sig[10:]), "no signature": in(sig, ""), "short signature": write(payload, raw[:63]), "long signature": write(payload, append(slices.Clone(raw), 0)),
		"signature of nothing": write(payload, make([]byte, 64)), "neutral signature": write(payload, append([]byte{1}, make([]byte, 63)...)), "S + L": write(payload, malleable(t, raw, 1)), "S + 7 L": write(payload, malleable(t, raw, 7)),
		"S high": write(payload, append(slices.Clone(raw[:63]), raw[63]|0xe0)), "R negated": write(payload, append(append(slices.Clone(raw[:31]), raw[31]^0x80), raw[32:]...)),
		"no key id": in(id, ""), "another key id": in(id, strings.Repeat("0", 16)), "key id in upper case": in(id, strings.ToUpper(id)), "no member keyid": in(`"keyid":"`+id+`",`, ""),
		"another payload type": in("vnd.in-toto+json", "json"), "payload type in upper case": in("vnd.in-toto+json", "vnd.in-toto+JSON"),
		"a member more": in(`{"payloadType"`, `{"a":1,"payloadType"`), "payload twice": in(`"signatures"`, `"payload":"","signatures"`), "payload twice, the good one last": in(`{"payloadType"`, `{"payload":"e30=","payloadType"`),
		"a member of the signature more": in(`{"keyid"`, `{"cert":"x","keyid"`), "members in another order": in(`{"payloadType":"application/vnd.in-toto+json",`, `{`), "a member's case": in(`"payload":`, `"Payload":`),
		"a space after it": append(slices.Clone(data), ' '), "a line end after it": append(slices.Clone(data), '\n'), "a byte order mark": append([]byte("\ufeff"), data...), "two envelopes": slices.Concat(data, data),
		"an escape": in(`"payloadType"`, `"p\u0061yloadType"`), "an escape in the id": in(id, `\u00`+hex.EncodeToString([]byte(id[:1]))+id[1:]), "two signatures": in(`"signatures":[`, `"signatures":[{"keyid":"","sig":""},`), "the same signature twice": in(`]}`, `,`+string(data[bytes.Index(data, []byte(`{"keyid"`)):len(data)-2])+`]}`),
		"no signatures": in(string(data[bytes.Index(data, []byte(`{"keyid"`)):len(data)-2]), ""), "null": []byte("null"), "an array": []byte("[" + string(data) + "]"), "empty": {}, "no JSON": []byte("{"),
	}
	if strings.HasSuffix(payload, "=") {
		all["loose bits of the payload"] = write(loose(payload), raw)
	}
	return all
}

// TestEnvelopeMatrix: an envelope is written in one way, and verifies under one signature. Nothing but the signature's own bytes stands between a
// forger and the envelope: the index does not list who has signed.
func TestEnvelopeMatrix(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 0))
	k, n := key(t, testKey), 0
	for _, entry := range []string{nameSignature, "statements/0001.json", "statements/0006.json", "statements/0012.json"} {
		c := takeApart(t, whole)
		before := c.of[entry]
		for name, data := range envelopeTricks(t, before) {
			if bytes.Equal(data, before) {
				continue // these bytes are the same in both ways
			}
			c.of[entry] = data
			if _, err := verify(t, c.assemble(), k); place(err) != entry {
				t.Errorf("%s: %s: %v", entry, name, err)
			}
			n++
		}
		c.of[entry] = before
	}
	t.Logf("%d ways to write an envelope, all refused in their place", n)
}

// documentTricks are other ways to write a document that mean the same, or nothing that we know.
func documentTricks(data []byte) map[string][]byte {
	in := func(from, to string) []byte { return bytes.Replace(data, []byte(from), []byte(to), 1) }
	first := data[1 : bytes.IndexByte(data[2:], '"')+3] // the first member's name
	return map[string][]byte{
		"a line end": append(slices.Clone(data), '\n'), "a space": append(slices.Clone(data), ' '), "a space inside": in(":", ": "), "a tab": in(",", ",\t"), "a byte order mark": append([]byte("\ufeff"), data...),
		"a zero byte": append(slices.Clone(data), 0), "members twice": in("{", "{"+string(first)+":null,"), "an unknown member": in("{", `{"!":1,`), "an unknown member at the end": append(slices.Clone(data[:len(data)-1]), `,"~":1}`...),
		"an escape in a name": in(string(first), `"\u00`+hex.EncodeToString(first[1:2])+string(first[2:])), "a name in upper case": in(string(first), strings.ToUpper(string(first))), "a comment": append(slices.Clone(data), "/* */"...), "two documents": slices.Concat(data, data),
		"cut": data[:len(data)-1], "null": []byte("null"), "empty": {}, "an array": []byte("[" + string(data) + "]"),
		"not UTF-8": in(`"`, "\"\xff"), "a lone surrogate": in(`:"`, `:"\ud800`), "a number with an exponent": in(":1,", ":1e0,"), "a number with a point": in(":1,", ":1.0,"), "negative zero": in(":0,", ":-0,"),
		"decomposed": in("é", "e\u0301"), "a direction mark": in(`:"`, ":\"\u202e"),
	}
}

// TestDocumentMatrix rewrites each document behind the signature, as only whoever has the key can: there is one way to write each. What says
// something else than the records around it is found by them; the few texts that nothing else tells of stay: whoever has the key vouches for them.
func TestDocumentMatrix(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), slipway.RunSucceeded, &story{people: true}))
	k := key(t, testKey)
	refused, vouched := 0, []string{}
	for _, entry := range takeApart(t, whole).names {
		if !strings.HasPrefix(entry, "core/") || !strings.HasSuffix(entry, ".json") {
			continue
		}
		c := takeApart(t, whole)
		before := c.of[entry]
		data := before
		if data[0] == '[' { // its first element
			data = data[1:]
		}
		for name, changed := range documentTricks(data) {
			if bytes.Equal(changed, data) {
				continue
			}
			c.of[entry] = append(slices.Clone(before[:len(before)-len(data)]), changed...)
			c.reindex(t, k, nil)
			_, err := verify(t, c.assemble(), k)
			switch {
			case err == nil:
				vouched = append(vouched, entry+": "+name)
			case place(err) == "" || strings.Contains(err.Error(), "internal"):
				t.Errorf("%s: %s: %v", entry, name, err)
			default:
				refused++
			}
		}
	}
	slices.Sort(vouched)
	if got := strings.Join(vouched, "\n"); got != vouchedFor {
		t.Errorf("what the key alone vouches for:\n%s\nwant:\n%s", got, vouchedFor)
	}
	t.Logf("%d ways to write a document, refused; %d texts that the signer vouches for", refused, len(vouched))
}

// vouchedFor are texts that nothing else in a bundle tells of: what speaks against a credential, and what a runbook tells a person.
const vouchedFor = `core/plans/0001.json: a direction mark
core/plans/0002.json: a direction mark`

// TestMixed puts parts of genuine bundles together, all signed by one key: of the same run at another time, and of other runs.
func TestMixed(t *testing.T) {
	k := key(t, testKey)
	now, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 2))
	earlier, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunWaitingApproval, 0))
	longer, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 3))
	other, err := os.ReadFile(filepath.Join("testdata", "v2", "approved.zip"))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for name, data := range map[string][]byte{"earlier": earlier, "longer": longer, "another run": other} {
		from := takeApart(t, data)
		for _, entry := range takeApart(t, now).names {
			if from.of[entry] == nil || entry == nameMagic {
				continue
			}
			c := takeApart(t, now)
			if bytes.Equal(c.of[entry], from.of[entry]) {
				continue
			}
			c.of[entry] = from.of[entry]
			if _, err := verify(t, c.assemble(), k); place(err) == "" || err == nil {
				t.Errorf("%s of %s: %v", entry, name, err)
			}
			refused++
		}
		// The index and its signature of one, the rest of the other: a checkpoint of a shorter or a longer log.
		c := takeApart(t, now)
		c.of[nameIndex], c.of[nameSignature] = from.of[nameIndex], from.of[nameSignature]
		if _, err := verify(t, c.assemble(), k); err == nil {
			t.Errorf("the index of %s is believed", name)
		}
		// The checkpoint's statement of another log, signed by the same key, in its place and listed.
		last := func(c contents) string { return c.names[len(c.names)-1] }
		c = takeApart(t, now)
		c.of[last(c)] = from.of[last(from)]
		c.reindex(t, k, nil)
		if _, err := verify(t, c.assemble(), k); err == nil {
			t.Errorf("the checkpoint of %s is believed", name)
		}
		refused += 2
	}
	t.Logf("%d mixtures of genuine bundles, all refused", refused)
}

// TestForks: without the key no event can be changed, dropped, doubled or put elsewhere, with or without the chain made right again.
func TestForks(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunWaitingApproval, 0))
	k, n := key(t, testKey), 0
	lines := bytes.Count(takeApart(t, whole).of[nameEvents], []byte("\n"))
	for name, change := range map[string]func(l [][]byte, i int) [][]byte{
		"dropped": func(l [][]byte, i int) [][]byte { return slices.Delete(l, i, i+1) },
		"doubled": func(l [][]byte, i int) [][]byte { return slices.Insert(l, i, l[i]) },
		"swapped": func(l [][]byte, i int) [][]byte { j := (i + 1) % len(l); l[i], l[j] = l[j], l[i]; return l },
		"cut":     func(l [][]byte, i int) [][]byte { return l[:i] },
		"edited": func(l [][]byte, i int) [][]byte {
			l[i] = bytes.Replace(l[i], []byte("2026"), []byte("2025"), 1)
			return l
		},
		"CRLF": func(l [][]byte, i int) [][]byte {
			l[i] = append(bytes.TrimSuffix(l[i], []byte("\n")), "\r\n"...)
			return l
		},
		"spaced": func(l [][]byte, i int) [][]byte { l[i] = append([]byte(" "), l[i]...); return l },
	} {
		for i := range lines {
			for _, signed := range []bool{false, true} {
				c := takeApart(t, whole)
				c.lines(func(l [][]byte) [][]byte { return change(l, i) })
				if name != "CRLF" && name != "spaced" {
					c.rechain(t)
				}
				if signed { // whoever has the key, and lists the file anew; the checkpoint stays that of the true log
					c.reindex(t, k, nil)
				}
				if _, err := verify(t, c.assemble(), k); err == nil || !strings.Contains(place(err), nameEvents) {
					t.Errorf("event %d %s, listed anew %v: %v", i+1, name, signed, err)
				}
				n++
			}
		}
	}
	t.Logf("%d forks of the chain, all refused", n)
}

// TestWeakKey: under a key of small order anybody can sign a whole bundle. It is trusted by nobody, whatever they say.
func TestWeakKey(t *testing.T) {
	whole, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunWaitingApproval, 0))
	for _, text := range []string{"01" + strings.Repeat("00", 31), "ec" + strings.Repeat("ff", 30) + "7f", strings.Repeat("00", 32), "01" + strings.Repeat("00", 30) + "80"} {
		weak, err := attest.PublicKey(text)
		if err != nil {
			t.Fatal(err)
		}
		c := takeApart(t, whole)
		forged := 0
		for i := 0; forged < 1+len(c.of) && i < 4096; i++ { // the order divides the hash of one in at most eight
			c.reindex(t, key(t, testKey), func(_ *Index, e *Envelope) { e.Key, e.Tool.Revision = weak.String(), fmt.Sprint(i) })
			c.edit(t, nameSignature, key(t, testKey).ID(), weak.ID())
			var e opened
			if err := json.Unmarshal(c.of[nameSignature], &e); err != nil {
				t.Fatal(err)
			}
			c.edit(t, nameSignature, e.Signatures[0].Sig, base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 63)...)))
			if _, _, err := attest.Open(t.Context(), c.of[nameSignature], weak); err == nil {
				forged = 1 + len(c.of)
			}
		}
		if forged == 0 {
			t.Fatalf("no signature could be forged under %s", text)
		}
		if _, err := verify(t, c.assemble(), weak); place(err) != nameSignature {
			t.Errorf("a bundle that nobody has signed is believed under %s: %v", text, err)
		}
	}
}
