package engine_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// loggedDeploy is a deployment that is pending until its log is read, one line at each look.
type loggedDeploy struct{ cloudKind }

func (k *loggedDeploy) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	o, err := k.cloudKind.Observe(ctx, want)
	k.mu.Lock()
	defer k.mu.Unlock()
	o.Pending = o.Exists && k.read < len(k.log)
	if k.building != nil {
		o.Pending = o.Exists && k.building()
	}
	return o, err
}

func (k *loggedDeploy) Watch(ctx context.Context, _ slipway.Receipt, since string, emit func(slipway.LogLine)) (string, error) {
	if k.building != nil { // a log that is silent
		<-ctx.Done()
		return since, ctx.Err()
	}
	if k.flood != nil {
		k.flood(emit)
	}
	from, _ := strconv.Atoi(since)
	for i, text := range k.log[:from+1] {
		emit(slipway.LogLine{Stream: "stdout", Text: text, Again: i < from})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read = from + 1
	return strconv.Itoa(k.read), nil
}

// TestASecretIsHiddenAcrossAKill: of a log that is followed on by another process each line is told once, and a secret that began in a
// line before is known.
func TestASecretIsHiddenAcrossAKill(t *testing.T) {
	const secret = "the value of STRIPE_KEY"
	c := newCloud()
	c.log = []string{"it is the val", "ue of STRIPE_KEY", "done"}
	b := newBench(t, c)
	b.edit = func(config *engine.Config) {
		config.Lines = func() func(string) string {
			before := ""
			return func(text string) string {
				joined := before + text
				before = text
				if strings.Contains(joined, secret) {
					return "hidden"
				}
				return text
			}
		}
	}
	b.restart()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	c.beforeObs = func(slipway.Kind) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.read == 1 {
			b.store.dead.Store(true)
			kill()
		}
		return ctx.Err()
	}
	op := operations(t)["first ship"]
	b.untilDead(ctx, op)
	if c.read != 1 {
		t.Fatalf("killed after %d lines", c.read)
	}
	c.beforeObs = nil
	b.restart()
	run, err := op.begin(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
	events, err := b.Events(t.Context(), run.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		if e.Type == slipway.EventLog {
			told = append(told, e.Data["text"].(string))
		}
	}
	if d := cmp.Diff([]string{"it is the val", "hidden", "done"}, told); d != "" {
		t.Error(d)
	}
}
