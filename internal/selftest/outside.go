package selftest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	// Only names the operations that are killed. Empty means all.
	Only []string
	// World is for the worlds, of which Dir is left to New.
	World Options
	// Done is called after each trial, by one goroutine at a time: with what was found so far about the operation in that mode, of how many
	// trials, and by this one. May be nil.
	Done func(sum OperationReport, of int, r Report)
}

// Owned is the mode of an owner, which waits at its gates, and processes that approve. The other mode is one process.
const Owned = "owned"

// OperationReport is what was found about one operation.
type OperationReport struct {
	Operation string `json:"operation"`
	As        string `json:"as,omitempty"` // Owned, or "" for one process
	Trials    int    `json:"trials"`
	Report
}

// Name is the operation's, and how it is done.
func (r OperationReport) Name() string {
	if r.As == "" {
		return r.Operation
	}
	return r.Operation + "/" + r.As
}

// Crash kills every operation from outside, in each mode, four operations at a time, since they wait more than they work: as the emulators
// are in this process, it knows when a request has arrived, when it has acted, and when it is answered. The error is for what kept it from
// judging.
func Crash(ctx context.Context, o CrashOptions) ([]OperationReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	operations := slices.DeleteFunc(Operations(), func(op Operation) bool { return len(o.Only) > 0 && !slices.Contains(o.Only, op.Name) })
	reports := make([][]OperationReport, len(operations))
	var telling sync.Mutex
	done := func(sum OperationReport, of int, r Report) {
		telling.Lock()
		defer telling.Unlock()
		if o.Done != nil {
			o.Done(sum, of, r)
		}
	}
	var group sync.WaitGroup
	room := make(chan struct{}, 4)
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
	return slices.Concat(reports...), context.Cause(ctx)
}

// mode is how an operation is done.
type mode struct {
	as     string // "" for one process
	points func(*Harness, context.Context) ([]string, error)
	strike func(*Harness, string, *rand.Rand) Strike
}

// modes are those that this system can do.
func modes() []mode {
	out := []mode{{"", (*Harness).points, (*Harness).strike}}
	if master, slave, err := terminal(); err == nil {
		_ = errors.Join(master.Close(), slave.Close()) // nobody uses it
		out = append(out, mode{Owned, (*Harness).ownedPoints, (*Harness).strikeOwned})
	}
	return out
}

// crash kills one operation in a world of its own, in every mode.
func crash(ctx context.Context, op Operation, o CrashOptions, done func(OperationReport, int, Report)) (out []OperationReport, err error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w, err := New(ctx, o.World)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	h, err := NewHarness(ctx, w, op)
	if err != nil {
		return nil, err
	}
	for _, m := range modes() {
		if op.Alone && m.as != "" {
			continue
		}
		points, err := m.points(h, ctx)
		if err != nil {
			return out, err
		}
		r := OperationReport{Operation: op.Name, As: m.as}
		trials := draw(Matrix(points, o.Seed), o.Trials, Random(o.Seed, r.Name()))
		for _, t := range trials {
			var strikes []Strike
			for _, point := range t.Points {
				strikes = append(strikes, m.strike(h, point, Random(o.Seed, t.Where())))
			}
			one, err := h.Kill(ctx, r.Name()+" killed: "+t.Where(), t.Resume, strikes...)
			if err != nil {
				return out, err
			}
			r.Trials++
			r.Add(one)
			done(r, len(trials), one)
		}
		out = append(out, r)
	}
	return out, nil
}

// draw returns n of the trials, a third of them about requests that change nothing, and another about approvals where there are any; all for
// n = 0.
func draw(all []Trial, n int, random *rand.Rand) []Trial {
	if n <= 0 || n >= len(all) {
		return all
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	about := map[string][]Trial{}
	for _, t := range all {
		about[subject(t)] = append(about[subject(t)], t)
	}
	room := func(of string, n int) []Trial { return about[of][:min(n, len(about[of]))] }
	out := slices.Concat(room("an approval", (n+2)/3), room("a read", n/3))
	return append(room("a change", n-len(out)), out...)
}

// subject says what a trial is about, by its first point.
func subject(t Trial) string {
	switch {
	case strings.HasPrefix(t.Points[0], "approval "):
		return "an approval"
	case strings.Contains(t.Points[0], " GET "):
		return "a read"
	}
	return "a change"
}

// points does the operation once and returns its points.
func (h *Harness) points(ctx context.Context) ([]string, error) {
	return h.requests(func() error {
		a, err := h.ask(ctx, h.Operation.Args)
		if err == nil && !h.Operation.ended(a) {
			err = fmt.Errorf("selftest: an uninterrupted %s: %v", h.Operation.Name, a)
		}
		return err
	})
}

// requests returns the points of what do does: each request at each instant.
func (h *Harness) requests(do func() error) ([]string, error) {
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
	err := do()
	mu.Lock()
	defer mu.Unlock()
	return points, err
}

// request is what a call is in a point's name, which ends with how manieth it is of its kind.
func request(c *emukit.Call) string { return c.API + " " + c.Method + " " + c.Route }

// strike returns what does the operation, approving for itself, and kills it at a point.
func (h *Harness) strike(point string, random *rand.Rand) Strike {
	return func(ctx context.Context, args []string) (bool, error) {
		var now atomic.Pointer[killer]
		h.World.Watch(about(point, random, now.Load))
		defer h.World.Watch(nil)
		return h.Commands(ctx, args, func(cmd *exec.Cmd) (bool, error) {
			k := newKiller(h.World, cmd)
			now.Store(k)
			return k.run(func() error { return nil })
		})
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

func newKiller(w *World, cmd *exec.Cmd) *killer {
	return &killer{world: w, cmd: cmd, started: make(chan struct{}), dead: make(chan struct{})}
}

// run runs the process to its end, and meanwhile what is to be done beside it. It reports whether it was killed before.
func (k *killer) run(meanwhile func() error) (bool, error) {
	if err := k.cmd.Start(); err != nil {
		return false, err
	}
	close(k.started)
	err := meanwhile()
	_ = k.cmd.Wait() // how it ended shows in what it left
	close(k.dead)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.struck, err
}

// about returns what sees the world's calls, and kills who is running at the instant that a point names of the request that it names.
func about(point string, random *rand.Rand, running func() *killer) func(*emukit.Call) emukit.Action {
	instant, rest, _ := strings.Cut(point, " ")
	delay := time.Duration(random.Int64N(int64(4 * time.Millisecond)))
	var mu sync.Mutex
	seen := map[string]int{}
	meant := map[*emukit.Call]bool{}
	return func(c *emukit.Call) emukit.Action {
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
		return running().at(instant, c.Phase, delay)
	}
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
