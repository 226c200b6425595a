package neon

import (
	"context"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// The id of what is in a project is the way to it: project/branch, project/endpoint, project/branch/role, project/branch/database. With
// nothing else recorded, as in the ledger, it can be found and deleted.

// site is where a Spec's resource is: in a project, and below the branch in one of its branches.
type site struct {
	project, branch, account, region string
	known                            string // the last part of the recorded id; "" when nothing is recorded, or it is of a project or branch that was replaced
}

// siteOf returns where want is. false: a parent of it is not there.
func siteOf(want slipway.Spec) (site, bool) {
	for _, a := range want.Needs {
		if _, ok := want.Parents[a.Kind()]; !ok {
			return site{}, false
		}
	}
	project := want.Parents[kindProject]
	at := site{project: project.ID, account: project.Account, region: project.Region}
	if b, ok := want.Parents[kindBranch]; ok {
		at.project, at.branch = cut(b.ID)
	}
	if want.Known == nil || want.Existing {
		return at, at.project != ""
	}
	parts := strings.Split(want.Known.ID, "/")
	if at.project == "" { // nothing but the receipt: what it was in is not recorded
		at.project, at.account = parts[0], want.Known.Account
		if len(parts) == 3 {
			at.branch = parts[1]
		}
	}
	if parts[0] == at.project && (len(parts) == 2 || len(parts) == 3 && parts[1] == at.branch) {
		at.known = parts[len(parts)-1]
	}
	return at, true
}

// receipt is that of something in at, below path.
func (at site) receipt(want slipway.Spec, name string, created time.Time, path ...string) slipway.Receipt {
	return slipway.Receipt{
		Address: want.Address, Account: at.account, ID: strings.Join(append([]string{at.project}, path...), "/"), Name: name,
		Region: at.region, Needs: want.Needs, CreatedAt: created,
	}
}

// branch is neon.branch: a child of the default branch.
type branch struct{ client client }

var _ slipway.Handler = branch{}

func (h branch) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.branch observe")
	at, ok := siteOf(want)
	if !ok {
		return slipway.Observation{}, nil
	}
	if want.Existing {
		return c.existingBranch(ctx, want, at)
	}
	if at.known != "" {
		found, err := c.getBranch(ctx, at.project, at.known)
		if err != nil {
			return c.vanished(ctx, want, err)
		}
		return h.observed(ctx, c, want, at, found)
	}
	all, err := c.branches(ctx, at.project, want.Name)
	if err != nil {
		return slipway.Observation{}, err
	}
	for _, b := range all {
		if b.Name == want.Name { // names are unique within a project
			return h.observed(ctx, c, want, at, b)
		}
	}
	return slipway.Observation{}, nil
}

func (h branch) observed(ctx context.Context, c client, want slipway.Spec, at site, b branchReply) (slipway.Observation, error) {
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"name": b.Name}, Receipt: at.receipt(want, b.Name, b.CreatedAt, b.ID)}
	at.branch = b.ID
	if err := c.settle(ctx, want, at, &obs); err != nil {
		return slipway.Observation{}, err
	}
	obs.Pending = obs.Pending || b.CurrentState == "resetting"
	return obs, nil
}

// settle marks what exists as pending or failed until its project's operations have finished.
func (c client) settle(ctx context.Context, want slipway.Spec, at site, obs *slipway.Observation) error {
	if want.Existing { // it was there before: nothing of ours is under way
		return nil
	}
	if settled(want.Known, obs.Receipt.ID) {
		obs.Receipt.Version = want.Known.Version
		return nil
	}
	p, err := c.progress(ctx, at.project, at.branch)
	if err == nil {
		p.apply(obs)
	}
	return err
}

func (h branch) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	at, _ := siteOf(want)
	made, err := h.client.as("neon.branch create").createBranch(ctx, at.project, want.Name)
	if err != nil {
		return slipway.Receipt{}, err
	}
	return at.receipt(want, made.Name, made.CreatedAt, made.ID), nil
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
	if want.Known == nil || want.Existing {
		return slipway.Observation{}, nil
	}
	if err := c.accountIs(ctx, want.Known.Account); err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{Vanished: true}, nil
}
