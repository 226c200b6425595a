package audit

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

var update = flag.Bool("update", false, "write the reports of the vectors, and vectors that are not there; those that are there stay as they are")

// vectors are bundles of version 1 as they were written when it was frozen: they stay valid for ever, and the same runs give the same bytes.
var vectors = map[string]struct {
	reason string
	end    slipway.RunStatus
	log    int
	people bool
}{
	"succeeded": {"a run that did all that runs do", slipway.RunSucceeded, 3, false},
	"waiting":   {"one that was exported while it waited", slipway.RunWaitingApproval, 0, false},
	"approved":  {"one that two people have approved under a policy, one of them with a key", slipway.RunSucceeded, 1, true},
}

func TestVectors(t *testing.T) {
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			got, _ := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), v.end, &story{log: v.log, people: v.people}))
			file := filepath.Join("testdata", "v1", name+".zip")
			want, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) && *update {
				want, err = got, os.WriteFile(file, got, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: it is written in other bytes now: that needs another version of the format", v.reason)
			}
			r, err := verify(t, want, key(t, testKey))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "v1", name+".txt"), r.Text())
			var page bytes.Buffer
			if err := r.HTML(&page); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "v1", name+".html"), page.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// TestAnotherVerifier asks a program that was written after docs/format-audit-bundle.md, in another language: testdata/verify.mjs.
func TestAnotherVerifier(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not there: install Node.js")
	}
	k := key(t, testKey).String()
	ask := func(data []byte, k string) (string, error) {
		name := filepath.Join(t.TempDir(), "bundle.zip")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "verify.mjs"), name, k).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for name, v := range vectors {
		data, s := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), v.end, &story{log: v.log, people: v.people}))
		if out, err := ask(data, k); err != nil || !strings.Contains(out, s.Core) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if out, err := ask(data, key(t, strings.Repeat("2", 64)).String()); err == nil {
			t.Errorf("%s: another key is believed: %s", name, out)
		}
		c := takeApart(t, data)
		c.edit(t, nameEvents, `"by":"ada"`, `"by":"bob"`)
		if out, err := ask(c.assemble(), k); err == nil {
			t.Errorf("%s: another event is believed: %s", name, out)
		}
	}
}
