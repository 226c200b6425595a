package engine

import (
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// lookFirst looks at the steps that only a person can do and that need nobody's word: what is done already is nobody's work. found reports
// whether one was.
func (w *worker) lookFirst(ctx context.Context, keys []string) (found bool, err error) {
	for _, key := range keys {
		e := w.plan.Effect(key)
		if e == nil || w.kinds[e.Address.Kind()].ByHand == "" {
			continue
		}
		u, err := w.unit(ctx, key)
		if err != nil {
			return found, err
		}
		ev, err := w.inspect(ctx, u, slipway.ManualCheck{Run: w.id, Step: key})
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case err != nil: // a person can still look: that it cannot be told now is no reason to stop
			ev = slipway.Evidence{Finding: slipway.FindingUnseen, How: w.Redact(err.Error())}
		}
		ev.By = &w.run.Requester
		step := w.step(key)
		err = w.commit(ctx, func(tx slipway.Tx) (err error) {
			if step, err = w.recordCheck(ctx, tx, u, step, ev); err != nil {
				return err
			}
			return tx.SaveStep(step)
		})
		if err != nil {
			return found, err
		}
		w.remember(step)
		found = found || step.State == slipway.StepDone
	}
	return found, nil
}

// inspect examines a step, after the provider was asked to look again, and adds what the DNS says of the records that the step writes.
func (w *worker) inspect(ctx context.Context, u *unit, c slipway.ManualCheck) (slipway.Evidence, error) {
	if err := w.askAgain(ctx, u); err != nil {
		return slipway.Evidence{}, err
	}
	ev, err := w.examine(ctx, u, c)
	if err != nil || ev.Finding == slipway.FindingDone || w.DNS == nil || u.effect.Op == slipway.OpDelete {
		return ev, err
	}
	records, err := w.recordsOf(ctx, u.effect.Key)
	if err != nil || len(records) == 0 {
		return ev, err
	}
	findings := w.DNS(ctx, records)
	if ctx.Err() != nil {
		return ev, ctx.Err()
	}
	return lookedUp(ev, findings, w.wanted.visible(u.effect.Address.Kind())), nil
}

// askAgain lets the provider look anew at what it can verify.
func (w *worker) askAgain(ctx context.Context, u *unit) error {
	if !w.wanted.visible(u.effect.Address.Kind()) || u.effect.Op == slipway.OpDelete {
		return nil
	}
	h, err := handler(w.wanted.pass(), u.effect.Address)
	if err != nil {
		return err
	}
	if v, ok := h.(slipway.Verifier); ok {
		return withOp(v.Verify(ctx, u.spec), "%s verify", u.effect.Address)
	}
	return nil
}

// recordsOf are the records that a step's ways write.
func (w *worker) recordsOf(ctx context.Context, key string) ([]slipway.DNSRecord, error) {
	book, err := w.runbook(ctx)
	for _, s := range book.Steps {
		for _, way := range s.Ways {
			if s.Key == key && len(way.Records) > 0 {
				return way.Records, err
			}
		}
	}
	return nil, err
}

// lookedUp is what was found by the provider, with what the DNS says: which record is wrong, and how. Where nothing asks the provider, the
// DNS alone decides; where it has not answered either, nothing is seen.
func lookedUp(ev slipway.Evidence, findings []slipway.DNSFinding, visible bool) slipway.Evidence {
	var lines []string
	silent := true
	for _, f := range findings {
		silent = silent && f.State == slipway.DNSUnreachable
		if f.State != slipway.DNSRight {
			lines = append(lines, f.Says())
		}
	}
	switch found := slipway.DNSFound(findings); {
	case silent:
		ev.Differs = append(slices.Clone(ev.Differs), lines...)
	case !visible:
		ev = slipway.Evidence{Finding: found, How: "looked up in the DNS", Differs: lines}
	case found == slipway.FindingDone:
		ev.Finding, ev.How = slipway.FindingPartial, ev.How+", and looked up in the DNS"
		ev.Differs = []string{"the DNS is right; the provider has not taken it up yet"}
	default:
		ev.Finding, ev.How, ev.Differs = found, ev.How+", and looked up in the DNS", lines
	}
	return ev
}
