package selftest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// The instants at which a process is killed from outside, about one request of it.
const (
	arrived = "arrived" // before the server acts, which then never does
	late    = "late"    // before the server acts, which does so all the same
	acted   = "acted"   // when the server has acted, before it replies
	replied = "replied" // up to 4 ms after the reply
	written = "written" // when the database has grown after the reply
)

// CrashOptions are the settings of Crash.
type CrashOptions struct {
	// Seed draws trials, and delays.
	Seed uint64
	// Trials is how many are drawn for each operation. 0 means all.
	Trials int
	// World is for the worlds, of which Dir is left to New.
	World Options
	// Done is called after each trial, by one goroutine at a time. May be nil.
	Done func(operation string, trial, of int, r Report)
}

// OperationReport is what was found about one operation.
type OperationReport struct {
	Operation string `json:"operation"`
	Trials    int    `json:"trials"`
	Report
}

// Crash kills every operation from outside, two operations at a time: as the emulators are in this process, it knows when a request has
// arrived, when it has acted, and when it is answered. The error is for what kept it from judging.
func Crash(ctx context.Context, o CrashOptions) ([]OperationReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	operations := Operations()
	reports := make([]OperationReport, len(operations))
	var telling sync.Mutex
	done := func(operation string, trial, of int, r Report) {
		telling.Lock()
		defer telling.Unlock()
		if o.Done != nil {
			o.Done(operation, trial, of, r)
		}
	}
	var group sync.WaitGroup
	room := make(chan struct{}, 2)
	for i, op := range operations {
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			var err error
			if reports[i], err = crash(ctx, op, o, done); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return reports, context.Cause(ctx)
}

// crash kills one operation in a world of its own.
func crash(ctx context.Context, op Operation, o CrashOptions, done func(string, int, int, Report)) (out OperationReport, err error) {
	out.Operation = op.Name
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	w, err := New(ctx, o.World)
	if err != nil {
		return out, err
	}
	defer w.Close()
	h, err := NewHarness(ctx, w, op)
	if err != nil {
		return out, err
	}
	points, err := h.requests(ctx)
	if err != nil {
		return out, err
	}
	trials := draw(Matrix(points, o.Seed), o.Trials, Random(o.Seed, op.Name))
	for i, t := range trials {
		var strikes []Strike
		for _, point := range t.Points {
			strikes = append(strikes, w.strike(point, Random(o.Seed, t.Where())))
		}
		r, err := h.Kill(ctx, op.Name+" killed: "+t.Where(), t.Resume, strikes...)
		if err != nil {
			return out, err
		}
		out.Trials++
		out.Add(r)
		done(op.Name, i+1, len(trials), r)
	}
	return out, nil
}

// draw returns n of the trials, the first of them about requests that change something; all for n = 0.
func draw(all []Trial, n int, random *rand.Rand) []Trial {
	if n <= 0 || n >= len(all) {
		return all
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b Trial) int { return reads(a) - reads(b) })
	return append(slices.Clone(all[:n-n/3]), all[len(all)-n/3:]...)
}

// reads is 1 for a trial that begins at a request that changes nothing, else 0.
func reads(t Trial) int {
	if strings.Contains(t.Points[0], " GET ") {
		return 1
	}
	return 0
}

// requests does the operation once and returns its points: each request at each instant.
func (h *Harness) requests(ctx context.Context) ([]string, error) {
	if err := h.Restore(); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var points []string
	seen := map[string]int{}
	h.World.Watch(func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before {
			mu.Lock()
			defer mu.Unlock()
			name := request(c)
			seen[name]++
			for _, instant := range []string{arrived, late, acted, replied, written} {
				points = append(points, fmt.Sprintf("%s %s #%d", instant, name, seen[name]))
			}
		}
		return emukit.Action{}
	})
	defer h.World.Watch(nil)
	a, err := h.World.ask(ctx, h.Operation.Yes(h.Operation.Args...))
	if err == nil && a.exit != 0 {
		err = fmt.Errorf("selftest: an uninterrupted %s: %v", h.Operation.Name, a)
	}
	mu.Lock()
	defer mu.Unlock()
	return points, err
}

// request is what a call is in a point's name, which ends with how manieth it is of its kind.
func request(c *emukit.Call) string { return c.API + " " + c.Method + " " + c.Route }

// strike returns what kills a command at a point.
func (w *World) strike(point string, random *rand.Rand) Strike {
	instant, rest, _ := strings.Cut(point, " ")
	delay := time.Duration(random.Int64N(int64(4 * time.Millisecond)))
	return func(ctx context.Context, cmd *exec.Cmd) (bool, error) {
		k := &killer{world: w, cmd: cmd, started: make(chan struct{}), dead: make(chan struct{})}
		var mu sync.Mutex
		seen := map[string]int{}
		meant := map[*emukit.Call]bool{}
		w.Watch(func(c *emukit.Call) emukit.Action {
			mu.Lock()
			if c.Phase == emukit.Before {
				name := request(c)
				seen[name]++
				meant[c] = fmt.Sprintf("%s #%d", name, seen[name]) == rest
			}
			due := meant[c]
			mu.Unlock()
			if !due {
				return emukit.Action{}
			}
			return k.at(instant, c.Phase, delay)
		})
		defer w.Watch(nil)
		return k.run()
	}
}

// killer kills one process.
type killer struct {
	world         *World
	cmd           *exec.Cmd
	started, dead chan struct{}

	mu     sync.Mutex
	struck bool
}

// run runs the process to its end, and reports whether it was killed before.
func (k *killer) run() (bool, error) {
	if err := k.cmd.Start(); err != nil {
		return false, err
	}
	close(k.started)
	_ = k.cmd.Wait() // how it ended shows in what it left
	close(k.dead)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.struck, nil
}

// at is called for the request that is meant, in both phases.
func (k *killer) at(instant string, phase emukit.Phase, delay time.Duration) emukit.Action {
	switch {
	case instant == arrived && phase == emukit.Before, instant == acted && phase == emukit.After:
		k.kill()
		return emukit.Action{Drop: true}
	case instant == late && phase == emukit.Before:
		k.kill()
	case instant == replied && phase == emukit.After:
		go k.killAfter(delay)
	case instant == written && phase == emukit.After:
		go k.killWritten(k.world.journal())
	}
	return emukit.Action{}
}

// kill returns when the process is dead.
func (k *killer) kill() {
	<-k.started
	select {
	case <-k.dead: // it ended by itself
		return
	default:
	}
	k.mu.Lock()
	k.struck = true
	k.mu.Unlock()
	_ = k.cmd.Process.Kill() // fails only for one that is dead
	<-k.dead
}

func (k *killer) killAfter(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-k.dead:
	case <-t.C:
		k.kill()
	}
}

// killWritten kills when the database's journal is no longer as it was.
func (k *killer) killWritten(was map[string]int64) {
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for maps.Equal(was, k.world.journal()) {
		select {
		case <-k.dead:
			return
		case <-tick.C:
		}
	}
	k.kill()
}

// journal returns the sizes of the write-ahead logs in the home.
func (w *World) journal() map[string]int64 {
	out := map[string]int64{}
	names, _ := filepath.Glob(filepath.Join(w.Home, "apps", "*", "*-wal")) // the pattern is well-formed
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			out[name] = info.Size()
		}
	}
	return out
}
