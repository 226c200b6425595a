package vercelemu

import (
	"maps"
	"net/http"
	"slices"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Partner makes what the Marketplace's one integration, Upstash, sells: https://vercel.com/marketplace/upstash
type Partner interface {
	// Provision makes a store and returns its id at the partner, and the variables that a connected project gets.
	Provision(product, name string, metadata map[string]any) (id string, variables map[string]string, err error)
	// Discard deletes it.
	Discard(id string)
}

// The integration. Its id is an emulator's own.
const (
	integrationID   = "oac_V3R1GIpkoJorr6fqyiwdhl17"
	integrationSlug = "upstash"
)

// marketStore is a resource that an account has bought.
type marketStore struct {
	id, name, product, partnerID string
	configuration                string // of the installation that it was bought with
	variables                    map[string]string
	links                        []*storeLink
	created                      int64
}

// storeLink is a project that has the store's variables.
type storeLink struct {
	id      string
	project *project
	targets []string
	envs    []string // ids
	prefix  string   // of the variables' names
}

// shownPrefix is null for none.
func (l *storeLink) shownPrefix() any {
	if l.prefix == "" {
		return nil
	}
	return l.prefix
}

// marketRoutes: the integration, its auto-provision, the connections and the deletes are not published; they are what the vendor's CLI calls.
func marketRoutes() []route {
	const cli = "https://github.com/vercel/vercel/tree/main/packages/cli"
	store := object(map[string]*schema{
		"name": str(128), "integrationConfigurationId": matching(`^icfg_[a-zA-Z0-9]+$`), "integrationProductIdOrSlug": str(0), "metadata": mapOf(anything()),
		"externalId": str(0), "protocolSettings": mapOf(anything()), "source": str(0), "billingPlanId": str(0), "paymentMethodId": str(0),
		"prepaymentAmountCents": number(),
	}, "name", "integrationConfigurationId", "integrationProductIdOrSlug")
	connection := openObject(map[string]*schema{
		"envVarEnvironments": list(oneOf(envTargets...)), "projectId": str(0), "type": str(0), "envVarPrefix": null(str(0)),
	}, "envVarEnvironments", "projectId")
	autoProvision := object(map[string]*schema{
		"name": str(128), "metadata": mapOf(anything()), "acceptedPolicies": mapOf(anything()), "source": oneOf("cli"), "billingPlanId": str(0),
		"installationId": matching(`^icfg_[a-zA-Z0-9]+$`), "installationMetadata": mapOf(anything()),
	}, "name", "metadata", "acceptedPolicies", "source")
	return []route{
		{method: "GET", versions: "v1 v2", path: "/integrations/configurations", doc: "integrations/get-configurations-for-the-authenticated-user-or-team", do: (*Server).listConfigurations},
		{method: "GET", versions: "v1", path: "/integrations/configuration/{configuration}/products", doc: "integrations/list-products-for-integration-configuration", do: (*Server).listProducts},
		{
			method: "POST", versions: "v1", path: "/storage/stores/integration/direct", doc: "integrations/create-integration-store-free-and-paid-plans", body: store, do: (*Server).buyStore,
			differs: "the document wants product.value with a mark of its generator (__@BRAND), which no reply can have",
		},
		{method: "GET", versions: "v2", path: "/integrations/integration/{integration}", doc: cli, do: (*Server).getIntegration},
		{
			method: "POST", versions: "v1", path: "/integrations/integration/{integration}/marketplace/auto-provision/{product}", doc: cli, body: autoProvision,
			do: (*Server).autoProvision,
		},
		{method: "GET", versions: "v1", path: "/storage/stores", doc: cli, do: (*Server).listStores},
		{method: "GET", versions: "- v1", path: "/storage/stores/{store}", doc: cli, do: (*Server).getStore},
		{method: "POST", versions: "v1", path: "/storage/stores/{store}/connections", doc: cli, body: connection, do: (*Server).connectStore},
		// /{store}/connections and /integration/{store}: no mux takes both.
		{method: "DELETE", versions: "v1", path: "/storage/stores/{store}/{part}", doc: cli, do: (*Server).deleteOfStore},
	}
}

// configuration is the id of an account's installation.
func (sc *scope) configuration() string { return "icfg_" + letters(sc.id) }

// letters is s without all but letters and digits.
func letters(s string) string {
	var out []byte
	for _, b := range []byte(s) {
		if b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
			out = append(out, b)
		}
	}
	return string(out)
}

// listConfigurations: view is required. An account that has not installed the integration has none.
func (s *Server) listConfigurations(c *call) (any, *failure) {
	if view := c.query("view"); view != "account" && view != "project" {
		return nil, badRequest("Invalid request: `view` should be equal to one of the allowed values \"account\", \"project\".")
	}
	wanted := c.query("integrationIdOrSlug")
	if s.NoMarketplace || wanted != "" && wanted != integrationID && wanted != integrationSlug || c.query("installationType") == "external" {
		return []obj{}, nil
	}
	return []obj{{
		"id": c.scope.configuration(), "integrationId": integrationID, "slug": integrationSlug, "ownerId": c.scope.id, "userId": c.who.User.ID,
		"teamId": c.scope.id, "type": "integration-configuration", "createdAt": 1, "updatedAt": 1, "completedAt": 1, "scopes": []string{},
		"source": "marketplace", "installationType": "marketplace", "integration": obj{"name": "Upstash", "icon": "", "isLegacy": false, "flags": []string{}, "tagIds": []string{}},
	}}, nil
}

func (s *Server) installed(c *call, configuration string) *failure {
	if s.NoMarketplace || configuration != c.scope.configuration() {
		return notFound("Configuration not found")
	}
	return nil
}

func (s *Server) listProducts(c *call) (any, *failure) {
	if f := s.installed(c, c.path("configuration")); f != nil {
		return nil, f
	}
	return obj{
		"products": productViews(), "integration": obj{"id": integrationID, "slug": integrationSlug, "name": "Upstash"},
		"configuration": obj{"id": c.scope.configuration()},
	}, nil
}

// buyStore makes a store with a free plan.
func (s *Server) buyStore(c *call) (any, *failure) {
	var in struct {
		Name, IntegrationConfigurationID, IntegrationProductIDOrSlug string
		Metadata                                                     map[string]any
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	if f := s.installed(c, in.IntegrationConfigurationID); f != nil {
		return nil, f
	}
	store, f := s.provision(c, in.IntegrationProductIDOrSlug, in.Name, in.Metadata)
	if f != nil {
		return nil, f
	}
	return obj{"store": store.view()}, nil
}

// provision makes a store of a product, by its id or slug.
func (s *Server) provision(c *call, idOrSlug, name string, metadata map[string]any) (*marketStore, *failure) {
	product := marketProductOf(idOrSlug)
	if product == nil {
		return nil, notFound("Product not found")
	}
	if why := product.refuses(metadata); why != "" {
		return nil, badRequest("Invalid metadata: " + why)
	}
	store := &marketStore{
		id: "store_" + s.RandomString(16, emukit.Alnum), name: name, product: product.slug, configuration: c.scope.configuration(),
		created: s.stamp(), variables: map[string]string{},
	}
	if s.Partner != nil {
		id, variables, err := s.Partner.Provision(product.slug, name, metadata)
		if err != nil {
			return nil, badRequest("Invalid metadata: " + err.Error())
		}
		store.partnerID, store.variables = id, variables
	}
	c.scope.stores = append(c.scope.stores, store)
	return store, nil
}

// hint is what tells a store's variable from any other.
func (m *marketStore) hint() obj {
	return obj{
		"type": "integration-store-secret", "storeId": m.id, "integrationId": integrationID, "integrationProductId": marketProductOf(m.product).id,
		"integrationConfigurationId": m.configuration,
	}
}

// names are the variables', never nil.
func (m *marketStore) names() []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m.variables))))
}

func (m *marketStore) view() obj {
	projects := []obj{}
	for _, l := range m.links {
		projects = append(projects, obj{
			"id": l.id, "projectId": l.project.id, "name": l.project.name, "environments": l.targets, "envVarPrefix": l.shownPrefix(),
			"environmentVariables": m.names(),
		})
	}
	secrets := []obj{}
	for _, name := range m.names() {
		secrets = append(secrets, obj{"name": name, "length": len(m.variables[name])})
	}
	return obj{
		"id": m.id, "name": m.name, "type": "integration", "status": "available", "usageQuotaExceeded": false, "totalConnectedProjects": len(m.links),
		"projectsMetadata": projects, "externalResourceId": m.partnerID, "externalResourceStatus": "ready", "secrets": secrets,
		"product":   marketProductOf(m.product).view(),
		"createdAt": m.created, "updatedAt": m.created,
	}
}

func (c *call) store() (*marketStore, *failure) { return c.storeWithID(c.path("store")) }

func (c *call) storeWithID(id string) (*marketStore, *failure) {
	for _, m := range c.scope.stores {
		if m.id == id {
			return m, nil
		}
	}
	return nil, notFound("Store not found")
}

func (s *Server) deleteOfStore(c *call) (any, *failure) {
	switch {
	case c.path("store") == "integration":
		return s.deleteStore(c, c.path("part"))
	case c.path("part") == "connections":
		return s.disconnectStore(c)
	}
	if _, f := c.store(); f != nil {
		return nil, f
	}
	return nil, &failure{status: http.StatusNotImplemented, code: "not_implemented", message: "the emulator does not model this part of a store"}
}

func (s *Server) listStores(c *call) (any, *failure) {
	stores := []obj{}
	for _, m := range c.scope.stores {
		stores = append(stores, m.view())
	}
	return obj{"stores": stores}, nil
}

func (s *Server) getStore(c *call) (any, *failure) {
	m, f := c.store()
	if f != nil {
		return nil, f
	}
	return obj{"store": m.view()}, nil
}

// connectStore gives a project the store's variables. They are encrypted [? vercel-store-variables]; one that the project has already is a conflict.
func (s *Server) connectStore(c *call) (any, *failure) {
	var in struct {
		EnvVarEnvironments []string
		ProjectID          string
		EnvVarPrefix       string
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	m, f := c.store()
	if f != nil {
		return nil, f
	}
	p := c.scope.project(in.ProjectID)
	if p == nil {
		return nil, notFound("Project not found.")
	}
	link := &storeLink{id: "spc_" + s.RandomString(16, emukit.Alnum), project: p, targets: in.EnvVarEnvironments, prefix: in.EnvVarPrefix}
	var fresh []*envVar
	for _, name := range m.names() {
		input := envInput{Key: in.EnvVarPrefix + name, Value: m.variables[name], Type: "encrypted", Target: in.EnvVarEnvironments}
		e := s.newEnv(c, input)
		e.store = m
		if slices.ContainsFunc(p.envs, e.overlaps) {
			return nil, &failure{status: http.StatusConflict, code: "conflict", message: "This project already has an existing environment variable with name " + input.Key}
		}
		fresh, link.envs = append(fresh, e), append(link.envs, e.id)
	}
	p.envs, m.links = append(p.envs, fresh...), append(m.links, link)
	return obj{}, nil
}

// disconnectStore takes the store's variables from every project.
func (s *Server) disconnectStore(c *call) (any, *failure) {
	m, f := c.store()
	if f != nil {
		return nil, f
	}
	for _, l := range m.links {
		l.project.envs = slices.DeleteFunc(l.project.envs, func(e *envVar) bool { return slices.Contains(l.envs, e.id) })
	}
	m.links = nil
	return obj{}, nil
}

// deleteStore refuses one that is connected.
func (s *Server) deleteStore(c *call, id string) (any, *failure) {
	m, f := c.storeWithID(id)
	if f != nil {
		return nil, f
	}
	if slices.ContainsFunc(m.links, func(l *storeLink) bool { return c.scope.project(l.project.id) != nil }) {
		return nil, &failure{status: http.StatusConflict, code: "conflict", message: "The store is connected to a project."}
	}
	if s.Partner != nil {
		s.Partner.Discard(m.partnerID)
	}
	c.scope.stores = slices.DeleteFunc(c.scope.stores, func(o *marketStore) bool { return o == m })
	return obj{}, nil
}
