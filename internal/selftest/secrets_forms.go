package selftest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode/utf16"
)

// form is one way to write a value.
type form struct {
	name  string
	write func(string) string
}

// forms are all in which a canary is looked for, in every file and stream. A searcher also looks for each cut in two, and for all of them
// within what is compressed.
var forms = []form{
	{"raw", func(s string) string { return s }},
	{"base64", func(s string) string { return coreOf(base64.RawStdEncoding, s, 0) }},
	{"base64, second in a group", func(s string) string { return coreOf(base64.RawStdEncoding, s, 1) }},
	{"base64, third in a group", func(s string) string { return coreOf(base64.RawStdEncoding, s, 2) }},
	{"base64url", func(s string) string { return coreOf(base64.RawURLEncoding, s, 0) }},
	{"base64url, second in a group", func(s string) string { return coreOf(base64.RawURLEncoding, s, 1) }},
	{"base64url, third in a group", func(s string) string { return coreOf(base64.RawURLEncoding, s, 2) }},
	{"base64 in a URL", func(s string) string { return url.QueryEscape(coreOf(base64.RawStdEncoding, s, 0)) }},
	{"base64 in PHP's JSON", func(s string) string { return strings.ReplaceAll(coreOf(base64.RawStdEncoding, s, 0), "/", `\/`) }},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"HEX", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{"URL query", url.QueryEscape},
	{"URL query, lower case", func(s string) string { return lowerDigits(url.QueryEscape(s)) }},
	{"URL path", url.PathEscape},
	{"URL path, lower case", func(s string) string { return lowerDigits(url.PathEscape(s)) }},
	{"encodeURIComponent", component},
	{"URL, every byte", func(s string) string { return perByte(s, "%%%02X") }},
	{"URL, every byte, lower case", func(s string) string { return perByte(s, "%%%02x") }},
	{"URL, twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
	{"user info of a URL", func(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") }},
	{"JSON", func(s string) string { return jsonText(s, true) }},
	{"JSON, no HTML escapes", func(s string) string { return jsonText(s, false) }},
	{"JSON in ASCII", asciiJSON},
	{"PHP's JSON", func(s string) string { return strings.ReplaceAll(asciiJSON(s), "/", `\/`) }},
	{"JSON, every character", func(s string) string { return perUnit(s, `\u%04x`) }},
	{"JSON, every character, upper case", func(s string) string { return perUnit(s, `\u%04X`) }},
	{"JSON in JSON", func(s string) string { return jsonText(jsonText(s, true), true) }},
	{"JSON in JSON, no HTML escapes", func(s string) string { return jsonText(jsonText(s, false), false) }},
	{"Go's %q", goText},
	{"Go's %q in JSON", func(s string) string { return jsonText(goText(s), false) }},
	{"HTML", html.EscapeString},
	{"HTML, named", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace},
	{"HTML, as PHP does", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;").Replace},
	{"HTML, as JavaScript does", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;").Replace},
	{"HTML, every character", func(s string) string { return perRune(s, "&#%d;") }},
	{"HTML, every character in hex", func(s string) string { return perRune(s, "&#x%x;") }},
	{"HTML in JSON", func(s string) string { return jsonText(html.EscapeString(s), false) }},
	{"UTF-16", wide},
}

// coreOf is the part of an encoding that does not depend on what stands around the value, which begins at an offset within a group.
func coreOf(e *base64.Encoding, s string, offset int) string {
	text := e.EncodeToString([]byte(strings.Repeat("\x00", offset) + s))
	if skip := []int{0, 2, 3}[offset]; skip > 0 {
		text = text[skip:]
	}
	if (offset+len(s))%3 != 0 {
		text = text[:len(text)-1] // its last character holds bits of what follows
	}
	return text
}

func lowerDigits(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			b.WriteString(strings.ToLower(s[i : i+3]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// component is JavaScript's encodeURIComponent.
func component(s string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(s))
}

func jsonText(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	_ = e.Encode(s) // a string always encodes
	text := strings.TrimSuffix(b.String(), "\n")
	return text[1 : len(text)-1]
}

// asciiJSON is Python's json.dumps.
func asciiJSON(s string) string {
	var b strings.Builder
	for _, r := range jsonText(s, false) {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		b.WriteString(perUnit(string(r), `\u%04x`))
	}
	return b.String()
}

func goText(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// wide is UTF-16, the low byte first.
func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func perByte(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func perRune(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

func perUnit(s, format string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, format, u)
	}
	return b.String()
}
