package vercelemu

import (
	"maps"
	"net/http"
	"slices"
)

// marketProduct is what an integration sells. Ids are an emulator's own; the keys of metadata are those that upstashemu's Provision reads.
type marketProduct struct {
	id, slug, name string
	metadata       map[string]string // the type of each key
	required       []string
}

func marketProducts() []marketProduct {
	return []marketProduct{
		{
			"iap_upstash_kv", "upstash-kv", "Upstash for Redis",
			map[string]string{"primaryRegion": "string", "readRegions": "array", "eviction": "boolean"},
			[]string{"primaryRegion"},
		},
		{
			"iap_upstash_vector", "upstash-vector", "Upstash for Vector",
			map[string]string{"region": "string", "dimensionCount": "number", "similarityFunction": "string"},
			[]string{"dimensionCount", "region", "similarityFunction"},
		},
	}
}

// marketProductOf is nil for none.
func marketProductOf(idOrSlug string) *marketProduct {
	for _, p := range marketProducts() {
		if idOrSlug == p.id || idOrSlug == p.slug {
			return &p
		}
	}
	return nil
}

func productViews() []obj {
	var out []obj
	for _, p := range marketProducts() {
		out = append(out, p.view())
	}
	return out
}

// view has the metadataSchema in the form by which the vendor's CLI checks its --metadata.
func (p marketProduct) view() obj {
	properties := obj{}
	for key, kind := range p.metadata {
		property := obj{"type": kind, "ui:control": map[string]string{"array": "multi-select", "boolean": "toggle"}[kind]}
		switch kind {
		case "array": // any value: the partner refuses what it does not have
			property["items"], property["ui:options"] = obj{"type": "string"}, []obj{}
		case "number", "string":
			property["ui:control"] = "input"
		}
		properties[key] = property
	}
	return obj{
		"id": p.id, "slug": p.slug, "name": p.name, "protocols": obj{"storage": obj{"status": "enabled"}}, "primaryProtocol": "storage",
		"metadataSchema": obj{"type": "object", "properties": properties, "required": p.required},
	}
}

// refuses says what in metadata the product does not take, "" for nothing.
func (p marketProduct) refuses(metadata map[string]any) string {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		kind, known := p.metadata[key]
		if !known {
			return "`" + key + "` is no metadata of this product."
		}
		if why := (&schema{kind: kind, items: str(0)}).check(key, metadata[key]); why != "" {
			return why
		}
	}
	for _, key := range p.required {
		if _, given := metadata[key]; !given {
			return "`" + key + "` is required."
		}
	}
	return ""
}

// getIntegration is how the CLI finds what an integration sells.
func (s *Server) getIntegration(c *call) (any, *failure) {
	if f := marketIntegration(c); f != nil {
		return nil, f
	}
	return obj{
		"id": integrationID, "slug": integrationSlug, "name": "Upstash", "isMarketplace": true, "canInstall": true, "products": productViews(),
	}, nil
}

func marketIntegration(c *call) *failure {
	if at := c.path("integration"); at != integrationSlug && at != integrationID {
		return notFound("Integration not found")
	}
	return nil
}

// autoProvision makes a store in one call. Where the integration is not installed, or a person has to say more, the answer is 422 with the
// page that asks for it, which the CLI opens; its kinds are our reading of the CLI's source [? vercel-auto-provision].
func (s *Server) autoProvision(c *call) (any, *failure) {
	if f := marketIntegration(c); f != nil {
		return nil, f
	}
	var in struct {
		Name, InstallationID string
		Metadata             map[string]any
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	product := marketProductOf(c.path("product"))
	if product == nil {
		return nil, notFound("Product not found")
	}
	byHand := func(kind, message string) *failure {
		return &failure{status: http.StatusUnprocessableEntity, code: "unprocessable_entity", message: message, more: map[string]any{
			"kind": kind, "url": "https://vercel.com/d?to=%2F%5Bteam%5D%2F~%2Fintegrations%2Fcheckout%2F" + integrationSlug,
			"integration": obj{"id": integrationID, "slug": integrationSlug, "name": "Upstash"}, "product": obj{"id": product.id, "slug": product.slug, "name": product.name},
		}}
	}
	if s.NoMarketplace {
		return nil, byHand("install", "The integration is not installed.")
	}
	if in.InstallationID != "" && in.InstallationID != c.scope.configuration() {
		return nil, notFound("Configuration not found")
	}
	if slices.ContainsFunc(product.required, func(key string) bool { _, given := in.Metadata[key]; return !given }) {
		return nil, byHand("metadata", "Required metadata is missing.")
	}
	store, f := s.provision(c, product.slug, in.Name, in.Metadata)
	if f != nil {
		return nil, f
	}
	return obj{
		"kind": "provisioned", "resource": obj{"id": store.id, "name": store.name, "status": "available", "externalResourceId": store.partnerID},
		"installation": obj{"id": store.configuration}, "billingPlan": obj{"id": "free", "name": "Free", "type": "subscription"},
		"integration": obj{"id": integrationID, "slug": integrationSlug, "name": "Upstash"}, "product": obj{"id": product.id, "slug": product.slug, "name": product.name},
	}, nil
}
