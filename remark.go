package slipway

import (
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
	return nil
}
