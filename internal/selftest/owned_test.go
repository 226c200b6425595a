package selftest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway/internal/selftest"
)

// strike is what happens to the two processes of an owned operation. The zero value is nothing.
type strike struct {
	owner  string // the point at which the owner dies
	gate   int    // the approval that the next is about: 1 is the first
	cli    string // the point at which the approving process dies
	during string // the point of the approving process at which the owner dies
}

// pair is an owner that waits at gates, and the processes that approve.
type pair struct {
	h      *selftest.Harness
	strike strike
	record string // prefix of the files that the points are written to: "owner", and a number for each approval
	gate   int
	kills  int
}

// run does the operation, or goes on with it by args, until the owner ends or is killed.
func (p *pair) run(ctx context.Context, args []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	owner := p.h.World.Command(ctx, args...)
	owner.Env = append(owner.Env, asksVariable+"=1", dieVariable+"="+p.strike.owner)
	if p.record != "" {
		owner.Env = append(owner.Env, recordVariable+"="+p.record+"owner")
	}
	stdin, err := owner.StdinPipe() // nobody types
	if err != nil {
		return err
	}
	defer stdin.Close()
	stderr, err := owner.StderrPipe()
	if err != nil {
		return err
	}
	if err := owner.Start(); err != nil {
		return err
	}
	if _, err := selftest.Attend(stderr, func(gate string) error { return p.approve(ctx, owner, gate) }); err != nil {
		cancel()
		_ = owner.Wait()
		return err
	}
	_ = owner.Wait() // how it ended shows in the end
	if !owner.ProcessState.Exited() {
		p.kills++
	}
	return nil
}

// approve opens the gate at which the owner waits; "" is the only one.
func (p *pair) approve(ctx context.Context, owner *exec.Cmd, gate string) error {
	p.gate++
	cmd := p.h.World.Command(ctx, append(p.h.Operation.Approve(gate), "--json")...)
	if p.record != "" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s%d", recordVariable, p.record, p.gate))
	}
	if p.strike.gate == p.gate && p.strike.during != "" {
		return p.approveWithout(cmd, owner)
	}
	if p.strike.gate == p.gate && p.strike.cli != "" {
		cmd.Env = append(cmd.Env, dieVariable+"="+p.strike.cli)
		killed, err := runs(cmd)
		if err != nil {
			return err
		}
		if killed {
			p.kills++
			cmd = p.h.World.Command(ctx, append(p.h.Operation.Approve(gate), "--json")...)
		} else {
			return nil
		}
	}
	// Where one that was killed has approved, there is nothing to approve any more.
	out, err := cmd.Output()
	if err != nil && !bytes.Contains(out, []byte(`"conflict"`)) && !bytes.Contains(out, []byte(`"not_found"`)) {
		return fmt.Errorf("approve: %w: %s", err, out)
	}
	return nil
}

// approveWithout kills the owner while the approving process is at a point.
func (p *pair) approveWithout(cmd, owner *exec.Cmd) error {
	reached, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reached.Close()
	wait, goOn, err := os.Pipe()
	if err != nil {
		return err
	}
	defer goOn.Close()
	cmd.Env = append(cmd.Env, pauseVariable+"="+p.strike.during)
	cmd.ExtraFiles = []*os.File{tell, wait}
	err = cmd.Start()
	tell.Close()
	wait.Close()
	if err != nil {
		return err
	}
	if n, _ := reached.Read(make([]byte, 1)); n == 1 {
		_ = owner.Process.Kill()
	}
	goOn.Close()
	_ = cmd.Wait() // how it ended shows in the end
	return nil
}

// owned are the trials of an operation that another process approves: the owner is killed at its own points, the approving process at its
// own, and the owner at those of the approving process.
func owned(t *testing.T, pl plan, h *selftest.Harness) []trial {
	t.Helper()
	if err := h.Restore(); err != nil {
		t.Fatal(err)
	}
	p := &pair{h: h, record: filepath.Join(t.TempDir(), "points-")}
	if err := p.run(t.Context(), h.Operation.Args); err != nil {
		t.Fatal(err)
	}
	var all []trial
	for _, m := range selftest.Matrix(readPoints(t, p.record+"owner"), pl.seed) {
		var strikes []strike
		for _, point := range m.Points {
			strikes = append(strikes, strike{owner: point})
		}
		all = append(all, trial{m.Where(), killOwned(m.Resume, strikes...), m.Resume})
	}
	for gate := 1; gate <= p.gate; gate++ {
		points := readPoints(t, fmt.Sprint(p.record, gate))
		for _, point := range points {
			cli, during := strike{gate: gate, cli: point}, strike{gate: gate, during: point}
			for _, way := range []struct {
				who     string
				strikes []strike
			}{
				{"the approving process", []strike{cli}},
				{"the owner", []strike{during}},
				{"the approving process, then the owner", []strike{cli, during}},
				{"the owner, twice", []strike{during, during}},
			} {
				where := fmt.Sprintf("approval %d at %s: %s", gate, point, way.who)
				resume := selftest.Random(pl.seed, where).IntN(2) == 0
				all = append(all, trial{where, killOwned(resume, way.strikes...), resume})
			}
		}
	}
	return all
}

func killOwned(resume bool, strikes ...strike) func(context.Context, *selftest.Harness) (int, error) {
	return func(ctx context.Context, h *selftest.Harness) (kills int, err error) {
		args := h.Operation.Args
		for _, s := range strikes {
			p := &pair{h: h, strike: s}
			if err := p.run(ctx, args); err != nil {
				return kills, err
			}
			kills += p.kills
			args = h.Again(resume)
		}
		return kills, nil
	}
}
