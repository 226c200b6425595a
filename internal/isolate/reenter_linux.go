package isolate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The stages, by this program's one argument. Each is a process of its own:
//
//	outer    on this machine, in a shared loopback's namespaces where there is one: starts init in new namespaces
//	init     the first process in them: lays out the view, waits for the gate, starts command, collects what ends
//	command  gives up all rights and becomes the command
const (
	stageOuter   = "isolate:outer"
	stageInit    = "isolate:init"
	stageCommand = "isolate:command"
)

// Reenter is the first thing that main calls in a program that isolates, and TestMain in its tests. In a process that this package has
// started as one of its stages it never returns. Without the call the only method is bubblewrap.
func Reenter() {
	reenters.Store(true)
	if len(os.Args) != 2 {
		return
	}
	stages := map[string]func() int{stageOuter: outer, stageInit: first, stageCommand: become}
	if stage, ok := stages[os.Args[1]]; ok {
		runtime.LockOSThread() // what is given up is given up by a thread, and so is what the death of a parent means
		os.Exit(stage())
	}
}

// tell writes one line to whoever waits at a descriptor. Nobody is there to hear of a failure.
func tell(fd int, t told) {
	line, _ := json.Marshal(t) // numbers and text
	_, _ = unix.Write(fd, append(line, '\n'))
}

// failed ends a stage that cannot go on.
func failed(fd int, kind fault, err error) int {
	tell(fd, told{Fault: err.Error(), Kind: kind})
	return 1
}

// readSpec reads what is to be done. The descriptors of the stage are not for its child, but where they are named.
func readSpec(at int, others ...int) (s spec, err error) {
	for _, fd := range append(others, at) {
		unix.CloseOnExec(fd)
	}
	size, err := unix.Seek(at, 0, io.SeekEnd)
	if err != nil {
		return s, fmt.Errorf("not started by Slipway: %w", err)
	}
	text := make([]byte, size)
	if _, err := unix.Pread(at, text, 0); err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// outer starts init and waits for its end. It dies with the thread that has started it, and init with it.
func outer() int {
	s, err := readSpec(specFD, statusFD, gateFD, specFD+1)
	if err != nil {
		return failed(statusFD, "", err)
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return failed(statusFD, "", err)
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	attr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if _, err := os.Stat("/proc/self/ns/cgroup"); err == nil {
		attr.Cloneflags |= unix.CLONE_NEWCGROUP
	}
	if s.Network {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	if !s.Root {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: s.UID, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: s.GID, HostID: os.Getgid(), Size: 1}}
		// A user id other than 0 loses its rights when it executes a program, but for these.
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP}
	}
	c := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"slipway", stageInit}, Env: []string{}, Dir: "/", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles: []*os.File{os.NewFile(statusFD, "status"), os.NewFile(gateFD, "gate"), os.NewFile(specFD, "spec")}, SysProcAttr: attr,
	}
	if err := c.Start(); err != nil {
		return failed(statusFD, "", fmt.Errorf("new namespaces: %w", err))
	}
	tell(statusFD, told{Init: c.Process.Pid})
	for _, f := range c.ExtraFiles {
		_ = f.Close()
	}
	_ = c.Wait()
	return max(c.ProcessState.ExitCode(), 0)
}

// first is the first process of the namespaces. What ends it ends everything in them.
func first() int {
	// Nobody inside ends it by a signal; signals that are ignored would be ignored by the command too.
	signal.Notify(make(chan os.Signal, 1))
	s, err := readSpec(specFD, statusFD, gateFD)
	if err != nil {
		return failed(statusFD, "", err)
	}
	if err := layOut(s); err != nil {
		return failed(statusFD, "", err)
	}
	gate := os.NewFile(gateFD, "gate")
	var one [1]byte
	if _, err := gate.Read(one[:]); err != nil {
		return 1
	}
	go func() { // its end is the end of the process that holds the other end
		_, _ = io.Copy(io.Discard, gate)
		os.Exit(1)
	}()
	pid, err := startCommand()
	if err != nil {
		return failed(statusFD, "", err)
	}
	return collect(pid)
}

// startCommand starts the last stage, which tells of itself by a pipe that its end as a stage closes.
func startCommand() (pid int, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec("/proc/self/exe", []string{"slipway", stageCommand}, &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2, uintptr(pipe[1]), 4: specFD}, Env: []string{}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	_ = unix.Close(pipe[1])
	_ = unix.Close(specFD)
	if err != nil {
		return 0, err
	}
	told, _ := io.ReadAll(os.NewFile(uintptr(pipe[0]), "told"))
	if len(told) > 0 {
		_, _ = unix.Write(statusFD, told)
	}
	return pid, nil
}

// collect waits for all that ends, as the first process must, and returns with the command. It tells its exit code; of one that did not
// become a program the stage itself has told.
func collect(command int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return failed(statusFD, "", err)
		case pid == command && status.Signaled():
			code := 128 + int(status.Signal())
			tell(statusFD, told{Code: &code})
			return code
		case pid == command:
			code := status.ExitStatus()
			tell(statusFD, told{Code: &code})
			return code
		}
	}
}
