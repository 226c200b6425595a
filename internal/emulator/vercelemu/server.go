// Package vercelemu is an emulator of the Vercel REST API, and of the hosting behind it: projects, environment
// variables, files, deployments, aliases, promotion, rollback, domains and deployment protection, in memory. It
// shares no code with any client of that API. What it does not model answers 501 with the route's name.
//
// Behaviour follows https://vercel.com/docs/rest-api and, where that is silent, recorded replies; a comment says
// [?] where neither is known.
package vercelemu

import (
	"cmp"
	"container/heap"
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// DefaultToken is the token that a Server without Tokens accepts, for DefaultAccount. The vendor's CLI takes letters,
// digits and underscores only.
const DefaultToken = "vercelEmulatorToken"

// User is a person with a personal account.
type User struct{ ID, Username, Email, Name string }

// Team is an account that users share.
type Team struct{ ID, Slug, Name string }

// Account is what a token opens.
type Account struct {
	User User
	// Teams are those that the user is a member of, chosen by ?teamId= or ?slug=. Without either a call is about
	// the user's personal account.
	Teams []Team
	// ReadOnly answers 403 to every call that would change something.
	ReadOnly bool
	// SoftBlocked answers 402 to every call that would change something, as an account does that has not paid.
	SoftBlocked bool
	// OnlyTeams, when not empty, are the team ids that the token is limited to; the personal account is then 403.
	OnlyTeams []string
	// Role is the user's in the teams: "" is OWNER, or VIEWER when ReadOnly. DEVELOPER and CONTRIBUTOR may not do all.
	Role string
	// Permissions are the user's extended permissions in the teams, such as CreateProject.
	Permissions []string
	// ProjectOnly limits the token to projects: what is the user's or a team's is 403.
	ProjectOnly bool
	// NoGitHub means that Vercel's GitHub app is installed nowhere.
	NoGitHub bool
	// Expires is when the token ends. Zero: never.
	Expires time.Time
}

// DefaultAccount returns the account behind DefaultToken: user "emulator" with the team "acme".
func DefaultAccount() Account {
	return Account{
		User:  User{ID: "K4amb7K9dAt5R2vBJWF32bmY", Username: "emulator", Email: "emulator@example.com", Name: "Emulator"},
		Teams: []Team{{ID: "team_LLHUOMOoDlqOp8wPE4kFo9pE", Slug: "acme", Name: "Acme"}},
	}
}

// Server is the emulator. The zero value is ready. Set the exported fields before the first request.
type Server struct {
	emukit.Kit

	// Tokens are the accepted bearer tokens. nil accepts DefaultToken only.
	Tokens map[string]Account
	// MaxProjects is how many projects an account may have; one more is 402 too_many_projects. 0 means no limit.
	MaxProjects int
	// BuildTime is from a deployment's create to READY or ERROR. 0 means 100 ms, negative at once.
	BuildTime time.Duration
	// AliasTime is from READY to aliasAssigned. 0 means 20 ms, negative at once.
	AliasTime time.Duration
	// PromoteTime is what promote and rollback take for each alias they move. 0 means 20 ms, negative at once.
	PromoteTime time.Duration
	// Unprotected makes new projects without deployment protection. Real ones have ssoProtection
	// prod_deployment_urls_and_all_previews: all but production aliases need authentication.
	Unprotected bool
	// VerifiedDomains makes new project domains verified at once, as for a domain that nobody else uses. Otherwise
	// they wait for the TXT record that SetTXT plants.
	VerifiedDomains bool
	// TakenDomains are on projects of accounts that no token opens.
	TakenDomains []string
	// DNS returns the values of the public DNS's records of a type, such as TXT, at a name. nil: none but what SetTXT and
	// SetDNS say.
	DNS func(name, kind string) []string
	// DomainSuffix is what follows the dot of deployment URLs and project aliases. "" means vercel.app. A hosting
	// listener sets localhost:PORT.
	DomainSuffix string
	// EnvConflictStatus is the status of a refused single environment variable that exists already: 400, 403 and
	// 409 are all documented, and which one it is, is not [? vercel-env-conflict]. 0 means 400, with code ENV_CONFLICT; 403 comes with ENV_ALREADY_EXISTS and 409 with
	// existing_key_and_target.
	EnvConflictStatus int
	// EnvFails, when it returns a code, fails that variable of a create. It is called with the server locked.
	EnvFails func(key string) (code string)
	// BuildFails decides whether a deployment's build fails, by returning its error message. It is called at create
	// with the server locked. nil fails a tree that has a file vercelemu.fail in its root, with that file's text.
	BuildFails func(Build) string
	// AliasFails keeps an alias from being moved to a deployment: aliasError at a build, a failed alias at a promote.
	// It is called with the server locked.
	AliasFails func(host string) bool
	// BuildTakes, when it returns more than 0, is that deployment's BuildTime, so that builds can finish out of order.
	// It is called at create with the server locked.
	BuildTakes func(Build) time.Duration
	// PromoteDeadline is how long a promotion or rollback may take: aliases not moved by then are failed, and so is the
	// job. 0 means no deadline.
	PromoteDeadline time.Duration
	// EnvBusy, when it returns true, refuses that write of environment variables with the documented 400 for an ongoing
	// update, which may be tried again. It is called with the server locked.
	EnvBusy func() bool
	// DeploymentsPerDay is how many deployments an account may make in 24 hours; one more is 402
	// api-deployments-free-per-day. 0 means no limit.
	DeploymentsPerDay int
	// MaxCustomEnvironments is how many custom environments an account's project may have. 0 means 12.
	MaxCustomEnvironments int
	// RateLimits counts calls against the documented limits of a plan, Hobby or Pro. "" does not count.
	RateLimits Plan
	// RetryAfterDate makes Retry-After of a rate limit an HTTP date instead of seconds. Clients have to read both.
	RetryAfterDate bool
	// Repos finds the repository "org/name" of a Git provider: github, gitlab or bitbucket. nil finds none, and lets any
	// be linked.
	Repos func(provider, name string) *Repository
	// LinkFails, when it returns a refusal, keeps a repository from being linked.
	LinkFails func(provider, name string) LinkRefusal
	// MaxFile is how many bytes one uploaded file may have; one more is 413. 0 means 1 GB, as the uploads of a Pro account have; those of a Hobby
	// account have 100 MB: https://vercel.com/docs/limits
	MaxFile int
	// MaxLinks is how many projects one repository may be linked to. 0 means no limit.
	MaxLinks int
	// WebhookTransport carries webhooks. nil dials, without a proxy, and loopback only in any case.
	WebhookTransport http.RoundTripper
	// Node is the Node.js program that runs functions. "" looks for node on PATH.
	Node string
	// HostNetwork lets functions use this machine's network. Otherwise one that runs isolated has a loopback alone, and
	// reaches there the ports of this machine's that the deployment's env names at localhost and Reachable allows:
	// emulated stores are loopback services, and whoever may deploy must not get at all others.
	HostNetwork bool
	// Reachable tells which ports functions may reach. nil: none.
	Reachable func(port int) bool
	// Partner makes the stores that are bought in the Marketplace. nil makes stores without variables.
	Partner Partner
	// NoMarketplace makes every account one that has installed no integration.
	NoMarketplace bool
	// CAFile holds certificates that functions trust besides the usual ones. "" means none.
	CAFile string

	once    sync.Once
	handler http.Handler
	nodeSem chan struct{}
	runner  func() runner // finds it at the first call

	life       context.Context // until Close
	end        context.CancelFunc
	direct     *http.Transport
	deliveries sync.WaitGroup

	mu          sync.Mutex
	scopes      map[string]*scope // by id of user or team
	deployments map[string]*deployment
	hosts       map[string]*deployment // by generated hostname
	aliases     map[string]*alias      // by hostname
	txt         map[string][]string
	dns         map[string]string
	due         events
	planned     int
	edition     int // of the state: another one after each change but by time alone
	lastStamp   int64
	counts      map[string]*window // by account, limit and window
	awake       bool               // there has been a webhook
	closed      bool
	workDir     string // where functions' files are laid out; made when first needed
}

// Build is what BuildFails may look at.
type Build struct {
	ID, Project, Target string
	Meta                map[string]string
	// File returns a file of the tree, or nil.
	File func(name string) []byte
}

// scope is one account's world.
type scope struct {
	id, slug string
	team     string // name, "" for a personal account
	projects []*project
	webhooks []*webhook
	stores   []*marketStore
	files    map[string][]byte // by SHA-1
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.init)
	s.handler.ServeHTTP(w, r)
}

// Close ends the delivery of webhooks and removes what functions have laid out on disk.
func (s *Server) Close() {
	s.once.Do(s.init)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.deliveries.Wait()
	s.direct.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workDir != "" {
		_ = os.RemoveAll(s.workDir)
		s.workDir = ""
	}
}

func (s *Server) init() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Tokens == nil {
		s.Tokens = map[string]Account{DefaultToken: DefaultAccount()}
	}
	s.scopes = map[string]*scope{}
	s.deployments = map[string]*deployment{}
	s.hosts = map[string]*deployment{}
	s.aliases = map[string]*alias{}
	s.txt = map[string][]string{}
	s.dns = map[string]string{}
	s.counts = map[string]*window{}
	s.life, s.end = context.WithCancel(context.Background())
	s.direct = &http.Transport{}
	s.nodeSem = make(chan struct{}, maxFunctions)
	s.runner = sync.OnceValue(func() runner { return findRunner(cmp.Or(s.Node, "node")) })
	for _, a := range s.Tokens {
		s.scopes[a.User.ID] = &scope{id: a.User.ID, slug: a.User.Username, files: map[string][]byte{}}
		for _, t := range a.Teams {
			s.scopes[t.ID] = &scope{id: t.ID, slug: t.Slug, team: t.Name, files: map[string][]byte{}}
		}
	}
	s.handler = s.Wrap(emukit.API{Name: "vercel", Mux: s.mux(), Error: writeError, BodyLimit: s.bodyLimit})
}

// bodyLimit is that of a file upload, 64 MB for a deployment, whose body lists each of its files, and 10 MB for any other JSON body [? vercel-body-limit].
func (s *Server) bodyLimit(route string) int64 {
	switch {
	case strings.HasSuffix(route, "/files"):
		return int64(cmp.Or(s.MaxFile, 1_000_000_000))
	case strings.HasSuffix(route, "/v13/deployments"):
		return 64 << 20
	}
	return 10 << 20
}

func (s *Server) suffix() string { return cmp.Or(s.DomainSuffix, "vercel.app") }

func span(d, ifZero time.Duration) time.Duration {
	if d == 0 {
		return ifZero
	}
	return max(d, 0)
}

func (s *Server) buildTime() time.Duration   { return span(s.BuildTime, 100*time.Millisecond) }
func (s *Server) aliasTime() time.Duration   { return span(s.AliasTime, 20*time.Millisecond) }
func (s *Server) promoteTime() time.Duration { return span(s.PromoteTime, 20*time.Millisecond) }

// stamp returns the present time in milliseconds, never twice the same, so that paging by time loses nothing.
func (s *Server) stamp() int64 {
	s.lastStamp = max(s.lastStamp+1, s.Clock().UnixMilli())
	return s.lastStamp
}

// event is something that happens at a time. What is due happens before anything looks at the state.
type event struct {
	at time.Time
	n  int // what is due at one time happens in the order of its planning
	do func(at time.Time)
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].n < e[j].n
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

func (s *Server) at(t time.Time, do func(at time.Time)) {
	s.planned++
	heap.Push(&s.due, event{t, s.planned, do})
	if s.awake {
		s.alarm(t)
	}
}

// advance lets happen what is due by now.
func (s *Server) advance(now time.Time) {
	for len(s.due) > 0 && !s.due[0].at.After(now) {
		e := heap.Pop(&s.due).(event)
		s.edition++
		e.do(e.at)
	}
}
