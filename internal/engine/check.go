package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	probeTimeout = 10 * time.Second
	probeTries   = 5
	probeBody    = 1 << 20 // bytes of a reply that are looked at
)

// check runs the health probes on a deployment and commits the result.
func (w *worker) check(ctx context.Context, c slipway.Check) error {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return err
	}
	step := w.step(c.Key)
	r := receipts[c.Address]
	var bad error
	if len(r.URLs) == 0 {
		bad = slipway.Errorf(slipway.CodeInternal, "%s has no URL", c.Address)
	} else {
		bad = w.probeAll(ctx, r.URLs[0], c.Probes)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = w.commit(ctx, func(tx slipway.Tx) (err error) {
		step.EndedAt = w.Now()
		if bad != nil {
			e := w.runError(bad, c.Key)
			step.Error = &e
			if step, err = w.save(tx, step, slipway.StepFailed); err != nil {
				return err
			}
			return w.event(tx, w.id, slipway.EventStepFailed, c.Key, map[string]any{"code": string(e.Code), "error": e.Message, "hint": e.Hint})
		}
		if step, err = w.save(tx, step, slipway.StepDone); err != nil {
			return err
		}
		return w.event(tx, w.id, slipway.EventStepDone, c.Key, map[string]any{"probes": len(c.Probes), "url": r.URLs[0], "id": r.ID})
	})
	if err == nil {
		w.remember(step)
	}
	return err
}

func (w *worker) probeAll(ctx context.Context, url string, probes []slipway.HealthProbe) error {
	headers, err := w.probeHeaders(ctx)
	if err != nil {
		return err
	}
	for _, p := range probes {
		var last error
		for range probeTries {
			if last = w.probe(ctx, url, p, headers); last == nil || slipway.RetryClass(last) == slipway.RetryNever {
				break
			}
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		if last != nil {
			return last
		}
	}
	return nil
}

// probeHeaders are the outputs of the resource that lets probes through a deployment's protection: header name and value. None where
// no credential can read them.
func (w *worker) probeHeaders(ctx context.Context) (map[string]slipway.Secret, error) {
	receipts, err := w.receipts(ctx, w.run.App)
	if err != nil {
		return nil, err
	}
	for _, s := range w.wanted.specs {
		if !w.kinds[s.Address.Kind()].Probing {
			continue
		}
		if known := w.wanted.values.get(s.Address); known != nil {
			return known, nil
		}
		if !w.wanted.visible(s.Address.Kind()) {
			return nil, nil
		}
		sessions := w.wanted.pass()
		s = w.specFor(s.Address, receipts)
		h, err := handler(sessions, s.Address)
		if err != nil {
			return nil, err
		}
		obs, err := h.Observe(ctx, s)
		if err != nil || !obs.Exists {
			return nil, withOp(err, "%s observe", s.Address)
		}
		return w.outputs(ctx, w.wanted, sessions, s, obs)
	}
	return nil, nil
}

// door tells how a probe that was not let in gets in.
func door(headers map[string]slipway.Secret) string {
	if len(headers) > 0 {
		return "check the project's Deployment Protection and its automation bypass"
	}
	return "no credential here reads the automation bypass: set one that does, or turn the project's Deployment Protection off until this is done"
}

// probe sends one GET. A 5xx or no answer may pass with time; a wrong text or a closed door will not.
func (w *worker) probe(ctx context.Context, url string, p slipway.HealthProbe, headers map[string]slipway.Secret) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+p.Path, nil)
	if err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "the probe's path %q makes no URL", p.Path)
	}
	for name, v := range headers {
		req.Header.Set(name, v.Reveal())
	}
	client := &http.Client{Transport: w.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return &slipway.Error{Code: slipway.CodeCheckFailed, Message: fmt.Sprintf("GET %s: no answer", p.Path), Retry: slipway.RetryLater}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, probeBody))
	want := p.Status
	if want == 0 {
		want = http.StatusOK
	}
	switch {
	case err != nil:
		return &slipway.Error{Code: slipway.CodeCheckFailed, Message: fmt.Sprintf("GET %s: the answer broke off", p.Path), Retry: slipway.RetryLater}
	case res.StatusCode == http.StatusUnauthorized && want != http.StatusUnauthorized:
		return slipway.Errorf(slipway.CodeCheckFailed, "GET %s: the deployment is protected and did not let the probe in", p.Path).
			WithHint("%s", door(headers))
	case res.StatusCode != want:
		e := slipway.Errorf(slipway.CodeCheckFailed, "GET %s: status %d, not %d", p.Path, res.StatusCode, want).
			WithHint("the deployment is built and not promoted; mend the app and ship again")
		e.Retry = slipway.RetryLater
		return e
	case p.Contains != "" && !strings.Contains(string(body), p.Contains):
		e := slipway.Errorf(slipway.CodeCheckFailed, "GET %s: the answer does not contain %q", p.Path, p.Contains).
			WithHint("the deployment is built and not promoted; mend the app and ship again")
		e.Retry = slipway.RetryLater
		return e
	}
	return nil
}
