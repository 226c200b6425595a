package slipway_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/slipway-dev/slipway"

// root names the root package in the tables, and anything stands for every package of ours that is not test support.
const root, anything = ".", "*"

// rule is what a package may import of ours: code in its code, and tests in its tests as well.
type rule struct{ code, tests []string }

// policy has a line for every package. docs/architecture.md says why; change it there first, and never to make a build pass.
var policy = map[string]rule{
	root:          {},
	"cmd/slipway": {code: []string{"internal/cli", "internal/isolate"}, tests: []string{root, "internal/attest", "internal/audit", "internal/emulator", "internal/emulator/emukit", "internal/rest", "internal/store", scratch}},

	"internal/attest":   {code: []string{root}},
	"internal/audit":    {code: []string{root, "internal/attest"}, tests: []string{"internal/redact", "internal/store"}},
	"internal/cli":      {code: []string{anything}},
	"internal/connect":  {code: []string{root, "internal/rest"}, tests: []string{"internal/emulator"}},
	"internal/engine":   {code: []string{root}, tests: []string{"internal/store", scratch}},
	"internal/keychain": {code: []string{root, "internal/attest"}},
	"internal/manifest": {code: []string{root}},
	"internal/manual":   {code: []string{root}, tests: []string{byhand, "internal/provider", "internal/rest", "internal/selftest"}},
	"internal/policy":   {code: []string{root}},
	"internal/redact":   {code: []string{root}},
	"internal/rest":     {code: []string{root}},
	"internal/sandbox":  {code: []string{root, "internal/isolate", "internal/rest"}, tests: []string{"internal/emulator/emukit", "internal/emulator/vercelemu"}},
	"internal/selftest": {code: []string{"internal/emulator", "internal/emulator/emukit", "internal/isolate"}, tests: inMemory},
	"internal/source":   {code: []string{root}},
	"internal/store":    {code: []string{root}, tests: []string{"internal/redact"}},
	"internal/webhook":  {code: []string{root}},

	// A provider shares nothing with its emulator but the tests of both.
	"internal/provider":         {code: []string{root, "internal/rest", "internal/provider/github", "internal/provider/neon", "internal/provider/upstash", "internal/provider/vercel"}},
	"internal/provider/github":  {code: []string{root, "internal/rest"}, tests: judged("internal/emulator/githubemu")},
	"internal/provider/neon":    {code: []string{root, "internal/rest"}, tests: judged("internal/emulator/neonemu")},
	"internal/provider/upstash": {code: []string{root, "internal/rest"}, tests: judged("internal/emulator/upstashemu")},
	"internal/provider/vercel":  {code: []string{root, "internal/rest"}, tests: judged("internal/emulator/vercelemu")},

	// An emulator shares no type with its client, so that they share no mistake.
	"internal/emulator":                  {code: append([]string{"internal/emulator/neonemu/pgserver"}, emulators...), tests: []string{speccheck, liveTests}},
	"internal/emulator/dnsemu":           {},
	"internal/emulator/emukit":           {},
	"internal/emulator/githubemu":        {code: []string{"internal/emulator/emukit", "internal/isolate"}, tests: []string{speccheck}},
	"internal/emulator/neonemu":          {code: []string{"internal/emulator/emukit", "internal/isolate"}, tests: []string{speccheck}},
	"internal/emulator/neonemu/pgserver": {code: []string{"internal/emulator/emukit", "internal/emulator/neonemu", "internal/isolate"}},
	"internal/emulator/upstashemu":       {code: []string{"internal/emulator/emukit", "internal/isolate"}, tests: []string{speccheck}},
	"internal/emulator/vercelemu":        {code: []string{"internal/emulator/emukit", "internal/isolate"}, tests: []string{speccheck}},
	"internal/isolate":                   {},

	scratch:      {},
	byhand:       {}, // what does a runbook by its words alone has none of Slipway's clients
	speccheck:    {},
	clienttest:   {tests: append([]string{speccheck, "internal/emulator/neonemu/pgserver"}, emulators...)},
	liveTests:    {code: []string{root, "internal/redact"}, tests: []string{"internal/emulator", "internal/emulator/emukit"}},
	providertest: {code: []string{root, "internal/emulator/emukit", speccheck, "internal/redact", "internal/rest"}},
}

// Test support: only tests, and other test support, may import it, so that none of it is linked into the program.
const (
	speccheck    = "internal/emulator/emukit/speccheck"
	providertest = "internal/provider/providertest"
	clienttest   = "internal/emulator/clienttest"
	byhand       = "internal/manual/byhand"
	liveTests    = "internal/live"
	scratch      = "internal/scratch"
)

var testSupport = []string{speccheck, providertest, clienttest, liveTests, byhand, scratch}

var emulators = []string{
	"internal/emulator/dnsemu", "internal/emulator/emukit", "internal/emulator/githubemu", "internal/emulator/neonemu", "internal/emulator/upstashemu", "internal/emulator/vercelemu",
}

// inMemory is what a test needs that runs the engine on the real providers and emulators within itself.
var inMemory = append([]string{
	root, "internal/cli", "internal/engine", "internal/manifest", "internal/provider", "internal/rest", "internal/store", scratch,
}, emulators...)

func judged(emulator string) []string {
	return []string{providertest, speccheck, emulator, "internal/emulator/emukit", "internal/redact"}
}

// environment has the packages beside internal/cli that may read environment variables, and why.
var environment = map[string]string{
	"internal/source":             "git finds itself and the user's ignore file by them",
	"internal/emulator/vercelemu": "the function's process needs PATH",
	speccheck:                     "test support: SLIPWAY_SPECS",
}

// domainImports is what the root package may import: nothing that does I/O, reads a clock or draws randomness.
var domainImports = []string{
	"bytes", "cmp", "context", "crypto/hmac", "crypto/sha256", "encoding/hex", "encoding/json", "errors", "fmt", "io", "log/slog", "maps",
	"slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8", "github.com/gowebpki/jcs",
}

var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// vague are names of packages that say nothing: whatever has no place ends up there.
var vague = []string{"util", "utils", "common", "models", "types", "mock", "mocks", "pkg", "helpers"}

// unit is one parsed file: dir is its folder from the repository's root.
type unit struct {
	dir, name string
	file      *ast.File
}

func (u unit) test() bool { return strings.HasSuffix(u.name, "_test.go") }

// complaints returns what in u breaks a rule.
func complaints(u unit) []string {
	rule, ok := policy[u.dir]
	if !ok {
		return []string{fmt.Sprintf("package %s has no line in arch_test.go's policy", u.dir)}
	}
	found := append(importComplaints(u, rule), nameComplaints(u)...)
	return append(found, callComplaints(u)...)
}

func importComplaints(u unit, rule rule) []string {
	var found []string
	for _, spec := range u.file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		of, ours := strings.CutPrefix(name, module)
		of = strings.TrimPrefix(of, "/")
		if of == "" {
			of = root
		}
		switch {
		case !ours:
			if u.dir == root && !u.test() && !slices.Contains(domainImports, name) {
				found = append(found, fmt.Sprintf("the root package imports %s: it does no I/O, reads no clock and draws no randomness", name))
			}
		case !mayImport(u, rule, of):
			found = append(found, fmt.Sprintf("%s imports %s: the policy does not let it", u.dir, of))
		}
	}
	return found
}

func mayImport(u unit, rule rule, of string) bool {
	if slices.Contains(rule.code, of) || slices.Contains(rule.code, anything) && !slices.Contains(testSupport, of) {
		return true
	}
	return u.test() && (of == u.dir || slices.Contains(rule.tests, of) || of == root && slices.Contains(testSupport, u.dir))
}

func nameComplaints(u unit) []string {
	var found []string
	for _, name := range append(strings.Split(u.dir, "/"), strings.TrimSuffix(u.file.Name.Name, "_test")) {
		if slices.Contains(vague, name) && len(found) == 0 {
			found = append(found, fmt.Sprintf("%s: a package named %s says nothing of what it is for", u.dir, name))
		}
	}
	for _, d := range u.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" && !ast.IsGenerated(u.file) {
			found = append(found, "an init function: what starts is called by name")
		}
	}
	return found
}

func callComplaints(u unit) []string {
	var found []string
	fakeClock := imports(u.file, "testing/synctest") != ""
	timeName, osName := imports(u.file, "time"), imports(u.file, "os")
	ast.Inspect(u.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch {
		case timeName != "" && x.Name == timeName && sel.Sel.Name == "Sleep" && (!u.test() || !fakeClock):
			found = append(found, "time.Sleep: wait with a context, or under testing/synctest")
		case timeName != "" && x.Name == timeName && u.dir == root && !u.test() && slices.Contains(clock, sel.Sel.Name):
			found = append(found, fmt.Sprintf("time.%s in the root package: a rule is handed the time", sel.Sel.Name))
		case osName != "" && x.Name == osName && slices.Contains([]string{"Getenv", "LookupEnv", "Environ"}, sel.Sel.Name):
			if u.dir != "internal/cli" && environment[u.dir] == "" && !u.test() {
				found = append(found, fmt.Sprintf("os.%s: internal/cli alone reads the environment", sel.Sel.Name))
			}
		}
		return true
	})
	return found
}

// imports returns the name by which the file calls a package of the standard library, "" when it does not import it.
func imports(f *ast.File, name string) string {
	for _, spec := range f.Imports {
		if spec.Path.Value == strconv.Quote(name) {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(name)
		}
	}
	return ""
}

// units parses every Go file of this module. No go command is asked: a test that asks one is served stale from the cache.
func units(t *testing.T) (*token.FileSet, []unit) {
	t.Helper()
	set, all := token.NewFileSet(), []unit(nil)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(name)
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, unit{dir: filepath.ToSlash(filepath.Dir(name)), name: filepath.Base(name), file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return set, all
}

// skipDir returns fs.SkipDir for a folder that go does not look into, and for another module.
func skipDir(name string) error {
	base := filepath.Base(name)
	switch {
	case name == ".":
		return nil
	case base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"):
		return fs.SkipDir
	}
	if other, _ := filepath.Glob(filepath.Join(name, "go.mod")); other != nil {
		return fs.SkipDir
	}
	return nil
}

func TestArchitecture(t *testing.T) {
	set, all := units(t)
	for _, u := range all {
		for _, complaint := range complaints(u) {
			t.Errorf("%s: %s", set.Position(u.file.Package).Filename, complaint)
		}
	}
	if len(all) == 0 {
		t.Error("no file was looked at: this test is not run at the repository's root")
	}
}

// Each rule is shown a file that breaks it, and one beside it that does not.
func TestArchitectureRules(t *testing.T) {
	for name, c := range map[string]struct {
		reason    string
		dir, file string
		source    string
		want      string // part of the complaint; empty when there is none
	}{
		"unknown package":  {"a new package is written into the policy", "internal/web", "web.go", "package web", "has no line"},
		"root":             {"the domain depends on nothing of ours", root, "plan.go", `package slipway; import "` + module + `/internal/rest"`, "does not let it"},
		"root opens files": {"what it may import is a list", root, "plan.go", `package slipway; import "os"`, "imports os"},
		"root is random":   {"no randomness in the domain", root, "plan.go", `package slipway; import "math/rand/v2"`, "imports math/rand/v2"},
		"root has a clock": {"no clock in the domain", root, "plan.go", `package slipway; import "time"; var t = time.Now()`, "time.Now in the root"},
		"root has times":   {"a time that is handed to it", root, "plan.go", `package slipway; import "time"; var t time.Time`, ""},
		"a clock renamed":  {"an import's name does not hide it", root, "plan.go", `package slipway; import c "time"; var t = c.Now()`, "time.Now in the root"},
		"root's tests":     {"they are handed what they like", root, "plan_test.go", `package slipway; import "os"`, ""},
		"provider, rest":   {"they share one transport", "internal/provider/neon", "neon.go", `package neon; import "` + module + `/internal/rest"`, ""},
		"provider, emulator": {
			"client and emulator must not share a mistake", "internal/provider/neon", "neon.go",
			`package neon; import "` + module + `/internal/emulator/neonemu"`, "does not let it",
		},
		"provider's tests, emulator": {"they run against it", "internal/provider/neon", "neon_test.go", `package neon; import "` + module + `/internal/emulator/neonemu"`, ""},
		"provider's tests, another's emulator": {
			"a provider is tested alone", "internal/provider/neon", "neon_test.go",
			`package neon; import "` + module + `/internal/emulator/vercelemu"`, "does not let it",
		},
		"provider, provider": {"providers do not know each other", "internal/provider/neon", "neon.go", `package neon; import "` + module + `/internal/provider/vercel"`, "does not let it"},
		"emulator, root":     {"an emulator shares no type with its client", "internal/emulator/neonemu", "api.go", `package neonemu; import "` + module + `"`, "does not let it"},
		"emulator's tests, root": {
			"nor do its tests", "internal/emulator/neonemu", "api_test.go",
			`package neonemu; import "` + module + `"`, "does not let it",
		},
		"engine, store":       {"the engine is handed its store", "internal/engine", "loop.go", `package engine; import "` + module + `/internal/store"`, "does not let it"},
		"engine's tests":      {"they run on a real one", "internal/engine", "loop_test.go", `package engine; import "` + module + `/internal/store"`, ""},
		"engine, provider":    {"cli hands them to it", "internal/engine", "loop.go", `package engine; import "` + module + `/internal/provider"`, "does not let it"},
		"cli":                 {"it is the only wiring", "internal/cli", "cli.go", `package cli; import "` + module + `/internal/store"`, ""},
		"cli, test support":   {"it would be linked into the program", "internal/cli", "cli.go", `package cli; import "` + module + `/internal/provider/providertest"`, "does not let it"},
		"main":                {"main only calls cli", "cmd/slipway", "main.go", `package main; import "` + module + `/internal/engine"`, "does not let it"},
		"init":                {"nothing registers itself", "internal/rest", "rest.go", `package rest; func init() {}`, "an init function"},
		"init, generated":     {"a generator may need it", "internal/rest", "rest.go", "// Code generated by x. DO NOT EDIT.\n\npackage rest; func init() {}", ""},
		"init, a method":      {"it is a method like any other", "internal/rest", "rest.go", `package rest; type t int; func (t) init() {}`, ""},
		"vague":               {"a package is named for what it does", "internal/rest", "x.go", `package helpers`, "says nothing"},
		"sleep":               {"a wait ends with its context", "internal/rest", "rest.go", `package rest; import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		"sleep in a test":     {"it makes a test slow, and wrong on a slow machine", "internal/rest", "rest_test.go", `package rest; import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		"sleep, a fake clock": {"under synctest it takes no time", "internal/rest", "rest_test.go", `package rest; import ("time"; "testing/synctest"); func f() { synctest.Wait(); time.Sleep(1) }`, ""},
		"environment":         {"it is read in one place", "internal/rest", "rest.go", `package rest; import "os"; var v = os.Getenv("V")`, "os.Getenv"},
		"environment, looked up": {
			"by any function of it", "internal/rest", "rest.go",
			`package rest; import "os"; var v, ok = os.LookupEnv("V")`, "os.LookupEnv",
		},
		"environment, cli": {"this is the place", "internal/cli", "cli.go", `package cli; import "os"; var v = os.Getenv("V")`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parser.ParseFile(token.NewFileSet(), c.file, c.source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			got := complaints(unit{dir: c.dir, name: c.file, file: f})
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("%s: got %q, want none", c.reason, got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("%s: got %q, want one with %q", c.reason, got, c.want)
			}
		})
	}
	for _, name := range vague {
		if len(nameComplaints(unit{dir: "internal/" + name, file: &ast.File{Name: ast.NewIdent("x")}})) == 0 {
			t.Errorf("a folder named %s is let pass", name)
		}
	}
}
