package live

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// thing is what a run has made and not deleted.
type thing struct{ api, kind, name, path string }

// remove is the command that deletes a thing by hand.
func (t thing) remove() string {
	auth := `-H "Authorization: Bearer $` + services[t.api].key + `"`
	if t.api == "upstash" {
		auth = `-u "$UPSTASH_EMAIL:$UPSTASH_API_KEY"`
	}
	address := services[t.api].url + t.path
	if t.api == "vercel" {
		address += "?teamId=$SLIPWAY_LIVE_TEAM"
	}
	return fmt.Sprintf(`%s %s: curl -X DELETE %s "%s"`, t.kind, t.name, auth, address)
}

// things lists what there is under names that begin with prefix, at each API that there is a credential for. What it could list comes
// with the error as well.
func (s *Session) things(prefix string) (out []thing, err error) {
	if !strings.HasPrefix(prefix, Prefix) {
		return nil, fmt.Errorf("%q is not a name of ours", prefix) // a search for less could find what is somebody else's
	}
	for _, list := range []func(string) ([]thing, error){s.vercelThings, s.neonThings, s.upstashThings, s.githubThings} {
		some, failed := list(prefix)
		for _, t := range some {
			if strings.HasPrefix(t.name, prefix) {
				out = append(out, t)
			}
		}
		if failed != nil {
			err = failed
		}
	}
	return out, err
}

func (s *Session) vercelThings(prefix string) (out []thing, err error) {
	from := ""
	for {
		var list struct {
			Projects   []struct{ ID, Name string }
			Pagination struct{ Next *int64 }
		}
		if err := s.need(&list, "vercel", "GET", "/v9/projects?limit=100&search="+url.QueryEscape(prefix)+from, nil); err != nil {
			return out, err
		}
		for _, p := range list.Projects {
			out = append(out, thing{"vercel", "Vercel project", p.Name, "/v9/projects/" + p.ID})
		}
		if list.Pagination.Next == nil {
			return out, nil
		}
		from = "&from=" + strconv.FormatInt(*list.Pagination.Next, 10)
	}
}

func (s *Session) neonThings(prefix string) (out []thing, err error) {
	projects, err := s.neonProjects(prefix)
	for _, p := range projects {
		if p.DeletedAt == "" {
			out = append(out, thing{"neon", "Neon project", p.Name, "/projects/" + p.ID})
		}
	}
	return out, err
}

func (s *Session) upstashThings(string) (out []thing, err error) {
	var databases []struct {
		ID   string `json:"database_id"`
		Name string `json:"database_name"`
	}
	err = s.need(&databases, "upstash", "GET", "/v2/redis/databases", nil)
	for _, d := range databases {
		out = append(out, thing{"upstash", "Upstash database", d.Name, "/v2/redis/database/" + d.ID})
	}
	var indexes []struct{ ID, Name string }
	if failed := s.need(&indexes, "upstash", "GET", "/v2/vector/index", nil); failed != nil {
		err = failed
	}
	for _, x := range indexes {
		out = append(out, thing{"upstash", "Upstash index", x.Name, "/v2/vector/index/" + x.ID})
	}
	var teams []struct {
		ID   string `json:"team_id"`
		Name string `json:"team_name"`
	}
	if failed := s.need(&teams, "upstash", "GET", "/v2/teams", nil); failed != nil {
		err = failed
	}
	for _, t := range teams {
		out = append(out, thing{"upstash", "Upstash team", t.Name, "/v2/team/" + t.ID})
	}
	return out, err
}

func (s *Session) githubThings(string) (out []thing, err error) {
	if s.Env(services["github"].key) == "" {
		return nil, nil
	}
	for page := 1; ; page++ {
		var repos []struct {
			Name     string
			FullName string `json:"full_name"`
		}
		if err := s.need(&repos, "github", "GET", "/user/repos?affiliation=owner&per_page=100&page="+strconv.Itoa(page), nil); err != nil {
			return out, err
		}
		for _, r := range repos {
			out = append(out, thing{"github", "GitHub repository", r.Name, "/repos/" + r.FullName})
		}
		if len(repos) < 100 {
			return out, nil
		}
	}
}

// sweepTime is how long a sweep may take, and sweepRounds how often it looks: lists lag behind what was done.
const (
	sweepTime   = 5 * time.Minute
	sweepRounds = 5
)

// sweep deletes what this run has made, by its name, and returns what is left. It is not cut short by an interrupt.
func (s *Session) sweep() ([]thing, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), sweepTime)
	defer cancel()
	interrupted := s.ctx
	s.ctx = ctx
	defer func() { s.ctx = interrupted }()
	s.stopSandboxes()
	for n := range sweepRounds {
		left, err := s.things(s.App)
		if err == nil && len(left) == 0 || n == sweepRounds-1 {
			return left, err
		}
		for _, t := range left {
			_, _ = s.patient(t.api, "DELETE", t.path, nil)
		}
		if err := s.pause(250 * time.Millisecond << n); err != nil {
			return left, err
		}
	}
	return nil, nil
}

// stopSandboxes deletes the sandboxes of the app's project. They would end by themselves after five minutes.
func (s *Session) stopSandboxes() {
	project, _ := s.memo["project"].value.(string)
	if project == "" {
		return
	}
	var list struct{ Sandboxes []struct{ Name string } }
	if s.need(&list, "sandbox", "GET", "/v2/sandboxes?limit=100&project="+url.QueryEscape(project), nil) != nil {
		return
	}
	for _, b := range list.Sandboxes {
		if strings.HasPrefix(b.Name, s.App) {
			_, _ = s.patient("sandbox", "DELETE", sandboxPath(b.Name, project), nil)
		}
	}
}
