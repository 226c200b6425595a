package audit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
	"github.com/slipway-dev/slipway/internal/store"
)

// roleVariable makes the test binary do one thing in a process of its own, by roleOf.
const roleVariable = "AUDIT_TEST_ROLE"

func roleOf(name string) func(args []string) error {
	if name == "export" {
		return exportRole
	}
	return offlineRoles[name]
}

func TestMain(m *testing.M) {
	role := roleOf(os.Getenv(roleVariable))
	if role == nil {
		os.Exit(m.Run())
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// asRole returns a command that runs the test binary in a role, with nothing of this environment.
func asRole(t *testing.T, role string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append([]string{roleVariable + "=" + role}, env...)
	return cmd
}

// exportRole exports the run of a database: database, bundle.
func exportRole(args []string) error {
	ctx := context.Background()
	k, err := attest.NewKey(slipway.NewSecret(testKey))
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Config{Path: args[0]})
	if err != nil {
		return err
	}
	defer st.Close()
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = Exporter{Key: k, Tool: tool, Runbook: runbook}.Export(ctx, st, runID, f)
	return err
}

// TestSameBytes exports one run under two roots, as two users, in time zones with and without their data, and in languages in which letters
// and numbers are written in other ways; and many times in one process, whose maps come in another order each time.
func TestSameBytes(t *testing.T) {
	here := t.TempDir()
	st := newStore(t, here, slipway.RunSucceeded, 5)
	want, _ := bundle(t, exporter(t), st)
	for range 20 {
		if again, _ := bundle(t, exporter(t), st); !bytes.Equal(again, want) {
			t.Fatal("the same process gives other bytes")
		}
	}
	told, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 5))
	if !bytes.Equal(told, want) {
		t.Error("the same run in another database gives other bytes")
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(here, "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		reason string
		env    []string
		nobody bool
	}{
		"plain":             {"nothing is set at all", nil, false},
		"Kathmandu":         {"5:45 hours ahead", []string{"TZ=Asia/Kathmandu"}, false},
		"St John's":         {"behind, without the zone's data", []string{"TZ=America/St_Johns", "ZONEINFO=/nowhere"}, false},
		"no such zone":      {"a zone that there is not", []string{"TZ=:/nowhere"}, false},
		"Turkish":           {"i and I are letters of their own", []string{"LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "HOME=/nowhere", "USER=someone"}, false},
		"German, as nobody": {"a comma in numbers; another user", []string{"LC_ALL=de_DE.ISO-8859-1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			there := filepath.Join(t.TempDir(), "another root", "ünïcode")
			if err := os.MkdirAll(there, 0o755); err != nil {
				t.Fatal(err)
			}
			db, out := filepath.Join(there, "copy.db"), filepath.Join(there, "out.zip")
			if err := os.WriteFile(db, database, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := asRole(t, "export", tc.env, db, out)
			if tc.nobody {
				becomeNobody(t, cmd, there, db)
			}
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			got, err := os.ReadFile(out)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: other bytes (%v): %s, not %s", tc.reason, err, digest(got), digest(want))
			}
		})
	}
}

// TestCoreIsTheSame: another key and another program change the envelope alone.
func TestCoreIsTheSame(t *testing.T) {
	st := newStore(t, t.TempDir(), slipway.RunSucceeded, 1)
	one, first := bundle(t, exporter(t), st)
	x := exporter(t)
	x.Key, x.Tool = key(t, "22"+testKey[2:]), Tool{Name: "slipway", Version: "v9"}
	two, second := bundle(t, x, st)
	if first.Core != second.Core || bytes.Equal(one, two) {
		t.Errorf("core %s and %s; equal: %v", first.Core, second.Core, bytes.Equal(one, two))
	}
	a, b := takeApart(t, one), takeApart(t, two)
	for _, name := range a.names {
		if inCore := name != nameSignature && filepath.Dir(name) != "statements"; inCore && !bytes.Equal(a.of[name], b.of[name]) {
			t.Errorf("%s differs", name)
		}
	}
}
