package speccheck

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResponse(t *testing.T) {
	c := Load(t, "vercel")
	user := `{"user":{"limited":true,"id":"u","email":"e","name":null,"username":"n","avatar":null,"defaultTeamId":null}}`
	line := `{"created":1,"date":1,"deploymentId":"d","id":"1","info":{"type":"build","name":"b"},"serial":"1","type":"stdout","text":"x"}`
	for name, tc := range map[string]struct {
		reason, method, path, contentType, body string
		status                                  int
		ok                                      bool
	}{
		"fits":            {"a reply as documented passes", "GET", "/v2/user", "application/json", user, 200, true},
		"missing field":   {"a required field must be there", "GET", "/v2/user", "application/json", `{"user":{"id":"u"}}`, 200, false},
		"wrong status":    {"a 2xx status that is not listed is refused", "GET", "/v2/user", "application/json", user, 202, false},
		"wrong type":      {"the content type counts", "GET", "/v2/user", "text/html", user, 200, false},
		"not in document": {"what the document does not have is not judged", "GET", "/v99/none", "text/html", "x", 200, true},
		"stream":          {"each line of a stream is judged", "GET", "/v3/deployments/d/events", "application/stream+json", line + "\n" + line + "\n", 200, true},
		"broken stream":   {"also the last", "GET", "/v3/deployments/d/events", "application/stream+json", line + "\n{}\n", 200, false},
		"error":           {"an error of which the document has no schema is not judged", "GET", "/v2/user", "application/json", `{}`, 403, true},
		"no content":      {"204 needs no body", "DELETE", "/v9/projects/x", "", "", 204, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.path, nil)
			err := c.Response(r, tc.status, http.Header{"Content-Type": {tc.contentType}}, []byte(tc.body))
			if (err == nil) != tc.ok {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
	if diff := cmp.Diff([]string{"DELETE /v9/projects/{idOrName}", "GET /v2/user", "GET /v3/deployments/{idOrUrl}/events"}, c.Covered()); diff != "" {
		t.Errorf("covered (-want +got):\n%s", diff)
	}
}

func TestRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, spec, method, path, body string
		ok                               bool
	}{
		"vercel fits":    {"a documented body passes", "vercel", "POST", "/v11/projects", `{"name":"x"}`, true},
		"vercel unknown": {"a field that the document forbids is refused", "vercel", "POST", "/v11/projects", `{"name":"x","nome":1}`, false},
		"neon base path": {"the server's path is part of the address", "neon", "GET", "/api/v2/projects?limit=10", "", true},
		"neon bad limit": {"query parameters are judged", "neon", "GET", "/api/v2/projects?limit=many", "", false},
		"upstash":        {"its server has a path too", "upstash", "GET", "/v2/redis/databases", "", true},
		"unknown":        {"an unknown operation is an error", "upstash", "GET", "/v2/none", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body))
			if tc.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			if err := Load(t, tc.spec).Request(r); (err == nil) != tc.ok {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestErrorsAreJudgedByTheirSchema(t *testing.T) {
	c := Load(t, "neon")
	for body, ok := range map[string]bool{`{"code":"","message":"project not found"}`: true, `{"message":"project not found"}`: false, `{"error":"project not found"}`: false} {
		err := c.Response(httptest.NewRequest("GET", "/api/v2/projects/none", nil), 404, http.Header{"Content-Type": {"application/json"}}, []byte(body))
		if (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
	if len(c.Covered()) != 0 {
		t.Errorf("an error counts as covered: %v", c.Covered())
	}
}

func TestLists(t *testing.T) {
	c := Load(t, "vercel")
	for status, want := range map[int]bool{200: true, 403: true, 418: false} {
		if got := c.Lists("GET", "/v4/aliases/a.vercel.app", status); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	if c.Lists("GET", "/v99/none", 404) {
		t.Error("an operation that the document does not have lists a status")
	}
}

func TestCited(t *testing.T) {
	vercel := Load(t, "vercel")
	for name, tc := range map[string]struct {
		reason, source string
		check          *Checker
		status         int
		want           bool
	}{
		"listed":      {"the document has the status", Document, vercel, 403, true},
		"not listed":  {"or it has not", Document, vercel, 418, false},
		"no document": {"without one there is nothing to cite", Document, nil, 403, false},
		"ours":        {"501 needs no other source", Ours, vercel, 501, true},
		"not ours":    {"any other status does", Ours, vercel, 403, false},
		"URL":         {"a page", "https://example.com/errors", nil, 403, true},
		"marked":      {"what the code marks so", "[? id]", nil, 403, true},
		"not marked":  {"an id that is not in the code", "[? none]", nil, 403, false},
		"nothing":     {"a source is named", "", vercel, 403, false},
	} {
		if got := tc.check.Cited(t, tc.source, "GET", "/v4/aliases/a.vercel.app?teamId=t", tc.status); got != tc.want {
			t.Errorf("%s: %s: %v", name, tc.reason, got)
		}
	}
}

func TestExceptTakesAReplyOutOfTheJudgement(t *testing.T) {
	c := Load(t, "vercel")
	judge := func() error {
		return c.Response(httptest.NewRequest("GET", "/v4/aliases/a.vercel.app", nil), 200, http.Header{"Content-Type": {"application/json"}}, []byte(`{}`))
	}
	if judge() == nil {
		t.Error("an object passes where the document has an array")
	}
	if c.Except("GET /v4/aliases/{any}"); judge() != nil {
		t.Error("an excepted operation is judged")
	}
	if err := c.Response(httptest.NewRequest("GET", "/v2/user", nil), 200, http.Header{"Content-Type": {"application/json"}}, []byte(`{}`)); err == nil {
		t.Error("another operation is not judged any more")
	}
}
