package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// job is one order under way in Vercel Sandbox.
type job struct {
	*client
	order   slipway.Order
	session string
	out     *outlet
	now     func() time.Time
}

func (v *remote) Run(ctx context.Context, get slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	r := slipway.JobResult{}
	c, err := v.client(get, o)
	if err != nil {
		return r, err
	}
	ctx, cancel := withLimit(ctx, o.Job)
	defer cancel()
	s, err := v.create(ctx, c, o)
	if err != nil {
		return r, ended(ctx, err, nil)
	}
	r.Isolation = isolation(o)
	j := &job{client: c, order: o, session: s.ID, out: &outlet{emit: emit}, now: v.config.Now}
	alive := j.keepAlive(ctx, v.life)
	defer alive.stop()
	if err := j.upload(ctx); err != nil {
		return r, ended(ctx, err, alive)
	}
	for _, argv := range o.Commands {
		res, err := j.command(ctx, argv)
		if err != nil {
			return r, ended(ctx, err, alive)
		}
		if r.Commands = append(r.Commands, res); !res.Passed() {
			break
		}
	}
	return r, nil
}

// ended tells why a job could not go on: its own time, a sandbox that is gone, or what it is.
func ended(ctx context.Context, err error, alive *keeper) error {
	switch {
	case timeIsOver(ctx):
		return slipway.Errorf(slipway.CodeCheckFailed, "the sandbox was not ready within the time limit").WithHint("raise verify.timeout")
	case ctx.Err() != nil:
		return canceled(ctx)
	case !errors.Is(err, errGone) && (alive == nil || slipway.ErrorCode(err) != slipway.CodeNotFound): // a deleted one's session is not found
		return err
	case alive != nil && alive.refused() != nil:
		e := slipway.Errorf(slipway.CodeLimit, "the sandbox's life is over, and was not extended").
			WithHint("the Vercel plan's longest life is 45 minutes on Hobby (https://vercel.com/docs/sandbox/pricing): run less, or set verify.sandbox: local")
		e.Cause = alive.refused()
		return e
	}
	return &slipway.Error{
		Code: slipway.CodeUnavailable, Message: "the sandbox stopped under the commands", Retry: slipway.RetryLater,
		Hint: "somebody or something stopped it at Vercel; resume the run",
	}
}

// keeper extends a sandbox's life for as long as the job runs.
type keeper struct {
	cancel context.CancelFunc
	done   chan struct{}
	fault  chan error
}

func (k *keeper) stop() { k.cancel(); <-k.done }

// refused is why the last extension was not given; nil for none.
func (k *keeper) refused() error {
	select {
	case err := <-k.fault:
		k.fault <- err
		return err
	default:
		return nil
	}
}

func (j *job) keepAlive(ctx context.Context, life time.Duration) *keeper {
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{cancel: cancel, done: make(chan struct{}), fault: make(chan error, 1)}
	go func() {
		defer close(k.done)
		for pause(ctx, life/2) == nil {
			err := j.Do(ctx, rest.Request{
				Op: "sandbox extend", Method: http.MethodPost, Path: rest.Path("/v2/sandboxes/sessions/%s/extend-timeout", j.session),
				Body: map[string]any{"duration": (life / 2).Milliseconds()},
			}, nil)
			if err != nil && ctx.Err() == nil && slipway.RetryClass(err) == slipway.RetryNever {
				k.fault <- err
				return
			}
		}
	}()
	return k
}

// event is one line of a command's stream.
type event struct {
	Command *struct {
		ID       string
		ExitCode *int
	}
	Stream string
	Data   json.RawMessage
}

// command runs one of the order's. The error is that it could not be run, or that its end is not known; over the job's time is a result.
func (j *job) command(ctx context.Context, argv []string) (slipway.CommandResult, error) {
	c := slipway.CommandResult{Argv: argv, Began: j.now(), End: slipway.JobTime}
	j.out.command(argv, c.Began)
	exit, err := j.exec(ctx, argv, true)
	c.Took = j.now().Sub(c.Began).Milliseconds()
	switch {
	case timeIsOver(ctx):
		return c, nil
	case slipway.ErrorCode(err) == slipway.CodeRefused: // [?] what the API says of a program that is not there
		c.End, c.Exit = slipway.JobAbsent, 127
		j.out.send(slipway.LogLine{At: j.now(), Stream: "state", Text: slipway.PlainLine(err.Error())})
		return c, nil
	case err != nil:
		return c, err
	}
	c.End, c.Exit = slipway.JobExited, exit
	return c, nil
}

// exec runs argv and returns its exit code: https://vercel.com/docs/rest-api/sandboxes
func (j *job) exec(ctx context.Context, argv []string, logs bool) (exit int, err error) {
	body, err := j.Stream(ctx, rest.Request{
		Op: "sandbox command", Method: http.MethodPost, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd", j.session),
		Body:   map[string]any{"command": argv[0], "args": argv[1:], "cwd": workRemote, "wait": true, "logs": logs},
		Header: http.Header{"Accept": {"application/x-ndjson"}},
	})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	id, code, err := j.follow(body)
	switch {
	case err != nil:
		return 0, err
	case code != nil:
		return *code, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case id == "":
		return 0, broken("the stream of a command ended before it began")
	}
	j.out.send(slipway.LogLine{At: j.now(), Stream: "state", Text: "the log broke off; the command goes on"})
	return j.await(ctx, id)
}

func broken(what string) error {
	return &slipway.Error{Code: slipway.CodeUnavailable, Op: "sandbox command", Message: what, Retry: slipway.RetryAmbiguous}
}

// follow passes on a command's output. A stream that breaks off is no error: code is nil.
func (j *job) follow(body io.Reader) (id string, code *int, err error) {
	stdout, stderr := j.out.stream("stdout", j.now), j.out.stream("stderr", j.now)
	defer func() { stdout.end(); stderr.end() }()
	scan := bufio.NewScanner(body)
	scan.Buffer(make([]byte, 64<<10), rest.MaxBody)
	for scan.Scan() {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		var e event
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			break // the half of a line
		}
		switch {
		case e.Command != nil:
			id = e.Command.ID
			if e.Command.ExitCode != nil {
				return id, e.Command.ExitCode, nil
			}
		case e.Stream == "error":
			return id, nil, streamError(e.Data)
		case e.Stream == "stdout" || e.Stream == "stderr":
			var text string
			_ = json.Unmarshal(e.Data, &text) // anything else is no output
			to := stdout
			if e.Stream == "stderr" {
				to = stderr
			}
			_, _ = to.Write([]byte(text)) // it takes all
		}
	}
	return id, nil, nil
}

// streamError is what ends a stream in place of the command's exit code.
func streamError(data json.RawMessage) error {
	var what struct{ Code, Message string }
	_ = json.Unmarshal(data, &what) // what does not fit is told without words
	if what.Code == "sandbox_stopped" || what.Code == "sandbox_stopping" {
		return fmt.Errorf("%w: %s", errGone, what.Message)
	}
	return broken("the command was given up: " + slipway.PlainLine(what.Code+" "+what.Message))
}

// await asks for a command until it has ended.
func (j *job) await(ctx context.Context, id string) (int, error) {
	for {
		var out struct{ Command struct{ ExitCode *int } }
		err := j.Do(ctx, rest.Request{Op: "sandbox command", Method: http.MethodGet, Path: rest.Path("/v2/sandboxes/sessions/%s/cmd/%s", j.session, id)}, &out)
		if err != nil {
			return 0, err
		}
		if out.Command.ExitCode != nil {
			return *out.Command.ExitCode, nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return 0, err
		}
	}
}
