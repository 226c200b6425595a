package vercelemu

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/slipway-dev/slipway/internal/isolate"
)

// Who reads along gets all of a command's output, and holds the command up when slower.
const (
	maxLog      = 8 << 20 // bytes kept of a running command's output, the last of it
	maxEndedLog = 1 << 20 // and of one that has ended
	maxCommands = 500     // commands remembered of a session: the oldest that have ended are forgotten
)

// ndjson is the content type of streams, exactly: the vendor's client compares it whole.
const ndjson = "application/x-ndjson"

var (
	runBody = openObject(map[string]*schema{
		"command": str(0), "args": list(str(0)), "cwd": str(0), "env": envField, "sudo": boolean(),
		"wait": boolean(), "logs": boolean(), "timeout": number(),
	}, "command")
	killBody = openObject(map[string]*schema{"signal": number()}, "signal")
)

// command is one that was run.
type command struct {
	id, name, cwd string
	args          []string
	session       *session
	started       time.Time
	process       *isolate.Process
	log           *cmdLog
	done          chan struct{} // closed when it has ended; then code and took are set
	code          int
	took          time.Duration
	ended         bool // done is closed
	stopped       bool // by the session's end
}

func (cmd *command) view() obj {
	v := obj{"id": cmd.id, "name": cmd.name, "args": cmd.args, "cwd": cmd.cwd, "sessionId": cmd.session.id, "startedAt": cmd.started.UnixMilli(), "exitCode": nil}
	select {
	case <-cmd.done:
		v["exitCode"], v["durationMs"] = cmd.code, cmd.took.Milliseconds()
	default:
	}
	return v
}

// mounts are the places that a sandbox keeps.
func (b *sandbox) mounts() []isolate.Mount {
	return []isolate.Mount{
		{Host: filepath.Join(b.dir, "work"), Inside: sandboxCwd, Writable: true},
		{Host: filepath.Join(b.dir, "home"), Inside: sandboxHome, Writable: true},
		{Host: filepath.Join(b.dir, "tmp"), Inside: "/tmp", Writable: true},
	}
}

// run starts a command. With wait it answers a stream: the command, its output with logs, and the command with its exit
// code; otherwise the command alone.
func (s *SandboxServer) run(c *sandboxCall) *failure {
	var in struct {
		Command    string
		Args       []string
		Cwd        string
		Env        map[string]string
		Sudo       bool
		Wait, Logs bool
		Timeout    float64
	}
	if f := c.into(&in); f != nil {
		return f
	}
	ses, f := s.live(c)
	if f != nil {
		return f
	}
	if in.Cwd == "" || !path.IsAbs(in.Cwd) {
		in.Cwd = path.Join(sandboxCwd, in.Cwd)
	}
	if in.Args == nil {
		in.Args = []string{}
	}
	cmd := &command{
		id: "cmd_" + s.RandomString(24, "0123456789abcdef"), name: in.Command, args: in.Args, cwd: in.Cwd, session: ses, started: c.now,
		log: newCmdLog(), done: make(chan struct{}),
	}
	follow := cmd.log.follow() // before it starts: nothing is lost
	defer follow.leave()
	life := time.Duration(in.Timeout) * time.Millisecond
	if f := s.launch(cmd, in.Env, life); f != nil {
		return f
	}
	if !in.Wait {
		follow.leave()
		c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
		return writeLine(c, obj{"command": cmd.view()})
	}
	c.w.Header().Set("Content-Type", ndjson)
	if writeLine(c, obj{"command": cmd.view()}) != nil {
		return nil
	}
	if !in.Logs {
		follow.leave()
	} else if !s.stream(c, follow) {
		return nil
	}
	if wait(c.r.Context(), cmd.done) != nil {
		return nil
	}
	_ = writeLine(c, cmd.last())
	return nil
}

// last is a stream's last line: an error when the session has ended under the command.
func (cmd *command) last() obj {
	if cmd.stopped {
		return obj{"stream": "error", "data": obj{"code": "sandbox_stopped", "message": "The sandbox stopped while the command was running."}}
	}
	return obj{"command": cmd.view()}
}

// launch starts the command isolated and sees it to its end.
func (s *SandboxServer) launch(cmd *command, env map[string]string, life time.Duration) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := cmd.session
	if ses.status != "running" || s.closed {
		return &failure{status: http.StatusGone, code: "sandbox_stopped", message: "The sandbox has stopped."}
	}
	b := ses.box
	all := map[string]string{"HOME": sandboxHome}
	maps.Copy(all, b.env)
	maps.Copy(all, env)
	if life <= 0 {
		life = 24 * time.Hour // the session ends before
	}
	network := s.HostNetwork && ses.policy["mode"] == "allow-all"
	loopback, err := ses.shared(network)
	if err != nil {
		return notIsolated(err)
	}
	p, err := isolate.Start(ses.ctx, isolate.Command{
		Argv: append([]string{cmd.name}, cmd.args...), Dir: cmd.cwd, Mounts: b.mounts(), Env: all, User: sandboxUser, UID: b.uid,
		Network: network, Loopback: loopback,
		Limits: isolate.Limits{Time: life, CPU: life * time.Duration(b.vcpus), Memory: int64(b.vcpus) * memoryPerVCPU << 20, Processes: 1024, Output: 1 << 10},
		Stdout: cmd.log.writer("stdout"), Stderr: cmd.log.writer("stderr"),
	})
	switch {
	case errors.Is(err, isolate.ErrUnavailable):
		return notIsolated(err)
	case err != nil: // [? sandbox-no-such-program] the status of a program that is not there
		return badRequest("Invalid request: " + err.Error())
	}
	cmd.process = p
	context.AfterFunc(ses.ctx, cmd.log.loosen)
	ses.remember(cmd)
	s.running.Go(func() { s.await(cmd) })
	return nil
}

// shared returns the loopback of the session's commands, nil for one on this machine's network. The server is locked.
func (ses *session) shared(network bool) (_ *isolate.Loopback, err error) {
	if network {
		return nil, nil
	}
	if ses.loopback == nil {
		ses.loopback, err = isolate.NewLoopback(ses.ctx)
	}
	return ses.loopback, err
}

func notIsolated(err error) *failure {
	return &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator runs commands isolated only: " + err.Error()}
}

// remember adds a command. The server is locked.
func (ses *session) remember(cmd *command) {
	for i, old := range ses.commands {
		if len(ses.commands) < maxCommands {
			break
		}
		select {
		case <-old.done:
			ses.commands = slices.Delete(ses.commands, i, i+1)
		default:
			continue
		}
		break
	}
	ses.commands = append(ses.commands, cmd)
}

func (s *SandboxServer) await(cmd *command) {
	r, err := cmd.process.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd.code, cmd.took = r.ExitCode, s.Clock().Sub(cmd.started)
	if err != nil {
		cmd.code = 127
	}
	cmd.stopped = r.Ended == isolate.Canceled && cmd.session.status != "running"
	cmd.session.cpu += r.CPU
	cmd.log.end()
	cmd.ended = true
	close(cmd.done)
}

// command finds the command that the path names.
func (s *SandboxServer) command(c *sandboxCall) (*command, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, f := s.session(c)
	if f != nil {
		return nil, f
	}
	for _, cmd := range ses.commands {
		if cmd.id == c.path("cmd") {
			return cmd, nil
		}
	}
	return nil, notFound("Command not found.")
}

func (s *SandboxServer) listCommands(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, f := s.session(c)
	if f != nil {
		return nil, f
	}
	views := []obj{}
	for _, cmd := range ses.commands {
		views = append(views, cmd.view())
	}
	return obj{"commands": views}, nil
}

// getCommand answers at once, or with wait=true when the command has ended.
func (s *SandboxServer) getCommand(c *sandboxCall) (any, *failure) {
	cmd, f := s.command(c)
	if f != nil {
		return nil, f
	}
	if c.query("wait") == "true" && wait(c.r.Context(), cmd.done) != nil {
		return nil, badRequest("the caller went away")
	}
	return obj{"command": cmd.view()}, nil
}

// kill signals the command itself; SIGKILL ends all that it has started. A command that has ended is answered as it is.
func (s *SandboxServer) kill(c *sandboxCall) (any, *failure) {
	var in struct{ Signal float64 }
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if in.Signal < 1 || in.Signal > 64 || in.Signal != float64(int(in.Signal)) {
		return nil, badRequest("Invalid request: `signal` should be a number from 1 to 64.")
	}
	if _, f := s.live(c); f != nil {
		return nil, f
	}
	cmd, f := s.command(c)
	if f != nil {
		return nil, f
	}
	if err := cmd.process.Signal(syscall.Signal(in.Signal)); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		return nil, &failure{status: http.StatusInternalServerError, code: "internal_server_error", message: err.Error()}
	}
	return obj{"command": cmd.view()}, nil
}

// logs streams what is kept of a command's output and follows it to its end.
func (s *SandboxServer) logs(c *sandboxCall) *failure {
	cmd, f := s.command(c)
	if f != nil {
		return f
	}
	follow := cmd.log.follow()
	defer follow.leave()
	c.w.Header().Set("Content-Type", ndjson)
	flush(c)
	if !s.stream(c, follow) {
		return nil
	}
	if wait(c.r.Context(), cmd.done) == nil && cmd.stopped {
		_ = writeLine(c, cmd.last())
	}
	return nil
}

// stream writes the output as it comes. It returns false when the caller has gone away, or the call's own fault has ended it.
func (s *SandboxServer) stream(c *sandboxCall, from *follower) bool {
	code := c.with("stream-error")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-c.r.Context().Done():
			from.leave()
		case <-stop:
		}
	}()
	for {
		line, ok := from.next()
		if !ok {
			return c.r.Context().Err() == nil
		}
		if writeLine(c, obj{"stream": line.stream, "data": line.data}) != nil {
			return false
		}
		if code != "" {
			_ = writeLine(c, obj{"stream": "error", "data": obj{"code": code, "message": "As the fault schedule says."}})
			return false
		}
	}
}

// writeLine sends one line. Its failure is the caller's going away, which nobody can be told.
func writeLine(c *sandboxCall, v any) *failure {
	raw, err := json.Marshal(v)
	if err == nil {
		_, err = c.w.Write(c.cut(append(raw, '\n')))
	}
	if err != nil {
		return badRequest("the caller went away")
	}
	flush(c)
	return nil
}

// cut returns line up to where the call's own fault cuts the stream, and then drops the connection.
func (c *sandboxCall) cut(line []byte) []byte {
	limit, err := strconv.Atoi(c.with("stream-cut"))
	if c.sent += len(line); err != nil || c.sent <= limit {
		return line
	}
	_, _ = c.w.Write(line[:max(0, limit-(c.sent-len(line)))]) // the connection is dropped either way
	flush(c)
	panic(http.ErrAbortHandler)
}

func flush(c *sandboxCall) {
	if f, ok := c.w.(http.Flusher); ok && c.w.Header().Get("Content-Type") == ndjson {
		f.Flush()
	}
}
