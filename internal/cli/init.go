package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/manifest"
)

func (a *app) initCommand() *cobra.Command {
	var force bool
	c := a.command("init", "Write a first slipway.yaml",
		"Look at the app's folder and write a first slipway.yaml, with a comment for each guess. An existing one stays, unless --force.",
		cobra.NoArgs,
		func(context.Context, []string) (result, error) {
			folder, err := filepath.Abs(a.dir)
			if err != nil {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "%s is no folder: %v", a.dir, err)
			}
			if info, err := os.Stat(folder); err != nil || !info.IsDir() {
				return result{}, slipway.Errorf(slipway.CodeInvalid, "there is no folder %s", a.dir).WithHint("name the app's folder with -C")
			}
			guess := manifest.Detect(os.DirFS(folder))
			if guess.Manifest.App == manifest.AppName("") { // nothing in the folder names the app
				guess.Manifest.App = manifest.AppName(filepath.Base(folder))
				guess.Why["app"] = "guess: the folder's name"
			}
			return result{}, a.writeManifest(guess.Render(), force)
		})
	c.Flags().BoolVar(&force, "force", false, "overwrite an existing manifest")
	return c
}

// writeManifest writes text where the manifest belongs. One that exists is CodeConflict, unless force.
func (a *app) writeManifest(text []byte, force bool) error {
	path, name := a.manifestPath()
	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	if force {
		flags = os.O_CREATE | os.O_TRUNC | os.O_WRONLY
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return slipway.Errorf(slipway.CodeConflict, "%s exists", name).WithHint("edit it, or overwrite it with: slipway init --force")
	}
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return slipway.Errorf(slipway.CodeInvalid, "%s cannot be written: %v", name, err)
	}
	a.say("%s", text)
	a.object("manifest", map[string]any{"file": name, "text": string(text)})
	a.tell("wrote %s\nhint: look at it, then: slipway plan\n", name)
	return nil
}
