package isolate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// method is a way to isolate. Both give a command the same view, filter and limits.
type method interface {
	// level names the method; the layers are added.
	level() Level
	// argv is the program that isolates c and tells of it at statusFD, as bubblewrap does; it waits for a byte at gateFD.
	argv(l *launch, c Command, uid int, v *view, code []byte) []string
	// limitsInside reports whether that program sets the limits itself. Otherwise they are set while it waits.
	limitsInside() bool
}

// hostname is what a command finds this machine called.
const hostname = "isolated"

// chosen remembers what was found to work, by where bubblewrap is.
var chosen struct {
	sync.Mutex
	by map[string]found
}

type found struct {
	method method
	err    error
}

// choose returns the first method that runs a program here: bubblewrap, then namespaces. ErrUnavailable says why neither does.
func choose(ctx context.Context) (method, error) {
	program, err := exec.LookPath("bwrap")
	if err != nil {
		program = ""
	}
	chosen.Lock()
	defer chosen.Unlock()
	if f, ok := chosen.by[program]; ok {
		return f.method, f.err
	}
	f := tryAll(ctx, program)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if chosen.by == nil {
		chosen.by = map[string]found{}
	}
	chosen.by[program] = f
	return f.method, f.err
}

func tryAll(ctx context.Context, program string) found {
	b, first := findBubblewrap(ctx, program)
	if first == nil {
		if first = try(ctx, b); first == nil {
			return found{method: b}
		}
	}
	n, second := findNamespaces()
	if second == nil {
		if second = try(ctx, n); second == nil {
			return found{method: n}
		}
	}
	return found{err: fmt.Errorf("%w: %s; without it: %s", ErrUnavailable, reason(first), reason(second))}
}

// reason is an error without the words that the caller says itself.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), ErrUnavailable.Error()+": ")
}

// try runs a program that does nothing.
func try(ctx context.Context, m method) error {
	p, err := start(ctx, m, Command{Argv: []string{"true"}, Dir: "/", Limits: Limits{Time: 30 * time.Second}})
	if err != nil {
		return err
	}
	switch r, err := p.Wait(); {
	case err != nil:
		return err
	case r.ExitCode != 0:
		return errors.New("a program that does nothing ended with " + r.why())
	}
	return nil
}

// layers are what a command is kept apart by in either method.
func layers(network bool) []string {
	out := []string{"mount", "pid", "ipc", "uts"}
	if network {
		out = append(out, "shared network")
	} else {
		out = append(out, "network")
	}
	if privileged() {
		out = append(out, "own user id", "no capabilities")
	} else {
		out = append(out, "user")
	}
	return append(out, "seccomp", "no new privileges", "rlimits (processes; CPU time, memory and file size of each)", "watch (time, and memory and CPU time of all)")
}
