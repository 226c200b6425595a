package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/slipway-dev/slipway"
)

// anybody is the policy of an Engine that is given none.
type anybody struct{}

func (anybody) Digest() string { return "" }
func (anybody) Text() []byte   { return nil }
func (anybody) Err() error     { return nil }

func (anybody) Ask(q slipway.Question) slipway.Answer {
	return slipway.Answer{Allow: q.Action != slipway.ActionAutoApprove, Approvers: 1}
}

func noWitness(context.Context, json.RawMessage, time.Time) (b slipway.Ballot, by slipway.Approver, err error) {
	return b, by, slipway.Errorf(slipway.CodeForbidden, "no key is trusted here")
}

// Decide approves or rejects at a gate; the run goes on when an owner works on its database. It is decided under the policy in force for the app,
// whatever policy the folder has from which somebody decides. A request that was made under another policy than that is made anew, and the
// answer is CodeVoided.
func (e *Engine) Decide(ctx context.Context, d slipway.Decision) (out slipway.Approval, err error) {
	var ballot *slipway.Ballot
	if d.Statement != nil && !d.Approve {
		return out, slipway.Errorf(slipway.CodeInvalid, "what a key signs is a yes")
	}
	if d.Statement != nil {
		b, by, err := e.Witness(ctx, d.Statement, e.Now())
		if err != nil {
			return out, err
		}
		ballot, d.By, d.Until, d.Reason, d.Confirm, d.Over = &b, by, b.ExpiresAt, b.Reason, b.Confirm, b.Over
	}
	var refused error // after what is written
	err = e.Store.Tx(ctx, func(tx slipway.Tx) error {
		run, err := tx.Run(d.Run)
		if err != nil {
			return err
		}
		if run.Status.Final() {
			return slipway.Errorf(slipway.CodeConflict, "run %s is already %s", run.ID, run.Status).
				WithHint("look at it with: slipway status %s", run.ID)
		}
		if out, err = asked(tx, d); err != nil {
			return err
		}
		policy, _, err := e.inForce(tx, run.App)
		if err != nil {
			return err
		}
		if ballot != nil {
			if err := out.Takes(*ballot, e.Now()); err != nil && out.State == slipway.ApprovalRequested {
				return err
			}
		}
		if d.Approve && out.State == slipway.ApprovalRequested && out.Policy != policy.Digest() {
			refused = slipway.Errorf(slipway.CodeVoided, "the policy has changed since the %s gate was asked for", out.Gate).
				WithHint("look at it again with: slipway status %s", run.ID)
			out, err = e.askAnew(tx, run.App, out, policy)
			return err
		}
		if out, err = e.decided(tx, run, out, d, policy); err != nil {
			return err
		}
		return e.afterDecision(tx, run, out, d)
	})
	if err == nil {
		err = refused
	}
	return out, err
}

// decided asks the policy and applies d.
func (e *Engine) decided(tx slipway.Tx, run slipway.Run, a slipway.Approval, d slipway.Decision, policy slipway.Policy) (slipway.Approval, error) {
	answer := slipway.Answer{}
	if d.Approve {
		plan, err := tx.Plan(run.ID, run.Revision)
		if err != nil {
			return a, err
		}
		q := d.By.Asks(e.question(run, plan, a.Gate))
		q.Approvals = len(a.Holding(e.Now()))
		answer = policy.Ask(q)
	}
	a, err := a.Decide(d, answer, e.Now())
	if err != nil {
		return a, err
	}
	return a, tx.SaveApproval(a)
}

// afterDecision tells what was decided, and moves the run when that settles it.
func (e *Engine) afterDecision(tx slipway.Tx, run slipway.Run, a slipway.Approval, d slipway.Decision) error {
	how := a.How
	if a.State == slipway.ApprovalRequested {
		how = a.Votes[len(a.Votes)-1].How
	}
	by := d.By.Principal().Name
	data := map[string]any{"gate": string(a.Gate), "state": string(a.State), "subject": a.Subject, "by": by, "how": how}
	if standing := a.Standing(); standing != "" && d.Approve {
		data["approvals"] = standing
	}
	if err := e.event(tx, run.ID, slipway.EventGateDecided, "", data); err != nil {
		return err
	}
	switch a.State {
	case slipway.ApprovalApproved:
		_, err := e.wake(tx, run)
		return err
	case slipway.ApprovalRejected:
		run.Error = &slipway.RunError{Code: slipway.CodeRejected, Message: strings.TrimSpace("rejected by " + by + ": " + d.Reason)}
		_, err := e.setStatus(tx, run, slipway.RunRejected)
		return err
	}
	return nil
}

// askAnew makes a request again under the policy that is in force now.
func (e *Engine) askAnew(tx slipway.Tx, app string, a slipway.Approval, policy slipway.Policy) (slipway.Approval, error) {
	content := map[string]any{}
	for name, v := range a.Content {
		content[name] = v
	}
	content["policy"] = policy.Digest()
	a.Differs = []string{"policy: " + a.Policy + " -> " + policy.Digest()}
	if err := e.saveVoided(tx, a, content); err != nil {
		return a, err
	}
	next := newRequest(a.Run, a.Gate, content, e.Now())
	return next, e.saveRequest(tx, app, next)
}

// newRequest is a request for gate about content.
func newRequest(run string, gate slipway.Gate, content map[string]any, now time.Time) slipway.Approval {
	policy, _ := content["policy"].(string)
	return slipway.Approval{
		ID: newID("apr"), Run: run, Gate: gate, Subject: slipway.CanonicalDigest(content), Content: content, Policy: policy, Nonce: uuid.NewString(),
		State: slipway.ApprovalRequested, CreatedAt: now,
	}
}

// saveRequest keeps a request, with the text of the policy that it is made under: the first one's is the app's from then on.
func (e *Engine) saveRequest(tx slipway.Tx, app string, a slipway.Approval) error {
	if policy := e.Policy(); a.Policy != "" && policy.Digest() == a.Policy {
		if err := e.pin(tx, app, policy); err != nil {
			return err
		}
	}
	if err := tx.SaveApproval(a); err != nil {
		return err
	}
	return e.event(tx, a.Run, slipway.EventGateRequested, "", map[string]any{"gate": string(a.Gate), "subject": a.Subject})
}

// saveVoided ends an approval, and names the parts of content in which it is about something else.
func (e *Engine) saveVoided(tx slipway.Tx, a slipway.Approval, content map[string]any) error {
	a.State, a.DecidedAt, a.Void = slipway.ApprovalVoided, e.Now(), unlike(a.Content, content)
	if err := tx.SaveApproval(a); err != nil {
		return err
	}
	data := map[string]any{"gate": string(a.Gate), "subject": a.Subject, "differs": a.Void}
	if len(a.Differs) > 0 {
		data["how"] = a.Differs
	}
	return e.event(tx, a.Run, slipway.EventGateVoided, "", data)
}

// endApprovals ends what a run still asks for, or was allowed and has not used.
func (e *Engine) endApprovals(tx slipway.Tx, run string, to slipway.ApprovalState, why string) error {
	all, err := tx.Approvals(run)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.State != slipway.ApprovalRequested && a.State != slipway.ApprovalApproved {
			continue
		}
		if a.State, a.Void = to, []string{why}; a.DecidedAt.IsZero() {
			a.DecidedAt = e.Now()
		}
		if err := tx.SaveApproval(a); err != nil {
			return err
		}
	}
	return nil
}

// openByPolicy opens a gate that needs nobody.
func (w *worker) openByPolicy(tx slipway.Tx, a slipway.Approval) (bool, error) {
	q := slipway.About(w.run, w.plan, a.Gate, w.kinds)
	q.Action, q.Principal, q.Proof, q.Now = slipway.ActionAutoApprove, w.run.Requester, slipway.ProofPolicy, w.Now()
	a, opened := a.ByPolicy(w.Policy().Ask(q), w.Now())
	if !opened {
		return false, nil
	}
	if err := tx.SaveApproval(a); err != nil {
		return false, err
	}
	return true, w.event(tx, w.id, slipway.EventGateDecided, "", map[string]any{
		"gate": string(a.Gate), "state": string(a.State), "subject": a.Subject, "by": a.By.Name, "how": a.How,
	})
}

// coversPromote reports whether the policy lets the approval of apply cover the promote, as the manifest wishes.
func (e *Engine) coversPromote(w *wanted) bool {
	return e.Policy().Ask(slipway.Question{
		Action: slipway.ActionPromoteWithApply, Principal: w.requester, Requester: w.requester, App: w.manifest.App, Environment: w.environment,
		Operation: slipway.OperationShip, Gate: slipway.GateApply, Proof: slipway.ProofPolicy, Now: e.Now(),
	}).Allow
}

// asked finds the approval that d is about.
func asked(tx slipway.Tx, d slipway.Decision) (slipway.Approval, error) {
	all, err := tx.Approvals(d.Run)
	if err != nil {
		return slipway.Approval{}, err
	}
	return d.Asked(all)
}

// waits are the requests that nobody has answered.
func waits(plan *slipway.Plan, all []slipway.Approval) (out []slipway.Wait) {
	for _, a := range all {
		if a.State == slipway.ApprovalRequested {
			out = append(out, slipway.Wait{Gate: a.Gate, Subject: a.Subject, Standing: a.Standing(), Effects: a.Consequences(plan), Since: a.Differs})
		}
	}
	return out
}

// unlike are the names of what two contents have in another way, sorted.
func unlike(before, now map[string]any) (names []string) {
	for name := range now {
		if !slipway.EqualBasis(map[string]any{"v": now[name]}, map[string]any{"v": before[name]}) {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, has := now[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// short is a part of a content in a line.
func short(v any) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(v)
}
