package neonemu

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// TestAccess: what a key may do as with:access makes it.
func TestAccess(t *testing.T) {
	tests := map[string]struct {
		reason string
		want   []int // list, create, organisation
	}{
		"":          {"a whole key", []int{200, 201, 200}},
		"revoked":   {"it is not accepted", []int{401, 401, 401}},
		"read-only": {"it reads", []int{200, 403, 200}},
		"project":   {"it reaches its project, and neither makes one nor sees the organisation", []int{200, 403, 404}},
	}
	for access, test := range tests {
		t.Run(access, func(t *testing.T) {
			s := &Server{}
			if access != "" {
				hook, err := emukit.ParseFaults("* *#*=with:access:" + access)
				if err != nil {
					t.Fatal(err)
				}
				s.Hook = hook
			}
			w := newWorld(t, s)
			list, _ := w.as(acmeKey, "GET", "/projects", "")
			create, _ := w.as(acmeKey, "POST", "/projects", `{"project":{}}`)
			org, _ := w.as(acmeKey, "GET", "/organizations/"+acme, "")
			if diff := cmp.Diff(test.want, []int{list, create, org}); diff != "" {
				t.Errorf("%s:\n%s", test.reason, diff)
			}
		})
	}
}
