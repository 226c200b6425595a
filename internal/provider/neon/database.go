package neon

import (
	"context"

	"github.com/slipway-dev/slipway"
)

// database is neon.database: a database of a branch that is not production's, owned by the environment's own role.
type database struct{ client client }

var (
	_ slipway.Handler   = database{}
	_ slipway.Outputter = database{}
)

func (h database) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.database observe")
	parent, ok := want.Parents[kindBranch]
	if !ok {
		return slipway.Observation{}, nil
	}
	p, branch := cut(parent.ID)
	found, err := c.getDatabase(ctx, p, branch, want.Name)
	if err != nil {
		return c.vanished(ctx, want, err)
	}
	obs := slipway.Observation{
		Exists: true, Fields: map[string]any{"name": found.Name, "owner": found.OwnerName}, Receipt: inBranch(want, found.Name, found.CreatedAt),
	}
	if err := c.settle(ctx, want, branch, &obs); err != nil {
		return slipway.Observation{}, err
	}
	return obs, nil
}

func (h database) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	p, branch := cut(want.Parents[kindBranch].ID)
	made, err := h.client.as("neon.database create").createDatabase(ctx, p, branch, want.Name, str(want.Params["owner"]))
	if err != nil {
		return slipway.Receipt{}, err
	}
	return inBranch(want, made.Name, made.CreatedAt), nil
}

// Update gives the database its owner back.
func (h database) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	p, branch, name := cutInBranch(have.Receipt.ID)
	made, err := h.client.as("neon.database update").giveDatabase(ctx, p, branch, name, str(want.Params["owner"]))
	if err != nil {
		return slipway.Receipt{}, err
	}
	return inBranch(want, made.Name, made.CreatedAt), nil
}

func (h database) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, branch, name := cutInBranch(ref.ID)
	return absentIsDone(h.client.as("neon.database delete").deleteDatabase(ctx, p, branch, name))
}

func (h database) Outputs(ctx context.Context, want slipway.Spec, have slipway.Observation) (map[string]slipway.Secret, error) {
	c := h.client.as("neon.database outputs")
	p, branch, name := cutInBranch(have.Receipt.ID)
	uri, err := c.connectionURI(ctx, p, branch, name, str(want.Params["owner"]))
	if err != nil {
		return nil, err
	}
	return c.outputs(uri)
}
