package slipway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-dev/slipway"
)

func TestRunMoves(t *testing.T) {
	const (
		active, waiting, failed                   = slipway.RunActive, slipway.RunWaitingApproval, slipway.RunFailed
		succeeded, rejected, canceled, superseded = slipway.RunSucceeded, slipway.RunRejected, slipway.RunCanceled, slipway.RunSuperseded
	)
	tests := map[slipway.RunStatus]struct {
		reason string
		to     []slipway.RunStatus
	}{
		active:     {"the engine may end or park it, and go on with it", []slipway.RunStatus{active, waiting, failed, succeeded, rejected, canceled, superseded}},
		waiting:    {"a decision, cancel, or another run; it cannot fail or succeed in its sleep", []slipway.RunStatus{active, rejected, canceled, superseded}},
		failed:     {"resume, cancel, or another run", []slipway.RunStatus{active, canceled, superseded}},
		succeeded:  {reason: "final"},
		rejected:   {reason: "final"},
		canceled:   {reason: "final"},
		superseded: {reason: "final"},
	}
	for from, tc := range tests {
		t.Run(string(from), func(t *testing.T) {
			if from.Final() != (len(tc.to) == 0) {
				t.Errorf("final %t: %s", from.Final(), tc.reason)
			}
			for to := range tests {
				before := slipway.Run{ID: "run-1", Status: from, Revision: 3}
				got, err := before.Move(to)
				want := before
				if slices.Contains(tc.to, to) {
					want.Status = to
				}
				if legal := slices.Contains(tc.to, to); (err == nil) != legal || !legal && slipway.ErrorCode(err) != slipway.CodeInternal {
					t.Errorf("to %s: %v; %s", to, err, tc.reason)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("to %s (-want +got):\n%s", to, diff)
				}
			}
		})
	}
}

func TestStepMoves(t *testing.T) {
	const pending, intended, done, failed = slipway.StepPending, slipway.StepIntended, slipway.StepDone, slipway.StepFailed
	tests := map[slipway.StepState]struct {
		reason string
		to     []slipway.StepState
	}{
		pending:  {"it is sent, found done, or fails before it is sent", []slipway.StepState{intended, done, failed}},
		intended: {"sent again, refused without effect, done, or failed", []slipway.StepState{intended, pending, done, failed}},
		failed:   {"resume makes it pending, or looks first; it is never done without another look", []slipway.StepState{pending, intended}},
		done:     {reason: "an outcome that is committed stays"},
	}
	for from, tc := range tests {
		t.Run(string(from), func(t *testing.T) {
			for to := range tests {
				before := slipway.Step{Key: "k", State: from, Attempt: 2}
				got, err := before.Move(to)
				want := before
				if slices.Contains(tc.to, to) {
					want.State = to
				}
				if legal := slices.Contains(tc.to, to); (err == nil) != legal || !legal && slipway.ErrorCode(err) != slipway.CodeInternal {
					t.Errorf("to %s: %v; %s", to, err, tc.reason)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("to %s (-want +got):\n%s", to, diff)
				}
			}
		})
	}
}

func TestWhatNext(t *testing.T) {
	plan := &slipway.Plan{
		Effects: []slipway.Effect{
			{Key: "make", Gate: slipway.GateApply},
			{Key: "in", Gate: slipway.GateApply, DependsOn: []string{"make"}},
			{Key: "after", Gate: slipway.GateApply, After: []string{"make"}},
			{Key: "move", Gate: slipway.GatePromote, DependsOn: []string{"in", "look"}},
			{Key: "drop", Gate: slipway.GateDestroy},
		},
		Checks: []slipway.Check{{Key: "look", DependsOn: []string{"in"}}},
	}
	step := func(state slipway.StepState) slipway.Step { return slipway.Step{State: state} }
	made := slipway.Step{State: slipway.StepIntended, Receipt: &slipway.Receipt{ID: "x"}}
	done, failed, intended := step(slipway.StepDone), step(slipway.StepFailed), step(slipway.StepIntended)
	apply := map[slipway.Gate]bool{slipway.GateApply: true}
	type steps = map[string]slipway.Step
	tests := map[string]struct {
		reason   string
		progress slipway.Progress
		want     slipway.Next
	}{
		"start": {"both gates hold something back at once; the promote gate does not yet", slipway.Progress{}, slipway.Next{Gates: []slipway.Gate{slipway.GateApply, slipway.GateDestroy}}},
		"apply is open": {
			"in the plan's order; the other gate still holds",
			slipway.Progress{Open: apply},
			slipway.Next{Ready: []string{"make"}, Gates: []slipway.Gate{slipway.GateDestroy}},
		},
		"all open": {
			"what depends on nothing",
			slipway.Progress{Open: map[slipway.Gate]bool{slipway.GateApply: true, slipway.GateDestroy: true, slipway.GatePromote: true}},
			slipway.Next{Ready: []string{"make", "drop"}},
		},
		"in flight": {"it is not started twice", slipway.Progress{Open: apply, Steps: steps{"drop": done}, InFlight: map[string]bool{"make": true}}, slipway.Next{}},
		"killed": {
			"intended and not in flight: it is taken up again", slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": intended}}, slipway.Next{Ready: []string{"make"}},
		},
		"sent": {
			"an intent alone is no outcome", slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": intended}, InFlight: map[string]bool{"make": true}}, slipway.Next{},
		},
		"made and not usable": {
			"what only comes after it may start; what depends on it waits",
			slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": made}, InFlight: map[string]bool{"make": true}},
			slipway.Next{Ready: []string{"after"}},
		},
		"check": {"it needs no gate", slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": done, "in": done, "after": done}}, slipway.Next{Ready: []string{"look"}}},
		"promote": {
			"asked for only when nothing but the gate holds it back",
			slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": done, "in": done, "after": done, "look": done}},
			slipway.Next{Gates: []slipway.Gate{slipway.GatePromote}},
		},
		"failed": {
			"nothing else can go on", slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": failed}}, slipway.Next{Stuck: true},
		},
		"failed beside ready": {
			"what does not depend on it goes on", slipway.Progress{Open: apply, Steps: steps{"drop": failed}}, slipway.Next{Ready: []string{"make"}},
		},
		"failed beside in flight": {
			"the work in flight is waited for", slipway.Progress{Open: apply, Steps: steps{"drop": failed}, InFlight: map[string]bool{"make": true}}, slipway.Next{},
		},
		"failed check": {
			"what depends on it never starts", slipway.Progress{Open: apply, Steps: steps{"drop": done, "make": done, "in": done, "after": done, "look": failed}}, slipway.Next{Stuck: true},
		},
		"done": {
			"every step", slipway.Progress{Steps: steps{"drop": done, "make": done, "in": done, "after": done, "look": done, "move": done}}, slipway.Next{Done: true},
		},
		"all but a check": {
			"a check is a step", slipway.Progress{Steps: steps{"drop": done, "make": done, "in": done, "after": done, "move": done}}, slipway.Next{Ready: []string{"look"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.progress.Plan = plan
			if diff := cmp.Diff(tc.want, slipway.WhatNext(tc.progress)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// run plays a run, and fails at the first rule that is broken.
type run struct {
	t *rapid.T
	slipway.Progress
	fails string // this key fails when its turn comes
}

func newRun(t *rapid.T) *run {
	p := drawPlan(t)
	if rapid.Bool().Draw(t, "destroy") {
		p = slipway.MakeDestroy(drawWorld(t).PlanInput, slipway.DestroyScope{All: true})
	}
	return &run{t: t, Progress: slipway.Progress{
		Plan: p, Steps: map[string]slipway.Step{}, Open: map[slipway.Gate]bool{}, InFlight: map[string]bool{},
	}}
}

func (r *run) needs(key string) (needs, after []string, gate slipway.Gate) {
	if e := r.Plan.Effect(key); e != nil {
		return e.DependsOn, e.After, e.Gate
	}
	i := slices.IndexFunc(r.Plan.Checks, func(c slipway.Check) bool { return c.Key == key })
	return r.Plan.Checks[i].DependsOn, nil, r.Plan.Checks[i].Gate
}

// start puts one ready key in flight.
func (r *run) start(key string) {
	needs, after, gate := r.needs(key)
	for _, n := range needs {
		if r.Steps[n].State != slipway.StepDone {
			r.t.Fatalf("%s is ready before %s is done", key, n)
		}
	}
	for _, a := range after {
		if s := r.Steps[a]; s.State != slipway.StepDone && s.Receipt == nil {
			r.t.Fatalf("%s is ready before the outcome of %s is known", key, a)
		}
	}
	if gate != "" && !r.Open[gate] {
		r.t.Fatalf("%s is ready behind the closed gate %s", key, gate)
	}
	if r.InFlight[key] || r.Steps[key].State == slipway.StepDone || r.Steps[key].State == slipway.StepFailed {
		r.t.Fatalf("%s is ready a second time", key)
	}
	r.InFlight[key] = true
	r.Steps[key] = slipway.Step{Key: key, State: slipway.StepIntended}
}

// advance takes a key in flight one state further.
func (r *run) advance(key string) {
	s := r.Steps[key]
	switch {
	case key == r.fails:
		s.State = slipway.StepFailed
	case s.Receipt == nil:
		s.Receipt = &slipway.Receipt{ID: "made"}
		r.Steps[key] = s
		return
	default:
		s.State = slipway.StepDone
	}
	r.Steps[key] = s
	delete(r.InFlight, key)
}

// play goes on in any order until nothing is ready or in flight.
func (r *run) play() slipway.Next {
	for {
		next := slipway.WhatNext(r.Progress)
		flying := slices.Sorted(maps.Keys(r.InFlight))
		if len(next.Ready)+len(flying) == 0 {
			return next
		}
		if next.Stuck {
			r.t.Fatal("stuck while something can go on")
		}
		key := rapid.SampledFrom(slices.Concat(next.Ready, flying)).Draw(r.t, "next")
		if r.InFlight[key] {
			r.advance(key)
		} else {
			r.start(key)
		}
	}
}

func (r *run) open() {
	for _, g := range []slipway.Gate{slipway.GateApply, slipway.GatePromote, slipway.GateDestroy} {
		r.Open[g] = true
	}
}

func TestAnyOrderEndsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		r.open()
		if next := r.play(); !next.Done || next.Stuck || len(next.Gates) > 0 {
			t.Errorf("it ended with %+v in\n%s", next, strings.Join(lines(r.Plan), "\n"))
		}
	})
}

func TestGatesAskForWhatTheyHoldBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		for {
			next := r.play()
			if next.Done {
				return
			}
			if len(next.Gates) == 0 {
				t.Fatalf("nothing is ready, and no gate is asked for: %+v", next)
			}
			for _, g := range []slipway.Gate{slipway.GateApply, slipway.GatePromote, slipway.GateDestroy} {
				if r.Open[g] {
					if slices.Contains(next.Gates, g) {
						t.Fatalf("%s is open and asked for", g)
					}
					continue
				}
				try := r.Progress
				try.Open = maps.Clone(r.Open)
				try.Open[g] = true
				if holds := len(slipway.WhatNext(try).Ready) > 0; holds != slices.Contains(next.Gates, g) {
					t.Fatalf("%s holds something back %t, and %v are asked for", g, holds, next.Gates)
				}
			}
			r.Open[rapid.SampledFrom(next.Gates).Draw(t, "opened")] = true
		}
	})
}

func TestAFailedStepStopsWhatNeedsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		r.open()
		var keys []string
		for _, e := range r.Plan.Effects {
			keys = append(keys, e.Key)
		}
		for _, c := range r.Plan.Checks {
			keys = append(keys, c.Key)
		}
		if len(keys) == 0 {
			t.Skip("nothing to fail")
		}
		r.fails = rapid.SampledFrom(keys).Draw(t, "fails")
		next := r.play()
		if !next.Stuck || next.Done {
			t.Fatalf("%s failed, and the run ended with %+v", r.fails, next)
		}
		stopped := r.stopped()
		for _, key := range keys {
			if want := !stopped[key]; want != (r.Steps[key].State == slipway.StepDone) {
				t.Errorf("%s failed: %s is %q, may run %t", r.fails, key, r.Steps[key].State, want)
			}
		}
	})
}

// stopped are the failed key and all that needs it, through any number of others.
func (r *run) stopped() map[string]bool {
	out := map[string]bool{r.fails: true}
	for before := 0; before != len(out); {
		before = len(out)
		for _, e := range r.Plan.Effects {
			for _, n := range slices.Concat(e.DependsOn, e.After) {
				if out[n] {
					out[e.Key] = true
				}
			}
		}
		for _, c := range r.Plan.Checks {
			if slices.ContainsFunc(c.DependsOn, func(n string) bool { return out[n] }) {
				out[c.Key] = true
			}
		}
	}
	return out
}
