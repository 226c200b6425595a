package neonemu

import (
	"math"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// Neon's own limits, per account and route: https://api-docs.neon.tech/reference/api-rate-limiting
const (
	NeonRequestsPerMinute = 700
	NeonBurst             = 40
)

// allow takes one call of an account to a route into account; over the limit it is 429, with Retry-After [?].
// s.mu is held.
func (s *Server) allow(account, route string, now time.Time) *failure {
	if s.RequestsPerMinute <= 0 {
		return nil
	}
	key := account + " " + route
	l := s.limiters[key]
	if l == nil {
		burst := s.Burst
		if burst <= 0 {
			burst = NeonBurst
		}
		l = rate.NewLimiter(rate.Limit(s.RequestsPerMinute)/60, burst)
		s.limiters[key] = l
	}
	if l.AllowN(now, 1) {
		return nil
	}
	wait := (1 - l.TokensAt(now)) / float64(l.Limit())
	return &failure{status: http.StatusTooManyRequests, message: "rate limit exceeded", retryAfter: int(math.Ceil(wait))}
}

// id is the account that limits count by.
func (a Account) id() string {
	if a.personal() {
		return a.User.ID
	}
	return a.Orgs[0].ID
}
