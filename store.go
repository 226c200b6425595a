package slipway

import (
	"context"
	"time"
)

// Store keeps runs. Every write goes through Tx, is durable when Tx returns nil, and is refused with CodeSecretLeak when any text of it
// holds a secret that this process has seen. Errors are *Error: CodeStore for an unusable database, with a hint.
type Store interface {
	// Tx runs f in one writing transaction; an error rolls it back. f uses only its Tx.
	Tx(ctx context.Context, f func(Tx) error) error
	// Read runs f in one reading transaction.
	Read(ctx context.Context, f func(Tx) error) error
	// Changed waits until another connection or process may have written, or until ctx ends or d is over.
	Changed(ctx context.Context, d time.Duration) error
	Close() error
}

// Tx is what can be done inside one transaction. Get methods return CodeNotFound for what is not there.
type Tx interface {
	AddRun(Run) error
	Run(id string) (Run, error)
	// Runs returns the newest first. CodeNotFound when it is to begin after a run that is not there.
	Runs(RunFilter) ([]Run, error)
	// SaveRun writes all but id, created_at and the lease.
	SaveRun(Run) error

	// Claim takes the lease of an active run that nobody holds, or whose lease is over. ok is false when it is not to be had.
	Claim(id, holder string, now, until time.Time) (epoch int64, ok bool, err error)
	// Fence extends the lease. ok is false when another epoch has it or the run is not active: the caller must stop at once.
	Fence(id string, epoch int64, until time.Time) (ok bool, err error)
	// Release gives the lease back; nothing happens when another epoch has it.
	Release(id string, epoch int64) error
	// Sweep frees leases that are over and returns every active run that nobody holds.
	Sweep(now time.Time) ([]string, error)

	AddPlan(run string, revision int, plan *Plan) error
	Plan(run string, revision int) (*Plan, error)

	SaveStep(Step) error
	// Steps returns those that were saved of a revision, by key; of all revisions, the first one's first, for 0.
	Steps(run string, revision int) ([]Step, error)
	// LastDone returns, of the runs of an app's environment, the step that was done last with each op on a resource; the one that ended last first.
	LastDone(app, environment string, a Address) ([]Step, error)
	// OpenIntents returns the steps of an app's runs, except those of the run named, whose outcome is not known.
	OpenIntents(app, except string) ([]Step, error)

	// PolicyInForce returns the digest of the policy that an app's approvals are given under; "" before the first request for one.
	PolicyInForce(app string) (digest string, err error)
	// PutPolicyInForce makes another the app's.
	PutPolicyInForce(app, digest string) error

	SaveApproval(Approval) error
	// Approvals returns a run's, the oldest first.
	Approvals(run string) ([]Approval, error)
	// Used returns up to n approvals that were used in the runs of an app's environment, but for the run named: the newest run's first, and of a
	// run the newest first.
	Used(app, environment, except string, n int) ([]Approval, error)

	// AddEvent numbers and appends.
	AddEvent(Event) error
	// Events returns up to 1,000 after seq, in order.
	Events(run string, after int64) ([]Event, error)

	Receipts(app string) (map[Address]Receipt, error)
	SaveReceipt(app string, r Receipt) error
	DeleteReceipt(app string, a Address) error

	// PutArtifact keeps bytes under their name: a source list. The same name is written once.
	PutArtifact(name string, data []byte) error
	Artifact(name string) ([]byte, error)

	// Delivered keeps that a message of that id came at a time, and reports whether it has come before. Those that came before since are forgotten.
	Delivered(id string, at, since time.Time) (again bool, err error)

	// SetDue wakes a run at a time; the earliest wins.
	SetDue(run string, at time.Time) error
	// NextDue returns when the next run is due; zero for none.
	NextDue() (time.Time, error)
	// TakeDue removes and returns what is due at now, the earliest first.
	TakeDue(now time.Time) (runs []string, err error)
}

// SourceArtifact is the name under which the list of a source tree's files is kept, as JSON: []File, sorted by path.
func SourceArtifact(digest string) string { return "source/" + digest }

// PolicyArtifact is the name under which the text of a policy is kept, by its digest.
func PolicyArtifact(digest string) string { return "policy/" + digest }

// RunFilter narrows Runs; zero fields do not.
type RunFilter struct {
	App         string
	Environment string
	Unfinished  bool
	Before      string // a run: only those that come after it in the order of Runs
	Limit       int    // 0: 100
}
