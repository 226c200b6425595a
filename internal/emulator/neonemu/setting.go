package neonemu

import (
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Settings are what a fault schedule may set for one call by with:NAME:VALUE, each with its meaning. They go before
// the Server's fields.
func Settings() map[string]string {
	return map[string]string{
		"access":              "any call: the key is revoked, read-only, or project: limited to its organisation's oldest project",
		"op-time":             "a change: how long its operations take",
		"op-fails":            "a change: its last operation fails with this message",
		"max-projects":        "a project's create or recovery: how many its owner may have",
		"requests-per-minute": "any call: how many an account may make to its route, from this call on",
	}
}

func (q *request) with(name string) string { return emukit.Setting(q.Context(), name) }

// badSetting is the reply to a schedule's mistake.
func badSetting(name, value string) *failure {
	return fail(http.StatusBadRequest, "the emulator's fault schedule sets %s to %q, which is no such value", name, value)
}

// checkSettings refuses values that no setting has, before anything is done.
func (q *request) checkSettings() *failure {
	if text := q.with("op-time"); text != "" {
		if d, err := time.ParseDuration(text); err != nil || d < 0 {
			return badSetting("op-time", text)
		}
	}
	for _, name := range []string{"max-projects", "requests-per-minute"} {
		if text := q.with(name); text != "" {
			if n, err := strconv.Atoi(text); err != nil || n < 1 {
				return badSetting(name, text)
			}
		}
	}
	return nil
}

// number returns the call's own setting, which checkSettings let pass, or otherwise.
func (q *request) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(q.with(name)); err == nil {
		return n
	}
	return otherwise
}

// opTime returns how long the call's operations take.
func (q *request) opTime(otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(q.with("op-time")); err == nil {
		return d
	}
	return otherwise
}
