package vercelemu

import (
	"sync"
	"unicode/utf8"
)

// outputLine is one piece of output.
type outputLine struct{ stream, data string }

// cmdLog is the output of one command.
type cmdLog struct {
	mu        sync.Mutex
	changed   *sync.Cond
	lines     []outputLine
	first     int // the number of lines[0]
	size      int
	ended     bool
	loose     bool // nobody is waited for any more
	followers map[*follower]bool
}

func newCmdLog() *cmdLog {
	l := &cmdLog{followers: map[*follower]bool{}}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// add keeps a line, and makes room by dropping the oldest once all followers have seen it.
func (l *cmdLog) add(line outputLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.size += len(line.data)
	l.changed.Broadcast()
	for !l.shrink(maxLog) && !l.loose {
		l.changed.Wait()
	}
}

// shrink drops the oldest lines over limit. It returns false when one of them is still awaited. l.mu is held.
func (l *cmdLog) shrink(limit int) bool {
	for l.size > limit && len(l.lines) > 1 {
		if !l.loose && l.awaited(l.first) {
			return false
		}
		l.size -= len(l.lines[0].data)
		l.lines = l.lines[1:]
		l.first++
	}
	return true
}

func (l *cmdLog) awaited(number int) bool {
	for f := range l.followers {
		if f.at <= number {
			return true
		}
	}
	return false
}

// loosen lets the command go on past its followers, so that it can be ended.
func (l *cmdLog) loosen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loose = true
	l.changed.Broadcast()
}

func (l *cmdLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.shrink(maxEndedLog)
	l.changed.Broadcast()
}

func (l *cmdLog) follow() *follower {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &follower{log: l, at: l.first}
	l.followers[f] = true
	return f
}

// follower is a place in a log.
type follower struct {
	log  *cmdLog
	at   int
	left bool
}

// next waits for the next line. ok is false at the end, or after leave.
func (f *follower) next() (line outputLine, ok bool) {
	l := f.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for !f.left && !l.ended && f.at == l.first+len(l.lines) {
		l.changed.Wait()
	}
	if f.left || f.at == l.first+len(l.lines) {
		return outputLine{}, false
	}
	f.at = max(f.at, l.first)
	line = l.lines[f.at-l.first]
	f.at++
	l.changed.Broadcast()
	return line, true
}

func (f *follower) leave() {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	f.left = true
	delete(f.log.followers, f)
	if f.log.ended {
		f.log.shrink(maxEndedLog)
	}
	f.log.changed.Broadcast()
}

// logWriter turns a stream's bytes into lines of the log, never cutting a character.
type logWriter struct {
	log    *cmdLog
	stream string
	rest   []byte
}

func (l *cmdLog) writer(stream string) *logWriter { return &logWriter{log: l, stream: stream} }

func (w *logWriter) Write(b []byte) (int, error) {
	text := append(w.rest, b...)
	n := len(text)
	for back := 1; back <= min(utf8.UTFMax-1, len(text)); back++ {
		if tail := text[len(text)-back:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				n = len(text) - back
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[n:]...)
	if n > 0 {
		w.log.add(outputLine{w.stream, string(text[:n])})
	}
	return len(b), nil
}
