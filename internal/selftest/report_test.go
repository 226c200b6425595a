package selftest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/selftest"
)

func TestCompare(t *testing.T) {
	thing := func(name, size string) selftest.Thing {
		return selftest.Thing{Kind: "cloud.db", Name: name, Fields: map[string]string{"size": size}}
	}
	want := selftest.State{Things: []selftest.Thing{thing("a", "1"), thing("b", "1")}, Effects: map[string]int{"cloud POST /dbs": 2}, Approved: map[string]int{"apply": 1}}
	for name, tc := range map[string]struct {
		reason string
		got    selftest.State
		report selftest.Report
	}{
		"the same": {"nothing is found", want, selftest.Report{}},
		"twice": {
			"two of a name, of which one is wanted",
			selftest.State{Things: []selftest.Thing{thing("a", "1"), thing("a", "1"), thing("b", "1")}, Effects: map[string]int{"cloud POST /dbs": 3}},
			selftest.Report{Duplicates: 1, Repeated: 1, Findings: []string{"1 duplicates: cloud.db a", "made 1 times more: cloud POST /dbs"}},
		},
		"left over": {
			"one of a name that nobody wants",
			selftest.State{Things: []selftest.Thing{thing("a", "1"), thing("b", "1"), thing("c", "1")}},
			selftest.Report{Orphans: 1, Findings: []string{"1 orphans: cloud.db c"}},
		},
		"missing": {
			"one that is not there",
			selftest.State{Things: []selftest.Thing{thing("b", "1")}},
			selftest.Report{Differences: 1, Findings: []string{"missing: cloud.db a"}},
		},
		"another": {
			"one whose field differs",
			selftest.State{Things: []selftest.Thing{thing("a", "2"), thing("b", "1")}},
			selftest.Report{Differences: 1, Findings: []string{"differs: cloud.db a: size is 2, not 1"}},
		},
		"another change": {
			"a change that the uninterrupted run did not make",
			selftest.State{Things: want.Things, Effects: map[string]int{"cloud POST /dbs": 2, "cloud DELETE /dbs/{id}": 1}},
			selftest.Report{Repeated: 1, Findings: []string{"made 1 times more: cloud DELETE /dbs/{id}"}},
		},
		"asked again": {
			"an approval of what was approved, and of what the uninterrupted run does not ask for",
			selftest.State{Things: want.Things, Approved: map[string]int{"apply": 2, "promote": 1}},
			selftest.Report{Asked: 2, Findings: []string{"approved 1 times more: apply", "approved 1 times more: promote"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := selftest.Compare(want, tc.got)
			if d := cmp.Diff(tc.report, got); d != "" || got.Clean() != (len(tc.report.Findings) == 0) {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}

func TestMatrix(t *testing.T) {
	points := []string{"a", "b", "c", "d"}
	first := selftest.Matrix(points, 3)
	if len(first) != 5*len(points) || len(first[0].Points) != 1 || !cmp.Equal(first[1].Points, []string{"a", "a"}) {
		t.Errorf("%d trials, not each once, twice and with three others: %v", len(first), first)
	}
	if d := cmp.Diff(first, selftest.Matrix(points, 3)); d != "" {
		t.Errorf("one seed, two matrices:\n%s", d)
	}
	if cmp.Equal(first, selftest.Matrix(points, 4)) {
		t.Error("another seed draws the same")
	}
}
