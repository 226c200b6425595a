package manifest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	slipway "github.com/slipway-dev/slipway"
)

// Fault is one thing that is wrong with a manifest.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`             // from 1
	Column  int    `json:"column"`           // from 1, in characters
	Path    string `json:"path,omitempty"`   // keys and list positions joined with points, such as vercel.domains.0; "" for the whole file
	Message string `json:"message"`          // a sentence without a final stop, to be read after Path
	Hint    string `json:"hint,omitempty"`   // the next thing to try
	Source  string `json:"source,omitempty"` // the line itself, without control characters; what looks like a secret is starred
}

// String returns the fault as a person reads it: where and what, the line with a caret under the column, and the hint.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message + "\n")
	text, column := window(f.Source, f.Column)
	number := fmt.Sprintf("%5d", f.Line)
	fmt.Fprintf(&b, "%s | %s\n%s | %s^", number, text, strings.Repeat(" ", len(number)), strings.Repeat(" ", column-1))
	if f.Hint != "" {
		fmt.Fprintf(&b, "\n hint: %s", f.Hint)
	}
	return b.String()
}

// Errors is every fault of one manifest in the order of the file, never empty. It unwraps to a *slipway.Error with CodeInvalid.
type Errors []Fault

func (e Errors) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = f.String()
	}
	return strings.Join(parts, "\n")
}

func (e Errors) Unwrap() error { return slipway.Errorf(slipway.CodeInvalid, "%s", e.Error()) }

// sorted returns the faults in the order of the file, and nil for none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return e
}

const lineWidth = 120

// window cuts a long line down to what surrounds column, and returns the column in what is left.
func window(line string, column int) (string, int) {
	runes := []rune(line)
	column = min(column, len(runes)+1)
	if len(runes) <= lineWidth {
		return line, column
	}
	from := max(0, min(column-1-lineWidth/2, len(runes)-lineWidth))
	return string(runes[from : from+lineWidth]), column - from
}

// credentialPattern matches what is a credential by its form: tokens with the makers' prefixes, and a password in a URL. It holds no
// syntax that RE2 and ECMA-262 read differently, because the schema carries it too.
const credentialPattern = `(^|[^A-Za-z0-9])((sk|rk)_(live|test)_[A-Za-z0-9]|sk-[A-Za-z0-9_-]{20}|gh[opsur]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9]|` +
	`xox[abprs]-[A-Za-z0-9]|AKIA[0-9A-Z]{16}|whsec_[A-Za-z0-9]|napi_[a-z0-9]{20}|npg_[A-Za-z0-9]{6}|eyJ[A-Za-z0-9_-]{10,}\.)` +
	`|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/@: ]*:[^/@ ]+@`

var credential = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:` + credentialPattern + `)[^\s"',}]*`)
})

// printable returns a line as it may be shown: tabs are spaces, control characters are dots, credentials are stars. The number of
// characters stays the same.
func printable(line string) string {
	line = credential().ReplaceAllStringFunc(line, stars)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return '·'
	}, line)
}

func stars(s string) string { return strings.Repeat("*", len([]rune(s))) }

// nearest returns the candidate that word was most likely meant to be, "" for none.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/3+1
	for _, c := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if len(word) >= 3 && (strings.HasPrefix(c, word) || strings.HasPrefix(word, c)) {
			d = min(d, 1)
		}
		if d <= bestDistance && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b. Long words are not compared.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// suggest makes the hint for a word that is none of the known ones. what names them in the plural.
func suggest(word, what string, known []string) string {
	if n := nearest(word, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) == 0 {
		return "there are no " + what + " here; remove it"
	}
	return what + " here: " + strings.Join(known, ", ")
}
