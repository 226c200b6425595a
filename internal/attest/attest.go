// Package attest signs what people and Slipway state, and reads such statements back: in-toto Statements in DSSE envelopes, by an Ed25519 key
// that belongs to one home. https://github.com/in-toto/attestation and https://github.com/secure-systems-lab/dsse
package attest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/slipway-dev/slipway"
)

// What a statement is.
const (
	// PayloadType is the type of an in-toto Statement in an envelope.
	PayloadType = "application/vnd.in-toto+json"
	// StatementType: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
	StatementType = "https://in-toto.io/Statement/v1"
	// ManualStep is the predicate of a person's statement that a manual step is done: run, step, note, by and at.
	ManualStep = "https://slipway.dev/attestation/manual-step/v1"

	// Ballot is the predicate of an approver's yes: what docs/approvals.md describes.
	Ballot = "https://slipway.dev/attestation/ballot/v1"

	// What an audit bundle states, each with the predicate that docs/format-audit-bundle.md describes.
	Approval       = "https://slipway.dev/attestation/approval/v1"
	Bundle         = "https://slipway.dev/attestation/audit-bundle/v1"
	Checkpoint     = "https://slipway.dev/attestation/checkpoint/v1"
	ManualEvidence = "https://slipway.dev/attestation/manual-evidence/v1"
	Promotion      = "https://slipway.dev/attestation/promotion/v1"
	Provision      = "https://slipway.dev/attestation/provision/v1"
	// Provenance: https://slsa.dev/spec/v1.0/provenance
	Provenance = "https://slsa.dev/provenance/v1"
	// TestResult: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
	TestResult = "https://in-toto.io/attestation/test-result/v0.1"
)

// Statement is an in-toto Statement.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Subject is what a statement is about.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // sha256: 64 hex digits
}

// About returns the subject of a digest as Slipway writes it: sha256:…
func About(name, digest string) Subject {
	algorithm, hash, _ := strings.Cut(digest, ":")
	return Subject{Name: name, Digest: map[string]string{algorithm: hash}}
}

// Key signs. The zero Key does not work.
type Key struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

// NewKey returns the key of a seed: 64 hex digits, as a file in the home folder holds them. CodeInvalid for anything else.
func NewKey(seed slipway.Secret) (Key, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(seed.Reveal()))
	if err != nil || len(raw) != ed25519.SeedSize {
		return Key{}, slipway.Errorf(slipway.CodeInvalid, "the signing key is not %d hex digits", 2*ed25519.SeedSize).
			WithHint("make one with: openssl rand -hex %d", ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(raw)
	return Key{private: private, public: private.Public().(ed25519.PublicKey)}, nil
}

// PublicMark stands before a public key where it could be taken for a private one: both are 64 hex digits.
const PublicMark = "ed25519:"

// PublicKey returns the half of a key that verifies, from its 64 hex digits.
func PublicKey(text string) (Key, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), PublicMark))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return Key{}, slipway.Errorf(slipway.CodeInvalid, "a public key is %d hex digits", 2*ed25519.PublicKeySize)
	}
	return Key{public: raw}, nil
}

// smallOrder are the eight points of small order on the curve, as they can be written: without the sign, and with numbers that were not reduced.
// https://www.rfc-editor.org/rfc/rfc8032#section-5.1.3
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000", // order 1
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 4, not reduced
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 1, not reduced
}

// Weak reports whether signatures that nobody has made verify under the key: it is a point of small order.
func (k Key) Weak() bool {
	if len(k.public) != ed25519.PublicKeySize {
		return true
	}
	y := slices.Clone(k.public)
	y[len(y)-1] &= 0x7f
	return slices.Contains(smallOrder, hex.EncodeToString(y))
}

// ID is the first 16 hex digits of the SHA-256 of the public key.
func (k Key) ID() string {
	sum := sha256.Sum256(k.public)
	return hex.EncodeToString(sum[:8])
}

// String is the public key in hex.
func (k Key) String() string { return hex.EncodeToString(k.public) }

// signer adapts a Key to the library.
type signer struct{ Key }

var _ dsse.SignerVerifier = signer{}

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.private, data), nil
}

func (s signer) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(s.public, data, sig) {
		return slipway.Errorf(slipway.CodeInvalid, "the signature is not of this content")
	}
	return nil
}

func (s signer) KeyID() (string, error)   { return s.ID(), nil }
func (s signer) Public() crypto.PublicKey { return s.public }

// Payload returns a statement as it is signed. The same statement gives the same bytes; a predicate that is JSON stays as it is.
func Payload(predicateType string, predicate any, about ...Subject) ([]byte, error) {
	raw, err := encode(predicate)
	if err != nil {
		return nil, err
	}
	return encode(Statement{Type: StatementType, Subject: about, PredicateType: predicateType, Predicate: raw})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "a statement cannot be encoded: %v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Sign returns the envelope of a statement as JSON. The same statement gives the same bytes.
func (k Key) Sign(ctx context.Context, predicateType string, predicate any, about ...Subject) (json.RawMessage, error) {
	payload, err := Payload(predicateType, predicate, about...)
	if err != nil {
		return nil, err
	}
	return k.SignPayload(ctx, payload)
}

// SignPayload returns the envelope of what Payload made, as JSON.
func (k Key) SignPayload(ctx context.Context, payload []byte) (json.RawMessage, error) {
	envelope, err := dsse.NewEnvelopeSigner(signer{k})
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "a statement cannot be signed: %v", err)
	}
	signed, err := envelope.SignPayload(ctx, PayloadType, payload)
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInternal, "a statement cannot be signed: %v", err)
	}
	return json.Marshal(signed)
}

// Peek returns the statement of an envelope without looking at who has signed it.
func Peek(envelope []byte) (s Statement, err error) {
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil || e.PayloadType != PayloadType {
		return s, slipway.Errorf(slipway.CodeInvalid, "this is no envelope of a statement")
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return s, slipway.Errorf(slipway.CodeInvalid, "the envelope's payload is not base64")
	}
	if err := json.Unmarshal(payload, &s); err != nil || s.Type != StatementType {
		return s, slipway.Errorf(slipway.CodeInvalid, "the envelope holds no in-toto statement")
	}
	return s, nil
}

// Open verifies an envelope against trusted keys, at least one of which must have signed it, and returns its statement and the ids of those
// that have. CodeInvalid for anything else.
func Open(ctx context.Context, envelope []byte, trusted ...Key) (Statement, []string, error) {
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil || e.PayloadType != PayloadType {
		return Statement{}, nil, slipway.Errorf(slipway.CodeInvalid, "this is no envelope of a statement")
	}
	var verifiers []dsse.Verifier
	for _, k := range trusted {
		verifiers = append(verifiers, signer{k})
	}
	if len(verifiers) == 0 {
		return Statement{}, nil, slipway.Errorf(slipway.CodeInvalid, "no key is trusted")
	}
	v, err := dsse.NewEnvelopeVerifier(verifiers...)
	if err != nil {
		return Statement{}, nil, slipway.Errorf(slipway.CodeInternal, "the envelope cannot be verified: %v", err)
	}
	accepted, err := v.Verify(ctx, &e)
	if err != nil {
		return Statement{}, nil, slipway.Errorf(slipway.CodeInvalid, "no trusted key has signed this")
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return Statement{}, nil, slipway.Errorf(slipway.CodeInvalid, "the envelope's payload is not base64")
	}
	var s Statement
	if err := json.Unmarshal(payload, &s); err != nil || s.Type != StatementType {
		return s, nil, slipway.Errorf(slipway.CodeInvalid, "the envelope holds no in-toto statement")
	}
	var by []string
	for _, a := range accepted {
		by = append(by, a.KeyID)
	}
	slices.Sort(by)
	return s, by, nil
}
