package slipway_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

// existing makes the Spec of a one that is there already, as it is recorded and observed.
func (w *world) existing(a slipway.Address) *world {
	for i := range w.Specs {
		if w.Specs[i].Address == a {
			w.Specs[i].Existing, w.Specs[i].Name = true, "id-there"
		}
	}
	r := w.Receipts[a]
	r.Origin = slipway.OriginExisting
	w.Receipts[a] = r
	return w.writeLedger()
}

func TestPlanOfWhatExists(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(w *world)
		used   string // note of the one that is used
		keys   []string
		code   slipway.Code
		says   string
	}{
		"as declared": {reason: "it is listed, and nothing else", change: func(*world) {}},
		"remarkable": {
			reason: "what the provider tells of it stands in the plan", used: "it is the default branch",
			change: func(w *world) {
				o := w.Observed[db]
				o.Note = "it is the default branch"
				w.Observed[db] = o
			},
		},
		"not ours": {
			reason: "nobody has to adopt it", change: func(w *world) { delete(w.Owned, db) },
		},
		"made by hand": {
			reason: "a person made it and told no id then: this is which",
			change: func(w *world) {
				r := w.Receipts[db]
				r.Origin, r.ID, r.ByHand = slipway.OriginCreated, "", true
				w.Receipts[db] = r
			},
		},
		"absent": {
			reason: "it is not made", change: func(w *world) { w.Observed[db] = slipway.Observation{} }, code: slipway.CodeNotFound, says: "there is no id-there",
		},
		"vanished": {
			reason: "nor made anew", change: func(w *world) { w.Observed[db] = slipway.Observation{Vanished: true} }, code: slipway.CodeNotFound,
		},
		"unusable": {
			reason: "the provider says why it will not do", code: slipway.CodeLimit, says: "suspended",
			change: func(w *world) {
				o := w.Observed[db]
				o.Failed = slipway.Errorf(slipway.CodeLimit, "it is suspended")
				w.Observed[db] = o
			},
		},
		"differs": {
			reason: "it is not changed", change: func(w *world) { w.differs(db, "size", int64(2)) }, code: slipway.CodeConflict, says: "its size is 2, not",
		},
		"differs in what cannot change": {
			reason: "it is not replaced", change: func(w *world) { w.differs(db, "region", "west") }, code: slipway.CodeConflict, says: "its region is west, not east",
		},
		"in the place of ours": {
			reason: "what Slipway made would be lost from sight", code: slipway.CodeConflict, says: "was made by Slipway",
			change: func(w *world) {
				r := w.Receipts[db]
				r.Origin, r.ID = slipway.OriginCreated, "another"
				w.Receipts[db] = r
			},
		},
		"unseen": {
			reason: "nothing could look: it is taken for granted", used: "nothing could look at it",
			change: func(w *world) { w.Observed[db] = slipway.Observation{Unseen: true} },
		},
		"adjusted": {
			reason: "what is declared of a kind that adjusts is changed, at its gate", keys: []string{"cloud.db/db#update"},
			change: func(w *world) {
				w.differs(db, "size", int64(2))
				k := w.Kinds["cloud.db"]
				k.Adjusts = true
				w.Kinds["cloud.db"] = k
			},
		},
		"not adjusted": {
			reason: "what cannot change is refused even then", code: slipway.CodeConflict, says: "its region is west",
			change: func(w *world) {
				w.differs(db, "region", "west").differs(db, "size", int64(2))
				k := w.Kinds["cloud.db"]
				k.Adjusts = true
				w.Kinds["cloud.db"] = k
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := settled().existing(db)
			tc.change(w)
			p, err := slipway.MakePlan(w.PlanInput)
			if slipway.ErrorCode(err) != tc.code {
				t.Fatalf("%s: %v, want %q", tc.reason, err, tc.code)
			}
			if tc.code != "" {
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: %v", tc.reason, err)
				}
				return
			}
			var keys []string
			for _, e := range p.Effects {
				if e.Address != ledger {
					keys = append(keys, e.Key)
				}
			}
			if d := cmp.Diff(tc.keys, keys); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
			if len(p.Existing) != 1 || p.Existing[0].Address != db || p.Existing[0].Mode != slipway.ModeAssisted || p.Existing[0].Note != tc.used {
				t.Errorf("%s: %+v", tc.reason, p.Existing)
			}
			if len(p.Undeclared) > 0 {
				t.Errorf("undeclared: %v", p.Undeclared)
			}
		})
	}
}

// What existed and is no longer declared is none of ours: it is not named as such, nor deleted.
func TestWhatExistedIsLeftAlone(t *testing.T) {
	w := settled().existing(db)
	var rest []slipway.Spec
	for _, s := range w.Specs {
		if s.Address != db && s.Address != urlVar && s.Address != role {
			rest = append(rest, s)
		}
	}
	w.Specs = rest
	p, err := slipway.MakePlan(w.PlanInput)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Undeclared {
		if a == db {
			t.Error("it is listed as ours")
		}
	}
	if p := slipway.MakeDestroy(w.PlanInput, slipway.DestroyScope{All: true}); p.Effect(string(db)+"#delete") != nil || !cmp.Equal([]slipway.Address{db}, p.Kept) {
		t.Errorf("kept %v, effects %v", p.Kept, p.Effects)
	}
}
