package live

import (
	"strings"
	"time"
)

const noRolling = "it takes a plan with rolling releases, and two deployments of which one is rolled out by hand"

// deploymentQuestions are about deployments, their promotion and their checks.
func deploymentQuestions() []Question {
	return []Question{
		{ID: "vercel-cancel-ready", Asks: "cancel a deployment that is READY", Here: "400 bad_request", ask: ofServing("PATCH", "/v12/deployments/ID/cancel")},
		{ID: "vercel-promote-current", Asks: "promote the deployment that serves production", Here: "409 conflict", ask: ofServing("POST", "/v10/projects/APP/promote/ID")},
		{ID: "vercel-rollback-current", Asks: "roll back to the deployment that serves production", Here: "409 conflict", ask: ofServing("POST", "/v1/projects/APP/rollback/ID")},
		{ID: "vercel-rollback-never-promoted", Asks: "roll back to a staged deployment that has never served production", Here: "422 unprocessable_entity", ask: func(s *Session) (string, error) {
			d, err := s.deploys(obj{"target": "production", "autoAssignCustomDomains": false}, true)
			if err != nil {
				return "", err
			}
			return s.short("vercel", "POST", "/v1/projects/"+s.App+"/rollback/"+d, nil)
		}},
		{ID: "vercel-promote-preview", Asks: "promote a preview deployment", Here: "422 unprocessable_entity", ask: func(s *Session) (string, error) {
			d, err := s.deploys(obj{}, true)
			if err != nil {
				return "", err
			}
			return s.short("vercel", "POST", "/v10/projects/"+s.App+"/promote/"+d, obj{})
		}},
		{ID: "vercel-promote-not-ready", Asks: "promote a deployment that is still building", Here: "409 conflict", ask: func(s *Session) (string, error) {
			d, err := s.building()
			if err != nil {
				return "", err
			}
			return s.short("vercel", "POST", "/v10/projects/"+s.App+"/promote/"+d, obj{})
		}},
		{ID: "vercel-check-rerequest", Asks: "rerequest a check that is not rerequestable", Here: "400 bad_request", ask: ofCheck("POST", "/rerequest", obj{})},
		{ID: "vercel-check-no-conclusion", Asks: "complete a check without a conclusion", Here: "400 bad_request", ask: ofCheck("PATCH", "", obj{"status": "completed"})},
		{ID: "vercel-check-output-size", Asks: "give a check an output of more than 64 KiB", Here: "413 check_output_too_large", ask: ofCheck("PATCH", "", obj{"output": obj{"text": strings.Repeat("x", 64<<10)}})},
		{ID: "vercel-git-source-unknown", Asks: "deploy a repository that does not exist", Here: "400 incorrect_git_source_info", ask: func(s *Session) (string, error) {
			return s.short("vercel", "POST", "/v13/deployments", obj{"name": s.App, "project": s.App, "gitSource": obj{"type": "github", "org": s.App, "repo": "none", "ref": "main"}})
		}},
		{
			ID: "vercel-rolling-stages", NotAsked: noRolling,
			FindOut: "PATCH /v1/projects/ID/rolling-release/config with one stage of 100%, and with a last stage below it: status and words",
		},
		{
			ID: "vercel-rolling-not-active", NotAsked: noRolling,
			FindOut: "approve a stage of, and complete, a rolling release of a deployment that is not being rolled out",
		},
		{
			ID: "vercel-rolling-wrong-stage", NotAsked: noRolling,
			FindOut: "approve the stage after the next one of a rolling release",
		},
		{
			ID: "vercel-rolling-promote-canary", NotAsked: noRolling,
			FindOut: "promote the deployment that is being rolled out, and the one that it is rolled out over",
		},
		{
			ID: "vercel-rolling-abort-queue", NotAsked: noRolling,
			FindOut: "promote a second deployment while one is rolled out (202), abort the release, and read queuedDeploymentId and what is rolled out then",
		},
		{
			ID: "vercel-deployment-quota", NotAsked: "it takes as many deployments as the plan allows in a day, and a day to wait",
			FindOut: "deploy 101 times in a day on the Hobby plan",
		},
	}
}

// ofServing asks about the deployment that serves production.
func ofServing(method, path string) func(*Session) (string, error) {
	return func(s *Session) (string, error) {
		d, err := s.serving()
		if err != nil {
			return "", err
		}
		var body any
		if method == "POST" {
			body = obj{}
		}
		return s.short("vercel", method, strings.NewReplacer("APP", s.App, "ID", d).Replace(path), body)
	}
}

// deploys makes one more deployment of the app, which goes with the project, and when wanted waits until it is READY.
func (s *Session) deploys(more obj, ready bool) (string, error) {
	body := obj{
		"name": s.App, "project": s.App, "projectSettings": obj{"framework": nil},
		"files": []obj{{"file": "index.html", "data": "<h1>slipway-live, asked</h1>\n", "encoding": "utf-8"}},
	}
	for k, v := range more {
		body[k] = v
	}
	var d struct{ ID, ReadyState string }
	if err := s.need(&d, "vercel", "POST", "/v13/deployments", body); err != nil {
		return "", err
	}
	for n := 0; ready && d.ReadyState != "READY"; n++ {
		if n == 300 || d.ReadyState == "ERROR" || d.ReadyState == "CANCELED" {
			return "", notAsked("the deployment did not become READY: it is " + s.clean(d.ReadyState))
		}
		if err := s.pause(min(time.Duration(n+1)*20*time.Millisecond, time.Second)); err != nil {
			return "", err
		}
		if err := s.need(&d, "vercel", "GET", "/v13/deployments/"+d.ID, nil); err != nil {
			return "", err
		}
	}
	return d.ID, nil
}

// building returns a staged deployment that has just begun to build.
func (s *Session) building() (string, error) {
	return once(s, "building", func() (string, error) {
		return s.deploys(obj{"target": "production", "autoAssignCustomDomains": false}, false)
	})
}

// ofCheck asks about a check of the deployment that is building. A check takes the token of an integration: any other is told so when it
// makes one.
func ofCheck(method, path string, body obj) func(*Session) (string, error) {
	return func(s *Session) (string, error) {
		d, err := s.building()
		if err != nil {
			return "", err
		}
		id, err := once(s, "check", func() (string, error) {
			var check struct{ ID string }
			err := s.need(&check, "vercel", "POST", "/v1/deployments/"+d+"/checks", obj{"name": s.App, "blocking": false})
			return check.ID, err
		})
		if err != nil {
			return "", err
		}
		return s.short("vercel", method, "/v1/deployments/"+d+"/checks/"+id+path, body)
	}
}
