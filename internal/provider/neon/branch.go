package neon

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// The id of what is in a project is the way to it: project/branch, project/endpoint, project/branch/role, project/branch/database. With
// nothing else recorded, as in the ledger, it can be found and deleted.

// branch is neon.branch: a child of the default branch.
type branch struct{ client client }

var _ slipway.Handler = branch{}

func (h branch) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.branch observe")
	parent, ok := want.Parents[kindProject]
	if !ok {
		return slipway.Observation{}, nil
	}
	if want.Known != nil {
		p, id := cut(want.Known.ID)
		found, err := c.getBranch(ctx, p, id)
		if err != nil {
			return c.vanished(ctx, want, err)
		}
		return h.observed(ctx, c, want, found)
	}
	all, err := c.branches(ctx, parent.ID, want.Name)
	if err != nil {
		return slipway.Observation{}, err
	}
	for _, b := range all {
		if b.Name == want.Name { // names are unique within a project
			return h.observed(ctx, c, want, b)
		}
	}
	return slipway.Observation{}, nil
}

func (h branch) observed(ctx context.Context, c client, want slipway.Spec, b branchReply) (slipway.Observation, error) {
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"name": b.Name}, Receipt: inProject(want, b.Name, b.CreatedAt, b.ID)}
	if err := c.settle(ctx, want, b.ID, &obs); err != nil {
		return slipway.Observation{}, err
	}
	obs.Pending = obs.Pending || b.CurrentState == "resetting"
	return obs, nil
}

// settle marks what exists as pending or failed until its project's operations have finished.
func (c client) settle(ctx context.Context, want slipway.Spec, branch string, obs *slipway.Observation) error {
	if settled(want.Known, obs.Receipt.ID) {
		obs.Receipt.Version = want.Known.Version
		return nil
	}
	p, err := c.progress(ctx, want.Parents[kindProject].ID, branch)
	if err == nil {
		p.apply(obs)
	}
	return err
}

func (h branch) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	made, err := h.client.as("neon.branch create").createBranch(ctx, want.Parents[kindProject].ID, want.Name)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return inProject(want, made.Name, made.CreatedAt, made.ID), nil
}

func (h branch) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	p, id := cut(have.Receipt.ID)
	r := have.Receipt
	r.Name, r.Version = want.Name, ""
	return r, h.client.as("neon.branch update").renameBranch(ctx, p, id, want.Name)
}

// Delete takes the branch's compute, roles and databases with it.
func (h branch) Delete(ctx context.Context, ref slipway.Receipt) error {
	p, id := cut(ref.ID)
	return absentIsDone(h.client.as("neon.branch delete").deleteBranch(ctx, p, id))
}

// inProject is the receipt of something in a project, below path.
func inProject(want slipway.Spec, name string, created time.Time, path ...string) slipway.Receipt {
	parent := want.Parents[kindProject]
	return slipway.Receipt{
		Address: want.Address, Account: parent.Account, ID: strings.Join(append([]string{parent.ID}, path...), "/"), Name: name,
		Region: parent.Region, Needs: want.Needs, CreatedAt: created,
	}
}

// inBranch is the receipt of something in a branch.
func inBranch(want slipway.Spec, name string, created time.Time) slipway.Receipt {
	_, branch := cut(want.Parents[kindBranch].ID)
	return inProject(want, name, created, branch, name)
}

// cut splits an id into project and branch or endpoint.
func cut(id string) (project, rest string) {
	project, rest, _ = strings.Cut(id, "/")
	return project, rest
}

// cutInBranch splits an id into project, branch and name.
func cutInBranch(id string) (project, branch, name string) {
	project, rest := cut(id)
	branch, name, _ = strings.Cut(rest, "/")
	return project, branch, name
}

// vanished tells a 404 for something recorded from any other failure: it has vanished, or the key is for another account.
func (c client) vanished(ctx context.Context, want slipway.Spec, err error) (slipway.Observation, error) {
	if slipway.ErrorCode(err) != slipway.CodeNotFound {
		return slipway.Observation{}, err
	}
	if want.Known == nil {
		return slipway.Observation{}, nil
	}
	if err := c.accountIs(ctx, want.Known.Account); err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{Vanished: true}, nil
}
