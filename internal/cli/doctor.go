package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manifest"
	"github.com/slipway-dev/slipway/internal/store"
)

func (a *app) doctorCommand() *cobra.Command {
	var refresh bool
	age := probeAge
	c := a.command("doctor", "Check credentials and local state",
		"Ask each provider what its credential is good for, and show who does each operation: Slipway (automated), a person with Slipway's\n"+
			"instructions (manual), or nobody before something is mended (blocked). Then look at the local state. Nothing is changed outside.\n"+
			"Answers are kept for a while; ship and plan never rely on them. Exit 0 when nothing stands against what Slipway does.\n"+
			"Without a manifest every provider is asked; with one, those that it uses.", cobra.NoArgs,
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
			if refresh {
				age = -1
			}
			found, err := a.probe(ctx, used(providers, m), func(env string) (slipway.Secret, bool) {
				if env == "VERCEL_TEAM_ID" && m.Vercel.Team != "" {
					return slipway.NewSecret(m.Vercel.Team), true
				}
				if env == "GITHUB_REPOSITORY" && m.Source.GitHub != "" {
					return slipway.NewSecret(m.Source.GitHub), true
				}
				return settings(env)
			}, age)
			if err != nil {
				return result{}, err
			}
			for i := range found {
				found[i].asked = asks(providers, found[i].info.Name, m, a.environment)
				found[i].source = found[i].info.Source && m.Source.GitHub != ""
			}
			return a.diagnose(found, a.local(ctx, m)), nil
		})
	c.Flags().BoolVar(&refresh, "refresh", false, "ask again, however fresh the last answers are")
	c.Flags().DurationVar(&age, "max-age", probeAge, "how old an answer may be, a `duration`")
	return c
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
		if len(p.Expand(m, slipway.Production)) > 0 || m.Source.GitHub != "" && p.Info().Source {
			out = append(out, p)
		}
	}
	return out
}

// asks are the kinds that m asks of a provider in an environment; none where it asks nothing of it.
func asks(all []slipway.Provider, name string, m *slipway.Manifest, environment string) map[slipway.Kind]bool {
	out := map[slipway.Kind]bool{}
	for _, p := range all {
		if p.Info().Name != name {
			continue
		}
		for _, s := range p.Expand(m, cmp.Or(environment, slipway.Production)) {
			out[s.Address.Kind()] = true
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

// diagnose tells what was found. What stands against something that Slipway does makes the command fail.
func (a *app) diagnose(found []probed, local []slipway.Capability) result {
	r := result{Status: statusSucceeded, Calls: a.calls()}
	now := time.Now()
	for _, p := range found {
		for _, c := range p.found {
			a.object("capability", asked{c, p.at, int(now.Sub(p.at).Seconds())})
			a.say("%s", capabilityText(c, ago(p.at, now)))
			if c.State != slipway.CapabilityReady && p.matters(c, a.environment) {
				r.Status = statusFailed
			}
		}
	}
	for _, c := range local {
		a.object("capability", c)
		a.say("%s", capabilityText(c, ""))
		if c.State != slipway.CapabilityReady {
			r.Status = statusFailed
		}
	}
	for _, p := range found {
		all := p.operations(a.environment)
		for _, o := range all {
			a.object("operation", o)
		}
		if text := operationsText(all); text != "" {
			a.say("\n%s: who does what\n%s", p.info.Title, text)
		}
	}
	return r
}

// asked is a finding, when its provider was asked, and how many seconds ago that was.
type asked struct {
	slipway.Capability
	At  time.Time `json:"at"`
	Age int       `json:"age"`
}

func capabilityText(c slipway.Capability, when string) string {
	ends := ""
	if c.Expires != "" {
		ends = "ends " + c.Expires
	}
	var parts []string
	for _, s := range []string{oneLine(c.Account), flat(c.Reason), flat(c.Evidence), ends, when} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	state := string(c.State)
	if c.Cause != slipway.CauseNone {
		state = string(c.Cause)
	}
	line := fmt.Sprintf("%-12s %-8s %-14s %s\n", state, c.Provider, c.Name, strings.Join(parts, "; "))
	if c.Hint != "" {
		line += fmt.Sprintf("%-12s hint: %s\n", "", flat(c.Hint))
	}
	return line
}
