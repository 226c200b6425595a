package audit

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
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
		"one processor":     {"maps, goroutines and the collector go in another order", []string{"GOMAXPROCS=1", "GOGC=1"}, false},
		"another Go":        {"what later versions of Go do in another way", []string{"GODEBUG=asynctimerchan=1,randautoseed=0,zip64=0,gotypesalias=0,tarinsecurepath=0"}, false},
		"another home":      {"another person's home and folders", []string{"HOME=/home/ada", "XDG_STATE_HOME=/nowhere", "TMPDIR=/nowhere", "SLIPWAY_HOME=/nowhere"}, false},
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

// TestBareMachine exports in a folder that is all there is: without a time zone's data, users, hosts, devices or libraries.
func TestBareMachine(t *testing.T) {
	here := t.TempDir()
	st := newStore(t, here, slipway.RunSucceeded, 5)
	want, _ := bundle(t, exporter(t), st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	there := t.TempDir()
	copyFile(t, filepath.Join(here, "slipway.db"), filepath.Join(there, "copy.db"))
	cmd := asRole(t, "export", []string{"TZ=Asia/Kathmandu"}, "/copy.db", "/out.zip")
	if why := alone(t, cmd, there); why != "" {
		t.Log(why)
		return
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got, err := os.ReadFile(filepath.Join(there, "out.zip")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes (%v)", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopies exports from copies of a database: while it is open with a log that is not yet in it, as SQLite itself copies one, and after exports
// that were broken off, which leave nothing behind.
func TestCopies(t *testing.T) {
	here := t.TempDir()
	st := newStore(t, here, slipway.RunSucceeded, 5)
	want, _ := bundle(t, exporter(t), st)
	open := t.TempDir()
	for _, name := range []string{"slipway.db", "slipway.db-wal"} {
		copyFile(t, filepath.Join(here, name), filepath.Join(open, name))
	}
	compact := filepath.Join(t.TempDir(), "slipway.db")
	db, err := sql.Open("sqlite", filepath.Join(here, "slipway.db"))
	if err == nil {
		_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", compact)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"with its log": filepath.Join(open, "slipway.db"), "compacted": compact} {
		again, err := store.Open(t.Context(), store.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := bundle(t, exporter(t), again); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", name)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		out := &breaking{left: n * len(want) / 12, cancel: cancel}
		_, err := exporter(t).Export(ctx, st, runID, out)
		cancel()
		if err == nil {
			t.Errorf("an export that was broken off after %d bytes has ended well", n*len(want)/12)
		}
	}
	if got, _ := bundle(t, exporter(t), st); !bytes.Equal(got, want) {
		t.Error("after exports that were broken off it gives other bytes")
	}
}

// breaking is a file on a disk that is full after some bytes, where somebody gives up.
type breaking struct {
	discard
	left   int
	cancel func()
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.cancel()
		return 0, errors.New("no space left on device")
	}
	return b.discard.Write(p)
}
