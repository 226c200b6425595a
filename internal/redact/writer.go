package redact

import (
	"bytes"
	"io"
	"sync"
)

// maxHeld is how many bytes without a line break a writer keeps back before it lets go of what is surely clean.
const maxHeld = 64 << 10

// NewWriter returns a writer that redacts a stream, also where a secret is split over chunks. It writes whole lines; Close writes the
// rest and does not close to. An added secret is found wherever it is cut; a credential known by its shape alone only within one line
// of up to 64 KiB. Write reports len(p) even though lines are still held back.
func (r *Redactor) NewWriter(to io.Writer) io.WriteCloser { return &writer{redactor: r, to: to} }

type writer struct {
	redactor *Redactor
	to       io.Writer
	mu       sync.Mutex
	held     []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	if err := w.flush(w.cut()); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush(len(w.held))
}

// cut returns how much can go: up to a line break, with no secret across it, neither whole nor begun.
func (w *writer) cut() int {
	t := w.redactor.table.Load()
	last := len(w.held)
	if t.lines > 0 {
		last = max(0, last-t.lines+1) // what begins later may go on in the next chunk
	}
	n := bytes.LastIndexByte(w.held[:last], '\n') + 1
	if n == 0 && len(w.held) > maxHeld {
		n = max(0, len(w.held)-max(t.longest, 1)+1)
	}
	for at := 0; ; {
		start, end, found := t.find(w.held, at)
		if !found || start >= n {
			return n
		}
		if end > n {
			return start
		}
		at = end
	}
}

func (w *writer) flush(n int) error {
	if n == 0 {
		return nil
	}
	_, err := io.WriteString(w.to, w.redactor.String(string(w.held[:n])))
	w.held = append(w.held[:0], w.held[n:]...)
	return err
}
