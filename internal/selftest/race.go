package selftest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// races are the operations in which others act at the same time, or something is waited for that takes its time.
func races() []Operation {
	ship := []string{"ship"}
	operations := []Operation{
		{Name: "policy", Args: ship, Gate: "policy", Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.shipFolder(ctx), w.WritePage(changedPage), os.WriteFile(filepath.Join(w.App, "slipway.policy"), []byte(otherPolicy), 0o644))
		}},
		{Name: "checks", Args: ship, Beside: passChecks, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.commitPage(ctx), w.WriteManifest(checkedManifest))
		}},
		{Name: "person", Args: ship, Ends: []string{"drift"}, Alone: true, Beside: promoteTheirs, Setup: setUpForeign},
		{Name: "alias", Args: ship, Ends: []string{"unavailable"}, Alone: true, Beside: takeOne, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(setUpForeign(ctx, w), w.writeZone(ctx, domainsZone), w.WriteManifest(domainsManifest), w.ship(ctx), w.WritePage(laterPage))
		}},
		{Name: "partial", Args: ship, Again: []string{"unavailable"}, Beside: keepOne, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.shipFolder(ctx), w.WritePage(changedPage))
		}},
		{Name: "queued", Args: ship, Beside: completeReleases, Setup: setUpRelease},
		{Name: "once", Args: []string{"ship", "--once"}, Again: []string{"waiting"}, Beside: completeReleases, Setup: setUpRelease},
		{Name: "webhooks", Args: []string{"ship", "--webhooks", webhooksAt}, Setup: setUpWebhooks},
	}
	for i := range operations {
		operations[i].Race = true
	}
	return operations
}

// otherPolicy is not the default, and lets the same people approve.
const otherPolicy = `@id("everybody")
permit (principal is User, action in Action::"approve", resource);
`

// shipFolder ships the app without its stores.
func (w *World) shipFolder(ctx context.Context) error {
	return errors.Join(w.WriteManifest(folderManifest), w.ship(ctx))
}

// checkedManifest is promoted when its commit's check has passed.
const checkedManifest = githubManifest + "promote: {checks: [test]}\n"

// passChecks has the check pass once it was looked for.
func passChecks(ctx context.Context, w *World, c *emukit.Call) (map[string]string, error) {
	if c.Phase == emukit.Before || !strings.HasSuffix(c.Path, "/check-runs") {
		return nil, nil
	}
	var commit struct {
		SHA      string
		Statuses []struct{ Context string }
	}
	if err := w.other(ctx, "github", http.MethodGet, "/repos/acme/shop/commits/main/status", "", &commit); err != nil {
		return nil, err
	}
	for _, s := range commit.Statuses {
		if s.Context == "test" {
			return nil, nil
		}
	}
	return nil, w.other(ctx, "github", http.MethodPost, "/repos/acme/shop/statuses/"+commit.SHA, `{"context":"test","state":"success"}`, nil)
}

// setUpForeign has production serve the app, and a deployment of somebody else's ready that it does not serve.
func setUpForeign(ctx context.Context, w *World) error {
	w.Env["SLIPWAY_PATIENCE"] = "1500ms"
	return errors.Join(w.shipFolder(ctx), w.foreign(ctx), w.WritePage(changedPage))
}

// promoted reports whether a call has just promoted something.
func promoted(c *emukit.Call) bool {
	return c.Phase == emukit.After && c.Status/100 == 2 && isPromote(c)
}

func isPromote(c *emukit.Call) bool {
	return c.Method == http.MethodPost && strings.Contains(c.Route, "/promote/")
}

// atOnce lets a promote move in no time, so that what comes after it is not refused.
func atOnce(c *emukit.Call) map[string]string {
	if c.Phase == emukit.Before && isPromote(c) {
		return map[string]string{"promote-time": "0s"}
	}
	return nil
}

// promoteTheirs promotes the other deployment as soon as the operation has promoted its own.
func promoteTheirs(ctx context.Context, w *World, c *emukit.Call) (map[string]string, error) {
	if !promoted(c) {
		return atOnce(c), nil
	}
	return nil, w.other(ctx, "vercel", http.MethodPost, "/v10/projects/shop/promote/"+w.theirs, "{}", nil)
}

// takeOne points a domain of production at the other deployment as soon as the operation has promoted its own.
func takeOne(ctx context.Context, w *World, c *emukit.Call) (map[string]string, error) {
	if !promoted(c) {
		return atOnce(c), nil
	}
	return nil, w.other(ctx, "vercel", http.MethodPost, "/v2/deployments/"+w.theirs+"/aliases", `{"alias":"example.org"}`, nil)
}

// keepOne has each promote leave one of production's hosts behind.
func keepOne(_ context.Context, _ *World, c *emukit.Call) (map[string]string, error) {
	if c.Phase == emukit.Before && isPromote(c) {
		return map[string]string{"alias-fails": "shop-*"}, nil
	}
	return nil, nil
}

// setUpRelease leaves a deployment that is being rolled out, as long as nobody completes that, and a page to ship after it.
func setUpRelease(ctx context.Context, w *World) error {
	stages := `{"stages":[{"targetPercentage":10,"requireApproval":true},{"targetPercentage":100}]}`
	err := errors.Join(w.shipFolder(ctx), w.other(ctx, "vercel", http.MethodPatch, "/v1/projects/shop/rolling-release/config", stages, nil), w.WritePage(changedPage))
	if err != nil {
		return err
	}
	if a, err := w.ask(ctx, []string{"ship", "--yes", "--once"}); err != nil || a.result.Status != "waiting" {
		return fmt.Errorf("selftest: a ship into a rolling release: %s: %w", a, err)
	}
	// What becomes of the promote is not known by then: that is what its cancel says.
	if a, err := w.ask(ctx, []string{"cancel"}); err != nil || a.exit != 6 { // outcome unknown
		return fmt.Errorf("selftest: a cancel of it: %s: %w", a, err)
	}
	r, err := w.release(ctx)
	w.theirs = r.CanaryDeployment.ID
	return errors.Join(err, w.WritePage(laterPage))
}

const laterPage = "<h1>the shop</h1><p>open on Tuesdays</p>\n"

// release is a rolling release of the app.
type release struct {
	State              string
	CanaryDeployment   struct{ ID string }
	QueuedDeploymentID string
}

func (w *World) release(ctx context.Context) (release, error) {
	var is struct{ RollingRelease release }
	err := w.other(ctx, "vercel", http.MethodGet, "/v1/projects/shop/rolling-release", "", &is)
	return is.RollingRelease, err
}

// completeReleases completes a release that was looked at with the operation's deployment in it: in the queue, and then in its turn.
func completeReleases(ctx context.Context, w *World, c *emukit.Call) (map[string]string, error) {
	if c.Phase == emukit.Before || c.Method != http.MethodGet || !strings.HasSuffix(c.Path, "/rolling-release") {
		return nil, nil
	}
	r, err := w.release(ctx)
	if err != nil || r.State != "ACTIVE" || r.QueuedDeploymentID == "" && r.CanaryDeployment.ID == w.theirs {
		return nil, err
	}
	return nil, w.other(ctx, "vercel", http.MethodPost, "/v1/projects/shop/rolling-release/complete", fmt.Sprintf(`{"canaryDeploymentId":%q}`, r.CanaryDeployment.ID), nil)
}

// webhooksAt stands for the world's own address for webhooks in the arguments of a command.
const webhooksAt = "WEBHOOKS"

// setUpWebhooks has Vercel tell of builds and promotes.
func setUpWebhooks(ctx context.Context, w *World) error {
	w.listens = ownAddress()
	var hook struct{ Secret string }
	err := w.other(ctx, "vercel", http.MethodPost, "/v1/webhooks",
		`{"url":"http://`+w.listens+`/webhooks/vercel","events":["deployment.succeeded","deployment.error","deployment.promoted"]}`, &hook)
	w.Env["VERCEL_WEBHOOK_SECRET"] = hook.Secret
	return errors.Join(err, w.shipFolder(ctx), w.WritePage(changedPage))
}
