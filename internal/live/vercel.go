package live

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
)

// vercelQuestions are about projects: https://vercel.com/docs/rest-api
func vercelQuestions() []Question {
	return []Question{
		{ID: "vercel-no-token", Asks: "GET /v2/user without a token", Here: "401 forbidden", ask: func(s *Session) (string, error) {
			return s.short("vercel", "GET", "/v2/user", nil, withoutCredential)
		}},
		{ID: "vercel-wrong-token", Asks: "GET /v2/user with a token that does not exist", Here: "403 forbidden", ask: func(s *Session) (string, error) {
			return s.short("vercel", "GET", "/v2/user", nil, wrongCredential)
		}},
		{ID: "vercel-project-token", NotAsked: "it takes a token that is limited to a project", FindOut: "make one, and get /v2/user, /v2/teams/{id} and /v10/projects with it"},
		{
			ID: "vercel-store-variables", NotAsked: "it takes an integration that is installed in the team",
			FindOut: "connect a store to a project that has one of its variables, and to one that has none, and read the variables' type",
		},
		{
			ID: "vercel-auto-provision", NotAsked: "it takes an integration that is not installed in the team, and buys a store",
			FindOut: "run vercel integration add upstash/upstash-kv --debug without its metadata, and in a team without the integration, and read kind",
		},
		{ID: "vercel-unpaid", NotAsked: "it takes an account that has not paid", FindOut: "create a project in a team whose payment has failed"},
		{ID: "vercel-name-taken", Asks: "create a project whose name is taken", Here: "409 conflict", ask: func(s *Session) (string, error) {
			return s.createsProject(obj{"name": s.App})
		}},
		{ID: "vercel-unknown-field", Asks: "create a project with a field that does not exist", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			return s.createsProject(obj{"name": s.App + "-field", "nome": 1})
		}},
		{ID: "vercel-body-limit", Asks: "create a project by a body of more than 10 MiB", Here: "413 payload_too_large", ask: func(s *Session) (string, error) {
			return s.cut(s.createsProject(obj{"name": s.App + "-body", "nome": strings.Repeat("x", 10<<20)}))
		}},
		{
			ID: "vercel-project-limit", NotAsked: "it takes as many projects as the plan allows",
			FindOut: "create projects until one is refused, on a plan with a low limit",
		},
		{ID: "vercel-env-conflict", Asks: "create one variable that exists, without upsert", Here: "400 ENV_CONFLICT", ask: func(s *Session) (string, error) {
			return s.short("vercel", "POST", "/v10/projects/"+s.App+"/env", obj{"key": "GREETING", "value": "hello", "type": "plain", "target": []string{"production"}})
		}},
		{ID: "vercel-env-busy", Asks: "send 8 updates of one variable at once: what the first refused one is answered", Here: "400 bad_request", ask: askEnvBusy},
		{ID: "vercel-env-pull-sensitive", Asks: "GET /v3/env/pull of an app with a sensitive variable", Here: "200, there and empty", ask: askEnvPull},
		{ID: "vercel-environment-slug-taken", Asks: "create a custom environment whose slug is taken", Here: "400 bad_request", ask: func(s *Session) (string, error) {
			if err := s.environment("live-taken"); err != nil {
				return "", err
			}
			return s.short("vercel", "POST", s.environments(), obj{"slug": "live-taken"})
		}},
		{ID: "vercel-environment-limit", Asks: "create one custom environment more than the account may have", Here: "402 custom_environments_limit", ask: askEnvironmentLimit},
		{ID: "vercel-domain-options", Asks: "add a domain with a branch and a redirect; with a redirect to itself; for an environment that does not exist", Here: "400 bad_request; 400 bad_request; 404 not_found", ask: askDomainOptions},
		{ID: "vercel-domain-move-generated", Asks: "move a project's own generated domain to another project", Here: "409 conflict", ask: askDomainMove},
		{
			ID: "vercel-domain-txt-mismatch", NotAsked: "it takes a domain with a wrong TXT record",
			FindOut: "give _vercel.DOMAIN of a domain of yours another TXT value, add the domain to a project, and verify it",
		},
		{ID: "vercel-link-repo-not-found", Asks: "link a repository that does not exist", Here: "400 repo_not_found", ask: func(s *Session) (string, error) {
			r, err := s.call("vercel", "POST", "/v9/projects/"+s.App+"/link", obj{"type": "github", "repo": s.App + "/none"})
			if r.ok() {
				s.deletes("vercel", "/v9/projects/"+s.App+"/link")
			}
			return r.short(), err
		}},
		{
			ID: "vercel-link-account", NotAsked: "it takes an account without the Git app, and one without a login connection",
			FindOut: "link a repository of yours from such an account; one without the app answers vercel-link-repo-not-found with it",
		},
		{
			ID: "vercel-rate-window", NotAsked: "it takes a limit that is burned to its end",
			FindOut: "delete a variable that does not exist 61 times in a minute, and compare X-RateLimit-Reset before and after its end",
		},
	}
}

func (s *Session) createsProject(body obj) (string, error) {
	return s.refused("vercel", "/v11/projects", body, func(r reply) string { return "/v9/projects/" + r.field("id") })
}

func askEnvBusy(s *Session) (string, error) {
	var have struct{ Envs []struct{ ID, Key string } }
	if err := s.need(&have, "vercel", "GET", "/v9/projects/"+s.App+"/env", nil); err != nil {
		return "", err
	}
	path := ""
	for _, e := range have.Envs {
		if e.Key == "GREETING" {
			path = "/v9/projects/" + s.App + "/env/" + e.ID
		}
	}
	if path == "" {
		return "", notAsked("the app's variable GREETING is not there")
	}
	for _, r := range s.atOnce(8, "vercel", "PATCH", path, obj{"value": "hello"}) {
		if r.status != 0 && !r.ok() {
			return r.short(), nil
		}
	}
	return "", notAsked("8 updates at once were all taken")
}

// atOnce sends the same call n times in parallel. A reply that did not come has status 0.
func (s *Session) atOnce(n int, api, method, path string, body any) []reply {
	out := make([]reply, n)
	var wait sync.WaitGroup
	for i := range out {
		wait.Go(func() { out[i], _ = s.call(api, method, path, body) })
	}
	wait.Wait()
	return out
}

func askEnvPull(s *Session) (string, error) {
	var pulled struct{ Env map[string]string }
	if err := s.need(&pulled, "vercel", "GET", "/v3/env/pull/"+s.App+"/production", nil); err != nil {
		return "", err
	}
	switch value, there := pulled.Env["SESSION_KEY"]; {
	case !there:
		return "200, not there", nil
	case value != "":
		return "200, there and not empty", nil
	}
	return "200, there and empty", nil
}

func (s *Session) environments() string { return "/v9/projects/" + s.App + "/custom-environments" }

// environment makes a custom environment once. It goes with the project.
func (s *Session) environment(slug string) error {
	_, err := once(s, "environment "+slug, func() (string, error) {
		return slug, s.need(nil, "vercel", "POST", s.environments(), obj{"slug": slug})
	})
	return err
}

// mostEnvironments bounds what askEnvironmentLimit makes.
const mostEnvironments = 20

func askEnvironmentLimit(s *Session) (string, error) {
	var have struct {
		AccountLimit struct{ Total int }
		Environments []struct{ Slug string }
	}
	if err := s.environment("live-taken"); err != nil {
		return "", err
	}
	if err := s.need(&have, "vercel", "GET", s.environments(), nil); err != nil {
		return "", err
	}
	if have.AccountLimit.Total > mostEnvironments {
		return "", notAsked(fmt.Sprintf("the account may have %d custom environments: too many to make", have.AccountLimit.Total))
	}
	for n := range mostEnvironments + 1 {
		slug := fmt.Sprintf("live-%d", n)
		r, err := s.call("vercel", "POST", s.environments(), obj{"slug": slug})
		if err != nil || !r.ok() {
			return r.short(), err
		}
		s.deletes("vercel", s.environments()+"/"+slug)
	}
	return "", notAsked(fmt.Sprintf("%d custom environments were all taken", mostEnvironments+1))
}

func askDomainOptions(s *Session) (string, error) {
	name := s.App + "-domain.vercel.app"
	ask := func(more obj) func() (string, error) {
		return func() (string, error) {
			more["name"] = name
			return s.refused("vercel", "/v10/projects/"+s.App+"/domains", more, func(reply) string { return "/v9/projects/" + s.App + "/domains/" + name })
		}
	}
	return each(
		ask(obj{"gitBranch": "live", "redirect": "example.com"}),
		ask(obj{"redirect": name}),
		ask(obj{"customEnvironmentId": "env_doesNotExist"}),
	)
}

func askDomainMove(s *Session) (string, error) {
	var other struct{ ID string }
	if err := s.need(&other, "vercel", "POST", "/v11/projects", obj{"name": s.App + "-other"}); err != nil {
		return "", err
	}
	s.deletes("vercel", "/v9/projects/"+other.ID)
	var have struct{ Domains []struct{ Name string } }
	if err := s.need(&have, "vercel", "GET", "/v9/projects/"+s.App+"/domains", nil); err != nil {
		return "", err
	}
	if len(have.Domains) == 0 {
		return "", notAsked("the project has no domain of its own")
	}
	return s.short("vercel", "POST", "/v1/projects/"+s.App+"/domains/"+escape(have.Domains[0].Name)+"/move", obj{"projectId": other.ID})
}

// project returns the id of the app's project.
func (s *Session) project() (string, error) {
	return once(s, "project", func() (string, error) {
		var p struct{ ID string }
		err := s.need(&p, "vercel", "GET", "/v9/projects/"+s.App, nil)
		return p.ID, err
	})
}

// serving returns the id of the deployment that Slipway has promoted.
func (s *Session) serving() (string, error) {
	return once(s, "serving", func() (string, error) {
		var list struct{ Deployments []struct{ UID string } }
		if err := s.need(&list, "vercel", "GET", "/v7/deployments?target=production&app="+url.QueryEscape(s.App), nil); err != nil {
			return "", err
		}
		if len(list.Deployments) == 0 {
			return "", notAsked("the app has no production deployment")
		}
		return list.Deployments[0].UID, nil
	})
}
