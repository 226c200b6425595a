package vercelemu

import (
	"cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type obj = map[string]any

func accountRoutes() []route {
	return []route{
		{method: "GET", versions: "v2", path: "/user", doc: "user/get-the-user", do: (*Server).getUser},
		{method: "GET", versions: "v2 v1", path: "/teams", doc: "teams/list-all-teams", do: (*Server).listTeams},
		{method: "GET", versions: "v2 v1 -", path: "/teams/{team}", doc: "teams/get-a-team", do: (*Server).getTeam},
	}
}

func (s *Server) getUser(c *call) (any, *failure) {
	u := c.who.User
	if len(c.who.OnlyTeams) > 0 { // a token that may not read all of it
		return obj{"user": obj{
			"limited": true, "id": u.ID, "email": u.Email, "name": u.Name, "username": u.Username, "avatar": nil, "defaultTeamId": nil, "version": nil,
		}}, nil
	}
	return obj{"user": obj{
		"id": u.ID, "email": u.Email, "name": u.Name, "username": u.Username, "avatar": nil, "defaultTeamId": nil, "version": nil,
		"createdAt": accountsBegan, "softBlock": nil, "billing": nil, "resourceConfig": obj{}, "stagingPrefix": u.Username,
		"hasTrialAvailable": false,
	}}, nil
}

// accountsBegan is when every emulated account was made.
const accountsBegan = 1700000000000

func (s *Server) listTeams(c *call) (any, *failure) {
	limit, f := c.limit(20, 100)
	if f != nil {
		return nil, f
	}
	until, f := c.millis("until")
	if f != nil {
		return nil, f
	}
	teams := c.who.Teams
	// Teams have no creation times of their own: their order stands in for it.
	stamps := make([]int, len(teams))
	for i := range stamps {
		stamps[i] = i
	}
	page, next := emukit.PageBefore(stamps, func(i int) int64 { return accountsBegan - int64(i) }, until, limit)
	out := make([]obj, 0, len(page))
	for _, i := range page {
		out = append(out, teamView(c.who, teams[i], accountsBegan-int64(i)))
	}
	return obj{"teams": out, "pagination": pagination(len(out), next)}, nil
}

func (s *Server) getTeam(c *call) (any, *failure) {
	for i, t := range c.who.Teams {
		if t.ID == c.path("team") || t.Slug == c.path("team") {
			return teamView(c.who, t, accountsBegan-int64(i)), nil
		}
	}
	return nil, notFound("Team not found")
}

func teamView(who Account, t Team, created int64) obj {
	return obj{
		"id": t.ID, "slug": t.Slug, "name": t.Name, "creatorId": who.User.ID, "avatar": nil, "description": nil,
		"stagingPrefix": t.Slug, "createdAt": created, "updatedAt": created,
		"membership": obj{
			"confirmed": true, "role": role(who), "teamRoles": []string{role(who)}, "teamPermissions": append([]string{}, who.Permissions...),
			"createdAt": created, "created": created, "uid": who.User.ID,
		},
	}
}

func role(who Account) string {
	if who.Role == "" && who.ReadOnly {
		return "VIEWER"
	}
	return cmp.Or(who.Role, "OWNER")
}

// pagination is the block of every list: next is null on the last page.
func pagination(count int, next int64) obj {
	p := obj{"count": count, "next": nil, "prev": nil}
	if next != 0 {
		p["next"] = next
	}
	return p
}
