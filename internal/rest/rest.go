// Package rest is the one HTTP transport of all providers: authentication, time limits, retries that never repeat what may have been
// done, rate limits, error codes, body limits, redaction, call counts, and GETs shared within one observation pass.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/slipway-dev/slipway"
)

const (
	// DefaultTimeout bounds one attempt when Config.Timeout is zero.
	DefaultTimeout = 30 * time.Second
	// MaxBody is how many bytes of a reply are read; a longer one is CodeMalformed.
	MaxBody = 16 << 20
)

// Config is what all providers of one process share. The zero value is ready.
type Config struct {
	Base      http.RoundTripper                          // nil: one NewTransport for the process
	Redact    func(string) string                        // applied to every message that leaves; nil: none
	Counter   *Counter                                   // counts every attempt; nil: none
	UserAgent string                                     // default "slipway"
	Timeout   time.Duration                              // of one attempt; zero: DefaultTimeout
	Wait      func(context.Context, time.Duration) error // between attempts; nil: a timer that honours ctx
}

// API is one provider's surface.
type API struct {
	Name  string // "vercel"
	Base  string // URL without a trailing slash; see CheckBase
	Auth  func(*http.Request)
	Query url.Values // added to every request
	// Error maps a reply that is not 2xx. nil, or a nil result, means Default. It sets Code, Message and Hint; RetryAfter when the body
	// says so; and Retry to RetryLater only when nothing was done and the same call may be sent again whatever its method.
	Error func(status int, h http.Header, body []byte) *slipway.Error
	// RefusedSafe are statuses after which nothing was done whatever the method. 429 always is one.
	RefusedSafe map[int]bool
	Limit       *rate.Limiter // waited for before each attempt; nil: none
}

// Request is one call.
type Request struct {
	Op     string // kind and verb for the error, such as "vercel.project create"
	Method string
	Path   string // escaped, begins with a slash; see Path
	Query  url.Values
	Body   any // sent as JSON; nil: no body
	// Raw opens a body of Size bytes for each attempt, in place of Body. Its *slipway.Error is returned as it is.
	Raw    func() (io.ReadCloser, error)
	Size   int64
	Header http.Header
	// Repeatable says that sending a mutating call twice does the same as once, such as an upload under its own digest: it is then
	// retried like a GET.
	Repeatable bool
}

// Checker is a reply that knows what it cannot do without: Missing names a field that is not there, "" for none. Do then fails as for
// a reply that does not decode.
type Checker interface{ Missing() string }

// Client calls one API. It is safe for concurrent use.
type Client struct {
	api     API
	config  Config
	http    *http.Client
	invalid error
	memo    *memo // nil: every GET is sent
}

// New returns a client. A base that CheckBase refuses makes every call fail with that error.
func New(config Config, api API) *Client {
	if config.Base == nil {
		config.Base = shared()
	}
	if config.Redact == nil {
		config.Redact = func(s string) string { return s }
	}
	if config.UserAgent == "" {
		config.UserAgent = "slipway"
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Wait == nil {
		config.Wait = wait
	}
	return &Client{api: api, config: config, invalid: CheckBase(api.Base), http: &http.Client{
		Transport: config.Base,
		// A redirect would carry the credential elsewhere, and turn a POST into a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// CheckBase returns CodeInvalid unless base is an https URL, or an http URL of a loopback host (127.0.0.0/8, ::1, localhost,
// *.localhost), without credentials, query or fragment. Providers call it in Open.
func CheckBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(base, "/") {
		return slipway.Errorf(slipway.CodeInvalid, "the base URL of an API must be scheme://host/path without a trailing slash, credentials or query").
			WithHint("look at the SLIPWAY_…_URL variables")
	}
	if u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname()) {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "the base URL %s is neither https nor loopback", base).
		WithHint("use https; http is accepted for 127.0.0.1, ::1 and localhost only")
}

// Path puts escaped segments into format, in which each %s stands for one. An empty segment is not let out: Do refuses the path.
func Path(format string, segments ...string) string {
	args := make([]any, len(segments))
	for i, s := range segments {
		args[i] = url.PathEscape(s)
	}
	return fmt.Sprintf(format, args...)
}

// Pass returns a view for one observation pass: equal GETs are sent once, also at the same time, and share their reply or failure.
// A mutating call through the view forgets all that was kept.
func (c *Client) Pass() *Client {
	view := *c
	view.memo = &memo{}
	return &view
}

// Do sends r and decodes the reply's JSON into out; nil discards it. It fails with *slipway.Error:
//
//   - a GET is sent up to 4 times on 423, 429, 5xx and network failures, then CodeBusy, CodeRateLimited or CodeUnavailable, RetryLater;
//   - a mutating call is sent again only when nothing was done (429, API.RefusedSafe, no connection); any other 5xx, a time-out, a cut
//     connection and a 2xx reply that does not decode are RetryAmbiguous;
//   - any other status is mapped by API.Error, RetryNever;
//   - a wait that was asked for and is longer than a minute is not waited for: RetryLater with RetryAfter;
//   - when ctx ends, CodeCanceled at once: RetryAmbiguous when a mutating call was on its way.
func (c *Client) Do(ctx context.Context, r Request, out any) error {
	body, err := c.fetch(ctx, r, out != nil)
	if err != nil {
		e := *err
		e.Op = r.Op
		return &e
	}
	if out == nil {
		return nil
	}
	if jsonErr := json.Unmarshal(body, out); jsonErr != nil {
		return c.misfit(r, unmarshalled(jsonErr))
	}
	if reply, ok := out.(Checker); ok {
		if field := reply.Missing(); field != "" {
			return c.misfit(r, "no "+field)
		}
	}
	return nil
}

// fetch returns the body of a 2xx reply, from the pass where there is one.
func (c *Client) fetch(ctx context.Context, r Request, wantJSON bool) ([]byte, *slipway.Error) {
	do := func() ([]byte, *slipway.Error) {
		var body []byte
		err := c.retry(ctx, func() (err *slipway.Error) {
			body, err = c.whole(ctx, r, wantJSON)
			return err
		})
		return body, err
	}
	if c.memo == nil {
		return do()
	}
	if r.Method != http.MethodGet {
		c.memo.forget()
		return do()
	}
	if len(r.Header) > 0 {
		return do()
	}
	return c.memo.get(ctx, c.url(r), do)
}

// Stream sends r like Do and returns the body of the 2xx reply unread. The time limit ends with the reply's header; ctx cuts the body.
func (c *Client) Stream(ctx context.Context, r Request) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := c.retry(ctx, func() *slipway.Error {
		at, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(c.limit(r), cancel)
		resp, err := c.send(at, r)
		if err == nil && !timer.Stop() {
			_ = resp.Body.Close()
			err = context.DeadlineExceeded
		}
		if err != nil {
			cancel()
			return c.broken(ctx, r, err)
		}
		if resp.StatusCode/100 == 2 {
			body = &stream{resp.Body, cancel}
			return nil
		}
		defer cancel()
		defer resp.Body.Close()
		_, failed := c.read(ctx, r, resp, false)
		return failed
	})
	if err != nil {
		err.Op = r.Op
		return nil, err
	}
	return body, nil
}

type stream struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (s *stream) Close() error {
	defer s.cancel()
	return s.ReadCloser.Close()
}

// whole makes one attempt and reads the reply to its end.
func (c *Client) whole(ctx context.Context, r Request, wantJSON bool) ([]byte, *slipway.Error) {
	at, cancel := context.WithTimeout(ctx, c.limit(r))
	defer cancel()
	resp, err := c.send(at, r)
	if err != nil {
		return nil, c.broken(ctx, r, err)
	}
	defer resp.Body.Close()
	return c.read(ctx, r, resp, wantJSON)
}

// limit is the time for one attempt: what is configured, and what an upload of this size takes at 128 KiB a second.
func (c *Client) limit(r Request) time.Duration {
	return c.config.Timeout + time.Duration(r.Size/(128<<10))*time.Second
}

func (c *Client) url(r Request) string {
	q := url.Values{}
	for _, from := range []url.Values{c.api.Query, r.Query} {
		for k, v := range from {
			q[k] = v
		}
	}
	u := c.api.Base + r.Path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}

// unsent marks a failure before anything was sent.
type unsent struct{ error }

func (e unsent) Unwrap() error { return e.error }

// send makes one attempt up to the reply's header. A panic on the way is CodeInternal and does not tell its value, which may hold the
// request's credential.
func (c *Client) send(ctx context.Context, r Request) (_ *http.Response, err error) {
	defer func() {
		if recover() != nil {
			e := slipway.Errorf(slipway.CodeInternal, "a defect in Slipway stopped the request").WithHint("please report what you did")
			if mutating(r) {
				e.Retry = slipway.RetryAmbiguous
			}
			err = e
		}
	}()
	req, body, err := c.request(ctx, r)
	if err != nil {
		return nil, unsent{err}
	}
	c.config.Counter.add(c.api.Name, r.Method)
	resp, err := c.http.Do(req)
	if failed := body.failure(); err != nil && failed != nil {
		return nil, failed
	}
	return resp, err
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, *rawBody, error) {
	if c.invalid != nil {
		return nil, nil, c.invalid
	}
	if strings.Contains(r.Path, "//") || strings.HasSuffix(r.Path, "/") {
		return nil, nil, slipway.Errorf(slipway.CodeInternal, "the path %s has an empty segment", r.Path)
	}
	var reader io.Reader
	var raw *rawBody
	kind := ""
	switch {
	case r.Raw != nil:
		content, err := r.Raw()
		if err != nil {
			return nil, nil, err
		}
		raw = &rawBody{ReadCloser: content}
		reader, kind = raw, "application/octet-stream"
	case r.Body != nil:
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, nil, slipway.Errorf(slipway.CodeInternal, "the request does not encode")
		}
		reader, kind = bytes.NewReader(b), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, c.url(r), reader)
	if err != nil {
		return nil, nil, slipway.Errorf(slipway.CodeInternal, "the request %s %s cannot be made", r.Method, r.Path)
	}
	if raw != nil {
		req.ContentLength = r.Size
		if r.Size == 0 {
			_ = raw.Close()
			req.Body = http.NoBody
		}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if c.api.Auth != nil {
		c.api.Auth(req)
	}
	return req, raw, nil
}
