package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/engine"
	"github.com/slipway-dev/slipway/internal/manifest"
	"github.com/slipway-dev/slipway/internal/store"
)

func (a *app) doctorCommand() *cobra.Command {
	return a.command("doctor", "Check credentials and local state",
		"Ask each provider what its credential is good for, and look at the local state. Nothing is changed.\n"+
			"Exit 0 when all is ready. Without a manifest every provider is asked; with one, those that it uses.", cobra.NoArgs,
		func(ctx context.Context, _ []string) (result, error) {
			m, err := a.manifestIfAny()
			if err != nil {
				return result{}, err
			}
			providers := a.providers()
			if err := a.settings.check(providers, m); err != nil {
				return result{}, err
			}
			settings := a.settings.provider(providers)
			e := engine.New(engine.Config{Providers: used(providers, m), Settings: func(env string) (slipway.Secret, bool) {
				if env == "VERCEL_TEAM_ID" && m.Vercel.Team != "" {
					return slipway.NewSecret(m.Vercel.Team), true
				}
				return settings(env)
			}})
			found, err := e.Probe(ctx)
			if err != nil {
				return result{}, err
			}
			return a.diagnose(append(found, a.local(ctx, m)...)), nil
		})
}

// manifestIfAny returns the manifest, an empty one when there is none.
func (a *app) manifestIfAny() (*slipway.Manifest, error) {
	path, name := a.manifestPath()
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &slipway.Manifest{}, nil
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.CodeInvalid, "the manifest cannot be read: %v", err)
	}
	doc, err := manifest.Parse(name, raw, a.resourceTypes())
	if err != nil {
		return nil, err
	}
	return doc.Manifest, nil
}

// used are the providers that m needs; all of them for an empty manifest.
func used(all []slipway.Provider, m *slipway.Manifest) []slipway.Provider {
	if m.App == "" {
		return all
	}
	var out []slipway.Provider
	for _, p := range all {
		if len(p.Expand(m, slipway.Production)) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// local looks at what Slipway keeps on this machine.
func (a *app) local(ctx context.Context, m *slipway.Manifest) []slipway.Capability {
	home, err := a.home()
	out := []slipway.Capability{finding("home", home, err)}
	if err != nil {
		return out
	}
	key := keyFile(home)
	switch _, set, err := a.settings.secret("SLIPWAY_FINGERPRINT_KEY"); {
	case set || err != nil:
		out = append(out, finding("key", "SLIPWAY_FINGERPRINT_KEY", err))
	default:
		_, err := readKey(key)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = key+" (made at first use)", nil
		}
		out = append(out, finding("key", key, err))
	}
	if m.App == "" {
		return out
	}
	path, err := a.database(m)
	if err == nil {
		var s *store.Store
		if s, err = store.Open(ctx, store.Config{Path: path}); err == nil {
			err = s.Close()
		} else if slipway.ErrorCode(err) == slipway.CodeNotFound {
			path, err = path+" (made at first use)", nil
		}
	}
	return append(out, finding("database", path, err))
}

func finding(name, evidence string, err error) slipway.Capability {
	c := slipway.Capability{Provider: "slipway", Name: name, State: slipway.CapabilityReady, Evidence: evidence}
	if err != nil {
		c.State, c.Reason = slipway.CapabilityInvalid, err.Error()
		if e := (*slipway.Error)(nil); errors.As(err, &e) {
			c.Hint = e.Hint
		}
	}
	return c
}

// diagnose tells what was found. Anything that is not ready makes the command fail.
func (a *app) diagnose(found []slipway.Capability) result {
	r := result{Status: statusSucceeded, Calls: a.calls()}
	for _, c := range found {
		a.object("capability", c)
		a.say("%s", capabilityText(c))
		if c.State != slipway.CapabilityReady {
			r.Status = statusFailed
		}
	}
	return r
}

func capabilityText(c slipway.Capability) string {
	var parts []string
	for _, s := range []string{c.Account, c.Reason, c.Evidence} {
		if s != "" {
			parts = append(parts, oneLine(s))
		}
	}
	line := fmt.Sprintf("%-12s %-8s %-14s %s\n", c.State, c.Provider, c.Name, strings.Join(parts, "; "))
	if c.Hint != "" {
		line += fmt.Sprintf("%-12s hint: %s\n", "", c.Hint)
	}
	return line
}
