//go:build !linux

package selftest_test

import "testing"

func shm(t *testing.T) string { return t.TempDir() }
