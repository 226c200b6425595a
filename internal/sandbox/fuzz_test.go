package sandbox

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-dev/slipway"
)

// FuzzLines: whatever bytes come, in whatever pieces, become lines that a terminal and a database can take, the same ones for any pieces.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\x1b[31mc\x1b]8;;x\x1b\\d\xff\n"), 3)
	f.Add([]byte("\x1b[\n\x1b]no end"), 1)
	f.Add([]byte("é\r\ré\xc3\n\xa9"), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			size = 1
		}
		pieces, whole := linesOf(text, size), linesOf(text, len(text)+1)
		if strings.Join(pieces, "\n") != strings.Join(whole, "\n") {
			t.Errorf("in pieces of %d: %q, at once: %q", size, pieces, whole)
		}
		for _, l := range whole {
			if !utf8.ValidString(l) || len(l) > 3*maxLine || strings.ContainsFunc(l, unicode.IsControl) {
				t.Errorf("a line that is not plain: %q", l)
			}
		}
	})
}

func linesOf(text []byte, size int) (out []string) {
	to := &outlet{emit: func(l slipway.LogLine) { out = append(out, l.Text) }}
	w := to.stream("stdout", time.Now)
	for len(text) > 0 {
		n := min(size, len(text))
		_, _ = w.Write(text[:n])
		text = text[n:]
	}
	w.end()
	return out
}

// FuzzStream: whatever a server sends as a command's stream, it is read to an end, with plain lines and no panic.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"command":{"id":"c"}}` + "\n" + `{"stream":"stdout","data":"x\n"}` + "\n" + `{"command":{"id":"c","exitCode":0}}`))
	f.Add([]byte(`{"stream":"error","data":{"code":"sandbox_stopped","message":"\u001b[2J"}}`))
	f.Add([]byte(`{"stream":"stdout","data":{"x":1}}` + "\n{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newPipes(&outlet{emit: func(l slipway.LogLine) {
			if strings.ContainsFunc(l.Text, unicode.IsControl) {
				t.Errorf("a line that is not plain: %q", l.Text)
			}
		}}, time.Now)
		end, err := p.follow(bytes.NewReader(body), func(remoteCommand) error { return nil })
		if end.command != nil && (err != nil || !bytes.Contains(body, []byte("xit"))) {
			t.Errorf("%+v %v", end.command, err)
		}
		p.rewind()
		got := p.got
		_, _ = p.follow(bytes.NewReader(body), func(remoteCommand) error { return nil })
		if p.end(); p.got != got {
			t.Errorf("%d bytes were given again", p.got-got)
		}
	})
}
