package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// host is where a source is, with what it says of the one commit.
type host struct {
	mu      sync.Mutex
	checks  []slipway.CommitCheck
	err     error
	looked  chan struct{} // sent to at each look
	reports []slipway.CommitState
}

var shipped = slipway.Commit{Repository: "acme/shop", RepoID: 7, Ref: "main", SHA: strings.Repeat("a", 40), Tree: strings.Repeat("b", 40)}

// pin is the source at that host.
type pin struct{ folder }

func (pin) Commit() slipway.Commit                            { return shipped }
func (pin) Checkout(context.Context) (slipway.FileSet, error) { return folder("one"), nil }
func (h *host) Info() slipway.ProviderInfo                    { return slipway.ProviderInfo{Name: "host", Source: true} }
func (*host) Check(*slipway.Manifest) []slipway.Problem       { return nil }
func (*host) Expand(*slipway.Manifest, string) []slipway.Spec { return nil }
func (h *host) Pass() slipway.Session                         { return h }
func (*host) Handler(slipway.Kind) slipway.Handler            { return nil }
func (*host) Pin(slipway.Commit) slipway.Pinned               { return pin{"one"} }
func (h *host) says(checks ...slipway.CommitCheck) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = checks
}

func (h *host) fails(err error)                                                 { h.mu.Lock(); defer h.mu.Unlock(); h.err = err }
func (h *host) Open(context.Context, slipway.Settings) (slipway.Session, error) { return h, nil }

func (*host) Compare(context.Context, slipway.RepoID, string, string) (slipway.CommitOrder, error) {
	return slipway.CommitAhead, nil
}

func (*host) Resolve(context.Context, string, string) (slipway.Commit, error) { return shipped, nil }

func (h *host) Report(_ context.Context, r slipway.CommitReport) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = append(h.reports, r.State)
	return nil
}

func (h *host) Checks(context.Context, slipway.Commit) ([]slipway.CommitCheck, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.looked != nil {
		h.looked <- struct{}{}
	}
	return slices.Clone(h.checks), h.err
}

func is(name string, state slipway.CheckState, says string) slipway.CommitCheck {
	return slipway.CommitCheck{Name: name, State: state, Says: says, URL: "https://host.example/" + name}
}

// checked is a bench whose source is at h, and a request whose production waits for checks.
func checked(t *testing.T, h *host, required ...string) (*bench, slipway.ShipRequest) {
	b := &bench{t: t, cloud: newCloud(), dir: newHome(t)}
	b.edit = func(c *engine.Config) {
		c.Providers = append(c.Providers, h)
		c.Notified, c.Calm = []string{"host"}, 1000*time.Hour
	}
	b.open()
	t.Cleanup(func() { b.close() })
	m := manifest()
	m.Source.GitHub, m.Promote.Checks = "acme/shop", required
	req := request(t, m, "one")
	req.Files = pin{"one"}
	return b, req
}

// again resumes a run whose source is at a host.
func (b *bench) again(id string) slipway.Run {
	b.t.Helper()
	if _, err := b.Resume(b.t.Context(), id, pin{"one"}, person); err != nil {
		b.t.Fatal(err)
	}
	return b.finish(id)
}

var checkNews = slipway.News{Provider: "host", Event: "check_run", RepoID: 7, Commit: shipped.SHA}

const checksStep = "cloud.deploy/shop@production#checks"

// history are a run's events of its checks, and what they say of them.
func (b *bench) history(id string) (out []string) {
	b.t.Helper()
	events, err := b.Events(b.t.Context(), id, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range events {
		switch {
		case e.Step == checksStep && e.Type == slipway.EventStepWaiting:
			out = append(out, fmt.Sprint("waits for ", e.Data["waiting"]))
		case e.Step == checksStep, e.Type == slipway.EventGateRequested && e.Data["gate"] == string(slipway.GatePromote):
			out = append(out, string(e.Type))
		}
	}
	return out
}

// TestProductionWaitsForChecks: what is asked for at the gate, and moved, has passed its checks; until then nothing is asked.
func TestProductionWaitsForChecks(t *testing.T) {
	t.Parallel() // it waits for most of its time
	h := &host{looked: make(chan struct{}, 100)}
	h.says(is("lint", slipway.CheckPassed, "success"), is("other", slipway.CheckFailed, "failure"))
	b, req := checked(t, h, "test", "lint")
	ended := make(chan slipway.Run, 1)
	go func() { ended <- b.ship(req) }()
	wake := func() {
		if about, err := b.Wake(t.Context(), checkNews); !about || err != nil {
			t.Fatalf("news of a check is about no run (%v)", err)
		}
	}
	<-h.looked
	h.says(is("lint", slipway.CheckPassed, "success"), is("test", slipway.CheckPending, "in_progress"))
	wake()
	<-h.looked
	h.says(is("lint", slipway.CheckPassed, "success"), is("test", slipway.CheckPassed, "success"))
	wake()
	run := <-ended
	b.mustSucceed(run)
	want := []string{"waits for [test: absent]", "waits for [test: in_progress]", "step.done", "gate.requested"}
	if d := cmp.Diff(want, b.history(run.ID)); d != "" {
		t.Error(d)
	}
	d := b.detail(run.ID)
	i := slices.IndexFunc(d.Steps, func(s slipway.Step) bool { return s.Key == checksStep })
	if got := fmt.Sprint(d.Steps[i].Basis); !strings.Contains(got, "https://host.example/test") {
		t.Errorf("what they said is not kept: %s", got)
	}
}

// TestAFailedCheckStopsPromotion: each sort of check, and what a resume does once it has passed.
func TestAFailedCheckStopsPromotion(t *testing.T) {
	for name, tc := range map[string]struct {
		required []string
		seen     []slipway.CommitCheck
		err      error
		ahead    time.Duration // passes after the first look
		says     string
		reason   string
	}{
		"failed":         {[]string{"test"}, []slipway.CommitCheck{is("test", slipway.CheckFailed, "timed_out")}, nil, 0, "the check test of aaaaaaa did not pass: timed_out", ""},
		"one of two":     {[]string{"test"}, []slipway.CommitCheck{is("test", slipway.CheckPassed, "success"), is("test", slipway.CheckFailed, "failure")}, nil, 0, "did not pass: failure", "two apps have one of that name"},
		"beside another": {[]string{"all"}, []slipway.CommitCheck{is("a", slipway.CheckPending, "queued"), is("b", slipway.CheckFailed, "cancelled")}, nil, 0, "the check b", "nobody waits for the rest"},
		"never came":     {[]string{"tset"}, []slipway.CommitCheck{is("test", slipway.CheckPassed, "success")}, nil, 16 * time.Minute, "has no check tset, and none came in 15m0s; it has test", "a wrong name is told"},
		"none at all":    {[]string{"all"}, []slipway.CommitCheck{is("slipway/shop/production", slipway.CheckPending, "pending")}, nil, 16 * time.Minute, "has no checks", "its own report is none"},
		"for ever":       {[]string{"test"}, []slipway.CommitCheck{is("test", slipway.CheckPending, "queued")}, nil, 25 * time.Hour, "have not ended in 24h0m0s: test: queued", ""},
		"not to be seen": {[]string{"test"}, nil, slipway.Errorf(slipway.CodeForbidden, "may not read checks"), 0, "may not read checks", "a credential that falls short"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &host{looked: make(chan struct{}, 100)}
			h.says(tc.seen...)
			h.fails(tc.err)
			b, req := checked(t, h, tc.required...)
			ended := make(chan slipway.Run, 1)
			go func() { ended <- b.ship(req) }()
			if <-h.looked; tc.ahead > 0 {
				b.ahead.Store(int64(tc.ahead))
				if about, err := b.Wake(t.Context(), checkNews); !about || err != nil {
					t.Fatalf("no run waits (%v)", err)
				}
			}
			run := <-ended
			if run.Status != slipway.RunFailed || !strings.Contains(run.Error.Message, tc.says) {
				t.Fatalf("%s: %s, %+v", tc.reason, run.Status, run.Error)
			}
			if b.cloud.serving != "" || slices.Contains(b.history(run.ID), "gate.requested") {
				t.Errorf("production serves %q; %v", b.cloud.serving, b.history(run.ID))
			}
			if tc.says == "did not pass: failure" && !strings.Contains(run.Error.Hint, "https://host.example/test") {
				t.Errorf("no link: %s", run.Error.Hint)
			}
			h.fails(nil)
			var passed []slipway.CommitCheck
			for _, name := range []string{"a", "b", "test", "tset"} {
				passed = append(passed, is(name, slipway.CheckPassed, "success"))
			}
			h.says(passed...)
			b.mustSucceed(b.again(run.ID))
			if len(b.cloud.deploys) != 1 {
				t.Errorf("%d deployments", len(b.cloud.deploys))
			}
		})
	}
}

// TestACheckMayComeLate: while anything is under way on the commit, a check that is not there may come after it.
func TestACheckMayComeLate(t *testing.T) {
	t.Parallel() // it waits for most of its time
	h := &host{looked: make(chan struct{}, 100)}
	h.says(is("build", slipway.CheckPending, "in_progress"))
	b, req := checked(t, h, "test")
	ended := make(chan slipway.Run, 1)
	go func() { ended <- b.ship(req) }()
	<-h.looked
	b.ahead.Store(int64(5 * time.Hour))
	_, _ = b.Wake(t.Context(), checkNews)
	<-h.looked
	h.says(is("build", slipway.CheckPassed, "success"), is("test", slipway.CheckPassed, "success"))
	_, _ = b.Wake(t.Context(), checkNews)
	b.mustSucceed(<-ended)
}

// TestOwnReportIsNotWaitedFor: Slipway has told the host that it ships, which is pending until it has shipped.
func TestOwnReportIsNotWaitedFor(t *testing.T) {
	h := &host{}
	h.says(is("slipway/shop/production", slipway.CheckPending, "pending"), is("slipway/blog/production", slipway.CheckPending, "pending"), is("test", slipway.CheckPassed, "success"))
	b, req := checked(t, h, "all")
	b.mustSucceed(b.ship(req))
	if d := cmp.Diff([]slipway.CommitState{slipway.CommitRunning, slipway.CommitSucceeded}, h.reports); d != "" {
		t.Error(d)
	}
}

// TestChecksOfHours: a run that waits for checks is left, and each resume looks once more; that they are waited for counts on from the first.
func TestChecksOfHours(t *testing.T) {
	t.Parallel() // it waits for most of its time
	h := &host{}
	h.says(is("test", slipway.CheckPending, "in_progress"))
	b, req := checked(t, h, "test")
	edit := b.edit
	b.edit = func(c *engine.Config) { edit(c); c.Leave = true }
	b.restart()
	run := b.ship(req)
	b.restart()
	if run.Status != slipway.RunActive || len(b.cloud.deploys) != 1 {
		t.Fatalf("it is %s with %d deployments", run.Status, len(b.cloud.deploys))
	}
	b.ahead.Store(int64(23 * time.Hour))
	if run = b.again(run.ID); !b.Left(run.ID) {
		t.Fatalf("after 23 hours it is %s: %+v", run.Status, run.Error)
	}
	b.ahead.Store(int64(25 * time.Hour))
	b.restart()
	if run = b.again(run.ID); run.Status != slipway.RunFailed {
		t.Fatalf("after 25 hours it is %s", run.Status)
	}
	h.says(is("test", slipway.CheckPassed, "success"))
	b.restart()
	b.mustSucceed(b.again(run.ID))
	if len(b.cloud.deploys) != 1 {
		t.Errorf("%d deployments", len(b.cloud.deploys))
	}
}

// TestKilledWhileChecksAreLookedAt: wherever it dies, production moves once, and never before the checks have passed.
func TestKilledWhileChecksAreLookedAt(t *testing.T) {
	first, stride := sample(t)
	for point := first; ; point += stride {
		h := &host{}
		h.says(is("test", slipway.CheckFailed, "failure"))
		b, req := checked(t, h, "test")
		failed := b.ship(req)
		if failed.Status != slipway.RunFailed {
			t.Fatalf("it is %s", failed.Status)
		}
		h.says(is("test", slipway.CheckPassed, "success"))
		if _, err := b.Resume(t.Context(), failed.ID, pin{"one"}, person); err != nil {
			t.Fatal(err)
		}
		where := b.kill(failed.ID, point)
		if where == "" {
			if point < 5 {
				t.Fatalf("only %d kill points", point)
			}
			return
		}
		if b.cloud.serving != "" {
			t.Errorf("point %d (%s): production serves %q", point, where, b.cloud.serving)
		}
		b.mustSucceed(b.again(failed.ID))
		if len(b.cloud.deploys) != 1 {
			t.Errorf("point %d (%s): %d deployments", point, where, len(b.cloud.deploys))
		}
	}
}
