package manifest

import (
	"regexp"
	"slices"
	"sync"

	slipway "github.com/slipway-dev/slipway"
)

// shape is the type of a place in the manifest.
type shape int

const (
	text    shape = iota // a YAML string
	integer              // a whole number, written in decimal
	boolean              // true or false
	scalar               // text, number or boolean, kept as written
	list                 // entries of one node
	object               // the keys of a table
	mapping              // names that the author chooses, each with one node
)

// node says what may stand in one place of the manifest. The tree of nodes is the one source for parsing, hints and JSON Schema.
type node struct {
	shape   shape
	help    string
	example string // shown when something else stands there
	rule    *rule  // text and scalar: the value; mapping: the names
	enum    []string
	min     int64 // integer: least value; list: least number of entries
	max     int64 // integer: greatest value; list and mapping: greatest number of entries; 0: any
	unique  bool  // list: no entry twice
	def     any   // filled in when the key is left out

	item *node // list and mapping

	keys   []key             // object, in the order of the documentation
	alone  []string          // object: at most one of these keys
	one    bool              // object: exactly one of alone
	needs  map[string]string // object: a key that makes no sense without another one
	waiver string            // object: with this key, no other is required and no default is filled in
	short  string            // object: text in its place stands for one with this key alone
	kinds  []kind            // object: the keys depend on the key type
}

type key struct {
	name     string
	required bool
	node     *node
}

// kind is one form of an object that its key type chooses.
type kind struct {
	name string
	node *node
}

// rule says what text must look like. The patterns mean the same in RE2 and ECMA-262.
type rule struct {
	pattern  string // must match
	forbid   string // must not match
	reserved []string
	max      int    // characters; 0: any
	says     string // what must hold, after "must"
	hint     string
	masked   bool    // the value may be a secret: it is never shown
	first    []*rule // that must hold before this one, each with its own words

	once            sync.Once
	match, mismatch *regexp.Regexp
}

// holds reports whether s follows the rule.
func (r *rule) holds(s string) bool {
	r.once.Do(func() {
		if r.pattern != "" {
			r.match = regexp.MustCompile(r.pattern)
		}
		if r.forbid != "" {
			r.mismatch = regexp.MustCompile(r.forbid)
		}
	})
	return (r.match == nil || r.match.MatchString(s)) && (r.mismatch == nil || !r.mismatch.MatchString(s)) &&
		(r.max == 0 || len([]rune(s)) <= r.max) && !slices.Contains(r.reserved, s)
}

const (
	controls = `[\x00-\x1f\x7f]`
	variable = `^[A-Za-z_][A-Za-z0-9_]*$`
)

var (
	appRule = &rule{
		pattern: `^[a-z](-?[a-z0-9])*$`, max: 52,
		says: "be lower case letters, digits and single hyphens, start with a letter, and have at most 52 characters",
		hint: "for example: my-app",
	}
	nameRule = &rule{pattern: `^[^ ]`, forbid: controls + `| $`, max: 100, says: "be 1 to 100 characters on one line, without spaces around it"}
	lineRule = &rule{pattern: `[^ ]`, forbid: controls, max: 256, says: "be one line of 1 to 256 characters"}

	environmentRule = &rule{
		pattern: `^[a-z][a-z0-9-]*$`, reserved: []string{"development"}, max: 32,
		says: "be production, preview, or a name of lower case letters, digits and hyphens with at most 32 characters",
		hint: "development is Vercel's own environment for laptops: nothing is deployed there",
	}
	folderRule = &rule{
		pattern: `[^ ]`, forbid: `^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|` + controls, max: 256,
		says: "be a folder inside the manifest's own folder, with forward slashes",
		hint: "move slipway.yaml to the folder that holds the app, or name it with -f",
	}
	hostRule = &rule{
		pattern: `^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$|^all$`, max: 253,
		says: "be a host such as packages.example.com or *.example.com, or all", hint: "leave out scheme, port and path",
	}
	durationRule   = &rule{pattern: `^[1-9][0-9]{0,4}s$|^[1-9][0-9]{0,2}m$|^[1-5]h$`, says: "be a time such as 90s, 10m or 1h", hint: "for example: 10m"}
	latencyRule    = &rule{pattern: `^[1-9][0-9]{0,4}ms$|^[1-9][0-9]{0,1}s$`, says: "be a time such as 800ms or 2s", hint: "for example: 2s"}
	pointerRule    = &rule{pattern: `^(/([^~]|~[01])*)+$`, max: 1024, says: "be a JSON Pointer (RFC 6901) that starts with /", hint: "for example: /status"}
	outputRule     = &rule{pattern: `[^ ]`, forbid: `^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|` + controls, max: 256, says: "be a relative path without .."}
	repositoryRule = &rule{
		pattern: `^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`, forbid: `/\.{1,2}$`,
		says: "be owner/repo", hint: "for example: acme/storefront, without https://github.com/",
	}
	refRule = &rule{
		pattern: `^[^-./~^:?*\[\\ ]`, forbid: `\.\.|[ ~^:?*\[\\]|@\{|[./]$|` + controls, max: 255, says: "be a branch, tag or commit",
	}
	teamRule     = &rule{pattern: `^[A-Za-z0-9][A-Za-z0-9_-]*$`, max: 100, says: "be a team's slug, or its id (team_…)", hint: "the slug stands in the dashboard's address: https://vercel.com/SLUG"}
	regionRule   = &rule{pattern: `^[a-z]{3}[0-9]$`, says: "be a Vercel region", hint: "three letters and a digit, such as iad1, fra1, sin1"}
	nodeRule     = &rule{pattern: `^[1-9][0-9]\.x$`, says: "be a Node.js major version followed by .x", hint: "for example: 22.x"}
	resourceRule = &rule{pattern: `^[a-z][a-z0-9_-]*$`, max: 32, says: "be lower case letters, digits, _ and -, start with a letter, and have at most 32 characters"}
	domainRule   = &rule{
		pattern: `^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$`, max: 253,
		says: "be a domain name in lower case, without scheme, port, path or wildcard", hint: "for example: shop.example.com; write international names in their xn-- form",
	}
	variableRule = &rule{
		pattern: variable, forbid: `^SLIPWAY$|^VERCEL_`, max: 256,
		says: "be letters, digits and _, not start with a digit, and not be SLIPWAY or start with VERCEL_",
		hint: "SLIPWAY holds the ledger, and Vercel sets VERCEL_… itself",
	}
	fromRule   = &rule{pattern: `^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_]*$`, says: "be resource.output", hint: "for example: db.pooled_url"}
	secretRule = &rule{
		pattern: variable, forbid: credentialPattern, max: 256, masked: true,
		says: "be the name of a variable in Slipway's environment, not the secret itself",
		hint: "export the value under a name, and write that name here; if a real secret stands here, revoke it",
	}
	valueRule = &rule{
		forbid: credentialPattern + `|\x00`, max: 65536, masked: true,
		says: "be a plain value of at most 65536 characters; this one looks like a credential",
		hint: "use {secret: NAME} and export it under that name; if it is a real secret, revoke it",
	}
	pathRule = &rule{pattern: `^/`, forbid: `^//|[ \\#]|` + controls, max: 2048, says: "be a path on the deployment that starts with one /", hint: "for example: /api/health"}
)

// table returns the whole manifest as a node. types become the kinds of resources.
func table(types []slipway.ResourceType) *node {
	return &node{shape: object, help: "slipway.yaml: the desired state of one app", keys: []key{
		{"app", true, &node{rule: appRule, help: "the app's name; also its name at the providers, unless name says otherwise"}},
		{"name", false, &node{rule: nameRule, help: "the app's name at the providers; keeps everything in place when app changes"}},
		{"environments", false, &node{
			shape: list, min: 1, max: 20, unique: true, def: []any{slipway.Production}, example: "[production, preview]",
			help: "the environments of this app: production, preview, or your own names", item: &node{rule: environmentRule},
		}},
		{"source", false, sourceNode()},
		{"vercel", false, vercelNode()},
		{"resources", false, &node{
			shape: mapping, max: 50, rule: resourceRule, example: "db: {type: neon.postgres}",
			help: "what the app needs at the providers, each under a name of your own", item: resourceNode(types),
		}},
		{"env", false, &node{
			shape: mapping, max: 500, rule: variableRule, example: "LOG_LEVEL: {value: info}",
			help: "the app's environment variables", item: envNode(),
		}},
		{"verify", false, verifyNode()},
		{"promote", false, &node{shape: object, example: "{approval: required}", help: "how production is moved", keys: []key{
			{"approval", false, &node{enum: []string{"required", "auto"}, def: "required", help: "whether a person must approve moving production"}},
			{"rollback", false, &node{enum: []string{"manual", slipway.RollbackAutomatic}, help: "automatic moves production back by itself when its probes fail after it has moved; default: manual"}},
			{"checks", false, &node{
				shape: list, min: 1, max: 50, unique: true, example: "[test]",
				help: "names of check runs and commit statuses at GitHub that must pass before production is moved, or [all]; default: none", item: &node{rule: lineRule},
			}},
			{"health", false, probesNode("HTTP GETs on production after it has moved; default with an automatic rollback: those of verify.health")},
		}}},
	}}
}

func sourceNode() *node {
	return &node{
		shape: object, example: "{dir: .}", help: "where the app's files come from", alone: []string{"dir", "github"}, needs: map[string]string{"ref": "github"},
		keys: []key{
			{"dir", false, &node{rule: folderRule, def: ".", help: "the app's folder, relative to the manifest's"}},
			{"github", false, &node{rule: repositoryRule, help: "a GitHub repository: owner/repo"}},
			{"ref", false, &node{rule: refRule, help: "branch, tag or commit of the repository; default: its default branch"}},
			{"prebuilt", false, &node{shape: boolean, help: "the app is built already: ship only its .vercel/output (Build Output API, version 3)"}},
		},
	}
}

func vercelNode() *node {
	return &node{shape: object, example: "{framework: nextjs}", help: "settings of the Vercel project; what is left out stays as Vercel has it", keys: []key{
		{"team", false, &node{rule: teamRule, help: "team slug or id; default: VERCEL_TEAM_ID, else the token's own account"}},
		{"framework", false, &node{enum: Frameworks(), help: "framework preset; decides the build command and output folder"}},
		{"regions", false, &node{shape: list, max: 1, example: "[iad1]", help: "where functions run", item: &node{rule: regionRule}}},
		{"domains", false, &node{shape: list, max: 50, unique: true, example: "[shop.example.com]", help: "domains of the app", item: domainNode()}},
		{"build_command", false, &node{rule: lineRule, help: "replaces the preset's build command"}},
		{"install_command", false, &node{rule: lineRule, help: "replaces the install command that Vercel derives from the lock file"}},
		{"output_directory", false, &node{rule: outputRule, help: "replaces the preset's output folder"}},
		{"root_directory", false, &node{rule: outputRule, help: "the app's folder within the source, for monorepos"}},
		{"node_version", false, &node{rule: nodeRule, help: "Node.js version of builds and functions, such as 22.x"}},
		{"existing", false, vercelExistingNode()},
	}}
}

func resourceNode(types []slipway.ResourceType) *node {
	n := &node{shape: object, example: "{type: neon.postgres}", help: "one resource"}
	for _, t := range types {
		k := &node{shape: object, help: t.Help, waiver: "existing", keys: []key{
			{"type", true, &node{help: "what it is", enum: []string{t.Name}}},
			{"name", false, &node{rule: nameRule, help: "its name at the provider; keeps it when its key is renamed"}},
		}}
		if len(t.Existing) > 0 {
			k.alone = []string{"name", "existing"}
			k.keys = append(k.keys, key{"existing", false, existingNode(t.Existing)})
		}
		if t.Environment {
			k.keys = append(k.keys, key{"per_environment", false, &node{shape: boolean, help: "true gives each environment one of its own"}})
		}
		for _, f := range t.Fields {
			k.keys = append(k.keys, key{f.Name, f.Required, fieldNode(f)})
		}
		n.kinds = append(n.kinds, kind{t.Name, k})
	}
	return n
}

func fieldNode(f slipway.FieldInfo) *node {
	n := &node{help: f.Help, enum: f.Enum, def: f.Default}
	switch f.Type {
	case slipway.FieldInt:
		n.shape = integer
		n.def = wholeNumber(f.Default)
	case slipway.FieldBool:
		n.shape = boolean
	case slipway.FieldStrings:
		*n = node{shape: list, help: f.Help, max: 100, unique: true, example: "[…]", item: &node{rule: lineRule, enum: f.Enum}}
		if entries, ok := f.Default.([]string); ok {
			n.def = anyList(entries)
		}
	default:
		n.rule = lineRule
	}
	return n
}

// wholeNumber lets a provider write its default as an untyped constant.
func wholeNumber(v any) any {
	if n, ok := v.(int); ok {
		return int64(n)
	}
	return v
}

func anyList(entries []string) []any {
	out := make([]any, len(entries))
	for i, s := range entries {
		out[i] = s
	}
	return out
}

func envNode() *node {
	return &node{
		shape: object, example: "{value: info} for a literal, {secret: NAME} for a secret, {from: db.url} for an output", help: "one environment variable",
		alone: []string{"from", "secret", "value"}, one: true, needs: map[string]string{"allow_short": "secret"},
		keys: []key{
			{"from", false, &node{rule: fromRule, help: "resource.output: the value comes from a resource"}},
			{"secret", false, &node{rule: secretRule, help: "the value comes from this variable of Slipway's own environment, and is written as sensitive"}},
			{"value", false, &node{shape: scalar, rule: valueRule, help: "a literal, written in plain"}},
			{"targets", false, &node{
				shape: list, min: 1, max: 20, unique: true, example: "[production]",
				help: "the environments that get it; default: all", item: &node{rule: environmentRule},
			}},
			{"allow_short", false, &node{shape: boolean, help: "true lets a secret have fewer than 8 characters, which cannot be kept out of logs for certain"}},
		},
	}
}

func verifyNode() *node {
	return &node{shape: object, example: "{health: [{path: /api/health}]}", help: "what must hold before production is touched", keys: []key{
		{"commands", false, &node{
			shape: list, max: 50, example: "[[npm, ci], [npm, test]]", help: "commands that run in a sandbox before the deployment, each a list of words; no shell",
			item: &node{shape: list, min: 1, max: 100, example: "[npm, test]", item: &node{rule: &rule{pattern: `.`, forbid: `\x00`, max: 4096, says: "be 1 to 4096 characters"}}},
		}},
		{"network", false, &node{
			shape: list, min: 1, max: 100, unique: true, example: "[packages.example.com]",
			help: "the hosts that the commands reach, or [all]; default: none. Only Vercel Sandbox can tell hosts apart", item: &node{rule: hostRule},
		}},
		{"timeout", false, &node{rule: durationRule, help: "time limit of all commands together, such as 90s or 10m; default: 10m"}},
		{"memory", false, &node{shape: integer, min: 256, max: 65536, help: "memory in MiB; default: 4096"}},
		{"runtime", false, &node{enum: []string{"node22", "node24", "node26", "python3.13", "python3.14"}, help: "what Vercel Sandbox has installed; default: node24"}},
		{"sandbox", false, &node{enum: []string{"auto", "vercel", "local"}, help: "where the commands run: Vercel Sandbox, isolated on this machine, or the first of them that can be used (auto); default: auto"}},
		{"health", false, probesNode("HTTP GETs on the new deployment")},
	}}
}

func probesNode(help string) *node {
	return &node{
		shape: list, max: 50, example: "[{path: /api/health}]", help: help,
		item: &node{shape: object, example: "{path: /api/health, status: 200}", keys: []key{
			{"path", true, &node{rule: pathRule, help: "path on the deployment"}},
			{"status", false, &node{shape: integer, min: 100, max: 599, def: int64(200), help: "the status that must come back"}},
			{"contains", false, &node{rule: &rule{pattern: `.`, max: 4096, says: "be 1 to 4096 characters"}, help: "text that the body must hold"}},
			{"json", false, &node{shape: object, example: "{path: /status, equals: ok}", help: "what the body, as JSON, must say", keys: []key{
				{"path", true, &node{rule: pointerRule, help: "JSON Pointer (RFC 6901) of one value, such as /status or /checks/0/state"}},
				{"equals", true, &node{shape: scalar, rule: &rule{max: 4096, says: "be at most 4096 characters"}, help: "what stands there: text, a number, true or false"}},
			}}},
			{"within", false, &node{rule: latencyRule, help: "the longest that one GET may take, such as 800ms or 2s; default: any"}},
			{"retries", false, &node{shape: integer, min: 0, max: 100, help: "GETs after one that did not pass; default: 4"}},
			{"interval", false, &node{rule: latencyRule, help: "time between two GETs, such as 500ms or 5s; default: 1s"}},
		}},
	}
}

// domainNode is a domain: its name, or an object that says what it serves.
func domainNode() *node {
	return &node{
		shape: object, short: "name", alone: []string{"redirect", "branch"}, needs: map[string]string{"status": "redirect"}, example: "shop.example.com", keys: []key{
			{"name", true, &node{rule: domainRule, example: "www.example.com", help: "hostname that production serves, unless it redirects or serves a branch"}},
			{"redirect", false, &node{rule: domainRule, help: "hostname that visitors are sent to"}},
			{"status", false, &node{shape: integer, enum: []string{"301", "302", "307", "308"}, help: "of the redirect; default 308"}},
			{"branch", false, &node{rule: lineRule, help: "branch of source.github whose preview deployments it serves"}},
		},
	}
}
