package attest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func key(t *testing.T, digit string) Key {
	t.Helper()
	k, err := NewKey(slipway.NewSecret(strings.Repeat(digit, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type predicate struct {
	Note string `json:"note"`
}

func sign(t *testing.T, k Key) []byte {
	t.Helper()
	raw, err := k.Sign(t.Context(), ManualStep, predicate{"made it"}, About("step", "sha256:"+strings.Repeat("ab", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSignedStatementOpens(t *testing.T) {
	k := key(t, "1")
	raw := sign(t, k)
	if again := sign(t, k); string(again) != string(raw) {
		t.Error("the same statement gives other bytes")
	}
	public, err := PublicKey(k.String())
	if err != nil {
		t.Fatal(err)
	}
	got, by, err := Open(t.Context(), raw, key(t, "2"), public)
	if err != nil {
		t.Fatal(err)
	}
	want := Statement{
		Type: StatementType, PredicateType: ManualStep, Predicate: json.RawMessage(`{"note":"made it"}`),
		Subject: []Subject{{Name: "step", Digest: map[string]string{"sha256": strings.Repeat("ab", 32)}}},
	}
	if d := cmp.Diff(want, got); d != "" || len(by) != 1 || by[0] != k.ID() {
		t.Errorf("by %v (-want +got):\n%s", by, d)
	}
}

func TestAnythingElseIsRefused(t *testing.T) {
	k := key(t, "1")
	edit := func(f func(m map[string]any)) []byte {
		var m map[string]any
		if err := json.Unmarshal(sign(t, k), &m); err != nil {
			t.Fatal(err)
		}
		f(m)
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	payload := func(m map[string]any, from, to string) {
		raw, err := base64.StdEncoding.DecodeString(m["payload"].(string))
		if err != nil {
			t.Fatal(err)
		}
		m["payload"] = base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(raw), from, to, 1)))
	}
	for name, tc := range map[string]struct {
		envelope []byte
		trusted  []Key
		reason   string
	}{
		"nobody trusted": {sign(t, k), nil, "a verifier without keys trusts nobody"},
		"another key":    {sign(t, k), []Key{key(t, "2")}, "the signer is not trusted"},
		"payload":        {edit(func(m map[string]any) { payload(m, "made it", "made up") }), []Key{k}, "the note was changed"},
		"subject":        {edit(func(m map[string]any) { payload(m, "abab", "baba") }), []Key{k}, "the subject was changed"},
		"type":           {edit(func(m map[string]any) { m["payloadType"] = "text/plain" }), []Key{k}, "the type is signed as well"},
		"no signature":   {edit(func(m map[string]any) { m["signatures"] = []any{} }), []Key{k}, "nobody has signed"},
		"no JSON":        {[]byte("{"), []Key{k}, "it is no envelope"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := Open(t.Context(), tc.envelope, tc.trusted...); slipway.ErrorCode(err) != slipway.CodeInvalid {
				t.Errorf("%s: got %v", tc.reason, err)
			}
		})
	}
}

// The vector is RFC 8032's first test key: https://www.rfc-editor.org/rfc/rfc8032#section-7.1
func TestKeyVector(t *testing.T) {
	k, err := NewKey(slipway.NewSecret("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
	if err != nil || k.String() != "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" {
		t.Errorf("got %s, %v", k, err)
	}
	for name, seed := range map[string]string{"short": "00", "no hex": strings.Repeat("z", 64), "empty": ""} {
		if _, err := NewKey(slipway.NewSecret(seed)); slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWeak: what nobody has made verifies under each of the points of small order, however they are written, and under no other key.
func TestWeak(t *testing.T) {
	forgeable := func(public []byte) bool {
		forged := make([]byte, ed25519.SignatureSize)
		forged[0] = 1 // R is the neutral point, S is 0: it verifies where the order divides the hash
		for i := range 256 {
			if ed25519.Verify(public, []byte{byte(i)}, forged) {
				return true
			}
		}
		return false
	}
	check := func(public []byte, want bool) {
		t.Helper()
		k, err := PublicKey(hex.EncodeToString(public))
		if err != nil {
			t.Fatal(err)
		}
		if k.Weak() != want || forgeable(public) != want {
			t.Errorf("%x is weak: %v; signatures can be forged: %v", public, k.Weak(), forgeable(public))
		}
	}
	for _, text := range smallOrder {
		public, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		check(public, true)
		public[31] |= 0x80 // of order 1 and 2 this is another way to write the same point
		check(public, true)
	}
	for i := range 5 {
		check(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32)).Public().(ed25519.PublicKey), false)
	}
}

// The key's id is what sha256sum prints for the bytes of RFC 8032's first public key.
func TestPublicKey(t *testing.T) {
	const text, id = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "21fe31dfa154a261"
	for _, s := range []string{text, PublicMark + text, " " + text + "\n", strings.ToUpper(text)} {
		if k, err := PublicKey(s); err != nil || k.ID() != id || k.String() != text {
			t.Errorf("%q: %s, %v", s, k.ID(), err)
		}
	}
	for _, s := range []string{"", "00", text[2:], text + "00", "z" + text[1:], PublicMark} {
		if k, err := PublicKey(s); slipway.ErrorCode(err) != slipway.CodeInvalid || k.String() != "" {
			t.Errorf("%q is taken for a key: %v", s, err)
		}
	}
	if !(Key{}).Weak() {
		t.Error("no key is a strong one")
	}
}

// Whoever holds a key may sign anything; only a statement in an envelope of its type is taken for one, with or without a look at the signature.
func TestOnlyStatements(t *testing.T) {
	k := key(t, "1")
	statement := `{"_type":"` + StatementType + `","subject":[],"predicateType":"x","predicate":{}}`
	envelope := func(kind, payload string) []byte {
		raw, err := json.Marshal(map[string]any{"payloadType": kind, "payload": payload, "signatures": []any{}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	encoded := base64.StdEncoding.EncodeToString
	for name, tc := range map[string]struct {
		envelope []byte
		ok       bool
	}{
		"a statement":     {envelope(PayloadType, encoded([]byte(statement))), true},
		"another type":    {envelope("text/plain", encoded([]byte(statement))), false},
		"no base64":       {envelope(PayloadType, "{}"), false},
		"no JSON":         {envelope(PayloadType, encoded([]byte("{"))), false},
		"another version": {envelope(PayloadType, encoded([]byte(strings.Replace(statement, "/v1", "/v9", 1)))), false},
		"no envelope":     {[]byte("["), false},
		"nothing":         {nil, false},
	} {
		if s, err := Peek(tc.envelope); tc.ok && (err != nil || s.PredicateType != "x") || !tc.ok && slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, payload := range []string{"{}", "{", strings.Replace(statement, "/v1", "/v9", 1)} {
		signed, err := k.SignPayload(t.Context(), []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(t.Context(), signed, k); slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%s: %v", payload, err)
		}
	}
	if raw, err := Payload("x", map[string]string{"a": "<&>"}); err != nil || !bytes.Contains(raw, []byte(`"<&>"`)) {
		t.Errorf("what is signed is not as others write it: %s, %v", raw, err)
	}
}
