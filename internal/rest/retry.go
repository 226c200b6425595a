package rest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway"
)

const (
	attempts    = 4
	firstWait   = 250 * time.Millisecond
	longestWait = time.Minute // a longer wait is the engine's: it parks the run
)

// retry makes attempts while they fail with RetryLater.
func (c *Client) retry(ctx context.Context, attempt func() *slipway.Error) *slipway.Error {
	for n := 1; ; n++ {
		if c.api.Limit != nil && c.api.Limit.Wait(ctx) != nil {
			return &slipway.Error{Code: slipway.CodeCanceled, Message: "stopped while waiting for the rate limit of " + c.host(), Cause: context.Cause(ctx)}
		}
		err := attempt()
		if err == nil || err.Retry != slipway.RetryLater || n == attempts {
			return err
		}
		pause := err.RetryAfter
		if pause <= 0 {
			pause = backoff(n)
		}
		if pause > longestWait {
			return err
		}
		if c.config.Wait(ctx, pause) != nil || ctx.Err() != nil {
			return &slipway.Error{Code: slipway.CodeCanceled, Message: "stopped while waiting to send again after: " + err.Message, Cause: context.Cause(ctx)}
		}
	}
}

// backoff doubles with each attempt; a random half of it keeps parallel callers apart.
func backoff(n int) time.Duration {
	full := firstWait << (n - 1)
	return full/2 + rand.N(full/2)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads Retry-After as seconds or as an HTTP date (RFC 9110, 10.2.3); zero when there is none. A date is taken relative to
// the reply's own Date, so that a wrong clock on either side does no harm.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return max(0, time.Duration(seconds*float64(time.Second)))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		from = time.Now()
	}
	return max(0, at.Sub(from))
}
