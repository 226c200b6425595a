package live

import (
	"net/http"
	"net/url"
	"strings"
)

// neonQuestions are about Neon: https://api-docs.neon.tech/reference
func neonQuestions() []Question {
	return []Question{
		{ID: "neon-wrong-key", Asks: "list projects with a key that does not exist", Here: `401 no code "supplied credentials do not pass authentication"`, ask: func(s *Session) (string, error) {
			r, err := s.call("neon", "GET", "/projects", nil, wrongCredential)
			return r.quoted(), err
		}},
		{ID: "neon-user-of-org-key", Asks: "GET /users/me with an organisation's key", Here: `404 no code "user not found"`, ask: askNeonUser},
		{
			ID: "neon-read-only-key", NotAsked: "it takes a second key, which may only read",
			FindOut: "create a project with a key whose member has the viewer role",
		},
		{ID: "neon-project-key-create", NotAsked: "it takes a second key, which is limited to one project", FindOut: "create a project with such a key"},
		{ID: "neon-project-key-delete", NotAsked: "it takes a second key, which is limited to one project", FindOut: "delete that project with such a key"},
		{ID: "neon-unknown-region", Asks: "create a project in a region that does not exist", Here: `400 no code "unknown region "aws-nowhere-1""`, ask: func(s *Session) (string, error) {
			return s.createsNeonProject(obj{"region_id": "aws-nowhere-1"})
		}},
		{ID: "neon-unknown-field", Asks: "create a project with a field that does not exist", Here: "400 no code", ask: func(s *Session) (string, error) {
			got, err := s.createsNeonProject(obj{"nome": 1})
			got, _, _ = strings.Cut(got, ` "`)
			return got, err
		}},
		{ID: "neon-uri-too-early", Asks: "ask for the connection string of a branch right after its create", Here: "423 no code", ask: askURITooEarly},
		{ID: "neon-delete-default-branch", Asks: "delete the default branch, which is the root", Here: `422 no code "cannot delete the root branch"`, ask: onNeon(func(s *Session, at neonApp) (string, error) {
			return s.told("DELETE", at.branchPath(), nil)
		})},
		{ID: "neon-delete-protected-branch", Asks: "delete a protected branch", Here: `422 no code "cannot delete a protected branch"`, ask: onNeon(askProtectedBranch)},
		{ID: "neon-recover-living-project", Asks: "recover a project that is not deleted", Here: "422 no code", ask: onNeon(func(s *Session, at neonApp) (string, error) {
			r, err := s.patient("neon", "POST", at.path+"/recover", nil)
			return r.short(), err
		})},
		{ID: "neon-recover-branch", Asks: "recover a branch whose name is taken; one whose parent is deleted", Here: "409 no code; 422 no code", ask: onNeon(askRecoverBranch)},
		{ID: "neon-second-writer", Asks: "create a second read-write compute of a branch", Here: "409 ENDPOINTS_LIMIT_EXCEEDED", ask: onNeon(func(s *Session, at neonApp) (string, error) {
			r, err := s.patient("neon", "POST", at.path+"/endpoints", obj{"endpoint": obj{"branch_id": at.Branch, "type": "read_write"}})
			if r.ok() {
				s.deletes("neon", at.path+"/endpoints/"+r.field("endpoint.id"))
			}
			return r.short(), err
		})},
		{ID: "neon-database-without-compute", Asks: "create a database on a branch without compute; for an owner that does not exist", Here: "404 no code; 404 no code", ask: onNeon(askDatabase)},
		{ID: "neon-reset-nologin", Asks: "reset the password of a role that cannot log in", Here: `422 no code "role cannot login"`, ask: onNeon(func(s *Session, at neonApp) (string, error) {
			if err := s.role(at, obj{"name": "live_nologin", "no_login": true}); err != nil {
				return "", err
			}
			return s.told("POST", at.branchPath()+"/roles/live_nologin/reset_password", nil)
		})},
		{ID: "neon-delete-owner", Asks: "delete a role that owns a database", Here: `422 no code "role "live_owner" owns databases"`, ask: onNeon(func(s *Session, at neonApp) (string, error) {
			if err := s.role(at, obj{"name": "live_owner"}); err != nil {
				return "", err
			}
			if err := s.need(nil, "neon", "POST", at.branchPath()+"/databases", obj{"database": obj{"name": "live_owned", "owner_name": "live_owner"}}); err != nil {
				return "", err
			}
			s.deletes("neon", at.branchPath()+"/databases/live_owned")
			return s.told("DELETE", at.branchPath()+"/roles/live_owner", nil)
		})},
		{ID: "neon-list-deleted", Asks: "look for a deleted project in the list", Here: "not listed", ask: askListDeleted},
		{ID: "neon-rate-limit", Asks: "send 80 calls at once to one route: what the first refused one is answered", Here: "429 no code, with Retry-After", ask: askNeonRate},
	}
}

// neonApp is the app's project, with its default branch and what Slipway made on it.
type neonApp struct {
	path                   string // /projects/ID
	Branch, Database, Role string
}

func (at neonApp) branchPath() string { return at.path + "/branches/" + at.Branch }

func (s *Session) neonApp() (neonApp, error) {
	return once(s, "neon", func() (at neonApp, err error) {
		projects, err := s.neonProjects(s.App)
		if err != nil {
			return at, err
		}
		for _, p := range projects {
			if p.Name == s.App {
				at.path = "/projects/" + p.ID
			}
		}
		var have struct {
			Branches []struct {
				ID      string
				Default bool
			}
			Databases []struct {
				Name  string
				Owner string `json:"owner_name"`
			}
		}
		if at.path == "" {
			return at, notAsked("the app's Neon project is not there")
		}
		if err := s.need(&have, "neon", "GET", at.path+"/branches", nil); err != nil {
			return at, err
		}
		for _, b := range have.Branches {
			if b.Default {
				at.Branch = b.ID
			}
		}
		if err := s.need(&have, "neon", "GET", at.branchPath()+"/databases", nil); err != nil {
			return at, err
		}
		if len(have.Databases) == 0 {
			return at, notAsked("the app's Neon project has no database")
		}
		at.Database, at.Role = have.Databases[0].Name, have.Databases[0].Owner
		return at, nil
	})
}

type neonProject struct {
	ID, Name  string
	DeletedAt string `json:"deleted_at"`
}

func (s *Session) neonProjects(prefix string) ([]neonProject, error) {
	var list struct{ Projects []neonProject }
	path := "/projects?limit=400&search=" + url.QueryEscape(prefix)
	if org := s.Env("NEON_ORG_ID"); org != "" {
		path += "&org_id=" + url.QueryEscape(org)
	}
	err := s.need(&list, "neon", "GET", path, nil)
	return list.Projects, err
}

func onNeon(ask func(*Session, neonApp) (string, error)) func(*Session) (string, error) {
	return func(s *Session) (string, error) {
		at, err := s.neonApp()
		if err != nil {
			return "", err
		}
		return ask(s, at)
	}
}

// told asks by one call, when nothing else goes on in the project, and answers with the words of a refusal.
func (s *Session) told(method, path string, body any) (string, error) {
	r, err := s.patient("neon", method, path, body)
	return r.quoted(), err
}

func (s *Session) newNeonProject(more obj) obj {
	p := obj{"name": s.App + "-asked"}
	if org := s.Env("NEON_ORG_ID"); org != "" {
		p["org_id"] = org
	}
	for k, v := range more {
		p[k] = v
	}
	return obj{"project": p}
}

func (s *Session) createsNeonProject(more obj) (string, error) {
	r, err := s.call("neon", "POST", "/projects", s.newNeonProject(more))
	if r.ok() {
		s.deletes("neon", "/projects/"+r.field("project.id"))
	}
	return r.quoted(), err
}

func askNeonUser(s *Session) (string, error) {
	var key struct {
		Method string `json:"auth_method"`
	}
	if err := s.need(&key, "neon", "GET", "/auth", nil); err != nil {
		return "", err
	}
	if !strings.Contains(key.Method, "org") {
		return "", notAsked("NEON_API_KEY is a person's: to find out, use an organisation's")
	}
	return s.told("GET", "/users/me", nil)
}

// branch makes a branch for one question.
func (s *Session) branch(at neonApp, name, parent string, endpoints ...obj) (id string, err error) {
	body := obj{"branch": obj{"name": name, "parent_id": parent}}
	if len(endpoints) > 0 {
		body["endpoints"] = endpoints
	}
	var made struct{ Branch struct{ ID string } }
	if err := s.need(&made, "neon", "POST", at.path+"/branches", body); err != nil {
		return "", err
	}
	s.deletes("neon", at.path+"/branches/"+made.Branch.ID+"?hard_delete=true")
	return made.Branch.ID, nil
}

func (s *Session) role(at neonApp, role obj) error {
	name, _ := role["name"].(string)
	if err := s.need(nil, "neon", "POST", at.branchPath()+"/roles", obj{"role": role}); err != nil {
		return err
	}
	s.deletes("neon", at.branchPath()+"/roles/"+name)
	return nil
}

func askURITooEarly(s *Session) (string, error) {
	at, err := s.neonApp()
	if err != nil {
		return "", err
	}
	b, err := s.branch(at, "live-early", at.Branch, obj{"type": "read_write"})
	if err != nil {
		return "", err
	}
	query := url.Values{"branch_id": {b}, "database_name": {at.Database}, "role_name": {at.Role}}
	return s.short("neon", "GET", at.path+"/connection_uri?"+query.Encode(), nil)
}

func askProtectedBranch(s *Session, at neonApp) (string, error) {
	b, err := s.branch(at, "live-protected", at.Branch)
	if err != nil {
		return "", err
	}
	path := at.path + "/branches/" + b
	if err := s.need(nil, "neon", "PATCH", path, obj{"branch": obj{"protected": true}}); err != nil {
		return "", err
	}
	s.later(func() { _, _ = s.patient("neon", "PATCH", path, obj{"branch": obj{"protected": false}}) })
	return s.told("DELETE", path, nil)
}

func askRecoverBranch(s *Session, at neonApp) (string, error) {
	recovered := func(id string) func() (string, error) {
		return func() (string, error) {
			r, err := s.patient("neon", "POST", at.path+"/branches/"+id+"/recover", nil)
			return r.short(), err
		}
	}
	first, err := s.branch(at, "live-again", at.Branch)
	if err != nil {
		return "", err
	}
	if err := s.need(nil, "neon", "DELETE", at.path+"/branches/"+first, nil); err != nil {
		return "", err
	}
	parent, err := s.branch(at, "live-again", at.Branch)
	if err != nil {
		return "", err
	}
	child, err := s.branch(at, "live-child", parent)
	if err != nil {
		return "", err
	}
	named, err := recovered(first)()
	if err != nil {
		return "", err
	}
	for _, b := range []string{child, parent} {
		if err := s.need(nil, "neon", "DELETE", at.path+"/branches/"+b, nil); err != nil {
			return "", err
		}
	}
	orphan, err := recovered(child)()
	return named + "; " + orphan, err
}

func askDatabase(s *Session, at neonApp) (string, error) {
	b, err := s.branch(at, "live-idle", at.Branch)
	if err != nil {
		return "", err
	}
	ask := func(branch, owner string) func() (string, error) {
		return func() (string, error) {
			path := at.path + "/branches/" + branch + "/databases"
			r, err := s.patient("neon", "POST", path, obj{"database": obj{"name": "live_none", "owner_name": owner}})
			if r.ok() {
				s.deletes("neon", path+"/live_none")
			}
			return r.short(), err
		}
	}
	return each(ask(b, at.Role), ask(at.Branch, "live_nobody"))
}

func askListDeleted(s *Session) (string, error) {
	var made struct{ Project struct{ ID string } }
	if err := s.need(&made, "neon", "POST", "/projects", s.newNeonProject(nil)); err != nil {
		return "", err
	}
	if err := s.need(nil, "neon", "DELETE", "/projects/"+made.Project.ID, nil); err != nil {
		s.deletes("neon", "/projects/"+made.Project.ID)
		return "", err
	}
	projects, err := s.neonProjects(s.App)
	for _, p := range projects {
		switch {
		case p.ID == made.Project.ID && p.DeletedAt != "":
			return "listed, with deleted_at", err
		case p.ID == made.Project.ID:
			return "listed, without deleted_at", err
		}
	}
	return "not listed", err
}

func askNeonRate(s *Session) (string, error) {
	for _, r := range s.atOnce(80, "neon", "GET", "/regions", nil) {
		if r.status != http.StatusTooManyRequests {
			continue
		}
		if r.header.Get("Retry-After") == "" {
			return r.short() + ", without Retry-After", nil
		}
		return r.short() + ", with Retry-After", nil
	}
	return "", notAsked("80 calls at once met no limit")
}
