// Package pgserver makes the branches of an emulated Neon real PostgreSQL databases: it is neonemu's Postgres. Every
// branch has a cluster of its own, so that roles, databases and passwords are called what Neon calls them, behind a
// loopback port of its own that does not change. As Neon's computes, a cluster starts when a client connects and stops
// when it has been idle. All of it is below one private folder, which is removed by Close, and by a watchdog when the
// process dies without it.
package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
)

// Server runs clusters. Make it with New.
type Server struct {
	bins  []string
	idle  time.Duration
	dir   string // holds everything
	owner owner
	guard *guard
	admin string // the superuser's password, of all clusters
	// certificate is CertFile's: all clusters show it, and so does the port of one that cannot be started.
	certificate tls.Certificate

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // connections and accept loops

	mu       sync.Mutex
	bases    map[string]*base // by the folder of the programs
	branches map[string]*branch
	closed   bool
}

var _ neonemu.Postgres = (*Server)(nil)

// Config is what New is told. The zero value is ready.
type Config struct {
	// Bin is the folder of initdb, postgres, pg_basebackup and psql. "" means to look in PATH and in the places where
	// distributions keep them.
	Bin string
	// Idle is how long a cluster without connections runs on. 0 means 300 s, Neon's default:
	// https://neon.com/docs/introduction/scale-to-zero
	Idle time.Duration
}

// ErrNotFound is New's error when the machine has no PostgreSQL server, or Bin holds none.
var ErrNotFound = errors.New("no PostgreSQL server found")

const (
	superuser   = "cloud_admin" // Neon's own name for it, which its API refuses to users
	defaultIdle = 300 * time.Second
	startTime   = 30 * time.Second // for a cluster to answer
	certName    = "ca.pem"
)

// programs are what a folder must hold.
var programs = []string{"initdb", "postgres", "pg_basebackup", "psql"}

// places are patterns of folders in which distributions keep a server's programs outside PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin", "/usr/local/pgsql/bin",
}

// New finds PostgreSQL and prepares the folder; nothing listens yet and no cluster is made. It is ErrNotFound when
// there is no PostgreSQL.
func New(c Config) (*Server, error) {
	bins := find(c.Bin)
	if len(bins) == 0 {
		if c.Bin != "" {
			return nil, fmt.Errorf("%w: %s does not hold %s", ErrNotFound, c.Bin, strings.Join(programs, ", "))
		}
		return nil, ErrNotFound
	}
	s := &Server{bins: bins, idle: c.Idle, bases: map[string]*base{}, branches: map[string]*branch{}}
	if s.idle == 0 {
		s.idle = defaultIdle
	}
	password := make([]byte, 16)
	_, _ = rand.Read(password)
	s.admin = hex.EncodeToString(password)
	var err error
	if s.owner, err = newOwner(); err != nil {
		return nil, err
	}
	if s.dir, err = s.owner.folder(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.guard, err = watch(s.owner, s.dir); err != nil {
		_ = os.RemoveAll(s.dir)
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	if err := s.prepare(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// find returns the folders that hold a server, the most wanted first: bin alone when it is given; else PATH's, then
// what distributions have, the newest first.
func find(bin string) []string {
	candidates := []string{bin}
	if bin == "" {
		candidates = nil
		if path, err := exec.LookPath("postgres"); err == nil {
			candidates = append(candidates, filepath.Dir(path))
		}
		for _, pattern := range places {
			found, _ := filepath.Glob(pattern)
			slices.SortFunc(found, func(a, b string) int { return major(b) - major(a) })
			candidates = append(candidates, found...)
		}
	}
	var out []string
	for _, dir := range candidates {
		missing := slices.ContainsFunc(programs, func(p string) bool {
			_, err := exec.LookPath(filepath.Join(dir, p))
			return err != nil
		})
		if abs, err := filepath.Abs(dir); !missing && err == nil && !slices.Contains(out, abs) {
			out = append(out, abs)
		}
	}
	return out
}

// major is the version that a folder's name tells, 0 when it tells none: /usr/lib/postgresql/15/bin is 15.
func major(dir string) int {
	for _, part := range slices.Backward(strings.Split(filepath.ToSlash(dir), "/")) {
		digits := part[strings.LastIndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })+1:]
		if n, err := strconv.Atoi(digits); err == nil {
			return n
		}
	}
	return 0
}

// bin returns the programs for a version: its own when the machine has them, else those most wanted.
func (s *Server) bin(version int) string {
	for _, dir := range s.bins {
		if major(dir) == version {
			return dir
		}
	}
	return s.bins[0]
}

// Bin returns the folder of the programs that run a branch of no special version.
func (s *Server) Bin() string { return s.bins[0] }

// Dir returns the private folder, which Close removes.
func (s *Server) Dir() string { return s.dir }

// CertFile returns the file of the certificate that all branches show, for a client that verifies it: its own
// authority, for 127.0.0.1 and localhost.
func (s *Server) CertFile() string { return filepath.Join(s.dir, certName) }

func (s *Server) prepare() error {
	cert, key, err := newCertificate()
	if err != nil {
		return err
	}
	if s.certificate, err = tls.X509KeyPair(cert, key); err != nil {
		return err
	}
	for name, file := range map[string]struct {
		content []byte
		mode    os.FileMode
	}{certName: {cert, 0o644}, "key.pem": {key, 0o600}, "password": {[]byte(s.admin + "\n"), 0o600}} {
		if err := s.owner.write(filepath.Join(s.dir, name), file.content, file.mode); err != nil {
			return err
		}
	}
	return s.owner.mkdir(filepath.Join(s.dir, "run"))
}

// base is a cluster that is never started: a root branch begins as a copy of it.
type base struct {
	once sync.Once
	dir  string
	err  error
}

// base makes the base of a version once and returns its folder.
func (s *Server) base(version int) (string, error) {
	bin := s.bin(version)
	s.mu.Lock()
	b := s.bases[bin]
	if b == nil {
		b = &base{dir: filepath.Join(s.dir, "base-"+strconv.Itoa(len(s.bases)))}
		s.bases[bin] = b
	}
	s.mu.Unlock()
	b.once.Do(func() { b.err = s.initialise(bin, b.dir) })
	return b.dir, b.err
}

func (s *Server) initialise(bin, dir string) error {
	locale := "C.UTF-8" // as Neon's
	if runtime.GOOS == "darwin" {
		locale = "C"
	}
	_, err := s.run(s.ctx, nil, "", filepath.Join(bin, "initdb"), "-D", dir, "-U", superuser, "--pwfile", filepath.Join(s.dir, "password"),
		"-A", "scram-sha-256", "-E", "UTF8", "--locale", locale, "--no-sync", "--no-instructions", "--wal-segsize=1")
	if err != nil {
		return err
	}
	// What a crash would lose does not matter: the folder does not outlive the process.
	settings := fmt.Sprintf(`listen_addresses = '127.0.0.1'
unix_socket_directories = '%s'
ssl = on
ssl_cert_file = '%s'
ssl_key_file = '%s'
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 100
min_wal_size = 4MB
max_wal_size = 128MB
huge_pages = off
dynamic_shared_memory_type = mmap
log_min_error_statement = panic
log_checkpoints = off
`, filepath.Join(s.dir, "run"), s.CertFile(), filepath.Join(s.dir, "key.pem"))
	if err := s.owner.write(filepath.Join(dir, "postgresql.auto.conf"), []byte(settings), 0o600); err != nil {
		return err
	}
	return s.owner.write(filepath.Join(dir, "pg_hba.conf"), []byte(`local all `+superuser+` scram-sha-256
local replication `+superuser+` scram-sha-256
host all `+superuser+` all reject
hostssl all all 127.0.0.1/32 scram-sha-256
`), 0o600)
}

// run runs a program as the owner to its end. Its error holds the end of what it said.
func (s *Server) run(ctx context.Context, env []string, stdin, program string, args ...string) (stdout string, err error) {
	var out, errs bytes.Buffer
	c := s.command(program, args...)
	c.Env = append(c.Env, env...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	if err := c.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stop()
	if err := c.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(program), err, tail(errs.String()))
	}
	return out.String(), nil
}

// command is a program of the owner's, in the watchdog's process group, with nothing of this process's environment.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = s.dir
	c.Env = []string{"PATH=" + filepath.Dir(program) + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	s.owner.become(c, s.guard.group())
	return c
}

func tail(text string) string {
	text = strings.TrimSpace(text)
	if i := len(text) - 500; i > 0 {
		text = text[i:]
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// Close ends all clusters and connections, and removes the folder.
func (s *Server) Close() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	for _, b := range s.branches {
		_ = b.listener.Close()
	}
	s.mu.Unlock()
	if closed {
		return
	}
	s.cancel()
	s.guard.release()
	s.work.Wait()
	_ = os.RemoveAll(s.dir)
}
