package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/policy"
)

// policyPath is the policy's file, and what it is called in messages.
func (a *app) policyPath() (path, name string) {
	manifest, named := a.manifestPath()
	return filepath.Join(filepath.Dir(manifest), policy.FileName), filepath.Join(filepath.Dir(named), policy.FileName)
}

// policy is the one in force now: that beside the manifest, else the default. One that cannot be read allows nothing.
func (a *app) policy() *policy.Policy { return a.policyBy(&policyCache{}) }

// policyBy is policy, read anew only where the text is another than last time.
func (a *app) policyBy(last *policyCache) *policy.Policy {
	path, name := a.policyPath()
	return readPolicy(path, name, last)
}

// readPolicy is the policy in a file, or the default where there is none of that name. What is there and cannot be read allows nothing.
func readPolicy(path, name string, last *policyCache) *policy.Policy {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return last.read(policy.DefaultName, policy.DefaultText())
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return policy.Broken(name, err)
	case !info.Mode().IsRegular():
		return policy.Broken(name, errors.New("it is no regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return policy.Broken(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, policy.MaxText+1)) // what is longer is a fault
	if err != nil {
		return policy.Broken(name, err)
	}
	return last.read(name, text)
}

// policyCache keeps what was read last: the engine asks for the policy at each of its turns.
type policyCache struct {
	mu   sync.Mutex
	last *policy.Policy
}

func (c *policyCache) read(name string, text []byte) *policy.Policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || c.last.Name() != name || !bytes.Equal(c.last.Text(), text) {
		c.last = policy.Read(name, text)
	}
	return c.last
}

// policies returns the function that the engine asks.
func (a *app) policies() func() slipway.Policy {
	last := &policyCache{}
	return func() slipway.Policy { return a.policyBy(last) }
}

// inForceName is what a policy is called in messages that is in force and is not the folder's.
const inForceName = "policy in force"

// readInForce reads the text of a policy that was in force before.
func readInForce(text []byte) slipway.Policy { return policy.Read(inForceName, text) }

// goodPolicy refuses a policy with a fault, before anything is done under it.
func (a *app) goodPolicy() error {
	if err := a.policy().Err(); err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("until it is mended nothing can be approved; what rules can say: slipway policy schema")
	}
	return nil
}

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "policy", Short: "Show and test who may do what", DisableFlagsInUseLine: true,
		Long: "A policy says who opens which gate: slipway.policy beside the manifest, in Cedar, or the default. docs/policy.md is its manual.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return slipway.Errorf(slipway.CodeInvalid, "policy needs a command").WithHint("slipway policy show, slipway policy schema, or: slipway policy test")
		},
	}
	c.AddCommand(a.policyShowCommand(), a.policySchemaCommand(), a.policyTestCommand())
	return c
}

// policyObject is a line of --json.
type policyObject struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Text   string `json:"text"`
	Fault  string `json:"fault,omitempty"`
}

func (a *app) policyShowCommand() *cobra.Command {
	var byDefault, inForce bool
	c := a.command("show", "Print the policy beside the manifest, or the one in force",
		"Print the policy beside the manifest, or the default where there is none, and its version on stderr. One with a fault is printed too; exit\n"+
			"status 2. With --in-force it is the one that approvals of this app are given under: another counts once its change is approved.\n"+
			"What a terminal would take for a command is shown as its code; --json has the text as it is.",
		cobra.NoArgs, func(ctx context.Context, _ []string) (result, error) {
			p := a.policy()
			switch {
			case byDefault:
				p = policy.Default()
			case inForce:
				var err error
				if p, err = a.policyInForce(ctx); err != nil {
					return result{}, err
				}
			}
			o := policyObject{Name: p.Name(), Digest: p.Digest(), Text: string(p.Text())}
			err := p.Err()
			if err != nil {
				o.Fault = err.Error()
				err = slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("until it is mended nothing can be approved; what rules can say: slipway policy schema")
			}
			a.object("policy", o)
			a.say("%s", visibleText(o.Text))
			a.tell("%s, version %s\n", visible(o.Name), o.Digest)
			if !byDefault && !inForce {
				a.tellChange(ctx)
			}
			return result{}, err
		})
	c.Flags().BoolVar(&inForce, "in-force", false, "the one that approvals of this app are given under in this home")
	c.Flags().BoolVar(&byDefault, "default", false, "the one that holds where there is no slipway.policy")
	return c
}

// policyInForce is the policy that approvals of the app are given under in this home.
func (a *app) policyInForce(ctx context.Context) (*policy.Policy, error) {
	w, err := a.open(ctx, need{})
	if err != nil {
		return nil, err
	}
	defer w.close()
	p, err := w.engine.PolicyInForce(ctx, w.manifest.App)
	if err != nil {
		return nil, err
	}
	own := a.policy()
	if p.Digest() == own.Digest() {
		return own, nil
	}
	return policy.Read(inForceName, p.Text()), nil
}

// tellChange says where this home knows of another policy in force. A folder without a manifest, or a home without the app, knows of none.
func (a *app) tellChange(ctx context.Context) {
	w, err := a.open(ctx, need{})
	if err != nil {
		return
	}
	defer w.close()
	if change, err := w.engine.PolicyChange(ctx, w.manifest.App); err == nil && change != nil {
		a.tell("not in force: approvals of %s are given under %s; slipway policy show --in-force\n", w.manifest.App, change.Before)
	}
}

func (a *app) policySchemaCommand() *cobra.Command {
	return a.command("schema", "Print what a policy can speak of", "Print the Cedar schema that every rule is checked against.", cobra.NoArgs,
		func(context.Context, []string) (result, error) {
			a.object("schema", map[string]string{"cedar": policy.Schema()})
			a.say("%s", policy.Schema())
			return result{}, nil
		})
}

func (a *app) policyTestCommand() *cobra.Command {
	var byDefault bool
	c := a.command("test [FILE]", "Ask the policy example questions",
		"Ask the policy that is in force each case of a file, and compare the answers. FILE is "+policy.CasesName+" beside the policy when it is left out.\n"+
			"Exit status 1 when an answer is another than expected.", cobra.MaximumNArgs(1),
		func(_ context.Context, args []string) (result, error) {
			p := a.policy()
			if byDefault {
				p = policy.Default()
			}
			if err := p.Err(); err != nil {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("what rules can say: slipway policy schema")
			}
			path, name := a.policyPath()
			path, name = filepath.Join(filepath.Dir(path), policy.CasesName), filepath.Join(filepath.Dir(name), policy.CasesName)
			if len(args) > 0 {
				path, name = args[0], args[0]
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "the cases cannot be read: %v", err).WithHint("docs/policy.md shows how they are written")
			}
			cases, err := policy.ReadCases(name, text)
			if err != nil {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("docs/policy.md shows how they are written")
			}
			return result{}, a.showResults(p.Test(cases))
		})
	c.Flags().BoolVar(&byDefault, "default", false, "ask the default policy")
	return c
}

// showResults writes a table, and returns CodeCheckFailed when a case did not pass.
func (a *app) showResults(all []policy.Result) error {
	failed := 0
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "\tcase\texpected\tanswer\n")
	for _, r := range all {
		a.object("case", r)
		mark := "ok"
		if !r.OK {
			failed++
			mark = "FAIL"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", mark, visible(r.Name), visible(r.Want), visible(r.Got))
	}
	_ = table.Flush() // into memory
	a.say("%s", b.String())
	if failed > 0 {
		return slipway.Errorf(slipway.CodeCheckFailed, "%d of %d cases have another answer", failed, len(all)).WithHint("look at the policy with: slipway policy show")
	}
	return nil
}
