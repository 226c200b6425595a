package selftest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// started is a command that runs beside the test.
type started struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, w *selftest.World, env []string, args ...string) *started {
	t.Helper()
	s := &started{t: t, cmd: w.Command(t.Context(), append(args, "--json")...)}
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *started) end() (out trouble) {
	s.t.Helper()
	if err := s.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	out.exit, out.stderr = s.cmd.ProcessState.ExitCode(), s.stderr.String()
	lines := bytes.Split(bytes.TrimSpace(s.stdout.Bytes()), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &out.result); err != nil {
		s.t.Fatalf("no result: %v\n%s%s", err, s.stdout.String(), out.stderr)
	}
	return out
}

// rounds is how often a race is run.
func rounds(t *testing.T, sample, whole int) int {
	if readPlan(t).long {
		return whole
	}
	return sample
}

var whoHoldsIt = regexp.MustCompile(`(another process \(pid \d+\) works on run run_\S+ since \S+|process \d+ has owned this app since \S+|another slipway process owns this app)`)

// TestTwoShips starts two ships of one app at the same time: one works, the other says who does or finds nothing left to do.
func TestTwoShips(t *testing.T) {
	t.Parallel()
	h := harness(t)
	for range rounds(t, 3, 30) {
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		a, b := start(t, h.World, nil, "ship", "--yes"), start(t, h.World, nil, "ship", "--yes")
		won := 0
		for _, got := range []trouble{a.end(), b.end()} {
			switch {
			case got.exit == 0:
				won++
			case got.result.Error.Code != "locked" || !whoHoldsIt.MatchString(got.result.Error.Message) || got.result.Error.Hint == "" || got.exit != 1:
				t.Errorf("the one that did not win: exit status %d, %+v", got.exit, got.result)
			}
		}
		if won == 0 {
			t.Error("none won")
		}
		mended(t, h, "two ships", false)
	}
}

// TestSecondShipNamesTheFirst: while one is in the middle, another says its pid, its run and since when, and how to watch it.
func TestSecondShipNamesTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := holdOne(w, emukit.Before, http.MethodPost, "*/v13/deployments")
	first := start(t, w, nil, "ship", "--yes")
	<-release.arrived
	link := filepath.Join(t.TempDir(), "another way")
	if err := os.Symlink(w.Home, link); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{"the same home": nil, "the same home by another path": {"SLIPWAY_HOME=" + link}} {
		for _, args := range [][]string{{"ship", "--yes"}, {"resume", "--yes"}, {"destroy", "--all", "--yes", "--confirm", "shop"}} {
			got := start(t, w, env, args...).end()
			e := got.result.Error
			if got.exit != 1 || e.Code != "locked" || !strings.HasPrefix(e.Message, "another process (pid ") || !strings.Contains(e.Hint, "slipway watch run_") {
				t.Errorf("%s: %v: exit status %d, %+v", name, args, got.exit, e)
			}
		}
	}
	close(release.hold)
	if got := first.end(); got.exit != 0 {
		t.Errorf("the first: %+v", got)
	}
}

// held is a call that an emulator keeps.
type held struct{ arrived, hold chan struct{} }

func holdOne(w *selftest.World, phase emukit.Phase, method, glob string) held {
	h, once := held{make(chan struct{}), make(chan struct{})}, sync.Once{}
	w.Watch(func(c *emukit.Call) (a emukit.Action) {
		if c.Phase == phase && c.Method == method && emukit.Glob(glob, c.Path) {
			once.Do(func() { close(h.arrived); a.Hold = h.hold })
		}
		return a
	})
	return h
}

// TestTwoOwners takes the lock's file away under its holder, so that another process believes that it owns the app: the fences hold.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	h := harness(t)
	for _, at := range []string{"*/v11/projects", "*/v13/deployments", "*/promote/*"} {
		if !readPlan(t).long && at != "*/v13/deployments" { // the second owner waits for the settle time
			continue
		}
		if err := h.Restore(); err != nil {
			t.Fatal(err)
		}
		release := holdOne(h.World, emukit.After, http.MethodPost, at)
		first := start(t, h.World, nil, "ship", "--yes")
		<-release.arrived
		lock := filepath.Join(filepath.Dir(database(h.World)), "owner.lock")
		if err := errors.Join(os.Rename(lock, lock+".old"), os.WriteFile(lock, contents(t, lock+".old"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got := start(t, h.World, nil, "resume", "--yes").end(); got.exit != 0 {
			t.Errorf("%s: the second owner: %+v", at, got)
		}
		close(release.hold)
		if got := first.end(); got.exit != 0 && got.result.Error.Hint == "" {
			t.Errorf("%s: the first owner: %+v", at, got)
		}
		mended(t, h, "two owners at "+at, false)
	}
}

// decided is what a decision came to.
type decided struct {
	what string
	err  error
}

// TestDecisionsRace decides twice at once about one run, from two homes' connections, with and without an owner who works on it.
func TestDecisionsRace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		other  string
		final  func(failed []decided, status slipway.RunStatus) bool
	}{
		"cancel": {"a run that was cancelled cannot be approved; one that was approved can be cancelled", "cancel", func(failed []decided, status slipway.RunStatus) bool {
			return status == slipway.RunCanceled && (len(failed) == 0 || len(failed) == 1 && failed[0].what == "approve")
		}},
		"reject": {"an approval is decided once", "reject", func(failed []decided, status slipway.RunStatus) bool {
			if len(failed) != 1 {
				return false
			}
			return failed[0].what == "approve" && status == slipway.RunRejected || failed[0].what == "reject" && status == slipway.RunActive
		}},
		"approve": {"an approval is given once", "approve", func(failed []decided, status slipway.RunStatus) bool {
			return len(failed) == 1 && status == slipway.RunActive
		}},
	} {
		t.Run(name, func(t *testing.T) {
			won := map[string]int{}
			for range rounds(t, 15, 300) {
				failed, d, calls := decideTwice(t, tc.other)
				for _, f := range failed {
					won[f.what]++
					e := (*slipway.Error)(nil)
					if !errors.As(f.err, &e) || e.Code != slipway.CodeConflict || !strings.Contains(e.Message+e.Hint, d.Run.ID) || e.Hint == "" {
						t.Errorf("%s lost with %v, which does not say what happened", f.what, f.err)
					}
				}
				if !tc.final(failed, d.Run.Status) || calls > 0 {
					t.Fatalf("%s: failed %v, the run is %s, %d changes outside", tc.reason, failed, d.Run.Status, calls)
				}
			}
			t.Logf("lost: %v", won)
		})
	}
}

// decideTwice approves a run that waits and, at the same time from another process, does other. It returns what failed.
func decideTwice(t *testing.T, other string) (failed []decided, d *slipway.RunDetail, calls int) {
	c, home := newCloud(), t.TempDir()
	a, b := c.start(t, home), c.start(t, home)
	defer a.end()
	defer b.end()
	run := a.ship(app, slipway.Production)
	a.drive(run, func(*slipway.RunDetail) bool { return false })
	ready, results := make(chan struct{}), make(chan decided, 2)
	decide := func(p *process, what string) {
		<-ready
		var err error
		if what == "cancel" {
			_, err = p.engine.Cancel(t.Context(), run.ID, "", person)
		} else {
			_, err = p.engine.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: what == "approve", By: approver, Reason: "not now"})
		}
		results <- decided{what, err}
	}
	go decide(a, "approve")
	go decide(b, other)
	close(ready)
	for range 2 {
		if r := <-results; r.err != nil {
			failed = append(failed, r)
		}
	}
	d, err := a.engine.Get(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	return failed, d, c.vercel.Mutations()
}

// TestApproveAndCancelRace does the same with processes, while an owner waits at the gate.
func TestApproveAndCancelRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range rounds(t, 3, 40) {
		if got := start(t, w, nil, "ship").end(); got.exit != 3 {
			t.Fatalf("%+v", got)
		}
		approve, cancel := start(t, w, nil, "approve"), start(t, w, nil, "cancel")
		a, c := approve.end(), cancel.end()
		if c.exit != 0 {
			t.Errorf("cancel: %+v", c)
		}
		if e := a.result.Error; a.exit != 0 && (e.Hint == "" || e.Code != "conflict" && e.Code != "not_found") {
			t.Errorf("approve lost: exit status %d, %+v", a.exit, e)
		}
		if got := start(t, w, nil, "resume", "--yes").end(); got.exit == 0 || got.result.Error.Code != "not_found" {
			t.Errorf("a cancelled run goes on: %+v", got)
		}
	}
	if s := observe(t, w); len(s.Things) > 0 {
		t.Errorf("a run that was never applied has changed something: %+v", s.Things)
	}
}
