package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
)

// TestCredentialsThatComeAndGoInAnyOrder draws what a credential is good for, again and again, between ships, resumes and what a person does
// and has checked, in turn and out of turn. Nothing is made twice, by whomever; with a credential that can do all it comes to rest, with one of each.
func TestCredentialsThatComeAndGoInAnyOrder(t *testing.T) {
	seeds := 16
	if os.Getenv("SLIPWAY_LONG") != "" {
		seeds = 500
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newCloud()
			m := &mixed{bench: newBench(t, c), draw: rand.New(rand.NewPCG(uint64(seed), 5)), hands: map[slipway.Address]string{}, done: map[slipway.Address]bool{}}
			m.turn()
			for range 3 + m.draw.IntN(10) {
				m.act()
				m.oneOfEach()
				m.nothingAsked()
			}
			m.rest()
		})
	}
}

// mixed is a bench whose credential and person are drawn.
type mixed struct {
	*bench
	draw  *rand.Rand
	run   slipway.Run
	hands map[slipway.Address]string // ids of what the person has made
	done  map[slipway.Address]bool   // what the person has made, and was believed
	told  []string                   // what was done
}

func (m *mixed) note(format string, args ...any) {
	m.told = append(m.told, fmt.Sprintf(format, args...))
}

func (m *mixed) act() {
	m.t.Helper()
	switch n := m.draw.IntN(10); {
	case n < 4:
		m.turn()
	case n < 5 || m.run.ID == "":
		m.run = m.ship(request(m.t, manifest(), "one"))
		m.note("ship: %s", m.run.Status)
	case m.run.Status.Final() && m.run.Status != slipway.RunFailed:
	case n < 7:
		if m.run.Status != slipway.RunSucceeded {
			m.run = m.resume(m.run.ID)
			m.note("resume: %s", m.run.Status)
		}
	default:
		for range 1 + m.draw.IntN(3) {
			m.person()
		}
	}
}

// turn draws what the credential is good for from here on.
func (m *mixed) turn() {
	causes := append(slices.Clone(slipway.Causes), slipway.CauseNone, slipway.CauseNone)
	m.bare = m.draw.IntN(6) == 0
	var found []slipway.Capability
	for _, kind := range []slipway.Kind{"", "cloud.project", "cloud.db", "cloud.var", "cloud.deploy", "cloud.live"} {
		cause := causes[m.draw.IntN(len(causes))]
		if m.draw.IntN(2) == 0 { // more often what leaves the work to a person
			cause = []slipway.Cause{slipway.CauseReadOnly, slipway.CauseAccountRefused, slipway.CauseNone}[m.draw.IntN(3)]
		}
		if cause == slipway.CauseNone || m.draw.IntN(3) > 0 {
			continue
		}
		f := finding(cause)
		f.Kind = kind
		found = append(found, f)
		m.note("%q: %s", kind, cause)
	}
	m.note("credential: none %t, %d findings", m.bare, len(found))
	m.cloud.find(found...)
	m.cloud.mu.Lock()
	defer m.cloud.mu.Unlock()
	for _, name := range []string{"shop-db", "shop-cache"} { // and somebody makes a database while it is looked for: for the plan, or just before it would be made
		if m.draw.IntN(3) == 0 {
			m.cloud.coming[name] = 1 + m.draw.IntN(3)
			m.note("%s comes at look %d", name, m.cloud.coming[name])
		}
	}
}

// person begins with a manual step that is drawn: does it or not, and has it checked or not.
func (m *mixed) person() {
	m.t.Helper()
	book, steps, err := m.Runbook(m.t.Context(), m.run.ID)
	if err != nil || len(book.Steps) == 0 || m.run.Status.Final() {
		return
	}
	s := book.Steps[m.draw.IntN(len(book.Steps))]
	check := slipway.ManualCheck{Run: m.run.ID, Step: s.Key, By: person}
	if _, err := m.CheckManual(m.t.Context(), check); err != nil || steps[s.Key].State == slipway.StepDone {
		m.note("%s: %v", s.Key, err)
		return // it is not its turn, nobody can tell now, or it is done
	}
	done := m.detail(m.run.ID)
	for _, o := range done.Steps {
		if o.Key == s.Key && o.Revision == done.Run.Revision && o.State == slipway.StepDone {
			return
		}
	}
	e := *done.Plan.Effect(s.Key)
	id := m.makes(e)
	if m.draw.IntN(3) == 0 {
		m.note("%s: made, and not told", s.Key)
		return
	}
	got, err := m.CheckManual(m.t.Context(), check)
	if err == nil && got.Evidence != nil && got.Evidence.Finding == slipway.FindingUnseen {
		check.Assert, check.Note, check.ID = true, "done", id
		got, err = m.CheckManual(m.t.Context(), check)
	}
	if err == nil && got.State == slipway.StepDone && e.Op == slipway.OpCreate {
		m.done[e.Address] = true
	}
	m.note("%s: made, %s, %v", s.Key, got.State, err)
}

// makes is what a person does who looks first whether it is there.
func (m *mixed) makes(e slipway.Effect) string {
	c := m.cloud
	c.mu.Lock()
	there := ""
	switch e.Address.Kind() {
	case "cloud.project":
		there = c.project["id"]
	case "cloud.db":
		for id, d := range c.dbs {
			if d["name"] == e.Name {
				there = id
			}
		}
	case "cloud.deploy":
		text, _ := c.guided[e.Key].(string)
		for _, d := range c.deploys {
			if d["input"] == text && d["run"] == m.run.ID {
				there = d["id"]
			}
		}
	case "cloud.live":
		if len(c.deploys) == 0 {
			there = "none"
		}
	}
	c.mu.Unlock()
	if there == "" {
		there = c.does(e, m.run.ID, c.guided[e.Key])
		m.hands[e.Address] = there
	}
	return there
}

// oneOfEach judges what is there.
func (m *mixed) oneOfEach() {
	m.t.Helper()
	c := m.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	byName := map[string]int{}
	for _, d := range c.dbs {
		byName[d["name"]]++
	}
	for name, n := range byName {
		if n > 1 {
			m.t.Fatalf("%d databases %s\n%s", n, name, strings.Join(m.told, "\n"))
		}
	}
	projects := c.made["cloud.project"]
	if m.hands["cloud.project/shop"] != "" {
		projects++
	}
	if projects > 1 {
		m.t.Fatalf("%d projects were made\n%s", projects, strings.Join(m.told, "\n"))
	}
	if n := c.made["cloud.var"]; n > len(manifest().Env)+1 { // and the ledger, where a person made the project
		m.t.Fatalf("%d variables were made\n%s", n, strings.Join(m.told, "\n"))
	}
	ofRun, last := map[string]bool{}, map[string]time.Time{}
	for _, d := range c.deploys { // in order; a variable that was written since is a reason for another one of the same input
		at, before := stamped(d["created"]), last[d["input"]]
		if key := d["run"] + d["input"]; ofRun[key] || !at.IsZero() && !before.IsZero() && at.Sub(before) <= time.Second {
			m.t.Fatalf("deployed twice from %s: %v\n%s", d["input"], c.deploys, strings.Join(m.told, "\n"))
		}
		if ofRun[d["run"]+d["input"]] = true; !at.IsZero() {
			last[d["input"]] = at
		}
	}
}

// nothingAsked judges the plan: what a person has made, and was believed, nobody is to make again.
func (m *mixed) nothingAsked() {
	m.t.Helper()
	if m.run.ID == "" || m.run.Status.Final() {
		return
	}
	d := m.detail(m.run.ID)
	if d.Plan == nil {
		return
	}
	for _, e := range d.Plan.Effects {
		finished := slices.ContainsFunc(d.Steps, func(s slipway.Step) bool {
			return s.Key == e.Key && s.Revision == d.Run.Revision && s.State == slipway.StepDone
		})
		if e.Op == slipway.OpCreate && m.done[e.Address] && !finished {
			m.t.Fatalf("%s was done, and is asked for again (%s): %s\n%s", e.Key, e.Mode, e.Reason, strings.Join(m.told, "\n"))
		}
	}
}

// rest gives the credential every right, ships until there is nothing to do, and judges the end.
func (m *mixed) rest() {
	m.t.Helper()
	m.bare = false
	m.cloud.find()
	for range 4 {
		if m.run = m.ship(request(m.t, manifest(), "one")); m.run.Status != slipway.RunSucceeded {
			m.t.Fatalf("with every right the run is %s: %+v, manual %v\n%s", m.run.Status, m.run.Error, m.modes(m.run.ID), strings.Join(m.told, "\n"))
		}
		m.oneOfEach()
		if m.run.NoChanges {
			break
		}
	}
	if !m.run.NoChanges || len(m.cloud.dbs) != 2 || m.cloud.project == nil || len(m.cloud.vars) != len(manifest().Env)+1 {
		m.t.Fatalf("it does not come to rest: no changes %t, %d databases, variables %v, %v\n%s", m.run.NoChanges, len(m.cloud.dbs), m.cloud.vars, m.cloud.calls, strings.Join(m.told, "\n"))
	}
}
