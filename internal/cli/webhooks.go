package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/webhook"
)

// waitFlags are how a command that works on a run waits for what is outside.
type waitFlags struct {
	webhooks      string // HOST:PORT at which messages are taken; "": nowhere
	proxied, once bool
}

// waits gives a command those flags.
func waits(c *cobra.Command) *waitFlags {
	f := &waitFlags{}
	c.Flags().StringVar(&f.webhooks, "webhooks", "", "take the webhooks of Vercel and GitHub at this `HOST:PORT` while the run is worked on, and look less often by itself")
	c.Flags().BoolVar(&f.proxied, "webhooks-proxied", false, "a reverse proxy with TLS stands before that address, which others can reach")
	c.Flags().BoolVar(&f.once, "once", false, "do what can be done now, and leave a run that waits for a build or for checks; exit status 130")
	return f
}

// webhookSecrets reads the secrets with which webhooks are signed, so that they are known before anything else is done.
func (a *app) webhookSecrets() (map[string]slipway.Secret, error) {
	secrets := map[string]slipway.Secret{}
	for _, sender := range webhook.Senders() {
		v, ok, err := a.settings.secret(webhook.Variable(sender))
		if err != nil {
			return nil, err
		}
		if ok {
			secrets[sender] = v
		}
	}
	return secrets, nil
}

// wait does as the flags say. What it begins ends with close.
func (w *workspace) wait(ctx context.Context, f *waitFlags) error {
	w.engine.Leave = f.once
	if f.webhooks == "" {
		return nil
	}
	secrets, err := w.webhookSecrets()
	if err != nil {
		return err
	}
	if len(secrets) == 0 {
		return slipway.Errorf(slipway.CodeInvalid, "--webhooks: there is no secret by which a message could be proved").
			WithHint("set VERCEL_WEBHOOK_SECRET or GITHUB_WEBHOOK_SECRET to the webhook's own secret; docs/webhooks.md tells how one is made")
	}
	log, err := w.log()
	if err != nil {
		return err
	}
	l, err := webhook.Listen(ctx, f.webhooks, f.proxied)
	if err != nil {
		return err
	}
	h := webhook.New(webhook.Config{
		Secrets: secrets, Wake: w.engine.Wake,
		Delivered: func(ctx context.Context, id string, at, since time.Time) (again bool, err error) {
			err = w.store.Tx(ctx, func(tx slipway.Tx) error {
				again, err = tx.Delivered(id, at, since)
				return err
			})
			return again, err
		},
		Told: func(sender, event, outcome string) {
			log.Debug("webhook", "sender", sender, "event", event, "outcome", outcome)
		},
	})
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		webhook.Serve(serving, l, h)
	}()
	w.deaf = func() { stop(); <-over }
	w.engine.Notified = slices.Sorted(maps.Keys(secrets))
	for _, sender := range w.engine.Notified {
		w.tell("webhooks: http://%s%s%s\n", l.Addr(), webhook.Root, sender)
	}
	return nil
}

// left is the result of a run that waits for what is outside, and that nobody works on now.
func (w *workspace) left(ctx context.Context, run slipway.Run) (result, error) {
	r := result{Status: statusWaiting, Run: run.ID, Calls: w.calls(), Hint: "look again with: slipway resume --once " + run.ID}
	d, err := w.engine.Get(ctx, run.ID)
	if err != nil {
		return r, err
	}
	r.PlanDigest, r.Effects = d.Digest, d.Plan.Counts()
	var keys []string
	for _, s := range d.Steps {
		if s.State == slipway.StepIntended || s.State == slipway.StepPending && (s.Basis != nil || s.Progress != nil) {
			keys = append(keys, s.Key)
		}
	}
	slices.Sort(keys)
	w.tell("run %s still waits for %s\n", run.ID, strings.Join(keys, ", "))
	return r, nil
}
