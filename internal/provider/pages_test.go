package provider_test

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
)

//go:generate go test -run TestPagesPage . -update

const (
	pagesPage  = "../../docs/pages.md"
	pagesIntro = `<!-- Written by go generate from the providers' data. -->

# Pages that runbooks name

Every place of a provider's pages that a runbook sends a person to, or says a value is shown at, is one of these rows: its link, what to
click, and the day on which it was last checked. Nobody has looked at the pages themselves from here: a day is that of the documentation
beside it, or, where that tells none, the day on which it was read. What stands in braces is filled in each runbook. To check a row anew,
look at the page, and change the row and its day in ` + "`internal/provider/*/page.go`" + `.

`
)

// TestPagesPage keeps docs/pages.md as the code has it.
func TestPagesPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(pagesIntro)
	for _, p := range provider.All(rest.Config{}) {
		if len(p.Info().Pages) == 0 {
			continue
		}
		fmt.Fprintf(&b, "## %s\n\n| link | path | checked | in |\n|---|---|---|---|\n", p.Info().Title)
		for _, row := range p.Info().Pages {
			fmt.Fprintf(&b, "| `%s` | %s | %s | [documentation](%s) |\n", row.Link, cell(cmp.Or(strings.Join(row.Path, " > "), "–")), row.Checked, row.Source)
		}
		b.WriteString("\n")
	}
	got := strings.TrimSuffix(b.String(), "\n")
	if *update {
		if err := os.WriteFile(pagesPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(pagesPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is stale: go generate ./... (-recorded +now):\n%s", pagesPage, diff)
	}
}
