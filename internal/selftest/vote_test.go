package selftest_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-dev/slipway/internal/scratch"
	"github.com/slipway-dev/slipway/internal/selftest"
)

// box is what a home has of one gate: its request's state, who has said yes, what events tell of decisions, and how the run stands.
type box struct {
	state   string
	votes   int
	decided int
	run     string
}

func readBox(t *testing.T, w *selftest.World) (b box) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.Home, "apps", "*", "slipway.db"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%q: %v", names, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(names[0])+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var votes sql.NullString
	err = db.QueryRowContext(t.Context(), `SELECT a.state, a.votes, r.status, (SELECT count(*) FROM events e WHERE e.run = r.id AND e.type = 'gate.decided')
		FROM runs r JOIN approvals a ON a.run = r.id`).Scan(&b.state, &votes, &b.run, &b.decided)
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	if votes.Valid {
		if err := json.Unmarshal([]byte(votes.String), &all); err != nil {
			t.Fatal(err)
		}
	}
	b.votes = len(all)
	return b
}

// TestVoteIsWholeOrNone kills whoever decides at each statement that writes and at each commit, and decides again: there is one vote or none, with
// its event and the run's status, and never two.
func TestVoteIsWholeOrNone(t *testing.T) {
	const two = "@id(\"two\") @approvers(\"2\")\npermit (principal is User, action in Action::\"approve\", resource);\n"
	for name, tc := range map[string]struct {
		reason, policy string
		args           []string
		exit           int
		before, after  box
	}{
		"first of two": {
			"it waits for the second", two,
			[]string{"approve"},
			3,
			box{"requested", 0, 0, "waiting_approval"},
			box{"requested", 1, 1, "waiting_approval"},
		},
		"the last": {
			"the run may go on", "",
			[]string{"approve"},
			0,
			box{"requested", 0, 0, "waiting_approval"},
			box{"approved", 1, 1, "active"},
		},
		"a no": {
			"the run is over", "",
			[]string{"reject", "--reason", "not now"},
			0,
			box{"requested", 0, 0, "waiting_approval"},
			box{"rejected", 0, 1, "rejected"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := selftest.New(t.Context(), selftest.Options{Dir: filepath.Join(scratch.Dir(t), "world"), Env: map[string]string{roleVariable: "mortal"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(w.Close)
			if tc.policy != "" {
				if err := os.WriteFile(filepath.Join(w.App, "slipway.policy"), []byte(tc.policy), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, _ := w.Command(t.Context(), "ship").CombinedOutput(); !strings.Contains(string(out), "waits at the apply gate") {
				t.Fatalf("%s", out)
			}
			begin, err := w.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			decide := func(variable string) (exit int, out []byte) { // -1: it was killed
				cmd := w.Command(t.Context(), tc.args...)
				cmd.Env = append(cmd.Env, variable)
				out, _ = cmd.CombinedOutput()
				return cmd.ProcessState.ExitCode(), out
			}
			record := filepath.Join(t.TempDir(), "points")
			exit, out := decide(recordVariable + "=" + record)
			if got := readBox(t, w); exit != tc.exit || got != tc.after {
				t.Fatalf("nobody was killed: %+v, want %+v: %s\n%s", got, tc.after, tc.reason, out)
			}
			killed := 0
			for _, point := range readPoints(t, record) {
				if err := w.Restore(begin); err != nil {
					t.Fatal(err)
				}
				if exit, _ := decide(dieVariable + "=" + point); exit != -1 {
					continue // it came in another order
				}
				killed++
				first := readBox(t, w)
				if first != tc.before && first != tc.after {
					t.Errorf("killed %s: half a decision: %+v", point, first)
				}
				want := map[bool]int{true: tc.exit, false: 1}[first == tc.before]
				if exit, out := decide(""); exit != want {
					t.Errorf("killed %s, with %+v: a second %s exits with %d, want %d: %s", point, first, tc.args[0], exit, want, out)
				}
				if got := readBox(t, w); got != tc.after {
					t.Errorf("killed %s, and decided again: %+v, want %+v", point, got, tc.after)
				}
			}
			if killed < 5 {
				t.Errorf("%d kills: %s", killed, fmt.Sprint(readPoints(t, record)))
			}
			t.Logf("%d kills", killed)
		})
	}
}
