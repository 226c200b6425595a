package slipway

import (
	"slices"
	"time"
)

// RunStatus is where a run stands. A run dies with its process only in memory: whatever the status, the next owner of the database
// goes on from it.
type RunStatus string

const (
	// RunActive: work is due or under way. Entered by ship, destroy, resume and each decision; left by the engine.
	RunActive RunStatus = "active"
	// RunWaitingApproval: parked at a gate; it costs a row. Left by a decision, cancel, or a run that supersedes it.
	RunWaitingApproval RunStatus = "waiting_approval"
	// RunWaitingManual: parked because only a person's steps can go on; it costs a row. Left when one is found done, by resume, cancel, or a
	// run that supersedes it.
	RunWaitingManual RunStatus = "waiting_manual"
	// RunFailed: a step failed and nothing else can go on. Left by resume, cancel, or a run that supersedes it.
	RunFailed RunStatus = "failed"
	// RunSucceeded, RunRejected, RunCanceled, RunSuperseded are final.
	RunSucceeded  RunStatus = "succeeded"
	RunRejected   RunStatus = "rejected"
	RunCanceled   RunStatus = "canceled"
	RunSuperseded RunStatus = "superseded"
)

// Final reports whether no move leads out of s.
func (s RunStatus) Final() bool { return len(runMoves[s]) == 0 }

// Stopped reports whether a run that has this status was ended from outside its work.
func (s RunStatus) Stopped() bool {
	return s == RunCanceled || s == RunRejected || s == RunSuperseded
}

var runMoves = map[RunStatus][]RunStatus{
	RunActive:          {RunActive, RunWaitingApproval, RunWaitingManual, RunFailed, RunSucceeded, RunRejected, RunCanceled, RunSuperseded},
	RunWaitingApproval: {RunActive, RunRejected, RunCanceled, RunSuperseded},
	RunWaitingManual:   {RunActive, RunRejected, RunCanceled, RunSuperseded},
	RunFailed:          {RunActive, RunCanceled, RunSuperseded},
}

// Run is the durable execution of plans for one environment of one app.
type Run struct {
	ID          string     `json:"id"`
	App         string     `json:"app"`
	Environment string     `json:"environment"`
	Operation   Operation  `json:"operation"`
	Status      RunStatus  `json:"status"`
	Revision    int        `json:"revision"` // of the plan; 0 before the first
	Manifest    string     `json:"-"`        // as it was read
	Source      string     `json:"source,omitempty"`
	Requester   Principal  `json:"requester"`
	Options     RunOptions `json:"options"`
	NoChanges   bool       `json:"no_changes,omitempty"` // it succeeded because there was nothing to do
	URL         string     `json:"url,omitempty"`        // where the app answers, once it was observed to
	Error       *RunError  `json:"error,omitempty"`
	Tool        string     `json:"tool,omitempty"` // name and version of the program that worked on it last
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

// RunOptions are what a request adds to the manifest.
type RunOptions struct {
	Plan        string `json:"plan,omitempty"`         // refuse any plan but this digest
	PromoteOver string `json:"promote_over,omitempty"` // a deployment not ours that production may be moved away from
	All         bool   `json:"all,omitempty"`          // destroy: app-scoped resources too
	Only        string `json:"only,omitempty"`         // destroy: this manifest resource alone
	To          string `json:"to,omitempty"`           // rollback: the deployment's id
}

// RunError is the part of an Error that is kept.
type RunError struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Step    string `json:"step,omitempty"`
}

// Move returns r in another status, or CodeInternal when no such move is legal.
func (r Run) Move(to RunStatus) (Run, error) {
	if !slices.Contains(runMoves[r.Status], to) {
		return r, Errorf(CodeInternal, "run %s: no move from %s to %s", r.ID, r.Status, to)
	}
	r.Status = to
	return r, nil
}

// StepState is where a step stands.
type StepState string

const (
	// StepPending: nothing was sent, or what was sent was refused and did nothing.
	StepPending StepState = "pending"
	// StepIntended: the intent is committed and a request may have been sent. After a kill it is looked for before anything is sent again.
	StepIntended StepState = "intended"
	// StepDone: the outcome is committed.
	StepDone StepState = "done"
	// StepFailed: it stopped with an error; resume makes it pending, or looks first when its outcome is unknown.
	StepFailed StepState = "failed"
)

var stepMoves = map[StepState][]StepState{
	StepPending:  {StepIntended, StepDone, StepFailed},
	StepIntended: {StepIntended, StepPending, StepDone, StepFailed},
	StepFailed:   {StepPending, StepIntended},
}

// Step is one unit of a run's revision: an effect or a check of its plan.
type Step struct {
	Run      string    `json:"run"`
	Revision int       `json:"revision"`
	Key      string    `json:"key"`
	State    StepState `json:"state"`
	// Unknown: a failed step whose request may have acted.
	Unknown  bool           `json:"unknown,omitempty"`
	Attempt  int            `json:"attempt,omitempty"` // requests sent
	Basis    map[string]any `json:"basis,omitempty"`   // done: what was observed after it; of a job, done or failed: its JobResult
	Receipt  *Receipt       `json:"receipt,omitempty"` // done: what was made; intended: nil
	Since    string         `json:"since,omitempty"`   // where a followed log goes on; of a job that is not over, its JobMark as JSON
	Error    *RunError      `json:"error,omitempty"`
	Progress *Movement      `json:"progress,omitempty"` // of a build or a move of production, until it is done
	Taken    *Principal     `json:"taken,omitempty"`    // manual: who does it
	Evidence *Evidence      `json:"evidence,omitempty"` // manual: what the last check found
	IntentAt time.Time      `json:"intent_at,omitzero"`
	EndedAt  time.Time      `json:"ended_at,omitzero"`
}

// Move returns s in another state, or CodeInternal when no such move is legal.
func (s Step) Move(to StepState) (Step, error) {
	if !slices.Contains(stepMoves[s.State], to) {
		return s, Errorf(CodeInternal, "step %s: no move from %s to %s", s.Key, s.State, to)
	}
	s.State = to
	return s, nil
}

// Progress is what the next step of a run follows from.
type Progress struct {
	Plan     *Plan
	Steps    map[string]Step // by key; a missing one is pending
	Open     map[Gate]bool   // gates that a valid approval has opened
	InFlight map[string]bool // keys being worked on by this process
}

// Next is what a run may do now. Ready first; with none of its fields set the work in flight is waited for.
type Next struct {
	Ready []string // keys that may start, in the plan's order
	Gates []Gate   // closed gates that alone hold something back
	// Manual are the keys that a person may do now; Blocked those that wait for something to be mended.
	Manual, Blocked []string
	Done            bool // every step is done
	Stuck           bool // nothing can go on: a step failed
}

// WhatNext is a pure function: the same progress gives the same answer.
func WhatNext(p Progress) Next {
	var n Next
	done := func(key string) bool { return p.Steps[key].State == StepDone }
	made := func(key string) bool {
		return done(key) || p.Steps[key].State == StepIntended && p.Steps[key].Receipt != nil
	}
	all, failed := true, false
	consider := func(key string, needs, after []string, gate Gate, mode Mode) {
		step := p.Steps[key]
		switch {
		case step.State == StepDone:
			return
		case step.State == StepFailed:
			all, failed = false, true
			return
		}
		all = false
		if mode == ModeBlocked {
			n.Blocked = append(n.Blocked, key)
			return
		}
		if p.InFlight[key] || !allOf(needs, done) || !allOf(after, made) {
			return
		}
		if gate != "" && !p.Open[gate] {
			if !slices.Contains(n.Gates, gate) {
				n.Gates = append(n.Gates, gate)
			}
			return
		}
		if mode == ModeManual {
			n.Manual = append(n.Manual, key)
			return
		}
		n.Ready = append(n.Ready, key)
	}
	for _, e := range p.Plan.Effects {
		if e.OnFailure != "" && !due(p.Steps[e.OnFailure]) {
			continue
		}
		consider(e.Key, e.DependsOn, e.After, e.Gate, e.Mode)
	}
	for _, c := range p.Plan.Checks {
		consider(c.Key, c.DependsOn, nil, c.Gate, ModeAutomated)
	}
	n.Done = all
	n.Stuck = failed && len(n.Ready) == 0 && len(p.InFlight) == 0
	return n
}

func allOf(keys []string, ok func(string) bool) bool {
	for _, k := range keys {
		if !ok(k) {
			return false
		}
	}
	return true
}
