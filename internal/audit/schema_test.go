package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/slipway-dev/slipway/internal/attest"
)

// published compiles the schemas of what others have defined.
func published(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	all := map[string]*jsonschema.Schema{}
	for _, name := range []string{"statement", "provenance", "test-result"} {
		text, err := os.ReadFile(filepath.Join("testdata", "schema", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = c.AddResource("https://slipway.dev/test/"+name, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for about, name := range map[string]string{"": "statement", attest.Provenance: "provenance", attest.TestResult: "test-result"} {
		s, err := c.Compile("https://slipway.dev/test/" + name)
		if err != nil {
			t.Fatal(err)
		}
		all[about] = s
	}
	return all
}

// TestPublishedSchemas: each statement of each vector is an in-toto Statement v1, and those of others' predicates have those predicates' fields. The
// predicates of our own stand in the document, each with all of its fields.
func TestPublishedSchemas(t *testing.T) {
	schemas := published(t)
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "format-audit-bundle.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for name, v := range vectors {
		data, _ := bundle(t, exporter(t), newStoreOf(t, t.TempDir(), v.end, &v.story))
		c := takeApart(t, data)
		for _, entry := range c.names {
			if entry != nameSignature && !strings.HasPrefix(entry, "statements/") {
				continue
			}
			s, payload := c.statement(t, entry)
			seen[s.PredicateType]++
			conforms(t, name+" "+entry, schemas[""], payload)
			if schema := schemas[s.PredicateType]; schema != nil {
				conforms(t, name+" "+entry, schema, s.Predicate)
			}
			if kind := s.PredicateType[strings.LastIndex(strings.TrimSuffix(s.PredicateType, "/v1"), "/"):]; !bytes.Contains(document, []byte(kind)) {
				t.Errorf("%s is not in the document", kind)
			}
			var fields map[string]any
			if err := json.Unmarshal(s.Predicate, &fields); err != nil {
				t.Fatal(err)
			}
			for field := range fields {
				if !bytes.Contains(document, []byte("`"+field+"`")) {
					t.Errorf("%s: the document does not have the field %s", s.PredicateType, field)
				}
			}
		}
	}
	for _, about := range predicates {
		if seen[about] == 0 {
			t.Errorf("no vector states %s", about)
		}
	}
}

func conforms(t *testing.T, place string, schema *jsonschema.Schema, data []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		t.Errorf("%s: %v", place, err)
	}
}
