// Package isolate runs one command, an argv and never a shell line, apart from the rest of the machine: without
// network unless asked for, with only the given folders writable, in an environment and a home of its own, under
// limits, and ended as a whole tree. Callers are verification jobs and the sandbox emulator.
//
// It works on Linux in one of two ways, and the Result's Level says in which, and how far it reached:
//   - bubblewrap (https://github.com/containers/bubblewrap; the package "bubblewrap" of every large distribution), where
//     it is installed and works;
//   - namespaces, with Landlock (Linux 5.13 and later): this program runs itself again, see Reenter.
//
// Either needs user namespaces, or root. Where neither works, on other systems, and where a layer cannot be set up, it
// refuses with ErrUnavailable, and Remedy says what to do: a command never runs with less than Level says.
//
// What holds, and where it ends:
//   - namespaces: mount, pid, ipc, uts, network (loopback alone), cgroup where there is one, and user when Slipway is
//     not root. As root the command runs under a user id that nobody else has, without capabilities.
//   - a seccomp filter refuses new user namespaces, mounts, kernel modules, keyrings, BPF, tracing of the kernel and
//     io_uring.
//   - Landlock, under namespaces: what the view does not let change cannot be changed by another way to it either; and
//     from ABI 6 on the machine's abstract sockets and processes are out of reach also with the machine's network.
//     Under bubblewrap Command.Network opens the machine's abstract sockets.
//   - the file system is empty but for /usr and what belongs to it, /opt, a few files of /etc, and the mounts that the
//     Command names. /tmp, /dev/shm and the home are private, bounded, and gone with the command.
//   - processes, CPU time, file size and each process's memory are bounded by the kernel. The tree's memory and CPU
//     time in total are looked at every 100 ms and the tree is killed when over: memory that processes share is not
//     counted, nor how much a folder holds in all.
package isolate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrUnavailable is what an error wraps when this machine cannot isolate a command. The message says what to do.
var ErrUnavailable = errors.New("isolation is not available")

// ErrNoProgram is what an error wraps when argv[0] is not a program inside the isolation.
var ErrNoProgram = errors.New("no such program")

// ErrNoFolder is what an error wraps when Command.Dir is not a folder inside the isolation.
var ErrNoFolder = errors.New("no such folder")

// Mount shows a folder or file of the machine inside.
type Mount struct {
	// Host is its absolute path outside, Inside the one that the command sees.
	Host, Inside string
	// Writable lets the command change it. As root the folder must belong to Command.UID: see Own.
	Writable bool
}

// Limits bound a command and all that it starts. A zero field takes its default.
type Limits struct {
	Time      time.Duration // from start to end; 10 minutes
	CPU       time.Duration // of all processes together; as Time
	Memory    int64         // bytes of private memory, of all processes together and of each; 2 GiB
	Processes int           // processes and threads at once; 512
	FileSize  int64         // bytes in each file it writes; 4 GiB
	OpenFiles int           // of each process; 4096
	Output    int           // bytes kept of each of stdout and stderr, the last ones; 1 MiB
}

func (l Limits) orDefaults() Limits {
	l.Time = either(l.Time, 10*time.Minute)
	l.CPU = either(l.CPU, l.Time)
	l.Memory = either(l.Memory, 2<<30)
	l.Processes = either(l.Processes, 512)
	l.FileSize = either(l.FileSize, 4<<30)
	l.OpenFiles = either(l.OpenFiles, 4096)
	l.Output = either(l.Output, 1<<20)
	return l
}

func either[T int | int64 | time.Duration | string](v, ifZero T) T {
	var zero T
	if v > zero {
		return v
	}
	return ifZero
}

// Command is what to run, and with what.
type Command struct {
	// Argv is the program and its arguments. A program without a slash is looked for on Env's PATH, inside.
	Argv []string
	// Dir is the working directory inside: absolute. "" is the first mount's.
	Dir string
	// Mounts are what the command sees beside the system. They hold no other mount.
	Mounts []Mount
	// Env is its whole environment but for PATH, HOME, USER, LOGNAME, TMPDIR and LANG, which have defaults.
	Env map[string]string
	// User is the name that the command finds itself under. "" is "slipway".
	User string
	// UID, when Slipway is root, is the user id that the command runs as: from NewUID. 0 takes a fresh one. Not used
	// otherwise: the command then runs as this user, in a user namespace.
	UID int
	// Network shares this machine's network. Otherwise there is a loopback and nothing else: its own, or the one that
	// Loopback shares.
	Network  bool
	Loopback *Loopback
	Limits   Limits
	// Stdout and Stderr, when not nil, receive all output as it comes, besides the tails in Result. A writer that
	// blocks holds the command up; one that fails is not written to again.
	Stdout, Stderr io.Writer
}

// Ended is why a command ended.
type Ended string

const (
	Exited   Ended = "exited"   // by itself, or by a signal: ExitCode says which
	TimedOut Ended = "time"     // over Limits.Time
	Memory   Ended = "memory"   // over Limits.Memory in all; one process alone over it sees its allocation fail
	CPU      Ended = "cpu"      // over Limits.CPU in all
	Canceled Ended = "canceled" // the context ended, or Kill
)

// Tail is the end of an output.
type Tail struct {
	// Data are the last bytes, Total how many there were.
	Data  []byte
	Total int64
}

// Cut reports whether the beginning is missing.
func (t Tail) Cut() bool { return t.Total > int64(len(t.Data)) }

// Result is how a command ended.
type Result struct {
	Ended Ended
	// ExitCode is the program's, or 128 plus the signal's number. 137 when it was killed.
	ExitCode       int
	Stdout, Stderr Tail
	Took           time.Duration
	// CPU is the time used by all processes, as last seen.
	CPU time.Duration
	// Level is what the command was kept apart by: evidence.
	Level Level
}

// Level is how a command is isolated.
type Level struct {
	Backend string   `json:"backend"` // "bubblewrap", or "namespaces"
	Version string   `json:"version"` // of bubblewrap, or of Linux
	Layers  []string `json:"layers"`
}

// why tells how a command that should have succeeded ended.
func (r Result) why() string {
	return fmt.Sprintf("%s, exit code %d: %s", r.Ended, r.ExitCode, bytes.TrimSpace(r.Stderr.Data))
}

func (l Level) String() string {
	return l.Backend + " " + l.Version + ": " + strings.Join(l.Layers, ", ")
}

// Run starts the command and waits for its end. The error is nil whatever the exit code is, and not nil when it could
// not be run: ErrUnavailable, ErrNoProgram, a Command that makes no sense. When ctx ends the tree is killed and the
// Result says Canceled.
func Run(ctx context.Context, c Command) (Result, error) {
	p, err := Start(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Check runs a program that does nothing and returns the level that it reached, or ErrUnavailable.
func Check(ctx context.Context) (Level, error) {
	r, err := Run(ctx, Command{Argv: []string{"true"}, Dir: "/", Limits: Limits{Time: 30 * time.Second}})
	if err != nil {
		return Level{}, err
	}
	if r.ExitCode != 0 {
		return Level{}, fmt.Errorf("%w: a program that does nothing ended with %s", ErrUnavailable, r.why())
	}
	return r.Level, nil
}
