package neonemu

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type role struct {
	branch           *branch
	name, password   string
	noLogin          bool
	created, updated time.Time
	made             *batch // of its create, or of its last new password
}

type roleBody struct {
	BranchID             string `json:"branch_id"`
	Name                 string `json:"name"`
	Password             string `json:"password,omitempty"`
	Protected            bool   `json:"protected"`
	AuthenticationMethod string `json:"authentication_method"`
	CreatedAt            stamp  `json:"created_at"`
	UpdatedAt            stamp  `json:"updated_at"`
}

func (r *role) wire() roleBody {
	method := "password"
	if r.noLogin {
		method = "no_login"
	}
	return roleBody{r.branch.id, r.name, "", false, method, stamp(r.created), stamp(r.updated)}
}

// withPassword is the role as the call that made its password shows it. No other shows it.
func (r *role) withPassword() roleBody {
	b := r.wire()
	b.Password = r.password
	return b
}

func (b *branch) role(name string) (*role, *failure) {
	for _, r := range b.roles {
		if r.name == name {
			return r, nil
		}
	}
	return nil, notFound("role")
}

func (b *branch) roleList() []roleBody {
	out := make([]roleBody, 0, len(b.roles))
	for _, r := range b.roles {
		out = append(out, r.wire())
	}
	return out
}

func (s *Server) newRole(q *request, b *branch, name string, noLogin bool) *role {
	r := &role{branch: b, name: name, noLogin: noLogin, created: q.now, updated: q.now}
	if !noLogin {
		r.password = s.newPassword()
	}
	b.roles = append(b.roles, r)
	return r
}

func (s *Server) newPassword() string { return "npg_" + s.Kit.RandomString(12, emukit.Alnum) }

type roleOperations struct {
	Role       roleBody        `json:"role"`
	Operations []operationBody `json:"operations"`
}

func (s *Server) listProjectBranchRoles(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	return struct {
		Roles []roleBody `json:"roles"`
	}{b.roleList()}, nil
}

func (s *Server) getProjectBranchRole(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	r, f := b.role(q.PathValue("role"))
	if f != nil {
		return nil, f
	}
	return struct {
		Role roleBody `json:"role"`
	}{r.wire()}, nil
}

// createProjectBranchRole is 404 on a branch without a read-write compute.
func (s *Server) createProjectBranchRole(q *request) (any, *failure) {
	var in struct {
		Role *struct {
			Name    string `json:"name"`
			NoLogin bool   `json:"no_login"`
		} `json:"role"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	if in.Role == nil {
		return nil, fail(http.StatusBadRequest, "role is required")
	}
	if f := checkRole(in.Role.Name); f != nil {
		return nil, f
	}
	if r, _ := b.role(in.Role.Name); r != nil {
		return nil, fail(http.StatusConflict, "role already exists")
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	r := s.newRole(q, b, in.Role.Name, in.Role.NoLogin)
	made, ops := s.configure(q, b)
	r.made = made
	return roleOperations{r.withPassword(), operations(ops, q.now)}, nil
}

// configure schedules what brings a branch's compute to its present roles and databases.
func (s *Server) configure(q *request, b *branch) (*batch, []*operation) {
	made, ops := s.schedule(q, b.project, s.opTime(), []todo{{"apply_config", b.id, b.writer().id}})
	s.apply(b, made)
	return made, ops
}

// resetProjectBranchRolePassword returns a new password, ready to use when the last operation has finished.
func (s *Server) resetProjectBranchRolePassword(q *request) (any, *failure) {
	b, f := s.writableBranch(q)
	if f != nil {
		return nil, f
	}
	r, f := b.role(q.PathValue("role"))
	if f != nil {
		return nil, f
	}
	if r.noLogin {
		return nil, fail(http.StatusUnprocessableEntity, "role cannot login") // status and wording [? neon-reset-nologin]
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	r.password, r.updated = s.newPassword(), q.now
	made, ops := s.configure(q, b)
	r.made = made
	return roleOperations{r.withPassword(), operations(ops, q.now)}, nil
}

// getProjectBranchRolePassword is 412 when the project does not store passwords.
func (s *Server) getProjectBranchRolePassword(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	r, f := b.role(q.PathValue("role"))
	if f != nil {
		return nil, f
	}
	if !b.project.storePasswords || r.noLogin {
		return nil, fail(http.StatusPreconditionFailed, "storing passwords is disabled")
	}
	return struct {
		Password string `json:"password"`
	}{r.password}, nil
}

// deleteProjectBranchRole is 204 when there is nothing to delete.
func (s *Server) deleteProjectBranchRole(q *request) (any, *failure) {
	b, f := s.readableBranch(q)
	if f != nil {
		return nil, f
	}
	r, f := b.role(q.PathValue("role"))
	if f != nil {
		return nil, nil
	}
	if !b.project.running.done(q.now) {
		return nil, errLocked
	}
	if slices.ContainsFunc(b.databases, func(d *database) bool { return d.owner == r.name }) {
		return nil, fail(http.StatusUnprocessableEntity, "role %q owns databases", r.name) // status and wording [? neon-delete-owner]
	}
	if b.writer() == nil {
		return nil, errNoWriter
	}
	b.roles = slices.DeleteFunc(b.roles, func(o *role) bool { return o == r })
	_, ops := s.configure(q, b)
	return roleOperations{r.wire(), operations(ops, q.now)}, nil
}

// checkRole refuses names that PostgreSQL or Neon keeps: https://neon.com/docs/manage/roles#protected-role-names
func checkRole(name string) *failure {
	if f := checkName("role name", name, 63); f != nil {
		return f
	}
	switch name {
	case "anon", "authenticator", "neon_superuser", "cloud_admin", "zenith_admin", "public", "none":
		return fail(http.StatusBadRequest, "role name %q is reserved", name)
	}
	if strings.HasPrefix(name, "pg_") {
		return fail(http.StatusBadRequest, "role name %q is reserved", name)
	}
	return nil
}
