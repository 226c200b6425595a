package clienttest

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
)

// serveVercel listens with srv until the test ends and returns what points a client at it. Every 2xx reply is judged
// by the published document as well, and every call is recorded.
func serveVercel(t *testing.T, srv *vercelemu.Server) (env []string) {
	t.Helper()
	check := speccheck.Load(t, "vercel")
	for op := range vercelemu.KnownDifferences() {
		check.Except(op)
	}
	data, err := emukit.Start(t.Context(), 0, srv.Hosting())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(data.Close)
	api, err := emukit.Start(t.Context(), 0, record(t, vercelemu.Operations()).wrap(check.Wrap(t, srv)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close(); srv.Close() })
	return []string{
		"VERCEL_URL=" + api.URL, "HOSTING_URL=" + data.URL, "VERCEL_TOKEN=" + vercelemu.DefaultToken,
		"VERCEL_TEAM_ID=" + vercelemu.DefaultAccount().Teams[0].ID,
	}
}

// timeByLooks lets a second of the emulator's time pass with each read of a deployment, so that a client sees every
// state whatever the machine's load.
func timeByLooks(srv *vercelemu.Server) {
	var looks atomic.Int64
	start := time.Now()
	srv.Now = func() time.Time { return start.Add(time.Duration(looks.Load()) * time.Second) }
	srv.Hook = func(c *emukit.Call) emukit.Action {
		if c.Phase == emukit.Before && c.Method == http.MethodGet && c.Route == "/v13/deployments/{deployment}" {
			looks.Add(1)
		}
		return emukit.Action{}
	}
}

func TestVercelSDK(t *testing.T) {
	need(t, ".", "node", "@vercel/sdk")
	script(t, "vercel-sdk.mjs", serveVercel(t, &vercelemu.Server{BuildTime: 200 * time.Millisecond, VerifiedDomains: true})...)
}

func TestVercelClient(t *testing.T) {
	need(t, ".", "node", "@vercel/client")
	srv := &vercelemu.Server{BuildTime: time.Second, AliasTime: time.Second}
	timeByLooks(srv)
	script(t, "vercel-client.mjs", serveVercel(t, srv)...)
	uploads := 0
	for _, c := range srv.Calls() {
		if c.Route == "/v2/files" {
			uploads++
		}
	}
	if uploads != 4 {
		t.Errorf("%d uploads, want 4: two files, the one that changed, the one that breaks the build", uploads)
	}
}

// visit reads the page that a host shows at a hosting listener.
func visit(t *testing.T, hosting, host string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hosting, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
