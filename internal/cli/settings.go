package cli

import (
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/redact"
	"github.com/slipway-dev/slipway/internal/rest"
	"github.com/slipway-dev/slipway/internal/sandbox"
)

// settings reads Slipway's environment: NAME, or the file that NAME_FILE names, without the line break at its end. An empty variable
// counts as not set. It is the only reader of settings and secrets.
type settings struct {
	lookup   func(string) (string, bool)
	redactor *redact.Redactor
}

func newSettings(lookup func(string) (string, bool), redactor *redact.Redactor) *settings {
	return &settings{lookup: lookup, redactor: redactor}
}

// get returns the value of name, "" when it is not set. A file that cannot be read is CodeInvalid, and so are both NAME and NAME_FILE.
func (s *settings) get(name string) (string, error) {
	value, _ := s.lookup(name)
	path, _ := s.lookup(name + "_FILE")
	if path == "" {
		return value, nil
	}
	if value != "" {
		return "", slipway.Errorf(slipway.CodeInvalid, "both %s and %s_FILE are set", name, name).WithHint("unset one of them")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", slipway.Errorf(slipway.CodeInvalid, "%s_FILE: the file cannot be read: %v", name, err).
			WithHint("name a file that this user can read, or set %s itself", name)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}

// secret is get for a value that must not be shown: the redactor knows it before it is used.
func (s *settings) secret(name string) (slipway.Secret, bool, error) {
	value, err := s.get(name)
	if err != nil || value == "" {
		return slipway.Secret{}, false, err
	}
	v := slipway.NewSecret(value)
	s.redactor.Add(v)
	return v, true, nil
}

// declared are the settings of the providers and the sandboxes.
func declared(providers []slipway.Provider) []slipway.Setting {
	all := sandbox.Settings()
	for _, p := range providers {
		all = append(all, p.Info().Settings...)
	}
	return all
}

// provider looks up the settings of the providers and the sandboxes. Those marked secret are made known to the redactor. check has refused before what
// cannot be read, so that there is no error left to tell here.
func (s *settings) provider(providers []slipway.Provider) slipway.Settings {
	open := map[string]bool{}
	for _, setting := range declared(providers) {
		open[setting.Env] = !setting.Secret
	}
	return func(env string) (slipway.Secret, bool) {
		if !open[env] {
			return s.app(env)
		}
		value, err := s.get(env)
		return slipway.NewSecret(value), err == nil && value != ""
	}
}

// app looks up the values of the app's own env vars.
func (s *settings) app(name string) (slipway.Secret, bool) {
	v, ok, err := s.secret(name)
	return v, ok && err == nil
}

// settle returns how long a create whose reply was lost is looked for: SLIPWAY_SETTLE, a duration, else nil, as each kind says. A time
// that is too short makes things twice at a real provider.
func (s *settings) settle(providers []slipway.Provider) (*slipway.Settle, error) {
	d, err := s.emulated("SLIPWAY_SETTLE", providers)
	if err != nil || d == 0 {
		return nil, err
	}
	return &slipway.Settle{Reads: slipway.DefaultSettle.Reads, Over: d}, nil
}

// patience returns how long what is pending is waited for: SLIPWAY_PATIENCE, a duration, else 0, as the engine says.
func (s *settings) patience(providers []slipway.Provider) (time.Duration, error) {
	return s.emulated("SLIPWAY_PATIENCE", providers)
}

// emulated returns the duration that name is set to, 0 for none. It is CodeInvalid unless every provider's URL is on this machine.
func (s *settings) emulated(name string, providers []slipway.Provider) (time.Duration, error) {
	text, err := s.get(name)
	if err != nil || text == "" {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, slipway.Errorf(slipway.CodeInvalid, "%s=%s is no duration over 0", name, text).WithHint("write it as in 100ms, or unset it")
	}
	for _, p := range providers {
		local, err := s.local(p)
		if err != nil {
			return 0, err
		}
		if !local {
			return 0, slipway.Errorf(slipway.CodeInvalid, "%s is for emulators alone, and %s is not one on this machine", name, p.Info().Name).
				WithHint("unset %s", name)
		}
	}
	return d, nil
}

// local reports whether the environment points p at this machine.
func (s *settings) local(p slipway.Provider) (local bool, err error) {
	for _, setting := range p.Info().Settings {
		if !strings.HasSuffix(setting.Env, "_URL") {
			continue
		}
		base, err := s.get(setting.Env)
		if err != nil {
			return false, err
		}
		u, err := url.Parse(base)
		if err != nil || !rest.IsLoopback(u.Hostname()) {
			return false, nil
		}
		local = true
	}
	return local, nil
}

// check reads every setting of the providers and the sandboxes and every secret that the manifest names, and returns the first that cannot be read.
func (s *settings) check(providers []slipway.Provider, m *slipway.Manifest) error {
	for _, setting := range declared(providers) {
		read := func(name string) error { _, err := s.get(name); return err }
		if setting.Secret {
			read = func(name string) error { _, _, err := s.secret(name); return err }
		}
		if err := read(setting.Env); err != nil {
			return err
		}
	}
	for _, v := range m.Env {
		if v.Secret == "" {
			continue
		}
		if _, _, err := s.secret(v.Secret); err != nil {
			return err
		}
	}
	return nil
}
