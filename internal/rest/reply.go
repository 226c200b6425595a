package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode"

	"github.com/slipway-dev/slipway"
)

// maxMessage is how many bytes of a provider's message an error keeps.
const maxMessage = 500

func mutating(r Request) bool { return r.Method != http.MethodGet && !r.Repeatable }

// read turns a reply into its body, or into the error that its status and method call for.
func (c *Client) read(ctx context.Context, r Request, resp *http.Response, wantJSON bool) ([]byte, *slipway.Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if resp.StatusCode/100 != 2 {
		return nil, c.refusal(r, resp, body)
	}
	if err != nil {
		return nil, c.broken(ctx, r, err)
	}
	page := strings.Contains(contentType(resp.Header), "html") // no API's word, even where nothing is read from it
	if len(body) > MaxBody || page || wantJSON && !json.Valid(body) {
		return nil, c.malformed(r, resp, body)
	}
	return body, nil
}

// refusal maps a reply that is not 2xx.
func (c *Client) refusal(r Request, resp *http.Response, body []byte) *slipway.Error {
	status := resp.StatusCode
	if !json.Valid(body) && notAnAPI(status, resp.Header, body) {
		return c.malformed(r, resp, body)
	}
	var e *slipway.Error
	if c.api.Error != nil {
		e = c.api.Error(status, resp.Header, body)
	}
	if e == nil {
		e = Default(status, body)
	}
	e.Message, e.Hint = c.Clean(e.Message), c.Clean(e.Hint)
	if told := retryAfter(resp.Header); told > 0 {
		e.RetryAfter = told
	}
	if e.Retry == slipway.RetryNever {
		e.Retry = c.class(r, status)
	}
	if e.Retry != slipway.RetryLater {
		e.RetryAfter = 0
	}
	return e
}

// class says whether a call that was answered with status may be sent again.
func (c *Client) class(r Request, status int) slipway.Retry {
	switch {
	case status == http.StatusNotImplemented:
		return slipway.RetryNever
	case status == http.StatusTooManyRequests || c.api.RefusedSafe[status]:
		return slipway.RetryLater
	case status >= 500 || status == http.StatusRequestTimeout:
		if mutating(r) {
			return slipway.RetryAmbiguous
		}
		return slipway.RetryLater
	case status == http.StatusLocked && !mutating(r):
		return slipway.RetryLater
	}
	return slipway.RetryNever
}

// notAnAPI tells a reply that no API gives: with it a 404 would pass for an absence.
func notAnAPI(status int, h http.Header, body []byte) bool {
	switch {
	case status/100 == 3 || status == http.StatusNotFound:
		return true
	case status >= 500, status == 401, status == 403, status == 423, status == 429:
		return false
	}
	return len(body) == 0 || strings.Contains(contentType(h), "html")
}

// malformed names status and content type and nothing of the body.
func (c *Client) malformed(r Request, resp *http.Response, body []byte) *slipway.Error {
	what := "an answer that is not JSON"
	if len(body) == 0 {
		what = "an empty answer"
	}
	if len(body) > MaxBody {
		what = fmt.Sprintf("an answer over %d bytes", MaxBody)
	}
	kind := contentType(resp.Header)
	if kind == "" {
		kind = "none"
	}
	e := slipway.Errorf(slipway.CodeMalformed, "%s sent %s (status %d, content type %s)", c.host(), what, resp.StatusCode, c.Clean(kind)).
		WithHint("see whether a proxy or a wrong base URL stands between Slipway and the API")
	if resp.StatusCode/100 == 2 && mutating(r) {
		e.Retry = slipway.RetryAmbiguous
	}
	return e
}

// misfit is JSON of another shape than the API documents.
func (c *Client) misfit(r Request, why string) *slipway.Error {
	e := slipway.Errorf(slipway.CodeMalformed, "%s sent JSON that is not what the API documents (%s)", c.host(), c.Clean(why))
	e.Op = r.Op
	if mutating(r) {
		e.Retry = slipway.RetryAmbiguous
	}
	return e
}

// unmarshalled names the field that does not fit, and nothing of its value.
func unmarshalled(err error) string {
	if t := (*json.UnmarshalTypeError)(nil); errors.As(err, &t) && t.Field != "" {
		return "field " + t.Field
	}
	return "another shape"
}

// broken maps a failure to get a whole reply.
func (c *Client) broken(ctx context.Context, r Request, err error) *slipway.Error {
	var before unsent
	sent := !errors.As(err, &before) && !refusedDial(err)
	if own := (*slipway.Error)(nil); errors.As(err, &own) {
		e := *own
		return &e
	}
	e := &slipway.Error{Code: slipway.CodeUnavailable, Retry: slipway.RetryLater}
	if sent && mutating(r) {
		e.Retry = slipway.RetryAmbiguous
	}
	switch {
	case ctx.Err() != nil:
		e.Code, e.Message, e.Cause = slipway.CodeCanceled, "stopped before "+c.host()+" had answered", ctx.Err()
		if e.Retry == slipway.RetryLater {
			e.Retry = slipway.RetryNever
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Message = fmt.Sprintf("%s did not answer within %s", c.host(), c.limit(r))
	default:
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		e.Message = c.Clean(fmt.Sprintf("no answer from %s: %v", c.host(), err))
		e.Hint = "see whether the network and the base URL are right"
	}
	return e
}

// refusedDial reports that no connection came about, so that nothing can have been sent.
func refusedDial(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial"
}

func (c *Client) host() string {
	if u, err := url.Parse(c.api.Base); err == nil && u.Host != "" {
		return u.Host
	}
	return c.api.Name
}

// Clean makes a provider's text fit for an error, and for what a 2xx reply says went wrong: redacted, one line, without control characters, not endless.
func (c *Client) Clean(s string) string {
	s = c.config.Redact(s) // a secret may be broken by what is taken out next
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = c.config.Redact(s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}

func contentType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// rawBody remembers why reading the caller's content failed: the HTTP client would wrap it as a network failure.
type rawBody struct {
	io.ReadCloser
	mu  sync.Mutex
	err error
}

func (b *rawBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

func (b *rawBody) failure() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
