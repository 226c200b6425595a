package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// box is a sandbox in memory. It outlives the engines that use it, as Vercel's do.
type box struct {
	mu      sync.Mutex
	live    map[string]bool // by name
	jobs    []slipway.Order // all that were begun
	most    int             // live at once
	refuses error           // what Ready says
	stuck   error           // what Stop says
	parent  slipway.Kind
	point   func(where string) error
	cloud   *cloud // whose point is this one's as well; nil: none
	run     outcome
	lasting *lasting // what is remembered of its jobs where they outlive the process; nil: they do not
}

// outcome is what becomes of the nth job; nil: it passes.
type outcome func(ctx context.Context, n int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error)

func newBox() *box { return &box{live: map[string]bool{}} }

func (*box) Name() string { return "box" }

func (b *box) Ready(context.Context, slipway.Settings, slipway.Job) (slipway.Kind, error) {
	return b.parent, b.refuses
}

func (b *box) at(where string) error {
	if b.cloud != nil && b.cloud.point != nil {
		return b.cloud.point(where)
	}
	if b.point == nil {
		return nil
	}
	return b.point(where)
}

func (b *box) Run(ctx context.Context, _ slipway.Settings, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
	if err := b.at("before sandbox create"); err != nil {
		return slipway.JobResult{}, err
	}
	b.mu.Lock()
	if b.live[o.Name] {
		b.mu.Unlock()
		return slipway.JobResult{}, slipway.Errorf(slipway.CodeConflict, "sandbox %s exists", o.Name)
	}
	b.live[o.Name] = true
	b.most = max(b.most, len(b.live))
	b.jobs = append(b.jobs, o)
	n := len(b.jobs)
	b.mu.Unlock()
	if err := b.at("after sandbox create"); err != nil {
		return slipway.JobResult{}, err
	}
	if b.run != nil {
		return b.run(ctx, n, o, emit)
	}
	return passed(o, emit), nil
}

func (b *box) Stop(ctx context.Context, _ slipway.Settings, o slipway.Order) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := b.at("before sandbox stop"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stuck != nil {
		return b.stuck
	}
	delete(b.live, o.Name)
	return nil
}

func passed(o slipway.Order, emit func(slipway.LogLine)) slipway.JobResult {
	r := slipway.JobResult{Isolation: slipway.Isolation{Backend: "box"}}
	for _, argv := range o.Commands {
		emit(slipway.LogLine{Stream: "stdout", Text: "ran " + strings.Join(argv, " ")})
		r.Commands = append(r.Commands, slipway.CommandResult{Argv: argv, End: slipway.JobExited})
	}
	return r
}

// failing is the outcome of a job whose first command ends so.
func failing(end slipway.JobEnd, exit int) outcome {
	return func(_ context.Context, _ int, o slipway.Order, _ func(slipway.LogLine)) (slipway.JobResult, error) {
		return slipway.JobResult{Commands: []slipway.CommandResult{{Argv: o.Commands[0], End: end, Exit: exit}}}, nil
	}
}

func verified() *slipway.Manifest {
	m := manifest()
	m.Verify.Commands = [][]string{{"npm", "ci"}, {"npm", "test"}}
	return m
}

func newVerifier(t *testing.T) *bench {
	b := newBench(t, newCloud())
	b.box = newBox()
	b.restart()
	return b
}

func (b *bench) detail(id string) *slipway.RunDetail {
	b.t.Helper()
	d, err := b.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) verification(id string) slipway.Step {
	b.t.Helper()
	for _, s := range b.detail(id).Steps {
		if strings.HasSuffix(s.Key, "#verify") {
			return s
		}
	}
	return slipway.Step{}
}

func TestVerificationComesBeforeTheDeployment(t *testing.T) {
	b := newVerifier(t)
	deploysAtRun := -1
	b.box.run = func(_ context.Context, _ int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
		b.cloud.mu.Lock()
		deploysAtRun = len(b.cloud.deploys)
		b.cloud.mu.Unlock()
		return passed(o, emit), nil
	}
	run := b.ship(request(t, verified(), "one"))
	b.mustSucceed(run)
	if deploysAtRun != 0 || len(b.box.jobs) != 1 || len(b.box.live) != 0 {
		t.Errorf("%d deployments when it ran, %d jobs, %d sandboxes left", deploysAtRun, len(b.box.jobs), len(b.box.live))
	}
	step := b.verification(run.ID)
	var result slipway.JobResult
	raw, _ := json.Marshal(step.Basis)
	if err := json.Unmarshal(raw, &result); err != nil || len(result.Commands) != 2 || result.Isolation.Backend != "box" {
		t.Errorf("the step keeps %s (%v)", raw, err)
	}
	for _, a := range b.detail(run.ID).Approvals {
		if want := []any{step.Key + " " + result.Transcript}; a.Gate == slipway.GatePromote && cmp.Diff(want, a.Content["verified"]) != "" {
			t.Errorf("production moves on the word of %v, not %v", a.Content["verified"], want)
		}
	}
	transcript, err := b.Transcript(t.Context(), run.ID)
	if err != nil || !bytes.Contains(transcript, []byte("ran npm test")) || !bytes.HasPrefix(transcript, []byte(`{"bytes":24,"kept":2,"lines":2}`)) {
		t.Errorf("transcript %v: %s", err, transcript)
	}
	if run = b.ship(request(t, verified(), "one")); !run.NoChanges || len(b.box.jobs) != 1 {
		t.Errorf("an unchanged app: no_changes %t, %d jobs", run.NoChanges, len(b.box.jobs))
	}
	b.mustSucceed(b.ship(request(t, verified(), "two")))
	if len(b.box.jobs) != 2 || b.box.jobs[1].Name == b.box.jobs[0].Name {
		t.Errorf("another source is verified again, in a sandbox of its own: %d jobs", len(b.box.jobs))
	}
}

func TestNothingRunsBeforeTheApproval(t *testing.T) {
	b := newVerifier(t)
	run, err := b.Ship(t.Context(), request(t, verified(), "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	run, err = b.Wait(t.Context(), run.ID)
	if err != nil || run.Status != slipway.RunWaitingApproval || len(b.box.jobs) != 0 {
		t.Errorf("%v, status %s, %d jobs", err, run.Status, len(b.box.jobs))
	}
}

func TestAFailedVerificationStopsTheDeployment(t *testing.T) {
	for name, tc := range map[string]struct {
		run    outcome
		code   slipway.Code
		says   string
		reason string
	}{
		"exit code": {failing(slipway.JobExited, 3), slipway.CodeCheckFailed, "npm ci: exit code 3", "a test has failed"},
		"time":      {failing(slipway.JobTime, 0), slipway.CodeCheckFailed, "npm ci: over the time limit of 10m0s", "it hangs"},
		"memory":    {failing(slipway.JobMemory, 137), slipway.CodeCheckFailed, "npm ci: over the memory of 4096 MiB", ""},
		"processor": {failing(slipway.JobCPU, 137), slipway.CodeCheckFailed, "npm ci: over the processor time", ""},
		"absent":    {failing(slipway.JobAbsent, 127), slipway.CodeCheckFailed, "npm ci: the sandbox has no program npm", ""},
		"short": {func(_ context.Context, _ int, o slipway.Order, _ func(slipway.LogLine)) (slipway.JobResult, error) {
			return slipway.JobResult{Commands: []slipway.CommandResult{{Argv: o.Commands[0], End: slipway.JobExited}}}, nil
		}, slipway.CodeCheckFailed, "npm ci", "one of two has passed, and nobody says why the other did not run"},
		"refused": {func(context.Context, int, slipway.Order, func(slipway.LogLine)) (slipway.JobResult, error) {
			return slipway.JobResult{}, slipway.Errorf(slipway.CodeForbidden, "not allowed")
		}, slipway.CodeForbidden, "not allowed", "the sandbox could not be had"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newVerifier(t)
			b.box.run = tc.run
			run := b.ship(request(t, verified(), "one"))
			if run.Status != slipway.RunFailed || run.Error.Code != tc.code || !strings.Contains(run.Error.Message, tc.says) {
				t.Errorf("%s: %s %+v", tc.reason, run.Status, run.Error)
			}
			if len(b.cloud.deploys) != 0 || b.cloud.serving != "" || len(b.box.live) != 0 {
				t.Errorf("%s: %d deployments, serving %q, %d sandboxes left", tc.reason, len(b.cloud.deploys), b.cloud.serving, len(b.box.live))
			}
			b.box.run = nil
			run, err := b.Resume(t.Context(), run.ID, folder("one"), person)
			if err != nil {
				t.Fatal(err)
			}
			b.mustSucceed(b.finish(run.ID))
		})
	}
}

func TestALostSandboxIsTriedOnceMore(t *testing.T) {
	lost := &slipway.Error{Code: slipway.CodeUnavailable, Message: "it stopped", Retry: slipway.RetryLater}
	for name, tc := range map[string]struct {
		losses int
		jobs   int
		status slipway.RunStatus
	}{
		"once": {1, 2, slipway.RunSucceeded}, "always": {9, 2, slipway.RunFailed},
	} {
		t.Run(name, func(t *testing.T) {
			b := newVerifier(t)
			b.box.run = func(_ context.Context, n int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
				if n <= tc.losses {
					return slipway.JobResult{}, lost
				}
				return passed(o, emit), nil
			}
			run := b.ship(request(t, verified(), "one"))
			if run.Status != tc.status || len(b.box.jobs) != tc.jobs || len(b.box.live) != 0 || b.box.most != 1 {
				t.Errorf("%s, %d jobs, %d live, %d at once: %+v", run.Status, len(b.box.jobs), len(b.box.live), b.box.most, run.Error)
			}
		})
	}
}

func TestASandboxThatDoesNotStopFailsTheStep(t *testing.T) {
	b := newVerifier(t)
	b.box.stuck = slipway.Errorf(slipway.CodeUnavailable, "no answer")
	run := b.ship(request(t, verified(), "one"))
	if step := b.verification(run.ID); run.Status != slipway.RunFailed || !step.Unknown || len(b.cloud.deploys) != 0 {
		t.Errorf("%s, unknown %t: it runs on, and costs", run.Status, step.Unknown)
	}
	b.box.stuck = nil
	run, err := b.Resume(t.Context(), run.ID, folder("one"), person)
	if err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	if len(b.box.live) != 0 {
		t.Errorf("%d sandboxes are left", len(b.box.live))
	}
}

func TestUnsandboxedIsRefusedBeforeAnyChange(t *testing.T) {
	b := newVerifier(t)
	b.box.refuses = slipway.Errorf(slipway.CodeUnsandboxed, "no bubblewrap").WithHint("install it")
	run := b.ship(request(t, verified(), "one"))
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeUnsandboxed || run.Error.Hint != "install it" || len(b.cloud.calls) != 0 {
		t.Errorf("%s %+v, calls %v", run.Status, run.Error, b.cloud.calls)
	}
	b.box.refuses = nil
	b.mustSucceed(b.ship(request(t, verified(), "one")))
	b.box.refuses = slipway.Errorf(slipway.CodeUnsandboxed, "no bubblewrap")
	if run := b.ship(request(t, verified(), "one")); !run.NoChanges {
		t.Errorf("an unchanged app needs no sandbox: %s %+v", run.Status, run.Error)
	}
}

func TestAJobGetsItsParentAndRunsBesideTheRest(t *testing.T) {
	b := newVerifier(t)
	b.box.parent = "cloud.project"
	b.mustSucceed(b.ship(request(t, verified(), "one")))
	if p := b.box.jobs[0].Parent; p == nil || p.ID != b.cloud.project["id"] {
		t.Errorf("the job's parent is %+v", p)
	}
}

// A revision in the middle of a run keeps the verification of the same source.
func TestARevisionKeepsTheVerification(t *testing.T) {
	b := newVerifier(t)
	ran := make(chan struct{})
	b.box.run = func(_ context.Context, n int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
		if n == 1 {
			close(ran)
		}
		return passed(o, emit), nil
	}
	b.cloud.point = func(where string) error {
		if where != "before cloud.project create" {
			return nil
		}
		<-ran
		b.cloud.mu.Lock()
		defer b.cloud.mu.Unlock()
		b.cloud.dbs["db-x"] = map[string]string{"name": "shop-db", "region": "east", "size": "1"} // what was planned to be made is there
		return nil
	}
	run := b.ship(request(t, verified(), "one"))
	if run.Revision < 2 {
		t.Fatalf("revision %d: the test needs another", run.Revision)
	}
	b.mustSucceed(run)
	if len(b.box.jobs) != 1 {
		t.Errorf("%d jobs on one source", len(b.box.jobs))
	}
}

func TestALongOutputIsBounded(t *testing.T) {
	b := newVerifier(t)
	line := strings.Repeat("x", 999)
	b.box.run = func(_ context.Context, _ int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
		for range 20_000 { // 20 MB
			emit(slipway.LogLine{Stream: "stdout", Text: line})
		}
		emit(slipway.LogLine{Stream: "stderr", Text: strings.Repeat("é", 60_000)})
		emit(slipway.LogLine{Stream: "stdout", Text: "the last line, with npg_secret"})
		return passed(o, emit), nil
	}
	run := b.ship(request(t, verified(), "one"))
	b.mustSucceed(run)
	transcript, err := b.Transcript(t.Context(), run.ID)
	if err != nil || len(transcript) > 300<<10 || len(transcript) < 200<<10 {
		t.Errorf("%v: the transcript has %d bytes", err, len(transcript))
	}
	if !bytes.Contains(transcript, []byte("the last line, with redacted")) || !bytes.HasPrefix(transcript, []byte(`{"bytes":20120056,`)) {
		t.Errorf("its end is missing, or its head: %.80s", transcript)
	}
	lines := 0
	for after := int64(0); ; {
		events, err := b.Events(t.Context(), run.ID, after)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if after = e.Seq; e.Type == slipway.EventLog {
				lines++
			}
		}
	}
	if lines != 1001 {
		t.Errorf("%d lines were told, not 1,000 and that there are more", lines)
	}
}

// TestAnInterruptedJobIsStopped: Ctrl-C while the commands run.
func TestAnInterruptedJobIsStopped(t *testing.T) {
	b := newVerifier(t)
	began := make(chan struct{})
	b.box.run = func(ctx context.Context, n int, o slipway.Order, emit func(slipway.LogLine)) (slipway.JobResult, error) {
		if n > 1 {
			return passed(o, emit), nil
		}
		close(began)
		<-ctx.Done()
		return slipway.JobResult{}, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-began; cancel() }()
	b.untilDead(ctx, operation{begin: func(ctx context.Context, b *bench) (slipway.Run, error) {
		return b.Ship(ctx, request(t, verified(), "one"))
	}})
	if len(b.box.live) != 0 {
		t.Errorf("the sandbox runs on: %v", slices.Collect(maps.Keys(b.box.live)))
	}
	b.restart()
	b.mustSucceed(b.ship(request(t, verified(), "one")))
	if len(b.box.jobs) != 2 || len(b.cloud.deploys) != 1 {
		t.Errorf("%d jobs, %d deployments", len(b.box.jobs), len(b.cloud.deploys))
	}
}

// TestASupersededJobIsStopped: the process is killed while the commands run, and another source is shipped.
func TestASupersededJobIsStopped(t *testing.T) {
	b := newVerifier(t)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	b.box.point = func(where string) error {
		if where == "after sandbox create" {
			b.store.dead.Store(true)
			kill()
		}
		if b.store.dead.Load() {
			return fmt.Errorf("killed")
		}
		return nil
	}
	b.untilDead(ctx, operation{begin: func(ctx context.Context, b *bench) (slipway.Run, error) {
		return b.Ship(ctx, request(t, verified(), "one"))
	}})
	if len(b.box.live) != 1 {
		t.Fatalf("%d sandboxes run on after the kill; the test needs one", len(b.box.live))
	}
	b.box.point = nil
	b.restart()
	b.mustSucceed(b.ship(request(t, verified(), "two")))
	if len(b.box.live) != 0 {
		t.Errorf("%d sandboxes run on", len(b.box.live))
	}
}

// TestVerificationKilledAnywhere kills a ship with commands at its commits and requests: the resumed run leaves no sandbox, never has two at
// once, and does not repeat what has passed. Where the sandbox outlives the process there is one alone, each command runs once in it, and no
// line is told twice.
func TestVerificationKilledAnywhere(t *testing.T) {
	for name, lasts := range map[string]bool{"that starts again": false, "that lasts": true} {
		t.Run(name, func(t *testing.T) { killVerification(t, lasts) })
	}
}

func killVerification(t *testing.T, lasts bool) {
	var last *bench
	op := operation{least: 80, before: func(b *bench) {
		last, b.box = b, newBox()
		if lasts {
			b.box.lasting = &lasting{ran: map[string]int{}}
		}
		b.box.cloud = b.cloud
		b.restart()
	}, begin: func(ctx context.Context, b *bench) (slipway.Run, error) {
		return b.Ship(ctx, request(b.t, verified(), "one"))
	}}
	reference := newBench(t, newCloud())
	op.before(reference)
	run := reference.ship(request(t, verified(), "one"))
	reference.mustSucceed(run)
	told := reference.told(run.ID)
	first, stride := sample(t)
	for point := first; ; point += stride {
		where := killedAt(t, op, point, reference.cloud)
		if where == "" {
			if point <= op.least {
				t.Fatalf("fewer than %d kill points", op.least)
			}
			return
		}
		box := last.box
		if len(box.live) != 0 || box.most > 1 || len(box.jobs) > 2 || lasts && len(box.jobs) != 1 {
			t.Errorf("point %d (%s): %d sandboxes left, %d at once, %d jobs", point, where, len(box.live), box.most, len(box.jobs))
		}
		if !lasts {
			continue
		}
		for argv, n := range box.lasting.ran {
			if n != 1 {
				t.Errorf("point %d (%s): %s was run %d times", point, where, argv, n)
			}
		}
		runs, err := last.Runs(t.Context(), slipway.RunFilter{})
		runs = slices.DeleteFunc(runs, func(r slipway.Run) bool { return r.NoChanges }) // asked for again after it was done
		if err != nil || len(runs) != 1 {
			t.Fatalf("%v, %d runs", err, len(runs))
		}
		if d := cmp.Diff(told, last.told(runs[0].ID)); d != "" {
			t.Errorf("point %d (%s): told (-uninterrupted +resumed)\n%s", point, where, d)
		}
		if transcript, err := last.Transcript(t.Context(), runs[0].ID); err != nil || bytes.Count(transcript, []byte("ran npm")) != 2 {
			t.Errorf("point %d (%s): %v: %s", point, where, err, transcript)
		}
	}
}

// What was approved is where it runs: a sandbox that is no longer to be had is no reason for another.
func TestThePlannedPlaceIsKept(t *testing.T) {
	b := newVerifier(t)
	run, err := b.Ship(t.Context(), request(t, verified(), "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run, err = b.Wait(t.Context(), run.ID); err != nil || run.Status != slipway.RunWaitingApproval {
		t.Fatalf("%v %s", err, run.Status)
	}
	b.Stop()
	b.box.refuses = slipway.Errorf(slipway.CodeUnsandboxed, "the token has expired").WithHint("get another")
	if run = b.finish(run.ID); run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeUnsandboxed || run.Error.Hint != "get another" {
		t.Errorf("%s %+v", run.Status, run.Error)
	}
	if len(b.box.jobs) != 0 || len(b.cloud.deploys) != 0 {
		t.Errorf("%d jobs, %d deployments", len(b.box.jobs), len(b.cloud.deploys))
	}
	b.box.refuses = nil
	if run, err = b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
}

func TestAutoTakesTheFirstThatIsReady(t *testing.T) {
	far, near := newBox(), newBox()
	far.refuses = slipway.Errorf(slipway.CodeUnsandboxed, "no token").WithHint("set a token")
	b := newVerifier(t)
	plan := func(m *slipway.Manifest) (string, error) {
		t.Helper()
		e := engine.New(engine.Config{
			Store: b.store, Providers: []slipway.Provider{b.cloud}, Fingerprints: fingerprintKey(t), Settings: b.setting, Secrets: b.secret, Parse: parse,
			Sandboxes: []slipway.Sandbox{named{far, "far"}, named{near, "near"}},
		})
		p, err := e.Plan(t.Context(), request(t, m, "one"))
		if err != nil {
			return "", err
		}
		return p.Checks[0].Job.Sandbox, nil
	}
	if at, err := plan(verified()); at != "near" {
		t.Errorf("the first is not ready: %s, %v", at, err)
	}
	m := verified()
	m.Verify.Sandbox = "far"
	if _, err := plan(m); slipway.ErrorCode(err) != slipway.CodeUnsandboxed {
		t.Errorf("the manifest names one, and got another: %v", err)
	}
	far.refuses = nil
	if at, err := plan(verified()); cmp.Diff("far", at) != "" {
		t.Errorf("the first is ready: %s, %v", at, err)
	}
}

// named is a box by another name.
type named struct {
	*box
	name string
}

func (n named) Name() string { return n.name }
