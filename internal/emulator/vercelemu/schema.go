package vercelemu

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// schema is as much of JSON Schema as Vercel's request bodies need. Complaints are worded as the real API words
// them: Invalid request: should NOT have additional property `x`. Which bodies
// are closed, is what the published document says, and whether the real API holds to it is not known [? vercel-unknown-field].
type schema struct {
	kind     string // string, number, boolean, object, array, any
	nullable bool
	maxLen   int
	pattern  *regexp.Regexp
	enum     []string
	fields   map[string]*schema
	required []string
	open     bool // an object that may have other fields
	items    *schema
	minItems int
	maxItems int
	values   *schema // of an object used as a map
	anyOf    []*schema
	optional bool // of a whole body: it may be empty
}

func str(maxLen int) *schema         { return &schema{kind: "string", maxLen: maxLen} }
func oneOf(values ...string) *schema { return &schema{kind: "string", enum: values} }
func matching(pattern string) *schema {
	return &schema{kind: "string", pattern: regexp.MustCompile(pattern)}
}
func list(items *schema) *schema   { return &schema{kind: "array", items: items} }
func mapOf(values *schema) *schema { return &schema{kind: "object", values: values} }
func either(of ...*schema) *schema { return &schema{anyOf: of} }

func boolean() *schema { return &schema{kind: "boolean"} }
func number() *schema  { return &schema{kind: "number"} }
func anything() *schema {
	return &schema{kind: "any", nullable: true}
}

// object is closed: a field that it does not name is refused.
func object(fields map[string]*schema, required ...string) *schema {
	return &schema{kind: "object", fields: fields, required: required}
}

// openObject checks the fields it names and lets others pass.
func openObject(fields map[string]*schema, required ...string) *schema {
	return &schema{kind: "object", fields: fields, required: required, open: true}
}

func null(s *schema) *schema {
	c := *s
	c.nullable = true
	return &c
}

func empty(s *schema) *schema {
	c := *s
	c.optional = true
	return &c
}

// check returns what is wrong with v, "" when nothing is.
func (s *schema) check(at string, v any) string {
	if v == nil {
		if s.nullable {
			return ""
		}
		return s.mismatch(at)
	}
	if s.anyOf != nil {
		return s.checkAny(at, v)
	}
	switch s.kind {
	case "any":
		return ""
	case "boolean":
		if _, ok := v.(bool); !ok {
			return s.mismatch(at)
		}
	case "number":
		if _, ok := v.(float64); !ok {
			return s.mismatch(at)
		}
	case "string":
		return s.checkString(at, v)
	case "array":
		return s.checkArray(at, v)
	case "object":
		return s.checkObject(at, v)
	}
	return ""
}

// checkAny complains of the alternative that has v's kind, else of the last.
func (s *schema) checkAny(at string, v any) string {
	complaint := ""
	for _, o := range s.anyOf {
		why := o.check(at, v)
		if why == "" {
			return ""
		}
		if complaint == "" || why != o.mismatch(at) {
			complaint = why
		}
	}
	return complaint
}

func (s *schema) mismatch(at string) string {
	return fmt.Sprintf("`%s` should be %s.", name(at), s.kind)
}

func (s *schema) checkString(at string, v any) string {
	text, ok := v.(string)
	switch {
	case !ok:
		return s.mismatch(at)
	case s.maxLen > 0 && utf8.RuneCountInString(text) > s.maxLen:
		return fmt.Sprintf("`%s` should NOT be longer than %d characters.", name(at), s.maxLen)
	case s.enum != nil && !slices.Contains(s.enum, text):
		return fmt.Sprintf("`%s` should be equal to one of the allowed values \"%s\".", name(at), strings.Join(s.enum, ", "))
	case s.pattern != nil && !s.pattern.MatchString(text):
		return fmt.Sprintf("`%s` should match pattern \"%s\".", name(at), s.pattern)
	}
	return ""
}

func (s *schema) checkArray(at string, v any) string {
	items, ok := v.([]any)
	if !ok {
		return s.mismatch(at)
	}
	if len(items) < s.minItems {
		return fmt.Sprintf("`%s` should NOT have fewer than %d items.", name(at), s.minItems)
	}
	if s.maxItems > 0 && len(items) > s.maxItems {
		return fmt.Sprintf("`%s` should NOT have more than %d items.", name(at), s.maxItems)
	}
	for i, item := range items {
		if complaint := s.items.check(fmt.Sprintf("%s[%d]", at, i), item); complaint != "" {
			return complaint
		}
	}
	return ""
}

func (s *schema) checkObject(at string, v any) string {
	obj, ok := v.(map[string]any)
	if !ok {
		return s.mismatch(at)
	}
	for _, f := range s.required {
		if _, ok := obj[f]; !ok {
			return fmt.Sprintf("missing required property `%s`.", f)
		}
	}
	keys := make([]string, 0, len(obj))
	for k := range obj {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		field := s.fields[k]
		if field == nil {
			field = s.values
		}
		if field == nil {
			if s.open {
				continue
			}
			return fmt.Sprintf("should NOT have additional property `%s`.", k)
		}
		if complaint := field.check(strings.TrimPrefix(at+"."+k, "."), obj[k]); complaint != "" {
			return complaint
		}
	}
	return ""
}

func name(at string) string {
	if at == "" {
		return "body"
	}
	return at
}
