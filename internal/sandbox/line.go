package sandbox

import (
	"bytes"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/slipway-dev/slipway"
)

// maxLine is how many bytes without a line break are kept back; what goes on after them is the next line.
const maxLine = 64 << 10

// lines turns the bytes of one stream into log lines. It is an io.Writer for one goroutine; several may share to.
type lines struct {
	stream string
	now    func() time.Time
	to     *outlet
	rest   []byte
}

// outlet passes on lines one after the other, from as many streams as there are.
type outlet struct {
	mu   sync.Mutex
	emit func(slipway.LogLine)
}

func (o *outlet) send(l slipway.LogLine) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emit(l)
}

func (o *outlet) stream(name string, now func() time.Time) *lines {
	return &lines{stream: name, now: now, to: o}
}

// command tells which command begins.
func (o *outlet) command(argv []string, at time.Time) {
	o.send(slipway.LogLine{At: at, Stream: "command", Text: slipway.PlainLine(slipway.CommandLine(argv))})
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		n := bytes.IndexByte(l.rest, '\n')
		switch {
		case n >= 0:
			l.send(l.rest[:n])
			n++
		case len(l.rest) >= maxLine:
			n = whole(l.rest[:maxLine])
			l.send(l.rest[:n])
		default:
			l.rest = append([]byte(nil), l.rest...)
			return len(b), nil
		}
		l.rest = l.rest[n:]
	}
}

// end sends what is left without a line break.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.send(l.rest)
	}
	l.rest = nil
}

func (l *lines) send(text []byte) {
	for len(text) > maxLine {
		n := whole(text[:maxLine])
		l.send(text[:n])
		text = text[n:]
	}
	l.to.send(slipway.LogLine{At: l.now(), Stream: l.stream, Text: slipway.PlainLine(string(text))})
}

// whole is how much of b does not end within a character.
func whole(b []byte) int {
	for n := len(b); n > len(b)-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(b[n-1]) {
			if utf8.FullRune(b[n-1:]) {
				return len(b)
			}
			return n - 1
		}
	}
	return len(b)
}
