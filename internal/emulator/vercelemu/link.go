package vercelemu

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Repository is what Vercel's Git app sees of a repository.
type Repository struct {
	ID int64
	// DefaultBranch becomes the production branch of a linked project. "" means main.
	DefaultBranch string
	// Tree returns the files at a branch, tag or commit, and that commit's SHA. nil files mean that there is no such ref.
	Tree func(ref string) (files map[string][]byte, sha string)
}

func (r *Repository) branch() string {
	if r == nil || r.DefaultBranch == "" {
		return "main"
	}
	return r.DefaultBranch
}

// LinkRefusal is why a repository cannot be linked. Each of them takes a person to mend.
type LinkRefusal string

// Refusals, as the vendor's CLI tells them apart.
const (
	// RepoNotFound: no such repository, or none that the Git app may see.
	RepoNotFound LinkRefusal = "repo_not_found"
	// RepoLinksExceeded: the repository is linked to as many projects as the plan allows.
	RepoLinksExceeded LinkRefusal = "repo_links_exceeded_limit"
	// InstallApp: the account has not installed the Git app.
	InstallApp LinkRefusal = "Install GitHub App"
	// LoginConnection: the user has no login connection with the Git provider.
	LoginConnection LinkRefusal = "Add a Login Connection"
)

// failure is worded after the vendor's CLI, which reads code, action and link; the codes of the last two are
// [? vercel-link-account], and all messages are [? vercel-link-repo-not-found].
func (r LinkRefusal) failure(repo string) *failure {
	switch r {
	case RepoNotFound:
		return &failure{status: http.StatusBadRequest, code: string(r), message: "The repository \"" + repo + "\" couldn't be found."}
	case RepoLinksExceeded:
		return &failure{
			status: http.StatusBadRequest, code: string(r), message: "The repository \"" + repo + "\" is already connected to the maximum number of projects.",
			more: map[string]any{"action": "Upgrade", "link": "https://vercel.com/docs/limits"},
		}
	case LoginConnection:
		return &failure{
			status: http.StatusBadRequest, code: "bad_request", message: "To link the repository " + repo + ", you need to add a Login Connection to your GitHub account first.",
			more: map[string]any{"action": string(r), "link": "https://vercel.com/account/login-connections"},
		}
	}
	return &failure{
		status: http.StatusBadRequest, code: "bad_request", message: "To link a GitHub repository, you need to install the GitHub integration first.",
		more: map[string]any{"action": string(InstallApp), "link": "https://github.com/apps/vercel"},
	}
}

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
	link, f := s.newLink(c, body.Type, body.Repo)
	if f != nil {
		return nil, f
	}
	p.link, p.updated = link, s.stamp()
	return s.projectView(p), nil
}

// newLink is `link` of a project, or why there is none.
func (s *Server) newLink(c *call, provider, name string) (obj, *failure) {
	refusal, f := c.linkSetting()
	if f != nil {
		return nil, f
	}
	if refusal != "" {
		return nil, refusal.failure(name)
	}
	if s.LinkFails != nil {
		if why := s.LinkFails(provider, name); why != "" {
			return nil, why.failure(name)
		}
	}
	org, repo, ok := strings.Cut(name, "/")
	var found *Repository
	if s.Repos != nil {
		found = s.Repos(strings.TrimSuffix(provider, "-limited"), name)
		ok = ok && found != nil
	}
	switch {
	case !ok:
		return nil, RepoNotFound.failure(name)
	case s.MaxLinks > 0 && c.scope.links(name) >= s.MaxLinks:
		return nil, RepoLinksExceeded.failure(name)
	}
	id := int64(100000 + s.RandomInt(1000000))
	if found != nil {
		id = found.ID
	}
	now := s.stamp()
	return obj{
		"type": provider, "org": org, "repo": repo, "repoId": id, "createdAt": now, "updatedAt": now,
		"deployHooks": []obj{}, "gitCredentialId": "cred_" + s.RandomString(40, emukit.LowerAlnum), "productionBranch": found.branch(), "sourceless": true,
	}, nil
}

// links counts the account's projects that are linked to a repository.
func (sc *scope) links(name string) (n int) {
	for _, p := range sc.projects {
		if p.link != nil && p.repository() == name {
			n++
		}
	}
	return n
}

// repository is the linked "org/name".
func (p *project) repository() string {
	org, _ := p.link["org"].(string)
	repo, _ := p.link["repo"].(string)
	return org + "/" + repo
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

// gitSource is where a deployment without files comes from: a repository by id (of the linked project) or by name.
type gitSource struct {
	Type, Ref, SHA, Org, Repo string
	RepoID                    json.RawMessage
	files                     map[string][]byte
}

var gitSourceBody = openObject(map[string]*schema{
	"type": oneOf("github", "github-custom-host", "github-limited", "gitlab", "bitbucket"),
	"ref":  null(str(0)), "sha": str(0), "org": str(0), "repo": str(0), "repoId": either(number(), str(0)),
}, "type")

// fetch finds the source's files. An unknown repository or ref is 400 incorrect_git_source_info [? vercel-git-source-unknown].
func (s *Server) fetch(c *call, in deploymentInput) (*gitSource, *failure) {
	src := *in.GitSource
	wrong := func(why string) *failure {
		return &failure{status: http.StatusBadRequest, code: "incorrect_git_source_info", message: "The provided GitHub repository can't be found. " + why}
	}
	if src.Org == "" || src.Repo == "" {
		p := c.scope.project(in.project())
		if p == nil || p.link == nil {
			return nil, wrong("A `repoId` needs a project that is linked to it.")
		}
		if strings.Trim(string(src.RepoID), `"`) != strconv.FormatInt(p.link["repoId"].(int64), 10) {
			return nil, wrong("The project is linked to another repository.")
		}
		src.Org, src.Repo, _ = strings.Cut(p.repository(), "/")
	}
	var found *Repository
	if s.Repos != nil {
		found = s.Repos(strings.TrimSuffix(src.Type, "-limited"), src.Org+"/"+src.Repo)
	}
	if found == nil || found.Tree == nil {
		return nil, wrong("Is the Git app installed on it?")
	}
	at := src.SHA
	if at == "" {
		at = src.Ref
	}
	if src.files, src.SHA = found.Tree(at); src.files == nil {
		return nil, wrong("It has no ref \"" + at + "\".")
	}
	return &src, nil
}

// view is `gitSource` of a deployment.
func (g *gitSource) view() obj {
	v := obj{"type": g.Type, "org": g.Org, "repo": g.Repo, "ref": nil, "sha": g.SHA}
	if g.Ref != "" {
		v["ref"] = g.Ref
	}
	return v
}

// meta is what a Git deployment's meta says of its commit.
func (g *gitSource) meta() map[string]string {
	return map[string]string{
		"githubDeployment": "1", "githubOrg": g.Org, "githubRepo": g.Repo, "githubCommitOrg": g.Org,
		"githubCommitRepo": g.Repo, "githubCommitRef": g.Ref, "githubCommitSha": g.SHA,
	}
}
