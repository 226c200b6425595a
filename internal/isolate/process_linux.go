package isolate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often the tree's use is looked at.
const watchEvery = 100 * time.Millisecond

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Process is a started command.
type Process struct {
	level  Level
	limits Limits
	began  time.Time
	init   int // the process id of the namespace's init, as seen from here
	pidfd  int // of init
	kill   context.CancelCauseFunc
	ended  chan struct{}

	out, err tail

	mu     sync.Mutex
	use    usage
	result Result
	fault  error
}

var errKilled = errors.New("killed")

// Start starts the command. It returns when the command is isolated and limited, and has been let go. ctx is its life:
// when it ends, everything that the command has started is killed.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	m, err := choose(ctx)
	if err != nil {
		return nil, err
	}
	return start(ctx, m, c)
}

// start starts the command by one method.
func start(ctx context.Context, m method, c Command) (*Process, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	code, err := filter()
	if err != nil {
		return nil, err
	}
	level := m.level()
	level.Layers = append(layers(c.Network), level.Layers...)
	p := &Process{level: level, limits: c.Limits, ended: make(chan struct{}), pidfd: -1}
	p.out, p.err = tail{size: c.Limits.Output, to: c.Stdout}, tail{size: c.Limits.Output, to: c.Stderr}
	l, err := newLaunch(m, c, code)
	if err != nil {
		return nil, err
	}
	l.limited = m.limitsInside()
	if err := p.launch(ctx, l); err != nil {
		return nil, err
	}
	return p, nil
}

// complete fills in what is left out and refuses what makes no sense.
func (c *Command) complete() error {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return errors.New("isolate: no program in the command")
	}
	if c.Network && c.Loopback != nil {
		return errors.New("isolate: this machine's network and a shared loopback cannot both be")
	}
	c.Limits = c.Limits.orDefaults()
	c.Mounts = slices.Clone(c.Mounts)
	if c.User == "" {
		c.User = "slipway"
	}
	if strings.Trim(c.User, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return fmt.Errorf("isolate: %q is no user name", c.User)
	}
	for _, m := range c.Mounts {
		if !filepath.IsAbs(m.Host) || !path.IsAbs(m.Inside) || path.Clean(m.Inside) == "/" {
			return fmt.Errorf("isolate: the mount of %s on %s is not between absolute paths below /", m.Host, m.Inside)
		}
		if _, err := os.Stat(m.Host); err != nil {
			return fmt.Errorf("isolate: %w", err)
		}
	}
	if c.Dir == "" && len(c.Mounts) > 0 {
		c.Dir = c.Mounts[0].Inside
	}
	if !path.IsAbs(c.Dir) {
		return fmt.Errorf("isolate: the working directory %q is not absolute", c.Dir)
	}
	if privileged() && c.UID == 0 {
		c.UID = NewUID()
	}
	env := map[string]string{"PATH": defaultPath, "HOME": "/home/" + c.User, "USER": c.User, "LOGNAME": c.User, "TMPDIR": "/tmp", "LANG": "C.UTF-8"}
	maps.Copy(env, c.Env)
	c.Env = env
	if home := env["HOME"]; !path.IsAbs(home) || path.Clean(home) != home || home == "/" {
		return fmt.Errorf("isolate: %q is no home", home)
	}
	for name, value := range env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			return fmt.Errorf("isolate: the environment variable %q cannot be", name)
		}
	}
	if err := enter(*c, c.Dir); err != nil {
		return err
	}
	return find(*c, c.Dir, env["PATH"])
}

// launch starts the isolating program, limits the tree while it waits at the gate, and opens the gate.
func (p *Process) launch(ctx context.Context, l *launch) error {
	if err := ctx.Err(); err != nil {
		l.close()
		return err
	}
	l.cmd.Stdout, l.cmd.Stderr = &p.out, &p.err
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		// --die-with-parent means the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := l.cmd.Start()
		l.closeChilds()
		started <- err
		if err == nil {
			_ = l.cmd.Wait()
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		l.close()
		return fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.cmd.Process.Kill() })
	defer stop()
	status := bufio.NewScanner(l.status)
	if err := p.prepare(status, l); err != nil {
		_ = l.cmd.Process.Kill()
		<-exited
		l.close()
		p.closeInit()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %v: %s", ErrUnavailable, err, bytes.TrimSpace(p.err.result().Data))
	}
	life, kill := context.WithCancelCause(ctx)
	p.kill, p.began = kill, time.Now()
	go p.follow(life, l, status, exited)
	return nil
}

// prepare waits for the namespaces, sets the limits and opens the gate.
func (p *Process) prepare(status *bufio.Scanner, l *launch) error {
	first := hear(status, func(t told) bool { return t.Init > 0 })
	if first.Init <= 0 {
		return errors.New(either(first.Fault, "it did not start"))
	}
	p.init = first.Init
	fd, err := unix.PidfdOpen(p.init, 0)
	if err != nil {
		return fmt.Errorf("the namespace's first process: %w", err)
	}
	p.pidfd = fd
	if !l.limited {
		if err := limit(p.init, p.limits); err != nil {
			return fmt.Errorf("resource limits: %w", err)
		}
	}
	if _, err := l.gate.Write([]byte{1}); err != nil {
		return errors.New(either(hear(status, nil).Fault, "it stopped: "+err.Error()))
	}
	return nil
}

// follow sees the command to its end.
func (p *Process) follow(ctx context.Context, l *launch, status *bufio.Scanner, exited <-chan struct{}) {
	defer close(p.ended)
	defer p.kill(nil)
	why := p.watch(ctx, exited)
	if why != Exited {
		p.killTree()
		_ = l.cmd.Process.Kill()
	}
	<-exited
	p.awaitInit()
	p.closeInit()
	end := hear(status, nil)
	if outer := l.cmd.ProcessState.ExitCode(); end.Code == nil && end.Fault == "" && outer > 128 { // a signal came before the program was executed
		end.Code = &outer
	}
	l.close()
	r := Result{Ended: why, ExitCode: 128 + int(syscall.SIGKILL), Stdout: p.out.result(), Stderr: p.err.result(), Took: time.Since(p.began), Level: p.level}
	p.mu.Lock()
	defer p.mu.Unlock()
	r.CPU = p.use.cpu
	if end.Code != nil {
		r.ExitCode = *end.Code
	}
	if why == Exited {
		p.fault = notStarted(r, end)
	}
	p.result = r
}

// watch returns when bubblewrap has exited or the tree must end, and says why.
func (p *Process) watch(ctx context.Context, exited <-chan struct{}) Ended {
	deadline := time.NewTimer(p.limits.Time)
	defer deadline.Stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			return Exited
		case <-ctx.Done():
			return Canceled
		case <-deadline.C:
			return TimedOut
		case <-tick.C:
			use := look(p.init)
			p.mu.Lock()
			p.use = use
			p.mu.Unlock()
			if use.memory > p.limits.Memory {
				return Memory
			}
			if use.cpu > p.limits.CPU {
				return CPU
			}
		}
	}
}

// told is a line of what the isolating program tells: bubblewrap Init and Code, this one under namespaces Fault as well.
type told struct {
	Init  int    `json:"child-pid,omitempty"`
	Code  *int   `json:"exit-code,omitempty"`
	Fault string `json:"fault,omitempty"` // why the command was not started
	Kind  fault  `json:"kind,omitempty"`  // of Fault
}

// hear reads up to the line that is enough, or to the end for nil, and adds up what the lines tell.
func hear(status *bufio.Scanner, enough func(told) bool) (t told) {
	for status.Scan() {
		_ = json.Unmarshal(status.Bytes(), &t) // another line tells nothing
		if enough != nil && enough(t) {
			break
		}
	}
	return t
}

// fault is what a command failed at before it was one.
type fault string

const (
	noProgram fault = "program"
	noFolder  fault = "folder"
)

// notStarted tells the words of bubblewrap and setpriv from a program's own: nil when the program ran.
func notStarted(r Result, end told) error {
	said := string(bytes.TrimSpace(r.Stderr.Data))
	asRoot := privileged() && (r.ExitCode == 126 || r.ExitCode == 127) && strings.HasPrefix(said, "setpriv: failed to execute ")
	absent := end.Code == nil
	switch {
	case asRoot, absent && strings.HasPrefix(said, "bwrap: execvp "):
		return fmt.Errorf("%w: %s", ErrNoProgram, said)
	case absent && strings.HasPrefix(said, "bwrap: Can't chdir"):
		return fmt.Errorf("%w: %s", ErrNoFolder, said)
	case end.Kind == noProgram:
		return fmt.Errorf("%w: %s", ErrNoProgram, end.Fault)
	case end.Kind == noFolder:
		return fmt.Errorf("%w: %s", ErrNoFolder, end.Fault)
	case absent, end.Fault != "":
		return fmt.Errorf("%w: %s", ErrUnavailable, either(end.Fault, said))
	}
	return nil
}

// killTree ends the namespace's init, and with it all that is in the namespace.
func (p *Process) killTree() {
	_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
}

// awaitInit returns when init is gone: the kernel lets it go only after all others in its namespace.
func (p *Process) awaitInit() {
	p.killTree() // what the command has left behind
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return
		}
	}
}

func (p *Process) closeInit() {
	if p.pidfd >= 0 {
		_ = unix.Close(p.pidfd)
		p.pidfd = -1
	}
}

// Wait returns how the command ended, once everything that it started is gone. It may be called by many.
func (p *Process) Wait() (Result, error) {
	<-p.ended
	return p.result, p.fault
}

// Signal sends a signal to the command itself, not to what it has started. SIGKILL ends the whole tree. A command that
// has ended is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.ended:
		return os.ErrProcessDone
	default:
	}
	if sig == syscall.SIGKILL {
		p.kill(errKilled)
		return nil
	}
	for {
		if first := look(p.init).first; first != 0 {
			return syscall.Kill(first, sig)
		}
		select { // the gate is open, but the init has not got to it
		case <-p.ended:
			return os.ErrProcessDone
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kill ends the tree at once. Wait then says Canceled.
func (p *Process) Kill() { p.kill(errKilled) }
