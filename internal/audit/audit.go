// Package audit writes what a run did into one file that a stranger can verify offline, and verifies and shows such a file. The format is
// docs/format-audit-bundle.md. What writes (export.go, statement.go) and what verifies (verify.go, judge.go) share the documents of this
// file, how they are encoded, and the archive's layout, and nothing else: each finds in its own way what must be there.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// What the format is called, and the version that is written. docs/format-audit-bundle.md says when it is raised: any member, entry or statement
// that an earlier one does not have. Every version up to this one can be read.
const (
	FormatName = "slipway.dev/audit-bundle"
	Version    = 2
)

// What a version has that those before it have not.
const (
	sincePolicies   = 2 // the text of each policy that an approval names
	sinceExact      = 2 // no document has a member that its version does not know
	sinceStatements = 2 // provenance and test results as they are now; claim_v1.go has those before
)

// What provenance calls us, and what we do.
const (
	builderID = "https://slipway.dev/builder/v1"
	buildType = "https://slipway.dev/build-types/deployment/v2"
)

// magic is the first entry's content in a version.
func magic(version int) string { return fmt.Sprintf("%s%d\n", magicText, version) }

const magicText = "slipway audit bundle "

// Names of the entries. An archive holds them in the order of their bytes.
const (
	nameMagic      = "BUNDLE"
	nameApprovals  = "core/approvals.json"
	nameEvents     = "core/events.jsonl"
	nameManifest   = "core/manifest.yaml"
	namePlan       = "core/plans/%04d.json"
	namePolicy     = "core/policies/%s.cedar" // by its SHA-256
	nameReceipts   = "core/receipts.json"
	nameRun        = "core/run.json"
	nameRunbook    = "core/runbooks/%04d.json"
	leftRunbook    = "runbook of revision %d" // in place of one that cannot be made again
	nameSource     = "core/source.json"
	nameSpec       = "core/spec.json"
	nameSteps      = "core/steps.json"
	nameTranscript = "core/transcripts/%s.txt" // by its SHA-256
	nameIndex      = "index.json"
	nameSignature  = "signature.json"
	nameStatement  = "statements/%04d.json"
)

// Index is index.json: what the signature is about. It lists every other entry but the signature.
type Index struct {
	Format      string     `json:"format"`
	Version     int        `json:"version"`
	Run         string     `json:"run"`
	App         string     `json:"app"`
	Environment string     `json:"environment"`
	Status      string     `json:"status"`
	Complete    bool       `json:"complete"` // the run had ended when it was exported
	Files       []File     `json:"files"`    // below core/, by path
	Statements  []Payload  `json:"statements"`
	Events      Checkpoint `json:"events"`
	Left        []Remark   `json:"left_out,omitempty"` // what the bundle would hold, had it been recorded
}

// File is one entry.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Payload is what a statement says, apart from who has signed it.
type Payload struct {
	Path   string `json:"path"`
	Type   string `json:"type"` // the predicate's
	SHA256 string `json:"sha256"`
}

// Checkpoint is where the chain of events ends.
type Checkpoint struct {
	Run  string `json:"run"`
	Seq  int64  `json:"seq"`
	Head string `json:"head"` // the last event's hash
}

// Remark says why something is not there.
type Remark struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Envelope is the predicate of the signature: what depends on who exported, by which program.
type Envelope struct {
	Run        string     `json:"run"`
	Core       string     `json:"core"` // sha256:… of index.json
	Checkpoint Checkpoint `json:"checkpoint"`
	Complete   bool       `json:"complete"`
	Tool       Tool       `json:"tool"`
	Key        string     `json:"key"` // the signer's public key, in hex: to be shown, never to be trusted
}

// Tool is the program that exported.
type Tool struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
}

// Spec is core/spec.json: the versions of what the bundle is made of.
type Spec struct {
	Bundle    int               `json:"bundle"`
	Plan      int               `json:"plan"` // of the plan's canonical form; 0: there is no plan
	Canonical string            `json:"canonical_json"`
	Statement string            `json:"statement"`
	Envelope  string            `json:"envelope"`
	Signature string            `json:"signature"`
	Predicate map[string]string `json:"predicates"`
}

// predicates are the types of statements in a bundle, by what they are about.
var predicates = map[string]string{
	"deployment": attest.Provenance, "verification": attest.TestResult, "provision": attest.Provision, "approval": attest.Approval,
	"manual step": attest.ManualEvidence, "promotion": attest.Promotion, "checkpoint": attest.Checkpoint, "bundle": attest.Bundle,
}

// specOf is what a version is made of, with plans of a form.
func specOf(version, plan int) Spec {
	return Spec{
		Bundle: version, Plan: plan, Canonical: "RFC 8785", Statement: attest.StatementType, Envelope: "DSSE 1.0", Signature: "Ed25519, RFC 8032",
		Predicate: predicates,
	}
}

// Fault is what is wrong with a bundle, and where.
type Fault struct {
	Place   string `json:"place"` // an entry, with a line or a field of it; or a byte of the file
	Message string `json:"message"`
	Signer  string `json:"signer,omitempty"` // the id of a key that has signed and is not trusted
}

func (f *Fault) Error() string { return f.Place + ": " + f.Message }

func fault(place, format string, args ...any) *Fault {
	return &Fault{Place: visible(place), Message: visible(fmt.Sprintf(format, args...))}
}

// Unusable is the error for a file that is no bundle, or one of a version that this program does not know.
type Unusable struct {
	Message string
	Newer   int // the version of a bundle that is newer than this program; 0 for another file
}

func (u *Unusable) Error() string { return u.Message }

// Output is a file that is being written: entries are appended, and their headers completed afterwards.
type Output interface {
	io.Writer
	io.WriterAt
}

// timestamp is a time as the bundle has it: UTC, nanoseconds where there are any; "" for none.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// canonical returns v as RFC 8785 has it.
func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err == nil {
		raw, err = jcs.Transform(raw)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "the bundle cannot be encoded: %v", err)
	}
	return raw, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
