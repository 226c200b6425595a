//go:build unix

package keychain

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until no other process has the folder locked, and locks it until free is called or this process ends. Nobody holds it for
// longer than it takes to read and write one small file.
func lock(folder string) (free func() error, err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
