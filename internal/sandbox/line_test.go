package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestOutputBecomesPlainLines(t *testing.T) {
	for name, tc := range map[string]struct {
		writes []string
		want   []string
		reason string
	}{
		"lines":            {[]string{"a\nb\n"}, []string{"a", "b"}, ""},
		"pieces":           {[]string{"a", "b\nc", "\n"}, []string{"ab", "c"}, "a line ends with its break alone"},
		"no end":           {[]string{"a\nb"}, []string{"a", "b"}, "the rest is told too"},
		"empty lines":      {[]string{"\n\n"}, []string{"", ""}, ""},
		"nothing":          {nil, nil, ""},
		"windows":          {[]string{"a\r\nb\r\n"}, []string{"a", "b"}, ""},
		"progress":         {[]string{"10%\r50%\r100%\n"}, []string{"100%"}, "what a terminal would show"},
		"colours":          {[]string{"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\a.\n"}, []string{"red link."}, "a terminal obeys none of it"},
		"controls":         {[]string{"a\x00b\x07c\td\u009be\n"}, []string{"abc de"}, ""},
		"not UTF-8":        {[]string{"a\xffb\n"}, []string{"a\uFFFDb"}, ""},
		"split characters": {[]string{"a\xc3", "\xa9\n"}, []string{"aé"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			out := &outlet{emit: func(l slipway.LogLine) { got = append(got, l.Text) }}
			w := out.stream("stdout", time.Now)
			for _, text := range tc.writes {
				if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			}
			w.end()
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}

func TestALineWithoutEndIsBounded(t *testing.T) {
	var got []string
	out := &outlet{emit: func(l slipway.LogLine) { got = append(got, l.Text) }}
	w := out.stream("stdout", time.Now)
	text := strings.Repeat("é", 200_000)
	for range 3 {
		_, _ = w.Write([]byte(text))
	}
	w.end()
	if strings.Join(got, "") != text+text+text {
		t.Error("the pieces are not the whole")
	}
	for _, l := range got {
		if len(l) > maxLine {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
}
