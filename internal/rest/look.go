package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// Seen is one call of a probe, and what came of it.
type Seen struct {
	Call   string      // method and path, without the query
	Status int         // 0: no answer
	Code   string      // of the provider's error envelope, "" for none
	Header http.Header // nil without an answer
	Err    error       // *slipway.Error; nil when the reply was read
}

// Look sends a GET once, without retries and past any observation pass, and decodes the reply into out: a probe is to tell how things stand
// now, and what a refusal looked like.
func (c *Client) Look(ctx context.Context, r Request, out any) Seen {
	seen := Seen{Call: r.Method + " " + r.Path}
	fail := func(err *slipway.Error) Seen {
		e := *err
		e.Op = r.Op
		seen.Err = &e
		return seen
	}
	at, cancel := context.WithTimeout(ctx, c.limit(r))
	defer cancel()
	resp, err := c.send(at, r)
	if err != nil {
		return fail(c.broken(ctx, r, err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return fail(c.broken(ctx, r, err))
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	seen.Status, seen.Header = resp.StatusCode, resp.Header
	body, failed := c.read(ctx, r, resp, true)
	if failed != nil {
		seen.Code = c.Clean(Envelope(raw).Code)
		return fail(failed)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fail(c.misfit(r, unmarshalled(err)))
	}
	if reply, ok := out.(Checker); ok && reply.Missing() != "" {
		return fail(c.misfit(r, "no "+reply.Missing()))
	}
	return seen
}

// Cause is what the look says of the credential. A failure that says nothing of it is CauseUnreachable.
func (s Seen) Cause() slipway.Cause {
	cause := slipway.CauseOf(s.Err)
	if s.Err != nil && cause == slipway.CauseNone {
		return slipway.CauseUnreachable
	}
	return cause
}

// String is the look as evidence: method, path, status and code.
func (s Seen) String() string {
	what := "no answer"
	if s.Status != 0 {
		what = strings.TrimSpace(strconv.Itoa(s.Status) + " " + s.Code)
	}
	return s.Call + " " + what
}

// Finding returns c as it stands when cause holds, in the provider's words, with the looks as evidence and the wait that the last of them
// asks for as its hint.
func Finding(info slipway.ProviderInfo, c slipway.Capability, cause slipway.Cause, seen ...Seen) slipway.Capability {
	var parts []string
	for _, s := range seen {
		parts = append(parts, s.String())
		e := (*slipway.Error)(nil)
		if errors.As(s.Err, &e) && cause == slipway.CauseRateLimited && e.RetryAfter > 0 {
			c.Hint = "wait " + e.RetryAfter.Round(time.Second).String() + ", then try again"
		}
	}
	c.Evidence = strings.Join(parts, "; ")
	return info.Against(c, cause)
}
