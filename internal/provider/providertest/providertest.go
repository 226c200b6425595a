// Package providertest is the conformance suite of the provider contract. Each kind of each provider runs through it on its emulator,
// from its own tests, in about 20 lines. Only tests import it.
package providertest

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/rest"
)

// Emulator is one fresh, empty emulator. Its times go by the suite's clock, which moves only while the suite waits.
type Emulator struct {
	Handler  http.Handler
	Kit      *emukit.Kit
	BaseEnv  string            // the setting that takes the base URL
	BasePath string            // what follows the host in it, such as /api/v2
	Settings map[string]string // of an account that may do everything; the secret ones are canaries
	Other    map[string]string // of another account; nil: there is none
	Auth     func(*http.Request)
	Spec     string // the vendor's document: vercel, neon or upstash
	// Differs reports a request that is known to differ from the vendor's document; nil: none does.
	Differs func(*http.Request) bool
}

// Subject is one kind under test.
type Subject struct {
	New         func(rest.Config) slipway.Provider
	Emulator    func() Emulator
	Manifest    *slipway.Manifest
	Environment string
	Address     slipway.Address // of the Spec under test, as Expand gives it
	// Fill sets what the engine fills beyond the ids of other resources, the ledger and the values: a digest, a fingerprint, files.
	Fill func(w *World, spec *slipway.Spec)
	// Drift changes Field, and nothing else, behind Slipway's back.
	Drift func(w *World, have slipway.Receipt)
	Field string
	// Crowd adds a page of others to the list in which the resource is found. It is called before the resource is made and after.
	Crowd func(w *World)
	// Makes reports a request that makes the resource; nil: any of the create that changes something. It is for a create that first sends others.
	Makes func(c *emukit.Call) bool
	// Asks is how many calls tell, without a parent, whether another one has what only one can have.
	Asks int
	// Codes are the statuses that the provider maps otherwise than rest.CodeOf.
	Codes map[int]slipway.Code
	// Skip leaves out cases, by name, each with the reason.
	Skip map[string]string
}

type check struct {
	reason string
	run    func(*World)
	setup  func(*World) // before the emulator's first request
}

// cases holds every case of the suite by its name.
func cases() map[string]check {
	all := maps.Clone(life)
	maps.Copy(all, faults)
	return all
}

// Run judges one kind.
func Run(t *testing.T, s Subject) {
	all := cases()
	for name := range s.Skip {
		if _, ok := all[name]; !ok {
			t.Errorf("the suite has no case %q to skip", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		t.Run(name, func(t *testing.T) {
			if why := s.Skip[name]; why != "" {
				t.Skip(why)
			}
			t.Parallel()
			w := newWorld(t, s, c.setup)
			c.run(w)
			if t.Failed() {
				t.Logf("reason: %s", c.reason)
			}
		})
	}
}
