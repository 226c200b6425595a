package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	slipway "github.com/slipway-dev/slipway"
)

// walk collects what belongs to a tree, without hashes.
type walk struct {
	ctx      context.Context
	root     string
	max      limits
	skip     map[string]bool // names, in lower case, that are not looked at
	ignore   ignorer
	files    []slipway.File
	denied   []string
	bytes    int64
	problems []problem
}

// problem is something in the folder that cannot be shipped.
type problem struct{ path, message, hint string }

// ignorer tells which entries of one folder the ignore rules leave out. Folders are asked from the root downward, and never below an
// ignored one. dir is slash-separated, "" for the root.
type ignorer interface {
	ignored(dir string, entries []fs.DirEntry) ([]bool, error)
	close()
}

// maxProblems is how many are collected before the walk gives up.
const maxProblems = 50

func (w *walk) run() error {
	ignore, err := newIgnorer(w.ctx, w.root)
	if err != nil {
		return err
	}
	w.ignore = ignore
	defer ignore.close()
	if err := w.folder(""); err != nil {
		return err
	}
	return w.refused()
}

// refused is the first of what cannot be shipped, nil for nothing.
func (w *walk) refused() error {
	if len(w.problems) == 0 {
		return nil
	}
	slices.SortFunc(w.problems, func(a, b problem) int { return strings.Compare(a.path, b.path) })
	first := w.problems[0]
	e := slipway.Errorf(slipway.CodeInvalid, "%q %s", first.path, first.message).WithHint("%s", first.hint)
	if n := len(w.problems) - 1; n > 0 {
		e.Message += fmt.Sprintf(" (and %d more problems of this kind in the folder)", n)
	}
	return e
}

func (w *walk) folder(dir string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(w.root, filepath.FromSlash(dir)))
	if err != nil {
		return unreadable(path.Join(dir, "."), err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return w.skip[strings.ToLower(e.Name())] })
	if len(entries) == 0 {
		return nil
	}
	ignored, err := w.ignore.ignored(dir, entries)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if ignored[i] {
			continue
		}
		if err := w.entry(dir, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(dir string, e fs.DirEntry) error {
	p := path.Join(dir, e.Name())
	if message := badName(p, e.Name()); message != "" {
		return w.refuse(p, message, w.leaveOut("rename it"))
	}
	if denies(p) {
		if e.IsDir() {
			p += "/"
		}
		w.denied = append(w.denied, p)
		return nil
	}
	switch {
	case e.IsDir():
		return w.folder(p)
	case e.Type()&fs.ModeSymlink != 0:
		return w.link(p)
	case e.Type() != 0:
		return w.refuse(p, "is a "+kindOf(e.Type())+", which cannot be shipped", w.leaveOut("remove it"))
	}
	info, err := e.Info()
	if err != nil {
		return unreadable(p, err)
	}
	if suspicious(filepath.Join(w.root, filepath.FromSlash(dir)), info) {
		w.denied = append(w.denied, p)
		return nil
	}
	return w.add(slipway.File{Path: p, Mode: modeOf(info), Size: info.Size()})
}

func (w *walk) add(f slipway.File) error {
	w.files = append(w.files, f)
	w.bytes += f.Size
	const hint = "add what does not belong to the app to .vercelignore, or name a smaller folder in source.dir"
	if len(w.files) > w.max.files {
		return slipway.Errorf(slipway.CodeInvalid, "the source has more than %d files", w.max.files).WithHint(hint)
	}
	if w.bytes > w.max.bytes {
		return slipway.Errorf(slipway.CodeInvalid, "the source has more than %d bytes; the file that was too much is %s", w.max.bytes, f.Path).WithHint(hint)
	}
	return nil
}

// leaveOut is a hint: what to do with one thing, or to leave it out where ignore rules hold, which is not so in a build's output.
func (w *walk) leaveOut(what string) string {
	if _, all := w.ignore.(everything); all {
		return what + ", or build without it"
	}
	return what + ", or add it to .vercelignore"
}

// link keeps a symbolic link that stays inside the tree, by what it says and by where it really leads.
func (w *walk) link(p string) error {
	hint := w.leaveOut("make it a relative link within the app's folder, copy what it points to")
	full := filepath.Join(w.root, filepath.FromSlash(p))
	target, err := os.Readlink(full)
	if err != nil {
		return unreadable(p, err)
	}
	target = filepath.ToSlash(target)
	if path.IsAbs(target) || filepath.IsAbs(target) {
		return w.refuse(p, "is a link to an absolute path", hint)
	}
	if to := path.Join(path.Dir(p), target); to == ".." || strings.HasPrefix(to, "../") {
		return w.refuse(p, "is a link that leads outside the source folder", hint)
	}
	if real, err := filepath.EvalSymlinks(full); err == nil && real != w.root && !strings.HasPrefix(real, w.root+string(filepath.Separator)) {
		return w.refuse(p, "is a link that leads outside the source folder", hint)
	}
	return w.add(slipway.File{Path: p, Mode: ModeLink, Size: int64(len(target))})
}

func (w *walk) refuse(p, message, hint string) error {
	w.problems = append(w.problems, problem{p, message, hint})
	if len(w.problems) < maxProblems {
		return nil
	}
	return slipway.Errorf(slipway.CodeInvalid, "%d and more things in the source folder cannot be shipped; one is %q: it %s", maxProblems, p, message).
		WithHint("%s", hint)
}

// badName says why a name cannot be shipped to another machine, "" if it can.
func badName(p, name string) string {
	switch {
	case !utf8.ValidString(name):
		return "has a name that is not UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character in its name"
	case strings.Contains(name, `\`):
		return "has a backslash in its name"
	case len(p) > MaxPath:
		return fmt.Sprintf("has a path of more than %d bytes", MaxPath)
	}
	return ""
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
