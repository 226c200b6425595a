package slipway_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

func TestAddress(t *testing.T) {
	tests := map[string]struct {
		reason           string
		kind             slipway.Kind
		key, environment string
		want             slipway.Address
		provider         string
	}{
		"of the app":            {"shared by all environments", "neon.project", "db", "", "neon.project/db", "neon"},
		"of an environment":     {"its own", "vercel.env", "DATABASE_URL", "preview", "vercel.env/DATABASE_URL@preview", "vercel"},
		"slash in the key":      {"the kind ends at the first slash", "vercel.domain", "a/b", "production", "vercel.domain/a/b@production", "vercel"},
		"points in the key":     {"the provider ends at the first point", "vercel.domain", "shop.example.com", "", "vercel.domain/shop.example.com", "vercel"},
		"at in the environment": {"the environment begins at the first at", "x.y", "k", "a@b", "x.y/k@a@b", "x"},
		"no point":              {"a kind without a point is its provider", "x", "k", "", "x/k", "x"},
		"deep kind":             {"more points are the kind's", "a.b.c", "k", "", "a.b.c/k", "a"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := slipway.NewAddress(tc.kind, tc.key, tc.environment)
			if a != tc.want || a.Kind() != tc.kind || a.Key() != tc.key || a.Environment() != tc.environment || a.Kind().Provider() != tc.provider {
				t.Errorf("%s: %s is of kind %q (%q), key %q, environment %q", tc.reason, a, a.Kind(), a.Kind().Provider(), a.Key(), a.Environment())
			}
		})
	}
	for a, want := range map[slipway.Address][3]string{
		"": {"", "", ""}, "x.y": {"x.y", "", ""}, "x.y/": {"x.y", "", ""}, "x.y/@e": {"x.y", "", "e"}, "x.y/k@": {"x.y", "k", ""},
	} {
		if got := [3]string{string(a.Kind()), a.Key(), a.Environment()}; got != want {
			t.Errorf("%q has the parts %q, want %q", a, got, want)
		}
	}
}

func TestAddressesAreApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := slipway.Kind(rapid.StringMatching(`[a-z]{1,3}\.[a-z]{1,3}`).Draw(t, "kind"))
		key := rapid.StringMatching(`[A-Za-z_./ -]{1,8}`).Draw(t, "key")
		env := rapid.StringMatching(`[a-z@/.]{0,4}`).Draw(t, "environment")
		a := slipway.NewAddress(kind, key, env)
		if a.Kind() != kind || a.Key() != key || a.Environment() != env {
			t.Errorf("%s has the parts %q, %q, %q, not %q, %q, %q", a, a.Kind(), a.Key(), a.Environment(), kind, key, env)
		}
	})
}

func TestReference(t *testing.T) {
	empty := ""
	tests := map[string]struct {
		reason string
		input  slipway.Input
		want   string
	}{
		"output":        {"a resource and its output", slipway.Input{From: &slipway.OutputRef{Resource: "db", Output: "url"}}, "db.url"},
		"secret":        {"a name in the environment", slipway.Input{Secret: "KEY"}, "secret:KEY"},
		"literal":       {"a literal is no secret", literal("info"), ""},
		"empty literal": {"nor is an empty one", slipway.Input{Literal: &empty}, ""},
		"ledger":        {"nor is the ledger", slipway.Input{Ledger: true}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.input.Reference(); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestSortSpecs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		sorted, err := slipway.SortSpecs(rapid.Permutation(w.Specs).Draw(t, "specs"))
		if err != nil || len(sorted) != len(w.Specs) {
			t.Fatalf("%d of %d specs, %v", len(sorted), len(w.Specs), err)
		}
		at := map[slipway.Address]int{}
		serves := map[string]slipway.Address{}
		for i, s := range sorted {
			at[s.Address] = i
			if s.Serves != "" {
				serves[s.Serves] = s.Address
			}
		}
		for i, s := range sorted {
			before := append(append([]slipway.Address{}, s.Needs...), s.Seals...)
			for _, of := range s.IDs {
				before = append(before, of)
			}
			for _, in := range s.Inputs {
				if in.From != nil {
					before = append(before, serves[in.From.Resource])
				}
			}
			for _, a := range before {
				if at[a] >= i {
					t.Errorf("%s stands before %s, which it needs", s.Address, a)
				}
			}
		}
	})
}
