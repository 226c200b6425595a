// Package live asks the real APIs what no document says. Its test ships an app with Slipway to real accounts, promotes
// it, asks each Question, and destroys what it made; every name begins with slipway-live-. It runs by `make live` with
// credentials only, and against the emulators in every test run, where each answer must be the one that is documented.
package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Prefix begins every name that is made.
const Prefix = "slipway-live-"

// Question is one behaviour that is unconfirmed.
type Question struct {
	// ID names it: vercel-env-conflict.
	ID string
	// Asks is what is done.
	Asks string
	// Here is what the emulators answer.
	Here string

	ask func(*Session) (string, error)
}

// Questions are all of them, by provider.
func Questions() []Question {
	return []Question{
		{"vercel-no-token", "GET /v2/user without a token", "401 forbidden", func(s *Session) (string, error) {
			return s.answer("", "vercel", "GET", "/v2/user", nil)
		}},
		{"vercel-wrong-token", "GET /v2/user with a token that does not exist", "403 forbidden", func(s *Session) (string, error) {
			return s.answer("wrong", "vercel", "GET", "/v2/user", nil)
		}},
		{"vercel-name-taken", "create a project whose name is taken", "409 conflict", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "POST", "/v11/projects", obj{"name": s.App})
		}},
		{"vercel-unknown-field", "create a project with a field that does not exist", "400 bad_request", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "POST", "/v11/projects", obj{"name": s.App, "nome": 1})
		}},
		{"vercel-env-conflict", "create one variable that exists, without upsert", "400 ENV_CONFLICT", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "POST", "/v10/projects/"+s.App+"/env", obj{"key": "GREETING", "value": "x", "type": "plain", "target": []string{"production"}})
		}},
		{"vercel-cancel-ready", "cancel a deployment that is READY", "400 bad_request", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "PATCH", "/v12/deployments/"+s.deployment+"/cancel", nil)
		}},
		{"vercel-promote-current", "promote the deployment that serves production", "409 conflict", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "POST", "/v10/projects/"+s.App+"/promote/"+s.deployment, obj{})
		}},
		{"vercel-rollback-current", "roll back to the deployment that serves production", "409 conflict", func(s *Session) (string, error) {
			return s.answer("own", "vercel", "POST", "/v1/projects/"+s.App+"/rollback/"+s.deployment, nil)
		}},
		{"neon-wrong-key", "list projects with a key that does not exist", "401 no code", func(s *Session) (string, error) {
			return s.answer("wrong", "neon", "GET", "/projects", nil)
		}},
		{"neon-unknown-region", "create a project in a region that does not exist", "400 no code", func(s *Session) (string, error) {
			return s.answer("own", "neon", "POST", "/projects", obj{"project": s.neonProject(obj{"region_id": "aws-nowhere-1"})})
		}},
		{"neon-delete-default-branch", "delete the default branch", "422 no code", func(s *Session) (string, error) {
			return s.answer("own", "neon", "DELETE", "/projects/"+s.neonID+"/branches/"+s.neonBranch, nil)
		}},
		{"neon-unknown-field", "create a project with a field that does not exist", "400 no code", func(s *Session) (string, error) {
			return s.answer("own", "neon", "POST", "/projects", obj{"project": s.neonProject(obj{"nome": 1})})
		}},
		{"upstash-wrong-key", "list databases with a key that does not exist", "401 as a string", func(s *Session) (string, error) {
			return s.answer("wrong", "upstash", "GET", "/v2/redis/databases", nil)
		}},
		{"upstash-duplicate-name", "create a second database of the same name", "200", func(s *Session) (string, error) {
			return s.answer("own", "upstash", "POST", "/v2/redis/database", obj{"database_name": s.App, "platform": "aws", "primary_region": "us-east-1"})
		}},
		{"upstash-unknown-field", "create a database with a field that does not exist", "400 as a string", func(s *Session) (string, error) {
			return s.answer("own", "upstash", "POST", "/v2/redis/database", obj{"database_name": s.App, "platform": "aws", "primary_region": "us-east-1", "nome": 1})
		}},
		{"upstash-no-such-index", "read a vector index that does not exist", "404 as {error}", func(s *Session) (string, error) {
			return s.answer("own", "upstash", "GET", "/v2/vector/index/nothing", nil)
		}},
	}
}

type obj = map[string]any

// Session asks the questions about an app that Slipway has shipped.
type Session struct {
	// App is the app's name, which is that of its project, its databases and its index.
	App string
	// Env holds Slipway's own settings: base URLs that replace the real ones, and credentials.
	Env func(name string) string

	ctx                            context.Context
	deployment, neonID, neonBranch string
}

// Answer is what an API answered.
type Answer struct {
	Question
	Got string
	Err error
}

// String is a line of the report.
func (a Answer) String() string {
	note := "as the emulators"
	switch {
	case a.Err != nil:
		note = "error: " + a.Err.Error()
	case a.Got != a.Here:
		note = "the emulators answer " + a.Here
	}
	return fmt.Sprintf("%-28s %-58s %-22s %s", a.ID, a.Asks, a.Got, note)
}

// Ask finds the app's resources and asks all questions. What an answer should not have made is deleted again.
func (s *Session) Ask(ctx context.Context) ([]Answer, error) {
	s.ctx = ctx
	if err := s.look(); err != nil {
		return nil, err
	}
	var out []Answer
	for _, q := range Questions() {
		got, err := q.ask(s)
		out = append(out, Answer{q, got, err})
	}
	return out, nil
}

func (s *Session) look() error {
	var list struct {
		Deployments []struct{ UID string }
		Projects    []struct{ ID, Name string }
		Branches    []struct {
			ID      string
			Default bool
		}
	}
	if err := s.get("vercel", "/v7/deployments?target=production&app="+url.QueryEscape(s.App), &list); err != nil {
		return err
	}
	projects := "/projects?limit=400&search=" + url.QueryEscape(s.App)
	if org := s.Env("NEON_ORG_ID"); org != "" {
		projects += "&org_id=" + url.QueryEscape(org)
	}
	if err := s.get("neon", projects, &list); err != nil {
		return err
	}
	for _, p := range list.Projects {
		if p.Name == s.App {
			s.neonID = p.ID
		}
	}
	if len(list.Deployments) == 0 || s.neonID == "" {
		return fmt.Errorf("the app %s is not there: %d deployments, Neon project %q", s.App, len(list.Deployments), s.neonID)
	}
	s.deployment = list.Deployments[0].UID
	if err := s.get("neon", "/projects/"+s.neonID+"/branches", &list); err != nil {
		return err
	}
	for _, b := range list.Branches {
		if b.Default {
			s.neonBranch = b.ID
		}
	}
	return nil
}

func (s *Session) neonProject(more obj) obj {
	p := obj{"name": s.App + "-question"}
	if org := s.Env("NEON_ORG_ID"); org != "" {
		p["org_id"] = org
	}
	for k, v := range more {
		p[k] = v
	}
	return p
}

func (s *Session) get(provider, path string, into any) error {
	status, body, err := s.call("own", provider, "GET", path, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s GET %s: %d", provider, path, status)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// answer asks, deletes what that made, and returns status and code in short: no body, which may hold a secret.
func (s *Session) answer(as, provider, method, path string, body any) (string, error) {
	status, reply, err := s.call(as, provider, method, path, body)
	if err != nil {
		return "", err
	}
	if status/100 == 2 {
		return fmt.Sprint(status), s.undo(provider, method, path, reply)
	}
	return fmt.Sprintf("%d %s", status, kind(provider, reply)), nil
}

// undo deletes what a create made against expectation.
func (s *Session) undo(provider, method, path string, reply []byte) error {
	var made struct {
		ID         string
		DatabaseID string `json:"database_id"`
		Project    struct{ ID string }
		Created    struct{ ID string }
	}
	if method != "POST" || json.Unmarshal(reply, &made) != nil {
		return nil
	}
	at := ""
	switch {
	case provider == "vercel" && strings.HasSuffix(path, "/env") && made.Created.ID != "":
		at = "/v9" + strings.TrimPrefix(path, "/v10") + "/" + made.Created.ID
	case provider == "vercel" && path == "/v11/projects" && made.ID != "":
		at = "/v9/projects/" + made.ID
	case provider == "neon" && made.Project.ID != "":
		at = "/projects/" + made.Project.ID
	case provider == "upstash" && made.DatabaseID != "":
		at = "/v2/redis/database/" + made.DatabaseID
	}
	if at == "" {
		return nil
	}
	for { // a Neon project that is being made answers 423
		status, _, err := s.call("own", provider, "DELETE", at, nil)
		if err != nil || status/100 == 2 || status == http.StatusNotFound {
			return err
		}
		if status != http.StatusLocked && status != http.StatusTooManyRequests {
			return fmt.Errorf("%s DELETE %s: %d: delete it by hand", provider, at, status)
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// kind is an error's code, or the shape that it has.
func kind(provider string, reply []byte) string {
	var envelope struct {
		Code  *string
		Error json.RawMessage
	}
	var text string
	switch err := json.Unmarshal(reply, &envelope); {
	case json.Unmarshal(reply, &text) == nil:
		return "as a string"
	case err != nil:
		return "no JSON"
	case provider == "vercel":
		var e struct{ Code string }
		_ = json.Unmarshal(envelope.Error, &e)
		return e.Code
	case provider == "upstash" && envelope.Error != nil:
		return "as {error}"
	case provider == "upstash":
		return "as {message}"
	case envelope.Code == nil || *envelope.Code == "":
		return "no code"
	}
	return *envelope.Code
}

var bases = map[string]struct{ variable, url string }{
	"vercel":  {"SLIPWAY_VERCEL_URL", "https://api.vercel.com"},
	"neon":    {"SLIPWAY_NEON_URL", "https://console.neon.tech/api/v2"},
	"upstash": {"SLIPWAY_UPSTASH_URL", "https://api.upstash.com"},
}

// call sends one request: as "own", with a "wrong" credential, or with none.
func (s *Session) call(as, provider, method, path string, body any) (int, []byte, error) {
	base := bases[provider]
	address := base.url
	if v := s.Env(base.variable); v != "" {
		address = strings.TrimSuffix(v, "/")
	}
	u, err := url.Parse(address + path)
	if err != nil {
		return 0, nil, err
	}
	if provider == "vercel" {
		q := u.Query()
		q.Set("teamId", s.Env("VERCEL_TEAM_ID"))
		u.RawQuery = q.Encode()
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	if body == nil {
		raw = nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	s.authorize(req, as, provider)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, errors.New(provider + " does not answer") // the error itself may hold the address with its query
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, reply, err
}

func (s *Session) authorize(req *http.Request, as, provider string) {
	key := map[string]string{"vercel": "VERCEL_TOKEN", "neon": "NEON_API_KEY", "upstash": "UPSTASH_API_KEY"}[provider]
	secret := s.Env(key)
	switch {
	case as == "":
		return
	case as == "wrong":
		secret = "a-key-that-does-not-exist"
	}
	if provider == "upstash" {
		req.SetBasicAuth(s.Env("UPSTASH_EMAIL"), secret)
		return
	}
	req.Header.Set("Authorization", "Bearer "+secret)
}
