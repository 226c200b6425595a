package selftest_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// shm returns a folder on the file system in memory, or a temporary one where that has less than a gigabyte free. A process that is killed
// leaves the same files there, and does not wait for a disk.
func shm(t *testing.T) string {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &s); err != nil || s.Bavail*uint64(s.Bsize) < 1<<30 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "slipway-selftest-")
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
