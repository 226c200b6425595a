package upstash

import (
	"context"
	"net/http"
	"sync"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// causes are what speaks against an Upstash key. Keys do not expire: https://upstash.com/docs/devops/developer-api/introduction
var causes = []slipway.CauseInfo{
	{
		Cause: slipway.CauseInvalid, Sign: "GET /v2/redis/databases: 401",
		Reason: "Upstash does not accept UPSTASH_EMAIL with UPSTASH_API_KEY",
		Hint:   "make a management API key at https://console.upstash.com/account/api",
	},
	{
		// https://upstash.com/docs/devops/developer-api/introduction says that such accounts are not supported. How the refusal looks is not
		// documented [?]: a 403 of a plain list, or any refusal that speaks of native accounts.
		Cause: slipway.CauseAccountRefused, Sign: "GET /v2/redis/databases, GET /v2/vector/index: 403, or a message that speaks of native accounts",
		Reason: "Upstash's Developer API refuses this account, as it does those that were made through Vercel or Fly",
		Hint:   "use a native Upstash account, or make the stores in Vercel's Marketplace, as the runbook leads: slipway plan --runbook",
	},
	{
		// No call that reads tells it: https://github.com/upstash/mcp-server tries a delete, which a probe does not.
		Cause: slipway.CauseReadOnly, Sign: "the operation itself: a message that says Readonly API key",
		Reason: "UPSTASH_API_KEY may only read", Hint: "make a key that may write at https://console.upstash.com/account/api",
	},
}

// refusal is what an error's message says of the key; CauseNone leaves it to the status.
func refusal(message string) slipway.Cause {
	switch {
	case readsOnly.MatchString(message):
		return slipway.CauseReadOnly
	case notNative.MatchString(message):
		return slipway.CauseAccountRefused
	}
	return slipway.CauseNone
}

// Probe lists databases and indexes: nothing else tells whether the API serves the account, and it may serve one and not the other. 2 calls.
func (s session) Probe(ctx context.Context) []slipway.Capability {
	info := provider{}.Info()
	list := func(path string, out any) rest.Seen {
		return s.client.rest.Look(ctx, rest.Request{Op: "upstash probe", Method: http.MethodGet, Path: path}, out)
	}
	found := func(c slipway.Capability, seen rest.Seen) slipway.Capability {
		c.Account = s.client.email
		cause := seen.Cause()
		if cause == slipway.CauseForbidden {
			cause = slipway.CauseAccountRefused // there is no key that may not list
		}
		return rest.Finding(info, c, cause, seen)
	}
	var databases []databaseReply
	var indexes []indexReply
	var vector rest.Seen
	var second sync.WaitGroup
	second.Go(func() { vector = list("/v2/vector/index", &indexes) })
	redis := list("/v2/redis/databases", &databases)
	second.Wait()
	if redis.Cause() == slipway.CauseInvalid {
		return []slipway.Capability{found(slipway.Capability{Name: "credential"}, redis)}
	}
	return []slipway.Capability{
		found(slipway.Capability{Name: "redis", Kind: kindRedis}, redis),
		found(slipway.Capability{Name: "vector", Kind: kindVector}, vector),
	}
}
