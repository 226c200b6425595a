package upstash

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/provider/providertest"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	alice, aliceKey = "alice@example.com", "canary-key-of-alice-0123456789"
	bob, bobKey     = "bob@example.com", "canary-key-of-bob-0123456789"
)

func emulator() providertest.Emulator { return serve(&upstashemu.Server{}) }

func serve(s *upstashemu.Server) providertest.Emulator {
	s.Accounts = map[string]upstashemu.Account{alice: {APIKey: aliceKey}, bob: {APIKey: bobKey}}
	return providertest.Emulator{
		Handler: s, Kit: &s.Kit, BaseEnv: "SLIPWAY_UPSTASH_URL", Spec: "upstash",
		Settings: map[string]string{"UPSTASH_EMAIL": alice, "UPSTASH_API_KEY": aliceKey},
		Other:    map[string]string{"UPSTASH_EMAIL": bob, "UPSTASH_API_KEY": bobKey},
		Auth:     func(r *http.Request) { r.SetBasicAuth(alice, aliceKey) },
	}
}

func manifest() *slipway.Manifest {
	return &slipway.Manifest{App: "shop", Environments: []string{"production", "preview"}, Resources: map[string]slipway.ManifestResource{
		"cache": {Type: "upstash.redis", Fields: map[string]any{
			"region": "us-east-1", "eviction": true, "plan": "fixed_1gb", "read_regions": []string{"us-west-2", "eu-west-1"},
		}},
		"jobs":   {Type: "upstash.redis", PerEnvironment: true, Fields: map[string]any{"region": "us-central1"}},
		"search": {Type: "upstash.vector", Fields: map[string]any{"region": "eu-west-1", "dimensions": int64(1536), "metric": "dot_product"}},
	}}
}

func subject(a slipway.Address, environment string) providertest.Subject {
	return providertest.Subject{New: New, Emulator: emulator, Manifest: manifest(), Environment: environment, Address: a}
}

func TestRedis(t *testing.T) {
	for field, drift := range map[string]func(w *providertest.World, id string){
		"name": func(w *providertest.World, id string) {
			w.Send("POST", "/v2/redis/rename/"+id, map[string]string{"name": "renamed"}, nil)
		},
		"eviction": func(w *providertest.World, id string) { w.Send("POST", "/v2/redis/disable-eviction/"+id, nil, nil) },
		"plan": func(w *providertest.World, id string) {
			w.Send("POST", "/v2/redis/"+id+"/change-plan", map[string]string{"plan_name": "payg"}, nil)
		},
		"read_regions": func(w *providertest.World, id string) {
			w.Send("POST", "/v2/redis/update-regions/"+id, map[string]any{"read_regions": []string{"us-west-2"}}, nil)
		},
	} {
		t.Run(field, func(t *testing.T) {
			s := subject("upstash.redis/cache", "production")
			s.Field = field
			s.Drift = func(w *providertest.World, have slipway.Receipt) { drift(w, have.ID) }
			providertest.Run(t, s)
		})
	}
}

func TestRedisOfAnEnvironment(t *testing.T) {
	providertest.Run(t, subject("upstash.redis/jobs@preview", "preview"))
}

func TestVector(t *testing.T) {
	s := subject("upstash.vector/search", "production")
	s.Field = "name"
	s.Drift = func(w *providertest.World, have slipway.Receipt) {
		w.Send("POST", "/v2/vector/index/"+have.ID+"/rename", map[string]string{"name": "renamed"}, nil)
	}
	providertest.Run(t, s)
}

func TestExpand(t *testing.T) {
	got := map[slipway.Address]map[string]any{}
	for _, s := range New(rest.Config{}).Expand(manifest(), "preview") {
		got[s.Address] = s.Params
	}
	want := map[slipway.Address]map[string]any{
		"upstash.redis/cache": {
			"name": "shop-cache", "region": "us-east-1", "eviction": true, "plan": "fixed_1gb", "read_regions": []string{"eu-west-1", "us-west-2"},
		},
		"upstash.redis/jobs@preview": {"name": "shop-jobs-preview", "region": "us-central1"},
		"upstash.vector/search":      {"name": "shop-search", "region": "eu-west-1", "dimensions": int64(1536), "metric": "dot_product"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("specs (-want +got):\n%s", diff)
	}
}
