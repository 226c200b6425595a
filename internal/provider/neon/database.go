package neon

import (
	"cmp"
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
	at, ok := siteOf(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	found, err := c.getDatabase(ctx, at.project, at.branch, cmp.Or(at.known, want.Name))
	if err != nil {
		return c.vanished(ctx, want, err)
	}
	obs := slipway.Observation{
		Exists: true, Fields: map[string]any{"name": found.Name, "owner": found.OwnerName}, Receipt: h.receipt(want, at, found),
	}
	err = c.settle(ctx, want, at, &obs)
	return obs, err
}

func (database) receipt(want slipway.Spec, at site, d databaseReply) slipway.Receipt {
	return at.receipt(want, d.Name, d.CreatedAt, at.branch, d.Name)
}

func (h database) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	at, _ := siteOf(want)
	made, err := h.client.as("neon.database create").createDatabase(ctx, at.project, at.branch, want.Name, str(want.Params["owner"]))
	if err != nil {
		return slipway.Receipt{}, err
	}
	return h.receipt(want, at, made), nil
}

// Update renames the database, and gives it its owner back.
func (h database) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	differs := map[string]string{}
	for param, sent := range map[string]string{"name": "name", "owner": "owner_name"} {
		if v := str(want.Params[param]); v != str(have.Fields[param]) {
			differs[sent] = v
		}
	}
	p, branch, name := cutInBranch(have.Receipt.ID)
	made, err := h.client.as("neon.database update").updateDatabase(ctx, p, branch, name, differs)
	if err != nil {
		return slipway.Receipt{}, err
	}
	at, _ := siteOf(want)
	return h.receipt(want, at, made), nil
}

func (h database) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, branch, name := cutInBranch(ref.ID)
	return absentIsDone(h.client.as("neon.database delete").deleteDatabase(ctx, p, branch, name))
}

func (h database) Outputs(ctx context.Context, want slipway.Spec, have slipway.Observation) (map[string]slipway.Secret, error) {
	c := h.client.as("neon.database outputs")
	p, branch, name := cutInBranch(have.Receipt.ID)
	owner := str(want.Params["owner"])
	if want.Existing {
		owner = cmp.Or(want.Parents[kindRole].Name, str(have.Fields["owner"]))
	}
	uri, err := c.connectionURI(ctx, p, branch, name, owner)
	if err != nil {
		return nil, err
	}
	return c.outputs(uri)
}
