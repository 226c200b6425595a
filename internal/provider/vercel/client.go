package vercel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// client is the part of the REST API that this provider calls. Each method takes the op for its errors first.
type client struct {
	rest   *rest.Client
	team   string // id or slug; "" for the token's own account
	scheme string // of deployments' URLs: http only where the API is loopback
}

func newClient(config rest.Config, base string, token slipway.Secret, team string) (*client, error) {
	if err := rest.CheckBase(base); err != nil {
		return nil, err
	}
	scheme, _, _ := strings.Cut(base, "://")
	query := url.Values{}
	switch {
	case strings.HasPrefix(team, "team_"):
		query.Set("teamId", team)
	case team != "":
		query.Set("slug", team)
	}
	return &client{team: team, scheme: scheme, rest: rest.New(config, rest.API{
		Name: "vercel", Base: base, Query: query, Error: mapError,
		Auth: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Reveal()) },
	})}, nil
}

func (c *client) pass() *client {
	view := *c
	view.rest = c.rest.Pass()
	return &view
}

func (c *client) call(ctx context.Context, op, method, path string, query url.Values, body, out any) error {
	return c.rest.Do(ctx, rest.Request{Op: op, Method: method, Path: path, Query: query, Body: body}, out)
}

// missingFiles are the digests that a deployment's create asks to be uploaded.
type missingFiles struct{ digests []string }

func (m *missingFiles) Error() string {
	return strconv.Itoa(len(m.digests)) + " files are to be uploaded"
}

// mapError reads Vercel's envelope: https://vercel.com/docs/rest-api/reference/errors
func mapError(status int, h http.Header, body []byte) *slipway.Error {
	var envelope struct {
		Error struct {
			Code, Message string
			Action        string
			InvalidToken  bool
			Scope         string
			Missing       []string
			Limit         struct{ Reset float64 }
		}
	}
	_ = json.Unmarshal(body, &envelope) // what does not fit is mapped by the status alone
	got := envelope.Error
	e := rest.Default(status, body)
	e.Refusal = refusal(status, got.Scope, got.Message)
	if code := envCode(got.Code); code != "" {
		e.Code = code
	}
	switch {
	case linkRefused(e, got.Code, got.Action):
	case status == http.StatusTooManyRequests:
		e.RetryAfter = untilReset(got.Limit.Reset, h)
	case status == http.StatusUnauthorized || got.InvalidToken: // an unknown token is 403 with invalidToken
		e.Code, e.Hint = slipway.CodeUnauthorized, "set "+settingToken+" to a valid token from https://vercel.com/account/settings/tokens"
	case got.Code == "missing_files":
		e.Cause = &missingFiles{got.Missing}
	case isLimit(status, got.Code):
		e.Code, e.Hint = slipway.CodeLimit, "a limit of the Vercel plan is reached: see https://vercel.com/docs/limits, delete what is not needed, or upgrade"
	case status == http.StatusForbidden && e.Code == slipway.CodeForbidden:
		e.Hint = "the token may not do this: look at its scope, its role in the team, and " + settingTeam
	case isOngoing(status, got.Message):
		e.Code, e.Retry = slipway.CodeBusy, slipway.RetryLater
	}
	return e
}

// envCode maps the codes of a variable that is there already: they come as 400, 403 and 409, in either case.
func envCode(code string) slipway.Code {
	switch strings.ToLower(code) {
	case "env_conflict", "env_already_exists", "existing_key_and_target":
		return slipway.CodeConflict
	}
	return ""
}

func isLimit(status int, code string) bool {
	code = strings.ToLower(code)
	return status == http.StatusPaymentRequired || status == http.StatusRequestEntityTooLarge || strings.HasPrefix(code, "too_many_") || strings.Contains(code, "limit_exceeded") || strings.Contains(code, "exceeded_limit")
}

// isOngoing tells the 400 for variables that another call is changing: nothing was done.
func isOngoing(status int, message string) bool {
	return status == http.StatusBadRequest && strings.Contains(strings.ToLower(message), "ongoing update")
}

// untilReset reads limit.reset, which is seconds since 1970, or [?] seconds from now.
func untilReset(reset float64, h http.Header) time.Duration {
	if reset < 1e9 {
		return time.Duration(max(reset, 0) * float64(time.Second))
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, time.Unix(int64(reset), 0).Sub(now))
}

type user struct {
	ID            string
	DefaultTeamID string
}

// user: https://vercel.com/docs/rest-api/reference/endpoints/user/get-the-user
func (c *client) user(ctx context.Context, op string) (user, error) {
	var out userReply
	err := c.call(ctx, op, http.MethodGet, "/v2/user", nil, nil, &out)
	return out.User, err
}

type userReply struct{ User user }

func (r *userReply) Missing() string { return absent("user.id", r.User.ID) }

// absent is name when value is empty.
func absent(name, value string) string {
	if value == "" {
		return name
	}
	return ""
}

type page struct{ Next *int64 }

// until is the query for the page after p; nil when there is none.
func (p page) until(param string, query url.Values) url.Values {
	if p.Next == nil || *p.Next == 0 {
		return nil
	}
	next := url.Values{}
	for k, v := range query {
		next[k] = v
	}
	next.Set(param, strconv.FormatInt(*p.Next, 10))
	return next
}

// accounts returns the ids that a project of this credential's scope can have as its owner.
func (c *client) accounts(ctx context.Context, op string) ([]string, error) {
	if strings.HasPrefix(c.team, "team_") {
		return []string{c.team}, nil
	}
	if c.team != "" {
		return c.teamsNamed(ctx, op, c.team)
	}
	u, err := c.user(ctx, op)
	// A user whose account has a default team works in that team unless a call names another.
	return []string{u.ID, u.DefaultTeamID}, err
}

// teamsNamed: https://vercel.com/docs/rest-api/reference/endpoints/teams/list-all-teams
func (c *client) teamsNamed(ctx context.Context, op, slug string) ([]string, error) {
	for query := (url.Values{"limit": {"100"}}); query != nil; {
		var out teamsReply
		if err := c.call(ctx, op, http.MethodGet, "/v2/teams", query, nil, &out); err != nil {
			return nil, err
		}
		for _, t := range out.Teams {
			if t.Slug == slug {
				return []string{t.ID}, nil
			}
		}
		query = out.Pagination.until("until", query)
	}
	return nil, nil
}

type teamsReply struct {
	Teams      []struct{ ID, Slug string }
	Pagination page
}

func (r *teamsReply) Missing() string {
	if r.Teams == nil {
		return "teams"
	}
	return ""
}

// project is as much of a project as is read here.
type project struct {
	ID, Name, AccountID string
	CreatedAt           float64
	Settings            map[string]any `json:"-"`
	ProtectionBypass    map[string]struct {
		Scope     string
		CreatedAt float64
	}
	Targets map[string]*struct {
		ID, URL, ReadySubstate string
		Alias                  []string
		Meta                   map[string]any
		CreatedAt              float64
	}
	LastAliasRequest *struct{ ToDeploymentID, JobStatus, Type string }
	RollingRelease   *struct{ Target string } // of what is promoted next; nil: rolling releases are off
	// Link is of GitHub, GitLab or Bitbucket. RepoID is GitHub's.
	Link *struct {
		Org, Repo, ProjectNamespace, ProjectName, Owner, Slug string
		RepoID                                                int64
	}
	AutoAssignCustomDomains *bool // nil: on, which is the default
	ResourceConfig          struct{ FunctionDefaultRegions []string }
}

func (p *project) Missing() string {
	return cmp.Or(absent("id", p.ID), absent("accountId", p.AccountID))
}

// UnmarshalJSON also keeps the settings that a manifest can declare.
func (p *project) UnmarshalJSON(b []byte) error {
	type plain project
	if err := json.Unmarshal(b, (*plain)(p)); err != nil {
		return err
	}
	var all map[string]any
	_ = json.Unmarshal(b, &all) // it just passed as an object
	p.Settings = map[string]any{}
	for _, s := range settings {
		p.Settings[s.param] = all[s.field]
	}
	// Vercel shows a project's region in either of two places.
	if p.Settings["region"] == nil && len(p.ResourceConfig.FunctionDefaultRegions) == 1 {
		p.Settings["region"] = p.ResourceConfig.FunctionDefaultRegions[0]
	}
	return nil
}

// repository is the owner/repo that the project is linked to, "" for none: its pushes are deployed.
func (p *project) repository() string {
	if p.Link == nil {
		return ""
	}
	owner := cmp.Or(p.Link.Org, p.Link.ProjectNamespace, p.Link.Owner)
	return owner + "/" + cmp.Or(p.Link.Repo, p.Link.ProjectName, p.Link.Slug)
}

// getProject: https://vercel.com/docs/rest-api/reference/endpoints/projects/find-a-project-by-id-or-name
func (c *client) getProject(ctx context.Context, op, idOrName string) (*project, error) {
	out := &project{}
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v9/projects/%s", idOrName), nil, nil, out)
	return out, err
}

// createProject: https://vercel.com/docs/rest-api/reference/endpoints/projects/create-a-new-project
func (c *client) createProject(ctx context.Context, op string, body map[string]any) (*project, error) {
	out := &project{}
	err := c.call(ctx, op, http.MethodPost, "/v11/projects", nil, body, out)
	return out, err
}

// updateProject: https://vercel.com/docs/rest-api/reference/endpoints/projects/update-an-existing-project
func (c *client) updateProject(ctx context.Context, op, id string, body map[string]any) (*project, error) {
	out := &project{}
	err := c.call(ctx, op, http.MethodPatch, rest.Path("/v9/projects/%s", id), nil, body, out)
	return out, err
}

// deleteProject: https://vercel.com/docs/rest-api/reference/endpoints/projects/delete-a-project
func (c *client) deleteProject(ctx context.Context, op, id string) error {
	return gone(c.call(ctx, op, http.MethodDelete, rest.Path("/v9/projects/%s", id), nil, nil, nil))
}

// gone makes a delete of what is not there a success.
func gone(err error) error {
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return nil
	}
	return err
}

// makeBypass: https://vercel.com/docs/rest-api/reference/endpoints/projects/update-protection-bypass-for-automation
func (c *client) makeBypass(ctx context.Context, op, projectID string) error {
	return c.call(ctx, op, http.MethodPatch, rest.Path("/v1/projects/%s/protection-bypass", projectID), nil, struct{}{}, &bypassReply{})
}

type bypassReply struct{ ProtectionBypass map[string]struct{} }

func (r *bypassReply) Missing() string {
	if len(r.ProtectionBypass) == 0 {
		return "protectionBypass"
	}
	return ""
}

// envVar is one variable. Target is one word or several in a reply.
type envVar struct {
	ID, Key, Type, Value, Comment, GitBranch string
	Target                                   words
	CustomEnvironmentIDs                     []string
	UpdatedAt, CreatedAt                     float64
	// ContentHint tells what wrote it: type integration-store-secret is a connected store of the Marketplace.
	ContentHint struct{ Type, StoreID string }
}

// words is "a" or ["a","b"].
type words = oneOrMore[string]

// oneOrMore decodes a value that stands alone as a list of one.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '[' && string(b) != "null" {
		*o = make(oneOrMore[T], 1)
		return json.Unmarshal(b, &(*o)[0])
	}
	return json.Unmarshal(b, (*[]T)(o))
}

// listEnv: https://vercel.com/docs/rest-api/reference/endpoints/projects/retrieve-the-environment-variables-of-a-project-by-id-or-name
func (c *client) listEnv(ctx context.Context, op, projectID string) ([]envVar, error) {
	var all []envVar
	for query := (url.Values{}); query != nil; {
		var out envsReply
		if err := c.call(ctx, op, http.MethodGet, rest.Path("/v10/projects/%s/env", projectID), query, nil, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Envs...)
		query = out.Pagination.until("until", query)
	}
	return all, nil
}

type envsReply struct {
	Envs       []envVar
	Pagination page
}

func (r *envsReply) Missing() string {
	if r.Envs == nil {
		return "envs"
	}
	return ""
}

// envWrite is one variable of a write.
type envWrite struct {
	Key     string   `json:"key"`
	Value   string   `json:"value"`
	Type    string   `json:"type"`
	Target  []string `json:"target"`
	Comment string   `json:"comment,omitempty"`
}

// envFailure is one entry of failed.
type envFailure struct {
	Code, Message, Key, EnvVarKey string
	Target                        words
}

type envWritten struct {
	Created oneOrMore[envVar]
	Failed  []struct{ Error envFailure }
}

func (r *envWritten) Missing() string {
	if r.Created == nil {
		return "created"
	}
	return ""
}

// upsertEnv: https://vercel.com/docs/rest-api/reference/endpoints/projects/create-one-or-more-environment-variables
func (c *client) upsertEnv(ctx context.Context, op, projectID string, body []envWrite) (envWritten, error) {
	var out envWritten
	err := c.call(ctx, op, http.MethodPost, rest.Path("/v10/projects/%s/env", projectID), url.Values{"upsert": {"true"}}, body, &out)
	return out, err
}

// deleteEnv: https://vercel.com/docs/rest-api/reference/endpoints/projects/remove-an-environment-variable
func (c *client) deleteEnv(ctx context.Context, op, projectID, id string) error {
	return gone(c.call(ctx, op, http.MethodDelete, rest.Path("/v9/projects/%s/env/%s", projectID, id), nil, nil, nil))
}

// deployment is as much of a deployment as is read here. Lists name some fields differently: uid, state, created.
type deployment struct {
	ID, UID, Name, URL, ProjectID string
	ReadyState, State             string
	ReadySubstate                 string // PROMOTED: it has served production; ROLLING: a share of it
	Target                        string
	Meta                          map[string]any
	AliasAssigned                 any // bool, or the time in a list
	AliasError                    *struct{ Code, Message string }
	ChecksState, ChecksConclusion string // registered, running or completed; and how they ended
	ErrorMessage, ErrorCode       string
	InspectorURL                  string
	CreatedAt, Created            float64
	Regions                       []string
	Project                       *struct{ ID string }
}

func (d *deployment) Missing() string {
	return cmp.Or(absent("id", d.id()), absent("url", d.URL), absent("readyState", d.state()))
}

func (d *deployment) id() string { return cmp.Or(d.ID, d.UID) }

func (d *deployment) state() string { return cmp.Or(d.ReadyState, d.State) }

// getDeployment: https://vercel.com/docs/rest-api/reference/endpoints/deployments/get-a-deployment-by-id-or-url
func (c *client) getDeployment(ctx context.Context, op, id string) (*deployment, error) {
	out := &deployment{}
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v13/deployments/%s", id), nil, nil, out)
	return out, err
}

type deploymentsReply struct {
	Deployments []*deployment
	Pagination  page
}

func (r *deploymentsReply) Missing() string {
	if r.Deployments == nil {
		return "deployments"
	}
	for _, d := range r.Deployments {
		if field := d.Missing(); field != "" {
			return "deployments." + field
		}
	}
	return ""
}

// listDeployments: https://vercel.com/docs/rest-api/reference/endpoints/deployments/list-deployments
// It passes the deployments of each page, newest first, to each until that returns false. meta-KEY is a filter that the vendor's CLI
// uses and the document does not have: see https://github.com/vercel/vercel/blob/main/packages/cli/src/commands/list/index.ts
func (c *client) listDeployments(ctx context.Context, op, projectID string, meta map[string]string, each func(*deployment) bool) error {
	query := url.Values{"projectId": {projectID}, "limit": {"100"}}
	for k, v := range meta {
		query.Set("meta-"+k, v)
	}
	for query != nil {
		var out deploymentsReply
		if err := c.call(ctx, op, http.MethodGet, "/v6/deployments", query, nil, &out); err != nil {
			return err
		}
		for _, d := range out.Deployments {
			if !each(d) {
				return nil
			}
		}
		query = out.Pagination.until("until", query)
	}
	return nil
}

// createDeployment: https://vercel.com/docs/rest-api/reference/endpoints/deployments/create-a-new-deployment
//
// prebuilt is what @vercel/client sends for files that are a build's output; the published document does not list it:
// https://github.com/vercel/vercel/blob/main/packages/client/src/utils/query-string.ts
func (c *client) createDeployment(ctx context.Context, op string, prebuilt bool, body map[string]any) (*deployment, error) {
	query := url.Values{"skipAutoDetectionConfirmation": {"1"}}
	if prebuilt {
		query.Set("prebuilt", "1")
	}
	out := &deployment{}
	err := c.call(ctx, op, http.MethodPost, "/v13/deployments", query, body, out)
	return out, err
}

// deleteDeployment: https://vercel.com/docs/rest-api/reference/endpoints/deployments/delete-a-deployment
func (c *client) deleteDeployment(ctx context.Context, op, id string) error {
	return gone(c.call(ctx, op, http.MethodDelete, rest.Path("/v13/deployments/%s", id), nil, nil, nil))
}

// upload: https://vercel.com/docs/rest-api/reference/endpoints/deployments/upload-deployment-files
func (c *client) upload(ctx context.Context, op string, f slipway.File, open func() (io.ReadCloser, error)) error {
	return c.rest.Do(ctx, rest.Request{
		Op: op, Method: http.MethodPost, Path: "/v2/files", Raw: open, Size: f.Size, Repeatable: true,
		Header: http.Header{"X-Vercel-Digest": {f.SHA1}},
	}, nil)
}

// events: https://vercel.com/docs/rest-api/reference/endpoints/deployments/get-deployment-events
func (c *client) events(ctx context.Context, op, id string, since int64) (io.ReadCloser, error) {
	query := url.Values{"follow": {"1"}, "direction": {"forward"}, "limit": {"-1"}, "format": {"lines"}}
	if since > 0 {
		query.Set("since", strconv.FormatInt(since, 10))
	}
	return c.rest.Stream(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: rest.Path("/v3/deployments/%s/events", id), Query: query})
}

// promote: https://vercel.com/docs/rest-api/reference/endpoints/projects/points-all-production-domains-for-a-project-to-the-given-deploy
// It is asynchronous; 202 means that it waits behind a rolling release.
func (c *client) promote(ctx context.Context, op, projectID, deploymentID string) error {
	return c.call(ctx, op, http.MethodPost, rest.Path("/v10/projects/%s/promote/%s", projectID, deploymentID), nil, struct{}{}, nil)
}

type aliasesReply struct {
	Aliases    []struct{ Alias, Status string }
	Pagination page
}

func (r *aliasesReply) Missing() string {
	if r.Aliases == nil {
		return "aliases"
	}
	return ""
}

// deploymentAliases: https://vercel.com/docs/rest-api/reference/endpoints/aliases/list-deployment-aliases
func (c *client) deploymentAliases(ctx context.Context, op, deploymentID string) ([]string, error) {
	return c.aliases(ctx, op, rest.Path("/v2/deployments/%s/aliases", deploymentID), url.Values{})
}

// assignAlias: https://vercel.com/docs/rest-api/reference/endpoints/aliases/assign-an-alias
func (c *client) assignAlias(ctx context.Context, op, deploymentID, host string) error {
	return c.call(ctx, op, http.MethodPost, rest.Path("/v2/deployments/%s/aliases", deploymentID), nil, map[string]any{"alias": host}, nil)
}

// rollback: https://vercel.com/docs/rest-api/reference/endpoints/projects/points-all-production-domains-for-a-project-to-the-given-deploy
//
// The vendor's CLI sends it to /v9, same path. It takes only what production has served before [?].
func (c *client) rollback(ctx context.Context, op, projectID, deploymentID string) error {
	err := c.call(ctx, op, http.MethodPost, rest.Path("/v1/projects/%s/rollback/%s", projectID, deploymentID), nil, struct{}{}, nil)
	if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Code == slipway.CodeRefused && e.Hint == "" {
		e.Hint = "name one that production has served, as Vercel's page of deployments shows it: slipway rollback DEPLOYMENT"
	}
	return err
}

// failedAliases: https://vercel.com/docs/rest-api/reference/endpoints/projects/gets-a-list-of-aliases-with-status-for-the-current-promote
func (c *client) failedAliases(ctx context.Context, op, projectID string) ([]string, error) {
	return c.aliases(ctx, op, rest.Path("/v1/projects/%s/promote/aliases", projectID), url.Values{"failedOnly": {"true"}, "limit": {"100"}})
}

func (c *client) aliases(ctx context.Context, op, path string, query url.Values) ([]string, error) {
	var all []string
	for query != nil {
		var out aliasesReply
		if err := c.call(ctx, op, http.MethodGet, path, query, nil, &out); err != nil {
			return nil, err
		}
		for _, a := range out.Aliases {
			all = append(all, a.Alias)
		}
		query = out.Pagination.until("until", query)
	}
	return all, nil
}

type domainsReply struct {
	Domains []struct {
		Name, GitBranch, CustomEnvironmentID, Redirect string
		Verified                                       bool
	}
	Pagination page
}

func (r *domainsReply) Missing() string {
	if r.Domains == nil {
		return "domains"
	}
	return ""
}

// productionDomains: https://vercel.com/docs/rest-api/reference/endpoints/projects/retrieve-project-domains-by-project-by-id-or-name
// It returns those that serve production: verified, no redirect, no branch.
func (c *client) productionDomains(ctx context.Context, op, projectID string) ([]string, error) {
	var all []string
	for query := (url.Values{"production": {"true"}, "limit": {"100"}}); query != nil; {
		var out domainsReply
		if err := c.call(ctx, op, http.MethodGet, rest.Path("/v9/projects/%s/domains", projectID), query, nil, &out); err != nil {
			return nil, err
		}
		for _, d := range out.Domains {
			if d.Verified && d.GitBranch == "" && d.CustomEnvironmentID == "" && d.Redirect == "" {
				all = append(all, d.Name)
			}
		}
		query = out.Pagination.until("until", query)
	}
	return all, nil
}

// parent returns the project that want is in; ok is false when it is not there yet.
func parent(want slipway.Spec) (slipway.Receipt, bool) {
	p, ok := want.Parents[kindProject]
	return p, ok && p.ID != ""
}

// never is for a method that the engine does not call for this kind.
func never(op string) error {
	return &slipway.Error{Code: slipway.CodeInternal, Op: op, Message: fmt.Sprintf("%s is never called", op)}
}

func millis(ms float64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
