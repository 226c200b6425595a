package redact

import (
	"bytes"
	"io"
	"sync"
)

// maxHeld is how many bytes without a line break a writer keeps back.
const maxHeld = 64 << 10

// NewWriter returns a writer that redacts a stream line by line, as Stream does. It writes whole lines; Close writes the rest and does
// not close to. What is known by its shape alone is found within one line of up to 64 KiB. Write reports len(p) even though the last
// line is still held back. It is safe for concurrent use.
func (r *Redactor) NewWriter(to io.Writer) io.WriteCloser {
	return &writer{stream: r.NewStream(), to: to}
}

type writer struct {
	to io.Writer

	mu     sync.Mutex
	stream *Stream
	held   []byte
	clean  []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	n := bytes.LastIndexByte(w.held, '\n') + 1
	if n == 0 && len(w.held) > maxHeld {
		n = len(w.held)
	}
	if err := w.flush(n); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush(len(w.held))
}

// flush writes the first n bytes of what is held.
func (w *writer) flush(n int) error {
	if n == 0 {
		return nil
	}
	w.clean = w.clean[:0]
	for line := range bytes.Lines(w.held[:n]) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		w.clean = append(w.clean, w.stream.Next(string(text))...)
		if ended {
			w.clean = append(w.clean, '\n')
		}
	}
	w.held = append(w.held[:0], w.held[n:]...)
	_, err := w.to.Write(w.clean)
	return err
}
