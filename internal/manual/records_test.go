package manual_test

import (
	"encoding/json"
	"testing"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manual/byhand"
)

// TestRecordsByHand: who writes the records that the runbook shows makes Vercel see the domain as verified and as configured; without them
// it is not.
func TestRecordsByHand(t *testing.T) {
	writeRecords(t, func(_ *world, p *byhand.Person) { p.Means = []byhand.Means{byhand.DNS} })
}

func writeRecords(t *testing.T, means func(*world, *byhand.Person)) {
	w := newWorld(t)
	w.manifest.Resources, w.manifest.Env = nil, nil
	w.manifest.Vercel.Domains = []slipway.Domain{{Name: "shop.example.com"}, {Name: "example.org"}}
	w.automate(only(w.plan(w.look(), nil), of("vercel.project", "vercel.domain")))
	s := w.look()
	plan := only(w.plan(s, nil), of("vercel.dns"))
	if len(plan.Effects) != 2 {
		t.Fatalf("%d steps", len(plan.Effects))
	}
	raw, err := json.Marshal(w.runbook(plan, s))
	if err != nil {
		t.Fatal(err)
	}
	person := w.person()
	means(w, person)
	sees := func(verified, configured bool) {
		t.Helper()
		for _, d := range w.manifest.Vercel.Domains {
			name := d.Name
			a := slipway.NewAddress("vercel.dns", name, slipway.Production)
			spec := s.spec(a)
			if err := w.handler(a).(slipway.Verifier).Verify(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			obs, err := w.handler(a).Observe(t.Context(), spec)
			if err != nil || obs.Fields["verified"] != verified || obs.Fields["configured"] != configured {
				t.Errorf("%s: %v, %v", name, obs.Fields, err)
			}
		}
	}
	sees(false, false)
	if err := person.Do(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	sees(true, true)
	if w.noted != nil { // a zone of Vercel's has what leads there: nothing undoes it
		w.noted(bookOf(t, raw))
		return
	}
	if err := person.Undo(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	sees(true, false) // what was proved once stays so
}
