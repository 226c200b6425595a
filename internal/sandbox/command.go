package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// maxBreaks is how often in a row a stream may break off without a word before the command is given up.
const maxBreaks = 5

// command runs one of the order's, or goes on with it where the mark knows of it. The error is that it could not be run, or that its end is
// not known; over the job's time is a result.
func (j *job) command(ctx context.Context, i int) (slipway.CommandResult, error) {
	argv, now := j.order.Commands[i], j.now()
	if i == len(j.mark.Commands) {
		if !now.Before(deadline(j.order)) {
			j.out.command(argv, now)
			return slipway.CommandResult{Argv: argv, Began: now, End: slipway.JobTime}, nil
		}
		j.mark.Commands = append(j.mark.Commands, slipway.CommandMark{Began: now})
		if err := j.save(ctx); err != nil {
			return slipway.CommandResult{}, err
		}
	} else if err := j.find(ctx, i, argv); err != nil {
		return slipway.CommandResult{}, err
	}
	m := &j.mark.Commands[i]
	j.out.command(argv, m.Began)
	if m.End != nil {
		return *m.End, j.replay(ctx, *m)
	}
	c := slipway.CommandResult{Argv: argv, Began: m.Began, End: slipway.JobTime}
	end, err := j.exec(ctx, argv, m.ID, true, func(id string) error {
		m.ID = id
		return j.save(ctx)
	})
	c.Took = j.now().Sub(c.Began).Milliseconds()
	switch {
	case timeIsOver(ctx):
		return c, nil
	case slipway.ErrorCode(err) == slipway.CodeRefused: // [?] what the API says of a program that is not there
		c.End, c.Exit = slipway.JobAbsent, 127
		j.out.send(slipway.LogLine{At: j.now(), Stream: "state", Text: slipway.PlainLine(err.Error())})
	case err != nil:
		return c, err
	default:
		if end.DurationMs != nil { // the sandbox's own count, also of what ended while nobody looked
			c.Took = int64(*end.DurationMs)
		}
		if c.Exit = *end.ExitCode; !c.Began.Add(time.Duration(c.Took) * time.Millisecond).After(deadline(j.order)) {
			c.End = slipway.JobExited
		}
	}
	m.End = &c
	return c, j.save(ctx)
}

// find sets the id of the mark's command i where the command was asked for and whoever asked did not hear of it: the session's list has it
// then. In the list the job's own commands stand beside those that make links, so that it is the last of this argv that the mark does not know.
func (j *job) find(ctx context.Context, i int, argv []string) error {
	m := &j.mark.Commands[i]
	if m.ID != "" || m.End != nil {
		return nil
	}
	for look := range 2 { // a request of a process that was killed may still be on its way
		if look > 0 {
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		}
		var out struct{ Commands []remoteCommand }
		err := j.Do(ctx, rest.Request{Op: "sandbox commands", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd", j.session)}, &out)
		if err != nil {
			return err
		}
		slices.SortFunc(out.Commands, func(a, b remoteCommand) int { return int(b.StartedAt - a.StartedAt) })
		for _, c := range out.Commands {
			known := slices.ContainsFunc(j.mark.Commands, func(m slipway.CommandMark) bool { return m.ID == c.ID })
			if !known && slices.Equal(append([]string{c.Name}, c.Args...), argv) {
				m.ID = c.ID
				return j.save(ctx)
			}
		}
	}
	return nil
}

// remoteCommand is what the API tells of a command.
type remoteCommand struct {
	ID, Name   string
	Args       []string
	StartedAt  float64
	ExitCode   *int
	DurationMs *float64
}

// event is one line of a command's stream.
type event struct {
	Command *remoteCommand
	Stream  string
	Data    json.RawMessage
}

// exec runs argv, or goes on with the command id, and returns it as it has ended: https://vercel.com/docs/rest-api/sandboxes. began is told
// the id of a command that was begun.
func (j *job) exec(ctx context.Context, argv []string, id string, logs bool, began func(id string) error) (remoteCommand, error) {
	p := newPipes(j.out, j.now)
	defer p.end()
	if id == "" {
		body, err := j.Stream(ctx, rest.Request{
			Op: "sandbox command", Method: http.MethodPost, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd", j.session),
			Body:   map[string]any{"command": argv[0], "args": argv[1:], "cwd": workRemote, "wait": true, "logs": logs},
			Header: http.Header{"Accept": {"application/x-ndjson"}},
		})
		if err != nil {
			return remoteCommand{}, err
		}
		end, err := p.follow(body, func(c remoteCommand) error {
			id = c.ID
			return began(id)
		})
		body.Close()
		switch {
		case err != nil:
			return remoteCommand{}, err
		case end.command != nil:
			return *end.command, nil
		case ctx.Err() != nil:
			return remoteCommand{}, ctx.Err()
		case id == "":
			return remoteCommand{}, broken("the stream of a command ended before it began")
		}
		j.out.send(slipway.LogLine{At: j.now(), Stream: "state", Text: "the log broke off; the command goes on" + end.why})
	}
	return j.await(ctx, id, logs, p)
}

func broken(what string) error {
	return &slipway.Error{Code: slipway.CodeUnavailable, Op: "sandbox command", Message: what, Retry: slipway.RetryAmbiguous}
}

// await follows a command's log, from its beginning each time it breaks off, until the command has ended.
func (j *job) await(ctx context.Context, id string, logs bool, p *pipes) (remoteCommand, error) {
	for breaks := 0; ; {
		end := streamEnd{whole: true}
		if logs {
			got := p.got
			var err error
			if end, err = j.logs(ctx, id, p); err != nil {
				return remoteCommand{}, err
			}
			if breaks++; end.whole || p.got > got {
				breaks = 0
			}
		}
		c, err := j.state(ctx, id)
		switch {
		case err != nil:
			return c, err
		case c.ExitCode != nil && end.whole:
			return c, nil
		case c.ExitCode != nil && breaks == maxBreaks:
			j.out.send(slipway.LogLine{At: j.now(), Stream: "state", Text: "the end of the log cannot be read" + end.why})
			return c, nil
		case breaks == maxBreaks:
			return c, broken("the command was given up" + end.why)
		}
		if err := pause(ctx, time.Second); err != nil {
			return c, err
		}
	}
}

// state asks for one command.
func (j *job) state(ctx context.Context, id string) (remoteCommand, error) {
	var out struct{ Command remoteCommand }
	err := j.Do(ctx, rest.Request{Op: "sandbox command", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd/%s", j.session, id)}, &out)
	return out.Command, err
}

// logs reads a command's log from its beginning, and gives what was not given yet.
func (j *job) logs(ctx context.Context, id string, p *pipes) (streamEnd, error) {
	body, err := j.Stream(ctx, rest.Request{
		Op: "sandbox log", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd/%s/logs", j.session, id),
		Header: http.Header{"Accept": {"application/x-ndjson"}},
	})
	if err != nil {
		return streamEnd{}, err
	}
	defer body.Close()
	p.rewind()
	end, err := p.follow(body, func(remoteCommand) error { return nil })
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return end, err
}

// replay gives the output of a command that has ended, for the transcript.
func (j *job) replay(ctx context.Context, m slipway.CommandMark) error {
	if m.ID == "" {
		return nil
	}
	p := newPipes(j.out, j.now)
	defer p.end()
	_, err := j.logs(ctx, m.ID, p)
	return err
}

// streamEnd is how a stream ended: with its command's end, or whole without, or broken off.
type streamEnd struct {
	command *remoteCommand
	whole   bool
	why     string // ": …", what the stream said of its breaking off
}

// follow passes on a command's output. A stream that breaks off, or says itself that it does, is no error. began is called once.
func (p *pipes) follow(body io.Reader, began func(remoteCommand) error) (end streamEnd, err error) {
	scan := bufio.NewScanner(body)
	scan.Buffer(make([]byte, 64<<10), rest.MaxBody)
	for scan.Scan() {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		var e event
		if json.Unmarshal(scan.Bytes(), &e) != nil {
			return end, nil // the half of a line
		}
		switch {
		case e.Command != nil && e.Command.ExitCode != nil:
			end.command = e.Command
			return end, nil
		case e.Command != nil && began != nil:
			if err := began(*e.Command); err != nil {
				return end, err
			}
			began = nil
		case e.Stream == "error":
			end.why, err = streamError(e.Data)
			return end, err
		case e.Stream == "stdout" || e.Stream == "stderr":
			var text string
			_ = json.Unmarshal(e.Data, &text) // anything else is no output
			p.write(e.Stream, []byte(text))
		}
	}
	end.whole = scan.Err() == nil
	return end, nil
}

// streamError is what a stream says that ends in place of the command's exit code: errGone where the sandbox has stopped. Of anything else
// the command itself is asked.
func streamError(data json.RawMessage) (why string, err error) {
	var what struct{ Code, Message string }
	_ = json.Unmarshal(data, &what) // what does not fit is told without words
	switch what.Code {
	case "sandbox_stopped", "sandbox_stopping", "sandbox_snapshotting":
		return "", fmt.Errorf("%w: %s", errGone, what.Message)
	}
	return ": " + slipway.PlainLine(what.Code+" "+what.Message), nil
}
