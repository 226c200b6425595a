package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// rules is a policy as data: its text is its version.
type rules struct {
	text string
	ask  func(slipway.Question) slipway.Answer
}

func (r *rules) Digest() string                        { return slipway.CanonicalDigest(r.text) }
func (r *rules) Text() []byte                          { return []byte(r.text) }
func (r *rules) Err() error                            { return nil }
func (r *rules) Ask(q slipway.Question) slipway.Answer { return r.ask(q) }

// policy is what the engine is given: nothing, unless the test has rules.
func (b *bench) policy() func() slipway.Policy {
	if b.rules == nil {
		return nil
	}
	if b.known == nil {
		b.known = map[string]slipway.Policy{}
	}
	b.known[string(b.rules.Text())] = b.rules
	return func() slipway.Policy { return b.rules }
}

// people is a policy by which n people approve, and nothing opens by itself.
func people(n int) *rules {
	return &rules{"people", func(q slipway.Question) slipway.Answer {
		if q.Action == slipway.ActionAutoApprove {
			return slipway.Answer{Approvers: 1}
		}
		return slipway.Answer{Allow: true, Rules: []string{"people"}, Approvers: n}
	}}
}

// signedBy is an envelope as witness opens it.
type signedBy struct {
	Name   string
	Ballot slipway.Ballot
}

// witness trusts every key but the one that is untrusted.
func (b *bench) witness(_ context.Context, statement json.RawMessage, _ time.Time) (slipway.Ballot, slipway.Approver, error) {
	var s signedBy
	if err := json.Unmarshal(statement, &s); err != nil {
		return slipway.Ballot{}, slipway.Approver{}, err
	}
	if s.Name == b.untrusted {
		return slipway.Ballot{}, slipway.Approver{}, slipway.Errorf(slipway.CodeForbidden, "no key that is trusted has signed")
	}
	by, err := slipway.KeyApprover(slipway.Signer{Name: s.Name, Key: "key-of-" + s.Name})
	return s.Ballot, by, err
}

func sign(t *testing.T, name string, b slipway.Ballot) slipway.Decision {
	t.Helper()
	raw, err := json.Marshal(signedBy{name, b})
	if err != nil {
		t.Fatal(err)
	}
	return slipway.Decision{Run: b.Run, Gate: b.Gate, Approve: true, Statement: raw}
}

// asking ships, and returns the run once it waits, with what it asks for.
func (b *bench) asking(source string) (slipway.Run, slipway.Approval) {
	b.t.Helper()
	run, err := b.Ship(b.t.Context(), request(b.t, manifest(), source))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.waiting(run.ID)
}

// waiting works on a run until it waits for an approval, stops working, and returns what it asks for.
func (b *bench) waiting(id string) (slipway.Run, slipway.Approval) {
	b.t.Helper()
	if err := b.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	defer b.Stop()
	run, err := b.Wait(b.t.Context(), id)
	if err != nil || run.Status != slipway.RunWaitingApproval {
		b.t.Fatalf("%s %v %v", run.Status, run.Error, err)
	}
	all := b.approvals(id)
	i := slices.IndexFunc(all, func(a slipway.Approval) bool { return a.State == slipway.ApprovalRequested })
	if i < 0 {
		b.t.Fatalf("it waits, and asks for nothing: %+v", all)
	}
	return run, all[i]
}

func (b *bench) approvals(id string) []slipway.Approval {
	b.t.Helper()
	d, err := b.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d.Approvals
}

func (b *bench) decide(d slipway.Decision) slipway.Code {
	_, err := b.Decide(b.t.Context(), d)
	return slipway.ErrorCode(err)
}

func (b *bench) states(id string) (out []string) {
	for _, a := range b.approvals(id) {
		out = append(out, string(a.Gate)+" "+string(a.State))
	}
	return out
}

// Two people approve, and the process dies between them: the first yes is kept, the same person is no second, and the run ends as it does
// without a kill.
func TestTwoApproversAndAKillBetween(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = people(2)
	b.restart()
	run, a := b.asking("one")
	for a.Gate != "" {
		if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
			t.Fatal(code)
		}
		b.restart()
		if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != slipway.CodeForbidden {
			t.Errorf("the same person twice: %q", code)
		}
		if d, err := b.Get(t.Context(), run.ID); err != nil || len(d.Waits) != 1 || d.Waits[0].Standing != "1 of 2" || d.Run.Status != slipway.RunWaitingApproval {
			t.Errorf("one of two has approved: %+v %v", d, err)
		}
		if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: bob}); code != "" {
			t.Fatal(code)
		}
		if _, err := b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
			t.Fatal(err)
		}
		if a.Gate == slipway.GatePromote {
			break
		}
		run, a = b.waiting(run.ID)
	}
	b.mustSucceed(b.finish(run.ID))
	for _, a := range b.approvals(run.ID) {
		if a.State != slipway.ApprovalConsumed || len(a.Votes) != 2 || a.Votes[0].By.Name != "ada" || a.Votes[1].By.Name != "bob" || a.Nonce == "" {
			t.Errorf("%+v", a)
		}
	}
}

// TestPolicyIsToldOfTheApprovalsThatHold: one that has expired is none.
func TestPolicyIsToldOfTheApprovalsThatHold(t *testing.T) {
	b := newBench(t, newCloud())
	var told []int
	two := people(2)
	b.rules = &rules{"told", func(q slipway.Question) slipway.Answer {
		if q.Action != slipway.ActionAutoApprove {
			told = append(told, q.Approvals)
		}
		return two.ask(q)
	}}
	b.restart()
	run, _ := b.asking("one")
	told = nil
	for i, by := range []slipway.Approver{ada, ada, bob} {
		if i == 1 {
			b.ahead.Store(int64(slipway.ApprovalLife))
		}
		if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: by}); code != "" {
			t.Fatal(code)
		}
	}
	if d := cmp.Diff([]int{0, 0, 1}, told); d != "" {
		t.Errorf("the policy is told of other approvals than hold (-want +got):\n%s", d)
	}
}

func TestSignedApprovals(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = people(1)
	b.restart()
	first, old := b.asking("one")
	now := time.Now()
	superseding, a := b.asking("two")
	if got := b.approvals(first.ID)[0]; got.State != slipway.ApprovalSuperseded {
		t.Errorf("another run took its place, and what it asked for is %s", got.State)
	}
	late := a.Ballot(slipway.Decision{}, now)
	late.ExpiresAt = now.Add(-time.Minute)
	other := a.Ballot(slipway.Decision{}, now)
	other.Nonce = old.Nonce
	replayed := old.Ballot(slipway.Decision{}, now)
	replayed.Run = superseding.ID
	for name, tc := range map[string]struct {
		reason string
		ballot slipway.Ballot
	}{
		"expired":          {"nobody handed it in in time", late},
		"another nonce":    {"it answers a request before this one", other},
		"another plan":     {"it was signed for the first run's plan", replayed},
		"another run":      {"it is sent to the run that it does not name", func() slipway.Ballot { b := old.Ballot(slipway.Decision{}, now); b.Gate = a.Gate; return b }()},
		"no end, as typed": {"one that never ends", slipway.Ballot{Run: a.Run, Gate: a.Gate, Subject: a.Subject, Policy: a.Policy, Nonce: a.Nonce, ExpiresAt: now.AddDate(9, 0, 0)}},
	} {
		d := sign(t, "ada", tc.ballot)
		d.Run = superseding.ID
		if code := b.decide(d); code != slipway.CodeVoided {
			t.Errorf("%s: %q: %s", name, code, tc.reason)
		}
	}
	good := sign(t, "ada", a.Ballot(slipway.Decision{Reason: "seen"}, now))
	if code := b.decide(good); code != "" {
		t.Fatal(code)
	}
	if code := b.decide(good); code != slipway.CodeConflict {
		t.Errorf("spent twice: %q", code)
	}
	got := b.approvals(superseding.ID)[0]
	if got.State != slipway.ApprovalApproved || got.Votes[0].Key != "key-of-ada" || got.Votes[0].Statement == nil || got.Reason != "seen" || got.How != "key key-of-ada" {
		t.Errorf("%+v", got)
	}
}

// However many hands give the same decision at once, one of them counts.
func TestRacingApprovers(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = people(2)
	b.restart()
	run, a := b.asking("one")
	d := sign(t, "ada", a.Ballot(slipway.Decision{}, time.Now()))
	count := func(d slipway.Decision) int {
		var all sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for range 8 {
			all.Go(func() {
				if _, err := b.Decide(t.Context(), d); err == nil {
					mu.Lock()
					defer mu.Unlock()
					accepted++
				}
			})
		}
		all.Wait()
		return accepted
	}
	if n := count(d); n != 1 {
		t.Errorf("one signature was taken %d times", n)
	}
	if n := count(slipway.Decision{Run: run.ID, Approve: true, By: bob}); n != 1 {
		t.Errorf("the last yes was taken %d times", n)
	}
	if a := b.approvals(run.ID)[0]; a.State != slipway.ApprovalApproved || len(a.Votes) != 2 {
		t.Errorf("%+v", a)
	}
}

// An approval that nobody uses in time opens nothing: another is asked for.
func TestExpiredApprovalOpensNothing(t *testing.T) {
	b := newBench(t, newCloud())
	run, _ := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.ahead.Store(int64(slipway.ApprovalLife + time.Second))
	run, _ = b.waiting(run.ID)
	if d := cmp.Diff([]string{"apply expired", "apply requested"}, b.states(run.ID)); d != "" {
		t.Error(d)
	}
	if len(b.cloud.calls) != 0 {
		t.Errorf("changed outside: %v", b.cloud.calls)
	}
}

// It expires after its gate was looked at, and before the first intent: the transaction of that intent sees it.
func TestExpiryBetweenLookAndIntent(t *testing.T) {
	b := newBench(t, newCloud())
	run, _ := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.cloud.mu.Lock()
	b.cloud.beforeObs = func(slipway.Kind) error { // the look before the first effect comes after the gates were looked at
		b.ahead.Store(int64(slipway.ApprovalLife + time.Second))
		return nil
	}
	b.cloud.mu.Unlock()
	run, _ = b.waiting(run.ID)
	if !slices.Contains(b.states(run.ID), "apply expired") || len(b.cloud.calls) != 0 {
		t.Errorf("%v, calls %v", b.states(run.ID), b.cloud.calls)
	}
}

func TestPolicyDecides(t *testing.T) {
	b := newBench(t, newCloud())
	asked := map[slipway.PolicyAction]slipway.Question{}
	b.rules = &rules{"ada alone", func(q slipway.Question) slipway.Answer {
		asked[q.Action] = q
		if q.Action == slipway.ActionAutoApprove && q.Gate == slipway.GatePromote {
			return slipway.Answer{Allow: true, Rules: []string{"promote-itself"}, Approvers: 1}
		}
		if q.Principal.Name != "ada" || q.Action == slipway.ActionAutoApprove {
			return slipway.Answer{Approvers: 1, Why: "ada alone may", Hint: "ask ada"}
		}
		return slipway.Answer{Allow: true, Rules: []string{"ada"}, Approvers: 1}
	}}
	b.restart()
	run, a := b.asking("one")
	_, err := b.Decide(t.Context(), slipway.Decision{Run: run.ID, Approve: true, By: bob})
	if slipway.ErrorCode(err) != slipway.CodeForbidden || !strings.Contains(err.Error(), "ada alone may") {
		t.Errorf("%v", err)
	}
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	q := asked[slipway.PolicyAction(slipway.GateApply)]
	if !q.Stateful || q.Destructive || q.Drift || !slices.Contains(q.Ops, slipway.OpDeploy) || !slices.Contains(q.Kinds, "cloud.db") || q.Proof != slipway.ProofOSUser || q.Requester != person {
		t.Errorf("the policy was asked %+v", q)
	}
	if a.Policy != b.rules.Digest() {
		t.Errorf("the request names the policy %q", a.Policy)
	}
	b.mustSucceed(b.finish(run.ID))
	all := b.approvals(run.ID)
	last := all[len(all)-1]
	if last.Gate != slipway.GatePromote || last.How != "policy" || last.By.Kind != slipway.PrincipalPolicy || cmp.Diff([]string{"promote-itself"}, last.Votes[0].Rules) != "" {
		t.Errorf("%+v", last)
	}
	if cmp.Diff([]string{"ada"}, all[0].Votes[0].Rules) != "" {
		t.Errorf("%+v", all[0])
	}
}

// The manifest wishes that one approval covers apply and promote: it is the policy that lets it.
func TestManifestDoesNotLoosen(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		covers bool
		wish   string
		gates  int
	}{
		"wished and allowed":  {"one approval", true, "auto", 1},
		"wished, not allowed": {"the policy is stricter", false, "auto", 2},
		"not wished":          {"the manifest is stricter", true, "required", 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, newCloud())
			b.rules = &rules{"r", func(q slipway.Question) slipway.Answer {
				return slipway.Answer{Allow: q.Action != slipway.ActionAutoApprove && (tc.covers || q.Action != slipway.ActionPromoteWithApply), Rules: []string{"r"}, Approvers: 1}
			}}
			b.restart()
			m := manifest()
			m.Promote.Approval = tc.wish
			run := b.ship(request(t, m, "one"))
			b.mustSucceed(run)
			if got := len(b.approvals(run.ID)); got != tc.gates {
				t.Errorf("%d approvals, want %d: %s", got, tc.gates, tc.reason)
			}
		})
	}
}

// An equal plan keeps its approval; another voids it, and says how it differs.
func TestDifferenceIsShown(t *testing.T) {
	c := newCloud()
	b := newBench(t, c)
	b.mustSucceed(b.ship(request(t, manifest(), "one")))
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
	run, err := b.Ship(t.Context(), request(t, m, "one"))
	if err != nil {
		t.Fatal(err)
	}
	run, a := b.waiting(run.ID)
	b.restart()
	if _, err := b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	if _, again := b.waiting(run.ID); again.ID != a.ID {
		t.Errorf("an equal plan was asked for again: %v", b.states(run.ID))
	}
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	c.mu.Lock()
	for _, d := range c.dbs {
		d["size"] = "7"
	}
	c.mu.Unlock()
	_, a = b.waiting(run.ID)
	all := b.approvals(run.ID)
	if all[0].State != slipway.ApprovalVoided || !slices.Contains(all[0].Differs, "cloud.db/db#update: what is there now differs") {
		t.Errorf("%+v", all[0])
	}
	if !slices.Contains(a.Differs, "cloud.db/db#update: what is there now differs") {
		t.Errorf("the approver does not see what differs from what was approved: %+v", a)
	}
}

// frozen is people, and from a moment on a freeze: nobody approves.
func frozen(from time.Time) *rules {
	return &rules{"frozen", func(q slipway.Question) slipway.Answer {
		switch {
		case !q.Now.Before(from):
			return slipway.Answer{Approvers: 1, Why: `"freeze" forbids it`}
		case q.Action == slipway.ActionAutoApprove:
			return slipway.Answer{Approvers: 1}
		}
		return slipway.Answer{Allow: true, Rules: []string{"people"}, Approvers: 1}
	}}
}

// A freeze that begins between an approval and its use holds: what was approved opens nothing in it, and is asked for again.
func TestFreezeHoldsAtUse(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = frozen(time.Now().Add(time.Hour))
	b.restart()
	run, _ := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.ahead.Store(int64(2 * time.Hour))
	run, _ = b.waiting(run.ID)
	if d := cmp.Diff([]string{"apply voided", "apply requested"}, b.states(run.ID)); d != "" {
		t.Error(d)
	}
	if why := b.approvals(run.ID)[0].Differs; len(why) != 1 || !strings.Contains(why[0], `would not let ada approve now: "freeze" forbids it`) {
		t.Errorf("it does not say why: %q", why)
	}
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != slipway.CodeForbidden || len(b.cloud.calls) != 0 {
		t.Errorf("in the freeze: %q, calls %v", code, b.cloud.calls)
	}
	b.ahead.Store(0) // the freeze is over
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatalf("after the freeze: %q", code)
	}
	if _, err := b.Resume(t.Context(), run.ID, folder("one"), person); err != nil {
		t.Fatal(err)
	}
	b.mustSucceed(b.finish(run.ID))
}

// A policy may want more people at some times than at others: how many counts when the approval is used, too.
func TestMorePeopleAtUse(t *testing.T) {
	b := newBench(t, newCloud())
	from := time.Now().Add(time.Hour)
	b.rules = &rules{"two later", func(q slipway.Question) slipway.Answer {
		if !q.Now.Before(from) {
			return people(2).Ask(q)
		}
		return people(1).Ask(q)
	}}
	b.restart()
	run, _ := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.ahead.Store(int64(2 * time.Hour))
	run, _ = b.waiting(run.ID)
	if d := cmp.Diff([]string{"apply voided", "apply requested"}, b.states(run.ID)); d != "" || len(b.cloud.calls) != 0 {
		t.Fatalf("one of two opened the gate: %s, calls %v", d, b.cloud.calls)
	}
	if why := b.approvals(run.ID)[0].Differs; len(why) != 1 || why[0] != "the policy wants 2 people now, and 1 approved" {
		t.Errorf("it does not say why: %q", why)
	}
}

// It begins after the gate was looked at, and before the first intent: the transaction of that intent sees it.
func TestFreezeBetweenLookAndIntent(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = frozen(time.Now().Add(time.Hour))
	b.restart()
	run, _ := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.cloud.mu.Lock()
	b.cloud.beforeObs = func(slipway.Kind) error {
		b.ahead.Store(int64(2 * time.Hour))
		return nil
	}
	b.cloud.mu.Unlock()
	run, _ = b.waiting(run.ID)
	if !slices.Contains(b.states(run.ID), "apply voided") || len(b.cloud.calls) != 0 {
		t.Errorf("%v, calls %v", b.states(run.ID), b.cloud.calls)
	}
}

// What the approval of apply was to cover is not covered in a freeze: the promote gets a gate of its own, and waits there.
func TestFreezeHoldsACoveredPromote(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = frozen(time.Now().Add(time.Hour))
	b.restart()
	m := manifest()
	m.Promote.Approval = "auto"
	run, err := b.Ship(t.Context(), request(t, m, "one"))
	if err != nil {
		t.Fatal(err)
	}
	run, _ = b.waiting(run.ID)
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	b.cloud.mu.Lock()
	b.cloud.beforeObs = func(slipway.Kind) error {
		b.cloud.mu.Lock()
		defer b.cloud.mu.Unlock()
		if len(b.cloud.deploys) > 0 { // the freeze begins once it is built
			b.ahead.Store(int64(2 * time.Hour))
		}
		return nil
	}
	b.cloud.mu.Unlock()
	run, a := b.waiting(run.ID)
	if a.Gate != slipway.GatePromote || b.cloud.serving != "" || len(b.cloud.deploys) != 1 {
		t.Errorf("it waits at %s, production serves %q, calls %v", a.Gate, b.cloud.serving, b.cloud.calls)
	}
}

// A key that is no longer trusted opens nothing that it has signed before and nobody has used.
func TestUntrustedKeyOpensNothing(t *testing.T) {
	b := newBench(t, newCloud())
	b.rules = people(1)
	b.restart()
	run, a := b.asking("one")
	if code := b.decide(sign(t, "ada", a.Ballot(slipway.Decision{}, time.Now()))); code != "" {
		t.Fatal(code)
	}
	b.untrusted = "ada"
	run, _ = b.waiting(run.ID)
	if d := cmp.Diff([]string{"apply voided", "apply requested"}, b.states(run.ID)); d != "" || len(b.cloud.calls) != 0 {
		t.Errorf("%s, calls %v", d, b.cloud.calls)
	}
	if why := strings.Join(b.approvals(run.ID)[0].Differs, " "); !strings.Contains(why, "with which ada has signed, is not trusted any more") {
		t.Errorf("it says %q", why)
	}
}

// The approver sees what differs from what was approved in an earlier run, resource by resource: a run's plan alone has only what it changes.
func TestDifferenceSinceAnEarlierRun(t *testing.T) {
	b := newBench(t, newCloud())
	first := b.ship(request(t, manifest(), "one"))
	b.mustSucceed(first)
	if a := b.approvals(first.ID)[0]; len(a.Differs) != 0 {
		t.Errorf("nothing was approved before, and it tells %q", a.Differs)
	}
	m := manifest()
	m.Resources["db"] = slipway.ManifestResource{Type: "cloud.db", Fields: map[string]any{"region": "east", "size": "2"}}
	req := request(t, m, "two")
	plan, err := b.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	since, err := b.Since(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	run, err := b.Ship(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, a := b.waiting(run.ID)
	for _, told := range [][]string{a.Differs, since} {
		text := strings.Join(told, "\n")
		for _, want := range []string{"since run " + first.ID + ", which ada approved (", "cloud.db/db#update: was create", "cloud.db/db#update: size: 1 -> 2"} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not tell %q:\n%s", want, text)
			}
		}
		if strings.Contains(text, "region") || strings.Contains(text, "sha256:one -> ") && strings.Contains(text, "input") {
			t.Errorf("it tells what has not changed, or what means nothing:\n%s", text)
		}
	}
}

// A manifest in other words that wants the same goes on with the run that waits, with its approval; one that wants something else takes its place.
func TestRewordedManifestKeepsTheRun(t *testing.T) {
	b := newBench(t, newCloud())
	run, a := b.asking("one")
	if code := b.decide(slipway.Decision{Run: run.ID, Approve: true, By: ada}); code != "" {
		t.Fatal(code)
	}
	req := request(t, manifest(), "one")
	var text bytes.Buffer
	if err := json.Indent(&text, req.Manifest, "", "    "); err != nil {
		t.Fatal(err)
	}
	req.Manifest = text.Bytes()
	again, err := b.Ship(t.Context(), req)
	if err != nil || again.ID != run.ID || again.Manifest == text.String() {
		t.Fatalf("%s, not %s: %v", again.ID, run.ID, err)
	}
	if _, promote := b.waiting(run.ID); promote.Gate != slipway.GatePromote || b.approvals(run.ID)[0].ID != a.ID || b.states(run.ID)[0] != "apply consumed" {
		t.Errorf("its approval was not kept: %v", b.states(run.ID))
	}
	m := manifest()
	m.Verify.Health = append(m.Verify.Health, slipway.HealthProbe{Path: "/another"})
	other, err := b.Ship(t.Context(), request(t, m, "one"))
	if err != nil || other.ID == run.ID {
		t.Errorf("another probe, and the run goes on: %v", err)
	}
}
