package slipway

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxRemark is how long a remark may be, in bytes.
const MaxRemark = 2000

// Remark returns CodeInvalid for a person's own words that are not to be kept: those of flag, such as --reason. They are kept, signed, shown
// on terminals and in bundles, so they are one line of characters that print: what a terminal takes for a command, what is invisible and what
// turns the direction of writing is refused. The text itself is not in the error.
func Remark(flag, text string) error {
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Errorf(CodeInvalid, "%s has characters that do not print, such as a line break or a terminal's escape sequence; nothing was kept", flag).
			WithHint("say it on one line, in letters, digits and signs")
	case len(text) > MaxRemark:
		return Errorf(CodeInvalid, "%s has %d bytes, and is kept up to %d; nothing was kept", flag, len(text), MaxRemark).
			WithHint("say it in fewer words, and name where the rest can be read")
	}
	return nil
}

// CheckID returns CodeInvalid for what can be no provider's id: ids are up to 128 letters, digits and -._@ of ASCII, so that one that only looks
// like another is refused. The text is not in the error: it may be a secret.
func CheckID(flag, id string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._@:", r)
	}
	switch {
	case strings.Contains(id, "://"):
		return Errorf(CodeInvalid, "%s is a URL, not an id", flag).WithHint("give the last part of that URL that names the resource")
	case len(id) > 128:
		return Errorf(CodeInvalid, "%s can be no id: it has %d characters", flag, len(id)).WithHint("copy it again from the provider's page; ids have up to 128")
	case strings.ContainsFunc(id, func(r rune) bool { return r > unicode.MaxASCII }):
		return Errorf(CodeInvalid, "%s can be no id: it has letters that are not ASCII, though they may look so", flag).WithHint("copy it again from the provider's page")
	case strings.ContainsFunc(id, func(r rune) bool { return !plain(r) }):
		return Errorf(CodeInvalid, "%s can be no id: it has spaces, quotes, brackets or other signs", flag).WithHint("copy it again, without spaces and placeholders")
	}
	return NoKey(flag, id)
}

// keyLength is from when on a word may be a key: the shortest tokens without a prefix that people are given have 24 characters.
const keyLength = 20

// NoKey returns CodeInvalid for text with a word that looks like a key or a token whatever its maker: long, without the prefix that ids have
// (dpl_…), of small and capital letters and digits that take turns. Addresses of pages are let through. The text is not in the error.
func NoKey(flag, text string) error {
	for _, word := range strings.Fields(text) {
		if !strings.Contains(word, "://") && slices.ContainsFunc(strings.FieldsFunc(word, noKeyRune), drawn) {
			return Errorf(CodeInvalid, "%s holds what looks like a key or a token; it was not kept", flag).
				WithHint("leave it out; if it was a secret, treat it as exposed to your shell's history")
		}
	}
	return nil
}

func noKeyRune(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_+/=", r)
}

// drawn reports whether a word looks as if its letters were drawn: where people write, a kind of letter comes in runs.
func drawn(word string) bool {
	class := func(c byte) int {
		switch {
		case c >= 'a' && c <= 'z':
			return 0
		case c >= 'A' && c <= 'Z':
			return 1
		case c >= '0' && c <= '9':
			return 2
		}
		return 3
	}
	var has [4]bool
	turns := 0
	for i := range len(word) {
		has[class(word[i])] = true
		if i > 0 && class(word[i]) != class(word[i-1]) {
			turns++
		}
	}
	prefixed := strings.Contains(word[:min(len(word), 8)], "_")
	return len(word) >= keyLength && has[0] && has[1] && has[2] && 3*turns >= len(word) && !prefixed
}
