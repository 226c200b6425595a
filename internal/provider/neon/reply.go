package neon

import (
	"cmp"
	"time"
)

type projectReply struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	RegionID  string    `json:"region_id"`
	PgVersion int64     `json:"pg_version"`
	OrgID     string    `json:"org_id"`
	OwnerID   string    `json:"owner_id"`
	CreatedAt time.Time `json:"created_at"`
	DeletedAt string    `json:"deleted_at"`
}

// account is who owns the project: an organisation, else a person.
func (p projectReply) account() string { return cmp.Or(p.OrgID, p.OwnerID) }

type branchReply struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	CurrentState string    `json:"current_state"`
	Default      bool      `json:"default"`
	CreatedAt    time.Time `json:"created_at"`
}

type endpointReply struct {
	ID           string    `json:"id"`
	Host         string    `json:"host"`
	Type         string    `json:"type"`
	CurrentState string    `json:"current_state"`
	Disabled     bool      `json:"disabled"`
	CreatedAt    time.Time `json:"created_at"`
}

type roleReply struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

type databaseReply struct {
	Name      string    `json:"name"`
	OwnerName string    `json:"owner_name"`
	CreatedAt time.Time `json:"created_at"`
}

type operationReply struct {
	ID         string    `json:"id"`
	BranchID   string    `json:"branch_id"`
	EndpointID string    `json:"endpoint_id"`
	Action     string    `json:"action"`
	Status     string    `json:"status"`
	Error      string    `json:"error"`
	CreatedAt  time.Time `json:"created_at"`
}

type projectPage struct {
	Projects   []projectReply `json:"projects"`
	Pagination struct {
		Cursor string `json:"cursor"`
	} `json:"pagination"`
	Unavailable []string `json:"unavailable_project_ids"`
}

type projectMade struct {
	Project   projectReply    `json:"project"`
	Branch    branchReply     `json:"branch"`
	Endpoints []endpointReply `json:"endpoints"`
}

func (p *projectPage) Missing() string { return list(p.Projects, "projects") }
func (p *projectMade) Missing() string { return field(p.Project.ID, "project.id") }

type oneProject struct {
	Project projectReply `json:"project"`
}

func (r *oneProject) Missing() string { return field(r.Project.ID, "project.id") }

type operationList struct {
	Operations []operationReply `json:"operations"`
}

func (r *operationList) Missing() string { return list(r.Operations, "operations") }

type connection struct {
	URI string `json:"uri"`
}

func (r *connection) Missing() string { return field(r.URI, "uri") }

type branchPage struct {
	Branches   []branchReply `json:"branches"`
	Pagination struct {
		Next string `json:"next"`
	} `json:"pagination"`
}

func (r *branchPage) Missing() string { return list(r.Branches, "branches") }

type oneBranch struct {
	Branch branchReply `json:"branch"`
}

func (r *oneBranch) Missing() string { return field(r.Branch.ID, "branch.id") }

type endpointList struct {
	Endpoints []endpointReply `json:"endpoints"`
}

func (r *endpointList) Missing() string { return list(r.Endpoints, "endpoints") }

type oneEndpoint struct {
	Endpoint endpointReply `json:"endpoint"`
}

func (r *oneEndpoint) Missing() string { return field(r.Endpoint.ID, "endpoint.id") }

type oneRole struct {
	Role roleReply `json:"role"`
}

func (r *oneRole) Missing() string { return field(r.Role.Name, "role.name") }

type oneDatabase struct {
	Database databaseReply `json:"database"`
}

func (r *oneDatabase) Missing() string { return field(r.Database.Name, "database.name") }

// field and list name what a reply lacks, "" when it is there.
func field(value, name string) string {
	if value == "" {
		return name
	}
	return ""
}

func list[T any](items []T, name string) string {
	if items == nil {
		return name
	}
	return ""
}
