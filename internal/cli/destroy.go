package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) destroyCommand() *cobra.Command {
	var yes bool
	var confirm []string
	var options slipway.RunOptions
	c := a.command("destroy", "Delete what Slipway made for an environment",
		"Delete what Slipway made for one environment, in reverse order of need; with --all also what the environments share.\n"+
			"What was adopted or existed before stays. The destroy gate asks for the name of each thing that cannot be brought back, or else the app's; --yes needs\n--confirm NAME for each.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			w, err := a.open(ctx, need{own: true, keys: true, create: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.engine.Destroy(ctx, slipway.DestroyRequest{
				Manifest: w.raw, Environment: w.environment, Requester: a.actor(), Options: options,
			})
			if err != nil {
				return result{Calls: a.calls()}, err
			}
			r, err := w.drive(ctx, run.ID, w.approver(yes, "", confirm))
			w.answer(ctx, r)
			return r, err
		})
	f := c.Flags()
	f.BoolVar(&options.All, "all", false, "also what the environments share: the project, databases, stores")
	f.StringVar(&options.Only, "only", "", "this resource of the manifest alone, or one that it no longer `name`s")
	f.BoolVar(&yes, "yes", false, "approve as this user, together with --confirm")
	f.StringArrayVar(&confirm, "confirm", nil, confirmUsage)
	return c
}
