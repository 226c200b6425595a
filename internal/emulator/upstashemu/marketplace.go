package upstashemu

import (
	"fmt"
	"net/url"
	"slices"
)

// marketplace owns what a partner's marketplace made: no native account sees it.
const marketplace = "vercel-marketplace"

// Provision makes a store as Vercel's Marketplace does, whatever the Developer API says to its account, and returns its id and the
// variables that a connected project gets. Redis is upstash-kv (https://vercel.com/marketplace/upstash/upstash-kv); the slug of Vector, the
// names of its variables and the keys of metadata are [? upstash-marketplace].
func (s *Server) Provision(product, name string, metadata map[string]any) (id string, variables map[string]string, err error) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	text := func(key string) string { v, _ := metadata[key].(string); return v }
	number := func(key string) int { v, _ := metadata[key].(float64); return int(v) }
	now := s.Clock()
	active := now.Add(s.createTime())
	switch product {
	case "upstash-kv":
		in := databaseCreate{Name: name, Platform: "aws", PrimaryRegion: text("primaryRegion")}
		if slices.Contains(gcpRegions, in.PrimaryRegion) {
			in.Platform = "gcp"
		}
		if f := in.check(); f != nil {
			return "", nil, fmt.Errorf("%s", f.message)
		}
		eviction, _ := metadata["eviction"].(bool)
		d := &database{
			id: s.RandomUUID(), name: name, slug: s.newSlug(""), email: marketplace, region: in.PrimaryRegion, tls: true, eviction: eviction,
			created: now, active: active, birth: s.Born(), redis: s.newRedis(),
		}
		s.newCredentials(d)
		s.databases[d.id], s.stores[d.slug] = d, d
		s.order.databases = append(s.order.databases, d)
		return d.id, s.redisVariables(d), nil
	case "upstash-vector":
		in := indexCreate{Name: name, Region: text("region"), SimilarityFunction: text("similarityFunction"), DimensionCount: number("dimensionCount")}
		if f := in.check(); f != nil {
			return "", nil, fmt.Errorf("%s", f.message)
		}
		x := &index{
			id: s.RandomUUID(), name: name, slug: s.newSlug("-" + vectorRegions[in.Region] + "-vector"), email: marketplace, region: in.Region,
			similarity: in.SimilarityFunction, dimension: in.DimensionCount, plan: "free", kind: in.IndexType, created: now, active: active, birth: s.Born(),
		}
		s.newTokens(x)
		s.indexes[x.id], s.stores[x.slug] = x, x
		s.order.indexes = append(s.order.indexes, x)
		return x.id, map[string]string{
			"UPSTASH_VECTOR_REST_URL": s.restURL(x.slug), "UPSTASH_VECTOR_REST_TOKEN": x.token, "UPSTASH_VECTOR_REST_READONLY_TOKEN": x.readToken,
		}, nil
	}
	return "", nil, fmt.Errorf("there is no product %q", product)
}

func (s *Server) redisVariables(d *database) map[string]string {
	at := s.restURL(d.slug)
	host := at
	if u, err := url.Parse(at); err == nil {
		host = u.Hostname()
	}
	tcp := "rediss://default:" + d.password + "@" + host + ":6379"
	return map[string]string{
		"KV_REST_API_URL": at, "KV_REST_API_TOKEN": d.token, "KV_REST_API_READ_ONLY_TOKEN": d.readToken, "KV_URL": tcp, "REDIS_URL": tcp,
	}
}

// restURL is where a store's data plane answers.
func (s *Server) restURL(slug string) string {
	if s.DataURL != "" {
		return s.endpoint(slug)
	}
	return "https://" + s.endpoint(slug)
}

// Discard deletes what Provision made; anything else stays.
func (s *Server) Discard(id string) {
	s.once.Do(s.start)
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.databases[id]; d != nil && d.email == marketplace {
		delete(s.databases, id)
		delete(s.stores, d.slug)
		s.order.databases = slices.DeleteFunc(s.order.databases, func(o *database) bool { return o == d })
		go d.redis.Close() // waits for the commands that are running
	}
	if x := s.indexes[id]; x != nil && x.email == marketplace {
		delete(s.indexes, id)
		delete(s.stores, x.slug)
		s.order.indexes = slices.DeleteFunc(s.order.indexes, func(o *index) bool { return o == x })
	}
}
