//go:build !unix

package keychain

import "io/fs"

// othersWrite tells nothing where modes do not say who may write: the folder is below the user's own.
func othersWrite(fs.FileInfo) string { return "" }
