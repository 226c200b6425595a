package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
)

// probeAge is how old a finding may be before doctor asks again.
const probeAge = 10 * time.Minute

// probeCache keeps what the last probes found, in SLIPWAY_HOME/probes.json. Only doctor reads it: nothing that changes anything outside
// relies on it.
type probeCache struct {
	path      string
	key       slipway.FingerprintKey
	Version   int                    `json:"version"`
	Providers map[string]probeRecord `json:"providers"`
}

// probeRecord is one provider's.
type probeRecord struct {
	Credential string               `json:"credential"` // keyed fingerprint of all its settings: another credential is asked anew
	At         time.Time            `json:"at"`
	Expires    string               `json:"expires,omitempty"` // when the credential ends, as it was last told
	Found      []slipway.Capability `json:"found"`
}

const probeVersion = 1

// openProbes reads the cache. One that is not there, or that cannot be read, is empty.
func (a *app) openProbes() (*probeCache, error) {
	home, err := a.home()
	if err != nil {
		return nil, err
	}
	key, err := a.fingerprintKey()
	if err != nil {
		return nil, err
	}
	c := &probeCache{path: filepath.Join(home, "probes.json"), key: key}
	raw, err := os.ReadFile(c.path)
	if err != nil || json.Unmarshal(raw, c) != nil || c.Version != probeVersion {
		c.Providers = nil
	}
	if c.Providers == nil {
		c.Providers = map[string]probeRecord{}
	}
	c.Version = probeVersion
	return c, nil
}

// fingerprint is of all settings of a provider, secret or not.
func (c *probeCache) fingerprint(info slipway.ProviderInfo, settings slipway.Settings) string {
	var all strings.Builder
	for _, s := range info.Settings {
		v, _ := settings(s.Env)
		all.WriteString(s.Env + "=" + v.Reveal() + "\x00")
	}
	return c.key.Fingerprint("probe "+info.Name, slipway.NewSecret(all.String()))
}

// get returns what was found for that credential, when it is not older than age.
func (c *probeCache) get(provider, credential string, now time.Time, age time.Duration) (probeRecord, bool) {
	r, ok := c.Providers[provider]
	old := now.Sub(r.At)
	return r, ok && r.Credential == credential && len(r.Found) > 0 && old >= 0 && old <= age
}

// put keeps what was found, but not what passes by itself. It returns the findings, in which a credential that is not accepted any more
// has expired when an earlier probe was told a day that is over by now.
func (c *probeCache) put(info slipway.ProviderInfo, credential string, now time.Time, found []slipway.Capability) []slipway.Capability {
	r := probeRecord{Credential: credential, At: now.UTC(), Found: found}
	if before := c.Providers[info.Name]; before.Credential == credential {
		r.Expires = before.Expires
	}
	for i, f := range found {
		if f.Expires != "" {
			r.Expires = f.Expires
		}
		if ends, err := time.Parse(time.RFC3339, r.Expires); err == nil && f.Cause == slipway.CauseInvalid && now.After(ends) {
			found[i] = info.Against(slipway.Capability{
				Name: f.Name, Kind: f.Kind, Op: f.Op, Account: f.Account, Evidence: f.Evidence, Expires: r.Expires,
			}, slipway.CauseExpired)
		}
		if f.Cause.Transient() || f.Cause == slipway.CauseMissing {
			r.Found = nil
		}
	}
	c.Providers[info.Name] = r
	return found
}

// save writes the cache, for this user alone. A file that would hold a secret is not written.
func (c *probeCache) save(holdsSecret func([]byte) bool) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if holdsSecret(raw) {
		return slipway.Errorf(slipway.CodeSecretLeak, "what the probes found holds a secret, and is not kept")
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(c.path), "probes.json.*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	_, err = next.Write(append(raw, '\n'))
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), c.path)
}
