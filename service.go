package slipway

import "context"

// Service is everything that can be asked of Slipway. The engine implements it in process; a client can implement it over the wire,
// so no method takes a path, a credential or a secret value.
type Service interface {
	// Plan observes and plans; it changes nothing and keeps nothing.
	Plan(ctx context.Context, req ShipRequest) (*Plan, error)
	// Ship starts a run, or continues the app's unfinished run when the same is wanted, else supersedes it.
	Ship(ctx context.Context, req ShipRequest) (Run, error)
	// Destroy starts a run that deletes what Slipway made.
	Destroy(ctx context.Context, req DestroyRequest) (Run, error)
	// Rollback starts a run that moves production back to an earlier deployment.
	Rollback(ctx context.Context, req RollbackRequest) (Run, error)
	// Resume continues a run that failed, was interrupted, or waits; files is nil for a destroy.
	Resume(ctx context.Context, run string, files FileSet, by Principal) (Run, error)
	// Cancel ends a run: no new request is sent, the one in flight is given up, and its outcome is looked for by the next run.
	Cancel(ctx context.Context, run, reason string, by Principal) (Run, error)
	// Decide approves or rejects at a gate.
	Decide(ctx context.Context, d Decision) (Approval, error)
	// Runbook returns the manual steps of a run's plan, and where each of its steps stands, by key.
	Runbook(ctx context.Context, run string) (Runbook, map[string]Step, error)
	// RunbookOf returns the manual steps of a plan that Plan has made for req.
	RunbookOf(ctx context.Context, req ShipRequest, plan *Plan) (Runbook, error)
	// TakeManual gives a manual step (its key or number) to somebody, so that no two people do it at once, or gives it back.
	TakeManual(ctx context.Context, run, step string, release bool, by Principal) (Step, error)
	// CheckManual looks at a manual step and records what it finds; where it is done, the run can go on.
	CheckManual(ctx context.Context, c ManualCheck) (Step, error)
	// Drift tells what is no longer as the last ship of an environment, and what ran since, made it; it changes nothing.
	Drift(ctx context.Context, app, environment string) (Drift, error)
	// Get returns a run with all that belongs to it.
	Get(ctx context.Context, run string) (*RunDetail, error)
	Runs(ctx context.Context, f RunFilter) ([]Run, error)
	// Events returns those after seq; none is no error.
	Events(ctx context.Context, run string, after int64) ([]Event, error)
	// Transcript returns the end of the output of a run's verification, as JSON lines; CodeNotFound when there is none.
	Transcript(ctx context.Context, run string) ([]byte, error)
	// Probe says what each credential is good for; it changes nothing.
	Probe(ctx context.Context) ([]Capability, error)
}

// ShipRequest asks for a plan or a run.
type ShipRequest struct {
	Manifest    []byte
	Environment string // default production
	Files       FileSet
	Requester   Principal
	Options     RunOptions
}

// DestroyRequest asks for the deletion of one environment's resources, or with Options.All of the whole app.
type DestroyRequest struct {
	Manifest    []byte
	Environment string
	Requester   Principal
	Options     RunOptions
}

// RollbackRequest asks for production to serve an earlier deployment. Options.To is its id; "" is the one that our last promote took
// production away from.
type RollbackRequest struct {
	Manifest    []byte
	Environment string
	Requester   Principal
	Options     RunOptions
}

// RunDetail is a run with its plan, steps and approvals.
type RunDetail struct {
	Run       Run        `json:"run"`
	Plan      *Plan      `json:"plan,omitempty"`
	Digest    string     `json:"plan_digest,omitempty"`
	Commit    *Commit    `json:"commit,omitempty"` // that the run ships; nil for a folder
	Steps     []Step     `json:"steps,omitempty"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Waits are the requests that nobody has answered yet, as an approver needs them.
	Waits []Wait `json:"waits,omitempty"`
	// Modes are the plan's. Manual are the keys of the steps that a person may do now.
	Modes  map[string]Mode `json:"modes,omitempty"`
	Manual []string        `json:"manual,omitempty"`
	Ready  []string        `json:"-"` // the keys of what Slipway may do now without a person
}

// Wait is a gate at which a run waits.
type Wait struct {
	Gate     Gate          `json:"gate"`
	Subject  string        `json:"subject"`
	Standing string        `json:"standing,omitempty"` // "1 of 2", where one approver is not enough
	Effects  []Consequence `json:"effects"`
	// Since are the differences from what was approved before: at this gate of the same run, else in the runs before it.
	Since []string `json:"since,omitempty"`
}
