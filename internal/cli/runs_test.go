package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/store"
)

type shut struct{ *bytes.Buffer }

func (shut) Close() error { return nil }

func TestRunsAreListedInPages(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "slipway.db"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Tx(t.Context(), func(tx slipway.Tx) error {
		for i := range 250 {
			at := time.Unix(int64(i), 0)
			app := map[bool]string{true: "shop", false: "other"}[i < 201]
			if err := tx.AddRun(slipway.Run{ID: fmt.Sprintf("run_%03d", i), App: app, Status: slipway.RunCanceled, CreatedAt: at, UpdatedAt: at}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		app    string
		all    bool
		lines  int
		older  bool
		last   string
		reason string
	}{
		"some":  {"shop", false, 100, true, "run_101", "the newest, and that there are others"},
		"all":   {"shop", true, 201, false, "run_000", "each once"},
		"few":   {"other", false, 49, false, "run_201", "there are no others"},
		"none":  {"new", true, 0, false, "", "nothing was shipped"},
		"whole": {"other", true, 49, false, "run_201", "one page is all"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := &workspace{app: &app{out: shut{&out}}, manifest: &slipway.Manifest{App: tc.app}, engine: engine.New(engine.Config{Store: s})}
			older, err := w.listRuns(t.Context(), tc.all)
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if out.Len() == 0 {
				lines = nil
			}
			if err != nil || older != tc.older || len(lines) != tc.lines || tc.lines > 0 && !strings.HasPrefix(lines[len(lines)-1], tc.last) {
				t.Errorf("%s: %d lines, older %t, %v; the last is %q", tc.reason, len(lines), older, err, lines[max(0, len(lines)-1):])
			}
		})
	}
}

func TestStatusTellsWhoDoesWhat(t *testing.T) {
	p := &slipway.Plan{
		Effects: []slipway.Effect{
			{Key: "a#create", Mode: slipway.ModeManual, Why: "no key"},
			{Key: "b#create", Mode: slipway.ModeManual, Why: "no key"},
			{Key: "c#create", Mode: slipway.ModeBlocked, Why: "a wrong key"},
			{Key: "d#create"},
		},
		Existing: []slipway.Used{{Address: "neon.project/db", Name: "theirs", ID: "cool-sun-1", Mode: slipway.ModeAssisted}},
	}
	d := &slipway.RunDetail{Plan: p, Modes: p.Modes(), Steps: []slipway.Step{{Key: "b#create", State: slipway.StepDone}}}
	var b strings.Builder
	stepsText(&b, d)
	want := `  pending  a#create  [manual]
           by hand: no key
  done     b#create  [manual]
  pending  c#create  [blocked]
           blocked: a wrong key
  pending  d#create
  used     neon.project/db  "theirs"  [assisted]
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	modes := map[string]slipway.Mode{"a#create": slipway.ModeManual, "b#create": slipway.ModeManual, "c#create": slipway.ModeBlocked, "neon.project/db": slipway.ModeAssisted}
	if diff := cmp.Diff(modes, d.Modes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStatusTellsWhoSaidNo: a no is one person's, however many have said yes before.
func TestStatusTellsWhoSaidNo(t *testing.T) {
	root := slipway.Principal{Kind: slipway.PrincipalUser, Name: "root"}
	got := statusText(&slipway.RunDetail{Approvals: []slipway.Approval{{
		Gate: slipway.GatePromote, State: slipway.ApprovalRejected, Need: 2, By: &root, How: "os-user", Subject: "sha256:1",
		Votes: []slipway.Vote{{By: slipway.Principal{Kind: slipway.PrincipalUser, Name: "bob"}, How: "key 1"}},
	}}}, true)
	if want := "gate     promote: rejected by root (os-user) sha256:1\n"; !strings.Contains(got, want) {
		t.Errorf("%s, want %s in it", got, want)
	}
}
