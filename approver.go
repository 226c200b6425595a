package slipway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Proof is how an approver has proved who they are.
type Proof string

const (
	ProofOSUser Proof = "os-user" // whoever runs as this user of the machine
	ProofKey    Proof = "key"     // a signature by a key that the home trusts
	ProofServer Proof = "server"  // a session with a server
	ProofPolicy Proof = "policy"  // nobody has: the policy lets the gate open by itself
)

// Approver is a person who may decide at a gate. Its fields are not exported: PersonApprover and KeyApprover alone make one, and neither
// makes one of an agent. The zero Approver decides nothing.
type Approver struct {
	name   string
	how    string
	proof  Proof
	key    string
	groups []string
}

// PersonApprover returns the person p as an approver; how tells what they did, such as "os-user --yes". CodeForbidden for anything but a
// person with a name.
func PersonApprover(p Principal, proof Proof, how string) (Approver, error) {
	if p.Kind != PrincipalUser || p.Name == "" || proof != ProofOSUser && proof != ProofServer {
		return Approver{}, Errorf(CodeForbidden, "only a person can decide at a gate, and %q is none", p.Name).
			WithHint("an agent may propose: a person approves what it has proposed")
	}
	return Approver{name: p.Name, how: how, proof: proof}, nil
}

// Signer is the holder of a trusted key.
type Signer struct {
	Name   string   // of the person
	Key    string   // id of the key
	Groups []string // the groups that the key stands for
}

// KeyApprover returns the holder of a key that has signed. Whoever calls it has verified the signature. CodeForbidden for one without a name.
func KeyApprover(s Signer) (Approver, error) {
	if s.Name == "" || s.Key == "" {
		return Approver{}, Errorf(CodeForbidden, "nobody is known who holds the key %q", s.Key)
	}
	return Approver{name: s.Name, how: "key " + s.Key, proof: ProofKey, key: s.Key, groups: slices.Clone(s.Groups)}, nil
}

// Person is a name as people are told apart by it: names that differ only in case (Unicode's simple folding) are one person's. Votes, policies,
// trusted keys and the audit bundle's verifier all compare names by it.
func Person(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

// Principal is the approver as it is recorded.
func (a Approver) Principal() Principal { return Principal{Kind: PrincipalUser, Name: a.name} }

// Asks puts the approver into a question.
func (a Approver) Asks(q Question) Question {
	q.Principal, q.Proof, q.Key, q.Groups = a.Principal(), a.proof, a.key, a.groups
	return q
}

// Vote is one approver's yes.
type Vote struct {
	By        Principal `json:"by"`
	Proof     Proof     `json:"proof"`
	How       string    `json:"how,omitempty"`
	Key       string    `json:"key,omitempty"` // id of the key that has signed
	Reason    string    `json:"reason,omitempty"`
	Rules     []string  `json:"rules,omitempty"` // ids of the policy's rules that let them
	At        time.Time `json:"at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Statement is the envelope of what the key has signed.
	Statement json.RawMessage `json:"statement,omitempty"`
	// Confirm are the names that were typed of what dies, Over is the deployment that production was let move backwards from.
	Confirm []string `json:"confirm,omitempty"`
	Over    string   `json:"over,omitempty"`
}

// Ballot is what an approver's key signs: the approval that they mean, and no other.
type Ballot struct {
	Run       string    `json:"run"`
	Gate      Gate      `json:"gate"`
	Subject   string    `json:"subject"`
	Policy    string    `json:"policy,omitempty"`
	Nonce     string    `json:"nonce"`
	Reason    string    `json:"reason,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
	// Confirm and Over are those of the Vote. One that was signed before they were part of it has neither.
	Confirm []string `json:"confirm,omitempty"`
	Over    string   `json:"over,omitempty"`
}

// Ballot returns what is to be signed to decide as d says on a at now: its reason, the names that it types, and what production may be moved
// over.
func (a Approval) Ballot(d Decision, now time.Time) Ballot {
	return Ballot{
		Run: a.Run, Gate: a.Gate, Subject: a.Subject, Policy: a.Policy, Nonce: a.Nonce, Reason: d.Reason, ExpiresAt: now.Add(ApprovalLife).UTC(),
		Confirm: a.typed(d.Confirm), Over: d.Over,
	}
}

// Takes returns CodeVoided unless b was signed for this very request, and is still good at now.
func (a Approval) Takes(b Ballot, now time.Time) error {
	refuse := func(what string) error {
		return Errorf(CodeVoided, "what was signed is not what the %s gate of run %s asks for: %s", a.Gate, a.Run, what).
			WithHint("look at it again, and sign anew: %s --key NAME", a.Command(false))
	}
	switch {
	case b.Run != a.Run:
		return refuse("it is of another run")
	case b.Gate != a.Gate:
		return refuse("it is of another gate")
	case b.Subject != a.Subject:
		return refuse("its subject differs")
	case b.Policy != a.Policy:
		return refuse("it was signed under another policy")
	case b.Nonce == "" || b.Nonce != a.Nonce:
		return refuse("it answers another request")
	case !now.Before(b.ExpiresAt):
		return refuse("it has expired")
	case b.ExpiresAt.After(now.Add(ApprovalLife)):
		return refuse("it would live too long")
	}
	return nil
}

func sortedSet[T ~string](set map[T]bool) []T { return slices.Sorted(maps.Keys(set)) }
