package github

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

var _ slipway.CheckedCommits = session{}

// maxChecks bounds what is read of one commit: GitHub shows the check runs of its last thousand suites.
const maxChecks = 5000

type checkRunReply struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	HTMLURL    string `json:"html_url"`
	DetailsURL string `json:"details_url"`
}

type checkRunsReply struct {
	Total int             `json:"total_count"`
	Runs  []checkRunReply `json:"check_runs"`
}

type combinedReply struct {
	Total    int `json:"total_count"`
	Statuses []struct {
		Context   string `json:"context"`
		State     string `json:"state"`
		TargetURL string `json:"target_url"`
	} `json:"statuses"`
}

// Checks reads the check runs of a commit, of each suite the last of a name, and the last status of each context.
// https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference
// https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference
func (s session) Checks(ctx context.Context, c slipway.Commit) (out []slipway.CommitCheck, err error) {
	const op = "github checks"
	name, err := s.named(ctx, op, c.RepoID)
	if err != nil {
		return nil, err
	}
	owner, short, _ := strings.Cut(name, "/")
	at := rest.Path("/repos/%s/%s/commits/%s", owner, short, c.SHA)
	err = pages(func(query url.Values) (got, total int, err error) {
		query.Set("filter", "latest")
		var page checkRunsReply
		err = s.get(ctx, op, at+"/check-runs", query, &page)
		for _, r := range page.Runs {
			out = append(out, s.check(r.Name, runState(r), cmp.Or(r.Conclusion, r.Status), cmp.Or(r.HTMLURL, r.DetailsURL)))
		}
		return len(page.Runs), page.Total, err
	})
	if err != nil {
		return nil, mayRead(err)
	}
	err = pages(func(query url.Values) (got, total int, err error) {
		var page combinedReply
		err = s.get(ctx, op, at+"/status", query, &page)
		for _, r := range page.Statuses {
			out = append(out, s.check(r.Context, statusState(r.State), r.State, r.TargetURL))
		}
		return len(page.Statuses), page.Total, err
	})
	return out, mayRead(err)
}

// pages calls get for each page, until it has all that there are.
func pages(get func(query url.Values) (got, total int, err error)) error {
	for page, all := 1, 0; all < maxChecks; page++ {
		got, total, err := get(url.Values{"per_page": {"100"}, "page": {strconv.Itoa(page)}})
		if err != nil {
			return err
		}
		if all += got; got == 0 || all >= total {
			return nil
		}
	}
	return slipway.Errorf(slipway.CodeLimit, "the commit has over %d checks", maxChecks).WithHint("leave promote.checks out")
}

// mayRead tells what a fine-grained token, or an app's, needs.
func mayRead(err error) error {
	if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Code == slipway.CodeForbidden {
		e.Hint = "let " + settingToken + " read checks and commit statuses (Checks: read, Commit statuses: read)"
	}
	return err
}

func (s session) check(name string, state slipway.CheckState, says, link string) slipway.CommitCheck {
	if u, err := url.Parse(link); err != nil || u.Scheme != "https" && u.Scheme != "http" {
		link = ""
	}
	clean := func(text string) string { return slipway.PlainLine(s.rest.Clean(text)) }
	return slipway.CommitCheck{Name: clean(name), State: state, Says: clean(says), URL: clean(link)}
}

// runState: what is skipped or neutral counts as passed, as it does at GitHub.
// https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/about-status-checks
func runState(r checkRunReply) slipway.CheckState {
	if r.Status != "completed" {
		return slipway.CheckPending
	}
	switch r.Conclusion {
	case "success", "neutral", "skipped":
		return slipway.CheckPassed
	}
	return slipway.CheckFailed // failure, cancelled, timed_out, action_required, stale, startup_failure, and what there is yet to come
}

func statusState(state string) slipway.CheckState {
	switch state {
	case "success":
		return slipway.CheckPassed
	case "pending":
		return slipway.CheckPending
	}
	return slipway.CheckFailed
}
