package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile opens and locks path; nil and no error when another has it. Closing the file gives the lock back.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if err == nil {
		return f, nil
	}
	closed := f.Close()
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return nil, unusable(closed)
	}
	return nil, noLocks(err)
}
