package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) rollbackCommand() *cobra.Command {
	var yes bool
	var promoteOver string
	var flags *waitFlags
	c := a.command("rollback [DEPLOYMENT]", "Move production back to an earlier deployment",
		"Move every production domain back to a deployment that was built before, after an approval, and look until each serves it.\n"+
			"DEPLOYMENT is an id; left out it is the one that the last promote took production away from. Its build keeps the values of then: those that were\n"+
			"written since are shown first. stdout is the URL at which the app answers.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			options := slipway.RunOptions{To: strings.Join(args, ""), PromoteOver: promoteOver}
			if err := cmp.Or(deploymentID("DEPLOYMENT", options.To), deploymentID("--promote-over", promoteOver)); err != nil {
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
			req := slipway.RollbackRequest{Manifest: w.raw, Environment: w.environment, Requester: a.actor(), Options: options}
			run, err := w.engine.Rollback(ctx, req)
			if err != nil {
				return result{Calls: w.calls()}, err
			}
			r, err := w.drive(ctx, run.ID, w.approver(yes, promoteOver, nil))
			w.answer(ctx, r)
			return r, err
		})
	flags = waits(c)
	c.Flags().BoolVar(&yes, "yes", false, "approve as this user what the plan shows")
	c.Flags().StringVar(&promoteOver, "promote-over", "", "move production even though it serves this deployment (`ID`), which Slipway did not put there")
	return c
}
