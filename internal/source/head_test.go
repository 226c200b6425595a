package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slipway "github.com/slipway-dev/slipway"
)

// gitIn runs git as somebody without settings.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not there: install git")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=ada",
		"GIT_COMMITTER_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=2026-11-22T20:30:00Z", "GIT_COMMITTER_DATE=2026-11-22T20:30:00Z",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// committed is a work tree with one commit on main: a page, a program, a link, a folder, what is ignored and what is held back.
func committed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"index.html": "<h1>shop</h1>", "run*": "#!/bin/sh\n", "link": "->index.html", "site/a.txt": "a", "site/b.txt": "b", ".gitignore": "out\n", "out/x": "x",
		".env": "KEY=held back", "docs.md": "docs", ".vercelignore": "docs.md\n",
	})
	gitIn(t, dir, "init", "-q", "-b", "main")
	gitIn(t, dir, "add", "-f", ".")
	gitIn(t, dir, "commit", "-q", "-m", "first")
	return dir
}

func TestWorkTree(t *testing.T) {
	clean := func(folder string) *slipway.WorkTree {
		return &slipway.WorkTree{Branch: "main", Folder: folder, Clean: true}
	}
	for name, tc := range map[string]struct {
		reason string
		change func(t *testing.T, dir string)
		folder string // below the top
		want   *slipway.WorkTree
		why    string
	}{
		"clean":     {"what is ignored or held back does not count", func(*testing.T, string) {}, "", clean(""), ""},
		"a folder":  {"the source is a part of the repository", func(*testing.T, string) {}, "site", clean("site"), ""},
		"elsewhere": {"what changes outside the source does not count", func(t *testing.T, dir string) { write(t, dir, map[string]string{"index.html": "x"}) }, "site", clean("site"), ""},
		"staged": {"what is staged is not committed", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"site/a.txt": "A"})
			gitIn(t, dir, "add", ".")
		}, "", &slipway.WorkTree{Branch: "main", Changed: 1}, ""},
		"changed, added, gone": {"each is counted", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"site/a.txt": "A", "new": "x"})
			if err := os.Remove(filepath.Join(dir, "site", "b.txt")); err != nil {
				t.Fatal(err)
			}
		}, "", &slipway.WorkTree{Branch: "main", Changed: 1, Added: 1, Removed: 1}, ""},
		"mode": {"a program is not the same file as a text", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, "run"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "", &slipway.WorkTree{Branch: "main", Changed: 1}, ""},
		"detached": {"no branch", func(t *testing.T, dir string) { gitIn(t, dir, "checkout", "-q", "--detach") }, "", &slipway.WorkTree{Clean: true}, ""},
		"packed": {"objects and refs in packs", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"site/a.txt": strings.Repeat("more\n", 500)})
			gitIn(t, dir, "commit", "-qam", "second")
			gitIn(t, dir, "gc", "-q")
		}, "", clean(""), ""},
		"no repository":  {"nothing is said", func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, ".git"))) }, "", nil, ""},
		"no commit":      {"a branch without one", func(t *testing.T, dir string) { gitIn(t, dir, "checkout", "-q", "--orphan", "next") }, "", nil, "its branch has no commit, or is kept in a way that is not known here"},
		"not of it":      {"somebody's repository of other things", func(t *testing.T, dir string) { write(t, dir, map[string]string{"new/x": "x"}) }, "new", nil, "its commit has nothing of this folder"},
		"damaged object": {"the commit's tree is gone", func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, ".git", "objects"))) }, "", nil, "its commit is not in the repository as it is here"},
		"no gitdir": {"a file that leads nowhere", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, ".git")))
			write(t, dir, map[string]string{".git": "nonsense"})
		}, "", nil, "its repository cannot be read"},
		"loop of refs": {"refs that name each other", func(t *testing.T, dir string) {
			write(t, dir, map[string]string{".git/HEAD": "ref: refs/heads/a\n", ".git/refs/heads/a": "ref: refs/heads/b\n", ".git/refs/heads/b": "ref: refs/heads/a\n"})
		}, "", nil, "its branch has no commit, or is kept in a way that is not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := committed(t)
			tc.change(t, dir)
			got, why := mustOpen(t, filepath.Join(dir, tc.folder)).WorkTree()
			if tc.want != nil {
				tc.want.Commit = gitIn(t, dir, "rev-parse", "HEAD")
			}
			if d := cmp.Diff(tc.want, got); d != "" || why != tc.why {
				t.Errorf("%s: %q (-want +got):\n%s", tc.reason, why, d)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A work tree beside its repository, and one with submodules: a commit names another repository's commit, not its files.
func TestWorkTreeElsewhere(t *testing.T) {
	dir, second := committed(t), filepath.Join(t.TempDir(), "second")
	gitIn(t, dir, "worktree", "add", "-q", "-b", "fix", second)
	got, why := mustOpen(t, filepath.Join(second, "site")).WorkTree()
	want := &slipway.WorkTree{Commit: gitIn(t, dir, "rev-parse", "fix"), Branch: "fix", Folder: "site", Clean: true}
	if d := cmp.Diff(want, got); d != "" || why != "" {
		t.Errorf("%q (-want +got):\n%s", why, d)
	}
	gitIn(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", committed(t), "part")
	gitIn(t, dir, "commit", "-qm", "with a submodule")
	if got, _ := mustOpen(t, dir).WorkTree(); got == nil || got.Clean || got.Added == 0 || got.Removed != 0 {
		t.Errorf("a submodule's files are not the commit's: %+v", got)
	}
}

// Nothing in a repository fails the tree.
func TestWorkTreeOfNonsense(t *testing.T) {
	dir := committed(t)
	want := mustOpen(t, dir).Digest()
	for _, name := range []string{"HEAD", "config", "index", "packed-refs", "commondir", "refs/heads/main", "objects/info/alternates"} {
		for _, content := range []string{"", "\x00\xff", "ref: ../../../etc/passwd\n", strings.Repeat("a", 64) + "\n", "/nowhere\n", "ref: \n", "[core\n"} {
			file := filepath.Join(dir, ".git", filepath.FromSlash(name))
			before, err := os.ReadFile(file)
			write(t, dir, map[string]string{".git/" + name: content})
			if got := mustOpen(t, dir); got.Digest() != want {
				t.Errorf("%s is %q: another digest", name, content)
			} else if w, why := got.WorkTree(); w == nil && why == "" {
				t.Errorf("%s is %q: neither a commit nor why not", name, content)
			}
			if must(t, os.Remove(file)); err == nil {
				must(t, os.WriteFile(file, before, 0o644))
			}
		}
	}
}
