package live

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator"
)

// watcher calls then once, when what is written to it has a text in it.
type watcher struct {
	mu   sync.Mutex
	all  bytes.Buffer
	text string
	then func()
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if w.then != nil && strings.Contains(w.all.String(), w.text) {
		w.then()
		w.then = nil
	}
	return len(b), nil
}

// names are what a list of things is about, in order.
func names(things []thing) []string {
	out := []string{}
	for _, t := range things {
		out = append(out, t.kind+" "+t.name)
	}
	slices.Sort(out)
	return out
}

// makes makes one thing of each kind.
func (w world) makes(s *Session, name string) {
	w.t.Helper()
	for _, c := range []struct {
		api, path string
		body      obj
	}{
		{"vercel", "/v11/projects", obj{"name": name}},
		{"neon", "/projects", obj{"project": obj{"name": name, "org_id": s.Env("NEON_ORG_ID")}}},
		{"upstash", "/v2/redis/database", obj{"database_name": name, "platform": "aws", "primary_region": "us-east-1"}},
		{"upstash", "/v2/vector/index", obj{"name": name, "region": "us-east-1", "similarity_function": "COSINE", "dimension_count": 3}},
		{"upstash", "/v2/team", obj{"team_name": name, "copy_cc": false}},
		{"github", "/user/repos", obj{"name": name}},
	} {
		if err := s.need(nil, c.api, "POST", c.path, c.body); err != nil {
			w.t.Fatal(err)
		}
	}
}

func kinds(name string) []string {
	return []string{"GitHub repository " + name, "Neon project " + name, "Upstash database " + name, "Upstash index " + name, "Upstash team " + name, "Vercel project " + name}
}

// A sweep deletes what has the run's own name at every API, and nothing that has not: not even what another run has made.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	s := w.session(Prefix + "now")
	for _, name := range []string{Prefix + "now", Prefix + "now-asked", Prefix + "old", "shop"} {
		w.makes(s, name)
	}
	left, err := s.sweep()
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", names(left), err)
	}
	if diff := cmp.Diff(kinds(Prefix+"old"), names(w.left())); diff != "" {
		t.Errorf("another run's things (-want +got):\n%s", diff)
	}
	for _, at := range [][2]string{{"vercel", "/v9/projects/shop"}, {"github", "/repos/emulator/shop"}} {
		if r, err := s.call(at[0], "GET", at[1], nil); err != nil || !r.ok() {
			t.Errorf("a person's own %s: %s %v", at[1], r.short(), err)
		}
	}
	if _, err := s.things("slipway"); err == nil {
		t.Error("things lists what is not ours")
	}
}

// Whenever a run ends, it leaves nothing of its own, and says what an earlier one has left.
func TestCleaning(t *testing.T) {
	program := build(t)
	for name, c := range map[string]struct {
		reason string
		faults string
		// one of them interrupts the run: a call to an API, or a line of the report
		call, line string
		want       []string // in the report
	}{
		"interrupted in a ship":      {reason: "Ctrl-C while things are being made", call: `"/v2/redis/database"`, want: []string{"slipway destroy"}},
		"interrupted in a question":  {reason: "Ctrl-C while questions are asked", line: "sandbox-name-taken", want: []string{"not asked: interrupted", "slipway destroy: succeeded"}},
		"a ship that fails":          {reason: "what it has made goes as well", faults: "vercel:POST /v13/deployments#*=402", want: []string{"slipway ship: failed"}},
		"a destroy that fails":       {reason: "the sweep deletes what it has not", faults: "vercel:POST /v13/deployments#*=402, upstash:DELETE */redis/*=403", want: []string{"Nothing of"}},
		"a sweep that fails as well": {reason: "what is left is named, with how to remove it", faults: "vercel:POST /v13/deployments#*=402, upstash:DELETE */redis/*#*=403", want: []string{"This run could not delete Upstash database"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls, out := &watcher{text: c.call}, &watcher{text: c.line}
			if c.line != "" {
				out.then = cancel
			}
			w := newWorld(t)
			w.logTo(calls)
			w.makes(w.session(Prefix+"old"), Prefix+"old")
			w.schedule(c.faults)
			if c.call != "" {
				calls.arm(cancel)
			}
			answers, err := Run(ctx, config(t, program, w.Env(), out))
			report := out.all.String()
			if err == nil {
				t.Error("the run has succeeded")
			}
			for _, want := range c.want {
				if !strings.Contains(report, want) {
					t.Errorf("%s: the report has no %q:\n%s\n%v", c.reason, want, report, err)
				}
			}
			if !strings.Contains(report, "An earlier run, or one that still goes on, made Neon project "+Prefix+"old: curl -X DELETE") {
				t.Errorf("the report does not say what an earlier run has left:\n%s", report)
			}
			if c.line != "" && (len(answers) != len(Questions()) || !errors.Is(err, context.Canceled)) {
				t.Errorf("%d answers to %d questions, %v", len(answers), len(Questions()), err)
			}
			w.schedule("")
			left := slices.DeleteFunc(names(w.left()), func(n string) bool {
				return strings.Contains(c.want[0], "could not delete") && strings.HasPrefix(n, "Upstash database") && !strings.HasSuffix(n, "old")
			})
			if diff := cmp.Diff(kinds(Prefix+"old"), left); diff != "" {
				t.Errorf("%s: what is left (-want +got):\n%s\n%s", c.reason, diff, report)
			}
		})
	}
}

// A mistake in a question is no reason to leave what costs money.
func TestCleaningAfterPanic(t *testing.T) {
	w := newWorld(t)
	out := &watcher{}
	c := config(t, build(t), w.Env(), out)
	c.Shipped = func() { panic("a mistake") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was kept from whoever runs it")
			}
		}()
		_, _ = Run(t.Context(), c)
	}()
	if left := names(w.left()); len(left) > 0 {
		t.Errorf("left: %v\n%s", left, out.all.String())
	}
}

func (w world) logTo(to *watcher) {
	for _, e := range emulator.All() {
		w.Kit(e.Name).RequestLog = to
	}
}

// arm forgets what has been written so far.
func (w *watcher) arm(then func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Reset()
	w.then = then
}
