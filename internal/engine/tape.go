package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
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

// tape takes the output of one job: redacted, bounded, its beginning told as events and its end kept. It writes the job's step as long as the
// job runs: what was told is committed together with the mark that says so.
type tape struct {
	w     *worker
	clean map[string]func(string) string // by stream

	writing sync.Mutex // held over a commit; guards step and mark
	step    slipway.Step
	mark    slipway.JobMark // kept in the step, where the job can be resumed

	mu      sync.Mutex
	pending []slipway.LogLine // to be told
	told    int
	again   int               // lines yet to come that were told before
	kept    []slipway.LogLine // the last ones
	size    int               // bytes of kept
	lines   int64
	bytes   int64

	cancel context.CancelFunc
	done   chan error
}

// record begins a tape. Whoever calls it calls end.
func (w *worker) record(ctx context.Context, step slipway.Step, mark slipway.JobMark) *tape {
	ctx, cancel := context.WithCancel(ctx)
	t := &tape{
		w: w, step: step, mark: mark, told: mark.Told, again: min(mark.Told, tapeEvents), clean: map[string]func(string) string{},
		cancel: cancel, done: make(chan error, 1),
	}
	go func() {
		tick := time.NewTicker(tapeFlush)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				t.done <- nil
				return
			case <-tick.C:
				if err := t.flush(ctx); err != nil {
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
	if t.again > 0 && l.Stream != "state" {
		t.again--
	} else if t.told < tapeEvents {
		t.told++
		t.pending = append(t.pending, l)
	} else if t.told == tapeEvents && t.again == 0 {
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

// flush tells what has come since the last time. It is not cut by ctx: whether lines were told would not be known then.
func (t *tape) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	lines, told := t.pending, t.told
	t.pending = nil
	t.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	mark := t.mark
	mark.Told = told
	return t.write(ctx, mark, lines)
}

// save keeps how far the job is. It is the Save of the job's slipway.Order.
func (t *tape) save(ctx context.Context, mark slipway.JobMark) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	mark.Told, mark.Commands = t.mark.Told, slices.Clone(mark.Commands) // whoever calls goes on with its own
	return t.write(ctx, mark, nil)
}

// write commits lines and mark together. t.writing is held.
func (t *tape) write(ctx context.Context, mark slipway.JobMark, lines []slipway.LogLine) error {
	step := t.step
	if step.Since != "" {
		step.Since = since(mark)
	}
	err := t.w.commit(ctx, func(tx slipway.Tx) error {
		for _, l := range lines {
			if err := t.w.event(tx, t.w.id, slipway.EventLog, step.Key, map[string]any{"stream": l.Stream, "text": l.Text}); err != nil {
				return err
			}
		}
		if step.Since == "" {
			return nil
		}
		return tx.SaveStep(step)
	})
	if err == nil {
		t.step, t.mark = step, mark
		t.w.remember(step)
	}
	return err
}

// end tells the rest, and returns the step as it was written last. The error is that the database could not be written, or that the run is somebody else's.
func (t *tape) end() (slipway.Step, error) {
	t.cancel()
	if err := <-t.done; err != nil {
		return t.step, err
	}
	err := t.flush(context.Background())
	return t.step, err
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
