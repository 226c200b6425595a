//go:build !linux

package isolate

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
)

// Reenter does nothing: no program is a stage of isolation here.
func Reenter() {}

// Process is a started command. There is none on this system.
type Process struct{}

// Start refuses: ErrUnavailable.
func Start(context.Context, Command) (*Process, error) {
	return nil, fmt.Errorf("%w on %s: it needs Linux", ErrUnavailable, runtime.GOOS)
}

// Wait is never called.
func (p *Process) Wait() (Result, error) { return Result{}, ErrUnavailable }

// Signal is never called.
func (p *Process) Signal(syscall.Signal) error { return ErrUnavailable }

// Kill is never called.
func (p *Process) Kill() {}

// Loopback is a network that commands share. There is none on this system.
type Loopback struct{}

// NewLoopback refuses: ErrUnavailable.
func NewLoopback(context.Context) (*Loopback, error) {
	return nil, fmt.Errorf("%w on %s: it needs Linux", ErrUnavailable, runtime.GOOS)
}

// Close is never called.
func (l *Loopback) Close() {}

// NewUID returns 0: there is nothing to run as.
func NewUID() int { return 0 }

// Own does nothing.
func Own(string, int) error { return nil }
