package githubemu

import (
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

type issue struct {
	id, number  int64
	title, body string
	by          Account
	created     time.Time
	comments    []*comment
}

type comment struct {
	id               int64
	body             string
	by               Account
	created, updated time.Time
}

// maxComment is the most characters that a comment has: https://github.com/orgs/community/discussions/27190
const maxComment = 65536

func issueRoutes() []route {
	const one = repoPath + "/issues/comments/{comment}"
	return []route{
		{method: "POST", path: repoPath + "/issues", doc: "issues/issues#create-an-issue", status: 201, permission: "issues", fields: []string{"title:string!", "body:string"}, do: (*Server).createIssue},
		{method: "GET", path: repoPath + "/issues/{issue}", doc: "issues/issues#get-an-issue", do: (*Server).getIssue},
		{method: "GET", path: repoPath + "/issues/{issue}/{comment}", doc: "issues/comments#list-issue-comments", do: (*Server).getComments},
		{method: "POST", path: repoPath + "/issues/{issue}/comments", doc: "issues/comments#create-an-issue-comment", status: 201, permission: "issues", fields: []string{"body:string!"}, do: (*Server).createComment},
		{method: "PATCH", path: one, doc: "issues/comments#update-an-issue-comment", permission: "issues", fields: []string{"body:string!"}, do: (*Server).updateComment},
		{method: "DELETE", path: one, doc: "issues/comments#delete-an-issue-comment", status: 204, permission: "issues", do: (*Server).deleteComment},
	}
}

func (c *call) issueView(i *issue) obj {
	return obj{
		"id": i.id, "node_id": nodeID("I", i.id), "number": i.number, "title": i.title, "body": orNull(i.body), "state": "open", "locked": false,
		"comments": len(i.comments), "user": userView(c, i.by.ID, i.by.Login, "User"), "labels": []obj{}, "assignees": []obj{},
		"url": c.repoURL(c.repo) + "/issues/" + itoa(i.number), "html_url": "https://github.com/" + c.repo.fullName() + "/issues/" + itoa(i.number),
		"comments_url": c.repoURL(c.repo) + "/issues/" + itoa(i.number) + "/comments", "created_at": stamp(i.created), "updated_at": stamp(i.created), "closed_at": nil,
	}
}

func (c *call) commentView(i *issue, m *comment) obj {
	return obj{
		"id": m.id, "node_id": nodeID("IC", m.id), "body": m.body, "user": userView(c, m.by.ID, m.by.Login, "User"), "author_association": "MEMBER",
		"url": c.repoURL(c.repo) + "/issues/comments/" + itoa(m.id), "issue_url": c.repoURL(c.repo) + "/issues/" + itoa(i.number),
		"html_url": "https://github.com/" + c.repo.fullName() + "/issues/" + itoa(i.number) + "#issuecomment-" + itoa(m.id), "created_at": stamp(m.created), "updated_at": stamp(m.updated),
	}
}

func (s *Server) createIssue(c *call) (any, *failure) {
	if c.text("title") == "" {
		return nil, invalid("Issue", "title", "missing_field", "")
	}
	i := &issue{id: s.next(), number: int64(len(c.repo.issues) + 1), title: c.text("title"), body: c.text("body"), by: *c.who, created: c.now}
	c.repo.issues = append(c.repo.issues, i)
	return c.issueView(i), nil
}

func (c *call) issue() (*issue, *failure) {
	n := c.id("issue")
	if n < 1 || n > int64(len(c.repo.issues)) {
		return nil, notFound()
	}
	return c.repo.issues[n-1], nil
}

func (s *Server) getIssue(c *call) (any, *failure) {
	i, f := c.issue()
	if f != nil {
		return nil, f
	}
	return c.issueView(i), nil
}

// getComments is two operations whose paths overlap: issues/NUMBER/comments and issues/comments/ID.
func (s *Server) getComments(c *call) (any, *failure) {
	switch {
	case c.path("issue") == "comments":
		return s.getComment(c)
	case c.path("comment") == "comments":
		return s.listComments(c)
	}
	return nil, &failure{status: http.StatusNotImplemented, message: "the emulator does not model GET " + c.r.URL.Path}
}

func (s *Server) listComments(c *call) (any, *failure) {
	i, f := c.issue()
	if f != nil {
		return nil, f
	}
	return page(c, i.comments, func(m *comment) obj { return c.commentView(i, m) }), nil
}

func commentBody(c *call) *failure {
	switch n := utf8.RuneCountInString(c.text("body")); {
	case n == 0:
		return invalid("IssueComment", "body", "missing_field", "Body cannot be blank")
	case n > maxComment:
		return invalid("IssueComment", "body", "custom", "Body is too long (maximum is 65536 characters)")
	}
	return nil
}

func (s *Server) createComment(c *call) (any, *failure) {
	i, f := c.issue()
	if f == nil {
		f = commentBody(c)
	}
	if f != nil {
		return nil, f
	}
	m := &comment{id: s.next(), body: c.text("body"), by: *c.who, created: c.now, updated: c.now}
	i.comments = append(i.comments, m)
	s.emit(c, "issue_comment", obj{"action": "created", "issue": c.issueView(i), "comment": c.commentView(i, m)})
	return c.commentView(i, m), nil
}

func (c *call) comment() (*issue, *comment, *failure) {
	for _, i := range c.repo.issues {
		for _, m := range i.comments {
			if m.id == c.id("comment") {
				return i, m, nil
			}
		}
	}
	return nil, nil, notFound()
}

func (s *Server) getComment(c *call) (any, *failure) {
	i, m, f := c.comment()
	if f != nil {
		return nil, f
	}
	return c.commentView(i, m), nil
}

func (s *Server) updateComment(c *call) (any, *failure) {
	i, m, f := c.comment()
	if f == nil {
		f = commentBody(c)
	}
	if f != nil {
		return nil, f
	}
	before := m.body
	m.body, m.updated = c.text("body"), c.now
	s.emit(c, "issue_comment", obj{"action": "edited", "changes": obj{"body": obj{"from": before}}, "issue": c.issueView(i), "comment": c.commentView(i, m)})
	return c.commentView(i, m), nil
}

func (s *Server) deleteComment(c *call) (any, *failure) {
	i, m, f := c.comment()
	if f != nil {
		return nil, f
	}
	s.emit(c, "issue_comment", obj{"action": "deleted", "issue": c.issueView(i), "comment": c.commentView(i, m)})
	i.comments = slices.DeleteFunc(i.comments, func(o *comment) bool { return o == m })
	return nil, nil
}
