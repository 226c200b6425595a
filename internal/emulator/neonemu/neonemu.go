// Package neonemu emulates the Neon API, https://api-docs.neon.tech/reference: accounts, projects, branches, computes,
// roles, databases, connection strings, and the operations that each change takes, over time. It shares nothing with
// the client under test. Behaviour that Neon does not document is marked [?] where it is chosen.
package neonemu

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Server is the emulator, an http.Handler rooted at /api/v2. The zero value is ready. Set the exported fields before
// the first request; they are not guarded.
type Server struct {
	// Kit is what every emulator has: clock, latency, hooks, request log, late visibility in lists.
	emukit.Kit

	// APIKeys maps a bearer token to the account it opens. nil means DefaultAPIKeys().
	APIKeys map[string]Account

	// ProjectTime is how long the operations of a project's create take by the Kit's clock. 0 means 40 ms; below 0
	// they are finished when the reply is sent.
	ProjectTime time.Duration
	// OpTime is how long the operations of any other change take. 0 means 20 ms; below 0 none.
	OpTime time.Duration
	// FailOperation is asked for the text of an operation's error when a change to a project schedules it. "" means
	// that it will finish; nil means that all do. What a failed operation should have made is never usable.
	FailOperation func(projectID, action string) string

	// MaxProjects is how many projects one owner may have before a create is 422 PROJECTS_LIMIT_EXCEEDED. 0 means no limit.
	MaxProjects int
	// MaxBranches is how many branches a project may have before a create is 422 BRANCHES_LIMIT_EXCEEDED. 0 means no limit.
	MaxBranches int
	// RequestsPerMinute is how many calls an account may make to one route, Burst how many of them at once, before a call
	// is 429. 0 means no limit; Neon's are NeonRequestsPerMinute and NeonBurst, which a Burst of 0 stands for.
	RequestsPerMinute, Burst int
	// Regions are those that GET /regions returns and a create accepts; the first is the default. nil means
	// DefaultRegions().
	Regions []Region

	// HostSuffix ends every host given out. "" means not-connectable.invalid, which by RFC 6761 never resolves: without Postgres
	// a connection string has Neon's shape and reaches nothing.
	HostSuffix string
	// Postgres makes branches real. nil means control plane only: see Connectable.
	Postgres Postgres

	// ListDeleted keeps deleted projects in plain lists, with deleted_at, for the 7 days in which they can be recovered [? neon-list-deleted].
	ListDeleted bool

	once    sync.Once
	handler http.Handler

	mu       sync.Mutex
	seq      int64
	projects map[string]*project
	order    []*project // by creation
	branches map[string]*branch
	hosts    map[string]*endpoint // every one that ever was

	limiters map[string]*rate.Limiter // by account and route
	jobs     int                      // what Postgres has still to do
	rested   sync.Cond                // of mu: jobs is 0
}

const (
	defaultProjectTime = 40 * time.Millisecond
	defaultOpTime      = 20 * time.Millisecond
	recoverable        = 7 * 24 * time.Hour
	bodyLimit          = 1 << 20
)

// ServeHTTP serves the API. A route that is not modelled is 501.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.start)
	s.handler.ServeHTTP(w, r)
}

func (s *Server) start() {
	s.projects, s.branches, s.hosts = map[string]*project{}, map[string]*branch{}, map[string]*endpoint{}
	if s.APIKeys == nil {
		s.APIKeys = DefaultAPIKeys()
	}
	if s.Regions == nil {
		s.Regions = DefaultRegions()
	}
	s.limiters, s.rested.L = map[string]*rate.Limiter{}, &s.mu
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		s.mount(mux, rt)
	}
	s.handler = s.Kit.Wrap(emukit.API{
		Name: "neon", Mux: mux, Error: writeError, BodyLimit: func(string) int64 { return bodyLimit },
	})
}

type route struct {
	method, path string
	status       int // of a reply with a body; without one it is 204
	serve        func(*request) (any, *failure)
}

// routes lists what is modelled. Each is documented at https://api-docs.neon.tech/reference under its operation id, the
// function's name.
func (s *Server) routes() []route {
	const (
		get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
		ok, created           = http.StatusOK, http.StatusCreated
		project               = "/projects/{project}"
		branch                = project + "/branches/{branch}"
		endpoint              = project + "/endpoints/{endpoint}"
	)
	return []route{
		{get, "/auth", ok, s.getAuthDetails},
		{get, "/users/me", ok, s.getCurrentUserInfo},
		{get, "/users/me/organizations", ok, s.getCurrentUserOrganizations},
		{get, "/organizations/{org}", ok, s.getOrganization},
		{get, "/regions", ok, s.getActiveRegions},

		{get, "/projects", ok, s.listProjects},
		{post, "/projects", created, s.createProject},
		{get, project, ok, s.getProject},
		{patch, project, ok, s.updateProject},
		{del, project, ok, s.deleteProject},
		{post, project + "/recover", ok, s.recoverProject},
		{get, project + "/operations", ok, s.listProjectOperations},
		{get, project + "/operations/{operation}", ok, s.getProjectOperation},
		{get, project + "/connection_uri", ok, s.getConnectionURI},

		{get, project + "/branches", ok, s.listProjectBranches},
		{post, project + "/branches", created, s.createProjectBranch},
		{get, project + "/branches/count", ok, s.countProjectBranches},
		{get, branch, ok, s.getProjectBranch},
		{patch, branch, ok, s.updateProjectBranch},
		{del, branch, ok, s.deleteProjectBranch},
		{post, branch + "/recover", ok, s.recoverProjectBranch},
		{post, branch + "/set_as_default", ok, s.setDefaultProjectBranch},
		{get, branch + "/endpoints", ok, s.listProjectBranchEndpoints},

		{get, branch + "/roles", ok, s.listProjectBranchRoles},
		{post, branch + "/roles", created, s.createProjectBranchRole},
		{get, branch + "/roles/{role}", ok, s.getProjectBranchRole},
		{del, branch + "/roles/{role}", ok, s.deleteProjectBranchRole},
		{get, branch + "/roles/{role}/reveal_password", ok, s.getProjectBranchRolePassword},
		{post, branch + "/roles/{role}/reset_password", ok, s.resetProjectBranchRolePassword},

		{get, branch + "/databases", ok, s.listProjectBranchDatabases},
		{post, branch + "/databases", created, s.createProjectBranchDatabase},
		{get, branch + "/databases/{database}", ok, s.getProjectBranchDatabase},
		{patch, branch + "/databases/{database}", ok, s.updateProjectBranchDatabase},
		{del, branch + "/databases/{database}", ok, s.deleteProjectBranchDatabase},

		{get, project + "/endpoints", ok, s.listProjectEndpoints},
		{post, project + "/endpoints", created, s.createProjectEndpoint},
		{get, endpoint, ok, s.getProjectEndpoint},
		{patch, endpoint, ok, s.updateProjectEndpoint},
		{del, endpoint, ok, s.deleteProjectEndpoint},
		{post, endpoint + "/start", ok, s.startProjectEndpoint},
		{post, endpoint + "/suspend", ok, s.suspendProjectEndpoint},
		{post, endpoint + "/restart", ok, s.restartProjectEndpoint},
	}
}

// next returns a number that grows with each thing created. s.mu is held.
func (s *Server) next() int64 {
	s.seq++
	return s.seq
}
