package isolate

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch is the program that isolates, with its descriptors.
type launch struct {
	cmd    *exec.Cmd
	files  []*os.File // those of the child's; closed here once it runs
	status *os.File   // where it tells the init's process id and the exit code, as bubblewrap does with --json-status-fd
	gate   *os.File   // a byte lets the command begin; under namespaces its end, with this process, ends the command
	// limited says that the program sets the limits itself.
	limited bool
	fault   error
}

// newLaunch prepares m's program for c, which runs under the filter code.
func newLaunch(m method, c Command, code []byte) (*launch, error) {
	l := &launch{}
	l.status = l.pipe(false)
	l.gate = l.pipe(true)
	uid := os.Getuid() // in a shared loopback's user namespace this user may be another one
	if privileged() {
		uid = c.UID
	}
	argv := m.argv(l, c, uid, newView(c, uid), code)
	if c.Loopback != nil {
		argv = append(c.Loopback.enter(), argv...)
	}
	l.cmd = exec.Command(argv[0], argv[1:]...)
	l.cmd.Env = []string{}
	l.cmd.Dir = "/"
	l.cmd.ExtraFiles = l.files
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if l.fault == nil {
		l.fault = keepDescriptors()
	}
	if l.fault != nil {
		l.close()
		return nil, fmt.Errorf("isolate: %w", l.fault)
	}
	return l, nil
}

// The numbers that the child knows the pipes of newLaunch by.
const (
	statusFD = 3
	gateFD   = 4
)

// keepDescriptors keeps what this process has inherited without close-on-exec from being passed on: an open folder would be a
// way out.
func keepDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// pipe makes a pipe whose one end the child gets, and returns the other.
func (l *launch) pipe(childReads bool) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		l.fault = err
		return nil
	}
	if childReads {
		l.files = append(l.files, r)
		return w
	}
	l.files = append(l.files, w)
	return r
}

// last is the number that the child knows the last of files by.
func (l *launch) last() string { return strconv.Itoa(2 + len(l.files)) }

// data gives the child a file in memory that holds text, and returns its number.
func (l *launch) data(text string) string {
	fd, err := unix.MemfdCreate("isolate", unix.MFD_CLOEXEC)
	if err != nil {
		l.fault = err
		return "-1"
	}
	f := os.NewFile(uintptr(fd), "isolate")
	l.files = append(l.files, f)
	if _, err := f.WriteString(text); err != nil {
		l.fault = err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		l.fault = err
	}
	return l.last()
}

func (l *launch) closeChilds() {
	for _, f := range l.files {
		_ = f.Close()
	}
	l.files = nil
}

func (l *launch) close() {
	l.closeChilds()
	for _, f := range []*os.File{l.status, l.gate} {
		if f != nil {
			_ = f.Close()
		}
	}
}
