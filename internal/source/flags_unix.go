//go:build unix

package source

import "syscall"

// openFlags keep an open from following a link or waiting on a pipe that took a file's place.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
