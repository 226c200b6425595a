package cli

import (
	"context"
	"path/filepath"

	"github.com/slipway-dev/slipway/internal/source"
)

// warnShips tells that a file which was just written ships with the app: the next deployment has it, and the plan is another one with it. It is
// silent where there is no manifest, or where the app's source is not its folder.
func (a *app) warnShips(ctx context.Context, name string) {
	raw, err := a.readManifest()
	if err != nil {
		return
	}
	m, err := a.parser(a.providers())(raw)
	if err != nil || m.Source.GitHub != "" || m.Source.Prebuilt {
		return
	}
	manifest, _ := a.manifestPath()
	dir := filepath.Join(filepath.Dir(manifest), filepath.FromSlash(m.Source.Dir))
	path := source.Ships(ctx, dir, name)
	if path == "" {
		return
	}
	const what = "it is in the app's source: it ships with the next deployment, and makes another plan of it"
	line, file := source.IgnoreLine(path), filepath.Join(dir, ".vercelignore")
	a.object("ships", map[string]string{"file": name, "message": what, "ignore_file": file, "ignore_line": line})
	a.tell("%s: %s; write it elsewhere, or add this line to %s: %s\n", name, what, file, line)
}
