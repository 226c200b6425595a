package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Reenter()
	if len(os.Args) >= 3 && os.Args[1] == attackArgument {
		os.Exit(attack(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// each runs a test by either method. One that this machine has not is skipped, with the reason; SLIPWAY_NO_SKIP=1 makes that a failure.
func each(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, method := range []string{"bubblewrap", "namespaces"} {
		t.Run(method, func(t *testing.T) {
			if method == "namespaces" {
				t.Setenv("PATH", without(t, "bwrap"))
			}
			need(t, method)
			test(t)
		})
	}
}

func need(t *testing.T, method string) {
	t.Helper()
	level, err := Check(t.Context())
	if err == nil && level.Backend != method {
		err = fmt.Errorf("no %s here, but %s", method, level)
	}
	if err != nil {
		if os.Getenv("SLIPWAY_NO_SKIP") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// without is a PATH on which a program is not found, and nothing else that this package starts is missing.
func without(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bwrap", "nsenter"} {
		if at, err := exec.LookPath(name); err == nil && name != program {
			if err := os.Symlink(at, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// folder is a writable mount at /job for uid.
func folder(t *testing.T, uid int) Mount {
	t.Helper()
	dir := t.TempDir()
	if err := Own(dir, uid); err != nil {
		t.Fatal(err)
	}
	return Mount{Host: dir, Inside: "/job", Writable: true}
}

// shell runs a script in a folder of its own.
func shell(t *testing.T, script string, change func(*Command)) (Result, Mount) {
	t.Helper()
	c := Command{Argv: []string{"/bin/sh", "-c", script}, UID: NewUID()}
	m := folder(t, c.UID)
	c.Mounts = []Mount{m}
	if change != nil {
		change(&c)
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

func (r Result) String() string {
	return fmt.Sprintf("%s, exit %d, after %v: %s%s", r.Ended, r.ExitCode, r.Took, r.Stdout.Data, r.Stderr.Data)
}

func TestInheritedDescriptorsStayOutside(t *testing.T) {
	each(t, func(t *testing.T) {
		fd, err := unix.Open("/etc", unix.O_RDONLY|unix.O_DIRECTORY, 0) // without O_CLOEXEC, as a parent may have left it
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if r, _ := shell(t, "ls /proc/self/fd/"+strconv.Itoa(fd)+"/shadow 2>/dev/null; echo end", nil); string(r.Stdout.Data) != "end\n" {
			t.Errorf("it is inside: %s", r)
		}
	})
}

func TestCommandSeesOnlyWhatItIsGiven(t *testing.T) {
	each(t, func(t *testing.T) {
		t.Setenv("CANARY", "canary-of-the-environment")
		home := t.TempDir()
		t.Setenv("HOME", home)
		secret := filepath.Join(home, "credentials")
		if err := os.WriteFile(secret, []byte("canary-of-the-home"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(home, 0o755); err != nil {
			t.Fatal(err)
		}
		own, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct{ script, want, reason string }{
			"environment": {"env | sort | cut -d= -f1 | tr '\\n' ' '", "HOME LANG LOGNAME PATH PWD TMPDIR USER", "a clean environment, of known names"},
			"variables":   {"echo ${CANARY:-none}", "none", "nothing of the parent's environment"},
			"processes":   {"cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c canary; true", "0", "nor through /proc"},
			"home":        {"cat " + secret + " " + own + "/.bash* /home/*/.* 2>/dev/null; echo end", "end", "no home of anybody"},
			"etc":         {"cat /etc/shadow /etc/ssh/* 2>/dev/null; wc -l </etc/passwd", "1", "one user, no hashes, no keys"},
			"tmp":         {"ls -A /tmp", "", "a /tmp of its own"},
			"descriptors": {"exec ls /proc/self/fd", "0\n1\n2\n3", "no descriptor leaks in: 3 is of ls"},
			"host":        {"hostname", "isolated", "not even the machine's name"},
			"user":        {"id -un; id -gn", "slipway\nslipway", "a user without a group of the machine"},
			"rights":      {"grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status | grep -vc '\t0*$'; true", "0", "no capability"},
			"new rights":  {"grep NoNewPrivs /proc/self/status | tr -d '\\t'; grep 'Seccomp:' /proc/self/status | tr -d '\\t'", "NoNewPrivs:1\nSeccomp:2", "none to be had by set-user-id programs, and a filter"},
			"namespaces":  {"unshare -U true 2>/dev/null || echo refused; unshare -n true 2>/dev/null || echo refused", "refused\nrefused", "no way to capabilities over a new namespace"},
			"mounts":      {"mount -t tmpfs x /job 2>/dev/null || echo refused", "refused", ""},
		} {
			t.Run(name, func(t *testing.T) {
				r, _ := shell(t, tc.script, nil)
				if got := strings.TrimSpace(string(r.Stdout.Data)); got != tc.want || r.Ended != Exited {
					t.Errorf("%s: got %q, want %q (%s)", tc.reason, got, tc.want, r)
				}
			})
		}
	})
}

func TestNothingOutsideTheFolderIsWritten(t *testing.T) {
	each(t, func(t *testing.T) {
		beside := t.TempDir()
		if err := os.Chmod(beside, 0o777); err != nil {
			t.Fatal(err)
		}
		readOnly := t.TempDir()
		if err := os.Chmod(readOnly, 0o777); err != nil {
			t.Fatal(err)
		}
		script := `for d in / /usr /usr/local /etc /bin /dev /home /opt /proc/sys/kernel ` + beside + ` /shown; do
		(echo x > $d/canary) 2>/dev/null && echo "wrote $d"; done
		echo in > /job/canary && ln -s ` + beside + ` out && (echo x > out/canary) 2>/dev/null && echo "wrote by a link"
		echo x > /tmp/canary && echo x > /dev/shm/canary && echo x > ~/canary && echo end`
		r, m := shell(t, script, func(c *Command) { c.Mounts = append(c.Mounts, Mount{Host: readOnly, Inside: "/shown"}) })
		if got := string(r.Stdout.Data); got != "end\n" {
			t.Errorf("got %q: %s", got, r)
		}
		if raw, err := os.ReadFile(filepath.Join(m.Host, "canary")); err != nil || string(raw) != "in\n" {
			t.Errorf("in the folder: %q %v", raw, err)
		}
		for _, path := range []string{beside, readOnly, "/tmp", "/dev/shm"} {
			if _, err := os.Lstat(filepath.Join(path, "canary")); err == nil {
				t.Errorf("%s/canary was written", path)
			}
		}
	})
}

func TestThereIsNoNetworkUnlessAskedFor(t *testing.T) {
	each(t, func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
		if _, err := exec.LookPath("/bin/bash"); err != nil {
			t.Skip("no bash to open a connection with")
		}
		script := fmt.Sprintf("(exec 9<>/dev/tcp/127.0.0.1/%d) 2>/dev/null && echo reached; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", l.Addr().(*net.TCPAddr).Port)
		for name, tc := range map[string]struct {
			network bool
			reason  string
		}{"without": {false, "loopback of its own, nothing else"}, "with": {true, "this machine's"}} {
			t.Run(name, func(t *testing.T) {
				r, _ := shell(t, script, func(c *Command) { c.Argv[0], c.Network = "/bin/bash", tc.network })
				if got := strings.Contains(string(r.Stdout.Data), "reached"); got != tc.network {
					t.Errorf("%s: %s", tc.reason, r)
				}
				if !tc.network && string(r.Stdout.Data) != "lo\n" {
					t.Errorf("interfaces: %s", r.Stdout.Data)
				}
				if said := strings.Contains(r.Level.String(), "shared network"); said != tc.network {
					t.Errorf("the evidence says %s", r.Level)
				}
			})
		}
	})
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			script string
			limits Limits
			ok     func(Result) bool
			reason string
		}{
			"fork bomb": {
				`f() { while :; do f & done; }; f 2>/dev/null`,
				Limits{Processes: 40, Time: 2 * time.Second},
				func(r Result) bool { return r.Ended == TimedOut || r.Ended == Exited }, "it ends, and the machine lives",
			},
			"processes": {
				`i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; echo all`,
				Limits{Processes: 20},
				func(r Result) bool { return !strings.Contains(string(r.Stdout.Data), "all") }, "not 60 with 20 allowed",
			},
			"memory of one": {
				`dd if=/dev/zero of=/dev/null bs=300M count=1 2>&1`,
				Limits{Memory: 100 << 20},
				func(r Result) bool { return r.ExitCode != 0 }, "the allocation fails",
			},
			"memory of all": {
				`for i in 1 2 3 4 5 6; do (dd if=/dev/zero bs=60M count=1 2>/dev/null | (sleep 20)) & done; wait`,
				Limits{Memory: 100 << 20, Time: time.Minute},
				func(r Result) bool { return r.Ended == Memory && r.ExitCode == 137 }, "six of 60 MB are over 100 MB",
			},
			"time": {`sleep 1000`, Limits{Time: 300 * time.Millisecond}, func(r Result) bool { return r.Ended == TimedOut && r.ExitCode == 137 }, ""},
			"CPU":  {`while :; do :; done`, Limits{CPU: time.Second, Time: time.Minute}, func(r Result) bool { return r.Ended == CPU || r.ExitCode == 128+9 || r.ExitCode == 128+24 }, ""},
			"CPU of many": {
				`for i in 1 2 3 4; do (while :; do :; done) & done; wait`,
				Limits{CPU: 1500 * time.Millisecond, Time: time.Minute},
				func(r Result) bool { return r.Ended == CPU }, "none alone is over",
			},
			"file size":  {`dd if=/dev/zero of=big bs=1M count=10 2>/dev/null; stat -c %s big`, Limits{FileSize: 2 << 20}, func(r Result) bool { return string(r.Stdout.Data) == "2097152\n" }, ""},
			"open files": {`ulimit -n`, Limits{OpenFiles: 33}, func(r Result) bool { return string(r.Stdout.Data) == "33\n" }, ""},
			"core files": {`ulimit -c`, Limits{}, func(r Result) bool { return string(r.Stdout.Data) == "0\n" }, "a core would hold secrets"},
			"tmp":        {`dd if=/dev/zero of=/tmp/x bs=1M count=400 2>/dev/null || echo full`, Limits{}, func(r Result) bool { return string(r.Stdout.Data) == "full\n" }, "it is memory"},
			"output": {`seq 1 200000; echo the end`, Limits{Output: 1000}, func(r Result) bool {
				return len(r.Stdout.Data) == 1000 && r.Stdout.Cut() && strings.HasSuffix(string(r.Stdout.Data), "200000\nthe end\n") && r.Stdout.Total == 1288895+8
			}, "the tail is kept"},
		} {
			t.Run(name, func(t *testing.T) {
				r, _ := shell(t, tc.script, func(c *Command) { c.Limits = tc.limits })
				if !tc.ok(r) {
					t.Errorf("%s: %s", tc.reason, r)
				}
			})
		}
	})
}

// marked counts this machine's processes whose arguments hold mark.
func marked(t *testing.T, mark string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if raw, err := os.ReadFile(f); err == nil && bytes.Contains(raw, []byte(mark)) && !bytes.Contains(raw, []byte("/bin/sh")) {
			n++
		}
	}
	return n
}

func TestTheWholeTreeEndsWithTheContext(t *testing.T) {
	each(t, func(t *testing.T) {
		mark := "9" + strconv.Itoa(os.Getpid()) + strconv.FormatInt(time.Now().UnixNano()%1e6, 10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		heard := make(signaled, 1)
		c := Command{
			Argv: []string{"/bin/sh", "-c", "trap '' TERM INT HUP; sleep " + mark + " & setsid sleep " + mark + " & (setsid nohup sleep " + mark + " &) ; echo up; sleep " + mark},
			Dir:  "/", Stdout: heard,
		}
		p, err := Start(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		<-heard
		for marked(t, mark) < 4 {
			select {
			case <-t.Context().Done():
				t.Fatal("the sleepers never came up")
			case <-time.After(10 * time.Millisecond):
			}
		}
		cancel()
		r, err := p.Wait()
		if err != nil || r.Ended != Canceled || r.ExitCode != 137 {
			t.Errorf("%v %v", r, err)
		}
		if n := marked(t, mark); n != 0 {
			t.Errorf("%d processes are left", n)
		}
		if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("a signal after the end: %v", err)
		}
		if _, err := Start(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("a start in an ended context: %v", err)
		}
	})
}

// signaled tells of the first write.
type signaled chan struct{}

func (s signaled) Write(b []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(b), nil
}

func TestBackgroundProcessesEndWithTheCommand(t *testing.T) {
	each(t, func(t *testing.T) {
		mark := "8" + strconv.Itoa(os.Getpid()) + strconv.FormatInt(time.Now().UnixNano()%1e6, 10)
		r, _ := shell(t, "setsid sleep "+mark+" >/dev/null 2>&1 & exit 7", nil)
		if r.ExitCode != 7 || r.Ended != Exited {
			t.Errorf("%s", r)
		}
		if n := marked(t, mark); n != 0 {
			t.Errorf("%d processes are left", n)
		}
	})
}

func TestSignalsReachTheCommand(t *testing.T) {
	each(t, func(t *testing.T) {
		heard := make(signaled, 1)
		p, err := Start(t.Context(), Command{Argv: []string{"/bin/sh", "-c", "trap 'echo got it; exit 5' TERM; echo up; while :; do sleep 0.05; done"}, Dir: "/", Stdout: heard})
		if err != nil {
			t.Fatal(err)
		}
		<-heard
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if r, err := p.Wait(); err != nil || r.ExitCode != 5 || !strings.HasSuffix(string(r.Stdout.Data), "got it\n") {
			t.Errorf("%v %v", r, err)
		}
		for range 20 {
			p, err = Start(t.Context(), Command{Argv: []string{"sleep", "1000"}, Dir: "/"})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Signal(syscall.SIGTERM); err != nil { // at once: it may not even have begun
				t.Fatal(err)
			}
			if r, err := p.Wait(); err != nil || r.ExitCode != 128+int(syscall.SIGTERM) {
				t.Errorf("%v %v", r, err)
			}
		}
	})
}

func TestTheEnvironmentShowsInNoProcessList(t *testing.T) {
	each(t, func(t *testing.T) {
		heard := make(signaled, 1)
		p, err := Start(t.Context(), Command{Argv: []string{"/bin/sh", "-c", "echo $CANARY; sleep 1000"}, Dir: "/", Stdout: heard, Env: map[string]string{"CANARY": "canary-in-the-arguments"}})
		if err != nil {
			t.Fatal(err)
		}
		<-heard
		if n := marked(t, "canary-in-the-arguments"); n != 0 {
			t.Error("the value is in the arguments of a process")
		}
		p.Kill()
		if r, err := p.Wait(); err != nil || string(r.Stdout.Data) != "canary-in-the-arguments\n" {
			t.Errorf("%v %v", r, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T) {
		dir := t.TempDir()
		for name, tc := range map[string]struct {
			command Command
			want    error
			says    string
			reason  string
		}{
			"no program":       {Command{Argv: []string{"no-such-program"}, Dir: "/"}, ErrNoProgram, "no-such-program", ""},
			"no such file":     {Command{Argv: []string{"/usr/bin/no-such-program"}, Dir: "/"}, ErrNoProgram, "no-such-program", ""},
			"outside the view": {Command{Argv: []string{"/srv/bin/x"}, Dir: "/"}, ErrNoProgram, "/srv/bin/x", ""},
			"no folder":        {Command{Argv: []string{"true"}, Dir: "/job/absent", Mounts: []Mount{{Host: dir, Inside: "/job"}}}, ErrNoFolder, "absent", ""},
			"no such place":    {Command{Argv: []string{"true"}, Dir: "/nowhere"}, ErrNoFolder, "nowhere", "found out inside"},
			"nothing to run":   {Command{Dir: "/"}, nil, "no program", ""},
			"relative mount":   {Command{Argv: []string{"true"}, Mounts: []Mount{{Host: ".", Inside: "/job"}}}, nil, "absolute", ""},
			"over everything":  {Command{Argv: []string{"true"}, Mounts: []Mount{{Host: dir, Inside: "/x/.."}}}, nil, "below /", ""},
			"absent folder":    {Command{Argv: []string{"true"}, Mounts: []Mount{{Host: dir + "/absent", Inside: "/job"}}}, nil, "absent", ""},
			"broken variable":  {Command{Argv: []string{"true"}, Dir: "/", Env: map[string]string{"A\x00B": ""}}, nil, "environment", "it would end the argument list"},
			"user":             {Command{Argv: []string{"true"}, Dir: "/", User: "a:b\n"}, nil, "user name", "it is written to a passwd file"},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := Run(t.Context(), tc.command)
				if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: %v", tc.reason, err)
				}
			})
		}
	})
}

func TestNeitherWay(t *testing.T) {
	was := reenters.Swap(false) // a program that does not call Reenter
	defer reenters.Store(was)
	broken := filepath.Join(t.TempDir(), "bwrap")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho 'bubblewrap 9' ; [ \"$1\" = --version ]\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for program, says := range map[string]string{"": "bubblewrap is not installed; without it: ", broken: "it did not start"} {
		f := tryAll(t.Context(), program)
		if !errors.Is(f.err, ErrUnavailable) || f.method != nil || !strings.Contains(f.err.Error(), says) {
			t.Errorf("%q: %v", program, f.err)
		}
	}
	reenters.Store(true)
	if f := tryAll(t.Context(), broken); f.err == nil && f.method.level().Backend != "namespaces" {
		t.Errorf("a bubblewrap that does not work: %v", f.method)
	}
}

func TestProgramThatCannotBeExecuted(t *testing.T) {
	each(t, func(t *testing.T) {
		uid := NewUID()
		m := folder(t, uid)
		if err := os.WriteFile(filepath.Join(m.Host, "plain"), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), Command{Argv: []string{"./plain"}, Mounts: []Mount{m}, UID: uid}); !errors.Is(err, ErrNoProgram) {
			t.Errorf("%v", err)
		}
	})
}

// TestWithoutRoot runs the other tests again as a user without rights, in user namespaces.
func TestWithoutRoot(t *testing.T) {
	if !privileged() {
		t.Skip("the others have run without root")
	}
	if testing.Short() {
		t.Skip("it runs all the others again")
	}
	dir, err := os.MkdirTemp("", "isolate-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	copied := filepath.Join(dir, "isolate.test")
	if err := errors.Join(os.WriteFile(copied, program, 0o755), os.Chmod(copied, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), copied, "-test.v")
	c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "SLIPWAY_NO_SKIP=" + os.Getenv("SLIPWAY_NO_SKIP")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := c.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: TestLimits")):
		if bytes.Contains(out, []byte(ErrUnavailable.Error())) {
			t.Skip("user namespaces are not open to users here")
		}
		t.Errorf("the tests did not run:\n%s", out)
	}
}

func TestOwnFollowsNoLink(t *testing.T) {
	if !privileged() {
		t.Skip("only root gives files away")
	}
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	uid := NewUID()
	if err := Own(dir, uid); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{dir: uid, filepath.Join(dir, "link"): uid, outside: 0, filepath.Dir(outside): 0} {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil || int(st.Uid) != want {
			t.Errorf("%s belongs to %d (%v), want %d", path, st.Uid, err, want)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	for _, method := range []string{"bubblewrap", "namespaces"} {
		b.Run(method, func(b *testing.B) {
			if method == "namespaces" {
				b.Setenv("PATH", b.TempDir())
			}
			if level, err := Check(b.Context()); err != nil || level.Backend != method {
				b.Skip(level, err)
			}
			for b.Loop() {
				if _, err := Run(b.Context(), Command{Argv: []string{"true"}, Dir: "/"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
