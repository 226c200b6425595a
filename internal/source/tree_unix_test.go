//go:build unix

package source

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSpecialFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"named pipe": {func(p string) error { return syscall.Mkfifo(p, 0o644) }, "is a named pipe"},
		"socket": {func(p string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		}, "is a socket"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"a": "1"})
			if err := c.make(filepath.Join(dir, "p")); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), dir)
			requireRefused(t, err, []string{c.want, ".vercelignore"}, "reading it would hang")
		})
	}
}

// A pipe that takes a listed file's place does not make a read wait for a writer.
func TestPipeInAFilesPlace(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1"})
	tree := mustOpen(t, dir)
	if err := syscall.Unlink(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "a"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, tree, tree.Files()[0]); err == nil {
		t.Error("a pipe was read as the listed file")
	}
}
