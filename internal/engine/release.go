package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slipway-dev/slipway"
)

// releaseSubject adds to what an approver of a promote approves: why production has to be named, and the proof that the deployment carries the
// values of this plan.
func (w *worker) releaseSubject(ctx context.Context, u *unit, content map[string]any) error {
	if u.effect.Op != slipway.OpPromote {
		return nil
	}
	if w.plan.Held != "" {
		content["held"], content["over"] = string(w.plan.Held), w.plan.Serving
	}
	for _, e := range w.plan.Effects {
		if e.OnFailure != "" && e.Address == u.effect.Address {
			content["rollback"] = "by itself, to " + fmt.Sprint(e.Params["deployment"]) + ", when " + e.OnFailure + " fails"
		}
	}
	built, written, err := w.carried(ctx, u)
	if err != nil || built.IsZero() || len(written) == 0 {
		return err
	}
	newest := slices.MaxFunc(slices.Collect(maps.Values(written)), time.Time.Compare)
	content["built"], content["values_written"] = built.Format(time.RFC3339Nano), newest.Format(time.RFC3339Nano)
	return nil
}

// promotable looks afresh, just before production is asked to move, whether the deployment carries what this plan wrote, and whether a move
// that this run may have asked for has been taken back. Of a deployment that had served before that cannot be told, and counts as such.
func (w *worker) promotable(ctx context.Context, u *unit) error {
	if _, _, err := w.carried(ctx, u); err != nil || !u.search {
		return err
	}
	d, err := w.deploymentOf(ctx, w.wanted.pass(), u)
	if err != nil || !d.Served {
		return err
	}
	return w.tellVoid(ctx, u, u.effect.Basis, map[string]any{"exists": true, "fields": map[string]any{"moved_back": true}})
}

// carried returns when the deployment that u promotes was created, and when each value that is sealed into it was last written. A value that
// was written since, or is gone, was changed outside: CodeVoided, so that the plan is made again with another deployment.
func (w *worker) carried(ctx context.Context, u *unit) (built time.Time, written map[slipway.Address]time.Time, err error) {
	sessions := w.wanted.pass()
	d, err := w.deploymentOf(ctx, sessions, u)
	if err != nil || !d.Exists || d.Receipt.CreatedAt.IsZero() {
		return built, nil, err
	}
	built, written = d.Receipt.CreatedAt, map[slipway.Address]time.Time{}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return built, nil, err
	}
	spec, _ := w.wanted.spec(u.spec.IDs["deployment"])
	for _, a := range spec.Seals {
		if !w.wanted.visible(a.Kind()) {
			continue
		}
		obs, err := w.lookAt(ctx, sessions, a, receipts)
		if err != nil {
			return built, nil, err
		}
		if !obs.Exists || obs.Written.After(built) {
			return built, nil, w.tellChanged(ctx, u, a, built, obs)
		}
		if !obs.Written.IsZero() {
			written[a] = obs.Written
		}
	}
	return built, written, nil
}

// deploymentOf looks at the deployment that u moves production to; nothing where that cannot be looked at.
func (w *worker) deploymentOf(ctx context.Context, sessions map[string]slipway.Session, u *unit) (slipway.Observation, error) {
	id, _ := u.spec.Params["deployment"].(string)
	address := u.spec.IDs["deployment"]
	if id == "" || !w.wanted.visible(address.Kind()) {
		return slipway.Observation{}, nil
	}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return slipway.Observation{}, err
	}
	spec := w.specFor(address, receipts)
	spec.Params, spec.Known, spec.Run = map[string]any{}, &slipway.Receipt{Address: address, ID: id}, ""
	h, err := handler(sessions, address)
	if err != nil {
		return slipway.Observation{}, err
	}
	obs, err := h.Observe(ctx, spec)
	return obs, withOp(err, "%s observe", address)
}

// tellChanged stops the work: a value was changed outside after the deployment that is to carry it was built.
func (w *worker) tellChanged(ctx context.Context, u *unit, a slipway.Address, built time.Time, obs slipway.Observation) error {
	fields := map[string]any{"written": nil}
	if obs.Exists {
		fields["written"] = obs.Written.Format(time.RFC3339Nano)
	}
	data := map[string]any{
		"address": string(a), "gate": string(u.effect.Gate), "why": "changed outside after the deployment was built",
		"planned":  map[string]any{"exists": true, "fields": map[string]any{"built": built.Format(time.RFC3339Nano)}},
		"observed": map[string]any{"exists": obs.Exists, "fields": fields},
	}
	if err := w.commit(ctx, func(tx slipway.Tx) error { return w.event(tx, w.id, slipway.EventGateVoided, u.effect.Key, data) }); err != nil {
		return err
	}
	return slipway.Errorf(slipway.CodeVoided, "%s was changed outside after the deployment was built", a)
}

// movedOn is why production is not moved back: somebody has moved it meanwhile, and that is not undone.
func movedOn(obs slipway.Observation) error {
	return slipway.Errorf(slipway.CodeDrift, "production now serves %v, which this run did not put there", obs.Fields["deployment"]).
		WithHint("look at what it serves: slipway plan")
}

// stillOurs fails with CodeDrift when production no longer serves what this run has promoted: then its probes would tell of something else.
func (w *worker) stillOurs(ctx context.Context, c slipway.Check) error {
	if w.kinds[c.Address.Kind()].UpdateOp != slipway.OpPromote {
		return nil
	}
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	obs, err := w.lookAt(ctx, w.wanted.pass(), c.Address, receipts)
	if err != nil {
		return err
	}
	for _, key := range c.DependsOn {
		if r := w.step(key).Receipt; r != nil && obs.Fields["deployment"] != r.ID {
			return movedOn(obs)
		}
	}
	return nil
}

// takenBack reports whether the plan's way back was gone, or could not be: what is to be promoted then is another question.
func (w *worker) takenBack() bool {
	return slices.ContainsFunc(w.plan.Effects, func(e slipway.Effect) bool {
		s := w.step(e.Key)
		return e.OnFailure != "" && (s.State == slipway.StepDone || s.State == slipway.StepFailed && !s.Unknown)
	})
}

// bothFacts adds to the error of a check what became of production after it.
func (w *worker) bothFacts(check string, e slipway.RunError) slipway.RunError {
	back := w.plan.WayBack(check)
	if back == nil {
		return e
	}
	to := back.Params["deployment"]
	switch s := w.step(back.Key); {
	case s.State == slipway.StepDone:
		e.Message += fmt.Sprintf("; production was moved back to %v, and serves it on every domain", to)
		e.Hint = "mend the app and ship again"
	case s.State == slipway.StepFailed && s.Error != nil:
		e.Message += fmt.Sprintf("; production was not moved back to %v: %s", to, s.Error.Message)
		e.Hint = s.Error.Hint
	}
	return e
}

// keepsFailed reports whether a step that failed stays so when its run is resumed: the probes whose failure moves production back, and the way
// back when it is known not to have been gone.
func keepsFailed(plan *slipway.Plan, s slipway.Step) bool {
	if e := plan.Effect(s.Key); e != nil {
		return e.OnFailure != "" && !s.Unknown
	}
	return plan.WayBack(s.Key) != nil && s.Error != nil && s.Error.Code == slipway.CodeCheckFailed
}

// standing is the commit that is shipped, zero for a folder, and how it stands to the one that production serves: "" where nothing here can
// compare them.
func (e *Engine) standing(ctx context.Context, w *wanted, s *sight) (slipway.Commit, slipway.CommitOrder) {
	pinned, ok := w.files.(slipway.Pinned)
	if !ok {
		return slipway.Commit{}, ""
	}
	head := pinned.Commit()
	for a, obs := range s.observed {
		base, ok := slipway.CommitOf(obs.Receipt)
		if e.kinds[a.Kind()].UpdateOp != slipway.OpPromote || !ok || base.RepoID != head.RepoID {
			continue
		}
		for _, p := range e.Providers {
			session, err := p.Open(ctx, e.settingsFor(w.manifest))
			if commits, ok := session.(slipway.Commits); err == nil && ok {
				if order, err := commits.Compare(ctx, head.RepoID, base.SHA, head.SHA); err == nil {
					return head, order
				}
			}
		}
	}
	return head, ""
}

// lostTo returns who production was moved to by somebody else while u's move was waited for; nil when nobody was seen to.
func (w *worker) lostTo(u *unit) error {
	if !moves(u.effect.Op) || u.obs.Pending || u.obs.Failed != nil {
		return nil
	}
	basis := u.effect.Basis
	if b := w.ownOutcome(u.effect); b != nil {
		basis = b
	}
	before, _ := basis["fields"].(map[string]any)
	if now := u.obs.Fields["deployment"]; now != u.spec.Params["deployment"] && now != before["deployment"] && now != "" {
		return movedOn(u.obs)
	}
	return nil
}
