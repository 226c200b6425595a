package githubemu

import (
	"net/http"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Settings are what a fault schedule may set for one call by with:NAME:VALUE, each with its meaning. They go before the Server's fields.
func Settings() map[string]string {
	return map[string]string{
		"access": "any call: the token is expired, read-only, an app's (app), or limited to other repositories (elsewhere)",
	}
}

// withAccess changes the account as with:access says for one call.
func (c *call) withAccess() *failure {
	switch value := emukit.Setting(c.r.Context(), "access"); value {
	case "":
	case "expired":
		return errBadCredentials
	case "read-only":
		c.who.FineGrained, c.who.ReadOnly = true, true
	case "app":
		c.who.App = true
	case "elsewhere":
		c.who.FineGrained, c.who.Repos = true, []string{"emulator/elsewhere"}
	default:
		return &failure{status: http.StatusBadRequest, message: "the emulator's fault schedule sets access to \"" + value + "\", which is no such value"}
	}
	return nil
}

var errBadCredentials = &failure{status: http.StatusUnauthorized, message: "Bad credentials"}

// notForApps is what an app's installation token gets for what is a user's:
// https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
var notForApps = &failure{status: http.StatusForbidden, message: "Resource not accessible by integration"}

// expired reports whether the token's last day is over; while it is not, each reply tells the day.
func (c *call) expired() bool {
	if c.who.Expires.IsZero() {
		return false
	}
	c.w.Header().Set("GitHub-Authentication-Token-Expiration", c.who.Expires.UTC().Format(time.DateTime+" MST"))
	return c.now.After(c.who.Expires)
}
