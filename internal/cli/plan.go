package cli

import (
	"context"
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) planCommand() *cobra.Command {
	var out string
	var exitCode, runbook bool
	c := a.command("plan", "Show what ship would change",
		"Look at the providers and show what ship would change. Nothing is changed, outside or here.\n"+
			"Signs: + create, ~ update, = adopt, ! replace, - delete, > deploy, ^ promote, ? check.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			w, err := a.open(ctx, need{keys: true, create: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			p, err := w.plan(ctx)
			if err != nil {
				return result{Calls: a.calls()}, err
			}
			if out != "" {
				if err := writePlan(out, p); err != nil {
					return result{}, err
				}
				a.warnShips(ctx, out)
			}
			a.say("%s", planText(p))
			object := map[string]any{"plan": p, "digest": p.Digest()}
			since, err := w.engine.Since(ctx, p)
			if err != nil {
				return result{}, err
			}
			if len(since) > 0 && !p.NoChanges() {
				object["since"] = since
				a.say("%s", sinceText(since))
			}
			change, err := w.engine.PolicyChange(ctx, w.manifest.App)
			if err != nil {
				return result{}, err
			}
			if change != nil {
				object["policy_change"] = change
				a.say("%s", changeText(change))
			}
			a.object("plan", object)
			if runbook {
				book, err := w.engine.RunbookOf(ctx, slipway.ShipRequest{Manifest: w.raw, Environment: w.environment}, p)
				if err != nil {
					return result{}, err
				}
				w.showRunbook(book, nil, false)
			}
			r := a.differs(p, exitCode)
			r.Hint = planHint(p, runbook)
			return r, nil
		})
	c.Flags().StringVar(&out, "out", "", "also write the plan as JSON to this `file`")
	c.Flags().BoolVar(&runbook, "runbook", false, "also show how a person does what Slipway cannot")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit 7 when there are changes")
	return c
}

// plan observes and plans for the environment that the command line names.
func (w *workspace) plan(ctx context.Context) (*slipway.Plan, error) {
	files, err := w.files(ctx)
	if err != nil {
		return nil, err
	}
	return w.engine.Plan(ctx, slipway.ShipRequest{Manifest: w.raw, Environment: w.environment, Files: files, Requester: w.actor()})
}

// differs is the result of looking at p.
func (a *app) differs(p *slipway.Plan, exitCode bool) result {
	r := result{Status: statusNoChanges, PlanDigest: p.Digest(), Effects: p.Counts(), Unseen: p.Unseen(), Calls: a.calls()}
	if !p.NoChanges() {
		r.Status = statusChanges
		if exitCode {
			r.Exit = slipway.ExitDiffers
		}
	}
	return r
}

// planHint is the next step where Slipway cannot do all of a plan: what blocks it is mended first. runbook says that a person's steps were shown.
func planHint(p *slipway.Plan, runbook bool) (hint string) {
	for _, e := range p.Effects {
		switch e.Mode {
		case slipway.ModeBlocked:
			if c, _ := p.Access.Find(e.Address.Kind(), e.Op); c.Hint != "" {
				return c.Hint + "; then: slipway plan"
			}
		case slipway.ModeManual:
			if !runbook {
				hint = "slipway plan --runbook shows what a person is to do"
			}
		}
	}
	return hint
}

func writePlan(path string, p *slipway.Plan) error {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "the plan cannot be written: %v", err).WithHint("name another file with --out")
	}
	return nil
}
