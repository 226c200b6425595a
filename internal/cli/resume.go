package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) resumeCommand() *cobra.Command {
	var yes bool
	var promoteOver string
	var confirm []string
	var flags *waitFlags
	c := a.command("resume [RUN]", "Go on with a run that was stopped, failed, or was approved meanwhile",
		"Go on with a run that was stopped, failed, or was approved meanwhile. Requests whose reply was lost are looked for, not repeated.\n"+
			"RUN may be left out when one run is unfinished.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			if err := deploymentID("--promote-over", promoteOver); err != nil {
				return result{}, err
			}
			w, err := a.open(ctx, need{own: true, keys: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			if err := w.wait(ctx, flags); err != nil {
				return result{}, err
			}
			run, err := w.run(ctx, args, false)
			if err != nil {
				return result{}, err
			}
			return w.resume(ctx, run, w.approver(yes, promoteOver, confirm))
		})
	flags = waits(c)
	c.Flags().BoolVar(&yes, "yes", false, "approve as this user what the plan shows")
	c.Flags().StringVar(&promoteOver, "promote-over", "", "with --yes: move production even though it serves this deployment (`ID`)")
	c.Flags().StringArrayVar(&confirm, "confirm", nil, "with --yes: "+confirmUsage)
	return c
}

func (w *workspace) resume(ctx context.Context, run slipway.Run, by approver) (result, error) {
	var files slipway.FileSet
	if run.Operation == slipway.OperationShip {
		var err error
		if files, err = w.filesOf(ctx, run); err != nil {
			return result{Run: run.ID}, err
		}
	}
	run, err := w.engine.Resume(ctx, run.ID, files, w.actor())
	if err != nil {
		return result{Run: run.ID, Calls: w.calls()}, err
	}
	r, err := w.drive(ctx, run.ID, by)
	w.answer(ctx, r)
	return r, err
}

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	c := a.command("cancel [RUN]", "End a run",
		"End a run. No new request is sent; what it has done stays, and what was in flight is looked for by the next run.\n"+
			"Exit status 6 where production was asked to move and what becomes of that is not known: it is not taken back.\n"+
			"RUN may be left out when one run is unfinished.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			w, err := a.open(ctx, need{})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.run(ctx, args, false)
			if err != nil {
				return result{}, err
			}
			if err := w.keepable(reason); err != nil {
				return result{Run: run.ID}, err
			}
			stopped, err := w.engine.Cancel(ctx, run.ID, reason, w.actor())
			w.tellStopped(ctx, run.ID) // also of one that was cancelled before
			if err != nil {
				return result{Run: stopped.ID}, err
			}
			a.say("cancelled run %s\n", run.ID)
			if e := stopped.Error; e != nil && e.Step != "" {
				return result{Run: run.ID, Status: statusUnknown}, slipway.Errorf(e.Code, "%s", e.Message).WithHint("%s", e.Hint)
			}
			return result{Run: run.ID}, nil
		})
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}
