package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual"
)

// manualFlags are what slipway manual does instead of showing the runbook: at most one of check, assert, take and release.
type manualFlags struct {
	check, assert, take, release string
	id, url, note                string
	markdown                     bool
}

func (a *app) manualCommand() *cobra.Command {
	var f manualFlags
	c := a.command("manual [RUN]", "Show what a person has to do, and check it",
		"Show the steps that Slipway cannot do with the credentials it has, in order: what to run or click, with exact values, and what to see\n"+
			"afterwards. STEP is a step's number or key. A step counts as done when it was looked at and found as declared; only what nothing here can\n"+
			"look at is taken on a person's word, with --assert; its --id may follow until something that comes after the step has begun. RUN may be left out when one run is unfinished.\n"+
			"Exit 0 when the step is done, 4 when it is not.", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) (result, error) {
			w, err := a.open(ctx, need{keys: true})
			if err != nil {
				return result{}, err
			}
			defer w.close()
			run, err := w.run(ctx, args, false)
			if err != nil {
				return result{}, err
			}
			r, err := w.manual(ctx, run.ID, f)
			r.Run, r.Calls = run.ID, a.calls()
			return r, err
		})
	c.Flags().StringVar(&f.check, "check", "", "look whether this `STEP` is done")
	c.Flags().StringVar(&f.assert, "assert", "", "state that this `STEP` is done, where nothing here can look at it; needs --note")
	c.Flags().StringVar(&f.take, "take", "", "tell others that you do this `STEP`")
	c.Flags().StringVar(&f.release, "release", "", "give this `STEP` back to others")
	c.Flags().StringVar(&f.id, "id", "", "with --check or --assert: the `ID` that the provider shows for what was made")
	c.Flags().StringVar(&f.url, "url", "", "with --check or --assert: the `URL` at which a deployment answers")
	c.Flags().StringVar(&f.note, "note", "", "with --assert: what was done and seen, for the record")
	c.Flags().BoolVar(&f.markdown, "markdown", false, "show the steps as Markdown")
	c.MarkFlagsMutuallyExclusive("check", "assert", "take", "release")
	return c
}

func (w *workspace) manual(ctx context.Context, run string, f manualFlags) (result, error) {
	switch {
	case f.check == "" && f.assert == "" && f.id+f.url+f.note != "":
		return result{}, slipway.Errorf(slipway.CodeInvalid, "--id, --url and --note say something of a step, and none is named").
			WithHint("name it: slipway manual %s --check STEP", run)
	case f.assert == "" && f.note != "":
		return result{}, slipway.Errorf(slipway.CodeInvalid, "--note goes with --assert").WithHint("a check looks for itself; leave --note out")
	case f.take != "" || f.release != "":
		s, err := w.engine.TakeManual(ctx, run, f.take+f.release, f.release != "", w.actor())
		if err != nil {
			return result{}, err
		}
		w.object("step", s)
		w.say("%s %s\n", map[bool]string{true: "taken", false: "given back"}[s.Taken != nil], s.Key)
		return result{}, nil
	case f.check != "" || f.assert != "":
		s, err := w.engine.CheckManual(ctx, slipway.ManualCheck{
			Run: run, Step: f.check + f.assert, Assert: f.assert != "", ID: f.id, URL: f.url, Note: f.note, By: w.actor(),
		})
		if err != nil {
			return result{}, err
		}
		return w.checked(ctx, run, s), nil
	}
	book, steps, err := w.engine.Runbook(ctx, run)
	if err != nil {
		return result{}, err
	}
	w.showRunbook(book, steps, f.markdown)
	r := result{}
	if left := undone(book, steps); len(left.Steps) > 0 {
		r.Hint = fmt.Sprintf("when a step is done: slipway manual %s --check %d", run, left.Steps[0].Number)
	}
	return r, nil
}

// showRunbook shows the steps that are left, then where those stand that are done, taken or were looked at. JSON and Markdown have all.
func (w *workspace) showRunbook(book slipway.Runbook, steps map[string]slipway.Step, markdown bool) {
	w.object("runbook", book)
	if markdown {
		w.say("%s", manual.Markdown(book))
		return
	}
	if left := undone(book, steps); len(left.Steps) > 0 || len(book.Steps) == 0 {
		w.say("%s", manual.Text(left))
	}
	for _, s := range book.Steps {
		if line := stepText(steps[s.Key]); line != "" {
			w.say("%d. %s\n", s.Number, line)
		}
	}
}

// undone is book without the steps that are done, and without what is done of what the others come after.
func undone(book slipway.Runbook, steps map[string]slipway.Step) slipway.Runbook {
	done := func(key string) bool { return steps[key].State == slipway.StepDone }
	book.Steps = slices.DeleteFunc(slices.Clone(book.Steps), func(s slipway.ManualStep) bool { return done(s.Key) })
	for i, s := range book.Steps {
		book.Steps[i].Needs = slices.DeleteFunc(slices.Clone(s.Needs), done)
	}
	return book
}

// stepText says where a manual step stands, "" where nobody has begun with it.
func stepText(s slipway.Step) string {
	switch {
	case s.State == slipway.StepDone && s.Evidence != nil && s.Evidence.By != nil:
		return fmt.Sprintf("done: %s (%s), by %s", s.Evidence.Finding, s.Evidence.How, s.Evidence.By.Name)
	case s.Evidence != nil:
		return "not done: " + evidenceText(*s.Evidence)
	case s.Taken != nil:
		return "taken by " + s.Taken.Name
	}
	return ""
}

func evidenceText(e slipway.Evidence) string {
	line := string(e.Finding)
	if e.How != "" {
		line += ", " + e.How
	}
	if len(e.Differs) > 0 {
		line += ": " + strings.Join(e.Differs, ", ")
	}
	return line
}

// checked is the result of a check.
func (w *workspace) checked(ctx context.Context, run string, s slipway.Step) result {
	w.object("step", s)
	w.say("%s %s\n", evidenceText(*s.Evidence), s.Key)
	if s.State != slipway.StepDone {
		return result{Status: statusWaitingManual, Hint: findingHint(run, s)}
	}
	if w.owned() {
		return result{}
	}
	return result{Hint: cmp.Or(w.nextByHand(ctx, run), "go on with: slipway resume "+run)}
}

// nextByHand names the step that a person may do now, one that nobody else has taken first; "" where Slipway
// itself can go on, where there is none, and where that cannot be told: what was found is recorded all the same.
func (w *workspace) nextByHand(ctx context.Context, run string) string {
	d, err := w.engine.Get(ctx, run)
	if err != nil || len(d.Ready) > 0 {
		return ""
	}
	book, steps, err := w.engine.Runbook(ctx, run)
	if err != nil {
		return ""
	}
	others := func(s slipway.ManualStep) int {
		if taken := steps[s.Key].Taken; taken != nil && *taken != w.actor() {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(book.Steps, func(a, b slipway.ManualStep) int { return others(a) - others(b) })
	for _, s := range book.Steps {
		if slices.Contains(d.Manual, s.Key) {
			return fmt.Sprintf("next is step %d, %s: when it is done, slipway manual %s --check %d", s.Number, s.Title, run, s.Number)
		}
	}
	return ""
}

// findingHint is the next thing to try for a step that is not done.
func findingHint(run string, s slipway.Step) string {
	assert := fmt.Sprintf("slipway manual %s --assert '%s' --note '…'", run, s.Key)
	switch {
	case s.Evidence.Finding != slipway.FindingUnseen:
		return findingHints[s.Evidence.Finding]
	case len(s.Evidence.Differs) > 0:
		return "set a credential that can look, or the variables named above, and check it again; else: " + assert
	}
	return "set a credential that can look, and check it again; else: " + assert
}

// findingHints tell the next thing to try for each finding of a step that is not done.
var findingHints = map[slipway.Finding]string{
	slipway.FindingAbsent:    "do the step, and check it again; --id names it where it has another name",
	slipway.FindingPartial:   "wait until it is ready, or finish it, and check it again",
	slipway.FindingWrong:     "mend what differs, and check it again",
	slipway.FindingDuplicate: "name the one that is meant with --id",
}
