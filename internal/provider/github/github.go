// Package github is the provider of GitHub, at which a source can be: it resolves refs to commits, fetches a commit's files, tells how
// commits stand to each other, and reports how a run went. It makes nothing that lasts, and so has no kinds: https://docs.github.com/en/rest
package github

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	settingToken      = "GITHUB_TOKEN"
	settingRepository = "GITHUB_REPOSITORY"
	settingURL        = "SLIPWAY_GITHUB_URL"
	// What a person states of a commit that nothing here can look up.
	settingRepositoryID = "SLIPWAY_SOURCE_REPOSITORY_ID"
	settingSHA          = "SLIPWAY_SOURCE_SHA"
	defaultURL          = "https://api.github.com"
)

// New returns the provider; config is that of the process.
func New(config rest.Config) slipway.Provider { return provider{config} }

type provider struct{ config rest.Config }

var _ slipway.Provider = provider{}

func (provider) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{
		Name: "github", Title: "GitHub", Docs: "https://docs.github.com/en/rest", Causes: causes, Source: true,
		Settings: []slipway.Setting{
			{Env: settingToken, Help: "token from https://github.com/settings/tokens; without one, public repositories alone can be a source", Secret: true},
			{Env: settingRepository, Help: "owner/name of the app's repository, as GitHub Actions sets it; doctor looks at what the token may do there; source.github wins"},
			{Env: settingURL, Help: "base URL of the API", Default: defaultURL},
			{Env: settingRepositoryID, Help: "with " + settingSHA + ": the number of source.github's repository, where nothing here can look it up"},
			{Env: settingSHA, Help: "the commit to ship, 40 hex digits, where nothing here can look it up"},
		},
	}
}

func (provider) Check(*slipway.Manifest) []slipway.Problem { return nil }

func (provider) Expand(*slipway.Manifest, string) []slipway.Spec { return nil }

func (p provider) Open(_ context.Context, get slipway.Settings) (slipway.Session, error) {
	token, _ := get(settingToken)
	base, _ := get(settingURL)
	repository, _ := get(settingRepository)
	api := rest.API{
		Name: "github", Base: cmp.Or(base.Reveal(), defaultURL), Error: explain,
		Auth: func(r *http.Request) {
			if token.Reveal() != "" {
				r.Header.Set("Authorization", "Bearer "+token.Reveal())
			}
			r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		},
	}
	if err := rest.CheckBase(api.Base); err != nil {
		return nil, err
	}
	owner, name, ok := strings.Cut(repository.Reveal(), "/")
	if repository.Reveal() != "" && (!ok || owner == "" || name == "" || strings.Contains(name, "/")) {
		return nil, slipway.Errorf(slipway.CodeInvalid, "%s is not owner/name", settingRepository).WithHint("set it to owner/name, or unset it")
	}
	stated, err := statedCommit(get)
	if err != nil {
		return nil, err
	}
	return session{rest: rest.New(p.config, api), config: p.config, owner: owner, name: name, anonymous: token.Reveal() == "", stated: stated}, nil
}

// session is one token, and the repository that it is for; both names are "" when none is set. Without a token it is anonymous: it reads
// what is public, 60 calls an hour.
type session struct {
	rest        *rest.Client
	config      rest.Config
	owner, name string
	anonymous   bool
	stated      *slipway.Commit // without its repository's name; nil: nobody stated one
}

var (
	_ slipway.Session = session{}
	_ slipway.Prober  = session{}
	_ slipway.Commits = session{}
)

func (session) Handler(slipway.Kind) slipway.Handler { return nil }

func (s session) Pass() slipway.Session {
	s.rest = s.rest.Pass()
	return s
}

// explain tells a rate limit, which may come as 403, from a refusal:
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
func explain(status int, h http.Header, body []byte) *slipway.Error {
	e := rest.Default(status, body)
	limited := h.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(e.Message), "rate limit")
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusForbidden && limited:
		e.Code, e.Retry, e.RetryAfter = slipway.CodeRateLimited, slipway.RetryLater, untilReset(h)
	case status == http.StatusMovedPermanently && byID.MatchString(h.Get("Location")):
		e.Code, e.Cause = slipway.CodeNotFound, &moved{byID.FindString(h.Get("Location"))}
	case status == http.StatusUnauthorized:
		e.Hint = "set " + settingToken + " to a valid token from https://github.com/settings/tokens"
	}
	return e
}

// untilReset reads X-RateLimit-Reset, which is seconds since 1970, against the reply's own Date; zero without both.
func untilReset(h http.Header) time.Duration {
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	now, dateErr := http.ParseTime(h.Get("Date"))
	if err != nil || dateErr != nil {
		return 0
	}
	return max(0, time.Unix(reset, 0).Sub(now))
}
