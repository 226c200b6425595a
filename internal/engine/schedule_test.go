package engine_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

// TestProductionUnderAnySchedule does what people and Slipway may do in any order, with any of it cut short, and judges every move of
// production as it is made (schedule.judge) and every run as it ends (schedule.ended). In the end a ship that nothing disturbs
// succeeds. The time is a bubble's: what waits for minutes costs nothing. Each story is tried as it is, and woven into what is drawn.
func TestProductionUnderAnySchedule(t *testing.T) {
	checks, each := "20", []string{"promote"}
	if os.Getenv("SLIPWAY_LONG") != "" {
		checks, each = "2000", []string{"promote", "promote over", "rollback", "way back"}
	}
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", checks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.checks", was) })
	moves := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		if wrong := judged(t, stories[name], moves); wrong != "" {
			t.Fatalf("%s: %s", name, wrong)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		if wrong := judged(t, drawActs(rt), moves); wrong != "" {
			rt.Fatal(wrong)
		}
	})
	t.Logf("moves of production that were judged: %v", moves)
	for _, what := range each {
		if moves[what] == 0 && !t.Failed() {
			t.Errorf("no schedule had a %s", what)
		}
	}
}

// judged does acts and tells what is wrong, "" for nothing. The moves that were judged are added to moves.
func judged(t *testing.T, acts []act, moves map[string]int) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(t)
		for i, a := range acts {
			if s.do(a); s.wrong != "" {
				wrong = s.told(acts[:i+1])
				return
			}
		}
		if s.quiet(); s.wrong != "" {
			wrong = s.told(acts)
		}
		for what, n := range s.moves {
			moves[what] += n
		}
	})
	return wrong
}

// stories are acts in an order in which production would go backwards if nothing kept it: drawn alone they hardly ever meet.
var stories = map[string][]act{
	"a ship is overtaken by the other home's": {
		{What: "most", Home: 1, Source: 1}, {What: "all", Source: 2}, {What: "approve", Home: 1},
	},
	"a ship that waits for its first approval is overtaken": {
		{What: "ship", Home: 1, Source: 1, Auto: true}, {What: "all", Source: 2}, {What: "approve", Home: 1},
	},
	"what was rolled back is shipped again": {
		{What: "all", Source: 1}, {What: "all", Source: 2}, {What: "rollback", Which: 0}, {What: "all", Source: 2, Auto: true},
	},
	"what a person moved back from is shipped again": {
		{What: "all", Source: 1}, {What: "all", Source: 2}, {What: "person", Which: 0}, {What: "all", Source: 2},
	},
	"what production was moved back from by itself is shipped again": {
		{What: "all", Source: 1}, {What: "all", Source: 2, Back: true, Bad: 2}, {What: "resume"}, {What: "approve"},
	},
	"what was promoted alone and moved back from by itself is shipped again": {
		{What: "all", Source: 1},
		{What: "all", Source: 2},
		{What: "rollback", Which: 0},
		{What: "all", Source: 2, Over: true, Back: true, Bad: 2},
		{What: "all", Source: 2, Back: true},
	},
	"and so under one approval of all": {
		{What: "all", Source: 1},
		{What: "all", Source: 2},
		{What: "rollback", Which: 0},
		{What: "all", Source: 2, Over: true, Back: true, Bad: 2, Auto: true},
		{What: "all", Source: 2, Back: true, Auto: true},
	},
}

// drawActs draws acts, and weaves a story into every second schedule.
func drawActs(t *rapid.T) []act {
	acts := rapid.SliceOfN(rapid.Custom(drawAct), 1, 12).Draw(t, "acts")
	if rapid.Bool().Draw(t, "plain") {
		return acts
	}
	at := 0
	for _, a := range stories[rapid.SampledFrom(slices.Sorted(maps.Keys(stories))).Draw(t, "story")] {
		at = rapid.IntRange(at, len(acts)).Draw(t, "place")
		acts = slices.Insert(acts, at, a)
		at++
	}
	return acts
}

// act is one thing that somebody does, and what cuts it short.
type act struct {
	What   string // ship, most (ship and approve once), all (ship and approve whatever it asks), approve (all that is asked), reject, cancel, resume, rollback, person or delete
	Home   int    // of two, that share the app
	Source int
	Bad    int  // probes that fail from here on: 1 the staged deployment's, 2 production's
	Back   bool // production is moved back by itself
	Auto   bool // the approval of apply covers the promote
	Over   bool // what production serves is named
	Which  int  // the deployment that is meant, of all; over the end: none of ours, or none
	Cut    string
	At     int // the point at which it is cut
}

func drawAct(t *rapid.T) act {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	return act{
		What: pick("what", "all", "all", "all", "most", "most", "ship", "approve", "approve", "approve", "approve", "resume", "rollback", "person", "reject", "cancel", "delete"),
		Home: rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "home"), Source: rapid.IntRange(0, 3).Draw(t, "source"),
		Bad:  rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "bad"),
		Back: rapid.Bool().Draw(t, "back"), Auto: rapid.Bool().Draw(t, "auto"), Over: rapid.Bool().Draw(t, "over"),
		Which: rapid.IntRange(0, 5).Draw(t, "which"),
		Cut:   pick("cut", "", "", "", "kill", "lose", "person", "back", "delete", "value", "cancel"), At: rapid.IntRange(1, 60).Draw(t, "at"),
	}
}

// wish is the manifest of an act's ship.
func (a act) wish() *slipway.Manifest {
	once := 0
	m := &slipway.Manifest{App: "shop", Env: map[string]slipway.EnvVar{"LEVEL": {Value: "info"}}}
	m.Verify.Health = []slipway.HealthProbe{{Path: "/staged", Retries: &once}}
	m.Promote.Health = []slipway.HealthProbe{{Path: "/live", Retries: &once}}
	if a.Back {
		m.Promote.Rollback = slipway.RollbackAutomatic
	}
	if a.Auto {
		m.Promote.Approval = "auto"
	}
	return m
}

// do does one act. What cannot be done where things stand is refused by the engine, or does nothing.
func (s *schedule) do(a act) {
	h := s.at(a.Home)
	for n := range s.homes { // on one clock, by which no two are asked for at once
		s.at(n).ahead.Add(int64(time.Minute))
	}
	s.mu.Lock()
	s.bad, s.cut, s.points = a.Bad, a, 0
	s.mu.Unlock()
	s.note("%s at home %d: %+v", a.What, a.Home, a)
	switch a.What {
	case "ship", "most", "all":
		s.ship(h, a)
		switch {
		case a.What == "most":
			s.decide(h, a)
		case a.What == "all":
			s.approve(h, a)
		}
	case "rollback":
		if s.rollback(h, a) {
			s.decide(h, a)
		}
	case "person", "delete":
		s.outside(a.What, a.Which)
	case "approve":
		s.approve(h, a)
	case "reject":
		s.decide(h, a)
	case "resume":
		s.resume(h)
	case "cancel":
		if h.run != "" {
			_, err := h.Cancel(s.t.Context(), h.run, "", person)
			s.refused(err)
		}
	}
}

// refused keeps an error that is no answer to an act.
func (s *schedule) refused(err error) {
	switch slipway.ErrorCode(err) {
	case "", slipway.CodeConflict, slipway.CodeDrift, slipway.CodeVoided:
	default:
		s.complain("refused: %v", err)
	}
}

// asked keeps a run that was asked for.
func (s *schedule) asked(h *home, run slipway.Run, source int, file folder) {
	if s.born[run.ID] == 0 {
		s.born[run.ID], s.source[run.ID] = 1+s.runs, source
		s.runs++
	}
	h.run, h.file = run.ID, file
}

func (s *schedule) ship(h *home, a act) {
	file := folder(strconv.Itoa(a.Source))
	run, err := h.Ship(s.t.Context(), request(s.t, a.wish(), string(file)))
	if err != nil {
		s.complain("ship: %v", err)
		return
	}
	s.asked(h, run, a.Source, file)
	s.work(h)
}

func (s *schedule) rollback(h *home, a act) (begun bool) {
	to := ""
	if a.Which < len(s.cloud.deploys) {
		to = s.cloud.deploys[a.Which]["id"]
	}
	run, err := h.Rollback(s.t.Context(), slipway.RollbackRequest{
		Manifest: request(s.t, a.wish(), "").Manifest, Requester: person, Options: slipway.RunOptions{To: to},
	})
	if s.refused(err); err != nil {
		return false
	}
	s.asked(h, run, -1, "")
	s.work(h)
	return true
}

// files is the source that a home's run needs to be worked on.
func (h *home) files() slipway.FileSet {
	if h.file == "" {
		return nil
	}
	return h.file
}

func (s *schedule) resume(h *home) {
	if h.run == "" {
		return
	}
	_, err := h.Resume(s.t.Context(), h.run, h.files(), person)
	if s.refused(err); err == nil {
		s.work(h)
	}
}

// decide approves or rejects what a home's run waits for.
func (s *schedule) decide(h *home, a act) (decided bool) {
	if h.run == "" {
		return false
	}
	d := slipway.Decision{Run: h.run, Approve: a.What != "reject", By: ada, Reason: "as it is"}
	if a.Over {
		d.Over = s.serving()
	}
	_, err := h.Decide(s.t.Context(), d)
	if s.refused(err); err == nil && d.Approve {
		s.over[h.run] = d.Over
		s.resume(h)
	}
	return err == nil
}

// approve approves all that a home's run asks, until it asks no more.
func (s *schedule) approve(h *home, a act) {
	for range 10 {
		if s.wrong != "" || !s.decide(h, a) {
			return
		}
	}
	s.complain("the run has asked ten times")
}

// quiet ships something new that nothing disturbs, after all of the acts: it is served in the end, whatever they have left.
func (s *schedule) quiet() {
	s.do(act{What: "all", Source: 9, Over: true})
	if d, err := s.at(0).Get(s.t.Context(), s.at(0).run); err != nil || d.Run.Status != slipway.RunSucceeded {
		s.complain("the last ship is not over: %+v, %v", d, err)
	}
}
