package slipway

import "time"

// PolicyAction is what a Question asks for: a gate's name, or one of these.
type PolicyAction string

const (
	// ActionAutoApprove asks whether a gate may open without anybody. The principal is the run's requester. It is never asked for the destroy gate.
	ActionAutoApprove PolicyAction = "auto-approve"
	// ActionPromoteWithApply asks whether the approval of apply may cover the promote, which the manifest wishes for.
	ActionPromoteWithApply PolicyAction = "promote-with-apply"
)

// Policy says who may do what. It is pure: the same question has the same answer.
type Policy interface {
	// Digest is sha256:… of the policy's text: its version.
	Digest() string
	// Text is what the digest is of.
	Text() []byte
	// Err is what is wrong with the text; nil where rules could be read from it.
	Err() error
	// Ask answers. A policy that cannot be read allows nothing, and its answers say so.
	Ask(q Question) Answer
}

// PolicyChange is a policy that an app's folder has, and that its approvals are not given under.
type PolicyChange struct {
	Before string   `json:"before"` // digest of the policy in force
	After  string   `json:"after"`  // digest of the folder's
	Lines  []string `json:"lines"`  // what differs, a line each: "- " was, "+ " would be
}

// Question is all that a policy knows when it decides.
type Question struct {
	Action    PolicyAction
	Principal Principal // who approves; the requester where nobody does
	Groups    []string  // of the principal
	Proof     Proof
	Key       string // the id of the key that has signed; "" for none

	App, Environment string
	Operation        Operation
	Gate             Gate
	Ops              []Op   // of the effects behind the gate, each once
	Kinds            []Kind // of what they change, each once
	Stateful         bool   // one of them is on a kind that holds data
	Destructive      bool   // one of them deletes or replaces
	Manual           bool   // one of them is done by a person
	Drift            bool   // production serves what Slipway did not put there

	Requester Principal
	Approvals int // that others have given before, and still hold
	Now       time.Time
}

// Answer is a policy's decision.
type Answer struct {
	Allow     bool     `json:"allow"`
	Rules     []string `json:"rules,omitempty"` // ids of the rules that decided, sorted
	Approvers int      `json:"approvers"`       // how many distinct people must approve in all; at least 1
	// Life is how long the approval holds: the shortest that a rule which permits says. 0: ApprovalLife.
	Life time.Duration `json:"-"`
	// Why a question is not allowed, in a sentence without a final stop, and the next thing to try; "" where it is.
	Why  string `json:"why,omitempty"`
	Hint string `json:"hint,omitempty"`
	// Signed tells, of a question that is not allowed, that the same person's key would be let.
	Signed bool `json:"signed,omitempty"`
}

// life is how long an approval holds that is given by the answer, never more than ApprovalLife.
func (a Answer) life() time.Duration {
	if a.Life <= 0 {
		return ApprovalLife
	}
	return min(a.Life, ApprovalLife)
}

// About returns the part of a Question that follows from a run, its plan and one of its gates.
func About(run Run, plan *Plan, gate Gate, kinds map[Kind]KindInfo) Question {
	q := Question{
		App: run.App, Environment: run.Environment, Operation: run.Operation, Gate: gate, Requester: run.Requester, Drift: plan.Drift,
	}
	ops, touched := map[Op]bool{}, map[Kind]bool{}
	for _, e := range plan.Effects {
		if e.Gate != gate {
			continue
		}
		ops[e.Op], touched[e.Address.Kind()] = true, true
		q.Stateful = q.Stateful || kinds[e.Address.Kind()].Stateful
		q.Destructive = q.Destructive || e.Op == OpDelete || e.Op == OpReplace
		q.Manual = q.Manual || e.Mode == ModeManual
	}
	q.Ops, q.Kinds = sortedSet(ops), sortedSet(touched)
	return q
}
