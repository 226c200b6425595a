package emulator

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

//go:generate go test -run TestEmulatorsPage . -update

var update = flag.Bool("update", false, "write docs/emulators.md")

const page = "../../docs/emulators.md"

// chapter is an API's part of the page.
type chapter struct {
	title, spec string // spec "" means that there is no document
	folder      string // of the sources with [?]
	operations  []emukit.Operation
	client      string // what is in the names of the clients that are meant
	only        string // part of the document that is meant: operations whose path has it; "-x" those that have it not
}

func chapters() []chapter {
	return []chapter{
		{"Vercel", "vercel", "vercelemu", vercelemu.Operations(), "vercel", "-/sandboxes"},
		{"Vercel Sandbox", "vercel", "", vercelemu.SandboxOperations(), "vercel", "/sandboxes"},
		{"Neon", "neon", "neonemu", neonemu.Operations(), "neon", ""},
		{"Upstash Developer API", "upstash", "upstashemu", upstashemu.Operations(), "upstash", ""},
		{"Upstash data planes", "", "", upstashemu.DataOperations(), "upstash", ""},
		{"GitHub", "", "githubemu", githubemu.Operations(), "octokit", ""},
	}
}

// TestEmulatorsPage keeps docs/emulators.md as the code has it: `make generate` writes it.
func TestEmulatorsPage(t *testing.T) {
	intro, err := os.ReadFile("testdata/emulators-intro.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("<!-- Written by go generate from the emulators' code. -->\n\n")
	b.Write(intro)
	clients := readClients(t)
	for _, c := range chapters() {
		c.write(t, &b, clients)
	}
	writeUnconfirmed(t, &b)
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/emulators.md is stale: make generate (-code +page):\n%s", diff)
	}
}

// clientNames are the vendors' clients, by the test that records what they call.
var clientNames = map[string]string{
	"TestVercelSDK": "@vercel/sdk", "TestVercelClient": "@vercel/client", "TestVercelCLI": "vercel CLI", "TestVercelSandbox": "@vercel/sandbox",
	"TestNeonAPIClient": "@neondatabase/api-client", "TestNeonCLI": "neon CLI", "TestUpstashCLI": "@upstash/cli",
	"TestUpstashRedis": "@upstash/redis", "TestUpstashVector": "@upstash/vector",
}

// readClients returns the operations that each client called, as recorded by its test in clienttest, which fails when
// the record is stale.
func readClients(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("clienttest/testdata/calls/*.txt")
	if err != nil || len(files) != len(clientNames) {
		t.Fatalf("%d records of %d clients: %v", len(files), len(clientNames), err)
	}
	out := map[string][]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := clientNames[strings.TrimSuffix(filepath.Base(file), ".txt")]
		if name == "" {
			t.Errorf("%s is of no known client", file)
		}
		for call := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n") {
			if !slices.ContainsFunc(chapters(), func(c chapter) bool { return c.has(name, call) }) {
				t.Errorf("%s: %s is no operation", file, call)
			}
			out[name] = append(out[name], call)
		}
	}
	return out
}

// has reports whether a client's call is of the chapter's API.
func (c chapter) has(client, call string) bool {
	return strings.Contains(client, c.client) && slices.ContainsFunc(c.operations, func(op emukit.Operation) bool { return recorded(op, call) })
}

// recorded reports whether a line of a record is of the operation.
func recorded(op emukit.Operation, call string) bool {
	method, path, _ := strings.Cut(call, " ")
	return method == op.Method && slices.Contains(op.Paths, path)
}

func (c chapter) write(t *testing.T, b *strings.Builder, clients map[string][]string) {
	t.Helper()
	var document []string
	if c.spec != "" {
		document = c.wanted(speccheck.Load(t, c.spec).Operations())
	}
	fmt.Fprintf(b, "\n## %s\n\n| operation | modelled | spec | clients | difference |\n|---|---|---|---|---|\n", c.title)
	modelled := 0
	for _, op := range c.operations {
		mark := "–"
		at := slices.IndexFunc(document, func(d string) bool { return answers(op, d) })
		switch {
		case op.Differs != "":
			mark = "≠"
		case at >= 0:
			mark = "✓"
		}
		document = slices.DeleteFunc(document, func(d string) bool { return answers(op, d) })
		modelled++
		fmt.Fprintf(b, "| [%s `%s`](%s) | yes | %s | %s | %s |\n", op.Method, op.Paths[0], op.Source, mark, strings.Join(c.callers(op, clients), ", "), op.Differs)
	}
	for _, d := range document {
		method, path, _ := strings.Cut(d, " ")
		fmt.Fprintf(b, "| %s `%s` | 501 | | | |\n", method, path)
	}
	fmt.Fprintf(b, "\n%d modelled; %d of the vendor's document are not.\n", modelled, len(document))
}

// wanted are the document's operations that the chapter is about.
func (c chapter) wanted(all []string) []string {
	part, without := strings.CutPrefix(c.only, "-")
	return slices.DeleteFunc(all, func(op string) bool { return part != "" && strings.Contains(op, part) == without })
}

// answers reports whether the modelled operation is the document's, whose parameters have other names.
func answers(op emukit.Operation, documented string) bool {
	method, path, _ := strings.Cut(documented, " ")
	return method == op.Method && slices.ContainsFunc(op.Paths, func(pattern string) bool { return anonymous(pattern) == anonymous(path) })
}

// anonymous is a pattern without its parameters' names.
func anonymous(pattern string) string {
	return parameter.ReplaceAllString(pattern, "{}")
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

func (c chapter) callers(op emukit.Operation, clients map[string][]string) []string {
	var out []string
	for name, calls := range clients {
		if strings.Contains(name, c.client) && slices.ContainsFunc(calls, func(call string) bool { return recorded(op, call) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
