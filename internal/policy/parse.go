package policy

import (
	"regexp"
	"strconv"
	"strings"
)

// What github.com/cedar-policy/cedar-go says of a text that it cannot parse (internal/parser/cedar_unmarshal.go): the token that it would
// read next, quoted, and what is wrong with the one before. The text has ended where that next one is empty.
var (
	nextToken = regexp.MustCompile(`^("(?:[^"\\]|\\.)*"): `)
	wanted    = regexp.MustCompile(`(?s)^(?:exact )?got (.*) want (\S+)$`)
	noEffect  = regexp.MustCompile(`(?s)^unexpected effect: (.*)$`)
)

// plainly turns the library's words about a text into a sentence. What it does not know stays as it is.
func plainly(message string) string {
	m := nextToken.FindStringSubmatch(message)
	if m == nil {
		return message
	}
	next, err := strconv.Unquote(m[1])
	if err != nil {
		return message
	}
	what := strings.TrimPrefix(message, m[0])
	w, e := wanted.FindStringSubmatch(what), noEffect.FindStringSubmatch(what)
	switch {
	case w != nil && w[1] == "":
		return "the text ends, and " + strconv.Quote(w[2]) + " is missing"
	case w != nil:
		return strconv.Quote(w[1]) + " stands where " + strconv.Quote(w[2]) + " is due"
	case e != nil && e[1] == "":
		return "the text ends, and permit or forbid is missing"
	case e != nil:
		return strconv.Quote(e[1]) + " stands where permit or forbid is due"
	case next == "":
		return "the text ends in the middle of a rule"
	case what == "unexpected token", what == "invalid primary":
		return "something is missing or too much before " + strconv.Quote(next)
	case strings.HasPrefix(what, "expected "):
		what = strings.Replace(what, "expected ident", "a name", 1)
		return strings.Replace(what, "expected ", "a ", 1) + " is due before " + strconv.Quote(next)
	}
	return what
}
