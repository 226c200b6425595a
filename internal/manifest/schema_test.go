package manifest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(types)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("slipway.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("slipway.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge returns what the schema says of a manifest.
func judge(t *testing.T, s *jsonschema.Schema, src string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(src), &v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(instance)
}

func TestSchemaAndParseAgree(t *testing.T) {
	schema := compiled(t)
	valid := map[string]string{
		"full": full, "least": "app: a\n", "empty parts": "app: a\nsource: {}\nvercel: {}\nresources: {}\nenv: {}\nverify: {}\npromote: {}\n",
		"existing waives what is required": "app: a\nresources: {c: {type: upstash.redis, existing: {id: x, label: a b}}}\n",
		"existing project":                 "app: a\nvercel: {existing: {project: prj_Ab12, repository: a/b}}\n",
		"values of all kinds":              "app: a\nenv: {A: {value: 1}, B: {value: true}, C: {value: 1.5}, D: {value: ''}}\n",
		"longest app":                      "app: a234567890123456789012345678901234567890123456789012\n",
		"git ref":                          "app: a\nsource: {github: a/b.c, ref: release/1.2}\n",
		"domain in punycode":               "app: a\nvercel: {domains: [xn--mnchen-3ya.de]}\n",
		"folders":                          "app: a\nsource: {dir: apps/..web}\nvercel: {root_directory: web, output_directory: .output}\n",
	}
	for name, src := range valid {
		if _, err := Parse("slipway.yaml", []byte(src), types); err != nil {
			t.Errorf("%s: Parse refuses it: %v", name, err)
		}
		if err := judge(t, schema, src); err != nil {
			t.Errorf("%s: the schema refuses it: %v", name, err)
		}
	}
	for name, s := range invalid {
		if s.onlyParse {
			continue
		}
		if err := judge(t, schema, s.src); err == nil {
			t.Errorf("%s: Parse refuses it (%s), and the schema accepts it", name, s.reason)
		}
	}
}

func TestSchemaIsStable(t *testing.T) {
	if !bytes.Equal(Schema(types), Schema(types)) {
		t.Error("two calls gave different bytes")
	}
	if err := json.Unmarshal(Schema(nil), &map[string]any{}); err != nil {
		t.Errorf("no types: %v", err)
	}
}

// Every key has help, because editors and documentation show it.
func TestTableExplainsEveryKey(t *testing.T) {
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, k := range n.keys {
			if k.node.help == "" {
				t.Errorf("%s.%s has no help", path, k.name)
			}
			walk(k.node, path+"."+k.name)
		}
		for _, k := range n.kinds {
			if k.node.help == "" {
				t.Errorf("%s has no help", k.name)
			}
		}
		if n.item != nil {
			walk(n.item, path+"[]")
		}
	}
	walk(table(nil), "")
}
