package neon

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// causes are what speaks against a Neon key. Keys do not expire: https://neon.com/docs/manage/api-keys
var causes = []slipway.CauseInfo{
	{
		Cause: slipway.CauseInvalid, Sign: "GET /auth: 401", Hint: "make a new key in Neon's console, under API keys, and set NEON_API_KEY",
	},
	{
		Cause: slipway.CauseOrganisation, Sign: "GET /projects without org_id: 400 that names org_id",
		Reason: "NEON_API_KEY is a person's, and nothing says in which organisation it is to work",
		Hint:   "set NEON_ORG_ID to the organisation's id, from its settings page",
	},
	{
		Cause: slipway.CauseWrongTeam, Sign: "GET /projects?org_id=NEON_ORG_ID: 403 or 404, or GET /auth names another organisation",
		Reason: "NEON_API_KEY does not reach the organisation that NEON_ORG_ID names",
		Hint:   "set NEON_ORG_ID to an organisation of the key, or leave it out for the key of an organisation",
	},
	{
		Cause: slipway.CauseProjectScoped, Sign: "GET /auth: the key of an organisation; GET /organizations/{its id}: 403 or 404",
		Reason: "NEON_API_KEY is limited to one project, and can neither make another nor delete it",
		Hint:   "use a key of the organisation: https://neon.com/docs/manage/api-keys",
	},
	{
		// Neon documents no such key [?]: told by the refusal of a change alone.
		Cause: slipway.CauseReadOnly, Sign: "the operation itself: 403 whose message says read-only",
		Reason: "NEON_API_KEY may only read", Hint: "use a key of somebody who may change projects",
	},
}

// refusal is what an error reply says of the key, where its status does not say it all; CauseNone when it does.
func refusal(status int, message string) slipway.Cause {
	message = strings.ToLower(message)
	switch {
	case status == http.StatusBadRequest && strings.Contains(message, "org_id"): // https://github.com/neondatabase/website/issues/5671
		return slipway.CauseOrganisation
	case status == http.StatusForbidden && (strings.Contains(message, "read-only") || strings.Contains(message, "read only")):
		return slipway.CauseReadOnly
	}
	return slipway.CauseNone
}

type authReply struct {
	AccountID  string `json:"account_id"`
	AuthMethod string `json:"auth_method"`
}

func (r *authReply) Missing() string { return field(r.AccountID, "account_id") }

type organisationReply struct {
	ID string `json:"id"`
}

func (r *organisationReply) Missing() string { return field(r.ID, "id") }

// Probe asks whose the key is, whether it lists projects, and, of a key that is no person's, whether it sees its organisation: one that is
// limited to a project does not (https://github.com/neondatabase/mcp-server-neon/pull/175). At most 3 calls, the first two at once: a run waits
// for them before its first change.
func (s session) Probe(ctx context.Context) []slipway.Capability {
	info := provider{}.Info()
	c := slipway.Capability{Name: "credential", Account: s.client.org}
	var seen []rest.Seen
	ask := func(path string, query url.Values, out any) rest.Seen {
		return s.client.rest.Look(ctx, rest.Request{Op: "neon probe", Method: http.MethodGet, Path: path, Query: query}, out)
	}
	judge := func(answer rest.Seen) slipway.Cause {
		seen = append(seen, answer)
		return answer.Cause()
	}
	var list rest.Seen
	var listed sync.WaitGroup
	listed.Go(func() {
		query := url.Values{"limit": {"1"}}
		if s.client.org != "" {
			query.Set("org_id", s.client.org)
		}
		list = ask("/projects", query, &projectPage{})
	})
	defer listed.Wait()
	refused := func() bool {
		return slices.Contains([]int{http.StatusForbidden, http.StatusNotFound}, seen[len(seen)-1].Status)
	}
	cause := func() slipway.Cause {
		// https://neon.com/docs/reference/api/users/get-auth-details
		var who authReply
		if cause := judge(ask("/auth", nil, &who)); cause != slipway.CauseNone && !refused() {
			return cause
		}
		ofOrganisation := strings.HasPrefix(who.AuthMethod, "api_key_org")
		if ofOrganisation {
			c.Account = who.AccountID
			if s.client.org != "" && s.client.org != who.AccountID {
				return slipway.CauseWrongTeam
			}
			var org organisationReply
			switch cause := judge(ask(rest.Path("/organizations/%s", who.AccountID), nil, &org)); {
			case refused():
				return slipway.CauseProjectScoped
			case cause != slipway.CauseNone:
				return cause
			}
		}
		if c.Account == "" {
			c.Account = who.AccountID
		}
		listed.Wait()
		cause := judge(list)
		if refused() && s.client.org != "" {
			return slipway.CauseWrongTeam
		}
		return cause
	}()
	return []slipway.Capability{rest.Finding(info, c, cause, seen...)}
}
