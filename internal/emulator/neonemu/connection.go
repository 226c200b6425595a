package neonemu

import (
	"net/http"
	"net/url"
	"strings"
)

// host is what a compute's connection string names: ep-cool-sun-12345678.us-east-2.aws.not-connectable.invalid, with -pooler
// after its first label when pooled. With Postgres it is the host and port that a read-write compute is reached at,
// which has no pooler: both are the same.
func (s *Server) host(e *endpoint, pooled bool) string {
	if e.kind == readWrite && e.branch.real.address != "" {
		return e.branch.real.address
	}
	id := e.id
	if pooled {
		id += "-pooler"
	}
	return id + "." + e.project.region.host(s.suffix())
}

type connectionDetails struct {
	ConnectionURI        string `json:"connection_uri"`
	ConnectionParameters struct {
		Database   string `json:"database"`
		Password   string `json:"password"`
		Role       string `json:"role"`
		Host       string `json:"host"`
		PoolerHost string `json:"pooler_host"`
	} `json:"connection_parameters"`
}

func (s *Server) connection(e *endpoint, r *role, d *database) connectionDetails {
	var c connectionDetails
	c.ConnectionURI = s.uri(e, r, d, false)
	p := &c.ConnectionParameters
	p.Database, p.Password, p.Role, p.Host, p.PoolerHost = d.name, r.password, r.name, s.host(e, false), s.host(e, true)
	return c
}

func (s *Server) uri(e *endpoint, r *role, d *database, pooled bool) string {
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(r.name, r.password), Host: s.host(e, pooled), Path: "/" + d.name}
	u.RawQuery = "sslmode=require&channel_binding=require"
	return u.String()
}

// getConnectionURI is 423 while the branch, compute, role or database it names is still being made [? neon-uri-too-early]: Neon says only
// that they are not usable before their operations have finished, and that 423 is safe to retry.
func (s *Server) getConnectionURI(q *request) (any, *failure) {
	p, f := s.readable(q)
	if f != nil {
		return nil, f
	}
	pooled, f := q.flag("pooled")
	if f != nil {
		return nil, f
	}
	for _, name := range []string{"database_name", "role_name"} {
		if q.param(name) == "" {
			return nil, fail(http.StatusBadRequest, "query parameter %q is required", name)
		}
	}
	e, f := p.compute(q.param("branch_id"), q.param("endpoint_id"))
	if f != nil {
		return nil, f
	}
	r, f := e.branch.role(q.param("role_name"))
	if f != nil {
		return nil, f
	}
	d, f := e.branch.database(q.param("database_name"))
	if f != nil {
		return nil, f
	}
	for _, made := range []*batch{e.branch.made, e.made, r.made, d.made} {
		if !made.usable(q.now) {
			return nil, errLocked
		}
	}
	if !p.storePasswords || r.noLogin {
		return nil, fail(http.StatusPreconditionFailed, "storing passwords is disabled")
	}
	return struct {
		URI string `json:"uri"`
	}{s.uri(e, r, d, pooled)}, nil
}

// compute returns the endpoint asked for, else the branch's read-write one; the branch asked for, else the default one.
func (p *project) compute(branchID, endpointID string) (*endpoint, *failure) {
	b := p.defaultBranch()
	if branchID != "" {
		var f *failure
		if b, f = p.branchByID(branchID); f != nil {
			return nil, f
		}
	}
	if endpointID != "" {
		e, f := p.endpointByID(endpointID)
		if f == nil && branchID != "" && e.branch != b {
			return nil, notFound("endpoint")
		}
		return e, f
	}
	if e := b.writer(); e != nil {
		return e, nil
	}
	return nil, errNoWriter
}

// first returns the first failure.
func first(fs ...*failure) *failure {
	for _, f := range fs {
		if f != nil {
			return f
		}
	}
	return nil
}

func checkName(what, name string, max int) *failure {
	if name == "" || len(name) > max || strings.ContainsRune(name, 0) {
		return fail(http.StatusBadRequest, "%s must have from 1 to %d bytes", what, max)
	}
	return nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func orName(name *string, otherwise string) string {
	if name == nil {
		return otherwise
	}
	return *name
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
