// Package upstash is the provider of Upstash Redis databases and Vector indexes, and gives their URLs and tokens as late outputs:
// https://upstash.com/docs/devops/developer-api.
package upstash

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	kindRedis  slipway.Kind = "upstash.redis"
	kindVector slipway.Kind = "upstash.vector"

	defaultURL = "https://api.upstash.com"
	// maxName is not documented [?]; maxDimensions: https://upstash.com/docs/vector/overall/pricing
	maxName, maxDimensions = 128, 5000
)

// Regions and plans by https://upstash.com/docs/devops/developer-api/redis/create_database_global and vector/create_index.
var (
	awsRegions = []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "sa-east-1", "ap-south-1",
		"ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "af-south-1",
	}
	gcpRegions    = []string{"us-central1", "us-east4", "europe-west1", "asia-northeast1"}
	vectorRegions = []string{"us-east-1", "eu-west-1", "us-central1"}
	plans         = []string{"free", "payg", "fixed_250mb", "fixed_1gb", "fixed_5gb", "fixed_10gb", "fixed_50gb", "fixed_100gb", "fixed_500gb"}
	metrics       = map[string]string{"cosine": "COSINE", "euclidean": "EUCLIDEAN", "dot_product": "DOT_PRODUCT"}
)

// New returns the provider; config is that of the process.
func New(config rest.Config) slipway.Provider { return provider{config} }

type provider struct{ config rest.Config }

var _ slipway.Provider = provider{}

func (provider) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{
		Name: "upstash", Title: "Upstash", Docs: "https://upstash.com/docs/devops/developer-api", Causes: causes, Pages: pages(),
		Settings: []slipway.Setting{
			{Env: "UPSTASH_EMAIL", Help: "e-mail of the Upstash account; accounts made through Vercel or Fly cannot use the API", Required: true},
			{Env: "UPSTASH_API_KEY", Help: "management API key: https://console.upstash.com/account/api", Secret: true, Required: true},
			{Env: "SLIPWAY_UPSTASH_URL", Help: "base URL of the Upstash API, without /v2", Default: defaultURL},
		},
		Types: []slipway.ResourceType{redisType(), vectorType()},
		Kinds: []slipway.KindInfo{
			{
				Kind: kindRedis, Docs: "https://upstash.com/docs/devops/developer-api/redis/create_database_global", Immutable: []string{"region"},
				Stateful: true, Ledgered: true, Root: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "a Redis database is created and counts towards your plan",
					slipway.OpUpdate:  "the database's name or settings change; its data stays",
					slipway.OpAdopt:   "an existing Redis database is used from now on; Slipway will never delete it",
					slipway.OpReplace: "a new and empty database takes the place of the old one, whose data the app no longer sees",
					slipway.OpDelete:  "the database is deleted with all data in it, for good",
				},
			},
			{
				Kind: kindVector, Docs: "https://upstash.com/docs/devops/developer-api/vector/create_index",
				Immutable: []string{"region", "dimensions", "metric"}, Stateful: true, Ledgered: true, Root: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "a Vector index is created and counts towards your plan",
					slipway.OpUpdate:  "the index is renamed",
					slipway.OpAdopt:   "an existing Vector index is used from now on; Slipway will never delete it",
					slipway.OpReplace: "a new and empty index takes the place of the old one, whose vectors the app no longer sees",
					slipway.OpDelete:  "the index is deleted with all vectors in it, for good",
				},
			},
		},
	}
}

// existingID is how a store that is there already is named.
func existingID(what, page string) []slipway.ExistingInfo {
	return []slipway.ExistingInfo{{
		Name: "id", Required: true, Pattern: `^[a-z0-9-]{1,64}$`, Says: "be an id of Upstash, such as 0639864f-ece6-429c-8118-86a287b0e808",
		Help: "id of the " + what + ", the last part of its page's address: " + page,
	}}
}

func redisType() slipway.ResourceType {
	return slipway.ResourceType{
		Name: string(kindRedis), Help: "an Upstash Redis database", Environment: true, Connects: slipway.ConnectRedis,
		Existing: existingID("database", "https://console.upstash.com/redis/ID"),
		Fields: []slipway.FieldInfo{
			{Name: "region", Type: slipway.FieldString, Required: true, Enum: slices.Concat(awsRegions, gcpRegions), Help: "primary region; cannot be changed later"},
			{Name: "read_regions", Type: slipway.FieldStrings, Enum: awsRegions, Help: "regions with a read replica"},
			{Name: "plan", Type: slipway.FieldString, Enum: plans, Help: "payment plan; default: the account's"},
			{Name: "eviction", Type: slipway.FieldBool, Help: "drop old keys when the database is full"},
			{Name: "tls", Type: slipway.FieldBool, Help: "accept TLS connections only; cannot be turned off later"},
		},
		Outputs: []slipway.OutputInfo{
			{Name: "rest_url", Help: "URL of the REST API", Where: ofRedis("HTTPS")},
			{Name: "rest_token", Secret: true, Help: "token of the REST API", Where: ofRedis("Token")},
			{Name: "read_only_rest_token", Secret: true, Help: "token of the REST API that cannot write", Where: ofRedis("Readonly Token")},
			{Name: "url", Secret: true, Help: "rediss:// connection string", Where: ofRedis("TCP")},
			{Name: "endpoint", Help: "host name", Where: ofRedis("Endpoint")},
			{Name: "password", Secret: true, Help: "password of the user default", Where: ofRedis("TCP: between : and @")},
		},
	}
}

func vectorType() slipway.ResourceType {
	return slipway.ResourceType{
		Name: string(kindVector), Help: "an Upstash Vector index", Environment: true, Connects: slipway.ConnectVector,
		Existing: existingID("index", "https://console.upstash.com/vector/ID"),
		Fields: []slipway.FieldInfo{
			{Name: "region", Type: slipway.FieldString, Required: true, Enum: vectorRegions, Help: "where the index lives; cannot be changed later"},
			{Name: "dimensions", Type: slipway.FieldInt, Required: true, Help: "numbers in one vector; cannot be changed later"},
			{Name: "metric", Type: slipway.FieldString, Default: "cosine", Enum: slices.Sorted(maps.Keys(metrics)), Help: "how vectors are compared; cannot be changed later"},
		},
		Outputs: []slipway.OutputInfo{
			{Name: "rest_url", Help: "URL of the REST API", Where: ofVector("Endpoint")},
			{Name: "rest_token", Secret: true, Help: "token of the REST API", Where: ofVector("Token")},
			{Name: "read_only_rest_token", Secret: true, Help: "token of the REST API that cannot write", Where: ofVector("Readonly Token")},
			{Name: "endpoint", Help: "host name", Where: ofVector("Endpoint: without https://")},
		},
	}
}

func (provider) Check(m *slipway.Manifest) []slipway.Problem {
	var out []slipway.Problem
	for _, key := range resources(m) {
		r := m.Resources[key]
		add := func(field, message, hint string) {
			path := []string{"resources", key, field}
			if field == "name" && r.Name == "" {
				path = path[:2] // the name comes from the app's
			}
			out = append(out, slipway.Problem{Path: path, Message: message, Hint: hint})
		}
		if r.Existing != nil && r.PerEnvironment {
			add("per_environment", "what exists already cannot be one for each environment", "leave per_environment: out, or declare a resource for each")
		}
		for _, environment := range environments(m, r) {
			if n := nameOf(m, key, environment); len(n) > maxName {
				add("name", fmt.Sprintf("the name %q has over %d bytes", n, maxName), "shorten name:")
				break
			}
		}
		if n, ok := r.Fields["dimensions"].(int64); ok && (n < 1 || n > maxDimensions) {
			add("dimensions", fmt.Sprintf("an index has from 1 to %d dimensions", maxDimensions), "use the number that the embedding model gives")
		}
		if region, _ := r.Fields["region"].(string); slices.Contains(stringsOf(r.Fields["read_regions"]), region) && region != "" {
			add("read_regions", "the primary region is no read region", "leave it out of read_regions:")
		}
	}
	return out
}

func (provider) Expand(m *slipway.Manifest, environment string) []slipway.Spec {
	var out []slipway.Spec
	for _, key := range resources(m) {
		r := m.Resources[key]
		at := ""
		if r.PerEnvironment {
			at = environment
		}
		s := slipway.Spec{Address: slipway.NewAddress(slipway.Kind(r.Type), key, at), Name: nameOf(m, key, at), Serves: key}
		if r.Existing != nil {
			out = append(out, existing(s, r))
			continue
		}
		s.Params = map[string]any{"name": s.Name, "region": r.Fields["region"]}
		if s.Address.Kind() == kindVector {
			metric, _ := r.Fields["metric"].(string)
			if metric == "" {
				metric = "cosine"
			}
			s.Params["dimensions"], s.Params["metric"] = r.Fields["dimensions"], metric
		}
		for _, name := range []string{"plan", "eviction", "tls"} {
			if v, ok := r.Fields[name]; ok && s.Address.Kind() == kindRedis {
				s.Params[name] = v
			}
		}
		if v, ok := r.Fields["read_regions"]; ok {
			s.Params["read_regions"] = slices.Sorted(slices.Values(stringsOf(v)))
		}
		out = append(out, s)
	}
	return out
}

// existing makes s the store that is there already under an id. What is declared of it has to hold.
func existing(s slipway.Spec, r slipway.ManifestResource) slipway.Spec {
	s.Existing, s.Params = true, maps.Clone(r.Fields)
	s.Name, _ = r.Existing["id"].(string)
	if regions, ok := r.Fields["read_regions"]; ok {
		s.Params["read_regions"] = slices.Sorted(slices.Values(stringsOf(regions)))
	}
	return s
}

// nameOf returns a store's name; environment is "" for one that all environments share.
func nameOf(m *slipway.Manifest, key, environment string) string {
	name := m.Resources[key].Name
	if name == "" {
		name = m.ProviderName() + "-" + key
	}
	if environment != "" {
		name += "-" + environment
	}
	return name
}

// resources returns the keys of the manifest's resources that are Upstash's, sorted.
func resources(m *slipway.Manifest) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.Resources)), func(key string) bool {
		kind := slipway.Kind(m.Resources[key].Type)
		return kind != kindRedis && kind != kindVector
	})
}

// environments returns those in which r has a store of its own; "" when one is shared.
func environments(m *slipway.Manifest, r slipway.ManifestResource) []string {
	if !r.PerEnvironment {
		return []string{""}
	}
	return m.AllEnvironments()
}

func stringsOf(v any) []string { s, _ := v.([]string); return s }

func (p provider) Open(_ context.Context, settings slipway.Settings) (slipway.Session, error) {
	email, _ := settings("UPSTASH_EMAIL")
	key, _ := settings("UPSTASH_API_KEY")
	missing := "UPSTASH_API_KEY"
	if email.Reveal() == "" {
		missing = "UPSTASH_EMAIL"
	}
	if email.Reveal() == "" || key.Reveal() == "" {
		return nil, slipway.Errorf(slipway.CodeCredential, "no credential for Upstash").
			WithHint("set UPSTASH_EMAIL and UPSTASH_API_KEY (%s is missing), made at https://console.upstash.com/account/api", missing)
	}
	set, _ := settings("SLIPWAY_UPSTASH_URL")
	base := cmp.Or(set.Reveal(), defaultURL)
	if err := rest.CheckBase(base); err != nil {
		return nil, err
	}
	return session{client{email: email.Reveal(), rest: rest.New(p.config, rest.API{
		Name: "upstash", Base: base,
		Auth:  func(r *http.Request) { r.SetBasicAuth(email.Reveal(), key.Reveal()) },
		Error: explain,
	})}}, nil
}

type session struct{ client client }

var (
	_ slipway.Session = session{}
	_ slipway.Prober  = session{}
)

func (s session) Handler(kind slipway.Kind) slipway.Handler {
	switch kind {
	case kindRedis:
		return redis{s.client}
	case kindVector:
		return vector{s.client}
	}
	return nil
}

func (s session) Pass() slipway.Session {
	s.client.rest = s.client.rest.Pass()
	return s
}
