// Package vercel is the provider of Vercel projects with the ledger, environment variables, deployments of a source tree, and what production
// serves: https://vercel.com/docs/rest-api
package vercel

import (
	"cmp"
	"context"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// Kinds.
const (
	kindProject    slipway.Kind = "vercel.project"
	kindLink       slipway.Kind = "vercel.link"
	kindBypass     slipway.Kind = "vercel.bypass"
	kindEnv        slipway.Kind = "vercel.env"
	kindDeployment slipway.Kind = "vercel.deployment"
	kindProduction slipway.Kind = "vercel.production"
	kindDomain     slipway.Kind = "vercel.domain"
	kindDNS        slipway.Kind = "vercel.dns"
)

const (
	settingURL   = "SLIPWAY_VERCEL_URL"
	settingToken = "VERCEL_TOKEN"
	settingTeam  = "VERCEL_TEAM_ID"
	defaultURL   = "https://api.vercel.com"
)

// New returns the provider. It keeps config for the sessions that Open makes.
func New(config rest.Config) slipway.Provider { return provider{config} }

type provider struct{ config rest.Config }

func (provider) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{
		Name: "vercel", Title: "Vercel", Docs: "https://vercel.com/docs/rest-api", Causes: causes, Pages: pages(),
		Settings: []slipway.Setting{
			{Env: settingToken, Help: "token from https://vercel.com/account/settings/tokens", Secret: true, Required: true},
			{Env: settingTeam, Help: "team id (team_…) or slug; default: the token's own account; vercel.team in the manifest wins"},
			{Env: settingURL, Help: "base URL of the API", Default: defaultURL},
		},
		Kinds: []slipway.KindInfo{
			{Kind: kindProject, Docs: docs("projects"), Ledgered: true, Stateful: true, Root: true, Adjusts: true, Consequence: map[slipway.Op]string{
				slipway.OpCreate: "creates a Vercel project, with the ledger among its variables",
				slipway.OpUpdate: "changes the project's settings; they apply to the next deployment",
				slipway.OpAdopt:  "takes over a Vercel project that Slipway did not make; it will never be deleted",
				slipway.OpDelete: "deletes the project with its deployments, domains and variables; the app goes offline",
			}},
			{Kind: kindLink, Docs: "https://vercel.com/docs/git", Ledgered: true, Contained: true, Pruned: true, PruneGate: slipway.GateApply, Consequence: map[slipway.Op]string{
				slipway.OpCreate: "lets Vercel fetch the repository; from then on Vercel builds each push as well, and no push moves a production domain",
				slipway.OpUpdate: "makes the link as declared; Vercel builds each push, and no push moves a production domain",
				slipway.OpDelete: "Vercel no longer builds what is pushed",
			}},
			{Kind: kindBypass, Docs: docs("projects/update-protection-bypass-for-automation"), Shared: true, Probing: bypassHeader, Contained: true, Consequence: map[slipway.Op]string{
				slipway.OpCreate: "makes a secret by which the health probes reach protected deployments",
			}},
			{Kind: kindEnv, Docs: docs("projects/create-one-or-more-environment-variables"), Batch: true, Echo: true, Contained: true, Consequence: map[slipway.Op]string{
				slipway.OpCreate: "adds the variable; it applies to the next deployment",
				slipway.OpUpdate: "overwrites the variable; it applies to the next deployment",
				slipway.OpAdopt:  "overwrites a variable that Slipway did not write; its old value is lost",
				slipway.OpDelete: "removes the variable; deployments made before keep it",
			}},
			{Kind: kindDeployment, Docs: docs("deployments/create-a-new-deployment"), Versioned: true, Contained: true, CreateOp: slipway.OpDeploy, Consequence: map[slipway.Op]string{
				slipway.OpDeploy: "builds the source at Vercel; production keeps serving what it serves",
				slipway.OpDelete: "deletes the latest deployment, its URL stops answering; older ones stay until the project goes",
			}},
			{Kind: kindProduction, Docs: docs("projects/points-all-production-domains-for-a-project-to-the-given-deploy"), Contained: true, UpdateOp: slipway.OpPromote, Gate: slipway.GatePromote, Initial: map[string]any{"deployment": ""}, Sent: sent, Consequence: map[slipway.Op]string{
				slipway.OpPromote:  "moves every production domain to the verified deployment",
				slipway.OpRollback: "moves every production domain back to a deployment that was built before, with the values of then",
			}},
			{Kind: kindDomain, Docs: docs("projects/add-a-domain-to-a-project"), Ledgered: true, Contained: true, Pruned: true, Consequence: map[slipway.Op]string{
				slipway.OpCreate: "adds the domain to the project; it serves what is declared as soon as its DNS leads to Vercel",
				slipway.OpUpdate: "lets the domain serve what is declared; the branch or redirect that it had is lost",
				slipway.OpAdopt:  "takes over a domain that Slipway did not add; it will never be removed",
				slipway.OpDelete: "takes the domain off the project: it stops answering at once, and its DNS still leads to Vercel",
			}},
			{
				Kind: kindDNS, Docs: docs("domains/get-a-domains-configuration"), Contained: true, UpdateOp: slipway.OpUpdate,
				Initial: map[string]any{"verified": false, "configured": false}, ByHand: "its DNS zone is not served by anything that Slipway has a credential for",
				Consequence: map[slipway.Op]string{slipway.OpUpdate: "leads the visitors of the domain to Vercel; what its DNS led to before is no longer reached"},
			},
		},
	}
}

// docs returns the URL of a page of the REST API's documentation.
func docs(page string) string { return "https://vercel.com/docs/rest-api/reference/endpoints/" + page }

// Limits of https://vercel.com/docs/limits and of the REST API's request schemas.
var (
	projectName = regexp.MustCompile(`^[a-z0-9._-]{1,100}$`)
	regionName  = regexp.MustCompile(`^[a-z]{3}[0-9]$`)
	envName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

const (
	maxCommand = 256
	maxEnvName = 256
	maxEnvSize = 64 << 10 // all of a deployment's names and values
)

var frameworks = strings.Fields(`blitzjs nextjs gatsby remix react-router astro hexo eleventy docusaurus-2 docusaurus preact solidstart-1
	solidstart dojo ember vue scully ionic-angular angular polymer svelte sveltekit sveltekit-1 ionic-react create-react-app gridsome umijs
	sapper saber stencil nuxtjs redwoodjs hugo jekyll brunch middleman zola hydrogen vite vitepress vuepress parcel fastapi flask fasthtml
	sanity-v3 sanity storybook nitro hono express h3 nestjs fastify xmcp`)

var nodeVersions = []string{"22.x", "20.x", "18.x", "16.x", "14.x", "12.x", "10.x"}

// https://vercel.com/docs/environment-variables/reserved-environment-variables
var reservedEnv = []string{
	"AWS_SECRET_KEY", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "NOW_REGION", "TZ", "LAMBDA_TASK_ROOT",
	"LAMBDA_RUNTIME_DIR", slipway.LedgerKey,
}

func (provider) Check(m *slipway.Manifest) []slipway.Problem {
	var out []slipway.Problem
	refuse := func(message, hint string, path ...string) {
		out = append(out, slipway.Problem{Path: path, Message: message, Hint: hint})
	}
	if name := m.ProviderName(); !projectName.MatchString(name) || strings.Contains(name, "---") {
		at := "app"
		if m.Name != "" {
			at = "name"
		}
		refuse("Vercel would refuse the project name "+quote(name), "use at most 100 lower case letters, digits, dots, hyphens and underscores, without ---", at)
	}
	for _, env := range m.Environments {
		if env != slipway.Production && env != slipway.Preview {
			refuse("the environment "+quote(env)+" would be a custom environment at Vercel, which is not supported", "use production and preview", "environments")
		}
	}
	checkDomains(m, refuse)
	checkSettings(m.Vercel, refuse)
	size := 0
	for _, key := range slices.Sorted(maps.Keys(m.Env)) {
		size += len(key) + len(m.Env[key].Value)
		switch {
		case !envName.MatchString(key) || len(key) > maxEnvName:
			refuse("Vercel would refuse the variable name "+quote(key), "use letters, digits and underscores, and no digit first", "env", key)
		case slices.Contains(reservedEnv, key):
			refuse("the variable name "+key+" is reserved", "choose another name", "env", key)
		}
	}
	if size > maxEnvSize {
		refuse("the variables are over 64 KB, which Vercel refuses", "keep large values in a file or a store", "env")
	}
	return out
}

func checkSettings(v slipway.VercelSettings, refuse func(message, hint string, path ...string)) {
	if v.Framework != "" && !slices.Contains(frameworks, v.Framework) {
		refuse("Vercel knows no framework "+quote(v.Framework), "see "+docs("projects/create-a-new-project")+", or leave it out", "vercel", "framework")
	}
	if v.NodeVersion != "" && !slices.Contains(nodeVersions, v.NodeVersion) {
		refuse("Vercel knows no Node.js version "+quote(v.NodeVersion), "use one of "+strings.Join(nodeVersions, ", "), "vercel", "node_version")
	}
	if len(v.Regions) > 1 {
		refuse("more than one region is not supported", "name one", "vercel", "regions")
	}
	for _, r := range v.Regions {
		if !regionName.MatchString(r) {
			refuse("Vercel knows no region "+quote(r), "see https://vercel.com/docs/regions, for example iad1", "vercel", "regions")
		}
	}
	for name, value := range map[string]string{
		"build_command": v.BuildCommand, "install_command": v.InstallCommand,
		"output_directory": v.OutputDirectory, "root_directory": v.RootDirectory,
	} {
		if len(value) > maxCommand {
			refuse("it is over 256 characters, which Vercel refuses", "put long commands into a script", "vercel", name)
		}
	}
}

func quote(s string) string { return `"` + s + `"` }

// setting is a project setting that the manifest can declare: its param, its field at Vercel, and whether a create takes it.
type setting struct {
	param, field string
	create       bool
}

var settings = []setting{
	{"framework", "framework", true},
	{"build_command", "buildCommand", true},
	{"install_command", "installCommand", true},
	{"output_directory", "outputDirectory", true},
	{"root_directory", "rootDirectory", true},
	{"region", "serverlessFunctionRegion", true},
	{"node_version", "nodeVersion", false},
}

// declared returns the settings that the manifest declares, by param.
func declared(v slipway.VercelSettings) map[string]any {
	out := map[string]any{}
	for param, value := range map[string]string{
		"framework": v.Framework, "build_command": v.BuildCommand, "install_command": v.InstallCommand,
		"output_directory": v.OutputDirectory, "root_directory": v.RootDirectory, "node_version": v.NodeVersion,
	} {
		if value != "" {
			out[param] = value
		}
	}
	if len(v.Regions) > 0 {
		out["region"] = v.Regions[0]
	}
	return out
}

func (provider) Expand(m *slipway.Manifest, environment string) []slipway.Spec {
	name := m.ProviderName()
	project := slipway.NewAddress(kindProject, m.App, "")
	needs := []slipway.Address{project}
	specs := []slipway.Spec{
		expandProject(m, project),
		{
			Address: slipway.NewAddress(kindEnv, slipway.LedgerKey, ""), Name: slipway.LedgerKey, Needs: needs,
			Params: map[string]any{"value": nil}, Inputs: map[string]slipway.Input{"value": {Ledger: true}},
		},
	}
	var first []slipway.Address // before the deployment
	if m.Source.GitHub != "" {
		link := expandLink(m, project)
		specs, first = append(specs, link), []slipway.Address{link.Address}
	}
	if len(m.Verify.Health)+len(m.Promote.Health) > 0 {
		specs = append(specs, slipway.Spec{
			Address: slipway.NewAddress(kindBypass, m.App, ""), Name: name, Needs: needs,
			Note: "the health probes need it to reach protected deployments",
		})
	}
	var seals []slipway.Address
	for _, key := range slices.Sorted(maps.Keys(m.Env)) {
		if v := m.Env[key]; m.AppliesTo(v, environment) {
			s := expandEnv(key, v, environment, needs)
			specs, seals = append(specs, s), append(seals, s.Address)
		}
	}
	deployment := slipway.Spec{Address: slipway.NewAddress(kindDeployment, m.App, environment), Name: name, Needs: needs, After: first, Seals: seals, Params: declared(m.Vercel)}
	deployment.Params["input"], deployment.Params["target"] = nil, environment
	if m.Source.Prebuilt {
		deployment.Params["prebuilt"], deployment.Note = path.Join(m.Vercel.RootDirectory, ".vercel/output"), "only what was built beforehand is shipped"
	}
	specs = append(specs, deployment)
	specs = append(specs, expandDomains(m.Vercel.Domains, environment, needs)...)
	if environment == slipway.Production {
		specs = append(specs, slipway.Spec{
			Address: slipway.NewAddress(kindProduction, m.App, environment), Name: name, Needs: needs,
			Params: map[string]any{"deployment": nil}, IDs: map[string]slipway.Address{"deployment": deployment.Address},
		})
	}
	return specs
}

// expandProject returns the project that is made with the ledger in it, or the one that is there already, which is linked to no other
// repository than is declared.
func expandProject(m *slipway.Manifest, at slipway.Address) slipway.Spec {
	s := slipway.Spec{Address: at, Name: m.ProviderName(), Params: declared(m.Vercel)}
	if e := m.Vercel.Existing; e != nil {
		s.Existing, s.Name = true, e.Project
		if e.Repository != "" || m.Source.GitHub == "" { // else its link is compared
			s.Params["repository"] = e.Repository
		}
		return s
	}
	s.Inputs = map[string]slipway.Input{"ledger": {Ledger: true, CreateOnly: true}}
	return s
}

func expandEnv(key string, v slipway.EnvVar, environment string, needs []slipway.Address) slipway.Spec {
	s := slipway.Spec{
		Address: slipway.NewAddress(kindEnv, key, environment), Name: key, Needs: needs,
		Params: map[string]any{"type": "sensitive", "fingerprint": nil, "written": true},
	}
	var in slipway.Input
	switch {
	case v.From != "":
		resource, output, _ := strings.Cut(v.From, ".")
		in.From = &slipway.OutputRef{Resource: resource, Output: output}
	case v.Secret != "":
		in.Secret, in.AllowShort = v.Secret, v.AllowShort
	default:
		in.Literal = &v.Value
		s.Params["type"], s.Params["value"] = "plain", v.Value
	}
	s.Inputs = map[string]slipway.Input{"value": in}
	return s
}

func (p provider) Open(_ context.Context, get slipway.Settings) (slipway.Session, error) {
	token, _ := get(settingToken)
	if token.Reveal() == "" {
		return nil, slipway.Errorf(slipway.CodeCredential, "there is no credential for Vercel").
			WithHint("set %s (or %s_FILE) to a token from https://vercel.com/account/settings/tokens", settingToken, settingToken)
	}
	base, _ := get(settingURL)
	team, _ := get(settingTeam)
	c, err := newClient(p.config, cmp.Or(base.Reveal(), defaultURL), token, team.Reveal())
	if err != nil {
		return nil, err
	}
	return &session{c}, nil
}

type session struct{ client *client }

var _ slipway.Prober = (*session)(nil)

func (s *session) Handler(kind slipway.Kind) slipway.Handler {
	switch kind {
	case kindProject:
		return projects{s.client}
	case kindLink:
		return links{s.client}
	case kindBypass:
		return bypasses{s.client}
	case kindEnv:
		return envs{s.client}
	case kindDeployment:
		return deployments{s.client}
	case kindProduction:
		return productions{s.client}
	case kindDomain:
		return domains{s.client}
	case kindDNS:
		return names{s.client}
	}
	return nil
}

func (s *session) Pass() slipway.Session { return &session{s.client.pass()} }
