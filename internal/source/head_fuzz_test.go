package source

import (
	"bytes"
	"compress/zlib"
	"os"
	"path/filepath"
	"testing"
)

// FuzzHead reads a repository whose HEAD and one object are whatever they are: nothing fails the tree, and a commit is told or why not.
func FuzzHead(f *testing.F) {
	f.Add([]byte("ref: refs/heads/main\n"), []byte("commit 7\x00tree x\n"), []byte("0123456789abcdef0123456789abcdef01234567\n"))
	f.Add([]byte("0123456789abcdef0123456789abcdef01234567\n"), []byte("tree 33\x0040000 site\x0001234567890123456789"), []byte("# pack-refs with: peeled\n"))
	f.Fuzz(func(t *testing.T, head, object, refs []byte) {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a": "a", ".git/HEAD": string(head), ".git/packed-refs": string(refs), ".git/refs/heads/main": "0123456789abcdef0123456789abcdef01234567\n"})
		var packed bytes.Buffer
		w := zlib.NewWriter(&packed)
		_, err := w.Write(object)
		must(t, err)
		must(t, w.Close())
		must(t, os.MkdirAll(filepath.Join(dir, ".git", "objects", "01"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, ".git", "objects", "01", "23456789abcdef0123456789abcdef01234567"), packed.Bytes(), 0o644))
		h, why := headOf(t.Context(), dir)
		if (h == nil) == (why == "") {
			t.Errorf("%+v, %q", h, why)
		}
	})
}
