package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Who writes bundles and who verifies them. What neither names is shared: the documents, their encoding and the archive's layout.
var (
	writers   = []string{"collect.go", "export.go", "statement.go"}
	verifiers = []string{"approver.go", "claim.go", "claim_v1.go", "detail.go", "judge.go", "outcome.go", "report.go", "verify.go"}
	shared    = []string{"archive.go", "audit.go", "visible.go"}
)

// TestApart: the verifier finds in its own way what must be there. It uses nothing that the writer does, and neither digests nor signatures that the
// rest of Slipway makes; and it can reach no network, database, clock, environment or file but the one that it is handed.
func TestApart(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if known := slices.Sorted(slices.Values(slices.Concat(writers, verifiers, shared))); !slices.Equal(files, known) {
		t.Fatalf("say of each file who it belongs to: %q, known are %q", files, known)
	}
	declared := map[string]string{} // name, or receiver.name: file
	parsed := map[string]*ast.File{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = f
		for _, d := range f.Decls {
			for _, n := range names(d) {
				declared[n] = name
			}
		}
	}
	for _, side := range []struct{ mine, theirs []string }{{writers, verifiers}, {verifiers, writers}, {shared, writers}, {shared, verifiers}} {
		for _, name := range side.mine {
			for used := range idents(parsed[name]) {
				if from := declared[used]; slices.Contains(side.theirs, from) {
					t.Errorf("%s uses %s of %s", name, used, from)
				}
			}
		}
	}
	for _, name := range slices.Concat(verifiers, shared) {
		for _, i := range parsed[name].Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains([]string{"net", "net/http", "os", "os/exec", "syscall", "database/sql", "log", "log/slog"}, path) || strings.Contains(path, "internal/store") || strings.HasPrefix(path, "golang.org/x/") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
	for _, name := range verifiers {
		for used := range selectors(parsed[name]) {
			if slices.Contains([]string{"Now", "CanonicalDigest", "Digest()", "Sign", "SignPayload", "Since", "Getenv"}, used) {
				t.Errorf("%s uses %s", name, used)
			}
		}
	}
}

// names are what a declaration declares at the top.
func names(d ast.Decl) (all []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			all = append(all, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				all = append(all, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					all = append(all, n.Name)
				}
			}
		}
	}
	return all
}

// idents are the names that a file uses without a selector, but for fields of literals and what it declares within functions.
func idents(f *ast.File) map[string]bool {
	used, local := map[string]bool{}, map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			ast.Inspect(n.X, func(x ast.Node) bool {
				if id, ok := x.(*ast.Ident); ok {
					used[id.Name] = true
				}
				return true
			})
			return false
		case *ast.KeyValueExpr:
			ast.Inspect(n.Value, func(x ast.Node) bool {
				if id, ok := x.(*ast.Ident); ok {
					used[id.Name] = true
				}
				return true
			})
			return false
		case *ast.AssignStmt:
			for _, l := range n.Lhs {
				if id, ok := l.(*ast.Ident); ok && n.Tok == token.DEFINE {
					local[id.Name] = true
				}
			}
		case *ast.Field:
			for _, id := range n.Names {
				local[id.Name] = true
			}
		case *ast.Ident:
			used[n.Name] = true
		}
		return true
	})
	for n := range local {
		delete(used, n)
	}
	return used
}

// selectors are the names that a file selects; a method that is called without arguments ends with ().
func selectors(f *ast.File) map[string]bool {
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 0 {
				used[s.Sel.Name+"()"] = true
			}
		case *ast.SelectorExpr:
			used[n.Sel.Name] = true
		}
		return true
	})
	return used
}
