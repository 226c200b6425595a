package neon

import (
	"context"

	"github.com/slipway-dev/slipway"
)

const readWrite = "read_write"

// endpoint is neon.endpoint: the read-write compute of a branch, of which there can be one.
type endpoint struct{ client client }

var _ slipway.Handler = endpoint{}

func (h endpoint) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.endpoint observe")
	at, ok := siteOf(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	if at.known != "" {
		found, err := c.getEndpoint(ctx, at.project, at.known)
		if err != nil {
			return c.vanished(ctx, want, err)
		}
		return h.observed(ctx, c, want, at, found)
	}
	all, err := c.endpoints(ctx, at.project, at.branch)
	if err != nil {
		return slipway.Observation{}, err
	}
	for _, e := range all {
		if e.Type == readWrite {
			return h.observed(ctx, c, want, at, e)
		}
	}
	return slipway.Observation{}, nil
}

func (h endpoint) observed(ctx context.Context, c client, want slipway.Spec, at site, e endpointReply) (slipway.Observation, error) {
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"disabled": e.Disabled}, Receipt: h.receipt(want, at, e)}
	err := c.settle(ctx, want, at, &obs)
	return obs, err
}

func (endpoint) receipt(want slipway.Spec, at site, e endpointReply) slipway.Receipt {
	r := at.receipt(want, e.ID, e.CreatedAt, e.ID)
	r.Details = map[string]string{"host": e.Host}
	return r
}

func (h endpoint) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	at, _ := siteOf(want)
	made, err := h.client.as("neon.endpoint create").createEndpoint(ctx, at.project, at.branch)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(want, at, made), nil
}

// Update enables a compute that was disabled.
func (h endpoint) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	p, id := cut(have.Receipt.ID)
	made, err := h.client.as("neon.endpoint update").enableEndpoint(ctx, p, id)
	if err != nil {
		return slipway.Receipt{}, err
	}
	at, _ := siteOf(want)
	return h.receipt(want, at, made), nil
}

func (h endpoint) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, id := cut(ref.ID)
	return absentIsDone(h.client.as("neon.endpoint delete").deleteEndpoint(ctx, p, id))
}
