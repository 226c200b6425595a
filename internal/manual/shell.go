package manual

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// placeholder is how one stands in the ways of a step; in a shell it is a variable of that name.
var placeholder = regexp.MustCompile(`<([A-Z][A-Z0-9_]*)>`)

var (
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
	inHere    = strings.NewReplacer(`\`, `\\`, `$`, `\$`, "`", "\\`")            // in a here-document
	inQuotes  = strings.NewReplacer(`\`, `\\`, `$`, `\$`, "`", "\\`", `"`, `\"`) // in double quotes
)

// shell writes for sh. What looks like a placeholder and is not among known is text like any other.
type shell struct{ known map[string]bool }

// word is one argument: quoted where it must be, with variables for placeholders.
func (s shell) word(text string) string {
	if len(s.placeholders(text)) == 0 {
		if plainWord.MatchString(text) {
			return text
		}
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return `"` + s.variables(text, inQuotes, func(name string) string { return "${" + name + "}" }) + `"`
}

// placeholders are the names of those in text.
func (s shell) placeholders(text string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if s.known[m[1]] {
			out = append(out, m[1])
		}
	}
	return out
}

// variables puts each placeholder as one gives it, and escapes all else.
func (s shell) variables(text string, escape *strings.Replacer, one func(name string) string) string {
	var b strings.Builder
	for _, name := range s.placeholders(text) {
		before, after, _ := strings.Cut(text, "<"+name+">")
		b.WriteString(escape.Replace(before) + one(name))
		text = after
	}
	return b.String() + escape.Replace(text)
}

// line is a command for sh; a value for its standard input does not show in a list of processes.
func (s shell) line(argv []string, input string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = s.word(a)
	}
	command := strings.Join(words, " ")
	if input != "" {
		command = "printf %s " + s.word(input) + " | " + command
	}
	return command
}

// curl is a request for sh. The body goes through standard input, with secrets escaped for JSON.
func (s shell) curl(f *slipway.HTTPForm) string {
	parts := []string{"curl --fail-with-body -sS -X " + f.Method + " " + s.word(f.URL)}
	if f.User != "" {
		parts = append(parts, "--user "+s.word(f.User))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		parts = append(parts, "-H "+s.word(name+": "+f.Headers[name]))
	}
	if f.Body == nil {
		return strings.Join(parts, " \\\n  ")
	}
	return strings.Join(append(parts, "--data-binary @- <<JSON\n"+s.body(f.Body)+"\nJSON"), " \\\n  ")
}

// body is a request's body inside a here-document.
func (s shell) body(v any) string {
	return s.variables(encode(v), inHere, func(name string) string { return `$(printf %s "$` + name + `" | sed 's/[\\"]/\\&/g')` })
}

func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // else no placeholder would be left
	if err := e.Encode(v); err != nil {
		panic("manual: a body that JSON cannot hold: " + err.Error()) // it came from a guide
	}
	return strings.TrimSuffix(b.String(), "\n")
}
