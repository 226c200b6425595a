package slipway_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// guided is a provider with one type and one output, whose guide asks for that output.
type guided struct{ where slipway.PageInfo }

func (g guided) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{Name: "cloud", Title: "Cloud", Types: []slipway.ResourceType{{
		Name: "cloud.db", Outputs: []slipway.OutputInfo{{Name: "url", Help: "connection string", Where: g.where}},
	}}}
}
func (guided) Check(*slipway.Manifest) []slipway.Problem                       { return nil }
func (guided) Expand(*slipway.Manifest, string) []slipway.Spec                 { return nil }
func (guided) Open(context.Context, slipway.Settings) (slipway.Session, error) { return nil, nil }
func (guided) Guide(e slipway.Effect, s slipway.Spec) slipway.ManualStep {
	return slipway.ManualStep{Title: s.Name, Placeholders: []slipway.Placeholder{{Name: "MAIN_DB_URL", To: "the value"}, {Name: "TOKEN", From: "the token's page"}}}
}

func TestGuideByTellsWhereOutputsAre(t *testing.T) {
	m := &slipway.Manifest{Resources: map[string]slipway.ManifestResource{"main-db": {Type: "cloud.db"}}}
	for name, tc := range map[string]struct {
		reason string
		where  slipway.PageInfo
		want   string
	}{
		"place": {
			"the provider says on which page the value is",
			slipway.PageInfo{Path: []string{"Database", "Connect"}, Checked: "2026-11-22"},
			"Cloud: Database > Connect (checked 2026-11-22)",
		},
		"no place": {"without one it is at least said what it is", slipway.PageInfo{}, "main-db.url, connection string"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := func(e slipway.Effect) slipway.Spec { return slipway.Spec{Name: e.Name} }
			book := slipway.MakeRunbook(&slipway.Plan{Effects: []slipway.Effect{
				{Key: "a", Address: "cloud.env/A", Name: "made by us"},
				{Key: "b", Address: "cloud.env/B", Name: "b", Mode: slipway.ModeManual, Why: "the key may not", DependsOn: []string{"x"}, After: []string{"y"}},
			}}, slipway.GuideBy([]slipway.Provider{guided{tc.where}}, m, slipway.Production, spec))
			want := []slipway.ManualStep{{
				Key: "b", Number: 1, Title: "b", Why: "the key may not", Needs: []string{"x", "y"},
				Placeholders: []slipway.Placeholder{{Name: "MAIN_DB_URL", From: tc.want, To: "the value"}, {Name: "TOKEN", From: "the token's page"}},
			}}
			if diff := cmp.Diff(want, book.Steps); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// looked is a provider whose guide looks by its API, with a command line that must be logged in.
type looked struct{ guided }

func (looked) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{
		Name: "cloud", Types: []slipway.ResourceType{{Name: "cloud.db", Connects: slipway.ConnectPostgres}, {Name: "cloud.var"}},
		Kinds: []slipway.KindInfo{{Kind: "cloud.db"}, {Kind: "cloud.var"}, {Kind: "cloud.deployment", Versioned: true}},
	}
}

func (looked) Guide(slipway.Effect, slipway.Spec) slipway.ManualStep {
	s := slipway.ManualStep{
		Check: "GET it", Before: []string{"a role"},
		Ways: []slipway.Way{{HTTP: &slipway.HTTPForm{}, Then: []slipway.Way{{Command: []string{"cloud", "make"}}}}}, Undo: []slipway.Way{{Command: []string{"other"}}},
	}
	s.Logged("cloud", "cloud, logged in")
	s.Logged("nothing", "never")
	return s
}

func TestChecksOfStepsThatNothingCanLookAt(t *testing.T) {
	m := &slipway.Manifest{Resources: map[string]slipway.ManifestResource{"db": {Type: "cloud.db"}, "var": {Type: "cloud.var"}}}
	missing, readOnly := slipway.CauseMissing, slipway.CauseReadOnly
	for name, tc := range map[string]struct {
		reason  string
		cause   slipway.Cause
		address slipway.Address
		op      slipway.Op
		want    string
	}{
		"readable":   {"a credential that reads looks", readOnly, "cloud.db/db", slipway.OpCreate, "GET it"},
		"database":   {"its values tell", missing, "cloud.db/db", slipway.OpCreate, "its values, exported as below, are tried out: TLS, the login and select 1"},
		"variable":   {"nothing tells", missing, "cloud.var/var", slipway.OpCreate, "no credential here can look at it: slipway manual RUN --assert STEP --note '…' takes a person's word, signed"},
		"deployment": {"it answers", missing, "cloud.deployment/app@production", slipway.OpDeploy, "it answers over HTTP, at the address that --url gives to slipway manual RUN --check STEP"},
		"deleted":    {"that a server is silent is no sign", missing, "cloud.db/db", slipway.OpDelete, "no credential here can look at it: slipway manual RUN --assert STEP --note '…' takes a person's word, signed"},
	} {
		t.Run(name, func(t *testing.T) {
			e := slipway.Effect{Key: "e", Address: tc.address, Op: tc.op, Mode: slipway.ModeManual}
			spec := func(e slipway.Effect) slipway.Spec {
				return slipway.Spec{Address: e.Address, Serves: map[bool]string{true: e.Address.Key()}[e.Address.Kind() != "cloud.deployment"]}
			}
			plan := &slipway.Plan{Effects: []slipway.Effect{e}, Access: slipway.Access{{Provider: "cloud", Cause: tc.cause}}}
			s := slipway.MakeRunbook(plan, slipway.GuideBy([]slipway.Provider{looked{}}, m, slipway.Production, spec)).Steps[0]
			if s.Check != tc.want || s.Unseen != "" {
				t.Errorf("%s: %q, left %q", tc.reason, s.Check, s.Unseen)
			}
			if diff := cmp.Diff([]string{"a role", "cloud, logged in"}, s.Before); diff != "" {
				t.Errorf("what it needs first (-want +got):\n%s", diff)
			}
		})
	}
}
