package vercel

import (
	"context"
	"net/http"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// rollingRelease is as much of one as is read here. Without one the reply holds null.
type rollingRelease struct {
	State              string // ACTIVE, COMPLETE or ABORTED
	CurrentDeployment  *struct{ ID string }
	CanaryDeployment   *struct{ ID string }
	QueuedDeploymentID string
	ActiveStage        *struct {
		TargetPercentage float64
		RequireApproval  bool
	}
}

// getRollingRelease: https://vercel.com/docs/rest-api/rolling-release/get-the-active-rolling-release-information-for-a-project
// It returns the last one of the project, nil for none, or where the plan has no rolling releases.
func (c *client) getRollingRelease(ctx context.Context, op, projectID string) (*rollingRelease, error) {
	var out struct{ RollingRelease *rollingRelease }
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v1/projects/%s/rolling-release", projectID), nil, nil, &out)
	switch slipway.ErrorCode(err) {
	case slipway.CodeNotFound, slipway.CodeForbidden:
		return nil, nil
	}
	return out.RollingRelease, err
}

// rollout completes obs with the rolling release that production is in; told is false where that has no part in what is wanted, and over says
// that it is complete.
//
// While one of another deployment goes on, that is what production serves: it will, unless somebody aborts it, and whatever is promoted
// meanwhile takes its place. A promote of what is wanted waits in the queue until then. While what is wanted is rolled out itself,
// production still serves what it served. Where one is complete the aliases have still to move, and what is queued behind it waits for that.
func (h productions) rollout(ctx context.Context, op string, p *project, want slipway.Spec, obs *slipway.Observation, asked bool) (told, over bool, err error) {
	r, err := h.getRollingRelease(ctx, op, p.ID)
	if err != nil || r == nil || r.CanaryDeployment == nil {
		return false, false, err
	}
	id, canary := text(want.Params["deployment"]), r.CanaryDeployment.ID
	if r.State == "ABORTED" && canary == id && asked && p.serving() != id {
		obs.Failed = slipway.Errorf(slipway.CodeDrift, "the rolling release of %s was aborted: production serves %s", id, p.serving()).
			WithHint("find out why; then ship again, or go on with: slipway resume")
		obs.Failed.Op = op
		return true, false, nil
	}
	if r.State == "COMPLETE" && id != "" && r.QueuedDeploymentID == id {
		obs.Pending = true // not as a Rollout, which is waited for past every deadline: nothing tells how long the queue is kept
		return true, false, nil
	}
	if r.State != "ACTIVE" {
		return false, r.State == "COMPLETE", nil
	}
	obs.Rollout = &slipway.Rollout{Of: canary, Queued: canary != id}
	if s := r.ActiveStage; s != nil {
		obs.Rollout.Percent, obs.Rollout.ByHand = s.TargetPercentage, s.RequireApproval
	}
	obs.Pending = id != "" && (canary == id || r.QueuedDeploymentID == id)
	if canary == id {
		return true, false, nil
	}
	return true, false, h.servesCanary(ctx, op, want, obs)
}

// servesCanary makes obs tell of the deployment that is rolled out as of the one that production serves.
func (h productions) servesCanary(ctx context.Context, op string, want slipway.Spec, obs *slipway.Observation) error {
	canary := obs.Rollout.Of
	d, err := h.getDeployment(ctx, op, canary)
	if err != nil {
		return err
	}
	obs.Receipt.ID, obs.Fields["deployment"] = canary, canary
	obs.Receipt.Details = map[string]string{"domains": obs.Receipt.Details["domains"]} // without the commit of what serves now
	obs.Receipt = withCommit(obs.Receipt, d.Meta)
	if obs.Owned = d.Meta[metaKey("app")] == want.App; obs.Owned {
		obs.Vintage = vintage(d.Meta, max(d.CreatedAt, d.Created))
	}
	return nil
}
