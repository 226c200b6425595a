package provider_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

//go:generate go test -run TestCapabilitiesPage . -update

var update = flag.Bool("update", false, "write docs/capabilities.md")

const (
	page      = "../../docs/capabilities.md"
	pageIntro = `<!-- Written by go generate from the providers' data and the code that plans. -->

# Capabilities

A credential that is set is not a credential that may do what is asked of it. ` + "`slipway doctor`" + ` asks each provider, by calls that
read, what its credential is good for, and shows the answer as evidence: method, path, status and the provider's code. Nothing is
changed outside. When a provider refuses a look of plan or ship, it is asked the same.

From what is found, every effect of a plan has its mode before the first one happens:

- **automated**: Slipway does it.
- **manual**: a person does it, by the plan's runbook, and Slipway looks whether it is done.
- **blocked**: it waits for something that is broken to be mended: a credential that is set and not accepted was meant to be used. The rest goes on.

A finding can be about a provider, about one of its kinds, or about one operation on a kind; the closest to the operation counts. What
does not depend on a manual or a blocked effect does not wait for it; but production moves, and a deployment is made, when all that they
carry is done, and a resource is made when the ledger has told that it will be.

The tables of kinds show what each cause comes to when it is found of the whole provider; ` + "`forbidden`" + ` is mostly found of single operations.

A provider at which a source can be has operations in place of kinds. To find the commit of a source is a person's where nothing here can:
the commit is then stated (` + "`SLIPWAY_SOURCE_REPOSITORY_ID`, `SLIPWAY_SOURCE_SHA`" + `). A report that cannot be sent is **skipped**, and the plan says why.

` + "`doctor`" + ` keeps answers for 10 minutes in ` + "`SLIPWAY_HOME/probes.json`" + `, under a keyed fingerprint of the credential and without any secret,
shows their age, and asks again with ` + "`--refresh`" + `. No command that changes anything reads them. What passes by itself (rate_limited,
unreachable) is not kept.

`
)

func code(s string) string { return "`" + s + "`" }

// cell is text within a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

func causeName(c slipway.Cause) string {
	if c == slipway.CauseNone {
		return "none"
	}
	return code(string(c))
}

func shownMode(m slipway.Mode) string {
	if m == slipway.ModeAutomated {
		return "automated"
	}
	return string(m)
}

// TestCapabilitiesPage keeps docs/capabilities.md as the code has it: make generate writes it.
func TestCapabilitiesPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(pageIntro)
	writeOutcomes(&b)
	for _, p := range providers {
		writeProvider(&b, p.Info())
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/capabilities.md is stale: make generate (-code +page):\n%s", diff)
	}
}

// writeOutcomes is the table of causes: what each means for a kind that is made in the account itself, and for what is inside of one.
func writeOutcomes(b *strings.Builder) {
	b.WriteString("## What each cause means\n\n" +
		"Made in the account itself are " + inWords() + "; all other kinds are inside of one of them.\n\n" +
		"| cause | state | can be looked at | make, replace or delete it | change it | all that is inside |\n|---|---|---|---|---|---|\n")
	root := slipway.KindInfo{Kind: "acme.root", Root: true}
	inner := slipway.KindInfo{Kind: "acme.inner"}
	for _, cause := range slipway.Causes {
		access := slipway.Access{slipway.ProviderInfo{Name: "acme"}.Against(slipway.Capability{}, cause)}
		mode := func(k slipway.KindInfo, op slipway.Op) string { m, _ := access.Mode(k, op); return shownMode(m) }
		looks := "yes"
		if !access.Readable("acme.root") {
			looks = "no"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", causeName(cause), cause.State(), looks,
			mode(root, slipway.OpCreate), mode(root, slipway.OpUpdate), mode(inner, slipway.OpCreate))
	}
	b.WriteString("\nTo take over (adopt) what is exactly as declared sends nothing, and is done unless it is blocked. A variable whose value comes from\n" +
		"a resource that cannot be looked at is written by a person, or by Slipway once its value is handed over as " + code("SLIPWAY_OUTPUT_…") + ".\n\n")
}

func inWords() string {
	var out []string
	for _, name := range names {
		for _, k := range infos[name].Kinds {
			if k.Root {
				out = append(out, code(string(k.Kind)))
			}
		}
	}
	return strings.Join(out, ", ")
}

func writeProvider(b *strings.Builder, info slipway.ProviderInfo) {
	fmt.Fprintf(b, "## %s\n\n| cause | how it is found | what it says | what to do |\n|---|---|---|---|\n", info.Title)
	var known []slipway.Cause
	for _, cause := range slipway.Causes {
		if !info.Knows(cause) {
			continue
		}
		said := info.Says(cause)
		if _, ours := kinds[said.Kind]; said.Kind == "" || ours {
			known = append(known, cause)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", causeName(cause), cell(said.Sign), cell(said.Reason), cell(said.Hint))
	}
	if info.Source {
		writeSource(b, info, known)
		return
	}
	b.WriteString("\n| kind | operation |")
	rule := "|---|---|"
	for _, cause := range known {
		b.WriteString(" " + cmp.Or(string(cause), "none") + " |")
		rule += "---|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, kind := range info.Kinds {
		writeKind(b, info, kind, known)
	}
	b.WriteString("\n")
}

// writeSource has a line for each operation on a repository.
func writeSource(b *strings.Builder, info slipway.ProviderInfo, known []slipway.Cause) {
	rows := []struct {
		what string
		mode func(slipway.Access) slipway.Mode
	}{
		{"source: find the commit, fetch it, compare it", func(a slipway.Access) slipway.Mode { m, _ := a.Source(info.Name); return m }},
		{"report a commit status", func(a slipway.Access) slipway.Mode { m, _ := a.Report(info.Name); return m }},
		{"report a deployment and its status", func(a slipway.Access) slipway.Mode { m, _ := a.Report(info.Name); return m }},
	}
	b.WriteString("\n| operation |")
	rule := "|---|"
	for _, cause := range known {
		b.WriteString(" " + cmp.Or(string(cause), "none") + " |")
		rule += "---|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row.what)
		for _, cause := range known {
			fmt.Fprintf(b, " %s |", shownMode(row.mode(slipway.Access{info.Against(slipway.Capability{}, cause)})))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nWithout a token (`missing`) a public repository is a source all the same. The link of the Vercel project to the repository is `vercel.link`, below Vercel.\n\n")
}

// TestSources: what each cause means for a source and for reports, written here apart from the code.
func TestSources(t *testing.T) {
	want := map[slipway.Cause][2]slipway.Mode{
		"": {auto, auto}, "missing": {manual, "skipped"}, "invalid": {blocked, "skipped"}, "expired": {blocked, "skipped"}, "wrong_team": {blocked, "skipped"},
		"read_only": {auto, "skipped"}, "forbidden": {auto, "skipped"}, "app_not_installed": {manual, "skipped"}, "rate_limited": {blocked, auto}, "unreachable": {blocked, auto},
	}
	for _, cause := range slipway.Causes {
		if !infos["github"].Knows(cause) {
			continue
		}
		access := slipway.Access{infos["github"].Against(slipway.Capability{}, cause)}
		source, _ := access.Source("github")
		report, _ := access.Report("github")
		if got := [2]slipway.Mode{source, report}; got != want[cause] {
			t.Errorf("%s: %v, meant %v", causeName(cause), got, want[cause])
		}
	}
}

// writeKind has a line for the operations on a kind that come to the same.
func writeKind(b *strings.Builder, info slipway.ProviderInfo, kind slipway.KindInfo, known []slipway.Cause) {
	lines := map[string][]string{} // operations by what they come to
	var order []string
	ops := append([]slipway.Op{"look"}, slices.Sorted(maps.Keys(kind.Consequence))...)
	for _, op := range ops {
		var line strings.Builder
		for _, cause := range known {
			access := slipway.Access{info.Against(slipway.Capability{}, cause)}
			what, _ := access.Mode(kind, op)
			if what == slipway.ModeAutomated && kind.ByHand != "" {
				what = slipway.ModeManual
			}
			text := shownMode(what)
			if op == "look" {
				text = shownLook(access, kind.Kind)
			}
			fmt.Fprintf(&line, " %s |", text)
		}
		if lines[line.String()] == nil {
			order = append(order, line.String())
		}
		lines[line.String()] = append(lines[line.String()], string(op))
	}
	for _, line := range order {
		fmt.Fprintf(b, "| %s | %s |%s\n", code(string(kind.Kind)), strings.Join(lines[line], ", "), line)
	}
}

func shownLook(access slipway.Access, kind slipway.Kind) string {
	switch {
	case access.Readable(kind):
		return "automated"
	case access.Blocks(kind):
		return "blocked"
	}
	return "manual"
}
