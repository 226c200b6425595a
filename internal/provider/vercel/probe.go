package vercel

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

const tokenPage = "https://vercel.com/account/settings/tokens"

// causes are what speaks against a Vercel token: https://vercel.com/docs/accounts/access-tokens,
// https://vercel.com/docs/rbac/access-roles
var causes = []slipway.CauseInfo{
	{Cause: slipway.CauseInvalid, Sign: "GET /v2/user: 401, or 403 with invalidToken", Hint: "set " + settingToken + " to a valid token from " + tokenPage},
	{
		Cause: slipway.CauseExpired, Sign: "an earlier probe's GET /v5/user/tokens/current: expiresAt, which is over by now; any call: refused as invalid",
		Hint: "make a new token at " + tokenPage + " and set " + settingToken,
	},
	{
		Cause: slipway.CauseWrongTeam, Sign: "GET /v2/teams/{team}: 403 or 404; without a team, GET /v5/user/tokens/current: its scopes are teams alone",
		Reason: "the team is not one that " + settingToken + " reaches",
		Hint:   "set " + settingTeam + ", or vercel.team in the manifest, to a team that the token is for",
	},
	{
		Cause: slipway.CauseReadOnly, Sign: "GET /v2/teams/{team}: the role VIEWER, VIEWER_FOR_PLUS, BILLING or SECURITY; or the operation itself",
		Reason: "the token's user may only read in the team", Hint: "ask an owner of the team for the role MEMBER",
	},
	{
		// How the metadata of a token that is limited to a project looks is not documented [?]: either sign is taken.
		Cause: slipway.CauseProjectScoped, Sign: "GET /v5/user/tokens/current: a scope of a project; GET /v2/user: 403 without invalidToken; GET /v2/teams/{team}: CONTRIBUTOR",
		Reason: settingToken + " reaches single projects, and can neither make another nor delete it",
		Hint:   "use a token of the team: " + tokenPage,
	},
	{
		Cause: slipway.CauseForbidden, Sign: "GET /v2/teams/{team}: the role DEVELOPER without the permission; or the operation itself: 403",
		Hint: "look at the token's scope, its user's role in the team, and " + settingTeam,
	},
	{
		Cause: slipway.CauseAppNotInstalled, Kind: kindLink, Sign: "GET /v1/integrations/git-namespaces?provider=github: an empty list",
		Reason: "Vercel's GitHub app is installed on no account of the token's user", Hint: "install it: https://github.com/apps/vercel",
	},
}

// refusal is what an error reply says of the token, where its status does not say it all; CauseNone when it does. A call for a team that
// is not the token's is answered 403 with the scope: https://vercel.com/docs/rest-api/reference/errors
func refusal(status int, scope, message string) slipway.Cause {
	if status == http.StatusForbidden && (scope != "" || strings.Contains(message, "re-authenticate to this scope")) {
		return slipway.CauseWrongTeam
	}
	return slipway.CauseNone
}

// tokenReply: https://vercel.com/docs/rest-api/reference/endpoints/authentication/get-auth-token-metadata
type tokenReply struct {
	Token struct {
		ExpiresAt float64 // ms
		Scopes    []struct{ Type, TeamID, ProjectID string }
	}
}

// ends returns when the token does; the zero time for never.
func (r *tokenReply) ends() time.Time {
	if r.Token.ExpiresAt <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(r.Token.ExpiresAt)).UTC()
}

// ofProject reports whether a scope is a project.
func (r *tokenReply) ofProject() bool {
	for _, s := range r.Token.Scopes {
		if s.Type == "project" || s.ProjectID != "" {
			return true
		}
	}
	return false
}

// onlyTeams returns the teams that the token is limited to; none when it is not.
func (r *tokenReply) onlyTeams() []string {
	var teams []string
	for _, s := range r.Token.Scopes {
		if s.Type != "team" {
			return nil
		}
		teams = append(teams, s.TeamID)
	}
	return teams
}

// teamReply: https://vercel.com/docs/rest-api/reference/endpoints/teams/get-a-team
type teamReply struct {
	ID         string
	Membership struct {
		Role                       string
		TeamRoles, TeamPermissions []string
	}
}

func (r *teamReply) Missing() string { return absent("id", r.ID) }

// namespacesReply: https://vercel.com/docs/rest-api/reference/endpoints/integrations. Callers have seen the list bare and under a name [?].
type namespacesReply struct{ n int }

func (r *namespacesReply) UnmarshalJSON(b []byte) error {
	var bare []struct{}
	if json.Unmarshal(b, &bare) == nil {
		r.n = len(bare)
		return nil
	}
	var named struct{ Namespaces []struct{} }
	if err := json.Unmarshal(b, &named); err != nil {
		return err
	}
	r.n = len(named.Namespaces)
	return nil
}

// Probe asks who the token is, what it is limited to and until when, what its user may do in the team, and where Vercel's GitHub app is
// installed. 4 calls, at once: a run waits for them before its first change.
func (s *session) Probe(ctx context.Context) []slipway.Capability {
	p := probe{client: s.client, info: provider{}.Info(), out: slipway.Capability{Name: "credential", Account: s.client.team}}
	p.ask(ctx)
	cause := p.credential()
	found := []slipway.Capability{rest.Finding(p.info, p.out, cause, p.seen...)}
	if cause != slipway.CauseNone {
		return found
	}
	found = append(found, p.missing()...)
	return append(found, p.gitHub()...)
}

// probe is one Probe under way.
type probe struct {
	client *client
	info   slipway.ProviderInfo
	seen   []rest.Seen
	out    slipway.Capability

	answers    map[string]*rest.Seen // by path
	user       userReply
	token      tokenReply
	team       teamReply
	namespaces namespacesReply
}

const (
	pathUser       = "/v2/user"
	pathToken      = "/v5/user/tokens/current"
	pathProjects   = "/v10/projects"
	pathNamespaces = "/v1/integrations/git-namespaces"
)

func (p *probe) pathTeam() string { return rest.Path("/v2/teams/%s", p.client.team) }

// ask sends all calls.
func (p *probe) ask(ctx context.Context) {
	p.answers = map[string]*rest.Seen{}
	var group sync.WaitGroup
	send := func(path string, query url.Values, out any) {
		seen := &rest.Seen{}
		p.answers[path] = seen
		group.Go(func() {
			*seen = p.client.rest.Look(ctx, rest.Request{Op: "vercel probe", Method: http.MethodGet, Path: path, Query: query}, out)
		})
	}
	send(pathUser, nil, &p.user)
	send(pathToken, nil, &p.token)
	send(pathNamespaces, url.Values{"provider": {"github"}}, &p.namespaces)
	if p.client.team == "" {
		send(pathProjects, url.Values{"limit": {"1"}}, &struct{}{})
	} else {
		send(p.pathTeam(), nil, &p.team)
	}
	group.Wait()
}

// look returns what speaks against the token by one answer, which then counts as evidence.
func (p *probe) look(path string) slipway.Cause {
	p.seen = append(p.seen, *p.answers[path])
	return p.seen[len(p.seen)-1].Cause()
}

// credential returns what speaks against the token as a whole.
func (p *probe) credential() slipway.Cause {
	user := p.look(pathUser)
	if user != slipway.CauseNone && user != slipway.CauseForbidden {
		return user
	}
	p.out.Account = cmp.Or(p.client.team, p.user.User.ID)
	if cause := p.look(pathToken); cause == slipway.CauseInvalid || cause == slipway.CauseRateLimited {
		return cause
	}
	if ends := p.token.ends(); !ends.IsZero() {
		p.out.Expires = ends.Format(time.RFC3339)
	}
	if p.token.ofProject() || user == slipway.CauseForbidden {
		return slipway.CauseProjectScoped
	}
	if p.client.team == "" {
		return p.personal(p.token.onlyTeams())
	}
	switch cause := p.look(p.pathTeam()); {
	case slices.Contains([]int{http.StatusForbidden, http.StatusNotFound}, p.seen[len(p.seen)-1].Status) && cause != slipway.CauseInvalid:
		return slipway.CauseWrongTeam
	case cause != slipway.CauseNone:
		return cause
	}
	p.out.Account = p.team.ID
	return p.role()
}

// personal is for the token's own account.
func (p *probe) personal(only []string) slipway.Cause {
	if len(only) > 0 {
		p.out.Reason = settingToken + " is limited to the team " + strings.Join(only, ", ") + ", and no team is named"
		return slipway.CauseWrongTeam
	}
	return p.look(pathProjects)
}

// roles are those of the user in the team.
func (p *probe) roles() []string {
	m := p.team.Membership
	return slices.DeleteFunc(append(slices.Clone(m.TeamRoles), m.Role), func(s string) bool { return s == "" })
}

// role returns what the user's role in the team says against every change: https://vercel.com/docs/rbac/access-roles
func (p *probe) role() slipway.Cause {
	roles := p.roles()
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(roles, n) })
	}
	switch {
	case has("OWNER", "MEMBER", "DEVELOPER") || len(roles) == 0:
		return slipway.CauseNone
	case has("CONTRIBUTOR"):
		p.out.Reason = "the token's user is a CONTRIBUTOR, and reaches the projects alone that were assigned to them"
		return slipway.CauseProjectScoped
	}
	p.out.Reason = "the token's user has the role " + strings.Join(slices.Compact(roles), ", ") + " in the team, which may only read"
	return slipway.CauseReadOnly
}

// permissions are those that a DEVELOPER must be given: https://vercel.com/docs/rbac/access-roles/extended-permissions
var permissions = []struct {
	name, title string
	environment string // the one that it is about; "" for all: a DEVELOPER may deploy to preview and write its variables
	kind        slipway.Kind
	ops         []slipway.Op
}{
	{"CreateProject", "make projects", "", kindProject, []slipway.Op{slipway.OpCreate, slipway.OpDelete}},
	{"EnvVariableManager", "write the variables of production", slipway.Production, kindEnv, []slipway.Op{""}},
	{"FullProductionDeployment", "deploy to production", slipway.Production, kindDeployment, []slipway.Op{slipway.OpDeploy}},
	{"FullProductionDeployment", "move production", slipway.Production, kindProduction, []slipway.Op{slipway.OpPromote, slipway.OpRollback}},
}

// missing returns a finding for each operation that the user's role lacks the permission for.
func (p *probe) missing() []slipway.Capability {
	roles := p.roles()
	if slices.Contains(roles, "OWNER") || slices.Contains(roles, "MEMBER") || !slices.Contains(roles, "DEVELOPER") {
		return nil
	}
	var out []slipway.Capability
	for _, need := range permissions {
		if slices.Contains(p.team.Membership.TeamPermissions, need.name) {
			continue
		}
		for _, op := range need.ops {
			c := slipway.Capability{Name: need.title, Kind: need.kind, Op: op, Environment: need.environment, Account: p.out.Account}
			c.Reason = "the token's user is a DEVELOPER without the permission to " + need.title
			c.Hint = "ask an owner of the team for the permission " + need.name + ", or the role MEMBER"
			out = append(out, rest.Finding(p.info, c, slipway.CauseForbidden, p.seen[len(p.seen)-1]))
		}
	}
	return out
}

// gitHub returns whether a repository of GitHub could be linked; nothing where the API does not say.
func (p *probe) gitHub() []slipway.Capability {
	if p.look(pathNamespaces) != slipway.CauseNone {
		return nil
	}
	cause := slipway.CauseNone
	if p.namespaces.n == 0 {
		cause = slipway.CauseAppNotInstalled
	}
	c := slipway.Capability{Name: "github app", Kind: kindLink, Account: p.out.Account}
	return []slipway.Capability{rest.Finding(p.info, c, cause, p.seen[len(p.seen)-1])}
}
