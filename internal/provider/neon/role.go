package neon

import (
	"context"

	"github.com/slipway-dev/slipway"
)

// role is neon.role: a role of a branch that is not production's.
type role struct{ client client }

var _ slipway.Handler = role{}

func (h role) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.role observe")
	parent, ok := want.Parents[kindBranch]
	if !ok {
		return slipway.Observation{}, nil
	}
	p, branch := cut(parent.ID)
	found, err := c.getRole(ctx, p, branch, want.Name)
	if err != nil {
		return c.vanished(ctx, want, err)
	}
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"name": found.Name}, Receipt: inBranch(want, found.Name, found.CreatedAt)}
	if err := c.settle(ctx, want, branch, &obs); err != nil {
		return slipway.Observation{}, err
	}
	return obs, nil
}

func (h role) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	p, branch := cut(want.Parents[kindBranch].ID)
	made, err := h.client.as("neon.role create").createRole(ctx, p, branch, want.Name)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return inBranch(want, made.Name, made.CreatedAt), nil
}

// Update is never called: a role's only field is the name by which it is found.
func (h role) Update(context.Context, slipway.Spec, slipway.Observation) (slipway.Receipt, error) {
	return slipway.Receipt{}, h.client.as("neon.role update").internal("a role has nothing to update")
}

func (h role) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, branch, name := cutInBranch(ref.ID)
	return absentIsDone(h.client.as("neon.role delete").deleteRole(ctx, p, branch, name))
}
