package isolate

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// launch is bubblewrap with its descriptors.
type launch struct {
	cmd    *exec.Cmd
	files  []*os.File // those of the child's; closed here once it runs
	status *os.File   // where bubblewrap tells the init's process id and the exit code
	gate   *os.File   // a byte lets the command begin
	fault  error
}

func newLaunch(program string, c Command, code []byte) (*launch, error) {
	l := &launch{}
	l.status = l.pipe(false)
	status := l.last()
	l.gate = l.pipe(true)
	gate := l.last()
	uid := os.Getuid()
	if privileged() {
		uid = c.UID
	}
	v := newView(c, uid, c.Env["HOME"], l.data)
	args := append([]string{
		"--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		"--hostname", "isolated", "--json-status-fd", status, "--block-fd", gate, "--cap-drop", "ALL",
	}, v.args...)
	if !c.Network && c.Loopback == nil {
		args = append(args, "--unshare-net")
	}
	argv := c.Argv
	if privileged() {
		id := strconv.Itoa(uid)
		args = append(args, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")
		argv = append([]string{"/usr/bin/setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--"}, argv...)
	} else {
		// In a shared loopback's user namespace this user may be another one.
		args = append(args, "--unshare-user", "--uid", strconv.Itoa(uid), "--gid", strconv.Itoa(os.Getgid()))
	}
	args = append(args, "--seccomp", l.data(string(code)), "--clearenv", "--chdir", c.Dir)
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		args = append(args, "--setenv", name, c.Env[name])
	}
	// The environment may hold secrets and arguments may be long: neither shows in this machine's list of processes.
	list := l.data(strings.Join(args, "\x00") + "\x00")
	argv = append([]string{program, "--args", list, "--"}, argv...)
	if c.Loopback != nil {
		argv = append(c.Loopback.enter(), argv...)
	}
	l.cmd = exec.Command(argv[0], argv[1:]...)
	l.cmd.Env = []string{}
	l.cmd.Dir = "/"
	l.cmd.ExtraFiles = l.files
	if l.fault == nil {
		l.fault = keepDescriptors()
	}
	if l.fault != nil {
		l.close()
		return nil, fmt.Errorf("isolate: %w", l.fault)
	}
	return l, nil
}

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
