// Package githubemu emulates the part of the GitHub REST API, https://docs.github.com/en/rest, that a deployment tool
// needs: repositories, branches, refs, commits, commit statuses, deployments, checks, issue comments, and webhooks that
// are signed and really delivered, to this machine only. It shares nothing with the client under test. No document of
// GitHub's is at hand to judge it by: each route names its page, and what no page says is marked [?].
package githubemu

import (
	"net/http"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// DefaultToken is the token that a Server without Tokens accepts, for DefaultAccount.
const DefaultToken = "ghp_emulator000000000000000000000000000000"

// Account is what a token opens.
type Account struct {
	ID    int64
	Login string
	// Orgs are the organisations whose repositories the account owns too.
	Orgs []string
	// FineGrained makes the token a fine-grained one: no scopes, and 403 with the permission it lacks.
	FineGrained bool
	// ReadOnly refuses every change: with 403 for a fine-grained token, and with 404 for a classic one, as the scopes
	// of the latter hide what it may not do.
	ReadOnly bool
	// App makes it an app's installation token, which alone may write checks.
	App bool
	// Repos, when not empty, are the full names of the repositories that the token is limited to.
	Repos []string
	// Expires is when the token ends; replies tell it. Zero: never.
	Expires time.Time
}

// DefaultAccount returns the account behind DefaultToken: "emulator" in the organisation "acme".
func DefaultAccount() Account {
	return Account{ID: 1001, Login: "emulator", Orgs: []string{"acme"}}
}

// Server is the emulator, an http.Handler rooted at /. The zero value is ready: it has the private repository
// acme/shop with one commit on main. Set the exported fields before the first request; they are not guarded.
type Server struct {
	// Kit is what every emulator has.
	emukit.Kit

	// Tokens are the accepted tokens. nil accepts DefaultToken only.
	Tokens map[string]Account
	// RateLimit is how many calls a token may make in an hour; without a token it is 60. 0 means 5000. The next one is
	// 403 with x-ratelimit-remaining 0.
	RateLimit int

	once    sync.Once
	handler http.Handler
	out     sync.WaitGroup // webhooks under way
	stop    func()
	client  *http.Client

	mu    sync.Mutex
	seq   int64
	repos []*repo // by creation
	used  map[string]*usage
}

// usage is a token's calls in its present hour.
type usage struct {
	since time.Time
	calls int
}

// ServeHTTP serves the API. A route that is not modelled is 501.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.start)
	s.handler.ServeHTTP(w, r)
}

// Close cuts the webhooks that are under way and returns when they are gone.
func (s *Server) Close() {
	s.once.Do(s.start)
	s.stop()
	s.out.Wait()
}

func (s *Server) start() {
	if s.Tokens == nil {
		s.Tokens = map[string]Account{DefaultToken: DefaultAccount()}
	}
	s.startWebhooks()
	s.used = map[string]*usage{}
	s.seq = 700000000
	shop := s.newRepo("acme", "Organization", "shop", true)
	s.commit(shop, defaultBranch, "Initial commit", "emulator", s.Clock(), map[string][]byte{"README.md": []byte("# shop\n")})
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) { s.answer(rt, w, r) })
	}
	s.handler = s.Wrap(emukit.API{Name: "github", Mux: mux, Error: injected, PageSize: "per_page", BodyLimit: func(string) int64 { return bodyLimit }})
}

// bodyLimit is the most that a body may have [? github-body-limit]. Files over 100 MB are refused by GitHub; none are needed here.
const bodyLimit = 25 << 20

// next returns an id. s.mu is held, or nobody else is there yet.
func (s *Server) next() int64 {
	s.seq++
	return s.seq
}

var _ emukit.State = (*Server)(nil)

func (s *Server) graph() emukit.Graph {
	return emukit.Graph{Name: "github", Root: s, Kit: &s.Kit, Skip: []string{"Server.handler", "Server.client", "Server.used"}}
}

// SaveState is of emukit.State.
func (s *Server) SaveState() ([]byte, error) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.graph().Save()
}

// LoadState is of emukit.State.
func (s *Server) LoadState(raw []byte) error {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.graph().Load(raw)
}

// ResetState is of emukit.State: what is left is what a new Server has.
func (s *Server) ResetState() error {
	fresh := &Server{}
	defer fresh.Close()
	raw, err := fresh.SaveState()
	if err != nil {
		return err
	}
	return s.LoadState(raw)
}
