package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
)

// branch is a port that is always there, and a cluster that runs when somebody is connected.
type branch struct {
	s        *Server
	dir      string // of the cluster, present when stored
	listener net.Listener

	mu      sync.Mutex // held while the cluster starts, stops or is copied
	spec    *neonemu.BranchSpec
	applied *neonemu.BranchSpec // what the cluster holds; nil: nothing
	stored  bool                // the cluster's folder is made
	process *process            // nil when it does not run
	conns   int
	idle    *time.Timer
}

// process is a running postmaster.
type process struct {
	cmd    *exec.Cmd
	port   int
	exited chan struct{}
}

var errClosed = errors.New("the server is closed")

// Address returns where the branch listens, host:port, and begins to listen there. Connections wait until Apply has
// told what the branch holds.
func (s *Server) Address(branchID string) (string, error) {
	b, err := s.branch(branchID)
	if err != nil {
		return "", err
	}
	return b.listener.Addr().String(), nil
}

func (s *Server) branch(id string) (*branch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if b := s.branches[id]; b != nil {
		return b, nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &branch{s: s, dir: filepath.Join(s.dir, id), listener: l}
	s.branches[id] = b
	s.work.Go(b.accept)
	return b, nil
}

// Apply makes the branch what spec says at its next start, or now when it runs. A new branch is a copy of its parent
// as the parent is now; the parent's clients notice nothing.
func (s *Server) Apply(ctx context.Context, spec neonemu.BranchSpec) error {
	b, err := s.branch(spec.ID)
	if err != nil {
		return err
	}
	if _, err := s.base(spec.PgVersion); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spec == nil && spec.Parent != "" {
		if err := b.branchOff(ctx, spec.Parent); err != nil {
			return err
		}
	}
	b.spec = &spec
	if spec.Closed || spec.Suspend {
		b.stop()
	}
	if b.running() {
		return b.reconcile(ctx)
	}
	return nil
}

// Drop ends the branch and removes what it holds.
func (s *Server) Drop(_ context.Context, branchID string) error {
	s.mu.Lock()
	b := s.branches[branchID]
	delete(s.branches, branchID)
	s.mu.Unlock()
	if b == nil {
		return nil
	}
	_ = b.listener.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spec = nil
	b.stop()
	b.stored = false
	return os.RemoveAll(b.dir)
}

// branchOff copies the parent's cluster, if it ever had one. b.mu is held; a child locks its parent, never the other way.
func (b *branch) branchOff(ctx context.Context, parentID string) error {
	b.s.mu.Lock()
	parent := b.s.branches[parentID]
	b.s.mu.Unlock()
	if parent == nil {
		return fmt.Errorf("branch %s has no parent %s", filepath.Base(b.dir), parentID)
	}
	parent.mu.Lock()
	defer parent.mu.Unlock()
	if !parent.stored {
		return nil // nobody was ever connected to it: it holds what spec says and no data
	}
	if parent.applied != parent.spec && !parent.running() {
		if err := parent.start(ctx); err != nil {
			return err
		}
		defer parent.stop()
	}
	var err error
	if parent.running() {
		_, err = b.s.run(ctx, parent.login(), "", filepath.Join(parent.bin(), "pg_basebackup"), "-h", b.s.sockets(), "-p", strconv.Itoa(parent.process.port),
			"-U", superuser, "-D", b.dir, "-X", "stream", "-c", "fast", "--no-sync")
	} else {
		_, err = b.s.run(ctx, nil, "", "/bin/cp", "-Rp", parent.dir, b.dir)
	}
	if err != nil {
		_ = os.RemoveAll(b.dir)
		return err
	}
	b.stored, b.applied = true, parent.applied
	return nil
}

func (b *branch) bin() string { return b.s.bin(b.spec.PgVersion) }

func (s *Server) sockets() string { return filepath.Join(s.dir, "run") }

func (b *branch) login() []string { return []string{"PGPASSWORD=" + b.s.admin} }

// running reports whether the cluster runs. b.mu is held, here and below.
func (b *branch) running() bool {
	if b.process == nil {
		return false
	}
	select {
	case <-b.process.exited:
		b.process = nil
		return false
	default:
		return true
	}
}

// start starts the cluster, which it makes if need be, and brings it to its spec.
func (b *branch) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if !b.stored {
		from, err := b.s.base(b.spec.PgVersion)
		if err != nil {
			return err
		}
		if _, err := b.s.run(ctx, nil, "", "/bin/cp", "-Rp", from, b.dir); err != nil {
			_ = os.RemoveAll(b.dir)
			return err
		}
		b.stored = true
	}
	var err error
	for range 5 { // another program may take the port between our look and the start
		if err = b.launch(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := b.reconcile(ctx); err != nil {
		b.stop()
		return err
	}
	return nil
}

// launch starts a postmaster and returns when it accepts connections.
func (b *branch) launch(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(b.dir+".log", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	pidFile := filepath.Join(b.dir, "postmaster.pid")
	_ = os.Remove(pidFile) // a copy's is its parent's
	p := &process{cmd: b.s.command(filepath.Join(b.bin(), "postgres"), "-D", b.dir, "-p", strconv.Itoa(port)), port: port, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	b.process = p
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready(pidFile) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			b.process = nil
			said, _ := os.ReadFile(b.dir + ".log")
			return fmt.Errorf("PostgreSQL did not start: %s", tail(string(said)))
		case <-ctx.Done():
			b.stop()
			return ctx.Err()
		}
	}
}

// ready reports whether the postmaster has written that it accepts connections: the eighth line of its file.
func ready(pidFile string) bool {
	content, _ := os.ReadFile(pidFile)
	lines := strings.Split(string(content), "\n")
	return len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// stopTime is how long a postmaster may take to end its sessions before it is killed.
const stopTime = 10 * time.Second

// stop ends the cluster's sessions and then the cluster.
func (b *branch) stop() {
	if b.idle != nil {
		b.idle.Stop()
	}
	if !b.running() {
		return
	}
	p := b.process
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-p.exited:
	case <-patience.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	b.process = nil
}
