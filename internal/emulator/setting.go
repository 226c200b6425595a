package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/emulator/neonemu"
	"github.com/slipway-dev/slipway/internal/emulator/upstashemu"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

// setting is a setting of one emulator. An Instance's hold the emulator that set changes.
type setting struct {
	name, help string
	set        func(text string) error
}

// Setting describes a setting of Options.
type Setting struct{ Name, Help string }

// Settings are all settings that Options takes, by the emulators' order. Names are EMULATOR.SETTING.
func Settings() []Setting {
	var out []Setting
	for name, all := range map[string][]setting{
		"vercel": vercelSettings(&vercelemu.Server{}), "sandbox": sandboxSettings(&vercelemu.SandboxServer{}), "neon": neonSettings(&neonemu.Server{}),
		"upstash": upstashSettings(&upstashemu.Server{}), "github": githubSettings(&githubemu.Server{}),
	} {
		for _, s := range all {
			out = append(out, Setting{name + "." + s.name, s.help})
		}
	}
	order := func(s Setting) int {
		return slices.IndexFunc(All(), func(e Emulator) bool { return strings.HasPrefix(s.Name, e.Name+".") })
	}
	slices.SortFunc(out, func(a, b Setting) int {
		if order(a) != order(b) {
			return order(a) - order(b)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// known refuses a name that no setting has.
func known(given map[string]string) error {
	names := []string{}
	for _, s := range Settings() {
		names = append(names, s.Name)
	}
	for name := range given {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no setting %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// set gives an emulator's settings the values that are given for them.
func set(emulator string, settings []setting, given map[string]string) error {
	for _, s := range settings {
		text, ok := given[emulator+"."+s.name]
		if !ok {
			continue
		}
		if err := s.set(text); err != nil {
			return fmt.Errorf("setting %s=%s: %w", s.name, text, err)
		}
	}
	return nil
}

func number(to *int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return errors.New("it is a number from 0")
		}
		*to = n
		return nil
	}
}

func duration(to *time.Duration) func(string) error {
	return func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("it is a duration such as 250ms, and below zero at once")
		}
		*to = d
		return nil
	}
}

func truth(to *bool) func(string) error {
	return func(text string) error {
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("it is true or false")
		}
		*to = b
		return nil
	}
}

func vercelSettings(s *vercelemu.Server) []setting {
	return []setting{
		{"rate-limits", "the documented rate limits of a plan: hobby or pro; none by default", func(text string) error {
			if text != string(vercelemu.Hobby) && text != string(vercelemu.Pro) {
				return errors.New("it is hobby or pro")
			}
			s.RateLimits = vercelemu.Plan(text)
			return nil
		}},
		{"retry-after-date", "Retry-After of a rate limit is an HTTP date", truth(&s.RetryAfterDate)},
		{"max-projects", "projects of an account, then 402", number(&s.MaxProjects)},
		{"max-file", "bytes of one uploaded file, then 413; 0: 1 GB, as Pro has", number(&s.MaxFile)},
		{"max-links", "projects that a repository may be linked to, then 400", number(&s.MaxLinks)},
		{"max-custom-environments", "custom environments of a project, then 402; 0: 12", number(&s.MaxCustomEnvironments)},
		{"deployments-per-day", "deployments of an account in 24 hours, then 402", number(&s.DeploymentsPerDay)},
		{"alias-time", "from READY to aliasAssigned", duration(&s.AliasTime)},
		{"promote-time", "what promote and rollback take for each alias", duration(&s.PromoteTime)},
		{"promote-deadline", "after which aliases that have not moved are failed", duration(&s.PromoteDeadline)},
		{"unprotected", "new projects are without deployment protection", truth(&s.Unprotected)},
		{"verified-domains", "new project domains are verified at once", truth(&s.VerifiedDomains)},
		{"taken-domains", "domains that projects of other accounts have, with spaces between: 409", func(text string) error {
			s.TakenDomains = strings.Fields(text)
			return nil
		}},
	}
}

func sandboxSettings(s *vercelemu.SandboxServer) []setting {
	return []setting{
		{"max-life", "the longest that a session may live; 0: 45m", duration(&s.MaxLife)},
		{"stop-time", "how long a session is stopping", duration(&s.StopTime)},
	}
}

func neonSettings(s *neonemu.Server) []setting {
	return []setting{
		{"requests-per-minute", "calls of an account to one route, then 429; Neon's: 700", number(&s.RequestsPerMinute)},
		{"burst", "so many of them at once; 0: 40", number(&s.Burst)},
		{"max-projects", "projects of an owner, then 422", number(&s.MaxProjects)},
		{"max-branches", "branches of a project, then 422", number(&s.MaxBranches)},
		{"list-deleted", "deleted projects stay in lists", truth(&s.ListDeleted)},
	}
}

func upstashSettings(s *upstashemu.Server) []setting {
	return []setting{
		{"max-databases", "Redis databases of an account, then 400", number(&s.MaxDatabases)},
		{"max-indexes", "Vector indexes of an account, then 400", number(&s.MaxIndexes)},
		{"unique-names", "a name that is taken is 409", truth(&s.UniqueNames)},
		{"create-time", "how long a database or index is being made", duration(&s.CreateTime)},
		{"refuse-developer-api", "the account was made through Vercel: the Developer API refuses it", truth(&s.RefuseDeveloperAPI)},
	}
}

func githubSettings(s *githubemu.Server) []setting {
	return []setting{
		{"rate-limit", "calls of a token in an hour, then 403; 0: 5000", number(&s.RateLimit)},
	}
}
