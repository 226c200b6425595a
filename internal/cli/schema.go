package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway/internal/manifest"
)

func (a *app) schemaCommand() *cobra.Command {
	return a.command("schema", "Print the manifest's JSON Schema",
		"Print the JSON Schema of slipway.yaml, for editors and other tools.", cobra.NoArgs,
		func(context.Context, []string) (result, error) {
			schema := manifest.Schema(a.resourceTypes())
			a.say("%s", schema)
			a.object("schema", map[string]any{"schema": json.RawMessage(schema)})
			return result{}, nil
		})
}
