package selftest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
)

// ownAddress is a HOST:PORT of this machine for commands to listen at, which need not be kept for them meanwhile: a port below those that a system
// gives by itself to who asks for any, and on Linux, where each address of 127.0.0.0/8 is this machine, at an address that nobody else was given.
func ownAddress() string {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	return fmt.Sprintf("%s:%d", host, 20000+rand.IntN(10000))
}
