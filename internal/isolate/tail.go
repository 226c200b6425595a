package isolate

import (
	"io"
	"sync"
)

// tail keeps the last size bytes written and passes everything on.
type tail struct {
	mu    sync.Mutex
	size  int
	ring  []byte
	next  int
	total int64
	to    io.Writer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.keep(b)
	to := t.to
	t.mu.Unlock()
	if to == nil {
		return len(b), nil
	}
	if _, err := to.Write(b); err != nil {
		t.mu.Lock()
		t.to = nil
		t.mu.Unlock()
	}
	return len(b), nil
}

func (t *tail) keep(b []byte) {
	t.total += int64(len(b))
	if len(b) > t.size {
		b = b[len(b)-t.size:]
	}
	if room := t.size - len(t.ring); room > 0 {
		n := min(room, len(b))
		t.ring = append(t.ring, b[:n]...)
		b = b[n:]
	}
	for len(b) > 0 {
		n := copy(t.ring[t.next:], b)
		t.next = (t.next + n) % t.size
		b = b[n:]
	}
}

func (t *tail) result() Tail {
	t.mu.Lock()
	defer t.mu.Unlock()
	data := make([]byte, 0, len(t.ring))
	data = append(data, t.ring[t.next:]...)
	return Tail{Data: append(data, t.ring[:t.next]...), Total: t.total}
}
