package manifest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	slipway "github.com/slipway-dev/slipway"
)

// Schema returns the manifest's JSON Schema (draft 2020-12), the same bytes for the same types. It says all that Parse demands of one
// place; what ties two places together (from and targets) only Parse can check.
func Schema(types []slipway.ResourceType) []byte {
	s := table(types).schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "slipway.yaml"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic("manifest: encode schema: " + err.Error()) // a provider's default that JSON cannot hold
	}
	return b.Bytes()
}

func (n *node) schema() map[string]any {
	s := map[string]any{}
	if n.help != "" {
		s["description"] = n.help
	}
	if n.def != nil {
		s["default"] = n.def
	}
	switch n.shape {
	case text:
		s["type"] = "string"
		n.rule.into(s)
	case scalar:
		s["type"] = []string{"string", "number", "boolean"}
		n.rule.into(s)
	case integer:
		s["type"] = "integer"
		put(s, "minimum", n.min)
		put(s, "maximum", n.max)
	case boolean:
		s["type"] = "boolean"
	case list:
		s["type"], s["items"] = "array", n.item.schema()
		put(s, "minItems", n.min)
		put(s, "maxItems", n.max)
		if n.unique {
			s["uniqueItems"] = true
		}
	case mapping:
		names := map[string]any{}
		n.rule.into(names)
		s["type"], s["additionalProperties"], s["propertyNames"] = "object", n.item.schema(), names
		put(s, "maxProperties", n.max)
	case object:
		s["type"] = "object"
		n.objectInto(s)
		if n.short != "" {
			s = map[string]any{"anyOf": []any{n.keyNode(n.short).schema(), s}}
		}
	}
	if len(n.enum) > 0 {
		s["enum"] = n.enumValues()
	}
	return s
}

func put(s map[string]any, name string, v int64) {
	if v != 0 {
		s[name] = v
	}
}

func (n *node) enumValues() []any {
	out := anyList(n.enum)
	for i, v := range n.enum {
		if number, err := strconv.ParseInt(v, 10, 64); err == nil && n.shape == integer {
			out[i] = number
		}
	}
	return out
}

func (r *rule) into(s map[string]any) {
	if r == nil {
		return
	}
	if r.pattern != "" {
		s["pattern"] = r.pattern
	}
	put(s, "maxLength", int64(r.max))
	var not []any
	for _, each := range append([]*rule{r}, r.first...) {
		if each.forbid != "" {
			not = append(not, map[string]any{"type": "string", "pattern": each.forbid})
		}
	}
	if len(r.reserved) > 0 {
		not = append(not, map[string]any{"enum": r.reserved})
	}
	if len(not) > 0 {
		s["not"] = map[string]any{"anyOf": not}
	}
}

func (n *node) objectInto(s map[string]any) {
	if n.kinds != nil {
		n.kindsInto(s)
		return
	}
	properties := map[string]any{}
	var required []string
	for _, k := range n.keys {
		properties[k.name] = k.node.schema()
		if k.required {
			required = append(required, k.name)
		}
	}
	s["properties"], s["additionalProperties"] = properties, false
	switch {
	case len(required) > 0 && n.waiver != "":
		s["anyOf"] = []any{map[string]any{"required": []string{n.waiver}}, map[string]any{"required": required}}
	case len(required) > 0:
		s["required"] = required
	}
	if n.one {
		var alternatives []any
		for _, name := range n.alone {
			alternatives = append(alternatives, map[string]any{"required": []string{name}})
		}
		s["oneOf"] = alternatives
	} else if len(n.alone) > 1 {
		s["not"] = map[string]any{"required": n.alone}
	}
	if len(n.needs) > 0 {
		dependent := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(n.needs)) {
			dependent[name] = []string{n.needs[name]}
		}
		s["dependentRequired"] = dependent
	}
}

// kindsInto lets the key type choose which keys may stand beside it.
func (n *node) kindsInto(s map[string]any) {
	names, choices := []string{}, []any{}
	for _, k := range n.kinds {
		names = append(names, k.name)
		is := map[string]any{"properties": map[string]any{"type": map[string]any{"const": k.name}}, "required": []string{"type"}}
		choices = append(choices, map[string]any{"if": is, "then": k.node.schema()})
	}
	s["required"] = []string{"type"}
	s["properties"] = map[string]any{"type": map[string]any{"enum": names, "description": "what it is"}}
	if len(choices) > 0 {
		s["allOf"] = choices
	}
}
