package neon

import (
	"context"
	"maps"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-dev/slipway"
)

// project is neon.project: a project with its default branch, that branch's compute, and one role and database on it.
type project struct{ client client }

var (
	_ slipway.Handler   = project{}
	_ slipway.Outputter = project{}
)

// Observe reads the project and its connection string, which Neon gives only when branch, compute, role and database are there. Both calls
// go out together. While the operations of a create are not known to have finished they are read first, and alone as long as they run.
func (h project) Observe(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	c := h.client.as("neon.project observe")
	if want.Existing {
		return c.existingProject(ctx, want)
	}
	id, obs, err := c.findProject(ctx, want)
	if id == "" || err != nil {
		return obs, err
	}
	var found projectReply
	var now progress
	var there bool
	role, database := str(want.Params["role"]), str(want.Params["database"])
	done := settled(want.Known, id)
	if !done && want.Known != nil { // just made: only the operations tell how far it is
		if now, err = c.progress(ctx, id, ""); err != nil {
			return c.vanished(ctx, want, err)
		}
		if now.running {
			return slipway.Observation{Exists: true, Pending: true, Receipt: *want.Known, Fields: maps.Clone(want.Params)}, nil
		}
	}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		found, err = c.getProject(both, id)
		return err
	})
	group.Go(func() (err error) {
		switch {
		case now.failed != nil:
			return nil
		case want.Known != nil:
			there, err = c.connects(both, id, database, role)
			return err
		}
		now, err = c.progress(both, id, "")
		return err
	})
	if err := group.Wait(); err != nil {
		return c.vanished(ctx, want, err)
	}
	if found.DeletedAt != "" {
		return slipway.Observation{Vanished: want.Known != nil}, nil
	}
	if want.Known != nil && want.Known.Account != "" && want.Known.Account != found.account() {
		return slipway.Observation{}, c.otherAccount(want.Known.Account)
	}
	obs = slipway.Observation{Exists: true, Receipt: projectReceipt(want, found), Fields: map[string]any{
		// What is still being made counts as made.
		"name": found.Name, "region": found.RegionID, "version": found.PgVersion, "role": role, "database": database,
	}}
	if done {
		obs.Receipt.Version = want.Known.Version
	} else if now.apply(&obs); obs.Pending || obs.Failed != nil {
		return obs, nil
	}
	if want.Known == nil {
		if there, err = c.connects(ctx, id, database, role); err != nil {
			return slipway.Observation{}, err
		}
	}
	if !there {
		err = c.whatIsMissing(ctx, id, &obs)
		return obs, err
	}
	return obs, nil
}

// findProject returns the id of the project to look at: the recorded one, else the one of that exact name. "" comes with the observation.
func (c client) findProject(ctx context.Context, want slipway.Spec) (string, slipway.Observation, error) {
	if want.Known != nil {
		return want.Known.ID, slipway.Observation{}, nil
	}
	found, err := c.projectsNamed(ctx, want.Name)
	if err != nil || len(found) == 0 {
		return "", slipway.Observation{}, err
	}
	if len(found) == 1 {
		return found[0].ID, slipway.Observation{}, nil
	}
	obs := slipway.Observation{Exists: true, Receipt: projectReceipt(want, found[0])}
	for _, p := range found {
		obs.Namesakes = append(obs.Namesakes, projectReceipt(want, p))
	}
	return "", obs, nil
}

// connects reports whether Neon gives a connection string. Where none is asked for, as before a delete, nothing is missing.
func (c client) connects(ctx context.Context, project, database, role string) (bool, error) {
	if role == "" || database == "" {
		return true, nil
	}
	_, err := c.connectionURI(ctx, project, "", database, role)
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return false, nil // the project's own 404 is the other call's
	}
	return err == nil, err
}

// whatIsMissing finds out why there is no connection string: role, database, or compute.
func (c client) whatIsMissing(ctx context.Context, project string, obs *slipway.Observation) error {
	branch, err := c.defaultBranch(ctx, project)
	if err != nil {
		return err
	}
	obs.Receipt.Details["branch_id"] = branch
	_, err = c.getRole(ctx, project, branch, str(obs.Fields["role"]))
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		obs.Fields["role"], err = "", nil
	}
	if err != nil {
		return err
	}
	_, err = c.getDatabase(ctx, project, branch, str(obs.Fields["database"]))
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		obs.Fields["database"], err = "", nil
	}
	if err != nil {
		return err
	}
	if obs.Fields["role"] != "" && obs.Fields["database"] != "" {
		obs.Failed = slipway.Errorf(slipway.CodeConflict, "the default branch of the Neon project %s has no read-write compute", project).
			WithHint("add a compute to the branch in Neon's console")
		obs.Failed.Op = c.op
	}
	return nil
}

func (h project) Create(ctx context.Context, want slipway.Spec) (slipway.Receipt, error) {
	version, _ := want.Params["version"].(int64)
	made, err := h.client.as("neon.project create").createProject(ctx, want.Name, str(want.Params["region"]), version,
		str(want.Params["role"]), str(want.Params["database"]))
	if err != nil {
		return slipway.Receipt{}, err
	}
	r := projectReceipt(want, made.Project)
	r.Details["branch_id"] = made.Branch.ID
	if len(made.Endpoints) > 0 {
		r.Details["host"] = made.Endpoints[0].Host
	}
	return r, nil
}

// Update renames the project and adds the missing role and database to its default branch. A change that has to wait for the one before is
// refused with CodeBusy, RetryLater, when that takes long: then the next Update has less to do.
func (h project) Update(ctx context.Context, want slipway.Spec, have slipway.Observation) (slipway.Receipt, error) {
	c, id, r := h.client.as("neon.project update"), have.Receipt.ID, have.Receipt
	r.Version = ""
	for _, name := range []string{"region", "version"} {
		if have.Fields[name] != want.Params[name] {
			return slipway.Receipt{}, c.internal("the %s of a project cannot be changed", name)
		}
	}
	if name := str(want.Params["name"]); have.Fields["name"] != name {
		if err := c.renameProject(ctx, id, name); err != nil {
			return slipway.Receipt{}, err
		}
		r.Name = name
	}
	role, database := str(want.Params["role"]), str(want.Params["database"])
	if have.Fields["role"] == role && have.Fields["database"] == database {
		return r, nil
	}
	branch, err := c.defaultBranch(ctx, id)
	if err != nil {
		return slipway.Receipt{}, err
	}
	if have.Fields["role"] != role {
		if _, err := c.createRole(ctx, id, branch, role); err != nil {
			return slipway.Receipt{}, err
		}
	}
	if have.Fields["database"] != database {
		if _, err := c.createDatabase(ctx, id, branch, database, role); err != nil {
			return slipway.Receipt{}, err
		}
	}
	return r, nil
}

// Delete takes everything in the project with it.
func (h project) Delete(ctx context.Context, ref slipway.Receipt) error {
	return absentIsDone(h.client.as("neon.project delete").deleteProject(ctx, ref.ID))
}

// Outputs reads the connection string again; within the pass of the observation that costs no call.
func (h project) Outputs(ctx context.Context, want slipway.Spec, have slipway.Observation) (map[string]slipway.Secret, error) {
	c := h.client.as("neon.project outputs")
	uri, err := c.connectionURI(ctx, have.Receipt.ID, "", str(want.Params["database"]), str(want.Params["role"]))
	if err != nil {
		return nil, err
	}
	return c.outputs(uri)
}

// projectReceipt keeps the details of the recorded receipt.
func projectReceipt(want slipway.Spec, p projectReply) slipway.Receipt {
	r := slipway.Receipt{
		Address: want.Address, Account: p.account(), ID: p.ID, Name: p.Name, Region: p.RegionID, Needs: want.Needs, CreatedAt: p.CreatedAt,
		Details: map[string]string{},
	}
	if want.Known != nil {
		maps.Copy(r.Details, want.Known.Details)
	}
	return r
}

func str(v any) string { s, _ := v.(string); return s }

func (c client) internal(format string, args ...any) error {
	e := slipway.Errorf(slipway.CodeInternal, format, args...)
	e.Op = c.op
	return e
}

// absentIsDone makes a delete of nothing a success.
func absentIsDone(err error) error {
	if slipway.ErrorCode(err) == slipway.CodeNotFound {
		return nil
	}
	return err
}
