//go:build unix

package selftest

import (
	"context"
	"os"
	"syscall"
)

// quit ends the program by SIGQUIT in the middle of its work, with every goroutine's stack.
func (s *secrets) quit(ctx context.Context) error {
	s.Env["GOTRACEBACK"] = "all"
	defer delete(s.Env, "GOTRACEBACK")
	for _, nth := range []int{20, 4}[:map[bool]int{true: 2, false: 1}[s.options.Whole]] {
		if err := s.edit(""); err != nil {
			return err
		}
		if err := s.interrupt(ctx, nth, func(p *os.Process) { _ = p.Signal(syscall.SIGQUIT) }, "ship", "--yes"); err != nil {
			return err
		}
	}
	return s.all(ctx, "ship --yes")
}
