package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// lapsed tells why an approval that nobody has used yet opens nothing now, though it was given: the policy would not let one of its approvers
// approve at this moment (a freeze has begun) or wants more people, the key that has signed is no longer trusted or has signed something else, or
// the clock was set back behind the approval, which would hold too long. "" where it still holds. What an approval has
// opened stays open: work that has begun is not left half done.
func (w *worker) lapsed(ctx context.Context, a slipway.Approval, policy slipway.Policy) string {
	if a.State != slipway.ApprovalApproved {
		return ""
	}
	for i, v := range a.Votes {
		q := w.question(w.run, w.plan, a.Gate)
		q.Approvals, q.Principal, q.Proof = i, v.By, v.Proof
		switch {
		case v.At.After(w.Now().Add(time.Minute)): // a clock that is put right by less is none that was set back
			return fmt.Sprintf("it was approved at %s, and this machine's clock is behind that now", v.At.UTC().Format(time.DateTime))
		case v.Proof == slipway.ProofPolicy:
			q.Action, q.Principal = slipway.ActionAutoApprove, w.run.Requester
		case v.Statement != nil:
			ballot, by, err := w.Witness(ctx, v.Statement, v.At)
			if err != nil || by.Principal() != v.By {
				since := "is not trusted any more"
				if _, _, err := w.Witness(ctx, v.Statement, w.Now()); err == nil {
					since = "was not trusted for a time since"
				}
				return fmt.Sprintf("the key %s, with which %s has signed, %s", v.Key, v.By.Name, since)
			}
			if err := a.Takes(ballot, v.At); err != nil {
				return err.Error()
			}
			q = by.Asks(q)
		}
		switch answer := policy.Ask(q); {
		case !answer.Allow:
			return fmt.Sprintf("the policy would not let %s approve now: %s", w.whose(v), answer.Why)
		case answer.Life > 0 && !w.Now().Before(v.At.Add(answer.Life)):
			return fmt.Sprintf("the policy lets what %s approved hold for %s, and that is over", w.whose(v), answer.Life)
		case answer.Approvers > len(a.Votes):
			return fmt.Sprintf("the policy wants %d people now, and %d approved", answer.Approvers, len(a.Votes))
		}
	}
	return ""
}

// whose names an approver in a sentence.
func (w *worker) whose(v slipway.Vote) string {
	if v.Proof == slipway.ProofPolicy {
		return "nobody"
	}
	return v.By.Name
}

// uncovered reports whether one of the effects moves production behind the approval of apply, and the policy does not let that approval cover the
// promote at this moment. The plan is then made again, with a gate of its own for the promote.
func (w *worker) uncovered(units []*unit) bool {
	return slices.ContainsFunc(units, func(u *unit) bool {
		return moves(u.effect.Op) && u.effect.OnFailure == "" && u.effect.Gate == slipway.GateApply && !w.coversPromote(w.wanted)
	})
}
