package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// offline ends the process at the first system call that has to do with a network: https://man7.org/linux/man-pages/man2/seccomp.2.html
func offline() error {
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if arch == 0 {
		return fmt.Errorf("no filter for %s", runtime.GOARCH)
	}
	kill := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS}
	equal := func(k uint32, then, otherwise uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: then, Jf: otherwise}
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	filter := []unix.SockFilter{load(4), equal(arch, 1, 0), kill, load(0)} // struct seccomp_data: nr, arch
	for _, nr := range []uint32{
		unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_SENDTO,
		unix.SYS_SENDMSG, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_IO_URING_SETUP,
	} {
		filter = append(filter, equal(nr, 0, 1), kill)
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// verifyRole verifies a bundle without a network: its name.
func verifyRole(args []string) error {
	k, err := attest.NewKey(slipway.NewSecret(testKey))
	if err != nil {
		return err
	}
	if err := offline(); err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	_, err = Verifier{Trusted: []attest.Key{k}}.Verify(context.Background(), bytes.NewReader(data), int64(len(data)))
	return err
}

func dialRole([]string) error {
	if err := offline(); err != nil {
		return err
	}
	_, err := net.Dial("tcp", "127.0.0.1:1")
	return err
}

// TestVerifyOffline verifies in a process that dies at the first network call, in an empty environment and folder.
func TestVerifyOffline(t *testing.T) {
	data, _ := bundle(t, exporter(t), newStore(t, t.TempDir(), slipway.RunSucceeded, 1))
	name := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := asRole(t, "verify", nil, name)
	cmd.Dir = t.TempDir()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	err := asRole(t, "dial", nil).Run()
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
		t.Errorf("a process that opens a connection goes on: %v", err)
	}
}

// offlineRoles are those that need a filter of system calls.
var offlineRoles = map[string]func([]string) error{"verify": verifyRole, "dial": dialRole}
