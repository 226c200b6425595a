package vercelemu

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// route is one modelled operation. The versions are those that the vendor's clients use for the same operation; the
// first is the published one.
type route struct {
	method   string
	versions string // "v11 v10"; "-" is the path without a version
	path     string
	doc      string  // page under https://vercel.com/docs/rest-api/
	body     *schema // nil when the operation takes none
	status   int     // of success; 0 means 200
	do       func(*Server, *call) (any, *failure)
	stream   func(*Server, *call) *failure // instead of do: reads or writes as it goes, unlocked
	limit    string                        // name in the table of rate limits, "" for none
	differs  string                        // why the reply is not as the published document says, "" when it is
}

// published is the operation in the first of its versions: "GET /v9/projects/{project}".
func (rt route) published() string {
	version := "/" + strings.Fields(rt.versions)[0]
	if version == "/-" {
		version = ""
	}
	return rt.method + " " + version + rt.path
}

// KnownDifferences are the modelled operations whose replies are not as the published document says, each with the
// reason.
func KnownDifferences() map[string]string {
	out := map[string]string{}
	for _, rt := range routes() {
		if rt.differs != "" {
			out[rt.published()] = rt.differs
		}
	}
	return out
}

// call is one authenticated request.
type call struct {
	r      *http.Request
	w      http.ResponseWriter
	values url.Values // of the query
	who    Account
	scope  *scope
	now    time.Time
	body   []byte
	status int // of success, where it is another than the route's
}

func (c *call) query(name string) string { return c.values.Get(name) }
func (c *call) path(name string) string  { return c.r.PathValue(name) }

// into reads the body, which has passed the route's schema. An error in it would be a schema that lets through what
// v cannot hold.
func (c *call) into(v any) *failure {
	if err := json.Unmarshal(c.body, v); err != nil {
		return badRequest("Invalid request: " + err.Error())
	}
	return nil
}

// limit returns ?limit= within 1..most, or ifAbsent.
func (c *call) limit(ifAbsent, most int) (int, *failure) {
	text := c.query("limit")
	if text == "" {
		return ifAbsent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("Invalid request: `limit` should be a number from 1 to " + strconv.Itoa(most) + ".")
	}
	return n, nil
}

// millis returns a timestamp of the query, 0 when absent.
func (c *call) millis(name string) (int64, *failure) {
	text := c.query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, badRequest("Invalid request: `" + name + "` should be a timestamp.")
	}
	return n, nil
}

// failure is an error reply: {"error":{"code","message",...more}}.
type failure struct {
	status        int
	code, message string
	more          map[string]any
}

func badRequest(message string) *failure {
	return &failure{status: http.StatusBadRequest, code: "bad_request", message: message}
}

func notFound(message string) *failure {
	return &failure{status: http.StatusNotFound, code: "not_found", message: message}
}

func (f *failure) write(w http.ResponseWriter) {
	body := map[string]any{"code": f.code, "message": f.message}
	for k, v := range f.more {
		body[k] = v
	}
	if _, told := body["limit"]; f.status == http.StatusTooManyRequests && !told {
		wait, _ := strconv.Atoi(w.Header().Get("Retry-After"))
		reset := time.Now().Add(time.Duration(wait) * time.Second)
		body["limit"] = map[string]any{"remaining": 0, "reset": reset.Unix(), "resetMs": reset.UnixMilli(), "total": 100}
	}
	emukit.WriteJSON(w, f.status, map[string]any{"error": body})
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	(&failure{status: status, code: code, message: message}).write(w)
}

// routes is everything that is modelled.
func routes() []route {
	return slices.Concat(accountRoutes(), accessRoutes(), projectRoutes(), envRoutes(), fileRoutes(), deploymentRoutes(), aliasRoutes(), promoteRoutes(), rollingRoutes(), domainRoutes(),
		webhookRoutes(), checkRoutes(), customEnvRoutes(), marketRoutes(), cliRoutes())
}

func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		for v := range strings.FieldsSeq(rt.versions) {
			prefix := "/" + v
			if v == "-" {
				prefix = ""
			}
			mux.HandleFunc(rt.method+" "+prefix+rt.path, func(w http.ResponseWriter, r *http.Request) {
				if f := s.answer(rt, &call{r: r, w: w, values: r.URL.Query()}); f != nil {
					f.write(w)
				}
			})
		}
	}
	return mux
}

func (s *Server) answer(rt route, c *call) *failure {
	if f := s.authenticate(c); f != nil {
		return f
	}
	if f := c.allowed(rt); f != nil {
		return f
	}
	if c.who.SoftBlocked && rt.method != http.MethodGet {
		return &failure{status: http.StatusPaymentRequired, code: "payment_required", message: "The account is blocked until it has paid."} // [? vercel-unpaid] the code
	}
	if rt.stream != nil {
		return rt.stream(s, c)
	}
	if rt.body != nil {
		if f := c.read(rt.body); f != nil {
			return f
		}
	}
	reply, f := s.locked(rt, c)
	if f != nil {
		return f
	}
	status := cmp.Or(c.status, rt.status, http.StatusOK)
	if reply == nil {
		c.w.WriteHeader(status)
		return nil
	}
	if whole, ok := reply.(encoded); ok {
		c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
		c.w.WriteHeader(status)
		_, _ = c.w.Write(whole)
		return nil
	}
	emukit.WriteJSON(c.w, status, reply)
	return nil
}

// locked runs the operation on a state in which everything due has happened.
func (s *Server) locked(rt route, c *call) (any, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.Clock()
	s.advance(c.now)
	if f := s.meter(rt, c); f != nil {
		return nil, f
	}
	if rt.method != http.MethodGet {
		s.edition++
	}
	return rt.do(s, c)
}

// read takes the body in and checks it.
func (c *call) read(want *schema) *failure {
	body, err := io.ReadAll(c.r.Body)
	if emukit.TooLarge(err) {
		return &failure{status: http.StatusRequestEntityTooLarge, code: "request_entity_too_large", message: "The request body is too large."}
	}
	if err != nil {
		return badRequest("Invalid request: the body ended early.")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if want.optional {
			c.body = []byte("{}")
			return nil
		}
		return badRequest("Invalid request: missing request body.")
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return &failure{status: http.StatusBadRequest, code: "invalid_json", message: "Invalid JSON: " + err.Error()}
	}
	if complaint := want.check("", v); complaint != "" {
		return badRequest("Invalid request: " + complaint)
	}
	c.body = body
	return nil
}

// authenticate finds the token's account and the team that the query names. A missing token is 401 [? vercel-no-token].
func (s *Server) authenticate(c *call) *failure {
	token, ok := emukit.Bearer(c.r)
	if !ok {
		return &failure{
			status: http.StatusUnauthorized, code: "forbidden", message: "The request is missing an authentication token",
			more: map[string]any{"missingToken": true},
		}
	}
	if c.who, ok = s.Tokens[token]; !ok || c.who.expired(s.Clock()) {
		return errInvalidToken
	}
	if f := c.withAccess(); f != nil {
		return f
	}
	id, slug := c.query("teamId"), c.query("slug")
	if id == "" && slug == "" || id == c.who.User.ID {
		if len(c.who.OnlyTeams) > 0 && !aboutToken(c.r.URL.Path) {
			return errNotAuthorized
		}
		c.scope = s.scopes[c.who.User.ID]
		return nil
	}
	for _, t := range c.who.Teams {
		if (id == "" || id == t.ID) && (slug == "" || slug == t.Slug) && (len(c.who.OnlyTeams) == 0 || slices.Contains(c.who.OnlyTeams, t.ID)) {
			c.scope = s.scopes[t.ID]
			return nil
		}
	}
	named := id
	if named == "" {
		named = slug
	}
	return &failure{
		status: http.StatusForbidden, code: "forbidden",
		message: `Not authorized: Trying to access resource under scope "` + named + `". You must re-authenticate to this scope.`,
		more:    map[string]any{"scope": named},
	}
}

func action(rt route) string {
	switch rt.method {
	case http.MethodPost:
		return "create"
	case http.MethodDelete:
		return "delete"
	}
	return "update"
}

func resource(rt route) string {
	switch {
	case strings.Contains(rt.path, "/env"):
		return "projectEnvVars"
	case strings.Contains(rt.path, "domains"):
		return "projectDomain"
	case strings.Contains(rt.path, "deployments"), strings.Contains(rt.path, "files"):
		return "deployment"
	}
	return "project"
}

func permission(rt route) string { return action(rt) + " the " + resource(rt) }
