package live

import (
	"fmt"
	"net/http"
	"strings"
)

// upstashQuestions are about the Developer API (https://upstash.com/docs/devops/developer-api) and the Vector data plane.
func upstashQuestions() []Question {
	return []Question{
		{ID: "upstash-wrong-key", Asks: "list databases with a key that does not exist", Here: `401 as a string "Unauthorized"`, ask: func(s *Session) (string, error) {
			r, err := s.call("upstash", "GET", "/v2/redis/databases", nil, wrongPassword)
			return r.quoted(), err
		}},
		{
			ID: "upstash-vercel-account", NotAsked: "it takes an account that was made through Vercel or Fly",
			FindOut: "make a database in Vercel's marketplace, and list databases with that account's email and key",
		},
		{
			ID: "upstash-marketplace", NotAsked: "it takes Upstash's integration, installed in a Vercel team",
			FindOut: "list the products of its configuration with their metadataSchema, make a store of each, connect them, and read the names of the project's variables",
		},
		{
			ID: "upstash-readonly-key", NotAsked: "it takes an API key that was made read-only",
			FindOut: "make such a key in Upstash's console, delete the Redis database no-such-id with it, and read the status",
		},
		{
			ID: "upstash-limit", NotAsked: "it takes as many databases and indexes as the plan allows",
			FindOut: "create databases, and indexes, until one is refused, on the free plan",
		},
		{ID: "upstash-error-shapes", Asks: "read a database, an index and a team that do not exist", Here: "404 as a string; 404 as {error}; 404 as {message}", ask: func(s *Session) (string, error) {
			return each(s.upstashGet("/v2/redis/database/none"), s.upstashGet("/v2/vector/index/none"), s.upstashGet("/v2/teams/none"))
		}},
		{ID: "upstash-team-errors", Asks: "create a team without copy_cc; read one that does not exist", Here: `400 as {message} "copy_cc is required"; 404 as {message} "Team not found"`, ask: askTeams},
		{ID: "upstash-redis-creating", Asks: "create a database: the state in the reply", Here: `200, state "passive", modifying_state "creating"`, ask: func(s *Session) (string, error) {
			r, err := s.createsRedis(s.App+"-state", nil)
			if err != nil || !r.ok() {
				return r.quoted(), err
			}
			return fmt.Sprintf("200, state %q, modifying_state %q", s.clean(r.field("state")), s.clean(r.field("modifying_state"))), nil
		}},
		{ID: "upstash-duplicate-name", Asks: "create a second database, and a second index, of the same name", Here: "200; 200", ask: func(s *Session) (string, error) {
			twice := func(create func() (reply, error)) func() (string, error) {
				return func() (string, error) {
					if r, err := create(); err != nil || !r.ok() {
						return "", notAsked("the first one is answered " + r.quoted())
					}
					r, err := create()
					return r.quoted(), err
				}
			}
			return each(
				twice(func() (reply, error) { return s.createsRedis(s.App+"-twice", nil) }),
				twice(func() (reply, error) { return s.createsIndex(obj{"name": s.App + "-twice"}) }),
			)
		}},
		{ID: "upstash-unknown-field", Asks: "create a database with a field that does not exist", Here: "400 as a string", ask: func(s *Session) (string, error) {
			r, err := s.createsRedis(s.App+"-field", obj{"nome": 1})
			return r.short(), err
		}},
		{ID: "upstash-model-dimension", Asks: "create an index of another dimension than its embedding model has", Here: "400 as {error}", ask: func(s *Session) (string, error) {
			r, err := s.createsIndex(obj{"name": s.App + "-model", "dimension_count": 999, "embedding_model": "BGE_SMALL_EN_V1_5"})
			return r.short(), err
		}},
		{ID: "upstash-index-type", Asks: "create an index without a type: the type in the reply", Here: "200, type free", ask: func(s *Session) (string, error) {
			r, err := s.createsIndex(obj{"name": s.App + "-type"})
			if err != nil || !r.ok() {
				return r.quoted(), err
			}
			return "200, type " + s.clean(r.field("type")), nil
		}},
		{ID: "upstash-index-type-paid", NotAsked: "it takes a paid plan", FindOut: "create an index of type paid, and read its type"},
		{ID: "upstash-delete-namespace", Asks: "delete a namespace that does not exist; the default one", Here: "404 as {error}; 422 as {error}", ask: askNamespaces},
	}
}

func (s *Session) upstashGet(path string) func() (string, error) {
	return func() (string, error) { return s.short("upstash", "GET", path, nil) }
}

func (s *Session) createsRedis(name string, more obj) (reply, error) {
	body := obj{"database_name": name, "platform": "aws", "primary_region": "us-east-1"}
	for k, v := range more {
		body[k] = v
	}
	r, err := s.call("upstash", "POST", "/v2/redis/database", body)
	if r.ok() {
		s.deletes("upstash", "/v2/redis/database/"+r.field("database_id"))
	}
	return r, err
}

func (s *Session) createsIndex(more obj) (reply, error) {
	body := obj{"region": "us-east-1", "similarity_function": "COSINE", "dimension_count": 3}
	for k, v := range more {
		body[k] = v
	}
	r, err := s.call("upstash", "POST", "/v2/vector/index", body)
	if r.ok() {
		s.deletes("upstash", "/v2/vector/index/"+r.field("id"))
	}
	return r, err
}

func askTeams(s *Session) (string, error) {
	return each(
		func() (string, error) {
			r, err := s.call("upstash", "POST", "/v2/team", obj{"team_name": s.App})
			if r.ok() {
				s.deletes("upstash", "/v2/team/"+r.field("team_id"))
			}
			return r.quoted(), err
		},
		func() (string, error) {
			r, err := s.call("upstash", "GET", "/v2/teams/none", nil)
			return r.quoted(), err
		},
	)
}

func askNamespaces(s *Session) (string, error) {
	var have []struct{ Name, Endpoint, Token string }
	if err := s.need(&have, "upstash", "GET", "/v2/vector/index", nil); err != nil {
		return "", err
	}
	for _, x := range have {
		if !strings.HasPrefix(x.Name, s.App) {
			continue
		}
		s.secret(x.Token)
		endpoint := x.Endpoint
		if !strings.Contains(endpoint, "://") {
			endpoint = "https://" + endpoint
		}
		ask := func(space string) func() (string, error) {
			return func() (string, error) {
				req, err := http.NewRequestWithContext(s.ctx, http.MethodDelete, strings.TrimSuffix(endpoint, "/")+"/delete-namespace/"+space, nil)
				if err != nil {
					return "", notAsked("the index's endpoint is no address")
				}
				req.Header.Set("Authorization", "Bearer "+x.Token)
				r, err := s.send("upstash", req)
				return r.short(), err
			}
		}
		return each(ask("live-none"), ask(""))
	}
	return "", notAsked("the app's index is not there")
}
