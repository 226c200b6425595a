package vercelemu

import (
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Settings are what a fault schedule may set for one call by with:NAME:VALUE, each with its meaning. They go before
// the Server's fields.
func Settings() map[string]string {
	return map[string]string{
		"access": "any call: the token is expired, other-team, or limited to a team or a project; its user a viewer, contributor or developer; or no-github, " +
			"and Vercel's GitHub app is installed nowhere",
		"build-time":       "a deployment's create: how long its build takes",
		"build-fails":      "a deployment's create: its build fails with this message",
		"alias-fails":      "a deployment's create, promote, rollback: hosts that are not moved; * stands for any characters",
		"promote-time":     "promote, rollback: how long each alias takes",
		"promote-deadline": "promote, rollback: when what is not moved has failed",
		"queue-survives":   "a rollback that ends a rolling release: true, and what is queued behind it is rolled out next",
		"env-fails":        "a create of variables: the key that fails",
		"env-conflict":     "a write of variables: 400, 403 or 409, the shape of a conflict",
		"env-busy":         "a write of variables: refused for an ongoing update, whatever the value",
		"link-fails":       "a link: repo_not_found, repo_links_exceeded_limit, install-app or login-connection",
	}
}

// with returns the call's own setting, "" when there is none.
func (c *call) with(name string) string { return emukit.Setting(c.r.Context(), name) }

// duration returns the call's own setting or otherwise.
func (c *call) duration(name string, otherwise time.Duration) (time.Duration, *failure) {
	text := c.with(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, c.badSetting(name)
	}
	return d, nil
}

// truth returns whether the call's own setting is true.
func (c *call) truth(name string) (bool, *failure) {
	text := c.with(name)
	if text != "" && text != "true" && text != "false" {
		return false, c.badSetting(name)
	}
	return text == "true", nil
}

// badSetting is the reply to a schedule's mistake.
func (c *call) badSetting(name string) *failure {
	return badRequest("the emulator's fault schedule sets " + name + " to \"" + c.with(name) + "\", which is no such value")
}

// keptBack says whether an alias does not move: by the call's pattern, or by AliasFails.
func (s *Server) keptBack(pattern, host string) bool {
	return pattern != "" && emukit.Glob(pattern, host) || s.AliasFails != nil && s.AliasFails(host)
}

// linkSetting is the refusal that the schedule names, "" for none.
func (c *call) linkSetting() (LinkRefusal, *failure) {
	text := c.with("link-fails")
	why := map[string]LinkRefusal{"": "", "install-app": InstallApp, "login-connection": LoginConnection}
	if refusal, ok := why[text]; ok {
		return refusal, nil
	}
	if slices.Contains([]LinkRefusal{RepoNotFound, RepoLinksExceeded}, LinkRefusal(text)) {
		return LinkRefusal(text), nil
	}
	return "", c.badSetting("link-fails")
}
