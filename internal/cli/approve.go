package cli

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) approveCommand() *cobra.Command {
	var d slipway.Decision
	var key string
	c := a.command("approve [RUN]", "Approve at the gate where a run waits",
		"Approve at the gate where a run waits, as this user, or with --key as the holder of a key. The process that works on the run goes on by itself;\n"+
			"where there is none, slipway resume does. RUN may be left out when one run is unfinished.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			d.Approve = true
			return a.decision(ctx, args, d, key)
		})
	gateFlags(c, &d)
	c.Flags().StringVar(&key, "key", "", "sign it with the key of this home that has this `name`")
	c.Flags().StringVar(&d.Subject, "digest", "", "approve only if this is what is asked for (`sha256:…`, as slipway status shows it)")
	c.Flags().StringVar(&d.Over, "promote-over", "", "move production even though that takes it backwards from this deployment (`ID`)")
	c.Flags().StringArrayVar(&d.Confirm, "confirm", nil, confirmUsage)
	return c
}

func (a *app) rejectCommand() *cobra.Command {
	var d slipway.Decision
	c := a.command("reject [RUN]", "Reject at the gate where a run waits",
		"Reject at the gate where a run waits, as this user. The run ends; what it has done stays.\n"+
			"RUN may be left out when one run is unfinished.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) { return a.decision(ctx, args, d, "") })
	gateFlags(c, &d)
	c.Flags().Lookup("reason").Usage = "`why`: whoever asked reads it; a no needs one"
	return c
}

// confirmUsage is the help of --confirm.
const confirmUsage = "the `name` of what is deleted, where it cannot be brought back, or its address; once for each"

func gateFlags(c *cobra.Command, d *slipway.Decision) {
	c.Flags().StringVar((*string)(&d.Gate), "gate", "", "the `gate` (apply, promote, destroy), where a run waits at several, or policy")
	c.Flags().StringVar(&d.Reason, "reason", "", "why, for the record")
}

// decision records what was decided. It does not need to own the app.
func (a *app) decision(ctx context.Context, args []string, d slipway.Decision, key string) (result, error) {
	if err := cmp.Or(wellFormed("--digest", d.Subject), deploymentID("--promote-over", d.Over)); err != nil {
		return result{}, err
	}
	w, err := a.open(ctx, need{})
	if err != nil {
		return result{}, err
	}
	defer w.close()
	run, err := w.run(ctx, args, false)
	if err != nil {
		return result{}, err
	}
	r := result{Run: run.ID}
	if err := w.keepable(d.Reason); err != nil {
		return r, err
	}
	d.Run = run.ID
	if d.By, err = a.approverHere("os-user"); err != nil {
		return r, err
	}
	if key != "" {
		if d.Statement, err = w.ballot(ctx, d, key); err != nil {
			return r, err
		}
	}
	approval, err := w.engine.Decide(ctx, d)
	if !d.Approve {
		w.tellStopped(ctx, run.ID)
	}
	if err != nil {
		return r, err
	}
	a.object("approval", approval)
	if change, err := w.engine.PolicyChange(ctx, run.App); err == nil && change != nil && approval.Gate != slipway.GatePolicy {
		a.tell("note: it was decided under the policy in force (%s), not under the one here\n", change.Before)
	}
	if approval.State == slipway.ApprovalRequested {
		a.say("%s approvals of %s of run %s\n", approval.Standing(), approval.Gate, run.ID)
		r.Status, r.Hint = statusWaitingApproval, "somebody else must approve it too: "+approval.Command(false)
		return r, nil
	}
	until := ""
	if d.Approve {
		until = ", until " + approval.ExpiresAt.Local().Format(time.DateTime)
	}
	a.say("%s %s of run %s%s\n", approval.State, approval.Gate, run.ID, until)
	if d.Approve && !w.owned() {
		r.Hint = "no process works on the run; go on with: slipway resume " + run.ID
	}
	return r, nil
}

// keepable returns CodeInvalid for a reason that holds a secret: it would be kept, signed, and put into audit bundles.
func (w *workspace) keepable(reason string) error {
	if w.redactor.Has([]byte(reason)) {
		return slipway.Errorf(slipway.CodeInvalid, "--reason holds a secret, and is kept for the record").WithHint("say it without; nothing was decided")
	}
	return nil
}
