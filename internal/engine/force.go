package engine

import (
	"context"

	"github.com/slipway-dev/slipway"
)

// inForce returns the policy that an app's approvals are given under: the one of its first request, and then each one that was approved under the
// one before. proposed is that of the folder where it is another, else nil.
func (e *Engine) inForce(tx slipway.Tx, app string) (policy, proposed slipway.Policy, err error) {
	folder := e.Policy()
	digest, err := tx.PolicyInForce(app)
	if err != nil || digest == "" || digest == folder.Digest() || folder.Digest() == "" || e.ReadPolicy == nil {
		return folder, nil, err
	}
	text, err := tx.Artifact(slipway.PolicyArtifact(digest))
	if err != nil {
		return folder, nil, err
	}
	return e.ReadPolicy(text), folder, nil
}

// pin keeps the text of a policy, and makes it the app's where it has none yet. One with a fault is none.
func (e *Engine) pin(tx slipway.Tx, app string, policy slipway.Policy) error {
	if policy.Digest() == "" || policy.Err() != nil {
		return nil
	}
	if err := tx.PutArtifact(slipway.PolicyArtifact(policy.Digest()), policy.Text()); err != nil {
		return err
	}
	digest, err := tx.PolicyInForce(app)
	if err != nil || digest != "" {
		return err
	}
	return tx.PutPolicyInForce(app, policy.Digest())
}

// PolicyChange tells how the folder's policy differs from the one that an app's approvals are given under; nil where it does not.
func (e *Engine) PolicyChange(ctx context.Context, app string) (change *slipway.PolicyChange, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		policy, proposed, err := e.inForce(tx, app)
		if err == nil && proposed != nil {
			change = changeOf(policy, proposed)
		}
		return err
	})
	return change, err
}

// PolicyInForce returns the policy that an app's approvals are given under; the folder's before the first request for one.
func (e *Engine) PolicyInForce(ctx context.Context, app string) (policy slipway.Policy, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		policy, _, err = e.inForce(tx, app)
		return err
	})
	return policy, err
}

func changeOf(policy, proposed slipway.Policy) *slipway.PolicyChange {
	return &slipway.PolicyChange{
		Before: policy.Digest(), After: proposed.Digest(), Lines: slipway.TextDifferences(string(policy.Text()), string(proposed.Text())),
	}
}

// changeContent is what an approver of a change of policy approves.
func changeContent(policy, proposed slipway.Policy) map[string]any {
	return map[string]any{"gate": string(slipway.GatePolicy), "policy": policy.Digest(), "after": proposed.Digest()}
}

// requestChange asks for the change to the folder's policy, under the one in force.
func (w *worker) requestChange(ctx context.Context, tx slipway.Tx, policy, proposed slipway.Policy) error {
	if err := proposed.Err(); err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "%v", err).WithHint("mend it, then: slipway resume %s", w.id)
	}
	if err := w.keepPolicies(tx, policy, proposed); err != nil {
		return err
	}
	all, err := tx.Approvals(w.id)
	if err != nil {
		return err
	}
	_, err = w.request(ctx, tx, all, slipway.GatePolicy, changeContent(policy, proposed))
	return err
}

func (w *worker) keepPolicies(tx slipway.Tx, policies ...slipway.Policy) error {
	for _, p := range policies {
		if err := tx.PutArtifact(slipway.PolicyArtifact(p.Digest()), p.Text()); err != nil {
			return err
		}
	}
	return nil
}

// changePolicy puts the folder's policy in force where its change was approved, in one transaction: the approval is used by it. Where the folder's is
// the one in force, what asks for another is voided.
func (w *worker) changePolicy(ctx context.Context, tx slipway.Tx) (changed bool, err error) {
	policy, proposed, err := w.inForce(tx, w.run.App)
	if err != nil {
		return false, err
	}
	all, err := tx.Approvals(w.id)
	if err != nil {
		return false, err
	}
	for _, a := range all {
		waits := a.State == slipway.ApprovalRequested || a.State == slipway.ApprovalApproved
		switch {
		case a.Gate != slipway.GatePolicy || !waits:
		case proposed == nil:
			a.Differs = []string{"the folder has the policy that is in force"}
			if err := w.saveVoided(tx, a, a.Content); err != nil {
				return false, err
			}
		case a.Opens(slipway.GatePolicy, slipway.CanonicalDigest(changeContent(policy, proposed)), w.Now()) && w.lapsed(ctx, a, policy) == "":
			a.State = slipway.ApprovalConsumed
			if err := tx.SaveApproval(a); err != nil {
				return false, err
			}
			return true, tx.PutPolicyInForce(w.run.App, proposed.Digest())
		}
	}
	return false, nil
}

// question is what a policy is asked about one of the run's gates. Who may approve what is applied to production may approve a change of policy,
// whatever the run is that asks for it: a policy is for all environments.
func (e *Engine) question(run slipway.Run, plan *slipway.Plan, gate slipway.Gate) slipway.Question {
	q := slipway.About(run, plan, gate, e.kinds)
	if gate == slipway.GatePolicy {
		gate = slipway.GateApply
		q = slipway.Question{
			App: run.App, Environment: slipway.Production, Operation: slipway.OperationShip, Gate: gate, Requester: run.Requester, Stateful: true,
		}
	}
	q.Action, q.Now = slipway.PolicyAction(gate), e.Now()
	return q
}
