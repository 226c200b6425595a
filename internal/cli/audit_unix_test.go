//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file is written in the place of a file, and of nothing else: whoever is root would lose a device.
func TestWriteWholeKeepsWhatIsNoFile(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		make   func(path string) error
		ok     bool
	}{
		"nothing":   {"it is made", func(string) error { return nil }, true},
		"a file":    {"it is replaced", func(path string) error { return os.WriteFile(path, nil, 0o600) }, true},
		"a pipe":    {"somebody reads it", func(path string) error { return syscall.Mkfifo(path, 0o600) }, false},
		"a device":  {"a link to one would be replaced by a file", func(path string) error { return os.Symlink(os.DevNull, path) }, false},
		"a folder":  {"it has files", func(path string) error { return os.Mkdir(path, 0o700) }, false},
		"a symlink": {"to nothing", func(path string) error { return os.Symlink("nowhere", path) }, true},
	} {
		path := filepath.Join(t.TempDir(), "bundle")
		if err := tc.make(path); err != nil {
			t.Fatal(err)
		}
		err := writeWhole(path, func(f *os.File) error { _, err := f.WriteString("whole"); return err })
		info, errStat := os.Lstat(path)
		if errStat != nil || (err == nil) != tc.ok || info.Mode().IsRegular() != tc.ok {
			t.Errorf("%s: %v, %v: %s", name, err, info.Mode(), tc.reason)
		}
	}
}
