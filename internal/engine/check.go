package engine

import (
	"context"

	"github.com/slipway-dev/slipway"
)

// check runs the health probes on a deployment, and commits how they went.
func (w *worker) check(ctx context.Context, c slipway.Check) error {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	step, urls := w.step(c.Key), receipts[c.Address].URLs
	if w.kinds[c.Address.Kind()].Versioned && len(urls) > 1 {
		urls = urls[:1] // the others are its aliases
	}
	results, bad := w.probe(ctx, c, urls)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	step.Basis = map[string]any{"probes": results}
	err = w.commit(ctx, func(tx slipway.Tx) (err error) {
		step.EndedAt = w.Now()
		data := map[string]any{"probes": len(c.Probes), "id": receipts[c.Address].ID, "results": results}
		if bad != nil {
			e := w.runError(bad, c.Key)
			step.Error = &e
			if step, err = w.save(tx, step, slipway.StepFailed); err != nil {
				return err
			}
			data["code"], data["error"], data["hint"] = string(e.Code), e.Message, e.Hint
			return w.event(tx, w.id, slipway.EventStepFailed, c.Key, data)
		}
		if step, err = w.save(tx, step, slipway.StepDone); err != nil {
			return err
		}
		data["url"] = urls[0]
		return w.event(tx, w.id, slipway.EventStepDone, c.Key, data)
	})
	if err == nil {
		w.remember(step)
	}
	return err
}

func (w *worker) probe(ctx context.Context, c slipway.Check, urls []string) ([]slipway.ProbeResult, error) {
	if err := w.stillOurs(ctx, c); err != nil {
		return nil, err
	}
	if len(urls) == 0 {
		return nil, slipway.Errorf(slipway.CodeInternal, "%s has no URL", c.Address)
	}
	p, err := w.prober(ctx)
	if err != nil {
		return nil, err
	}
	if p.hint = "the deployment is built and not promoted; mend the app and ship again"; w.kinds[c.Address.Kind()].UpdateOp == slipway.OpPromote {
		p.hint = "production serves it; mend the app and ship again, or: slipway rollback"
	}
	return p.all(ctx, urls, c.Probes)
}

// probeHeaders are the outputs of the resource that lets probes through a deployment's protection: header name and value. Where no credential
// reads them they are what the environment hands over, else none.
func (w *worker) probeHeaders(ctx context.Context) (map[string]slipway.Secret, error) {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return nil, err
	}
	for _, s := range w.wanted.specs {
		if w.kinds[s.Address.Kind()].Probing == "" {
			continue
		}
		if known := w.wanted.values.get(s.Address); known != nil {
			return known, nil
		}
		if !w.wanted.visible(s.Address.Kind()) {
			break
		}
		sessions := w.wanted.pass()
		s = w.specFor(s.Address, receipts)
		h, err := handler(sessions, s.Address)
		if err != nil {
			return nil, err
		}
		obs, err := h.Observe(ctx, s)
		if err != nil {
			return nil, withOp(err, "%s observe", s.Address)
		}
		if !obs.Exists {
			break
		}
		return w.outputs(ctx, w.wanted, sessions, s, obs)
	}
	out := map[string]slipway.Secret{}
	for _, k := range w.kinds {
		if k.Probing == "" {
			continue
		}
		if v, ok := w.secret(k.ProbeVariable()); ok {
			out[k.Probing] = v
		}
	}
	return out, nil
}

// door tells how a probe that was not let in gets in.
func (e *Engine) door(headers map[string]slipway.Secret) string {
	if len(headers) > 0 {
		return "check the project's Deployment Protection and its automation bypass"
	}
	for _, k := range e.kinds {
		if k.Probing != "" {
			return "no credential here reads the automation bypass: set one that does, or hand the secret over as " + k.ProbeVariable() +
				", or turn the project's Deployment Protection off until this is done"
		}
	}
	return "let the health probes in"
}
