package neon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// theirs expands a database that is there already in a project, and observes its Specs in order. The clock stands still: what was under way
// is under way.
func theirs(t *testing.T, session slipway.Session, project string, existing map[string]any, environment string) (slipway.Spec, map[slipway.Kind]slipway.Observation) {
	t.Helper()
	existing["project"] = project
	m := &slipway.Manifest{App: "a", Resources: map[string]slipway.ManifestResource{"db": {Type: typePostgres, Existing: existing}}}
	specs, err := slipway.SortSpecs(New(rest.Config{}).Expand(m, environment))
	if err != nil {
		t.Fatal(err)
	}
	seen, parents := map[slipway.Kind]slipway.Observation{}, map[slipway.Kind]slipway.Receipt{}
	for i := range specs {
		specs[i].Parents = parents
		specs[i].Known = &slipway.Receipt{ID: "stale-project-1/br-stale-1/stale"}
		obs, err := session.Handler(specs[i].Address.Kind()).Observe(t.Context(), specs[i])
		if err != nil {
			t.Fatalf("%s: %v", specs[i].Address, err)
		}
		seen[specs[i].Address.Kind()] = obs
		if obs.Exists {
			parents[specs[i].Address.Kind()] = obs.Receipt
		}
	}
	return specs[len(specs)-1], seen
}

func TestExisting(t *testing.T) {
	s := &neonemu.Server{}
	session, want, c := made(t, s)
	project, role, name := want.Known.ID, str(want.Params["role"]), str(want.Params["database"])
	last, seen := theirs(t, session, project, map[string]any{"database": name}, slipway.Production)
	if last.Address.Kind() != kindDatabase || last.Serves != "db" || len(seen) != 4 {
		t.Fatalf("%v of %s", seen, last.Address)
	}
	for kind, obs := range seen {
		if !obs.Exists || obs.Pending || obs.Failed != nil {
			t.Errorf("%s: %+v", kind, obs)
		}
	}
	if seen[kindBranch].Note == "" || seen[kindBranch].Receipt.Name != mainBranch {
		t.Errorf("the default branch is taken, and that is said: %+v", seen[kindBranch])
	}
	c.passed.Add(60)
	out, err := session.Handler(kindDatabase).(slipway.Outputter).Outputs(t.Context(), last, seen[kindDatabase])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{name, role}, []string{out["database"].Reveal(), out["user"].Reveal()}); d != "" {
		t.Errorf("a role that is not named is the owner (-want +got):\n%s", d)
	}

	branch := seen[kindBranch].Receipt
	_, id := cut(branch.ID)
	for named, tc := range map[string]struct {
		reason      string
		existing    map[string]any
		environment string
		kind        slipway.Kind // the one that is not there
		refused     bool
	}{
		"by name":       {"a branch has a name", map[string]any{"branch": mainBranch, "database": name, "role": role}, slipway.Production, "", false},
		"by id":         {"and an id", map[string]any{"branch": id, "database": name, "role": role}, slipway.Production, "", false},
		"part of an id": {"the search finds more than what is meant", map[string]any{"branch": id[:6], "database": name}, slipway.Production, kindBranch, false},
		"no database":   {"it is not made", map[string]any{"database": "none"}, slipway.Production, kindDatabase, false},
		"no role":       {"nor is a role", map[string]any{"database": name, "role": "none"}, slipway.Production, kindRole, false},
		"preview":       {"production's data is not preview's", map[string]any{"database": name}, slipway.Preview, "", true},
	} {
		t.Run(named, func(t *testing.T) {
			_, seen := theirs(t, session, project, tc.existing, tc.environment)
			if tc.kind != "" && (seen[tc.kind].Exists || seen[tc.kind].Failed != nil) {
				t.Errorf("%s: %s is there", tc.reason, tc.kind)
			}
			if tc.kind == "" && !seen[kindDatabase].Exists || (seen[kindBranch].Failed != nil) != tc.refused {
				t.Errorf("%s: %+v", tc.reason, seen)
			}
		})
	}
	if _, seen := theirs(t, session, "no-such-12345678", map[string]any{"database": name}, slipway.Production); seen[kindProject].Exists || seen[kindDatabase].Exists {
		t.Errorf("a project that is not there: %+v", seen)
	}
}
