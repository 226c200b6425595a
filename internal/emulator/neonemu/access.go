package neonemu

import (
	"net/http"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// withAccess returns the account as with:access makes it for one call.
func (s *Server) withAccess(r *http.Request, a Account) (Account, *failure) {
	switch value := emukit.Setting(r.Context(), "access"); value {
	case "":
	case "revoked":
		return Account{}, errNotAuthenticated
	case "read-only":
		a.ReadOnly = true
	case "project":
		a = Account{Orgs: a.Orgs[:1], Project: s.oldestProject(a.Orgs[0].ID)}
	default:
		return Account{}, badSetting("access", value)
	}
	return a, nil
}

// oldestProject returns the id of an owner's first project, and one that no project has when there is none.
func (s *Server) oldestProject(owner string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.order {
		if p.owner == owner && p.deleted.IsZero() {
			return p.id
		}
	}
	return "no-project-00000000"
}
