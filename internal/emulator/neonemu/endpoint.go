package neonemu

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

const (
	readWrite = "read_write"
	readOnly  = "read_only"
	// idleAfter is the default scale-to-zero delay: https://neon.com/docs/introduction/scale-to-zero
	idleAfter = 300 * time.Second
)

// endpoint is a compute. It falls idle by the clock, which is not a change: connecting starts it again.
type endpoint struct {
	id, name         string
	project          *project
	branch           *branch
	kind             string
	minCU, maxCU     float64
	suspend          int64 // seconds; 0 = the default, -1 = never
	disabled         bool
	settings         json.RawMessage
	created, updated time.Time
	started          time.Time
	suspended        bool // by a call
	made             *batch
}

type endpointBody struct {
	Host                  string          `json:"host"`
	ID                    string          `json:"id"`
	Name                  string          `json:"name,omitempty"`
	ProjectID             string          `json:"project_id"`
	BranchID              string          `json:"branch_id"`
	AutoscalingMin        float64         `json:"autoscaling_limit_min_cu"`
	AutoscalingMax        float64         `json:"autoscaling_limit_max_cu"`
	RegionID              string          `json:"region_id"`
	Type                  string          `json:"type"`
	CurrentState          string          `json:"current_state"`
	PendingState          string          `json:"pending_state,omitempty"`
	Settings              json.RawMessage `json:"settings"`
	PoolerEnabled         bool            `json:"pooler_enabled"`
	PoolerMode            string          `json:"pooler_mode"`
	Disabled              bool            `json:"disabled"`
	PasswordlessAccess    bool            `json:"passwordless_access"`
	LastActive            *stamp          `json:"last_active,omitempty"`
	CreationSource        string          `json:"creation_source"`
	CreatedAt             stamp           `json:"created_at"`
	UpdatedAt             stamp           `json:"updated_at"`
	StartedAt             *stamp          `json:"started_at,omitempty"`
	ProxyHost             string          `json:"proxy_host"`
	SuspendTimeoutSeconds int64           `json:"suspend_timeout_seconds"`
	Provisioner           string          `json:"provisioner"`
}

func (e *endpoint) state(now time.Time) (current, pending string) {
	if !e.made.usable(now) {
		return "init", "active"
	}
	quiet := idleAfter
	if e.suspend != 0 {
		quiet = time.Duration(e.suspend) * time.Second
	}
	if e.suspended || e.disabled || quiet > 0 && now.Sub(e.started) >= quiet {
		return "idle", ""
	}
	return "active", ""
}

func (s *Server) endpointBody(e *endpoint, now time.Time) endpointBody {
	b := endpointBody{
		Host: s.host(e, false), ID: e.id, Name: e.name, ProjectID: e.project.id, BranchID: e.branch.id,
		AutoscalingMin: e.minCU, AutoscalingMax: e.maxCU, RegionID: e.project.region.ID, Type: e.kind,
		Settings: e.settings, PoolerMode: "transaction", Disabled: e.disabled, PasswordlessAccess: true, CreationSource: "console",
		CreatedAt: stamp(e.created), UpdatedAt: stamp(e.updated), ProxyHost: e.project.region.host(s.suffix()),
		SuspendTimeoutSeconds: e.suspend, Provisioner: "k8s-neonvm",
	}
	b.CurrentState, b.PendingState = e.state(now)
	if b.CurrentState != "init" {
		at := stamp(e.started)
		b.LastActive, b.StartedAt = &at, &at
	}
	return b
}

// endpointOptions is what a compute is asked to be, in a branch's create.
type endpointOptions struct {
	Type           string          `json:"type"`
	Settings       json.RawMessage `json:"settings"`
	AutoscalingMin float64         `json:"autoscaling_limit_min_cu"`
	AutoscalingMax float64         `json:"autoscaling_limit_max_cu"`
	Provisioner    string          `json:"provisioner"`
	SuspendTimeout int64           `json:"suspend_timeout_seconds"`
}

func (o endpointOptions) check() *failure {
	if o.Type != readWrite && o.Type != readOnly {
		return fail(http.StatusBadRequest, "endpoint type must be %s or %s", readWrite, readOnly)
	}
	return checkSize(o.AutoscalingMin, o.AutoscalingMax, o.SuspendTimeout)
}

// checkSize refuses sizes below 0.25 compute units (0 = not given) and odd timeouts.
func checkSize(minCU, maxCU float64, suspend int64) *failure {
	if minCU != 0 && minCU < 0.25 || maxCU != 0 && maxCU < 0.25 || maxCU != 0 && minCU > maxCU {
		return fail(http.StatusBadRequest, "invalid autoscaling limits")
	}
	if suspend < -1 || suspend > 604800 {
		return fail(http.StatusBadRequest, "suspend_timeout_seconds must be from -1 to 604800")
	}
	return nil
}

// errSecondWriter: 409 by https://github.com/neondatabase/neon-pkgs/pull/307; whether with this code [? neon-second-writer].
var errSecondWriter = &failure{status: http.StatusConflict, code: "ENDPOINTS_LIMIT_EXCEEDED", message: "read_write endpoint already exists"}

var errNoWriter = fail(http.StatusNotFound, "no read-write endpoint for branch")

func (s *Server) newEndpoint(q *request, p *project, b *branch, o endpointOptions) *endpoint {
	e := &endpoint{
		id:      s.newID("ep-", func(id string) bool { _, taken := s.hosts[id]; return taken }),
		project: p, branch: b, kind: o.Type, minCU: o.AutoscalingMin, maxCU: o.AutoscalingMax, suspend: o.SuspendTimeout,
		settings: o.Settings, created: q.now, updated: q.now, started: q.now,
	}
	if e.minCU == 0 {
		e.minCU = 0.25
	}
	e.maxCU = max(e.maxCU, e.minCU)
	if e.settings == nil {
		e.settings = json.RawMessage("{}")
	}
	s.hosts[e.id] = e
	p.endpoints = append(p.endpoints, e)
	return e
}

func (s *Server) removeEndpoint(e *endpoint) {
	e.project.endpoints = slices.DeleteFunc(e.project.endpoints, func(o *endpoint) bool { return o == e })
}

func (p *project) endpointByID(id string) (*endpoint, *failure) {
	for _, e := range p.endpoints {
		if e.id == id {
			return e, nil
		}
	}
	return nil, notFound("endpoint")
}

// writer returns the branch's read-write compute, nil when it has none.
func (b *branch) writer() *endpoint {
	for _, e := range b.project.endpoints {
		if e.branch == b && e.kind == readWrite {
			return e
		}
	}
	return nil
}

type endpointList struct {
	Endpoints []endpointBody `json:"endpoints"`
}

func (s *Server) listEndpoints(q *request, p *project, of *branch) endpointList {
	out := endpointList{make([]endpointBody, 0)}
	for _, e := range p.endpoints {
		if of == nil || e.branch == of {
			out.Endpoints = append(out.Endpoints, s.endpointBody(e, q.now))
		}
	}
	return out
}

func (s *Server) listProjectEndpoints(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	return s.listEndpoints(q, p, nil), nil
}

func (s *Server) listProjectBranchEndpoints(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	return s.listEndpoints(q, b.project, b), nil
}

func (s *Server) getProjectEndpoint(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	e, f := p.endpointByID(q.PathValue("endpoint"))
	if f != nil {
		return nil, f
	}
	return struct {
		Endpoint endpointBody `json:"endpoint"`
	}{s.endpointBody(e, q.now)}, nil
}

type endpointCreate struct {
	Endpoint *struct {
		endpointOptions
		BranchID           string `json:"branch_id"`
		RegionID           string `json:"region_id"`
		PoolerEnabled      bool   `json:"pooler_enabled"`
		PoolerMode         string `json:"pooler_mode"`
		Disabled           bool   `json:"disabled"`
		PasswordlessAccess bool   `json:"passwordless_access"`
		Name               string `json:"name"`
	} `json:"endpoint"`
}

func (s *Server) createProjectEndpoint(q *request) (any, *failure) {
	var in endpointCreate
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	p, f := s.writable(q)
	if f != nil {
		return nil, f
	}
	w := in.Endpoint
	if w == nil {
		return nil, fail(http.StatusBadRequest, "endpoint is required")
	}
	if f := w.check(); f != nil {
		return nil, f
	}
	b, f := p.branchByID(w.BranchID)
	if f != nil {
		return nil, f
	}
	if w.RegionID != "" && w.RegionID != p.region.ID {
		return nil, fail(http.StatusBadRequest, "only the project's region is permitted")
	}
	if w.Type == readWrite && b.writer() != nil {
		return nil, errSecondWriter
	}
	e := s.newEndpoint(q, p, b, w.endpointOptions)
	e.name, e.disabled = w.Name, w.Disabled
	return s.endpointChange(q, e, true, "start_compute"), nil
}

// endpointChange schedules actions on e and answers with both. made says that e is not usable before they finished.
func (s *Server) endpointChange(q *request, e *endpoint, made bool, actions ...string) any {
	var work []todo
	for _, action := range actions {
		work = append(work, todo{action, e.branch.id, e.id})
	}
	b, ops := s.schedule(q, e.project, s.opTime(), work)
	if made {
		e.made, e.started = b, q.now
	}
	spec := e.branch.spec()
	spec.Suspend = actions[0] == "suspend_compute" && e.kind == readWrite
	s.applySpec(e.branch, b, spec)
	return struct {
		Endpoint   endpointBody    `json:"endpoint"`
		Operations []operationBody `json:"operations"`
	}{s.endpointBody(e, q.now), operations(ops, q.now)}
}

func (s *Server) writableEndpoint(q *request) (*endpoint, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	e, f := p.endpointByID(q.PathValue("endpoint"))
	if f == nil && !p.running.done(q.now) {
		return nil, errLocked
	}
	return e, f
}

func (s *Server) updateProjectEndpoint(q *request) (any, *failure) {
	var in struct {
		Endpoint *struct {
			BranchID           string          `json:"branch_id"`
			AutoscalingMin     *float64        `json:"autoscaling_limit_min_cu"`
			AutoscalingMax     *float64        `json:"autoscaling_limit_max_cu"`
			Provisioner        string          `json:"provisioner"`
			Settings           json.RawMessage `json:"settings"`
			PoolerEnabled      bool            `json:"pooler_enabled"`
			PoolerMode         string          `json:"pooler_mode"`
			Disabled           *bool           `json:"disabled"`
			PasswordlessAccess bool            `json:"passwordless_access"`
			SuspendTimeout     *int64          `json:"suspend_timeout_seconds"`
			Name               *string         `json:"name"`
		} `json:"endpoint"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	e, f := s.writableEndpoint(q)
	if f != nil {
		return nil, f
	}
	w := in.Endpoint
	if w == nil {
		return nil, fail(http.StatusBadRequest, "endpoint is required")
	}
	if w.BranchID != "" && w.BranchID != e.branch.id {
		return nil, errNotModelled("moving a compute to another branch")
	}
	next := *e
	set(&next.minCU, w.AutoscalingMin)
	set(&next.maxCU, w.AutoscalingMax)
	set(&next.suspend, w.SuspendTimeout)
	set(&next.disabled, w.Disabled)
	set(&next.name, w.Name)
	if w.Settings != nil {
		next.settings = w.Settings
	}
	if f := checkSize(next.minCU, next.maxCU, next.suspend); f != nil {
		return nil, f
	}
	next.updated = q.now
	*e = next
	return s.endpointChange(q, e, false, "apply_config"), nil
}

// deleteProjectEndpoint is 204 when there is nothing to delete.
func (s *Server) deleteProjectEndpoint(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	e, f := p.endpointByID(q.PathValue("endpoint"))
	if f != nil {
		return nil, nil
	}
	if !p.running.done(q.now) {
		return nil, errLocked
	}
	s.removeEndpoint(e)
	return s.endpointChange(q, e, false, "suspend_compute"), nil
}

func (s *Server) startProjectEndpoint(q *request) (any, *failure) {
	e, f := s.writableEndpoint(q)
	if f != nil {
		return nil, f
	}
	e.suspended = false
	return s.endpointChange(q, e, true, "start_compute"), nil
}

func (s *Server) suspendProjectEndpoint(q *request) (any, *failure) {
	e, f := s.writableEndpoint(q)
	if f != nil {
		return nil, f
	}
	e.suspended = true
	return s.endpointChange(q, e, false, "suspend_compute"), nil
}

func (s *Server) restartProjectEndpoint(q *request) (any, *failure) {
	e, f := s.writableEndpoint(q)
	if f != nil {
		return nil, f
	}
	e.suspended = false
	return s.endpointChange(q, e, true, "suspend_compute", "start_compute"), nil
}
