package neonemu

import (
	"net/http"
	"slices"
	"time"
)

type branch struct {
	seq              int64
	id, name         string
	project          *project
	parent           *branch // nil for a root
	isDefault        bool
	protected        bool
	created, updated time.Time
	expires          time.Time // zero = never; not acted upon
	deleted          time.Time // zero while it lives
	gone             bool      // deleted beyond recovery
	made             *batch
	annotation       map[string]string
	computes         []*endpoint // of a deleted one, for its recovery

	roles     []*role
	databases []*database
	real      reality
}

type branchBody struct {
	ID                 string        `json:"id"`
	ProjectID          string        `json:"project_id"`
	ParentID           string        `json:"parent_id,omitempty"`
	ParentLSN          string        `json:"parent_lsn,omitempty"`
	ParentTimestamp    *stamp        `json:"parent_timestamp,omitempty"`
	Name               string        `json:"name"`
	CurrentState       string        `json:"current_state"`
	PendingState       string        `json:"pending_state,omitempty"`
	StateChangedAt     stamp         `json:"state_changed_at"`
	LogicalSize        int64         `json:"logical_size"`
	CreationSource     string        `json:"creation_source"`
	Primary            bool          `json:"primary"` // deprecated name of default, still sent
	Default            bool          `json:"default"`
	Protected          bool          `json:"protected"`
	CPUUsedSec         int64         `json:"cpu_used_sec"`
	ComputeTimeSeconds int64         `json:"compute_time_seconds"`
	ActiveTimeSeconds  int64         `json:"active_time_seconds"`
	WrittenDataBytes   int64         `json:"written_data_bytes"`
	DataTransferBytes  int64         `json:"data_transfer_bytes"`
	CreatedAt          stamp         `json:"created_at"`
	UpdatedAt          stamp         `json:"updated_at"`
	ExpiresAt          *stamp        `json:"expires_at,omitempty"`
	InitSource         string        `json:"init_source"`
	Recovery           *recoveryBody `json:"recovery,omitempty"`
}

type recoveryBody struct {
	DeletedAt        stamp  `json:"deleted_at"`
	RecoverableUntil stamp  `json:"recoverable_until"`
	DeletionMethod   string `json:"deletion_method"`
}

// wire shows a branch that is being made as init with ready pending: it cannot be queried.
func (b *branch) wire(now time.Time) branchBody {
	w := branchBody{
		ID: b.id, ProjectID: b.project.id, Name: b.name, CurrentState: "ready", StateChangedAt: stamp(b.created),
		CreationSource: "console", Primary: b.isDefault, Default: b.isDefault, Protected: b.protected,
		CreatedAt: stamp(b.created), UpdatedAt: stamp(b.updated), InitSource: "parent-data",
	}
	if !b.made.usable(now) {
		w.CurrentState, w.PendingState = "init", "ready"
	} else if b.made != nil {
		w.StateChangedAt = stamp(b.made.started.Add(b.made.takes))
	}
	if b.parent != nil {
		at := stamp(b.created)
		w.ParentID, w.ParentLSN, w.ParentTimestamp = b.parent.id, "0/1E8BE98", &at
	}
	if !b.expires.IsZero() {
		at := stamp(b.expires)
		w.ExpiresAt = &at
	}
	if !b.deleted.IsZero() {
		w.Recovery = &recoveryBody{stamp(b.deleted), stamp(b.deleted.Add(recoverable)), "user"}
	}
	return w
}

func (b *branch) alive() bool { return b.deleted.IsZero() }

// lost reports whether b was deleted for good, or too long ago to be recovered.
func (b *branch) lost(now time.Time) bool {
	return b.gone || !b.alive() && now.Sub(b.deleted) >= recoverable
}

var zeroTime time.Time

type annotationBody struct {
	Object struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"object"`
	Value     map[string]string `json:"value"`
	CreatedAt stamp             `json:"created_at"`
	UpdatedAt stamp             `json:"updated_at"`
}

func (b *branch) annotations() annotationBody {
	a := annotationBody{Value: b.annotation, CreatedAt: stamp(b.created), UpdatedAt: stamp(b.created)}
	if a.Value == nil {
		a.Value = map[string]string{}
	}
	a.Object.Type, a.Object.ID = "console/branch", b.id
	return a
}

func (s *Server) newBranch(q *request, p *project, name string) *branch {
	b := &branch{
		seq: s.next(), project: p, name: name, created: q.now, updated: q.now,
		id: s.newID("br-", func(id string) bool { _, taken := s.branches[id]; return taken }),
	}
	s.branches[b.id] = b
	p.branches = append(p.branches, b)
	s.locate(b)
	return b
}

// branchByID returns a living branch of p, or 404.
func (p *project) branchByID(id string) (*branch, *failure) {
	for _, b := range p.branches {
		if b.id == id && b.alive() {
			return b, nil
		}
	}
	return nil, notFound("branch")
}

func (p *project) defaultBranch() *branch {
	i := slices.IndexFunc(p.branches, func(b *branch) bool { return b.isDefault && b.alive() })
	return p.branches[i]
}

func (s *Server) readableBranch(q *request) (*branch, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	return p.branchByID(q.PathValue("branch"))
}

func (s *Server) writableBranch(q *request) (*branch, *failure) {
	b, f := s.readableBranch(q)
	if f == nil && !b.project.running.done(q.now) {
		return nil, errLocked
	}
	return b, f
}

func (s *Server) getProjectBranch(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	return struct {
		Branch     branchBody     `json:"branch"`
		Annotation annotationBody `json:"annotation"`
	}{b.wire(q.now), b.annotations()}, nil
}

type branchCreate struct {
	Endpoints []endpointOptions `json:"endpoints"`
	Branch    struct {
		ParentID        string     `json:"parent_id"`
		Name            *string    `json:"name"`
		ParentLSN       string     `json:"parent_lsn"`
		ParentTimestamp *time.Time `json:"parent_timestamp"`
		Protected       bool       `json:"protected"`
		Archived        bool       `json:"archived"`
		InitSource      string     `json:"init_source"`
		ExpiresAt       *time.Time `json:"expires_at"`
	} `json:"branch"`
	AnnotationValue map[string]string `json:"annotation_value"`
}

// createProjectBranch makes a child with the parent's roles (their passwords too) and databases of this moment, and
// with no compute unless endpoints asks for one.
func (s *Server) createProjectBranch(q *request) (any, *failure) {
	var in branchCreate
	if f := q.decodeOptional(&in); f != nil {
		return nil, f
	}
	p, f := s.writable(q)
	if f != nil {
		return nil, f
	}
	parent, f := s.checkBranchCreate(p, &in)
	if f != nil {
		return nil, f
	}
	b := s.newBranch(q, p, "")
	b.name, b.parent, b.protected, b.annotation = orName(in.Branch.Name, b.id), parent, in.Branch.Protected, in.AnnotationValue
	if in.Branch.ExpiresAt != nil {
		b.expires = *in.Branch.ExpiresAt
	}
	s.inherit(q, b, parent)
	work := []todo{{"create_branch", b.id, ""}}
	var computes []*endpoint
	for _, o := range in.Endpoints {
		e := s.newEndpoint(q, p, b, o)
		computes = append(computes, e)
		work = append(work, todo{"start_compute", b.id, e.id})
	}
	made, ops := s.schedule(q, p, s.opTime(), work)
	b.made = made
	for _, e := range computes {
		e.made = made
	}
	s.apply(b, made)
	return s.branchCreated(q, b, computes, ops), nil
}

func (s *Server) branchCreated(q *request, b *branch, computes []*endpoint, ops []*operation) any {
	out := struct {
		Branch         branchBody          `json:"branch"`
		Endpoints      []endpointBody      `json:"endpoints"`
		Operations     []operationBody     `json:"operations"`
		Roles          []roleBody          `json:"roles"`
		Databases      []databaseBody      `json:"databases"`
		ConnectionURIs []connectionDetails `json:"connection_uris,omitempty"`
	}{b.wire(q.now), make([]endpointBody, 0), operations(ops, q.now), b.roleList(), b.databaseList(), nil}
	for _, e := range computes {
		out.Endpoints = append(out.Endpoints, s.endpointBody(e, q.now))
		for _, d := range b.databases {
			if r, _ := b.role(d.owner); r != nil && e.kind == readWrite {
				out.ConnectionURIs = append(out.ConnectionURIs, s.connection(e, r, d))
			}
		}
	}
	return out
}

func (s *Server) checkBranchCreate(p *project, in *branchCreate) (parent *branch, f *failure) {
	w := &in.Branch
	if w.Archived || w.ParentLSN != "" || w.ParentTimestamp != nil || w.InitSource != "" && w.InitSource != "parent-data" {
		return nil, errNotModelled("branches that are archived, schema-only or of a past moment")
	}
	if parent = p.defaultBranch(); w.ParentID != "" {
		if parent, f = p.branchByID(w.ParentID); f != nil {
			return nil, f
		}
	}
	alive := 0
	for _, b := range p.branches {
		if !b.alive() {
			continue
		}
		if alive++; w.Name != nil && b.name == *w.Name {
			return nil, fail(http.StatusConflict, "branch already exists; branch_name:%q", b.name)
		}
	}
	if w.Name != nil {
		if f := checkName("branch name", *w.Name, 256); f != nil {
			return nil, f
		}
	}
	if s.MaxBranches > 0 && alive >= s.MaxBranches {
		return nil, limit("BRANCHES_LIMIT_EXCEEDED", "branches limit of %d exceeded, got %d", s.MaxBranches, alive)
	}
	writers := 0
	for _, o := range in.Endpoints {
		if f := o.check(); f != nil {
			return nil, f
		}
		if o.Type == readWrite {
			writers++
		}
	}
	if writers > 1 {
		return nil, errSecondWriter
	}
	return parent, nil
}

func (s *Server) inherit(q *request, b, parent *branch) {
	for _, r := range parent.roles {
		child := *r
		child.branch, child.created, child.updated = b, q.now, q.now
		b.roles = append(b.roles, &child)
	}
	for _, d := range parent.databases {
		child := *d
		b.project.nextDB++
		child.id, child.branch, child.created, child.updated = b.project.nextDB, b, q.now, q.now
		b.databases = append(b.databases, &child)
	}
}

type branchOperations struct {
	Branch     branchBody      `json:"branch"`
	Operations []operationBody `json:"operations"`
}

func (s *Server) updateProjectBranch(q *request) (any, *failure) {
	var in struct {
		Branch *struct {
			Name      *string    `json:"name"`
			Protected *bool      `json:"protected"`
			ExpiresAt *time.Time `json:"expires_at"`
		} `json:"branch"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	w := in.Branch
	if w == nil {
		return nil, fail(http.StatusBadRequest, "branch is required")
	}
	name := orName(w.Name, b.name)
	if f := checkName("branch name", name, 256); f != nil {
		return nil, f
	}
	if slices.ContainsFunc(b.project.branches, func(o *branch) bool { return o != b && o.alive() && o.name == name }) {
		return nil, fail(http.StatusConflict, "branch already exists; branch_name:%q", name)
	}
	b.name, b.updated = name, q.now
	if w.Protected != nil {
		b.protected = *w.Protected
	}
	if w.ExpiresAt != nil {
		b.expires = *w.ExpiresAt
	}
	return branchOperations{b.wire(q.now), []operationBody{}}, nil
}

func (s *Server) setDefaultProjectBranch(q *request) (any, *failure) {
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	b.project.defaultBranch().isDefault = false
	b.isDefault, b.updated = true, q.now
	return branchOperations{b.wire(q.now), []operationBody{}}, nil
}

// deleteProjectBranch is 204 when there is nothing to delete. A deleted branch is recoverable for 7 days unless
// hard_delete, and only include_deleted lists it.
func (s *Server) deleteProjectBranch(q *request) (any, *failure) {
	hard, f := q.flag("hard_delete")
	if f != nil {
		return nil, f
	}
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	b, f := p.branchByID(q.PathValue("branch"))
	if f != nil {
		return nil, nil
	}
	switch {
	case !p.running.done(q.now):
		return nil, errLocked
	case b.parent == nil:
		return nil, fail(http.StatusUnprocessableEntity, "cannot delete the root branch") // status and wording [? neon-delete-default-branch]
	case b.isDefault:
		return nil, fail(http.StatusUnprocessableEntity, "cannot delete the default branch")
	case slices.ContainsFunc(p.branches, func(o *branch) bool { return o.parent == b && o.alive() }):
		return nil, fail(http.StatusUnprocessableEntity, "cannot delete branch that has children")
	case b.protected:
		return nil, fail(http.StatusUnprocessableEntity, "cannot delete a protected branch") // wording [? neon-delete-protected-branch]
	}
	var work []todo
	for _, e := range slices.Clone(p.endpoints) {
		if e.branch == b {
			b.computes = append(b.computes, e)
			work = append(work, todo{"suspend_compute", b.id, e.id})
			s.removeEndpoint(e)
		}
	}
	made, ops := s.schedule(q, p, s.opTime(), append(work, todo{"delete_timeline", b.id, ""}))
	b.deleted, b.updated, b.gone = q.now, q.now, hard
	if hard {
		s.drop(b)
	} else {
		s.apply(b, made)
	}
	return branchOperations{b.wire(q.now), operations(ops, q.now)}, nil
}
