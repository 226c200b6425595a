package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	slipway "github.com/slipway-dev/slipway"
)

// Modes of files, as stat gives them. Nothing else about a file's mode counts, so that umask and file system do not.
const (
	ModeFile       = 0o100644
	ModeExecutable = 0o100755
	ModeLink       = 0o120777
)

// Limits of a tree.
const (
	MaxFiles = 100_000
	MaxBytes = 4 << 30 // all files together
	MaxPath  = 1024    // bytes of one path
)

var _ slipway.FileSet = (*Tree)(nil)

// Tree is a folder as it was when it was opened.
type Tree struct {
	root   string // absolute, without symbolic links
	files  []slipway.File
	denied []string
	digest string
	head   *head // nil for none
	why    string
}

var _ slipway.Versioned = (*Tree)(nil)

// Open reads the folder dir. It fails with CodeInvalid when the folder cannot be shipped: it is not there or empty, it holds sockets,
// devices, links that lead outside or names that other machines cannot have, or it is too large; with CodeSourceChanged when a file
// changes meanwhile; with CodeCanceled when ctx ends.
func Open(ctx context.Context, dir string) (*Tree, error) {
	return open(ctx, dir, limits{MaxFiles, MaxBytes})
}

type limits struct {
	files int
	bytes int64
}

func open(ctx context.Context, dir string, max limits) (*Tree, error) {
	root, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	w := &walk{ctx: ctx, root: root, max: max, skip: skipped}
	if err := w.run(); err != nil {
		return nil, orCanceled(ctx, err)
	}
	return w.tree(dir)
}

// tree hashes what the walk has found. dir is the folder as the caller named it.
func (w *walk) tree(dir string) (*Tree, error) {
	if len(w.files) == 0 {
		return nil, empty(dir, w.denied)
	}
	slices.SortFunc(w.files, func(a, b slipway.File) int { return cmp.Compare(a.Path, b.Path) })
	head, why := headOf(w.ctx, w.root)
	sums, err := hashAll(w.ctx, w.root, w.files, head)
	if err != nil {
		return nil, orCanceled(w.ctx, err)
	}
	if sums = w.dropKeys(sums); len(w.files) == 0 {
		return nil, empty(dir, w.denied)
	}
	if head != nil {
		head.compare(w.root, w.files, sums)
	}
	return &Tree{root: w.root, files: w.files, denied: w.denied, digest: Digest(w.files), head: head, why: why}, nil
}

// dropKeys holds back the files that are private keys by what is in them. The lists stay parallel.
func (w *walk) dropKeys(sums []hashed) []hashed {
	var files []slipway.File
	var kept []hashed
	for i, f := range w.files {
		if sums[i].key {
			w.denied = append(w.denied, f.Path)
			continue
		}
		files, kept = append(files, f), append(kept, sums[i])
	}
	slices.Sort(w.denied)
	w.files = files
	return kept
}

func resolve(dir string) (string, error) {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(root); err == nil && !info.IsDir() {
			return "", slipway.Errorf(slipway.CodeInvalid, "the source %s is not a folder", dir).WithHint("name the app's folder in source.dir, or with -C")
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", slipway.Errorf(slipway.CodeInvalid, "the source folder %s does not exist", dir).WithHint("name the app's folder in source.dir, or with -C")
	}
	if err != nil {
		return "", unreadable(dir, err)
	}
	return root, nil
}

func empty(dir string, denied []string) error {
	e := slipway.Errorf(slipway.CodeInvalid, "the source folder %s holds nothing to ship", dir)
	if len(denied) > 0 {
		return e.WithHint("all that is not ignored looks like credentials and is held back: %s", some(denied))
	}
	return e.WithHint("put the app there, name another folder in source.dir, or look at .gitignore and .vercelignore")
}

// some names the first few of a list.
func some(names []string) string {
	if len(names) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	return strings.Join(names, ", ")
}

func unreadable(path string, err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err // the path is told once
	}
	return &slipway.Error{
		Code: slipway.CodeInvalid, Message: "cannot read " + path, Cause: err, Hint: "make it readable, or add it to .vercelignore",
	}
}

func orCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &slipway.Error{Code: slipway.CodeCanceled, Message: "reading the source was interrupted", Cause: ctx.Err()}
	}
	return err
}

// Digest returns sha256:… over the list of files, which must be sorted by path: for each file a line of mode in octal, size, SHA-1 and
// path, with one space between and a line feed after. Anyone can make the same with sha1sum and sha256sum.
func Digest(files []slipway.File) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%06o %d %s %s\n", f.Mode, f.Size, f.SHA1, f.Path)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Digest returns the digest of the tree.
func (t *Tree) Digest() string { return t.digest }

// Files returns the files, sorted by path. The list is the caller's own.
func (t *Tree) Files() []slipway.File { return slices.Clone(t.files) }

// WorkTree returns the commit that the files stand beside, as git's folder told it when the tree was opened; nil for none, and why where there is
// one that cannot be read.
func (t *Tree) WorkTree() (*slipway.WorkTree, string) {
	if t.head == nil {
		return nil, t.why
	}
	w := t.head.WorkTree
	return &w, ""
}

// Denied lists, sorted, what was held back because it looks like a credential, and was not ignored anyway. A folder ends with a slash.
func (t *Tree) Denied() []string { return slices.Clone(t.denied) }

// Open streams a file of the tree, and the target of a link. The last bytes are given out only when all of them are what the tree
// lists; else reading fails with CodeSourceChanged, as does opening what the tree does not list or what is gone.
func (t *Tree) Open(ctx context.Context, f slipway.File) (io.ReadCloser, error) {
	i, found := slices.BinarySearchFunc(t.files, f.Path, func(have slipway.File, path string) int { return cmp.Compare(have.Path, path) })
	if !found || t.files[i] != f {
		return nil, changed(f.Path, "is not in the source tree")
	}
	if err := ctx.Err(); err != nil {
		return nil, orCanceled(ctx, err)
	}
	root, err := os.OpenRoot(t.root)
	if err != nil {
		return nil, changed(f.Path, "cannot be opened any more")
	}
	defer root.Close()
	content, err := openContent(root, f)
	if err != nil {
		return nil, err
	}
	return newVerified(ctx, f, content), nil
}

func changed(path, what string) error {
	return slipway.Errorf(slipway.CodeSourceChanged, "%s %s", path, what).WithHint("run slipway plan again: the source folder is not what it was")
}
