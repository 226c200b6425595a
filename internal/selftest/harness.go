package selftest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Strike runs the command with these arguments to its end, and kills it somewhere. struck is false when it ended before.
type Strike func(ctx context.Context, args []string) (struck bool, err error)

// Harness kills one operation in one world, again and again, and compares with what it leaves when nothing kills it.
type Harness struct {
	World     *World
	Operation Operation

	begin *Snapshot
	want  State
}

// NewHarness brings the world to where op begins, and does op once without interruption: that is what the others are compared with.
func NewHarness(ctx context.Context, w *World, op Operation) (*Harness, error) {
	h := &Harness{World: w, Operation: op}
	beside := func(c *emukit.Call) (map[string]string, error) { return op.Beside(ctx, w, c) }
	if op.Setup != nil {
		if err := op.Setup(ctx, w); err != nil {
			return nil, err
		}
	}
	var err error
	if h.begin, err = w.Snapshot(); err != nil {
		return nil, err
	}
	if op.Beside != nil {
		w.Beside(beside)
	}
	if err := h.Restore(); err != nil {
		return nil, err
	}
	if err := h.uninterrupted(ctx); err != nil {
		return nil, fmt.Errorf("selftest: an uninterrupted %s: %w", op.Name, err)
	}
	return h, nil
}

// uninterrupted does the operation twice: what it leaves the first time is there as soon as it says so, and the second time changes nothing.
func (h *Harness) uninterrupted(ctx context.Context) error {
	for i := range 2 {
		a, err := h.ask(ctx, h.Operation.Args)
		if err == nil && !h.Operation.ended(a) {
			err = errors.New(a.String())
		}
		if err != nil {
			return err
		}
		got, err := h.observe(ctx)
		if err != nil {
			return err
		}
		if i == 0 {
			h.want = got
		} else if r := Compare(h.want, got); !r.Clean() {
			return fmt.Errorf("it was not done when it said so: %s", strings.Join(r.Findings, "; "))
		}
	}
	return nil
}

// observe returns what the providers hold, and what was approved.
func (h *Harness) observe(ctx context.Context) (State, error) {
	s, err := h.World.Observe()
	if err == nil {
		s.Approved, err = h.World.approved(ctx)
	}
	return s, err
}

// Restore brings the world back to where the operation begins.
func (h *Harness) Restore() error { return h.World.Restore(h.begin) }

// Again are the arguments that go on with the operation after an interruption: it is asked for again, or its run is resumed.
func (h *Harness) Again(resume bool) []string {
	if resume {
		return []string{"resume"}
	}
	return h.Operation.Args
}

// ask runs the commands of the operation to its end.
func (h *Harness) ask(ctx context.Context, args []string) (answer, error) {
	_, a, err := h.commands(ctx, args, func(cmd *exec.Cmd) (bool, error) { return false, cmd.Run() })
	return a, err
}

// Commands does the operation, approving for itself, by each of its commands in turn, of which the first has these arguments. run runs one to
// its end and reports whether it was killed, which ends the operation.
func (h *Harness) Commands(ctx context.Context, args []string, run func(*exec.Cmd) (killed bool, err error)) (killed bool, err error) {
	killed, _, err = h.commands(ctx, args, run)
	return killed, err
}

func (h *Harness) commands(ctx context.Context, args []string, run func(*exec.Cmd) (bool, error)) (killed bool, a answer, err error) {
	for range 10 {
		if killed, a, err = h.World.command(ctx, h.Operation.Yes(args...), run); killed || err != nil {
			return killed, a, err
		}
		switch {
		case h.Operation.Gate != "" && a.result.Status == "waiting_approval":
			if killed, _, err = h.World.command(ctx, []string{"approve", "--gate", h.Operation.Gate}, run); killed || err != nil {
				return killed, a, err
			}
		case !slices.Contains(h.Operation.Again, a.code()) && !slices.Contains(h.Operation.Again, a.result.Status):
			return false, a, h.World.Err()
		}
	}
	return false, a, h.World.Err()
}

// Kill begins the operation, interrupts it as often as there are strikes, lets it finish, and judges what is left. where names the point
// in findings. resume says by which of its commands the operation is gone on with. The error is for what keeps from judging.
func (h *Harness) Kill(ctx context.Context, where string, resume bool, strikes ...Strike) (Report, error) {
	if err := h.Restore(); err != nil {
		return Report{}, err
	}
	kills, args := 0, h.Operation.Args
	for _, strike := range strikes {
		struck, err := strike(ctx, args)
		if err != nil {
			return Report{}, err
		}
		if struck {
			kills++
		}
		args = h.Again(resume)
	}
	r, err := h.Finish(ctx, where, resume)
	r.Points += kills
	return r, err
}

// Finish goes on with an operation that was interrupted, asks for it once more, and judges what is left.
func (h *Harness) Finish(ctx context.Context, where string, resume bool) (Report, error) {
	var r Report
	if resume {
		a, err := h.ask(ctx, h.Again(true))
		if err != nil {
			return r, err
		}
		if !h.Operation.ended(a) && a.code() != "not_found" { // nothing is unfinished: it died before its beginning or after its end
			r.Differences++
			r.find("the resumed run did not succeed: %s", a)
		}
	}
	for range 2 {
		a, err := h.ask(ctx, h.Operation.Args)
		if err != nil {
			return r, err
		}
		if !h.Operation.ended(a) {
			r.Differences++
			r.find("the run did not succeed: %s", a)
		}
		got, err := h.observe(ctx)
		if err != nil {
			return r, err
		}
		if r.Add(Compare(h.want, got)); !r.Clean() {
			break
		}
	}
	names := h.World.replacer() // messages have ids in them
	for i, f := range r.Findings {
		r.Findings[i] = where + ": " + names.Replace(f)
	}
	return r, ctx.Err()
}

// answer is how a command ended.
type answer struct {
	exit   int
	result struct {
		Status string
		Error  *struct{ Code, Message string }
	}
	stderr string
}

func (a answer) code() string {
	if a.result.Error == nil {
		return ""
	}
	return a.result.Error.Code
}

func (a answer) String() string {
	if e := a.result.Error; e != nil {
		return fmt.Sprintf("exit status %d, %s: %s", a.exit, e.Code, e.Message)
	}
	return fmt.Sprintf("exit status %d, %s%s", a.exit, a.result.Status, a.stderr)
}

// ask runs a command to its end. An error is one to run it, not that it failed.
func (w *World) ask(ctx context.Context, args []string) (answer, error) {
	_, a, err := w.command(ctx, args, func(cmd *exec.Cmd) (bool, error) { return false, cmd.Run() })
	return a, err
}

// command runs a command by run, which reports whether it was killed.
func (w *World) command(ctx context.Context, args []string, run func(*exec.Cmd) (bool, error)) (killed bool, a answer, err error) {
	cmd := w.Command(ctx, append(args[:len(args):len(args)], "--json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if killed, err = run(cmd); errors.As(err, new(*exec.ExitError)) {
		err = nil
	}
	if cmd.ProcessState != nil {
		a.exit = cmd.ProcessState.ExitCode()
	}
	if err != nil || ctx.Err() != nil {
		return killed, a, errors.Join(err, ctx.Err())
	}
	lines := bytes.Split(bytes.TrimSpace(stdout.Bytes()), []byte("\n"))
	if json.Unmarshal(lines[len(lines)-1], &a.result) != nil {
		a.stderr = ": " + strings.TrimSpace(stderr.String())
	}
	return killed, a, nil
}
