// Package upstashemu emulates Upstash: the Developer API (https://upstash.com/docs/devops/developer-api) for Redis
// databases, Vector indexes and teams, and the REST data planes of what it makes. It shares nothing with the client
// under test. Behaviour that Upstash does not document is marked [?] where it is chosen.
package upstashemu

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Server is the emulator: itself the Developer API, an http.Handler rooted at /v2, and with Data the data planes. The
// zero value is ready. Set the exported fields before the first request; they are not guarded.
type Server struct {
	// Kit is what every emulator has: clock, latency, hooks, request log, late visibility in lists. The Developer API
	// is "upstash" in its log, the data planes are "upstash-data".
	emukit.Kit

	// Accounts maps an account's email to it. nil means DefaultAccounts().
	Accounts map[string]Account
	// RefuseDeveloperAPI answers every call of the Developer API as for an account that was made through Vercel or
	// Fly: only native accounts may use it. The data planes go on.
	RefuseDeveloperAPI bool
	// RefuseStatus is the status of that answer, which is not documented [? upstash-vercel-account]. 0 means 403.
	RefuseStatus int

	// MaxDatabases and MaxIndexes are how many an account may have before a create is 400 [? upstash-limit]. 0 means no limit.
	MaxDatabases, MaxIndexes int
	// UniqueNames refuses a second database or index of the same name with 409 [? upstash-duplicate-name]. By default names may repeat.
	UniqueNames bool
	// CreateTime is how long a new database or index is being made by the Kit's clock: until then its data plane is
	// 503, and a database is not yet active. 0 means 10 ms; below 0 it is ready when the reply is sent.
	CreateTime time.Duration

	// SlugEndpoints gives a Redis endpoint as a bare slug (beloved-stallion-58500), as the published document shows
	// it, and not as the host that live replies carry.
	SlugEndpoints bool
	// DataSuffix follows the slug in every host given out. "" means .upstash.io.
	DataSuffix string
	// DataURL, when set, is where Data listens (http://127.0.0.1:4003), and every endpoint given out is a URL below
	// it, http://127.0.0.1:4003/SLUG: where a client takes a URL for an endpoint, it is really answered. It may be set
	// once that port is known, before the first database or index is made.
	DataURL string

	once sync.Once
	api  http.Handler
	data http.Handler

	mu        sync.Mutex
	databases map[string]*database
	indexes   map[string]*index
	order     struct { // by creation
		databases []*database
		indexes   []*index
	}
	stores map[string]store // by slug
	teams  []*team          // by creation
}

// store is what a slug of the data planes leads to.
type store interface {
	ready(now time.Time) bool
	serve(s *Server, w http.ResponseWriter, q *dataRequest)
}

// Account is a native Upstash account. Its email is its customer id.
type Account struct {
	APIKey string
	// ReadOnly refuses every change: the key was made to read.
	ReadOnly bool
	// Teams are those that the account is in from the start.
	Teams []Team
}

// Team is a team of accounts.
type Team struct {
	ID     string `json:"team_id"`
	Name   string `json:"team_name"`
	CopyCC bool   `json:"copy_cc"`
}

// The account of DefaultAccounts. It opens nothing but an emulator.
const (
	DefaultEmail  = "emulator@example.com"
	DefaultAPIKey = "upstash-emulator-key"
)

// DefaultAccounts returns the accounts of a Server whose Accounts is nil: DefaultEmail with DefaultAPIKey.
func DefaultAccounts() map[string]Account {
	return map[string]Account{DefaultEmail: {APIKey: DefaultAPIKey}}
}

const (
	defaultCreateTime = 10 * time.Millisecond
	apiBodyLimit      = 1 << 20
	dataBodyLimit     = 10 << 20 // db_max_request_size of what it gives out
)

// ServeHTTP serves the Developer API. A route that is not modelled is 501.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.start)
	s.api.ServeHTTP(w, r)
}

// Data returns the data planes: the store is the one whose slug is the first label of the request's host, else the
// first segment of its path. The other exported fields must be set before it is called.
func (s *Server) Data() http.Handler {
	s.once.Do(s.start)
	return s.data
}

// Close frees what the databases hold. The Server is of no use after it.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.databases {
		d.redis.Close()
	}
}

func (s *Server) start() {
	s.databases, s.indexes, s.stores = map[string]*database{}, map[string]*index{}, map[string]store{}
	if s.Accounts == nil {
		s.Accounts = DefaultAccounts()
	}
	s.foundTeams()
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		s.mount(mux, rt)
	}
	s.api = s.Wrap(emukit.API{
		Name: "upstash", Mux: mux, Error: injected, BodyLimit: func(string) int64 { return apiBodyLimit },
	})
	data := http.NewServeMux()
	data.HandleFunc("/", s.serveData)
	s.data = s.Wrap(emukit.API{
		Name: "upstash-data", Mux: data, Error: injected, BodyLimit: func(string) int64 { return dataBodyLimit },
	})
}

type route struct {
	method, path string
	shape        shape
	serve        func(*request) (any, *failure)
}

// routes lists what is modelled. Each is documented at https://upstash.com/docs/devops/developer-api.
func (s *Server) routes() []route {
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return []route{
		{get, "/redis/databases", asString, s.listDatabases},
		{post, "/redis/database", asString, s.createDatabase},
		{get, "/redis/database/{id}", asString, s.getDatabase},
		{del, "/redis/database/{id}", asString, s.deleteDatabase},
		{post, "/redis/{verb}/{id}", asString, s.changeDatabase},
		{patch, "/redis/update-budget/{id}", asString, s.updateBudget},

		{get, "/vector/index", asError, s.listIndices},
		{get, "/vector/index/{$}", asError, s.listIndices},
		{post, "/vector/index", asError, s.createIndex},
		{get, "/vector/index/{id}", asError, s.getIndex},
		{del, "/vector/index/{id}", asError, s.deleteIndex},
		{post, "/vector/index/{id}/rename", asError, s.renameIndex},
		{post, "/vector/index/{id}/reset-password", asError, s.resetIndexPasswords},
		{post, "/vector/index/{id}/setplan", asError, s.setIndexPlan},

		{get, "/teams", asMessage, s.listTeams},
		{post, "/team", asMessage, s.createTeam},
		{del, "/team/{id}", asMessage, s.deleteTeam},
		{get, "/teams/{id}", asMessage, s.getTeamMembers},
		{post, "/teams/member", asMessage, s.addTeamMember},
		{del, "/teams/member", asMessage, s.deleteTeamMember},
	}
}

// endpoint is how a store is named to the outside.
func (s *Server) endpoint(slug string) string {
	if s.DataURL != "" {
		return strings.TrimSuffix(s.DataURL, "/") + "/" + slug
	}
	suffix := s.DataSuffix
	if suffix == "" {
		suffix = ".upstash.io"
	}
	return slug + suffix
}

func (s *Server) createTime() time.Duration {
	if s.CreateTime == 0 {
		return defaultCreateTime
	}
	return max(s.CreateTime, 0)
}

var (
	adjectives = []string{
		"apt", "beloved", "bright", "busy", "clean", "eager", "fleet", "glowing", "humble", "keen", "lucky",
		"noble", "proper", "quick", "rapid", "sound", "stable", "topical", "usable", "witty",
	}
	animals = []string{
		"baboon", "bass", "bear", "cat", "cow", "dog", "duck", "falcon", "goat", "hare", "koala", "lion", "mink",
		"moose", "owl", "panda", "rabbit", "stallion", "tiger", "whale",
	}
)

// newSlug returns a slug as Upstash makes them: beloved-stallion-58500, with tail after it.
func (s *Server) newSlug(tail string) string {
	for {
		slug := adjectives[s.RandomInt(len(adjectives))] + "-" + animals[s.RandomInt(len(animals))] + "-" +
			s.RandomString(1, "123456789") + s.RandomString(4, "0123456789") + tail
		if _, taken := s.stores[slug]; !taken {
			return slug
		}
	}
}
