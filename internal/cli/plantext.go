package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// ops are the effects' operations in the order in which they are counted, each with the sign that it has in a plan.
var ops = []struct {
	op   slipway.Op
	sign string
}{
	{slipway.OpCreate, "+"},
	{slipway.OpUpdate, "~"},
	{slipway.OpAdopt, "="},
	{slipway.OpReplace, "!"},
	{slipway.OpDelete, "-"},
	{slipway.OpDeploy, ">"},
	{slipway.OpPromote, "^"},
	{slipway.OpRollback, "v"},
}

func sign(op slipway.Op) string {
	for _, o := range ops {
		if o.op == op {
			return o.sign
		}
	}
	return "?"
}

// planText is a plan for a person: a line for each effect, what changes, why, and what it means.
func planText(p *slipway.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s)\n", p.Operation, p.App, p.Environment)
	commitText(&b, p)
	switch {
	case !p.NoChanges():
		b.WriteString("\n")
	case len(p.Unseen()) > 0:
		b.WriteString("\nno changes: everything that could be looked at is as it should be\n")
	default:
		b.WriteString("\nno changes: everything is as it should be\n")
	}
	for _, key := range inOrder(p) {
		if e := p.Effect(key); e != nil {
			effectText(&b, *e)
		}
		for _, c := range p.Checks {
			if c.Key != key {
				continue
			}
			fmt.Fprintf(&b, "  ? %s\n", c.Key)
			if c.Job != nil {
				jobText(&b, c)
			} else if len(c.Required) > 0 {
				fmt.Fprintf(&b, "      at %s: %s\n", p.Commit.Repository, strings.Join(c.Required, ", "))
			} else {
				fmt.Fprintf(&b, "      %s\n", probesText(c.Probes))
			}
		}
	}
	for _, u := range p.Existing {
		existingText(&b, u)
	}
	if !p.NoChanges() {
		fmt.Fprintf(&b, "\n%s\n", countText(p))
	}
	shippedText(&b, p)
	fmt.Fprintf(&b, "digest: %s\n", p.Digest())
	remarks(&b, p)
	return b.String()
}

// inOrder are the keys of a plan's effects and checks as they run: jobs before the deployment that waits for them, probes before the
// promote.
func inOrder(p *slipway.Plan) []string {
	var keys, last []string
	for _, e := range p.Effects {
		for _, c := range p.Checks {
			if c.Job != nil && slices.Contains(e.DependsOn, c.Key) && !slices.Contains(keys, c.Key) {
				keys = append(keys, c.Key)
			}
		}
		if e.Op == slipway.OpPromote || e.OnFailure != "" {
			last = append(last, e.Key)
		} else {
			keys = append(keys, e.Key)
		}
		for _, c := range p.Checks {
			if e.Op == slipway.OpPromote && slices.Contains(c.DependsOn, e.Key) {
				last = append(last, c.Key)
			}
		}
	}
	for _, c := range p.Checks {
		if !slices.Contains(keys, c.Key) && !slices.Contains(last, c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return append(keys, last...)
}

func effectText(b *strings.Builder, e slipway.Effect) {
	fmt.Fprintf(b, "  %s %s", sign(e.Op), e.Address)
	if e.Name != "" && e.Name != e.Address.Key() {
		fmt.Fprintf(b, "  %q", e.Name)
	}
	if e.Gate != slipway.GateApply {
		fmt.Fprintf(b, "  [gate %s]", e.Gate)
	}
	b.WriteString(modeText(e.Mode) + "\n")
	if params := paramsText(e); params != "" {
		fmt.Fprintf(b, "      %s\n", params)
	}
	for _, line := range changeLines(e) {
		fmt.Fprintf(b, "      %s\n", line)
	}
	why := e.Reason
	if e.Consequence != "" {
		why += "; " + e.Consequence
	}
	if why != "" {
		fmt.Fprintf(b, "      %s\n", why)
	}
	b.WriteString(whyText("      ", e))
	if !e.Reversible && e.Op != slipway.OpPromote {
		b.WriteString("      this cannot be undone\n")
	}
}

// modeText is who makes something true, where that is not Slipway alone.
func modeText(m slipway.Mode) string {
	if m == slipway.ModeAutomated {
		return ""
	}
	return fmt.Sprintf("  [%s]", m)
}

// whyText is a line that says why Slipway does not do an effect, "" where it does.
func whyText(indent string, e slipway.Effect) string {
	switch e.Mode {
	case slipway.ModeManual:
		return indent + "by hand: " + oneLine(e.Why) + "\n"
	case slipway.ModeBlocked:
		return indent + "blocked: " + oneLine(e.Why) + "\n"
	}
	return ""
}

// existingText is a line for what exists already and is wired.
func existingText(b *strings.Builder, u slipway.Used) {
	fmt.Fprintf(b, "  . %s  %q%s\n      it exists (%s) and is used as found", u.Address, u.Name, modeText(u.Mode), cmp.Or(u.ID, "not looked at"))
	if u.Note != "" {
		fmt.Fprintf(b, "; %s", oneLine(u.Note))
	}
	b.WriteString("\n")
}

// hidden are params that mean nothing to a person.
var hidden = map[string]bool{"fingerprint": true, "written": true, "input": true, "tree": true, "repo_id": true}

// paramsText lists what is declared of a thing that is made.
func paramsText(e slipway.Effect) string {
	if e.Op != slipway.OpCreate && e.Op != slipway.OpReplace {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		if v := e.Params[name]; !hidden[name] && v != nil {
			parts = append(parts, name+": "+valueText(v))
		}
	}
	for _, s := range e.Secrets {
		parts = append(parts, "from "+s.Reference)
	}
	return strings.Join(parts, ", ")
}

// changeLines tells what differs, field by field. A secret is only ever told as changed.
func changeLines(e slipway.Effect) []string {
	if e.Op == slipway.OpCreate || e.Op == slipway.OpReplace && len(e.Changes) == 0 {
		return nil
	}
	plain := slices.ContainsFunc(e.Changes, func(c slipway.Change) bool { return c.Field == "value" })
	var lines []string
	for _, c := range e.Changes {
		switch {
		case c.Field == "fingerprint" && c.OtherKey():
			lines = append(lines, "written under another SLIPWAY_FINGERPRINT_KEY: whether the value changed cannot be told")
		case c.Field == "fingerprint" && !plain:
			lines = append(lines, "secret changed")
		case c.Field == "written":
			lines = append(lines, "changed outside Slipway")
		case c.Field == "input" || c.Field == "tree":
			if line := "the source or its settings changed"; !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		case hidden[c.Field], c.To == nil && e.Address.Kind().Provider()+"."+e.Address.Key() == "vercel."+slipway.LedgerKey:
		default:
			lines = append(lines, fmt.Sprintf("%s: %s -> %s", c.Field, thereText(c.From), valueText(c.To)))
		}
	}
	return lines
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "(known during the run)"
	case string:
		if v == "" {
			return `""`
		}
		return oneLine(v)
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, valueText(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// thereText is a value that was observed.
func thereText(v any) string {
	if v == nil {
		return "(not set)"
	}
	return valueText(v)
}

// longest is how many characters of a value are shown.
const longest = 100

func oneLine(s string) string {
	s = flat(s)
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// flat puts s on one line, as long as it is.
func flat(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func probesText(probes []slipway.HealthProbe) string {
	var parts []string
	for _, p := range probes {
		part := fmt.Sprintf("GET %s answers %d", p.Path, cmp.Or(p.Status, 200))
		if p.Contains != "" {
			part += fmt.Sprintf(" with %q", p.Contains)
		}
		if p.JSON != nil {
			part += fmt.Sprintf(" with %s = %q", p.JSON.Path, p.JSON.Equals)
		}
		if p.Within != "" {
			part += " within " + p.Within
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func countText(p *slipway.Plan) string {
	counts := p.Counts()
	var parts []string
	for _, o := range ops {
		if n := counts[o.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.op))
		}
	}
	return strings.Join(parts, ", ")
}

// sinceText tells how a plan differs from what was approved before.
func sinceText(lines []string) string {
	var b strings.Builder
	b.WriteString("approved before:\n")
	for _, line := range lines {
		fmt.Fprintf(&b, "  %s\n", oneLine(line))
	}
	return b.String()
}

// changeText tells of a policy that is not in force yet.
func changeText(c *slipway.PolicyChange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy: the one here (%s) is not in force (%s is): ship asks for its approval first\n", c.After, c.Before)
	for _, line := range c.Lines {
		fmt.Fprintf(&b, "  policy  %s\n", visible(line))
	}
	return b.String()
}

func remarks(b *strings.Builder, p *slipway.Plan) {
	for _, a := range p.Undeclared {
		fmt.Fprintf(b, "undeclared: %s is ours and stays; delete it with: slipway destroy --only %s\n", a, a.Key())
	}
	for _, a := range p.Kept {
		fmt.Fprintf(b, "kept: %s was not made by Slipway\n", a)
	}
	unseenText(b, p)
	builtText(b, p.Built)
	for _, a := range p.Rotated {
		fmt.Fprintf(b, "older value: %s was written since that deployment was built\n", a)
	}
	switch p.Held {
	case slipway.HoldOlder:
		fmt.Fprintf(b, "older: production serves %s, which is newer than this; to move it all the same: slipway ship --promote-over %s\n", p.Serving, p.Serving)
	case slipway.HoldRolledBack:
		fmt.Fprintf(b, "rolled back: this has served production before, which was moved away from it and serves %s now; change the source, or: slipway ship --promote-over %s\n", p.Serving, p.Serving)
	}
	if p.Drift {
		fmt.Fprintf(b, "drift: production serves %s, which Slipway did not put there\n", p.Serving)
	}
}

// unseenText tells what nothing could look at, and what speaks against the credentials.
func unseenText(b *strings.Builder, p *slipway.Plan) {
	for _, a := range p.Unverified {
		fmt.Fprintf(b, "not looked at: %s is taken as it is recorded\n", a)
	}
	accessText(b, p.Access)
}

// accessText tells what speaks against the credentials, and what mends it, each once.
func accessText(b *strings.Builder, access slipway.Access) {
	var told []string
	for _, c := range access {
		line := fmt.Sprintf("%s: %s\n", c.Provider, oneLine(c.Reason))
		if c.Hint != "" {
			line += "      " + flat(c.Hint) + "\n"
		}
		if !slices.Contains(told, line) {
			told = append(told, line)
			b.WriteString(line)
		}
	}
}

// builtText tells with which values the deployment of a rollback was built, by their names.
func builtText(b *strings.Builder, built *slipway.Built) {
	if built == nil {
		return
	}
	names := make([]string, len(built.With))
	for i, a := range built.With {
		names[i] = a.Key()
	}
	fmt.Fprintf(b, "built with: %s\n", cmp.Or(strings.Join(names, ", "), "no values"))
	for _, a := range built.Without {
		fmt.Fprintf(b, "not there then: %s was added since, and that deployment does not have it\n", a)
	}
	for _, a := range built.Lost {
		fmt.Fprintf(b, "deleted since: that deployment still has %s\n", a)
	}
}
