//go:build unix

package keychain

import (
	"io/fs"
	"os"
	"syscall"
)

// othersWrite tells why somebody else than this user (or root) may have written a file or a folder; "" where nobody may.
func othersWrite(info fs.FileInfo) string {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() && owner.Uid != 0 {
		return "belongs to another user"
	}
	if info.Mode().Perm()&0o022 != 0 {
		return "can be written by others"
	}
	return ""
}
