//go:build !windows

package cli

import "os"

// enableTerminal makes a terminal understand control sequences; false: it cannot.
func enableTerminal(*os.File) bool { return true }
