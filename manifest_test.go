package slipway_test

import (
	"testing"

	"github.com/slipway-dev/slipway"
)

func TestAppliesTo(t *testing.T) {
	tests := map[string]struct {
		reason      string
		targets     []string
		environment string
		want        bool
	}{
		"no targets":     {"it goes everywhere", nil, "preview", true},
		"one of them":    {"named", []string{"production", "preview"}, "preview", true},
		"none of them":   {"not named", []string{"production"}, "preview", false},
		"part of a name": {"names are compared whole", []string{"preview-2"}, "preview", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (&slipway.Manifest{}).AppliesTo(slipway.EnvVar{Targets: tc.targets}, tc.environment); got != tc.want {
				t.Errorf("applies %t: %s", got, tc.reason)
			}
		})
	}
}

func TestProviderName(t *testing.T) {
	if got := (&slipway.Manifest{App: "shop"}).ProviderName(); got != "shop" {
		t.Errorf("without a name: got %q, want the app's", got)
	}
	if got := (&slipway.Manifest{App: "shop", Name: "acme-shop"}).ProviderName(); got != "acme-shop" {
		t.Errorf("got %q, want the given name", got)
	}
}
