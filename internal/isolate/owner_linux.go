package isolate

import (
	"crypto/rand"
	"encoding/binary"
	"io/fs"
	"os"
)

// privileged reports whether commands run under a user id of their own instead of in a user namespace.
func privileged() bool { return os.Geteuid() == 0 }

// NewUID returns a user id for commands when Slipway is root: one that nobody else has, so that a limit of processes
// counts only theirs. 0 when Slipway is not root.
func NewUID() int {
	if !privileged() {
		return 0
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return 1<<30 | int(binary.LittleEndian.Uint32(b[:])>>3)
}

// Own gives a folder and all in it to uid when Slipway is root. It follows no link, so a command that runs meanwhile
// cannot lead it astray. Otherwise it does nothing.
func Own(dir string, uid int) error {
	if !privileged() || uid == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = root.Lchown(path, uid, uid)
		}
		if os.IsNotExist(err) {
			return nil // taken away meanwhile
		}
		return err
	})
}
