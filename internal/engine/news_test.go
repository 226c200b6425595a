package engine_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// slow is a bench whose builds are over when done is set; looked is sent to at each look at one.
func slow(t *testing.T, edit func(*engine.Config)) (b *bench, done *atomic.Bool, looked chan struct{}) {
	c := newCloud()
	done, looked = &atomic.Bool{}, make(chan struct{}, 100)
	c.building = func() bool {
		looked <- struct{}{}
		return !done.Load()
	}
	b = &bench{t: t, cloud: c, dir: newHome(t), edit: edit}
	b.open()
	t.Cleanup(func() { b.close() })
	return b, done, looked
}

// TestNewsIsLookedAtNow: with news on, the next look at a build is a thousand hours off, and nothing but news about the run brings it on. The
// news says that the build failed: what is believed is what is seen.
func TestNewsIsLookedAtNow(t *testing.T) {
	b, done, looked := slow(t, func(c *engine.Config) { c.Notified, c.Calm = []string{"cloud"}, 1000*time.Hour })
	ended := make(chan slipway.Run, 1)
	go func() { ended <- b.ship(request(t, manifest(), "one")) }()
	<-looked
	runs, err := b.Runs(t.Context(), slipway.RunFilter{})
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	id := runs[0].ID
	for _, n := range []slipway.News{
		{Provider: "cloud", Event: "build.over", IDs: []string{"prj-of-another"}}, {Provider: "other", Event: "build.over", IDs: []string{b.deployed(t)}},
	} {
		if about, err := b.Wake(t.Context(), n); about || err != nil {
			t.Errorf("%v is about the run (%v)", n, err)
		}
	}
	done.Store(true)
	if about, err := b.Wake(t.Context(), slipway.News{Provider: "cloud", Event: "build.failed", IDs: []string{b.deployed(t)}}); !about || err != nil {
		t.Fatalf("news of the build is about no run (%v)", err)
	}
	b.mustSucceed(<-ended)
	events, err := b.Events(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		if e.Type == slipway.EventNews {
			told = append(told, e.Data["provider"].(string)+" "+e.Data["event"].(string))
		}
		if e.Type == slipway.EventStepDone && e.Step == "cloud.deploy/shop@production#deploy" {
			told = append(told, "done")
		}
	}
	if d := cmp.Diff([]string{"cloud build.failed", "done"}, told); d != "" {
		t.Error(d)
	}
	if about, err := b.Wake(t.Context(), slipway.News{Provider: "cloud", IDs: []string{b.deployed(t)}}); about || err != nil {
		t.Errorf("a run that is over waits for news (%v)", err)
	}
}

// deployed is the id of the deployment.
func (b *bench) deployed(t *testing.T) string {
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	if len(b.cloud.deploys) != 1 {
		t.Fatalf("%d deployments", len(b.cloud.deploys))
	}
	return b.cloud.deploys[0]["id"]
}

// TestARunIsLeft: what waits for a build is left when nothing else can be done, is not failed and not over, and costs no call more: each resume
// looks, and the one that finds the build over goes on.
func TestARunIsLeft(t *testing.T) {
	t.Parallel() // it waits for most of its time
	b, done, looked := slow(t, func(c *engine.Config) { c.Leave = true })
	run := b.ship(request(t, manifest(), "one"))
	calls := slices.Clone(b.cloud.calls)
	if run.Status != slipway.RunActive || !b.Left(run.ID) || run.Error != nil {
		t.Fatalf("it is %s, left %t, %v", run.Status, b.Left(run.ID), run.Error)
	}
	for _, over := range []bool{false, true} {
		for len(looked) > 0 {
			<-looked
		}
		done.Store(over)
		b.restart()
		run = b.resume(run.ID)
		if b.Left(run.ID) == over {
			t.Fatalf("build over: %t, and the run is %s", over, run.Status)
		}
		if !over {
			if d := cmp.Diff(calls, b.cloud.calls); d != "" {
				t.Errorf("it sent something while it only waits: %s", d)
			}
		}
	}
	b.mustSucceed(run)
	if len(b.cloud.deploys) != 1 {
		t.Errorf("%d deployments", len(b.cloud.deploys))
	}
}

// TestABuildOfHoursCostsNothing: the process is gone for five hours, in which nothing looks; whoever resumes then finds the build over, made once.
func TestABuildOfHoursCostsNothing(t *testing.T) {
	t.Parallel() // it waits for most of its time
	b, done, looked := slow(t, nil)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	go func() {
		<-looked
		b.store.dead.Store(true)
		kill()
	}()
	b.untilDead(ctx, operations(t)["first ship"])
	for len(looked) > 0 {
		<-looked
	}
	b.close()
	b.ahead.Add(int64(5 * time.Hour))
	done.Store(true)
	if len(looked) > 0 {
		t.Error("somebody looked")
	}
	b.open()
	runs, err := b.Runs(t.Context(), slipway.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.resume(runs[0].ID))
	if len(b.cloud.deploys) != 1 {
		t.Errorf("%d deployments", len(b.cloud.deploys))
	}
}
