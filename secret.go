package slipway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "redacted"

// Secret holds a value that must never be at rest. It prints, formats, logs and marshals as "redacted"; Reveal is the one way out.
// The value sits behind a pointer, so that printing a struct that holds a Secret shows an address at the most.
type Secret struct{ value *string }

// NewSecret wraps v. Whoever calls it with a value from outside also tells the redactor.
func NewSecret(v string) Secret { return Secret{&v} }

// Reveal returns the value, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether no value was ever set; an empty value counts as set.
func (s Secret) IsZero() bool { return s.value == nil }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// FingerprintKey keys the fingerprints of values that cannot be read back. It is one of Slipway's own keys: it is kept outside the
// database and never leaves the process.
type FingerprintKey struct{ secret Secret }

// NewFingerprintKey takes a key of at least 16 bytes.
func NewFingerprintKey(secret Secret) (FingerprintKey, error) {
	if len(secret.Reveal()) < 16 {
		return FingerprintKey{}, Errorf(CodeInvalid, "the fingerprint key is shorter than 16 bytes").
			WithHint("set SLIPWAY_FINGERPRINT_KEY to a random value, for example from: openssl rand -hex 32")
	}
	return FingerprintKey{secret}, nil
}

func (k FingerprintKey) sum(parts ...string) string {
	m := hmac.New(sha256.New, []byte(k.secret.Reveal()))
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(m.Sum(nil))
}

// ID names the key without telling it: 8 hex digits. Fingerprints under different keys do not compare.
func (k FingerprintKey) ID() string { return k.sum("slipway key id")[:8] }

// Fingerprint returns the HMAC-SHA256 of value as 64 hex digits, bound to name, so that equal values under two names do not show.
func (k FingerprintKey) Fingerprint(name string, value Secret) string {
	return k.sum("slipway value", name, value.Reveal())
}
