package manifest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: Parse never panics, gives either a document or positioned faults, and reads the same bytes the same way.
func FuzzParse(f *testing.F) {
	f.Add(full)
	for _, s := range invalid {
		if len(s.src) < 4096 {
			f.Add(s.src)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		d, err := Parse("slipway.yaml", []byte(src), types)
		if err == nil {
			again, err := Parse("slipway.yaml", []byte(src), types)
			if err != nil {
				t.Fatalf("a second Parse refuses it: %v", err)
			}
			if diff := cmp.Diff(d.Manifest, again.Manifest); diff != "" {
				t.Fatal(diff)
			}
			return
		}
		var faults Errors
		if !errors.As(err, &faults) {
			t.Fatalf("got %T: %v", err, err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Message == "" {
				t.Fatalf("no position or message: %#v", fault)
			}
			_ = fault.String()
		}
	})
}
