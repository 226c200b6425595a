package source

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	slipway "github.com/slipway-dev/slipway"
)

// ours are what Slipway writes by itself into the folder that it is run in, in git's syntax: bundles under the name that export gives them, and
// what a kill left of a file that was being written.
var ours = []string{"run_????????-????-????-????-????????????.audit.zip", ".slipway-*"}

// Ships returns the path that the file name has in the folder dir where it is shipped with it, "" where it is not, or where the folder cannot
// be shipped at all. Nothing is hashed.
func Ships(ctx context.Context, dir, name string) string {
	root, err := resolve(dir)
	if err != nil {
		return ""
	}
	file, err := filepath.Abs(name)
	if err != nil {
		return ""
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return ""
	}
	rel, err := filepath.Rel(root, filepath.Join(folder, filepath.Base(file)))
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	w := &walk{ctx: ctx, root: root, max: limits{MaxFiles, MaxBytes}, skip: skipped}
	rel = filepath.ToSlash(rel)
	if w.run() != nil || !slices.ContainsFunc(w.files, func(f slipway.File) bool { return f.Path == rel }) {
		return ""
	}
	return rel
}

// IgnoreLine is the line of .vercelignore that leaves out the file at path alone. A path that ships has no backslash in it.
func IgnoreLine(path string) string {
	return "/" + strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
