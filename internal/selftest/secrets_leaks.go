package selftest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// leak is an answer of a provider that holds secrets. It is given to the first call that matches, or to each.
type leak struct {
	name        string
	api, method string
	route       string // a glob
	status      int
	header      map[string]string
	body        func(text string) string
	always      bool
	slow        bool // Slipway goes on asking for a while
}

// leaks are what is tried: all, or a sample.
func (s *secrets) leaks() []leak {
	object := func(of func(string) any) func(string) string {
		return func(text string) string {
			raw, _ := json.Marshal(of(text)) // it always encodes
			return string(raw)
		}
	}
	vercel := object(func(t string) any { return map[string]any{"error": map[string]any{"code": "forbidden", "message": t}} })
	flat := object(func(t string) any { return map[string]any{"code": "BAD", "message": t} })
	text := object(func(t string) any { return t })
	failed := object(func(t string) any {
		return map[string]any{"created": []any{}, "failed": []any{map[string]any{"error": map[string]any{
			"code": "BAD_REQUEST", "message": t, "key": "AWKWARD", "envVarKey": "AWKWARD", "target": []string{"production"},
		}}}}
	})
	plain := func(t string) string { return t }
	page := func(t string) string { return "<html><body>" + t + "</body></html>" }
	all := []leak{
		{"Vercel, 500 once", "vercel", "POST", "*/env", 500, nil, vercel, false, false},
		{"Vercel, 403", "vercel", "GET", "*", 403, nil, vercel, true, false},
		{"Vercel, 400 to the variables", "vercel", "POST", "*/env", 400, nil, vercel, true, false},
		{"Vercel, variables that failed", "vercel", "POST", "*/env", 201, nil, failed, true, false},
		{"Vercel, a page", "vercel", "POST", "*/deployments", 502, map[string]string{"Content-Type": "text/html"}, page, true, false},
		{"Vercel, a redirect", "vercel", "GET", "*", 307, map[string]string{"Location": "https://u:LEAK@example.com/?t=LEAK"}, plain, true, false},
		{"Vercel, no JSON", "vercel", "POST", "*/env", 201, nil, plain, true, false},
		{"Vercel, another shape", "vercel", "GET", "*/env", 200, nil, text, true, false},
		{"Vercel, an odd content type", "vercel", "GET", "*", 404, map[string]string{"Content-Type": "text/LEAK"}, plain, true, false},
		{"Neon, 422", "neon", "*", "*", 422, nil, flat, true, false},
		{"Neon, 401", "neon", "*", "*", 401, nil, flat, true, false},
		{"Upstash, a string", "upstash", "*", "*", 400, nil, text, true, true},
		{"Upstash, plain text", "upstash", "*", "*", 403, nil, plain, true, true},
		{"429 with an odd Retry-After", "vercel", "POST", "*/env", 429, map[string]string{"Retry-After": "LEAK"}, vercel, false, false},
	}
	if s.options.Whole {
		return all
	}
	all = slices.DeleteFunc(all, func(l leak) bool { return l.slow })
	return []leak{all[0], all[1+s.random.IntN(len(all)-1)]} // the first is sent again, which others are not
}

// leak ships with a provider that answers so, and then without.
func (s *secrets) leak(ctx context.Context, l leak) error {
	if err := s.edit(""); err != nil {
		return err
	}
	s.canaries["the secret when it was "+l.name] = s.canaries[awkwardOne]
	s.canaries[awkwardOne] = s.word() + "\"<>&%+/=\\'ß " + s.word() // something to write
	s.Env["SELFTEST_AWKWARD"] = s.canaries[awkwardOne]
	text := s.telling()
	header := http.Header{"Content-Type": {"application/json"}}
	for name, v := range l.header {
		header.Set(name, strings.ReplaceAll(v, "LEAK", s.canaries["credential VERCEL_TOKEN"]))
	}
	answered := false
	err := s.watching(func(c *emukit.Call) emukit.Action {
		if c.Phase != emukit.Before || c.API != l.api || !emukit.Glob(l.method, c.Method) || !emukit.Glob(l.route, c.Path) || answered && !l.always {
			return emukit.Action{}
		}
		answered = true
		return emukit.Action{Status: l.status, Header: header, Body: []byte(l.body(text))}
	}, func() error {
		return s.debugging(func() error {
			return s.more(ctx, []string{"ship --yes", "resume --yes --json"}, "doctor --json", "plan --json", "status --json")
		})
	})
	if err != nil {
		return err
	}
	return s.all(ctx, "ship --yes")
}

// telling is a message with a credential and a secret of the app in several forms, and one cut by what is no character of it.
func (s *secrets) telling() string {
	secret, token := s.canaries[awkwardOne], s.canaries["credential VERCEL_TOKEN"]
	half := len(token) / 2
	return "your token " + token + " (" + base64.StdEncoding.EncodeToString([]byte("user:"+token)) + ") may not write " + url.QueryEscape(secret) + ", " +
		secret + "; see https://u:" + url.PathEscape(secret) + "@example.com; " + token[:half] + "\n" + token[half:] + "; " + token[:half] + "\x1b[0m" + token[half:] +
		"; " + s.canaries["credential NEON_API_KEY"] + " " + s.canaries["credential UPSTASH_API_KEY"] + " " + s.canaries["secret SELFTEST_LONG"]
}
