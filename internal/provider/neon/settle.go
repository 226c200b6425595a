package neon

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
)

// progress says how far Neon is with a project. What a call makes is not usable before its operations have finished:
// https://neon.com/docs/manage/operations
type progress struct {
	running bool
	failed  *slipway.Error
	mark    string // Receipt.Version: the latest operation, once none was running
}

// settled reports whether a recorded receipt says that id's operations were seen to have finished. A receipt from a create, an update or
// the ledger says nothing.
func settled(known *slipway.Receipt, id string) bool {
	return known != nil && known.ID == id && known.Version != ""
}

// making are the actions without which the thing that they were for cannot be used.
var making = []string{"create_timeline", "create_branch", "create_compute", "start_compute", "apply_config"}

// progress reads a project's operations; branch narrows failures to one branch, "" to none.
func (c client) progress(ctx context.Context, project, branch string) (progress, error) {
	ops, err := c.operations(ctx, project)
	if err != nil {
		return progress{}, err
	}
	// Newest first whatever the order they came in; those of one second stay as they came.
	slices.SortStableFunc(ops, func(a, b operationReply) int { return b.CreatedAt.Compare(a.CreatedAt) })
	p := progress{mark: "0"} // Neon forgets operations after 6 months
	if len(ops) > 0 {
		p.mark = ops[0].ID
	}
	latest := map[string]bool{}
	for _, op := range ops {
		switch op.Status {
		case "scheduling", "running", "cancelling":
			p.running = true
		}
		what := op.Action + " " + op.BranchID + " " + op.EndpointID
		if branch != "" && op.BranchID != branch || latest[what] || !slices.Contains(making, op.Action) {
			continue
		}
		latest[what] = true
		switch op.Status {
		case "failed", "error", "cancelled":
			p.failed = slipway.Errorf(slipway.CodeUnavailable, "Neon's operation %s %s: %s", op.Action, op.Status, c.rest.Clean(op.Error)).
				WithHint("look at the project's operations in Neon's console; delete what is unusable there and ship again")
			p.failed.Op = c.op
		}
	}
	if p.running {
		p.mark, p.failed = "", nil
	}
	return p, nil
}

// apply puts progress into an observation of what exists.
func (p progress) apply(obs *slipway.Observation) {
	obs.Pending, obs.Failed, obs.Receipt.Version = p.running, p.failed, p.mark
}

// outputs cuts a connection string into what the manifest may name. pooled_url has -pooler after the endpoint's id
// (https://neon.com/docs/connect/connection-pooling); a host that is no endpoint's has no pooler, and both are the same.
func (c client) outputs(uri slipway.Secret) (map[string]slipway.Secret, error) {
	u, err := url.Parse(uri.Reveal())
	if err != nil || u.User == nil || u.Hostname() == "" {
		// The parser's error would tell the string.
		e := slipway.Errorf(slipway.CodeMalformed, "Neon's connection string is not a URL with a user and a host")
		e.Op = c.op
		return nil, e
	}
	password, _ := u.User.Password()
	pooled := *u
	if id, domain, ok := strings.Cut(u.Host, "."); ok && strings.HasPrefix(id, "ep-") && !strings.HasSuffix(id, "-pooler") {
		pooled.Host = id + "-pooler." + domain
	}
	return map[string]slipway.Secret{
		"url": uri, "pooled_url": slipway.NewSecret(pooled.String()), "host": slipway.NewSecret(u.Hostname()),
		"database": slipway.NewSecret(strings.TrimPrefix(u.Path, "/")), "user": slipway.NewSecret(u.User.Username()),
		"password": slipway.NewSecret(password),
	}, nil
}
