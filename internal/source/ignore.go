package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	slipway "github.com/slipway-dev/slipway"
)

// newIgnorer returns git's rules and those of .vercelignore in root. Git itself judges where it is installed; else a matcher does that
// reads .gitignore files alone.
func newIgnorer(ctx context.Context, root string) (ignorer, error) {
	both := &rules{root: root, vercel: vercelPatterns(root)}
	g, err := startGit(ctx, root)
	if err == nil {
		both.git = g
		return both, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	both.git = newMatcher(root)
	return both, nil
}

// vercelDefaults are what @vercel/client leaves out before .vercelignore has its say, without those that are skipped anyway, and without
// .gitignore, .gitmodules, .npmignore and .dockerignore, which tools of a build read:
// https://github.com/vercel/vercel/blob/main/packages/client/src/utils/index.ts
var vercelDefaults = []string{
	".cache", ".now", ".*.swp", ".wafpicke-*", ".lock-wscript", ".venv", ".yarn/cache", ".pnp*", "npm-debug.log", "config.gypi", "__pycache__", "venv",
}

// vercelPatterns are Vercel's defaults, what Slipway writes itself, and what .vercelignore says, which may bring a default back. It stands in the source folder alone.
func vercelPatterns(root string) []gitignore.Pattern {
	lines := slices.Concat(vercelDefaults, ours)
	if _, err := os.Lstat(filepath.Join(root, "Cargo.toml")); err == nil {
		lines = append(lines, "/target")
	}
	var out []gitignore.Pattern
	for _, line := range lines {
		out = append(out, gitignore.ParsePattern(line, nil))
	}
	return append(out, parsePatterns(filepath.Join(root, ".vercelignore"), nil)...)
}

// rules are git's and Vercel's: what one of them ignores is out.
type rules struct {
	root   string
	git    ignorer
	vercel []gitignore.Pattern
}

func (r *rules) close() { r.git.close() }

func (r *rules) ignored(dir string, entries []fs.DirEntry) ([]bool, error) {
	out, err := r.git.ignored(dir, entries)
	if err != nil {
		return out, err
	}
	m := gitignore.NewMatcher(r.vercel)
	for i, e := range entries {
		out[i] = out[i] || m.Match(split(path.Join(dir, e.Name())), e.IsDir())
	}
	return out, nil
}

func split(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// parsePatterns reads an ignore file; one that cannot be read has no patterns.
func parsePatterns(file string, domain []string) []gitignore.Pattern {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var out []gitignore.Pattern
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if domain == nil && filepath.Base(file) == ".vercelignore" {
			line = strings.TrimPrefix(line, "./") // as Vercel reads it
		}
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		out = append(out, gitignore.ParsePattern(line, domain))
	}
	return out
}

// matcher judges without git. Patterns are collected on the way down.
type matcher struct {
	root     string
	above    []string // the root's path in its repository
	patterns map[string][]gitignore.Pattern
}

func newMatcher(root string) *matcher {
	m := &matcher{root: root, patterns: map[string][]gitignore.Pattern{}}
	top := repositoryTop(root)
	rel, err := filepath.Rel(top, root)
	if err != nil || rel == "." {
		return m
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	var inherited []gitignore.Pattern
	for i := range parts {
		inherited = append(inherited, parsePatterns(filepath.Join(append([]string{top}, append(parts[:i:i], ".gitignore")...)...), parts[:i])...)
	}
	if gitignore.NewMatcher(inherited).Match(parts, true) {
		return m // the folder itself is ignored, as a folder of outputs is: its own rules count
	}
	m.above, m.patterns[".."] = parts, inherited
	return m
}

// repositoryTop returns the folder with .git that root lies in, root itself for none.
func repositoryTop(root string) string {
	for dir := root; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return root
		}
	}
}

func (m *matcher) close() {}

func (m *matcher) ignored(dir string, entries []fs.DirEntry) ([]bool, error) {
	parent := ".."
	if dir != "" {
		if parent = path.Dir(dir); parent == "." {
			parent = ""
		}
	}
	here := append(append([]string{}, m.above...), split(dir)...)
	patterns := append(append([]gitignore.Pattern{}, m.patterns[parent]...), parsePatterns(filepath.Join(m.root, filepath.FromSlash(dir), ".gitignore"), here)...)
	m.patterns[dir] = patterns
	match := gitignore.NewMatcher(patterns)
	out := make([]bool, len(entries))
	for i, e := range entries {
		out[i] = match.Match(append(here[:len(here):len(here)], e.Name()), e.IsDir())
	}
	return out, nil
}

// git asks `git check-ignore`, which answers path by path. It gets a repository of its own with nothing in it, and the real folder as
// its work tree: so it works outside a repository too, and no setting of a repository that somebody else wrote is obeyed.
type git struct {
	cmd    *exec.Cmd
	stop   context.CancelFunc
	in     *bufio.Writer
	pipe   interface{ Close() error }
	out    *bufio.Reader
	temp   string
	prefix string // the root's path in the work tree, with a slash at its end; "" when it is the work tree
}

// startGit fails when git is not there or does not work.
func startGit(ctx context.Context, root string) (*git, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	top, excludes := workTree(ctx, program, root)
	g, err := newGit(ctx, program, top, excludes)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(top, root)
	if err != nil {
		g.close()
		return nil, err
	}
	if rel != "." {
		g.prefix = filepath.ToSlash(rel) + "/"
	}
	answers, err := g.ask([]string{cmp.Or(strings.TrimSuffix(g.prefix, "/"), ".gitignore")}) // the first answer shows that it works
	switch {
	case err != nil:
		g.close()
		return nil, err
	case answers[0] && g.prefix != "":
		g.close()
		return newGit(ctx, program, root, nil) // the folder itself is ignored, as a folder of outputs is: its own rules count
	}
	return g, nil
}

// workTree returns the top of the repository that root lies in and the text of its info/exclude; root and nothing when there is none.
func workTree(ctx context.Context, program, root string) (string, []byte) {
	if _, err := os.Lstat(filepath.Join(repositoryTop(root), ".git")); err != nil {
		return root, nil
	}
	cmd := exec.CommandContext(ctx, program, "-c", "safe.directory=*", "rev-parse", "--show-toplevel", "--git-path", "info/exclude")
	cmd.Dir, cmd.Env = root, gitEnvironment()
	answer, err := cmd.Output()
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	if err != nil || len(lines) != 2 {
		return repositoryTop(root), nil
	}
	excludes := filepath.FromSlash(strings.TrimSpace(lines[1]))
	if !filepath.IsAbs(excludes) {
		excludes = filepath.Join(root, excludes)
	}
	text, _ := os.ReadFile(excludes)
	top := filepath.FromSlash(strings.TrimSpace(lines[0]))
	if rel, err := filepath.Rel(top, root); err != nil || !filepath.IsLocal(rel) {
		return root, text
	}
	return top, text
}

// gitEnvironment holds what git needs to find itself and the user's own ignore file, and none of the credentials around.
func gitEnvironment(more ...string) []string {
	env := []string{"GIT_OPTIONAL_LOCKS=0", "LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

func newGit(ctx context.Context, program, top string, excludes []byte) (*git, error) {
	temp, err := os.MkdirTemp("", "slipway-git-")
	if err != nil {
		return nil, err
	}
	g := &git{temp: temp}
	if err := g.start(ctx, program, top, excludes); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *git) start(ctx context.Context, program, top string, excludes []byte) error {
	var errs []error
	for _, dir := range []string{"objects", "refs", "info"} {
		errs = append(errs, os.Mkdir(filepath.Join(g.temp, dir), 0o700))
	}
	errs = append(errs, os.WriteFile(filepath.Join(g.temp, "HEAD"), []byte("ref: refs/heads/main\n"), 0o600),
		os.WriteFile(filepath.Join(g.temp, "info", "exclude"), excludes, 0o600))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	ctx, g.stop = context.WithCancel(ctx)
	g.cmd = exec.CommandContext(ctx, program, "check-ignore", "--no-index", "--stdin", "-z", "--verbose", "--non-matching")
	g.cmd.Dir, g.cmd.Env = top, gitEnvironment("GIT_DIR="+g.temp, "GIT_WORK_TREE="+top)
	in, err := g.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	g.pipe, g.in, g.out = in, bufio.NewWriterSize(in, 64<<10), bufio.NewReaderSize(out, 64<<10)
	if err := g.cmd.Start(); err != nil {
		g.cmd = nil
		return err
	}
	return nil
}

func (g *git) close() {
	if g.stop != nil {
		g.stop()
	}
	if g.cmd != nil {
		g.pipe.Close()
		_ = g.cmd.Wait() // it was told to stop
	}
	os.RemoveAll(g.temp)
}

func (g *git) ignored(dir string, entries []fs.DirEntry) ([]bool, error) {
	paths := make([]string, len(entries))
	for i, e := range entries {
		paths[i] = g.prefix + path.Join(dir, e.Name())
	}
	out, err := g.ask(paths)
	if err != nil {
		return nil, &slipway.Error{
			Code: slipway.CodeInvalid, Message: "git could not judge what is ignored in " + path.Join(dir, "."), Cause: err,
			Hint: "see whether git check-ignore works in this folder",
		}
	}
	return out, nil
}

// ask sends paths and reads an answer for each: source, line, pattern and path, each ended by a zero byte. A pattern with ! re-includes.
func (g *git) ask(paths []string) ([]bool, error) {
	sent := make(chan error, 1)
	go func() {
		for _, p := range paths {
			g.in.WriteString("./" + p) // else a colon in front would be git's magic
			g.in.WriteByte(0)
		}
		sent <- g.in.Flush()
	}()
	out := make([]bool, len(paths))
	var failed error
	for i := range paths {
		var fields [4][]byte
		for k := range fields {
			if fields[k], failed = g.out.ReadBytes(0); failed != nil {
				g.stop() // so that the sender ends as well
				return nil, errors.Join(errors.New("git stopped answering"), <-sent)
			}
		}
		pattern := bytes.TrimSuffix(fields[2], []byte{0})
		out[i] = len(pattern) > 0 && pattern[0] != '!'
	}
	return out, <-sent
}
