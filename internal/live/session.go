package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
)

type obj = map[string]any

// maxCalls is how many calls one run may make, and callTime how long each may take.
const (
	maxCalls = 2000
	callTime = 3 * time.Minute
)

// Session asks questions about one app.
type Session struct {
	// App is the app's name. The names of all that a question makes begin with it.
	App string
	// Env holds Slipway's settings: credentials, and base URLs that replace the real ones.
	Env func(name string) string

	ctx      context.Context
	redactor *redact.Redactor
	calls    atomic.Int64
	said     string   // by the last refusal
	undo     []func() // of the present question, last first
	memo     map[string]made
}

// made is what a question needs and others use as well, or why it is not there.
type made struct {
	value any
	err   error
}

func newSession(ctx context.Context, app string, env func(string) string) *Session {
	s := &Session{App: app, Env: env, ctx: ctx, redactor: redact.New(), memo: map[string]made{}}
	for _, name := range []string{"VERCEL_TOKEN", "NEON_API_KEY", "UPSTASH_API_KEY", "UPSTASH_EMAIL", "GITHUB_TOKEN"} {
		s.secret(env(name))
	}
	return s
}

// secret keeps a value out of every answer.
func (s *Session) secret(value string) { s.redactor.Add(slipway.NewSecret(value)) }

// clean makes a text of a reply fit for the report: without secrets, on one line, of bounded length, and the same for every app.
func (s *Session) clean(text string) string {
	text = strings.ReplaceAll(s.redactor.String(strings.Join(strings.Fields(text), " ")), s.App, "APP")
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "…"
	}
	return text
}

// once returns what get makes, the same for every question.
func once[T any](s *Session, name string, get func() (T, error)) (T, error) {
	m, ok := s.memo[name]
	if !ok {
		value, err := get()
		m = made{value, err}
		s.memo[name] = m
	}
	value, _ := m.value.(T)
	return value, m.err
}

// later takes back what a question has made, after its answer.
func (s *Session) later(undo func()) { s.undo = append(s.undo, undo) }

// deletes is the usual later.
func (s *Session) deletes(api, path string) {
	s.later(func() { _, _ = s.patient(api, "DELETE", path, nil) })
}

// answer asks one question. What it leaves behind although it should not, the sweep at the end removes.
func (s *Session) answer(q Question) Answer {
	if q.NotAsked != "" {
		return answered(q, "", "", notAsked(q.NotAsked))
	}
	if s.ctx.Err() != nil {
		return answered(q, "", "", notAsked("interrupted"))
	}
	s.said = ""
	got, err := q.ask(s)
	said := s.said
	if err != nil && s.ctx.Err() != nil {
		err = notAsked("interrupted")
	}
	asked := s.ctx
	s.ctx = context.WithoutCancel(asked)
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		undo := s.undo[last]
		s.undo = s.undo[:last]
		undo()
	}
	s.ctx = asked
	return answered(q, got, said, err)
}

// service is one API.
type service struct{ variable, url, key string }

var services = map[string]service{
	"vercel":  {"SLIPWAY_VERCEL_URL", "https://api.vercel.com", "VERCEL_TOKEN"},
	"sandbox": {"SLIPWAY_SANDBOX_URL", "https://vercel.com/api", "VERCEL_TOKEN"},
	"neon":    {"SLIPWAY_NEON_URL", "https://console.neon.tech/api/v2", "NEON_API_KEY"},
	"upstash": {"SLIPWAY_UPSTASH_URL", "https://api.upstash.com", "UPSTASH_API_KEY"},
	"github":  {"SLIPWAY_GITHUB_URL", "https://api.github.com", "GITHUB_TOKEN"},
}

func (s *Session) base(api string) string {
	if v := s.Env(services[api].variable); v != "" {
		return strings.TrimSuffix(v, "/")
	}
	return services[api].url
}

// option changes one request.
type option func(*http.Request)

func withoutCredential(r *http.Request) { r.Header.Del("Authorization") }
func wrongCredential(r *http.Request)   { r.Header.Set("Authorization", "Bearer aKeyThatDoesNotExist") }

func wrongPassword(r *http.Request) {
	user, _, _ := r.BasicAuth()
	r.SetBasicAuth(user, "aKeyThatDoesNotExist")
}

func withoutTeam(r *http.Request) {
	q := r.URL.Query()
	q.Del("teamId")
	r.URL.RawQuery = q.Encode()
}

func header(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }

// call sends one request with a JSON body, or with none for nil. An error is one of the connection, never a status.
func (s *Session) call(api, method, path string, body any, options ...option) (reply, error) {
	var raw []byte
	if body != nil {
		raw, _ = json.Marshal(body) // maps, texts and numbers
	}
	req, err := http.NewRequestWithContext(s.ctx, method, s.base(api)+path, bytes.NewReader(raw))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "slipway-live")
	s.authorize(req, api)
	for _, o := range options {
		o(req)
	}
	return s.send(api, req)
}

func (s *Session) authorize(req *http.Request, api string) {
	secret := s.Env(services[api].key)
	switch api {
	case "upstash":
		req.SetBasicAuth(s.Env("UPSTASH_EMAIL"), secret)
		return
	case "vercel", "sandbox":
		q := req.URL.Query()
		q.Set("teamId", s.Env("VERCEL_TEAM_ID"))
		req.URL.RawQuery = q.Encode()
	}
	req.Header.Set("Authorization", "Bearer "+secret)
}

func (s *Session) send(api string, req *http.Request) (reply, error) {
	if s.calls.Add(1) > maxCalls {
		return reply{}, fmt.Errorf("this run has made %d calls and makes no more", maxCalls)
	}
	ctx, cancel := context.WithTimeout(req.Context(), callTime)
	defer cancel()
	res, err := http.DefaultClient.Do(req.WithContext(ctx))
	if err != nil {
		return reply{}, fmt.Errorf("%s %w", api, errNoAnswer) // the error itself may hold the address with its query
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return reply{}, errors.New(api + " ends its answer early")
	}
	return reply{s, api, req.Method + " " + req.URL.Path, res.StatusCode, res.Header, body}, nil
}

var errNoAnswer = errors.New("does not answer")

// cut is the answer of a call whose body is too large: a server may close the connection before it has read it.
func (s *Session) cut(got string, err error) (string, error) {
	if errors.Is(err, errNoAnswer) && s.ctx.Err() == nil {
		return "the connection is cut", nil
	}
	return got, err
}

// patience is how often a call that is locked or limited is sent.
const patience = 60

// patient is call that waits for what else goes on: 423, 429 and 503 are sent again.
func (s *Session) patient(api, method, path string, body any) (reply, error) {
	for n := 1; ; n++ {
		r, err := s.call(api, method, path, body)
		busy := r.status == http.StatusLocked || r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable
		if err != nil || !busy || n == patience {
			return r, err
		}
		if err := s.pause(min(time.Duration(n)*100*time.Millisecond, 5*time.Second)); err != nil {
			return r, err
		}
	}
}

func (s *Session) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// need is call for what a question needs before it can be asked: into takes the reply. Any other than success is the reason why the
// question is not asked.
func (s *Session) need(into any, api, method, path string, body any) error {
	r, err := s.patient(api, method, path, body)
	if err != nil {
		return err
	}
	if !r.ok() {
		return notAsked(r.what + " is answered " + r.quoted())
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		return fmt.Errorf("%s: the reply is not what it was taken for", r.what)
	}
	return nil
}

// short asks by one call and answers status and code.
func (s *Session) short(api, method, path string, body any, options ...option) (string, error) {
	r, err := s.call(api, method, path, body, options...)
	return r.short(), err
}

// refused is short for a create that should be refused: at deletes by path what was made even so.
func (s *Session) refused(api, path string, body any, at func(reply) string) (string, error) {
	r, err := s.call(api, "POST", path, body)
	if err == nil && r.ok() {
		if at := at(r); at != "" {
			s.deletes(api, at)
		}
	}
	return r.short(), err
}

// each joins the answers of several calls.
func each(asks ...func() (string, error)) (string, error) {
	var out []string
	for _, ask := range asks {
		got, err := ask()
		if err != nil {
			return "", err
		}
		out = append(out, got)
	}
	return strings.Join(out, "; "), nil
}

func escape(text string) string { return url.PathEscape(text) }
