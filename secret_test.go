package slipway_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

const canary = "canary-5up3r-53cr3t"

// shows reports whether text holds the canary in any form that fmt can give it.
func shows(text string) bool {
	bytesOf := fmt.Sprint([]byte(canary))
	for _, form := range []string{canary, canary[:8], hex.EncodeToString([]byte(canary)), strings.Trim(bytesOf, "[]"), fmt.Sprintf("% x", canary), fmt.Sprintf("%# x", canary)} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

type inField struct{ Secret slipway.Secret }

type inHidden struct{ secret slipway.Secret }

type inPointer struct{ Secret *slipway.Secret }

type embedded struct{ slipway.Secret }

// holders are the ways in which a secret can be part of something that is printed.
func holders(t *testing.T) map[string]any {
	s := slipway.NewSecret(canary)
	key, err := slipway.NewFingerprintKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"bare": s, "pointer": &s, "field": inField{s}, "hidden field": inHidden{s}, "pointer to hidden field": &inHidden{s}, "pointer field": inPointer{&s},
		"embedded": embedded{s}, "slice": []slipway.Secret{s}, "array": [1]slipway.Secret{s}, "map value": map[string]slipway.Secret{"k": s},
		"map key": map[slipway.Secret]string{s: "v"}, "map of structs": map[string]inField{"k": {s}}, "any": []any{s, &s},
		"spec":        slipway.Spec{Values: map[string]slipway.Secret{"value": s}},
		"error":       fmt.Errorf("it failed: %w", &slipway.Error{Message: fmt.Sprint(s), Hint: fmt.Sprintf("%s", s), Cause: fmt.Errorf("%v %q", s, s)}),
		"key":         key,
		"key pointer": &key, "key in a struct": struct{ Key slipway.FingerprintKey }{key}, "key in a map": map[string]slipway.FingerprintKey{"k": key},
		"hidden key": struct{ key slipway.FingerprintKey }{key},
	}
}

func TestSecretNeverShows(t *testing.T) {
	for name, v := range holders(t) {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%#q", "%x", "%X", "% x", "%# x", "%d", "%t", "%c", "%U", "%p", "%e", "%o", "%b", "%10.3s", "%-40v|", "%z"} {
				if text := fmt.Sprintf(verb, v); shows(text) {
					t.Errorf("%s shows it: %s", verb, text)
				}
			}
			for how, text := range encodings(v) {
				if shows(text) {
					t.Errorf("%s shows it: %s", how, text)
				}
			}
		})
	}
}

// encodings are what else turns a value to text; one that refuses a value gives its error's text.
func encodings(v any) map[string]string {
	out := map[string]string{"print": fmt.Sprint(v), "println": fmt.Sprintln(v)}
	try := func(how string, f func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			fmt.Fprint(&b, err)
		}
		out[how] = b.String()
	}
	try("json", func(b *bytes.Buffer) error { return json.NewEncoder(b).Encode(v) })
	try("xml", func(b *bytes.Buffer) error { return xml.NewEncoder(b).Encode(v) })
	try("gob", func(b *bytes.Buffer) error { return gob.NewEncoder(b).Encode(v) })
	try("template", func(b *bytes.Buffer) error {
		return template.Must(template.New("").Parse(`{{.}} {{printf "%q" .}} {{print .}}`)).Execute(b, v)
	})
	try("slog text", func(b *bytes.Buffer) error { slog.New(slog.NewTextHandler(b, nil)).Info("m", "v", v); return nil })
	try("slog json", func(b *bytes.Buffer) error {
		slog.New(slog.NewJSONHandler(b, nil)).With("with", v).WithGroup("g").Info("m", slog.Any("v", v), slog.Group("h", "v", v))
		return nil
	})
	return out
}

// The test above would be worth nothing if shows did not see.
func TestShowsSees(t *testing.T) {
	for _, verb := range []string{"%v", "%q", "%x", "%X", "% x", "%# x", "%10.8s"} {
		if !shows(fmt.Sprintf(verb, canary)) {
			t.Errorf("%s of the bare value is not seen", verb)
		}
	}
	if !shows(fmt.Sprint([]byte(canary))) || !shows(fmt.Sprintf("%v", struct{ v []byte }{[]byte(canary)})) {
		t.Error("bytes in decimal are not seen")
	}
}

func TestSecretSaysRedacted(t *testing.T) {
	s := slipway.NewSecret(canary)
	text, _ := s.MarshalText()
	for how, got := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%#v": fmt.Sprintf("%#v", s), "%d": fmt.Sprintf("%d", s), "String": s.String(), "GoString": s.GoString(),
		"text": string(text), "log": s.LogValue().String(), "json": strings.Trim(asJSON(s), `"`), "field": fmt.Sprintf("%s", inField{s}.Secret),
	} {
		if got != "redacted" {
			t.Errorf("%s gives %q", how, got)
		}
	}
	if got := asJSON(inField{s}); got != `{"Secret":"redacted"}` {
		t.Errorf("a field gives %s", got)
	}
}

func TestReveal(t *testing.T) {
	var zero slipway.Secret
	if s := slipway.NewSecret(canary); s.Reveal() != canary || s.IsZero() {
		t.Error("the value is what was put in")
	}
	if zero.Reveal() != "" || !zero.IsZero() {
		t.Error("the zero Secret has no value")
	}
	if s := slipway.NewSecret(""); s.Reveal() != "" || s.IsZero() {
		t.Error("an empty value is a value")
	}
}

func fingerprintKey(t interface{ Fatal(...any) }, s string) slipway.FingerprintKey {
	key, err := slipway.NewFingerprintKey(slipway.NewSecret(s))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The vectors were made with Python 3.11: HMAC-SHA256 over each part as its length in bytes, a colon, and the part:
//
//	import hmac, hashlib
//	def sum(*parts):
//	  m = b"".join(b"%d:%s" % (len(p), p) for p in parts)
//	  return hmac.new(b"0123456789abcdef0123456789abcdef", m, hashlib.sha256).hexdigest()
//	print(sum(b"slipway key id")[:8])
//	print(sum(b"slipway value", b"vercel.env/KEY@production", "pä55word".encode()))
func TestFingerprintVectors(t *testing.T) {
	key := fingerprintKey(t, "0123456789abcdef0123456789abcdef")
	if got, want := key.ID(), "41acfd74"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
	got, want := key.Fingerprint("vercel.env/KEY@production", slipway.NewSecret("pä55word")), "5f1fff2a1c06ad8cfbc3022444a6db00a613062d4a20ee39c70f0c11ee00b48c"
	if got != want {
		t.Errorf("fingerprint %s, want %s: what providers keep would no longer compare", got, want)
	}
}

func TestFingerprintBindsKeyNameAndValue(t *testing.T) {
	const k1, k2 = "a key of thirty-two bytes or more", "another key of thirty-two bytes ."
	type input struct{ key, name, value string }
	tests := map[string]struct {
		reason string
		a, b   input
	}{
		"value":          {"another value", input{k1, "n", "v"}, input{k1, "n", "w"}},
		"name":           {"equal values under two names do not show", input{k1, "n", "v"}, input{k1, "m", "v"}},
		"key":            {"another key", input{k1, "n", "v"}, input{k2, "n", "v"}},
		"border":         {"where the name ends is bound", input{k1, "a", "bc"}, input{k1, "ab", "c"}},
		"border, empty":  {"an empty part is a part", input{k1, "", "abc"}, input{k1, "abc", ""}},
		"length digits":  {"what looks like a length is text", input{k1, "1:a", "b"}, input{k1, "1", "a1:b"}},
		"trailing space": {"every byte counts", input{k1, "n", "v"}, input{k1, "n", "v "}},
	}
	of := func(t *testing.T, i input) string {
		return fingerprintKey(t, i.key).Fingerprint(i.name, slipway.NewSecret(i.value))
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if a := of(t, tc.a); a == of(t, tc.b) || a != of(t, tc.a) || len(a) != 64 {
				t.Errorf("%s: %s", tc.reason, a)
			}
		})
	}
	if a, b := fingerprintKey(t, k1), fingerprintKey(t, k2); a.ID() == b.ID() || len(a.ID()) != 8 {
		t.Errorf("ids %s, %s: 8 digits that tell keys apart", a.ID(), b.ID())
	}
}

func TestFingerprintsDiffer(t *testing.T) {
	key := fingerprintKey(t, "a key of thirty-two bytes or more")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab1:]{0,6}`)
		n1, v1, n2, v2 := text.Draw(t, "n1"), text.Draw(t, "v1"), text.Draw(t, "n2"), text.Draw(t, "v2")
		same := key.Fingerprint(n1, slipway.NewSecret(v1)) == key.Fingerprint(n2, slipway.NewSecret(v2))
		if same != (n1 == n2 && v1 == v2) {
			t.Errorf("(%q, %q) and (%q, %q): equal fingerprints %t", n1, v1, n2, v2, same)
		}
	})
}

func TestShortFingerprintKey(t *testing.T) {
	for s, ok := range map[string]bool{"": false, strings.Repeat("k", 15): false, strings.Repeat("k", 16): true} {
		_, err := slipway.NewFingerprintKey(slipway.NewSecret(s))
		if (err == nil) != ok || !ok && slipway.ErrorCode(err) != slipway.CodeInvalid {
			t.Errorf("%d bytes: %v", len(s), err)
		}
		if err != nil && s != "" && strings.Contains(err.Error(), s) {
			t.Error("the error shows the key")
		}
	}
}
