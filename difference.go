package slipway

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PlanDifferences tells, a line each, how after differs from before in what an approval binds: effects that came, went or changed, then the
// rest. Nothing for equal digests; never prose.
func PlanDifferences(before, after *Plan) []string {
	if before == nil || after == nil || before.Digest() == after.Digest() {
		return nil
	}
	var out []string
	was, is := effectsByKey(before), effectsByKey(after)
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if _, stays := is[key]; !stays {
			out = append(out, key+": no longer")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		old, known := was[key]
		if !known {
			out = append(out, key+": new")
			continue
		}
		for _, part := range differing(old, is[key]) {
			out = append(out, key+": "+part)
		}
	}
	if before.Source != after.Source {
		out = append(out, fmt.Sprintf("source: %s -> %s", before.Source, after.Source))
	}
	if before.Serving != after.Serving {
		out = append(out, fmt.Sprintf("production serves: %s -> %s", before.Serving, after.Serving))
	}
	if CanonicalDigest(before.Checks) != CanonicalDigest(after.Checks) {
		out = append(out, "checks: another set")
	}
	if len(out) == 0 {
		out = append(out, "what it leaves, keeps or uses: another set")
	}
	return out
}

func effectsByKey(p *Plan) map[string]Effect {
	out := map[string]Effect{}
	for _, e := range p.Effects {
		out[e.Key] = e
	}
	return out
}

// differing tells what differs between two effects of one key.
func differing(a, b Effect) []string {
	out := paramDifferences(a.Params, b.Params, false)
	if !EqualBasis(a.Basis, b.Basis) {
		out = append(out, "what is there now differs")
	}
	if line := veiled["fingerprint"]; CanonicalDigest(a.Secrets) != CanonicalDigest(b.Secrets) && !slices.Contains(out, line) {
		out = append(out, line)
	}
	if a.Gate != b.Gate {
		out = append(out, fmt.Sprintf("gate: %s -> %s", a.Gate, b.Gate))
	}
	if a.Mode != b.Mode {
		out = append(out, fmt.Sprintf("mode: %s -> %s", modeName(a.Mode), modeName(b.Mode)))
	}
	rest := func(e Effect) string {
		return CanonicalDigest([]any{e.Op, e.Address, e.Name, e.Account, e.DependsOn, e.After, e.OnFailure})
	}
	if rest(a) != rest(b) {
		out = append(out, "its name, account or order differs")
	}
	return out
}

// veiled are params that are compared and not shown, and what is told in their place.
var veiled = map[string]string{
	"fingerprint": "another secret value", "written": "written outside since", "input": "the source or its settings", "tree": "the source", "repo_id": "the repository",
}

// plainNames are the names that people have for them.
var plainNames = map[string]string{
	"fingerprint": "value", "written": "value", "input": "source or settings", "tree": "source", "repo_id": "repository",
}

func plainName(field string) string { return cmp.Or(plainNames[field], field) }

// fieldNames are the names that people have for what differs, each once.
func fieldNames(changes []Change) string {
	var names []string
	for _, c := range changes {
		if name := plainName(c.Field); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// differsText says that something is not as declared.
func differsText(changes []Change) string {
	names := fieldNames(changes)
	if names != plainNames["fingerprint"] {
		return "it differs in " + names
	}
	for _, c := range changes {
		switch {
		case c.Field == "fingerprint" && c.OtherKey():
			return "its value was written under another fingerprint key"
		case c.Field == "fingerprint" && c.To == nil:
			return "its value is known only during the run"
		}
	}
	return "its value differs"
}

// OtherKey reports whether a fingerprint differs because it was made with another key, whose id stands before the colon: then nothing can tell
// whether the value does.
func (c Change) OtherKey() bool {
	from, _ := c.From.(string)
	to, _ := c.To.(string)
	was, _, _ := strings.Cut(from, ":")
	is, _, _ := strings.Cut(to, ":")
	return was != "" && is != "" && was != is
}

// Mismatch tells how what is there differs from what s declares in one field: "region: east wanted, west there". A field that is compared and
// not shown is named alone, and so are those of a variable: what a person wrote there by mistake may be a secret.
func Mismatch(s Spec, there Observation, field string) string {
	_, hidden := veiled[field]
	if _, variable := s.Inputs["value"]; hidden || variable {
		return plainName(field)
	}
	return field + ": " + wantedAndThere(field, s.Params, there.Fields)
}

func wantedAndThere(field string, want, have map[string]any) string {
	there := "nothing"
	if have[field] != nil && have[field] != "" {
		there = shortly(have, field)
	}
	return shortly(want, field) + " wanted, " + there + " there"
}

// SinceApproved tells, a line each, how the effects of a plan behind a gate ("": all) differ from those that were approved last for the same
// resources. What is known only during a run is not compared.
func SinceApproved(last map[Address]Effect, plan *Plan, gate Gate) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(effectsByKey(plan))) {
		e := *plan.Effect(key)
		was, known := last[e.Address]
		switch {
		case gate != "" && e.Gate != gate:
			continue
		case !known:
			out = append(out, key+": never approved before")
			continue
		case was.Op != e.Op:
			out = append(out, fmt.Sprintf("%s: was %s", key, was.Op))
		}
		for _, line := range paramDifferences(was.Params, e.Params, true) {
			out = append(out, key+": "+line)
		}
	}
	return out
}

// paramDifferences tells how params of one effect differ, those that are not shown by what they are of. known leaves out what is known only
// during a run.
func paramDifferences(was, is map[string]any, known bool) (out []string) {
	for _, name := range union(was, is) {
		a, b := was[name], is[name]
		plain := name == "fingerprint" && was["value"] != nil && is["value"] != nil // told as it is
		if plain || known && (a == nil || b == nil) || equalJSON(a, b) {
			continue
		}
		line := fmt.Sprintf("%s: %s -> %s", name, shortly(was, name), shortly(is, name))
		if what, hidden := veiled[name]; hidden {
			line = what
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

func union(a, b map[string]any) []string {
	names := maps.Clone(a)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, b)
	return slices.Sorted(maps.Keys(names))
}

// shortly is a param in at most 80 characters.
func shortly(params map[string]any, name string) string {
	v, set := params[name]
	switch {
	case !set:
		return "(not set)"
	case v == nil:
		return "(known during the run)"
	}
	r := []rune(fmt.Sprint(v))
	if len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return string(r)
}

func modeName(m Mode) string {
	if m == ModeAutomated {
		return "automated"
	}
	return string(m)
}

// Consequence is what one effect behind a gate means.
type Consequence struct {
	Effect string `json:"effect"`
	Means  string `json:"means"`
}

// Consequences tells what each effect behind an approval's gate means, with what the approval knows of it.
func (a Approval) Consequences(p *Plan) []Consequence {
	var out []Consequence
	for _, e := range p.Effects {
		if e.Gate != a.Gate {
			continue
		}
		means := e.Consequence
		if e.Op == OpPromote || e.Op == OpRollback {
			if domains, known := a.Content["domains"].([]any); known {
				means = fmt.Sprintf("moves %s; rebuilds nothing", count(len(domains), "domain"))
				if len(domains) == 0 && a.Content["serving"] == "" {
					means = "production serves nothing yet: each domain that the project has will serve the deployment; rebuilds nothing"
				}
			}
		}
		if means == "" {
			means = e.Reason
		}
		if e.OnFailure != "" {
			means = "only where " + e.OnFailure + " fails: " + means
		}
		out = append(out, Consequence{Effect: e.Key, Means: means})
	}
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// TextDifferences tells how the lines of after differ from those of before, in order: "- " for one that is gone, "+ " for one that came.
func TextDifferences(before, after string) (out []string) {
	a, b := textLines(before), textLines(after)
	same := make([][]int, len(a)+1) // same[i][j]: how many lines a[i:] and b[j:] have in common, in order
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if same[i][j] = max(same[i+1][j], same[i][j+1]); a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			out, i = append(out, "- "+a[i]), i+1
		default:
			out, j = append(out, "+ "+b[j]), j+1
		}
	}
	return out
}

// textLines are the lines of a text; those of an enormous one beyond the 4,000th are one.
func textLines(s string) []string { return strings.SplitN(strings.TrimSuffix(s, "\n"), "\n", 4000) }
