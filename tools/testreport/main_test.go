package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	pass    = `{"Action":"pass","Package":"github.com/slipway-dev/slipway/internal/a","Test":"TestA"}`
	end     = `{"Action":"pass","Package":"github.com/slipway-dev/slipway/internal/a","Elapsed":1.5}`
	bad     = `{"Action":"fail","Package":"github.com/slipway-dev/slipway/internal/a","Elapsed":1.5}`
	why     = `{"Action":"output","Package":"github.com/slipway-dev/slipway/internal/a","Test":"TestS/x","Output":"    a_test.go:9: no spoon\n"}`
	skipped = `{"Action":"skip","Package":"github.com/slipway-dev/slipway/internal/a","Test":"TestS/x"}`
)

func output(test, text string) string {
	return fmt.Sprintf(`{"Action":"output","Package":"github.com/slipway-dev/slipway/internal/a","Test":%q,"Output":%q}`, test, text)
}

func action(what, test string) string {
	return fmt.Sprintf(`{"Action":%q,"Package":"github.com/slipway-dev/slipway/internal/a","Test":%q}`, what, test)
}

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		reason  string
		lines   []string
		allowed string
		noSkip  bool
		ok      bool
		tally   string
		has     []string
		hasNot  []string
	}{
		"passed": {
			reason: "a package that passed is one line", lines: []string{pass, end}, ok: true, tally: "1 passed, 0 failed, 0 skipped",
			has: []string{"ok   internal/a ", "1.5s  1 passed"}, hasNot: []string{"failed:", "skipped:"},
		},
		"counts": {
			reason: "what a test counted is shown, whether it passed or not",
			lines: []string{
				output("TestA", "    a_test.go:9: counts: seed 1, 7 points\n"), output("TestA", "    a_test.go:10: it counts: nothing\n"), pass, end,
			},
			ok: true, tally: "1 passed, 0 failed, 0 skipped", has: []string{"1 passed, 0 failed, 0 skipped\n     TestA: seed 1, 7 points\n"}, hasNot: []string{"nothing"},
		},
		"parents": {
			reason: "a test with subtests is not a test of its own",
			lines:  []string{action("pass", "TestP/x"), action("pass", "TestP/y"), action("pass", "TestP"), end},
			ok:     true, tally: "2 passed, 0 failed, 0 skipped",
		},
		"failed": {
			reason: "what failed is shown whole, what passed is not",
			lines: []string{
				output("TestA", "quiet\n"), pass, output("TestP/x", "=== RUN   TestP/x\n"), output("TestP/x", "    loud\n"),
				action("fail", "TestP/x"), action("fail", "TestP"), bad,
			},
			tally: "1 passed, 1 failed, 0 skipped", has: []string{"FAIL internal/a", "    loud\n", "    internal/a TestP/x\n"},
			hasNot: []string{"quiet", "=== RUN"},
		},
		"a parent on its own": {
			reason: "a test can fail when its subtests pass", lines: []string{action("pass", "TestP/x"), action("fail", "TestP"), bad},
			tally: "1 passed, 1 failed, 0 skipped",
		},
		"build": {
			reason: "a package that does not build is a failure, and says why",
			lines: []string{
				`{"ImportPath":"x [x.test]","Action":"build-output","Output":"a.go:1: undefined: y\n"}`,
				`{"ImportPath":"x [x.test]","Action":"build-fail"}`,
				`{"Action":"fail","Package":"x","FailedBuild":"x [x.test]"}`,
			},
			tally: "0 passed, 1 failed, 0 skipped", has: []string{"a.go:1: undefined: y"},
		},
		"process": {
			reason: "a package that exits with 1 after its tests passed is a failure",
			lines:  []string{pass, `{"Action":"output","Package":"github.com/slipway-dev/slipway/internal/a","Output":"leak\n"}`, bad},
			tally:  "1 passed, 1 failed, 0 skipped", has: []string{"    leak\n"},
		},
		"a slash in a name": {
			reason: "what stands before it is no test", lines: []string{pass, action("pass", "TestP/I/O"), action("fail", "TestP"), bad},
			tally: "2 passed, 1 failed, 0 skipped", hasNot: []string{"TestP/I"},
		},
		"panic": {
			reason: "the test in which the process died has no end of its own",
			lines:  []string{action("run", "TestA"), output("TestA", "panic: no\n"), bad},
			tally:  "0 passed, 1 failed, 0 skipped", has: []string{"panic: no", "internal/a TestA"},
		},
		"cut off": {
			reason: "output that ends in the middle is a failure", lines: []string{pass, action("run", "TestB")},
			tally: "1 passed, 1 failed, 0 skipped",
		},
		"nothing": {reason: "no test is no success", tally: "0 passed, 0 failed, 0 skipped", has: []string{"no test ran"}},
		"no tests": {
			reason: "a package without tests among others", ok: true, tally: "1 passed, 0 failed, 0 skipped",
			lines: []string{pass, end, `{"Action":"skip","Package":"x"}`}, has: []string{"-    x "},
		},
		"go itself": {reason: "what go says in plain text is passed on", lines: []string{"go: no module", pass, end}, ok: true, tally: "1 passed, 0 failed, 0 skipped", has: []string{"go: no module\n"}},
		"skipped": {
			reason: "a skip is shown with its reason", lines: []string{pass, why, skipped, action("pass", "TestS"), end}, ok: true,
			tally: "1 passed, 0 failed, 1 skipped", has: []string{"skipped:\n    internal/a TestS/x: no spoon\n"},
		},
		"a skip not allowed": {
			reason: "it fails when no skip may be", lines: []string{pass, why, skipped, action("pass", "TestS"), end}, noSkip: true,
			tally: "1 passed, 0 failed, 1 skipped", has: []string{"internal/a TestS/x: skipped, and the list"},
		},
		"a skip for another reason": {
			reason: "the list allows a reason, not a test", lines: []string{pass, why, skipped, action("pass", "TestS"), end}, noSkip: true,
			allowed: "internal/a | TestS/x | no fork", tally: "1 passed, 0 failed, 1 skipped",
			has: []string{"line 1 of the allowed skips matched nothing"},
		},
		"a skip allowed": {
			reason: "the list names it", lines: []string{pass, why, skipped, action("pass", "TestS"), end}, noSkip: true, ok: true,
			allowed: "# comment\n\ninternal/* | Test*/x | no spoon", tally: "1 passed, 0 failed, 1 skipped", hasNot: []string{"matched nothing"},
		},
		"a skip without a reason": {
			reason: "it says so", lines: []string{pass, skipped, end}, ok: true, tally: "1 passed, 0 failed, 1 skipped",
			has: []string{"no reason given"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			allowed, tally := filepath.Join(t.TempDir(), "allowed"), filepath.Join(t.TempDir(), "tally")
			if err := os.WriteFile(allowed, []byte(c.allowed), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			ok, err := run(strings.NewReader(strings.Join(c.lines, "\n")), &out, allowed, c.noSkip, tally)
			if err != nil || ok != c.ok {
				t.Errorf("%s: got %v %v, want %v\n%s", c.reason, ok, err, c.ok, &out)
			}
			if !strings.HasSuffix(out.String(), "\n"+c.tally+"\n") {
				t.Errorf("%s: does not close with %q:\n%s", c.reason, c.tally, &out)
			}
			if text, err := os.ReadFile(tally); err != nil || string(text) != c.tally+"\n" {
				t.Errorf("%s: the tally's file has %q, %v", c.reason, text, err)
			}
			for _, s := range c.has {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%s: has no %q:\n%s", c.reason, s, &out)
				}
			}
			for _, s := range c.hasNot {
				if strings.Contains(out.String(), s) {
					t.Errorf("%s: has %q:\n%s", c.reason, s, &out)
				}
			}
		})
	}
}

func TestAllowedList(t *testing.T) {
	for name, text := range map[string]string{"two columns": "internal/a | TestS", "no reason": "internal/a | TestS | "} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseAllowed("# x\n" + text); err == nil || !strings.HasPrefix(err.Error(), "2: ") {
				t.Errorf("got %v, want an error of line 2", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := run(strings.NewReader(""), &strings.Builder{}, missing, true, ""); err == nil {
		t.Error("a list that is not there is no error")
	}
}
