package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// Whatever a person pastes where something else belongs is answered with what to do, and leaves no trace.
func TestWhatIsPastedWrongIsAnsweredAndLeavesNoTrace(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseAccountRefused))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	b.given = map[string]string{"SLIPWAY_OUTPUT_DB_URL": "postgres://secret-of-" + c.byHand("shop-db", "east")}
	if got := b.check(slipway.ManualCheck{Run: run.ID, Step: dbStep}); got != slipway.FindingDone {
		t.Fatalf("the database is %s", got)
	}
	if _, err := b.TakeManual(t.Context(), run.ID, cacheStep, false, person); err != nil {
		t.Fatal(err)
	}
	before := b.trace(run.ID)
	step := func(change func(*slipway.ManualCheck)) slipway.ManualCheck {
		check := slipway.ManualCheck{Run: run.ID, Step: cacheStep, By: person}
		change(&check)
		return check
	}
	id := func(text string) slipway.ManualCheck { return step(func(m *slipway.ManualCheck) { m.ID = text }) }
	note := func(text string) slipway.ManualCheck {
		return step(func(m *slipway.ManualCheck) { m.Assert, m.Note = true, text })
	}
	for name, tc := range map[string]struct {
		reason string
		check  slipway.ManualCheck
		code   slipway.Code
		hint   string
	}{
		"spaces":       {"an id has none", id("db 1"), slipway.CodeInvalid, "without spaces"},
		"quotes":       {"an id has none", id(`"db-1"`), slipway.CodeInvalid, "without spaces"},
		"line break":   {"an id has none", id("db-1\ndb-2"), slipway.CodeInvalid, "without spaces"},
		"URL":          {"a URL is no id", id("https://cloud.example/db-1"), slipway.CodeInvalid, "last part"},
		"connection":   {"nor is a connection string", id("postgres://u:hunter22@h/db"), slipway.CodeInvalid, ""},
		"token":        {"nor is a token", id("npg_abcdef"), slipway.CodeInvalid, "secret"},
		"bare token":   {"a token without a prefix", id("d9arPB1CHDYi221dWNufexSm"), slipway.CodeInvalid, "exposed"},
		"header":       {"nor is a header", id("Bearer abcdefghijk"), slipway.CodeInvalid, ""},
		"very long":    {"no id is so long", id(strings.Repeat("a1", 2000)), slipway.CodeInvalid, "128"},
		"look-alike":   {"a Cyrillic letter is another", id("sh\u043ep-db"), slipway.CodeInvalid, "provider's page"},
		"escape":       {"a terminal would obey it", id("db\x1b[2J"), slipway.CodeInvalid, ""},
		"secret noted": {"a note is kept", note("made with npg_abcdef"), slipway.CodeInvalid, "secret"},
		"token noted":  {"a note is kept", note("the token is d9arPB1CHDYi221dWNufexSm"), slipway.CodeInvalid, "exposed"},
		"escape noted": {"a note is shown", note("made \x1b[2J\x1b[31mby root"), slipway.CodeInvalid, "one line"},
		"lines noted":  {"a line of a note would look like ours", note("made\ndone by root"), slipway.CodeInvalid, "one line"},
		"book noted":   {"a note is short", note(strings.Repeat("seen ", 1000)), slipway.CodeInvalid, "fewer words"},
		"done step":    {"what is done is not looked at again", step(func(m *slipway.ManualCheck) { m.Step = dbStep }), slipway.CodeConflict, ""},
		"unknown step": {"its steps are named", step(func(m *slipway.ManualCheck) { m.Step = "99" }), slipway.CodeInvalid, cacheStep},
		"secret step":  {"a secret is no step", step(func(m *slipway.ManualCheck) { m.Step = "npg_abcdef" }), slipway.CodeInvalid, cacheStep},
		"token's step": {"a token is no step", step(func(m *slipway.ManualCheck) { m.Step = "d9arPB1CHDYi221dWNufexSm" }), slipway.CodeInvalid, cacheStep},
		"too early":    {"its predecessor is named", step(func(m *slipway.ManualCheck) { m.Step = "cloud.var/CACHE_URL@production#create" }), slipway.CodeConflict, "do that first"},
		"another's":    {"two people do not take one step", step(func(m *slipway.ManualCheck) { m.By = grace }), slipway.CodeConflict, "--release"},
		"unknown run":  {"there is none", step(func(m *slipway.ManualCheck) { m.Run = "run_none" }), slipway.CodeNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.CheckManual(t.Context(), tc.check)
			var e *slipway.Error
			if !errors.As(err, &e) || e.Code != tc.code || e.Hint == "" || !strings.Contains(e.Hint, tc.hint) {
				t.Fatalf("%s: %v (%+v)", tc.reason, err, e)
			}
			said := e.Error() + e.Hint
			for _, never := range []string{"npg_", "hunter22", "abcdefghijk", "d9arPB", "\x1b", "root"} {
				if strings.Contains(said, never) {
					t.Errorf("%s: %q is said: %s", tc.reason, never, said)
				}
			}
			if diff := cmp.Diff(before, b.trace(run.ID)); diff != "" {
				t.Errorf("%s: it was kept (-before +after):\n%s", tc.reason, diff)
			}
		})
	}
}

// trace is all that is kept of a run's steps, and how many events it has.
func (b *bench) trace(run string) any {
	b.t.Helper()
	d, err := b.Get(b.t.Context(), run)
	if err != nil {
		b.t.Fatal(err)
	}
	return []any{d.Steps, b.history(run), d.Approvals}
}

// A reason is kept, signed and shown: what a terminal would obey is refused at every door.
func TestReasonsAreOneLineThatPrints(t *testing.T) {
	const bad = "fine \x1b[2J\napproved by root"
	b := newBench(t, newCloud())
	run, approval := b.asking("one")
	for name, try := range map[string]func() error{
		"approve": func() error {
			_, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: ada, Reason: bad})
			return err
		},
		"reject": func() error {
			_, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, By: ada, Reason: bad})
			return err
		},
		"cancel": func() error { _, err := b.Cancel(t.Context(), run.ID, bad, person); return err },
	} {
		if err := try(); slipway.ErrorCode(err) != slipway.CodeInvalid || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := b.approvals(run.ID); len(again) == 0 || again[0].State != slipway.ApprovalRequested || again[0].Subject != approval.Subject {
		t.Errorf("something was decided: %+v", again)
	}
}
