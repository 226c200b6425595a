package clienttest

import (
	"errors"
	"flag"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var update = flag.Bool("update", false, "write testdata/calls: what each client called")

// calls are the modelled operations that a client has called with success. A nil one notes nothing.
type calls struct {
	modelled []emukit.Operation

	mu     sync.Mutex
	seen   map[string]bool // "METHOD pattern"
	strays map[string]bool // "METHOD path" of what was answered and is not modelled
}

// record notes what the test's client calls. When the test ends well, testdata/calls/TEST.txt, from which
// docs/emulators.md tells what is checked by which client, must say the same.
func record(t *testing.T, modelled ...[]emukit.Operation) *calls {
	t.Helper()
	c := &calls{modelled: slices.Concat(modelled...), seen: map[string]bool{}, strays: map[string]bool{}}
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			c.compare(t, filepath.Join("testdata", "calls", t.Name()+".txt"))
		}
	})
	return c
}

func (c *calls) compare(t *testing.T, file string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.strays) > 0 {
		t.Errorf("answered and not among the Operations: %v", slices.Sorted(maps.Keys(c.strays)))
	}
	got := strings.Join(slices.Sorted(maps.Keys(c.seen)), "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is stale: go test ./internal/emulator/clienttest -run '^%s$' -update (-recorded +called):\n%s", file, t.Name(), diff)
	}
}

// wrap serves h and notes each 2xx reply as soon as it begins: a stream may outlast the test.
func (c *calls) wrap(h http.Handler) http.Handler {
	if c == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&noting{ResponseWriter: w, note: func(status int) { c.note(r.Method, r.URL.Path, status) }}, r)
	})
}

func (c *calls) note(method, path string, status int) {
	if status/100 != 2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if pattern := operation(c.modelled, method, path); pattern != "" {
		c.seen[method+" "+pattern] = true
		return
	}
	c.strays[method+" "+path] = true
}

// operation returns the pattern that a path fits with the fewest parameters, "" for none.
func operation(modelled []emukit.Operation, method, path string) (pattern string) {
	fewest := -1
	for _, op := range modelled {
		for _, p := range op.Paths {
			if n := parameters(strings.Split(p, "/"), strings.Split(path, "/")); op.Method == method && n >= 0 && (fewest < 0 || n < fewest) {
				pattern, fewest = p, n
			}
		}
	}
	return pattern
}

// parameters counts those of a pattern that fits the path, where one for the rest of a path counts most. -1: it does
// not fit.
func parameters(pattern, path []string) int {
	n := 0
	for i, p := range pattern {
		switch {
		case i >= len(path):
			return -1
		case strings.HasSuffix(p, "...}"):
			return n + 100
		case strings.HasPrefix(p, "{"):
			n++
		case p != path[i]:
			return -1
		}
	}
	if len(pattern) != len(path) {
		return -1
	}
	return n
}

// noting tells a reply's status when its header is written, which an emulator does for each.
type noting struct {
	http.ResponseWriter
	note func(status int)
}

func (n *noting) WriteHeader(status int) {
	n.note(status)
	n.ResponseWriter.WriteHeader(status)
}

// Flush passes a stream on.
func (n *noting) Flush() {
	if f, ok := n.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func TestACallIsOfTheOperationWithTheFewestParameters(t *testing.T) {
	modelled := []emukit.Operation{
		{Method: "POST", Paths: []string{"/{store}"}},
		{Method: "POST", Paths: []string{"/{store}/{command...}"}},
		{Method: "POST", Paths: []string{"/{store}/query", "/{store}/query/{namespace}"}},
		{Method: "GET", Paths: []string{"/v1/env/{project}/{target}"}},
	}
	for name, tc := range map[string]struct{ reason, method, path, want string }{
		"root":     {"a command in the body", "POST", "/quick-fox-1", "/{store}"},
		"rest":     {"a command as segments", "POST", "/quick-fox-1/SET/a/1", "/{store}/{command...}"},
		"literal":  {"a verb is no command", "POST", "/quick-fox-1/query", "/{store}/query"},
		"second":   {"any of an operation's paths", "POST", "/quick-fox-1/query/other", "/{store}/query/{namespace}"},
		"method":   {"of another method", "PUT", "/quick-fox-1", ""},
		"too long": {"more segments than the pattern has", "GET", "/v1/env/p/production/main", ""},
	} {
		if got := operation(modelled, tc.method, tc.path); got != tc.want {
			t.Errorf("%s: %s: %q, want %q", name, tc.reason, got, tc.want)
		}
	}
}
