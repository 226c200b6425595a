package neon

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	key, otherKey = "napi_canary_of_acme_0123456789", "napi_canary_of_beta_0123456789"
	acme, beta    = "org-acme-12345678", "org-beta-12345678"
)

func emulator() providertest.Emulator {
	s := &neonemu.Server{APIKeys: map[string]neonemu.Account{
		key:      {User: neonemu.User{ID: "u-acme", Login: "a", Name: "A", Email: "a@example.com"}, Orgs: []neonemu.Org{{ID: acme, Name: "Acme", Handle: "acme"}}},
		otherKey: {Orgs: []neonemu.Org{{ID: beta, Name: "Beta", Handle: "beta"}}},
	}}
	return providertest.Emulator{
		Handler: s, Kit: &s.Kit, BaseEnv: "SLIPWAY_NEON_URL", BasePath: "/api/v2", Spec: "neon",
		Settings: map[string]string{"NEON_API_KEY": key, "NEON_ORG_ID": acme},
		Other:    map[string]string{"NEON_API_KEY": otherKey, "NEON_ORG_ID": beta},
		Auth:     func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) },
	}
}

func manifest() *slipway.Manifest {
	return &slipway.Manifest{
		App: "shop-front", Environments: []string{"production", "preview"},
		Resources: map[string]slipway.ManifestResource{"db": {Type: typePostgres, Fields: map[string]any{"region": "aws-eu-central-1", "version": int64(16)}}},
	}
}

func subject(kind slipway.Kind, environment string) providertest.Subject {
	s := providertest.Subject{New: New, Emulator: emulator, Manifest: manifest(), Environment: environment, Address: slipway.NewAddress(kind, "db", environment)}
	if kind == kindProject {
		s.Address = slipway.NewAddress(kind, "db", "")
	}
	return s
}

func TestProject(t *testing.T) {
	s := subject(kindProject, "production")
	s.Field = "name"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		w.Send("PATCH", "/projects/"+have.ID, map[string]any{"project": map[string]string{"name": "renamed"}}, nil)
	}
	s.Crowd = func(w *providertest.World) {
		for i := range 400 {
			w.Send("POST", "/projects", map[string]any{"project": map[string]string{"name": fmt.Sprintf("shop-front-%d", i), "org_id": acme}}, nil)
		}
	}
	providertest.Run(t, s)
}

func TestProjectRole(t *testing.T) {
	s := subject(kindProject, "production")
	s.Field = "database"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		w.Send("DELETE", "/projects/"+have.ID+"/branches/"+have.Details["branch_id"]+"/databases/shop_front", nil, nil)
	}
	providertest.Run(t, s)
}

func TestBranch(t *testing.T) {
	s := subject(kindBranch, "preview")
	s.Field = "name"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		project, id := cut(have.ID)
		w.Send("PATCH", "/projects/"+project+"/branches/"+id, map[string]any{"branch": map[string]string{"name": "renamed"}}, nil)
	}
	providertest.Run(t, s)
}

func TestEndpoint(t *testing.T) {
	s := subject(kindEndpoint, "preview")
	s.Field = "disabled"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		project, id := cut(have.ID)
		w.Send("PATCH", "/projects/"+project+"/endpoints/"+id, map[string]any{"endpoint": map[string]bool{"disabled": true}}, nil)
	}
	providertest.Run(t, s)
}

func TestRole(t *testing.T) { providertest.Run(t, subject(kindRole, "preview")) }

func TestDatabase(t *testing.T) {
	s := subject(kindDatabase, "preview")
	s.Field = "owner"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		project, branch, name := cutInBranch(have.ID)
		w.Send("PATCH", "/projects/"+project+"/branches/"+branch+"/databases/"+name, map[string]any{"database": map[string]string{"owner_name": "shop_front"}}, nil)
	}
	providertest.Run(t, s)
}

func TestExpand(t *testing.T) {
	production := New(rest.Config{}).Expand(manifest(), "production")
	if diff := cmp.Diff([]string{"neon.project/db shop-front db"}, shown(production)); diff != "" {
		t.Errorf("production (-want +got):\n%s", diff)
	}
	preview := New(rest.Config{}).Expand(manifest(), "preview")
	want := []string{
		"neon.project/db shop-front ", "neon.branch/db@preview preview ", "neon.endpoint/db@preview preview ",
		"neon.role/db@preview shop_front_preview ", "neon.database/db@preview shop_front_preview db",
	}
	if diff := cmp.Diff(want, shown(preview)); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
}

func shown(specs []slipway.Spec) []string {
	var out []string
	for _, s := range specs {
		out = append(out, string(s.Address)+" "+s.Name+" "+s.Serves)
	}
	return out
}
