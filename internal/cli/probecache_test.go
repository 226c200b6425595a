package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
)

func newProbes(t *testing.T) *probeCache {
	t.Helper()
	key, err := slipway.NewFingerprintKey(slipway.NewSecret("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return &probeCache{path: filepath.Join(t.TempDir(), "home", "probes.json"), key: key, Version: probeVersion, Providers: map[string]probeRecord{}}
}

var (
	acmeInfo = slipway.ProviderInfo{Name: "acme", Title: "Acme", Settings: []slipway.Setting{{Env: "ACME_TOKEN", Secret: true, Required: true}}}
	probedAt = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
)

func causes(found []slipway.Capability) (out []slipway.Cause) {
	for _, c := range found {
		out = append(out, c.Cause)
	}
	return out
}

func TestProbesTellThatACredentialHasExpired(t *testing.T) {
	ready := func(expires string) []slipway.Capability {
		return []slipway.Capability{acmeInfo.Against(slipway.Capability{Name: "credential", Expires: expires}, slipway.CauseNone)}
	}
	invalid := []slipway.Capability{acmeInfo.Against(slipway.Capability{Name: "credential", Evidence: "GET /me 401"}, slipway.CauseInvalid)}
	tests := map[string]struct {
		reason     string
		first      []slipway.Capability
		credential string // of the second probe
		after      time.Duration
		want       slipway.Cause
	}{
		"its day is over":    {"the first probe was told the day", ready("2026-12-01T10:00:00Z"), "a", 2 * time.Hour, slipway.CauseExpired},
		"before its day":     {"it was revoked", ready("2026-12-01T10:00:00Z"), "a", time.Minute, slipway.CauseInvalid},
		"another credential": {"whose day is not known", ready("2026-12-01T10:00:00Z"), "b", 2 * time.Hour, slipway.CauseInvalid},
		"no day":             {"nothing was told", ready(""), "a", 2 * time.Hour, slipway.CauseInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newProbes(t)
			c.put(acmeInfo, "a", probedAt, test.first)
			for range 2 { // the day outlives the refusal
				got := c.put(acmeInfo, test.credential, probedAt.Add(test.after), append([]slipway.Capability{}, invalid...))
				if diff := cmp.Diff([]slipway.Cause{test.want}, causes(got)); diff != "" {
					t.Errorf("%s:\n%s", test.reason, diff)
				}
			}
		})
	}
}

func TestProbesAreKeptForAWhile(t *testing.T) {
	tests := map[string]struct {
		reason     string
		cause      slipway.Cause
		credential string
		after      time.Duration
		want       bool
	}{
		"fresh":        {"it is young enough", slipway.CauseReadOnly, "a", probeAge, true},
		"old":          {"it is too old", slipway.CauseNone, "a", probeAge + time.Second, false},
		"future":       {"a clock that went back proves nothing", slipway.CauseNone, "a", -time.Second, false},
		"other":        {"it is another credential's", slipway.CauseNone, "b", 0, false},
		"rate limited": {"it passes by itself", slipway.CauseRateLimited, "a", 0, false},
		"unreachable":  {"it passes by itself", slipway.CauseUnreachable, "a", 0, false},
		"missing":      {"to ask costs nothing", slipway.CauseMissing, "a", 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newProbes(t)
			c.put(acmeInfo, "a", probedAt, []slipway.Capability{acmeInfo.Against(slipway.Capability{}, test.cause)})
			if _, got := c.get("acme", test.credential, probedAt.Add(test.after), probeAge); got != test.want {
				t.Errorf("%s: kept %t", test.reason, got)
			}
		})
	}
}

func TestProbesHoldNoSecret(t *testing.T) {
	c := newProbes(t)
	settings := func(value string) slipway.Settings {
		return func(string) (slipway.Secret, bool) { return slipway.NewSecret(value), true }
	}
	print := c.fingerprint(acmeInfo, settings("canary-canary-1"))
	if print == c.fingerprint(acmeInfo, settings("canary-canary-2")) || strings.Contains(print, "canary") {
		t.Error("the fingerprint tells credentials apart, and not what they are")
	}
	other := newProbes(t)
	other.key, _ = slipway.NewFingerprintKey(slipway.NewSecret("another key, quite"))
	if print == other.fingerprint(acmeInfo, settings("canary-canary-1")) {
		t.Error("the fingerprint is keyed")
	}
	c.put(acmeInfo, print, probedAt, []slipway.Capability{acmeInfo.Against(slipway.Capability{Evidence: "canary-canary-1"}, slipway.CauseInvalid)})
	holds := func(b []byte) bool { return strings.Contains(string(b), "canary-canary-1") }
	if err := c.save(holds); slipway.ErrorCode(err) != slipway.CodeSecretLeak {
		t.Errorf("a secret in an answer: %v", err)
	}
	if _, err := os.Stat(c.path); err == nil {
		t.Error("it was written all the same")
	}
	if err := c.save(func([]byte) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(c.path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
}
