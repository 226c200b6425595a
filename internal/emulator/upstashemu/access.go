package upstashemu

import (
	"net/http"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// mayChange refuses the changes of a key that only reads. The wording is what the vendor's own client looks for
// (https://github.com/upstash/mcp-server, src/test-connection.ts); the status is [? upstash-readonly-key].
func (s *Server) mayChange(rt route, r *http.Request, email string) *failure {
	only := s.Accounts[email].ReadOnly
	switch value := emukit.Setting(r.Context(), "access"); value {
	case "":
	case "read-only":
		only = true
	default:
		return badSetting("access", value)
	}
	if only && rt.method != http.MethodGet {
		return fail(http.StatusForbidden, "Readonly API key")
	}
	return nil
}
