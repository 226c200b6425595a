package slipway_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

var (
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ada  = person("ada")
	bob  = person("bob")
)

// allowed is a policy's yes.
var allowed = slipway.Answer{Allow: true, Rules: []string{"people"}, Approvers: 1}

func person(name string) slipway.Approver {
	by, err := slipway.PersonApprover(slipway.Principal{Kind: slipway.PrincipalUser, Name: name}, slipway.ProofOSUser, "os-user")
	if err != nil {
		panic(err)
	}
	return by
}

func asked(gate slipway.Gate, targets ...any) slipway.Approval {
	return slipway.Approval{
		ID: "apr-1", Run: "run-1", Gate: gate, Subject: "sha256:a", Content: map[string]any{"targets": targets}, State: slipway.ApprovalRequested, CreatedAt: noon,
	}
}

func TestDecide(t *testing.T) {
	in := func(s slipway.ApprovalState) slipway.Approval {
		a := asked(slipway.GateApply)
		a.State = s
		return a
	}
	yes := slipway.Decision{Approve: true, By: ada, Reason: "looks right"}
	with := func(f func(d *slipway.Decision)) slipway.Decision { d := yes; f(&d); return d }
	tests := map[string]struct {
		reason   string
		approval slipway.Approval
		decision slipway.Decision
		code     slipway.Code
		state    slipway.ApprovalState
		hint     string
		typed    []string
	}{
		"approve": {reason: "a person may", approval: asked(slipway.GateApply), decision: yes, state: slipway.ApprovalApproved},
		"approve what is seen": {
			reason: "the subject that was looked at is the one that is asked for", approval: asked(slipway.GateApply),
			decision: with(func(d *slipway.Decision) { d.Subject = "sha256:a" }), state: slipway.ApprovalApproved,
		},
		"reject": {reason: "a person may", approval: asked(slipway.GateApply), decision: with(func(d *slipway.Decision) { d.Approve = false }), state: slipway.ApprovalRejected},
		"nobody": {
			reason: "an Approver that nobody made is no person", approval: asked(slipway.GateApply),
			decision: with(func(d *slipway.Decision) { d.By = slipway.Approver{} }), code: slipway.CodeForbidden,
		},
		"nobody rejects": {
			reason: "nor does it decide in any other way", approval: asked(slipway.GateApply),
			decision: with(func(d *slipway.Decision) { d.By, d.Approve = slipway.Approver{}, false }), code: slipway.CodeForbidden,
		},
		"nobody, with everything right": {
			reason: "whatever it types", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"),
			decision: with(func(d *slipway.Decision) {
				d.By, d.Subject, d.Confirm = slipway.Approver{}, "sha256:a", []string{"shop-cache", "shop-db"}
			}), code: slipway.CodeForbidden,
		},
		"no without a reason": {
			reason: "whoever asked reads it", approval: asked(slipway.GateApply),
			decision: with(func(d *slipway.Decision) { d.Approve, d.Reason = false, " " }), code: slipway.CodeInvalid, hint: "--reason",
		},
		"superseded before": {reason: "its run is over", approval: in(slipway.ApprovalSuperseded), decision: yes, code: slipway.CodeConflict},
		"expired before":    {reason: "a new one is asked for", approval: in(slipway.ApprovalExpired), decision: yes, code: slipway.CodeConflict},
		"another subject": {
			reason: "what was looked at is not what is asked for now", approval: asked(slipway.GateApply),
			decision: with(func(d *slipway.Decision) { d.Subject = "sha256:b" }), code: slipway.CodeVoided, hint: "slipway status run-1",
		},
		"approved before": {reason: "one decision", approval: in(slipway.ApprovalApproved), decision: yes, code: slipway.CodeConflict},
		"consumed before": {reason: "one decision", approval: in(slipway.ApprovalConsumed), decision: yes, code: slipway.CodeConflict},
		"rejected before": {reason: "a no stays", approval: in(slipway.ApprovalRejected), decision: yes, code: slipway.CodeConflict},
		"voided before":   {reason: "what it asked for is gone", approval: in(slipway.ApprovalVoided), decision: yes, code: slipway.CodeConflict},
		"no name typed": {
			reason: "data would go", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"), decision: yes, code: slipway.CodeInvalid, hint: "--confirm shop-cache --confirm shop-db",
		},
		"another name typed": {
			reason: "data of another app", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"),
			decision: with(func(d *slipway.Decision) { d.Confirm = []string{"shop-db", "Shop-cache"} }), code: slipway.CodeInvalid, hint: "--confirm shop-cache --confirm shop-db",
		},
		"one name of two": {
			reason: "each is named", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"),
			decision: with(func(d *slipway.Decision) { d.Confirm = []string{"shop-db"} }), code: slipway.CodeInvalid, hint: "--confirm shop-cache",
		},
		"names typed": {
			reason: "in any order, any number of times, and what is gone already with them", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"),
			decision: with(func(d *slipway.Decision) { d.Confirm = []string{"shop-db", "gone", "shop-cache", "shop-db"} }), state: slipway.ApprovalApproved,
			typed: []string{"shop-cache", "shop-db"},
		},
		"no name to reject": {
			reason: "a no deletes nothing", approval: asked(slipway.GateDestroy, "shop-db", "shop-cache"), decision: with(func(d *slipway.Decision) { d.Approve = false }), state: slipway.ApprovalRejected,
		},
		"nothing stateful":     {reason: "no data would go", approval: asked(slipway.GateDestroy), decision: yes, state: slipway.ApprovalApproved},
		"stateful, other gate": {reason: "only destroy deletes", approval: asked(slipway.GatePromote, "shop-db"), decision: yes, state: slipway.ApprovalApproved},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tc.approval.Decide(tc.decision, allowed, noon)
			want, by := tc.approval, ada.Principal()
			if tc.code == "" {
				want.State, want.By, want.How, want.Reason, want.DecidedAt = tc.state, &by, "os-user", "looks right", noon
			}
			if tc.state == slipway.ApprovalApproved {
				want.ExpiresAt = noon.Add(24 * time.Hour)
				want.Votes = []slipway.Vote{{
					By: by, Proof: slipway.ProofOSUser, How: "os-user", Reason: "looks right", Rules: []string{"people"}, At: noon, ExpiresAt: want.ExpiresAt, Confirm: tc.typed,
				}}
			}
			if slipway.ErrorCode(err) != tc.code {
				t.Fatalf("%s: %v, want code %q", tc.reason, err, tc.code)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if e, ok := err.(*slipway.Error); ok && !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%s: hint %q does not say %q", tc.reason, e.Hint, tc.hint)
			}
		})
	}
}

func TestOpens(t *testing.T) {
	approved, err := asked(slipway.GateApply).Decide(slipway.Decision{Approve: true, By: ada}, allowed, noon)
	if err != nil {
		t.Fatal(err)
	}
	in := func(s slipway.ApprovalState) slipway.Approval { a := approved; a.State = s; return a }
	spent := in(slipway.ApprovalConsumed)
	spent.Void = []string{"used before the plan was made again"}
	tests := map[string]struct {
		reason   string
		approval slipway.Approval
		gate     slipway.Gate
		subject  string
		after    time.Duration
		want     bool
	}{
		"its own":            {"what was approved", approved, slipway.GateApply, "sha256:a", 0, true},
		"just in time":       {"a day is a day", approved, slipway.GateApply, "sha256:a", slipway.ApprovalLife - 1, true},
		"expired":            {"nobody used it in time", approved, slipway.GateApply, "sha256:a", slipway.ApprovalLife, false},
		"another gate":       {"it names one gate", approved, slipway.GatePromote, "sha256:a", 0, false},
		"another subject":    {"it names one subject", approved, slipway.GateApply, "sha256:b", 0, false},
		"consumed":           {"the run that used it goes on behind it, however long it takes", in(slipway.ApprovalConsumed), slipway.GateApply, "sha256:a", 48 * time.Hour, true},
		"consumed, another":  {"it opens no other", in(slipway.ApprovalConsumed), slipway.GateApply, "sha256:b", 0, false},
		"consumed, its gate": {"nor another gate", in(slipway.ApprovalConsumed), slipway.GateDestroy, "sha256:a", 0, false},
		"consumed, spent":    {"what it was used for may come again", spent, slipway.GateApply, "sha256:a", 0, false},
		"requested":          {"not decided", in(slipway.ApprovalRequested), slipway.GateApply, "sha256:a", 0, false},
		"rejected":           {"a no", in(slipway.ApprovalRejected), slipway.GateApply, "sha256:a", 0, false},
		"voided":             {"not what would be done now", in(slipway.ApprovalVoided), slipway.GateApply, "sha256:a", 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.approval.Opens(tc.gate, tc.subject, noon.Add(tc.after)); got != tc.want {
				t.Errorf("opens %t: %s", got, tc.reason)
			}
		})
	}
}

// No agent decides: an Approver is made of a person or of a key, there is no other way to make one, and a Decision holds nothing else.
func TestAgentIsNoApprover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := slipway.Principal{Kind: slipway.PrincipalKind(rapid.OneOf(rapid.SampledFrom([]string{"user", "agent", "policy", ""}), rapid.String()).Draw(t, "kind")), Name: rapid.String().Draw(t, "name")}
		proof := slipway.Proof(rapid.SampledFrom([]string{"os-user", "server", "key", "policy", ""}).Draw(t, "proof"))
		by, err := slipway.PersonApprover(p, proof, "somehow")
		is := p.Kind == slipway.PrincipalUser && p.Name != "" && (proof == slipway.ProofOSUser || proof == slipway.ProofServer)
		if is != (err == nil) || !is && slipway.ErrorCode(err) != slipway.CodeForbidden {
			t.Fatalf("%+v by %s: %v", p, proof, err)
		}
		_, err = asked(slipway.GateApply).Decide(slipway.Decision{Approve: true, By: by, Reason: "x"}, allowed, noon)
		if is != (err == nil) {
			t.Fatalf("%+v decides: %v", p, err)
		}
	})
	for _, s := range []slipway.Signer{{Name: "ada"}, {Key: "0123"}, {}} {
		if _, err := slipway.KeyApprover(s); slipway.ErrorCode(err) != slipway.CodeForbidden {
			t.Errorf("%+v: a key without a holder, or a holder without a key: %v", s, err)
		}
	}
	approver, decision := reflect.TypeFor[slipway.Approver](), reflect.TypeFor[slipway.Decision]()
	for i := range approver.NumField() {
		if f := approver.Field(i); f.IsExported() {
			t.Errorf("Approver.%s can be set from outside", f.Name)
		}
	}
	for i := range decision.NumField() {
		if f := decision.Field(i); f.Type == reflect.TypeFor[slipway.Principal]() || f.Type == reflect.TypeFor[*slipway.Principal]() {
			t.Errorf("Decision.%s is a principal, which may be an agent", f.Name)
		}
	}
}

func TestSeveralApprovers(t *testing.T) {
	two := slipway.Answer{Allow: true, Rules: []string{"two"}, Approvers: 2}
	key := func(name, id string) slipway.Approver {
		by, err := slipway.KeyApprover(slipway.Signer{Name: name, Key: id})
		if err != nil {
			t.Fatal(err)
		}
		return by
	}
	type vote struct {
		by     slipway.Approver
		answer slipway.Answer
		after  time.Duration
		code   slipway.Code
		state  slipway.ApprovalState
	}
	requested, approved := slipway.ApprovalRequested, slipway.ApprovalApproved
	for name, tc := range map[string]struct {
		reason string
		votes  []vote
		ends   time.Duration
	}{
		"two":              {"the second opens it", []vote{{ada, two, 0, "", requested}, {bob, two, time.Hour, "", approved}}, 24 * time.Hour},
		"the same person":  {"one person is one", []vote{{ada, two, 0, "", requested}, {ada, two, time.Hour, slipway.CodeForbidden, requested}}, 0},
		"another case":     {"Ada and ada are one", []vote{{ada, two, 0, "", requested}, {key("Ada", "k1"), two, time.Hour, slipway.CodeForbidden, requested}}, 0},
		"their key":        {"a key stands for its holder", []vote{{ada, two, 0, "", requested}, {key("ada", "k1"), two, 1, slipway.CodeForbidden, requested}}, 0},
		"one key, renamed": {"a key is one, whatever it is called", []vote{{key("x", "k1"), two, 0, "", requested}, {key("y", "k1"), two, 1, slipway.CodeForbidden, requested}}, 0},
		"too late":         {"the first yes has expired", []vote{{ada, two, 0, "", requested}, {bob, two, 24 * time.Hour, "", requested}, {ada, two, 25 * time.Hour, "", approved}}, 48 * time.Hour},
		"one is enough":    {"for those whom the policy lets alone", []vote{{ada, allowed, 0, "", approved}}, 24 * time.Hour},
		"the most counts":  {"what was asked of one is asked of all", []vote{{ada, two, 0, "", requested}, {bob, allowed, 1, "", approved}}, 24 * time.Hour},
		"not allowed":      {"a no of the policy adds nothing", []vote{{ada, two, 0, "", requested}, {bob, slipway.Answer{Why: "no"}, 1, slipway.CodeForbidden, requested}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := asked(slipway.GateApply)
			for i, v := range tc.votes {
				var err error
				a, err = a.Decide(slipway.Decision{Approve: true, By: v.by}, v.answer, noon.Add(v.after))
				if slipway.ErrorCode(err) != v.code || a.State != v.state {
					t.Fatalf("vote %d: %s, %v; want %s, %q: %s", i+1, a.State, err, v.state, v.code, tc.reason)
				}
			}
			if ends := a.ExpiresAt; tc.ends > 0 && !ends.Equal(noon.Add(tc.ends)) {
				t.Errorf("it ends at %s: %s", ends, tc.reason)
			}
		})
	}
}

// What a key has signed answers one request, once, for a while.
func TestBallot(t *testing.T) {
	a := asked(slipway.GateApply)
	a.Nonce, a.Policy = "n1", "sha256:p"
	for name, tc := range map[string]struct {
		reason string
		change func(*slipway.Ballot)
		after  time.Duration
		code   slipway.Code
	}{
		"its own":        {"what was asked for", func(*slipway.Ballot) {}, 0, ""},
		"just in time":   {"a day is a day", func(*slipway.Ballot) {}, slipway.ApprovalLife - 1, ""},
		"expired":        {"nobody used it in time", func(*slipway.Ballot) {}, slipway.ApprovalLife, slipway.CodeVoided},
		"for ever":       {"nobody signs for longer", func(b *slipway.Ballot) { b.ExpiresAt = noon.Add(slipway.ApprovalLife + 1) }, 0, slipway.CodeVoided},
		"no end":         {"one that does not say when it ends", func(b *slipway.Ballot) { b.ExpiresAt = time.Time{} }, 0, slipway.CodeVoided},
		"another run":    {"it names one run", func(b *slipway.Ballot) { b.Run = "run-2" }, 0, slipway.CodeVoided},
		"another gate":   {"one gate", func(b *slipway.Ballot) { b.Gate = slipway.GatePromote }, 0, slipway.CodeVoided},
		"another plan":   {"one subject", func(b *slipway.Ballot) { b.Subject = "sha256:b" }, 0, slipway.CodeVoided},
		"another policy": {"one policy", func(b *slipway.Ballot) { b.Policy = "sha256:q" }, 0, slipway.CodeVoided},
		"replayed":       {"the request before had another nonce", func(b *slipway.Ballot) { b.Nonce = "n0" }, 0, slipway.CodeVoided},
		"no nonce":       {"it could be replayed", func(b *slipway.Ballot) { b.Nonce = "" }, 0, slipway.CodeVoided},
	} {
		t.Run(name, func(t *testing.T) {
			b := a.Ballot(slipway.Decision{Reason: "fine"}, noon)
			tc.change(&b)
			if err := a.Takes(b, noon.Add(tc.after)); slipway.ErrorCode(err) != tc.code {
				t.Errorf("%v, want %q: %s", err, tc.code, tc.reason)
			}
		})
	}
	over := asked(slipway.GateDestroy, "shop-db", "shop-cache")
	if b := over.Ballot(slipway.Decision{Confirm: []string{"gone", "shop-db"}, Over: "dpl_1"}, noon); b.Over != "dpl_1" || cmp.Diff([]string{"shop-db"}, b.Confirm) != "" {
		t.Errorf("what is typed is not signed: %+v", b)
	}
	a.Nonce = ""
	if err := a.Takes(a.Ballot(slipway.Decision{}, noon), noon); err == nil {
		t.Error("a request without a nonce, as older versions made them, takes a signature that could be replayed")
	}
}

// A gate opens by itself only where the policy says so by a rule, nobody else is wanted, nothing dies and production does not go backwards.
func TestByPolicy(t *testing.T) {
	plain := asked(slipway.GateApply)
	plain.Policy = "sha256:p"
	ends, by := noon.Add(slipway.ApprovalLife), slipway.Principal{Kind: slipway.PrincipalPolicy, Name: "sha256:p"}
	opened := plain
	opened.State, opened.By, opened.How, opened.DecidedAt, opened.ExpiresAt = slipway.ApprovalApproved, &by, "policy", noon, ends
	opened.Votes = []slipway.Vote{{By: by, Proof: slipway.ProofPolicy, Rules: []string{"people"}, At: noon, ExpiresAt: ends}}
	for name, tc := range map[string]struct {
		reason string
		change func(a *slipway.Approval, answer *slipway.Answer)
		want   bool
	}{
		"let":         {"by a rule", func(*slipway.Approval, *slipway.Answer) {}, true},
		"not let":     {"the policy says no", func(_ *slipway.Approval, answer *slipway.Answer) { answer.Allow = false }, false},
		"by no rule":  {"nothing says why", func(_ *slipway.Approval, answer *slipway.Answer) { answer.Rules = nil }, false},
		"two people":  {"they are wanted", func(_ *slipway.Approval, answer *slipway.Answer) { answer.Approvers = 2 }, false},
		"destroy":     {"a person types what dies", func(a *slipway.Approval, _ *slipway.Answer) { a.Gate = slipway.GateDestroy }, false},
		"backwards":   {"a person names what production serves", func(a *slipway.Approval, _ *slipway.Answer) { a.Content = backwards() }, false},
		"decided":     {"a no stays", func(a *slipway.Approval, _ *slipway.Answer) { a.State = slipway.ApprovalRejected }, false},
		"used before": {"it was used", func(a *slipway.Approval, _ *slipway.Answer) { a.State = slipway.ApprovalConsumed }, false},
	} {
		a, answer := plain, allowed
		tc.change(&a, &answer)
		want := a
		if tc.want {
			want = opened
		}
		got, ok := a.ByPolicy(answer, noon)
		if d := cmp.Diff(want, got); ok != tc.want || d != "" {
			t.Errorf("%s: %t: %s (-want +got):\n%s", name, ok, tc.reason, d)
		}
	}
}

// Where production would go backwards, a yes names what it serves, and a no does not have to.
func TestBackwards(t *testing.T) {
	a := asked(slipway.GatePromote)
	a.Content = backwards()
	for name, tc := range map[string]struct {
		decision slipway.Decision
		code     slipway.Code
	}{
		"not named": {slipway.Decision{Approve: true, By: ada}, slipway.CodeDrift},
		"another":   {slipway.Decision{Approve: true, By: ada, Over: "dpl-1"}, slipway.CodeDrift},
		"named":     {slipway.Decision{Approve: true, By: ada, Over: "dpl-9"}, ""},
		"a no":      {slipway.Decision{By: ada, Reason: "not now"}, ""},
		"a control": {slipway.Decision{By: ada, Reason: "not\x1b[2J"}, slipway.CodeInvalid},
	} {
		got, err := a.Decide(tc.decision, allowed, noon)
		if slipway.ErrorCode(err) != tc.code || tc.code != "" && cmp.Diff(a, got) != "" {
			t.Errorf("%s: %v, want %q; %+v", name, err, tc.code, got)
		}
	}
}

// An approval ends with the first of its votes, whichever came first; one that says until when ends then.
func TestApprovalEndsWithItsFirstVote(t *testing.T) {
	two := slipway.Answer{Allow: true, Approvers: 2}
	a := asked(slipway.GateApply)
	if a.Standing() != "" {
		t.Errorf("one is enough, and it stands at %s", a.Standing())
	}
	a, err := a.Decide(slipway.Decision{Approve: true, By: ada}, two, noon)
	if err != nil || a.Standing() != "1 of 2" {
		t.Fatal(a.Standing(), err)
	}
	a, err = a.Decide(slipway.Decision{Approve: true, By: bob, Until: noon.Add(time.Hour)}, two, noon)
	if err != nil || !a.ExpiresAt.Equal(noon.Add(time.Hour)) || a.Standing() != "2 of 2" {
		t.Errorf("it ends at %s, and stands at %s: %v", a.ExpiresAt, a.Standing(), err)
	}
	one := asked(slipway.GateApply)
	if one.Need = 1; one.Standing() != "" {
		t.Errorf("one of one stands at %s", one.Standing())
	}
}

// The flags can be typed into a shell as they are.
func TestConfirmFlags(t *testing.T) {
	for name, want := range map[string]string{
		"Shop-db_9./@:+": " --confirm Shop-db_9./@:+", "azAZ09": " --confirm azAZ09", "": " --confirm ''", "it's": ` --confirm 'it'\''s'`, "a b": " --confirm 'a b'",
		"$(x)": " --confirm '$(x)'", "é": " --confirm 'é'", "a`": " --confirm 'a`'", "a{": " --confirm 'a{'", "a[": " --confirm 'a['", "a;": " --confirm 'a;'", "a!": " --confirm 'a!'",
	} {
		if got := asked(slipway.GateDestroy, name, 3).ConfirmFlags(); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// backwards is what is asked for where production would go back from dpl-9.
func backwards() map[string]any {
	return map[string]any{"deployment": "dpl-1", "over": "dpl-9", "held": string(slipway.HoldOlder)}
}

// TestPerson: one person, however they are spelled.
func TestPerson(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, a, b string
		one          bool
	}{
		"case":         {"systems differ in whether it counts", "Ada", "aDA", true},
		"no ASCII":     {"it is folded too", "ÉMILE", "émile", true},
		"long s":       {"what has no lower case folds all the same", "\u017fam", "SAM", true},
		"end of word":  {"there are three of one letter", "ΝΙΚΟΣ", "νικος", true},
		"kelvin":       {"it looks like a letter, and is one", "\u212aim", "kim", true},
		"others":       {"they are two", "ada", "adah", false},
		"accents":      {"they count", "Emile", "Émile", false},
		"not UTF-8":    {"it is nobody else", "a\xff", "a", false},
		"a space more": {"it counts", "ada", "ada ", false},
	} {
		if got := slipway.Person(tc.a) == slipway.Person(tc.b); got != tc.one {
			t.Errorf("%s: one: %v, want %v: %s", name, got, tc.one, tc.reason)
		}
	}
}
