package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) driftCommand() *cobra.Command {
	return a.command("drift", "Show what somebody else has changed",
		"Compare what the last ship made true, and runs that failed since, with what is there now: what was changed here since does not count.\n"+
			"Nothing is changed. A value that cannot be read back counts as changed when it was written anew, even with the same value.\n"+
			"Exit 0 when all is as it was shipped, 7 when something differs or could not be looked at.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			w, err := a.open(ctx, need{keys: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			drift, err := w.engine.Drift(ctx, w.manifest.App, w.environment)
			if err != nil {
				return result{Calls: a.calls()}, err
			}
			for _, d := range drift.Found {
				a.object("difference", d)
				a.say("%s\n", differenceText(d))
			}
			r := result{Status: statusNoChanges, Run: drift.Run.ID, Calls: a.calls()}
			for _, run := range drift.Since {
				r.Since = append(r.Since, run.ID)
			}
			if len(drift.Found) > 0 {
				r.Status, r.Hint = statusDrifted, driftHint(drift.Found)
			} else {
				a.say("no drift: all is as %s\n", leftText(drift))
			}
			return r, nil
		})
}

// leftText names the runs that left what is there: the last ship, and those that have changed something since, the oldest first.
func leftText(d slipway.Drift) string {
	var names []string
	for _, run := range slices.Backward(d.Since) {
		names = append(names, fmt.Sprintf("%s (%s, %s)", run.ID, run.Operation, run.Status))
	}
	text := "run " + d.Run.ID + " shipped it"
	if len(names) > 0 {
		text += ", but for what was changed from here since: " + strings.Join(names, ", ")
	}
	return text
}

// driftHint is the next thing to try: where nothing could be looked at, no plan would tell more.
func driftHint(found []slipway.Difference) string {
	if slices.ContainsFunc(found, func(d slipway.Difference) bool { return d.Kind != slipway.DriftUnseen }) {
		return "slipway plan shows what a ship would do about it"
	}
	return "slipway doctor tells which credential could look"
}

func differenceText(d slipway.Difference) string {
	var parts []string
	for _, c := range d.Changes {
		switch c.Field {
		case "written":
			parts = append(parts, "written by somebody else")
		default:
			parts = append(parts, fmt.Sprintf("%s: %s -> %s", c.Field, thereText(c.From), thereText(c.To)))
		}
	}
	line := fmt.Sprintf("%-8s %s", d.Kind, d.Address)
	if len(parts) > 0 {
		line += "  " + strings.Join(parts, ", ")
	}
	if d.Note != "" {
		line += "  (" + d.Note + ")"
	}
	return line
}
