package github

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func (w *world) resolve(s session, repository, ref string) slipway.Commit {
	w.t.Helper()
	c, err := s.Resolve(w.t.Context(), repository, ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func contents(t *testing.T, set slipway.FileSet) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range set.Files() {
		r, err := set.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Path] = string(content)
	}
	return out
}

func TestCheckout(t *testing.T) {
	w := newWorld(t)
	w.put("main", "src/lib/a.js", "1")
	c := w.resolve(w.owner(), "acme/shop", "main")
	w.put("main", "later", "2")
	w.do("PATCH", "/repos/acme/shop", map[string]any{"name": "store"})
	set, err := w.owner().Pin(c).Checkout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"README.md": "# shop\n", "src/lib/a.js": "1"}, contents(t, set)); diff != "" {
		t.Errorf("the commit that was pinned, of a repository that was renamed (-want +got):\n%s", diff)
	}
	if set.Digest() != c.Digest() {
		t.Error("a checkout is another source than its commit")
	}
	other := c
	other.Tree = strings.Repeat("0", 40)
	if _, err := w.owner().Pin(other).Checkout(t.Context()); slipway.ErrorCode(err) != slipway.CodeSourceChanged {
		t.Errorf("an archive that is not the tree: %v", err)
	}
	other.Tree = ""
	if _, err := w.owner().Pin(other).Checkout(t.Context()); slipway.ErrorCode(err) != slipway.CodeCredential {
		t.Errorf("a commit that was stated: %v", err)
	}
	if _, err := w.session(nil).Pin(c).Checkout(t.Context()); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("a private repository without a token: %v", err)
	}
}

// TestTheTreeIsGits compares with git itself: folders among files, an executable, a link, an empty file.
func TestTheTreeIsGits(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(git, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q")
	for path, content := range map[string]string{"a.b": "1", "a/x": "2", "a/b/c/d": "3", "a-b": "4", "a0": "5", "empty": ""} {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a-b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a/x", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	run("add", ".")
	run("commit", "-qm", "x")
	archive := filepath.Join(dir, "..", "archive.tar.gz")
	run("archive", "--prefix=acme-shop-0123456/", "-o", archive, "HEAD")
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := unpack(file, 100, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if id := gitTree(got.files, got.content); id != run("rev-parse", "HEAD^{tree}") {
		t.Errorf("the tree is %s, and git's %s", id, run("rev-parse", "HEAD^{tree}"))
	}
}

func TestUnpackRefuses(t *testing.T) {
	type header = tar.Header
	file := func(name string) header { return header{Typeflag: tar.TypeReg, Name: name, Size: 4, Mode: 0o644} }
	tests := map[string]struct {
		reason  string
		headers []header
		code    slipway.Code
	}{
		"good":      {"a file in a folder", []header{file("top/a")}, ""},
		"above":     {"a path that leads out of the tree", []header{file("top/../../a")}, slipway.CodeMalformed},
		"absolute":  {"a path of the machine", []header{file("top//etc/a")}, slipway.CodeMalformed},
		"twice":     {"one name for two contents", []header{file("top/a"), file("top/a")}, slipway.CodeMalformed},
		"device":    {"git archives no devices", []header{{Typeflag: tar.TypeChar, Name: "top/a"}}, slipway.CodeMalformed},
		"many":      {"more files than are kept", []header{file("top/a"), file("top/b"), file("top/c")}, slipway.CodeLimit},
		"large":     {"more bytes than are kept", []header{{Typeflag: tar.TypeReg, Name: "top/a", Size: 11}}, slipway.CodeLimit},
		"hard link": {"git archives no hard links", []header{{Typeflag: tar.TypeLink, Name: "top/a", Linkname: "top/b"}}, slipway.CodeMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var raw bytes.Buffer
			zip := gzip.NewWriter(&raw)
			w := tar.NewWriter(zip)
			for _, h := range test.headers {
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(make([]byte, h.Size)); err != nil {
					t.Fatal(err)
				}
			}
			w.Close()
			zip.Close()
			_, err := unpack(&raw, 2, 10)
			if slipway.ErrorCode(err) != test.code {
				t.Errorf("%s: %v", test.reason, err)
			}
		})
	}
}

func TestAStatedCommit(t *testing.T) {
	w := newWorld(t)
	sha := w.put("main", "a", "1")
	w.put("main", "b", "2")
	id := w.id("shop").String()
	tests := map[string]struct {
		reason   string
		settings map[string]string
		tree     bool
		code     slipway.Code
	}{
		"taken":     {"nothing shows a private repository without a token", map[string]string{settingRepositoryID: id, settingSHA: sha}, false, ""},
		"looked up": {"a token sees whether it is there", map[string]string{settingToken: token, settingRepositoryID: id, settingSHA: sha}, true, ""},
		"another's": {"a token sees whose it is", map[string]string{settingToken: token, settingRepositoryID: "5", settingSHA: sha}, false, slipway.CodeConflict},
		"no such":   {"and that there is none", map[string]string{settingToken: token, settingRepositoryID: id, settingSHA: strings.Repeat("0", 40)}, false, slipway.CodeNotFound},
		"no token":  {"a token that is refused was meant", map[string]string{settingToken: "ghp_wrong", settingRepositoryID: id, settingSHA: sha}, false, slipway.CodeUnauthorized},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := w.session(test.settings).Resolve(t.Context(), "acme/shop", "main")
			if slipway.ErrorCode(err) != test.code || err == nil && (c.SHA != sha || c.RepoID.String() != id || (c.Tree != "") != test.tree) {
				t.Errorf("%s: %+v %v", test.reason, c, err)
			}
		})
	}
}
