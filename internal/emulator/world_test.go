package emulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// tell makes a call to one of the emulators and returns the status and the body.
func tell(t *testing.T, env map[string]string, api, token, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, env["SLIPWAY_"+api+"_URL"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env[token])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// visit gets a page of a deployed app once it is there.
func visit(t *testing.T, page string) string {
	t.Helper()
	at, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	for {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1:"+at.Port()+at.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = at.Host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.Header.Get("x-vercel-error") != "DEPLOYMENT_NOT_FOUND" {
			return string(raw)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("it never came")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestADeploymentOfARepositoryIsBuiltFromItsFiles(t *testing.T) {
	r, err := Start(t.Context(), Options{BuildTime: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	put := func(repo, branch, text string) {
		t.Helper()
		body := fmt.Sprintf(`{"message":"page","content":%q,"branch":%q}`, base64.StdEncoding.EncodeToString([]byte(text)), branch)
		if status, reply := tell(t, env, "GITHUB", "GITHUB_TOKEN", "PUT", "/repos/"+repo+"/contents/index.html", body); status != 201 {
			t.Fatalf("%d %s", status, reply)
		}
	}
	if status, reply := tell(t, env, "GITHUB", "GITHUB_TOKEN", "POST", "/orgs/acme/repos", `{"name":"site","auto_init":true}`); status != 201 {
		t.Fatalf("%d %s", status, reply)
	}
	put("acme/site", "main", "of main")
	var repo struct {
		ID int64
	}
	_, reply := tell(t, env, "GITHUB", "GITHUB_TOKEN", "GET", "/repos/acme/site", "")
	if err := json.Unmarshal([]byte(reply), &repo); err != nil {
		t.Fatal(err)
	}
	team := "?teamId=" + env["VERCEL_TEAM_ID"]
	if status, reply := tell(t, env, "VERCEL", "VERCEL_TOKEN", "POST", "/v11/projects"+team, `{"name":"linked","gitRepository":{"type":"github","repo":"acme/site"}}`); status != 200 {
		t.Fatalf("%d %s", status, reply)
	}
	for name, tc := range map[string]struct{ reason, project, source, want string }{
		"by name":       {"a repository that was made there is found by org and repo", "site", `{"type":"github","org":"acme","repo":"site","ref":"main"}`, "of main"},
		"by id":         {"and by the id that GitHub gives it, for a linked project", "linked", fmt.Sprintf(`{"type":"github","repoId":%d,"ref":"main"}`, repo.ID), "of main"},
		"no repository": {"one that is not there is refused", "nothing", `{"type":"github","org":"acme","repo":"other","ref":"main"}`, "incorrect_git_source_info"},
		"no ref":        {"a branch that is not there is refused", "nothing", `{"type":"github","org":"acme","repo":"site","ref":"other"}`, "It has no ref"},
		"another host":  {"there is no GitLab", "nothing", `{"type":"gitlab","org":"acme","repo":"site","ref":"main"}`, "incorrect_git_source_info"},
	} {
		t.Run(name, func(t *testing.T) {
			status, reply := tell(t, env, "VERCEL", "VERCEL_TOKEN", "POST", "/v13/deployments"+team,
				`{"name":"`+tc.project+`","target":"production","projectSettings":{},"gitSource":`+tc.source+`}`)
			if status == 200 {
				_, port, _ := net.SplitHostPort(jsonText(t, reply, "url"))
				reply = visit(t, "http://"+tc.project+".localhost:"+port+"/")
			}
			if !strings.Contains(reply, tc.want) {
				t.Errorf("%s: %d %s", tc.reason, status, reply)
			}
		})
	}
	if status, reply := tell(t, env, "VERCEL", "VERCEL_TOKEN", "POST", "/v11/projects"+team, `{"name":"x","gitRepository":{"type":"github","repo":"acme/other"}}`); status != 400 || !strings.Contains(reply, "repo_not_found") {
		t.Errorf("a link to a repository that is not there: %d %s", status, reply)
	}
}

func jsonText(t *testing.T, raw, field string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	text, _ := v[field].(string)
	return text
}

func TestTheOIDCTokenOpensSandbox(t *testing.T) {
	tokens := []string{}
	for range 2 {
		r, err := Start(t.Context(), Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		env := r.Env()
		tokens = append(tokens, env["VERCEL_OIDC_TOKEN"])
		var claims map[string]any
		payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(tokens[0], ".")[1])
		if err := json.Unmarshal(payload, &claims); err != nil || claims["owner_id"] != env["VERCEL_TEAM_ID"] {
			t.Fatalf("%v %s", err, payload)
		}
		if status, reply := tell(t, env, "SANDBOX", "VERCEL_OIDC_TOKEN", "POST", "/v3/sandboxes", fmt.Sprintf(`{"projectId":%q}`, claims["project_id"])); status != 200 {
			t.Errorf("its project: %d %s", status, reply)
		}
		if status, reply := tell(t, env, "SANDBOX", "VERCEL_OIDC_TOKEN", "POST", "/v3/sandboxes", `{"projectId":"prj_other"}`); status != 403 {
			t.Errorf("another project: %d %s", status, reply)
		}
		r.Close()
	}
	if tokens[0] != tokens[1] {
		t.Error("the same seed has another OIDC token")
	}
}

func TestSettingsAreTheEmulatorsOwn(t *testing.T) {
	r, err := Start(t.Context(), Options{Settings: map[string]string{"vercel.max-projects": "1", "vercel.rate-limits": "hobby", "github.rate-limit": "1", "neon.max-projects": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	org := fmt.Sprintf(`{"project":{"org_id":%q}}`, env["NEON_ORG_ID"])
	for _, tc := range []struct {
		reason, api, token, method, path, body string
		status                                 int
	}{
		{"the first project", "VERCEL", "VERCEL_TOKEN", "POST", "/v11/projects", `{"name":"one"}`, 200},
		{"the second is over max-projects", "VERCEL", "VERCEL_TOKEN", "POST", "/v11/projects", `{"name":"two"}`, 402},
		{"the first call in an hour", "GITHUB", "GITHUB_TOKEN", "GET", "/user", "", 200},
		{"the second is over rate-limit", "GITHUB", "GITHUB_TOKEN", "GET", "/user", "", 403},
		{"the first project", "NEON", "NEON_API_KEY", "POST", "/projects", org, 201},
		{"the second is over max-projects", "NEON", "NEON_API_KEY", "POST", "/projects", org, 422},
	} {
		if status, reply := tell(t, env, tc.api, tc.token, tc.method, tc.path, tc.body); status != tc.status {
			t.Errorf("%s %s: %d, want %d: %s", tc.api, tc.reason, status, tc.status, reply)
		}
	}
	for name, tc := range map[string]struct {
		reason, name, value, want string
	}{
		"unknown": {"a name that is not there is refused with those that are", "vercel.max", "1", "vercel.max-projects"},
		"number":  {"a value of the wrong kind is refused", "vercel.max-projects", "many", "it is a number"},
		"plan":    {"so is a plan that is not there", "vercel.rate-limits", "free", "hobby or pro"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Start(t.Context(), Options{Settings: map[string]string{tc.name: tc.value}})
			if err == nil {
				r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestDeployedFunctionsReachTheDataPlanes(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node not found: functions cannot run")
	}
	r, err := Start(t.Context(), Options{BuildTime: time.Millisecond, Settings: map[string]string{"upstash.create-time": "-1s"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	endpoint, token := redis(t, env)
	app := `module.exports = async (req, res) => {
  const ping = await fetch(process.env.REDIS, {method: 'POST', headers: {authorization: 'Bearer ' + process.env.TOKEN}, body: '["PING"]'});
  let control = 'open'; try { await fetch(process.env.API + '/_emulator/'); } catch { control = 'shut'; }
  res.send(await ping.text() + ' ' + control);
};`
	body, err := json.Marshal(map[string]any{
		"name": "shop", "target": "production", "projectSettings": map[string]any{}, "env": map[string]string{"REDIS": endpoint, "TOKEN": token, "API": env["SLIPWAY_VERCEL_URL"]},
		"files": []map[string]string{{"file": "api/ping.js", "data": app}},
	})
	if err != nil {
		t.Fatal(err)
	}
	status, reply := tell(t, env, "VERCEL", "VERCEL_TOKEN", "POST", "/v13/deployments", string(body))
	if status != 200 {
		t.Fatalf("%d %s", status, reply)
	}
	_, port, _ := net.SplitHostPort(jsonText(t, reply, "url"))
	got := visit(t, "http://shop.localhost:"+port+"/api/ping")
	_, log := tell(t, env, "VERCEL", "VERCEL_TOKEN", "GET", "/v3/deployments/"+jsonText(t, reply, "id")+"/events", "")
	want := `{"result":"PONG"} shut`
	if strings.Contains(log, "plain processes") {
		want = `{"result":"PONG"} open`
	}
	if got != want {
		t.Errorf("the function says %q, want %q: it reaches its store, and isolated no emulator's control", got, want)
	}
}

func TestControlIsAlsoBelowTheBaseURL(t *testing.T) {
	r, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	env := r.Env()
	for _, e := range All() {
		base := strings.TrimSuffix(env[e.URLVar], e.Path)
		for _, at := range []string{base, env[e.URLVar]} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", at+"/_emulator/", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 || jsonText(t, string(raw), "emulator") != e.Name {
				t.Errorf("%s/_emulator/: %d %s", at, res.StatusCode, raw)
			}
		}
	}
	if calls := r.Kit("neon").Calls(); len(calls) != 0 {
		t.Errorf("the calls of control are in the log: %v", calls)
	}
}

// A port that is free where the emulators listen may be taken on loopback, where what was made is served as well.
func TestPortsTakenOnLoopback(t *testing.T) {
	outer := outerAddress(t)
	for range 1000 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for range 40 {
		r, err := Start(t.Context(), Options{Listen: outer})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
}

// What is given out answers wherever the emulators listen, and on this machine apps do at their names below localhost.
func TestDataPlanesAnswerWhereTheEmulatorsListen(t *testing.T) {
	addresses := map[string]string{"loopback": "127.0.0.1", "all": "0.0.0.0", "one address": outerAddress(t), "name": "localhost"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil { // not every machine has it
		l.Close()
		addresses["IPv6"] = "::1"
	}
	for name, listen := range addresses {
		t.Run(name, func(t *testing.T) {
			r, err := Start(t.Context(), Options{Listen: listen, BuildTime: time.Millisecond, Settings: map[string]string{"upstash.create-time": "-1s"}})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			env := r.Env()
			endpoint, token := redis(t, env)
			req, err := http.NewRequestWithContext(t.Context(), "POST", endpoint, strings.NewReader(`["PING"]`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatalf("the store at %s: %v", endpoint, err)
			}
			raw, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(raw) != `{"result":"PONG"}` {
				t.Errorf("the store answers %s", raw)
			}
			status, reply := tell(t, env, "VERCEL", "VERCEL_TOKEN", "POST", "/v13/deployments", `{"name":"shop","target":"production","projectSettings":{},"files":[{"file":"index.html","data":"hello"}]}`)
			if status != 200 {
				t.Fatalf("%d %s", status, reply)
			}
			_, port, _ := net.SplitHostPort(jsonText(t, reply, "url"))
			if got := visit(t, "http://shop.localhost:"+port+"/"); got != "hello" {
				t.Errorf("the app says %q", got)
			}
		})
	}
}

// outerAddress is an address of this machine that is not a loopback one, or one that is when there is no other.
func outerAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.2"
}

// redis makes a database and returns its endpoint and token.
func redis(t *testing.T, env map[string]string) (endpoint, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", env["SLIPWAY_UPSTASH_URL"]+"/v2/redis/database",
		strings.NewReader(`{"database_name":"cache","platform":"aws","primary_region":"us-east-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(env["UPSTASH_EMAIL"], env["UPSTASH_API_KEY"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %s %v", res.StatusCode, raw, err)
	}
	return jsonText(t, string(raw), "endpoint"), jsonText(t, string(raw), "rest_token")
}
