package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// escapes write every character of a text in one way.
var escapes = map[string]func(string) string{
	"json":           inJSON,
	"go":             func(s string) string { q := fmt.Sprintf("%q", s); return q[1 : len(q)-1] },
	"go, ASCII":      func(s string) string { q := fmt.Sprintf("%+q", s); return q[1 : len(q)-1] },
	"unicode":        func(s string) string { return eachUnit(s, `\u%04x`) },
	"UNICODE":        func(s string) string { return eachUnit(s, `\u%04X`) },
	"query":          url.QueryEscape,
	"path":           url.PathEscape,
	"percent":        func(s string) string { return eachByte(s, "%%%02x") },
	"PERCENT":        func(s string) string { return eachByte(s, "%%%02X") },
	"slashes":        func(s string) string { return strings.ReplaceAll(inJSON(s), "/", `\/`) },
	"html":           html.EscapeString,
	"html, named":    strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&apos;", "<", "&lt;", ">", "&gt;").Replace,
	"html, decimal":  func(s string) string { return eachRune(s, "&#%d;") },
	"html, hex":      func(s string) string { return eachRune(s, "&#x%x;") },
	"html, HEX":      func(s string) string { return eachRune(s, "&#X%X;") },
	"nothing":        func(s string) string { return s },
	"wrapped":        func(s string) string { return wrap(s, "\n") },
	"colours":        func(s string) string { return wrap(s, "\x1b[1;31m") },
	"wrapped, CRLF":  func(s string) string { return wrap(s, "\r\n") },
	"base64":         func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) },
	"base64 url":     func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("xy" + s + "z")) },
	"base64, folded": func(s string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(s)), "\n") },
	"hex":            func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":            func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
}

func inJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

func eachByte(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func eachRune(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

func eachUnit(s, format string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, format, u)
	}
	return b.String()
}

// wrap breaks s every 7 characters.
func wrap(s, at string) string {
	var b strings.Builder
	for i, r := range []rune(s) {
		if i > 0 && i%7 == 0 {
			b.WriteString(at)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestEveryEscape(t *testing.T) {
	for _, value := range []string{canary, "plain-secret_0123", `a\nb%41+c d/e&amp;"f"`, "𝒮ecret\u2028 ünïcode 漢字", strings.Repeat("a+/=", 40)} {
		r := knowing(value)
		for inner, first := range escapes {
			for outer, second := range escapes {
				if outer == "hex" || outer == "HEX" || strings.HasPrefix(outer, "base64") {
					continue // an escaped value that is then encoded is one of the things that are not found
				}
				text := second(first(value))
				if !r.Has([]byte("before " + text + " after")) {
					t.Errorf("%s in %s: not found: %s", inner, outer, text)
				}
				if clean := r.String("before " + text + " after"); clean != "before [redacted] after" && !strings.HasPrefix(inner, "base64") {
					t.Errorf("%s in %s: %s became %s", inner, outer, text, clean)
				}
			}
		}
	}
}

// TestSplit: wherever a text is cut in two or three, what comes out does not hold the value.
func TestSplit(t *testing.T) {
	for _, value := range []string{canary, "0123abcd", "postgresql://app:pass-word@host.example/db", `"{\"key\":\"long \\n value\"}"`} {
		r := knowing(value)
		for name, escape := range escapes {
			if strings.HasPrefix(name, "wrapped") || name == "colours" || name == "base64, folded" {
				continue // cut already
			}
			text := escape(value)
			for first := range len(text) + 1 {
				for _, second := range []int{first, (first + len(text)) / 2, len(text)} {
					parts := []string{text[:first], text[first:second], text[second:]}
					s := r.NewStream()
					out := ""
					for _, p := range parts {
						out += s.Next(p)
					}
					if r.Has([]byte(out)) || !strings.Contains(out, Mark) || len(parts[0]) == len(text) && out != Mark && !strings.HasPrefix(name, "base64") {
						t.Fatalf("%s, cut into %q: shows %q", name, parts, out)
					}
				}
			}
		}
	}
}

func TestStreamLeavesTheRest(t *testing.T) {
	r := knowing("canary-value-in-full")
	for name, tc := range map[string]struct {
		reason   string
		in, want []string
	}{
		"innocent":      {"texts without a secret are as they were", []string{"one", "", "two ", "can"}, []string{"one", "", "two ", "can"}},
		"begun by half": {"a text that ends in half of a secret does not show that half", []string{"a canary-val", "x"}, []string{"a [redacted]", "x"}},
		"begun by less": {"a little is shown, and then not the rest", []string{"a canary", "-value-in-full b"}, []string{"a canary", "[redacted] b"}},
		"other ending":  {"a little is shown, and then it was another word", []string{"a canary", "-bird"}, []string{"a canary", "-bird"}},
		"long after":    {"a secret's end alone is none", []string{"a canary", "x", "-value-in-full"}, []string{"a canary", "x", "-value-in-full"}},
		"in three":      {"the middle is nothing else", []string{"canary-v", "alue-i", "n-full."}, []string{"canary-v", "[redacted]", "[redacted]."}},
	} {
		s := r.NewStream()
		for i, text := range tc.in {
			if got := s.Next(text); got != tc.want[i] {
				t.Errorf("%s: %q became %q, not %q: %s", name, text, got, tc.want[i], tc.reason)
			}
		}
	}
}

// TestAnyText: whatever stands around it and however it is written, a value is found, and nothing is found where it is not.
func TestAnyText(t *testing.T) {
	names := make([]string, 0, len(escapes))
	for name := range escapes {
		names = append(names, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOfN(rapid.Rune(), 8, 40, -1).Filter(func(s string) bool {
			return !strings.ContainsAny(s, "\r\n\ufffd") && strings.TrimSpace(s) == s && !strings.Contains(s, Mark)
		}).Draw(t, "value")
		r := knowing(value)
		around := rapid.StringMatching(`[ -~]{0,30} `).Draw(t, "around")
		if r.Has([]byte(around)) {
			t.Fatalf("%q is found in %q", value, around)
		}
		name := rapid.SampledFrom(names).Draw(t, "escape")
		text := around + escapes[name](value)
		if !r.Has([]byte(text)) || r.Has([]byte(r.String(text))) {
			t.Fatalf("%s: %q is shown by %q", name, value, r.String(text))
		}
	})
}
