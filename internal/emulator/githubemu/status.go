package githubemu

import (
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// status is a commit status.
type status struct {
	id                                    int64
	sha, state, context, description, url string
	by                                    Account
	created                               time.Time
}

const (
	maxStatuses    = 1000 // of a SHA and context: https://docs.github.com/en/rest/commits/statuses
	maxDescription = 140
)

var statusStates = []string{"error", "failure", "pending", "success"}

func statusRoutes() []route {
	return []route{
		{
			method: "POST", path: repoPath + "/statuses/{sha}", doc: "commits/statuses#create-a-commit-status", status: 201, permission: "statuses",
			fields: []string{"state:string!", "target_url:string", "description:string", "context:string"}, do: (*Server).createStatus,
		},
		{method: "GET", path: repoPath + "/commits/{ref}/status", doc: "commits/statuses#get-the-combined-status-for-a-specific-reference", do: (*Server).combinedStatus},
		{method: "GET", path: repoPath + "/commits/{ref}/statuses", doc: "commits/statuses#list-commit-statuses-for-a-reference", do: (*Server).listStatuses},
	}
}

func (c *call) statusView(st *status) obj {
	return obj{
		"id": st.id, "node_id": nodeID("SC", st.id), "state": st.state, "context": st.context, "description": orNull(st.description),
		"target_url": orNull(st.url), "url": c.repoURL(c.repo) + "/statuses/" + st.sha, "avatar_url": nil,
		"creator": userView(c, st.by.ID, st.by.Login, "User"), "created_at": stamp(st.created), "updated_at": stamp(st.created),
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (s *Server) createStatus(c *call) (any, *failure) {
	co := c.repo.commit(c.path("sha"))
	if co == nil {
		return nil, noCommit(c.path("sha"))
	}
	if !slices.Contains(statusStates, c.text("state")) {
		return nil, invalid("Status", "state", "custom", "state is not included in the list") // wording [? github-status-state]
	}
	if utf8.RuneCountInString(c.text("description")) > maxDescription {
		return nil, invalid("Status", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	st := &status{
		id: s.next(), sha: co.sha, state: c.text("state"), context: c.or("context", "default"), description: c.text("description"),
		url: c.text("target_url"), by: *c.who, created: c.now,
	}
	if len(c.repo.statusesOf(co.sha, st.context)) >= maxStatuses {
		return nil, invalid("Status", "context", "custom", "This SHA and context has reached the maximum number of statuses.")
	}
	c.repo.statuses = append(c.repo.statuses, st)
	s.emit(c, "status", obj{"id": st.id, "sha": st.sha, "state": st.state, "context": st.context, "description": orNull(st.description), "target_url": orNull(st.url), "name": c.repo.fullName()})
	return c.statusView(st), nil
}

// statusesOf returns a commit's statuses, newest first; context "" means all.
func (r *repo) statusesOf(sha, context string) []*status {
	var out []*status
	for _, st := range newest(r.statuses) {
		if st.sha == sha && (context == "" || st.context == context) {
			out = append(out, st)
		}
	}
	return out
}

// latest returns the newest status of each context.
func (r *repo) latest(sha string) []*status {
	var out []*status
	for _, st := range r.statusesOf(sha, "") {
		if !slices.ContainsFunc(out, func(o *status) bool { return o.context == st.context }) {
			out = append(out, st)
		}
	}
	return out
}

// combined is failure when a context failed, pending when one is pending or there is none, else success.
func combined(latest []*status) string {
	state := "success"
	if len(latest) == 0 {
		state = "pending"
	}
	for _, st := range latest {
		switch st.state {
		case "error", "failure":
			return "failure"
		case "pending":
			state = "pending"
		}
	}
	return state
}

func (s *Server) combinedStatus(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, noCommit(c.path("ref"))
	}
	latest := c.repo.latest(co.sha)
	return obj{
		"state": combined(latest), "sha": co.sha, "total_count": len(latest), "statuses": page(c, latest, c.statusView),
		"repository": c.repoView(c.repo), "commit_url": c.repoURL(c.repo) + "/commits/" + co.sha, "url": c.repoURL(c.repo) + "/commits/" + co.sha + "/status",
	}, nil
}

func (s *Server) listStatuses(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, &failure{status: http.StatusNotFound, message: "Not Found"}
	}
	return page(c, c.repo.statusesOf(co.sha, ""), c.statusView), nil
}
