package neonemu

import (
	"net/http"
	"slices"
	"time"
)

type database struct {
	id               int64
	branch           *branch
	name, owner      string
	created, updated time.Time
	made             *batch
}

type databaseBody struct {
	ID        int64  `json:"id"`
	BranchID  string `json:"branch_id"`
	Name      string `json:"name"`
	OwnerName string `json:"owner_name"`
	CreatedAt stamp  `json:"created_at"`
	UpdatedAt stamp  `json:"updated_at"`
}

func (d *database) wire() databaseBody {
	return databaseBody{d.id, d.branch.id, d.name, d.owner, stamp(d.created), stamp(d.updated)}
}

func (b *branch) database(name string) (*database, *failure) {
	for _, d := range b.databases {
		if d.name == name {
			return d, nil
		}
	}
	return nil, notFound("database")
}

func (b *branch) databaseList() []databaseBody {
	out := make([]databaseBody, 0, len(b.databases))
	for _, d := range b.databases {
		out = append(out, d.wire())
	}
	return out
}

func (s *Server) newDatabase(q *request, b *branch, name, owner string) *database {
	b.project.nextDB++
	d := &database{id: b.project.nextDB, branch: b, name: name, owner: owner, created: q.now, updated: q.now}
	b.databases = append(b.databases, d)
	return d
}

type databaseOperations struct {
	Database   databaseBody    `json:"database"`
	Operations []operationBody `json:"operations"`
}

func (s *Server) listProjectBranchDatabases(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	return struct {
		Databases []databaseBody `json:"databases"`
	}{b.databaseList()}, nil
}

func (s *Server) getProjectBranchDatabase(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	d, f := b.database(q.PathValue("database"))
	if f != nil {
		return nil, f
	}
	return struct {
		Database databaseBody `json:"database"`
	}{d.wire()}, nil
}

// createProjectBranchDatabase is 404 on a branch without a read-write compute, or for an owner that is not there [? neon-database-without-compute].
func (s *Server) createProjectBranchDatabase(q *request) (any, *failure) {
	var in struct {
		Database *struct {
			Name      string `json:"name"`
			OwnerName string `json:"owner_name"`
		} `json:"database"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	w := in.Database
	if w == nil {
		return nil, fail(http.StatusBadRequest, "database is required")
	}
	if f := checkDatabase(w.Name); f != nil {
		return nil, f
	}
	if d, _ := b.database(w.Name); d != nil {
		return nil, fail(http.StatusConflict, "database already exists")
	}
	if _, f := b.role(w.OwnerName); f != nil {
		return nil, f
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	d := s.newDatabase(q, b, w.Name, w.OwnerName)
	made, ops := s.configure(q, b)
	d.made = made
	return databaseOperations{d.wire(), operations(ops, q.now)}, nil
}

func (s *Server) updateProjectBranchDatabase(q *request) (any, *failure) {
	var in struct {
		Database *struct {
			Name      string `json:"name"`
			OwnerName string `json:"owner_name"`
		} `json:"database"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	d, f := b.database(q.PathValue("database"))
	if f != nil {
		return nil, f
	}
	if in.Database == nil {
		return nil, fail(http.StatusBadRequest, "database is required")
	}
	name, owner := or(in.Database.Name, d.name), or(in.Database.OwnerName, d.owner)
	if f := checkDatabase(name); f != nil {
		return nil, f
	}
	if o, _ := b.database(name); o != nil && o != d {
		return nil, fail(http.StatusConflict, "database already exists")
	}
	if _, f := b.role(owner); f != nil {
		return nil, f
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	d.name, d.owner, d.updated = name, owner, q.now
	made, ops := s.configure(q, b)
	d.made = made
	return databaseOperations{d.wire(), operations(ops, q.now)}, nil
}

// deleteProjectBranchDatabase is 204 when there is nothing to delete.
func (s *Server) deleteProjectBranchDatabase(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	d, f := b.database(q.PathValue("database"))
	if f != nil {
		return nil, nil
	}
	if !b.project.running.done(q.now) {
		return nil, errLocked
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	b.databases = slices.DeleteFunc(b.databases, func(o *database) bool { return o == d })
	_, ops := s.configure(q, b)
	return databaseOperations{d.wire(), operations(ops, q.now)}, nil
}

func checkDatabase(name string) *failure {
	if f := checkName("database name", name, 63); f != nil {
		return f
	}
	switch name {
	case "postgres", "template0", "template1":
		return fail(http.StatusBadRequest, "database name %q is reserved", name)
	}
	return nil
}
