package policy_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/policy"
)

func user(name string) slipway.Principal {
	return slipway.Principal{Kind: slipway.PrincipalUser, Name: name}
}

// apply is ada, who wants to approve what bob has asked for, on a Wednesday.
func apply(change func(*slipway.Question)) slipway.Question {
	q := slipway.Question{
		Action: "apply", Principal: user("ada"), Proof: slipway.ProofOSUser, App: "shop", Environment: "production", Operation: "ship", Gate: slipway.GateApply,
		Ops: []slipway.Op{slipway.OpCreate, slipway.OpDeploy}, Kinds: []slipway.Kind{"neon.project", "vercel.deployment"}, Stateful: true,
		Requester: user("bob"), Now: time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC),
	}
	if change != nil {
		change(&q)
	}
	return q
}

const strict = `
@id("people") @approvers("2")
permit (principal is User, action in Action::"approve", resource);

@id("managers")
permit (principal in Group::"managers", action == Action::"rollback", resource);

@id("not-your-own") @reason("four eyes")
forbid (principal, action in Action::"approve", resource) when { context.own_request };

@id("freeze")
forbid (principal, action in Action::"approve", resource in Environment::"production")
when { ["friday", "saturday", "sunday"].contains(context.weekday) || context.now >= datetime("2026-12-20T00:00:00Z") && context.now < datetime("2027-01-03T00:00:00Z") }
unless { resource.gate == "rollback" };

@id("signed-destroy") @local_approval("key")
permit (principal is User, action == Action::"destroy", resource);

@id("previews")
permit (principal, action == Action::"auto-approve", resource in Environment::"preview") unless { resource.stateful };
`

func TestAsk(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		text   string // "" is the default
		change func(*slipway.Question)
		allow  bool
		n      int
		rules  []string
		why    string
	}{
		"default":         {"whoever runs it may", "", nil, true, 1, []string{"people"}, ""},
		"default, agent":  {"an agent is no user", "", func(q *slipway.Question) { q.Principal.Kind = slipway.PrincipalAgent }, false, 1, nil, "no rule"},
		"default, itself": {"nothing opens by itself", "", func(q *slipway.Question) { q.Action, q.Environment = slipway.ActionAutoApprove, "preview" }, false, 1, nil, "no rule"},
		"default, covers": {"the manifest says", "", func(q *slipway.Question) { q.Action = slipway.ActionPromoteWithApply }, true, 1, []string{"promote-as-the-manifest-says"}, ""},
		"empty":           {"what nothing permits is not allowed", "// nothing", nil, false, 1, nil, "no rule"},
		"two":             {"the annotation is an obligation", strict, nil, true, 2, []string{"people"}, ""},
		"own request":     {"a forbid wins, and says why", strict, func(q *slipway.Question) { q.Principal = user("bob") }, false, 1, []string{"not-your-own"}, "four eyes"},
		"an agent's request": {
			"a person approves what an agent of the same name has asked for", strict,
			func(q *slipway.Question) { q.Requester = slipway.Principal{Kind: slipway.PrincipalAgent, Name: "ada"} }, true, 2,
			[]string{"people"},
			"",
		},
		"friday":          {"no changes before the weekend", strict, func(q *slipway.Question) { q.Now = q.Now.AddDate(0, 0, 2) }, false, 1, []string{"freeze"}, "freeze"},
		"holidays":        {"a window of dates", strict, func(q *slipway.Question) { q.Now = time.Date(2026, 12, 23, 9, 0, 0, 0, time.UTC) }, false, 1, []string{"freeze"}, "freeze"},
		"after":           {"it ends", strict, func(q *slipway.Question) { q.Now = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC) }, true, 2, []string{"people"}, ""},
		"another's clock": {"times are compared in UTC", strict, func(q *slipway.Question) { q.Now = time.Date(2026, 11, 20, 3, 0, 0, 0, time.FixedZone("", 8*3600)) }, true, 2, []string{"people"}, ""},
		"freeze, preview": {"it is about production", strict, func(q *slipway.Question) { q.Environment, q.Now = "preview", q.Now.AddDate(0, 0, 2) }, true, 2, []string{"people"}, ""},
		"the most counts": {"of two rules that permit, the stricter one binds", strict, func(q *slipway.Question) {
			q.Action, q.Gate, q.Groups = "rollback", slipway.GateRollback, []string{"managers"}
		}, true, 2, []string{"managers", "people"}, ""},
		"preview itself": {"it opens without anybody", strict, func(q *slipway.Question) {
			q.Action, q.Environment, q.Stateful = slipway.ActionAutoApprove, "preview", false
		}, true, 1, []string{"previews"}, ""},
		"two, itself": {"two people are wanted, so it does not open without any", `@approvers("2") permit (principal, action, resource);`, func(q *slipway.Question) {
			q.Action = slipway.ActionAutoApprove
		}, false, 1, nil, "2 people"},
		"own request, by case": {"Ada and ada are one", strict, func(q *slipway.Question) { q.Principal = user("BOB") }, false, 1, []string{"not-your-own"}, "four eyes"},
		"preview, stores":      {"unless data is concerned", strict, func(q *slipway.Question) { q.Action, q.Environment = slipway.ActionAutoApprove, "preview" }, false, 1, nil, "no rule"},
		"cannot evaluate": {
			"a rule that fails might have forbidden it", `permit (principal, action, resource); @id("sum") forbid (principal, action, resource) when { context.hour + 9223372036854775807 > 1 };`,
			nil, false, 1, nil, `p.cedar:1:39: the rule "sum" cannot be evaluated`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy.Default()
			if tc.text != "" {
				p = policy.Read("p.cedar", []byte(tc.text))
			}
			if p.Err() != nil {
				t.Fatal(p.Err())
			}
			a := p.Ask(apply(tc.change))
			if a.Allow != tc.allow || a.Approvers != tc.n || !slices.Equal(a.Rules, tc.rules) || !strings.Contains(a.Why, tc.why) || a.Allow != (a.Why == "") || a.Allow != (a.Hint == "") {
				t.Errorf("%s: %+v", tc.reason, a)
			}
		})
	}
}

// Where a key is wanted, --yes is told so, and how to go on.
func TestKeysOnly(t *testing.T) {
	for name, text := range map[string]string{
		"by annotation": `@id("k") @local_approval("key") permit (principal is User, action in Action::"approve", resource);`,
		"by a forbid": policyText(policy.Default()) +
			`@id("keys-only") forbid (principal, action in Action::"approve", resource) unless { ["key", "server"].contains(context.proof) };`,
	} {
		p := policy.Read("p", []byte(text))
		if p.Err() != nil {
			t.Fatal(p.Err())
		}
		if a := p.Ask(apply(nil)); a.Allow || !a.Signed {
			t.Errorf("%s: an OS user: %+v", name, a)
		}
		if a := p.Ask(apply(func(q *slipway.Question) { q.Proof, q.Key = slipway.ProofKey, "0123" })); !a.Allow || len(a.Rules) != 1 {
			t.Errorf("%s: a key: %+v", name, a)
		}
		if a := p.Ask(apply(func(q *slipway.Question) { q.Proof, q.Principal.Kind = slipway.ProofPolicy, slipway.PrincipalAgent })); a.Allow {
			t.Errorf("%s: nobody: %+v", name, a)
		}
	}
}

func policyText(p *policy.Policy) string { return string(p.Text()) }

// A policy with a fault says where, and allows nothing.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"not Cedar":          {"the place is told", "permit (principal, action, resource);\n\npermit (principal action, resource);", "p.cedar:3:25: it cannot be parsed here"},
		"not closed":         {"the end of the text is a place too", "permit (principal, action", `p.cedar:1:26: it cannot be parsed here: the text ends, and "," is missing`},
		"not closed, head":   {"what is missing is said", "permit (principal is User, action, resource", `p.cedar:1:44: it cannot be parsed here: the text ends, and ")" is missing`},
		"not closed, rule":   {"also of a second one", "permit (principal, action, resource);\nforbid (principal, action, resource)\n", `p.cedar:3:1: it cannot be parsed here: the text ends, and ";" is missing`},
		"not closed, test":   {"what a rule asks is not closed", "permit (principal, action, resource) when { context.hour == ", "here: the text ends in the middle of a rule"},
		"no comma":           {"what stands in its place is said", "permit (principal action, resource);", `here: "action" stands where "," is due`},
		"no comma, list":     {"also in a list", "permit (principal, action, resource) when { [1 2] };", `here: "2" stands where "," is due`},
		"no comma, quoted":   {"what stands there may be quoted itself", `permit (principal, action, resource) when { [1 "b\"c"] };`, `here: "\"b\\\"c\"" stands where "," is due`},
		"no effect":          {"which words begin a rule is said", "perm (principal, action, resource);", `here: "perm" stands where permit or forbid is due`},
		"no rule":            {"an annotation alone is none", `@id("a")`, "here: the text ends, and permit or forbid is missing"},
		"no operand":         {"it is what stands before", "permit (principal, action, resource) when { if };", `here: something is missing or too much before ";"`},
		"no name":            {"an attribute has one", "permit (principal, action, resource) when { context. };", `here: a name is due before ";"`},
		"no function":        {"the library's own words, where they are some", "permit (principal, action, resource) when { f(1) };", "here: `f` is not a function"},
		"no end of a text":   {"the same", `@id("a`, "here: literal not terminated"},
		"no token":           {"so is what is no word of the language", "permit (principal, action, resource) when { \x00 };", "p.cedar:1:43: it cannot be parsed here"},
		"number":             {"where it stands is told", "permit (principal, action, resource)\n  when { context.hour == 99999999999999999999 };", "p.cedar:2:26: it cannot be parsed here: 99999999999999999999 is beyond the numbers of Cedar, which go from -9223372036854775808 to 9223372036854775807"},
		"number, least":      {"its sign counts", "permit (principal, action, resource) when { -9223372036854775808 < -9223372036854775809 };", "p.cedar:1:69: it cannot be parsed here: -9223372036854775809 is beyond"},
		"number, taken away": {"a minus between two is no sign", "permit (principal, action, resource) when { -9223372036854775808 < 1 - 9223372036854775808 };", "p.cedar:1:72: it cannot be parsed here: 9223372036854775808 is beyond"},
		"number, elsewhere":  {"what stands in a comment, a text or a name is none", "// 99999999999999999999\n@reason(\"99999999999999999999 \\\" 99999999999999999999\") permit (principal, action, resource) when { context has a99999999999999999999 && 99999999999999999999 > 1 };", "p.cedar:2:138: it cannot be parsed here: 99999999999999999999 is"},
		"escape":             {"the library tells no place", "permit (principal, action,\n  resource) when { context.proof like \"é\\*\" && context.proof == \"\\*\" };", `p.cedar:2:65: it cannot be parsed here: "\*" is no text of Cedar: bad char escape`},
		"escape, pattern":    {"a pattern has other escapes", `permit (principal, action, resource) when { context.proof like "\xff" };`, `p.cedar:1:64: it cannot be parsed here: "\xff" is no text of Cedar: bad hex escape sequence`},
		"escape, colours":    {"a message goes to a terminal", "permit (principal, action, resource) when { context.proof == \"\x1b[31m\\*\" };", `p.cedar:1:62: it cannot be parsed here: this is no text of Cedar: bad char escape`},
		"escape, id":         {"annotations are texts too", `@id("\u{d800}") permit (principal, action, resource);`, `p.cedar:1:5: it cannot be parsed here: "\u{d800}" is no text of Cedar: bad unicode escape sequence`},
		"unknown attribute":  {"it would never be true, or always", `permit (principal, action, resource) when { context.prof == "key" };`, "p.cedar:1:1: "},
		"unknown action":     {"nobody asks that", `permit (principal, action == Action::"deploy", resource);`, "p.cedar:1:1: "},
		"another type":       {"hours are numbers", `permit (principal, action, resource) when { context.hour == "9" };`, "p.cedar:1:1: "},
		"annotation":         {"a typing mistake must not loosen", `@aprovers("2") permit (principal, action, resource);`, "p.cedar:1:1: @aprovers means nothing here"},
		"approvers":          {"a number", `@approvers("two") permit (principal, action, resource);`, "@approvers is a number"},
		"no approvers":       {"at least one", `@approvers("0") permit (principal, action, resource);`, "@approvers is a number"},
		"forbid, approvers":  {"a forbid obliges to nothing", `@approvers("2") forbid (principal, action, resource);`, "@approvers is a number"},
		"local approval":     {"key, or nothing", `@local_approval("os-user") permit (principal, action, resource);`, "@local_approval"},
		"same id":            {"records name rules by their ids", "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);", `p.cedar:2:1: there is another rule with the id "a"`},
		"mark":               {"editors of Windows put one there, and nobody sees it", "\ufeffpermit (principal, action, resource);", "p.cedar:1:1: it begins with a byte order mark"},
		"reason, lines":      {"it is shown on a terminal", `@reason("no\nhint: rm") forbid (principal, action, resource);`, "@reason is one line"},
		"reason, colours":    {"so are escapes", `@reason("\u{1b}[31m") forbid (principal, action, resource);`, "@reason is one line"},
		"id, turned":         {"what turns the direction shows another id", `@id("a\u{202e}b") permit (principal, action, resource);`, "@id is one line"},
		"brackets":           {"reading it would take all memory", "permit (principal, action, resource) when { " + strings.Repeat("[", 100_000), "it is longer than 65536 bytes"},
		"no id":              {"an id says something", `@id("") permit (principal, action, resource);`, "@id is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy.Read("p.cedar", []byte(tc.text))
			if p.Err() == nil || !strings.Contains(p.Err().Error(), tc.want) {
				t.Fatalf("got %v, want %q: %s", p.Err(), tc.want, tc.reason)
			}
			a := p.Ask(apply(nil))
			if a.Allow || !strings.Contains(a.Why, tc.want) {
				t.Errorf("it allows, or does not say why not: %+v", a)
			}
			if p.Digest() == policy.Default().Digest() {
				t.Error("it has no version of its own")
			}
		})
	}
	if a := policy.Broken("p", os.ErrPermission).Ask(apply(nil)); a.Allow {
		t.Error("a policy that cannot be opened allows")
	}
}

// No agent is ever let by a rule about approving, whatever else it says: the schema knows no such principal.
func TestAgentsAreNoPrincipalOfApprove(t *testing.T) {
	p := policy.Read("p", []byte(`permit (principal is Agent, action == Action::"apply", resource);`))
	if p.Err() == nil {
		t.Error("a rule that lets agents approve is taken")
	}
}

// More rules that forbid never allow more, and what is allowed always names a rule.
func TestForbidsOnlyTighten(t *testing.T) {
	forbids := []string{
		`forbid (principal, action in Action::"approve", resource) when { context.own_request };`,
		`forbid (principal, action, resource) when { context.weekday == "friday" };`,
		`forbid (principal, action, resource in App::"shop") when { resource.stateful };`,
		`forbid (principal, action, resource) unless { context.proof == "key" };`,
		`forbid (principal, action, resource) when { context.approvals >= 1 && !(principal in Group::"managers") };`,
	}
	rapid.Check(t, func(t *rapid.T) {
		q := apply(func(q *slipway.Question) {
			q.Principal.Name = rapid.SampledFrom([]string{"ada", "bob"}).Draw(t, "who")
			q.Proof = rapid.SampledFrom([]slipway.Proof{slipway.ProofOSUser, slipway.ProofKey}).Draw(t, "proof")
			q.Stateful, q.Approvals = rapid.Bool().Draw(t, "stateful"), rapid.IntRange(0, 2).Draw(t, "approvals")
			q.Now = q.Now.Add(time.Duration(rapid.IntRange(0, 24*7).Draw(t, "hours")) * time.Hour)
			q.Groups = rapid.SampledFrom([][]string{nil, {"managers"}}).Draw(t, "groups")
		})
		text, allowed := policyText(policy.Default()), true
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4}).Draw(t, "order") {
			text += forbids[i] + "\n"
			p := policy.Read("p", []byte(text))
			if p.Err() != nil {
				t.Fatal(p.Err())
			}
			a := p.Ask(q)
			if a.Allow && (!allowed || len(a.Rules) == 0) {
				t.Fatalf("another forbid allows more: %+v\n%s", q, text)
			}
			allowed = a.Allow
		}
	})
}

func TestCases(t *testing.T) {
	cases, err := policy.ReadCases("c.yaml", []byte(`
cases:
  - {name: ada may, action: apply, principal: ada, expect: allow, approvers: 2, rules: [people]}
  - {name: bob may not, action: apply, principal: bob, requester: bob, expect: deny, rules: [not-your-own]}
  - {action: apply, principal: "agent:x", expect: deny}
  - {name: wrong, action: apply, principal: ada, expect: deny}
  - {name: wrong rule, action: apply, principal: ada, expect: allow, rules: [managers]}
  - {name: frozen, action: promote, principal: ada, now: "2026-11-20T12:00:00Z", expect: deny, rules: [freeze]}
  - {name: preview, action: auto-approve, principal: "agent:x", environment: preview, expect: allow, rules: [previews]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range policy.Read("p", []byte(strict)).Test(cases) {
		got = append(got, fmt.Sprintf("%t %s: %s / %s", r.OK, r.Name, r.Want, r.Got))
	}
	want := []string{
		"true ada may: allow, 2 approvers, by [people] / allow, 2 approvers, by [people]",
		"true bob may not: deny, by [not-your-own] / deny, by [not-your-own]",
		"true case 3: deny / deny",
		"false wrong: deny / allow",
		"false wrong rule: allow, by [managers] / allow, by [people]",
		"true frozen: deny, by [freeze] / deny, by [freeze]",
		"true preview: allow, by [previews] / allow, by [previews]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for name, tc := range map[string]struct{ reason, text, want string }{
		"no cases":      {"it would pass", "cases: []", "no cases"},
		"unknown field": {"a typing mistake would test nothing", "cases: [{action: apply, principal: a, expect: allow, aprovers: 2}]", "aprovers"},
		"no action":     {"nothing is asked", "cases: [{principal: a, expect: allow}]", "action"},
		"no principal":  {"nobody asks", "cases: [{action: apply, expect: allow}]", "principal"},
		"no answer":     {"nothing is expected", "cases: [{action: apply, principal: a}]", "expect"},
		"two documents": {"the cases of the second would never be looked at", "cases: [{action: apply, principal: a, expect: deny}]\n---\ncases: [{action: apply, principal: a, expect: allow}]", "a second document"},
		"broken second": {"what follows is not read as if it were not there", "cases: [{action: apply, principal: a, expect: deny}]\n---\n}", "a second document"},
		"no proof":      {"nobody proves it so, and a deny would tell nothing", "cases: [{action: apply, principal: a, expect: deny, proof: kee}]", "proof: one of os-user, key, server"},
		"policy's":      {"nobody who approves proves it so", "cases: [{action: apply, principal: a, expect: deny, proof: policy}]", "proof: one of os-user, key, server"},
		"somebody's":    {"nobody is there to prove it", "cases: [{action: auto-approve, principal: a, expect: deny, proof: key}]", "proof: policy alone"},
		"another's":     {"who is let through is who asked", "cases: [{action: auto-approve, principal: a, requester: b, expect: deny}]", "requester: the principal"},
		"no op":         {"nothing does that", "cases: [{action: apply, principal: a, expect: deny, ops: [create, destroy]}]", `ops: "destroy" is none of create`},
		"no operation":  {"nobody asks for that", "cases: [{action: apply, principal: a, expect: deny, operation: deploy}]", "operation: one of ship"},
		"approvals":     {"there are none before the first", "cases: [{action: apply, principal: a, expect: deny, approvals: -1}]", "approvals: "},
		"expires":       {"it would never hold", "cases: [{action: apply, principal: a, expect: deny, expires: -1h}]", "expires: "},
		"no time":       {"a time is a time", "cases: [{action: apply, principal: a, expect: deny, now: friday}]", "now"},
	} {
		if _, err := policy.ReadCases("c.yaml", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q: %s", name, err, tc.want, tc.reason)
		}
	}
}

// The examples of the manual are policies, and do what the manual's cases say.
func TestExamplesOfTheManual(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, bytes.TrimSpace(policy.Default().Text())) {
		t.Error("docs/policy.md does not hold the default policy as it is")
	}
	if !bytes.Contains(raw, bytes.TrimSpace([]byte(policy.Schema()))) {
		t.Error("docs/policy.md does not hold the schema as it is")
	}
	blocks := func(language string) (out []string) {
		for _, part := range strings.Split(string(raw), "```"+language+"\n")[1:] {
			text, _, _ := strings.Cut(part, "\n```")
			out = append(out, text)
		}
		return out
	}
	if len(blocks("cedar")) < 5 || len(blocks("yaml")) != 1 {
		t.Fatalf("%d policies, %d files of cases", len(blocks("cedar")), len(blocks("yaml")))
	}
	all := ""
	for i, text := range blocks("cedar") {
		if p := policy.Read(fmt.Sprintf("example-%d", i+1), []byte(text)); p.Err() != nil {
			t.Errorf("%v\n%s", p.Err(), text)
		}
		if i > 0 {
			all += text + "\n"
		}
	}
	p := policy.Read("all", []byte(all))
	cases, err := policy.ReadCases("cases", []byte(blocks("yaml")[0]))
	if err != nil || p.Err() != nil {
		t.Fatal(err, p.Err())
	}
	for _, r := range p.Test(cases) {
		if !r.OK {
			t.Errorf("%s: want %s, got %s (%s)", r.Name, r.Want, r.Got, r.Answer.Why)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(strict))
	f.Add(policy.Default().Text())
	f.Add([]byte("permit(principal,action,resource)when{datetime(\"x\")<duration(\"1h\")};"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := policy.Read("p", text)
		a := p.Ask(apply(nil))
		if a.Allow && (p.Err() != nil || len(a.Rules) == 0) {
			t.Errorf("%v allows: %+v", p.Err(), a)
		}
	})
}

func FuzzReadCases(f *testing.F) {
	f.Add([]byte("cases: [{action: apply, principal: a, expect: allow}]"))
	f.Add([]byte("cases:\n- name: &a x\n  expect: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, err := policy.ReadCases("c", text)
		if err != nil {
			return
		}
		if got := policy.Default().Test(cases); len(got) != len(cases) {
			t.Errorf("%d results of %d cases", len(got), len(cases))
		}
	})
}

// TestCasesAreAskedAsGatesAre: a case leaves out what a gate that opens by itself always has.
func TestCasesAreAskedAsGatesAre(t *testing.T) {
	cases, err := policy.ReadCases("c.yaml", []byte(`
cases:
  - {name: by itself, action: auto-approve, principal: ada, expect: deny, rules: [own]}
  - {name: apply with promote, action: promote-with-apply, principal: ada, expect: allow, rules: [unproved]}
  - {name: said so, action: promote-with-apply, principal: "agent:x", requester: "agent:x", proof: policy, expect: allow, rules: [unproved]}
  - {name: what dies, action: auto-approve, gate: destroy, principal: ada, environment: preview, expect: deny}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := policy.Read("p", []byte(`@id("unproved") permit (principal, action, resource) when { context.proof == "policy" };
@id("own") forbid (principal, action == Action::"auto-approve", resource in Environment::"production") when { context.own_request };`))
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	for _, r := range p.Test(cases) {
		if !r.OK {
			t.Errorf("%s: %s, want %s", r.Name, r.Got, r.Want)
		}
	}
}

// A case is held against all that it says, and an agent approves nothing, whatever the policy says.
func TestCasesAreJudged(t *testing.T) {
	cases, err := policy.ReadCases("c.yaml", []byte(`
cases:
  - {name: fewer, action: apply, principal: ada, expect: allow, approvers: 1}
  - {name: agent, action: apply, principal: "agent:x", expect: allow}
  - {name: a thing of stores, action: apply, principal: ada, kinds: [neon.project], ops: [create], expect: deny, rules: [no-stores]}
  - {name: other things, action: apply, principal: ada, kinds: [vercel.project], ops: [create], expect: allow, approvers: 2}
  - {name: other ops, action: apply, principal: ada, kinds: [neon.project], ops: [update], expect: allow, approvers: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := policy.Read("p", []byte(`@approvers("2") permit (principal, action, resource);
@id("no-stores") forbid (principal, action, resource) when { resource.kinds.contains("neon.project") && resource.ops.contains("create") };`))
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	var got []string
	for _, r := range p.Test(cases) {
		got = append(got, fmt.Sprintf("%t %s: %s", r.OK, r.Name, r.Got))
	}
	want := []string{"false fewer: allow, 2 approvers", "false agent: deny", "true a thing of stores: deny, by [no-stores]", "true other things: allow, 2 approvers", "true other ops: allow, 2 approvers"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What annotations may say, up to where they may not.
func TestAnnotations(t *testing.T) {
	for text, ok := range map[string]bool{
		`@approvers("1") permit (principal, action, resource);`:              true,
		`@approvers("100") permit (principal, action, resource);`:            true,
		`@approvers("101") permit (principal, action, resource);`:            false,
		`@approvers("-1") permit (principal, action, resource);`:             false,
		`@local_approval("key") permit (principal, action, resource);`:       true,
		`@local_approval("key") forbid (principal, action, resource);`:       false,
		`@description("why") @id("a") permit (principal, action, resource);`: true,
		"//" + strings.Repeat("x", policy.MaxText-2):                         true,
		"//" + strings.Repeat("x", policy.MaxText-1):                         false,
	} {
		if p := policy.Read("p", []byte(text)); (p.Err() == nil) != ok {
			t.Errorf("%.80s: %v", text, p.Err())
		}
	}
	a := policy.Read("p", []byte("permit (principal, action, resource);\n@description(\"told to who reads the policy\") forbid (principal, action, resource);")).Ask(apply(nil))
	if a.Allow || !slices.Equal(a.Rules, []string{"rule-2"}) || strings.Contains(a.Why, "told to who reads") {
		t.Errorf("a rule without an id is called by its place, and its description is no reason: %+v", a)
	}
}

// A key is proposed where one helps, and only there.
func TestKeyIsProposed(t *testing.T) {
	for text, helps := range map[string]bool{
		`@local_approval("key") permit (principal, action, resource);`:                           true,
		`forbid (principal, action, resource); permit (principal, action, resource);`:            false,
		`permit (principal, action, resource) when { context.proof == "server" };`:               false,
		`@local_approval("key") permit (principal, action, resource in Environment::"preview");`: false,
	} {
		p := policy.Read("p", []byte(text))
		if p.Err() != nil {
			t.Fatal(p.Err())
		}
		if a := p.Ask(apply(nil)); a.Allow || a.Signed != helps || strings.Contains(a.Hint, "sign it with a key") != helps || strings.Contains(a.Why, "a key of theirs") != helps {
			t.Errorf("%s: %+v", text, a)
		}
	}
	one := policy.Read("p", []byte(`@id("mine") @local_approval("key") permit (principal, action, resource);`)).Ask(apply(nil))
	if !strings.Contains(one.Why, `the rule "mine" wants`) {
		t.Errorf("the rule is not named: %+v", one)
	}
}
