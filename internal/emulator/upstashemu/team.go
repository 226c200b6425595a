package upstashemu

import (
	"net/http"
	"slices"
)

// team is shared by accounts; its errors are {message}. Statuses and wordings are not documented [? upstash-team-errors].
type team struct {
	id, name string
	copyCC   bool
	members  []member // the owner first
}

type member struct{ email, role string }

func (t *team) wire() Team { return Team{ID: t.id, Name: t.name, CopyCC: t.copyCC} }

func (t *team) role(email string) string {
	for _, m := range t.members {
		if m.email == email {
			return m.role
		}
	}
	return ""
}

type memberBody struct {
	TeamID string `json:"team_id"`
	Name   string `json:"team_name"`
	Email  string `json:"member_email"`
	Role   string `json:"member_role"`
	CopyCC bool   `json:"copy_cc"`
}

func (t *team) wireMember(m member) memberBody {
	return memberBody{t.id, t.name, m.email, m.role, t.copyCC}
}

// foundTeams makes the teams that the accounts are told to be in: the first account by name owns one.
func (s *Server) foundTeams() {
	emails := make([]string, 0, len(s.Accounts))
	for email := range s.Accounts {
		emails = append(emails, email)
	}
	slices.Sort(emails)
	for _, email := range emails {
		for _, told := range s.Accounts[email].Teams {
			if t := s.team(told.ID); t != nil {
				t.members = append(t.members, member{email, "dev"})
				continue
			}
			s.teams = append(s.teams, &team{id: told.ID, name: told.Name, copyCC: told.CopyCC, members: []member{{email, "owner"}}})
		}
	}
}

func (s *Server) team(id string) *team {
	if i := slices.IndexFunc(s.teams, func(t *team) bool { return t.id == id }); i >= 0 {
		return s.teams[i]
	}
	return nil
}

// ownTeam returns a team that the account is in: any other is 404. To change it needs owner or admin.
func (s *Server) ownTeam(q *request, id string, change bool) (*team, *failure) {
	t := s.team(id)
	if t == nil || t.role(q.email) == "" {
		return nil, fail(http.StatusNotFound, "Team not found")
	}
	if role := t.role(q.email); change && role != "owner" && role != "admin" {
		return nil, fail(http.StatusForbidden, "Forbidden")
	}
	return t, nil
}

func (s *Server) listTeams(q *request) (any, *failure) {
	out := []Team{}
	for _, t := range s.teams {
		if t.role(q.email) != "" {
			out = append(out, t.wire())
		}
	}
	return out, nil
}

func (s *Server) createTeam(q *request) (any, *failure) {
	var in struct {
		Name   string `json:"team_name"`
		CopyCC *bool  `json:"copy_cc"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	if f := checkName(in.Name); f != nil {
		return nil, f
	}
	if in.CopyCC == nil {
		return nil, fail(http.StatusBadRequest, "copy_cc is required")
	}
	t := &team{id: s.RandomUUID(), name: in.Name, copyCC: *in.CopyCC, members: []member{{q.email, "owner"}}}
	s.teams = append(s.teams, t)
	return t.wire(), nil
}

func (s *Server) deleteTeam(q *request) (any, *failure) {
	t, f := s.ownTeam(q, q.PathValue("id"), true)
	if f != nil {
		return nil, f
	}
	s.teams = slices.DeleteFunc(s.teams, func(o *team) bool { return o == t })
	return "OK", nil
}

func (s *Server) getTeamMembers(q *request) (any, *failure) {
	t, f := s.ownTeam(q, q.PathValue("id"), false)
	if f != nil {
		return nil, f
	}
	out := make([]memberBody, 0, len(t.members))
	for _, m := range t.members {
		out = append(out, t.wireMember(m))
	}
	return out, nil
}

func (s *Server) addTeamMember(q *request) (any, *failure) {
	var in struct {
		TeamID string `json:"team_id"`
		Email  string `json:"member_email"`
		Role   string `json:"member_role"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	t, f := s.ownTeam(q, in.TeamID, true)
	switch {
	case f != nil:
		return nil, f
	case in.Email == "":
		return nil, fail(http.StatusBadRequest, "member_email is required")
	case !slices.Contains([]string{"admin", "dev", "finance"}, in.Role):
		return nil, fail(http.StatusBadRequest, "invalid member_role: %q", in.Role)
	case t.role(in.Email) != "":
		return nil, fail(http.StatusConflict, "Member already exists")
	}
	m := member{in.Email, in.Role}
	t.members = append(t.members, m)
	return t.wireMember(m), nil
}

// deleteTeamMember has a body, as few DELETE routes do.
func (s *Server) deleteTeamMember(q *request) (any, *failure) {
	var in struct {
		TeamID string `json:"team_id"`
		Email  string `json:"member_email"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	t, f := s.ownTeam(q, in.TeamID, true)
	switch {
	case f != nil:
		return nil, f
	case t.role(in.Email) == "":
		return nil, fail(http.StatusNotFound, "Member not found")
	case t.role(in.Email) == "owner":
		return nil, fail(http.StatusBadRequest, "The owner cannot be removed")
	}
	t.members = slices.DeleteFunc(t.members, func(m member) bool { return m.email == in.Email })
	return "OK", nil
}
