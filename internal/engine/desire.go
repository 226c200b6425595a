package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/slipway-dev/slipway"
)

// minSecret is the least length of a secret: value. The guard and the redactor find shorter ones everywhere by accident.
const minSecret = 8

// wanted is what a run is for, kept in memory while a process works on it.
type wanted struct {
	manifest    *slipway.Manifest
	environment string
	files       slipway.FileSet            // nil for a destroy
	planned     time.Time                  // when it was asked for
	requester   slipway.Principal          // of the run, or of the plan
	specs       []slipway.Spec             // in order of need
	sessions    map[string]slipway.Session // of the providers that have a credential
	values      *valueCache
	shipped     bool     // the Specs are as they were shipped
	asked       sync.Map // the providers that were asked what their credential is good for
	stopped     error    // the first answer that told so, where it is something to be mended

	mu    sync.RWMutex
	found slipway.Access // what speaks against the credentials
}

// access is what speaks against the credentials, as far as it is known.
func (w *wanted) access() slipway.Access {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return slices.Clip(w.found)
}

// desire reads a manifest and finds everything wrong that can be known before the first call.
func (e *Engine) desire(manifest []byte, environment string, files slipway.FileSet) (*wanted, error) {
	m, err := e.Parse(manifest)
	if err != nil {
		return nil, err
	}
	w := &wanted{manifest: m, environment: environment, files: files, values: newValueCache(), planned: e.Now()}
	if w.environment == "" {
		w.environment = slipway.Production
	}
	if err := w.supported(); err != nil {
		return nil, err
	}
	if w.specs, err = e.expand(w); err != nil {
		return nil, err
	}
	if err := e.open(w); err != nil || files == nil {
		return w, err
	}
	if err := w.rightSource(); err != nil {
		return nil, err
	}
	return w, e.checkSecrets(w)
}

// supported refuses what the manifest may say and this version cannot do yet.
func (w *wanted) supported() error {
	m := w.manifest
	refuse := func(what string) error {
		return slipway.Errorf(slipway.CodeUnsupported, "%s: not there yet", what).WithHint("docs/status.md lists what works today")
	}
	if !slices.Contains(m.AllEnvironments(), w.environment) {
		return slipway.Errorf(slipway.CodeInvalid, "the manifest declares no environment %q", w.environment).
			WithHint("declare it: environments: [%s]", strings.Join(append(m.AllEnvironments(), w.environment), ", "))
	}
	if w.environment != slipway.Production && w.environment != slipway.Preview {
		return refuse("environment " + w.environment + " (only production and preview)")
	}
	return nil
}

// expand asks every provider for its Specs and completes those that are made from the source.
func (e *Engine) expand(w *wanted) ([]slipway.Spec, error) {
	var specs []slipway.Spec
	for _, p := range e.Providers {
		specs = append(specs, p.Expand(w.manifest, w.environment)...)
	}
	for i := range specs {
		s := &specs[i]
		s.App = w.manifest.App
		if e.kinds[s.Address.Kind()].Versioned {
			s.Params = maps.Clone(s.Params)
			s.Files = w.files
			if w.files != nil {
				s.Params["tree"] = w.files.Digest()
				maps.Copy(s.Params, w.commitParams())
			}
		}
	}
	return slipway.SortSpecs(specs)
}

func (w *wanted) spec(a slipway.Address) (slipway.Spec, bool) {
	i := slices.IndexFunc(w.specs, func(s slipway.Spec) bool { return s.Address == a })
	if i < 0 {
		return slipway.Spec{Address: a, App: w.manifest.App}, false
	}
	return w.specs[i], true
}

// server returns the Spec whose outputs are those of a manifest resource.
func (w *wanted) server(resource string) (slipway.Spec, bool) {
	for _, s := range w.specs {
		if s.Serves == resource {
			return s, true
		}
	}
	return slipway.Spec{}, false
}

// checkSecrets looks up every secret: value that is Slipway's to write, and names all that are missing or short, before the first call.
func (e *Engine) checkSecrets(w *wanted) error {
	var missing, short []string
	for _, s := range w.specs {
		for _, in := range s.Inputs {
			if in.Secret == "" || w.sessions[s.Address.Kind().Provider()] == nil {
				continue
			}
			v, ok := e.secret(in.Secret)
			switch {
			case !ok:
				missing = append(missing, in.Secret)
			case len(v.Reveal()) < minSecret && !in.AllowShort:
				short = append(short, in.Secret)
			}
		}
	}
	sort.Strings(missing)
	sort.Strings(short)
	missing, short = slices.Compact(missing), slices.Compact(short)
	switch {
	case len(missing) > 0:
		return slipway.Errorf(slipway.CodeSecretMissing, "the manifest needs %s, which the environment does not set", strings.Join(missing, ", ")).
			WithHint("set %s, or %s_FILE with a file's path, and run it again", missing[0], missing[0])
	case len(short) > 0:
		return slipway.Errorf(slipway.CodeSecretMissing, "%s: shorter than %d bytes, too short to be kept out of logs", strings.Join(short, ", "), minSecret).
			WithHint("use a longer value, or set allow_short: true on that variable")
	}
	return nil
}

func (e *Engine) secret(name string) (slipway.Secret, bool) {
	v, ok := e.Secrets(name)
	if ok {
		e.Remember(v)
	}
	return v, ok
}

// open opens a session of every provider that a Spec needs. One that has no credential stays closed: what it does is done by hand.
func (e *Engine) open(w *wanted) error {
	w.sessions = map[string]slipway.Session{}
	var bad []string
	var first error
	for _, p := range e.Providers {
		name := p.Info().Name
		if !w.sourceAt(p.Info()) && !slices.ContainsFunc(w.specs, func(s slipway.Spec) bool { return s.Address.Kind().Provider() == name }) {
			continue
		}
		s, err := p.Open(context.Background(), e.settingsFor(w.manifest))
		if slipway.ErrorCode(err) == slipway.CodeCredential {
			w.note(missing(name, err))
			continue
		}
		if err != nil {
			if first == nil {
				first = err
			}
			bad = append(bad, err.Error())
			continue
		}
		w.sessions[name] = s
	}
	if len(bad) > 1 {
		return slipway.Errorf(slipway.ErrorCode(first), "%s", strings.Join(bad, "; ")).WithHint("%s", hintOf(first))
	}
	return first
}

// settingsFor gives the manifest's team and repository precedence over the environment's.
func (e *Engine) settingsFor(m *slipway.Manifest) slipway.Settings {
	return func(env string) (slipway.Secret, bool) {
		if env == "VERCEL_TEAM_ID" && m.Vercel.Team != "" {
			return slipway.NewSecret(m.Vercel.Team), true
		}
		if env == "GITHUB_REPOSITORY" && m.Source.GitHub != "" {
			return slipway.NewSecret(m.Source.GitHub), true
		}
		return e.Settings(env)
	}
}

// handler returns the handler of a's kind from a set of sessions, or CodeInternal.
func handler(sessions map[string]slipway.Session, a slipway.Address) (slipway.Handler, error) {
	if s := sessions[a.Kind().Provider()]; s != nil {
		if h := s.Handler(a.Kind()); h != nil {
			return h, nil
		}
	}
	return nil, slipway.Errorf(slipway.CodeInternal, "no provider handles %s", a)
}

// pass begins an observation pass: equal GETs are shared.
func (w *wanted) pass() map[string]slipway.Session {
	out := map[string]slipway.Session{}
	for name, s := range w.sessions {
		out[name] = s.Pass()
	}
	return out
}

func hintOf(err error) string {
	if e := (*slipway.Error)(nil); errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// withOp names where an error arose, once.
func withOp(err error, format string, args ...any) error {
	if e := (*slipway.Error)(nil); errors.As(err, &e) && e.Op == "" {
		e.Op = fmt.Sprintf(format, args...)
	}
	return err
}
