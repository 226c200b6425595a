package slipway_test

import (
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

func TestOlder(t *testing.T) {
	day := func(d int, sha string, repo slipway.RepoID) slipway.Vintage {
		v := slipway.Vintage{Commit: slipway.Commit{SHA: sha, RepoID: repo}}
		if d > 0 {
			v.Planned = time.Date(2026, 5, d, 0, 0, 0, 0, time.UTC)
		}
		return v
	}
	for name, tc := range map[string]struct {
		a, b   slipway.Vintage
		how    slipway.CommitOrder
		want   bool
		reason string
	}{
		"folders":      {day(1, "", 0), day(2, "", 0), "", true, "it was asked for before"},
		"newer folder": {day(2, "", 0), day(1, "", 0), "", false, "it was asked for after"},
		"same time":    {day(1, "", 0), day(1, "", 0), "", false, "the same is not older"},
		"not known":    {day(0, "", 0), day(1, "", 0), "", false, "of what was built before there was such a mark nothing is known"},
		"ahead":        {day(1, "b", 7), day(2, "a", 7), slipway.CommitAhead, false, "commits go by their order, whenever they were asked for"},
		"behind":       {day(2, "a", 7), day(1, "b", 7), slipway.CommitBehind, true, "an ancestor is older"},
		"diverged":     {day(2, "a", 7), day(1, "b", 7), slipway.CommitDiverged, true, "what does not hold the other leaves some of it out"},
		"not compared": {day(2, "a", 7), day(1, "b", 7), "", true, "what cannot be shown not to be older counts as older"},
		"same commit":  {day(1, "a", 7), day(2, "a", 7), "", false, "the same commit is never older than itself"},
		"other repo":   {day(2, "a", 7), day(1, "b", 8), "", false, "commits of two repositories have no order"},
		"to git":       {day(2, "a", 7), day(1, "", 0), "", false, "nor has a commit with a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := slipway.Older(tc.a, tc.b, tc.how); got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}
