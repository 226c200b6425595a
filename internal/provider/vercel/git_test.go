package vercel

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestCommitDetails(t *testing.T) {
	ours := map[string]any{"slipwayCommit": "a", "slipwayRef": "main", "slipwayRepoId": "7", "slipwayRepository": "acme/shop"}
	pushed := map[string]any{"githubCommitSha": "b", "githubCommitRef": "main", "githubCommitRepoId": "8", "githubCommitOrg": "acme", "githubCommitRepo": "shop"}
	both := map[string]any{"githubCommitSha": "b", "slipwayCommit": "a"}
	tests := map[string]struct {
		reason string
		meta   map[string]any
		want   map[string]string
	}{
		"ours":   {"what Slipway has written", ours, map[string]string{"commit": "a", "ref": "main", "repo_id": "7", "repository": "acme/shop"}},
		"pushed": {"a push that Vercel has built by itself", pushed, map[string]string{"commit": "b", "ref": "main", "repo_id": "8", "repository": "acme/shop"}},
		"both":   {"what was pinned counts", both, map[string]string{"commit": "a"}},
		"files":  {"a folder has no commit", map[string]any{"slipwayInput": "x"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, withCommit(slipway.Receipt{}, test.meta).Details); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}
