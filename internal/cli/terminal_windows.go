package cli

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableTerminal makes a terminal understand control sequences; false: it cannot.
// https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences
func enableTerminal(f *os.File) bool {
	var mode uint32
	handle := windows.Handle(f.Fd())
	if windows.GetConsoleMode(handle, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
