//go:build !linux

package scratch

import "testing"

// Dir returns a temporary folder: there is no file system in memory that every machine has.
func Dir(t testing.TB) string { return t.TempDir() }
