package vercelemu

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func accessRoutes() []route {
	return []route{
		{method: "GET", versions: "v5", path: "/user/tokens/{token}", doc: "authentication/get-auth-token-metadata", do: (*Server).getToken},
		{
			method: "GET", versions: "v1", path: "/integrations/git-namespaces", doc: "integrations/list-git-namespaces-by-provider", do: (*Server).gitNamespaces,
			differs: "the derived document has one object; those who call it read an array of them",
		},
	}
}

// withAccess changes the account as with:access says for one call.
func (c *call) withAccess() *failure {
	switch value := c.with("access"); value {
	case "":
	case "expired":
		return errInvalidToken
	case "viewer":
		c.who.ReadOnly = true
	case "contributor", "developer":
		c.who.Role = strings.ToUpper(value)
	case "project":
		c.who.ProjectOnly = true
	case "other-team":
		c.who.Teams = []Team{{ID: "team_emulatorOther", Slug: "emulator-other", Name: "Other"}}
	case "team":
		c.who.OnlyTeams = []string{c.who.Teams[0].ID}
	case "no-github":
		c.who.NoGitHub = true
	default:
		return c.badSetting("access")
	}
	return nil
}

// allowed refuses what the token's scope and the user's role do not let them do.
func (c *call) allowed(rt route) *failure {
	if c.who.ProjectOnly && !ofProject(rt) { // https://vercel.com/changelog/project-scoped-tokens; its status and words are [? vercel-project-token]
		return errNotAuthorized
	}
	if c.who.ReadOnly && rt.method != http.MethodGet || lacks(c.who, rt) {
		// https://github.com/dyad-sh/dyad/issues/4175 has this shape for a project's create.
		return &failure{
			status: http.StatusForbidden, code: "forbidden", message: "You don't have permission to " + permission(rt) + ".",
			more: map[string]any{"action": action(rt), "resource": resource(rt)},
		}
	}
	return nil
}

// ofProject reports whether an operation is about one project, and not the user or the team.
func ofProject(rt route) bool {
	return strings.Contains(rt.path, "{project}") || strings.Contains(rt.path, "{deployment}") || strings.HasPrefix(rt.path, "/files") ||
		strings.HasPrefix(rt.path, "/deployments")
}

// lacks reports whether a role is without the permission that an operation needs:
// https://vercel.com/docs/rbac/access-roles/extended-permissions. That a DEVELOPER's production deployments are refused is not modelled.
func lacks(who Account, rt route) bool {
	if rt.method == http.MethodGet || who.Role != "DEVELOPER" && who.Role != "CONTRIBUTOR" {
		return false
	}
	needs := ""
	switch {
	case rt.path == "/projects":
		needs = "CreateProject"
	case who.Role == "CONTRIBUTOR": // here one with the project role of an admin
	case strings.Contains(rt.path, "/env"):
		needs = "EnvVariableManager"
	case strings.Contains(rt.path, "/promote/"), strings.Contains(rt.path, "/rollback/"):
		needs = "FullProductionDeployment"
	}
	return needs != "" && !slices.Contains(who.Permissions, needs)
}

// getToken tells of the token that the call is made with, or any other of the user's by its id: here none.
func (s *Server) getToken(c *call) (any, *failure) {
	if c.path("token") != "current" {
		return nil, notFound("Token not found")
	}
	scopes := []obj{{"type": "user", "createdAt": accountsBegan}}
	for i, id := range c.who.OnlyTeams {
		if i == 0 {
			scopes = nil
		}
		scopes = append(scopes, obj{"type": "team", "teamId": id, "createdAt": accountsBegan})
	}
	token := obj{"id": "emulator", "name": "emulator", "type": "token", "origin": "manual", "activeAt": c.now.UnixMilli(), "createdAt": accountsBegan, "scopes": scopes}
	if !c.who.Expires.IsZero() {
		token["expiresAt"] = c.who.Expires.UnixMilli()
	}
	return obj{"token": token}, nil
}

// gitNamespaces lists where Vercel's GitHub app is installed.
func (s *Server) gitNamespaces(c *call) (any, *failure) {
	out := []obj{}
	if p := c.query("provider"); !c.who.NoGitHub && (p == "" || p == "github") {
		out = append(out, obj{"id": 1, "installationId": 1, "isAccessRestricted": false, "name": "Acme", "ownerType": "team", "provider": "github", "requireReauth": false, "slug": "acme"})
	}
	return out, nil
}

// errInvalidToken is what an unknown token gets, as recorded once of the real API [? vercel-wrong-token]; an expired one gets the same here.
var errInvalidToken = &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized", more: map[string]any{"invalidToken": true}}

var errNotAuthorized = &failure{status: http.StatusForbidden, code: "forbidden", message: "Not authorized"}

// aboutToken reports whether a call is about the token itself, which one that is limited to teams may make without naming any.
func aboutToken(path string) bool {
	return path == "/v2/user" || strings.HasPrefix(path, "/v5/user/tokens/")
}

// expired reports whether the token's last day is over.
func (a Account) expired(now time.Time) bool { return !a.Expires.IsZero() && now.After(a.Expires) }
