package slipway

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LogLine is one line of what a build or a job's command prints. Whoever makes one passes its text through PlainLine and takes no secret
// out of it: that is for the engine, which sees all lines of the stream one after the other and so a secret that two of them share.
type LogLine struct {
	At     time.Time `json:"at"`
	Stream string    `json:"stream"` // stdout, stderr, command or state
	Text   string    `json:"text"`
	// Again: it was told before, to whoever followed the log until then. It is not to be told again; it may begin what the next one ends.
	Again bool `json:"-"`
}

// PlainLine is one line of output without what a terminal obeys: escape sequences (ECMA-48) and control characters. A tab is a blank, and
// of a line that was written over with carriage returns the last state stays.
func PlainLine(text string) string {
	text = strings.TrimRight(text, "\r")
	text = text[strings.LastIndexByte(text, '\r')+1:]
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 }) {
		return text
	}
	var b strings.Builder
	escape := 0 // 1: after ESC, 2: in a control sequence, 3: in a string that ESC \ or BEL ends
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case escape == 1 && r == '[':
			escape = 2
		case escape == 1 && strings.ContainsRune("]PX^_", r):
			escape = 3
		case escape == 1:
			escape = 0
		case escape == 2:
			if r >= '@' && r <= '~' {
				escape = 0
			}
		case escape == 3 && r != 0x07 && r != 0x1b:
		case escape == 3 && r == 0x07:
			escape = 0
		case r == 0x1b:
			escape = 1
		case r == '\t':
			b.WriteByte(' ')
		case !unicode.IsControl(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
