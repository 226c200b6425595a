package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/selftest"
)

func (a *app) selftestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "selftest", Short: "Prove on emulators that this program keeps its promises",
		Long: "Prove on emulators, in a temporary folder, that this program keeps its promises. Nothing outside this machine is touched.",
	}
	c.AddCommand(a.selftestCrashCommand(), a.selftestSecretsCommand())
	return c
}

func (a *app) selftestCrashCommand() *cobra.Command {
	var o selftest.CrashOptions
	var all bool
	c := a.command("crash", "Kill a ship anywhere, go on, and count what is there twice",
		"Ship an app to emulators, change it, promote and destroy it, while others act as well; kill this program with SIGKILL on the way,\n"+
			"go on, and compare with a run that nothing interrupted. A point is a request: as it arrives, when it has acted, when it is answered, when the\n"+
			"answer is written down; each once, twice, and followed by others; and an instant of an approval, where one process owns the run\n"+
			"and another approves (\"owned\", on Linux). Exit 0 when nothing was made\n"+
			"twice, left over or different, and no approval was asked for twice.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			if all {
				o.Trials = 0
			} else if o.Trials < 1 {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "--points: a number from 1").WithHint("for all of them: --all")
			}
			names := operationNames()
			if slices.ContainsFunc(o.Only, func(name string) bool { return !slices.Contains(names, name) }) {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "--operation: there is none of that name").WithHint("name one of %s", strings.Join(names, ", "))
			}
			return a.selftestCrash(ctx, o)
		})
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "repeats the choice of points; default: another each time")
	c.Flags().IntVar(&o.Trials, "points", 12, "how many to try of each operation, as one process and owned")
	c.Flags().StringSliceVar(&o.Only, "operation", nil, "kill this one alone, by its `name` in the table; several with commas")
	c.Flags().BoolVar(&all, "all", false, "try every point; it takes hours")
	return c
}

func operationNames() (names []string) {
	for _, op := range selftest.Operations() {
		names = append(names, op.Name)
	}
	return names
}

func (a *app) selftestCrash(ctx context.Context, o selftest.CrashOptions) (result, error) {
	for o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	a.tell("seed %d\n", o.Seed)
	o.Done = func(sum selftest.OperationReport, of int, r selftest.Report) {
		a.tell("%-16s %d of %d\n", sum.Name(), sum.Trials, of)
		for _, f := range r.Findings {
			a.tell("  found: %s\n", f)
		}
		trial := map[string]any{"operation": sum.Operation, "trial": sum.Trials, "of": of, "report": r}
		if sum.As != "" {
			trial["as"] = sum.As
		}
		a.object("trial", trial)
	}
	reports, err := selftest.Crash(ctx, o)
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	if err != nil {
		return result{}, slipway.Errorf(slipway.CodeInternal, "%v", err)
	}
	total := selftest.OperationReport{Operation: "all"}
	for _, r := range reports {
		total.Trials += r.Trials
		total.Add(r.Report)
	}
	a.say("%s", crashTable(append(reports, total)))
	total.Findings = nil // each was told
	a.object("crash", map[string]any{"seed": o.Seed, "total": total})
	if !total.Clean() {
		return result{}, slipway.Errorf(slipway.CodeCheckFailed, "killed and gone on with, it is not what an uninterrupted run leaves").
			WithHint("repeat it with --seed %d, and report it as a defect in slipway", o.Seed)
	}
	return result{}, nil
}

func crashTable(rows []selftest.OperationReport) string {
	var b strings.Builder
	format := "%-16s %7s %7s %11s %8s %12s %9s %6s\n"
	fmt.Fprintf(&b, format, "operation", "trials", "points", "duplicates", "orphans", "differences", "repeated", "asked")
	for _, r := range rows {
		n := func(i int) string { return fmt.Sprint(i) }
		fmt.Fprintf(&b, format, r.Name(), n(r.Trials), n(r.Points), n(r.Duplicates), n(r.Orphans), n(r.Differences), n(r.Repeated), n(r.Asked))
	}
	return b.String()
}
