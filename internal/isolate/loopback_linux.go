package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Loopback is a network with a loopback and nothing else that several commands share: what one listens on at localhost
// the others reach, and nothing outside does. No process holds it, only this one's descriptors.
type Loopback struct {
	nsenter string
	net     *os.File
	user    *os.File // whose network it is; nil as root
}

// NewLoopback makes one. The commands in it must be over before Close. It is ErrUnavailable where Start is, and without
// nsenter of util-linux.
func NewLoopback(ctx context.Context) (*Loopback, error) {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return nil, fmt.Errorf("%w: a shared loopback needs nsenter, of util-linux: apt-get install util-linux", ErrUnavailable)
	}
	up := make(begun, 1)
	// bubblewrap makes the network and sets its loopback up before the command begins.
	p, err := Start(ctx, Command{Argv: []string{"/bin/sh", "-c", "echo; exec sleep 60"}, Dir: "/", Stdout: up, Limits: Limits{Time: time.Minute}})
	if err != nil {
		return nil, err
	}
	defer func() { p.Kill(); <-p.ended }()
	select {
	case <-up:
	case <-p.ended:
		return nil, errors.Join(ctx.Err(), fmt.Errorf("%w: the shared loopback: %s", ErrUnavailable, p.result.Stderr.Data))
	}
	l := &Loopback{nsenter: nsenter}
	if l.net, err = os.Open("/proc/" + strconv.Itoa(p.init) + "/ns/net"); err == nil && !privileged() {
		l.user, err = owner(l.net)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%w: the shared loopback: %v", ErrUnavailable, err)
	}
	return l, nil
}

// owner returns the user namespace that a namespace belongs to: ioctl_ns(2).
func owner(namespace *os.File) (*os.File, error) {
	fd, err := unix.IoctlRetInt(int(namespace.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "user namespace"), nil
}

// Close lets the network go.
func (l *Loopback) Close() {
	for _, f := range []*os.File{l.net, l.user} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// enter returns the program and the arguments that run another one in the network. The namespaces are named by this
// process's descriptors, so that none is inherited.
func (l *Loopback) enter() []string {
	at := "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/"
	out := []string{l.nsenter, "--net=" + at + strconv.Itoa(int(l.net.Fd()))}
	if l.user != nil {
		out = append(out, "--user="+at+strconv.Itoa(int(l.user.Fd())), "--preserve-credentials")
	}
	return append(out, "--")
}

// begun tells of the first output.
type begun chan struct{}

func (b begun) Write(p []byte) (int, error) {
	select {
	case b <- struct{}{}:
	default:
	}
	return len(p), nil
}
