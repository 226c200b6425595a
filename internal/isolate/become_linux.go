package isolate

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// become gives up all rights on its thread and executes the command. It returns when it could not, and has told why.
func become() int {
	const faultFD, specFD = 3, 4 // as startCommand gives them
	s, err := readSpec(specFD, faultFD)
	if err != nil {
		return failed(faultFD, "", err)
	}
	if err := unix.Chdir(s.Dir); err != nil {
		return failed(faultFD, noFolder, fmt.Errorf("%s: %w", s.Dir, err))
	}
	if err := giveUp(s); err != nil {
		return failed(faultFD, "", err)
	}
	return failed(faultFD, noProgram, execute(s.Argv, s.Env))
}

// giveUp takes from this thread, and so from the program that it executes, what the command is not to have.
func giveUp(s spec) error {
	if err := dropRights(s); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := landlock(s.Landlock, s.writable()); err != nil {
		return err
	}
	if err := limit(0, s.Limits); err != nil {
		return fmt.Errorf("resource limits: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(s.Filter) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(s.Filter)))}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("the system call filter: %w", err)
	}
	return nil
}

// writable are the places that the view lets the command change.
func (s spec) writable() (out []string) {
	for _, e := range s.View {
		if e.What == given || e.What == scratch {
			out = append(out, e.At)
		}
	}
	return out
}

// dropRights leaves a user id without any capability, and without a way to one.
func dropRights(s spec) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // which this kernel has not
			return fmt.Errorf("capabilities: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if s.Root {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(s.GID, s.GID, s.GID), syscall.Setresuid(s.UID, s.UID, s.UID)); err != nil {
			return fmt.Errorf("a user id of its own: %w", err)
		}
	}
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// execute becomes argv, as execvp(3) does: a name without a slash is looked for on PATH, and a script without a first line is one of sh.
func execute(argv, env []string) error {
	names := []string{argv[0]}
	if !strings.Contains(argv[0], "/") {
		names = nil
		for _, v := range env {
			if list, ok := strings.CutPrefix(v, "PATH="); ok {
				for dir := range strings.SplitSeq(list, ":") {
					names = append(names, path.Join(dir, argv[0]))
				}
			}
		}
	}
	worst := os.ErrNotExist
	for _, name := range names {
		err := unix.Exec(name, argv, env)
		if errors.Is(err, unix.ENOEXEC) {
			err = unix.Exec("/bin/sh", append([]string{"sh", name}, argv[1:]...), env)
		}
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			worst = err
		}
	}
	return fmt.Errorf("%s: %w", argv[0], worst)
}
