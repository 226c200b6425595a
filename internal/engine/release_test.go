package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// until works on a run, and approves what it waits for, until it waits at gate.
func (b *bench) until(id string, gate slipway.Gate) *slipway.RunDetail {
	b.t.Helper()
	if err := b.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	defer b.Stop()
	for {
		run, err := b.Wait(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		d, err := b.Get(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if run.Status != slipway.RunWaitingApproval {
			b.t.Fatalf("the run is %s and does not wait at %s: %+v", run.Status, gate, run.Error)
		}
		if slices.ContainsFunc(d.Approvals, func(a slipway.Approval) bool {
			return a.Gate == gate && a.State == slipway.ApprovalRequested
		}) {
			return d
		}
		b.approve(id, "")
	}
}

func (b *bench) approve(id, over string) {
	b.t.Helper()
	if _, err := b.Decide(b.t.Context(), slipway.Decision{Run: id, Approve: true, By: ada, Over: over}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) begin(req slipway.ShipRequest) string {
	b.t.Helper()
	run, err := b.Ship(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return run.ID
}

func (c *cloud) lastDeploy() string { return c.deploys[len(c.deploys)-1]["id"] }

// TestAValueChangedWhileTheGateWaits: what is promoted was built with the values of its plan, and nobody has written one since.
func TestAValueChangedWhileTheGateWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*cloud)
		when   string
		reason string
	}{
		"another value": {func(c *cloud) { c.vars["LEVEL"]["written"], c.vars["LEVEL"]["fingerprint"] = c.stamp(), "theirs" }, "approved", "the approval was for another build"},
		"the same":      {func(c *cloud) { c.vars["LEVEL"]["written"] = c.stamp() }, "approved", "what a value is cannot be read back: that it was written is enough"},
		"gone":          {func(c *cloud) { delete(c.vars, "LEVEL") }, "approved", "a value that is no longer there was changed as well"},
		"before":        {func(c *cloud) { c.vars["LEVEL"]["written"] = c.stamp() }, "asked", "nobody is asked to approve such a build"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b := newBench(t, c)
			id := b.begin(request(t, manifest(), "one"))
			if tc.when == "asked" {
				c.point = func(where string) error {
					if where == "after cloud.deploy create" && len(c.deploys) == 1 {
						c.mu.Lock()
						defer c.mu.Unlock()
						tc.change(c)
					}
					return nil
				}
			}
			b.until(id, slipway.GatePromote)
			if tc.when == "approved" {
				b.approve(id, "")
				tc.change(c)
			}
			run := b.finish(id)
			b.mustSucceed(run)
			if len(c.deploys) != 2 || c.serving != c.deploys[1]["id"] || run.Revision != 2 {
				t.Errorf("%s: %d deployments in %d revisions, and %s is served", tc.reason, len(c.deploys), run.Revision, c.serving)
			}
			if next := b.ship(request(t, manifest(), "one")); !next.NoChanges {
				t.Errorf("shipped again: %s", next.Status)
			}
		})
	}
}

// TestAnApprovalIsForOneDeployment: the plan that is made again is the same to the letter, and builds another.
func TestAnApprovalIsForOneDeployment(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	first := c.serving
	id := b.begin(request(t, manifest(), "two"))
	before := b.until(id, slipway.GatePromote)
	b.approve(id, "")
	c.vars["LEVEL"]["written"] = c.stamp()
	d := b.until(id, slipway.GatePromote)
	if c.serving != first || d.Run.Revision != 2 || d.Digest != before.Digest {
		t.Errorf("production serves %s, not %s, in revision %d; plan %s was %s", c.serving, first, d.Run.Revision, d.Digest, before.Digest)
	}
	if got := d.Approvals[len(d.Approvals)-1].Content["deployment"]; got != c.lastDeploy() {
		t.Errorf("asked about %v; %s was built", got, c.lastDeploy())
	}
	b.mustSucceed(b.finish(id))
}

func TestPromoteApprovalTellsWhenValuesWereWritten(t *testing.T) {
	b := newBench(t, newCloud())
	d := b.until(b.begin(request(t, manifest(), "one")), slipway.GatePromote)
	content := d.Approvals[len(d.Approvals)-1].Content
	if built, written := content["built"], content["values_written"]; built != "1970-01-01T00:00:06Z" || written != "1970-01-01T00:00:04Z" {
		t.Errorf("built %v, values written %v", built, written)
	}
}

func TestARolledBackDeploymentIsNotPromotedInSilence(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	first := c.serving
	auto := manifest()
	auto.Promote.Approval = "auto"
	b.mustSucceed(b.ship(request(t, auto, "two")))
	second := c.serving
	b.mustSucceed(b.rollback(""))
	d := b.until(b.begin(request(t, auto, "two")), slipway.GatePromote)
	if d.Plan.Held != slipway.HoldRolledBack || c.serving != first {
		t.Errorf("held %q, production serves %s; want it rolled back, and %s", d.Plan.Held, c.serving, first)
	}
	for _, over := range []string{"", second} {
		_, err := b.Decide(t.Context(), slipway.Decision{Run: d.Run.ID, Approve: true, By: ada, Over: over})
		if slipway.ErrorCode(err) != slipway.CodeDrift {
			t.Errorf("approved over %q: %v", over, err)
		}
	}
	b.approve(d.Run.ID, first)
	b.mustSucceed(b.finish(d.Run.ID))
	if c.serving != second || len(c.deploys) != 2 {
		t.Errorf("named, it is promoted: production serves %s of %d", c.serving, len(c.deploys))
	}
	c.move(first) // as a person does on Vercel's page
	if d := b.until(b.begin(request(t, auto, "two")), slipway.GatePromote); d.Plan.Held != slipway.HoldRolledBack {
		t.Errorf("rolled back by a person: held %q", d.Plan.Held)
	}
	b.mustSucceed(b.ship(request(t, auto, "three"))) // needs no name: something new was asked for
	if c.serving != c.lastDeploy() {
		t.Errorf("production serves %s", c.serving)
	}
}

func TestASourceThatIsWantedAgainIsBuiltAgain(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	for _, source := range []string{"one", "two", "one"} {
		b.mustSucceed(b.ship(request(t, manifest(), source)))
	}
	if len(c.deploys) != 3 || c.serving != c.lastDeploy() {
		t.Errorf("production serves %s of %d: one that was planned before what it took the place of", c.serving, len(c.deploys))
	}
}

func TestAnOlderShipDoesNotTakeTheNewerOnesPlace(t *testing.T) {
	c := newCloud()
	laptop, desk := newBench(t, c), newBench(t, c)
	laptop.mustSucceed(laptop.ship(request(t, manifest(), "one")))
	older := laptop.begin(request(t, manifest(), "two"))
	laptop.until(older, slipway.GatePromote)
	desk.mustSucceed(desk.ship(request(t, manifest(), "three")))
	newer := c.serving
	laptop.approve(older, "") // of what was asked for before
	d := laptop.until(older, slipway.GatePromote)
	if c.serving != newer || d.Plan.Held != slipway.HoldOlder || d.Run.Revision != 2 {
		t.Fatalf("held %q in revision %d, and production serves %s; want the newer %s", d.Plan.Held, d.Run.Revision, c.serving, newer)
	}
	if _, err := laptop.Decide(t.Context(), slipway.Decision{Run: older, Approve: true, By: ada}); slipway.ErrorCode(err) != slipway.CodeDrift {
		t.Errorf("approved without naming it: %v", err)
	}
	laptop.approve(older, newer)
	laptop.mustSucceed(laptop.finish(older))
	if c.serving == newer {
		t.Errorf("named, it is promoted; production serves %s", c.serving)
	}
}

// TestALostPromoteIsNotSentOverAnother: while nobody knows what became of the request, a person moves production.
func TestALostPromoteIsNotSentOverAnother(t *testing.T) {
	for name, tc := range map[string]struct {
		at     string
		moves  func(c *cloud, first string)
		reason string
	}{
		"to theirs": {"before cloud.live update", func(c *cloud, _ string) { c.move("dpl-theirs") }, "it never arrived, and somebody else was faster"},
		"back":      {"after cloud.live update", func(c *cloud, first string) { c.move(first) }, "it had moved production, and somebody moved it back"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			b := newBench(t, c)
			b.mustSucceed(b.ship(request(t, manifest(), "one")))
			first := c.serving
			id := b.begin(request(t, manifest(), "two"))
			b.until(id, slipway.GatePromote)
			b.approve(id, "")
			theirs := ""
			c.point = func(where string) error {
				if where != tc.at || theirs != "" {
					return nil
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				tc.moves(c, first)
				theirs = c.serving
				return &slipway.Error{Code: slipway.CodeUnavailable, Message: "reset", Retry: slipway.RetryAmbiguous}
			}
			if d := b.until(id, slipway.GatePromote); c.serving != theirs || d.Run.Revision != 2 {
				t.Errorf("%s: production serves %s, not %s, in revision %d", tc.reason, c.serving, theirs, d.Run.Revision)
			}
		})
	}
}

// TestSomebodyElseMovesProductionWhileItMoves: what a person puts there after our request stays, and is told as what it is.
func TestSomebodyElseMovesProductionWhileItMoves(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	id := b.begin(request(t, manifest(), "two"))
	b.until(id, slipway.GatePromote)
	b.approve(id, "")
	c.point = func(where string) error {
		if where == "after cloud.live update" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.move("dpl-theirs")
		}
		return nil
	}
	run := b.finish(id)
	if run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeDrift || c.serving != "dpl-theirs" {
		t.Errorf("%s %+v; production serves %s", run.Status, run.Error, c.serving)
	}
	d, err := b.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Steps {
		if s.Unknown {
			t.Errorf("%s: what became of it is known", s.Key)
		}
	}
	c.point = nil
	if _, err := b.Resume(t.Context(), id, folder("two"), person); err != nil {
		t.Fatal(err)
	}
	if d := b.until(id, slipway.GatePromote); !d.Plan.Drift || c.serving != "dpl-theirs" {
		t.Errorf("resumed: drift %t, production serves %s", d.Plan.Drift, c.serving)
	}
}

// TestANamedPromoteIsNotSentTwice: that it has served production before is no sign of a request that was lost, so whoever named what
// production serves is asked again.
func TestANamedPromoteIsNotSentTwice(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	first := c.serving
	b.mustSucceed(b.ship(request(t, manifest(), "two")))
	b.mustSucceed(b.rollback(""))
	id := b.begin(request(t, manifest(), "two"))
	b.until(id, slipway.GatePromote)
	b.approve(id, first)
	moved := 0
	c.point = func(where string) error {
		if where != "after cloud.live update" {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		moved++
		c.move(first) // as a person does, who sees that it is bad
		return &slipway.Error{Code: slipway.CodeUnavailable, Message: "reset", Retry: slipway.RetryAmbiguous}
	}
	d := b.until(id, slipway.GatePromote)
	if moved != 1 || c.serving != first || d.Run.Revision != 2 || d.Plan.Held != slipway.HoldRolledBack {
		t.Errorf("it was moved %d times in %d revisions, held %q, and production serves %s", moved, d.Run.Revision, d.Plan.Held, c.serving)
	}
}

// TestWhatAnotherHomeHasBuiltIsProbed: the probes go to the deployment that is promoted, and not to the one that this home knew last.
func TestWhatAnotherHomeHasBuiltIsProbed(t *testing.T) {
	c, probe := newCloud(), manifest()
	once := 0
	probe.Verify.Health = []slipway.HealthProbe{{Path: "/staged", Retries: &once}}
	first := ""
	reply := func(_ int, url string) (int, string, time.Duration) {
		if first == "" || strings.HasPrefix(url, "http://"+first+"/") {
			return 200, "", 0
		}
		return 500, "", 0
	}
	laptop, _ := probed(t, c, reply)
	desk, _ := probed(t, c, reply)
	laptop.mustSucceed(laptop.ship(request(t, probe, "one")))
	first = c.serving
	for _, b := range []*bench{desk, laptop} {
		if run := b.ship(request(t, probe, "two")); run.Status != slipway.RunFailed || run.Error.Code != slipway.CodeCheckFailed || c.serving != first {
			t.Errorf("the run is %s: %+v; production serves %s, not %s", run.Status, run.Error, c.serving, first)
		}
	}
}

// TestAPromoteOverTheirsIsNotSentTwice: over what is not ours nothing holds it, and the plan that is made again is the same.
func TestAPromoteOverTheirsIsNotSentTwice(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	c.move("dpl-theirs")
	id := b.begin(request(t, manifest(), "one"))
	b.until(id, slipway.GatePromote)
	b.approve(id, "")
	c.point = func(where string) error {
		if where != "after cloud.live update" {
			return nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.move("dpl-theirs")
		return &slipway.Error{Code: slipway.CodeUnavailable, Message: "reset", Retry: slipway.RetryAmbiguous}
	}
	calls := len(c.calls)
	if d := b.until(id, slipway.GatePromote); len(c.calls) != calls+1 || d.Run.Revision != 2 {
		t.Errorf("it was sent %d times in %d revisions", len(c.calls)-calls, d.Run.Revision)
	}
}
