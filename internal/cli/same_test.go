package cli

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
)

// shopTree is a manifest before it is written: map[string]any, []any, string, int, bool.
func shopTree() map[string]any {
	return map[string]any{
		"app": "shop", "environments": []any{"production", "preview"}, "source": map[string]any{"dir": "site"},
		"vercel": map[string]any{"node_version": "22.x", "regions": []any{"iad1"}, "domains": []any{"shop.example.com"}},
		"resources": map[string]any{
			"db":    map[string]any{"type": "neon.postgres", "region": "aws-us-east-1", "version": 17},
			"cache": map[string]any{"type": "upstash.redis", "region": "us-east-1"},
			"find":  map[string]any{"type": "upstash.vector", "region": "us-east-1", "dimensions": 3, "metric": "cosine"},
		},
		"env": map[string]any{
			"DATABASE_URL": map[string]any{"from": "db.url"}, "STRIPE_KEY": map[string]any{"secret": "STRIPE_KEY"}, "LEVEL": map[string]any{"value": "info"},
		},
		"verify": map[string]any{
			"commands": []any{[]any{"npm", "test"}}, "network": []any{"all"},
			"health": []any{map[string]any{"path": "/health", "contains": "ok"}},
		},
		"promote": map[string]any{"approval": "auto", "rollback": "automatic"},
	}
}

// at is the map at a path of a tree.
func at(t map[string]any, path ...string) map[string]any {
	for _, name := range path {
		switch next := t[name].(type) {
		case map[string]any:
			t = next
		case []any:
			t = next[0].(map[string]any)
		}
	}
	return t
}

// defaults are what a manifest may also say without wanting anything else.
var defaults = map[string]func(map[string]any){
	"name":      func(m map[string]any) { m["name"] = "shop" },
	"timeout":   func(m map[string]any) { at(m, "verify")["timeout"] = "600s" },
	"memory":    func(m map[string]any) { at(m, "verify")["memory"] = slipway.DefaultJobMemory },
	"runtime":   func(m map[string]any) { at(m, "verify")["runtime"] = slipway.DefaultRuntime },
	"sandbox":   func(m map[string]any) { at(m, "verify")["sandbox"] = "auto" },
	"status":    func(m map[string]any) { at(m, "verify", "health")["status"] = 200 },
	"retries":   func(m map[string]any) { at(m, "verify", "health")["retries"] = 4 },
	"interval":  func(m map[string]any) { at(m, "verify", "health")["interval"] = "1s" },
	"dir":       func(m map[string]any) { at(m, "source")["dir"] = "./site" },
	"the same":  func(m map[string]any) { at(m, "promote")["health"] = at(m, "verify")["health"] },
	"no secret": func(m map[string]any) { at(m, "env", "STRIPE_KEY")["allow_short"] = false },
}

// changes want something else, each in one place.
var changes = map[string]func(map[string]any){
	"name":       func(m map[string]any) { m["name"] = "store" },
	"node":       func(m map[string]any) { at(m, "vercel")["node_version"] = "20.x" },
	"regions":    func(m map[string]any) { at(m, "vercel")["regions"] = []any{"fra1"} },
	"domains":    func(m map[string]any) { at(m, "vercel")["domains"] = []any{"www.example.com"} },
	"framework":  func(m map[string]any) { at(m, "vercel")["framework"] = "nextjs" },
	"build":      func(m map[string]any) { at(m, "vercel")["build_command"] = "make" },
	"install":    func(m map[string]any) { at(m, "vercel")["install_command"] = "make deps" },
	"output":     func(m map[string]any) { at(m, "vercel")["output_directory"] = "out" },
	"root":       func(m map[string]any) { at(m, "vercel")["root_directory"] = "web" },
	"team":       func(m map[string]any) { at(m, "vercel")["team"] = "acme" },
	"region":     func(m map[string]any) { at(m, "resources", "db")["region"] = "aws-eu-central-1" },
	"version":    func(m map[string]any) { at(m, "resources", "db")["version"] = 16 },
	"kept by":    func(m map[string]any) { at(m, "resources", "cache")["name"] = "shop-store" },
	"metric":     func(m map[string]any) { at(m, "resources", "find")["metric"] = "euclidean" },
	"dimensions": func(m map[string]any) { at(m, "resources", "find")["dimensions"] = 4 },
	"no store":   func(m map[string]any) { delete(at(m, "resources"), "cache") },
	"from":       func(m map[string]any) { at(m, "env", "DATABASE_URL")["from"] = "db.pooled_url" },
	"secret":     func(m map[string]any) { at(m, "env", "STRIPE_KEY")["secret"] = "STRIPE_TEST_KEY" },
	"short":      func(m map[string]any) { at(m, "env", "STRIPE_KEY")["allow_short"] = true },
	"value":      func(m map[string]any) { at(m, "env", "LEVEL")["value"] = "debug" },
	"one more":   func(m map[string]any) { at(m, "env")["MORE"] = map[string]any{"value": "x"} },
	"targets":    func(m map[string]any) { at(m, "env", "LEVEL")["targets"] = []any{"preview"} },
	"commands":   func(m map[string]any) { at(m, "verify")["commands"] = []any{[]any{"npm", "run", "test"}} },
	"network":    func(m map[string]any) { delete(at(m, "verify"), "network") },
	"timeout":    func(m map[string]any) { at(m, "verify")["timeout"] = "1m" },
	"memory":     func(m map[string]any) { at(m, "verify")["memory"] = 8192 },
	"runtime":    func(m map[string]any) { at(m, "verify")["runtime"] = "python3.13" },
	"sandbox":    func(m map[string]any) { at(m, "verify")["sandbox"] = "local" },
	"path":       func(m map[string]any) { at(m, "verify", "health")["path"] = "/" },
	"status":     func(m map[string]any) { at(m, "verify", "health")["status"] = 204 },
	"contains":   func(m map[string]any) { at(m, "verify", "health")["contains"] = "fine" },
	"within":     func(m map[string]any) { at(m, "verify", "health")["within"] = "2s" },
	"retries":    func(m map[string]any) { at(m, "verify", "health")["retries"] = 5 },
	"interval":   func(m map[string]any) { at(m, "verify", "health")["interval"] = "2s" },
	"approval":   func(m map[string]any) { at(m, "promote")["approval"] = "required" },
	"rollback":   func(m map[string]any) { at(m, "promote")["rollback"] = "manual" },
	"its health": func(m map[string]any) { at(m, "promote")["health"] = []any{map[string]any{"path": "/live"}} },
	"checks": func(m map[string]any) {
		m["source"] = map[string]any{"github": "acme/shop"}
		at(m, "promote")["checks"] = []any{"ci"}
	},
	"at GitHub":  func(m map[string]any) { m["source"] = map[string]any{"github": "acme/shop"} },
	"its branch": func(m map[string]any) { m["source"] = map[string]any{"github": "acme/shop", "ref": "next"} },
	"built first": func(m map[string]any) {
		at(m, "source")["prebuilt"] = true
		delete(at(m, "verify"), "commands")
		delete(at(m, "verify"), "network")
	},
}

// reworded writes a tree as somebody would: keys in any order, quotes, flow or block, comments.
func reworded(t *rapid.T, v any, indent string) string {
	switch v := v.(type) {
	case map[string]any:
		keys := rapid.Permutation(slices.Sorted(maps.Keys(v))).Draw(t, "keys")
		if rapid.IntRange(0, 3).Draw(t, "flow") == 0 && indent != "" {
			parts := make([]string, len(keys))
			for i, k := range keys {
				parts[i] = k + ": " + flow(t, v[k])
			}
			return " {" + strings.Join(parts, ", ") + "}\n"
		}
		var b strings.Builder
		b.WriteString("\n")
		for _, k := range keys {
			if rapid.IntRange(0, 4).Draw(t, "comment") == 0 {
				b.WriteString(indent + "# a word about it: {x}\n\n")
			}
			b.WriteString(indent + k + ":" + reworded(t, v[k], indent+strings.Repeat(" ", rapid.IntRange(1, 4).Draw(t, "deeper"))))
		}
		return b.String()
	default:
		end := "\n"
		if rapid.IntRange(0, 4).Draw(t, "remark") == 0 {
			end = " # for now\n"
		}
		return " " + flow(t, v) + end
	}
}

// flow writes a value on one line.
func flow(t *rapid.T, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range rapid.Permutation(slices.Sorted(maps.Keys(v))).Draw(t, "keys") {
			parts = append(parts, k+": "+flow(t, v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, flow(t, x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return fmt.Sprintf(rapid.SampledFrom([]string{"%s", `"%s"`, "'%s'"}).Draw(t, "quotes"), v)
	}
	return fmt.Sprint(v)
}

// wants is an engine that knows what manifests want.
func wants() func(text string) (string, error) {
	redactor := redact.New()
	a := &app{
		file: "slipway.yaml", dir: ".", redactor: redactor, counter: &rest.Counter{}, settings: newSettings(func(string) (string, bool) { return "", false }, redactor),
	}
	providers := a.providers()
	e := engine.New(engine.Config{Providers: providers, Parse: a.parser(providers)})
	return func(text string) (string, error) { return e.Wants([]byte(text), slipway.Production) }
}

// Other words that want the same have the same digest, and so go on with the run that waits.
func TestRewordedManifestWantsTheSame(t *testing.T) {
	digest := wants()
	rapid.Check(t, func(t *rapid.T) {
		plain := shopTree()
		want, err := digest(reworded(t, plain, ""))
		if err != nil {
			t.Fatal(err)
		}
		said := shopTree()
		for _, name := range slices.Sorted(maps.Keys(defaults)) {
			if rapid.Bool().Draw(t, name) {
				defaults[name](said)
			}
		}
		text := reworded(t, said, "")
		if got, err := digest(text); err != nil || got != want {
			t.Fatalf("%v: other words want something else:\n%s", err, text)
		}
	})
}

// A manifest that wants something else, however it is written, has another digest; each change has its own.
func TestOtherManifestWantsSomethingElse(t *testing.T) {
	for of, known := range map[reflect.Type]int{
		reflect.TypeFor[slipway.Manifest](): 9, reflect.TypeFor[slipway.Source](): 4, reflect.TypeFor[slipway.VercelSettings](): 10, reflect.TypeFor[slipway.HealthProbe](): 7,
	} {
		if of.NumField() != known {
			t.Errorf("%s has another field: let Wants tell it, and change it here", of)
		}
	}
	digest := wants()
	seen := map[string]string{}
	note := func(name, text string) {
		got, err := digest(text)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			return
		}
		if other, known := seen[got]; known {
			t.Errorf("%s wants the same as %s", name, other)
		}
		seen[got] = name
	}
	written := func(m map[string]any) string {
		return rapid.Custom(func(t *rapid.T) string { return reworded(t, m, "") }).Example(len(seen))
	}
	note("nothing", written(shopTree()))
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		m := shopTree()
		changes[name](m)
		note(name, written(m))
	}
}
