package cli

import (
	"fmt"
	"strings"
	"unicode"
)

// visible is one line of somebody else's text as a terminal can show it: what would not be printed stands as its code, \u{1b}.
func visible(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// visibleText is visible for a text of several lines.
func visibleText(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = visible(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// unprintable is a control character, an invisible one, or one that changes the direction of what follows.
func unprintable(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }
