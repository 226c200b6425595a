package slipway

import "slices"

// Manifest is slipway.yaml after parsing: the desired state of one app. internal/manifest reads it and says where it is wrong; the
// schema (slipway schema) is its reference.
type Manifest struct {
	App          string                      `json:"app"`                    // lower case letters, digits and hyphens; at most 52 characters
	Name         string                      `json:"name,omitempty"`         // the name at the providers; default App
	Environments []string                    `json:"environments,omitempty"` // default [production]
	Source       Source                      `json:"source"`
	Vercel       VercelSettings              `json:"vercel"`
	Resources    map[string]ManifestResource `json:"resources,omitempty"`
	Env          map[string]EnvVar           `json:"env,omitempty"`
	Verify       Verify                      `json:"verify"`
	Promote      Promote                     `json:"promote"`
}

// Source says where the app's files come from. Dir is relative to the manifest's folder; default ".".
type Source struct {
	Dir    string `json:"dir,omitempty"`
	GitHub string `json:"github,omitempty"` // owner/repo
	Ref    string `json:"ref,omitempty"`
	// Prebuilt: the app was built beforehand, and only its .vercel/output is shipped.
	Prebuilt bool `json:"prebuilt,omitempty"`
}

// VercelSettings are the project's own settings; what is left out stays as Vercel has it.
type VercelSettings struct {
	Team            string   `json:"team,omitempty"` // slug, or id (team_…); default: the token's own account, or VERCEL_TEAM_ID
	Framework       string   `json:"framework,omitempty"`
	Regions         []string `json:"regions,omitempty"` // at most one for now: serverlessFunctionRegion
	Domains         []Domain `json:"domains,omitempty"`
	BuildCommand    string   `json:"build_command,omitempty"`
	InstallCommand  string   `json:"install_command,omitempty"`
	OutputDirectory string   `json:"output_directory,omitempty"`
	RootDirectory   string   `json:"root_directory,omitempty"`
	NodeVersion     string   `json:"node_version,omitempty"` // such as 22.x
	// Existing is a project that is there already; nil: Slipway makes one.
	Existing *VercelExisting `json:"existing,omitempty"`
}

// Domain is a hostname of the app, which serves production unless it redirects or serves a branch.
type Domain struct {
	Name     string `json:"name"`
	Redirect string `json:"redirect,omitempty"` // hostname that visitors are sent to
	Status   int    `json:"status,omitempty"`   // of the redirect: 301, 302, 307 or 308 (default)
	Branch   string `json:"branch,omitempty"`   // of source.github: the domain serves its preview deployments
}

// VercelExisting names a Vercel project that is there already.
type VercelExisting struct {
	Project    string `json:"project"`              // id (prj_…) or name
	Repository string `json:"repository,omitempty"` // owner/repo that it may be linked to; default: source.github, else none
}

// ManifestResource is one entry under resources. Fields are checked against the provider's ResourceType.
type ManifestResource struct {
	Type           string         `json:"type"` // such as neon.postgres
	Name           string         `json:"name,omitempty"`
	PerEnvironment bool           `json:"per_environment,omitempty"`
	Existing       map[string]any `json:"existing,omitempty"`
	Fields         map[string]any `json:"fields,omitempty"` // string, bool, int64 or []string
}

// EnvVar is one environment variable of the app: exactly one of From, Secret and Value.
type EnvVar struct {
	From       string   `json:"from,omitempty"`   // resource.output
	Secret     string   `json:"secret,omitempty"` // name of a variable in Slipway's environment
	Value      string   `json:"value,omitempty"`  // a literal
	HasValue   bool     `json:"-"`                // tells an empty literal from none
	Targets    []string `json:"targets,omitempty"`
	AllowShort bool     `json:"allow_short,omitempty"`
}

// Verify says what must hold before production is touched.
type Verify struct {
	Commands [][]string    `json:"commands,omitempty"` // argv each, run in a sandbox before the deployment
	Network  []string      `json:"network,omitempty"`  // hosts that the commands reach, or [all]; default none
	Timeout  string        `json:"timeout,omitempty"`  // of all commands, such as 10m; the default
	Memory   int64         `json:"memory,omitempty"`   // MiB; default 4096
	Runtime  string        `json:"runtime,omitempty"`  // of Vercel Sandbox; default node24
	Sandbox  string        `json:"sandbox,omitempty"`  // auto (default), vercel or local
	Health   []HealthProbe `json:"health,omitempty"`
}

// Promote says how production is moved.
type Promote struct {
	Approval string `json:"approval,omitempty"` // required (default) or auto
	// Rollback is automatic where production is to be moved back by itself when Health fails on it; default manual.
	Rollback string        `json:"rollback,omitempty"`
	Checks   []string      `json:"checks,omitempty"` // of the commit, that must pass before production is moved; [all] for each that it has
	Health   []HealthProbe `json:"health,omitempty"` // on production, after it has moved; default with an automatic rollback: verify.health
}

// Production is the environment that promote serves.
const (
	Production = "production"
	Preview    = "preview"
)

// ProviderName is the app's name at the providers.
func (m *Manifest) ProviderName() string {
	if m.Name != "" {
		return m.Name
	}
	return m.App
}

// AllEnvironments are those that the app has: production alone where it declares none.
func (m *Manifest) AllEnvironments() []string {
	if len(m.Environments) == 0 {
		return []string{Production}
	}
	return slices.Clip(m.Environments)
}

// AppliesTo reports whether v is a variable of environment: it names no targets, or environment among them.
func (m *Manifest) AppliesTo(v EnvVar, environment string) bool {
	return len(v.Targets) == 0 || slices.Contains(v.Targets, environment)
}
