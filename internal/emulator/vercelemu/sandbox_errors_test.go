package vercelemu

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Error bodies have no schema in the document: this table is their judge. Every route is in it.
func TestSandboxErrorEnvelopes(t *testing.T) {
	viewer := DefaultAccount()
	viewer.ReadOnly = true
	srv := &SandboxServer{Tokens: map[string]Account{DefaultToken: DefaultAccount(), "viewer": viewer}, MaxLife: time.Hour}
	w := newSandboxes(t, srv)
	_, session := w.create(obj{"name": "taken"})
	_, ended := w.create(nil)
	w.want(200, "POST", ended+"/stop", nil)
	other := srv.OIDCToken(acme, "prj_other", time.Hour)
	body := obj{"projectId": "prj_1"}
	big := func(n int) string { return `{"projectId":"` + strings.Repeat("x", n) + `"}` }
	mux, judged := http.NewServeMux(), map[string]bool{}
	for _, rt := range sandboxRoutes() {
		op := rt.method + " " + rt.path
		mux.HandleFunc(op, func(http.ResponseWriter, *http.Request) { judged[op] = true })
	}
	for name, tc := range map[string]refused{
		"no token":             {"a token is needed", "[? vercel-no-token]", "-", acme, "GET", "/v2/sandboxes", nil, 401, obj{"code": "forbidden", "message": "The request is missing an authentication token", "missingToken": true}},
		"wrong token":          {"one that is known", "[? vercel-wrong-token]", "wrong", acme, "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
		"forged JWT":           {"its signature is checked", document, other[:len(other)-4] + "AAAA", acme, "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
		"broken JWT":           {"a JWT has three parts of JSON", document, "a.b.c", acme, "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
		"expired JWT":          {"its time is over", document, srv.OIDCToken(acme, "prj_1", -time.Second), acme, "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "The token has expired", "invalidToken": true}},
		"JWT, other team":      {"owner_id is the team", document, other, "team_other", "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "Not authorized"}},
		"JWT, other project":   {"project_id is the project", document, other, acme, "POST", "/v3/sandboxes", body, 403, obj{"code": "forbidden", "message": "Not authorized"}},
		"JWT, other's session": {"not seen from another project", document, other, acme, "GET", session, nil, 404, absent("Session not found.")},
		"no team":              {"token, team and project, all three", "[? sandbox-no-team]", "", "-", "GET", "/v2/sandboxes", nil, 400, wrong("Invalid request: missing required query parameter `teamId`.")},
		"other team":           {"a team of others", document, "", "team_other", "GET", "/v2/sandboxes", nil, 403, obj{"code": "forbidden", "message": "Not authorized"}},
		"no project":           {"a project is needed", document, "", acme, "POST", "/v3/sandboxes", obj{}, 400, wrong("Invalid request: missing required property `projectId`.")},
		"empty project":        {"by name", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": ""}, 400, wrong("Invalid request: `projectId` should not be empty.")},
		"read-only":            {"a token that may only read", document, "viewer", acme, "POST", "/v3/sandboxes", body, 403, obj{"code": "forbidden", "message": "You don't have permission to change the sandbox."}},
		"taken name":           {"names are unique in a project", "[? sandbox-name-taken]", "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "taken"}, 409, obj{"code": "conflict", "message": `Sandbox "taken" already exists.`}},
		"strange name":         {"letters, digits, dots, underscores, hyphens", "[? sandbox-name]", "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "../x"}, 400, wrong("Invalid request: `name` should have letters, digits, dots, underscores and hyphens only.")},
		"a route's name":       {"it could not be asked for", "[? sandbox-name]", "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "name": "sessions"}, 400, wrong("Invalid request: `name` should have letters, digits, dots, underscores and hyphens only.")},
		"unknown runtime":      {"runtimes are a list", document, "", acme, "POST", "/v2/sandboxes", obj{"projectId": "prj_1", "runtime": "node4"}, 400, wrong("Invalid request: `runtime` should be equal to one of the allowed values \"node22, node24, node26, python3.13, python3.14\".")},
		"16 ports":             {"15 at most", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "ports": make([]int, 16)}, 400, wrong("Invalid request: `ports` should be at most 15 numbers from 1 to 65535.")},
		"3 CPUs":               {"one or an even number", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "resources": obj{"vcpus": 3}}, 400, wrong("Invalid request: `resources.vcpus` should be 1 or an even number up to 32.")},
		"too long a life":      {"the plan's maximum", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "timeout": 3600001}, 400, wrong("Invalid request: `timeout` should be at least 1 and at most your plan's maximum.")},
		"policy":               {"modes are two", document, "", acme, "POST", session + "/network-policy", obj{"mode": "some"}, 400, wrong("Invalid request: should NOT have additional property `mode`.")},
		"policy, subnet":       {"subnets are CIDRs", document, "", acme, "POST", session + "/network-policy", obj{"subnets": obj{"allow": []string{"10"}}}, 400, wrong("Invalid request: `10` is no CIDR.")},
		"malformed JSON":       {"half a body", document, "", acme, "POST", "/v3/sandboxes", `{"projectId":`, 400, obj{"code": "invalid_json", "message": "Invalid JSON: unexpected end of JSON input"}},
		"wrong type":           {"types are checked", document, "", acme, "POST", "/v3/sandboxes", `{"projectId":7}`, 400, wrong("Invalid request: `projectId` should be string.")},
		"10 MB of JSON":        {"bodies are limited", "[? vercel-body-limit]", "", acme, "POST", "/v3/sandboxes", big(11 << 20), 413, obj{"code": "payload_too_large", "message": "The body is over 10485760 bytes."}},
		"snapshot source":      {"not modelled", ours, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "snapshot", "snapshotId": "s"}}, 501, obj{"code": "not_implemented", "message": "the emulator does not model snapshots"}},
		"source far away":      {"nothing here reaches out", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "tarball", "url": "https://example.com/x.tgz"}}, 400, wrong("Invalid request: the emulator takes a source only from http:// or https:// on this machine's loopback.")},
		"git from a file":      {"only from loopback", document, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": obj{"type": "git", "url": "file:///etc"}}, 400, wrong("Invalid request: the emulator takes a source only from http:// or https:// on this machine's loopback.")},
		"drives":               {"not modelled", ours, "", acme, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "mounts": obj{"/d": obj{"drive": "d"}}}, 501, obj{"code": "not_implemented", "message": "the emulator does not model drives and secure compute"}},
		"snapshot":             {"not modelled", ours, "", acme, "POST", session + "/snapshot", obj{}, 501, obj{"code": "not_implemented", "message": "the emulator does not model POST " + session + "/snapshot"}},
		"snapshots":            {"not modelled", ours, "", acme, "GET", "/v2/sandboxes/snapshots", nil, 501, obj{"code": "not_implemented", "message": "the emulator does not model snapshots"}},
		"fork":                 {"not modelled", ours, "", acme, "POST", "/v2/sandboxes/taken/fork", obj{}, 501, obj{"code": "not_implemented", "message": "the emulator does not model POST /v2/sandboxes/taken/fork"}},
		"interactive":          {"not modelled", ours, "", acme, "POST", session + "/interactive", obj{}, 501, obj{"code": "not_implemented", "message": "the emulator does not model POST " + session + "/interactive"}},
		"absent sandbox":       {"no such sandbox", document, "", acme, "GET", "/v2/sandboxes/absent", nil, 404, absent(`Sandbox "absent" not found.`)},
		"other project":        {"it is of another project", document, "", acme, "GET", "/v2/sandboxes/taken?projectId=prj_2", nil, 404, absent(`Sandbox "taken" not found.`)},
		"absent session":       {"no such session", document, "", acme, "GET", "/v2/sandboxes/sessions/absent", nil, 404, absent("Session not found.")},
		"absent command":       {"no such command", document, "", acme, "GET", session + "/cmd/absent", nil, 404, absent("Command not found.")},
		"absent file":          {"no such file", document, "", acme, "POST", session + "/fs/read", obj{"path": "absent"}, 404, absent("No such file or directory.")},
		"folder":               {"only files are read", document, "", acme, "POST", session + "/fs/read", obj{"path": "."}, 400, wrong("Invalid request: the path is not a regular file.")},
		"file elsewhere":       {"only below its folders", document, "", acme, "POST", session + "/fs/read", obj{"path": "/etc/passwd"}, 400, wrong("Invalid request: the emulator keeps files below /vercel/sandbox, /home/vercel-sandbox and /tmp only, not /etc/passwd.")},
		"file above":           {"nor by way of them", document, "", acme, "POST", session + "/fs/read", obj{"path": "../../../etc/passwd"}, 400, wrong("Invalid request: the emulator keeps files below /vercel/sandbox, /home/vercel-sandbox and /tmp only, not /etc/passwd.")},
		"folder that is":       {"it is there", "[? sandbox-mkdir-exists]", "", acme, "POST", session + "/fs/mkdir", obj{"path": "/tmp"}, 400, wrong("Invalid request: the file exists.")},
		"no parent":            {"its parent is not", document, "", acme, "POST", session + "/fs/mkdir", obj{"path": "a/b"}, 404, absent("No such file or directory.")},
		"signal":               {"signals are from 1 to 64", document, "", acme, "POST", session + "/cmd/absent/kill", obj{"signal": 0}, 400, wrong("Invalid request: `signal` should be a number from 1 to 64.")},
		"no signal":            {"a signal is needed", document, "", acme, "POST", session + "/cmd/absent/kill", obj{}, 400, wrong("Invalid request: missing required property `signal`.")},
		"extended too far":     {"the plan's maximum", "[? sandbox-extend-too-far]", "", acme, "POST", session + "/extend-timeout", obj{"duration": 3600000}, 400, wrong("Invalid request: the sandbox's timeout would be over your plan's maximum.")},
		"cursor":               {"a cursor of this list", document, "", acme, "GET", "/v2/sandboxes?cursor=x", nil, 400, wrong("Invalid request: `cursor` is not one of this list.")},
		"sort":                 {"fields are a list", document, "", acme, "GET", "/v2/sandboxes?sortBy=size", nil, 400, wrong("Invalid request: `sortBy` should be one of createdAt, name, statusUpdatedAt, currentSnapshotId.")},
		"order":                {"orders are two", document, "", acme, "GET", "/v2/sandboxes/sessions?sortOrder=up", nil, 400, wrong("Invalid request: `sortOrder` should be asc or desc.")},
		"run when stopped":     {"nothing runs", document, "", acme, "POST", ended + "/cmd", obj{"command": "true"}, 410, obj{"code": "sandbox_stopped", "message": "The sandbox has stopped."}},
		"read when stopped":    {"nothing is read", document, "", acme, "POST", ended + "/fs/read", obj{"path": "x"}, 410, obj{"code": "sandbox_stopped", "message": "The sandbox has stopped."}},
		"extend when stopped":  {"nothing is extended", document, "", acme, "POST", ended + "/extend-timeout", obj{"duration": 1}, 410, obj{"code": "sandbox_stopped", "message": "The sandbox has stopped."}},
		"not modelled":         {"an unknown route", ours, "", acme, "GET", "/v2/elsewhere", nil, 501, obj{"code": "not_implemented", "message": "the emulator does not model GET /v2/elsewhere"}},
		"archive's kind":       {"an archive is a tar.gz", "[? sandbox-write-type]", "", acme, "POST", session + "/fs/write", "{}", 415, obj{"code": "unsupported_media_type", "message": "The content type should be application/gzip."}},

		"change absent":      refuse("nor changed", document, "PATCH /v2/sandboxes/absent", obj{}, 404, absent(`Sandbox "absent" not found.`)),
		"delete absent":      refuse("nor deleted", document, "DELETE /v2/sandboxes/absent", nil, 404, absent(`Sandbox "absent" not found.`)),
		"stop absent":        refuse("no such session", document, "POST /v2/sandboxes/sessions/absent/stop", nil, 404, absent("Session not found.")),
		"commands of absent": refuse("no such session", document, "GET /v2/sandboxes/sessions/absent/cmd", nil, 404, absent("Session not found.")),
		"logs of absent":     refuse("no such command", document, "GET "+session+"/cmd/absent/logs", nil, 404, absent("Command not found.")),
		"run, no command":    refuse("a command is needed", document, "POST "+session+"/cmd", obj{}, 400, wrong("Invalid request: missing required property `command`.")),
		"list of drives":     refuse("not modelled", ours, "GET /v2/sandboxes/drives", nil, 501, obj{"code": "not_implemented", "message": "the emulator does not model drives"}),
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t, w.team = t, strings.TrimPrefix(tc.team, "-")
			if tc.token != "" {
				w.token = strings.TrimPrefix(tc.token, "-")
			}
			a := w.do(tc.method, tc.path, tc.body)
			if diff := cmp.Diff(any(obj{"error": tc.want}), a.body); diff != "" || a.status != tc.status {
				t.Errorf("%s: %d, want %d (-want +got):\n%s", tc.reason, a.status, tc.status, diff)
			}
			if !w.check.Cited(t, tc.source, tc.method, tc.path, tc.status) {
				t.Errorf("%s is no source of a %d of %s %s", tc.source, tc.status, tc.method, tc.path)
			}
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		})
	}
	for _, rt := range sandboxRoutes() {
		if !judged[rt.method+" "+rt.path] {
			t.Errorf("no error of %s %s is judged", rt.method, rt.path)
		}
	}
}
