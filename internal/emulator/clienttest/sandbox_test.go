package clienttest

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

func TestVercelSandbox(t *testing.T) {
	need(t, ".", "node", "@vercel/sandbox")
	need(t, ".", "bwrap") // commands really run
	srv := &vercelemu.SandboxServer{Dir: t.TempDir()}
	check := speccheck.Load(t, "vercel")
	for _, op := range vercelemu.SandboxOperations() {
		if op.Differs != "" {
			check.Except(op.Method + " " + op.Paths[0])
		}
	}
	api, err := emukit.Start(t.Context(), 0, http.StripPrefix("/api", record(t, vercelemu.SandboxOperations()).wrap(check.Wrap(t, srv))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	team := vercelemu.DefaultAccount().Teams[0].ID
	script(t, "vercel-sandbox.mjs", "SANDBOX_URL="+api.URL+"/api", "VERCEL_TOKEN="+vercelemu.DefaultToken, "VERCEL_TEAM_ID="+team,
		"OIDC_TOKEN="+srv.OIDCToken(team, "prj_oidc", time.Hour))
	srv.Close()
	if left, _ := os.ReadDir(srv.Dir); len(left) != 0 {
		t.Errorf("%d folders are left", len(left))
	}
}
