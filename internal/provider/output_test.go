package provider

import (
	"slices"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// A person who has to carry a value is told where it is, and Slipway can try it out.
func TestOutputs(t *testing.T) {
	types := 0
	for _, p := range All(rest.Config{}) {
		for _, r := range p.Info().Types {
			types++
			for _, o := range r.Outputs {
				if o.Where.Checked == "" {
					t.Errorf("%s.%s: nothing says where a person finds it", r.Name, o.Name)
				}
			}
			if r.Connects == "" {
				t.Errorf("%s: its values cannot be tried out", r.Name)
				continue
			}
			for _, name := range slices.Concat(r.Connects.Sets()...) {
				if !slices.ContainsFunc(r.Outputs, func(o slipway.OutputInfo) bool { return o.Name == name }) {
					t.Errorf("%s: to try it out takes %s, which is no output of it", r.Name, name)
				}
			}
		}
	}
	if types == 0 {
		t.Error("no types")
	}
}
