package slipway_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestNewsIsAboutARun(t *testing.T) {
	receipts := map[slipway.Address]slipway.Receipt{
		"vercel.project/shop": {ID: "prj_1"}, "vercel.deployment/shop@production": {ID: "dpl_1"}, "neon.project/db": {ID: "cold-sun-1"}, "vercel.env/A": {},
	}
	commit := &slipway.Commit{RepoID: 7, SHA: "abc"}
	for name, tc := range map[string]struct {
		news   slipway.News
		commit *slipway.Commit
		want   bool
		reason string
	}{
		"its deployment":       {slipway.News{Provider: "vercel", IDs: []string{"dpl_1", "prj_9"}}, commit, true, "one of the ids is enough"},
		"its project":          {slipway.News{Provider: "vercel", IDs: []string{"dpl_2", "prj_1"}}, commit, true, "another deployment may have moved production"},
		"another project":      {slipway.News{Provider: "vercel", IDs: []string{"dpl_2", "prj_2"}}, commit, false, "it is none of ours"},
		"an id of another":     {slipway.News{Provider: "vercel", IDs: []string{"cold-sun-1"}}, commit, false, "ids are a provider's own"},
		"no id":                {slipway.News{Provider: "vercel", IDs: []string{""}}, commit, false, "what has no id is named by none"},
		"its commit":           {slipway.News{Provider: "github", RepoID: 7, Commit: "abc"}, commit, true, ""},
		"its repository":       {slipway.News{Provider: "github", RepoID: 7}, commit, true, "it may be about any commit"},
		"another commit":       {slipway.News{Provider: "github", RepoID: 7, Commit: "abd"}, commit, false, ""},
		"another repository":   {slipway.News{Provider: "github", RepoID: 8, Commit: "abc"}, commit, false, "a fork has the same commits"},
		"a folder is shipped":  {slipway.News{Provider: "github", RepoID: 7, Commit: "abc"}, nil, false, ""},
		"neither has a number": {slipway.News{Provider: "github"}, &slipway.Commit{}, false, "nothing is not something"},
	} {
		if got := tc.news.About(receipts, tc.commit); got != tc.want {
			t.Errorf("%s: got %t: %s", name, got, tc.reason)
		}
	}
}
