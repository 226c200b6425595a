package emulator

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/live"
)

// behaviour is one that no document and no record tells: a comment of the emulators' code marks it where it is chosen, by [? ID].
type behaviour struct {
	id   string
	at   string // file and function
	text string // the comment's sentence, and the code beside a short one
}

// mark is what a comment says. One without an id finds itself as such.
var mark = regexp.MustCompile(`\[\?(?: ([a-z0-9-]+))?\]`)

// TestEveryUnconfirmedBehaviourIsAsked keeps the marks and the questions of `make live` one to one.
func TestEveryUnconfirmedBehaviourIsAsked(t *testing.T) {
	for _, complaint := range unasked(marks(t), live.Questions()) {
		t.Error(complaint)
	}
}

func marks(t *testing.T) []behaviour {
	t.Helper()
	var out []behaviour
	for _, c := range chapters() {
		if c.folder != "" {
			out = append(out, unconfirmed(t, c.folder)...)
		}
	}
	return out
}

func unasked(marked []behaviour, asked []live.Question) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	for _, b := range marked {
		switch {
		case b.id == "":
			complain("%s: a mark without an id: write [? NAME-OF-THE-BEHAVIOUR], and a question of that id in internal/live", b.at)
		case seen[b.id]:
			complain("%s: the id %s is another behaviour's", b.at, b.id)
		case !slices.ContainsFunc(asked, func(q live.Question) bool { return q.ID == b.id }):
			complain("%s: internal/live neither asks for %s nor says why it cannot", b.at, b.id)
		}
		seen[b.id] = true
	}
	once := map[string]bool{}
	for _, q := range asked {
		switch {
		case once[q.ID]:
			complain("internal/live asks twice for %s", q.ID)
		case !seen[q.ID]:
			complain("internal/live asks for %s, which no comment marks", q.ID)
		case (q.Asks == "" || q.Here == "") == (q.NotAsked == "" || q.FindOut == ""):
			complain("internal/live: %s has what is asked and what is answered here, or why it is not and how to find out", q.ID)
		}
		once[q.ID] = true
	}
	return complaints
}

func TestUnaskedBehaviours(t *testing.T) {
	marked := []behaviour{{id: "asked", at: "a"}, {id: "not-asked", at: "b"}}
	asked := []live.Question{{ID: "asked", Asks: "GET /", Here: "200"}, {ID: "not-asked", NotAsked: "it takes a day", FindOut: "wait"}}
	for name, c := range map[string]struct {
		reason string
		marked []behaviour
		asked  []live.Question
		want   []string
	}{
		"one to one":      {"nothing is wrong", marked, asked, nil},
		"no id":           {"an id is how the page, the report and the question know it", append(marked[:2:2], behaviour{at: "c"}), asked, []string{"c: a mark without an id: write [? NAME-OF-THE-BEHAVIOUR], and a question of that id in internal/live"}},
		"no question":     {"each is asked, or it is said why not", append(marked[:2:2], behaviour{id: "new", at: "c"}), asked, []string{"c: internal/live neither asks for new nor says why it cannot"}},
		"one id for two":  {"an answer is to one behaviour", append(marked[:2:2], behaviour{id: "asked", at: "c"}), asked, []string{"c: the id asked is another behaviour's"}},
		"no mark":         {"a question is for a behaviour", marked[:1], asked, []string{"internal/live asks for not-asked, which no comment marks"}},
		"asked twice":     {"one answer each", marked, append(asked[:2:2], asked[0]), []string{"internal/live asks twice for asked"}},
		"without a way":   {"who reads why it is not asked reads how to find out", marked, []live.Question{asked[0], {ID: "not-asked", NotAsked: "it takes a day"}}, []string{"internal/live: not-asked has what is asked and what is answered here, or why it is not and how to find out"}},
		"without an here": {"the answer is compared", marked, []live.Question{{ID: "asked", Asks: "GET /"}, asked[1]}, []string{"internal/live: asked has what is asked and what is answered here, or why it is not and how to find out"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, unasked(c.marked, c.asked)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// writeUnconfirmed writes the part of the page about what no document says.
func writeUnconfirmed(t *testing.T, b *strings.Builder) {
	t.Helper()
	b.WriteString("\n## Unconfirmed\n\nNo document says how the real API behaves here, or one record does. Clients must stand either answer. The code marks each where it is\n" +
		"chosen, by its id; [?] is what is not known. `make live` ships an app to real accounts, asks for each, prints what the real API answers beside what the emulators\n" +
		"answer, and deletes all that it made; it needs `SLIPWAY_LIVE_TEAM` and the credentials that `slipway doctor` asks for, and `GITHUB_TOKEN`\n" +
		"with the scopes repo and delete_repo for GitHub. `SLIPWAY_LIVE_JSON=FILE` takes the answers as lines of JSON too.\n")
	for _, c := range chapters() {
		if c.folder == "" {
			continue
		}
		marked := unconfirmed(t, c.folder)
		fmt.Fprintf(b, "\n### %s: %d behaviours\n\n", c.title, len(marked))
		for _, m := range marked {
			fmt.Fprintf(b, "- **%s** (%s): %s\n", m.id, m.at, m.text)
			for _, q := range live.Questions() {
				if q.ID == m.id {
					b.WriteString("  " + question(q) + "\n")
				}
			}
		}
	}
}

func question(q live.Question) string {
	if q.NotAsked != "" {
		return "Not asked: " + q.NotAsked + ". To find out: " + q.FindOut + "."
	}
	return "Asked: " + q.Asks + ". The emulators answer `` " + q.Here + " ``."
}

// unconfirmed returns the behaviours that a package's comments mark.
func unconfirmed(t *testing.T, folder string) []behaviour {
	t.Helper()
	var out []behaviour
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		lines := strings.Split(string(src), "\n")
		for _, group := range file.Comments {
			if group == file.Doc {
				continue // says what [?] means
			}
			out = append(out, marked(group, lines[set.Position(group.Pos()).Line-1], path, enclosing(file, group))...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// enclosing names the function or type that a comment is of or in, "" for none.
func enclosing(file *ast.File, group *ast.CommentGroup) string {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		switch {
		case group.Pos() > d.End():
		case ok && (f.Doc == group || d.Pos() <= group.Pos()):
			return " " + f.Name.Name
		case !ok && d.Pos() <= group.Pos():
			if t, ok := d.(*ast.GenDecl).Specs[0].(*ast.TypeSpec); ok {
				return " " + t.Name.Name
			}
		}
	}
	return ""
}

func marked(group *ast.CommentGroup, line, path, in string) []behaviour {
	text := strings.Join(strings.Fields(group.Text()), " ")
	code, _, _ := strings.Cut(strings.TrimSpace(line), "//")
	if code = strings.TrimSpace(code); code != "" {
		code = "`` " + code + " ``"
	}
	var out []behaviour
	for sentence := range strings.SplitSeq(text, ". ") {
		said := strings.Trim(strings.ReplaceAll(mark.ReplaceAllString(sentence, "[?]"), "[?] [?]", "[?]"), ". ")
		switch {
		case code != "" && said == "[?]":
			said = ""
		case code != "":
			said += ": "
		}
		for _, m := range mark.FindAllStringSubmatch(sentence, -1) {
			out = append(out, behaviour{m[1], "`" + strings.TrimSuffix(filepath.ToSlash(path), ".go") + "`" + in, said + code})
		}
	}
	return out
}
