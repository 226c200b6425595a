package vercelemu

import (
	"net/http"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

var linkBody = openObject(map[string]*schema{"type": oneOf("github", "github-limited", "gitlab", "bitbucket"), "repo": str(0)}, "type", "repo")

func (s *Server) linkRepo(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	var body struct{ Type, Repo string }
	if f := c.into(&body); f != nil {
		return nil, f
	}
	if !strings.Contains(body.Repo, "/") {
		return nil, &failure{status: http.StatusBadRequest, code: "repo_not_found", message: "The repository \"" + body.Repo + "\" couldn't be found."}
	}
	p.link = s.newLink(body.Type, body.Repo)
	p.updated = s.stamp()
	return s.projectView(p), nil
}

func (s *Server) newLink(kind, repo string) obj {
	org, name, _ := strings.Cut(repo, "/")
	now := s.stamp()
	return obj{"type": kind, "org": org, "repo": name, "repoId": 100000 + s.RandomInt(1000000), "createdAt": now, "updatedAt": now,
		"deployHooks": []obj{}, "gitCredentialId": "cred_" + s.RandomString(40, emukit.LowerAlnum), "productionBranch": "main", "sourceless": true}
}

func (s *Server) unlinkRepo(c *call) (any, *failure) {
	p, f := s.find(c)
	if f != nil {
		return nil, f
	}
	if p.link == nil {
		return nil, badRequest("The project is not linked to a Git repository.")
	}
	p.link = nil
	p.updated = s.stamp()
	return s.projectView(p), nil
}
