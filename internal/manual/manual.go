// Package manual renders runbooks, the steps that a person does, for a terminal and as Markdown. The same runbook gives the same bytes;
// JSON is the value itself.
package manual

import (
	"fmt"
	"strings"

	"github.com/slipway-dev/slipway"
)

// Text is a runbook for a terminal.
func Text(book slipway.Runbook) string {
	var b strings.Builder
	for _, s := range book.Steps {
		fmt.Fprintf(&b, "%d. %s\n   why: %s\n   check: %s\n", s.Number, s.Title, s.Why, s.Check)
	}
	return b.String()
}

// Markdown is a runbook as a page.
func Markdown(book slipway.Runbook) string {
	var b strings.Builder
	for _, s := range book.Steps {
		fmt.Fprintf(&b, "## %d. %s\n\n%s\n\nCheck: %s\n", s.Number, s.Title, s.Why, s.Check)
	}
	return b.String()
}
