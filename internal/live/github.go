package live

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// githubQuestions are about GitHub: https://docs.github.com/en/rest. They are asked with GITHUB_TOKEN, in a private repository of its own.
func githubQuestions() []Question {
	return []Question{
		{ID: "github-api-version", Asks: "GET /user with a version of the API that does not exist", Here: `400 ""1999-01-01" is not a supported version of the API"`, ask: onGitHub(func(s *Session, _ string) (string, error) {
			r, err := s.call("github", "GET", "/user", nil, header("X-GitHub-Api-Version", "1999-01-01"))
			return r.quoted(), err
		})},
		{ID: "github-repo-name", Asks: "create a repository whose name has a slash", Here: `422 "name is invalid"`, ask: onGitHub(func(s *Session, _ string) (string, error) {
			r, err := s.call("github", "POST", "/user/repos", obj{"name": s.App + "-a/b", "private": true})
			if name := r.field("full_name"); r.ok() && strings.Contains(name, "/"+s.App) { // with another character for the slash
				s.deletes("github", "/repos/"+name)
			}
			return r.quoted(), err
		})},
		{ID: "github-ref-name", Asks: "create a branch whose name has two dots", Here: `422 "Reference name is invalid"`, ask: inRepo(func(s *Session, r repository) (string, error) {
			return s.posted(r.path+"/git/refs", obj{"ref": "refs/heads/a..b", "sha": r.sha})
		})},
		{ID: "github-status-state", Asks: "set a commit status of a state that does not exist", Here: `422 "state is not included in the list"`, ask: inRepo(func(s *Session, r repository) (string, error) {
			return s.posted(r.path+"/statuses/"+r.sha, obj{"state": "none"})
		})},
		{ID: "github-deployment-state", Asks: "set a deployment's status of a state that does not exist", Here: `422 "state is not included in the list"`, ask: inRepo(func(s *Session, r repository) (string, error) {
			var d struct{ ID int64 }
			if err := s.need(&d, "github", "POST", r.path+"/deployments", obj{"ref": r.sha, "auto_merge": false, "required_contexts": []string{}}); err != nil {
				return "", err
			}
			return s.posted(r.path+"/deployments/"+strconv.FormatInt(d.ID, 10)+"/statuses", obj{"state": "none"})
		})},
		{ID: "github-hook-url", Asks: "create a webhook whose url is none", Here: `422 "url is not a valid URL"`, ask: inRepo(func(s *Session, r repository) (string, error) {
			return s.posted(r.path+"/hooks", obj{"config": obj{"url": "no url", "content_type": "json"}})
		})},
		{ID: "github-hook-unreachable", Asks: "ping a webhook whose address nobody answers: the delivery's status", Here: `"failed to connect or to answer in time"`, ask: inRepo(askUnreachable)},
		{ID: "github-body-limit", Asks: "create an issue by a body of more than 25 MiB", Here: "413", ask: inRepo(func(s *Session, r repository) (string, error) {
			got, err := s.tooLarge(r)
			return s.cut(got.short(), err)
		})},
		{ID: "github-body-too-large", Asks: "create an issue by a body of more than 25 MiB: the words of the refusal", Here: `413 "The body is over 26214400 bytes."`, ask: inRepo(func(s *Session, r repository) (string, error) {
			got, err := s.tooLarge(r)
			return s.cut(got.quoted(), err)
		})},
	}
}

// repository is the one that the questions are asked in.
type repository struct{ path, sha string }

// onGitHub asks with the login of GITHUB_TOKEN. One that may make repositories and not delete them is asked nothing.
func onGitHub(ask func(s *Session, login string) (string, error)) func(*Session) (string, error) {
	return func(s *Session) (string, error) {
		login, err := once(s, "login", s.login)
		if err != nil {
			return "", err
		}
		return ask(s, login)
	}
}

func (s *Session) login() (string, error) {
	if s.Env("GITHUB_TOKEN") == "" {
		return "", notAsked("GITHUB_TOKEN is not set")
	}
	r, err := s.patient("github", "GET", "/user", nil)
	if err != nil {
		return "", err
	}
	if !r.ok() {
		return "", notAsked("GET /user is answered " + r.quoted())
	}
	scopes := r.header.Values("X-OAuth-Scopes")
	if len(scopes) > 0 && !slices.Contains(strings.Fields(strings.ReplaceAll(scopes[0], ",", " ")), "delete_repo") {
		return "", notAsked("GITHUB_TOKEN lacks the scope delete_repo: what the questions make could not be deleted")
	}
	return r.field("login"), nil
}

func inRepo(ask func(*Session, repository) (string, error)) func(*Session) (string, error) {
	return onGitHub(func(s *Session, login string) (string, error) {
		r, err := once(s, "repository", func() (repository, error) {
			r := repository{path: "/repos/" + login + "/" + s.App}
			if err := s.need(nil, "github", "POST", "/user/repos", obj{"name": s.App, "private": true, "auto_init": true}); err != nil {
				return r, err
			}
			var commits []struct{ SHA string }
			if err := s.need(&commits, "github", "GET", r.path+"/commits", nil); err != nil {
				return r, err
			}
			if len(commits) == 0 {
				return r, notAsked("the repository has no commit")
			}
			r.sha = commits[0].SHA
			return r, nil
		})
		if err != nil {
			return "", err
		}
		return ask(s, r)
	})
}

func (s *Session) posted(path string, body obj) (string, error) {
	r, err := s.call("github", "POST", path, body)
	return r.quoted(), err
}

// askUnreachable takes an address that cannot be: GitHub refuses those of loopback, and its emulator reaches no others.
func askUnreachable(s *Session, r repository) (string, error) {
	address := "https://" + s.App + ".invalid/"
	if s.Env(services["github"].variable) != "" {
		address = "http://127.0.0.1:9/"
	}
	var hook struct{ ID int64 }
	if err := s.need(&hook, "github", "POST", r.path+"/hooks", obj{"config": obj{"url": address, "content_type": "json"}}); err != nil {
		return "", err
	}
	path := r.path + "/hooks/" + strconv.FormatInt(hook.ID, 10)
	s.deletes("github", path)
	for n := range 60 {
		var deliveries []struct{ Status string }
		if err := s.need(&deliveries, "github", "GET", path+"/deliveries", nil); err != nil {
			return "", err
		}
		if len(deliveries) > 0 && deliveries[0].Status != "pending" {
			return `"` + s.clean(deliveries[0].Status) + `"`, nil
		}
		if err := s.pause(min(time.Duration(n+1)*50*time.Millisecond, time.Second)); err != nil {
			return "", err
		}
	}
	return "", notAsked("the ping was not delivered in a minute")
}

func (s *Session) tooLarge(r repository) (reply, error) {
	return once(s, "too large", func() (reply, error) {
		return s.call("github", "POST", r.path+"/issues", obj{"title": "slipway-live", "body": strings.Repeat("x", 25<<20)})
	})
}
