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
		order := obj{"name": "cache", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "upstash-kv", "metadata": obj{"primaryRegion": "us-east-1"}}
		store := w.want(200, "POST", "/v1/storage/stores/integration/direct", order).str("store", "id")
		w.want(404, "POST", "/v1/storage/stores/integration/direct", obj{"name": "x", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "none"})
		w.want(400, "POST", "/v1/storage/stores/integration/direct", obj{"name": "bad", "integrationConfigurationId": configuration, "integrationProductIdOrSlug": "iap_upstash_kv", "metadata": order["metadata"]})
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
		if kind := w.want(422, "POST", autoProvisionKV, orderByCLI("cache", obj{"primaryRegion": "us-east-1"})).str("error", "kind"); kind != "install" {
			t.Errorf("the CLI is told of %q", kind)
		}
	})
}

const autoProvisionKV = "/v1/integrations/integration/upstash/marketplace/auto-provision/upstash-kv"

// orderByCLI is the request of the vendor's CLI.
func orderByCLI(name string, metadata obj) obj {
	return obj{"name": name, "metadata": metadata, "acceptedPolicies": obj{}, "source": "cli"}
}

// What is bought in one call is what is bought in two, and metadata is as strict.
func TestMarketplaceInOneCall(t *testing.T) {
	play(t, &Server{Partner: &partner{}}, func(w *world) {
		schema := w.want(200, "GET", "/v2/integrations/integration/upstash", nil)
		if kind := schema.str("products", 0, "metadataSchema", "properties", "eviction", "type"); kind != "boolean" {
			t.Errorf("eviction is a %q", kind)
		}
		w.want(404, "GET", "/v2/integrations/integration/other", nil)
		configuration := w.want(200, "GET", "/v2/integrations/configurations?view=account", nil).str(0, "id")
		for name, tc := range map[string]struct {
			reason   string
			status   int
			metadata obj
		}{
			"unknown key":  {"a typing error is no setting", 400, obj{"primaryRegion": "us-east-1", "primary": "x"}},
			"wrong type":   {"true is no text", 400, obj{"primaryRegion": true}},
			"missing":      {"a page has to ask for it", 422, obj{"eviction": true}},
			"as it should": {"the rest has defaults", 200, obj{"primaryRegion": "us-east-1"}},
		} {
			if a := w.do("POST", autoProvisionKV, orderByCLI("cache", tc.metadata)); a.status != tc.status {
				t.Errorf("%s: %s: %d %s", name, tc.reason, a.status, a.raw)
			}
		}
		order := orderByCLI("two", obj{"primaryRegion": "us-east-1"})
		order["installationId"] = configuration
		made := w.want(200, "POST", autoProvisionKV, order).str("resource", "id")
		if name := w.want(200, "GET", "/storage/stores/"+made, nil).str("store", "name"); name != "two" {
			t.Errorf("the store is %q", name)
		}
		order["installationId"] = "icfg_other"
		w.want(404, "POST", autoProvisionKV, order)
		w.want(404, "POST", "/v1/integrations/integration/upstash/marketplace/auto-provision/none", orderByCLI("x", obj{}))
		w.want(404, "POST", "/v1/integrations/integration/other/marketplace/auto-provision/upstash-kv", orderByCLI("x", obj{}))
	})
}
