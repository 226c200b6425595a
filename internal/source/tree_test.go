package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	slipway "github.com/slipway-dev/slipway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes files in dir; a name that ends with * is executable, content that starts with -> is a link.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		mode := os.FileMode(0o644)
		if n, ok := strings.CutSuffix(name, "*"); ok {
			name, mode = n, 0o755
		}
		full := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		if target, ok := strings.CutPrefix(content, "->"); ok && err == nil {
			err = os.Symlink(target, full)
		} else if err == nil {
			err = os.WriteFile(full, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mustOpen(t testing.TB, dir string) *Tree {
	t.Helper()
	tree, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func paths(tree *Tree) []string {
	var out []string
	for _, f := range tree.Files() {
		out = append(out, f.Path)
	}
	return out
}

// The expected values were not made by this package, but in a shell: sha1sum over each content, then sha256sum over the lines
//
//	printf '100644 6 %s .gitignore\n' $(printf '*.log\n' | sha1sum)   and so on: see Digest
func TestDigestVector(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"index.html": "hi\n", ".gitignore": "*.log\n", "sub/x.log": "2\n", "l": "->index.html", "sub/run*": "#!/bin/sh\n", ".env": "1\n",
	})
	tree := mustOpen(t, dir)
	want := []slipway.File{
		{Path: ".gitignore", Mode: 0o100644, Size: 6, SHA1: "464b569e49a8319b5bb153954a315bff580d82a9"},
		{Path: "index.html", Mode: 0o100644, Size: 3, SHA1: "55ca6286e3e4f4fba5d0448333fa99fc5a404a73"},
		{Path: "l", Mode: 0o120777, Size: 10, SHA1: "f6013a00b362253c64368d6eebc50ea2131754e2"},
		{Path: "sub/run", Mode: 0o100755, Size: 10, SHA1: "bd971bec88149956458a10fc9c5ecb3eb99dd452"},
	}
	if diff := cmp.Diff(want, tree.Files()); diff != "" {
		t.Error(diff)
	}
	if got, want := tree.Digest(), "sha256:0f76f04867d36ab5fc8dffaa64cbba2ed73076966827b52cc9a162cd1022f40b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{".env"}, tree.Denied()); diff != "" {
		t.Error(diff)
	}
}

// Order of creation, times and the modes that a umask leaves do not change the digest; contents, names and the executable bit do.
func TestDigestDependsOnContentAlone(t *testing.T) {
	t.Setenv("PATH", "") // without git: it makes no difference here, and takes most of the time
	names := rapid.StringMatching(`[a-c]{1,3}(/[a-c]{1,2}){0,2}\.[a-z]{2}`)
	rapid.Check(t, func(rt *rapid.T) {
		files := rapid.MapOfN(names, rapid.StringN(0, 40, 40), 1, 8).Draw(rt, "files")
		order := rapid.Permutation(slices.Sorted(mapKeys(files))).Draw(rt, "order")
		make := func(order []string, varied bool) string {
			dir, err := os.MkdirTemp(t.TempDir(), "tree")
			if err != nil {
				rt.Fatal(err)
			}
			for _, name := range order {
				full := filepath.Join(dir, name)
				mode, at := os.FileMode(0o644), time.Unix(0, 0)
				if varied {
					mode = rapid.SampledFrom([]os.FileMode{0o600, 0o640, 0o664, 0o666, 0o611}).Draw(rt, "mode")
					at = time.Unix(rapid.Int64Range(0, 1<<32).Draw(rt, "time"), 0)
				}
				if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(files[name]), 0o600), os.Chmod(full, mode), os.Chtimes(full, at, at)); err != nil {
					rt.Fatal(err)
				}
			}
			tree, err := Open(t.Context(), dir)
			if err != nil {
				rt.Fatal(err)
			}
			return tree.Digest()
		}
		want := make(slices.Sorted(mapKeys(files)), false)
		if got := make(order, true); got != want {
			rt.Fatalf("the same files gave %s and %s", want, got)
		}
		changed := rapid.SampledFrom(order).Draw(rt, "changed")
		files[changed] += "x"
		if got := make(order, true); got == want {
			rt.Fatalf("a change of %s did not change the digest", changed)
		}
	})
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestExecutableBitCounts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no executable bit on Windows")
	}
	a, b := t.TempDir(), t.TempDir()
	write(t, a, map[string]string{"run": "x"})
	write(t, b, map[string]string{"run*": "x"})
	if mustOpen(t, a).Digest() == mustOpen(t, b).Digest() {
		t.Error("an executable file has the digest of a plain one")
	}
}

type ignoreCase struct {
	files  map[string]string
	dir    string // to open, below the temporary folder
	want   []string
	denied []string
	reason string
}

var ignoreCases = map[string]ignoreCase{
	"always": {
		map[string]string{"a": "", ".git/HEAD": "", "node_modules/x/i.js": "", "w/node_modules/y": "", ".vercel/project.json": "", ".next/x": "", ".slipway/db": "", ".DS_Store": ""},
		"",
		[]string{"a"},
		nil, "made by tools, on each machine otherwise",
	},
	"the manifest stays": {map[string]string{"slipway.yaml": "app: a"}, "", []string{"slipway.yaml"}, nil, "it is part of the app's history"},
	"patterns":           {map[string]string{".gitignore": "# c\n*.log\n/build/\n!keep.log\ndoc/*.txt\n", "a.log": "", "keep.log": "", "x/b.log": "", "build/o": "", "x/build/o": "", "doc/a.txt": "", "doc/s/a.txt": ""}, "", []string{".gitignore", "doc/s/a.txt", "keep.log", "x/build/o"}, nil, "git's ordinary rules"},
	"two stars":          {map[string]string{".gitignore": "**/tmp\na/**/z\n", "tmp/x": "", "q/tmp/x": "", "a/b/c/z": "", "a/z": "", "a/y": ""}, "", []string{".gitignore", "a/y"}, nil, "git's ordinary rules"},
	"nested":             {map[string]string{"x/.gitignore": "*.log\n!a.log\n", "x/a.log": "", "x/b.log": "", "b.log": ""}, "", []string{"b.log", "x/.gitignore", "x/a.log"}, nil, "a folder's rules hold below it"},
	"no way back":        {map[string]string{".gitignore": "out/\n!out/keep\n", "out/keep": "", "a": ""}, "", []string{".gitignore", "a"}, nil, "git cannot re-include below an ignored folder"},
	"carriage returns":   {map[string]string{".vercelignore": "*.log\r\n", "a.log": "", "a": ""}, "", []string{".vercelignore", "a"}, nil, "files written on Windows"},
	"vercelignore too":   {map[string]string{".gitignore": "*.log\n", ".vercelignore": "*.md\n!a.log\n/d/\n", "a.log": "", "a.md": "", "d/x": "", "e/d/x": "", "a": ""}, "", []string{".gitignore", ".vercelignore", "a", "e/d/x"}, nil, "in addition: it cannot bring back what git ignores"},
	"Vercel's defaults": {
		map[string]string{"a": "", ".cache/x": "", "w/.venv/x": "", "__pycache__/x": "", ".a.swp": "", "npm-debug.log": "", ".yarn/cache/z": "", ".yarn/releases/y": "", ".pnp.cjs": "", "target/x": "", ".dockerignore": ""},
		"",
		[]string{".dockerignore", ".yarn/releases/y", "a", "target/x"},
		nil, "as @vercel/client leaves them out",
	},
	"Vercel's defaults for Rust": {map[string]string{"Cargo.toml": "", "target/x": "", "w/target/x": ""}, "", []string{"Cargo.toml", "w/target/x"}, nil, "beside a Cargo.toml"},
	"a default brought back":     {map[string]string{".vercelignore": "!.cache\n./gone\n!node_modules\n", ".cache/x": "", "gone": "", "w/gone": "", "node_modules/x": "", "z": ""}, "", []string{".cache/x", ".vercelignore", "z"}, nil, ".vercelignore comes after the defaults, and Vercel drops ./ in front; what is skipped stays out"},
	"service account": {
		map[string]string{"shop-1234-abcdef.json": serviceAccount, "data/x.json": strings.ReplaceAll(serviceAccount, "private_key", "public_key"), "i18n.json": `{"type":"service_account"}`},
		"",
		[]string{"data/x.json", "i18n.json"},
		[]string{"shop-1234-abcdef.json"},
		"it is downloaded under the project's name",
	},
	"private keys": {
		map[string]string{"a": "", "deploy_key": keyBegin("OPENSSH ") + "b3Bl", "w/note.txt": "\ufeff\n" + keyBegin("") + "MII", "p": "PuTTY-User-Key-File-3: ssh", "g.asc": keyBegin("PGP ")[:26] + " BLOCK-----\n", "doc.md": "a key begins with " + keyBegin("RSA "), "cert": "-----BEGIN CERTIFICATE-----\n"},
		"",
		[]string{"a", "cert", "doc.md"},
		[]string{"deploy_key", "g.asc", "p", "w/note.txt"},
		"whatever their names are",
	},
	"service account, or not": {
		map[string]string{
			"package.json": serviceAccount, "key.txt": serviceAccount, "user.json": strings.ReplaceAll(serviceAccount, "service_account", "authorized_user"),
			"short.json": keyOf(511), "shortest.json": keyOf(512), "longest.json": keyOf(16 << 10), "long.json": keyOf(16<<10 + 1),
		},
		"",
		[]string{"key.txt", "long.json", "package.json", "short.json", "user.json"},
		[]string{"longest.json", "shortest.json"},
		"by type and size, since all other JSON is part of an app",
	},
	"npmrc, too large": {
		map[string]string{".npmrc": strings.Repeat("#", 256<<10), "w/.npmrc": strings.Repeat("#", 256<<10+1)}, "", []string{".npmrc"}, []string{"w/.npmrc"}, "what is not read through may hold a credential",
	},
	"collisions":            {map[string]string{"A.txt": "1", "a.txt": "2", "caf\u00e9": "3", "cafe\u0301": "4", "日本/\u202eb": "5"}, "", []string{"A.txt", "a.txt", "cafe\u0301", "caf\u00e9", "日本/\u202eb"}, nil, "they are different files at Vercel too"},
	"folder in repository":  {map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/objects/x": "", ".git/refs/x": "", ".gitignore": "dist\n/apps/web/top\n", "apps/web/dist/x": "", "apps/web/top": "", "apps/web/a": "", "apps/top": ""}, "apps/web", []string{"a"}, nil, "the rules above count"},
	"ignored folder itself": {map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/objects/x": "", ".git/refs/x": "", ".gitignore": "dist\n", "dist/index.html": "", "dist/.gitignore": "*.map\n", "dist/a.map": ""}, "dist", []string{".gitignore", "index.html"}, nil, "shipping a build's output on purpose"},
	"odd names":             {map[string]string{".gitignore": "*.log\nx.txt\n", ":(top)x.txt": "", ":x": "", "-z": "", "a b": "", "ü": "", "*q.log": "", "!k": ""}, "", []string{"!k", "-z", ".gitignore", ":(top)x.txt", ":x", "a b", "ü"}, nil, "names with a meaning for git"},
	"denied": {
		map[string]string{"a": "", ".env": "", ".env.local": "", ".env.example": "", "certs/server.pem": "", ".aws/credentials": "", "ID_RSA": "", "w/.env": ""},
		"",
		[]string{".env.example", "a"},
		[]string{".aws/", ".env", ".env.local", "ID_RSA", "certs/server.pem", "w/.env"},
		"held back and told",
	},
	"denied and ignored": {map[string]string{"a": "", ".gitignore": ".env\n", ".env": ""}, "", []string{".gitignore", "a"}, nil, "what is ignored needs no telling"},
	"npmrc":              {map[string]string{".npmrc": "//r.example/:_authToken=${NPM_TOKEN}\nsave-exact=true\n", "w/.npmrc": "//r.example/:_authToken=abc\n", "y/.yarnrc.yml": "npmAuthToken: abc\n", "z/.npmrc": "; _auth=x\n"}, "", []string{".npmrc", "z/.npmrc"}, []string{"w/.npmrc", "y/.yarnrc.yml"}, "a reference is no credential"},
}

// keyBegin is how a private key of a kind begins.
func keyBegin(kind string) string { return "-----BEGIN " + kind + "PRIVATE KEY-----\n" }

// serviceAccount has the shape of a Google service account's key.
var serviceAccount = `{"type": "service_account", "project_id": "shop", "private_key": "-----BEGIN PRIVATE KEY-----\n` + strings.Repeat("A", 600) + `\n"}`

// keyOf is a service account's key of so many bytes.
func keyOf(size int) string {
	const key = `{"type": "service_account", "private_key": "x"}`
	return key + strings.Repeat(" ", size-len(key))
}

func TestIgnoreRules(t *testing.T) {
	for _, judge := range []string{"git", "matcher"} {
		t.Run(judge, func(t *testing.T) {
			if _, err := exec.LookPath("git"); err != nil && judge == "git" {
				t.Skip("git is not installed")
			}
			if judge == "matcher" {
				t.Setenv("PATH", "")
			}
			requireJudge(t, judge)
			t.Setenv("HOME", t.TempDir())
			t.Setenv("XDG_CONFIG_HOME", "")
			for name, c := range ignoreCases {
				t.Run(name, func(t *testing.T) {
					dir := t.TempDir()
					write(t, dir, c.files)
					tree := mustOpen(t, filepath.Join(dir, c.dir))
					if diff := cmp.Diff(c.want, paths(tree)); diff != "" {
						t.Errorf("%s\n%s", c.reason, diff)
					}
					if diff := cmp.Diff(c.denied, tree.Denied()); diff != "" {
						t.Errorf("%s\n%s", c.reason, diff)
					}
				})
			}
		})
	}
}

// requireJudge proves that the cases are not all judged by the fallback.
func requireJudge(t *testing.T, want string) {
	t.Helper()
	ignore, err := newIgnorer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer ignore.close()
	if _, isGit := ignore.(*rules).git.(*git); isGit != (want == "git") {
		t.Fatalf("judged by git: %t, want %s", isGit, want)
	}
}

func TestGitsOwnExcludes(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, dir, map[string]string{".git/info/exclude": "notes.txt\n", "notes.txt": "", "a": "", ".git/config": "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch " + dir + "/pwned\n"})
	if diff := cmp.Diff([]string{"a"}, paths(mustOpen(t, dir))); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a command from the repository's settings was run")
	}
}

func TestDenyList(t *testing.T) {
	for p, want := range map[string]bool{
		".env": true, ".ENV": true, ".env.production": true, "a/.env.local": true, "prod.env": true, ".env.example": false, ".envrc": true, ".env-prod": true, ".env_old": true, "a/.env~": true, "secring.gpg": true,
		"key.pem": true, "a/server.key": true, "keys.ts": false, "id_rsa": true, "id_rsa.pub": true, "id_ed25519": true, "x.p12": true, "x.PFX": true,
		".netrc": true, "service-account.json": true, "service-account-prod.json": true, "serviceAccountKey.json": true, "x-firebase-adminsdk-1.json": true,
		"credentials.json": true, "credentials": true, "credentials.ts": false, "secrets.ts": false, ".ssh": true, ".aws": true, ".docker/config.json": true,
		"kubeconfig": true, "prod.kubeconfig": true, ".kube": true, "credentials.tfrc.json": true, "vpn.ovpn": true, ".env.example.local": true, "config.json": false, "environment.ts": false, "env.mjs": false, "monkey.js": false, "terraform.tfstate": true, "package.json": false,
	} {
		if got := denies(p); got != want {
			t.Errorf("%s: got %t, want %t", p, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	outside := t.TempDir()
	for name, c := range map[string]struct {
		files  map[string]string
		want   []string // parts of the message and hint
		reason string
	}{
		"empty":                       {nil, []string{"holds nothing to ship", "source.dir"}, "an empty deployment replaces an app by nothing"},
		"only credentials":            {map[string]string{".env": "A=1"}, []string{"holds nothing to ship", "held back: .env"}, "the reason is told"},
		"absolute link":               {map[string]string{"l": "->" + outside}, []string{`"l" is a link to an absolute path`, ".vercelignore"}, "it means something else on each machine"},
		"link to above":               {map[string]string{"d/l": "->../../x"}, []string{`"d/l" is a link that leads outside`}, "it would ship what was not meant"},
		"link through a link":         {map[string]string{"a/b/up": "->../..", "a/b/l": "->up/../x", "x": ""}, []string{`"a/b/l" is a link that leads outside`}, "by its text it stays inside, in truth it does not"},
		"control character in a name": {map[string]string{"a\x1bb": ""}, []string{`"a\x1bb" has a control character`, "rename"}, "terminals obey it"},
		"line feed in a name":         {map[string]string{"a\nb": ""}, []string{"control character"}, "the list has a line for each file"},
		"name that is not UTF-8":      {map[string]string{"a\xff": ""}, []string{"not UTF-8"}, "JSON cannot carry it"},
		"backslash in a name":         {map[string]string{`a\b`: ""}, []string{"backslash"}, "a folder on Windows"},
		"several":                     {map[string]string{"b\x01": "", "a\x01": "", "c": ""}, []string{`"a\x01" has a control`, "1 more problems"}, "the first in order, and how many more"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows cannot make these")
			}
			dir := t.TempDir()
			if name == "link through a link" {
				write(t, filepath.Dir(dir), map[string]string{"x": ""})
			}
			write(t, dir, c.files)
			_, err := Open(t.Context(), dir)
			requireRefused(t, err, c.want, c.reason)
		})
	}
}

func requireRefused(t *testing.T, err error, parts []string, reason string) {
	t.Helper()
	var e *slipway.Error
	if !errors.As(err, &e) || e.Code != slipway.CodeInvalid {
		t.Fatalf("%s: got %v, want code invalid", reason, err)
	}
	for _, part := range parts {
		if !strings.Contains(e.Message+"\n"+e.Hint, part) {
			t.Errorf("%s: %q is not in %q, %q", reason, part, e.Message, e.Hint)
		}
	}
}

func TestOpenOfNoFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": ""})
	_, err := Open(t.Context(), filepath.Join(dir, "file"))
	requireRefused(t, err, []string{"is not a folder"}, "a file is no source")
	_, err = Open(t.Context(), filepath.Join(dir, "nothing"))
	requireRefused(t, err, []string{"does not exist", "source.dir"}, "nothing there")
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "123", "b": "456"})
	_, err := open(t.Context(), dir, limits{files: 1, bytes: 100})
	requireRefused(t, err, []string{"more than 1 files", ".vercelignore"}, "files")
	_, err = open(t.Context(), dir, limits{files: 10, bytes: 5})
	requireRefused(t, err, []string{"more than 5 bytes", "b"}, "bytes")
	if _, err := open(t.Context(), dir, limits{files: 2, bytes: 6}); err != nil {
		t.Errorf("just at the limits: %v", err)
	}
}

func TestCancelEndsOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir); slipway.ErrorCode(err) != slipway.CodeCanceled {
		t.Errorf("got %v, want code canceled", err)
	}
}

func TestLinksInsideAreKept(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/x": "1", "l": "->a", "a/up": "->../a/x", "gone": "->a/nothing", "self": "->."})
	tree := mustOpen(t, dir)
	want := map[string]string{"l": "a", "a/up": "../a/x", "gone": "a/nothing", "self": "."}
	for _, f := range tree.Files() {
		if f.Mode != ModeLink {
			continue
		}
		text, err := read(t, tree, f)
		if err != nil || text != want[f.Path] {
			t.Errorf("%s: got %q, %v, want %q", f.Path, text, err, want[f.Path])
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not in the tree as links: %v", want)
	}
}

func read(t testing.TB, tree *Tree, f slipway.File) (string, error) {
	t.Helper()
	r, err := tree.Open(t.Context(), f)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func TestOpenedFileIsTheListedOne(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	for name, c := range map[string]struct {
		change func(path string) error
		reason string
	}{
		"other bytes":   {func(p string) error { return os.WriteFile(p, []byte(long[:len(long)-1]+"x"), 0o644) }, "same size, last byte differs"},
		"shorter":       {func(p string) error { return os.Truncate(p, 10) }, "cut off"},
		"longer":        {func(p string) error { return os.WriteFile(p, []byte(long+"x"), 0o644) }, "starts as listed"},
		"removed":       {os.Remove, "gone"},
		"executable":    {func(p string) error { return os.Chmod(p, 0o755) }, "the mode ships too"},
		"now a link":    {func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink("a2", p)) }, "same bytes by another way"},
		"now a folder":  {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, "no bytes"},
		"link to above": {func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/hostname", p)) }, "nothing outside is read"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("modes and links of Unix")
			}
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": long})
			tree := mustOpen(t, dir)
			if text, err := read(t, tree, tree.Files()[0]); err != nil || text != long {
				t.Fatalf("before the change: %d bytes, %v", len(text), err)
			}
			if err := c.change(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			text, err := read(t, tree, tree.Files()[0])
			if slipway.ErrorCode(err) != slipway.CodeSourceChanged {
				t.Fatalf("%s: got %v, want code source_changed", c.reason, err)
			}
			if len(text) >= len(long) {
				t.Errorf("%s: all %d bytes were given out before the error", c.reason, len(text))
			}
		})
	}
}

func TestOpenRefusesWhatIsNotListed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1", ".env": "SECRET=x"})
	tree := mustOpen(t, dir)
	for name, f := range map[string]slipway.File{
		"denied": {Path: ".env", Mode: ModeFile, Size: 8}, "outside": {Path: "../x", Mode: ModeFile}, "another hash": {Path: "a", Mode: ModeFile, Size: 1, SHA1: strings.Repeat("0", 40)},
	} {
		if _, err := tree.Open(t.Context(), f); slipway.ErrorCode(err) != slipway.CodeSourceChanged {
			t.Errorf("%s: got %v, want code source_changed", name, err)
		}
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": strings.Repeat("x", 1000)})
	tree := mustOpen(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := tree.Open(ctx, tree.Files()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(make([]byte, 10)); slipway.ErrorCode(err) != slipway.CodeCanceled {
		t.Errorf("got %v, want code canceled", err)
	}
}

// 50,000 files: the tree's memory grows with the list alone, not with what is in the files.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 50,000 files")
	}
	dir := t.TempDir()
	makeMany(t, dir, 50_000, 2_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tree := mustOpen(t, dir)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := len(tree.Files()); got != 50_000 {
		t.Errorf("got %d files", got)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the tree keeps %d MiB for 100 MB in 50,000 files", grown>>20)
	}
	runtime.KeepAlive(tree)
}

// makeMany makes n files; they are links to one, which takes a tenth of the time.
func makeMany(tb testing.TB, dir string, n, size int) {
	tb.Helper()
	first := filepath.Join(dir, "first.ts")
	if err := os.WriteFile(first, []byte(strings.Repeat("x", size)), 0o644); err != nil {
		tb.Fatal(err)
	}
	for i := range n - 1 {
		sub := filepath.Join(dir, fmt.Sprintf("d%03d", i/500))
		if i%500 == 0 {
			if err := os.Mkdir(sub, 0o755); err != nil {
				tb.Fatal(err)
			}
		}
		if err := os.Link(first, filepath.Join(sub, fmt.Sprintf("file%05d.ts", i))); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{7, 1000, 10_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			makeMany(b, dir, n, 4096)
			b.SetBytes(int64(n) * 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(b.Context(), dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
