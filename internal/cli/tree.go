package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/slipway-dev/slipway"
)

// tree is the live view of a terminal: a line for each step of the plan, drawn again in place, with the last line of a build below it.
type tree struct {
	to     io.Writer
	redact func(string) string
	size   func() (width, height int)

	head  string
	keys  []string
	state map[string]string // by key: what stands before a step
	log   map[string]string // by key: its last line
	drawn int               // lines on the terminal that belong to the tree
	dirty bool
}

func newTree(to io.Writer, redact func(string) string, size func() (int, int)) *tree {
	return &tree{to: to, redact: redact, size: size, state: map[string]string{}, log: map[string]string{}}
}

// terminalSize returns a function that asks the terminal, and 80 by 24 where there is none.
func terminalSize(w io.Writer) func() (int, int) {
	return func() (int, int) {
		if f, ok := w.(*os.File); ok {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width, height
			}
		}
		return 80, 24
	}
}

// Marks before a step.
const (
	markPending = "·"
	markRunning = "→"
	markDone    = "✓"
	markFailed  = "✗"
)

func (t *tree) event(e slipway.Event) {
	t.dirty = true
	switch e.Type {
	case slipway.EventStepIntended, slipway.EventStepRetry, slipway.EventStepWaiting:
		t.state[e.Step] = markRunning
		if moved := movedText(e); moved != "" {
			t.log[e.Step] = moved
		}
	case slipway.EventStepDone:
		t.state[e.Step] = markDone
		delete(t.log, e.Step)
	case slipway.EventStepFailed:
		t.state[e.Step] = markFailed
	case slipway.EventLog:
		t.log[e.Step] = fmt.Sprint(e.Data["text"])
	case slipway.EventGateDecided, slipway.EventGateVoided:
		t.pause()
		fmt.Fprintln(t.to, t.fit(eventText(e)))
	}
}

func (t *tree) planned(d *slipway.RunDetail) {
	t.dirty = true
	t.head = fmt.Sprintf("%s %s (%s)  %s", d.Run.Operation, d.Run.App, d.Run.Environment, d.Run.ID)
	if t.keys = nil; d.Plan == nil {
		return
	}
	t.keys = inOrder(d.Plan)
	for _, s := range d.Steps {
		switch s.State {
		case slipway.StepDone:
			t.state[s.Key] = markDone
		case slipway.StepFailed:
			t.state[s.Key] = markFailed
		}
	}
}

func (t *tree) lines() []string {
	var done, lines []string
	for _, key := range t.keys {
		mark := t.state[key]
		if mark == "" {
			mark = markPending
		}
		line := fmt.Sprintf("  %s %s", mark, key)
		if text := t.log[key]; text != "" {
			line += "\n      | " + oneLine(text)
		}
		if mark == markDone {
			done = append(done, line)
		}
		lines = append(lines, strings.Split(line, "\n")...)
	}
	if _, height := t.size(); len(lines)+2 > height {
		lines = slices.DeleteFunc(lines, func(l string) bool { return slices.Contains(done, l) })
		lines = append([]string{fmt.Sprintf("  %s %d done", markDone, len(done))}, lines...)
		lines = lines[:min(len(lines), max(height-2, 1))]
	}
	return append([]string{t.head}, lines...)
}

// flush draws the tree again over itself.
func (t *tree) flush() {
	if !t.dirty || len(t.keys) == 0 {
		return
	}
	t.dirty = false
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", t.drawn)
	}
	lines := t.lines()
	for _, l := range lines {
		b.WriteString(t.fit(l) + "\n")
	}
	t.drawn = len(lines)
	_, _ = io.WriteString(t.to, b.String())
}

// fit redacts a line and cuts it so that it does not wrap.
func (t *tree) fit(line string) string {
	width, _ := t.size()
	r := []rune(t.redact(line))
	return string(r[:min(len(r), max(width-1, 1))])
}

// pause leaves what is drawn where it is.
func (t *tree) pause() { t.flush(); t.drawn = 0 }
func (t *tree) close() { t.pause() }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
