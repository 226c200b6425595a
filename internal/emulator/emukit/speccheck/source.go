package speccheck

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sources of an error reply in a test's table, besides the URL of a page or of a record.
const (
	// Document: the vendor's document lists the status for the operation, or has the shape of all its errors.
	Document = "document"
	// Ours: 501, which is an emulator's own.
	Ours = "ours"
)

// Cited reports whether an error reply to a call has the source that its test names: Document, Ours, a URL, or what the
// code marks as unconfirmed, "[? id]". c is nil when there is no document; the code is that of the package under test.
func (c *Checker) Cited(t testing.TB, source, method, path string, status int) bool {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	switch {
	case source == Ours:
		return status == http.StatusNotImplemented
	case source == Document:
		return c != nil && c.Lists(method, path, status)
	case strings.HasPrefix(source, "[? "):
		return strings.Contains(code(t), source)
	}
	return strings.HasPrefix(source, "https://")
}

// code is the package under test, without its tests.
func code(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(src)
	}
	return b.String()
}
