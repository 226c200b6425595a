package engine_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// Each connection string that is handed over is tried; what the manifest needs beside it is named.
func TestEachConnectionStringThatIsHandedOverCounts(t *testing.T) {
	const direct, pooled = "SLIPWAY_OUTPUT_DB_URL", "SLIPWAY_OUTPUT_DB_POOLED_URL"
	for name, tc := range map[string]struct {
		reason  string
		uses    map[string]string // by variable of the app
		given   map[string]string
		finding slipway.Finding
		names   []string // in the answer
		not     []string
		exports []string // in the runbook
	}{
		"nothing, both are used": {
			"each variable to export is named",
			map[string]string{"A": "db.url", "B": "db.pooled_url"},
			nil,
			slipway.FindingUnseen,
			[]string{direct, pooled},
			nil,
			[]string{direct, pooled},
		},
		"nothing, one is used": {
			"what nobody uses is not asked for",
			map[string]string{"B": "db.pooled_url"},
			nil,
			slipway.FindingUnseen,
			[]string{pooled},
			[]string{direct},
			[]string{pooled},
		},
		"nothing, none is used": {
			"the database is tried out by its own string", nil, nil, slipway.FindingUnseen, []string{direct}, []string{pooled}, []string{direct},
		},
		"the pooled one alone": {
			"it connects, and nothing else is used",
			map[string]string{"B": "db.pooled_url"},
			map[string]string{pooled: "postgres://pool.secret-of-ID"},
			slipway.FindingDone,
			[]string{"pooled_url"},
			[]string{direct, "still"},
			[]string{pooled},
		},
		"the pooled one, both are used": {
			"one connection is enough to tell; the other is named",
			map[string]string{"A": "db.url", "B": "db.pooled_url"},
			map[string]string{pooled: "postgres://pool.secret-of-ID"},
			slipway.FindingDone,
			[]string{"pooled_url", direct},
			nil,
			[]string{direct, pooled},
		},
		"what nobody uses": {
			"a string that nobody uses tells as much",
			map[string]string{"A": "db.url"},
			map[string]string{pooled: "postgres://pool.secret-of-ID"},
			slipway.FindingDone,
			[]string{direct},
			nil,
			[]string{direct},
		},
		"one of two is wrong": {
			"the app would get it",
			map[string]string{"A": "db.url", "B": "db.pooled_url"},
			map[string]string{direct: "postgres://secret-of-ID", pooled: "postgres://other"},
			slipway.FindingWrong,
			[]string{"pooled_url: "},
			[]string{direct, "postgres:"},
			[]string{direct, pooled},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud()
			c.find(finding(slipway.CauseAccountRefused))
			b := newBench(t, c)
			m := manifest()
			m.Env = map[string]slipway.EnvVar{}
			for key, from := range tc.uses {
				m.Env[key] = slipway.EnvVar{From: from}
			}
			run := b.ship(request(t, m, "one"))
			b.mustWait(run)
			book, _, err := b.Runbook(t.Context(), run.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range book.Steps {
				if d := cmp.Diff(tc.exports, s.Exports); s.Key == dbStep && d != "" {
					t.Errorf("the runbook's exports (-want +got):\n%s", d)
				}
			}
			b.given = maps.Clone(tc.given)
			id := c.byHand("shop-db", "east")
			for k, v := range b.given {
				b.given[k] = strings.ReplaceAll(v, "ID", id)
			}
			s, err := b.CheckManual(t.Context(), slipway.ManualCheck{Run: run.ID, Step: dbStep, By: person})
			if err != nil || s.Evidence.Finding != tc.finding {
				t.Fatalf("%s: %+v, %v", tc.reason, s.Evidence, err)
			}
			said := s.Evidence.How + " " + strings.Join(s.Evidence.Differs, " ")
			for _, want := range tc.names {
				if !strings.Contains(said, want) {
					t.Errorf("%s: %q does not name %s", tc.reason, said, want)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(said, not) {
					t.Errorf("%s: %q says %s", tc.reason, said, not)
				}
			}
		})
	}
}

func TestARunbookAsksForNoValueThatNobodyNeeds(t *testing.T) {
	c := newCloud()
	c.find(finding(slipway.CauseReadOnly))
	b := newBench(t, c)
	run := b.ship(request(t, manifest(), "one"))
	b.mustWait(run)
	book, _, err := b.Runbook(t.Context(), run.ID)
	if err != nil || len(book.Steps) == 0 {
		t.Fatal(err)
	}
	for _, s := range book.Steps {
		if len(s.Exports) > 0 {
			t.Errorf("the API can look at %s, and %v are asked for", s.Key, s.Exports)
		}
	}
}
