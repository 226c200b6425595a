package github

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// causes are what speaks against a GitHub token:
// https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
var causes = []slipway.CauseInfo{
	{
		Cause: slipway.CauseMissing, Sign: settingToken + ": not set", Reason: settingToken + " is not set: public repositories alone can be read, 60 calls an hour, and nothing can be reported",
		Hint: "set " + settingToken + " to a token from https://github.com/settings/tokens",
	},
	{Cause: slipway.CauseInvalid, Sign: "GET /user: 401", Hint: "set " + settingToken + " to a valid token from https://github.com/settings/tokens"},
	{
		Cause: slipway.CauseExpired, Sign: "an earlier probe's GET /user: GitHub-Authentication-Token-Expiration, which is over by now; any call: 401",
		Hint: "make a new token at https://github.com/settings/tokens and set " + settingToken,
	},
	{
		Cause: slipway.CauseWrongTeam, Sign: "GET /repos/{owner}/{repo} of source.github or GITHUB_REPOSITORY: 404, which GitHub says of what a token may not see, too",
		Reason: settingToken + " does not see the repository that source.github or " + settingRepository + " names",
		Hint:   "use a token of an account that has it, and that is for this repository",
	},
	{
		Cause: slipway.CauseAppNotInstalled, Sign: "GET /user: 403, as for an app's token; GET /repos/{owner}/{repo}: 403 or 404",
		Reason: "the app whose token " + settingToken + " is, is not installed on the repository", Hint: "install the app on the repository",
	},
	{
		Cause: slipway.CauseReadOnly, Sign: "GET /repos/{owner}/{repo}: permissions.push is false; GET /user: X-OAuth-Scopes without repo and public_repo",
		Reason: settingToken + " may not write to repositories", Hint: "use a token with the scope repo, or with the permission Contents: write",
	},
	{
		Cause: slipway.CauseRateLimited, Sign: "any call: 429, or 403 with X-RateLimit-Remaining: 0",
	},
}

type userReply struct {
	Login string `json:"login"`
}

func (r *userReply) Missing() string { return absent("login", r.Login) }

type repositoryReply struct {
	ID            slipway.RepoID `json:"id"`
	FullName      string         `json:"full_name"`
	Private       bool           `json:"private"`
	DefaultBranch string         `json:"default_branch"`
	Permissions   *struct {
		Push bool `json:"push"`
	} `json:"permissions"` // nil: it does not say
}

func (r *repositoryReply) Missing() string {
	if r.ID == 0 {
		return "id"
	}
	return absent("full_name", r.FullName)
}

// absent is name when value is empty.
func absent(name, value string) string {
	if value == "" {
		return name
	}
	return ""
}

// Probe asks whose the token is (https://docs.github.com/en/rest/users/users#get-the-authenticated-user) and, where a repository is named,
// what it may do there (https://docs.github.com/en/rest/repos/repos#get-a-repository). At most 2 calls.
func (s session) Probe(ctx context.Context) []slipway.Capability {
	info := provider{}.Info()
	c := slipway.Capability{Name: "credential"}
	if s.anonymous {
		c = rest.Finding(info, c, slipway.CauseMissing)
		c.Evidence = settingToken + ": not set"
		return []slipway.Capability{c}
	}
	var seen []rest.Seen
	look := func(path string, out any) rest.Seen {
		seen = append(seen, s.rest.Look(ctx, rest.Request{Op: "github probe", Method: http.MethodGet, Path: path}, out))
		return seen[len(seen)-1]
	}
	cause := func() slipway.Cause {
		var who userReply
		user := look("/user", &who)
		c.Account, c.Expires = who.Login, ends(user.Header)
		app := user.Cause() == slipway.CauseForbidden // an app's token is no user's: "Resource not accessible by integration"
		if user.Err != nil && !app {
			return user.Cause()
		}
		if s.owner == "" {
			if scopes := user.Header.Values("X-OAuth-Scopes"); len(scopes) > 0 && !writes(scopes[0]) {
				return slipway.CauseReadOnly
			}
			return slipway.CauseNone
		}
		c.Name = "repository"
		var repo repositoryReply
		switch seen := look(rest.Path("/repos/%s/%s", s.owner, s.name), &repo); {
		case app && (seen.Status == http.StatusNotFound || seen.Cause() == slipway.CauseForbidden):
			return slipway.CauseAppNotInstalled
		case seen.Status == http.StatusNotFound:
			c.Reason = settingToken + " does not see the repository " + s.owner + "/" + s.name
			return slipway.CauseWrongTeam
		case seen.Err != nil:
			return seen.Cause()
		case repo.Permissions != nil && !repo.Permissions.Push:
			return slipway.CauseReadOnly
		}
		return slipway.CauseNone
	}()
	return []slipway.Capability{rest.Finding(info, c, cause, seen...)}
}

// writes reports whether a classic token's scopes let it write to repositories. A fine-grained token has no such header.
func writes(scopes string) bool {
	for s := range strings.SplitSeq(scopes, ",") {
		if s = strings.TrimSpace(s); s == "repo" || s == "public_repo" {
			return true
		}
	}
	return false
}

// ends reads the day that GitHub tells with each reply to a token that has one, such as 2026-12-01 09:00:00 UTC, as RFC 3339; "" for none.
// Callers have also seen a numeric zone in place of UTC.
func ends(h http.Header) string {
	text := h.Get("GitHub-Authentication-Token-Expiration")
	for _, layout := range []string{time.DateTime + " MST", time.DateTime + " -0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return ""
}
