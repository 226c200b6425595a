package audit

import (
	"archive/zip"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
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

// vectors are bundles of the version that is written, as they were when it was frozen: they stay valid for ever, and the same runs give the
// same bytes.
var vectors = map[string]struct {
	reason string
	end    slipway.RunStatus
	story
}{
	"succeeded": {"a run that did all that runs do, from a folder beside a commit", slipway.RunSucceeded, story{log: 3, git: true}},
	"waiting":   {"one that was exported while it waited", slipway.RunWaitingApproval, story{}},
	"approved":  {"one that two people have approved under a policy, one of them with a key, of a commit at GitHub", slipway.RunSucceeded, story{log: 1, people: true}},
	"failed":    {"one of whose probes one failed", slipway.RunFailed, story{failing: true}},
}

func TestVectors(t *testing.T) {
	folder := filepath.Join("testdata", fmt.Sprintf("v%d", Version))
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			got, _ := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), v.end, &v.story))
			file := filepath.Join(folder, name+".zip")
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
		})
	}
}

// TestAllVersions: bundles of every version stay valid, and show what they showed.
func TestAllVersions(t *testing.T) {
	for version := 1; version <= Version; version++ {
		files, err := filepath.Glob(filepath.Join("testdata", fmt.Sprintf("v%d", version), "*.zip"))
		if err != nil || len(files) < 3 {
			t.Fatalf("version %d has %d vectors, %v", version, len(files), err)
		}
		for _, file := range files {
			t.Run(file, func(t *testing.T) {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				r, err := verify(t, data, key(t, testKey))
				if err != nil {
					t.Fatal(err)
				}
				if r.Format != version {
					t.Errorf("it is said to be of version %d", r.Format)
				}
				golden(t, strings.TrimSuffix(file, ".zip")+".txt", r.Text())
				var page bytes.Buffer
				if err := r.HTML(&page); err != nil {
					t.Fatal(err)
				}
				golden(t, strings.TrimSuffix(file, ".zip")+".html", page.String())
			})
		}
	}
}

// TestNewerVersion: a bundle of a later version is not called invalid, whatever it holds: testdata/newer has one of version 99, with an entry, a
// layout and members that there are not yet.
func TestNewerVersion(t *testing.T) {
	file := filepath.Join("testdata", "newer", "v99.zip")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && *update {
		data = future(t)
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	next := bytes.Replace(data, []byte("bundle 99\n"), fmt.Appendf(nil, "bundle %d\n", Version+1), 1)
	for n, newer := range map[int][]byte{99: data, Version + 1: next} {
		_, err := verify(t, newer, key(t, testKey))
		want := fmt.Sprintf("this audit bundle was made by a newer format (v%d), and this program knows up to v%d", n, Version)
		if u := (*Unusable)(nil); !errors.As(err, &u) || u.Newer != n || u.Message != want {
			t.Errorf("version %d: %v", n, err)
		}
	}
	for _, text := range []string{"slipway audit bundle 0\n", "slipway audit bundle 01\n", "slipway audit bundle -3\n", "slipway audit bundle 3", "slipway audit bundle 9999999\n"} {
		_, err := verify(t, bytes.Replace(data, []byte("slipway audit bundle 99\n"), []byte(text), 1), key(t, testKey))
		if u := (*Unusable)(nil); !errors.As(err, &u) || u.Newer != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// future is what a later version might write: compressed entries and one more of them after the first, which never changes its place.
func future(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range []struct{ name, text string }{
		{nameMagic, magic(99)}, {"core/run.json", `{"id":"run_1","status":"dreaming"}`}, {"core/witnesses.json", `[{"name":"a log"}]`}, {nameIndex, `{"version":99}`},
	} {
		h := &zip.FileHeader{Name: e.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(e.text)), CompressedSize64: uint64(len(e.text)), UncompressedSize64: uint64(len(e.text))}
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = io.WriteString(f, e.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
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
		data, s := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), v.end, &v.story))
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
