package selftest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a new terminal: what is read from master is what a program says on slave
// (https://man7.org/linux/man-pages/man4/pts.4.html). Whoever calls it closes them.
func terminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, fmt.Errorf("selftest: no terminal: %w", err)
	}
	defer func() {
		if err != nil {
			_ = master.Close() // err says more
		}
	}()
	control, err := master.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	number, failed := 0, error(nil)
	err = control.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, nil, fmt.Errorf("selftest: no terminal: %w", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return master, slave, err
}
