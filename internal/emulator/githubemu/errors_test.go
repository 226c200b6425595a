package githubemu

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// There is no document: this table is the judge of errors. Every route is in it, and each names its page, which is its
// source: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api has the shape, the route's page
// its statuses.
func TestErrorEnvelopes(t *testing.T) {
	w := newWorld(t, &Server{})
	head := w.head()
	w.want(201, "POST", shop+"/statuses/"+head, obj{"state": "pending", "context": "ci"})
	w.want(201, "POST", shop+"/issues", obj{"title": "Ship"})
	w.want(201, "PUT", shop+"/contents/a", obj{"message": "m", "content": "MQ=="})
	field := func(resource, field, code, message string) []any {
		e := obj{"resource": resource, "field": field, "code": code}
		if message != "" {
			e["message"] = message
		}
		return []any{e}
	}
	active := w.want(201, "POST", shop+"/deployments", obj{"ref": "main", "required_contexts": []any{}, "environment": "qa"}).id("id")
	w.want(201, "POST", shop+"/deployments/"+active+"/statuses", obj{"state": "success", "auto_inactive": false})
	w.want(201, "POST", shop+"/deployments", obj{"ref": "main", "required_contexts": []any{}, "environment": "qa"})
	judged := map[string]bool{}
	mux := mux(func(op string) { judged[op] = true })
	for name, tc := range map[string]struct {
		reason, token, method, path string
		body                        any
		status                      int
		message, doc                string
		errors                      []any
	}{
		"bad token":            {"a token that is none", "nope", "GET", "/user", nil, 401, "Bad credentials", "users/users#get-the-authenticated-user", nil},
		"no token":             {"a change without a token", "-", "POST", "/user/repos", obj{"name": "x"}, 401, "Requires authentication", "repos/repos#create-a-repository-for-the-authenticated-user", nil},
		"hidden":               {"a private repository is 404 without a token", "-", "GET", shop, nil, 404, "Not Found", "repos/repos#get-a-repository", nil},
		"delete, hidden":       {"nor can it delete what it does not see", stranger, "DELETE", shop, nil, 404, "Not Found", "repos/repos#delete-a-repository", nil},
		"another's":            {"and with another's", stranger, "GET", shop, nil, 404, "Not Found", "repos/repos#get-a-repository", nil},
		"fine-grained":         {"a fine-grained token says what it may not", readToken, "POST", shop + "/statuses/" + head, obj{"state": "success"}, 403, "Resource not accessible by personal access token", "commits/statuses#create-a-commit-status", nil},
		"classic":              {"a classic token without the scope sees nothing", classicRead, "POST", shop + "/statuses/" + head, obj{"state": "success"}, 404, "Not Found", "commits/statuses#create-a-commit-status", nil},
		"check by a person":    {"only an app writes checks", "", "POST", shop + "/check-runs", obj{"name": "x", "head_sha": head}, 403, "You must authenticate via a GitHub App.", "checks/runs#create-a-check-run", nil},
		"not modelled":         {"what is not modelled is 501", "", "GET", "/repos/acme/shop/actions/runs", nil, 501, "the emulator does not model GET /repos/acme/shop/actions/runs", "", nil},
		"bad JSON":             {"a body that is no JSON", "", "POST", "/user/repos", "{", 400, "Problems parsing JSON", "repos/repos#create-a-repository-for-the-authenticated-user", nil},
		"not an object":        {"a body that is a list", "", "POST", "/user/repos", "[]", 400, "Body should be a JSON object", "repos/repos#create-a-repository-for-the-authenticated-user", nil},
		"missing field":        {"a field that is required", "", "POST", shop + "/statuses/" + head, obj{}, 422, "Invalid request.\n\n\"state\" wasn't supplied.", "commits/statuses#create-a-commit-status", nil},
		"wrong type":           {"a field of another type", "", "POST", shop + "/statuses/" + head, obj{"state": 1}, 422, "Invalid request.\n\nFor 'state', 1 is not a string.", "commits/statuses#create-a-commit-status", nil},
		"state":                {"a state that does not exist", "", "POST", shop + "/statuses/" + head, obj{"state": "fine"}, 422, "Validation Failed", "commits/statuses#create-a-commit-status", field("Status", "state", "custom", "state is not included in the list")},
		"no commit":            {"a status of no commit", "", "POST", shop + "/statuses/0123456", obj{"state": "success"}, 422, "No commit found for SHA: 0123456", "commits/statuses#create-a-commit-status", nil},
		"no ref":               {"a deployment of no ref", "", "POST", shop + "/deployments", obj{"ref": "nope"}, 422, "No ref found for: nope", "deployments/deployments#create-a-deployment", nil},
		"checks":               {"a deployment waits for all statuses", "", "POST", shop + "/deployments", obj{"ref": head}, 409, "Conflict: Commit status checks failed for " + head + ".", "deployments/deployments#create-a-deployment", nil},
		"taken":                {"a repository's name is taken", "", "POST", "/orgs/acme/repos", obj{"name": "SHOP"}, 422, "Repository creation failed.", "repos/repos#create-an-organization-repository", field("Repository", "name", "custom", "name already exists on this account")},
		"ref taken":            {"a ref that exists", "", "POST", shop + "/git/refs", obj{"ref": "refs/heads/main", "sha": head}, 422, "Reference already exists", "git/refs#create-a-reference", nil},
		"not forward":          {"a ref moves forward only", "", "PATCH", shop + "/git/refs/heads/main", obj{"sha": head}, 422, "Update is not a fast forward", "git/refs#update-a-reference", nil},
		"blank comment":        {"a comment says something", "", "POST", shop + "/issues/1/comments", obj{"body": ""}, 422, "Validation Failed", "issues/comments#create-an-issue-comment", field("IssueComment", "body", "missing_field", "Body cannot be blank")},
		"no sha":               {"a file that exists needs its sha", "", "PUT", shop + "/contents/a", obj{"message": "m", "content": ""}, 422, "Invalid request.\n\n\"sha\" wasn't supplied.", "repos/contents#create-or-update-file-contents", nil},
		"traversal":            {"a file stays in its tree", "", "PUT", shop + "/contents/a/%2e%2e/%2e%2e/b", obj{"message": "m", "content": ""}, 422, "path contains a malformed path component", "repos/contents#create-or-update-file-contents", nil},
		"limit, bad token":     {"also where nothing counts", "nope", "GET", "/rate_limit", nil, 401, "Bad credentials", "rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user", nil},
		"repos, bad token":     {"a token that is none", "nope", "GET", "/user/repos", nil, 401, "Bad credentials", "repos/repos#list-repositories-for-the-authenticated-user", nil},
		"no repo id":           {"one that is not there", "", "GET", "/repositories/1", nil, 404, "Not Found", "repos/repos#get-a-repository", nil},
		"delete no repo":       {"nor deleted", "", "DELETE", "/repos/acme/none", nil, 404, "Not Found", "repos/repos#delete-a-repository", nil},
		"branches of none":     {"of no repository", "", "GET", "/repos/acme/none/branches", nil, 404, "Not Found", "branches/branches#list-branches", nil},
		"compare none":         {"a commit that is there", "", "GET", shop + "/compare/main...none", nil, 404, "Not Found", "commits/commits#compare-two-commits", nil},
		"archive of none":      {"of no ref", "", "GET", shop + "/tarball/none", nil, 404, "Not Found", "repos/contents#download-a-repository-archive-tar", nil},
		"archive, no token":    {"a private one has a token in its address", "", "GET", "/codeload/acme/shop/legacy.tar.gz/" + head, nil, 404, "Not Found", "repos/contents#download-a-repository-archive-tar", nil},
		"rename to taken":      {"a name is one repository's", "", "PATCH", shop, obj{"name": "a b"}, 422, "Validation Failed", "repos/repos#update-a-repository", field("Repository", "name", "custom", "name is invalid")},
		"no branch":            {"one that is not there", "", "GET", shop + "/branches/none", nil, 404, "Branch not found", "branches/branches#get-a-branch", nil},
		"no such ref":          {"one that is not there", "", "GET", shop + "/git/ref/heads/none", nil, 404, "Not Found", "git/refs#get-a-reference", nil},
		"ref of no object":     {"a commit that is there", "", "POST", shop + "/git/refs", obj{"ref": "refs/heads/x", "sha": strings.Repeat("0", 40)}, 422, "Object does not exist", "git/refs#create-a-reference", nil},
		"delete no ref":        {"one that is not there", "", "DELETE", shop + "/git/refs/heads/none", nil, 422, "Reference does not exist", "git/refs#delete-a-reference", nil},
		"commits of none":      {"of no ref", "", "GET", shop + "/commits?sha=none", nil, 404, "Not Found", "commits/commits#list-commits", nil},
		"commit of none":       {"of no ref", "", "GET", shop + "/commits/none", nil, 422, "No commit found for SHA: none", "commits/commits#get-a-commit", nil},
		"status of none":       {"of no ref", "", "GET", shop + "/commits/none/status", nil, 422, "No commit found for SHA: none", "commits/statuses#get-the-combined-status-for-a-specific-reference", nil},
		"statuses of none":     {"of no ref", "", "GET", shop + "/commits/none/statuses", nil, 404, "Not Found", "commits/statuses#list-commit-statuses-for-a-reference", nil},
		"long status":          {"140 characters at most", "", "POST", shop + "/statuses/" + head, obj{"state": "success", "description": strings.Repeat("x", 141)}, 422, "Validation Failed", "commits/statuses#create-a-commit-status", field("Status", "description", "custom", "description is too long (maximum is 140 characters)")},
		"no file branch":       {"a branch that is there", "", "PUT", shop + "/contents/b", obj{"message": "m", "content": "", "branch": "none"}, 404, "Branch none not found", "repos/contents#create-or-update-file-contents", nil},
		"no base64":            {"content is Base64", "", "PUT", shop + "/contents/b", obj{"message": "m", "content": "%"}, 422, "content is not valid Base64", "repos/contents#create-or-update-file-contents", nil},
		"deployments of none":  {"of no repository", "", "GET", "/repos/acme/none/deployments", nil, 404, "Not Found", "deployments/deployments#list-deployments", nil},
		"no deployment":        {"one that is not there", "", "GET", shop + "/deployments/1", nil, 404, "Not Found", "deployments/deployments#get-a-deployment", nil},
		"delete no deployment": {"nor deleted", "", "DELETE", shop + "/deployments/1", nil, 404, "Not Found", "deployments/deployments#delete-a-deployment", nil},
		"delete active":        {"not the active one of several", "", "DELETE", shop + "/deployments/" + active, nil, 422, "We cannot delete an active deployment unless it is the only deployment in a given repository.", "deployments/deployments#delete-a-deployment", nil},
		"states of none":       {"of no deployment", "", "GET", shop + "/deployments/1/statuses", nil, 404, "Not Found", "deployments/statuses#list-deployment-statuses", nil},
		"no state":             {"one that is not there", "", "GET", shop + "/deployments/" + active + "/statuses/1", nil, 404, "Not Found", "deployments/statuses#get-a-deployment-status", nil},
		"wrong state":          {"a state that there is", "", "POST", shop + "/deployments/" + active + "/statuses", obj{"state": "fine"}, 422, "Validation Failed", "deployments/statuses#create-a-deployment-status", field("DeploymentStatus", "state", "custom", "state is not included in the list")},
		"no run":               {"one that is not there", "", "GET", shop + "/check-runs/1", nil, 404, "Not Found", "checks/runs#get-a-check-run", nil},
		"change no run":        {"nor changed", appToken, "PATCH", shop + "/check-runs/1", obj{}, 404, "Not Found", "checks/runs#update-a-check-run", nil},
		"run, no end":          {"completed how", appToken, "POST", shop + "/check-runs", obj{"name": "x", "head_sha": head, "status": "completed"}, 422, "Validation Failed", "checks/runs#create-a-check-run", field("CheckRun", "conclusion", "missing_field", "")},
		"runs of none":         {"of no ref", "", "GET", shop + "/commits/none/check-runs", nil, 422, "No commit found for SHA: none", "checks/runs#list-check-runs-for-a-git-reference", nil},
		"suites of none":       {"of no ref", "", "GET", shop + "/commits/none/check-suites", nil, 422, "No commit found for SHA: none", "checks/suites#list-check-suites-for-a-git-reference", nil},
		"no suite":             {"one that is not there", "", "GET", shop + "/check-suites/1", nil, 404, "Not Found", "checks/suites#get-a-check-suite", nil},
		"no title":             {"an issue has a title", "", "POST", shop + "/issues", obj{"title": ""}, 422, "Validation Failed", "issues/issues#create-an-issue", field("Issue", "title", "missing_field", "")},
		"no issue":             {"one that is not there", "", "GET", shop + "/issues/99", nil, 404, "Not Found", "issues/issues#get-an-issue", nil},
		"comments of none":     {"of no issue", "", "GET", shop + "/issues/99/comments", nil, 404, "Not Found", "issues/comments#list-issue-comments", nil},
		"change no comment":    {"one that is not there", "", "PATCH", shop + "/issues/comments/1", obj{"body": "x"}, 404, "Not Found", "issues/comments#update-an-issue-comment", nil},
		"delete no comment":    {"nor deleted", "", "DELETE", shop + "/issues/comments/1", nil, 404, "Not Found", "issues/comments#delete-an-issue-comment", nil},
		"hooks of none":        {"of no repository", "", "GET", "/repos/acme/none/hooks", nil, 404, "Not Found", "repos/webhooks#list-repository-webhooks", nil},
		"hook URL":             {"a webhook has a URL", "", "POST", shop + "/hooks", obj{"config": obj{}}, 422, "Validation Failed", "repos/webhooks#create-a-repository-webhook", field("Hook", "url", "custom", "url cannot be blank")},
		"hook name":            {"web is the only name", "", "POST", shop + "/hooks", obj{"name": "mail", "config": obj{"url": "https://example.com"}}, 422, "Validation Failed", "repos/webhooks#create-a-repository-webhook", field("Hook", "name", "custom", "name is not supported")},
		"no hook":              {"one that is not there", "", "GET", shop + "/hooks/1", nil, 404, "Not Found", "repos/webhooks#get-a-repository-webhook", nil},
		"change no hook":       {"nor changed", "", "PATCH", shop + "/hooks/1", obj{}, 404, "Not Found", "repos/webhooks#update-a-repository-webhook", nil},
		"delete no hook":       {"nor deleted", "", "DELETE", shop + "/hooks/1", nil, 404, "Not Found", "repos/webhooks#delete-a-repository-webhook", nil},
		"ping no hook":         {"nor pinged", "", "POST", shop + "/hooks/1/pings", nil, 404, "Not Found", "repos/webhooks#ping-a-repository-webhook", nil},
		"deliveries of none":   {"of no webhook", "", "GET", shop + "/hooks/1/deliveries", nil, 404, "Not Found", "repos/webhooks#list-deliveries-for-a-repository-webhook", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, srv: w.srv, token: DefaultToken, agent: "test"}
			if tc.token != "" {
				w.token = strings.TrimPrefix(tc.token, "-")
			}
			a := w.do(tc.method, tc.path, tc.body)
			want := obj{"message": tc.message, "documentation_url": strings.TrimSuffix("https://docs.github.com/rest/"+tc.doc, "/"), "status": fmt.Sprint(tc.status)}
			if tc.errors != nil {
				want["errors"] = tc.errors
			}
			if diff := cmp.Diff(any(want), a.body); diff != "" || a.status != tc.status {
				t.Errorf("%s: %d (-want +got):\n%s", tc.reason, a.status, diff)
			}
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		})
	}
	for _, rt := range routes() {
		if !judged[rt.method+" "+rt.path] {
			t.Errorf("no error of %s %s is judged", rt.method, rt.path)
		}
	}
}
