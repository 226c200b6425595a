package isolate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attackArgument makes this test's program an attacker: it tries what the next argument names, and says of each whether it was refused.
const attackArgument = "attack"

// attackers is the folder inside that has the test's program.
const attackers = "/attackers"

// attack tries one of attempts, or for "all" every one that needs no argument, and returns the exit status: 0, since a command that was
// refused goes on.
func attack(name string, args []string) int {
	runtime.LockOSThread()
	if name == "hold" {
		return hold(args)
	}
	for key, a := range attempts {
		if key != name && (name != "all" || a.needs) {
			continue
		}
		if got, err := a.try(append(a.args, args...)); err != nil {
			fmt.Printf("%s: refused: %v\n", key, err)
		} else {
			fmt.Printf("%s: ESCAPED: %s\n", key, got)
		}
	}
	return 0
}

// attempt is one way out. try returns what it got, or the error that it met.
type attempt struct {
	reason string
	try    func(args []string) (string, error)
	args   []string
	needs  bool // arguments that only a test knows
	first  bool // it is on the first process, which bubblewrap without root leaves open: TestFirstProcessHasNoMore
}

func reading(paths ...string) func([]string) (string, error) {
	return func(args []string) (string, error) {
		fault := os.ErrNotExist
		for _, p := range append(paths, args...) {
			all, _ := filepath.Glob(p)
			for _, name := range append(all, p) {
				if raw, err := os.ReadFile(name); err == nil && len(raw) > 0 {
					return name, nil
				} else if err != nil {
					fault = err
				}
			}
		}
		return "", fault
	}
}

func writing(paths ...string) func([]string) (string, error) {
	return func([]string) (string, error) {
		var fault error
		for _, p := range paths {
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE, 0o600)
			if err == nil {
				_, err = f.WriteString("x")
				_ = f.Close()
			}
			if err == nil {
				return p, nil
			}
			fault = err
		}
		return "", fault
	}
}

// calling makes a system call that a filter is to refuse. Its arguments make no sense, so that without one it does nothing: any other
// error than those of a filter and of missing rights is an escape.
func calling(number uintptr, args ...uintptr) func([]string) (string, error) {
	return func([]string) (string, error) {
		var a [6]uintptr
		copy(a[:], args)
		_, _, errno := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
		switch errno {
		case unix.EPERM, unix.ENOSYS, unix.EACCES:
			return "", errno
		}
		return "as far as " + errno.Error(), nil
	}
}

func dialing(network string) func([]string) (string, error) {
	return func(args []string) (string, error) {
		c, err := net.DialTimeout(network, args[0], 2*time.Second)
		if err != nil {
			return "", err
		}
		defer c.Close()
		_, err = c.Write([]byte("x"))
		return "connected", err
	}
}

func starting(flags uintptr) func([]string) (string, error) {
	return func([]string) (string, error) {
		c := exec.Command(os.Args[0], "-test.run=^$")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		return "a namespace", c.Run()
	}
}

// link makes a link in the writable folder and reads what it leads to.
func link(make func(string, string) error, target string) func([]string) (string, error) {
	return func([]string) (string, error) {
		at := "/job/" + strings.ReplaceAll(target, "/", "-")
		if err := make(target, at); err != nil {
			return "", err
		}
		raw, err := os.ReadFile(at)
		return string(raw), err
	}
}

func refuse(err error) (string, error) { return "it was done", err }

// The home of user 0, and the root folder of the first process: https://man7.org/linux/man-pages/man5/proc_pid_root.5.html
const (
	superuser = "/root"
	firstRoot = "/proc/1/root"
)

var attempts = map[string]attempt{
	"shadow":         {reason: "hashes of passwords", try: reading("/etc/shadow", "/etc/gshadow", "/etc/sudoers")},
	"homes":          {reason: "keys and tokens of people", try: reading(superuser+"/.*", "/home/*/.*", superuser+"/*", "/home/*/*")},
	"parent":         {reason: "the environment of what has started it", try: reading("/proc/1/environ", "/proc/1/mem", "/proc/1/maps"), first: true},
	"parent's root":  {reason: "another root folder, by the first process", try: reading(firstRoot+"/etc/passwd", "/proc/1/cwd/etc/passwd", "/proc/1/fd/*"), first: true},
	"kernel log":     {reason: "addresses and devices", try: reading("/dev/kmsg", "/proc/kmsg", "/proc/kcore")},
	"devices":        {reason: "memory and disks", try: reading("/dev/mem", "/dev/vda", "/dev/sda", "/dev/nvme0n1")},
	"sys":            {reason: "the machine's hardware and control groups", try: reading("/sys/kernel/*", "/sys/class/net/*/address", "/sys/fs/cgroup/*")},
	"run":            {reason: "sockets of services", try: reading("/run/*", "/var/run/*", "/var/lib/*")},
	"up":             {reason: "the folder above the root", try: reading("/../../../../etc/shadow", "/job/../.."+superuser+"/.profile")},
	"settings":       {reason: "settings of the kernel", try: writing("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger")},
	"system":         {reason: "programs of the machine", try: writing("/usr/bin/x", "/etc/passwd", "/etc/ld.so.preload", "/bin/sh", "/x", "/dev/x", "/opt/x")},
	"itself":         {reason: "a folder that it is given to read", try: writing(attackers+"/x", os.Args[0])},
	"symbolic link":  {reason: "it leads nowhere inside", try: link(os.Symlink, "/etc/shadow")},
	"hard link":      {reason: "a file of another owner or mount", try: link(os.Link, "/etc/ld.so.cache")},
	"link up":        {reason: "out of the folder", try: link(os.Symlink, "../../../etc/shadow")},
	"device node":    {reason: "a disk under another name", try: func([]string) (string, error) { return refuse(unix.Mknod("/job/disk", unix.S_IFBLK|0o666, 254<<8)) }},
	"ptrace":         {reason: "the first process", try: func([]string) (string, error) { return refuse(unix.PtraceSeize(1)) }, first: true},
	"memory":         {reason: "of the first process", try: readMemory, first: true},
	"descriptors":    {reason: "of the first process", try: takeDescriptor, first: true},
	"root":           {reason: "user id 0", try: func([]string) (string, error) { return refuse(syscall.Setuid(0)) }},
	"group":          {reason: "a group of the machine", try: func([]string) (string, error) { return refuse(syscall.Setgroups([]int{0, 6, 42})) }},
	"capability":     {reason: "to change mounts", try: gainCapability},
	"set user id":    {reason: "a program that becomes root", try: becomeRoot},
	"user namespace": {reason: "the way to all capabilities", try: starting(unix.CLONE_NEWUSER)},
	"mount space":    {reason: "", try: starting(unix.CLONE_NEWNS)},
	"unshare":        {reason: "the same by another call", try: calling(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
	"clone3":         {reason: "flags that no filter sees", try: calling(unix.SYS_CLONE3, 0, 0)},
	"setns":          {reason: "somebody's namespace", try: calling(unix.SYS_SETNS, 0, 0)},
	"mount":          {reason: "", try: calling(unix.SYS_MOUNT, 0, 0, 0, 0, 0)},
	"new mount":      {reason: "the newer calls", try: calling(unix.SYS_FSOPEN, 0, 0)},
	"open tree":      {reason: "", try: calling(unix.SYS_OPEN_TREE, 0, 0, 0)},
	"chroot":         {reason: "", try: calling(unix.SYS_CHROOT, 0)},
	"handle":         {reason: "a file by its number", try: calling(unix.SYS_OPEN_BY_HANDLE_AT, 0, 0, 0)},
	"keyring":        {reason: "keys of the session", try: calling(unix.SYS_KEYCTL, 0, 0, 0)},
	"key":            {reason: "", try: calling(unix.SYS_ADD_KEY, 0, 0, 0, 0, 0)},
	"BPF":            {reason: "programs in the kernel", try: calling(unix.SYS_BPF, 0, 0, 0)},
	"perf":           {reason: "", try: calling(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0)},
	"io_uring":       {reason: "calls that no filter sees", try: calling(unix.SYS_IO_URING_SETUP, 0, 0)},
	"module":         {reason: "", try: calling(unix.SYS_FINIT_MODULE, 0, 0, 0)},
	"page faults":    {reason: "", try: calling(unix.SYS_USERFAULTFD, 0)},
	"clock":          {reason: "the machine's time", try: calling(unix.SYS_CLOCK_SETTIME, 0, 0)},
	"host name":      {reason: "", try: calling(unix.SYS_SETHOSTNAME, 0, 0)},
	"32 bit":         {reason: "calls by the numbers of another architecture", try: calling(0x40000000|unix.SYS_MOUNT, 0, 0, 0, 0, 0)},
	"outside":        {reason: "an address that nobody has", try: dialing("tcp"), args: []string{"192.0.2.1:9"}},
	"UDP":            {reason: "", try: dialing("udp"), args: []string{"192.0.2.1:9"}},
	"loopback":       {try: dialing("tcp"), needs: true},
	"abstract":       {try: dialing("unix"), needs: true},
	"names":          {reason: "a name server", try: dialing("udp"), args: []string{"8.8.8.8:53"}},
}

func readMemory([]string) (string, error) {
	buf := make([]byte, 8)
	_, err := unix.ProcessVMReadv(1, []unix.Iovec{{Base: &buf[0], Len: 8}}, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&buf[0])), Len: 8}}, 0)
	if errors.Is(err, unix.EFAULT) {
		return "as far as its addresses", nil
	}
	return "it was read", err
}

func takeDescriptor([]string) (string, error) {
	p, err := unix.PidfdOpen(1, 0)
	if err != nil {
		return "", err
	}
	_, err = unix.PidfdGetfd(p, 0, 0)
	return "one was taken", err
}

func gainCapability([]string) (string, error) {
	all := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
	return "it was given", unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &all[0])
}

func becomeRoot([]string) (string, error) {
	for _, name := range []string{"su", "mount", "passwd", "sudo"} {
		if at, err := exec.LookPath(name); err == nil {
			if out, _ := exec.Command(at, "--help").CombinedOutput(); len(out) == 0 {
				return "", errors.New("it does not even start")
			}
		}
	}
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	if strings.Contains(string(raw), "NoNewPrivs:\t1") {
		return "", unix.EPERM
	}
	return "new privileges", nil
}

func TestWaysOut(t *testing.T) {
	each(t, func(t *testing.T) {
		said, open := attacked(t, "all", nil, nil), !privileged() && strings.HasSuffix(t.Name(), "bubblewrap")
		for name, a := range attempts {
			if !a.needs && !(a.first && open) && !strings.Contains(said, "\n"+name+": refused: ") {
				t.Errorf("%s: %s", name, a.reason)
			}
		}
		if t.Failed() {
			t.Log(said)
		}
	})
}

func TestFirstProcessHasNoMore(t *testing.T) {
	if privileged() {
		return // it is another user's: TestWaysOut; TestWithoutRoot comes here
	}
	const script = "grep -E 'Cap(Eff|Prm)' /proc/1/status | grep -vc '\t0*$'; grep Seccomp: /proc/1/status; tr '\\0' '\\n' </proc/1/environ | wc -l; head -n 1 " + firstRoot + "/etc/passwd"
	need(t, "bubblewrap")
	r, _ := shell(t, script, nil)
	if want := "0\nSeccomp:\t2\n0\nslipway:"; !strings.HasPrefix(string(r.Stdout.Data), want) {
		t.Errorf("bubblewrap's first process is another than the command: %s", r)
	}
}

// attacked returns what an attacker says, a line for each attempt, of which none may have ended it.
func attacked(t *testing.T, name string, args []string, change func(*Command)) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Command{
		Argv: append([]string{path.Join(attackers, filepath.Base(self)), attackArgument, name}, args...), UID: NewUID(),
		Limits: Limits{Time: time.Minute, Processes: 64}, Env: map[string]string{"GOMAXPROCS": "1"},
	}
	c.Mounts = []Mount{folder(t, c.UID), {Host: filepath.Dir(self), Inside: attackers}}
	if change != nil {
		change(&c)
	}
	r, err := Run(t.Context(), c)
	if err != nil || r.ExitCode != 0 {
		t.Fatal(err, r)
	}
	return "\n" + string(r.Stdout.Data)
}

// What a machine offers to anybody on it: its own sockets, also those without a place in the file system.
func TestSocketsOfTheMachine(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	abstract, err := net.Listen("unix", fmt.Sprintf("@slipway-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	each(t, func(t *testing.T) {
		refused := func(reason, name, at string, network bool) {
			said := attacked(t, name, []string{at}, func(c *Command) { c.Network = network })
			if !strings.HasPrefix(said, "\n"+name+": refused: ") {
				t.Errorf("%s: %s", reason, said)
			}
		}
		refused("a service of the machine", "loopback", tcp.Addr().String(), false)
		refused("a socket in no folder", "abstract", abstract.Addr().String(), false)
		level, err := Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if abi, _ := landlockABI(); level.Backend == "namespaces" && abi >= 6 {
			refused("a socket in no folder, with the machine's network", "abstract", abstract.Addr().String(), true)
		}
	})
}

// hold isolates a command that outlives whoever waits for it, and says when it is there.
func hold(args []string) int {
	r, err := Run(context.Background(), Command{Argv: []string{"/bin/sh", "-c", "setsid sleep " + args[0] + " & echo up; sleep " + args[0]}, Dir: "/", Stdout: os.Stdout})
	fmt.Fprintln(os.Stderr, r, err)
	return 1
}

func TestAllEndsWithAProcessThatIsKilled(t *testing.T) {
	each(t, func(t *testing.T) {
		mark := fmt.Sprintf("7%d%d", os.Getpid(), time.Now().UnixNano()%1e6)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), self, attackArgument, "hold", mark)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var up [2]byte
		if _, err := out.Read(up[:]); err != nil || string(up[:]) != "up" {
			t.Fatal(err, up)
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		for marked(t, mark) > 0 {
			select {
			case <-t.Context().Done():
				t.Fatal("it lives on")
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}
