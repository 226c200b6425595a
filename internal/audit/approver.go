package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// byPolicy reports whether a gate opened without anybody, by rules that are named.
func byPolicy(a slipway.Approval) bool {
	return a.By != nil && a.By.Kind == slipway.PrincipalPolicy && a.By.Name == a.Policy && a.Policy != "" && a.Gate != slipway.GateDestroy &&
		len(a.Votes) == 1 && a.Votes[0].Proof == slipway.ProofPolicy && len(a.Votes[0].Rules) > 0
}

// checkVotes says that as many different people have approved as it took, each in time, and that what a key has signed is this approval.
func (b *reading) checkVotes(ctx context.Context, place string, a slipway.Approval) error {
	names, keys := map[string]bool{}, map[string]bool{}
	for i, v := range a.Votes {
		where := fmt.Sprintf("%s votes %d", place, i+1)
		switch {
		case v.By.Kind != slipway.PrincipalUser && !byPolicy(a):
			return fault(where+" by", "no person has approved")
		case names[slipway.Person(v.By.Name)] || v.Key != "" && keys[v.Key]:
			return fault(where+" by", "%s has approved before", v.By.Name)
		case b.holders[v.Key] != "" && names[slipway.Person(b.holders[v.Key])]:
			return fault(where+" by", "%s (here %s) has approved before", v.By.Name, b.holders[v.Key])
		case !v.At.Before(v.ExpiresAt):
			return fault(where+" expires_at", "it had ended when it was given")
		case (v.Proof == slipway.ProofKey) != (v.Key != "") || (v.Key != "") != (v.Statement != nil):
			return fault(where+" proof", "it is %s, and what proves it is something else", v.Proof)
		case len(a.Unconfirmed(v.Confirm)) > 0:
			return fault(where+" confirm", "what dies was not typed: %s", strings.Join(a.Unconfirmed(v.Confirm), ", "))
		}
		names[slipway.Person(v.By.Name)], names[slipway.Person(b.holder(v))], keys[v.Key] = true, true, true
		if v.Statement != nil {
			if err := b.checkBallot(ctx, where, a, v); err != nil {
				return err
			}
		}
	}
	opened := a.State == slipway.ApprovalApproved || a.State == slipway.ApprovalConsumed
	if opened && len(a.Votes) < a.Need {
		return fault(place+" votes", "%d have approved, and it took %d", len(a.Votes), a.Need)
	}
	if opened && a.Policy != "" && len(a.Votes) == 0 {
		return fault(place+" votes", "nobody has approved")
	}
	return nil
}

// holder is whose the key of a vote is here, else whom the record names.
func (b *reading) holder(v slipway.Vote) string { return cmp.Or(b.holders[v.Key], v.By.Name) }

// checkBallot reads what a key has signed. It is judged even where the key is not known: then who signed it is asserted alone.
func (b *reading) checkBallot(ctx context.Context, where string, a slipway.Approval, v slipway.Vote) error {
	var envelope opened
	if err := json.Unmarshal(v.Statement, &envelope); err != nil || len(envelope.Signatures) != 1 || envelope.Signatures[0].ID != v.Key {
		return fault(where+" statement", "it is no envelope with one signature, by the key %s", v.Key)
	}
	s, err := attest.Peek(v.Statement)
	if err != nil || s.PredicateType != attest.Ballot {
		return fault(where+" statement", "it states no approval")
	}
	if err := subjectIs(where+" statement", s, "gate "+string(a.Gate), strings.TrimPrefix(a.Subject, "sha256:")); err != nil {
		return err
	}
	var said slipway.Ballot
	if err := json.Unmarshal(s.Predicate, &said); err != nil || a.Takes(said, v.At) != nil {
		return fault(where+" statement", "it was signed for another request")
	}
	if said.Reason != v.Reason || said.ExpiresAt.Before(v.ExpiresAt) { // a policy may have let it hold for less
		return fault(where+" statement", "it says something else than the record")
	}
	if !slices.Equal(said.Confirm, v.Confirm) || said.Over != v.Over {
		return fault(where+" statement", "what was typed is not what the record says")
	}
	since := ""
	for _, gap := range b.gaps[v.Key] {
		if gap.holds(v.At) {
			b.unproved = append(b.unproved, fmt.Sprintf("gate %s: %s decided it (key %s: trusted here %s, and this is of %s)", a.Gate, v.By.Name, v.Key, gap, timestamp(v.At)))
			return nil
		}
		since += ", trusted here " + gap.String()
	}
	known := slices.ContainsFunc(b.approvers, func(k attest.Key) bool { return k.ID() == v.Key })
	if !known {
		b.unproved = append(b.unproved, fmt.Sprintf("gate %s: %s decided it (key %s: not trusted here)", a.Gate, v.By.Name, v.Key))
		return nil
	}
	if _, _, err := attest.Open(ctx, v.Statement, b.approvers...); err != nil {
		return fault(where+" statement", "the signature by the key %s is not of this content", v.Key)
	}
	b.known = append(b.known, a.ID+" "+v.Key)
	if holder := b.holder(v); slipway.Person(holder) != slipway.Person(v.By.Name) {
		b.proved = append(b.proved, fmt.Sprintf("gate %s: %s has signed it (key %s%s, and the record calls them %s)", a.Gate, holder, v.Key, since, v.By.Name))
		return nil
	}
	b.proved = append(b.proved, fmt.Sprintf("gate %s: %s has signed it (key %s%s)", a.Gate, v.By.Name, v.Key, since))
	return nil
}

// checkPolicies says that the text of each policy that an approval names is there, and no other. Version 1 did not promise the texts.
func (b *reading) checkPolicies(context.Context) error {
	asked := map[string]bool{}
	for i, a := range b.approvals {
		place := fmt.Sprintf("%s %d policy", nameApprovals, i+1)
		if inContent, _ := a.Content["policy"].(string); inContent != a.Policy {
			return fault(place, "the policy of the %s gate is not the one that was shown", a.Gate)
		}
		if a.Policy == "" {
			continue
		}
		hash, ok := strings.CutPrefix(a.Policy, "sha256:")
		name := fmt.Sprintf(namePolicy, hash)
		switch _, there := b.byName[name]; {
		case there:
			asked[name] = ok
		case b.version >= sincePolicies:
			return fault(name, "it is missing: the %s gate was asked under it", a.Gate)
		default:
			b.untold = append(b.untold, fmt.Sprintf("gate %s: what the policy %s says: version %d of the format does not promise its text", a.Gate, a.Policy, b.version))
		}
	}
	for _, name := range b.below(path.Dir(namePolicy)) {
		data, err := b.read(name)
		if err != nil {
			return err
		}
		if !asked[name] || fmt.Sprintf(namePolicy, strings.TrimPrefix(digest(data), "sha256:")) != name {
			return fault(name, "no approval was asked under it, or it is not the text that it is named for")
		}
	}
	return nil
}

// people are those who have approved, as a statement names them; nil for nobody.
func (b *reading) people(a slipway.Approval) (all []any) {
	for _, v := range a.Votes {
		m := map[string]any{"name": v.By.Name, "proof": string(v.Proof), "at": timestamp(v.At)}
		put(m, map[string]any{"key": v.Key})
		if len(v.Rules) > 0 {
			m["rules"] = v.Rules
		}
		all = append(all, m)
	}
	return all
}
