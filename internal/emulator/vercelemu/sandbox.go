package vercelemu

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// SandboxServer is an emulator of the Vercel Sandbox API (https://vercel.com/api/v2/sandboxes). Commands really run, each
// isolated by internal/isolate in the sandbox's own folders; where this machine cannot isolate, running one is 501 that
// says what to install. The zero value is ready. Set the exported fields before the first request.
//
// It differs from the real one in what a folder cannot be: each command has its own processes, so that no command sees
// another's, and what a command leaves in the background ends with it; the commands of a session share a loopback, but
// for those on this machine's network, and a policy that changes holds for commands that start later; sudo runs as the
// same user; ports have routes that nobody serves; snapshots, forks, drives and interactive sessions are 501. A
// persistent sandbox keeps its folders from one session to the next, without a snapshot.
type SandboxServer struct {
	emukit.Kit

	// Tokens are the accepted bearer tokens, beside those of OIDCToken. nil accepts DefaultToken only.
	Tokens map[string]Account
	// MaxLife is the longest that a session may live, extensions included. 0 means 45 minutes, as on the Hobby plan.
	MaxLife time.Duration
	// StopTime is how long a session is stopping. Zero means at once.
	StopTime time.Duration
	// HostNetwork lets a sandbox whose network policy is allow-all use this machine's network. Otherwise no command has
	// any but its session's loopback, whatever the policy. A policy that names domains or addresses is kept, and has none
	// either way.
	HostNetwork bool
	// Dir is where the sandboxes' folders are made. "" means the system's temporary folder.
	Dir string

	once    sync.Once
	handler http.Handler
	key     []byte // signs OIDC tokens

	mu       sync.Mutex
	closed   bool
	all      []*sandbox // in order of their making
	sessions map[string]*session
	running  sync.WaitGroup // goroutines of sessions and commands
}

// ServeHTTP serves the API, with /api before the paths or without.
func (s *SandboxServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.init)
	if strings.HasPrefix(r.URL.Path, "/api/") {
		http.StripPrefix("/api", s.handler).ServeHTTP(w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

func (s *SandboxServer) init() {
	if s.Tokens == nil {
		s.Tokens = map[string]Account{DefaultToken: DefaultAccount()}
	}
	s.key = []byte(s.RandomString(32, emukit.Alnum))
	s.sessions = map[string]*session{}
	mux := http.NewServeMux()
	for _, rt := range sandboxRoutes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			if f := s.answer(rt, &sandboxCall{call: call{r: r, w: w, values: r.URL.Query()}}); f != nil {
				f.write(w)
			}
		})
	}
	s.handler = s.Wrap(emukit.API{Name: "sandbox", Mux: mux, Error: writeError, BodyLimit: sandboxBodyLimit})
}

func sandboxBodyLimit(route string) int64 {
	if strings.HasSuffix(route, "/fs/write") {
		return maxArchive
	}
	return 10 << 20
}

// Close ends all commands and removes all folders.
func (s *SandboxServer) Close() {
	s.once.Do(s.init)
	s.mu.Lock()
	s.closed = true
	for _, ses := range s.sessions {
		ses.cut()
	}
	boxes := s.all
	s.mu.Unlock()
	s.running.Wait()
	for _, b := range boxes {
		_ = os.RemoveAll(b.dir)
	}
}

// sandboxRoute is one modelled operation.
type sandboxRoute struct {
	method, path string
	body         *schema
	do           func(*SandboxServer, *sandboxCall) (any, *failure)
	stream       func(*SandboxServer, *sandboxCall) *failure // instead of do: reads and writes as it goes
	differs      string                                      // from the published document, and why
}

// sandboxCall is one authenticated request.
type sandboxCall struct {
	call
	team    string
	project string // that the token is limited to, "" for any
	sent    int    // bytes of a stream
}

const sessionPath = "/v2/sandboxes/sessions/{session}"

// lineByLine is the difference of the streams.
const lineByLine = "the document has a stream's line as text; the vendor's client reads an object"

func sandboxRoutes() []sandboxRoute {
	return []sandboxRoute{
		{method: "POST", path: "/v2/sandboxes", body: createV2, do: (*SandboxServer).create},
		{method: "POST", path: "/v3/sandboxes", body: createV3, do: (*SandboxServer).create},
		{method: "GET", path: "/v2/sandboxes", do: (*SandboxServer).list},
		{method: "GET", path: "/v2/sandboxes/{name}", do: (*SandboxServer).get},
		{method: "PATCH", path: "/v2/sandboxes/{name}", body: patchBody, do: (*SandboxServer).patch},
		{method: "DELETE", path: "/v2/sandboxes/{name}", do: (*SandboxServer).remove},
		{method: "GET", path: "/v2/sandboxes/sessions", do: (*SandboxServer).listSessions},
		{method: "GET", path: sessionPath, do: (*SandboxServer).getSession},
		{method: "POST", path: sessionPath + "/stop", do: (*SandboxServer).stop},
		{method: "POST", path: sessionPath + "/extend-timeout", body: extendBody, do: (*SandboxServer).extend},
		{method: "POST", path: sessionPath + "/network-policy", body: policyBody, do: (*SandboxServer).setPolicy},
		{method: "GET", path: sessionPath + "/cmd", do: (*SandboxServer).listCommands},
		{method: "POST", path: sessionPath + "/cmd", body: runBody, stream: (*SandboxServer).run, differs: lineByLine},
		{method: "GET", path: sessionPath + "/cmd/{cmd}", do: (*SandboxServer).getCommand},
		{method: "GET", path: sessionPath + "/cmd/{cmd}/logs", stream: (*SandboxServer).logs, differs: lineByLine},
		{method: "POST", path: sessionPath + "/cmd/{cmd}/kill", body: killBody, do: (*SandboxServer).kill},
		{method: "POST", path: sessionPath + "/fs/mkdir", body: pathBody, do: (*SandboxServer).mkdir},
		{method: "POST", path: sessionPath + "/fs/read", body: pathBody, stream: (*SandboxServer).read},
		{method: "POST", path: sessionPath + "/fs/write", do: (*SandboxServer).write},
		{method: "GET", path: "/v2/sandboxes/snapshots", do: unmodelled("snapshots")},
		{method: "GET", path: "/v2/sandboxes/drives", do: unmodelled("drives")},
	}
}

// SandboxSettings are what a fault schedule may set for one call of the Sandbox API by with:NAME:VALUE, each with its meaning.
func SandboxSettings() map[string]string {
	return map[string]string{
		"access":       "any call with an OIDC token: it is expired",
		"sandbox":      "a call that needs a running session: it is stopping, snapshotting or stopped",
		"stream-cut":   "a command, its log: the connection is cut after so many bytes",
		"stream-error": "a command, its log: it ends, after the first output, in an error of this code",
	}
}

// unmodelled keeps a word from being taken for a sandbox's name.
func unmodelled(what string) func(*SandboxServer, *sandboxCall) (any, *failure) {
	return func(*SandboxServer, *sandboxCall) (any, *failure) {
		return nil, &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator does not model " + what}
	}
}

func (s *SandboxServer) answer(rt sandboxRoute, c *sandboxCall) *failure {
	if f := s.authenticate(c); f != nil {
		return f
	}
	if rt.body != nil {
		if f := c.read(rt.body); f != nil {
			return f
		}
	}
	c.now = s.Clock()
	if rt.stream != nil {
		return rt.stream(s, c)
	}
	reply, f := rt.do(s, c)
	if f != nil {
		return f
	}
	emukit.WriteJSON(c.w, http.StatusOK, reply)
	return nil
}

// claims are what the API reads of a VERCEL_OIDC_TOKEN (https://vercel.com/docs/oidc/reference).
type claims struct {
	Owner   string `json:"owner_id"`
	Project string `json:"project_id"`
	Expires int64  `json:"exp"`
}

// OIDCToken returns a token as a deployment or `vercel env pull` has it in VERCEL_OIDC_TOKEN: for one project of one
// team, until it expires. Real ones are signed with RS256, which no client can check without the vendor's keys; this one
// with HS256.
func (s *SandboxServer) OIDCToken(team, project string, life time.Duration) string {
	s.once.Do(s.init)
	payload, err := json.Marshal(claims{Owner: team, Project: project, Expires: s.Clock().Add(life).Unix()})
	if err != nil {
		panic(err) // strings and a number
	}
	body := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return body + "." + s.sign(body)
}

func (s *SandboxServer) sign(body string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// authenticate wants a token and the team in the query; an OIDC token names its team and project itself.
func (s *SandboxServer) authenticate(c *sandboxCall) *failure {
	token, ok := emukit.Bearer(c.r)
	if !ok {
		return &failure{
			status: http.StatusUnauthorized, code: "forbidden", message: "The request is missing an authentication token",
			more: map[string]any{"missingToken": true},
		}
	}
	id, slug := c.query("teamId"), c.query("slug")
	if strings.Count(token, ".") == 2 {
		return s.authenticateOIDC(c, token, id)
	}
	account, ok := s.Tokens[token]
	if !ok {
		return refusedToken()
	}
	if id == "" && slug == "" {
		return badRequest("Invalid request: missing required query parameter `teamId`.") // [? sandbox-no-team] the vendor's client always sends it
	}
	for _, t := range account.Teams {
		if (id == "" || id == t.ID) && (slug == "" || slug == t.Slug) && (len(account.OnlyTeams) == 0 || slices.Contains(account.OnlyTeams, t.ID)) {
			c.team = t.ID
		}
	}
	if id == account.User.ID && slug == "" && len(account.OnlyTeams) == 0 {
		c.team = id
	}
	if c.team == "" {
		return &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized"}
	}
	if account.ReadOnly && c.r.Method != http.MethodGet {
		return &failure{status: http.StatusForbidden, code: "forbidden", message: "You don't have permission to change the sandbox."}
	}
	return nil
}

func (s *SandboxServer) authenticateOIDC(c *sandboxCall, token, team string) *failure {
	body, signature := token[:strings.LastIndexByte(token, '.')], token[strings.LastIndexByte(token, '.')+1:]
	_, payload, _ := strings.Cut(body, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var got claims
	if err != nil || json.Unmarshal(raw, &got) != nil || got.Owner == "" || got.Project == "" || !hmac.Equal([]byte(signature), []byte(s.sign(body))) {
		return refusedToken()
	}
	if s.Clock().Unix() >= got.Expires || c.with("access") == "expired" {
		return &failure{status: http.StatusForbidden, code: "forbidden", message: "The token has expired", more: map[string]any{"invalidToken": true}}
	}
	if team != "" && team != got.Owner {
		return &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized"}
	}
	c.team, c.project = got.Owner, got.Project
	return nil
}

func refusedToken() *failure {
	return &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized", more: map[string]any{"invalidToken": true}}
}

// mayUse refuses another project than the token's.
func (c *sandboxCall) mayUse(project string) *failure {
	if c.project != "" && project != c.project {
		return &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized"}
	}
	return nil
}

// named finds the sandbox that the path names, in the query's project or in any that the token opens. s.mu is held.
func (s *SandboxServer) named(c *sandboxCall) (*sandbox, *failure) {
	project := c.query("projectId")
	if project != "" {
		if f := c.mayUse(project); f != nil {
			return nil, f
		}
	}
	for _, b := range s.all {
		if b.name == c.path("name") && b.team == c.team && (project == "" || b.project == project) && c.mayUse(b.project) == nil {
			return b, nil
		}
	}
	return nil, notFound(fmt.Sprintf("Sandbox %q not found.", c.path("name")))
}

// session finds the session that the path names. s.mu is held.
func (s *SandboxServer) session(c *sandboxCall) (*session, *failure) {
	ses := s.sessions[c.path("session")]
	if ses == nil || ses.box.team != c.team || c.mayUse(ses.box.project) != nil {
		return nil, notFound("Session not found.")
	}
	return ses, nil
}

// live is session for a call that needs it running: 422 while it stops, 410 when it has stopped.
func (s *SandboxServer) live(c *sandboxCall) (*session, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses, f := s.session(c)
	if f != nil {
		return nil, f
	}
	status := ses.status
	if c.with("sandbox") != "" {
		status = c.with("sandbox")
	}
	switch status {
	case "stopping":
		return nil, &failure{status: http.StatusUnprocessableEntity, code: "sandbox_stopping", message: "The sandbox is stopping."}
	case "snapshotting":
		return nil, &failure{status: http.StatusUnprocessableEntity, code: "sandbox_snapshotting", message: "The sandbox is being snapshotted."}
	case "stopped":
		return nil, &failure{status: http.StatusGone, code: "sandbox_stopped", message: "The sandbox has stopped."}
	}
	return ses, nil
}

// wait returns when ch closes or ctx ends.
func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
