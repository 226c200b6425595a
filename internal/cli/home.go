package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/attest"
)

// home returns the folder of Slipway's state: SLIPWAY_HOME, else what the system has for it
// (https://specifications.freedesktop.org/basedir-spec/latest/).
func (a *app) home() (string, error) {
	if dir, err := a.settings.get("SLIPWAY_HOME"); err != nil || dir != "" {
		if err != nil {
			return "", err
		}
		return filepath.Abs(dir)
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", noHome(err)
		}
		return filepath.Join(dir, "slipway"), nil
	}
	if dir, _ := a.settings.get("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "slipway"), nil
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", noHome(err)
	}
	return filepath.Join(dir, ".local", "state", "slipway"), nil
}

func noHome(err error) error {
	return slipway.Errorf(slipway.CodeStore, "there is no folder for Slipway's state: %v", err).WithHint("set SLIPWAY_HOME to a folder that can be written")
}

// database returns the path of the app's database. SLIPWAY_DATABASE_URL is CodeUnsupported.
func (a *app) database(m *slipway.Manifest) (string, error) {
	if url, err := a.settings.get("SLIPWAY_DATABASE_URL"); err != nil || url != "" {
		if err != nil {
			return "", err
		}
		return "", slipway.Errorf(slipway.CodeUnsupported, "SLIPWAY_DATABASE_URL: PostgreSQL is not there yet").
			WithHint("unset it: the state is then a file below SLIPWAY_HOME")
	}
	home, err := a.home()
	if err != nil {
		return "", err
	}
	team := m.Vercel.Team
	if team == "" {
		if team, err = a.settings.get("VERCEL_TEAM_ID"); err != nil {
			return "", err
		}
	}
	return filepath.Join(home, "apps", m.App+"@"+teamFolder(team), "slipway.db"), nil
}

// otherTeams are the folders in which this home has the same app for other teams, sorted, where there is no database yet; else none.
func otherTeams(database string) []string {
	if _, err := os.Stat(database); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	folder := filepath.Dir(database)
	app, _, _ := strings.Cut(filepath.Base(folder), "@")
	found, err := filepath.Glob(filepath.Join(filepath.Dir(folder), app+"@*", filepath.Base(database)))
	if err != nil {
		return nil // no pattern: the home's own path has brackets
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

// tellOtherTeams tells that this home has the app for other teams, where it has no database for this one. It is why a command fails that needs one.
func (a *app) tellOtherTeams(database string, create bool) error {
	others := strings.Join(otherTeams(database), ", ")
	switch {
	case others == "":
	case create:
		a.tell("another app for this team: this home has one of the same name for another one, in %s\n", others)
	default:
		return slipway.Errorf(slipway.CodeNotFound, "nothing was shipped for this team yet: this home has the app in %s", others).
			WithHint("name the team as it was then, by vercel.team in the manifest or VERCEL_TEAM_ID (personal: none); "+
				"where nothing was made at Vercel before the team was known, move that folder to %s", filepath.Dir(database))
	}
	return nil
}

// teamFolder is a team as a part of a folder's name.
func teamFolder(team string) string {
	if team == "" {
		return "personal"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, team)
}

// keyFile is where the fingerprint key is kept when the environment has none.
func keyFile(home string) string { return filepath.Join(home, "fingerprint.key") }

// fingerprintKey returns SLIPWAY_FINGERPRINT_KEY, else the key in the home folder, which is made at first use.
func (a *app) fingerprintKey() (slipway.FingerprintKey, error) {
	secret, ok, err := a.settings.secret("SLIPWAY_FINGERPRINT_KEY")
	if err != nil {
		return slipway.FingerprintKey{}, err
	}
	if !ok {
		home, err := a.home()
		if err != nil {
			return slipway.FingerprintKey{}, err
		}
		text, err := readOrMakeKey(keyFile(home), "fingerprint")
		if err != nil {
			return slipway.FingerprintKey{}, err
		}
		secret = slipway.NewSecret(text)
		a.redactor.Add(secret)
	}
	return slipway.NewFingerprintKey(secret)
}

// signingFile is where the signing key is kept when the environment has none.
func signingFile(home string) string { return filepath.Join(home, "signing.key") }

// signingKey returns SLIPWAY_SIGNING_KEY, else the key in the home folder, which is made at first use.
func (a *app) signingKey() (attest.Key, error) {
	secret, ok, err := a.settings.secret("SLIPWAY_SIGNING_KEY")
	if err != nil {
		return attest.Key{}, err
	}
	if !ok {
		home, err := a.home()
		if err != nil {
			return attest.Key{}, err
		}
		text, err := readOrMakeKey(signingFile(home), "signing")
		if err != nil {
			return attest.Key{}, err
		}
		secret = slipway.NewSecret(text)
		a.redactor.Add(secret)
	}
	return attest.NewKey(secret)
}

// attest signs a statement about a step with the key of this home.
func (a *app) attest(ctx context.Context, step, digest string, predicate any) (json.RawMessage, error) {
	key, err := a.signingKey()
	if err != nil {
		return nil, err
	}
	return key.Sign(ctx, attest.ManualStep, predicate, attest.About(step, digest))
}

// readOrMakeKey reads the key at path, or makes it. When two processes make it at once, both get the one that was there first. role is
// fingerprint or signing.
func readOrMakeKey(path, role string) (string, error) {
	badKey := func(err error) error { return badKey(path, role, err) }
	text, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, badKey(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", badKey(err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random)                                                 // never fails
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", badKey(err)
	}
	defer os.Remove(next.Name())
	_, err = next.WriteString(hex.EncodeToString(random) + "\n")
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return "", badKey(err)
	}
	// A link to a name that exists fails, and the file is whole as soon as it has the name.
	if err := os.Link(next.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", badKey(err)
	}
	text, err = readKey(path)
	return text, badKey(err)
}

func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return "", err
		}
	}
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

func badKey(path, role string, err error) error {
	if err == nil {
		return nil
	}
	return slipway.Errorf(slipway.CodeStore, "the %s key %s cannot be used: %v", role, path, err).
		WithHint("make its folder writable, or set SLIPWAY_%s_KEY", strings.ToUpper(role))
}
