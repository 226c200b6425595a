package cli

import (
	"strings"
	"testing"

	"github.com/slipway-dev/slipway"
)

// TestCommandsAreQuoted: a command that is shown does the same when it is typed, before it has run and after.
func TestCommandsAreQuoted(t *testing.T) {
	const want = "$ sh -c 'npm test && echo done'"
	var before, after strings.Builder
	jobText(&before, slipway.Check{Job: &slipway.Job{Commands: [][]string{{"sh", "-c", "npm test && echo done"}}}})
	jobResultText(&after, slipway.Step{Basis: map[string]any{"commands": []any{map[string]any{
		"argv": []any{"sh", "-c", "npm test && echo done"}, "end": "exited",
	}}}})
	for when, got := range map[string]string{"plan": before.String(), "status": after.String()} {
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %s in it", when, got, want)
		}
	}
}
