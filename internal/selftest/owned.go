package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The instants at which one of two processes is killed while the other process approves.
const (
	begun  = "begun"  // up to 40 ms after the approving process was started
	stored = "stored" // when the database has grown since
)

// Who is killed at one of these.
const (
	approving = "approving"
	owning    = "owning"
)

// approvals are the points about the nth approval.
func approvals(n int) (points []string) {
	for _, who := range []string{approving, owning} {
		for _, instant := range []string{begun, stored} {
			points = append(points, fmt.Sprintf("approval %d: %s %s", n, who, instant))
		}
	}
	return points
}

// ownedPoints does the operation once as an owner whose gates another process opens, and returns its points.
func (h *Harness) ownedPoints(ctx context.Context) ([]string, error) {
	o := &owner{h: h}
	points, err := h.requests(func() error {
		_, err := o.run(ctx, h.Operation.Args)
		return err
	})
	if err != nil {
		return nil, err
	}
	succeeded := o.killer.cmd.ProcessState.Success()
	if ends := len(h.Operation.Ends) == 0; o.gates == 0 || succeeded != ends && len(h.Operation.Again) == 0 {
		return nil, fmt.Errorf("selftest: %s as an owner asked at %d gates: %v; it said:\n%s", h.Operation.Name, o.gates, o.killer.cmd.ProcessState, o.said)
	}
	for n := range o.gates {
		points = append(points, approvals(n+1)...)
	}
	return points, nil
}

// strikeOwned returns what does the operation as an owner, and kills that or the process that approves at a point.
func (h *Harness) strikeOwned(point string, random *rand.Rand) Strike {
	return func(ctx context.Context, args []string) (bool, error) {
		return (&owner{h: h, point: point, random: random}).run(ctx, args)
	}
}

// owner is a process that waits at its gates, and those that approve.
type owner struct {
	h      *Harness
	point  string // "": nobody is killed
	random *rand.Rand

	killer *killer // of the owner
	gates  int     // at which it asked
	struck bool    // the approving process
	said   string
}

// run returns whether one of the processes was killed. It ends with the owner.
func (o *owner) run(ctx context.Context, args []string) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := o.h.World
	cmd := w.Command(ctx, args...)
	cmd.Env = append(cmd.Env, "TERM=dumb") // a step a line
	master, slave, err := terminal()
	if err != nil {
		return false, err
	}
	defer master.Close()
	defer slave.Close() // the second time, in most cases
	cmd.Stdin, cmd.Stderr = slave, slave
	o.killer = newKiller(w, cmd)
	if o.point != "" {
		w.Watch(about(o.point, o.random, func() *killer { return o.killer }))
		defer w.Watch(nil)
	}
	struck, err := o.killer.run(func() (err error) {
		_ = slave.Close() // the owner has it
		if o.said, err = Attend(master, func(gate string) error { return o.approve(ctx, gate) }); err != nil {
			cancel()
		}
		return err
	})
	return struck || o.struck, err
}

// approve opens the gate at which the owner waits; "" is the only one.
func (o *owner) approve(ctx context.Context, gate string) error {
	o.gates++
	who, instant := o.due()
	out, err := o.try(ctx, gate, who, instant)
	if o.struck {
		out, err = o.try(ctx, gate, "", "")
	}
	// Where one that was killed has approved, or the owner is gone, there may be nothing to approve any more.
	// What production was moved back from asks for more than an approval.
	if err != nil && !slices.ContainsFunc([]string{"conflict", "not_found", "drift"}, func(code string) bool { return bytes.Contains(out, []byte(`"`+code+`"`)) }) {
		return fmt.Errorf("selftest: approve: %w: %s", err, out)
	}
	return nil
}

// due returns who is killed during this approval, and when; "" for nobody.
func (o *owner) due() (who, instant string) {
	rest, ok := strings.CutPrefix(o.point, fmt.Sprintf("approval %d: ", o.gates))
	if !ok {
		return "", ""
	}
	who, instant, _ = strings.Cut(rest, " ")
	return who, instant
}

// try runs one process that approves, to its end.
func (o *owner) try(ctx context.Context, gate, who, instant string) ([]byte, error) {
	var out bytes.Buffer
	cmd := o.h.World.Command(ctx, append(o.h.Operation.Approve(gate), "--json")...)
	cmd.Stdout = &out
	k := newKiller(o.h.World, cmd)
	victim := k
	if who == owning {
		victim = o.killer
	}
	var err error
	struck, failed := k.run(func() error {
		switch instant {
		case begun:
			go victim.killAfter(time.Duration(o.random.Int64N(int64(40 * time.Millisecond))))
		case stored:
			go victim.killWritten(o.h.World.journal())
		}
		return nil
	})
	o.struck = o.struck || struck
	if !struck && cmd.ProcessState != nil && !cmd.ProcessState.Success() {
		err = &exec.ExitError{ProcessState: cmd.ProcessState}
	}
	return out.Bytes(), errors.Join(failed, err)
}

// Attend reads what an owner says until it has ended, and calls approve whenever it asks at a gate, with its name or "" where the question tells
// none. It returns what was said.
func Attend(owner io.Reader, approve func(gate string) error) (string, error) {
	var said strings.Builder
	seen := 0 // how much of it was looked at
	for buffer := make([]byte, 4096); ; {
		n, err := owner.Read(buffer)
		said.Write(buffer[:n])
		for at, gate := asks(said.String()[seen:]); at > 0; at, gate = asks(said.String()[seen:]) {
			seen += at
			if err := approve(gate); err != nil {
				return said.String(), fmt.Errorf("%w; the owner said:\n%s", err, said.String())
			}
		}
		if err != nil { // a terminal that nobody has open any more is no end of file but an error
			return said.String(), nil
		}
	}
}

// question matches what a person is asked at a gate.
var question = regexp.MustCompile(`Approve ([a-z]+)\? \[y/N\] |\[y/N\] | to go on: `)

// asks returns where the first question of a text ends, 0 for none, and the gate that it names.
func asks(text string) (end int, gate string) {
	m := question.FindStringSubmatchIndex(text)
	if m == nil {
		return 0, ""
	}
	if m[2] >= 0 {
		gate = text[m[2]:m[3]]
	}
	return m[1], gate
}
