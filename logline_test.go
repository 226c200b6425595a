package slipway_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestPlainLine(t *testing.T) {
	for name, tc := range map[string]struct{ text, want, reason string }{
		"innocent":   {"é 漢 %61\\n", "é 漢 %61\\n", "what a person reads stays"},
		"windows":    {"a\r", "a", "a line's end is not part of it"},
		"progress":   {"10%\r50%\r100%", "100%", "what a terminal would show"},
		"colours":    {"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\a.", "red link.", "a terminal obeys none of it"},
		"long":       {"a\x1b[1111111111111111111111111111111111111111111mb", "ab", "a sequence ends with its last byte, however long it is"},
		"open":       {"a\x1b", "a", "a sequence that the line's end cuts is none"},
		"controls":   {"a\x00b\x07c\td\u009be", "abc de", "nor any control character but for the tab, a blank"},
		"not UTF-8":  {"a\xffb", "a\uFFFDb", "a text is UTF-8"},
		"other bars": {"a\x1b(Bb", "aBb", "the sign after ESC goes with it"},
	} {
		if got := slipway.PlainLine(tc.text); got != tc.want {
			t.Errorf("%s: %q became %q, not %q: %s", name, tc.text, got, tc.want, tc.reason)
		}
	}
}
