package slipway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PrincipalKind is what kind of actor a principal is.
type PrincipalKind string

const (
	PrincipalUser  PrincipalKind = "user"  // a person, or CI on behalf of one
	PrincipalAgent PrincipalKind = "agent" // may propose; there is no way for it to approve
	// PrincipalPolicy stands in records for a gate that opened by itself, because the policy lets it.
	PrincipalPolicy PrincipalKind = "policy"
)

// Principal is who acts.
type Principal struct {
	Kind PrincipalKind `json:"kind"`
	Name string        `json:"name"`
}

// ApprovalState is where a request for an approval stands.
type ApprovalState string

const (
	// ApprovalRequested: it waits for people, perhaps for more than have approved already. Left by the last vote that it needs, a no, or
	// whatever ends the request.
	ApprovalRequested ApprovalState = "requested"
	// ApprovalApproved: the next intent behind the gate uses it, in the transaction that commits that intent.
	ApprovalApproved ApprovalState = "approved"
	// ApprovalConsumed: it opened its gate; it opens no other. With Void it opens not even that again: production was asked to move behind it,
	// or something to die, and the plan was made again since.
	ApprovalConsumed   ApprovalState = "consumed"
	ApprovalRejected   ApprovalState = "rejected"
	ApprovalVoided     ApprovalState = "voided"     // what it approved is not what would be done now; Void and Differs tell what differs
	ApprovalExpired    ApprovalState = "expired"    // nobody used it in time
	ApprovalSuperseded ApprovalState = "superseded" // its run was, by another
)

// ApprovalLife is how long an approval waits to be used, unless the policy says less.
const ApprovalLife = 24 * time.Hour

// Approval is a request and, once decided, the decision. It binds one run, one gate, that gate's subject, and the policy that it was asked
// under.
type Approval struct {
	ID        string         `json:"id"`
	Run       string         `json:"run"`
	Gate      Gate           `json:"gate"`
	Subject   string         `json:"subject"`           // digest
	Content   map[string]any `json:"content,omitempty"` // what the digest is over, for the approver
	Policy    string         `json:"policy,omitempty"`  // digest of the policy's text; it is part of the content too
	Nonce     string         `json:"nonce,omitempty"`   // of this request: what was signed for it answers no other
	State     ApprovalState  `json:"state"`
	Need      int            `json:"need,omitempty"`  // distinct approvers in all, as the policy told at a vote; 0: one
	Votes     []Vote         `json:"votes,omitempty"` // in the order in which they came
	By        *Principal     `json:"by,omitempty"`    // whose decision was the last
	How       string         `json:"how,omitempty"`   // how they proved it: os-user, or a key
	Reason    string         `json:"reason,omitempty"`
	Void      []string       `json:"void,omitempty"`    // voided: what differs; consumed: why it opens nothing any more
	Differs   []string       `json:"differs,omitempty"` // voided: each difference of the plans; requested: from what was approved before
	CreatedAt time.Time      `json:"created_at"`
	DecidedAt time.Time      `json:"decided_at,omitzero"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`
}

// Opens reports whether the approval opens gate for subject at now. One that is used does for as long as its run works on what it was used for.
func (a Approval) Opens(gate Gate, subject string, now time.Time) bool {
	if a.Gate != gate || a.Subject != subject {
		return false
	}
	return a.State == ApprovalConsumed && len(a.Void) == 0 || a.State == ApprovalApproved && now.Before(a.ExpiresAt)
}

// AsOf is the approval as somebody who looks at now sees it: one that nobody has used in time is expired, also before its run is gone on with, and
// a vote that has expired is none.
func (a Approval) AsOf(now time.Time) Approval {
	switch {
	case a.State == ApprovalApproved && !now.Before(a.ExpiresAt):
		a.State = ApprovalExpired
	case a.State == ApprovalRequested && len(a.Votes) > 0:
		a.Votes = a.Holding(now)
	}
	return a
}

// Standing tells how many of the approvals that it needs are given: "1 of 2"; "" where one is enough.
func (a Approval) Standing() string {
	if a.Need <= 1 {
		return ""
	}
	return fmt.Sprintf("%d of %d", len(a.Votes), a.Need)
}

// Holding are the votes that have not expired at now.
func (a Approval) Holding(now time.Time) []Vote {
	return slices.DeleteFunc(slices.Clone(a.Votes), func(v Vote) bool { return !now.Before(v.ExpiresAt) })
}

// Decision is a person's answer at a gate.
type Decision struct {
	Run     string
	Gate    Gate   // "" is the one that waits, but no change of policy
	Subject string // the digest that was looked at; "" is the one that is asked for now
	Approve bool
	By      Approver // unused where there is a Statement: then it is whoever has signed
	Reason  string   // needed to reject
	Confirm []string // the names of what dies, typed: needed at the destroy gate
	Over    string   // the deployment that production serves: needed where it would go backwards
	// Statement is an envelope of a signed Ballot.
	Statement json.RawMessage
	Until     time.Time // until when a yes holds at most; zero: ApprovalLife
}

// Decide returns the approval after d, to which the policy gave answer. It stays requested while it needs further approvers. The error is
// CodeForbidden for nobody, for what the policy does not allow, and for the same person twice; CodeVoided for another subject, CodeConflict for
// one that was decided before, CodeInvalid for a name that was not typed, for a no without a reason and for a reason that Remark refuses, CodeDrift where production
// would go backwards and what it serves is not named.
func (a Approval) Decide(d Decision, answer Answer, now time.Time) (Approval, error) {
	if err := Remark("--reason", d.Reason); err != nil {
		return a, err
	}
	switch {
	case d.By.name == "":
		return a, Errorf(CodeForbidden, "only a person can decide at the %s gate", a.Gate)
	case a.State != ApprovalRequested:
		return a, Errorf(CodeConflict, "the %s gate of run %s is already %s", a.Gate, a.Run, a.State)
	case d.Subject != "" && d.Subject != a.Subject:
		return a, Errorf(CodeVoided, "the %s gate now asks for %s, not %s", a.Gate, a.Subject, d.Subject).
			WithHint("look at it again with: slipway status %s", a.Run)
	case !d.Approve && strings.TrimSpace(d.Reason) == "":
		return a, Errorf(CodeInvalid, "a no needs a reason: whoever asked reads it").WithHint("slipway reject %s --reason TEXT", a.Run)
	case d.Approve && !answer.Allow:
		return a, Errorf(CodeForbidden, "the policy does not let %s approve the %s gate: %s", d.By.name, a.Gate, answer.Why).WithHint("%s", a.hintOf(answer))
	case d.Approve && len(a.Unconfirmed(d.Confirm)) > 0:
		return a, Errorf(CodeInvalid, "the %s gate deletes what cannot be brought back: %s", a.Gate, strings.Join(a.Unconfirmed(d.Confirm), ", ")).
			WithHint("type each name: %s", a.Command(false))
	}
	if err := a.Held(d.Over); d.Approve && err != nil {
		return a, err
	}
	by := d.By.Principal()
	if !d.Approve {
		a.State, a.By, a.How, a.Reason, a.DecidedAt = ApprovalRejected, &by, d.By.how, d.Reason, now
		return a, nil
	}
	return a.vote(d, answer, now)
}

// vote adds one approver's yes, and approves with the last that is needed. Votes that have expired meanwhile do not count.
func (a Approval) vote(d Decision, answer Answer, now time.Time) (Approval, error) {
	votes := a.Holding(now)
	if slices.ContainsFunc(votes, func(v Vote) bool { return Person(v.By.Name) == Person(d.By.name) || v.Key != "" && v.Key == d.By.key }) {
		return a, Errorf(CodeForbidden, "%s has approved the %s gate already, and it needs %d people", d.By.name, a.Gate, a.Need).
			WithHint("ask somebody else to look: %s", a.Command(false))
	}
	if until := now.Add(answer.life()); d.Until.IsZero() || until.Before(d.Until) {
		d.Until = until
	}
	by := d.By.Principal()
	a.Votes = append(votes, Vote{
		By: by, Proof: d.By.proof, How: d.By.how, Key: d.By.key, Reason: d.Reason, Rules: answer.Rules, At: now, ExpiresAt: d.Until, Statement: d.Statement,
		Confirm: a.typed(d.Confirm), Over: d.Over,
	})
	if answer.Approvers > 1 {
		a.Need = max(a.Need, answer.Approvers)
	}
	if len(a.Votes) < a.Need {
		return a, nil
	}
	a.State, a.By, a.How, a.Reason, a.DecidedAt = ApprovalApproved, &by, d.By.how, d.Reason, now
	a.ExpiresAt = a.Votes[0].ExpiresAt
	for _, v := range a.Votes {
		if v.ExpiresAt.Before(a.ExpiresAt) {
			a.ExpiresAt = v.ExpiresAt
		}
	}
	return a, nil
}

// ByPolicy returns the request as the policy opens it by itself; ok is false where answer does not let it, and always at the
// destroy gate, where production would go backwards, and where a rule that lets it wants several people.
func (a Approval) ByPolicy(answer Answer, now time.Time) (_ Approval, ok bool) {
	if !answer.Allow || answer.Approvers > 1 || a.Gate == GateDestroy || a.Held("") != nil || a.State != ApprovalRequested || len(answer.Rules) == 0 {
		return a, false
	}
	by := Principal{Kind: PrincipalPolicy, Name: a.Policy}
	a.Votes = []Vote{{By: by, Proof: ProofPolicy, Rules: answer.Rules, At: now, ExpiresAt: now.Add(answer.life())}}
	a.State, a.By, a.How, a.DecidedAt, a.ExpiresAt = ApprovalApproved, &by, string(ProofPolicy), now, now.Add(answer.life())
	return a, true
}
