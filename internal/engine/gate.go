package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/slipway-dev/slipway"
)

// openGates returns the gates that a valid approval has opened for what would be done now; none while another policy is in force than the folder's.
func (w *worker) openGates(ctx context.Context) (map[slipway.Gate]bool, error) {
	var approvals []slipway.Approval
	var receipts map[slipway.Address]slipway.Receipt
	var proposed slipway.Policy
	err := w.Store.Read(ctx, func(tx slipway.Tx) (err error) {
		if approvals, err = tx.Approvals(w.id); err != nil {
			return err
		}
		if _, proposed, err = w.inForce(tx, w.run.App); err != nil {
			return err
		}
		receipts, err = tx.Receipts(w.run.App)
		return err
	})
	open := map[slipway.Gate]bool{}
	if proposed != nil {
		return open, err
	}
	for _, a := range approvals {
		if w.opens(ctx, a, receipts) {
			open[a.Gate] = true
		}
	}
	return open, err
}

// opens reports whether an approval was given and holds for what would be done now.
func (w *worker) opens(ctx context.Context, a slipway.Approval, receipts map[slipway.Address]slipway.Receipt) bool {
	return a.Opens(a.Gate, a.Subject, w.Now()) && w.current(a, receipts) && w.lapsed(ctx, a, w.Policy()) == ""
}

// current reports whether an approval is about the plan and the policy as they are now, and about the deployment that production would be
// moved to now: the same plan, made again, may have built another.
func (w *worker) current(a slipway.Approval, receipts map[slipway.Address]slipway.Receipt) bool {
	if digest, _ := a.Content["plan"].(string); digest != w.plan.Digest() || a.Policy != w.Policy().Digest() {
		return false
	}
	named, names := a.Content["deployment"].(string)
	for _, e := range w.plan.Effects {
		if !names || e.Gate != a.Gate || !moves(e.Op) || e.OnFailure != "" {
			continue
		}
		to, fixed := e.Params["deployment"].(string)
		if spec, _ := w.wanted.spec(e.Address); !fixed {
			to = receipts[spec.IDs["deployment"]].ID
		}
		return named == to
	}
	return true
}

// subject is what an approver of gate approves.
func (w *worker) subject(ctx context.Context, gate slipway.Gate) (map[string]any, error) {
	content := map[string]any{"plan": w.plan.Digest(), "gate": string(gate)}
	if version := w.Policy().Digest(); version != "" {
		content["policy"] = version
	}
	switch gate {
	case slipway.GateDestroy:
		var keys []any
		for _, e := range w.plan.Effects {
			if e.Gate == gate {
				keys = append(keys, e.Key)
			}
		}
		receipts, err := w.receipts(ctx, w.run.App)
		if err != nil {
			return nil, err
		}
		content["effects"] = keys
		if words, addresses := slipway.Targets(w.dying(receipts)); len(words) > 0 {
			content["targets"] = toAny(words)
			if addresses[0] != "" {
				content["addresses"] = toAny(addresses)
			}
		}
	case slipway.GatePromote, slipway.GateRollback:
		return w.promoteSubject(ctx, gate, content)
	}
	return content, nil
}

// dying is what dies behind the destroy gate and cannot be made again from the manifest: what holds data, and what the app loses without being
// asked (a domain). What goes with another of them is not named apart. A destroy of nothing of the kind takes the app's name: production still goes.
func (w *worker) dying(receipts map[slipway.Address]slipway.Receipt) (all []slipway.Mortal) {
	dies := map[slipway.Address]bool{}
	for _, e := range w.plan.Effects {
		kind := w.kinds[e.Address.Kind()]
		if e.Gate == slipway.GateDestroy && (e.Op == slipway.OpDelete || e.Op == slipway.OpReplace) && (kind.Stateful || kind.Pruned) {
			dies[e.Address] = true
		}
	}
	for _, e := range w.plan.Effects {
		within := slices.ContainsFunc(receipts[e.Address].Needs, func(a slipway.Address) bool { return dies[a] })
		if dies[e.Address] && !within {
			all = append(all, slipway.Mortal{Address: e.Address, Name: cmp.Or(e.Name, e.Address.Key())})
		}
	}
	if len(all) == 0 && w.run.Operation == slipway.OperationDestroy {
		all = append(all, slipway.Mortal{Name: w.run.App})
	}
	return all
}

// promoteSubject names the deployment, what was verified of it, the domains that move, and what production serves now.
func (w *worker) promoteSubject(ctx context.Context, gate slipway.Gate, content map[string]any) (map[string]any, error) {
	for _, e := range w.plan.Effects {
		if e.Gate != gate || e.OnFailure != "" { // where the way back leads is told beside the promote
			continue
		}
		if !w.wanted.visible(e.Address.Kind()) { // what production serves cannot be looked at: the approver knows as much
			content["deployment"], content["source"], content["serving"] = e.Params["deployment"], w.plan.Source, "unknown"
			continue
		}
		u, err := w.unit(ctx, e.Key)
		if err != nil {
			return nil, err
		}
		if err := w.observeUnit(ctx, w.wanted.pass(), u); err != nil {
			return nil, err
		}
		content["deployment"], content["source"] = u.spec.Params["deployment"], w.plan.Source
		if r := u.obs.Rollout; r != nil {
			content["rolling"] = r.Of
		}
		content["serving"], content["domains"] = u.obs.Fields["deployment"], toAny(u.obs.Receipt.URLs)
		if err := w.releaseSubject(ctx, u, content); err != nil {
			return nil, err
		}
	}
	verified := []any{}
	for _, c := range w.plan.Checks {
		s := w.step(c.Key)
		if s.State != slipway.StepDone {
			continue
		}
		what := c.Key
		if transcript, ok := s.Basis["transcript"].(string); ok {
			what += " " + transcript
		}
		verified = append(verified, what)
	}
	content["verified"] = verified
	return content, nil
}

func toAny[T ~string](in []T) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// park asks for the approvals that the run waits for. parked is false when a decision came meanwhile, or a step was found done.
func (w *worker) park(ctx context.Context) (parked bool, err error) {
	open, err := w.openGates(ctx)
	if err != nil {
		return false, err
	}
	next := slipway.WhatNext(slipway.Progress{Plan: w.plan, Steps: w.snapshot(), Open: open})
	if len(next.Ready) > 0 {
		return false, nil
	}
	subjects := map[slipway.Gate]map[string]any{}
	for _, gate := range next.Gates {
		if subjects[gate], err = w.subject(ctx, gate); err != nil {
			return false, err
		}
	}
	err = w.commit(ctx, func(tx slipway.Tx) error {
		if moved, err := w.movedOn(tx); err != nil || moved {
			return err
		}
		if changed, err := w.changePolicy(ctx, tx); err != nil || changed {
			return err
		}
		if parked, err = w.requestAll(ctx, tx, subjects); err != nil || !parked {
			return err
		}
		_, err := w.setStatus(tx, w.run, slipway.RunWaitingApproval)
		return err
	})
	return parked, err
}

// requestAll asks for what opens the gates with these subjects, or for the change of the policy before them. asked is false when one of them is open
// by now.
func (w *worker) requestAll(ctx context.Context, tx slipway.Tx, subjects map[slipway.Gate]map[string]any) (asked bool, err error) {
	policy, proposed, err := w.inForce(tx, w.run.App)
	if err != nil {
		return false, err
	}
	if proposed != nil {
		return true, w.requestChange(ctx, tx, policy, proposed)
	}
	all, err := tx.Approvals(w.id)
	if err != nil {
		return false, err
	}
	receipts, err := tx.Receipts(w.run.App)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(all, func(a slipway.Approval) bool { return subjects[a.Gate] != nil && w.opens(ctx, a, receipts) }) {
		return false, nil
	}
	asked = true
	for _, gate := range slices.Sorted(maps.Keys(subjects)) {
		a, err := w.request(ctx, tx, all, gate, subjects[gate])
		if err != nil {
			return false, err
		}
		opened, err := w.openByPolicy(tx, a)
		if err != nil {
			return false, err
		}
		asked = asked && !opened
	}
	return asked, nil
}

// request writes a request for gate, unless the same is already asked for; what was asked or approved before is voided.
func (w *worker) request(ctx context.Context, tx slipway.Tx, all []slipway.Approval, gate slipway.Gate, content map[string]any) (slipway.Approval, error) {
	subject := slipway.CanonicalDigest(content)
	var before *slipway.Approval // what was decided last, for this gate
	for i, a := range all {
		switch {
		case a.Gate != gate:
			continue
		case a.State == slipway.ApprovalRequested && a.Subject == subject:
			return a, nil
		case a.State == slipway.ApprovalRequested || a.State == slipway.ApprovalApproved:
			if err := w.void(ctx, tx, a, content); err != nil {
				return a, err
			}
		}
		if len(a.Votes) > 0 {
			before = &all[i]
		}
	}
	a := newRequest(w.id, gate, content, w.Now())
	if gate == slipway.GatePolicy {
		policy, proposed, err := w.inForce(tx, w.run.App)
		if err != nil {
			return a, err
		}
		a.Differs = changeOf(policy, proposed).Lines
	} else if before != nil {
		var err error
		if a.Differs, err = w.differences(tx, before.Content, content); err != nil {
			return a, err
		}
	} else if out, err := sinceApproved(tx, w.plan, w.id, gate, content); err != nil {
		return a, err
	} else {
		a.Differs = out
	}
	return a, w.saveRequest(tx, w.run.App, a)
}

// void ends an approval that is not about what would be done now, and says what differs.
func (w *worker) void(ctx context.Context, tx slipway.Tx, a slipway.Approval, content map[string]any) (err error) {
	if a.State == slipway.ApprovalApproved && !w.Now().Before(a.ExpiresAt) {
		a.State = slipway.ApprovalExpired
		return tx.SaveApproval(a)
	}
	if a.Differs, err = w.differences(tx, a.Content, content); err != nil {
		return err
	}
	policy, _, err := w.inForce(tx, w.run.App)
	if err != nil {
		return err
	}
	if why := w.lapsed(ctx, a, policy); why != "" {
		a.Differs = append(a.Differs, why)
	}
	return w.saveVoided(tx, a, content)
}

// differences tells how what is asked for now differs from what was asked before: plans part by part, the rest by name.
func (w *worker) differences(tx slipway.Tx, before, now map[string]any) ([]string, error) {
	var out []string
	if before["plan"] != now["plan"] {
		for revision := w.run.Revision; revision > 0; revision-- {
			plan, err := tx.Plan(w.id, revision)
			if err != nil {
				return nil, err
			}
			if plan.Digest() == before["plan"] {
				out = slipway.PlanDifferences(plan, w.plan)
				break
			}
		}
	}
	for _, name := range unlike(before, now) {
		if name != "plan" {
			out = append(out, name+": "+short(before[name])+" -> "+short(now[name]))
		}
	}
	return out, nil
}

// consume marks the approval that opened gate as used, inside the transaction of the first intent behind it. CodeVoided when there is none by
// now: it has expired, another process has ended it, it was about something else, or it has lapsed.
func (w *worker) consume(ctx context.Context, tx slipway.Tx, gate slipway.Gate) error {
	if gate == "" {
		return nil
	}
	all, err := tx.Approvals(w.id)
	if err != nil {
		return err
	}
	receipts, err := tx.Receipts(w.run.App)
	if err != nil {
		return err
	}
	if _, proposed, err := w.inForce(tx, w.run.App); err != nil || proposed != nil {
		return cmp.Or(err, error(slipway.Errorf(slipway.CodeVoided, "another policy is in force").WithHint("look at it again with: slipway status %s", w.id)))
	}
	used := false
	for _, a := range all {
		if a.Gate != gate || !w.opens(ctx, a, receipts) {
			continue
		}
		if a.State == slipway.ApprovalApproved {
			a.State = slipway.ApprovalConsumed
			return tx.SaveApproval(a)
		}
		used = true
	}
	if !used {
		return slipway.Errorf(slipway.CodeVoided, "no approval opens the %s gate any more", gate).WithHint("look at it again with: slipway status %s", w.id)
	}
	return nil
}
