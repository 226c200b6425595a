package scratch

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Dir returns a folder that is gone when the test is over: a temporary one where less than a gigabyte is free in memory.
func Dir(t testing.TB) string {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &s); err != nil || s.Bavail*uint64(s.Bsize) < 1<<30 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "slipway-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
