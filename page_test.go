package slipway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func TestPagesAreFilledAndNamed(t *testing.T) {
	page := slipway.PageInfo{Link: "https://x.example/{id}", Path: []string{"Settings", "{name}"}, Checked: "2026-11-22", Source: "https://x.example/docs"}
	for name, tc := range map[string]struct {
		reason string
		page   slipway.PageInfo
		want   string
	}{
		"whole":        {"link and path", page.With("id", "7", "name", "{id}"), "https://x.example/7: Settings > {id} (checked 2026-11-22)"},
		"only a path":  {"what has no link of its own", slipway.PageInfo{Path: []string{"A", "B"}, Checked: "2026-11-22"}, "A > B (checked 2026-11-22)"},
		"only a link":  {"nothing to click", slipway.PageInfo{Link: "https://x.example", Checked: "2026-11-22"}, "https://x.example (checked 2026-11-22)"},
		"not all told": {"a hole that nobody fills can be seen", page.With("id", "7"), "https://x.example/7: Settings > {name} (checked 2026-11-22)"},
	} {
		if got := tc.page.String(); got != tc.want {
			t.Errorf("%s: %s: %q, want %q", name, tc.reason, got, tc.want)
		}
	}
	want := slipway.Way{Page: &slipway.Page{
		URL: "https://x.example/7", Path: []string{"Settings", "a"}, Fields: []slipway.Field{{Label: "L", Value: "V"}}, Checked: "2026-11-22",
	}}
	if diff := cmp.Diff(want, page.With("id", "7", "name", "a").Way(slipway.Field{Label: "L", Value: "V"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page.Link != "https://x.example/{id}" || page.Path[1] != "{name}" {
		t.Error("the row of the table was changed")
	}
}
