package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
)

// theirs is a deployment that is not Slipway's.
const theirs = "dpl-theirs"

// schedule is an app, two homes that ship it, and what is known of it independent of the engine.
type schedule struct {
	t     *testing.T
	cloud *cloud
	homes [2]*home

	mu     sync.Mutex
	bad    int             // see act
	cut    act             // what is to be cut short
	points int             // that were passed
	busy   bool            // the cut is being made: its own points do not count
	killed bool            //
	now    *home           // whose run is worked on
	seen   string          // what production served when Slipway looked last
	from   string          // what production served just before the request
	runs   int             // that were asked for
	born   map[string]int  // when it was asked for, by run and by deployment
	source map[string]int  // by run and by deployment
	passed map[string]bool // run and deployment: its probes have passed
	backed map[string]bool // production was moved back from it
	used   map[string]int  // moves, by approval and operation
	over   map[string]string
	moves  map[string]int
	wrong  string // the first thing that must not be
	log    []string
}

// home is one of the two, and the run that it asked for last.
type home struct {
	*bench
	run  string
	file folder
}

func newSchedule(t *testing.T) *schedule {
	s := &schedule{
		t: t, cloud: newCloud(), born: map[string]int{}, source: map[string]int{}, passed: map[string]bool{}, backed: map[string]bool{},
		used: map[string]int{}, over: map[string]string{}, moves: map[string]int{},
	}
	s.cloud.beforeObs = func(kind slipway.Kind) error {
		s.point("look")
		if kind == "cloud.live" {
			serving := s.serving()
			s.mu.Lock()
			s.seen = serving
			s.mu.Unlock()
		}
		return nil
	}
	s.cloud.point = s.mutation
	return s
}

// at returns a home, made when it is first asked for.
func (s *schedule) at(n int) *home {
	if s.homes[n] == nil {
		b := &bench{t: s.t, cloud: s.cloud, dir: newHome(s.t), edit: func(c *engine.Config) {
			c.HTTP = &app{reply: s.answer}
		}}
		b.open()
		s.t.Cleanup(func() { b.close() })
		s.homes[n] = &home{bench: b}
	}
	return s.homes[n]
}

// answer is the app's, to a probe.
func (s *schedule) answer(_ int, url string) (int, string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	status, bit := http.StatusOK, 1
	if host == "live" {
		bit = 2
	}
	if s.bad&bit != 0 {
		status = http.StatusInternalServerError
	}
	if host != "live" && s.now != nil {
		s.passed[s.now.run+" "+host] = status == http.StatusOK
	}
	return status, "", 0
}

func (s *schedule) serving() string {
	s.cloud.mu.Lock()
	defer s.cloud.mu.Unlock()
	return s.cloud.serving
}

// complain keeps the first thing that is wrong.
func (s *schedule) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == "" {
		s.wrong = fmt.Sprintf(format, args...)
	}
}

func (s *schedule) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// told is what is wrong, and how it came to it.
func (s *schedule) told(acts []act) string {
	return fmt.Sprintf("%s\nafter:\n  %s\nacts: %d", s.wrong, strings.Join(s.log, "\n  "), len(acts))
}

// mutation is called around each call that changes something.
func (s *schedule) mutation(where string) error {
	if where == "after cloud.deploy create" {
		s.built()
	}
	if where == "after cloud.live update" {
		s.judge(s.serving())
	}
	lost := s.point(where)
	if where == "before cloud.live update" {
		serving := s.serving()
		s.mu.Lock()
		s.from = serving
		s.mu.Unlock()
	}
	if lost || s.dead() {
		return &slipway.Error{Code: slipway.CodeUnavailable, Message: "lost", Retry: slipway.RetryAmbiguous}
	}
	return nil
}

func (s *schedule) dead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killed
}

// point counts the points of an act, and cuts it short at the one that is meant. lost: the call's request or reply is lost here.
func (s *schedule) point(where string) (lost bool) {
	s.mu.Lock()
	if s.busy || s.now == nil {
		s.mu.Unlock()
		return false
	}
	s.points++
	cut, h := s.cut, s.now
	if s.points < cut.At || cut.Cut == "" {
		s.mu.Unlock()
		return false
	}
	call := strings.HasPrefix(where, "before cloud") || strings.HasPrefix(where, "after cloud")
	if cut.Cut == "lose" && !call || cut.Cut == "back" && where != "after cloud.live update" {
		s.mu.Unlock()
		return false
	}
	s.busy, s.cut.Cut = true, ""
	from := s.from
	s.mu.Unlock()
	s.note("  %s at %s", cut.Cut, where)
	switch cut.Cut {
	case "kill":
		s.mu.Lock()
		s.killed = true
		s.mu.Unlock()
		h.store.dead.Store(true)
	case "back": // the reply is lost, and a person moves production back
		s.move(from)
	case "cancel":
		if _, err := h.Cancel(s.t.Context(), h.run, "", person); err != nil && slipway.ErrorCode(err) != slipway.CodeConflict {
			s.complain("cancel: %v", err)
		}
	case "person", "delete", "value":
		s.outside(cut.Cut, cut.Which)
	}
	s.mu.Lock()
	s.busy = false
	s.mu.Unlock()
	return cut.Cut == "lose" || cut.Cut == "back"
}

// outside is what a person does at the provider.
func (s *schedule) outside(what string, which int) {
	c := s.cloud
	c.mu.Lock()
	to := theirs
	if which < len(c.deploys) {
		to = c.deploys[which]["id"]
	}
	switch {
	case what == "value" && c.vars["LEVEL"] != nil:
		c.vars["LEVEL"]["written"] = c.stamp()
	case what == "delete" && to != theirs && to != c.serving: // what production serves is not deleted
		c.deploys = append(c.deploys[:which:which], c.deploys[which+1:]...)
	}
	there := c.project != nil
	c.mu.Unlock()
	if what == "person" && there {
		s.move(to)
	}
	s.note("  %s: %s; production serves %s", what, to, s.serving())
}

// move is a person's move of production.
func (s *schedule) move(to string) {
	c := s.cloud
	c.mu.Lock()
	from := c.serving
	c.move(to)
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.went(from, to)
}

// went keeps whether production went back. The lock is held.
func (s *schedule) went(from, to string) {
	if from == to {
		return
	}
	older, ours := s.born[to], s.born[from]
	s.backed[from] = older > 0 && ours > 0 && older < ours
	delete(s.backed, to)
}

// built keeps which run has made the newest deployment.
func (s *schedule) built() {
	s.cloud.mu.Lock()
	defer s.cloud.mu.Unlock()
	d := s.cloud.deploys[len(s.cloud.deploys)-1]
	run, _, _ := strings.Cut(d["run"], ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.born[d["id"]], s.source[d["id"]] = s.born[run], s.source[run]
	for _, other := range s.cloud.deploys[:len(s.cloud.deploys)-1] {
		if other["run"] == d["run"] && s.wrong == "" {
			s.wrong = fmt.Sprintf("%s and %s were both built for revision %s", other["id"], d["id"], d["run"])
		}
	}
}

// judge says whether production may have been moved to a deployment, by what Slipway saw when it looked last.
func (s *schedule) judge(to string) {
	s.mu.Lock()
	h, seen, from := s.now, s.seen, s.from
	s.mu.Unlock()
	d, err := h.Get(s.t.Context(), h.run)
	if err != nil {
		s.complain("get: %v", err)
		return
	}
	effect := underWay(d)
	if effect == nil {
		s.complain("production was moved to %s, and no step of run %s intends it", to, h.run)
		return
	}
	approval := opened(d, effect.Gate)
	if approval == nil {
		s.complain("production was moved to %s without an approval", to)
		return
	}
	expected, _ := effect.Basis["fields"].(map[string]any)["deployment"].(string)
	what := string(effect.Op)
	if effect.OnFailure != "" {
		what, expected = "way back", promotedBy(d)
	}
	if seen != expected {
		s.complain("%s: production was moved to %s though it served %s, and not %s", what, to, seen, expected)
	}
	if names, is := approval.Content["serving"].(string); is && effect.OnFailure == "" && names != seen {
		s.complain("%s: the approval was for a move from %s, and production served %s", what, names, seen)
	}
	if names, is := approval.Content["deployment"].(string); is && effect.OnFailure == "" && names != to {
		s.complain("%s: the approval was for %s, and production was moved to %s", what, names, to)
	}
	s.mu.Lock()
	named := effect.Gate == slipway.GatePromote && s.over[h.run] == seen && seen != ""
	born, than, passed, backed := s.born[to], s.born[seen], s.passed[h.run+" "+to], s.backed[to]
	s.used[approval.ID+what]++
	used := s.used[approval.ID+what]
	s.went(from, to)
	if s.moves[what]++; named {
		s.moves[what+" over"]++
	}
	s.mu.Unlock()
	s.note("  %s: %s -> %s (asked for as number %d, after %d; named %t)", what, seen, to, born, than, named)
	if used > 1 && effect.Op == slipway.OpPromote { // what a rollback goes to has served before: that somebody undid a lost one cannot be told
		s.complain("%s: one approval has moved production %d times", what, used)
	}
	if effect.Op != slipway.OpPromote {
		return
	}
	if !passed {
		s.complain("%s was promoted, and its checks have not passed in that run", to)
	}
	if born < than && !named {
		s.complain("%s was promoted over the newer %s", to, seen)
	}
	if backed && than > 0 && !named { // over a deployment that is not ours it is told as drift
		s.complain("%s was promoted, and production had been moved back from it", to)
	}
}

// underWay is the move that a run intends, nil for none.
func underWay(d *slipway.RunDetail) *slipway.Effect {
	for _, step := range d.Steps {
		if e := d.Plan.Effect(step.Key); e != nil && e.Address.Kind() == "cloud.live" && step.State == slipway.StepIntended {
			return e
		}
	}
	return nil
}

// promotedBy is what the run has put into production, "" for nothing.
func promotedBy(d *slipway.RunDetail) string {
	for _, step := range d.Steps {
		if e := d.Plan.Effect(step.Key); e != nil && moves(e.Op) && e.OnFailure == "" && step.State == slipway.StepDone && step.Receipt != nil {
			return step.Receipt.ID
		}
	}
	return ""
}

func moves(op slipway.Op) bool { return op == slipway.OpPromote || op == slipway.OpRollback }

// opened is the newest approval that has been used at a gate.
func opened(d *slipway.RunDetail, gate slipway.Gate) (last *slipway.Approval) {
	for i, a := range d.Approvals {
		if a.Gate == gate && a.State == slipway.ApprovalConsumed {
			last = &d.Approvals[i]
		}
	}
	return last
}

// work works on a home's run, until it is no longer active or the act is cut short by a kill.
func (s *schedule) work(h *home) {
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	s.mu.Lock()
	s.now, s.killed = h, false
	s.mu.Unlock()
	h.store.point = func(where string) error {
		if s.point(where); s.dead() {
			stop()
		}
		return nil
	}
	if err := h.Start(ctx); err != nil && !s.dead() {
		s.complain("start: %v", err)
	}
	run, err := h.Wait(ctx, h.run)
	h.Stop()
	s.mu.Lock()
	s.now = nil
	s.mu.Unlock()
	h.store.point = nil
	if s.dead() {
		h.restart()
		return
	}
	if err != nil {
		s.complain("wait: %v", err)
		return
	}
	s.ended(h, run)
}

// ended compares what a run says of production with what production served when Slipway looked last.
func (s *schedule) ended(h *home, run slipway.Run) {
	s.note("  run %d is %s in revision %d: %v", s.born[run.ID], run.Status, run.Revision, run.Error)
	d, err := h.Get(s.t.Context(), run.ID)
	if err != nil {
		s.complain("get: %v", err)
		return
	}
	switch {
	case run.Status == slipway.RunActive:
		s.complain("run %s stands still", run.ID)
	case run.Status == slipway.RunSucceeded:
		if to := promotedBy(d); to != "" && to != s.seen {
			s.complain("the run has succeeded with %s, and production served %s", to, s.seen)
		}
		if source, ours := s.source[s.seen]; run.Operation == slipway.OperationShip && (!ours || source != s.source[run.ID]) {
			s.complain("the run has succeeded with source %d, and production served source %d, as %s", s.source[run.ID], source, s.seen)
		}
		if run.URL != "http://live" {
			s.complain("the run has succeeded at %q", run.URL)
		}
	case run.Status == slipway.RunFailed && run.Error == nil:
		s.complain("the run has failed, and does not say why")
	case run.Status == slipway.RunFailed:
		back := d.Plan
		if back != nil && strings.Contains(run.Error.Message, "moved back to "+back.Serving+", and") && s.seen != back.Serving {
			s.complain("the run says %q, and production served %s", run.Error.Message, s.seen)
		}
	}
	s.cloud.mu.Lock()
	defer s.cloud.mu.Unlock()
	if s.cloud.made["cloud.project"] > 1 || s.cloud.made["cloud.var"] > 1 {
		s.complain("made %v", s.cloud.made)
	}
}
