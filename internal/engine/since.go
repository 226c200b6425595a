package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// sinceUsed bounds how many earlier approvals are looked through. What was approved before those is found by what was done behind it; only what was
// never done counts as never approved then.
const sinceUsed = 50

// approvedBefore are the effects that were approved and used last in earlier runs, by resource of plan; and the newest approval at gate ("": at any), nil
// for none.
func approvedBefore(tx slipway.Tx, plan *slipway.Plan, except string, gate slipway.Gate) (last map[slipway.Address]slipway.Effect, newest *slipway.Approval, err error) {
	used, err := tx.Used(plan.App, plan.Environment, except, sinceUsed)
	if i := slices.IndexFunc(used, func(a slipway.Approval) bool { return gate == "" || a.Gate == gate }); i >= 0 {
		newest = &used[i]
	}
	if err != nil || newest == nil {
		return nil, nil, err
	}
	last = map[slipway.Address]slipway.Effect{}
	unknown := func(e slipway.Effect) bool {
		_, known := last[e.Address]
		return !known && (gate == "" || e.Gate == gate)
	}
	for i := 0; i < len(used) && err == nil && slices.ContainsFunc(plan.Effects, unknown); i++ {
		err = keepEffects(tx, used[i], last)
	}
	for i := 0; i < len(plan.Effects) && err == nil; i++ {
		if e := plan.Effects[i]; unknown(e) {
			err = keepDone(tx, plan, except, e.Address, last)
		}
	}
	return last, newest, err
}

// keepEffects adds to last the effects that an approval opened, but for those of resources that a newer one did.
func keepEffects(tx slipway.Tx, a slipway.Approval, last map[slipway.Address]slipway.Effect) error {
	run, err := tx.Run(a.Run)
	if err != nil {
		return err
	}
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

// keepDone adds to last the effect on a that was done last in earlier runs.
func keepDone(tx slipway.Tx, plan *slipway.Plan, except string, a slipway.Address, last map[slipway.Address]slipway.Effect) error {
	done, err := tx.LastDone(plan.App, plan.Environment, a)
	for _, s := range done {
		if s.Run == except {
			continue
		}
		then, err := tx.Plan(s.Run, s.Revision)
		if err != nil {
			return err
		}
		if e := then.Effect(s.Key); e != nil && e.OnFailure == "" {
			last[a] = *e
			return nil
		}
	}
	return err
}

// sinceApproved tells how a plan behind a gate ("": all of it) differs from what was approved before in earlier runs; nothing where nothing was. The
// first line says when that was, and by whom.
func sinceApproved(tx slipway.Tx, plan *slipway.Plan, except string, gate slipway.Gate, content map[string]any) (out []string, err error) {
	last, newest, err := approvedBefore(tx, plan, except, gate)
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
