package selftest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is what a harness found. All but Points must be zero.
type Report struct {
	Points      int `json:"points"`      // kills
	Duplicates  int `json:"duplicates"`  // things of a kind and name of which an uninterrupted run leaves fewer
	Orphans     int `json:"orphans"`     // things of a kind and name of which it leaves none
	Differences int `json:"differences"` // things that are missing or not as it leaves them, and runs that did not end well
	Repeated    int `json:"repeated"`    // requests that changed something more often than in it
	Asked       int `json:"asked"`       // approvals that were given more often than in it
	// Findings tell each of them: where it was killed, and what was wrong.
	Findings []string `json:"findings,omitempty"`
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool { return r.Duplicates+r.Orphans+r.Differences+r.Repeated+r.Asked == 0 }

// Add counts another report in.
func (r *Report) Add(o Report) {
	r.Points += o.Points
	r.Duplicates += o.Duplicates
	r.Orphans += o.Orphans
	r.Differences += o.Differences
	r.Repeated += o.Repeated
	r.Asked += o.Asked
	r.Findings = append(r.Findings, o.Findings...)
}

// Compare judges what an interrupted operation left by what an uninterrupted one leaves.
func Compare(want, got State) Report {
	var r Report
	wanted, there := byName(want.Things), byName(got.Things)
	for _, name := range slices.Sorted(maps.Keys(there)) {
		switch n, more := len(wanted[name]), len(there[name])-len(wanted[name]); {
		case more > 0 && n == 0:
			r.Orphans += more
			r.find("%d orphans: %s", more, name)
		case more > 0:
			r.Duplicates += more
			r.find("%d duplicates: %s", more, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		for i, thing := range wanted[name] {
			if i >= len(there[name]) {
				r.Differences++
				r.find("missing: %s", name)
			} else if d := differing(thing.Fields, there[name][i].Fields); d != "" {
				r.Differences++
				r.find("differs: %s: %s", name, d)
			}
		}
	}
	for _, request := range slices.Sorted(maps.Keys(got.Effects)) {
		if more := got.Effects[request] - want.Effects[request]; more > 0 {
			r.Repeated += more
			r.find("made %d times more: %s", more, request)
		}
	}
	for _, gate := range slices.Sorted(maps.Keys(got.Approved)) {
		if more := got.Approved[gate] - want.Approved[gate]; more > 0 {
			r.Asked += more
			r.find("approved %d times more: %s", more, gate)
		}
	}
	return r
}

// differing tells the fields that are not equal, "" for none.
func differing(want, got map[string]string) string {
	all := maps.Clone(want)
	maps.Copy(all, got)
	var out []string
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if want[field] != got[field] {
			out = append(out, fmt.Sprintf("%s is %s, not %s", field, got[field], want[field]))
		}
	}
	return strings.Join(out, "; ")
}

func (r *Report) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

func byName(things []Thing) map[string][]Thing {
	out := map[string][]Thing{}
	for _, t := range things {
		out[t.Kind+" "+t.Name] = append(out[t.Kind+" "+t.Name], t)
	}
	return out
}
