package neonemu

import (
	"context"
	"time"
)

// Postgres makes branches real databases. The emulator calls Apply and Drop off the request, in order for a branch, and
// lets the change's operations finish when Apply has returned.
type Postgres interface {
	// Address returns where the branch will listen, host:port, at once and without change for the branch's life.
	Address(branchID string) (string, error)
	// Apply makes the branch what spec says, whatever it was. A branch that is new to it starts as a copy of
	// spec.Parent. An error fails the operations.
	Apply(ctx context.Context, spec BranchSpec) error
	// Drop removes the branch. It is nil when there was none.
	Drop(ctx context.Context, branchID string) error
}

// BranchSpec is what a branch should hold. Its passwords are real secrets: never log it.
type BranchSpec struct {
	ID        string
	Parent    string // a branch id; "" for a root
	PgVersion int
	Roles     []RoleSpec
	Databases []DatabaseSpec
	// Closed takes no connections and ends those there are, as a branch without a compute or a deleted one; its data stay.
	Closed bool
	// Suspend ends the connections that there are; the next one is taken.
	Suspend bool
}

// RoleSpec is a role. An empty password cannot log in.
type RoleSpec struct{ Name, Password string }

// DatabaseSpec is a database and the role that owns it. The ID stays when the name changes; a child's has another one.
type DatabaseSpec struct {
	ID          int64
	Name, Owner string
}

// applyTime is how long Postgres may take for one change.
const applyTime = 2 * time.Minute

// reality is what is known of a branch's real database.
type reality struct {
	address string // "" when there is none
	ready   bool   // it was applied once
	err     string
	jobs    []func() // what Postgres has still to do, in order; the first is being done
}

// locate asks Postgres where a new branch will listen. s.mu is held.
func (s *Server) locate(b *branch) {
	if s.Postgres == nil {
		return
	}
	var err error
	if b.real.address, err = s.Postgres.Address(b.id); err != nil {
		b.real.err = "the emulator has no port for the branch"
	}
}

// enqueue lets Postgres do one thing for a branch after another. s.mu is held.
func (s *Server) enqueue(b *branch, job func()) {
	s.jobs++
	if b.real.jobs = append(b.real.jobs, job); len(b.real.jobs) > 1 {
		return
	}
	go func() {
		for job != nil {
			job()
			s.mu.Lock()
			if s.jobs--; s.jobs == 0 {
				s.rested.Broadcast()
			}
			b.real.jobs = b.real.jobs[1:]
			job = nil
			if len(b.real.jobs) > 0 {
				job = b.real.jobs[0]
			}
			s.mu.Unlock()
		}
	}()
}

// apply hands the branch's desired state to Postgres and holds the batch's last operation back until it is so.
// s.mu is held.
func (s *Server) apply(b *branch, made *batch) { s.applySpec(b, made, b.spec()) }

func (s *Server) applySpec(b *branch, made *batch, spec BranchSpec) {
	if s.Postgres == nil || made.count == 0 {
		return
	}
	made.working++
	s.enqueue(b, func() {
		ctx, cancel := context.WithTimeout(context.Background(), applyTime)
		defer cancel()
		err := s.Postgres.Apply(ctx, spec)
		s.mu.Lock()
		defer s.mu.Unlock()
		made.working--
		made.takes = max(made.takes, s.Kit.Clock().Sub(made.started))
		b.real.ready, b.real.err = err == nil, ""
		if err != nil {
			made.failed = "the emulator's PostgreSQL could not apply the change"
			b.real.err = made.failed + ": " + err.Error()
		}
	})
}

// unwatched is a batch for a change that has no operations.
func unwatched() *batch { return &batch{count: 1} }

// drop removes the branch's real database. s.mu is held.
func (s *Server) drop(b *branch) {
	if s.Postgres == nil {
		return
	}
	s.enqueue(b, func() {
		ctx, cancel := context.WithTimeout(context.Background(), applyTime)
		defer cancel()
		_ = s.Postgres.Drop(ctx, b.id) // nobody can reach it any more
	})
}

func (b *branch) spec() BranchSpec {
	spec := BranchSpec{ID: b.id, PgVersion: b.project.pgVersion}
	w := b.writer()
	spec.Closed = w == nil || w.disabled || !b.alive() || !b.project.deleted.IsZero()
	if b.parent != nil {
		spec.Parent = b.parent.id
	}
	for _, r := range b.roles {
		spec.Roles = append(spec.Roles, RoleSpec{r.name, r.password})
	}
	for _, d := range b.databases {
		spec.Databases = append(spec.Databases, DatabaseSpec{d.id, d.name, d.owner})
	}
	return spec
}

// Connectable reports whether the branch's connection strings reach a database, and if not, why. It is the emulator's
// own: Neon has nothing like it.
func (s *Server) Connectable(projectID, branchID string) (ok bool, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.branches[branchID]
	switch {
	case b == nil || b.project.id != projectID || !b.alive() || !b.project.deleted.IsZero():
		return false, "no such branch"
	case s.Postgres == nil:
		return false, "no PostgreSQL is attached: control plane only, and the host is in a domain that never resolves"
	case b.writer() == nil || b.writer().disabled:
		return false, "the branch has no read-write compute that is enabled"
	case b.real.err != "":
		return false, b.real.err
	case !b.real.ready || !b.made.usable(s.Kit.Clock()):
		return false, "the branch is being made"
	}
	return true, ""
}
