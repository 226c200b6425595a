package vercelemu

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// partner makes stores of one variable.
type partner struct{ gone []string }

func (p *partner) Provision(product, name string, _ map[string]any) (string, map[string]string, error) {
	if name == "bad" {
		return "", nil, errors.New("no such region")
	}
	return "at-" + name, map[string]string{"KV_REST_API_URL": "https://" + product}, nil
}

func (p *partner) Discard(id string) { p.gone = append(p.gone, id) }

func TestMarketplace(t *testing.T) {
	upstash := &partner{}
	play(t, &Server{Partner: upstash}, func(w *world) {
		p := w.project("shop")
		w.want(400, "GET", "/v1/integrations/configurations", nil)
		configuration := w.want(200, "GET", "/v1/integrations/configurations?view=account&installationType=marketplace&integrationIdOrSlug=upstash", nil).str(0, "id")
		w.want(200, "GET", "/v1/integrations/configurations?view=account&integrationIdOrSlug=neon", nil)
		if slug := w.want(200, "GET", "/v1/integrations/configuration/"+configuration+"/products", nil).str("products", 0, "slug"); slug != "upstash-kv" {
			t.Errorf("the first product is %q", slug)
		}
		w.want(404, "GET", "/v1/integrations/configuration/icfg_other/products", nil)
		order := obj{"name": "cache", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "upstash-kv"}
		store := w.want(200, "POST", "/v1/storage/stores/integration/direct", order).str("store", "id")
		w.want(404, "POST", "/v1/storage/stores/integration/direct", obj{"name": "x", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "none"})
		w.want(400, "POST", "/v1/storage/stores/integration/direct", obj{"name": "bad", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "iap_upstash_kv"})
		connect := obj{"envVarEnvironments": []string{"production"}, "projectId": p, "type": "integration"}
		w.want(200, "POST", "/v1/storage/stores/"+store+"/connections", connect)
		w.want(409, "POST", "/v1/storage/stores/"+store+"/connections", connect)
		w.want(404, "POST", "/v1/storage/stores/"+store+"/connections", obj{"envVarEnvironments": []string{"production"}, "projectId": "none"})
		if key := w.want(200, "GET", "/v10/projects/"+p+"/env", nil).str("envs", 0, "key"); key != "KV_REST_API_URL" {
			t.Errorf("the project has the variable %q", key)
		}
		if name := w.want(200, "GET", "/storage/stores/"+store, nil).str("store", "projectsMetadata", 0, "projectId"); name != p {
			t.Errorf("the store is connected to %q", name)
		}
		w.want(200, "GET", "/v1/storage/stores", nil)
		w.want(409, "DELETE", "/v1/storage/stores/integration/"+store, nil)
		w.want(200, "DELETE", "/v1/storage/stores/"+store+"/connections", nil)
		w.want(200, "DELETE", "/v1/storage/stores/integration/"+store, nil)
		w.want(404, "GET", "/v1/storage/stores/"+store, nil)
		if diff := cmp.Diff([]string{"at-cache"}, upstash.gone); diff != "" {
			t.Errorf("a store that is deleted is deleted at the partner (-want +got):\n%s", diff)
		}
		if a := w.want(200, "GET", "/v10/projects/"+p+"/env", nil); strings.Contains(string(a.raw), "KV_REST_API_URL") {
			t.Errorf("the project kept the variables of a store that is gone: %s", a.raw)
		}
	})
	play(t, &Server{NoMarketplace: true}, func(w *world) {
		w.want(200, "GET", "/v1/integrations/configurations?view=account", nil)
	})
}
