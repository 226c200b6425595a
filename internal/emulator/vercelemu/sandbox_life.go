package vercelemu

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	cpu                         time.Duration
}

var (
	envField      = mapOf(str(0))
	tagsField     = mapOf(str(256))
	settingFields = map[string]*schema{
		"ports": list(number()), "timeout": number(), "persistent": boolean(), "tags": tagsField, "env": envField, "region": str(0),
		"resources": openObject(map[string]*schema{"vcpus": number(), "memory": number()}), "networkPolicy": policyBody,
	}
	sourceField = either(
		openObject(map[string]*schema{"type": oneOf("git"), "url": str(0), "depth": number(), "revision": str(0), "username": str(0), "password": str(0)}, "type", "url"),
		openObject(map[string]*schema{"type": oneOf("tarball"), "url": str(0)}, "type", "url"),
		openObject(map[string]*schema{"type": oneOf("snapshot"), "snapshotId": str(0)}, "type", "snapshotId"))

	createV3   = openObject(with(settingFields, map[string]*schema{"projectId": str(0), "name": str(128), "source": sourceField, "image": str(0)}), "projectId")
	createV2   = openObject(with(createV3.fields, map[string]*schema{"runtime": oneOf("node22", "node24", "node26", "python3.13", "python3.14")}), "projectId")
	patchBody  = openObject(settingFields)
	extendBody = openObject(map[string]*schema{"duration": number()}, "duration")
)

func with(a, b map[string]*schema) map[string]*schema {
	out := map[string]*schema{}
	for _, m := range []map[string]*schema{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// settings are what create and PATCH have in common. nil is left as it is.
type settings struct {
	Ports         []int
	Timeout       *float64
	Persistent    *bool
	Tags, Env     map[string]string
	Region        *string
	Resources     *struct{ VCPUs, Memory *float64 }
	NetworkPolicy json.RawMessage
	Mounts        map[string]any
	NetworkID     *string
}

// apply changes b. s.mu is held.
func (s *SandboxServer) apply(b *sandbox, in settings) *failure {
	if len(in.Mounts) > 0 || in.NetworkID != nil {
		return &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator does not model drives and secure compute"}
	}
	if len(in.Ports) > maxPorts || slices.ContainsFunc(in.Ports, func(p int) bool { return p < 1 || p > 65535 }) {
		return badRequest("Invalid request: `ports` should be at most 15 numbers from 1 to 65535.")
	}
	timeout := b.timeout
	if in.Timeout != nil {
		timeout = time.Duration(*in.Timeout) * time.Millisecond
		if *in.Timeout < 1 || *in.Timeout > float64(s.maxLife()/time.Millisecond) {
			return badRequest("Invalid request: `timeout` should be at least 1 and at most your plan's maximum.")
		}
	}
	vcpus := b.vcpus
	if in.Resources != nil && in.Resources.VCPUs != nil {
		v := *in.Resources.VCPUs
		if vcpus = int(v); float64(vcpus) != v || vcpus < 1 || vcpus > maxVCPUs || vcpus > 1 && vcpus%2 != 0 {
			return badRequest("Invalid request: `resources.vcpus` should be 1 or an even number up to 32.")
		}
	}
	if m := in.Resources; m != nil && m.Memory != nil && *m.Memory != float64(vcpus*memoryPerVCPU) {
		return badRequest("Invalid request: `resources.memory` should be 2048 for each vCPU.")
	}
	if in.NetworkPolicy != nil {
		policy, f := policyOf(in.NetworkPolicy)
		if f != nil {
			return f
		}
		b.policy = policy
	}
	b.timeout, b.vcpus = timeout, vcpus
	if in.Ports != nil {
		b.ports = in.Ports
	}
	if in.Persistent != nil {
		b.persistent = *in.Persistent
	}
	if in.Tags != nil {
		b.tags = in.Tags
	}
	if in.Env != nil {
		b.env = in.Env
	}
	if in.Region != nil {
		b.region = *in.Region
	}
	return nil
}

func (s *SandboxServer) maxLife() time.Duration { return span(s.MaxLife, 45*time.Minute) }

// sandboxName is what the emulator takes for a name [?].
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
	b := &sandbox{team: c.team, project: in.ProjectID, name: cmp.Or(in.Name, "sbx-"+s.RandomString(12, emukit.LowerAlnum)), runtime: cmp.Or(in.Runtime, "node24"),
		image: in.Image, region: "iad1", persistent: true, vcpus: 2, timeout: min(defaultTimeout, s.maxLife()), created: c.now, updated: c.now,
		policy: obj{"mode": "allow-all"}, uid: isolate.NewUID()}
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
			return nil, &failure{status: http.StatusConflict, code: "conflict", message: "Sandbox \"" + b.name + "\" already exists."} // [?] the code
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
	ses := &session{id: "sbs_" + s.RandomString(24, emukit.Alnum), box: b, status: "running", created: c.now, updated: c.now, timeout: b.timeout,
		policy: b.policy, ctx: ctx, cut: cut, over: make(chan struct{})}
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
		return nil, badRequest("Invalid request: the sandbox's timeout would be over your plan's maximum.") // [?] the status
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

func (s *SandboxServer) list(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*sandbox
	for _, b := range s.all {
		if b.team == c.team && c.mayUse(b.project) == nil && in(c.query("project"), b.project) && strings.HasPrefix(b.name, c.query("namePrefix")) &&
			in(c.query("status"), b.current.status) && b.tagged(c.values["tags"]) {
			found = append(found, b)
		}
	}
	var order func(a, b *sandbox) int
	switch c.query("sortBy") {
	case "", "createdAt", "currentSnapshotId":
		order = func(a, b *sandbox) int { return a.created.Compare(b.created) }
	case "name":
		order = func(a, b *sandbox) int { return strings.Compare(a.name, b.name) }
	case "statusUpdatedAt":
		order = func(a, b *sandbox) int { return a.status.Compare(b.status) }
	default:
		return nil, badRequest("Invalid request: `sortBy` should be one of createdAt, name, statusUpdatedAt, currentSnapshotId.")
	}
	views, page, f := paged(c, found, order, func(b *sandbox) string { return b.project + "/" + b.name }, (*sandbox).view)
	if f != nil {
		return nil, f
	}
	return obj{"sandboxes": views, "pagination": page}, nil
}

func (s *SandboxServer) listSessions(c *sandboxCall) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*session
	for _, ses := range s.sessions {
		if ses.box.team == c.team && c.mayUse(ses.box.project) == nil && in(c.query("project"), ses.box.project) && in(c.query("name"), ses.box.name) {
			found = append(found, ses)
		}
	}
	order := func(a, b *session) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) }
	views, page, f := paged(c, found, order, func(ses *session) string { return ses.id }, (*session).view)
	if f != nil {
		return nil, f
	}
	return obj{"sessions": views, "pagination": page}, nil
}

func in(want, have string) bool { return want == "" || want == have }

// tagged reports whether b has each "key:value".
func (b *sandbox) tagged(want []string) bool {
	for _, w := range want {
		key, value, _ := strings.Cut(w, ":")
		if have, ok := b.tags[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// paged answers one page: newest first unless sortOrder=asc, 20 at most unless limit says otherwise.
func paged[T any](c *sandboxCall, items []T, order func(a, b T) int, id func(T) string, view func(T) obj) ([]obj, obj, *failure) {
	switch c.query("sortOrder") {
	case "", "desc":
		slices.SortStableFunc(items, func(a, b T) int { return order(b, a) })
	case "asc":
		slices.SortStableFunc(items, order)
	default:
		return nil, nil, badRequest("Invalid request: `sortOrder` should be asc or desc.")
	}
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, nil, f
	}
	page, next, ok := emukit.PageAfter(items, id, c.query("cursor"), limit)
	if !ok {
		return nil, nil, badRequest("Invalid request: `cursor` is not one of this list.")
	}
	views := make([]obj, 0, len(page))
	for _, it := range page {
		views = append(views, view(it))
	}
	out := obj{"count": len(page), "next": nil}
	if next != "" {
		out["next"] = next
	}
	return views, out, nil
}

func basic(username, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}
