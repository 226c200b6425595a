package audit

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/slipway-dev/slipway"
)

// pageOf is a vector's page as a tree.
func pageOf(t *testing.T, name string) *html.Node {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d", Version), name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify(t, data, key(t, testKey))
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	tree, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// textOf is what a reader sees of an element.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestPageTells: somebody who knows nothing of the format finds who approved what, what was done, that it was verified, and what is only asserted.
func TestPageTells(t *testing.T) {
	tree := pageOf(t, "approved")
	text := textOf(tree)
	for reason, want := range map[string]string{
		"the verdict comes with what it is worth":    "The page itself is not signed.",
		"who approved, and how far it is proved":     "asserted ada , 2026-11-22 20:30:24 UTC os-user: whoever ran as that user",
		"a key that is not known proves nothing":     "asserted grace , 2026-11-22 20:30:27 UTC signed with the key 39f713d0a644253f, which is not trusted here",
		"the rules that let them":                    "let by the rule “two-people” “seen”",
		"a yes in short":                             "Approved apply void: it was no longer what had been asked; apply approved by ada (asserted) and grace (asserted)",
		"what was done, counted by who did it":       "changes: 3 by Slipway; 1 by hand, observed; 1 by hand, only asserted",
		"a step that stands on somebody's word":      "(by hand) asserted",
		"what a person says":                         "by grace: “made on the page, \"db\" <eu>”",
		"what nobody has looked at is not found":     "pending neon.project/db#create (by hand) because: it does not exist",
		"the whole output is in the bundle, by name": "core/transcripts/",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s: the page does not say %q", reason, want)
		}
	}
}

// TestPageIsAccessible: one h1, no level of heading left out, a language, a title, and a term before each description.
func TestPageIsAccessible(t *testing.T) {
	for name := range vectors {
		tree := pageOf(t, name)
		levels, names := []int{}, []string{}
		for n := range tree.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			names = append(names, n.Data)
			if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
				levels = append(levels, int(n.Data[1]-'0'))
			}
			if n.Data == "html" && !slices.Contains(n.Attr, html.Attribute{Key: "lang", Val: "en"}) {
				t.Errorf("%s: the page has no language", name)
			}
			if n.Data == "title" && textOf(n) == "" {
				t.Errorf("%s: the title is empty", name)
			}
			if n.Data == "dl" && n.FirstChild.NextSibling.Data != "dt" {
				t.Errorf("%s: a description has no term", name)
			}
		}
		for i, level := range levels {
			if i == 0 && level != 1 || i > 0 && (level == 1 || level > levels[i-1]+1) {
				t.Errorf("%s: the levels of the headings are %v", name, levels)
				break
			}
		}
		for _, want := range []string{"main", "title", "h1"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s: the page has no %s", name, want)
			}
		}
	}
}

// TestPageContrast computes the contrast of each colour of text on each ground: https://www.w3.org/TR/WCAG22/#contrast-minimum asks for 4.5.
func TestPageContrast(t *testing.T) {
	schemes := regexp.MustCompile(`:root \{([^}]*--page[^}]*)\}`).FindAllStringSubmatch(reportPage, -1)
	if len(schemes) != 3 {
		t.Fatalf("the page has %d sets of colours, not those of light, dark and paper", len(schemes))
	}
	for _, scheme := range schemes {
		colours := map[string]float64{}
		for _, c := range regexp.MustCompile(`--(\w+): #([0-9a-f]+)`).FindAllStringSubmatch(scheme[1], -1) {
			colours[c[1]] = luminance(t, c[2])
		}
		for _, text := range []string{"text", "quiet", "good", "bad", "word"} {
			for _, ground := range []string{"page", "box"} {
				a, b := colours[text]+.05, colours[ground]+.05
				if ratio := max(a, b) / min(a, b); ratio < 4.5 {
					t.Errorf("%s on %s has a contrast of %.1f in %s", text, ground, ratio, scheme[1])
				}
			}
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestResultLines: how a check went is told of commands, probes and the checks of a commit.
func TestResultLines(t *testing.T) {
	got := resultLines(slipway.Step{Basis: map[string]any{
		"commands":  []any{map[string]any{"argv": []any{"npm", "run", "a b"}, "end": "exited", "exit": 1.0, "took_ms": 1500.0}, map[string]any{"argv": []any{"sh"}, "end": "time"}},
		"isolation": map[string]any{"backend": "bubblewrap", "version": "0.8"},
		"probes":    []any{map[string]any{"url": "https://a.b", "path": "/c", "outcome": "passed", "status": 200.0, "millis": 12.0, "attempts": 2.0}},
		"checks":    []any{map[string]any{"name": "build", "says": "success"}},
	}})
	want := []string{"$ npm run 'a b': exit code 1, 1.5s", "$ sh: ended: time, 0s", "by bubblewrap 0.8", "GET https://a.b/c: passed, 200 after 12 ms, attempt 2", "build: success"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestOutputIsBounded: a report shows the end of an output, however long that and its lines are.
func TestOutputIsBounded(t *testing.T) {
	var data bytes.Buffer
	data.WriteString("{\"bytes\":9,\"kept\":3000,\"lines\":5000}\n")
	for n := range 3000 {
		fmt.Fprintf(&data, "{\"at\":\"2026-11-22T00:00:00Z\",\"stream\":\"stdout\",\"text\":\"line %d %s\"}\n", n, strings.Repeat("ä", 600))
	}
	hash := strings.TrimPrefix(digest(data.Bytes()), "sha256:")
	name := fmt.Sprintf(nameTranscript, hash)
	head := strings.Repeat(" ", 30+len(name))
	b := &reading{archive: &archive{r: strings.NewReader(head + data.String()), byName: map[string]entry{name: {name: name, size: int64(data.Len())}}}}
	got := b.output(slipway.Step{Basis: map[string]any{"transcript": "sha256:" + hash}})
	if got == nil || got.Entry != name || got.Lines != 5000 || len(got.End) != outputLines {
		t.Fatalf("%+v", got)
	}
	last := []rune(got.End[outputLines-1])
	if len(last) != outputWidth+1 || !strings.HasPrefix(string(last), "line 2999 ä") || last[outputWidth] != '…' {
		t.Errorf("the last line is %q", string(last))
	}
	if b.output(slipway.Step{Basis: map[string]any{"transcript": "sha256:0"}}) != nil {
		t.Error("an output that is not there is shown")
	}
}
