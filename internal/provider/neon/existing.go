package neon

import (
	"context"
	"slices"

	"github.com/slipway-dev/slipway"
)

// existing returns the Specs of a database that is there already. A role that is not named is the database's owner.
func existing(key string, r slipway.ManifestResource, environment string) []slipway.Spec {
	at := func(kind slipway.Kind) slipway.Address { return slipway.NewAddress(kind, key, environment) }
	project, branch, endpoint := slipway.NewAddress(kindProject, key, ""), at(kindBranch), at(kindEndpoint)
	declared := map[string]any{}
	for _, name := range []string{"region", "version"} {
		if v, ok := r.Fields[name]; ok {
			declared[name] = v
		}
	}
	specs := []slipway.Spec{
		{Address: project, Name: str(r.Existing["project"]), Params: declared},
		{Address: branch, Name: str(r.Existing["branch"]), Needs: []slipway.Address{project}},
		{Address: endpoint, Params: map[string]any{"disabled": false}, Needs: []slipway.Address{branch, project}},
	}
	needs := []slipway.Address{branch, project, endpoint}
	if role := str(r.Existing["role"]); role != "" {
		specs = append(specs, slipway.Spec{Address: at(kindRole), Name: role, Needs: needs})
		needs = append(slices.Clone(needs), at(kindRole))
	}
	specs = append(specs, slipway.Spec{Address: at(kindDatabase), Name: str(r.Existing["database"]), Serves: key, Needs: needs})
	for i := range specs {
		specs[i].Existing = true
	}
	return specs
}

// existingProject finds the project with the id that is the Spec's name.
func (c client) existingProject(ctx context.Context, want slipway.Spec) (slipway.Observation, error) {
	found, err := c.getProject(ctx, want.Name)
	if slipway.ErrorCode(err) == slipway.CodeNotFound || err == nil && found.DeletedAt != "" {
		return slipway.Observation{}, nil
	}
	if err != nil {
		return slipway.Observation{}, err
	}
	return slipway.Observation{
		Exists: true, Receipt: projectReceipt(want, found), Fields: map[string]any{"name": found.Name, "region": found.RegionID, "version": found.PgVersion},
	}, nil
}

// existingBranch finds the branch with the name or id that is the Spec's name, the default one for "". Only production may use that one: it
// holds production's data.
func (c client) existingBranch(ctx context.Context, want slipway.Spec, at site) (slipway.Observation, error) {
	all, err := c.branches(ctx, at.project, want.Name)
	if err != nil {
		return slipway.Observation{}, err
	}
	i := slices.IndexFunc(all, func(b branchReply) bool {
		return b.ID == want.Name || b.Name == want.Name || want.Name == "" && b.Default
	})
	if i < 0 {
		return slipway.Observation{}, nil
	}
	b := all[i]
	obs := slipway.Observation{Exists: true, Fields: map[string]any{"name": b.Name}, Receipt: at.receipt(want, b.Name, b.CreatedAt, b.ID)}
	switch {
	case b.Default && want.Address.Environment() != slipway.Production:
		obs.Failed = slipway.Errorf(slipway.CodeConflict, "the branch %s is the default one of the Neon project %s, and %s is not to work on production's data",
			b.Name, at.project, want.Address.Environment()).WithHint("name another branch under existing:, or leave this resource to production")
	case b.Default:
		obs.Note = "it is the project's default branch"
	}
	return obs, nil
}
