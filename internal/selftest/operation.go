package selftest

import (
	"context"
	"fmt"
	"strings"
)

// Operation is something that is done to an app and can be killed. It is a value: a new one is a line in Operations.
type Operation struct {
	Name string
	// Setup brings a new world to where the operation begins, and is not killed. nil: a world in which nothing was done yet.
	Setup func(context.Context, *World) error
	// Args are what the operation is asked for with, and asked for again when it was killed. They approve.
	Args []string
	// Ask are Args without the approval: the run waits at its gates for Approve.
	Ask []string
	// Approve are the arguments by which another process approves.
	Approve []string
	// Resume are the arguments that go on with the operation's run.
	Resume []string
}

// Operations are all that the harness kills.
func Operations() []Operation {
	ship := Operation{
		Args: []string{"ship", "--yes"}, Ask: []string{"ship"}, Approve: []string{"approve"}, Resume: []string{"resume", "--yes"},
	}
	named := func(name string, setup func(context.Context, *World) error) Operation {
		o := ship
		o.Name, o.Setup = name, setup
		return o
	}
	return []Operation{
		named("first-ship", nil),
		named("change", func(ctx context.Context, w *World) error {
			if err := w.ship(ctx); err != nil {
				return err
			}
			return w.WriteManifest(changedManifest)
		}),
		named("promote", func(ctx context.Context, w *World) error {
			if err := w.ship(ctx); err != nil {
				return err
			}
			return w.WritePage(changedPage)
		}),
		{
			Name: "destroy", Setup: func(ctx context.Context, w *World) error { return w.ship(ctx) },
			Args:    []string{"destroy", "--all", "--yes", "--confirm", "shop"},
			Ask:     []string{"destroy", "--all"},
			Approve: []string{"approve", "--confirm", "shop"},
			Resume:  []string{"resume", "--yes", "--confirm", "shop"},
		},
	}
}

// ship ships the app, uninterrupted.
func (w *World) ship(ctx context.Context) error {
	out, err := w.Command(ctx, "ship", "--yes").CombinedOutput()
	if err != nil {
		return fmt.Errorf("selftest: slipway ship: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
