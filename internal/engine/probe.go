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
	// probeTimeout bounds one GET that has no limit, or a shorter one, of its own.
	probeTimeout = 10 * time.Second
	probeBody    = 1 << 20 // bytes of a reply that are looked at
)

// prober sends the probes of one check.
type prober struct {
	*worker
	headers map[string]slipway.Secret
	hint    string // what to do when a probe does not pass
	// protected tells an answer of the deployment's protection from one of the app.
	protected func(status int, header func(string) string, body []byte) bool
}

// prober knows how to get past a deployment's protection, and how to recognise it.
func (w *worker) prober(ctx context.Context) (*prober, error) {
	headers, err := w.probeHeaders(ctx)
	if err != nil {
		return nil, err
	}
	p := &prober{worker: w, headers: headers, protected: func(status int, _ func(string) string, _ []byte) bool {
		return status == http.StatusUnauthorized
	}}
	for _, s := range w.wanted.specs {
		if session := w.wanted.sessions[s.Address.Kind().Provider()]; w.kinds[s.Address.Kind()].Probing != "" && session != nil {
			if h, ok := session.Handler(s.Address.Kind()).(slipway.Protection); ok {
				p.protected = h.Protected
			}
		}
	}
	return p, nil
}

// all sends every probe to every URL until one does not pass. The results are what is known by then; err is why the last did not pass, or
// that ctx has ended.
func (p *prober) all(ctx context.Context, urls []string, probes []slipway.HealthProbe) (results []slipway.ProbeResult, err error) {
	for _, url := range urls {
		for _, probe := range probes {
			r, err := p.one(ctx, url, probe)
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			if results = append(results, r); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// one sends GETs until one passes, or there is no use in another.
func (p *prober) one(ctx context.Context, url string, probe slipway.HealthProbe) (r slipway.ProbeResult, err error) {
	for try := 1; ; try++ {
		r, err = p.get(ctx, url, probe)
		r.Attempts = try
		if r.Outcome != slipway.ProbeFailed || slipway.RetryClass(err) == slipway.RetryNever || try >= probe.Tries() {
			return r, err
		}
		if err := sleep(ctx, probe.Pause()); err != nil {
			return r, err
		}
	}
}

// get sends one GET. What fails may pass with time, as a cold start does; a closed door will not.
func (p *prober) get(ctx context.Context, url string, probe slipway.HealthProbe) (slipway.ProbeResult, error) {
	r := slipway.ProbeResult{URL: url, Path: probe.Path, Outcome: slipway.ProbeFailed}
	ctx, cancel := context.WithTimeout(ctx, max(probeTimeout, 2*probe.Limit()))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+probe.Path, nil)
	if err != nil {
		return r, slipway.Errorf(slipway.CodeInvalid, "the probe's path %q makes no URL", probe.Path)
	}
	for name, v := range p.headers {
		req.Header.Set(name, v.Reveal())
	}
	client := &http.Client{Transport: p.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	begun := p.Now()
	res, err := client.Do(req)
	if err != nil {
		return r, p.unwell(probe, "no answer")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, probeBody))
	took := p.Now().Sub(begun)
	r.Status, r.Millis = res.StatusCode, took.Milliseconds()
	why := probe.Refuses(res.StatusCode, body, took)
	switch {
	case err != nil:
		return r, p.unwell(probe, "the answer broke off")
	case why == "":
		r.Outcome = slipway.ProbePassed
		return r, nil
	case p.protected(res.StatusCode, res.Header.Get, body):
		r.Outcome = slipway.ProbeProtected
		return r, slipway.Errorf(slipway.CodeProtected, "GET %s: the deployment is protected and did not let the probe in", probe.Path).
			WithHint("%s", p.door(p.headers))
	}
	return r, p.unwell(probe, why)
}

func (p *prober) unwell(probe slipway.HealthProbe, why string) error {
	message := fmt.Sprintf("GET %s: %s", probe.Path, why)
	return &slipway.Error{Code: slipway.CodeCheckFailed, Message: message, Retry: slipway.RetryLater, Hint: p.hint}
}
