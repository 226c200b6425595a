package source

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-dev/slipway"
)

// TestHashAllOnAllCores: what one worker finds is not lost among the others that find nothing. It is red under -race where they share anything.
func TestHashAllOnAllCores(t *testing.T) {
	dir := t.TempDir()
	var files []slipway.File
	for i := range 64 {
		name := fmt.Sprintf("%02d.txt", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, slipway.File{Path: name, Mode: ModeFile, Size: int64(len(name))})
	}
	if _, err := hashAll(t.Context(), dir, files, nil); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.SHA1 == "" {
			t.Errorf("%s has no hash", f.Path)
		}
	}
	files[32].Size++
	if _, err := hashAll(t.Context(), dir, files, nil); slipway.ErrorCode(err) != slipway.CodeSourceChanged {
		t.Errorf("a file that has changed: %v", err)
	}
}
