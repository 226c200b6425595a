package slipway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestRequireChecks(t *testing.T) {
	check := func(name string, state slipway.CheckState) slipway.CommitCheck {
		return slipway.CommitCheck{Name: name, State: state, Says: string(state)}
	}
	absent := func(name string) slipway.CommitCheck {
		return slipway.CommitCheck{Name: name, State: slipway.CheckPending, Says: slipway.CheckAbsent}
	}
	passed, pending, failed := slipway.CheckPassed, slipway.CheckPending, slipway.CheckFailed
	for name, tc := range map[string]struct {
		required []string
		seen     []slipway.CommitCheck
		want     []slipway.CommitCheck
		all      slipway.CheckState
		reason   string
	}{
		"passed":       {[]string{"b", "a"}, []slipway.CommitCheck{check("a", passed), check("b", passed), check("c", failed)}, []slipway.CommitCheck{check("a", passed), check("b", passed)}, passed, "others do not count"},
		"pending":      {[]string{"a", "b"}, []slipway.CommitCheck{check("b", pending), check("a", passed)}, []slipway.CommitCheck{check("a", passed), check("b", pending)}, pending, ""},
		"absent":       {[]string{"a"}, []slipway.CommitCheck{check("A", passed)}, []slipway.CommitCheck{absent("a")}, pending, "names are compared exactly"},
		"failed first": {[]string{"a", "b"}, []slipway.CommitCheck{check("a", pending), check("b", failed)}, []slipway.CommitCheck{check("a", pending), check("b", failed)}, failed, "the rest need not be waited for"},
		"failed last":  {[]string{"a", "b"}, []slipway.CommitCheck{check("a", failed), check("b", pending)}, []slipway.CommitCheck{check("a", failed), check("b", pending)}, failed, ""},
		"twice":        {[]string{"a"}, []slipway.CommitCheck{check("a", passed), check("a", pending)}, []slipway.CommitCheck{check("a", passed), check("a", pending)}, pending, "both are meant"},
		"all":          {[]string{"all"}, []slipway.CommitCheck{check("a", passed), check("slipway/shop/production", pending)}, []slipway.CommitCheck{check("a", passed)}, passed, "Slipway does not wait for itself"},
		"all of none":  {[]string{"all"}, []slipway.CommitCheck{check("slipway/shop/production", passed)}, []slipway.CommitCheck{absent("all")}, pending, "nothing has spoken for the commit"},
		"its own name": {[]string{"slipway/shop/preview"}, []slipway.CommitCheck{check("slipway/shop/preview", passed)}, []slipway.CommitCheck{check("slipway/shop/preview", passed)}, passed, "preview first, by name"},
	} {
		got, all := slipway.RequireChecks(tc.required, tc.seen)
		if d := cmp.Diff(tc.want, got); d != "" || all != tc.all {
			t.Errorf("%s: %s, not %s: %s\n%s", name, all, tc.all, tc.reason, d)
		}
	}
}
