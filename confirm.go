package slipway

import (
	"slices"
	"strings"
)

// Mortal is a thing that dies behind the destroy gate and cannot be made again from the manifest.
type Mortal struct {
	Address Address // "" for an app as a whole
	Name    string  // at the provider
}

// Targets returns what an approver types for each of several things that die, sorted, and the address of each in the same order: its name at the
// provider where no other has it, else its address, which no two share.
func Targets(all []Mortal) (typed []string, addresses []Address) {
	names, places := map[string]int{}, map[string]bool{}
	for _, m := range all {
		names[m.Name]++
		places[string(m.Address)] = true
	}
	word := func(m Mortal) string {
		if names[m.Name] > 1 || m.Name == "" || places[m.Name] {
			return string(m.Address)
		}
		return m.Name
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Mortal) int { return strings.Compare(word(a), word(b)) })
	for _, m := range all {
		typed, addresses = append(typed, word(m)), append(addresses, m.Address)
	}
	return typed, addresses
}

// Targets are what an approver types, sorted: a word for each thing that dies and cannot be made again from the manifest. Empty for a gate that
// deletes nothing of the kind. A request that older versions made names none: there it is the app's.
func (a Approval) Targets() (words []string) {
	if a.Gate != GateDestroy {
		return nil
	}
	words = stringsOf(a.Content["targets"])
	slices.Sort(words)
	return slices.Compact(words)
}

func stringsOf(v any) (out []string) {
	all, _ := v.([]any)
	for _, v := range all {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Names reports whether a typed word means a target: it is that word, letter by letter, or its address.
func (a Approval) Names(typed, target string) bool {
	targets, addresses := stringsOf(a.Content["targets"]), stringsOf(a.Content["addresses"])
	i := slices.Index(targets, target)
	return typed == target || typed != "" && i >= 0 && len(addresses) == len(targets) && addresses[i] == typed
}

// Unconfirmed are the Targets that are not among the typed words. Further words do no harm: what they named may be gone already.
func (a Approval) Unconfirmed(typed []string) []string {
	return slices.DeleteFunc(a.Targets(), func(target string) bool {
		return slices.ContainsFunc(typed, func(word string) bool { return a.Names(word, target) })
	})
}

// typed are those words of an approver that mean one of the Targets, a word for each, for the record.
func (a Approval) typed(words []string) (out []string) {
	for _, target := range a.Targets() {
		if i := slices.IndexFunc(words, func(word string) bool { return a.Names(word, target) }); i >= 0 {
			out = append(out, words[i])
		}
	}
	return out
}

// ConfirmFlags are the flags that an approval takes: " --confirm WORD" for each of the Targets, and where production is moved all the same
// " --promote-over ID".
func (a Approval) ConfirmFlags() string {
	var b strings.Builder
	for _, target := range a.Targets() {
		b.WriteString(" --confirm " + shellWord(target))
	}
	if over, _ := a.Content["over"].(string); over != "" {
		b.WriteString(" --promote-over " + shellWord(over))
	}
	return b.String()
}

// Command is the command that approves it as this user; named says that it names the gate, which a change of policy always needs.
func (a Approval) Command(named bool) string {
	command := "slipway approve " + a.Run
	if named || a.Gate == GatePolicy {
		command += " --gate " + string(a.Gate)
	}
	return command + a.ConfirmFlags()
}

// hintOf is what to try where the policy does not let somebody approve.
func (a Approval) hintOf(answer Answer) string {
	if !answer.Signed {
		return answer.Hint
	}
	return "sign it with a key that this home trusts: " + a.Command(false) + " --key NAME; make one with: slipway key new NAME"
}

// Asked returns the one of a run's approvals that d is about: the newest of its gate, else the one that waits. CodeConflict where there is none.
// CodeInvalid for a yes that names no gate where several wait, or where a change of policy does: that is approved by name alone.
func (d Decision) Asked(all []Approval) (Approval, error) {
	all = slices.Clone(all)
	slices.Reverse(all)
	waiting := slices.DeleteFunc(slices.Clone(all), func(a Approval) bool { return a.State != ApprovalRequested })
	if d.Gate != "" {
		if i := slices.IndexFunc(all, func(a Approval) bool { return a.Gate == d.Gate }); i >= 0 {
			return all[i], nil
		}
		return Approval{}, Errorf(CodeConflict, "run %s does not wait for an approval at the %s gate", d.Run, d.Gate).
			WithHint("look at it with: slipway status %s", d.Run)
	}
	policy := slices.IndexFunc(waiting, func(a Approval) bool { return a.Gate == GatePolicy })
	switch {
	case len(waiting) == 0:
		return Approval{}, Errorf(CodeConflict, "run %s does not wait for an approval", d.Run).WithHint("look at it with: slipway status %s", d.Run)
	case d.Approve && policy >= 0:
		return Approval{}, Errorf(CodeInvalid, "run %s waits for a change of the policy, which is approved by its name alone", d.Run).
			WithHint("look at the change with: slipway status %s; then: %s", d.Run, waiting[policy].Command(true))
	case d.Approve && len(waiting) > 1:
		var commands []string
		for _, a := range waiting {
			commands = append(commands, a.Command(true))
		}
		slices.Sort(commands)
		return Approval{}, Errorf(CodeInvalid, "run %s waits at several gates: say which one is approved", d.Run).WithHint("%s", strings.Join(commands, "; or: "))
	}
	return waiting[0], nil
}

// CommandLine is argv as it is typed in a shell.
func CommandLine(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		if words[i] = shellWord(a); i == 0 && words[i] == a && strings.Contains(a, "=") { // it would be a variable
			words[i] = "'" + a + "'"
		}
	}
	return strings.Join(words, " ")
}

// shellWord is s as it is typed in a shell.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._/@:+-=,%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
