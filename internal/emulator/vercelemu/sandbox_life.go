package vercelemu

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/isolate"
)

const (
	sandboxCwd  = "/vercel/sandbox"
	sandboxUser = "vercel-sandbox"
	sandboxHome = "/home/" + sandboxUser

	maxPorts       = 15 // https://vercel.com/docs/vercel-sandbox
	maxVCPUs       = 32
	memoryPerVCPU  = 2048 // MB, by the same page
	defaultTimeout = 5 * time.Minute
)

// sandbox is a named sandbox; what runs is its current session.
type sandbox struct {
	team, project, name      string
	runtime, image, region   string
	persistent               bool
	vcpus                    int
	timeout                  time.Duration
	ports                    []int
	env, tags                map[string]string
	policy                   obj
	created, updated, status time.Time
	current                  *session
	dir                      string // its folders on this machine: work, home, tmp
	uid                      int
	files                    map[string][]byte // while the state is saved or loaded: archives by folder
	gone                     bool
}

// session is one life of a sandbox.
type session struct {
	id                          string
	box                         *sandbox
	status                      string // running, stopping, stopped
	created, updated, stopAsked time.Time
	stopped                     time.Time
	timeout                     time.Duration
	policy                      obj
	ctx                         context.Context // ends when it stops
	cut                         context.CancelFunc
	over                        chan struct{} // closed when it has stopped
	commands                    []*command
	loopback                    *isolate.Loopback // that its commands share; made for the first
	cpu                         time.Duration
}

// sandboxName is what the emulator takes for a name [? sandbox-name].
var sandboxName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// create makes a sandbox and starts its first session. With a source it answers when that is laid out.
func (s *SandboxServer) create(c *sandboxCall) (any, *failure) {
	var in struct {
		settings
		ProjectID, Name, Runtime, Image string
		Source                          *source
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if f := c.mayUse(in.ProjectID); f != nil {
		return nil, f
	}
	if in.ProjectID == "" {
		return nil, badRequest("Invalid request: `projectId` should not be empty.")
	}
	if in.Name != "" && !sandboxName.MatchString(in.Name) || in.Name == "sessions" || in.Name == "snapshots" || in.Name == "drives" {
		return nil, badRequest("Invalid request: `name` should have letters, digits, dots, underscores and hyphens only.")
	}
	if in.Source != nil && in.Source.Type == "snapshot" {
		return unmodelled("snapshots")(s, c)
	}
	b := &sandbox{
		team: c.team, project: in.ProjectID, name: cmp.Or(in.Name, "sbx-"+s.RandomString(12, emukit.LowerAlnum)), runtime: cmp.Or(in.Runtime, "node24"),
		image: in.Image, region: "iad1", persistent: true, vcpus: 2, timeout: min(defaultTimeout, s.maxLife()), created: c.now, updated: c.now,
		policy: obj{"mode": "allow-all"}, uid: isolate.NewUID(),
	}
	ses, f := s.begin(c, b, in.settings)
	if f != nil {
		return nil, f
	}
	if in.Source != nil {
		if f := s.lay(c.r.Context(), ses, *in.Source); f != nil {
			s.mu.Lock()
			s.drop(b)
			s.mu.Unlock()
			return nil, f
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return obj{"sandbox": b.view(), "session": ses.view(), "routes": b.routes()}, nil
}

// begin makes b known, with its folders and its first session.
func (s *SandboxServer) begin(c *sandboxCall, b *sandbox, in settings) (*session, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.apply(b, in); f != nil {
		return nil, f
	}
	for _, other := range s.all {
		if other.team == b.team && other.project == b.project && other.name == b.name {
			return nil, &failure{status: http.StatusConflict, code: "conflict", message: "Sandbox \"" + b.name + "\" already exists."} // [? sandbox-name-taken] the code
		}
	}
	ses, f := s.start(c, b)
	if f != nil {
		return nil, f
	}
	s.all = append(s.all, b)
	return ses, nil
}

// start gives b a new session. s.mu is held.
func (s *SandboxServer) start(c *sandboxCall, b *sandbox) (*session, *failure) {
	if s.closed {
		return nil, &failure{status: http.StatusServiceUnavailable, code: "service_unavailable", message: "The emulator is closing."}
	}
	if err := s.folders(b); err != nil {
		return nil, &failure{status: http.StatusInternalServerError, code: "internal_server_error", message: "the sandbox's folders: " + err.Error()}
	}
	ctx, cut := context.WithCancel(context.WithoutCancel(c.r.Context()))
	ses := &session{
		id: "sbs_" + s.RandomString(24, emukit.Alnum), box: b, status: "running", created: c.now, updated: c.now, timeout: b.timeout,
		policy: b.policy, ctx: ctx, cut: cut, over: make(chan struct{}),
	}
	b.current, b.status = ses, c.now
	s.sessions[ses.id] = ses
	s.running.Go(func() { s.expire(ses) })
	return ses, nil
}

// folders makes what b does not have.
func (s *SandboxServer) folders(b *sandbox) error {
	if b.dir != "" {
		return nil
	}
	dir, err := os.MkdirTemp(s.Dir, "slipway-sandbox-")
	if err != nil {
		return err
	}
	for _, name := range []string{"work", "home", "tmp"} {
		if err = os.Mkdir(filepath.Join(dir, name), 0o755); err == nil {
			err = isolate.Own(filepath.Join(dir, name), b.uid)
		}
		if err != nil {
			_ = os.RemoveAll(dir)
			return err
		}
	}
	b.dir = dir
	return nil
}

// expire ends the session at its timeout, or sees it end before.
func (s *SandboxServer) expire(ses *session) {
	for {
		s.mu.Lock()
		end := ses.created.Add(ses.timeout)
		left := end.After(s.Clock())
		s.mu.Unlock()
		if !left {
			break
		}
		if s.WaitUntil(ses.ctx, end) != nil {
			break
		}
	}
	s.mu.Lock()
	s.beginStop(ses)
	s.mu.Unlock()
	s.finishStop(ses)
}

// beginStop marks the session and ends what runs in it. s.mu is held.
func (s *SandboxServer) beginStop(ses *session) {
	if ses.status == "running" {
		now := s.Clock()
		ses.status, ses.stopAsked, ses.updated, ses.box.status = "stopping", now, now, now
	}
	ses.cut()
}

// finishStop returns when nothing of the session is left.
func (s *SandboxServer) finishStop(ses *session) {
	for _, cmd := range s.commandsOf(ses) {
		<-cmd.done
	}
	if s.StopTime > 0 {
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if !closed {
			_ = s.WaitUntil(context.Background(), ses.stopAsked.Add(s.StopTime))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses.loopback != nil {
		ses.loopback.Close()
	}
	now := s.Clock()
	ses.status, ses.stopped, ses.updated, ses.box.status = "stopped", now, now, now
	if b := ses.box; (!b.persistent || b.gone) && b.dir != "" {
		_ = os.RemoveAll(b.dir)
		b.dir = ""
	}
	close(ses.over)
}

func (s *SandboxServer) commandsOf(ses *session) []*command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(ses.commands)
}

// stop answers when the session has stopped.
func (s *SandboxServer) stop(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	ses, f := s.session(c)
	if f != nil {
		s.mu.Unlock()
		return nil, f
	}
	s.beginStop(ses)
	s.mu.Unlock()
	if wait(c.r.Context(), ses.over) != nil {
		return nil, badRequest("the caller went away")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return obj{"session": ses.view(), "sandbox": ses.box.view()}, nil
}

// drop forgets b and ends its session. s.mu is held.
func (s *SandboxServer) drop(b *sandbox) {
	b.gone = true
	s.all = slices.DeleteFunc(s.all, func(o *sandbox) bool { return o == b })
	for id, ses := range s.sessions {
		if ses.box == b {
			delete(s.sessions, id)
		}
	}
	if b.current.status == "stopped" {
		_ = os.RemoveAll(b.dir)
		b.dir = ""
	}
	s.beginStop(b.current)
}

// remove deletes a sandbox at once, its session with it.
func (s *SandboxServer) remove(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	b, f := s.named(c)
	if f != nil {
		s.mu.Unlock()
		return nil, f
	}
	s.drop(b)
	s.mu.Unlock()
	if wait(c.r.Context(), b.current.over) != nil {
		return nil, badRequest("the caller went away")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return obj{"sandbox": b.view()}, nil
}

// get answers a sandbox; resume=true gives a stopped one a new session first.
func (s *SandboxServer) get(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	b, f := s.named(c)
	if f != nil {
		s.mu.Unlock()
		return nil, f
	}
	resumed := false
	if c.query("resume") == "true" && b.current.status != "running" {
		over := b.current.over
		s.mu.Unlock()
		if wait(c.r.Context(), over) != nil {
			return nil, badRequest("the caller went away")
		}
		s.mu.Lock()
		if b.gone {
			s.mu.Unlock()
			return nil, notFound("Sandbox not found.")
		}
		if b.current.status == "stopped" { // not resumed by another meanwhile
			c.now = s.Clock()
			if _, f = s.start(c, b); f != nil {
				s.mu.Unlock()
				return nil, f
			}
			resumed = true
		}
	}
	defer s.mu.Unlock()
	return obj{"sandbox": b.view(), "session": b.current.view(), "routes": b.routes(), "resumed": resumed}, nil
}

func (s *SandboxServer) patch(c *sandboxCall) (any, *failure) {
	var in settings
	if f := c.into(&in); f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, f := s.named(c)
	if f != nil {
		return nil, f
	}
	if f := s.apply(b, in); f != nil {
		return nil, f
	}
	b.updated = c.now
	return obj{"sandbox": b.view(), "routes": b.routes()}, nil
}

func (s *SandboxServer) getSession(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, f := s.session(c)
	if f != nil {
		return nil, f
	}
	return obj{"session": ses.view(), "routes": ses.box.routes()}, nil
}

// extend adds to what is left of the session's life.
func (s *SandboxServer) extend(c *sandboxCall) (any, *failure) {
	var in struct{ Duration float64 }
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if in.Duration < 1 {
		return nil, badRequest("Invalid request: `duration` should be at least 1.")
	}
	ses, f := s.live(c)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Duration > float64((s.maxLife()-ses.timeout)/time.Millisecond) {
		return nil, badRequest("Invalid request: the sandbox's timeout would be over your plan's maximum.") // [? sandbox-extend-too-far] the status
	}
	ses.timeout += time.Duration(in.Duration) * time.Millisecond
	ses.updated = c.now
	return obj{"session": ses.view()}, nil
}

func (s *SandboxServer) setPolicy(c *sandboxCall) (any, *failure) {
	policy, f := policyOf(c.body)
	if f != nil {
		return nil, f
	}
	ses, f := s.live(c)
	if f != nil {
		return nil, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.policy, ses.box.policy, ses.updated = policy, policy, c.now
	return obj{"session": ses.view()}, nil
}
