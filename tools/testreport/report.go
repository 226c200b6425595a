package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is a line of go test -json: see go doc cmd/test2json, and go help buildjson for what has an ImportPath.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// module is cut from package paths: every one of ours begins with it.
const module = "github.com/slipway-dev/slipway/"

type report struct {
	out      io.Writer
	packages map[string]*pack
	builds   map[string][]string // output of go build and go vet by import path
	failures []string
	skips    []skip
	passed   int
	failed   int
}

type pack struct {
	tests  map[string]*test
	order  []string
	output []string
}

type test struct {
	output []string
	action string // pass, fail, skip; empty while it runs
	parent bool
	began  bool // false for what only looks like a parent: a subtest's own name can have a slash
}

type skip struct{ pkg, test, reason string }

func newReport(out io.Writer) *report {
	return &report{out: out, packages: map[string]*pack{}, builds: map[string][]string{}}
}

// read takes one line. What is no event, as go itself prints in trouble, is passed through.
func (r *report) read(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		fmt.Fprintf(r.out, "%s\n", strings.TrimRight(string(line), "\n"))
		return
	}
	switch {
	case e.Action == "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case e.Action == "build-fail" || e.Package == "":
	case e.Test == "":
		r.readPackage(r.pack(e.Package), e)
	default:
		r.pack(e.Package).readTest(e)
	}
}

func (r *report) pack(name string) *pack {
	if r.packages[name] == nil {
		r.packages[name] = &pack{tests: map[string]*test{}}
	}
	return r.packages[name]
}

func (p *pack) test(name string) *test {
	if p.tests[name] == nil {
		p.tests[name] = &test{}
		p.order = append(p.order, name)
	}
	return p.tests[name]
}

func (p *pack) readTest(e event) {
	t := p.test(e.Test)
	t.began = true
	for i, c := range e.Test {
		if c == '/' {
			p.test(e.Test[:i]).parent = true
		}
	}
	switch e.Action {
	case "output":
		t.output = append(t.output, e.Output)
	case "pass", "fail", "skip":
		t.action = e.Action
	}
}

func (r *report) readPackage(p *pack, e event) {
	switch e.Action {
	case "output":
		p.output = append(p.output, e.Output)
	case "pass", "fail", "skip":
		r.endPackage(p, e)
		delete(r.packages, e.Package)
	}
}

// endPackage counts the package's tests and prints its line, and what failed in it as a whole.
func (r *report) endPackage(p *pack, e event) {
	name := strings.TrimPrefix(e.Package, module)
	before := *r
	slices.SortStableFunc(p.order, cmp.Compare[string])
	var failures []string
	for _, id := range p.order {
		t := p.tests[id]
		if !t.began {
			continue
		}
		if t.action == "" { // the process ended in it
			t.action = e.Action
		}
		switch {
		case t.action == "fail":
			failures = append(failures, id)
		case t.parent:
		case t.action == "skip":
			r.skips = append(r.skips, skip{name, id, reason(t.output)})
		case t.action == "pass":
			r.passed++
		}
	}
	if n := r.countFailures(name, p, failures); e.Action == "fail" && n == 0 {
		r.failed++
		r.failures = append(r.failures, name)
	}
	verdict := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "-   "}[e.Action]
	fmt.Fprintf(r.out, "%s %-42s %6.1fs  %d passed, %d failed, %d skipped\n", verdict, name, e.Elapsed,
		r.passed-before.passed, r.failed-before.failed, len(r.skips)-len(before.skips))
	p.printCounts(r.out)
	if e.Action == "fail" {
		r.printFailure(p, e, failures)
	}
}

// printCounts prints what tests logged after "counts: ": of a matrix, how much was tried and what was found.
func (p *pack) printCounts(to io.Writer) {
	for _, id := range p.order {
		for _, line := range p.tests[id].output {
			if m := counted.FindStringSubmatch(line); m != nil {
				fmt.Fprintf(to, "     %s: %s\n", id, m[1])
			}
		}
	}
}

// countFailures counts a test that failed on its own: one whose subtest failed is that failure already.
func (r *report) countFailures(name string, p *pack, failures []string) int {
	n := 0
	for i, id := range failures {
		if p.tests[id].parent && i+1 < len(failures) && slices.ContainsFunc(failures[i+1:], func(s string) bool { return strings.HasPrefix(s, id+"/") }) {
			continue
		}
		n++
		r.failures = append(r.failures, name+" "+id)
	}
	r.failed += n
	return n
}

func (r *report) printFailure(p *pack, e event, failures []string) {
	for _, line := range r.builds[e.FailedBuild] {
		fmt.Fprint(r.out, "    ", line)
	}
	for _, id := range failures {
		for _, line := range p.tests[id].output {
			if !frame.MatchString(line) {
				fmt.Fprint(r.out, "    ", line)
			}
		}
	}
	for _, line := range p.output {
		fmt.Fprint(r.out, "    ", line)
	}
}

var (
	frame   = regexp.MustCompile(`^\s*=== (RUN|PAUSE|CONT|NAME)`)
	located = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)$`)
	counted = regexp.MustCompile(`^\s+\S+\.go:\d+: counts: (.*)\n$`)
)

// reason returns what a test gave to Skip: the last line that it logged.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if m := located.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			return strings.TrimSpace(m[1])
		}
	}
	return "no reason given"
}

func (r *report) tally() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.passed, r.failed, len(r.skips))
}

// close prints the skips, the failures again by name, and the closing line. It tells whether all is well.
func (r *report) close(list []entry, noSkip bool) bool {
	r.cutOff()
	forbidden := r.printSkips(list)
	if noSkip {
		for _, s := range forbidden {
			r.failures = append(r.failures, fmt.Sprintf("%s %s: skipped, and the list of allowed skips does not have it: %s", s.pkg, s.test, s.reason))
		}
	}
	ran := r.passed+r.failed > 0
	if !ran {
		r.failures = append(r.failures, "no test ran")
	}
	if len(r.failures) > 0 {
		fmt.Fprintln(r.out, "\nfailed:")
	}
	for _, f := range r.failures {
		fmt.Fprintln(r.out, "   ", f)
	}
	fmt.Fprintf(r.out, "\n%s\n", r.tally())
	return len(r.failures) == 0
}

// cutOff fails each package that never ended: go test was killed, or its output was.
func (r *report) cutOff() {
	for name, p := range r.packages {
		r.endPackage(p, event{Action: "fail", Package: name})
	}
	clear(r.packages)
}

// printSkips prints a line for each reason in each package, and returns the skips that the list does not have.
func (r *report) printSkips(list []entry) []skip {
	var forbidden []skip
	slices.SortStableFunc(r.skips, func(a, b skip) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.reason, b.reason), cmp.Compare(a.test, b.test))
	})
	if len(r.skips) > 0 {
		fmt.Fprintln(r.out, "\nskipped:")
	}
	for i := 0; i < len(r.skips); {
		first, n := r.skips[i], 0
		for ; i < len(r.skips) && r.skips[i].pkg == first.pkg && r.skips[i].reason == first.reason; i++ {
			n++
			if !allow(list, r.skips[i]) {
				forbidden = append(forbidden, r.skips[i])
			}
		}
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" and %d more", n-1)
		}
		fmt.Fprintf(r.out, "    %s %s%s: %s\n", first.pkg, first.test, more, first.reason)
	}
	for _, e := range list {
		if !e.wasMatched {
			fmt.Fprintf(r.out, "    line %d of the allowed skips matched nothing: %s\n", e.line, e.text)
		}
	}
	return forbidden
}
