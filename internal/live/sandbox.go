package live

import (
	"net/url"
	"time"
)

// sandboxQuestions are about Vercel Sandbox: https://vercel.com/docs/vercel-sandbox
func sandboxQuestions() []Question {
	return []Question{
		{ID: "sandbox-no-team", Asks: "list sandboxes without teamId", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			return s.short("sandbox", "GET", "/v2/sandboxes?project="+url.QueryEscape(s.App), nil, withoutTeam)
		}},
		{ID: "sandbox-name", Asks: "create a sandbox with a name of other characters than letters, digits, dots, underscores and hyphens", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			return s.createsSandbox(obj{"name": s.App + " !"})
		}},
		{ID: "sandbox-name-taken", Asks: "create a sandbox whose name is taken", Here: "409 conflict", ask: func(s *Session) (string, error) {
			if _, err := s.sandbox(); err != nil {
				return "", err
			}
			return s.createsSandbox(obj{"name": s.App + "-box"})
		}},
		{ID: "sandbox-source-missing", Asks: "create a sandbox from a repository that does not exist", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			return s.createsSandbox(obj{"name": s.App + "-source", "source": obj{"type": "git", "url": "https://github.com/" + s.App + "/none.git"}})
		}},
		{ID: "sandbox-extend-too-far", Asks: "extend a sandbox's life by 100 days", Here: "400 bad_request", ask: inSandbox("/extend-timeout", obj{"duration": 100 * 24 * time.Hour.Milliseconds()})},
		{ID: "sandbox-no-such-program", Asks: "run a program that does not exist", Here: "400 bad_request", ask: inSandbox("/cmd", obj{"command": "slipway-live-none", "args": []string{}})},
		{ID: "sandbox-mkdir-exists", Asks: "make a folder that is there already", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			session, err := s.sandbox()
			if err != nil {
				return "", err
			}
			path := "/v2/sandboxes/sessions/" + session + "/fs/mkdir"
			if err := s.need(nil, "sandbox", "POST", path, obj{"path": "live"}); err != nil {
				return "", err
			}
			return s.short("sandbox", "POST", path, obj{"path": "live"})
		}},
		{ID: "sandbox-write-type", Asks: "write files by a body that is not application/gzip", Here: "415 unsupported_media_type", ask: inSandbox("/fs/write", obj{})},
		{
			ID: "sandbox-archive-limit", NotAsked: "it takes archives of growing size, over 100 MB each",
			FindOut: "write tar.gz archives of 50, 100, 200 MB to a sandbox, and of 100,000 small files",
		},
	}
}

func (s *Session) createsSandbox(more obj) (string, error) {
	project, err := s.project()
	if err != nil {
		return "", err
	}
	body := obj{"projectId": project, "runtime": "node24", "timeout": 5 * time.Minute.Milliseconds(), "persistent": false}
	for k, v := range more {
		body[k] = v
	}
	return s.refused("sandbox", "/v2/sandboxes", body, func(r reply) string { return sandboxPath(r.field("sandbox.name"), project) })
}

func sandboxPath(name, project string) string {
	return "/v2/sandboxes/" + escape(name) + "?projectId=" + url.QueryEscape(project)
}

// sandbox returns the session of a sandbox of five minutes.
func (s *Session) sandbox() (string, error) {
	return once(s, "sandbox", func() (string, error) {
		project, err := s.project()
		if err != nil {
			return "", err
		}
		var box struct{ Session struct{ ID string } }
		err = s.need(&box, "sandbox", "POST", "/v2/sandboxes", obj{
			"projectId": project, "name": s.App + "-box", "runtime": "node24", "timeout": 5 * time.Minute.Milliseconds(), "persistent": false,
		})
		return box.Session.ID, err
	})
}

func inSandbox(path string, body obj) func(*Session) (string, error) {
	return func(s *Session) (string, error) {
		session, err := s.sandbox()
		if err != nil {
			return "", err
		}
		return s.short("sandbox", "POST", "/v2/sandboxes/sessions/"+session+path, body)
	}
}
