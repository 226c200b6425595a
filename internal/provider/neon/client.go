package neon

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// client is the thin typed API. Paths are below the base URL.
type client struct {
	rest *rest.Client
	org  string // NEON_ORG_ID; "" leaves it to the key
	op   string // kind and verb, for errors
}

// as returns the client for one operation.
func (c client) as(op string) client {
	c.op = op
	return c
}

func (c client) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	return c.rest.Do(ctx, rest.Request{Op: c.op, Method: method, Path: path, Query: query, Body: body}, out)
}

// explain refines the mapping of a status by Neon's envelope {request_id, code, message}: https://api-docs.neon.tech/reference/errors
func explain(status int, _ http.Header, body []byte) *slipway.Error {
	e, said := rest.Default(status, body), rest.Envelope(body)
	e.Refusal = refusal(status, said.Message)
	switch {
	case status == http.StatusUnauthorized:
		return e.WithHint("NEON_API_KEY is not accepted: make a new key in Neon's console, under API keys")
	case status == http.StatusForbidden:
		return e.WithHint("the key may not do this: use a key of the organisation, or of a person who may")
	case status == http.StatusPaymentRequired, status == http.StatusUnprocessableEntity && strings.HasSuffix(said.Code, "_LIMIT_EXCEEDED"):
		// 422 PROJECTS_LIMIT_EXCEEDED: https://github.com/neondatabase/neonctl/issues/255
		e.Code = slipway.CodeLimit
		return e.WithHint("delete what is no longer needed in Neon's console, or choose a larger plan")
	case status == http.StatusBadRequest && strings.Contains(said.Message, "org_id"):
		return e.WithHint("set NEON_ORG_ID to the organisation's id, from its settings page")
	case status == http.StatusConflict:
		return e.WithHint("somebody has made one of this name: look at it in Neon's console, then resume the run to use it, or give the resource another name: in the manifest")
	case status == http.StatusPreconditionFailed:
		return e.WithHint("turn the storing of passwords on in the Neon project's settings, or use another project")
	}
	return e
}

// projectPage: https://api-docs.neon.tech/reference/listprojects
func (c client) projectPage(ctx context.Context, search, cursor string, limit int) (projectPage, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, v := range map[string]string{"search": search, "cursor": cursor, "org_id": c.org} {
		if v != "" {
			q.Set(name, v)
		}
	}
	var page projectPage
	err := c.do(ctx, http.MethodGet, "/projects", q, nil, &page)
	return page, err
}

// projectsNamed returns the living projects with exactly that name. search matches parts of names; a cursor comes with the last page
// too, so the end is an empty page. Projects that Neon could not fetch in time make absence unprovable: CodeUnavailable, RetryLater.
func (c client) projectsNamed(ctx context.Context, name string) ([]projectReply, error) {
	var out []projectReply
	for cursor := ""; ; {
		page, err := c.projectPage(ctx, name, cursor, 400)
		if err != nil {
			return nil, err
		}
		if len(page.Unavailable) > 0 {
			return nil, &slipway.Error{Code: slipway.CodeUnavailable, Op: c.op, Message: "Neon could not show all projects", Retry: slipway.RetryLater}
		}
		for _, p := range page.Projects {
			if p.Name == name && p.DeletedAt == "" {
				out = append(out, p)
			}
		}
		next := page.Pagination.Cursor
		if next == "" || next == cursor || len(page.Projects) == 0 {
			return out, nil
		}
		cursor = next
	}
}

// getProject: https://api-docs.neon.tech/reference/getproject
func (c client) getProject(ctx context.Context, id string) (projectReply, error) {
	var out oneProject
	err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s", id), nil, nil, &out)
	return out.Project, err
}

// createProject makes it with its default branch, compute, role and database: https://api-docs.neon.tech/reference/createproject
func (c client) createProject(ctx context.Context, name, region string, version int64, role, database string) (projectMade, error) {
	type inBranch struct {
		RoleName     string `json:"role_name"`
		DatabaseName string `json:"database_name"`
	}
	type inProject struct {
		Name      string   `json:"name"`
		RegionID  string   `json:"region_id"`
		PgVersion int64    `json:"pg_version"`
		OrgID     string   `json:"org_id,omitempty"`
		Branch    inBranch `json:"branch"`
	}
	body := map[string]inProject{"project": {name, region, version, c.org, inBranch{role, database}}}
	var out projectMade
	err := c.do(ctx, http.MethodPost, "/projects", nil, body, &out)
	return out, err
}

// renameProject: https://api-docs.neon.tech/reference/updateproject
func (c client) renameProject(ctx context.Context, id, name string) error {
	return c.do(ctx, http.MethodPatch, rest.Path("/projects/%s", id), nil, map[string]any{"project": map[string]string{"name": name}}, nil)
}

// deleteProject: https://api-docs.neon.tech/reference/deleteproject
func (c client) deleteProject(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, rest.Path("/projects/%s", id), nil, nil, nil)
}

// operations returns the latest: https://api-docs.neon.tech/reference/listprojectoperations
func (c client) operations(ctx context.Context, project string) ([]operationReply, error) {
	var out operationList
	err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s/operations", project), url.Values{"limit": {"100"}}, nil, &out)
	return out.Operations, err
}

// connectionURI has the role's password in it: https://api-docs.neon.tech/reference/getconnectionuri. branch "" is the default one.
// CodeNotFound when the branch, its compute, the role or the database is not there.
func (c client) connectionURI(ctx context.Context, project, branch, database, role string) (slipway.Secret, error) {
	q := url.Values{"database_name": {database}, "role_name": {role}}
	if branch != "" {
		q.Set("branch_id", branch)
	}
	var out connection
	err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s/connection_uri", project), q, nil, &out)
	return slipway.NewSecret(out.URI), err
}

// branches returns those whose name or id holds search, all pages: https://api-docs.neon.tech/reference/listprojectbranches
func (c client) branches(ctx context.Context, project, search string) ([]branchReply, error) {
	var all []branchReply
	for cursor := ""; ; {
		q := url.Values{}
		for name, v := range map[string]string{"search": search, "cursor": cursor} {
			if v != "" {
				q.Set(name, v)
			}
		}
		var out branchPage
		if err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s/branches", project), q, nil, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Branches...)
		if out.Pagination.Next == "" || out.Pagination.Next == cursor {
			return all, nil
		}
		cursor = out.Pagination.Next
	}
}

// defaultBranch returns the id of the branch that is the project's default.
func (c client) defaultBranch(ctx context.Context, project string) (string, error) {
	all, err := c.branches(ctx, project, "")
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(b branchReply) bool { return b.Default })
	if i < 0 {
		e := slipway.Errorf(slipway.CodeMalformed, "Neon shows no default branch for the project %s", project)
		e.Op = c.op
		return "", e
	}
	return all[i].ID, nil
}

// getBranch: https://api-docs.neon.tech/reference/getprojectbranch
func (c client) getBranch(ctx context.Context, project, id string) (branchReply, error) {
	var out oneBranch
	err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s/branches/%s", project, id), nil, nil, &out)
	return out.Branch, err
}

// createBranch makes a child of the default branch, without a compute: https://api-docs.neon.tech/reference/createprojectbranch
func (c client) createBranch(ctx context.Context, project, name string) (branchReply, error) {
	var out oneBranch
	body := map[string]any{"branch": map[string]string{"name": name}}
	err := c.do(ctx, http.MethodPost, rest.Path("/projects/%s/branches", project), nil, body, &out)
	return out.Branch, err
}

// renameBranch: https://api-docs.neon.tech/reference/updateprojectbranch
func (c client) renameBranch(ctx context.Context, project, id, name string) error {
	body := map[string]any{"branch": map[string]string{"name": name}}
	return c.do(ctx, http.MethodPatch, rest.Path("/projects/%s/branches/%s", project, id), nil, body, nil)
}

// deleteBranch: https://api-docs.neon.tech/reference/deleteprojectbranch
func (c client) deleteBranch(ctx context.Context, project, id string) error {
	return c.do(ctx, http.MethodDelete, rest.Path("/projects/%s/branches/%s", project, id), nil, nil, nil)
}

// endpoints returns a branch's computes: https://api-docs.neon.tech/reference/listprojectbranchendpoints
func (c client) endpoints(ctx context.Context, project, branch string) ([]endpointReply, error) {
	var out endpointList
	err := c.do(ctx, http.MethodGet, rest.Path("/projects/%s/branches/%s/endpoints", project, branch), nil, nil, &out)
	return out.Endpoints, err
}

// getEndpoint: https://api-docs.neon.tech/reference/getprojectendpoint
func (c client) getEndpoint(ctx context.Context, project, id string) (endpointReply, error) {
	return c.endpoint(ctx, http.MethodGet, rest.Path("/projects/%s/endpoints/%s", project, id), nil)
}

// createEndpoint makes a read-write compute: https://api-docs.neon.tech/reference/createprojectendpoint
func (c client) createEndpoint(ctx context.Context, project, branch string) (endpointReply, error) {
	body := map[string]string{"branch_id": branch, "type": readWrite}
	return c.endpoint(ctx, http.MethodPost, rest.Path("/projects/%s/endpoints", project), body)
}

// enableEndpoint: https://api-docs.neon.tech/reference/updateprojectendpoint
func (c client) enableEndpoint(ctx context.Context, project, id string) (endpointReply, error) {
	return c.endpoint(ctx, http.MethodPatch, rest.Path("/projects/%s/endpoints/%s", project, id), map[string]bool{"disabled": false})
}

func (c client) endpoint(ctx context.Context, method, path string, fields any) (endpointReply, error) {
	var out oneEndpoint
	var body any
	if fields != nil {
		body = map[string]any{"endpoint": fields}
	}
	err := c.do(ctx, method, path, nil, body, &out)
	return out.Endpoint, err
}

// deleteEndpoint: https://api-docs.neon.tech/reference/deleteprojectendpoint
func (c client) deleteEndpoint(ctx context.Context, project, id string) error {
	return c.do(ctx, http.MethodDelete, rest.Path("/projects/%s/endpoints/%s", project, id), nil, nil, nil)
}

// getRole: https://api-docs.neon.tech/reference/getprojectbranchrole
func (c client) getRole(ctx context.Context, project, branch, name string) (roleReply, error) {
	return c.role(ctx, http.MethodGet, rest.Path("/projects/%s/branches/%s/roles/%s", project, branch, name), nil)
}

// createRole: https://api-docs.neon.tech/reference/createprojectbranchrole
func (c client) createRole(ctx context.Context, project, branch, name string) (roleReply, error) {
	body := map[string]any{"role": map[string]string{"name": name}}
	return c.role(ctx, http.MethodPost, rest.Path("/projects/%s/branches/%s/roles", project, branch), body)
}

func (c client) role(ctx context.Context, method, path string, body any) (roleReply, error) {
	var out oneRole
	err := c.do(ctx, method, path, nil, body, &out)
	return out.Role, err
}

// deleteRole: https://api-docs.neon.tech/reference/deleteprojectbranchrole
func (c client) deleteRole(ctx context.Context, project, branch, name string) error {
	return c.do(ctx, http.MethodDelete, rest.Path("/projects/%s/branches/%s/roles/%s", project, branch, name), nil, nil, nil)
}

// getDatabase: https://api-docs.neon.tech/reference/getprojectbranchdatabase
func (c client) getDatabase(ctx context.Context, project, branch, name string) (databaseReply, error) {
	return c.database(ctx, http.MethodGet, rest.Path("/projects/%s/branches/%s/databases/%s", project, branch, name), nil)
}

// createDatabase: https://api-docs.neon.tech/reference/createprojectbranchdatabase
func (c client) createDatabase(ctx context.Context, project, branch, name, owner string) (databaseReply, error) {
	body := map[string]any{"database": map[string]string{"name": name, "owner_name": owner}}
	return c.database(ctx, http.MethodPost, rest.Path("/projects/%s/branches/%s/databases", project, branch), body)
}

// updateDatabase sends name, owner_name or both: https://api-docs.neon.tech/reference/updateprojectbranchdatabase
func (c client) updateDatabase(ctx context.Context, project, branch, name string, fields map[string]string) (databaseReply, error) {
	return c.database(ctx, http.MethodPatch, rest.Path("/projects/%s/branches/%s/databases/%s", project, branch, name), map[string]any{"database": fields})
}

func (c client) database(ctx context.Context, method, path string, body any) (databaseReply, error) {
	var out oneDatabase
	err := c.do(ctx, method, path, nil, body, &out)
	return out.Database, err
}

// deleteDatabase: https://api-docs.neon.tech/reference/deleteprojectbranchdatabase
func (c client) deleteDatabase(ctx context.Context, project, branch, name string) error {
	return c.do(ctx, http.MethodDelete, rest.Path("/projects/%s/branches/%s/databases/%s", project, branch, name), nil, nil, nil)
}

// accountIs returns CodeAccountChanged unless the key reaches account: an organisation (https://api-docs.neon.tech/reference/getorganization)
// or the key's own person (https://api-docs.neon.tech/reference/getcurrentuserinfo). One call; none when account is not recorded.
func (c client) accountIs(ctx context.Context, account string) error {
	if account == "" {
		return nil
	}
	var out struct {
		ID string `json:"id"`
	}
	path := "/users/me"
	if strings.HasPrefix(account, "org-") {
		path = rest.Path("/organizations/%s", account)
	}
	err := c.do(ctx, http.MethodGet, path, nil, nil, &out)
	switch code := slipway.ErrorCode(err); {
	case err == nil && out.ID == account:
		return nil
	case err == nil, code == slipway.CodeNotFound, code == slipway.CodeForbidden:
		return c.otherAccount(account)
	}
	return err
}

func (c client) otherAccount(account string) error {
	e := slipway.Errorf(slipway.CodeAccountChanged, "what is recorded lives in the Neon account %s, and NEON_API_KEY is for another", account).
		WithHint("use a key of that account; if the app has moved on purpose, start from another SLIPWAY_HOME")
	e.Op = c.op
	return e
}
