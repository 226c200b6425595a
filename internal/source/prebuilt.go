package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	slipway "github.com/slipway-dev/slipway"
)

// Prebuilt is what an app's output must be, that was built beforehand.
type Prebuilt struct {
	Root   string // the app's folder in the source folder, slash-separated; "" for the source folder itself
	Target string // the environment that it must have been built for
}

// Output is where an app's output stands, from the source folder, slash-separated: https://vercel.com/docs/build-output-api
func (p Prebuilt) Output() string { return path.Join(p.Root, ".vercel/output") }

// outputSkipped are never part of an output. Installed packages and outputs of other tools are.
var outputSkipped = map[string]bool{".git": true, ".hg": true, ".svn": true, ".ds_store": true, "thumbs.db": true}

// OpenPrebuilt reads what was built into the folder's .vercel/output (Build Output API, version 3), and the files outside it that its
// functions name in filePathMap: nothing else of the folder. No ignore rule holds in an output; the deny list does. It fails as Open
// does, and with CodeInvalid, naming file and field, when there is no output, it is of another version, its build failed, it was built
// for another environment, or a function has no settings.
func OpenPrebuilt(ctx context.Context, dir string, p Prebuilt) (*Tree, error) {
	root, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	o := output{root: root, at: p.Output()}
	if err := o.check(p.Target); err != nil {
		return nil, err
	}
	w := &walk{ctx: ctx, root: root, max: limits{MaxFiles, MaxBytes}, skip: outputSkipped, ignore: everything{}}
	if err := w.folder(o.at); err != nil {
		return nil, orCanceled(ctx, err)
	}
	if err := o.functions(w); err != nil {
		return nil, orCanceled(ctx, err)
	}
	if err := w.refused(); err != nil {
		return nil, err
	}
	return w.tree(dir)
}

// everything ignores nothing.
type everything struct{}

func (everything) ignored(_ string, entries []fs.DirEntry) ([]bool, error) {
	return make([]bool, len(entries)), nil
}

func (everything) close() {}

// output is a folder that vercel build, or a framework's adapter, has written.
type output struct{ root, at string }

const rebuild = "build it again, such as with: vercel build"

// unfit is what is wrong with one file of the output.
func unfit(file, format string, args ...any) *slipway.Error {
	return slipway.Errorf(slipway.CodeInvalid, "%s: %s", file, fmt.Sprintf(format, args...)).WithHint(rebuild)
}

// maxSettings is how many bytes a file of settings may have.
const maxSettings = 16 << 20

// read decodes a file of settings below the output. It reports whether the file is there.
func (o output) read(name string, into any) (file string, found bool, err error) {
	file = path.Join(o.at, name)
	text, err := readRegular(filepath.Join(o.root, filepath.FromSlash(file)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, false, nil
	case err != nil:
		return file, false, unreadable(file, err)
	}
	var field *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, into); {
	case errors.As(err, &field) && field.Field != "":
		return file, true, unfit(file, "%s must not be a JSON %s", field.Field, field.Value)
	case err != nil:
		return file, true, unfit(file, "is not the JSON that it should be")
	}
	return file, true, nil
}

func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSettings {
		return nil, errors.New("it is no file, or too large")
	}
	return os.ReadFile(name)
}

// failure is how a build's failure is told in builds.json: an object or a text.
type failure struct{ Message, Code string }

func (f *failure) UnmarshalJSON(text []byte) error {
	type plain failure
	if json.Unmarshal(text, (*plain)(f)) != nil {
		return json.Unmarshal(text, &f.Message)
	}
	return nil
}

// builds is builds.json, which vercel build leaves beside its output and which is no part of the Build Output API:
// https://github.com/vercel/vercel/blob/main/packages/cli/src/commands/build/index.ts
type builds struct {
	Target string   `json:"target"`
	Error  *failure `json:"error"`
	Builds []struct {
		Error *failure `json:"error"`
	} `json:"builds"`
}

// check looks at what the output says of itself. The folders on the way to it may be no links: the tree names files below them.
func (o output) check(target string) error {
	for at := o.at; at != "."; at = path.Dir(at) {
		if info, err := os.Lstat(filepath.Join(o.root, filepath.FromSlash(at))); err == nil && !info.IsDir() {
			return unfit(at, "is no folder")
		}
	}
	var config struct {
		Version json.RawMessage `json:"version"`
	}
	file, found, err := o.read("config.json", &config)
	switch {
	case err != nil:
		return err
	case !found:
		return slipway.Errorf(slipway.CodeInvalid, "%s is not there, and source.prebuilt says that the app is built", file).
			WithHint("build it first, such as with: vercel build; or leave out source.prebuilt, and Vercel builds it")
	case string(config.Version) != "3":
		return unfit(file, "version is %s, and only version 3 of the Build Output API can be shipped", orMissing(config.Version))
	}
	var built builds
	file, _, err = o.read("builds.json", &built)
	if err != nil {
		return err
	}
	failed := built.Error
	for _, b := range built.Builds {
		if failed == nil {
			failed = b.Error
		}
	}
	switch {
	case failed != nil:
		return unfit(file, "error says that the build failed: %s", oneLine(failed.Message+" "+failed.Code))
	case built.Target != "" && built.Target != target:
		e := unfit(file, "target is %q, and this run ships %s: the output has the other environment's values in it", oneLine(built.Target), target)
		if target == slipway.Production {
			return e.WithHint("build it for production: vercel build --prod")
		}
		return e.WithHint("build it for %s: vercel build --target %s", target, target)
	}
	return nil
}

func orMissing(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "missing"
	}
	return oneLine(string(raw))
}

// oneLine makes foreign text fit for an error.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}

// functions checks the functions that w has found, and adds the files outside the output that they name.
func (o output) functions(w *walk) error {
	own := map[string]bool{}
	for _, f := range w.files {
		own[f.Path] = true
	}
	for _, f := range slices.Clone(w.files) {
		switch {
		case f.Mode == ModeLink && strings.HasSuffix(f.Path, ".func"):
			// vercel build links a function that several paths share.
			if !own[o.target(f.Path)+"/.vc-config.json"] {
				return unfit(f.Path, "links to no function of the output")
			}
		case path.Base(f.Path) == ".vc-config.json" && strings.HasSuffix(path.Dir(f.Path), ".func"):
			if err := o.function(w, strings.TrimPrefix(f.Path, o.at+"/"), own); err != nil {
				return err
			}
		}
	}
	return o.complete(w, own)
}

// target is where a link of the tree really leads, from the source folder; "" for nowhere.
func (o output) target(link string) string {
	real, err := filepath.EvalSymlinks(filepath.Join(o.root, filepath.FromSlash(link)))
	if err != nil {
		return ""
	}
	rel, err := filepath.Rel(o.root, real)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

// complete refuses a function's folder that has no settings.
func (o output) complete(w *walk, own map[string]bool) error {
	for _, f := range w.files {
		rest, in := strings.CutPrefix(f.Path, o.at+"/functions/")
		name, _, folder := strings.Cut(rest, ".func/")
		if config := o.at + "/functions/" + name + ".func/.vc-config.json"; in && folder && !own[config] {
			return unfit(config, "is not there, and every function has one")
		}
	}
	return nil
}

// function checks one function's settings: https://vercel.com/docs/build-output-api/primitives
func (o output) function(w *walk, name string, own map[string]bool) error {
	var config struct {
		Runtime     string            `json:"runtime"`
		Handler     string            `json:"handler"`
		Entrypoint  string            `json:"entrypoint"`
		FilePathMap map[string]string `json:"filePathMap"`
	}
	file, _, err := o.read(name, &config)
	switch {
	case err != nil:
		return err
	case config.Runtime == "":
		return unfit(file, "runtime is missing")
	case config.Runtime == "edge" && config.Entrypoint == "":
		return unfit(file, "entrypoint is missing")
	case config.Runtime != "edge" && config.Handler == "":
		return unfit(file, "handler is missing")
	}
	for _, at := range config.FilePathMap {
		if at = path.Clean(filepath.ToSlash(at)); own[at] {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(at)) {
			return unfit(file, "filePathMap names %q, which is outside the source folder", oneLine(at))
		}
		own[at] = true
		if err := w.one(at, file); err != nil {
			return err
		}
	}
	return nil
}

// one adds a single file or link that a function names, from anywhere in the source folder.
func (w *walk) one(p, by string) error {
	info, err := os.Lstat(filepath.Join(w.root, filepath.FromSlash(p)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unfit(by, "filePathMap names %q, which is not there", oneLine(p)).WithHint("install the app's packages where the output is, or " + rebuild)
	case err != nil:
		return unreadable(p, err)
	case info.IsDir():
		return unfit(by, "filePathMap names %q, which is a folder", oneLine(p))
	}
	for _, way := range []string{path.Dir(p), (output{root: w.root}).target(path.Dir(p))} { // a link has another name than the folder that it leads to
		for at := way; at != "."; at = path.Dir(at) {
			if denies(at) {
				w.denied = append(w.denied, p)
				return nil
			}
		}
	}
	return w.entry(path.Dir(p), fs.FileInfoToDirEntry(info))
}
