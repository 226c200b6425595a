// Package neon is the provider of Neon projects, branches, computes, roles and databases. It waits for the operations that Neon starts, and
// gives connection strings as late outputs: https://neon.com/docs/reference/api-reference.
package neon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

const (
	kindProject  slipway.Kind = "neon.project"
	kindBranch   slipway.Kind = "neon.branch"
	kindEndpoint slipway.Kind = "neon.endpoint"
	kindRole     slipway.Kind = "neon.role"
	kindDatabase slipway.Kind = "neon.database"

	typePostgres = "neon.postgres"

	defaultURL = "https://console.neon.tech/api/v2"

	defaultRegion        = "aws-us-east-1"
	defaultVersion int64 = 17
	// mainBranch is what Neon calls the default branch of a new project.
	mainBranch = "main"
)

// regions: https://neon.com/docs/introduction/regions
var regions = []string{
	"aws-us-east-1", "aws-us-east-2", "aws-us-west-2", "aws-eu-central-1", "aws-eu-west-2", "aws-ap-southeast-1", "aws-ap-southeast-2",
	"aws-sa-east-1", "azure-eastus2", "azure-westus3", "azure-gwc",
}

// New returns the provider; config is that of the process.
func New(config rest.Config) slipway.Provider { return provider{config} }

type provider struct{ config rest.Config }

var _ slipway.Provider = provider{}

func (provider) Info() slipway.ProviderInfo {
	return slipway.ProviderInfo{
		Name: "neon", Title: "Neon", Docs: "https://neon.com/docs/reference/api-reference", Causes: causes, Pages: pages(),
		Settings: []slipway.Setting{
			{Env: "NEON_API_KEY", Help: "API key, personal or of an organisation: https://neon.com/docs/manage/api-keys", Secret: true, Required: true},
			{Env: "NEON_ORG_ID", Help: "organisation that owns the projects; a personal key needs it"},
			{Env: "SLIPWAY_NEON_URL", Help: "base URL of the Neon API", Default: defaultURL},
		},
		Types: []slipway.ResourceType{{
			Name: typePostgres,
			Help: "a Neon project; production lives on its default branch, every other environment on a child branch with its own compute, role and database",
			Fields: []slipway.FieldInfo{
				{Name: "region", Type: slipway.FieldString, Default: defaultRegion, Enum: regions, Help: "where the project lives; cannot be changed later"},
				{Name: "version", Type: slipway.FieldInt, Default: defaultVersion, Enum: []string{"14", "15", "16", "17", "18"}, Help: "PostgreSQL version; cannot be changed later"},
				{Name: "database", Type: slipway.FieldString, Help: "database name; default: the app's name with _ for -"},
				{Name: "role", Type: slipway.FieldString, Help: "role that owns the database; default: the app's name with _ for -"},
			},
			Connects: slipway.ConnectPostgres,
			Existing: []slipway.ExistingInfo{
				{
					Name: "project", Required: true, Pattern: `^[a-z0-9][a-z0-9-]{0,59}$`, Says: "be a project's id, such as cool-sun-12345678",
					Help: "id of the project, from its Settings page",
				},
				{Name: "branch", Help: "name or id of the branch; default: the project's default branch, which only production may use"},
				{Name: "database", Required: true, Help: "name of the database"},
				{Name: "role", Help: "name of the role that the app connects as; default: the database's owner"},
			},
			// https://neon.com/docs/connect/connect-from-any-app
			Outputs: []slipway.OutputInfo{
				{Name: "url", Secret: true, Help: "connection string", Where: onConnect("Connection pooling off, Show password, Copy snippet")},
				{Name: "pooled_url", Secret: true, Help: "connection string through the connection pooler", Where: onConnect("Connection pooling on, Show password, Copy snippet")},
				{Name: "host", Help: "host name of the compute", Where: onConnect("Connection pooling off: between @ and /")},
				{Name: "database", Help: "database name", Where: onConnect("Database")},
				{Name: "user", Help: "role name", Where: onConnect("Role")},
				{Name: "password", Secret: true, Help: "the role's password", Where: onConnect("Show password: between : and @")},
			},
		}},
		Kinds: []slipway.KindInfo{
			{
				Kind: kindProject, Poll: 100 * time.Millisecond, Docs: "https://api-docs.neon.tech/reference/createproject", Immutable: []string{"region", "version"},
				Stateful: true, Ledgered: true, Root: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "a Neon project with a branch, a compute, a role and an empty database is created and counts towards your plan",
					slipway.OpUpdate:  "the project is renamed, or a missing role or database is added to its default branch",
					slipway.OpAdopt:   "an existing Neon project is used from now on, and what is missing in it is added; Slipway will never delete it",
					slipway.OpReplace: "a new and empty project takes the place of the old one, whose data the app no longer sees",
					slipway.OpDelete:  "the project is deleted with every branch and all data in it; Neon can recover it for 7 days",
				},
			},
			{
				Kind: kindBranch, Docs: "https://api-docs.neon.tech/reference/createprojectbranch", Stateful: true, Ledgered: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "a branch is made that starts as a copy of the default branch, its data included",
					slipway.OpUpdate:  "the branch is renamed",
					slipway.OpAdopt:   "an existing branch is used from now on; Slipway will never delete it",
					slipway.OpReplace: "a new branch, a copy of the default branch of now, takes the place of the old one",
					slipway.OpDelete:  "the branch is deleted with its compute and its data",
				},
			},
			{
				Kind: kindEndpoint, Docs: "https://api-docs.neon.tech/reference/createprojectendpoint", Ledgered: true, Contained: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate: "a compute is started for the branch; it scales to zero when it is idle",
					slipway.OpUpdate: "the compute accepts connections again",
					slipway.OpAdopt:  "the branch's existing compute is used from now on",
					slipway.OpDelete: "the compute is deleted, and nothing can connect to the branch",
				},
			},
			{
				Kind: kindRole, Docs: "https://api-docs.neon.tech/reference/createprojectbranchrole", Immutable: []string{"name"}, Ledgered: true, Contained: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "a role of this environment alone is added to its branch",
					slipway.OpAdopt:   "an existing role of the branch is used from now on",
					slipway.OpReplace: "a role of another name is added to the branch, and the old one stays",
					slipway.OpDelete:  "the role is deleted from the branch",
				},
			},
			{
				Kind: kindDatabase, Docs: "https://api-docs.neon.tech/reference/createprojectbranchdatabase", Stateful: true, Ledgered: true, Contained: true,
				Consequence: map[slipway.Op]string{
					slipway.OpCreate:  "an empty database of this environment alone is added to its branch",
					slipway.OpUpdate:  "the database is renamed, or gets its own role as owner",
					slipway.OpAdopt:   "an existing database of the branch is used from now on; Slipway will never delete it",
					slipway.OpReplace: "a new and empty database takes the place of the old one",
					slipway.OpDelete:  "the database is deleted with all data in it",
				},
			},
		},
	}
}

// Check refuses names that PostgreSQL or Neon keeps: https://neon.com/docs/manage/roles#protected-role-names
func (provider) Check(m *slipway.Manifest) []slipway.Problem {
	var out []slipway.Problem
	keys := resources(m)
	for _, key := range keys {
		r := m.Resources[key]
		add := func(field, message, hint string) {
			path := []string{"resources", key, field}
			if _, declared := r.Fields[field]; !declared && (field != "name" || r.Name == "") {
				path = path[:2] // the name comes from the app's
			}
			out = append(out, slipway.Problem{Path: path, Message: message, Hint: hint})
		}
		if r.Existing != nil {
			for _, field := range []string{"database", "role"} {
				if r.Fields[field] != nil {
					add(field, "what exists already is named below existing:", "move "+field+": there")
				}
			}
			continue
		}
		n := namesOf(m, key)
		if len(n.project) > 256 {
			add("name", "a Neon project's name has at most 256 characters", "shorten name:")
		}
		if bad := n.bad(m, n.role, "pg_", "anon", "authenticator", "neon_superuser", "cloud_admin", "zenith_admin", "public", "none"); bad != "" {
			add("role", "the role "+bad, "set role: to another name")
		}
		if bad := n.bad(m, n.database, "", "postgres", "template0", "template1"); bad != "" {
			add("database", "the database "+bad, "set database: to another name")
		}
	}
	if i := slices.Index(m.Environments, mainBranch); i >= 0 && len(keys) > 0 {
		out = append(out, slipway.Problem{
			Path: []string{"environments", fmt.Sprint(i)}, Message: "the environment main would take the name of Neon's default branch",
			Hint: "give the environment another name",
		})
	}
	return out
}

// bad says why a name would be refused in one of the manifest's environments, "" when in none.
func (n names) bad(m *slipway.Manifest, name, prefix string, reserved ...string) string {
	for _, env := range m.AllEnvironments() {
		if why := badName(n.inEnvironment(name, env), prefix, reserved...); why != "" {
			return why
		}
	}
	return ""
}

// badName says why name is refused, "" when it is not: PostgreSQL's limit is 63 bytes, and a prefix and some names are reserved.
func badName(name, prefix string, reserved ...string) string {
	switch {
	case name == "":
		return "has an empty name"
	case len(name) > 63:
		return fmt.Sprintf("%q has over 63 bytes", name)
	case slices.Contains(reserved, name), prefix != "" && strings.HasPrefix(name, prefix):
		return fmt.Sprintf("%q is reserved by Neon", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' }):
		return fmt.Sprintf("%q holds a slash or a control character", name)
	}
	return ""
}

func (provider) Expand(m *slipway.Manifest, environment string) []slipway.Spec {
	var out []slipway.Spec
	keys := resources(m)
	for _, key := range keys {
		if m.Resources[key].Existing != nil {
			out = append(out, existing(key, m.Resources[key], environment)...)
			continue
		}
		n, fields := namesOf(m, key), m.Resources[key].Fields
		project := slipway.Spec{
			Address: slipway.NewAddress(kindProject, key, ""), Name: n.project,
			Params: map[string]any{
				"name": n.project, "region": cmp.Or(text(fields, "region"), defaultRegion), "version": cmp.Or(number(fields, "version"), defaultVersion),
				"database": n.database, "role": n.role,
			},
		}
		if environment == slipway.Production {
			project.Serves = key
			out = append(out, project)
			continue
		}
		out = append(append(out, project), n.child(key, environment, project.Address)...)
	}
	return out
}

// child returns what an environment other than production has of its own. Its role is its own because a child branch inherits the
// parent's roles with their passwords. Each needs the one before, because Neon refuses a second change while one is running.
func (n names) child(key, environment string, project slipway.Address) []slipway.Spec {
	at := func(kind slipway.Kind) slipway.Address { return slipway.NewAddress(kind, key, environment) }
	branch, endpoint, role := at(kindBranch), at(kindEndpoint), at(kindRole)
	roleName, databaseName := n.inEnvironment(n.role, environment), n.inEnvironment(n.database, environment)
	return []slipway.Spec{
		{Address: branch, Name: environment, Params: map[string]any{"name": environment}, Needs: []slipway.Address{project}},
		{Address: endpoint, Name: environment, Params: map[string]any{"disabled": false}, Needs: []slipway.Address{branch, project}},
		{Address: role, Name: roleName, Params: map[string]any{"name": roleName}, Needs: []slipway.Address{branch, project, endpoint}},
		{
			Address: at(kindDatabase), Name: databaseName, Serves: key, Params: map[string]any{"name": databaseName, "owner": roleName},
			Needs: []slipway.Address{branch, project, endpoint, role},
		},
	}
}

// names are those of one manifest resource at Neon.
type names struct{ project, database, role string }

func namesOf(m *slipway.Manifest, key string) names {
	r, made := m.Resources[key], 0
	for _, other := range resources(m) {
		if m.Resources[other].Existing == nil {
			made++
		}
	}
	project := r.Name
	if project == "" {
		if project = m.ProviderName(); made > 1 {
			project += "-" + key
		}
	}
	plain := strings.ReplaceAll(m.ProviderName(), "-", "_")
	return names{project, cmp.Or(text(r.Fields, "database"), plain), cmp.Or(text(r.Fields, "role"), plain)}
}

func (names) inEnvironment(name, environment string) string {
	if environment == slipway.Production {
		return name
	}
	return name + "_" + strings.ReplaceAll(environment, "-", "_")
}

// resources returns the keys of the manifest's resources that are Neon's, sorted.
func resources(m *slipway.Manifest) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.Resources)), func(key string) bool { return m.Resources[key].Type != typePostgres })
}

func text(fields map[string]any, name string) string { s, _ := fields[name].(string); return s }

func number(fields map[string]any, name string) int64 { n, _ := fields[name].(int64); return n }

func (p provider) Open(_ context.Context, settings slipway.Settings) (slipway.Session, error) {
	key, ok := settings("NEON_API_KEY")
	if !ok || key.Reveal() == "" {
		return nil, slipway.Errorf(slipway.CodeCredential, "no API key for Neon").WithHint("set NEON_API_KEY, made as https://neon.com/docs/manage/api-keys tells")
	}
	set, _ := settings("SLIPWAY_NEON_URL")
	base := cmp.Or(set.Reveal(), defaultURL)
	if err := rest.CheckBase(base); err != nil {
		return nil, err
	}
	org, _ := settings("NEON_ORG_ID")
	return session{client{org: org.Reveal(), rest: rest.New(p.config, rest.API{
		Name: "neon", Base: base,
		Auth:  func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key.Reveal()) },
		Error: explain,
		// https://api-docs.neon.tech/reference/getting-started-with-neon-api: both may be sent again whatever the method
		RefusedSafe: map[int]bool{http.StatusLocked: true, http.StatusServiceUnavailable: true},
	})}}, nil
}

type session struct{ client client }

var (
	_ slipway.Session = session{}
	_ slipway.Prober  = session{}
)

func (s session) Handler(kind slipway.Kind) slipway.Handler {
	switch kind {
	case kindProject:
		return project{s.client}
	case kindBranch:
		return branch{s.client}
	case kindEndpoint:
		return endpoint{s.client}
	case kindRole:
		return role{s.client}
	case kindDatabase:
		return database{s.client}
	}
	return nil
}

func (s session) Pass() slipway.Session {
	s.client.rest = s.client.rest.Pass()
	return s
}
