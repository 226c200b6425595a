package vercel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// event is one build event. Older ones keep text and info inside payload.
type event struct {
	Type          string
	Created, Date float64
	ID, Serial    string
	Text          string
	Info          eventInfo
	Payload       struct {
		Text, ID, Serial string
		Date             float64
		Info             eventInfo
	}
}

type eventInfo struct{ ReadyState string }

func (e event) at() float64    { return max(e.Created, e.Date, e.Payload.Date) }
func (e event) serial() string { return firstOf(e.Serial, e.ID, e.Payload.Serial, e.Payload.ID) }
func (e event) text() string   { return firstOf(e.Text, e.Payload.Text) }
func (e event) state() string  { return firstOf(e.Info.ReadyState, e.Payload.Info.ReadyState) }

func firstOf(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// cursor is how far a log was read: the time of the last event in milliseconds, and the serials of the events of that time.
type cursor struct {
	at   int64
	seen []string
}

// parseCursor reads what String wrote; anything else begins at the start.
func parseCursor(text string) cursor {
	ms, rest, _ := strings.Cut(text, "/")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return cursor{}
	}
	return cursor{at, strings.Split(rest, ",")}
}

func (c cursor) String() string {
	if c.at == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%s", c.at, strings.Join(c.seen, ","))
}

// maxSeen is how many events of one millisecond are told apart.
const maxSeen = 256

// pass moves c past e. It returns false for an event that c is past already.
func (c *cursor) pass(e event) bool {
	at, serial := int64(e.at()), e.serial()
	if at < c.at {
		return false
	}
	if at > c.at {
		c.at, c.seen = at, nil
	}
	if serial == "" {
		return true
	}
	if slices.Contains(c.seen, serial) {
		return false
	}
	if c.seen = append(c.seen, serial); len(c.seen) > maxSeen {
		c.seen = slices.Delete(c.seen, 0, len(c.seen)-maxSeen)
	}
	return true
}

// again is how much of a log is read again when it is followed from a place on.
const again = 10 * time.Second

// Watch follows the build until it is over or the stream ends.
func (h deployments) Watch(ctx context.Context, ref slipway.Receipt, since string, emit func(slipway.LogLine)) (string, error) {
	const op = "vercel.deployment watch"
	at := parseCursor(since)
	body, err := h.events(ctx, op, ref.ID, max(0, at.at-again.Milliseconds()))
	if err != nil {
		return since, err
	}
	defer body.Close()
	for lines := bufio.NewReaderSize(body, 64<<10); ; {
		line, whole, err := readLine(lines, maxEvent)
		if errors.Is(err, io.EOF) {
			return at.String(), nil
		}
		if err != nil {
			return at.String(), broken(ctx, op, err)
		}
		if !whole {
			emit(slipway.LogLine{At: time.UnixMilli(at.at).UTC(), Stream: "state", Text: "a line that is too long is left out here"})
			continue
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return at.String(), broken(ctx, op, err)
		}
		past := !at.pass(e)
		emitEvent(e, past, emit)
		if !past && over(e) {
			return at.String(), nil
		}
	}
}

// maxEvent is how many bytes one event of a log may have.
const maxEvent = 1 << 20

// readLine returns the next line that is not empty, without its end; whole is false for one of more than most bytes, which is read past
// and not kept. io.EOF comes after the last line, io.ErrUnexpectedEOF for a line that was cut off. The line is r's until the next call.
func readLine(r *bufio.Reader, most int) (line []byte, whole bool, err error) {
	size := 0
	for {
		part, err := r.ReadSlice('\n')
		if size += len(part); size <= most && err == nil && line == nil {
			line = part // all of it stands in the reader's buffer
		} else if size <= most {
			line = append(line[:len(line):len(line)], part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && size > 0 && (size > most || !json.Valid(line)):
			return nil, false, io.ErrUnexpectedEOF
		case err != nil && (!errors.Is(err, io.EOF) || size == 0):
			return nil, false, err
		case size > most:
			return nil, false, nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, true, nil
		}
		line, size = nil, 0
	}
}

func over(e event) bool {
	switch e.state() {
	case "READY", "ERROR", "CANCELED":
		return e.Type == "deployment-state"
	}
	return false
}

func broken(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &slipway.Error{Code: slipway.CodeCanceled, Op: op, Message: "stopped following the build", Cause: ctx.Err()}
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return &slipway.Error{Code: slipway.CodeMalformed, Op: op, Message: "the build log is not JSON", Retry: slipway.RetryLater}
	}
	return &slipway.Error{Code: slipway.CodeUnavailable, Op: op, Message: "the build log broke off", Retry: slipway.RetryLater}
}

// emitEvent passes on what a person would read: output, commands and states. metric, report, delimiter and exit say nothing more.
func emitEvent(e event, again bool, emit func(slipway.LogLine)) {
	stream, text := e.Type, e.text()
	switch e.Type {
	case "stdout", "stderr", "command":
	case "fatal":
		stream = "stderr"
	case "deployment-state":
		stream, text = "state", e.state()
	default:
		return
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\r\n"), "\n") {
		emit(slipway.LogLine{At: time.UnixMilli(int64(e.at())).UTC(), Stream: stream, Text: slipway.PlainLine(line), Again: again})
	}
}
