package vercelemu

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Plan is what an account pays for.
type Plan string

// Plans with documented rate limits.
const (
	Hobby Plan = "hobby"
	Pro   Plan = "pro"
)

func (s *Server) plan() Plan { return cmp.Or(s.RateLimits, Pro) }

// rate is so many calls in a window of time.
type rate struct {
	calls int
	per   time.Duration
}

// rates are the documented limits by the route's name for them: https://vercel.com/docs/limits#rate-limits
// Each account has its own count.
func rates(plan Plan, name string) []rate {
	if name == "deployment-create" {
		if plan == Hobby {
			return []rate{{100, time.Hour}, {60, 5 * time.Minute}}
		}
		return []rate{{450, time.Hour}, {120, 5 * time.Minute}}
	}
	return map[string][]rate{
		"env-create":      {{120, time.Minute}},
		"env-update":      {{120, time.Minute}},
		"env-delete":      {{60, time.Minute}},
		"env-read":        {{500, time.Minute}},
		"domain-change":   {{100, time.Minute}},
		"alias-create":    {{120, 10 * time.Minute}},
		"deployment-get":  {{500, time.Minute}},
		"deployment-list": {{1000, time.Minute}},
	}[name]
}

// window counts the calls since it began. A new one begins with the first call after its end [? vercel-rate-window].
type window struct {
	ends  time.Time
	calls int
}

// meter counts the call and refuses it when it is one too many: 429 rate_limited with the limit in the body, and the
// same in Retry-After and X-RateLimit-*. A refused call counts for nothing.
func (s *Server) meter(rt route, c *call) *failure {
	if s.RateLimits == "" || rt.limit == "" {
		return nil
	}
	var tightest *window
	var total int
	var counted []*window
	for _, r := range rates(s.RateLimits, rt.limit) {
		key := c.scope.id + " " + rt.limit + " " + r.per.String()
		w := s.counts[key]
		if w == nil || !c.now.Before(w.ends) {
			w = &window{ends: c.now.Add(r.per)}
			s.counts[key] = w
		}
		if w.calls >= r.calls {
			return s.limited(c, w, r.calls)
		}
		counted = append(counted, w)
		if tightest == nil || r.calls-w.calls < total-tightest.calls {
			tightest, total = w, r.calls
		}
	}
	for _, w := range counted {
		w.calls++
	}
	if tightest != nil {
		rateHeader(c.w, tightest, total)
	}
	return nil
}

func rateHeader(w http.ResponseWriter, at *window, total int) {
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(total))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(total-at.calls))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(at.ends.Unix(), 10))
}

func (s *Server) limited(c *call, w *window, total int) *failure {
	left := w.ends.Sub(c.now)
	rateHeader(c.w, w, total)
	c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(left.Seconds()))))
	if s.RetryAfterDate {
		c.w.Header().Set("Retry-After", w.ends.Add(time.Second-1).UTC().Format(http.TimeFormat))
	}
	return &failure{
		status: http.StatusTooManyRequests, code: "rate_limited", message: "The request has been rate limited. Please wait before sending more requests.",
		more: map[string]any{"limit": obj{"remaining": 0, "reset": w.ends.Unix(), "resetMs": w.ends.UnixMilli(), "total": total}},
	}
}

// deploymentQuota is the plan's own limit on deployments, which is 402 and has no Retry-After. Its code is that of
// https://vercel.com/docs/limits; the status and the words are [? vercel-deployment-quota].
func (s *Server) deploymentQuota(c *call) *failure {
	if s.DeploymentsPerDay == 0 {
		return nil
	}
	since, made := c.now.Add(-24*time.Hour).UnixMilli(), 0
	for _, p := range c.scope.projects {
		for _, d := range p.deployments {
			if d.created > since {
				made++
			}
		}
	}
	if made < s.DeploymentsPerDay {
		return nil
	}
	most := strconv.Itoa(s.DeploymentsPerDay)
	return &failure{
		status: http.StatusPaymentRequired, code: "api-deployments-free-per-day",
		message: "Resource is limited - try again in 24 hours (more than " + most + `, code: "api-deployments-free-per-day").`,
	}
}
