package github

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// moved is where a repository is that has another name by now.
type moved struct{ path string }

func (m *moved) Error() string { return "it is now " + m.path }

var byID = regexp.MustCompile(`/repositories/[0-9]+`)

// repository finds one by name, or by the name that it had before: https://docs.github.com/en/rest/repos/repos#get-a-repository
func (s session) repository(ctx context.Context, op, name string) (repositoryReply, error) {
	var out repositoryReply
	owner, short, _ := strings.Cut(name, "/")
	err := s.get(ctx, op, rest.Path("/repos/%s/%s", owner, short), nil, &out)
	if at := (*moved)(nil); errors.As(err, &at) {
		err = s.get(ctx, op, at.path, nil, &out)
	}
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		err = s.unseen(op, name)
	}
	return out, err
}

// unseen is for a repository that GitHub answers 404 for: it is not there, or is not shown to this credential.
func (s session) unseen(op, name string) error {
	e := slipway.Errorf(slipway.CodeNotFound, "%s does not see a repository %s at GitHub", settingToken, name).
		WithHint("see whether source.github is right, and whether %s is of an account that has the repository and is for it", settingToken)
	e.Refusal = slipway.CauseWrongTeam
	if s.anonymous {
		e = slipway.Errorf(slipway.CodeCredential, "GitHub shows no public repository %s, and %s is not set", name, settingToken).
			WithHint("set %s to a token that reads it; or state the commit yourself: %s (gh api repos/%s --jq .id) and %s (git rev-parse HEAD)",
				settingToken, settingRepositoryID, name, settingSHA)
	}
	e.Op = op
	return e
}

func (s session) get(ctx context.Context, op, path string, query url.Values, out any) error {
	return s.rest.Do(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: path, Query: query}, out)
}

// commitReply: https://docs.github.com/en/rest/commits/commits#get-a-commit
type commitReply struct {
	SHA    string `json:"sha"`
	Commit struct {
		Tree struct {
			SHA string `json:"sha"`
		} `json:"tree"`
	} `json:"commit"`
}

func (r *commitReply) Missing() string {
	switch {
	case !objectID.MatchString(r.SHA):
		return "sha"
	case !objectID.MatchString(r.Commit.Tree.SHA):
		return "commit.tree.sha"
	}
	return ""
}

// objectID is the id of a commit or a tree.
var objectID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// one asks for no more of a list than must be: what is listed is not read.
var one = url.Values{"per_page": {"1"}}

// statedCommit is what a person states of a commit in the environment; nil for nothing.
func statedCommit(get slipway.Settings) (*slipway.Commit, error) {
	id, hasID := get(settingRepositoryID)
	sha, hasSHA := get(settingSHA)
	if !hasID && !hasSHA {
		return nil, nil
	}
	n, err := strconv.ParseInt(id.Reveal(), 10, 64)
	if err != nil || n <= 0 || !objectID.MatchString(sha.Reveal()) {
		return nil, slipway.Errorf(slipway.CodeInvalid, "%s and %s go together: a number, and 40 hex digits", settingRepositoryID, settingSHA).
			WithHint("set both, or unset both")
	}
	return &slipway.Commit{RepoID: slipway.RepoID(n), SHA: sha.Reveal(), Ref: sha.Reveal(), Private: true}, nil
}

// Resolve makes 2 calls, and 1 more where the repository has another name by now. A commit that a person states counts in place of ref: it is
// looked up where it can be, and is taken as stated where GitHub shows nothing without a token or does not answer.
func (s session) Resolve(ctx context.Context, name, ref string) (slipway.Commit, error) {
	if s.stated == nil {
		return s.resolve(ctx, name, ref)
	}
	c, err := s.resolve(ctx, name, s.stated.SHA)
	switch slipway.ErrorCode(err) {
	case "":
		if c.RepoID != s.stated.RepoID {
			return c, slipway.Errorf(slipway.CodeConflict, "%s is the repository %s, and %s says %s", name, c.RepoID, settingRepositoryID, s.stated.RepoID).
				WithHint("state the repository that source.github names, or unset %s and %s", settingRepositoryID, settingSHA)
		}
	case slipway.CodeCredential, slipway.CodeUnavailable, slipway.CodeRateLimited:
		c, err = *s.stated, nil
		c.Repository = name
	}
	return c, err
}

func (s session) resolve(ctx context.Context, name, ref string) (slipway.Commit, error) {
	const op = "github source"
	repo, err := s.repository(ctx, op, name)
	if err != nil {
		return slipway.Commit{}, err
	}
	ref = cmp.Or(ref, repo.DefaultBranch)
	owner, short, _ := strings.Cut(repo.FullName, "/")
	var found commitReply
	err = s.get(ctx, op, rest.Path("/repos/%s/%s/commits/%s", owner, short, ref), one, &found)
	switch code := slipway.ErrorCode(err); {
	case code == slipway.CodeNotFound, code == slipway.CodeRefused, code == slipway.CodeLimit, code == slipway.CodeConflict: // 404, 422; 409: it is empty
		e := slipway.Errorf(slipway.CodeNotFound, "the repository %s has no branch, tag or commit %q", repo.FullName, ref).
			WithHint("push it, or name another with source.ref")
		e.Op = op
		return slipway.Commit{}, e
	case err != nil:
		return slipway.Commit{}, err
	}
	return slipway.Commit{Repository: repo.FullName, RepoID: repo.ID, Ref: ref, SHA: found.SHA, Tree: found.Commit.Tree.SHA, Private: repo.Private}, nil
}

// compareReply: https://docs.github.com/en/rest/commits/commits#compare-two-commits
type compareReply struct {
	Status slipway.CommitOrder `json:"status"`
}

func (r *compareReply) Missing() string {
	switch r.Status {
	case slipway.CommitIdentical, slipway.CommitAhead, slipway.CommitBehind, slipway.CommitDiverged:
		return ""
	}
	return "status"
}

// Compare makes 2 calls: the repository is found by its id, since its name may have changed.
func (s session) Compare(ctx context.Context, repo slipway.RepoID, base, head string) (slipway.CommitOrder, error) {
	const op = "github compare"
	if base == head {
		return slipway.CommitIdentical, nil
	}
	var at repositoryReply
	if err := s.get(ctx, op, rest.Path("/repositories/%s", repo.String()), nil, &at); err != nil {
		return "", err
	}
	owner, name, _ := strings.Cut(at.FullName, "/")
	var out compareReply
	err := s.get(ctx, op, rest.Path("/repos/%s/%s/compare/%s...%s", owner, name, base, head), one, &out)
	return out.Status, err
}
