package audit

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// TestMembers lists each member of each document. A difference to what is frozen is a new version of the format, once a release has written this one:
// docs/format-audit-bundle.md, Versions.
func TestMembers(t *testing.T) {
	var lines []string
	for name, v := range map[string]any{
		nameIndex: Index{}, nameSignature: Envelope{}, nameSpec: Spec{}, nameRun: slipway.Run{}, "core/plans": slipway.Plan{}, nameSteps: slipway.Step{},
		nameApprovals: slipway.Approval{}, nameEvents: slipway.Event{}, nameReceipts: slipway.Receipt{}, nameSource: slipway.File{}, "core/runbooks": slipway.Runbook{},
		"statement approval": approvalPredicate{}, "statement provision": provisionPredicate{}, "statement manual-evidence": evidencePredicate{},
		"statement promotion": promotionPredicate{}, "statement test-result": testResult{}, "statement provenance": provenance{}, "statement checkpoint": Checkpoint{},
	} {
		lines = members(lines, name, reflect.TypeOf(v), nil)
	}
	slices.Sort(lines)
	golden(t, filepath.Join("testdata", fmt.Sprintf("v%d", Version), "members.txt"), strings.Join(lines, "\n")+"\n")
}

// members adds a line for each member below a type: how it is called, and whether it can be absent.
func members(lines []string, path string, t reflect.Type, above []reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[json.RawMessage]() || slices.Contains(above, t) {
		return append(lines, path)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if options != "" {
			name += "?"
		}
		lines = members(lines, path+" "+name, f.Type, append(above, t))
	}
	return lines
}
