package slipway

import (
	"context"
	"io"
	"strings"
	"time"
)

// Kind is a provider and what it makes, such as vercel.project.
type Kind string

// Provider returns the part before the point.
func (k Kind) Provider() string { p, _, _ := strings.Cut(string(k), "."); return p }

// Address names one resource of one app: kind/key for what all environments share, kind/key@environment for what one has alone.
type Address string

// NewAddress returns the address of key; environment is "" for an app-scoped resource.
func NewAddress(kind Kind, key, environment string) Address {
	a := string(kind) + "/" + key
	if environment != "" {
		a += "@" + environment
	}
	return Address(a)
}

// Kind returns the address's kind.
func (a Address) Kind() Kind { k, _, _ := strings.Cut(string(a), "/"); return Kind(k) }

// Key returns what stands between kind and environment.
func (a Address) Key() string {
	_, rest, _ := strings.Cut(string(a), "/")
	key, _, _ := strings.Cut(rest, "@")
	return key
}

// Environment returns the environment, "" for an app-scoped resource.
func (a Address) Environment() string { _, env, _ := strings.Cut(string(a), "@"); return env }

// Spec is one desired resource, expanded from the manifest by its provider. The engine fills the second part before it calls a handler.
type Spec struct {
	Address Address
	Name    string             // at the provider; deterministic
	Serves  string             // the manifest resource whose outputs this Spec's Outputs are; "" for none
	Params  map[string]any     // desired: JSON values (string, bool, int64, []string); nil is "known only during the run"
	Inputs  map[string]Input   // values that are resolved late
	Needs   []Address          // what must exist before, parents first
	IDs     map[string]Address // params that are the id of another resource; null in Params until the planner or the engine knows it
	After   []Address          // whose effects come before its own; it does not hang on them otherwise
	Seals   []Address          // a deployment: the env vars that are frozen into it; Params["input"] becomes their digest
	Note    string             // why it is wanted, for the plan's reason
	// Existing: it is there already, and Name is the id or name by which the manifest tells it, "" for the one that the provider takes by
	// default. Params are what it has to be. It is found by Name alone, whatever is Known, and only looked at.
	Existing bool

	// Filled by the engine for the call.
	App     string
	Run     string            // "" outside a run
	Planned time.Time         // when the run was asked for; zero outside one
	Op      Op                // of the effect; "" outside one
	Known   *Receipt          // what was recorded for this address, if anything was
	Parents map[Kind]Receipt  // receipts of Needs, by kind
	Values  map[string]Secret // resolved Inputs; only for Create and Update
	Files   FileSet           // the source tree; only for kinds with Seals
}

// Input is a value that is resolved late, in memory: exactly one of its fields.
type Input struct {
	From    *OutputRef `json:"from,omitempty"`
	Secret  string     `json:"secret,omitempty"` // name of a variable in Slipway's environment
	Literal *string    `json:"literal,omitempty"`
	Ledger  bool       `json:"ledger,omitempty"` // the app's ledger as JSON
	// AllowShort exempts a Secret from the least length of 8 bytes.
	AllowShort bool `json:"allow_short,omitempty"`
	// CreateOnly values are sent by the create and not compared later.
	CreateOnly bool `json:"-"`
}

// OutputRef names an output of a manifest resource, such as db.pooled_url.
type OutputRef struct {
	Resource string `json:"resource"`
	Output   string `json:"output"`
}

func (r OutputRef) String() string { return r.Resource + "." + r.Output }

// Origin says how a resource came to be the app's.
type Origin string

const (
	OriginCreated  Origin = "created"  // by Slipway: destroy deletes it
	OriginAdopted  Origin = "adopted"  // found and approved: never deleted
	OriginExisting Origin = "existing" // used as found: never changed beyond what was declared, never deleted
)

// Receipt says what was made or found. It never holds a secret.
type Receipt struct {
	Address   Address           `json:"address"`
	Account   string            `json:"account,omitempty"` // Vercel team or user id, Neon organisation, Upstash account
	ID        string            `json:"id"`
	Name      string            `json:"name,omitempty"`
	Region    string            `json:"region,omitempty"`
	URLs      []string          `json:"urls,omitempty"`
	Version   string            `json:"version,omitempty"` // the provider's own mark of the last write, such as updatedAt
	Details   map[string]string `json:"details,omitempty"` // further external ids and names, such as branch_id
	Origin    Origin            `json:"origin,omitempty"`
	Needs     []Address         `json:"needs,omitempty"`
	Declared  string            `json:"declared,omitempty"` // DeclaredDigest of what was made true last, or seen to be; "" for unknown
	Fixed     string            `json:"fixed,omitempty"`    // FixedDigest of the same
	ByHand    bool              `json:"by_hand,omitempty"`  // a person made it true last
	CreatedAt time.Time         `json:"created_at,omitzero"`

	// Fingerprint is that of the value that was declared then, keyed; "" for none, or where nothing here could read it.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Observation is what a provider showed of a Spec.
type Observation struct {
	Exists  bool
	Unseen  bool           // no credential could look: Exists and Receipt are what is recorded
	Pending bool           // it exists, and cannot be used yet: look again
	Failed  *Error         // it exists, and will never be usable
	Receipt Receipt        // when Exists
	Fields  map[string]any // observed values for the keys of Spec.Params; same types
	// Owned means that the provider's own record proves it ours (the ledger, our comment, our meta).
	Owned bool
	// Namesakes holds every exact match when there is more than one and nothing says which is ours.
	Namesakes []Receipt
	// Vanished means that the recorded id is gone, and that the account was checked.
	Vanished bool
	// Written is when it was last written, by the provider's clock; zero where that does not tell.
	Written time.Time
	// Vintage is how new that is which a deployment, or the one that is served, was built from.
	Vintage Vintage
	// Served means that a deployment has served production at some time.
	Served bool
	// Stage is how far a build is while Pending: queued, initializing, building, checks, aliases, or what else its provider calls it, in lower case.
	Stage string
	// Parts tells of what is moved, by name, how far it has come; nil where it is one thing.
	Parts map[string]Part
	// Rollout is the gradual release that production is in, nil for none. While it is one of what is wanted, or the move there is queued behind
	// it, Pending is set too, and it goes on for as long as whoever leads it likes.
	Rollout *Rollout
	// Note is what a plan tells of what exists already, in a clause.
	Note string
}

// File is one entry of a source tree.
type File struct {
	Path string `json:"path"` // slash-separated, relative, no . or ..
	Mode uint32 `json:"mode"` // as stat gives it: 0100644, 0100755, 0120777 for a symlink
	Size int64  `json:"size"` // bytes
	SHA1 string `json:"sha1"` // 40 hex digits, of the content, or of a symlink's target
}

// FileSet is a source tree that can be read. Open fails with CodeSourceChanged when a file is not the one that was listed.
type FileSet interface {
	Digest() string // sha256:… over the sorted list
	Files() []File  // sorted by path
	Open(ctx context.Context, f File) (io.ReadCloser, error)
}
