package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// voted are the approvals of a run that two people have approved.
func voted(t *testing.T) []slipway.Approval {
	t.Helper()
	var all []slipway.Approval
	st := newStoreOf(t, t.TempDir(), slipway.RunSucceeded, &story{people: true})
	if err := st.Read(t.Context(), func(tx slipway.Tx) (err error) { all, err = tx.Approvals(runID); return err }); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(a slipway.Approval) bool { return len(a.Votes) == 0 })
}

// Whoever has the exporter's key can write any record; what an approver has signed holds against it.
func TestVotes(t *testing.T) {
	known := key(t, graceKey)
	for name, tc := range map[string]struct {
		reason  string
		forge   func(a, other *slipway.Approval)
		unknown bool
		want    string // part of the place and what is wrong; "" for nothing
	}{
		"as it was":        {"nothing is wrong", func(_, _ *slipway.Approval) {}, false, ""},
		"unknown key":      {"it is asserted", func(_, _ *slipway.Approval) {}, true, ""},
		"one person twice": {"one is not two", func(a, _ *slipway.Approval) { a.Votes[0].By = a.Votes[1].By }, false, "votes 2 by: grace has approved before"},
		"two spellings":    {"names that differ in case are one person's", func(a, _ *slipway.Approval) { a.Votes[0].By.Name = "GRACE" }, false, "votes 2 by: grace has approved before"},
		"two spellings, beyond lower case": {"whoever writes folds them too", func(a, _ *slipway.Approval) {
			a.Votes[0].By.Name, a.Votes[1].By.Name = "\u017fam", "sam"
		}, false, "votes 2 by: sam has approved before"},
		"one is missing":                         {"it took two", func(a, _ *slipway.Approval) { a.Votes = a.Votes[1:] }, false, "1 have approved, and it took 2"},
		"one is missing, and it is not used yet": {"it took two", func(a, _ *slipway.Approval) { a.Votes, a.State = a.Votes[1:], slipway.ApprovalApproved }, false, "1 have approved, and it took 2"},
		"one key twice":                          {"two names with one key are one", func(a, _ *slipway.Approval) { a.Votes[0] = a.Votes[1]; a.Votes[0].By.Name = "bob" }, false, "votes 2 by: grace has approved before"},
		"nobody":                                 {"somebody has to", func(a, _ *slipway.Approval) { a.Votes, a.Need = nil, 0 }, false, "nobody has approved"},
		"an agent":                               {"it is no person", func(a, _ *slipway.Approval) { a.Votes[0].By.Kind = slipway.PrincipalAgent }, false, "votes 1 by: no person"},
		"the policy":                             {"it votes alone or not at all", func(a, _ *slipway.Approval) { a.Votes[0].By.Kind = slipway.PrincipalPolicy }, false, "votes 1 by: no person"},
		"too late":                               {"it had ended", func(a, _ *slipway.Approval) { a.Votes[0].At = a.Votes[0].ExpiresAt }, false, "votes 1 expires_at"},
		"no signature":                           {"a key proves by signing", func(a, _ *slipway.Approval) { a.Votes[1].Statement = nil }, false, "votes 2 proof"},
		"a key for none":                         {"who runs as a user has no key", func(a, _ *slipway.Approval) { a.Votes[0].Key = "0123456789abcdef" }, false, "votes 1 proof"},
		"a key's for none":                       {"who has signed has a key", func(a, _ *slipway.Approval) { a.Votes[1].Proof = slipway.ProofOSUser }, false, "votes 2 proof"},
		"no envelope":                            {"a statement of nothing", func(a, _ *slipway.Approval) { a.Votes[1].Statement = []byte(`{"signatures":[]}`) }, false, "votes 2 statement: it is no envelope with one signature"},
		"another key's id":                       {"the record names another key than has signed", func(a, _ *slipway.Approval) { a.Votes[1].Key = "0123456789abcdef" }, false, "votes 2 statement: it is no envelope with one signature, by the key 0123456789abcdef"},
		"two signatures": {"it has one", func(a, _ *slipway.Approval) {
			a.Votes[1].Statement = bytes.Replace(a.Votes[1].Statement, []byte(`"signatures":[`), []byte(`"signatures":[{"keyid":"`+known.ID()+`","sig":""},`), 1)
		}, false, "votes 2 statement: it is no envelope with one signature"},
		"no ballot": {"a key signs other things too", func(a, _ *slipway.Approval) {
			signed, err := known.Sign(t.Context(), attest.ManualStep, a.Ballot(slipway.Decision{Reason: "seen"}, a.Votes[1].At), attest.About("gate "+string(a.Gate), a.Subject))
			if err != nil {
				t.Fatal(err)
			}
			a.Votes[1].Statement = signed
		}, false, "votes 2 statement: it states no approval"},
		"another gate's": {"it was signed for another request", func(a, o *slipway.Approval) { a.Votes[1].Statement = o.Votes[1].Statement }, false, "votes 2 statement"},
		"another nonce":  {"it was replayed", func(a, _ *slipway.Approval) { a.Nonce = "another" }, false, "it was signed for another request"},
		"another policy": {"it was signed under this one", func(a, _ *slipway.Approval) { a.Policy = "sha256:00" }, false, "it was signed for another request"},
		"another reason": {"who signed said something else", func(a, _ *slipway.Approval) { a.Votes[1].Reason = "fine" }, false, "something else than the record"},
		"longer":         {"it was signed until then", func(a, _ *slipway.Approval) { a.Votes[1].ExpiresAt = a.Votes[1].ExpiresAt.Add(time.Hour) }, false, "something else than the record"},
		"names not typed": {"what dies is typed", func(a, _ *slipway.Approval) {
			a.Gate, a.Content["targets"] = slipway.GateDestroy, []any{"shop-db"}
		}, false, "votes 1 confirm: what dies was not typed: shop-db"},
		"names not signed": {"she has signed without", func(a, _ *slipway.Approval) { a.Votes[1].Confirm = []string{"shop-db"} }, false, "what was typed is not what the record says"},
		"over not signed":  {"she has not named it", func(a, _ *slipway.Approval) { a.Votes[1].Over = "dpl_1" }, false, "what was typed is not what the record says"},
		"another's key": {"whoever forges has no key of hers", func(a, _ *slipway.Approval) {
			forged, err := key(t, testKey).Sign(t.Context(), attest.Ballot, a.Ballot(slipway.Decision{Reason: "seen"}, a.Votes[1].At), attest.About("gate "+string(a.Gate), a.Subject))
			if err != nil {
				t.Fatal(err)
			}
			a.Votes[1].Statement = bytes.ReplaceAll(forged, []byte(key(t, testKey).ID()), []byte(known.ID()))
		}, false, "is not of this content"},
	} {
		t.Run(name, func(t *testing.T) {
			all := voted(t)
			tc.forge(&all[0], &all[1])
			b := &reading{}
			if !tc.unknown {
				b.approvers = []attest.Key{known}
			}
			err := b.checkVotes(t.Context(), "approvals 1", all[0])
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, want %q: %s", err, tc.want, tc.reason)
			case err == nil && (len(b.unproved) != 0) != tc.unknown, err == nil && (len(b.proved) == 0) != tc.unknown:
				t.Errorf("witnessed %q, asserted %q: %s", b.proved, b.unproved, tc.reason)
			}
		})
	}
}

// TestHolders: who a key is trusted as in the home that verifies says who has signed, and not the record.
func TestHolders(t *testing.T) {
	known := key(t, graceKey)
	for name, tc := range map[string]struct {
		reason, holder string
		change         func(a *slipway.Approval)
		proved, want   string
	}{
		"the same":  {"nothing is to be said", "Grace", func(*slipway.Approval) {}, "gate apply: grace has signed it (key " + known.ID() + ")", ""},
		"another":   {"the record calls her another name", "bob", func(*slipway.Approval) {}, "gate apply: bob has signed it (key " + known.ID() + ", and the record calls them grace)", ""},
		"one twice": {"she votes by the name that she has here, and by another", "Ada", func(*slipway.Approval) {}, "", "votes 2 by: grace (here Ada) has approved before"},
		"nobody's":  {"a key that was named alone has no holder", "", func(*slipway.Approval) {}, "gate apply: grace has signed it (key " + known.ID() + ")", ""},
	} {
		a, b := voted(t)[0], &reading{approvers: []attest.Key{known}, holders: map[string]string{known.ID(): tc.holder}}
		tc.change(&a)
		err := b.checkVotes(t.Context(), "approvals 1", a)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q: %s", name, err, tc.want, tc.reason)
		}
		if got := strings.Join(b.proved, "; "); got != tc.proved {
			t.Errorf("%s: %q is witnessed, want %q: %s", name, got, tc.proved, tc.reason)
		}
	}
}

// Approvals without a key that are as they may be.
func TestVotesWithoutKey(t *testing.T) {
	for reason, change := range map[string]func(a *slipway.Approval){
		"the policy let it through": func(a *slipway.Approval) {
			by := slipway.Principal{Kind: slipway.PrincipalPolicy, Name: a.Policy}
			a.By, a.Need, a.Votes = &by, 0, a.Votes[:1]
			a.Votes[0].By, a.Votes[0].Proof = by, slipway.ProofPolicy
		},
		"two users have no key each":  func(a *slipway.Approval) { a.Votes[1] = a.Votes[0]; a.Votes[1].By = grace },
		"nobody was asked to the end": func(a *slipway.Approval) { a.State, a.Votes = slipway.ApprovalVoided, nil },
		"one of two, and it waits":    func(a *slipway.Approval) { a.State, a.Votes = slipway.ApprovalRequested, a.Votes[:1] },
	} {
		a, b := voted(t)[0], &reading{}
		change(&a)
		if err := b.checkVotes(t.Context(), "approvals 1", a); err != nil || len(b.proved)+len(b.unproved) > 0 {
			t.Errorf("%s: %v, %q, %q", reason, err, b.proved, b.unproved)
		}
	}
}

// The text of a policy is the one that was asked under, and the gate's content names it.
func TestPoliciesInBundle(t *testing.T) {
	data, _ := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), slipway.RunSucceeded, &story{people: true}))
	if !bytes.Contains(data, []byte(policyText)) {
		t.Error("the policy's text is not in the bundle")
	}
	missing := takeApart(t, data)
	name := missing.name("core/policies/")
	missing.drop(name)
	missing.reindex(t, key(t, testKey), nil)
	if _, err := verify(t, missing.assemble(), key(t, testKey)); place(err) != name {
		t.Errorf("a bundle without the policy: %v", err)
	}
	if !bytes.Contains(data, []byte(`"tool":"slipway v0.0.0-test"`)) || bytes.Contains(data, []byte("tool of the run")) {
		t.Error("the program that worked on the run is not in the bundle, or said to be missing")
	}
	c := takeApart(t, data)
	c.edit(t, name, `"2"`, `"1"`)
	c.reindex(t, key(t, testKey), nil)
	if _, err := verify(t, c.assemble(), key(t, testKey)); err == nil || !strings.Contains(err.Error(), "core/policies/") {
		t.Errorf("another text is believed: %v", err)
	}
}

// Version 1 did not promise the texts: without one it is valid, and says so. The exporter refuses to write such a bundle.
func TestPoliciesBefore(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "v1", "approved.zip"))
	if err != nil {
		t.Fatal(err)
	}
	c := takeApart(t, data)
	c.drop(c.name("core/policies/"))
	c.reindex(t, key(t, testKey), nil)
	r, err := verify(t, c.assemble(), key(t, testKey))
	if err != nil || !slices.ContainsFunc(r.Asserted, func(s string) bool { return strings.Contains(s, "version 1 of the format does not promise its text") }) {
		t.Errorf("%v: %q", err, r.Asserted)
	}
	st := newStoreOf(t, t.TempDir(), slipway.RunSucceeded, &story{people: true})
	if _, err := exporter(t).Export(t.Context(), older{st, slipway.PolicyArtifact("")}, runID, &discard{}); slipway.ErrorCode(err) != slipway.CodeStore {
		t.Errorf("without the policy's text it is exported: %v", err)
	}
}

// A gate that opened by itself names the policy and its rules, and is never the one that destroys.
func TestByPolicyInBundle(t *testing.T) {
	a := slipway.Approval{
		Gate: slipway.GateApply, Policy: "sha256:1", State: slipway.ApprovalConsumed, By: &slipway.Principal{Kind: slipway.PrincipalPolicy, Name: "sha256:1"},
		Votes: []slipway.Vote{{Proof: slipway.ProofPolicy, Rules: []string{"previews"}}},
	}
	if !byPolicy(a) {
		t.Error("it is not taken")
	}
	for reason, change := range map[string]func(a *slipway.Approval){
		"it destroys":         func(a *slipway.Approval) { a.Gate = slipway.GateDestroy },
		"no rule let it":      func(a *slipway.Approval) { a.Votes[0].Rules = nil },
		"another policy":      func(a *slipway.Approval) { a.Policy = "sha256:2" },
		"no policy":           func(a *slipway.Approval) { a.Policy, a.By.Name = "", "" },
		"an agent":            func(a *slipway.Approval) { a.By.Kind = slipway.PrincipalAgent },
		"somebody beside it":  func(a *slipway.Approval) { a.Votes = append(a.Votes, slipway.Vote{}) },
		"by an OS user's yes": func(a *slipway.Approval) { a.Votes[0].Proof = slipway.ProofOSUser },
	} {
		b, by := a, *a.By
		b.By, b.Votes = &by, slices.Clone(a.Votes)
		change(&b)
		if byPolicy(b) {
			t.Error(reason)
		}
	}
}

// A key that is no longer trusted was when it signed; what it has signed since is its holder's word alone.
func TestUntrustedSince(t *testing.T) {
	a, k := voted(t)[0], key(t, graceKey)
	signed := func(seconds int) time.Time { return a.Votes[1].At.Add(time.Duration(seconds) * time.Second) }
	for name, tc := range map[string]struct {
		gaps             []Gap
		proved, unproved int
		says             string
	}{
		"before it ended":             {[]Gap{{From: signed(1)}}, 1, 0, "trusted here until "},
		"after it ended":              {[]Gap{{From: signed(-1)}}, 0, 1, "and this is of "},
		"as it ended":                 {[]Gap{{From: signed(0)}}, 0, 1, "and this is of "},
		"before it ended and began":   {[]Gap{{signed(1), signed(2)}}, 1, 0, "and again from "},
		"between":                     {[]Gap{{signed(-1), signed(1)}}, 0, 1, "and again from "},
		"as it began again":           {[]Gap{{signed(-1), signed(0)}}, 1, 0, "and again from "},
		"after it began again":        {[]Gap{{signed(-2), signed(-1)}}, 1, 0, "and again from "},
		"between, and ended since":    {[]Gap{{signed(-1), signed(1)}, {From: signed(2)}}, 0, 1, "and this is of "},
		"in the second time of two":   {[]Gap{{signed(-2), signed(-1)}, {From: signed(1)}}, 1, 0, "trusted here until "},
		"after the end of the second": {[]Gap{{signed(-3), signed(-2)}, {From: signed(-1)}}, 0, 1, "and this is of "},
	} {
		b := &reading{approvers: []attest.Key{k}, gaps: map[string][]Gap{k.ID(): tc.gaps}}
		err := b.checkVotes(t.Context(), "approvals 1", a)
		if said := strings.Join(append(b.proved, b.unproved...), " "); err != nil || len(b.proved) != tc.proved || len(b.unproved) != tc.unproved || !strings.Contains(said, tc.says) {
			t.Errorf("%s: %v, %q", name, err, said)
		}
	}
}
