package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

func (a *app) envCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "env", Short: "Compare and document the app's environment variables",
		Long: "Compare the app's environment variables with what the manifest declares, or document them.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return slipway.Errorf(slipway.CodeInvalid, "env needs a command").WithHint("slipway env diff, or: slipway env example")
		},
	}
	c.AddCommand(a.envDiffCommand(), a.envExampleCommand())
	return c
}

// envChange is one variable that ship would change.
type envChange struct {
	Name        string     `json:"name"`
	Op          slipway.Op `json:"op"`
	Environment string     `json:"environment"`
	From        string     `json:"from,omitempty"` // where the value comes from
	Changes     []string   `json:"changes,omitempty"`
}

func (a *app) envDiffCommand() *cobra.Command {
	var exitCode bool
	c := a.command("diff", "Show which variables ship would change",
		"Show which of the app's variables ship would add (+), change (~), overwrite though Slipway did not write it (=) or delete (-).\n"+
			"A secret shows as changed or not, never its value.", cobra.NoArgs,
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
			changes := envChanges(w.manifest, p)
			for _, c := range changes {
				a.object("change", c)
				a.say("%s %s%s\n", sign(c.Op), c.Name, c.text())
			}
			return w.envResult(p, changes, exitCode), nil
		})
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit 7 when there are differences")
	return c
}

func (c envChange) text() string {
	var parts []string
	if c.From != "" {
		parts = append(parts, c.From)
	}
	parts = append(parts, c.Changes...)
	if len(parts) == 0 {
		return ""
	}
	return "  " + strings.Join(parts, ", ")
}

func (w *workspace) envResult(p *slipway.Plan, changes []envChange, exitCode bool) result {
	r := result{Status: statusNoChanges, PlanDigest: p.Digest(), Effects: map[slipway.Op]int{}, Calls: w.calls()}
	for _, c := range changes {
		r.Effects[c.Op]++
	}
	if len(changes) > 0 {
		r.Status = statusChanges
		if exitCode {
			r.Exit = slipway.ExitDiffers
		}
		return r
	}
	w.tell("no differences\n")
	return r
}

// envChanges are the plan's effects on the app's variables; the ledger is not one of them.
func envChanges(m *slipway.Manifest, p *slipway.Plan) []envChange {
	var out []envChange
	for _, e := range p.Effects {
		if e.Address.Kind() != "vercel.env" || e.Address.Environment() == "" {
			continue
		}
		c := envChange{Name: e.Address.Key(), Op: e.Op, Environment: e.Address.Environment(), Changes: changeLines(e)}
		if v, declared := m.Env[c.Name]; declared {
			c.From = origin(v)
		}
		out = append(out, c)
	}
	return out
}

// origin says where a variable's value comes from.
func origin(v slipway.EnvVar) string {
	switch {
	case v.From != "":
		return "from " + v.From
	case v.Secret != "":
		return "secret " + v.Secret
	}
	return "a literal"
}

func (a *app) envExampleCommand() *cobra.Command {
	return a.command("example", "Print a .env.example",
		"Print a .env.example for the app: the names of its variables and where each comes from, never a value.", cobra.NoArgs,
		func(context.Context, []string) (result, error) {
			raw, err := a.readManifest()
			if err != nil {
				return result{}, err
			}
			m, err := a.parser(a.providers())(raw)
			if err != nil {
				return result{}, err
			}
			a.say("%s", envExample(m, a.resourceTypes()))
			for _, name := range sortedKeys(m.Env) {
				a.object("variable", map[string]any{"name": name, "from": origin(m.Env[name]), "targets": m.Env[name].Targets})
			}
			return result{}, nil
		})
}

func envExample(m *slipway.Manifest, types []slipway.ResourceType) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: copy to .env and fill in; slipway env example writes this from slipway.yaml\n", m.App)
	for _, name := range sortedKeys(m.Env) {
		v := m.Env[name]
		fmt.Fprintf(&b, "\n# %s%s", origin(v), outputHelp(m, v, types))
		if len(v.Targets) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(v.Targets, ", "))
		}
		fmt.Fprintf(&b, "\n%s=\n", name)
	}
	return b.String()
}

// outputHelp says what an output is.
func outputHelp(m *slipway.Manifest, v slipway.EnvVar, types []slipway.ResourceType) string {
	resource, output, _ := strings.Cut(v.From, ".")
	for _, t := range types {
		if t.Name != m.Resources[resource].Type {
			continue
		}
		for _, o := range t.Outputs {
			if o.Name == output && o.Help != "" {
				return ": " + t.Name + ", " + o.Help
			}
		}
	}
	return ""
}
