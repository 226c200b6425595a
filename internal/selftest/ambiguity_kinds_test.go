package selftest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
)

// subject is one kind that has a create: how its create is asked for, how it is found, and what somebody else can do at its place.
type subject struct {
	api, create, lookup, byID string // emulator; "METHOD glob" of the create, of the look by name or mark, and of the look by recorded id
	address                   slipway.Address
	environment               string
	base, manifest            string // what is shipped first ("": nothing), and what asks for it
	list                      string // field of the lookup's reply that is the list; "." the reply itself; "": it is no list
	element                   func(map[string]any) bool
	// rival makes one of the same name that is not ours; other makes one that differs in what cannot be changed; near makes others whose
	// names hold ours. nil: never says why.
	rival, other, near func(*cloud) error
	// instead makes one when what it is in is there already; nil: rival.
	instead func(*cloud) error
	remove  func(c *cloud) error // takes the youngest of its name away
	count   func(c *cloud) (int, error)
	// never says why a fault cannot be; want replaces a fault's outcome where this kind's is another, each with why.
	never map[string]string
	want  map[string]verdict
}

// verdict is how a cell must end, and why.
type verdict struct {
	end    outcome
	reason string
}

const (
	app      = "app: shop\n"
	both     = "environments: [production, preview]\n"
	postgres = "resources:\n  db: {type: neon.postgres, region: aws-us-east-1, version: 17}\nenv:\n  DATABASE_URL: {from: db.url}\n"
)

const (
	uniqueName = "its names are unique: the provider refuses a second one"
	notAList   = "it is asked for by name, not found in a list"
	nameAlone  = "it has nothing but its name that could differ"
	onePage    = "the list has one page"
	noNear     = "it is asked for by its exact name"
)

func subjects() map[string]subject {
	all := map[string]subject{"vercel.project": vercelProject(), "vercel.env": vercelEnv(), "vercel.bypass": vercelBypass(), "vercel.deployment": vercelDeployment()}
	all["vercel.domain"] = vercelDomain()
	all["neon.project"], all["neon.branch"], all["neon.endpoint"] = neonProject(), neonBranch(), neonEndpoint()
	all["neon.role"], all["neon.database"] = neonRole(), neonDatabase()
	all["upstash.redis"], all["upstash.vector"] = upstashRedis(), upstashVector()
	return all
}

// notMade are kinds that have no cells, and why.
var notMade = map[string]string{
	"vercel.link": "a project has one link, which is asked for by the project; a lost reply is tried by its provider",
	"vercel.dns":  "a person makes the records",
	"github.repo": "Slipway makes no repository",
}

func vercelProject() subject {
	return subject{
		api: "vercel", create: "POST /v11/projects", lookup: "GET /v9/projects/shop", byID: "GET /v9/projects/prj_*",
		address: "vercel.project/shop", environment: slipway.Production, manifest: app,
		rival:  post("vercel", "/v11/projects", `{"name":"shop"}`),
		other:  post("vercel", "/v11/projects", `{"name":"shop","environmentVariables":[{"key":"SLIPWAY","type":"plain","target":["development"],"value":"{\"v\":1,\"app\":\"other\"}"}]}`),
		remove: func(c *cloud) error { return c.call("vercel", "DELETE", "/v9/projects/shop", "", nil) },
		count:  counting("vercel", "/v10/projects?limit=100", "projects", named("name", "shop")),
		never: map[string]string{
			"two namesakes": uniqueName, "another beside ours": uniqueName, "on page 2": notAList, "namesake on page 2": notAList,
			"truncated once": notAList, "truncated": notAList, "names that hold ours": noNear,
		},
		want: map[string]verdict{
			"another instead of ours": {adopt, "the ledger goes out with the create: a project without it is not ours"},
		},
	}
}

func vercelEnv() subject {
	rival := func(body string) func(*cloud) error {
		return func(c *cloud) error { return c.call("vercel", "POST", "/v10/projects/shop/env?upsert=true", body, nil) }
	}
	return subject{
		api: "vercel", create: "POST */env", lookup: "GET */env", byID: "GET */env",
		address: "vercel.env/LOG_LEVEL@production", environment: slipway.Production, base: app, manifest: app + "env:\n  LOG_LEVEL: {value: info}\n",
		list: "envs", element: named("key", "LOG_LEVEL"),
		rival: rival(`{"key":"LOG_LEVEL","value":"theirs","type":"plain","target":["production"]}`),
		other: rival(`{"key":"LOG_LEVEL","value":"theirs","type":"plain","target":["production","preview"]}`),
		near:  rival(`[{"key":"LOG_LEVEL_2","value":"x","type":"plain","target":["production"]},{"key":"LOG_LEVEL","value":"x","type":"plain","target":["preview"]}]`),
		count: counting("vercel", "/v10/projects/shop/env", "envs", func(v map[string]any) bool {
			return v["key"] == "LOG_LEVEL" && strings.Contains(fmt.Sprint(v["target"]), "production")
		}),
		never: map[string]string{
			"two namesakes": uniqueName, "another beside ours": uniqueName, "on page 2": onePage, "namesake on page 2": onePage,
		},
		want: map[string]verdict{
			"truncated":               {voided, "a write of the same variable is an upsert, and may arrive twice; but nothing is promoted whose values are not seen"},
			"hidden for good":         {voided, "what is not seen when its deployment is to be promoted counts as deleted since"},
			"hidden for 15 s":         {one, "a write of the same variable is an upsert"},
			"another instead of ours": {adopt, "a variable without our comment is not ours, whenever it came"},
		},
	}
}

func vercelDomain() subject {
	const at = "/v9/projects/shop/domains/shop.example.com"
	add := func(body string) func(*cloud) error { return post("vercel", "/v10/projects/shop/domains", body) }
	return subject{
		api: "vercel", create: "POST */domains", lookup: "GET */domains/shop.example.com", byID: "GET */domains/shop.example.com",
		address: "vercel.domain/shop.example.com@production", environment: slipway.Production, base: app,
		manifest: app + "vercel: {domains: [shop.example.com]}\n",
		rival:    add(`{"name":"shop.example.com"}`),
		count:    counting("vercel", "/v9/projects/shop/domains", "domains", named("name", "shop.example.com")),
		remove:   func(c *cloud) error { return c.call("vercel", "DELETE", at, "", nil) },
		never: map[string]string{
			"two namesakes": uniqueName, "another beside ours": uniqueName, "on page 2": notAList, "namesake on page 2": notAList,
			"truncated once": notAList, "truncated": notAList, "names that hold ours": noNear,
			"namesake that differs": "all that could differ can be changed",
		},
	}
}

func vercelBypass() subject {
	made := func(c *cloud) error {
		return c.call("vercel", "PATCH", "/v1/projects/shop/protection-bypass", "{}", nil)
	}
	shared := "any bypass of the project will do"
	return subject{
		api: "vercel", create: "PATCH */protection-bypass", lookup: "GET /v9/projects/prj_*", byID: "GET /v9/projects/prj_*",
		address: "vercel.bypass/shop", environment: slipway.Production, base: app, manifest: app + "verify:\n  health: [{path: /, contains: the shop}]\n",
		list: "protectionBypass", rival: made, remove: func(*cloud) error { return nil },
		count: func(c *cloud) (int, error) {
			var out struct{ ProtectionBypass map[string]any }
			err := c.call("vercel", "GET", "/v9/projects/shop", "", &out)
			return len(out.ProtectionBypass), err
		},
		never: map[string]string{
			"namesake that differs": nameAlone, "on page 2": notAList, "namesake on page 2": notAList, "names that hold ours": "it has no name",
			"truncated once": notAList, "truncated": notAList,
		},
		want: map[string]verdict{
			"namesake": {used, shared}, "namesake meanwhile": {used, shared}, "two namesakes": {used, shared}, "another beside ours": {used, shared},
			"another instead of ours": {used, shared}, "hidden for 15 s": {used, "a second bypass does no harm: " + shared}, "hidden for good": {late, "it is known by its project alone: nothing tells whether it is there"},
		},
	}
}

func vercelDeployment() subject {
	theirs := post("vercel", "/v13/deployments", `{"name":"shop","files":[{"file":"index.html","data":"theirs"}]}`)
	ours := func(d map[string]any) bool {
		meta, _ := d["meta"].(map[string]any)
		return meta["slipwayRun"] != nil
	}
	marked := "it is found by its meta: what does not carry it is another deployment"
	return subject{
		api: "vercel", create: "POST /v13/deployments", lookup: "GET /v6/deployments", byID: "GET /v13/deployments/*",
		address: "vercel.deployment/shop@production", environment: slipway.Production, base: app, manifest: app + "env:\n  LOG_LEVEL: {value: info}\n",
		list: "deployments", element: func(map[string]any) bool { return true },
		rival: theirs, near: theirs,
		count: func(c *cloud) (most int, err error) {
			found, err := elements(c, "vercel", "/v6/deployments?limit=100", "deployments", ours)
			of := map[any]int{} // base has another input
			for _, d := range found {
				input := d["meta"].(map[string]any)["slipwayInput"]
				of[input]++
				most = max(most, of[input])
			}
			return most, err
		},
		remove: func(c *cloud) error {
			return removeFirst(c, "vercel", "/v6/deployments?limit=100", "deployments", ours, "/v13/deployments/")
		},
		never: map[string]string{
			"namesake that differs": marked, "on page 2": "the list is asked for this app and input alone", "namesake on page 2": marked,
		},
		want: map[string]verdict{
			"namesake": {one, marked}, "namesake meanwhile": {one, marked}, "two namesakes": {one, marked},
			"another beside ours": {one, marked}, "another instead of ours": {one, marked},
		},
	}
}

func neonProject() subject {
	make := func(name, region string) func(*cloud) error {
		return post("neon", "/projects", fmt.Sprintf(`{"project":{"name":%q,"region_id":%q,"org_id":%q,"pg_version":17}}`, name, region, org))
	}
	return subject{
		api: "neon", create: "POST */projects", lookup: "GET */projects", byID: "GET */projects/*",
		address: "neon.project/db", environment: slipway.Production, manifest: app + postgres,
		list: "projects", element: named("name", "shop"),
		rival: make("shop", "aws-us-east-1"), other: make("shop", "aws-eu-central-1"),
		near: all(make("shop-1", "aws-us-east-1"), make("SHOP", "aws-us-east-1"), make("my shop", "aws-us-east-1")),
		remove: func(c *cloud) error {
			return removeFirst(c, "neon", "/projects?limit=400&org_id="+org, "projects", named("name", "shop"), "/projects/")
		},
		count: counting("neon", "/projects?limit=400&org_id="+org, "projects", named("name", "shop")),
	}
}

func neonBranch() subject {
	return child(subject{
		create: "POST */branches", lookup: "GET */branches", byID: "GET */branches/*", address: "neon.branch/db@preview",
		list: "branches", element: named("name", "preview"),
		rival: inProject(`POST /branches {"branch":{"name":"preview"}}`),
		near: func(c *cloud) error {
			n := time.Now().UnixNano() // of the bubble
			return inProject(fmt.Sprintf(`POST /branches {"branch":{"name":"preview-%d"}}`, n), fmt.Sprintf(`POST /branches {"branch":{"name":"my preview %d"}}`, n))(c)
		},
		count: inBranches(func(b neonBranches) int { return 1 }),
		never: map[string]string{"namesake that differs": nameAlone},
	})
}

func neonEndpoint() subject {
	return child(subject{
		create: "POST */endpoints", lookup: "GET */branches/*/endpoints", byID: "GET */endpoints/*", address: "neon.endpoint/db@preview",
		list: "endpoints", element: func(map[string]any) bool { return true },
		rival:   inProject(`POST /branches {"branch":{"name":"preview"},"endpoints":[{"type":"read_write"}]}`),
		instead: inProject(`POST /endpoints {"endpoint":{"branch_id":"branches/preview","type":"read_write"}}`),
		count:   inBranches(func(b neonBranches) int { return b.endpoints }),
		never: map[string]string{
			"namesake that differs": nameAlone, "on page 2": onePage, "namesake on page 2": onePage, "names that hold ours": "a branch has one read-write compute",
		},
	})
}

func neonRole() subject {
	return child(subject{
		create: "POST */roles", lookup: "GET */roles/shop_preview", byID: "GET */roles/shop_preview", address: "neon.role/db@preview",
		rival:   inProject(`POST /branches {"branch":{"name":"preview"},"endpoints":[{"type":"read_write"}]}`, `POST /branches/preview/roles {"role":{"name":"shop_preview"}}`),
		instead: inProject(`POST /branches/preview/roles {"role":{"name":"shop_preview"}}`),
		count:   inBranches(func(b neonBranches) int { return b.roles }),
		never: map[string]string{
			"namesake that differs": nameAlone, "on page 2": notAList, "namesake on page 2": notAList,
			"truncated once": notAList, "truncated": notAList, "names that hold ours": noNear,
		},
	})
}

func neonDatabase() subject {
	return child(subject{
		create: "POST */databases", lookup: "GET */databases/shop_preview", byID: "GET */databases/shop_preview", address: "neon.database/db@preview",
		rival: inProject(`POST /branches {"branch":{"name":"preview"},"endpoints":[{"type":"read_write"}]}`,
			`POST /branches/preview/roles {"role":{"name":"shop_preview"}}`, `POST /branches/preview/databases {"database":{"name":"shop_preview","owner_name":"shop_preview"}}`),
		instead: inProject(`POST /branches/preview/databases {"database":{"name":"shop_preview","owner_name":"shop_preview"}}`),
		count:   inBranches(func(b neonBranches) int { return b.databases }),
		never: map[string]string{
			"namesake that differs": "its owner can be changed", "on page 2": notAList, "namesake on page 2": notAList,
			"truncated once": notAList, "truncated": notAList, "names that hold ours": noNear,
		},
	})
}

// child completes a subject of a preview environment, whose names are unique in what they are in.
func child(s subject) subject {
	s.api, s.environment, s.base, s.manifest = "neon", slipway.Preview, app+both+postgres, app+both+postgres
	for _, fault := range []string{"two namesakes", "another beside ours"} {
		s.never[fault] = uniqueName
	}
	return s
}

func upstashRedis() subject {
	make := func(name, region string) func(*cloud) error {
		return post("upstash", "/v2/redis/database", fmt.Sprintf(`{"database_name":%q,"platform":"aws","primary_region":%q}`, name, region))
	}
	const list = "/v2/redis/databases"
	return subject{
		api: "upstash", create: "POST */redis/database", lookup: "GET */redis/databases", byID: "GET */redis/database/*",
		address: "upstash.redis/cache", environment: slipway.Production,
		manifest: app + "resources:\n  cache: {type: upstash.redis, region: us-east-1}\nenv:\n  REDIS_URL: {from: cache.rest_url}\n",
		list:     ".", element: named("database_name", "shop-cache"),
		rival: make("shop-cache", "us-east-1"), other: make("shop-cache", "eu-west-1"), near: all(make("shop-cache-1", "us-east-1"), make("Shop-cache", "us-east-1")),
		remove: func(c *cloud) error {
			return removeFirst(c, "upstash", list, ".", named("database_name", "shop-cache"), "/v2/redis/database/")
		},
		count: counting("upstash", list, ".", named("database_name", "shop-cache")),
		never: map[string]string{"on page 2": onePage, "namesake on page 2": onePage},
	}
}

func upstashVector() subject {
	make := func(name string, dimensions int) func(*cloud) error {
		return post("upstash", "/v2/vector/index", fmt.Sprintf(`{"name":%q,"region":"us-east-1","similarity_function":"COSINE","dimension_count":%d}`, name, dimensions))
	}
	const list = "/v2/vector/index"
	return subject{
		api: "upstash", create: "POST */vector/index", lookup: "GET */vector/index", byID: "GET */vector/index/*",
		address: "upstash.vector/search", environment: slipway.Production,
		manifest: app + "resources:\n  search: {type: upstash.vector, region: us-east-1, dimensions: 3, metric: cosine}\nenv:\n  VECTOR_URL: {from: search.rest_url}\n",
		list:     ".", element: named("name", "shop-search"),
		rival: make("shop-search", 3), other: make("shop-search", 4), near: all(make("shop-search-1", 3), make("Shop-search", 3)),
		remove: func(c *cloud) error {
			return removeFirst(c, "upstash", list, ".", named("name", "shop-search"), "/v2/vector/index/")
		},
		count: counting("upstash", list, ".", named("name", "shop-search")),
		never: map[string]string{"on page 2": onePage, "namesake on page 2": onePage},
	}
}

const org = neonemu.DefaultOrgID

func named(field, name string) func(map[string]any) bool {
	return func(v map[string]any) bool { return v[field] == name }
}

func post(api, path, body string) func(*cloud) error {
	return func(c *cloud) error { return c.call(api, "POST", path, body, nil) }
}

func all(of ...func(*cloud) error) func(*cloud) error {
	return func(c *cloud) error {
		for _, f := range of {
			if err := f(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// elements are those of a list in a reply, or in the value itself for ".".
func elements(c *cloud, api, path, list string, match func(map[string]any) bool) (found []map[string]any, err error) {
	var raw json.RawMessage
	if err := c.call(api, "GET", path, "", &raw); err != nil {
		return nil, err
	}
	if list != "." {
		var in map[string]json.RawMessage
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, err
		}
		raw = in[list]
	}
	var items []map[string]any
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	for _, v := range items {
		if match(v) {
			found = append(found, v)
		}
	}
	return found, nil
}

func counting(api, path, list string, match func(map[string]any) bool) func(*cloud) (int, error) {
	return func(c *cloud) (int, error) {
		found, err := elements(c, api, path, list, match)
		return len(found), err
	}
}

func removeFirst(c *cloud, api, path, list string, match func(map[string]any) bool, at string) error {
	found, err := elements(c, api, path, list, match)
	if err != nil || len(found) == 0 {
		return fmt.Errorf("nothing to remove: %w", err)
	}
	<-time.After(5 * time.Second) // until Neon has ended what it is at
	for _, field := range []string{"id", "uid", "database_id"} {
		if id, ok := found[0][field].(string); ok {
			return c.call(api, "DELETE", at+id, "", nil)
		}
	}
	return fmt.Errorf("no id in %v", found[0])
}

// neonID returns the id of the one of that name in a list, once nothing runs in its project any more.
func neonID(c *cloud, path, list, name string) (string, error) {
	<-time.After(5 * time.Second) // of the bubble
	found, err := elements(c, "neon", path, list, named("name", name))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d are named %s: %w", len(found), name, err)
	}
	return fmt.Sprint(found[0]["id"]), nil
}

// inProject makes calls, "METHOD path body", in the project shop; branches/preview in a path becomes its id.
func inProject(calls ...string) func(*cloud) error {
	return func(c *cloud) error {
		id, err := neonID(c, "/projects?limit=400&org_id="+org, "projects", "shop")
		for _, call := range calls {
			if err != nil {
				return err
			}
			if strings.Contains(call, "branches/preview") {
				var branch string
				if branch, err = neonID(c, "/projects/"+id+"/branches", "branches", "preview"); err != nil {
					return err
				}
				call = strings.Replace(call, `"branches/preview"`, `"`+branch+`"`, 1)
				call = strings.Replace(call, "branches/preview", "branches/"+branch, 1)
			}
			part := strings.SplitN(call, " ", 3)
			err = c.call("neon", part[0], "/projects/"+id+part[1], part[2], nil)
			<-time.After(5 * time.Second)
		}
		return err
	}
}

// neonBranches is what a branch named preview has.
type neonBranches struct{ endpoints, roles, databases int }

// inBranches sums what of returns over the branches named preview.
func inBranches(of func(neonBranches) int) func(*cloud) (int, error) {
	return func(c *cloud) (total int, err error) {
		id, err := neonID(c, "/projects?limit=400&org_id="+org, "projects", "shop")
		if err != nil {
			return 0, err
		}
		branches, err := elements(c, "neon", "/projects/"+id+"/branches", "branches", named("name", "preview"))
		for _, b := range branches {
			at, has := "/projects/"+id+"/branches/"+fmt.Sprint(b["id"]), neonBranches{}
			for list, n := range map[string]*int{"endpoints": &has.endpoints, "roles": &has.roles, "databases": &has.databases} {
				found, err := elements(c, "neon", at+"/"+list, list, func(v map[string]any) bool { return list == "endpoints" || v["name"] == "shop_preview" })
				if err != nil {
					return 0, err
				}
				*n = len(found)
			}
			total += of(has)
		}
		return total, err
	}
}
