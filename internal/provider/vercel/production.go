package vercel

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway"
)

// productions makes vercel.production: which deployment the project's production domains serve.
// sent: the API has no call that takes a promote back, neither one under way nor one that is queued behind a rolling release; what is rolled out is
// aborted on the project's page, or by the vercel CLI. https://vercel.com/docs/rolling-releases
const sent = "Vercel has no way to take back a promote that it was asked for. One that is queued begins when the rolling release before it is over: " +
	"abort it then on the project's page at Vercel, or with its CLI (vercel rolling-release abort); slipway drift tells what production serves, and " +
	"the next slipway ship looks first"

type productions struct{ *client }

var _ slipway.Handler = productions{}

// Observe reads the project alone while production neither serves the wanted deployment nor moves to it. Else it also looks which domains
// production has and which of them that deployment serves, since the project's own word comes before the last domain has moved; at the
// same time where the move was asked for. Where nothing is wanted yet they are looked at if the last move, to what serves, did not succeed. The serving deployment's meta, which the project shows, tells whether it is ours.
func (h productions) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	obs, stale, err := h.look(ctx, want)
	if err == nil && stale {
		obs, _, err = productions{h.pass()}.look(ctx, want)
	}
	return obs, err
}

// look is Observe with the project as the pass has it. It is stale where a rolling release is over by now, and what was asked for neither serves
// nor moves: the project may have been read before that.
func (h productions) look(ctx context.Context, want slipway.Spec) (obs slipway.Observation, stale bool, err error) {
	const op = "vercel.production observe"
	in, ok := parent(want)
	if !ok {
		return obs, false, nil
	}
	id := text(want.Params["deployment"])
	var p *project
	var domains, aliases []string
	lookAtDomains := func(group *errgroup.Group) {
		group.Go(func() (err error) { domains, err = h.productionDomains(ctx, op, in.ID); return err })
		group.Go(func() (err error) { aliases, err = h.deploymentAliases(ctx, op, id); return gone(err) })
	}
	asked := id != "" && want.Known != nil && want.Known.ID == id
	var first, second errgroup.Group
	first.Go(func() (err error) { p, err = h.getProject(ctx, op, in.ID); return err })
	if asked {
		lookAtDomains(&first)
	}
	if err := first.Wait(); err != nil {
		obs, err = h.nothing(ctx, op, in, err)
		return obs, false, err
	}
	obs = slipway.Observation{Exists: true, Receipt: h.receipt(p, want.Address), Fields: map[string]any{"deployment": p.serving()}}
	obs.Owned = p.serving() != "" && p.Targets[slipway.Production].Meta[metaKey("app")] == want.App
	if t := p.Targets[slipway.Production]; obs.Owned {
		obs.Vintage = vintage(t.Meta, t.CreatedAt)
	}
	job := p.LastAliasRequest
	if id == "" && p.serving() != "" && job != nil && job.ToDeploymentID == p.serving() && job.JobStatus != "succeeded" && job.JobStatus != "skipped" {
		id = p.serving() // not everything serves it
	}
	moving := job != nil && job.ToDeploymentID == id
	if p.RollingRelease != nil || asked && !moving && p.serving() != id {
		told, over, err := h.rollout(ctx, op, p, want, &obs, asked)
		if err != nil || told {
			return obs, false, err
		}
		stale = over && asked && !moving && p.serving() != id
	}
	if id == "" || !asked && !moving && p.serving() != id {
		return obs, stale, nil
	}
	if !asked {
		lookAtDomains(&second)
	}
	if err := second.Wait(); err != nil {
		obs, err = h.nothing(ctx, op, in, err)
		return obs, false, err
	}
	waiting := slices.DeleteFunc(slices.Clone(domains), func(d string) bool { return slices.Contains(aliases, d) })
	obs.Parts = map[string]slipway.Part{}
	for _, d := range domains {
		if obs.Parts[d] = slipway.PartMoved; slices.Contains(waiting, d) {
			obs.Parts[d] = slipway.PartWaiting
		}
	}
	failed := moving && job.JobStatus == "failed"
	if failed {
		h.leftBehind(ctx, op, in.ID, aliases, obs.Parts)
		waiting = slipway.MovementOf(obs).Failed
	}
	switch {
	case moving && (job.JobStatus == "pending" || job.JobStatus == "in-progress"):
		obs.Pending = true
	case len(waiting) == 0 && p.serving() == id:
		obs.Receipt = h.served(obs.Receipt, p, domains)
	case failed:
		obs.Failed = h.moveFailed(op, waiting)
	case p.serving() == id || moving && job.JobStatus != "succeeded" && job.JobStatus != "skipped": // else it has moved, and moved on since
		obs.Pending = true
	}
	return obs, stale, nil
}

// serving returns the id of the deployment that production serves, "" for none. A staged build is not served.
func (p *project) serving() string {
	if t := p.Targets[slipway.Production]; t != nil && t.ReadySubstate != "STAGED" {
		return t.ID
	}
	return ""
}

// receipt has the id of the deployment that production serves, "" for none, and the domains that the project itself says it has.
func (h productions) receipt(p *project, a slipway.Address) slipway.Receipt {
	r := slipway.Receipt{Address: a, Account: p.AccountID, ID: p.serving(), Name: p.Name}
	if t := p.Targets[slipway.Production]; t != nil && p.serving() != "" {
		r = h.served(r, p, t.Alias)
	}
	return r
}

// served puts domains into a receipt: those of Vercel's own first, the shortest of them before all, which is the project's domain.
func (h productions) served(r slipway.Receipt, p *project, domains []string) slipway.Receipt {
	domains = slices.Clone(domains)
	_, own, _ := strings.Cut(p.Targets[slipway.Production].URL, ".")
	rank := func(d string) int {
		if strings.HasSuffix(d, "."+own) {
			return 0
		}
		return 1
	}
	slices.SortFunc(domains, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	r.URLs, r.Details = nil, map[string]string{"domains": strings.Join(domains, ",")}
	r = withCommit(r, p.Targets[slipway.Production].Meta)
	for _, d := range domains {
		r.URLs = append(r.URLs, h.scheme+"://"+d)
	}
	return r
}

// leftBehind marks in parts what a move that has failed left where it was: the production domains that wait for it, and whatever aliases it
// names beside them. aliases serve what was to be served by now.
func (h productions) leftBehind(ctx context.Context, op, projectID string, aliases []string, parts map[string]slipway.Part) {
	named, err := h.failedAliases(ctx, op, projectID)
	if err != nil {
		named = nil // the domains tell enough
	}
	for _, d := range named {
		if parts[d] = slipway.PartFailed; slices.Contains(aliases, d) {
			parts[d] = slipway.PartMoved
		}
	}
	for d, part := range parts {
		if part == slipway.PartWaiting {
			parts[d] = slipway.PartFailed
		}
	}
}

// moveFailed names what did not move.
func (h productions) moveFailed(op string, waiting []string) *slipway.Error {
	e := slipway.Errorf(slipway.CodeUnavailable, "Vercel did not move every production domain: %s", h.rest.Clean(strings.Join(waiting, ", "))).
		WithHint("look at these domains in the Vercel project, then promote again")
	e.Op = op
	return e
}

// Create is not called: production exists as soon as its project does.
func (productions) Create(context.Context, slipway.Spec) (slipway.Receipt, error) {
	return slipway.Receipt{}, never("vercel.production create")
}

// Update asks for the move and does not wait for it.
func (h productions) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	op, move := "vercel.production promote", h.promote
	if want.Op == slipway.OpRollback {
		op, move = "vercel.production rollback", h.rollback
	}
	in, ok := parent(want)
	id := text(want.Params["deployment"])
	if !ok || id == "" {
		return slipway.Receipt{}, orphan(op)
	}
	if err := h.begin(ctx, op, in.ID, id, have, move); err != nil {
		return slipway.Receipt{}, err
	}
	r := have.Receipt
	r.ID = id
	return r, nil
}

// begin asks for the move. Where production serves the deployment already but for some of its domains, these are assigned one by one: that is
// no promotion any more, and refused as one.
func (h productions) begin(ctx context.Context, op, projectID, id string, have slipway.Observation, move func(ctx context.Context, op, projectID, id string) error) error {
	if have.Fields["deployment"] != id {
		return move(ctx, op, projectID, id)
	}
	for _, d := range slices.Sorted(maps.Keys(have.Parts)) {
		if have.Parts[d] == slipway.PartMoved {
			continue
		}
		if err := h.assignAlias(ctx, op, id, d); err != nil {
			return err
		}
	}
	return nil
}

func (productions) Delete(context.Context, slipway.Receipt) error {
	return never("vercel.production delete")
}
