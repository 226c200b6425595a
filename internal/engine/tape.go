package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

// What is kept of a job's output: so many lines as events, as they come, and the end of it as the transcript.
const (
	tapeEvents = 1000
	tapeBytes  = 256 << 10
	tapeLine   = 4 << 10 // bytes of one line
	tapeFlush  = 250 * time.Millisecond
)

// tape takes the output of one job: redacted, bounded, its beginning told as events and its end kept.
type tape struct {
	w     *worker
	key   string
	clean map[string]func(string) string // by stream

	mu      sync.Mutex
	pending []slipway.LogLine // to be told
	told    int
	kept    []slipway.LogLine // the last ones
	size    int               // bytes of kept
	lines   int64
	bytes   int64

	cancel context.CancelFunc
	done   chan error
}

// record begins a tape. Whoever calls it calls end.
func (w *worker) record(ctx context.Context, key string) *tape {
	ctx, cancel := context.WithCancel(ctx)
	t := &tape{w: w, key: key, clean: map[string]func(string) string{}, cancel: cancel, done: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(tapeFlush)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				t.done <- nil
				return
			case <-tick.C:
				if err := t.flush(ctx); err != nil && ctx.Err() == nil {
					t.done <- err
					return
				}
			}
		}
	}()
	return t
}

// add takes one line. A line that begins a secret hides what the next one goes on with.
func (t *tape) add(l slipway.LogLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines++
	t.bytes += int64(len(l.Text)) + 1
	if t.clean[l.Stream] == nil {
		t.clean[l.Stream] = t.w.Lines()
	}
	l.Text = cut(t.clean[l.Stream](l.Text))
	if t.told < tapeEvents {
		t.told++
		t.pending = append(t.pending, l)
	} else if t.told == tapeEvents {
		t.told++
		t.pending = append(t.pending, slipway.LogLine{At: l.At, Stream: "state", Text: "the rest of the output is not told here; the transcript keeps its end"})
	}
	t.kept, t.size = append(t.kept, l), t.size+len(l.Text)+lineCost
	for t.size > tapeBytes {
		t.size -= len(t.kept[0].Text) + lineCost
		t.kept = t.kept[1:]
	}
}

// lineCost is about what a line of the transcript takes beside its text.
const lineCost = 64

// cut shortens a line that is too long, between characters.
func cut(text string) string {
	if len(text) <= tapeLine {
		return text
	}
	n := tapeLine
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n] + "…"
}

// flush tells what has come since the last time.
func (t *tape) flush(ctx context.Context) error {
	t.mu.Lock()
	lines := t.pending
	t.pending = nil
	t.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	return t.w.commit(ctx, func(tx slipway.Tx) error {
		for _, l := range lines {
			if err := t.w.event(tx, t.w.id, slipway.EventLog, t.key, map[string]any{"stream": l.Stream, "text": l.Text}); err != nil {
				return err
			}
		}
		return nil
	})
}

// end tells the rest. The error is that the database could not be written, or that the run is somebody else's.
func (t *tape) end() error {
	t.cancel()
	if err := <-t.done; err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return t.flush(ctx)
}

// transcript is the end of the output as JSON lines: first how much there was and how much of it is kept, then a line each.
func (t *tape) transcript() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]any{"lines": t.lines, "bytes": t.bytes, "kept": len(t.kept)}) // a buffer takes all, and text always encodes
	for _, l := range t.kept {
		_ = enc.Encode(l)
	}
	return b.Bytes()
}
