package slipway_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestTargetsAreToldApart(t *testing.T) {
	redis, vector := slipway.Mortal{Address: "upstash.redis/cache", Name: "shop"}, slipway.Mortal{Address: "upstash.vector/search", Name: "shop"}
	for name, tc := range map[string]struct {
		reason string
		all    []slipway.Mortal
		want   []string
	}{
		"alone":            {"its name is enough", []slipway.Mortal{redis}, []string{"shop"}},
		"one name":         {"each has its own address", []slipway.Mortal{vector, redis}, []string{"upstash.redis/cache", "upstash.vector/search"}},
		"and another":      {"whose name is its alone", []slipway.Mortal{vector, {Address: "neon.project/db", Name: "Shop"}, redis}, []string{"Shop", "upstash.redis/cache", "upstash.vector/search"}},
		"an address":       {"as the name of another", []slipway.Mortal{redis, {Address: "neon.project/db", Name: "upstash.redis/cache"}}, []string{"neon.project/db", "shop"}},
		"no name":          {"it has its address", []slipway.Mortal{{Address: "neon.branch/db@preview"}}, []string{"neon.branch/db@preview"}},
		"the app":          {"which has no address", []slipway.Mortal{{Name: "shop"}}, []string{"shop"}},
		"same in one kind": {"and in two environments", []slipway.Mortal{{Address: "neon.branch/db@a", Name: "b"}, {Address: "neon.branch/db@b", Name: "b"}}, []string{"neon.branch/db@a", "neon.branch/db@b"}},
	} {
		words, addresses := slipway.Targets(tc.all)
		if diff := cmp.Diff(tc.want, words); diff != "" || len(addresses) != len(words) {
			t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
		}
		seen := map[string]bool{}
		for _, w := range words {
			if seen[w] {
				t.Errorf("%s: %q is typed for two", name, w)
			}
			seen[w] = true
		}
	}
}

// An address confirms what its name would, and no other word does.
func TestAddressConfirms(t *testing.T) {
	a := slipway.Approval{Gate: slipway.GateDestroy, Content: map[string]any{
		"targets": []any{"shop-db", "upstash.redis/cache"}, "addresses": []any{"neon.project/db", "upstash.redis/cache"},
	}}
	for typed, left := range map[string]string{
		"shop-db upstash.redis/cache": "", "neon.project/db upstash.redis/cache": "", "neon.project/db": "upstash.redis/cache",
		"shop-db shop": "upstash.redis/cache", "neon.project/shop-db": "shop-db upstash.redis/cache", "": "shop-db upstash.redis/cache",
	} {
		if got := strings.Join(a.Unconfirmed(strings.Fields(typed)), " "); got != left {
			t.Errorf("%q leaves %q, not %q", typed, got, left)
		}
	}
	b := a.Ballot(slipway.Decision{Confirm: []string{"gone", "upstash.redis/cache", "neon.project/db"}}, noon)
	if diff := cmp.Diff([]string{"neon.project/db", "upstash.redis/cache"}, b.Confirm); diff != "" {
		t.Errorf("what is signed is not what was typed: %s", diff)
	}
	a.Content["addresses"] = []any{"neon.project/db"}
	if got := a.Unconfirmed([]string{"neon.project/db"}); len(got) != 2 {
		t.Errorf("a list of another length is believed: %q are left", got)
	}
}

func TestAsked(t *testing.T) {
	at := func(gate slipway.Gate, state slipway.ApprovalState) slipway.Approval {
		return slipway.Approval{ID: string(gate) + " " + string(state), Run: "run-1", Gate: gate, State: state}
	}
	apply, policy := at(slipway.GateApply, slipway.ApprovalRequested), at(slipway.GatePolicy, slipway.ApprovalRequested)
	destroy, was := at(slipway.GateDestroy, slipway.ApprovalRequested), at(slipway.GateApply, slipway.ApprovalConsumed)
	for name, tc := range map[string]struct {
		reason string
		all    []slipway.Approval
		gate   slipway.Gate
		no     bool
		want   string
		code   slipway.Code
		hint   string
	}{
		"one":                    {reason: "it is meant", all: []slipway.Approval{was, apply}, want: apply.ID},
		"none":                   {reason: "nothing waits", all: []slipway.Approval{was}, code: slipway.CodeConflict, hint: "slipway status run-1"},
		"another gate":           {reason: "nothing waits there", all: []slipway.Approval{apply}, gate: slipway.GatePromote, code: slipway.CodeConflict},
		"used":                   {reason: "that it was used is told by the decision", all: []slipway.Approval{was}, gate: slipway.GateApply, want: was.ID},
		"a policy":               {reason: "who may approve is not changed in passing", all: []slipway.Approval{policy}, code: slipway.CodeInvalid, hint: "slipway approve run-1 --gate policy"},
		"a policy first":         {reason: "it comes before what waited before", all: []slipway.Approval{apply, policy}, code: slipway.CodeInvalid, hint: "slipway approve run-1 --gate policy"},
		"a policy by name":       {reason: "it was named", all: []slipway.Approval{apply, policy}, gate: slipway.GatePolicy, want: policy.ID},
		"no to a policy":         {reason: "a no ends the run, whichever it answers", all: []slipway.Approval{policy}, no: true, want: policy.ID},
		"several":                {reason: "one of them is meant", all: []slipway.Approval{destroy, apply}, code: slipway.CodeInvalid, hint: "slipway approve run-1 --gate apply; or: slipway approve run-1 --gate destroy"},
		"several, and one named": {reason: "that one", all: []slipway.Approval{apply, destroy}, gate: slipway.GateApply, want: apply.ID},
		"no to several":          {reason: "a no ends the run", all: []slipway.Approval{apply, destroy}, no: true, want: destroy.ID},
	} {
		got, err := slipway.Decision{Run: "run-1", Gate: tc.gate, Approve: !tc.no}.Asked(tc.all)
		if got.ID != tc.want || slipway.ErrorCode(err) != tc.code {
			t.Errorf("%s: %q, %v: %s", name, got.ID, err, tc.reason)
		}
		if e, ok := err.(*slipway.Error); ok && !strings.Contains(e.Hint, tc.hint) {
			t.Errorf("%s: hint %q", name, e.Hint)
		}
	}
}

// TestCommandLine: what is shown of a command does the same when it is typed.
func TestCommandLine(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		argv   []string
		want   string
	}{
		"plain":      {"nothing is to be quoted", []string{"npm", "run", "test:unit", "--", "--shard=1/2", "-t", "a,b", "50%"}, "npm run test:unit -- --shard=1/2 -t a,b 50%"},
		"words":      {"one argument stays one", []string{"sh", "-c", "npm test && echo done"}, "sh -c 'npm test && echo done'"},
		"quotes":     {"its own quotes are kept", []string{"node", "-e", "console.log('a')"}, `node -e 'console.log('\''a'\'')'`},
		"expansions": {"nothing is expanded", []string{"echo", "$HOME", "~", "*", "{a,b}", "`x`", "#", "!"}, "echo '$HOME' '~' '*' '{a,b}' '`x`' '#' '!'"},
		"empty":      {"an argument of nothing is one", []string{"echo", ""}, "echo ''"},
		"assignment": {"the first word is a program, and no variable", []string{"A=b", "C=d"}, "'A=b' C=d"},
	} {
		if got := slipway.CommandLine(tc.argv); got != tc.want {
			t.Errorf("%s: %s\n got %s\nwant %s", name, tc.reason, got, tc.want)
		}
	}
}
