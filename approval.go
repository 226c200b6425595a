package slipway

import "time"

// PrincipalKind is what kind of actor a principal is.
type PrincipalKind string

const (
	PrincipalUser  PrincipalKind = "user"  // a person, or CI on behalf of one
	PrincipalAgent PrincipalKind = "agent" // may propose; there is no way for it to approve
)

// Principal is who acts.
type Principal struct {
	Kind PrincipalKind `json:"kind"`
	Name string        `json:"name"`
}

// ApprovalState is where a request for an approval stands.
type ApprovalState string

const (
	ApprovalRequested ApprovalState = "requested"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalConsumed  ApprovalState = "consumed" // it opened its gate; it opens no other
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalVoided    ApprovalState = "voided"  // what it approved is not what would be done now
	ApprovalExpired   ApprovalState = "expired" // nobody used it in time
)

// ApprovalLife is how long an approval waits to be used.
const ApprovalLife = 24 * time.Hour

// Approval is a request and, once decided, the decision. It binds one run, one gate and that gate's subject.
type Approval struct {
	ID        string         `json:"id"`
	Run       string         `json:"run"`
	Gate      Gate           `json:"gate"`
	Subject   string         `json:"subject"`           // digest
	Content   map[string]any `json:"content,omitempty"` // what the digest is over, for the approver
	State     ApprovalState  `json:"state"`
	By        *Principal     `json:"by,omitempty"`
	How       string         `json:"how,omitempty"` // how they proved it: os-user
	Reason    string         `json:"reason,omitempty"`
	Void      []string       `json:"void,omitempty"` // voided: what differs
	CreatedAt time.Time      `json:"created_at"`
	DecidedAt time.Time      `json:"decided_at,omitzero"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`
}

// Opens reports whether the approval opens gate for subject at now.
func (a Approval) Opens(gate Gate, subject string, now time.Time) bool {
	if a.Gate != gate || a.Subject != subject {
		return false
	}
	return a.State == ApprovalConsumed || a.State == ApprovalApproved && now.Before(a.ExpiresAt)
}

// Decision is a person's answer at a gate.
type Decision struct {
	Run     string
	Gate    Gate   // "" is the one that waits
	Subject string // the digest that was looked at; "" is the one that is asked for now
	Approve bool
	By      Principal
	How     string
	Reason  string
	Confirm string // the app's name, typed: needed at the destroy gate
	Over    string // the deployment that production serves: needed where it would go backwards
}

// Decide returns the approval after d, or an error: CodeForbidden for an agent, CodeVoided for another subject, CodeConflict for one
// that was decided before, CodeInvalid for a name that was not typed right, CodeDrift where production would go backwards and what it serves is
// not named.
func (a Approval) Decide(d Decision, app string, now time.Time) (Approval, error) {
	switch {
	case d.By.Kind != PrincipalUser:
		return a, Errorf(CodeForbidden, "only a person can decide at the %s gate", a.Gate)
	case a.State != ApprovalRequested:
		return a, Errorf(CodeConflict, "the %s gate of run %s is already %s", a.Gate, a.Run, a.State)
	case d.Subject != "" && d.Subject != a.Subject:
		return a, Errorf(CodeVoided, "the %s gate now asks for %s, not %s", a.Gate, a.Subject, d.Subject).
			WithHint("look at it again with: slipway status %s", a.Run)
	case d.Approve && a.NeedsConfirm() && d.Confirm != app:
		return a, Errorf(CodeInvalid, "the %s gate deletes what cannot be brought back", a.Gate).
			WithHint("type the app's name: slipway approve %s --confirm %s", a.Run, app)
	}
	if err := a.Held(d.Over); d.Approve && err != nil {
		return a, err
	}
	a.By, a.How, a.Reason, a.DecidedAt = &d.By, d.How, d.Reason, now
	if !d.Approve {
		a.State = ApprovalRejected
		return a, nil
	}
	a.State, a.ExpiresAt = ApprovalApproved, now.Add(ApprovalLife)
	return a, nil
}

// NeedsConfirm reports whether the approver must type the app's name: something stateful would be deleted.
func (a Approval) NeedsConfirm() bool {
	stateful, _ := a.Content["stateful"].(bool)
	return a.Gate == GateDestroy && stateful
}
