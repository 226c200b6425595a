package slipway

import (
	"context"
	"time"
)

// Provider is one company's API, as data plus a way to open it. internal/provider.All lists them.
type Provider interface {
	Info() ProviderInfo
	// Check names what the provider would refuse in the manifest: names, regions, limits. It is pure.
	Check(m *Manifest) []Problem
	// Expand returns the Specs that the manifest asks of this provider for one environment. It is pure; the order does not matter.
	Expand(m *Manifest, environment string) []Spec
	// Open builds clients and touches no network. A missing required setting is CodeCredential, with the variable's name in the hint.
	Open(ctx context.Context, settings Settings) (Session, error)
}

// ProviderInfo is what documentation, help, validation and redaction are made from.
type ProviderInfo struct {
	Name     string // the part before the point in its kinds and types
	Title    string
	Docs     string // URL
	Settings []Setting
	Types    []ResourceType
	Kinds    []KindInfo
	// Source: a manifest's source can be there, and its sessions are Repositories.
	Source bool
	// Causes are the ways in which its credential can fall short, beyond those that hold for any provider.
	Causes []CauseInfo
	// Pages are the places in its own pages, and in those of who sells it, that runbooks name: nothing else may be named there.
	Pages []PageInfo
}

// Setting is one environment variable that the provider reads; NAME_FILE works for each as well.
type Setting struct {
	Env      string
	Help     string
	Secret   bool
	Required bool
	Default  string
}

// ResourceType is what can stand as type: under resources in the manifest.
type ResourceType struct {
	Name        string // such as neon.postgres
	Help        string
	Fields      []FieldInfo
	Outputs     []OutputInfo
	Environment bool // per_environment: is allowed
	// Existing are the keys of existing:, by which the manifest tells one that is there already. All are text.
	Existing []ExistingInfo
	// Connects tells how its values are tried out; "" for not at all.
	Connects Connection
}

// ExistingInfo describes one key of existing:.
type ExistingInfo struct {
	Name     string
	Required bool
	Pattern  string // that the text matches, in RE2 and ECMA-262; "" for any name on one line
	Says     string // what Pattern demands, after "must"
	Help     string
}

// FieldType is the type of a manifest field.
type FieldType string

const (
	FieldString  FieldType = "string"
	FieldInt     FieldType = "integer"
	FieldBool    FieldType = "boolean"
	FieldStrings FieldType = "strings"
)

// FieldInfo describes one field of a ResourceType.
type FieldInfo struct {
	Name     string
	Type     FieldType
	Required bool
	Default  any      // nil: left to the provider
	Enum     []string // allowed values; nil: any
	Help     string
}

// OutputInfo describes a value that a resource gives to env vars.
type OutputInfo struct {
	Name   string
	Secret bool
	Help   string
	// Where a person finds the value.
	Where PageInfo
}

// KindInfo is what the one ensure loop needs to know of a kind.
type KindInfo struct {
	Kind Kind
	Docs string // URL of the API's documentation
	// Settle is how long a create whose reply was lost is looked for before it counts as not done. Zero: 3 reads over 10 s.
	Settle Settle
	// Poll is how often a pending resource is looked at. Zero: 250 ms, growing to 2 s.
	Poll time.Duration
	// Immutable fields destroy the resource when changed: the effect is a replace.
	Immutable []string
	// CreateOp and UpdateOp name the effects; zero: create and update.
	CreateOp, UpdateOp Op
	// Gate of its effects; zero: apply.
	Gate Gate
	// Stateful resources hold data: they are deleted or replaced only behind the destroy gate, never because they left the manifest.
	Stateful bool
	// Versioned: each create adds one and the older stay (deployments). Never adopted, never compared by name.
	Versioned bool
	// Shared: used as found, whoever made it; created only when absent, never updated or deleted.
	Shared bool
	// Batch: its handler is a Batcher, and its effects in one plan go out in one call.
	Batch bool
	// Echo: the reply to a create or an update shows the whole resource, so that no second look is needed.
	Echo bool
	// Probing is the header by which its one output, a protection bypass, lets health probes in; "" for all other kinds.
	Probing string
	// Initial: it exists, with these fields, as soon as its first Need does; it is never created by itself.
	Initial map[string]any
	// Ledgered: its id is kept in the ledger.
	Ledgered bool
	// Contained resources go when their first Need goes.
	Contained bool
	// Root resources are made in the account itself and hold others: a credential for one of them cannot make another.
	Root bool
	// Adjusts: one that exists already gets the settings that are declared, but for Immutable ones. All others have to be as declared.
	Adjusts bool
	// Pruned: what Slipway made of it and the manifest no longer declares is deleted. It is known by its receipt.
	Pruned bool
	// PruneGate is where such a delete waits; zero: destroy.
	PruneGate Gate
	// ByHand is why a person alone can change it, "" for what Slipway can: its effects are manual, whatever the credential may do. Before
	// a run waits for that person it looks itself.
	ByHand string
	// Sent is what can be done where a run is cancelled after an effect that moves production was asked for, which nobody takes back: a sentence
	// without a final stop.
	Sent string
	// Consequence is what an effect means, in one sentence without a final stop, by op.
	Consequence map[Op]string
}

// Settle is how a lost create is looked for: Reads observations, the last one Over after the first.
type Settle struct {
	Reads int
	Over  time.Duration
}

// DefaultSettle covers the list APIs that lag.
var DefaultSettle = Settle{Reads: 3, Over: 10 * time.Second}

// Settings looks up a provider's settings by their environment variable. false: not set.
type Settings func(env string) (Secret, bool)

// Session is a provider opened with a credential.
type Session interface {
	// Handler returns the handler of a kind in this provider's Info, nil for any other.
	Handler(kind Kind) Handler
	// Pass returns a view in which equal GETs are sent once and their reply is shared: one observation pass.
	Pass() Session
}

// Handler knows one kind. All methods honour ctx in every wait, and fail with *Error.
type Handler interface {
	// Observe never changes anything outside. Absence is an Observation, not an error.
	Observe(ctx context.Context, want Spec) (Observation, error)
	// Create is called only after "absent".
	Create(ctx context.Context, want Spec) (Receipt, error)
	// Update is called only after "different" and sends only what differs.
	Update(ctx context.Context, want Spec, have Observation) (Receipt, error)
	// Delete returns nil when it is already gone.
	Delete(ctx context.Context, ref Receipt) error
}

// Outputter is a Handler whose resource gives values. Each is a Secret; the ResourceType says which are public.
type Outputter interface {
	Outputs(ctx context.Context, want Spec, have Observation) (map[string]Secret, error)
}

// Batcher is a Handler that creates or updates several Specs of one parent in one call. It returns one Result a Spec, in their order;
// the error is for a call that failed as a whole.
type Batcher interface {
	Batch(ctx context.Context, wants []Spec) ([]Result, error)
}

// Verifier is a Handler whose resource the provider looks at again when it is asked to, such as the ownership of a domain. Asking changes
// nothing but what the provider knows; that it still sees nothing is no error.
type Verifier interface {
	Verify(ctx context.Context, want Spec) error
}

// Result is a receipt or an error.
type Result struct {
	Receipt Receipt
	Err     error
}

// Protection is the Handler of a Probing kind that can tell an answer of the deployment's protection from one of the app. Without it any 401
// counts as one.
type Protection interface {
	Protected(status int, header func(name string) string, body []byte) bool
}

// Lister is a Handler that can list what is ours of its kind in want's scope (its parents and its address's environment; the key is
// not looked at). want carries the parents.
type Lister interface {
	List(ctx context.Context, want Spec) ([]Observation, error)
}

// Watcher is a Handler whose pending resource tells how it goes. Watch returns when there may be news or since moved on: the next
// since, resumable after a kill. emit gets each line once, already without control characters, and the last ones before since as Again.
type Watcher interface {
	Watch(ctx context.Context, ref Receipt, since string, emit func(LogLine)) (next string, err error)
}

// Problem is a fault in the manifest, found by a rule. Path leads to the place: keys from the root.
type Problem struct {
	Path    []string
	Message string
	Hint    string
}
