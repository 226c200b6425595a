package vercelemu

import (
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// SandboxOperations are what Vercel Sandbox models. Drives and snapshots have routes that answer 501.
func SandboxOperations() []emukit.Operation {
	var out []emukit.Operation
	for _, rt := range sandboxRoutes() {
		if strings.HasSuffix(rt.path, "/drives") || strings.HasSuffix(rt.path, "/snapshots") {
			continue
		}
		out = append(out, emukit.Operation{Method: rt.method, Paths: []string{rt.path}, Source: "https://vercel.com/docs/vercel-sandbox", Differs: rt.differs})
	}
	return out
}
