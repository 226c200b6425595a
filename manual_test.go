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
