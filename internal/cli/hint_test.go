package cli

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
)

var update = flag.Bool("update", false, "write testdata/hints.txt: what each command that is shown ends with")

// hint is a command that Slipway prints or its documents show, as it is written: with %s, RUN or STEP where a value goes.
type hint struct {
	text string
	args []string
}

// hints are all that the source and the documents have, by their text; where says the first place of each.
func hints(t *testing.T) (found map[string]hint, where map[string]string) {
	t.Helper()
	found, where = map[string]hint{}, map[string]string{}
	root := desk{env: map[string]string{}}.app(nil, newScreen()).root()
	note := func(file, text string, loose bool) {
		for _, h := range commandsIn(t, root, file, text, loose) {
			if _, known := found[h.text]; !known {
				found[h.text], where[h.text] = h, file
			}
		}
	}
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		base := filepath.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != top && (base == "node_modules" || base == "testdata" && !strings.Contains(name, "manual") || strings.HasPrefix(base, ".") && base != ".."):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			for _, text := range literals(t, name) {
				note(name, text, true)
			}
		case strings.HasSuffix(name, ".md"):
			raw, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, text := range codeOf(string(raw)) {
				note(name, text, false)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, where
}

// literals are the strings of a Go file.
func literals(t *testing.T, name string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}

var (
	inline = regexp.MustCompile("`(slipway [^`]+)`")
	fenced = regexp.MustCompile(`(?m)^(?:\$ )?(slipway [^\n#]+)`)
)

// codeOf are the commands in a Markdown page's code.
func codeOf(page string) []string {
	var out []string
	for _, m := range append(inline.FindAllStringSubmatch(page, -1), fenced.FindAllStringSubmatch(page, -1)...) {
		out = append(out, m[1])
	}
	return out
}

var (
	called = regexp.MustCompile(`(^|[^A-Za-z0-9_/.-])slipway `)
	spot   = regexp.MustCompile(`^('?%[sd]'?|[A-Z]{2,}|<[^>]*>|run_\w*|\S*…\S*)$`)
	word   = regexp.MustCompile(`^[a-z]+$`)
)

// commandsIn reads the commands out of a text. In prose a command ends where a word is no part of it; in code the whole is one.
func commandsIn(t *testing.T, root *cobra.Command, file, text string, prose bool) []hint {
	t.Helper()
	var out []hint
	for _, at := range called.FindAllStringIndex(text, -1) {
		words := strings.Fields(text[at[1]:])
		if len(words) == 0 {
			continue
		}
		c, args := root, []string{}
		for i := 0; i < len(words); i++ {
			w := strings.TrimRight(words[i], ";,:.)`")
			last := w != words[i]
			sub := find(c, w)
			switch known, takes := flagOf(c, w); {
			case sub != nil:
				c = sub
			case i == 0 && (spot.MatchString(w) || w == "--help"): // whichever command it was
				last, w = true, ""
			case i == 0:
				if !prose || strings.HasSuffix(text[:at[1]], ": slipway ") {
					t.Errorf("%s: there is no command slipway %s: %q", file, w, text)
				}
				last, w = true, ""
			case strings.HasPrefix(w, "-") && w != "-":
				if !known {
					t.Errorf("%s: slipway %s has no flag %s: %q", file, c.Name(), w, text)
					last = true
					break
				}
				if takes && !strings.Contains(w, "=") && !last && i+1 < len(words) {
					args = append(args, w)
					i++
					w = strings.TrimRight(words[i], ";,:)`")
					last = w != words[i]
				}
			case spot.MatchString(w), !prose && !word.MatchString(w):
			case !prose:
			default:
				last, w = true, ""
			}
			if w != "" {
				args = append(args, w)
			}
			if last && prose || w == "" {
				break
			}
		}
		if c != root {
			out = append(out, hint{strings.Join(args, " "), args})
		}
	}
	return out
}

func find(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}

// flagOf reports whether a command has a flag, and whether it takes a value.
func flagOf(c *cobra.Command, w string) (known, takes bool) {
	if w == "--help" {
		return true, false
	}
	own, global := c.Flags(), c.Root().PersistentFlags()
	name, long := strings.CutPrefix(w, "--")
	name, _, _ = strings.Cut(name, "=")
	f := own.Lookup(name)
	if f == nil {
		f = global.Lookup(name)
	}
	if short := strings.TrimPrefix(w, "-"); !long && len(short) == 1 {
		if f = own.ShorthandLookup(short); f == nil {
			f = global.ShorthandLookup(short)
		}
	}
	return f != nil, f != nil && f.Value.Type() != "bool"
}

// elsewhere are commands that scripts run, because they serve until they are stopped, kill this program, or work on a file of another
// command's: here their words are checked.
var elsewhere = map[string]string{
	"audit": "audit_*.txtar", "demo": "demo_run.txtar", "key": "key_approve.txtar", "emulate": "emulate_*.txtar", "selftest": "selftest_*.txtar", "watch": "ship_cancel.txtar",
}

// Every command that is printed or shown is known, with its flags, and ends with a status that testdata/hints.txt records. None of them is 2,
// which says that the command was not understood.
func TestEveryCommandThatIsShownWorks(t *testing.T) {
	found, where := hints(t)
	var mu sync.Mutex
	results := map[string]string{}
	t.Run("run", func(t *testing.T) {
		for text, h := range found {
			t.Run(text, func(t *testing.T) {
				t.Parallel()
				result := "run by " + elsewhere[h.args[0]]
				if elsewhere[h.args[0]] == "" || slices.Contains(h.args, "--help") {
					exit, out := tryHint(t, h)
					if result = fmt.Sprintf("exit %d", exit); exit == slipway.ExitUsage {
						t.Errorf("%s: slipway %s is not understood:\n%s", where[text], text, out)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				results[text] = result
			})
		}
	})
	var lines []string
	for _, text := range slices.Sorted(maps.Keys(results)) {
		lines = append(lines, "slipway "+text+": "+results[text])
	}
	got, file := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "hints.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is stale: go test ./internal/cli -run CommandThatIsShown -update (-recorded +now):\n%s", file, diff)
	}
}

var runID = regexp.MustCompile(`run_[0-9a-f]{8}-[0-9a-f-]+`)

// tryHint runs a command where it makes sense: on a run that waits for a person, one that waits for an approval, or a shipped app.
func tryHint(t *testing.T, h hint) (exit int, out *screen) {
	t.Helper()
	d := newDesk(t)
	const manifest = "app: shop\nsource: {dir: site}\nenvironments: [production, preview]\n" +
		"resources: {cache: {type: upstash.redis, region: us-east-1}}\nenv: {CACHE_URL: {from: cache.rest_url}}\n"
	d.write(t, "slipway.yaml", manifest)
	var begin []string
	switch h.args[0] {
	case "policy":
		d.write(t, "slipway.policy.test.yaml", "cases: [{action: apply, principal: ada, expect: allow}]\n")
	case "manual":
		delete(d.env, "VERCEL_TOKEN")
		begin = []string{"ship", "--yes"}
	case "destroy", "drift", "env", "rollback":
		begin = []string{"ship", "--yes"}
	case "init":
		if !slices.Contains(h.args, "--force") {
			if err := os.Remove(filepath.Join(d.dir, "slipway.yaml")); err != nil {
				t.Fatal(err)
			}
		}
	default:
		begin = []string{"ship"}
	}
	run := "none"
	if begin != nil {
		first := newScreen()
		d.app(strings.NewReader(""), first).main(t.Context(), append([]string{"-C", d.dir}, begin...))
		run = runID.FindString(first.String())
	}
	if h.args[0] == "rollback" { // to what was served before
		d.write(t, filepath.Join("site", "index.html"), "<h1>the other shop</h1>")
		d.app(strings.NewReader(""), newScreen()).main(t.Context(), append([]string{"-C", d.dir}, begin...))
	}
	d.env["GITHUB_WEBHOOK_SECRET"] = "the secret of a webhook"
	args := []string{"-C", d.dir}
	for i, a := range h.args {
		if strings.HasPrefix(a, "[") || h.args[0] == "rollback" && spot.MatchString(a) {
			continue // what may be left out
		}
		args = append(args, d.value(h.args, i, a, run))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out = newScreen()
	return d.app(strings.NewReader(""), out).main(ctx, args), out
}

func (d desk) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// value is what stands for a spot of a command.
func (d desk) value(args []string, i int, a, run string) string {
	before := ""
	if i > 0 {
		before = args[i-1]
	}
	switch before {
	case "--gate":
		return "apply"
	case "--confirm":
		return "shop"
	case "--check", "--assert", "--take", "--release":
		return "1"
	case "--only":
		return "cache"
	case "--promote-over":
		return "dpl_ofSomebody"
	case "--note":
		return "done"
	case "--webhooks":
		return "127.0.0.1:0"
	case "--plan":
		return "sha256:" + strings.Repeat("0", 64)
	case "--out":
		return filepath.Join(d.dir, "plan.json")
	case "-C":
		return d.dir
	}
	if spot.MatchString(a) {
		return run
	}
	return a
}
