package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	slipway "github.com/slipway-dev/slipway"
)

// types are resource types as a provider declares them.
var types = []slipway.ResourceType{
	{
		Name: "neon.postgres", Help: "a PostgreSQL database",
		Fields: []slipway.FieldInfo{
			{Name: "region", Type: slipway.FieldString, Default: "aws-us-east-1", Help: "where it lives"},
			{Name: "version", Type: slipway.FieldInt, Default: 17, Enum: []string{"16", "17"}, Help: "PostgreSQL's major version"},
		},
		Outputs: []slipway.OutputInfo{{Name: "url", Secret: true}, {Name: "pooled_url", Secret: true}},
	},
	{
		Name: "upstash.redis", Environment: true,
		Existing: []slipway.ExistingInfo{
			{Name: "id", Required: true, Pattern: `^[a-z0-9-]{1,64}$`, Says: "be an id", Help: "its id"}, {Name: "label", Help: "any name"},
		},
		Fields: []slipway.FieldInfo{
			{Name: "region", Type: slipway.FieldString, Required: true, Enum: []string{"us-east-1", "eu-west-1"}},
			{Name: "eviction", Type: slipway.FieldBool, Default: false},
			{Name: "read_regions", Type: slipway.FieldStrings, Enum: []string{"us-east-1", "eu-west-1"}},
		},
		Outputs: []slipway.OutputInfo{{Name: "rest_url"}, {Name: "rest_token", Secret: true}, {Name: "url", Secret: true}},
	},
	{
		Name: "upstash.vector", Environment: true,
		Fields: []slipway.FieldInfo{
			{Name: "region", Type: slipway.FieldString, Default: "us-east-1"},
			{Name: "dimensions", Type: slipway.FieldInt, Required: true},
			{Name: "metric", Type: slipway.FieldString, Default: "cosine", Enum: []string{"cosine", "euclidean", "dot_product"}},
		},
		Outputs: []slipway.OutputInfo{{Name: "rest_url"}, {Name: "rest_token", Secret: true}},
	},
}

const full = `app: storefront
environments: [production, preview, qa-1]
source: {github: acme/storefront, ref: main}
vercel: {team: acme, framework: nextjs, regions: [iad1], domains: [shop.example.com], node_version: 22.x}
resources:
  db:     {type: neon.postgres, region: aws-eu-central-1}
  cache:  {type: upstash.redis, region: us-east-1, per_environment: true, read_regions: [eu-west-1]}
  search: {type: upstash.vector, dimensions: 1536}
  legacy: {type: upstash.redis, existing: {id: old-1}}
env:
  DATABASE_URL: {from: db.pooled_url}
  STRIPE_KEY:   {secret: STRIPE_KEY, targets: [production], allow_short: true}
  LOG_LEVEL:    {value: info}
  EMPTY:        {value: ""}
verify:
  commands: [[npm, ci], [npm, test]]
  network: [packages.example.com, "*.example.com"]
  timeout: 15m
  memory: 8192
  runtime: node22
  sandbox: vercel
  health: [{path: /api/health, contains: ok}, {path: /, status: 307}]
promote: {approval: auto}
`

func TestParseReadsEverything(t *testing.T) {
	want := &slipway.Manifest{
		App: "storefront", Environments: []string{"production", "preview", "qa-1"},
		Source: slipway.Source{GitHub: "acme/storefront", Ref: "main"},
		Vercel: slipway.VercelSettings{Team: "acme", Framework: "nextjs", Regions: []string{"iad1"}, Domains: []slipway.Domain{{Name: "shop.example.com"}}, NodeVersion: "22.x"},
		Resources: map[string]slipway.ManifestResource{
			"db":     {Type: "neon.postgres", Fields: map[string]any{"region": "aws-eu-central-1", "version": int64(17)}},
			"cache":  {Type: "upstash.redis", PerEnvironment: true, Fields: map[string]any{"region": "us-east-1", "eviction": false, "read_regions": []string{"eu-west-1"}}},
			"search": {Type: "upstash.vector", Fields: map[string]any{"region": "us-east-1", "dimensions": int64(1536), "metric": "cosine"}},
			"legacy": {Type: "upstash.redis", Existing: map[string]any{"id": "old-1"}},
		},
		Env: map[string]slipway.EnvVar{
			"DATABASE_URL": {From: "db.pooled_url"},
			"STRIPE_KEY":   {Secret: "STRIPE_KEY", Targets: []string{"production"}, AllowShort: true},
			"LOG_LEVEL":    {Value: "info", HasValue: true},
			"EMPTY":        {HasValue: true},
		},
		Verify: slipway.Verify{
			Commands: [][]string{{"npm", "ci"}, {"npm", "test"}},
			Network:  []string{"packages.example.com", "*.example.com"}, Timeout: "15m", Memory: 8192, Runtime: "node22", Sandbox: "vercel",
			Health: []slipway.HealthProbe{{Path: "/api/health", Status: 200, Contains: "ok"}, {Path: "/", Status: 307}},
		},
		Promote: slipway.Promote{Approval: "auto"},
	}
	d, err := Parse("slipway.yaml", []byte(full), types)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, d.Manifest); diff != "" {
		t.Error(diff)
	}
}

func TestParseFillsDefaults(t *testing.T) {
	want := &slipway.Manifest{
		App: "a", Environments: []string{"production"}, Source: slipway.Source{Dir: "."}, Promote: slipway.Promote{Approval: "required"},
	}
	for name, src := range map[string]string{
		"plain": "app: a\n", "byte order mark": "\ufeffapp: a\n", "Windows line ends": "app: a\r\npromote: {}\r\n", "JSON": `{"app": "a"}`,
		"document marks and comments": "# mine\n---\napp: a # yes\n...\n", "no line end": "app: a",
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Parse("slipway.yaml", []byte(src), types)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, d.Manifest); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValuesStayAsWritten(t *testing.T) {
	for written, want := range map[string]string{
		`info`: "info", `"a\tb"`: "a\tb", `'it''s'`: "it's", `10`: "10", `007`: "007", `0x1F`: "0x1F", `1e3`: "1e3", `1.50`: "1.50", `1_000`: "1_000",
		`true`: "true", `True`: "True", `yes`: "yes", `2024-01-01`: "2024-01-01", `.inf`: ".inf", `-0`: "-0", `+1`: "+1", `18446744073709551616`: "18446744073709551616",
		"|\n      two\n      lines": "two\nlines\n", ">-\n      two\n      lines": "two lines", `"ünïcödé \u00e9 🚀"`: "ünïcödé é 🚀",
	} {
		src := "app: a\nenv:\n  A:\n    value: " + written + "\n"
		d, err := Parse("slipway.yaml", []byte(src), nil)
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		if got := d.Manifest.Env["A"].Value; got != want {
			t.Errorf("%s: got %q, want %q", written, got, want)
		}
	}
}

// shapeless is what a secret has beside its prefix.
const shapeless = "k3y0f4canary0123456789abcdefghij"

// What may be a secret is in no message, hint or line.
func TestWhatMayBeASecretIsNotShown(t *testing.T) {
	for name, s := range invalid {
		_, err := Parse("slipway.yaml", []byte(s.src), types)
		if faults, ok := err.(Errors); ok && strings.Contains(strings.ToLower(fmt.Sprintf("%+v", faults)), shapeless) {
			t.Errorf("%s: %+v", name, faults)
		}
	}
}

// sample is a manifest that is wrong in known places.
type sample struct {
	src       string
	want      []string // each fault as line:column path: message
	hint      string   // part of some fault's hint
	reason    string
	onlyParse bool // what the schema cannot say
}

var invalid = map[string]sample{
	"existing: spaces":            {"app: a\nresources: {c: {type: upstash.redis, existing: {id: old 1}}}\n", []string{"2:53 resources.c.existing.id: must be an id"}, "without spaces", "a pasted id with spaces", false},
	"existing: a URL":             {"app: a\nresources: {c: {type: upstash.redis, existing: {id: 'https://console.upstash.com/redis/x'}}}\n", []string{"2:53 resources.c.existing.id: must be an id or a name, not a URL"}, "the part of that address", "a pasted address", false},
	"existing: a secret":          {"app: a\nresources: {c: {type: upstash.redis, existing: {id: napi_" + shapeless + "}}}\n", []string{"2:53 resources.c.existing.id: must name what exists, and this looks like a secret"}, "revoke it", "a pasted key", false},
	"existing: a password":        {"app: a\nresources: {c: {type: upstash.redis, existing: {id: x, label: 'postgres://app:" + shapeless + "@host/db'}}}\n", []string{"2:63 resources.c.existing.label: must name what exists, and this looks like a secret"}, "revoke it", "a pasted connection string", false},
	"existing: no secret's shape": {"app: a\nresources: {c: {type: upstash.redis, existing: {id: " + strings.ToUpper(shapeless) + "}}}\n", []string{"2:53 resources.c.existing.id: must be an id"}, "", "what is none of the ids may be a secret", false},
	"existing: a name":            {"app: a\nresources: {c: {type: upstash.redis, existing: {id: x, label: ' y'}}}\n", []string{"2:63 resources.c.existing.label: must be 1 to 100"}, "", "a name has no spaces around it", false},
	"existing: no id":             {"app: a\nresources: {c: {type: upstash.redis, existing: {}}}\n", []string{"2:38 resources.c.existing: the key id is missing"}, "", "nothing says which", false},
	"existing: and name":          {"app: a\nresources: {c: {type: upstash.redis, name: n, existing: {id: x}}}\n", []string{"2:47 resources.c: name and existing exclude each other"}, "keep one", "what exists has its name", false},
	"existing: unknown":           {"app: a\nresources: {c: {type: upstash.redis, existing: {idd: x, id: y}}}\n", []string{"2:49 resources.c.existing.idd: unknown key"}, "did you mean id", "a typo must not be silently ignored", false},
	"existing: of none":           {"app: a\nresources: {c: {type: neon.postgres, existing: {id: x}}}\n", []string{"2:38 resources.c.existing: unknown key"}, "", "this type cannot be one that exists", false},
	"existing project":            {"app: a\nvercel: {existing: {project: My Shop}}\n", []string{"2:30 vercel.existing.project: must be a project's id"}, "", "a title is no name", false},
	"existing project URL":        {"app: a\nvercel: {existing: {project: 'https://vercel.com/acme/shop', repository: acme}}\n", []string{"2:30 vercel.existing.project: must be an id or a name, not a URL", "2:74 vercel.existing.repository: must be owner/repo"}, "", "a pasted address", false},
	"existing project: no":        {"app: a\nvercel: {existing: {repository: a/b}}\n", []string{"2:10 vercel.existing: the key project is missing"}, "", "nothing says which", false},
	"unknown key at the root":     {"app: a\nvercell: {}\n", []string{"2:1 vercell: unknown key"}, "did you mean vercel?", "a typo must not be silently ignored", false},
	"unknown key without a like":  {"app: a\npromote: {zzzzzz: 1}\n", []string{"2:11 promote.zzzzzz: unknown key"}, "keys here: approval", "the author sees what there is", false},
	"app is missing":              {"promote: {}\n", []string{"1:1 : the key app is missing"}, "app: my-app", "everything is named after it", false},
	"app in upper case":           {"app: My_App\n", []string{"1:6 app: must be lower case letters"}, "my-app", "Vercel and Neon would refuse it", false},
	"app with two hyphens":        {"app: a--b\n", []string{"1:6 app: must be lower case"}, "", "Vercel refuses ---", false},
	"app ends with a hyphen":      {"app: a-\n", []string{"1:6 app: must be lower case"}, "", "it becomes a host name", false},
	"app too long":                {"app: " + strings.Repeat("a", 53) + "\n", []string{"1:6 app: must be lower case"}, "", "52 is the limit", false},
	"app is a number":             {"app: 12\n", []string{"1:6 app: must be text, not a number"}, `put it in quotes: "12"`, "YAML types are not guessed away", false},
	"app is empty":                {"app:\n", []string{"1:1 app: is empty, and must be text"}, "give it a value", "null is not a name", false},
	"root is a list":              {"- a\n- b\n", []string{"1:1 : must be a mapping (key: value), not a list"}, "", "a manifest is a mapping", false},
	"root is text":                {"hello\n", []string{"1:1 : must be a mapping (key: value), not text"}, "", "a manifest is a mapping", false},
	"duplicate keys":              {"app: a\napp: b\nenv:\n  A: {value: 1}\n  A: {value: 2}\n", []string{"2:1 app: this key stands there twice", "5:3 env.A: this key stands there twice"}, "line 1 already", "one of two would win silently", true},
	"environment name":            {"app: a\nenvironments: [Production, development]\n", []string{"2:16 environments.0: must be production", "2:28 environments.1: must be production"}, "", "Vercel's own names are taken", false},
	"environment twice":           {"app: a\nenvironments: [qa, qa]\n", []string{`2:20 environments.1: "qa" stands there twice`}, "line 2 already", "a set has no doubles", false},
	"no environment":              {"app: a\nenvironments: []\n", []string{"2:15 environments: the list is empty"}, "leave the key out", "a run serves one", false},
	"dir and github":              {"app: a\nsource: {dir: web, github: acme/web}\n", []string{"2:20 source: dir and github exclude each other"}, "keep one", "there is one source", false},
	"dir outside":                 {"app: a\nsource: {dir: ../other}\n", []string{"2:15 source.dir: must be a folder inside"}, "-f", "nothing outside the folder is uploaded", false},
	"dir absolute":                {"app: a\nsource: {dir: /etc}\n", []string{"2:15 source.dir: must be a folder inside"}, "", "nothing outside the folder is uploaded", false},
	"ref without github":          {"app: a\nsource: {ref: main}\n", []string{"2:10 source.ref: means nothing without github"}, "add github", "a folder has no ref", false},
	"github as URL":               {"app: a\nsource: {github: https://github.com/a/b}\n", []string{"2:18 source.github: must be owner/repo"}, "without https", "the API wants two names", false},
	"framework":                   {"app: a\nvercel: {framework: next}\n", []string{`2:21 vercel.framework: "next" is not one of the allowed values`}, "did you mean nextjs?", "Vercel refuses unknown slugs", false},
	"two regions":                 {"app: a\nvercel: {regions: [iad1, fra1]}\n", []string{"2:19 vercel.regions: has 2 entries, and at most 1 are supported"}, "", "the project has one function region", false},
	"region":                      {"app: a\nvercel: {regions: [us-east-1]}\n", []string{"2:20 vercel.regions.0: must be a Vercel region"}, "iad1", "AWS names are no Vercel names", false},
	"domains":                     {"app: a\nvercel: {domains: ['https://a.com', '*.a.com', a_b.com, localhost, A.com, a.com]}\n", []string{"2:20 vercel.domains.0: must be a domain", "2:37 vercel.domains.1: must be a domain", "2:48 vercel.domains.2: must be a domain", "2:57 vercel.domains.3: must be a domain", "2:68 vercel.domains.4: must be a domain"}, "xn--", "all entries are checked", false},
	"domain objects":              {"app: a\nvercel: {domains: [{name: a.com}, a.com, {redirect: a.com}, {name: b.com, redirect: a.com, branch: x}, {name: c.com, status: 308}, {name: d.com, redirect: a.com, status: 303}]}\n", []string{"2:35 vercel.domains.1: \"a.com\" stands there twice", "2:42 vercel.domains.2: the key name is missing", "2:92 vercel.domains.3: redirect and branch exclude each other", "2:118 vercel.domains.4.status: means nothing without redirect", "2:171 vercel.domains.5.status: \"303\" is not one of the allowed values"}, "", "an entry is told by its name", false},
	"domains as text":             {"app: a\nvercel: {domains: a.com}\n", []string{"2:19 vercel.domains: must be a list, not text"}, "[shop.example.com]", "no guessing", false},
	"node version":                {"app: a\nvercel: {node_version: 22}\n", []string{"2:24 vercel.node_version: must be text, not a number"}, `"22"`, "Vercel wants 22.x", false},
	"resource type":               {"app: a\nresources:\n  db: {type: neon.postgre}\n", []string{`3:14 resources.db.type: "neon.postgre" is not a type of resource`}, "did you mean neon.postgres?", "only known types are provisioned", false},
	"resource without type":       {"app: a\nresources:\n  db: {region: x}\n", []string{"3:3 resources.db: the key type is missing"}, "types here", "the type decides the fields", false},
	"resource name":               {"app: a\nresources:\n  My DB: {type: neon.postgres}\n", []string{"3:3 resources.My DB: the name must be lower case"}, "", "it is part of addresses", false},
	"unknown field":               {"app: a\nresources:\n  db: {type: neon.postgres, regoin: x}\n", []string{"3:29 resources.db.regoin: unknown key"}, "did you mean region?", "fields belong to types", false},
	"required field":              {"app: a\nresources:\n  c: {type: upstash.redis}\n", []string{"3:3 resources.c: the key region is missing"}, "us-east-1", "the provider needs it", false},
	"field's enum":                {"app: a\nresources:\n  c: {type: upstash.redis, region: us-east1}\n", []string{`3:36 resources.c.region: "us-east1" is not one of the allowed values`}, "did you mean us-east-1?", "refused before the first call", false},
	"integer field's enum":        {"app: a\nresources:\n  db: {type: neon.postgres, version: 9}\n", []string{`3:38 resources.db.version: "9" is not one of the allowed values`}, "16, 17", "refused before the first call", false},
	"integer in quotes":           {"app: a\nresources:\n  db: {type: neon.postgres, version: '17'}\n", []string{"3:38 resources.db.version: must be a whole number, not text"}, "without quotes: 17", "types are strict", false},
	"integer in octal":            {"app: a\nresources:\n  s: {type: upstash.vector, dimensions: 010}\n", []string{`3:41 resources.s.dimensions: "010" is not a plain whole number`}, "decimal", "YAML readers disagree on it", true},
	"fraction":                    {"app: a\nresources:\n  s: {type: upstash.vector, dimensions: 1.5}\n", []string{"3:41 resources.s.dimensions: must be a whole number, not a number"}, "", "no half dimensions", false},
	"yes is no boolean":           {"app: a\nresources:\n  c: {type: upstash.redis, region: us-east-1, eviction: yes}\n", []string{"3:57 resources.c.eviction: must be true or false, not text"}, "true or false", "YAML 1.2", false},
	"list field's enum":           {"app: a\nresources:\n  c: {type: upstash.redis, region: us-east-1, read_regions: [mars]}\n", []string{`3:62 resources.c.read_regions.0: "mars"`}, "values here", "entries are checked", false},
	"per_environment":             {"app: a\nresources:\n  db: {type: neon.postgres, per_environment: true}\n", []string{"3:29 resources.db.per_environment: unknown key"}, "", "branches serve environments already", false},
	"env name":                    {"app: a\nenv:\n  MY-VAR: {value: x}\n  VERCEL_URL: {value: x}\n  SLIPWAY: {value: x}\n", []string{"3:3 env.MY-VAR: the name must", "4:3 env.VERCEL_URL: the name must", "5:3 env.SLIPWAY: the name must"}, "ledger", "reserved names break the ledger or the platform", false},
	"env without source":          {"app: a\nenv:\n  A: {targets: [production]}\n", []string{"3:3 env.A: one of from, secret, value is missing"}, "{value: info}", "exactly one", false},
	"env with two sources":        {"app: a\nenv:\n  A: {value: x, secret: A}\n", []string{"3:17 env.A: value and secret exclude each other"}, "keep one", "exactly one", false},
	"env is text":                 {"app: a\nenv:\n  A: hunter2\n", []string{"3:6 env.A: must be a mapping (key: value), not text"}, "{secret: NAME}", "the commonest slip", false},
	"null value":                  {"app: a\nenv:\n  A: {value: }\n", []string{"3:7 env.A.value: is empty"}, "give it a value", "an empty text is written as quotes", false},
	"value is a list":             {"app: a\nenv:\n  A: {value: [1]}\n", []string{"3:14 env.A.value: must be text, a number, or true or false, not a list"}, "", "an env var is text", false},
	"value is a credential":       {"app: a\nenv:\n  A: {value: sk_live_0123456789abcdef}\n", []string{"3:14 env.A.value: must be a plain value"}, "revoke", "a manifest lies in git", false},
	"password in a value's URL":   {"app: a\nenv:\n  A: {value: 'postgres://u:hunter2@h/db'}\n", []string{"3:14 env.A.value: must be a plain value"}, "secret: NAME", "a manifest lies in git", false},
	"secret is the secret":        {"app: a\nenv:\n  A: {secret: sk_live_0123456789abcdef}\n", []string{"3:15 env.A.secret: must be the name of a variable"}, "revoke", "it would be looked up, and printed as missing", false},
	"allow_short alone":           {"app: a\nenv:\n  A: {value: x, allow_short: true}\n", []string{"3:17 env.A.allow_short: means nothing without secret"}, "", "it exempts a secret", false},
	"from an unknown resource":    {"app: a\nresources:\n  db: {type: neon.postgres}\nenv:\n  A: {from: bd.url}\n", []string{`5:13 env.A.from: no resource has the name "bd"`}, "did you mean db?", "nothing to resolve", true},
	"from without resources":      {"app: a\nenv:\n  A: {from: db.url}\n", []string{`3:13 env.A.from: no resource has the name "db"`}, "there are no resources", "nothing to resolve", true},
	"from an unknown output":      {"app: a\nresources:\n  db: {type: neon.postgres}\nenv:\n  A: {from: db.pooled}\n", []string{`5:13 env.A.from: neon.postgres has no output "pooled"`}, "did you mean pooled_url?", "nothing to resolve", true},
	"from is no reference":        {"app: a\nenv:\n  A: {from: db}\n", []string{"3:13 env.A.from: must be resource.output"}, "db.pooled_url", "two names are needed", false},
	"undeclared target":           {"app: a\nenv:\n  A: {value: x, targets: [production, preview]}\n", []string{`3:39 env.A.targets.1: the environment "preview" is not declared`}, "environments: [production, preview]", "it would be written nowhere", true},
	"command is text":             {"app: a\nverify: {commands: [npm test]}\n", []string{"2:21 verify.commands.0: must be a list, not text"}, "[npm, test]", "there is no shell", false},
	"empty command":               {"app: a\nverify: {commands: [[]]}\n", []string{"2:21 verify.commands.0: the list is empty"}, "", "nothing to run", false},
	"command is a shell line":     {"app: a\nverify: {commands: [[npm ci && npm test]]}\n", []string{`2:22 verify.commands.0.0: the program "npm ci && npm test" is a line for a shell`}, "[[npm, ci], [npm, test]]", "there is no shell", true},
	"command with a joint":        {"app: a\nverify: {commands: [[npm, ci, '&&', npm, test]]}\n", []string{`2:31 verify.commands.0.2: "&&" would be an argument`}, "[[npm, ci], [npm, test]]", "there is no shell", true},
	"command for a shell":         {"app: a\nverify: {commands: [[/bin/bash, -ec, 'npm ci; npm test']]}\n", []string{"2:33 verify.commands.0.1: a shell line is not a list of words"}, "[bash, scripts/verify.sh]", "what runs is what was looked at, word by word", true},
	"package of any version":      {"app: a\nverify: {commands: [[npx, eslint, .], [pnpm, dlx, -s, tsx@latest], [npm, exec, --yes, --package=a@^1, b]]}\n", []string{"2:22 verify.commands.0.0: npx runs whatever", "2:40 verify.commands.1.0: pnpm dlx runs whatever", "2:69 verify.commands.2.0: npm exec runs whatever"}, "eslint@9.17.0", "what runs is what was looked at", true},
	"hosts":                       {"app: a\nverify: {network: ['https://a.com', localhost, all]}\n", []string{"2:20 verify.network.0: must be a host", "2:37 verify.network.1: must be a host", "2:48 verify.network.2: all hosts, and others"}, "scheme", "a policy names hosts", false},
	"time limit":                  {"app: a\nverify: {timeout: 10}\n", []string{"2:19 verify.timeout: must be text"}, "10", "a number has no unit", false},
	"time limit too long":         {"app: a\nverify: {timeout: 999m}\n", []string{"2:19 verify.timeout: must be at most 5h0m0s"}, "split", "no sandbox lives longer", true},
	"time limit in days":          {"app: a\nverify: {timeout: 1d}\n", []string{"2:19 verify.timeout: must be a time"}, "10m", "", false},
	"memory":                      {"app: a\nverify: {memory: 16}\n", []string{"2:18 verify.memory: must be from 256 to 65536"}, "", "nothing runs in that", false},
	"health path":                 {"app: a\nverify: {health: [{path: api}, {path: //evil.com}, {status: 200}]}\n", []string{"2:26 verify.health.0.path: must be a path", "2:39 verify.health.1.path: must be a path", "2:52 verify.health.2: the key path is missing"}, "/api/health", "a probe never leaves the deployment", false},
	"health status":               {"app: a\nverify: {health: [{path: /, status: 42}]}\n", []string{"2:37 verify.health.0.status: must be from 100 to 599"}, "", "no such status", false},
	"prebuilt and github":         {"app: a\nsource: {github: a/b, prebuilt: true}\n", []string{"2:23 source.prebuilt: means nothing with github"}, "source.dir", "Vercel builds a repository", true},
	"prebuilt and commands":       {"app: a\nsource: {prebuilt: true}\nverify: {commands: [[npm, test]]}\n", []string{"3:10 verify.commands: cannot run with source.prebuilt"}, "before you build", "the source is not shipped", true},
	"prebuilt and a build":        {"app: a\nsource: {prebuilt: true}\nvercel: {output_directory: out}\n", []string{"3:10 vercel.output_directory: means nothing with source.prebuilt"}, "leave it out", "Vercel builds nothing", true},
	"prebuilt as text":            {"app: a\nsource: {prebuilt: 'yes'}\n", []string{"2:20 source.prebuilt: must be true or false"}, "", "a switch", false},
	"checks of a folder":          {"app: a\npromote: {checks: [test]}\n", []string{"2:19 promote.checks: a folder has no checks"}, "source: {github: owner/repo}", "nothing would ever pass", true},
	"checks and all":              {"app: a\nsource: {github: a/b}\npromote: {checks: [test, all]}\n", []string{"3:26 promote.checks.1: all checks, and others"}, "all alone", "the others are among all", true},
	"checks of its own":           {"app: a\nsource: {github: a/b}\npromote: {checks: [slipway/a/production]}\n", []string{"3:20 promote.checks.0: it says how this very run goes"}, "leave it out", "it would wait for itself", true},
	"approval":                    {"app: a\npromote: {approval: never}\n", []string{`2:21 promote.approval: "never" is not one of the allowed values`}, "required, auto", "two ways", false},
	"faults of one place are all told": {"App: x\nvercel: {regions: 1, framwork: x}\nenv: {1A: {}}\n", []string{
		"1:1 App: unknown key", "1:1 : the key app is missing", "2:19 vercel.regions: must be a list, not a number", "2:22 vercel.framwork: unknown key",
		"3:7 env.1A: the name must", "3:7 env.1A: one of from",
	}, "did you mean app?", "one pass shows all", false},

	"empty file":         {"", []string{"1:1 : the manifest is empty"}, "slipway init", "nothing to do", true},
	"only comments":      {"# soon\n", []string{"1:1 : the manifest is empty"}, "slipway init", "nothing to do", true},
	"tab":                {"vercel:\n\tteam: x\n", []string{"2:1 : a tab cannot indent"}, "spaces", "YAML", true},
	"two documents":      {"app: a\n---\napp: b\n", []string{"2:1 : a second document is not supported"}, "one app per file", "one of two would win silently", true},
	"document after end": {"app: a\n...\napp: b\n", []string{"3:1 : a second document is not supported"}, "one app per file", "one of two would win silently", true},
	"anchor and alias":   {"app: &a x\nname: *a\n", []string{"1:6 : anchors", "2:7 : aliases"}, "quotes", "aliases multiply", true},
	"merge key":          {"app: a\n<<: {name: b}\n", []string{"2:1 : merge keys"}, "write it out", "hidden keys", true},
	"tag":                {"app: !!str a\n", []string{"1:6 : tags"}, "write it out", "hidden types", true},
	"explicit key":       {"? app\n: a\n", []string{"1:1 : keys that start with ?"}, "write it out", "hidden keys", true},
	"open bracket":       {"app: a\nenv: {A: {value: x}\n", []string{"2:6 : could not find flow mapping end token '}'"}, "close the bracket", "YAML", true},
	"open quote":         {"app: 'a\n", []string{"1:6 : could not find end character of single-quoted text"}, "close the quote", "YAML", true},
	"reserved character": {"app: @a\n", []string{"1:6 : '@' is a reserved character"}, "in quotes", "YAML", true},
	"control character":  {"app: a\nname: \"b\x1b[31m\"\n", []string{"2:9 : the control character U+001B is not allowed"}, "remove it", "terminals obey it", true},
	"not UTF-8":          {"app: a\nname: \xff\n", []string{"2:7 : this is not UTF-8"}, "UTF-8", "YAML", true},
	"deep nesting":       {"app: " + strings.Repeat("[", 5000) + "\n", []string{"1:38 : this is nested more than 32 levels deep"}, "", "the stack is finite", true},
	"deep lists":         {"app:\n  " + strings.Repeat("- ", 5000) + "x\n", []string{"2:67 : this is nested more than 32 levels deep"}, "", "the stack is finite", true},
	"too many keys":      {strings.Repeat("x: 1\n", 10_000), []string{"6667:4 : the file is too long to be a manifest"}, "right file", "bounded time", true},
	"too many marks":     {"a: [\n" + strings.Repeat("[],\n", 20_000), []string{"12501:1 : the file is too long to be a manifest"}, "right file", "bounded memory", true},
	"huge file":          {"app: a\n#" + strings.Repeat("x", MaxBytes), []string{"1:1 : the file has 1048584 bytes, and at most 1048576 are read"}, "right file", "bounded memory", true},
}

func TestParseNamesEveryFault(t *testing.T) {
	for name, s := range invalid {
		t.Run(name, func(t *testing.T) {
			faults := faultsOf(t, s.src)
			var got []string
			hinted := false
			for _, f := range faults {
				got = append(got, fmt.Sprintf("%d:%d %s: %s", f.Line, f.Column, f.Path, f.Message))
				hinted = hinted || strings.Contains(f.Hint, s.hint)
			}
			if len(got) != len(s.want) {
				t.Fatalf("%s\n got %q\nwant %q", s.reason, got, s.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], s.want[i]) {
					t.Errorf("%s\n got %q\nwant %q", s.reason, got[i], s.want[i])
				}
			}
			if !hinted {
				t.Errorf("no hint holds %q: %v", s.hint, faults)
			}
		})
	}
}

func faultsOf(t *testing.T, src string) Errors {
	t.Helper()
	_, err := Parse("slipway.yaml", []byte(src), types)
	var faults Errors
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Errors", err)
	}
	if code := slipway.ErrorCode(err); code != slipway.CodeInvalid {
		t.Fatalf("code %s, want %s", code, slipway.CodeInvalid)
	}
	return faults
}

func TestFaultShowsLineAndCaret(t *testing.T) {
	want := "slipway.yaml:2:10: vercel.framwork: unknown key\n" +
		"    2 | vercel: {framwork: nextjs}\n" +
		"      |          ^\n" +
		" hint: did you mean framework?"
	if diff := cmp.Diff(want, faultsOf(t, "app: a\nvercel: {framwork: nextjs}\n").Error()); diff != "" {
		t.Error(diff)
	}
}

func TestFaultCutsLongLines(t *testing.T) {
	src := "app: a\nenv: {" + strings.Repeat("A: {value: ü}, ", 200) + "B: {valu: x}}\n"
	faults := faultsOf(t, src)
	last := faults[len(faults)-1].String()
	lines := strings.Split(last, "\n")
	if got := len([]rune(lines[1])); got > 140 {
		t.Errorf("the line has %d characters", got)
	}
	caret := strings.Index(lines[2], "^")
	if got := string([]rune(lines[1])[caret:]); !strings.HasPrefix(got, "valu: x") && !strings.HasPrefix(got, "B:") {
		t.Errorf("the caret points at %q in\n%s", got, last)
	}
}

func TestFaultsHideSecrets(t *testing.T) {
	const canary = "hunter2canary"
	for name, src := range map[string]string{
		"text instead of a mapping":   "app: a\nenv:\n  A: " + canary + "\n",
		"quoted, with more behind it": "app: a\nenv:\n  A: 'x " + canary + "'\n",
		"number instead of a mapping": "app: a\nenv:\n  A: 1234567890\n",
		"token as value":              "app: a\nenv: {A: {value: sk_live_" + canary + "}}\n",
		"id, another fault before it": "app: a\nresources: {c: {type: upstash.redis, kind: 1, existing: {id: " + canary + "X}}}\n",
		"id, another fault behind it": "app: a\nresources: {c: {type: upstash.redis, existing: {id: " + canary + "X, kind: 1}}}\n",
		"ids, both refused":           "app: a\nresources: {c: {type: upstash.redis, existing: {id: " + canary + "X}}, d: {type: upstash.redis, existing: {id: 'a b'}}}\n",
		"variable beside a fault":     "app: a\nenv: {A: {value: x, secret: A}, B: " + canary + "}\n",
		"token as secret's name":      "app: a\nenv: {A: {secret: sk_live_" + canary + "}}\n",
		"token in an unknown key":     "app: a\nenv: {A: {valu: ghp_0123456789012345678901" + canary + "}}\n",
		"URL where a name is wanted":  "app: 'postgres://u:" + canary + "@h/db'\n",
		"URL where a type is wanted":  "app: a\nresources: {db: {type: 'postgres://u:" + canary + "@h/db'}}\n",
		"syntax fault":                "app: a\nenv: {A: sk_live_" + canary + ": x}\n",
	} {
		t.Run(name, func(t *testing.T) {
			text := faultsOf(t, src).Error()
			if strings.Contains(text, canary) || strings.Contains(text, "1234567890") {
				t.Errorf("the secret is shown:\n%s", text)
			}
		})
	}
}

func TestProblemsGetPositions(t *testing.T) {
	d, err := Parse("slipway.yaml", []byte(full), types)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path         []string
		line, column int
		reason       string
	}{
		"a value":                 {[]string{"resources", "db", "region"}, 6, 41, "the value is what is wrong"},
		"a default":               {[]string{"resources", "db", "version"}, 6, 3, "what is not there is shown at what should hold it"},
		"an entry of a list":      {[]string{"environments", "2"}, 2, 37, "list positions are part of a path"},
		"a missing key of a flow": {[]string{"vercel", "build_command"}, 4, 1, "the nearest key around it"},
		"nowhere":                 {[]string{"nothing"}, 1, 1, "still a position"},
		"the whole":               {nil, 1, 1, "still a position"},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.Problems([]slipway.Problem{{Path: c.path, Message: "is refused", Hint: "try another"}})
			var faults Errors
			if !errors.As(err, &faults) || len(faults) != 1 {
				t.Fatalf("got %v", err)
			}
			if f := faults[0]; f.Line != c.line || f.Column != c.column || f.Message != "is refused" || f.Hint != "try another" {
				t.Errorf("%s: got %+v, want %d:%d", c.reason, f, c.line, c.column)
			}
		})
	}
	if err := d.Problems(nil); err != nil {
		t.Errorf("no problem gave %v", err)
	}
}

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(full)))
	for b.Loop() {
		if _, err := Parse("slipway.yaml", []byte(full), types); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAutomaticRollbackNeedsProbes(t *testing.T) {
	const app = "app: shop\npromote: {rollback: automatic%s}\n%s"
	for name, tc := range map[string]struct {
		after, more string
		refused     bool
		reason      string
	}{
		"none":   {"", "", true, "nothing tells when to move back"},
		"before": {"", "verify: {health: [{path: /}]}\n", false, "those of the deployment are sent to production as well"},
		"after":  {", health: [{path: /}]", "", false, "production has its own"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("slipway.yaml", fmt.Appendf(nil, app, tc.after, tc.more), nil)
			if (err != nil) != tc.refused || err != nil && !strings.Contains(err.Error(), "nothing tells when production is to be moved back") {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}
