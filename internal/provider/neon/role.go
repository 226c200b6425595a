package neon

import (
	"cmp"
	"context"

	"github.com/slipway-dev/slipway"
)

// role is neon.role: a role of a branch that is not production's.
type role struct{ client client }

var _ slipway.Handler = role{}

func (h role) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.role observe")
	at, ok := siteOf(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	found, err := c.getRole(ctx, at.project, at.branch, cmp.Or(at.known, want.Name))
	if err != nil {
		return c.vanished(ctx, want, err)
	}
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"name": found.Name}, Receipt: h.receipt(want, at, found)}
	err = c.settle(ctx, want, at, &obs)
	return obs, err
}

func (role) receipt(want slipway.Spec, at site, r roleReply) slipway.Receipt {
	return at.receipt(want, r.Name, r.CreatedAt, at.branch, r.Name)
}

func (h role) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	at, _ := siteOf(want)
	made, err := h.client.as("neon.role create").createRole(ctx, at.project, at.branch, want.Name)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(want, at, made), nil
}

// Update is never called: a role's only field is its name, which cannot be changed.
func (h role) Update(context.Context, slipway.Spec, slipway.Observation) (slipway.Receipt, error) {
	return slipway.Receipt{}, h.client.as("neon.role update").internal("a role has nothing to update")
}

func (h role) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, branch, name := cutInBranch(ref.ID)
	return absentIsDone(h.client.as("neon.role delete").deleteRole(ctx, p, branch, name))
}
