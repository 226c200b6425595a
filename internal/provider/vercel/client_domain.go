package vercel

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/rest"
)

// projectDomain is as much of a project's domain as is read here.
type projectDomain struct {
	Name, ApexName                           string
	GitBranch, Redirect, CustomEnvironmentID string
	RedirectStatusCode                       int
	Verified                                 bool
	Verification                             []struct{ Type, Domain, Value string }
	CreatedAt                                float64
}

func (d *projectDomain) Missing() string { return absent("name", d.Name) }

// serves is what the domain serves.
func (d *projectDomain) serves() service {
	s := service{redirect: d.Redirect, branch: d.GitBranch, environment: d.CustomEnvironmentID}
	if d.Redirect != "" {
		s.status = d.RedirectStatusCode
	}
	return s
}

// domainConfig is what Vercel sees of a domain's DNS.
type domainConfig struct {
	ConfiguredBy    string
	Misconfigured   bool
	RecommendedIPv4 []struct {
		Rank  float64
		Value words
	}
	RecommendedCNAME []struct {
		Rank  float64
		Value string
	}
}

// addresses are the recommended values of an A record, the preferred first.
func (c *domainConfig) addresses() []string {
	var out []string
	slices.SortStableFunc(c.RecommendedIPv4, func(a, b struct {
		Rank  float64
		Value words
	},
	) int {
		return cmp.Compare(a.Rank, b.Rank)
	})
	for _, r := range c.RecommendedIPv4 {
		out = append(out, r.Value...)
	}
	return out
}

// names are the recommended values of a CNAME record, the preferred first.
func (c *domainConfig) names() []string {
	var out []string
	slices.SortStableFunc(c.RecommendedCNAME, func(a, b struct {
		Rank  float64
		Value string
	},
	) int {
		return cmp.Compare(a.Rank, b.Rank)
	})
	for _, r := range c.RecommendedCNAME {
		out = append(out, strings.TrimSuffix(r.Value, "."))
	}
	return out
}

// getDomain: https://vercel.com/docs/rest-api/reference/endpoints/projects/get-a-project-domain
func (c *client) getDomain(ctx context.Context, op, projectID, name string) (*projectDomain, error) {
	out := &projectDomain{}
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v9/projects/%s/domains/%s", projectID, name), nil, nil, out)
	return out, err
}

// addDomain: https://vercel.com/docs/rest-api/reference/endpoints/projects/add-a-domain-to-a-project
func (c *client) addDomain(ctx context.Context, op, projectID string, body map[string]any) (*projectDomain, error) {
	out := &projectDomain{}
	err := c.call(ctx, op, http.MethodPost, rest.Path("/v10/projects/%s/domains", projectID), nil, body, out)
	return out, err
}

// updateDomain: https://vercel.com/docs/rest-api/reference/endpoints/projects/update-a-project-domain
func (c *client) updateDomain(ctx context.Context, op, projectID, name string, body map[string]any) (*projectDomain, error) {
	out := &projectDomain{}
	err := c.call(ctx, op, http.MethodPatch, rest.Path("/v9/projects/%s/domains/%s", projectID, name), nil, body, out)
	return out, err
}

// deleteDomain: https://vercel.com/docs/rest-api/reference/endpoints/projects/remove-a-domain-from-a-project
func (c *client) deleteDomain(ctx context.Context, op, projectID, name string) error {
	return gone(c.call(ctx, op, http.MethodDelete, rest.Path("/v9/projects/%s/domains/%s", projectID, name), nil, nil, nil))
}

// verifyDomain: https://vercel.com/docs/rest-api/reference/endpoints/projects/verify-project-domain
// 400, here CodeRefused, says that the record is not there.
func (c *client) verifyDomain(ctx context.Context, op, projectID, name string) error {
	return c.call(ctx, op, http.MethodPost, rest.Path("/v9/projects/%s/domains/%s/verify", projectID, name), nil, nil, nil)
}

// domainConfig: https://vercel.com/docs/rest-api/reference/endpoints/domains/get-a-domains-configuration
func (c *client) domainConfig(ctx context.Context, op, name string) (*domainConfig, error) {
	out := &domainConfig{}
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v6/domains/%s/config", name), nil, nil, out)
	return out, err
}

// hostAlias is what a host name leads to.
type hostAlias struct{ ProjectID, DeploymentID string }

// getAlias: https://vercel.com/docs/rest-api/reference/endpoints/aliases/get-an-alias
// The zero value is for a name that leads to nothing in this account.
func (c *client) getAlias(ctx context.Context, op, host string) (hostAlias, error) {
	var out hostAlias
	err := c.call(ctx, op, http.MethodGet, rest.Path("/v4/aliases/%s", host), nil, nil, &out)
	return out, gone(err)
}
