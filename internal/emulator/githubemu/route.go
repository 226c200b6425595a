package githubemu

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type obj = map[string]any

// route is one modelled operation.
type route struct {
	method, path string
	doc          string // page under https://docs.github.com/en/rest/
	status       int    // of success; 0 means 200
	permission   string // that a fine-grained token needs: statuses
	fields       []string
	do           func(*Server, *call) (any, *failure)
}

const repoPath = "/repos/{owner}/{repo}"

// routes is everything that is modelled.
func routes() []route {
	return slices.Concat(repoRoutes(), archiveRoutes(), statusRoutes(), deploymentRoutes(), checkRoutes(), issueRoutes(), hookRoutes())
}

// call is one request, its body read and its repository found.
type call struct {
	r      *http.Request
	w      http.ResponseWriter
	who    *Account // nil without a token
	repo   *repo    // nil where the path names none
	now    time.Time
	body   obj
	status int // other than the route's; 0 = the route's
}

// failure is an error reply.
type failure struct {
	status  int
	message string
	errors  []obj
	at      string // of a redirect
}

func notFound() *failure { return &failure{status: http.StatusNotFound, message: "Not Found"} }

// invalid is 422 Validation Failed: code is missing_field, invalid, already_exists or custom.
func invalid(resource, field, code, message string) *failure {
	e := obj{"resource": resource, "field": field, "code": code}
	if message != "" {
		e["message"] = message
	}
	return &failure{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []obj{e}}
}

// write sends {message, documentation_url, status}: the status is a text,
// https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
func (f *failure) write(w http.ResponseWriter, doc string) {
	body := obj{"message": f.message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(f.status)}
	if doc != "" {
		body["documentation_url"] = "https://docs.github.com/rest/" + doc
	}
	if f.errors != nil {
		body["errors"] = f.errors
	}
	if f.at != "" {
		w.Header().Set("Location", f.at)
		body["url"] = f.at
		delete(body, "status")
	}
	emukit.WriteJSON(w, f.status, body)
}

// injected is the envelope of what no route answered.
func injected(w http.ResponseWriter, status int, _, message string) {
	(&failure{status: status, message: message}).write(w, "")
}

func (s *Server) answer(rt route, w http.ResponseWriter, r *http.Request) {
	reply, c, f := s.run(rt, w, r)
	if f != nil {
		f.write(w, rt.doc)
		return
	}
	status := rt.status
	if c.status != 0 {
		status = c.status
	}
	if status == 0 {
		status = http.StatusOK
	}
	if reply == nil {
		w.WriteHeader(status)
		return
	}
	if file, ok := reply.(archive); ok {
		w.Header().Set("Content-Type", "application/x-gzip")
		_, _ = w.Write(file) // whoever asked may be gone
		return
	}
	emukit.WriteJSON(w, status, reply)
}

func (s *Server) run(rt route, w http.ResponseWriter, r *http.Request) (any, *call, *failure) {
	c := &call{r: r, w: w, body: obj{}}
	if r.UserAgent() == "" { // https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
		return nil, c, &failure{status: http.StatusForbidden, message: "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"}
	}
	if v := r.Header.Get("X-GitHub-Api-Version"); v != "" && v != "2022-11-28" {
		return nil, c, &failure{status: http.StatusBadRequest, message: fmt.Sprintf("%q is not a supported version of the API", v)} // wording [? github-api-version]
	}
	if f := c.read(rt); f != nil {
		return nil, c, f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.Clock()
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	w.Header().Set("X-GitHub-Request-Id", strings.ToUpper(s.RandomString(4, "0123456789abcdef")+":"+s.RandomString(20, "0123456789abcdef")))
	if f := s.authenticate(c); f != nil {
		return nil, c, f
	}
	if f := s.allow(rt, c); f != nil {
		return nil, c, f
	}
	reply, f := rt.do(s, c)
	return reply, c, f
}

// read takes the body in. Fields that a route does not have are ignored, as by GitHub, but for a wrong type.
func (c *call) read(rt route) *failure {
	if rt.method == http.MethodGet || rt.method == http.MethodDelete {
		return nil
	}
	raw, err := io.ReadAll(c.r.Body)
	if emukit.TooLarge(err) {
		return &failure{status: http.StatusRequestEntityTooLarge, message: "The request body is too large."} // wording [? github-body-too-large]
	}
	if err != nil {
		return &failure{status: http.StatusBadRequest, message: "Problems parsing JSON"}
	}
	if len(raw) == 0 {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return &failure{status: http.StatusBadRequest, message: "Problems parsing JSON"}
	}
	var ok bool
	if c.body, ok = v.(obj); !ok {
		return &failure{status: http.StatusBadRequest, message: "Body should be a JSON object"}
	}
	for _, field := range rt.fields { // name:string, a ! after it when it is required
		name, kind, _ := strings.Cut(strings.TrimSuffix(field, "!"), ":")
		v, there := c.body[name]
		if !there && strings.HasSuffix(field, "!") {
			return &failure{status: http.StatusUnprocessableEntity, message: fmt.Sprintf("Invalid request.\n\n\"%s\" wasn't supplied.", name)}
		}
		if there && v != nil && kindOf(v) != kind {
			return &failure{status: http.StatusUnprocessableEntity, message: fmt.Sprintf("Invalid request.\n\nFor '%s', %v is not a %s.", name, v, kind)}
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

func (c *call) text(field string) string { s, _ := c.body[field].(string); return s }
func (c *call) flag(field string) bool   { b, _ := c.body[field].(bool); return b }
func (c *call) path(name string) string  { return c.r.PathValue(name) }
func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }
func (c *call) id(name string) (n int64) { n, _ = strconv.ParseInt(c.path(name), 10, 64); return n }
func (c *call) has(field string) bool    { _, ok := c.body[field]; return ok }
func (c *call) or(field, def string) string {
	if s := c.text(field); s != "" {
		return s
	}
	return def
}

// authenticate finds the account and counts the call: a token may be sent as Bearer or as token,
// https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api
func (s *Server) authenticate(c *call) *failure {
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	limit := 60
	if scheme != "" {
		account, ok := s.Tokens[token]
		if !ok || !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
			return errBadCredentials
		}
		c.who = &account
		if f := c.withAccess(); f != nil {
			return f
		}
		if c.expired() {
			return errBadCredentials
		}
		if limit = s.RateLimit; limit == 0 {
			limit = 5000
		}
		if !account.FineGrained && !account.App {
			scopes := "repo, delete_repo"
			if account.ReadOnly {
				scopes = ""
			}
			c.w.Header().Set("X-OAuth-Scopes", scopes)
		}
	}
	return s.count(c, token, limit)
}

// count is the hourly limit: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
func (s *Server) count(c *call, token string, limit int) *failure {
	u := s.used[token]
	if u == nil || c.now.Sub(u.since) >= time.Hour {
		u = &usage{since: c.now}
		s.used[token] = u
	}
	over := u.calls >= limit
	if !over && c.r.URL.Path != "/rate_limit" {
		u.calls++
	}
	for name, n := range map[string]int64{"Limit": int64(limit), "Remaining": int64(limit - u.calls), "Used": int64(u.calls), "Reset": u.since.Add(time.Hour).Unix()} {
		c.w.Header().Set("X-RateLimit-"+name, strconv.FormatInt(n, 10))
	}
	c.w.Header().Set("X-RateLimit-Resource", "core")
	if over && c.r.URL.Path != "/rate_limit" {
		who := "this address" // GitHub names the caller's address here
		if c.who != nil {
			who = fmt.Sprintf("user ID %d", c.who.ID)
		}
		return &failure{status: http.StatusForbidden, message: "API rate limit exceeded for " + who + "."}
	}
	return nil
}

// allow finds the repository and refuses what the token may not do. What it may not see is 404, not 403.
func (s *Server) allow(rt route, c *call) *failure {
	if owner := c.path("owner"); owner != "" {
		c.repo = s.find(owner, c.path("repo"))
		if c.repo == nil {
			return s.lead(rt, c, s.moved(owner, c.path("repo")))
		}
		if !c.sees(c.repo) {
			return notFound()
		}
	}
	write := rt.method != http.MethodGet
	if !write {
		return nil
	}
	switch {
	case c.who == nil:
		return &failure{status: http.StatusUnauthorized, message: "Requires authentication"}
	case c.who.FineGrained && c.who.ReadOnly:
		c.w.Header().Set("X-Accepted-GitHub-Permissions", rt.permission+"=write")
		return &failure{status: http.StatusForbidden, message: "Resource not accessible by personal access token"}
	case c.who.ReadOnly, c.repo != nil && !c.owns(c.repo.owner):
		return notFound()
	case rt.permission == "checks" && !c.who.App: // https://docs.github.com/en/rest/checks/runs#create-a-check-run
		return &failure{status: http.StatusForbidden, message: "You must authenticate via a GitHub App."}
	}
	return nil
}

// lead sends a caller on to a repository by its id: 301 for what reads, else 307,
// https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
func (s *Server) lead(rt route, c *call, r *repo) *failure {
	if r == nil || !c.sees(r) {
		return notFound()
	}
	rest := strings.TrimPrefix(c.r.URL.EscapedPath(), "/repos/"+c.path("owner")+"/"+c.path("repo"))
	f := &failure{status: http.StatusMovedPermanently, message: "Moved Permanently", at: c.base() + "/repositories/" + itoa(r.id) + rest}
	if rt.method != http.MethodGet {
		f.status, f.message = http.StatusTemporaryRedirect, "Temporary Redirect"
	}
	return f
}

func (c *call) owns(owner string) bool {
	return c.who != nil && (strings.EqualFold(owner, c.who.Login) || slices.ContainsFunc(c.who.Orgs, func(o string) bool { return strings.EqualFold(o, owner) }))
}

func (c *call) sees(r *repo) bool {
	if c.who != nil && len(c.who.Repos) > 0 && !slices.ContainsFunc(c.who.Repos, func(n string) bool { return strings.EqualFold(n, r.fullName()) }) {
		return !r.private
	}
	return !r.private || c.owns(r.owner)
}

// page returns the page that ?page= and ?per_page= ask for, and names its neighbours in Link:
// https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
func page[T any](c *call, items []T, view func(T) obj) []obj {
	size, err := strconv.Atoi(c.query("per_page"))
	if err != nil || size < 1 {
		size = 30
	}
	size = min(size, 100)
	n, err := strconv.Atoi(c.query("page"))
	if err != nil || n < 1 {
		n = 1
	}
	last := max((len(items)+size-1)/size, 1)
	var links []string
	link := func(page int, rel string) {
		u := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path}
		q := c.r.URL.Query()
		q.Set("page", strconv.Itoa(page))
		u.RawQuery = q.Encode()
		links = append(links, "<"+u.String()+`>; rel="`+rel+`"`)
	}
	if n > 1 {
		link(min(n-1, last), "prev")
	}
	if n < last {
		link(n+1, "next")
		link(last, "last")
	}
	if n > 1 {
		link(1, "first")
	}
	if len(links) > 0 {
		c.w.Header().Set("Link", strings.Join(links, ", "))
	}
	from := min((n-1)*size, len(items))
	out := []obj{}
	for _, it := range items[from:min(from+size, len(items))] {
		out = append(out, view(it))
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// newest returns the items last to first.
func newest[T any](items []T) []T {
	out := slices.Clone(items)
	slices.Reverse(out)
	return out
}
