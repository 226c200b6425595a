package neonemu

import (
	"math"
	"net/http"

	"golang.org/x/time/rate"
)

// Neon's own limits, per account and route: https://api-docs.neon.tech/reference/api-rate-limiting
const (
	NeonRequestsPerMinute = 700
	NeonBurst             = 40
)

// allow takes one call to a route into account; over the limit it is 429, with Retry-After [? neon-rate-limit]. s.mu is held.
func (s *Server) allow(q *request, route string) *failure {
	perMinute := q.number("requests-per-minute", s.RequestsPerMinute)
	if perMinute <= 0 {
		return nil
	}
	key := q.account.id() + " " + route
	l := s.limiters[key]
	if l == nil {
		burst := s.Burst
		if burst <= 0 {
			burst = min(NeonBurst, perMinute)
		}
		l = rate.NewLimiter(rate.Limit(perMinute)/60, burst)
		s.limiters[key] = l
	}
	if l.AllowN(q.now, 1) {
		return nil
	}
	wait := (1 - l.TokensAt(q.now)) / float64(l.Limit())
	return &failure{status: http.StatusTooManyRequests, message: "rate limit exceeded", retryAfter: int(math.Ceil(wait))}
}

// id is the account that limits count by.
func (a Account) id() string {
	if a.personal() {
		return a.User.ID
	}
	return a.Orgs[0].ID
}
