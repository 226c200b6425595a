package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) runsCommand() *cobra.Command {
	var all bool
	cmd := a.command("runs", "List the app's runs", "List the app's newest 100 runs, the newest first, and say where there are older ones.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			w, err := a.open(ctx, need{})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			older, err := w.listRuns(ctx, all)
			if older {
				return result{Hint: "there are older ones: slipway runs --all"}, err
			}
			return result{}, err
		})
	cmd.Flags().BoolVar(&all, "all", false, "list the older ones too")
	return cmd
}

// listRuns lists runs a page at a time; without all only the first. It reports whether there are older ones than those.
func (w *workspace) listRuns(ctx context.Context, all bool) (older bool, err error) {
	const page = 100
	f := slipway.RunFilter{App: w.manifest.App, Limit: page + 1} // the one more tells that there are others
	for {
		runs, err := w.engine.Runs(ctx, f)
		for _, r := range runs[:min(page, len(runs))] {
			w.object("run", r)
			w.say("%s  %s  %-7s  %-10s  %-16s  %s\n", r.ID, r.CreatedAt.Local().Format(time.DateTime), r.Operation, r.Environment, r.Status, r.URL)
			f.Before = r.ID
		}
		if older = len(runs) > page; !older || !all || err != nil {
			return older, err
		}
	}
}

func (a *app) statusCommand() *cobra.Command {
	var transcript bool
	cmd := a.command("status [RUN]", "Show where a run stands", "Show where a run stands: its steps, what it waits for, and what went wrong.\n"+
		"RUN is the newest one when it is left out.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			w, err := a.open(ctx, need{})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.run(ctx, args, true)
			if err != nil {
				return result{}, err
			}
			d, err := w.engine.Get(ctx, run.ID)
			if err != nil {
				return result{}, err
			}
			a.object("status", d)
			a.say("%s", statusText(d, run.Status != slipway.RunActive || w.owned()))
			r := result{Run: run.ID, URL: run.URL, PlanDigest: d.Digest}
			if d.Plan != nil {
				r.Effects = d.Plan.Counts()
			}
			if len(d.Manual) > 0 {
				r.Hint = manualHint(run.ID)
			}
			if transcript {
				return r, w.transcript(ctx, run.ID)
			}
			return r, nil
		})
	cmd.Flags().BoolVar(&transcript, "transcript", false, "also show what the verification's commands printed last")
	return cmd
}

// statusText is a run for a person. owned is false when it is active and no process works on it.
func statusText(d *slipway.RunDetail, owned bool) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-8s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("run", "%s", d.Run.ID)
	row("app", "%s (%s), %s", d.Run.App, d.Run.Environment, d.Run.Operation)
	status := string(d.Run.Status)
	if !owned {
		status += ", and no process works on it; go on with: slipway resume " + d.Run.ID
	}
	row("status", "%s", status)
	row("since", "%s, by %s", d.Run.CreatedAt.Local().Format(time.DateTime), d.Run.Requester.Name)
	if d.Run.URL != "" {
		row("url", "%s", d.Run.URL)
	}
	if d.Plan != nil {
		row("plan", "%s (revision %d)", d.Digest, d.Run.Revision)
		stepsText(&b, d)
	}
	for _, a := range d.Approvals {
		by := ""
		ended := a.State == slipway.ApprovalVoided || a.State == slipway.ApprovalExpired || a.State == slipway.ApprovalSuperseded
		switch {
		case a.By != nil && ended:
			by = fmt.Sprintf(", after %s (%s) approved it,", a.By.Name, a.How)
		case a.By != nil:
			by = fmt.Sprintf(" by %s (%s)", a.By.Name, a.How)
			if a.State == slipway.ApprovalApproved {
				by += ", until " + a.ExpiresAt.Local().Format(time.DateTime)
			}
		}
		standing := ""
		if s := a.Standing(); s != "" && a.State != slipway.ApprovalRejected {
			standing = ", " + s + " approvals"
		}
		row("gate", "%s: %s%s%s %s", a.Gate, a.State, standing, by, a.Subject)
		for _, v := range a.Votes {
			if a.By == nil {
				fmt.Fprintf(&b, "  approved    by %s (%s)\n", v.By.Name, v.How)
			}
		}
		for _, line := range a.Differs {
			if a.State == slipway.ApprovalVoided {
				fmt.Fprintf(&b, "  why         %s\n", oneLine(line))
			}
		}
		if a.State == slipway.ApprovalRequested {
			b.WriteString(contentText(a))
			b.WriteString(meaningText(a, d.Plan))
		}
	}
	if e := d.Run.Error; e != nil {
		row("error", "%s", e.Message)
		if e.Hint != "" {
			row("hint", "%s", e.Hint)
		}
	}
	return b.String()
}

func stepsText(b *strings.Builder, d *slipway.RunDetail) {
	steps := map[string]slipway.Step{}
	for _, s := range d.Steps {
		steps[s.Key] = s
	}
	for _, key := range inOrder(d.Plan) {
		state := steps[key].State
		if state == "" {
			state = slipway.StepPending
		}
		fmt.Fprintf(b, "  %-8s %s%s\n", state, key, modeText(d.Modes[key]))
		if e := d.Plan.Effect(key); e != nil && state != slipway.StepDone {
			b.WriteString(whyText("           ", *e))
		}
		if c := d.Plan.Check(key); c != nil && c.Job != nil {
			jobResultText(b, steps[key])
		}
		if moved := steps[key].Progress.String(); moved != "" {
			fmt.Fprintf(b, "  %-8s %s\n", "", slipway.PlainLine(moved))
		}
		probeResultsText(b, steps[key])
		commitChecksText(b, steps[key])
		if line := stepText(steps[key]); line != "" {
			fmt.Fprintf(b, "  %-8s by hand, %s\n", "", line)
		}
	}
	for _, u := range d.Plan.Existing {
		fmt.Fprintf(b, "  %-8s %s  %q%s\n", "used", u.Address, u.Name, modeText(u.Mode))
	}
}

func (a *app) watchCommand() *cobra.Command {
	return a.command("watch [RUN]", "Follow a run that another process works on",
		"Follow a run's events from its beginning until it ends or waits for an approval. RUN is the newest one when it is left out.",
		cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			w, err := a.open(ctx, need{})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.run(ctx, args, true)
			if err != nil {
				return result{}, err
			}
			v := a.newView()
			defer v.close()
			f := &follower{workspace: w, view: v}
			run, err = f.follow(ctx, run.ID)
			for err == nil && run.Status == slipway.RunWaitingApproval && w.owned() { // whoever owns the run may be about to decide
				if err = w.store.Changed(ctx, time.Second); err == nil {
					run, err = f.follow(ctx, run.ID)
				}
			}
			switch {
			case ctx.Err() != nil:
				return result{Status: statusInterrupted, Run: run.ID}, slipway.Errorf(slipway.CodeCanceled, "interrupted").
					WithHint("the run itself goes on; look again with: slipway watch %s", run.ID)
			case err != nil:
				return result{Run: run.ID}, err
			case run.Status == slipway.RunWaitingApproval:
				return w.waiting(ctx, run, nil)
			case run.Status == slipway.RunWaitingManual:
				return w.waitingManual(ctx, run)
			}
			r, err := w.outcome(ctx, run)
			w.answer(ctx, r)
			return r, err
		})
}
