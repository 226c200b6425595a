package vercelemu

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/isolate"
)

//go:embed function.js
var functionRunner string

// Places inside the isolation. Vercel has an app at /var/task.
const (
	taskDir  = "/var/task"
	doorsDir = "/run/emulator"
	nodeFile = "/run/node"
	caFile   = "/run/ca.pem"
)

var errNoAnswer = errors.New("the function ended before it could be called")

// function is one invocation's process to be.
type function struct {
	dir, root, entry string // the app's folder on this machine, and slash paths below it
	env              map[string]string
	ports            []int  // of this machine's loopback, that it reaches
	hostNetwork      bool   // it reaches all that this machine does
	caFile           string // certificates that it trusts besides, "" for none
}

// runner is how functions run on this machine.
type runner struct {
	node   string // "" when there is none
	inside string // where an isolated function finds it
	mounts []isolate.Mount
	plain  string // why functions are not isolated, "" when they are
}

// findRunner looks for Node.js and tries it isolated.
func findRunner(node string) runner {
	program, err := exec.LookPath(node)
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return runner{}
	}
	r := runner{node: program, inside: program}
	if !slices.ContainsFunc([]string{"/usr/", "/opt/", "/nix/store/"}, func(p string) bool { return strings.HasPrefix(program, p) }) {
		r.inside, r.mounts = nodeFile, []isolate.Mount{{Host: program, Inside: nodeFile}}
	}
	tried, err := isolate.Run(context.Background(), isolate.Command{
		Argv: []string{r.inside, "--version"}, Dir: "/", Mounts: r.mounts, Limits: isolate.Limits{Time: 30 * time.Second},
	})
	switch {
	case err != nil:
		r.plain = err.Error()
	case tried.ExitCode != 0:
		r.plain = "Node.js does not run isolated: " + strings.TrimSpace(string(tried.Stderr.Data))
	}
	return r
}

// warning is what a deployment with functions says in its build log, "" when there is nothing to say.
func (r runner) warning() string {
	if r.node == "" || r.plain == "" {
		return ""
	}
	return "WARN! The emulator runs this app's functions as plain processes of this machine: " + r.plain
}

// start runs the function and returns the connection that takes its one request. stop ends all that it has started.
func (r runner) start(ctx context.Context, f function) (conn net.Conn, stop func(), err error) {
	if r.plain != "" {
		return r.startPlain(ctx, f)
	}
	return r.startIsolated(ctx, f)
}

// startIsolated runs it with its files read-only, no home, and no network but the doors: sockets in a folder, made here
// and read-only inside, so that nothing can be put in their place.
func (r runner) startIsolated(ctx context.Context, f function) (net.Conn, func(), error) {
	uid := isolate.NewUID()
	ports := f.ports
	if f.hostNetwork {
		ports = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	d, err := openDoors(ctx, uid, ports)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	mounts := append([]isolate.Mount{{Host: f.dir, Inside: taskDir}, {Host: d.dir, Inside: doorsDir}}, r.mounts...)
	env := maps.Clone(f.env)
	delete(env, "HOME") // isolate makes that folder, wherever it is
	if f.caFile != "" {
		mounts = append(mounts, isolate.Mount{Host: f.caFile, Inside: caFile})
		env["NODE_EXTRA_CA_CERTS"] = caFile
	}
	argv := []string{r.inside, "-e", functionRunner, "--", path.Join(taskDir, f.entry), path.Join(doorsDir, inDoor)}
	for _, p := range ports {
		argv = append(argv, path.Join(doorsDir, strconv.Itoa(p)))
	}
	p, err := isolate.Start(ctx, isolate.Command{
		Argv: argv, Dir: path.Join(taskDir, f.root), Mounts: mounts, Env: env, UID: uid, Network: f.hostNetwork,
		Limits: isolate.Limits{Time: 2 * functionTimeout, Output: 1 << 10},
	})
	if err != nil {
		cancel()
		d.close()
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() { _, _ = p.Wait(); close(ended) }()
	stop := func() { cancel(); <-ended; d.close() }
	conn, err := accept(ctx, d.in, ended)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return conn, stop, nil
}

// startPlain runs it as a child process with this user's rights.
func (r runner) startPlain(ctx context.Context, f function) (net.Conn, func(), error) {
	in, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, r.node, "-e", functionRunner, "--", filepath.Join(f.dir, filepath.FromSlash(f.entry)), in.Addr().String())
	cmd.Dir, cmd.WaitDelay = filepath.Join(f.dir, filepath.FromSlash(f.root)), time.Second
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for k, v := range f.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if f.caFile != "" {
		cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+f.caFile)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		in.Close()
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { cancel(); <-ended; in.Close() }
	conn, err := accept(ctx, in, ended)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return conn, stop, nil
}

// accept waits for the function to come, to end, or for ctx.
func accept(ctx context.Context, in net.Listener, ended <-chan struct{}) (net.Conn, error) {
	came := make(chan net.Conn, 1)
	go func() {
		conn, _ := in.Accept() // fails when it is closed
		came <- conn
	}()
	var err error
	select {
	case conn := <-came:
		if conn != nil {
			return conn, nil
		}
		return nil, errNoAnswer
	case <-ended:
		err = errNoAnswer
	case <-ctx.Done():
		err = ctx.Err()
	}
	in.Close()
	if conn := <-came; conn != nil {
		conn.Close()
	}
	return nil, err
}

var loopbackPort = regexp.MustCompile(`(?i)(?:127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})`)

// reachable are the ports of this machine's loopback that the environment names and Reachable allows, in order.
func (s *Server) reachable(env map[string]string) (out []int) {
	if s.Reachable == nil {
		return nil
	}
	for _, value := range env {
		for _, m := range loopbackPort.FindAllStringSubmatch(value, -1) {
			if port, _ := strconv.Atoi(m[1]); !slices.Contains(out, port) && s.Reachable(port) {
				out = append(out, port)
			}
		}
	}
	slices.Sort(out)
	return out
}
