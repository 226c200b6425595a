package githubemu

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

type repo struct {
	id          int64
	owner, kind string // User or Organization
	ownerID     int64
	name        string
	former      []string // names that it had: calls by them are led to it
	private     bool
	created     time.Time
	updated     time.Time
	refs        map[string]string // refs/heads/main -> sha
	commits     []*commit
	statuses    []*status
	deployments []*deployment
	suites      []*suite
	issues      []*issue
	hooks       []*hook
}

type commit struct {
	sha, tree, parent string
	message, author   string
	at                time.Time
	files             map[string][]byte
}

// defaultBranch is every repository's.
const defaultBranch = "main"

func (r *repo) fullName() string { return r.owner + "/" + r.name }

func repoRoutes() []route {
	return []route{
		{method: "GET", path: "/user", doc: "users/users#get-the-authenticated-user", do: (*Server).getUser},
		{method: "GET", path: "/rate_limit", doc: "rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user", do: (*Server).getRateLimit},
		{method: "GET", path: "/user/repos", doc: "repos/repos#list-repositories-for-the-authenticated-user", do: (*Server).listRepos},
		{method: "POST", path: "/user/repos", doc: "repos/repos#create-a-repository-for-the-authenticated-user", status: 201, permission: "administration", fields: []string{"name:string!", "private:boolean", "auto_init:boolean"}, do: (*Server).createRepo},
		{method: "POST", path: "/orgs/{org}/repos", doc: "repos/repos#create-an-organization-repository", status: 201, permission: "administration", fields: []string{"name:string!", "private:boolean", "auto_init:boolean"}, do: (*Server).createRepo},
		{method: "GET", path: repoPath, doc: "repos/repos#get-a-repository", do: (*Server).getRepo},
		{method: "PATCH", path: repoPath, doc: "repos/repos#update-a-repository", permission: "administration", fields: []string{"name:string", "private:boolean"}, do: (*Server).updateRepo},
		{method: "DELETE", path: repoPath, doc: "repos/repos#delete-a-repository", status: 204, permission: "administration", do: (*Server).deleteRepo},
		{method: "GET", path: "/repositories/{id}", doc: "repos/repos#get-a-repository", do: (*Server).getRepoByID},
		{method: "GET", path: repoPath + "/branches", doc: "branches/branches#list-branches", do: (*Server).listBranches},
		{method: "GET", path: repoPath + "/branches/{branch...}", doc: "branches/branches#get-a-branch", do: (*Server).getBranch},
		{method: "GET", path: repoPath + "/git/ref/{ref...}", doc: "git/refs#get-a-reference", do: (*Server).getRef},
		{method: "POST", path: repoPath + "/git/refs", doc: "git/refs#create-a-reference", status: 201, permission: "contents", fields: []string{"ref:string!", "sha:string!"}, do: (*Server).createRef},
		{method: "PATCH", path: repoPath + "/git/refs/{ref...}", doc: "git/refs#update-a-reference", permission: "contents", fields: []string{"sha:string!", "force:boolean"}, do: (*Server).updateRef},
		{method: "DELETE", path: repoPath + "/git/refs/{ref...}", doc: "git/refs#delete-a-reference", status: 204, permission: "contents", do: (*Server).deleteRef},
		{method: "GET", path: repoPath + "/commits", doc: "commits/commits#list-commits", do: (*Server).listCommits},
		{method: "GET", path: repoPath + "/commits/{ref}", doc: "commits/commits#get-a-commit", do: (*Server).getCommit},
		{method: "PUT", path: repoPath + "/contents/{path...}", doc: "repos/contents#create-or-update-file-contents", permission: "contents", fields: []string{"message:string!", "content:string!", "branch:string", "sha:string"}, do: (*Server).putContents},
	}
}

func (s *Server) find(owner, name string) *repo {
	for _, r := range s.repos {
		if strings.EqualFold(r.owner, owner) && strings.EqualFold(r.name, name) {
			return r
		}
	}
	return nil
}

func (s *Server) newRepo(owner, kind, name string, private bool) *repo {
	now := s.Clock()
	r := &repo{id: s.next(), owner: owner, ownerID: s.next(), kind: kind, name: name, private: private, created: now, updated: now, refs: map[string]string{}}
	s.repos = append(s.repos, r)
	return r
}

// commit adds a commit with these files changed to a branch, which it makes when it is not there.
func (s *Server) commit(r *repo, branch, message, author string, at time.Time, changed map[string][]byte) *commit {
	c := &commit{message: message, author: author, at: at, parent: r.refs["refs/heads/"+branch], files: map[string][]byte{}}
	if p := r.commit(c.parent); p != nil {
		maps.Copy(c.files, p.files)
	}
	maps.Copy(c.files, changed)
	c.tree = gitTree(c.files)
	id := sha1.Sum(fmt.Appendf(nil, "tree %s\nparent %s\nauthor %s %d %d\n\n%s", c.tree, c.parent, author, at.UnixNano(), s.next(), message))
	c.sha = hex.EncodeToString(id[:])
	r.commits = append(r.commits, c)
	r.refs["refs/heads/"+branch] = c.sha
	r.updated = at
	return c
}

// blob is a file's id as git computes it.
func blob(content []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(content)), content...))
	return hex.EncodeToString(sum[:])
}

func (r *repo) commit(sha string) *commit {
	for _, c := range r.commits {
		if c.sha == sha {
			return c
		}
	}
	return nil
}

// resolve finds a commit by branch, tag, full ref, or SHA of at least 7 digits.
func (r *repo) resolve(ref string) *commit {
	for _, name := range []string{"refs/heads/" + ref, "refs/tags/" + ref, "refs/" + ref, ref} {
		if sha, ok := r.refs[name]; ok {
			return r.commit(sha)
		}
	}
	for _, c := range r.commits {
		if len(ref) >= 7 && strings.HasPrefix(c.sha, ref) {
			return c
		}
	}
	return nil
}

// base is the API's own address for links.
func (c *call) base() string { return "http://" + c.r.Host }

func (c *call) repoURL(r *repo) string { return c.base() + "/repos/" + r.fullName() }

func userView(c *call, id int64, login, kind string) obj {
	return obj{
		"login": login, "id": id, "node_id": nodeID("U", id), "type": kind, "site_admin": false, "url": c.base() + "/users/" + login,
		"html_url": "https://github.com/" + login, "avatar_url": fmt.Sprintf("https://avatars.githubusercontent.com/u/%d?v=4", id),
	}
}

func nodeID(kind string, id int64) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s%d", kind, id))
}

func (c *call) repoView(r *repo) obj {
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	mine := c.owns(r.owner) && !c.who.ReadOnly
	return obj{
		"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private, "visibility": visibility,
		"owner": userView(c, r.ownerID, r.owner, r.kind), "html_url": "https://github.com/" + r.fullName(), "url": c.repoURL(r), "description": nil,
		"fork": false, "archived": false, "disabled": false, "default_branch": defaultBranch, "clone_url": "https://github.com/" + r.fullName() + ".git",
		"created_at": stamp(r.created), "updated_at": stamp(r.updated), "pushed_at": stamp(r.updated),
		"permissions": obj{"admin": mine, "maintain": mine, "push": mine, "triage": mine, "pull": true},
	}
}

func (s *Server) getUser(c *call) (any, *failure) {
	if c.who == nil {
		return nil, &failure{status: http.StatusUnauthorized, message: "Requires authentication"}
	}
	if c.who.App {
		return nil, notForApps
	}
	return userView(c, c.who.ID, c.who.Login, "User"), nil
}

func (s *Server) getRateLimit(c *call) (any, *failure) {
	h := c.w.Header()
	core := obj{}
	for _, name := range []string{"limit", "remaining", "used", "reset"} {
		var n int64
		_, _ = fmt.Sscan(h.Get("X-RateLimit-"+name), &n)
		core[name] = n
	}
	core["resource"] = "core"
	return obj{"resources": obj{"core": core}, "rate": core}, nil
}

func (s *Server) listRepos(c *call) (any, *failure) {
	if c.who == nil {
		return nil, &failure{status: http.StatusUnauthorized, message: "Requires authentication"}
	}
	var mine []*repo
	for _, r := range s.repos {
		if c.owns(r.owner) && c.sees(r) {
			mine = append(mine, r)
		}
	}
	return page(c, mine, c.repoView), nil
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// badRepoName: wording [? github-repo-name].
func badRepoName() *failure { return invalid("Repository", "name", "custom", "name is invalid") }

func (s *Server) createRepo(c *call) (any, *failure) {
	owner, kind := c.who.Login, "User"
	if org := c.path("org"); org != "" {
		if !c.owns(org) {
			return nil, notFound()
		}
		owner, kind = org, "Organization"
	}
	name := c.text("name")
	switch {
	case !repoName.MatchString(name):
		return nil, badRepoName()
	case s.find(owner, name) != nil:
		f := invalid("Repository", "name", "custom", "name already exists on this account")
		f.message = "Repository creation failed."
		return nil, f
	}
	r := s.newRepo(owner, kind, name, c.flag("private"))
	if c.flag("auto_init") {
		s.commit(r, defaultBranch, "Initial commit", c.who.Login, c.now, map[string][]byte{"README.md": []byte("# " + name)})
	}
	return c.repoView(r), nil
}

func (s *Server) getRepo(c *call) (any, *failure) { return c.repoView(c.repo), nil }

// updateRepo gives it another name, or makes it public or private. The old name leads to it until another repository takes it.
func (s *Server) updateRepo(c *call) (any, *failure) {
	if name := c.text("name"); name != "" && name != c.repo.name {
		switch {
		case !repoName.MatchString(name):
			return nil, badRepoName()
		case s.find(c.repo.owner, name) != nil:
			return nil, invalid("Repository", "name", "custom", "name already exists on this account")
		}
		c.repo.former = append(c.repo.former, c.repo.name)
		c.repo.name = name
	}
	if c.has("private") {
		c.repo.private = c.flag("private")
	}
	c.repo.updated = c.now
	return c.repoView(c.repo), nil
}

// moved finds a repository by a name that it no longer has.
func (s *Server) moved(owner, name string) *repo {
	for _, r := range s.repos {
		if strings.EqualFold(r.owner, owner) && slices.ContainsFunc(r.former, func(n string) bool { return strings.EqualFold(n, name) }) {
			return r
		}
	}
	return nil
}

func (s *Server) deleteRepo(c *call) (any, *failure) {
	s.repos = slices.DeleteFunc(s.repos, func(o *repo) bool { return o == c.repo })
	return nil, nil
}

func (s *Server) getRepoByID(c *call) (any, *failure) {
	for _, r := range s.repos {
		if r.id == c.id("id") && c.sees(r) {
			return c.repoView(r), nil
		}
	}
	return nil, notFound()
}

func (c *call) commitRef(sha string) obj {
	return obj{"sha": sha, "url": c.repoURL(c.repo) + "/commits/" + sha}
}

func (s *Server) listBranches(c *call) (any, *failure) {
	var names []string
	for ref := range c.repo.refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return page(c, names, func(name string) obj {
		return obj{"name": name, "commit": c.commitRef(c.repo.refs["refs/heads/"+name]), "protected": false}
	}), nil
}

func (s *Server) getBranch(c *call) (any, *failure) {
	name := c.path("branch")
	co := c.repo.commit(c.repo.refs["refs/heads/"+name])
	if co == nil {
		return nil, &failure{status: http.StatusNotFound, message: "Branch not found"}
	}
	return obj{"name": name, "commit": c.commitView(co), "protected": false, "protection_url": c.repoURL(c.repo) + "/branches/" + name + "/protection"}, nil
}

func (c *call) refView(ref string) obj {
	sha := c.repo.refs[ref]
	return obj{
		"ref": ref, "node_id": nodeID("REF", int64(len(ref))), "url": c.repoURL(c.repo) + "/git/" + ref,
		"object": obj{"type": "commit", "sha": sha, "url": c.repoURL(c.repo) + "/git/commits/" + sha},
	}
}

func (s *Server) getRef(c *call) (any, *failure) {
	ref := "refs/" + c.path("ref")
	if _, ok := c.repo.refs[ref]; !ok {
		return nil, notFound()
	}
	return c.refView(ref), nil
}

var refName = regexp.MustCompile(`^refs/(heads|tags)/[^\s~^:?*\[\\]+$`)

func (s *Server) createRef(c *call) (any, *failure) {
	ref := c.text("ref")
	switch _, taken := c.repo.refs[ref]; {
	case !refName.MatchString(ref) || strings.Contains(ref, "..") || strings.HasSuffix(ref, "/"):
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Reference name is invalid"} // wording [? github-ref-name]
	case taken:
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Reference already exists"}
	case c.repo.commit(c.text("sha")) == nil:
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Object does not exist"}
	}
	c.repo.refs[ref] = c.text("sha")
	return c.refView(ref), nil
}

func (s *Server) updateRef(c *call) (any, *failure) {
	ref := "refs/" + c.path("ref")
	old, ok := c.repo.refs[ref]
	next := c.repo.commit(c.text("sha"))
	switch {
	case !ok:
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Reference does not exist"}
	case next == nil:
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Object does not exist"}
	case !c.flag("force") && !c.repo.descends(next, old):
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Update is not a fast forward"}
	}
	c.repo.refs[ref] = next.sha
	s.emit(c, "push", obj{"ref": ref, "before": old, "after": next.sha, "forced": c.flag("force"), "commits": []obj{}})
	return c.refView(ref), nil
}

func (r *repo) descends(c *commit, from string) bool {
	for ; c != nil; c = r.commit(c.parent) {
		if c.sha == from {
			return true
		}
	}
	return false
}

func (s *Server) deleteRef(c *call) (any, *failure) {
	ref := "refs/" + c.path("ref")
	if _, ok := c.repo.refs[ref]; !ok {
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "Reference does not exist"}
	}
	delete(c.repo.refs, ref)
	return nil, nil
}

func (c *call) commitView(co *commit) obj {
	parents := []obj{}
	if co.parent != "" {
		parents = append(parents, c.commitRef(co.parent))
	}
	by := obj{"name": co.author, "email": co.author + "@users.noreply.github.com", "date": stamp(co.at)}
	return obj{
		"sha": co.sha, "node_id": nodeID("C", int64(len(co.sha))), "url": c.repoURL(c.repo) + "/commits/" + co.sha,
		"html_url": "https://github.com/" + c.repo.fullName() + "/commit/" + co.sha, "parents": parents,
		"commit": obj{
			"message": co.message, "author": by, "committer": by, "tree": obj{"sha": co.tree, "url": c.repoURL(c.repo) + "/git/trees/" + co.tree},
			"url": c.repoURL(c.repo) + "/git/commits/" + co.sha, "comment_count": 0,
		},
		"author": userView(c, c.repo.ownerID, co.author, "User"), "committer": userView(c, c.repo.ownerID, co.author, "User"),
	}
}

func (s *Server) listCommits(c *call) (any, *failure) {
	from := c.query("sha")
	if from == "" {
		from = defaultBranch
	}
	co := c.repo.resolve(from)
	if len(c.repo.commits) == 0 {
		return nil, &failure{status: http.StatusConflict, message: "Git Repository is empty."}
	}
	if co == nil {
		return nil, notFound()
	}
	var line []*commit
	for ; co != nil; co = c.repo.commit(co.parent) {
		line = append(line, co)
	}
	return page(c, line, c.commitView), nil
}

func noCommit(ref string) *failure {
	return &failure{status: http.StatusUnprocessableEntity, message: "No commit found for SHA: " + ref}
}

func (s *Server) getCommit(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, noCommit(c.path("ref"))
	}
	return c.commitView(co), nil
}

// putContents is how a commit is made here: one file of a branch.
func (s *Server) putContents(c *call) (any, *failure) {
	name := c.path("path")
	content, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(c.text("content"), "\n", ""))
	branch := c.or("branch", defaultBranch)
	before := c.repo.refs["refs/heads/"+branch]
	switch {
	case err != nil:
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "content is not valid Base64"}
	case name == "" || strings.HasPrefix(name, "/") || slices.ContainsFunc(strings.Split(name, "/"), func(p string) bool { return p == "" || p == "." || p == ".." || p == ".git" }):
		return nil, &failure{status: http.StatusUnprocessableEntity, message: "path contains a malformed path component"}
	case before == "" && len(c.repo.commits) > 0:
		return nil, &failure{status: http.StatusNotFound, message: "Branch " + branch + " not found"}
	}
	c.status = http.StatusCreated
	if co := c.repo.commit(before); co != nil {
		if old, there := co.files[name]; there {
			c.status = http.StatusOK
			if got := c.text("sha"); got == "" {
				return nil, &failure{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n\"sha\" wasn't supplied."}
			} else if got != blob(old) {
				return nil, &failure{status: http.StatusConflict, message: name + " does not match " + got}
			}
		}
	}
	co := s.commit(c.repo, branch, c.text("message"), c.who.Login, c.now, map[string][]byte{name: content})
	s.emit(c, "push", obj{"ref": "refs/heads/" + branch, "before": before, "after": co.sha, "forced": false, "commits": []obj{{"id": co.sha, "message": co.message}}})
	return obj{"content": obj{"name": name[strings.LastIndexByte(name, '/')+1:], "path": name, "sha": blob(content), "size": len(content), "type": "file"}, "commit": obj{
		"sha": co.sha, "message": co.message, "tree": obj{"sha": co.tree}, "url": c.repoURL(c.repo) + "/git/commits/" + co.sha,
	}}, nil
}
