package isolate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are system calls that no build or test needs and that reach far into the kernel. They fail with EPERM.
var refused = []string{
	"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "chroot", "setns", "unshare", "init_module", "finit_module", "delete_module", "kexec_load",
	"reboot", "swapon", "swapoff", "acct", "quotactl", "add_key", "keyctl", "request_key", "bpf", "perf_event_open",
	"userfaultfd", "open_by_handle_at", "io_uring_setup", "io_uring_enter", "io_uring_register", "settimeofday",
	"clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "vhangup", "syslog", "lookup_dcookie",
}

// newNamespaces are the flags of clone that make a namespace.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

var auditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// filter returns the seccomp program as the kernel reads it.
func filter() ([]byte, error) {
	arch, ok := auditArch[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("%w: no system call filter for %s", ErrUnavailable, runtime.GOARCH)
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{{
		Action: seccomp.ActionErrno, Names: refused,
		NamesWithCondtions: []seccomp.NameWithConditions{{
			Name:       "clone",
			Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.BitsSet, Value: newNamespaces}},
		}},
	}}}
	body, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("%w: the system call filter: %v", ErrUnavailable, err)
	}
	// Calls of another architecture would pass by their own numbers. The flags of clone3 are in memory, where no
	// filter can look: ENOSYS makes the C library use clone.
	absent := bpf.RetConstant{Val: uint32(seccomp.ActionErrno)&0xffff0000 | uint32(unix.ENOSYS)}
	program := append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		absent,
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE3, SkipTrue: 1},
		absent,
	}, body...)
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("%w: the system call filter: %v", ErrUnavailable, err)
	}
	var out bytes.Buffer
	if err := binary.Write(&out, binary.NativeEndian, raw); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
