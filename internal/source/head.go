package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/go-git/go-billy/v5/osfs"

	slipway "github.com/slipway-dev/slipway"
)

// Limits of a repository whose commit is read; of a larger one it is not told.
const (
	maxIndexes = 256 << 20 // bytes of the packs' indexes, which are read into memory
	maxObject  = 64 << 20  // of a commit or a tree
)

// blob is what a commit has at a path.
type blob struct {
	mode string // as git writes it: 100644, 100755, 120000
	hash string // git's, 40 hex digits
}

// head is the commit that a work tree stands at, and its files below the source folder.
type head struct {
	slipway.WorkTree
	files map[string]blob // by path below the source folder
}

// headOf reads the commit that root stands at, as far as .git tells it: no program runs, and no setting of the repository is obeyed. It is
// nil where root is in no work tree, or in one whose commit has nothing of it; why tells where there is a commit that cannot be read.
func headOf(ctx context.Context, root string) (h *head, why string) {
	defer func() {
		if recover() != nil { // the decoder of a damaged repository
			h, why = nil, "its repository is damaged"
		}
	}()
	top := repositoryTop(root)
	if _, err := os.Lstat(filepath.Join(top, ".git")); err != nil {
		return nil, ""
	}
	r, err := openRepository(top)
	if err != nil {
		return nil, "its repository cannot be read"
	}
	h, err = r.head(ctx, top, root)
	switch {
	case errors.Is(err, plumbing.ErrReferenceNotFound):
		return nil, "its branch has no commit, or is kept in a way that is not known here"
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, "its commit is not in the repository as it is here"
	case err != nil:
		return nil, "its commit cannot be read"
	case len(h.files) == 0:
		return nil, "its commit has nothing of this folder"
	}
	return h, ""
}

// repository reads objects and refs.
type repository struct{ *filesystem.Storage }

// openRepository opens the repository of a work tree: a folder, or a file that names one.
func openRepository(top string) (*repository, error) {
	dir := filepath.Join(top, ".git")
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		text, err := readRegular(dir)
		to, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if err != nil || !ok {
			return nil, errors.Join(err, errors.New(".git names no folder"))
		}
		dir = within(top, to)
	}
	common := dir
	if text, err := readRegular(filepath.Join(dir, "commondir")); err == nil {
		common = within(dir, strings.TrimSpace(string(text)))
	}
	var indexes int64
	packs, err := filepath.Glob(filepath.Join(common, "objects", "pack", "*.idx"))
	for _, name := range packs {
		if info, err := os.Stat(name); err == nil {
			indexes += info.Size()
		}
	}
	if err != nil || indexes > maxIndexes {
		return nil, errors.New("it is too large")
	}
	files := dotgit.NewRepositoryFilesystem(osfs.New(dir, osfs.WithBoundOS()), osfs.New(common, osfs.WithBoundOS()))
	return &repository{filesystem.NewStorage(files, cache.NewObjectLRU(8*cache.MiByte))}, nil
}

func within(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// head reads HEAD, its commit, and the commit's tree below root.
func (r *repository) head(ctx context.Context, top, root string) (*head, error) {
	h := &head{files: map[string]blob{}}
	ref, err := r.Reference(plumbing.HEAD)
	for hops := 0; err == nil && ref.Type() == plumbing.SymbolicReference; hops++ {
		if hops == 5 {
			return nil, plumbing.ErrReferenceNotFound
		}
		h.Branch = ref.Target().Short()
		ref, err = r.Reference(ref.Target())
	}
	if err != nil {
		return nil, err
	}
	h.Commit = ref.Hash().String()
	commit, err := r.object(plumbing.CommitObject, ref.Hash())
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(commit, []byte("\n")) // https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
	tree, ok := bytes.CutPrefix(line, []byte("tree "))
	if !ok || !plumbing.IsHash(string(tree)) {
		return nil, errors.New("the commit has no tree")
	}
	below, err := filepath.Rel(top, root)
	if err != nil {
		return nil, err
	}
	if below = filepath.ToSlash(below); below != "." {
		h.Folder = below
	}
	return h, r.list(ctx, plumbing.NewHash(string(tree)), split(h.Folder), "", h.files)
}

// object returns the content of an object, which its hash proves.
func (r *repository) object(kind plumbing.ObjectType, hash plumbing.Hash) ([]byte, error) {
	o, err := r.EncodedObject(kind, hash)
	if err != nil {
		return nil, err
	}
	if o.Size() > maxObject {
		return nil, errors.New("an object is too large")
	}
	in, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, maxObject))
	if err != nil {
		return nil, err
	}
	if plumbing.ComputeHash(kind, content) != hash {
		return nil, errors.New("an object is not what its hash is of")
	}
	return content, nil
}

// list adds what a tree holds to files: first the way down to the source folder, then all that is below.
func (r *repository) list(ctx context.Context, tree plumbing.Hash, way []string, dir string, files map[string]blob) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	content, err := r.object(plumbing.TreeObject, tree)
	if err != nil {
		return err
	}
	for len(content) > 0 { // mode, space, name, zero byte, 20 bytes
		entry, rest, ok := bytes.Cut(content, []byte{0})
		mode, name, named := strings.Cut(string(entry), " ")
		if !ok || !named || len(rest) < 20 {
			return errors.New("a tree is cut off")
		}
		var hash plumbing.Hash
		copy(hash[:], rest)
		content = rest[20:]
		isTree := mode == "40000"
		switch {
		case len(way) > 0 && (name != way[0] || !isTree):
		case len(way) > 0:
			if err := r.list(ctx, hash, way[1:], "", files); err != nil {
				return err
			}
		case isTree:
			if err := r.list(ctx, hash, nil, path.Join(dir, name), files); err != nil {
				return err
			}
		default:
			files[path.Join(dir, name)] = blob{mode, hash.String()}
		}
		if len(files) > MaxFiles {
			return fmt.Errorf("the commit has more than %d files", MaxFiles)
		}
	}
	return nil
}

// compare counts how the files that are shipped differ from the commit's. sums has their git hashes.
func (h *head) compare(root string, files []slipway.File, sums []hashed) {
	shipped := map[string]bool{}
	for i, f := range files {
		shipped[f.Path] = true
		have, ok := h.files[f.Path]
		switch {
		case !ok:
			h.Added++
		case have.hash != sums[i].git || !sameMode(have.mode, f.Mode):
			h.Changed++
		}
	}
	for name := range h.files {
		if shipped[name] {
			continue
		}
		if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name))); errors.Is(err, fs.ErrNotExist) {
			h.Removed++
		}
	}
	h.Clean = h.Changed+h.Added+h.Removed == 0
}

// sameMode compares git's mode with a file's. Windows tells no executable from other files.
func sameMode(git string, mode uint32) bool {
	switch git {
	case "120000":
		return mode == ModeLink
	case "100755":
		return mode == ModeExecutable || runtime.GOOS == "windows" && mode == ModeFile
	}
	return mode == ModeFile // 100644, and 100664 of old repositories
}
