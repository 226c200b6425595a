package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/selftest"
)

func (a *app) selftestSecretsCommand() *cobra.Command {
	var o selftest.SecretsOptions
	c := a.command("secrets", "Plant secrets everywhere, and search everything that a run leaves",
		"Ship an app to emulators with secrets of every sort: as credentials, as the app's own, and as what providers generate. Let builds,\n"+
			"probes and providers' answers tell them, kill it on the way, and destroy all. Then search the database, logs, output, files and\n"+
			"requests for each of them, in every encoding, whole and cut in two. Exit 0 when nothing was found and nothing left out.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) { return a.selftestSecrets(ctx, o) })
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "repeats the secrets and the choice of what is tried; default: another each time")
	c.Flags().BoolVar(&o.Whole, "all", false, "try everything; it takes minutes")
	return c
}

func (a *app) selftestSecrets(ctx context.Context, o selftest.SecretsOptions) (result, error) {
	o.Commands = Commands()
	o.Progress = func(what string) {
		a.tell("%s\n", what)
		a.object("progress", map[string]any{"text": what})
	}
	r, err := selftest.Secrets(ctx, o)
	if ctx.Err() != nil {
		return result{}, context.Cause(ctx)
	}
	if err != nil {
		return result{}, slipway.Errorf(slipway.CodeInternal, "%v", err)
	}
	a.say("%s", secretsText(r))
	a.object("secrets", r)
	if !r.Clean() {
		return result{}, slipway.Errorf(slipway.CodeCheckFailed, "%d secrets were found, and %d places were not searched", len(r.Findings), len(r.Gaps)).
			WithHint("repeat it with --seed %d, and report it as a defect in slipway", r.Seed)
	}
	return result{}, nil
}

func secretsText(r selftest.SecretsReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-40s %7s %11s %7s\n", "sink", "items", "bytes", "found")
	for _, k := range r.Sinks {
		fmt.Fprintf(&b, "%-40s %7d %11d %7d\n", k.Name, k.Items, k.Bytes, k.Found)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "found: %s: %s: %s (%s)\n", f.Sink, f.Where, f.Canary, f.Form)
	}
	for _, g := range r.Gaps {
		fmt.Fprintf(&b, "not searched: %s\n", g)
	}
	fmt.Fprintf(&b, "%d canaries, each in %d forms, whole and cut in two; %d runs of the program; seed %d; %d found\n",
		r.Canaries, r.Forms, r.Runs, r.Seed, len(r.Findings))
	return b.String()
}

// Commands are the paths of all commands of the program, such as "env diff".
func Commands() []string {
	var all []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() && !c.IsAdditionalHelpTopicCommand() {
			all = append(all, strings.TrimPrefix(c.CommandPath(), "slipway "))
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	redactor := redact.New()
	a := &app{redactor: redactor, settings: newSettings(func(string) (string, bool) { return "", false }, redactor)}
	walk(a.root())
	return all
}
