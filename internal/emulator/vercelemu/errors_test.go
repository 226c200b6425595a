package vercelemu

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// Sources of errors, see speccheck.Cited.
const (
	document   = speccheck.Document
	errorsPage = "https://vercel.com/docs/rest-api/errors" // envelope and code, the same for all operations; the words are free
	ours       = speccheck.Ours
)

// refused is a call that is answered with an error, and the whole of its body's `error`.
type refused struct {
	reason, source, token, team, method, path string
	body                                      any
	status                                    int
	want                                      obj
}

// refuse is a call by the usual account.
func refuse(reason, source, call string, body any, status int, want obj) refused {
	method, path, _ := strings.Cut(call, " ")
	return refused{reason, source, "", acme, method, path, body, status, want}
}

func wrong(message string) obj  { return obj{"code": "bad_request", "message": message} }
func absent(message string) obj { return obj{"code": "not_found", "message": message} }
func taken(message string) obj  { return obj{"code": "conflict", "message": message} }

// Error bodies have no schema in the document: this table is their judge. Every route is in it.
func TestErrorEnvelopes(t *testing.T) {
	readOnly := DefaultAccount()
	readOnly.ReadOnly = true
	limited := DefaultAccount()
	limited.OnlyTeams = []string{acme}
	srv := &Server{
		BuildTime: -1, AliasTime: -1, PromoteTime: time.Hour, MaxProjects: 2, MaxCustomEnvironments: 1, Repos: acmeShop,
		LinkFails: func(_, repo string) LinkRefusal {
			return map[string]LinkRefusal{"acme/full": RepoLinksExceeded, "acme/app": InstallApp, "acme/login": LoginConnection}[repo]
		},
		EnvFails: func(key string) string { return map[string]string{"BAD": "unknown_error"}[key] },
		Tokens: map[string]Account{
			DefaultToken: DefaultAccount(), "viewer": readOnly, "limited": limited,
			"stranger": {User: User{ID: "stranger", Username: "stranger"}, Teams: []Team{{ID: other, Slug: "other"}}},
		},
	}
	play(t, srv, func(w *world) {
		p := w.project("shop")
		w.project("full")
		live, liveHost := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "1"})
		staged, _ := w.deploy("shop", obj{"target": "production", "autoAssignCustomDomains": false}, map[string]string{"index.html": "2"})
		preview, _ := w.deploy("shop", nil, map[string]string{"index.html": "3"})
		broken, _ := w.deploy("shop", nil, map[string]string{"vercelemu.fail": "no"})
		srv.AliasTime = time.Hour
		waiting, _ := w.deploy("shop", nil, map[string]string{"index.html": "4"})
		srv.BuildTime = time.Hour
		building, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "5"})
		at, dpls := "/v9/projects/"+p, "/v13/deployments"
		envs, domains := "/v10/projects/"+p+"/env", "/v10/projects/"+p+"/domains"
		challenge := w.want(200, "POST", domains, obj{"name": "shop.example.com"}).str("verification", 0, "value")
		w.want(200, "POST", domains, obj{"name": "shop.example.org"})
		srv.SetTXT("_vercel.example.org", "vc-domain-verify=other")
		w.want(200, "POST", at+"/link", obj{"type": "github", "repo": "acme/shop"})
		w.want(201, "POST", at+"/custom-environments", obj{"slug": "qa"})
		w.want(200, "POST", "/v2/deployments/"+live+"/aliases", obj{"alias": "extra.vercel.app"})
		checks := "/v1/deployments/" + waiting + "/checks"
		check := checks + "/" + w.want(200, "POST", checks, obj{"name": "lint", "blocking": true}).str("id")
		w.want(200, "PATCH", "/v1/projects/"+p+"/protection-bypass", obj{"generate": obj{"secret": strings.Repeat("x", 32)}})
		env := obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}}
		w.want(201, "POST", envs, env)
		hidden := w.want(201, "POST", envs, obj{"key": "S", "value": "v", "type": "sensitive", "target": []string{"production"}}).str("created", "id")
		with := func(base obj, more ...any) obj {
			out := obj{}
			for k, v := range base {
				out[k] = v
			}
			for i := 0; i < len(more); i += 2 {
				out[more[i].(string)] = more[i+1]
			}
			return out
		}
		files := []obj{{"file": "a", "data": "b"}}
		noDpl, noProject := absent(`The deployment "none" can't be found.`), absent("Project not found.")
		noEnv, noCustom := absent("Environment Variable was not found."), absent("The custom environment was not found.")
		noDomain := absent(`The domain "none.example.com" is not assigned to "shop".`)
		unassigned := at + "/domains/none.example.com"
		noToken := obj{"code": "forbidden", "message": "The request is missing an authentication token", "missingToken": true}
		table := map[string]refused{
			"no token":        {"a request without a token says so", "[? vercel-no-token]", "-", acme, "GET", "/v2/user", nil, 401, noToken},
			"no token, teams": {"for each route", "[? vercel-no-token]", "-", acme, "GET", "/v2/teams", nil, 401, noToken},
			"no token, hooks": {"for each route", "[? vercel-no-token]", "-", acme, "GET", "/v1/webhooks", nil, 401, noToken},
			"no token, DNS":   {"for each route", "[? vercel-no-token]", "-", acme, "GET", "/v6/domains/example.com/config", nil, 401, noToken},
			"wrong token":     {"a wrong token is 403 with invalidToken", "[? vercel-wrong-token]", "nope", acme, "GET", "/v2/user", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
			"unknown team":    {"a team that the user is not in is 403 and named", errorsPage, "", "team_none", "GET", "/v9/projects/x", nil, 403, obj{"code": "forbidden", "message": `Not authorized: Trying to access resource under scope "team_none". You must re-authenticate to this scope.`, "scope": "team_none"}},
			"token of a team": {"a token limited to a team has no personal account", errorsPage, "limited", "", "GET", "/v9/projects/x", nil, 403, obj{"code": "forbidden", "message": "Not authorized"}},
			"read only":       {"a token that may not change names action and resource", "https://github.com/dyad-sh/dyad/issues/4175", "viewer", acme, "POST", "/v11/projects", obj{"name": "x"}, 403, obj{"code": "forbidden", "message": "You don't have permission to create the project.", "action": "create", "resource": "project"}},
			"foreign project": {"another team's project is 404, not 403", errorsPage, "stranger", other, "GET", "/v9/projects/" + p, nil, 404, obj{"code": "not_found", "message": "Project not found."}},
			"foreign dpl":     {"another team's deployment is 404", errorsPage, "stranger", other, "GET", dpls + "/" + live, nil, 404, obj{"code": "not_found", "message": `The deployment "` + live + `" can't be found.`}},
			"not modelled":    {"what is not modelled is 501 with the route", ours, "", acme, "GET", "/v1/edge-config", nil, 501, obj{"code": "not_implemented", "message": "the emulator does not model GET /v1/edge-config"}},
			"name taken":      {"a taken name is 409 conflict", "https://github.com/dyad-sh/dyad/issues/1873", "", acme, "POST", "/v11/projects", obj{"name": "shop"}, 409, obj{"code": "conflict", "message": `Project "shop" already exists.`}},
			"too many":        {"over the plan's limit", "[? vercel-project-limit]", "", acme, "POST", "/v11/projects", obj{"name": "third"}, 402, obj{"code": "too_many_projects", "message": "You have reached the maximum number of projects."}},
			"unknown field":   {"a closed body refuses other fields", "[? vercel-unknown-field]", "", acme, "POST", "/v11/projects", obj{"name": "x", "nome": 1}, 400, obj{"code": "bad_request", "message": "Invalid request: should NOT have additional property `nome`."}},
			"missing field":   {"a required field is named", errorsPage, "", acme, "POST", "/v11/projects", obj{}, 400, obj{"code": "bad_request", "message": "Invalid request: missing required property `name`."}},
			"wrong type":      {"types are checked", errorsPage, "", acme, "POST", "/v11/projects", obj{"name": 1}, 400, obj{"code": "bad_request", "message": "Invalid request: `name` should be string."}},
			"git in patch":    {"gitRepository is create-only", "[? vercel-unknown-field]", "", acme, "PATCH", "/v9/projects/" + p, obj{"gitRepository": obj{}}, 400, obj{"code": "bad_request", "message": "Invalid request: should NOT have additional property `gitRepository`."}},
			"env exists":      {"the default conflict shape, with the branch that is not there", "https://github.com/vercel/vercel/issues/16588", "", acme, "POST", envs, env, 400, obj{"code": "ENV_CONFLICT", "message": "A variable with the name `K` already exists for the target production on branch undefined", "key": "K", "envVarKey": "K", "target": []any{"production"}}},
			"env no target":   {"target or customEnvironmentIds is required", document, "", acme, "POST", envs, obj{"key": "X", "value": "v", "type": "plain"}, 400, obj{"code": "bad_request", "message": "Invalid request: `target` or `customEnvironmentIds` is required."}},
			"env sensitive":   {"sensitive is refused for development", document, "", acme, "POST", envs, with(env, "key", "X", "type", "sensitive", "target", []string{"development"}), 400, obj{"code": "bad_request", "message": "You cannot set a Sensitive Environment Variable's target to development."}},
			"env comment":     {"a comment has at most 500 characters", document, "", acme, "POST", envs, with(env, "comment", strings.Repeat("x", 501)), 400, obj{"code": "bad_request", "message": "Invalid request: `comment` should NOT be longer than 500 characters."}},
			"preview target":  {"target is never preview", document, "", acme, "POST", dpls, obj{"name": "shop", "target": "preview", "files": files}, 400, obj{"code": "bad_request", "message": "Invalid request: `target` should be equal to one of the allowed values \"production, staging\"."}},
			"first dpl":       {"a project's first deployment needs projectSettings", document, "", acme, "POST", dpls, obj{"name": "full", "files": files}, 400, obj{"code": "missing_project_settings", "message": "The `projectSettings` object is required for new projects, but is missing in the deployment payload", "framework": obj{"slug": nil, "name": "Other"}}},
			"path traversal":  {"a file name may not leave the tree", document, "", acme, "POST", dpls, obj{"name": "shop", "files": []obj{{"file": "../x", "data": ""}}}, 400, obj{"code": "bad_request", "message": "Invalid file name: `../x`."}},
			"absolute path":   {"nor be absolute", document, "", acme, "POST", dpls, obj{"name": "shop", "files": []obj{{"file": "/etc/x", "data": ""}}}, 400, obj{"code": "bad_request", "message": "Invalid file name: `/etc/x`."}},
			"promote preview": {"a preview cannot be promoted", "[? vercel-promote-preview]", "", acme, "POST", "/v10/projects/" + p + "/promote/" + preview, obj{}, 422, obj{"code": "unprocessable_entity", "message": "A preview deployment cannot be promoted: it has to be built for production."}},
			"promote live":    {"what serves production cannot be promoted again", "[? vercel-promote-current]", "", acme, "POST", "/v10/projects/" + p + "/promote/" + live, obj{}, 409, obj{"code": "conflict", "message": "The deployment is already the current production deployment."}},
			"roll back":       {"what never served production is no rollback target", "[? vercel-rollback-never-promoted]", "", acme, "POST", "/v1/projects/" + p + "/rollback/" + staged, nil, 422, obj{"code": "unprocessable_entity", "message": "The deployment has never served production."}},
			"cancel late":     {"a finished build cannot be canceled", "[? vercel-cancel-ready]", "", acme, "PATCH", "/v12/deployments/" + live + "/cancel", nil, 400, obj{"code": "bad_request", "message": "The deployment cannot be canceled because it is READY."}},
			"domain taken":    {"a domain belongs to one project", document, "", acme, "POST", "/v10/projects/full/domains", obj{"name": "shop.example.com"}, 409, obj{"code": "domain_already_in_use", "message": `Cannot add shop.example.com since it's already in use by your project "shop".`, "domain": obj{"name": "shop.example.com"}, "projectId": p}},
			"limit":           {"a page has at most 100", document, "", acme, "GET", "/v10/projects?limit=101", nil, 400, obj{"code": "bad_request", "message": "Invalid request: `limit` should be a number from 1 to 100."}},
			"bad JSON":        {"a body that is no JSON", errorsPage, "", acme, "POST", "/v11/projects", "{", 400, obj{"code": "invalid_json", "message": "Invalid JSON: unexpected end of JSON input"}},
			"no body":         {"a body that is not there", document, "", acme, "POST", "/v11/projects", nil, 400, obj{"code": "bad_request", "message": "Invalid request: missing request body."}},
			"too large":       {"a body over the limit", "[? vercel-body-limit]", "", acme, "POST", "/v11/projects", strings.Repeat(" ", 10<<20+1), 413, obj{"code": "payload_too_large", "message": "The body is over 10485760 bytes."}},

			"token":             refuse("a token that is not there", "https://vercel.com/docs/rest-api/reference/endpoints/authentication/get-auth-token-metadata", "GET /v5/user/tokens/none", nil, 404, absent("Token not found")),
			"namespaces":        {"a wrong token, asking for Git namespaces", "[? vercel-wrong-token]", "nope", acme, "GET", "/v1/integrations/git-namespaces", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
			"configurations":    {"the view is required", document, "", acme, "GET", "/v1/integrations/configurations", nil, 400, obj{"code": "bad_request", "message": "Invalid request: `view` should be equal to one of the allowed values \"account\", \"project\"."}},
			"products":          refuse("an integration that is not installed", document, "GET /v1/integrations/configuration/icfg_none/products", nil, 404, absent("Configuration not found")),
			"store":             refuse("an integration that is not installed sells nothing", document, "POST /v1/storage/stores/integration/direct", obj{"name": "x", "integrationConfigurationId": "icfg_none", "integrationProductIdOrSlug": "upstash-kv"}, 404, absent("Configuration not found")),
			"no integration":    refuse("one that is not there", errorsPage, "GET /v2/integrations/integration/none", nil, 404, absent("Integration not found")),
			"no product":        refuse("a product that it does not sell", errorsPage, "POST /v1/integrations/integration/upstash/marketplace/auto-provision/none", orderByCLI("x", obj{}), 404, absent("Product not found")),
			"stores":            {"a wrong token, asking for stores", "[? vercel-wrong-token]", "nope", acme, "GET", "/v1/storage/stores", nil, 403, obj{"code": "forbidden", "message": "Not authorized", "invalidToken": true}},
			"no store":          refuse("a store that is not there", document, "GET /storage/stores/none", nil, 404, absent("Store not found")),
			"connect no store":  refuse("nor connected", errorsPage, "POST /v1/storage/stores/none/connections", obj{"envVarEnvironments": []string{}, "projectId": p}, 404, absent("Store not found")),
			"delete no store":   refuse("nor deleted", errorsPage, "DELETE /v1/storage/stores/integration/none", nil, 404, absent("Store not found")),
			"team":              refuse("a team that is not there", document, "GET /v2/teams/none", nil, 404, absent("Team not found")),
			"projects' limit":   refuse("at most 100 a page", document, "GET /v10/projects?limit=101", nil, 400, wrong("Invalid request: `limit` should be a number from 1 to 100.")),
			"no project":        refuse("a project that is not there", errorsPage, "GET /v9/projects/none", nil, 404, noProject),
			"delete no project": refuse("nor deleted", errorsPage, "DELETE /v9/projects/none", nil, 404, noProject),
			"renamed":           refuse("a name that is taken", "https://github.com/dyad-sh/dyad/issues/1873", "PATCH "+at, obj{"name": "full"}, 409, taken(`Project "full" already exists.`)),
			"bypass, revoked":   refuse("a secret that is not there", document, "PATCH /v1/projects/"+p+"/protection-bypass", obj{"revoke": obj{"secret": "none", "regenerate": false}}, 404, absent("The secret was not found.")),
			"bypass, twice":     refuse("a secret that is there", document, "PATCH /v1/projects/"+p+"/protection-bypass", obj{"generate": obj{"secret": strings.Repeat("x", 32)}}, 409, taken("The secret is already in use.")),

			"link, no repo": refuse("a repository that the Git app does not see", "[? vercel-link-repo-not-found]", "POST "+at+"/link", obj{"type": "github", "repo": "acme/none"}, 400, obj{"code": "repo_not_found", "message": `The repository "acme/none" couldn't be found.`}),
			"link, full":    refuse("linked to as many projects as the plan allows", "[? vercel-link-repo-not-found]", "POST "+at+"/link", obj{"type": "github", "repo": "acme/full"}, 400, obj{"code": "repo_links_exceeded_limit", "message": `The repository "acme/full" is already connected to the maximum number of projects.`, "action": "Upgrade", "link": "https://vercel.com/docs/limits"}),
			"link, app":     refuse("the Git app is not installed", "[? vercel-link-account]", "POST "+at+"/link", obj{"type": "github", "repo": "acme/app"}, 400, obj{"code": "bad_request", "message": "To link a GitHub repository, you need to install the GitHub integration first.", "action": "Install GitHub App", "link": "https://github.com/apps/vercel"}),
			"link, login":   refuse("the user has no login connection", "[? vercel-link-account]", "POST "+at+"/link", obj{"type": "github", "repo": "acme/login"}, 400, obj{"code": "bad_request", "message": "To link the repository acme/login, you need to add a Login Connection to your GitHub account first.", "action": "Add a Login Connection", "link": "https://vercel.com/account/login-connections"}),
			"not linked":    refuse("no link to take away", errorsPage, "DELETE /v9/projects/full/link", nil, 400, wrong("The project is not linked to a Git repository.")),

			"envs of none":     refuse("variables of no project", errorsPage, "GET /v10/projects/none/env", nil, 404, noProject),
			"no env":           refuse("a variable that is not there", errorsPage, "GET /v1/projects/"+p+"/env/none", nil, 404, noEnv),
			"delete no env":    refuse("nor deleted", errorsPage, "DELETE "+at+"/env/none", nil, 404, noEnv),
			"change no env":    refuse("nor changed", errorsPage, "PATCH "+at+"/env/none", obj{"value": "w"}, 404, noEnv),
			"sensitive stays":  refuse("a sensitive variable stays so", document, "PATCH "+at+"/env/"+hidden, obj{"type": "plain"}, 400, wrong("You cannot change the type of a Sensitive Environment Variable.")),
			"delete no envs":   refuse("of no project", errorsPage, "DELETE /v1/projects/none/env", obj{"ids": []string{"x"}}, 404, noProject),
			"env name":         refuse("a name is a word", document, "POST "+envs, with(env, "key", "1D"), 400, wrong("The name contains invalid characters. Only letters, digits, and underscores are allowed. Furthermore, the name should not start with a digit.")),
			"env size":         refuse("64 KB at most", document, "POST "+envs, with(env, "key", "BIG", "value", strings.Repeat("x", 65<<10)), 400, wrong("The total size of your Environment Variables, names and values, exceeds 64KB.")),
			"env branch":       refuse("a branch goes with preview", document, "POST "+envs, with(env, "key", "B", "gitBranch", "fix"), 400, wrong("`gitBranch` can only be set for the target preview.")),
			"env custom":       refuse("of no custom environment", errorsPage, "POST "+envs, obj{"key": "C", "value": "v", "type": "plain", "customEnvironmentIds": []string{"none"}}, 404, noCustom),
			"env fails":        refuse("one that Vercel could not make", document, "POST "+envs, with(env, "key", "BAD"), 400, obj{"code": "unknown_error", "message": "The variable could not be created."}),
			"pull, no project": refuse("variables of no project", errorsPage, "GET /v3/env/pull/none/production", nil, 404, noProject),
			"pull, no target":  refuse("of no target", errorsPage, "GET /v3/env/pull/"+p+"/none", nil, 404, noCustom),
			"pull, a branch":   refuse("of no target's branch", errorsPage, "GET /v3/env/pull/"+p+"/none/fix", nil, 404, noCustom),

			"no digest":      refuse("an upload says its SHA-1", document, "POST /v2/files", "x", 400, wrong("Invalid header: `x-vercel-digest` is required.")),
			"no dpl":         refuse("a deployment that is not there", document, "GET "+dpls+"/none", nil, 404, noDpl),
			"delete no dpl":  refuse("nor deleted", document, "DELETE "+dpls+"/none", nil, 404, noDpl),
			"cancel no dpl":  refuse("nor canceled", document, "PATCH /v12/deployments/none/cancel", nil, 404, noDpl),
			"missing files":  refuse("files are uploaded first", errorsPage, "POST "+dpls, obj{"name": "shop", "files": []obj{{"file": "a", "sha": digest("none"), "size": 4}}}, 400, obj{"code": "missing_files", "message": "Missing files", "missing": []any{digest("none")}}),
			"no files":       refuse("a deployment has a file", document, "POST "+dpls, obj{"name": "shop", "files": []obj{}}, 400, wrong("The deployment has no files.")),
			"no such source": refuse("a repository that is not there", "[? vercel-git-source-unknown]", "POST "+dpls, obj{"name": "shop", "gitSource": obj{"type": "github", "org": "acme", "repo": "none", "ref": "main"}}, 400, obj{"code": "incorrect_git_source_info", "message": "The provided GitHub repository can't be found. Is the Git app installed on it?"}),
			"dpls' limit":    refuse("at most 100 a page", document, "GET /v6/deployments?limit=0", nil, 400, wrong("Invalid request: `limit` should be a number from 1 to 100.")),
			"dpls' until":    refuse("a time", document, "GET /v6/deployments?until=now", nil, 400, wrong("Invalid request: `until` should be a timestamp.")),
			"events of none": refuse("of no deployment", errorsPage, "GET /v3/deployments/none/events", nil, 404, noDpl),
			"events, older":  refuse("by the CLI's path too", errorsPage, "GET /v3/now/deployments/none/events", nil, 404, noDpl),
			"events' limit":  refuse("a number", document, "GET /v3/deployments/"+live+"/events?limit=all", nil, 400, wrong("Invalid request: `limit` should be a number.")),

			"aliases of none":  refuse("of no deployment", document, "GET /v2/deployments/none/aliases", nil, 404, noDpl),
			"alias of none":    refuse("to no deployment", document, "POST /v2/deployments/none/aliases", obj{"alias": "x.vercel.app"}, 404, noDpl),
			"alias, no name":   refuse("a hostname", document, "POST /v2/deployments/"+live+"/aliases", obj{"alias": "a b"}, 400, obj{"code": "invalid_alias", "message": "The supplied alias is invalid"}),
			"alias, not ready": refuse("to a build that failed", document, "POST /v2/deployments/"+broken+"/aliases", obj{"alias": "x.vercel.app"}, 400, obj{"code": "deployment_not_ready", "message": "The deployment is not READY and can not be aliased"}),
			"alias, in use":    refuse("another deployment's own", document, "POST /v2/deployments/"+staged+"/aliases", obj{"alias": liveHost}, 409, obj{"code": "alias_in_use", "message": "The alias is in use by another account."}),
			"alias, twice":     refuse("one that it has", document, "POST /v2/deployments/"+live+"/aliases", obj{"alias": "extra"}, 409, taken("The provided alias is already assigned to the given deployment")),
			"alias, no domain": refuse("below a domain that the account does not have", document, "POST /v2/deployments/"+live+"/aliases", obj{"alias": "x.example.net"}, 404, absent("The domain used for the alias was not found")),
			"aliases' limit":   refuse("at most 100 a page", document, "GET /v4/aliases?limit=x", nil, 400, wrong("Invalid request: `limit` should be a number from 1 to 100.")),
			"no alias":         refuse("one that is not there", document, "GET /v4/aliases/none.vercel.app", nil, 404, absent("The alias was not found")),
			"delete no alias":  refuse("nor deleted", document, "DELETE /v2/aliases/none.vercel.app", nil, 404, absent("The alias was not found")),

			"promote building": refuse("a build that goes on", "[? vercel-promote-not-ready]", "POST /v10/projects/"+p+"/promote/"+building, obj{}, 409, taken("The deployment is not READY.")),
			"promote none":     refuse("no deployment", errorsPage, "POST /v10/projects/"+p+"/promote/none", obj{}, 404, noDpl),
			"moves of none":    refuse("of no project", document, "GET /v1/projects/none/promote/aliases", nil, 404, noProject),
			"back of none":     refuse("of no project", errorsPage, "GET /v1/projects/none/rollback/aliases", nil, 404, noProject),
			"roll back live":   refuse("what serves", "[? vercel-rollback-current]", "POST /v1/projects/"+p+"/rollback/"+live, nil, 409, taken("The deployment is already the current production deployment.")),
			"no rollback":      refuse("no rollback to tell of", errorsPage, "PATCH /v1/projects/"+p+"/rollback/none/update-description", obj{}, 404, noDpl),

			"domains of none":   refuse("of no project", errorsPage, "GET /v9/projects/none/domains", nil, 404, noProject),
			"domains' limit":    refuse("at most 100 a page", document, "GET "+at+"/domains?limit=-1", nil, 400, wrong("Invalid request: `limit` should be a number from 1 to 100.")),
			"no hostname":       refuse("a domain is a hostname", document, "POST "+domains, obj{"name": "a b"}, 400, obj{"code": "invalid_domain", "message": `The domain "a b" is not valid.`}),
			"branch, redirect":  refuse("one of both", document, "POST "+domains, obj{"name": "x.example.com", "gitBranch": "fix", "redirect": "shop.vercel.app"}, 400, wrong("You can't set both a git branch and a redirect for the domain.")),
			"own redirect":      refuse("not to itself", document, "POST "+domains, obj{"name": "x.example.com", "redirect": "x.example.com"}, 400, wrong("A domain cannot redirect to itself.")),
			"own redirect, set": refuse("nor later", document, "PATCH "+at+"/domains/shop.example.com", obj{"redirect": "shop.example.com"}, 400, wrong("A domain cannot redirect to itself.")),
			"production branch": refuse("not the production branch", document, "POST "+domains, obj{"name": "x.example.com", "gitBranch": "trunk"}, 400, wrong("You can not set the production branch as a branch for your domain.")),
			"no domain":         refuse("a domain of no project", errorsPage, "GET "+unassigned, nil, 404, noDomain),
			"change no domain":  refuse("nor changed", errorsPage, "PATCH "+unassigned, obj{}, 404, noDomain),
			"delete no domain":  refuse("nor deleted", document, "DELETE "+unassigned, nil, 404, noDomain),
			"move no domain":    refuse("nor moved", errorsPage, "POST /v1/projects/"+p+"/domains/none.example.com/move", obj{"projectId": "full"}, 404, noDomain),
			"move to none":      refuse("to no project", errorsPage, "POST /v1/projects/"+p+"/domains/shop.example.com/move", obj{"projectId": "none"}, 404, noProject),
			"move generated":    refuse("the project's own", "[? vercel-domain-move-generated]", "POST /v1/projects/"+p+"/domains/shop.vercel.app/move", obj{"projectId": "full"}, 409, taken(`The domain "shop.vercel.app" cannot be moved to "full".`)),
			"no TXT":            refuse("no record", document, "POST "+at+"/domains/shop.example.com/verify", nil, 400, obj{"code": "missing_txt_record", "message": "Domain _vercel.example.com is missing required TXT Record \"" + challenge + "\"."}),
			"other TXT":         refuse("another record", "[? vercel-domain-txt-mismatch]", "POST "+at+"/domains/shop.example.org/verify", nil, 400, obj{"code": "txt_record_mismatch", "message": "The TXT record on _vercel.example.org does not match the expected challenge."}),
			"older, no name":    refuse("by the CLI's path too", errorsPage, "POST /projects/"+p+"/alias", obj{"domain": "a b"}, 400, obj{"code": "invalid_domain", "message": `The domain "a b" is not valid.`}),
			"older, none":       refuse("by the CLI's path too", errorsPage, "DELETE /projects/"+p+"/alias?domain=none.example.com", nil, 404, noDomain),

			"hook URL":       refuse("a URL", document, "POST /v1/webhooks", obj{"url": "https://", "events": []string{"deployment.ready"}}, 400, wrong("Invalid request: `url` should match format \"uri\".")),
			"hook event":     refuse("an event that there is", document, "POST /v1/webhooks", obj{"url": "https://example.com", "events": []string{}}, 400, wrong("Invalid request: `events` should NOT have fewer than 1 items.")),
			"hook project":   refuse("of no project", errorsPage, "POST /v1/webhooks", obj{"url": "https://example.com", "events": []string{"deployment.ready"}, "projectIds": []string{"none"}}, 404, noProject),
			"no hook":        refuse("one that is not there", errorsPage, "GET /v1/webhooks/none", nil, 404, absent("The webhook was not found.")),
			"delete no hook": refuse("nor deleted", errorsPage, "DELETE /v1/webhooks/none", nil, 404, absent("The webhook was not found.")),

			"checks of none":  refuse("of no deployment", document, "GET /v1/deployments/none/checks", nil, 404, noDpl),
			"check too late":  refuse("of a deployment that is done", document, "POST /v1/deployments/"+live+"/checks", obj{"name": "x", "blocking": true}, 400, wrong("Cannot create check for finished deployment")),
			"check, blocking": refuse("blocking or not", document, "POST "+checks, obj{"name": "x"}, 400, wrong("Invalid request: missing required property `blocking`.")),
			"no check":        refuse("one that is not there", document, "GET "+checks+"/none", nil, 404, absent("Check was not found")),
			"change no check": refuse("nor changed", document, "PATCH "+checks+"/none", obj{}, 404, absent("Check was not found")),
			"check, open end": refuse("completed how", "[? vercel-check-no-conclusion]", "PATCH "+check, obj{"status": "completed"}, 400, wrong("Invalid request: a completed check needs a `conclusion`.")),
			"check, too much": refuse("an output of 64 KB at most", document, "PATCH "+check, obj{"output": obj{"x": strings.Repeat("x", 65<<10)}}, 413, obj{"code": "check_output_too_large", "message": "The output provided is too large"}),
			"check, again":    refuse("one that may not be asked for again", "[? vercel-check-rerequest]", "POST "+check+"/rerequest", nil, 400, wrong("The check cannot be rerequested.")),
			"no check again":  refuse("nor one that is not there", document, "POST "+checks+"/none/rerequest", nil, 404, absent("Check was not found")),

			"rolling of none":     refuse("of no project", errorsPage, "GET /v1/projects/none/rolling-release/config", nil, 404, noProject),
			"roll none":           refuse("nor set", errorsPage, "PATCH /v1/projects/none/rolling-release/config", obj{}, 404, noProject),
			"do not roll none":    refuse("nor taken away", errorsPage, "DELETE /v1/projects/none/rolling-release/config", nil, 404, noProject),
			"release of none":     refuse("nor read", errorsPage, "GET /v1/projects/none/rolling-release", nil, 404, noProject),
			"a single stage":      refuse("stages grow", "[? vercel-rolling-stages]", "PATCH /v1/projects/"+p+"/rolling-release/config", obj{"stages": []obj{{"targetPercentage": 100}}}, 400, wrong("Invalid request: there are two `stages` or more, and the last has `targetPercentage` 100.")),
			"approve no release":  refuse("none is under way", "[? vercel-rolling-not-active]", "POST /v1/projects/"+p+"/rolling-release/approve-stage", obj{"nextStageIndex": 1, "canaryDeploymentId": live}, 404, absent("There is no active rolling release of this deployment.")),
			"complete no release": refuse("none is under way", "[? vercel-rolling-not-active]", "POST /v1/projects/"+p+"/rolling-release/complete", obj{"canaryDeploymentId": live}, 404, absent("There is no active rolling release of this deployment.")),

			"environments of none":  refuse("of no project", errorsPage, "GET /v9/projects/none/custom-environments", nil, 404, noProject),
			"environment slug":      refuse("not one of the three", document, "POST "+at+"/custom-environments", obj{"slug": "preview"}, 400, wrong(`The slug "preview" is not valid for a custom environment.`)),
			"environment taken":     refuse("a slug that is taken", "[? vercel-environment-slug-taken]", "POST "+at+"/custom-environments", obj{"slug": "qa"}, 400, wrong(`A custom environment with the slug "qa" already exists.`)),
			"too many environments": refuse("as many as the plan allows", "[? vercel-environment-limit]", "POST "+at+"/custom-environments", obj{"slug": "uat"}, 402, obj{"code": "custom_environments_limit", "message": "You have reached the maximum number of custom environments."}),
			"environment from none": refuse("variables of no environment", errorsPage, "POST /v9/projects/full/custom-environments", obj{"slug": "uat", "copyEnvVarsFrom": "none"}, 404, noCustom),
			"no environment":        refuse("one that is not there", document, "GET "+at+"/custom-environments/none", nil, 404, noCustom),
			"change no environment": refuse("nor changed", errorsPage, "PATCH "+at+"/custom-environments/none", obj{}, 404, noCustom),
			"delete no environment": refuse("nor deleted", errorsPage, "DELETE "+at+"/custom-environments/none", nil, 404, noCustom),
		}
		mux, judged := http.NewServeMux(), map[string]bool{}
		for _, rt := range routes() {
			for v := range strings.FieldsSeq(rt.versions) {
				path := strings.TrimPrefix("/"+v+rt.path, "/-")
				mux.HandleFunc(rt.method+" "+path, func(http.ResponseWriter, *http.Request) { judged[rt.published()] = true })
			}
		}
		for name, tc := range table {
			w.token, w.team = DefaultToken, tc.team
			if tc.token != "" {
				w.token = strings.TrimPrefix(tc.token, "-")
			}
			a := w.do(tc.method, tc.path, tc.body)
			if a.status != tc.status {
				t.Errorf("%s: %s: status %d, want %d", name, tc.reason, a.status, tc.status)
			}
			if diff := cmp.Diff(any(obj{"error": tc.want}), a.body); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, tc.reason, diff)
			}
			if !w.check.Cited(t, tc.source, tc.method, tc.path, tc.status) {
				t.Errorf("%s: %s is no source of a %d of %s %s", name, tc.source, tc.status, tc.method, tc.path)
			}
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		}
		for _, rt := range routes() {
			if !judged[rt.published()] {
				t.Errorf("no error of %s is judged", rt.published())
			}
		}
		w.token, w.team = DefaultToken, acme
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+staged, obj{})
		a := w.want(http.StatusConflict, "POST", "/v10/projects/"+p+"/promote/"+staged, obj{})
		if diff := cmp.Diff(any(obj{"error": taken("Another promotion or rollback of this project is in progress.")}), a.body); diff != "" {
			t.Errorf("a second promotion meanwhile (-want +got):\n%s", diff)
		}
	})
}
