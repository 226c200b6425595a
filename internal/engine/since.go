package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// sinceRuns bounds how many earlier runs are looked through for what was approved before.
const sinceRuns = 50

// approvedBefore are the effects that were approved and used last, by resource, in earlier runs of an app's environment; and the newest approval at
// gate ("": at any), nil for none.
func approvedBefore(tx slipway.Tx, app, environment, except string, gate slipway.Gate) (last map[slipway.Address]slipway.Effect, newest *slipway.Approval, err error) {
	runs, err := tx.Runs(slipway.RunFilter{App: app, Environment: environment, Limit: sinceRuns})
	if err != nil {
		return nil, nil, err
	}
	last = map[slipway.Address]slipway.Effect{}
	for _, run := range runs {
		if run.ID == except {
			continue
		}
		all, err := tx.Approvals(run.ID)
		if err != nil {
			return nil, nil, err
		}
		slices.Reverse(all)
		for _, a := range all {
			if a.State != slipway.ApprovalConsumed || a.Gate == slipway.GatePolicy {
				continue
			}
			if newest == nil && (gate == "" || a.Gate == gate) {
				newest = &a
			}
			if err := keepEffects(tx, run, a, last); err != nil {
				return nil, nil, err
			}
		}
	}
	return last, newest, nil
}

// keepEffects adds to last the effects that an approval opened, but for those of resources that a newer one did.
func keepEffects(tx slipway.Tx, run slipway.Run, a slipway.Approval, last map[slipway.Address]slipway.Effect) error {
	for revision := run.Revision; revision > 0; revision-- {
		plan, err := tx.Plan(run.ID, revision)
		if err != nil {
			return err
		}
		if plan.Digest() != a.Content["plan"] {
			continue
		}
		for _, e := range plan.Effects {
			if _, newer := last[e.Address]; !newer && e.Gate == a.Gate && e.OnFailure == "" {
				last[e.Address] = e
			}
		}
		return nil
	}
	return nil
}

// sinceApproved tells how a plan behind a gate ("": all of it) differs from what was approved before in earlier runs; nothing where nothing was. The
// first line says when that was, and by whom.
func sinceApproved(tx slipway.Tx, plan *slipway.Plan, except string, gate slipway.Gate, content map[string]any) (out []string, err error) {
	last, newest, err := approvedBefore(tx, plan.App, plan.Environment, except, gate)
	if err != nil || newest == nil {
		return nil, err
	}
	by := "nobody"
	if newest.By != nil && newest.By.Kind == slipway.PrincipalUser {
		by = newest.By.Name
	}
	out = slipway.SinceApproved(last, plan, gate)
	for _, name := range []string{"source", "domains"} {
		was, is := newest.Content[name], content[name]
		if was != nil && is != nil && !slipway.EqualBasis(map[string]any{"v": was}, map[string]any{"v": is}) {
			out = append(out, fmt.Sprintf("%s: %s -> %s", name, short(was), short(is)))
		}
	}
	if len(out) == 0 {
		out = []string{"nothing: it is what was approved then"}
	}
	return append([]string{fmt.Sprintf("since run %s, which %s approved (%s)", newest.Run, by, newest.DecidedAt.UTC().Format(time.RFC3339))}, out...), nil
}

// Since tells how a plan that is not a run's yet differs from what was approved before, a line each; nothing where nothing was.
func (e *Engine) Since(ctx context.Context, plan *slipway.Plan) (out []string, err error) {
	err = e.Store.Read(ctx, func(tx slipway.Tx) error {
		out, err = sinceApproved(tx, plan, "", "", nil)
		return err
	})
	return out, err
}
