package selftest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway/internal/scratch"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// plan says which part of the matrix is tried: a sample, or with SLIPWAY_LONG=1 shard i of n of the whole (SLIPWAY_SHARD=i/n, default 1/1).
// SLIPWAY_SEED draws another sample, and other second points.
type plan struct {
	long         bool
	seed         uint64
	shard, parts int
}

func readPlan(t *testing.T) plan {
	p := plan{long: os.Getenv("SLIPWAY_LONG") != "", seed: 1, shard: 1, parts: 1}
	var err error
	if s := os.Getenv("SLIPWAY_SEED"); s != "" {
		if p.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SLIPWAY_SEED: %v", err)
		}
	}
	if s := os.Getenv("SLIPWAY_SHARD"); s != "" && p.long {
		if n, err := fmt.Sscanf(s, "%d/%d", &p.shard, &p.parts); n != 2 || err != nil || p.shard < 1 || p.shard > p.parts {
			t.Fatalf("SLIPWAY_SHARD=%q: not i/n with i from 1 to n", s)
		}
	}
	return p
}

// trial is one of the matrix, and how it is done.
type trial struct {
	where string
	// interrupt begins the operation, kills it, goes on with it, and kills it again, as often as it likes.
	interrupt func(context.Context, *selftest.Harness) (kills int, err error)
	resume    bool // that is how it is finished
}

// part returns what of the matrix this process tries: its shard; or each change whose reply is lost once, where every says so, and n more.
func (p plan) part(all []trial, every bool, n int) []trial {
	if p.long {
		return slices.DeleteFunc(all, func(t trial) bool { return selftest.Hash(t.where)%uint64(p.parts) != uint64(p.shard-1) })
	}
	selftest.Random(p.seed, "sample").Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var out []trial
	for _, t := range all {
		if lost := every && lostReply.MatchString(t.where); lost || n > 0 {
			out = append(out, t)
			if !lost {
				n--
			}
		}
	}
	return out
}

// lostReply matches a trial of one kill, after the server has acted on a change.
var lostReply = regexp.MustCompile(`^acted (POST|PATCH|PUT|DELETE) [^,]*$`)

// sampled are the races of which there are samples here; the script selftest_crash has one of each.
var sampled = map[string]bool{"policy": true, "queued": true}

// TestCrash kills each operation at its points, as one process and as an owner whose gates another process opens.
func TestCrash(t *testing.T) {
	p := readPlan(t)
	var mu sync.Mutex
	total, tried := selftest.Report{}, 0
	t.Run("operation", func(t *testing.T) {
		for _, op := range selftest.Operations() {
			for _, mode := range []struct {
				name   string
				every  bool
				sample int
				trials func(*testing.T, plan, *selftest.Harness) []trial
			}{
				{"alone", true, 3, alone},
				{"owned", false, 2, owned},
			} {
				if owned := mode.name == "owned"; owned && op.Alone || !p.long && op.Race && (owned || !sampled[op.Name]) {
					continue
				}
				t.Run(op.Name+"/"+mode.name, func(t *testing.T) {
					t.Parallel()
					h := mortalHarness(t, op)
					all := mode.trials(t, p, h)
					if len(all) < 500 {
						t.Errorf("%d trials: the points are not seen", len(all))
					}
					part := p.part(all, mode.every && !raced, mode.sample)
					r, missed := try(t, h, part)
					t.Logf("counts: %d of %d trials, %d without a kill: %s", len(part), len(all), missed, summary(r))
					if missed > len(part)/2 {
						t.Error("the points of one run are not those of another: most were not met")
					}
					mu.Lock()
					defer mu.Unlock()
					total.Add(r)
					tried += len(part)
				})
			}
		}
	})
	t.Logf("counts: seed %d, shard %d/%d, %d trials: %s", p.seed, p.shard, p.parts, tried, summary(total))
}

func summary(r selftest.Report) string {
	return fmt.Sprintf("points %d, duplicates %d, orphans %d, differences %d, repeated %d, asked %d", r.Points, r.Duplicates, r.Orphans, r.Differences, r.Repeated, r.Asked)
}

func mortalHarness(t *testing.T, op selftest.Operation) *selftest.Harness {
	t.Helper()
	w, err := selftest.New(t.Context(), selftest.Options{Dir: filepath.Join(scratch.Dir(t), "world"), Env: map[string]string{
		roleVariable: "mortal", "GOGC": "off", "GOMEMLIMIT": "256MiB", // a life of a second needs no collector
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	h, err := selftest.NewHarness(t.Context(), w, op)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// try returns what was found, and how many trials ended without a kill.
func try(t *testing.T, h *selftest.Harness, part []trial) (total selftest.Report, missed int) {
	for _, tr := range part {
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		kills, err := tr.interrupt(t.Context(), h)
		if err != nil {
			t.Fatalf("%s: %v", tr.where, err)
		}
		r, err := h.Finish(t.Context(), tr.where, tr.resume)
		if err != nil {
			t.Fatalf("%s: %v", tr.where, err)
		}
		if r.Points = kills; kills == 0 {
			missed++
		}
		for _, f := range r.Findings {
			t.Error(f)
		}
		total.Add(r)
	}
	return total, missed
}

// alone are the trials of an operation that approves for itself.
func alone(t *testing.T, p plan, h *selftest.Harness) []trial {
	t.Helper()
	if err := h.Restore(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "points")
	if _, err := h.Commands(t.Context(), h.Operation.Args, func(cmd *exec.Cmd) (bool, error) {
		cmd.Env = append(cmd.Env, recordVariable+"="+name)
		return runs(cmd)
	}); err != nil {
		t.Fatal(err)
	}
	var all []trial
	for _, m := range selftest.Matrix(readPoints(t, name), p.seed) {
		all = append(all, trial{m.Where(), killAlone(m), m.Resume})
	}
	return all
}

func killAlone(m selftest.Trial) func(context.Context, *selftest.Harness) (int, error) {
	return func(ctx context.Context, h *selftest.Harness) (kills int, err error) {
		args := h.Operation.Args
		for _, point := range m.Points {
			killed, err := h.Commands(ctx, args, func(cmd *exec.Cmd) (bool, error) {
				cmd.Env = append(cmd.Env, dieVariable+"="+point)
				return runs(cmd)
			})
			if err != nil {
				return kills, err
			}
			if killed {
				kills++
			}
			args = h.Again(m.Resume)
		}
		return kills, nil
	}
}

// runs runs cmd to its end and reports whether it was killed.
func runs(cmd *exec.Cmd) (killed bool, err error) {
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return false, err
	}
	return !cmd.ProcessState.Exited(), nil
}
