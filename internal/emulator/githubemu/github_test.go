package githubemu

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	readToken, classicRead = "github_pat_read", "ghp_classicread"
	appToken, stranger     = "ghs_app", "ghp_stranger"
)

type world struct {
	t     *testing.T
	srv   *Server
	token string
	agent string
}

func newWorld(t *testing.T, s *Server) *world {
	readOnly, classic, app := DefaultAccount(), DefaultAccount(), DefaultAccount()
	readOnly.FineGrained, readOnly.ReadOnly = true, true
	classic.ReadOnly = true
	app.App, app.Login = true, "slipway[bot]"
	s.Tokens = map[string]Account{DefaultToken: DefaultAccount(), readToken: readOnly, classicRead: classic, appToken: app, stranger: {ID: 9, Login: "stranger"}}
	t.Cleanup(s.Close)
	return &world{t: t, srv: s, token: DefaultToken, agent: "test"}
}

type answer struct {
	status int
	header http.Header
	body   any
}

func (a answer) get(path ...any) any {
	v := a.body
	for _, step := range path {
		switch k := step.(type) {
		case string:
			m, _ := v.(obj)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

func (a answer) str(path ...any) string { s, _ := a.get(path...).(string); return s }
func (a answer) id(path ...any) string {
	n, _ := a.get(path...).(float64)
	return fmt.Sprint(int64(n))
}

func (w *world) do(method, path string, body any) answer {
	w.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	r := httptest.NewRequest(method, path, in)
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	r.Header.Set("User-Agent", w.agent)
	rec := httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header()}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return a
}

func (w *world) want(status int, method, path string, body any) answer {
	w.t.Helper()
	a := w.do(method, path, body)
	if a.status != status {
		w.t.Fatalf("%s %s: %d, want %d: %v", method, path, a.status, status, a.body)
	}
	return a
}

// raw asks for what is no JSON.
func (w *world) raw(status int, path string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	r.Header.Set("User-Agent", w.agent)
	rec := httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	if rec.Code != status {
		w.t.Fatalf("GET %s: %d, want %d: %s", path, rec.Code, status, rec.Body)
	}
	return rec
}

// mux has every route, and tells which was taken.
func mux(took func(string)) *http.ServeMux {
	m := http.NewServeMux()
	for _, rt := range routes() {
		op := rt.method + " " + rt.path
		m.HandleFunc(op, func(http.ResponseWriter, *http.Request) { took(op) })
	}
	return m
}

const shop = "/repos/acme/shop"

func (w *world) head() string {
	w.t.Helper()
	return w.want(200, "GET", shop+"/git/ref/heads/main", nil).str("object", "sha")
}

// Every modelled operation answers its documented status once here; GitHub's document is not at hand, so that the
// fields which real clients read are named.
func TestEveryOperationAnswers(t *testing.T) {
	w := newWorld(t, &Server{})
	seen := map[string]bool{}
	call := func(status int, method, path string, body any, fields ...string) answer {
		t.Helper()
		a := w.want(status, method, path, body)
		m, _ := a.body.(obj)
		if l, ok := a.body.([]any); ok && len(l) > 0 {
			m, _ = l[0].(obj)
		}
		for _, f := range fields {
			if _, ok := m[f]; !ok {
				t.Errorf("%s %s: the reply has no %s: %v", method, path, f, a.body)
			}
		}
		if len(fields) == 0 && status != http.StatusNoContent {
			t.Errorf("%s %s: nothing of the reply is looked at", method, path)
		}
		_, pattern := mux(func(string) {}).Handler(httptest.NewRequest(method, path, nil))
		seen[pattern] = true
		return a
	}
	call(200, "GET", "/user", nil, "login", "id")
	call(200, "GET", "/rate_limit", nil, "resources", "rate")
	call(201, "POST", "/user/repos", obj{"name": "mine", "private": true}, "id", "full_name", "default_branch")
	call(201, "POST", "/orgs/acme/repos", obj{"name": "site", "auto_init": true}, "id")
	call(200, "GET", "/user/repos", nil, "id", "owner")
	call(204, "DELETE", "/repos/acme/site", nil)
	w.want(404, "GET", "/repos/acme/site", nil)
	repo := call(200, "GET", shop, nil, "id", "private", "permissions", "owner", "default_branch", "clone_url")
	call(200, "GET", "/repositories/"+repo.id("id"), nil, "full_name")
	call(200, "GET", shop+"/branches", nil, "name", "commit", "protected")
	call(200, "GET", shop+"/branches/main", nil, "name", "commit")
	head := call(200, "GET", shop+"/git/ref/heads/main", nil, "ref", "object").str("object", "sha")
	call(201, "POST", shop+"/git/refs", obj{"ref": "refs/heads/feature/x", "sha": head}, "ref", "object")
	call(200, "GET", shop+"/branches/feature/x", nil, "name")
	made := call(201, "PUT", shop+"/contents/src/app.js", obj{"message": "Add", "content": base64.StdEncoding.EncodeToString([]byte("1"))}, "content", "commit").str("commit", "sha")
	call(200, "PATCH", shop+"/git/refs/heads/feature/x", obj{"sha": made}, "object")
	call(204, "DELETE", shop+"/git/refs/heads/feature/x", nil)
	call(200, "GET", shop+"/commits", nil, "sha", "commit", "parents")
	call(200, "GET", shop+"/commits/main", nil, "sha", "commit", "author")

	call(200, "GET", shop+"/compare/"+head+"..."+made, nil, "status", "ahead_by", "behind_by", "merge_base_commit")
	call(200, "PATCH", shop, obj{"private": true}, "full_name", "private")
	at := strings.TrimPrefix(w.raw(302, shop+"/tarball/"+made).Header().Get("Location"), "http://example.com")
	w.raw(200, at)
	for _, path := range []string{shop + "/tarball/" + made, at} {
		_, pattern := mux(func(string) {}).Handler(httptest.NewRequest("GET", path, nil))
		seen[pattern] = true
	}

	call(201, "POST", shop+"/statuses/"+made, obj{"state": "success", "context": "slipway", "target_url": "https://example.com", "description": "fine"}, "id", "state", "context", "creator")
	call(200, "GET", shop+"/commits/main/status", nil, "state", "statuses", "total_count", "sha")
	call(200, "GET", shop+"/commits/main/statuses", nil, "state")
	d := call(201, "POST", shop+"/deployments", obj{"ref": "main", "payload": obj{"run": "1"}}, "id", "sha", "environment", "statuses_url", "payload").id("id")
	call(200, "GET", shop+"/deployments?environment=production", nil, "id")
	call(200, "GET", shop+"/deployments/"+d, nil, "id", "task")
	st := call(201, "POST", shop+"/deployments/"+d+"/statuses", obj{"state": "success", "environment_url": "https://shop.example.com"}, "id", "state", "environment_url").id("id")
	call(200, "GET", shop+"/deployments/"+d+"/statuses", nil, "state")
	call(200, "GET", shop+"/deployments/"+d+"/statuses/"+st, nil, "state")
	call(204, "DELETE", shop+"/deployments/"+d, nil)

	w.token = appToken
	run := call(201, "POST", shop+"/check-runs", obj{"name": "verify", "head_sha": made, "status": "in_progress"}, "id", "status", "conclusion", "check_suite", "app")
	call(200, "PATCH", shop+"/check-runs/"+run.id("id"), obj{"conclusion": "success", "output": obj{"title": "t", "summary": "s"}}, "completed_at")
	call(200, "GET", shop+"/check-runs/"+run.id("id"), nil, "id")
	call(200, "GET", shop+"/commits/main/check-runs?check_name=verify", nil, "total_count", "check_runs")
	call(200, "GET", shop+"/commits/main/check-suites", nil, "total_count", "check_suites")
	call(200, "GET", shop+"/check-suites/"+run.id("check_suite", "id"), nil, "status", "conclusion")
	w.token = DefaultToken

	call(201, "POST", shop+"/issues", obj{"title": "Ship"}, "number", "id")
	call(200, "GET", shop+"/issues/1", nil, "comments")
	m := call(201, "POST", shop+"/issues/1/comments", obj{"body": "live"}, "id", "body", "user", "html_url").id("id")
	call(200, "GET", shop+"/issues/1/comments", nil, "body")
	call(200, "GET", shop+"/issues/comments/"+m, nil, "body")
	call(200, "PATCH", shop+"/issues/comments/"+m, obj{"body": "live again"}, "updated_at")
	call(204, "DELETE", shop+"/issues/comments/"+m, nil)

	h := call(201, "POST", shop+"/hooks", obj{"config": obj{"url": "https://example.com/hook", "secret": "s"}}, "id", "config", "events").id("id")
	call(200, "GET", shop+"/hooks", nil, "id")
	call(200, "GET", shop+"/hooks/"+h, nil, "last_response")
	call(200, "PATCH", shop+"/hooks/"+h, obj{"active": false}, "active")
	call(204, "POST", shop+"/hooks/"+h+"/pings", nil)
	if got := call(200, "GET", shop+"/hooks/"+h+"/deliveries", nil, "guid", "event", "status").str(0, "status"); got != notThisMachine {
		t.Errorf("a delivery to another machine: %s", got)
	}
	call(204, "DELETE", shop+"/hooks/"+h, nil)
	for _, rt := range routes() {
		if !seen[rt.method+" "+rt.path] {
			t.Errorf("%s %s was not called", rt.method, rt.path)
		}
		if rt.doc == "" || rt.method != "GET" && rt.permission == "" {
			t.Errorf("%s %s has no source or no permission", rt.method, rt.path)
		}
	}
}

func TestARequestWithoutUserAgentIsRefused(t *testing.T) {
	w := newWorld(t, &Server{})
	w.agent = ""
	if a := w.do("GET", "/user", nil); a.status != 403 || !strings.Contains(a.str("message"), "User-Agent") {
		t.Errorf("%d %v", a.status, a.body)
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, &Server{RateLimit: 2})
	for left := range 2 {
		a := w.want(200, "GET", shop, nil)
		if got := a.header.Get("X-RateLimit-Remaining"); got != fmt.Sprint(1-left) || a.header.Get("X-RateLimit-Limit") != "2" {
			t.Errorf("call %d: remaining %s", left, got)
		}
	}
	a := w.want(403, "GET", shop, nil)
	if a.str("message") != "API rate limit exceeded for user ID 1001." || a.header.Get("X-RateLimit-Remaining") != "0" || a.header.Get("X-RateLimit-Reset") == "" {
		t.Errorf("%v %v", a.header, a.body)
	}
	w.want(200, "GET", "/rate_limit", nil) // does not count
	w.token = appToken
	w.want(200, "GET", shop, nil) // another token has its own
}

func TestPagesAreLinked(t *testing.T) {
	w := newWorld(t, &Server{})
	head := w.head()
	for i := range 5 {
		w.want(201, "POST", shop+"/statuses/"+head, obj{"state": "success", "context": fmt.Sprint(i)})
	}
	var got []string
	path := shop + "/commits/main/statuses?per_page=2"
	for path != "" {
		a := w.want(200, "GET", path, nil)
		for i := range 2 {
			if s := a.str(i, "context"); s != "" {
				got = append(got, s)
			}
		}
		path = ""
		for link := range strings.SplitSeq(a.header.Get("Link"), ", ") {
			if to, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
				path = strings.TrimPrefix(to, "<http://example.com")
			}
		}
	}
	if diff := cmp.Diff([]string{"4", "3", "2", "1", "0"}, got); diff != "" {
		t.Errorf("statuses by page (-want +got):\n%s", diff)
	}
}

func TestCombinedStatusIsOfTheLatestOfEachContext(t *testing.T) {
	w := newWorld(t, &Server{})
	head := w.head()
	state := func() string { return w.want(200, "GET", shop+"/commits/main/status", nil).str("state") }
	got := []string{state()}
	for _, set := range [][2]string{{"a", "pending"}, {"b", "error"}, {"b", "success"}, {"a", "success"}} {
		w.want(201, "POST", shop+"/statuses/"+head, obj{"context": set[0], "state": set[1]})
		got = append(got, state())
	}
	if diff := cmp.Diff([]string{"pending", "pending", "failure", "pending", "success"}, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestASuccessMakesEarlierDeploymentsOfTheEnvironmentInactive(t *testing.T) {
	w := newWorld(t, &Server{})
	deploy := func(environment string) string {
		id := w.want(201, "POST", shop+"/deployments", obj{"ref": "main", "environment": environment}).id("id")
		w.want(201, "POST", shop+"/deployments/"+id+"/statuses", obj{"state": "success"})
		return id
	}
	latest := func(id string) string {
		return w.want(200, "GET", shop+"/deployments/"+id+"/statuses", nil).str(0, "state")
	}
	first, live := deploy("preview"), deploy("production")
	second, again := deploy("preview"), deploy("production")
	got := []string{latest(first), latest(second), latest(live), latest(again)}
	if diff := cmp.Diff([]string{"inactive", "success", "success", "success"}, got); diff != "" {
		t.Errorf("states of preview twice, production twice (-want +got):\n%s", diff)
	}
	w.want(422, "DELETE", shop+"/deployments/"+second, nil)
	w.want(204, "DELETE", shop+"/deployments/"+first, nil)
}

func TestWebhooksAreSignedAndDelivered(t *testing.T) {
	w := newWorld(t, &Server{})
	type received struct {
		event, signature, want string
		action                 string
	}
	got := make(chan received, 8)
	target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("It's a Secret"))
		mac.Write(body)
		var payload struct{ Action string }
		_ = json.Unmarshal(body, &payload)
		got <- received{r.Header.Get("X-GitHub-Event"), r.Header.Get("X-Hub-Signature-256"), "sha256=" + hex.EncodeToString(mac.Sum(nil)), payload.Action}
		rw.WriteHeader(http.StatusAccepted)
	}))
	defer target.Close()
	hook := w.want(201, "POST", shop+"/hooks", obj{"events": []string{"issue_comment"}, "config": obj{"url": target.URL, "secret": "It's a Secret", "content_type": "json"}})
	if hook.str("config", "secret") != "********" {
		t.Errorf("the secret is shown: %v", hook.body)
	}
	w.want(201, "POST", shop+"/issues", obj{"title": "Ship"})
	w.want(201, "POST", shop+"/issues/1/comments", obj{"body": "x"})
	w.want(201, "POST", shop+"/statuses/"+w.head(), obj{"state": "success"}) // nobody asked for it
	events := map[string]string{}
	for range 2 {
		r := <-got
		if r.signature != r.want {
			t.Errorf("%s is signed %s, want %s", r.event, r.signature, r.want)
		}
		events[r.event] = r.action
	}
	if diff := cmp.Diff(map[string]string{"ping": "", "issue_comment": "created"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	w.srv.out.Wait()
	if a := w.want(200, "GET", shop+"/hooks/"+hook.id("id")+"/deliveries", nil); a.id(0, "status_code") != "202" || len(a.body.([]any)) != 2 {
		t.Errorf("deliveries: %v", a.body)
	}
}

// The signature of GitHub's own example:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
func TestSignatureIsThatOfTheDocumentation(t *testing.T) {
	if got := sign("It's a Secret to Everybody", []byte("Hello, World!")); got != "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" {
		t.Error(got)
	}
}

func TestStateGoesOnInAnotherProcess(t *testing.T) {
	w := newWorld(t, &Server{})
	head := w.head()
	w.want(201, "POST", shop+"/statuses/"+head, obj{"state": "success"})
	w.want(201, "POST", shop+"/deployments", obj{"ref": "main", "payload": obj{"n": 1}})
	w.want(201, "POST", shop+"/issues", obj{"title": "Ship"})
	raw, err := w.srv.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, &Server{})
	if err := other.srv.LoadState(raw); err != nil {
		t.Fatal(err)
	}
	again, err := other.srv.SaveState()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), string(again)); diff != "" {
		t.Errorf("saved, loaded, saved (-first +second):\n%s", diff)
	}
	if other.head() != head || other.want(200, "GET", shop+"/commits/main/status", nil).str("state") != "success" {
		t.Error("what was made is not there")
	}
	if err := other.srv.ResetState(); err != nil {
		t.Fatal(err)
	}
	if a := other.want(200, "GET", shop+"/deployments", nil); len(a.body.([]any)) != 0 {
		t.Errorf("after a reset: %v", a.body)
	}
}
