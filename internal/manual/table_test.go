package manual_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
	"github.com/slipway-dev/slipway/internal/provider"
	"github.com/slipway-dev/slipway/internal/rest"
)

// ledger is what of a test's many runbooks has been printed and done.
type ledger struct {
	mu      sync.Mutex
	books   []slipway.Runbook
	visited map[string]bool
	ran     int
}

func (l *ledger) note(book slipway.Runbook, p *byhand.Person) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.books, l.ran = append(l.books, book), l.ran+1
	if l.visited == nil {
		l.visited = map[string]bool{}
	}
	for _, v := range p.Visited() {
		l.visited[v] = true
	}
}

// rows is the table of all pages.
func rows() (out []slipway.PageInfo) {
	for _, p := range provider.All(rest.Config{}) {
		out = append(out, p.Info().Pages...)
	}
	return out
}

var pageHole = regexp.MustCompile(`\\\{\w+\\\}`)

// fits reports whether text is a row's, with something in each hole.
func fits(row, text string) bool {
	return regexp.MustCompile("^(?s)" + pageHole.ReplaceAllString(regexp.QuoteMeta(row), ".+") + "$").MatchString(text)
}

// place is a page as one text.
func placeText(link string, path []string, checked string) string {
	return link + "\n" + strings.Join(path, "\n") + "\n" + checked
}

func eachWay(ways []slipway.Way, f func(slipway.Way)) {
	for _, w := range ways {
		f(w)
		eachWay(w.Then, f)
	}
}

var (
	anyLink = regexp.MustCompile(`https://[^ ,)]+`)
	dated   = regexp.MustCompile(`^(?:: [^(]+?)? \(checked \d{4}-\d{2}-\d{2}\)`)
)

// complaints are the pages of a runbook that are not as the table has them. printed notes the rows that are.
func complaints(book slipway.Runbook, table []slipway.PageInfo, printed map[int]bool) (out []string) {
	known := func(match func(slipway.PageInfo) bool) bool {
		found := false
		for i, row := range table {
			if match(row) {
				printed[i], found = true, true
			}
		}
		return found
	}
	for _, s := range book.Steps {
		for _, ways := range [][]slipway.Way{s.Ways, s.Undo} {
			eachWay(ways, func(w slipway.Way) {
				if p := w.Page; p != nil {
					if _, err := time.Parse(time.DateOnly, p.Checked); err != nil {
						out = append(out, fmt.Sprintf("%s: the page %s has no day: %q", s.Key, p.URL, p.Checked))
					}
					if !known(func(row slipway.PageInfo) bool {
						return fits(placeText(row.Link, row.Path, row.Checked), placeText(p.URL, p.Path, p.Checked))
					}) {
						out = append(out, fmt.Sprintf("%s: the page %s: %v is not in the table", s.Key, p.URL, p.Path))
					}
				}
			})
		}
		texts := append([]string{s.See, s.Check, s.Title}, s.Before...)
		for _, v := range s.Placeholders {
			texts = append(texts, v.From)
		}
		for _, text := range texts {
			for _, at := range anyLink.FindAllStringIndex(text, -1) {
				link := strings.TrimSuffix(text[at[0]:at[1]], ":")
				if strings.HasPrefix(link, "https://shop.") || strings.HasPrefix(link, "https://example.") {
					continue // the app's own domain
				}
				rest := strings.TrimPrefix(text[at[0]:], link)
				if !dated.MatchString(rest) {
					out = append(out, fmt.Sprintf("%s: the link %s has no day: %q", s.Key, link, text))
				}
				if !known(func(row slipway.PageInfo) bool {
					return row.Link == link && fits(row.String(), link+dated.FindString(rest))
				}) {
					out = append(out, fmt.Sprintf("%s: %q is not in the table", s.Key, link+dated.FindString(rest)))
				}
			}
		}
	}
	return out
}

// unprinted are rows that no runbook of these tests shows, and why.
var unprinted = map[string]string{
	"look that it is the project that the app is to use": "to take over what is as declared sends nothing, and is no person's",
	"ID, br-…": "the look that planned it knows the default branch",
}

// unvisited are places of byhand's that nobody is at, and why.
var unvisited = map[string]string{
	"the database > Details > Endpoint":                "an emulator's endpoint is a whole URL where a real one is a host",
	"the database > Details > TCP":                     "so is what is made of it",
	"the index > Details > Endpoint: without https://": "as that of Redis",
}

// Every page that a runbook names is a row of the table, with its day; and no row is there for nothing.
func (l *ledger) judge(t *testing.T) {
	t.Helper()
	table, printed := rows(), map[int]bool{}
	for _, p := range papers() {
		l.books = append(l.books, p.runbook(t))
	}
	said := map[string]bool{}
	for _, book := range l.books {
		for _, c := range complaints(book, table, printed) {
			if !said[c] {
				said[c] = true
				t.Error(c)
			}
		}
	}
	for i, row := range table {
		if row.Checked == "" || !strings.HasPrefix(row.Source, "https://") {
			t.Errorf("%s: nothing says when and where it was looked up", row)
		}
		if !printed[i] && unprinted[row.Path[len(row.Path)-1]] == "" {
			t.Errorf("no runbook shows %s", row)
		}
	}
	for _, place := range byhand.Places() {
		_, path, _ := strings.Cut(place, ": ")
		if !l.visited[place] && unvisited[path] == "" {
			t.Errorf("nobody was at %s", place)
		}
	}
}

func TestAPageOutsideTheTableIsFound(t *testing.T) {
	row := slipway.PageInfo{Link: "https://x.example/{id}", Path: []string{"Settings", "Delete {name}"}, Checked: "2026-11-22", Source: "https://x.example/docs"}
	for name, tc := range map[string]struct {
		reason string
		step   slipway.ManualStep
		want   int
	}{
		"in the table":  {"each hole is filled", slipway.ManualStep{Ways: []slipway.Way{row.With("id", "1", "name", "a").Way()}}, 0},
		"undone there":  {"what undoes counts too", slipway.ManualStep{Undo: []slipway.Way{{Page: &slipway.Page{URL: "https://y.example", Checked: "2026-11-22"}}}}, 1},
		"after another": {"and what follows", slipway.ManualStep{Ways: []slipway.Way{row.With("id", "1", "name", "a").Way().And(slipway.Way{Page: &slipway.Page{URL: "https://y.example", Checked: "2026-11-22"}})}}, 1},
		"another day":   {"the day is the table's", slipway.ManualStep{Ways: []slipway.Way{{Page: &slipway.Page{URL: "https://x.example/1", Path: []string{"Settings", "Delete a"}, Checked: "2026-11-21"}}}}, 1},
		"no day":        {"a page without one is not in the table either", slipway.ManualStep{Ways: []slipway.Way{{Page: &slipway.Page{URL: "https://x.example/1", Path: []string{"Settings", "Delete a"}}}}}, 2},
		"a bare link":   {"a link in a sentence is a page", slipway.ManualStep{Before: []string{"look at https://x.example/1"}}, 2},
		"a dated link":  {"by the table", slipway.ManualStep{Before: []string{"look at " + slipway.PageInfo{Link: "https://x.example/{id}", Checked: "2026-11-22"}.String()}}, 1},
	} {
		if got := complaints(slipway.Runbook{Steps: []slipway.ManualStep{tc.step}}, []slipway.PageInfo{row}, map[int]bool{}); len(got) != tc.want {
			t.Errorf("%s: %s: %q", name, tc.reason, got)
		}
	}
}

// A page is made from its row alone.
func TestGuidesMakeNoPageOfTheirOwn(t *testing.T) {
	looked := 0
	err := filepath.WalkDir("../provider", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		looked++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, _ := n.(*ast.CompositeLit)
			if lit == nil {
				return true
			}
			if sel, is := lit.Type.(*ast.SelectorExpr); is && sel.Sel.Name == "Page" {
				t.Errorf("%s makes a page that is not of the table", path)
			}
			if sel, is := lit.Type.(*ast.SelectorExpr); is && sel.Sel.Name == "PageInfo" && filepath.Base(path) != "page.go" {
				t.Errorf("%s: rows of the table are in page.go", path)
			}
			return true
		})
		return nil
	})
	if err != nil || looked == 0 {
		t.Error(looked, err)
	}
}

// commandForm is a command without what is this app's own: its words and its options.
func commandForm(argv []string, words [][]string) string {
	form := ""
	for _, known := range words {
		if len(argv) >= len(known) && slices.Equal(argv[:len(known)], known) && len(strings.Join(known, " ")) > len(form) {
			form = strings.Join(known, " ")
		}
	}
	return form
}

// Every command that is printed for Vercel's command line is one that the stand-in knows, and that the long tests run.
func (l *ledger) judgeCommands(t *testing.T) {
	t.Helper()
	var words [][]string
	for _, form := range byhand.CLIForms() {
		words = append(words, strings.Fields(form))
	}
	printed := map[string]bool{}
	for _, book := range l.books {
		for _, s := range book.Steps {
			for _, ways := range [][]slipway.Way{s.Ways, s.Undo} {
				eachWay(ways, func(w slipway.Way) {
					if len(w.Command) == 0 || w.Command[0] == "neon" || w.Command[0] == "upstash" { // TestTheVendorsCommandLinesReachTheSame
						return
					}
					form := commandForm(w.Command, words)
					if form == "" {
						t.Errorf("%s prints a command that nobody knows: %q", s.Key, w.Command)
					}
					printed[form] = true
				})
			}
		}
	}
	for _, form := range byhand.CLIForms() {
		if !printed[form] {
			t.Errorf("no runbook prints %s", form)
		}
	}
}

func bookOf(t *testing.T, raw []byte) (book slipway.Runbook) {
	t.Helper()
	if err := json.Unmarshal(raw, &book); err != nil {
		t.Fatal(err)
	}
	return book
}
