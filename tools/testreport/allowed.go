package main

import (
	"fmt"
	"regexp"
	"strings"
)

// entry is one line of the list of allowed skips.
type entry struct {
	line       int
	pkg, test  *regexp.Regexp
	reason     string
	text       string
	wasMatched bool
}

func parseAllowed(text string) ([]entry, error) {
	var list []entry
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, "|", 3)
		if len(parts) != 3 || strings.TrimSpace(parts[2]) == "" {
			return nil, fmt.Errorf("%d: want PACKAGES | TESTS | REASON, have %q", i+1, line)
		}
		list = append(list, entry{
			line: i + 1, text: line, pkg: glob(parts[0]), test: glob(parts[1]), reason: strings.TrimSpace(parts[2]),
		})
	}
	return list, nil
}

// glob compiles a pattern in which * is any text.
func glob(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(strings.TrimSpace(pattern))
	return regexp.MustCompile(`^` + strings.ReplaceAll(quoted, `\*`, `.*`) + `$`)
}

// allow tells whether the list names this skip, and marks the entry that does.
func allow(list []entry, s skip) bool {
	found := false
	for i := range list {
		e := &list[i]
		if e.reason == s.reason && e.pkg.MatchString(s.pkg) && e.test.MatchString(s.test) {
			e.wasMatched, found = true, true
		}
	}
	return found
}
