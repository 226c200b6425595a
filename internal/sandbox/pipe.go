package sandbox

import (
	"bytes"
	"time"

	"github.com/slipway-dev/slipway"
)

// headBytes is how much of a stream's beginning is remembered, to tell whether a log that is read again begins there.
const headBytes = 256

// pipes are the two streams of one command. What they give is given once, however often the log is read from its beginning.
type pipes struct {
	out            *outlet
	now            func() time.Time
	stdout, stderr *pipe
	got            int64 // bytes that were new
}

// pipe is one stream.
type pipe struct {
	lines *lines
	head  []byte // its first bytes
	size  int64  // bytes given
	at    int64  // where the reading is
}

func newPipes(out *outlet, now func() time.Time) *pipes {
	return &pipes{out: out, now: now, stdout: &pipe{lines: out.stream("stdout", now)}, stderr: &pipe{lines: out.stream("stderr", now)}}
}

// rewind says that what is written next is from the beginning again.
func (p *pipes) rewind() { p.stdout.at, p.stderr.at = 0, 0 }

func (p *pipes) end() { p.stdout.lines.end(); p.stderr.lines.end() }

// write takes the next bytes of a stream. A log that no longer has its beginning is given as it is, which is said.
func (p *pipes) write(stream string, b []byte) {
	to := p.stdout
	if stream == "stderr" {
		to = p.stderr
	}
	if missing := to.forget(b); missing != nil {
		p.out.send(slipway.LogLine{At: p.now(), Stream: "state", Text: "the log has lost its beginning: some of it is missing here, or told twice"})
		b = append(missing, b...)
	}
	if skip := min(to.size-to.at, int64(len(b))); skip > 0 {
		to.at, b = to.at+skip, b[skip:]
	}
	if len(b) == 0 {
		return
	}
	to.head = append(to.head, b[:min(len(b), headBytes-len(to.head))]...)
	to.size, to.at, p.got = to.size+int64(len(b)), to.at+int64(len(b)), p.got+int64(len(b))
	_, _ = to.lines.Write(b) // it takes all
}

// forget makes the stream one of which nothing was given, when b is not how it goes on, and returns what of it was taken for its beginning;
// else nil.
func (p *pipe) forget(b []byte) []byte {
	if p.at >= int64(len(p.head)) {
		return nil
	}
	was := p.head[p.at:]
	if n := min(len(was), len(b)); bytes.Equal(was[:n], b[:n]) {
		return nil
	}
	missing := append([]byte{}, p.head[:p.at]...)
	p.lines.end()
	p.head, p.size, p.at = nil, 0, 0
	return missing
}
