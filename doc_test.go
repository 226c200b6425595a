package slipway_test

import (
	"strings"
	"testing"
)

// A package comment of fewer words does not say what a package is for. A command's help says the rest.
const leastWords, leastWordsOfCommand = 20, 10

// Every package says what it is for, in one file of it.
func TestPackageComments(t *testing.T) {
	_, all := units(t)
	words, least, files := map[string]int{}, map[string]int{}, map[string][]string{}
	for _, u := range all {
		if u.test() {
			continue
		}
		words[u.dir] += 0
		least[u.dir] = leastWords
		if u.file.Name.Name == "main" {
			least[u.dir] = leastWordsOfCommand
		}
		if u.file.Doc != nil {
			words[u.dir] += len(strings.Fields(u.file.Doc.Text()))
			files[u.dir] = append(files[u.dir], u.name)
		}
	}
	for dir, n := range words {
		if n < least[dir] {
			t.Errorf("%s: its package comment has %d words, want at least %d that say what it is for", dir, n, least[dir])
		}
		if len(files[dir]) > 1 {
			t.Errorf("%s: %q have a package comment each, want one", dir, files[dir])
		}
	}
	if len(words) < len(policy)/2 {
		t.Errorf("looked at %d packages: this test is not run at the repository's root", len(words))
	}
}
