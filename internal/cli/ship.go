package cli

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) shipCommand() *cobra.Command {
	var yes bool
	var confirm []string
	var options slipway.RunOptions
	var flags *waitFlags
	c := a.command("ship", "Bring the app to verified production",
		"Plan, wait for an approval at each gate, make what is missing, deploy, verify and promote.\n"+
			"An unfinished run that wants the same is continued. stdout is the URL at which the app answers.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			if err := cmp.Or(wellFormed("--plan", options.Plan), deploymentID("--promote-over", options.PromoteOver)); err != nil {
				return result{}, err
			}
			w, err := a.open(ctx, need{own: true, keys: true, create: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			if err := w.wait(ctx, flags); err != nil {
				return result{}, err
			}
			r, err := w.ship(ctx, options, w.approver(yes, options.PromoteOver, confirm))
			w.answer(ctx, r)
			return r, err
		})
	f := c.Flags()
	flags = waits(c)
	f.BoolVar(&yes, "yes", false, "approve as this user what the plan shows")
	f.StringArrayVar(&confirm, "confirm", nil, "with --yes: "+confirmUsage)
	f.StringVar(&options.Plan, "plan", "", "refuse any plan but the one with this `digest` (sha256:…)")
	f.StringVar(&options.PromoteOver, "promote-over", "", "move production even though it serves this deployment (`ID`): one that Slipway did not put there, a newer one, or one that was rolled back to")
	return c
}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// wellFormed refuses a flag's value that can be no digest; "" is none.
func wellFormed(flag, value string) error {
	if value == "" || digest.MatchString(value) {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "%s: a digest is sha256: and 64 hex digits", flag).WithHint("copy it as slipway plan or slipway status shows it")
}

var deployment = regexp.MustCompile(`^dpl_[A-Za-z0-9]{1,64}$`)

// deploymentID refuses a value that can be no deployment's id, and does not repeat it: it may be a secret. "" is none.
func deploymentID(flag, value string) error {
	if value == "" || deployment.MatchString(value) {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "%s: a deployment's id is dpl_ and letters and digits", flag).
		WithHint("copy it as slipway status or the deployment's page shows it; it is no URL")
}

// ship starts or continues a run and works on it.
func (w *workspace) ship(ctx context.Context, options slipway.RunOptions, by approver) (result, error) {
	files, err := w.shipped(ctx)
	if err != nil {
		return result{Calls: w.calls()}, err
	}
	run, err := w.engine.Ship(ctx, slipway.ShipRequest{
		Manifest: w.raw, Environment: w.environment, Files: files, Requester: w.actor(), Options: options,
	})
	if err != nil {
		return result{Calls: w.calls()}, err
	}
	return w.drive(ctx, run.ID, by)
}

// answer writes what a person wants of a run's result: the URL, what was deleted, that there was nothing to do, or the plan that waits.
func (w *workspace) answer(ctx context.Context, r result) {
	switch {
	case r.Status == statusNoChanges && len(r.Unseen) > 0:
		w.tell("no changes in what could be looked at\n")
	case r.Status == statusNoChanges:
		w.tell("no changes\n")
	}
	if r.URL != "" {
		w.say("%s\n", r.URL)
	}
	d, err := w.engine.Get(ctx, r.Run)
	if err != nil || d.Plan == nil { // the result tells of it
		return
	}
	if len(r.Unseen) > 0 {
		var b strings.Builder
		for _, u := range d.Plan.Existing {
			if u.ID == "" {
				existingText(&b, u)
			}
		}
		unseenText(&b, d.Plan)
		w.tell("%s", b.String())
	}
	switch {
	case r.Status == statusWaitingApproval:
		w.say("%s", planText(d.Plan))
	case r.Status == statusWaitingManual:
		if book, steps, err := w.engine.Runbook(ctx, r.Run); err == nil {
			w.showRunbook(book, steps, false)
		}
	case r.Status == statusSucceeded && d.Run.Operation == slipway.OperationDestroy:
		for _, e := range d.Plan.Effects {
			if e.Op == slipway.OpDelete {
				w.say("deleted %s\n", e.Address)
			}
		}
	}
}
