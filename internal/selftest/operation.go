package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
	"github.com/slipway-dev/slipway/internal/isolate"
)

// Operation is something that is done to an app and can be killed. It is a value: a new one is a line in Operations.
type Operation struct {
	Name string
	// Setup brings a new world to where the operation begins, and is not killed. nil: a world in which nothing was done yet.
	Setup func(context.Context, *World) error
	// Args are what the operation is asked for with, and asked for again when it was killed.
	Args []string
	// Confirm is what its gates want to know beside a yes.
	Confirm []string
	// Ends are the codes of the errors with which it ends when all went as it should; none for one that succeeds.
	Ends []string
	// Again are the codes and statuses with which a command of it may end that is not over: it is asked for again.
	Again []string
	// Gate is one that --yes does not open: another process approves there, and the operation is asked for again. "" for none.
	Gate string
	// Beside is called for each request of the operation, before the server acts and after: what others do meanwhile. It returns settings
	// for the request. What it does it does by World.other, and once for a world, however often it is called. May be nil.
	Beside func(context.Context, *World, *emukit.Call) (map[string]string, error)
	// Alone is for one that ends at a gate at which nobody is to approve: no owner waits there.
	Alone bool
	// Race marks those in which others act at the same time, or something is waited for.
	Race bool
}

// ended reports whether a command of this operation has ended as it should.
func (o Operation) ended(a answer) bool {
	if len(o.Ends) == 0 {
		return a.exit == 0
	}
	return slices.Contains(o.Ends, a.code())
}

// Yes are arguments by which a command of this operation also approves: its own, or resume.
func (o Operation) Yes(args ...string) []string {
	return append(append(args[:len(args):len(args)], "--yes"), o.Confirm...)
}

// Approve are the arguments by which another process approves at a gate; "" is the only one at which the run waits.
func (o Operation) Approve(gate string) []string {
	args := append([]string{"approve"}, o.Confirm...)
	if gate != "" {
		args = append(args, "--gate", gate)
	}
	return args
}

// Operations are all that the harness kills. Commands are verified where this machine can keep them apart: the emulator runs them in no other
// way.
func Operations() []Operation {
	ship := []string{"ship"}
	operations := []Operation{
		{Name: "first-ship", Args: ship},
		{Name: "change", Args: ship, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.ship(ctx), w.WriteManifest(changedManifest))
		}},
		{Name: "promote", Args: ship, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.ship(ctx), w.WritePage(changedPage))
		}},
		{Name: "preview", Args: []string{"ship", "-e", "preview"}, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.ship(ctx), w.WriteManifest(previewManifest))
		}},
		{Name: "rollback", Args: []string{"rollback"}, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.ship(ctx), w.WritePage(changedPage), w.ship(ctx))
		}},
		{Name: "moved-back", Args: ship, Ends: []string{"check_failed", "drift"}, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.ship(ctx), w.WriteManifest(watchedManifest), w.WritePage(changedPage))
		}},
		{Name: "github", Args: ship, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.commitPage(ctx), w.WriteManifest(githubManifest))
		}},
		{Name: "unlink", Args: ship, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.commitPage(ctx), w.WriteManifest(githubManifest), w.ship(ctx), w.WriteManifest(folderManifest))
		}},
		{Name: "domains", Args: ship, Setup: func(ctx context.Context, w *World) error {
			return errors.Join(w.writeZone(ctx, domainsZone), w.WriteManifest(domainsManifest))
		}},
		{Name: "destroy", Args: []string{"destroy", "--all"}, Confirm: []string{"--confirm", "vercel.project/shop", "--confirm", "neon.project/db", "--confirm", "shop-cache", "--confirm", "shop-search"}, Setup: func(ctx context.Context, w *World) error { return w.ship(ctx) }},
	}
	if _, err := isolate.Check(context.Background()); err == nil {
		operations = append(operations, Operation{Name: "verify", Args: ship, Setup: func(_ context.Context, w *World) error {
			return w.WriteManifest(verifiedManifest)
		}})
	}
	return append(operations, races()...)
}

// ship ships the app, uninterrupted.
func (w *World) ship(ctx context.Context) error {
	out, err := w.Command(ctx, "ship", "--yes").CombinedOutput()
	if err != nil {
		return fmt.Errorf("selftest: slipway ship: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
