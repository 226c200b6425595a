package source

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	slipway "github.com/slipway-dev/slipway"
)

// openContent opens what f's bytes are: the file itself, or a link's target. Folders on the way are never left through links.
func openContent(root *os.Root, f slipway.File) (io.ReadCloser, error) {
	name := filepath.FromSlash(f.Path)
	if f.Mode == ModeLink {
		target, err := root.Readlink(name)
		if err != nil {
			return nil, changed(f.Path, "is no link any more")
		}
		return io.NopCloser(strings.NewReader(filepath.ToSlash(target))), nil
	}
	seen, err := root.Lstat(name) // a Root follows links that stay inside, whatever the flags say
	if err != nil {
		return nil, changed(f.Path, "cannot be found any more")
	}
	file, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, unreadable(f.Path, err)
	}
	if err != nil {
		return nil, changed(f.Path, "cannot be opened any more")
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(seen, info) || !info.Mode().IsRegular() || modeOf(info) != f.Mode {
		file.Close()
		return nil, changed(f.Path, "has changed its kind or mode")
	}
	return file, nil
}

func modeOf(info fs.FileInfo) uint32 {
	if runtime.GOOS != "windows" && info.Mode()&0o100 != 0 {
		return ModeExecutable
	}
	return ModeFile
}

const bufferSize = 128 << 10

// hashed is what reading a file has told beside its SHA-1.
type hashed struct {
	git string // git's hash, "" where head does not have the file
	key bool   // it is a private key
}

// hashAll fills in SHA1 on all cores. Each worker has one buffer and one open file. What it returns is in the order of files.
func hashAll(ctx context.Context, dir string, files []slipway.File, head *head) ([]hashed, error) {
	sums := make([]hashed, len(files))
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	defer root.Close()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		group.Go(func() error {
			buffer := make([]byte, bufferSize)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return nil
				}
				var git hash.Hash
				if head != nil && head.files[files[i].Path].hash != "" {
					git = sha1.New() // https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
					fmt.Fprintf(git, "blob %d\x00", files[i].Size)
				}
				key, err := hashOne(ctx, root, &files[i], buffer, git)
				if err != nil {
					return err
				}
				sums[i].key = key
				if git != nil {
					sums[i].git = hex.EncodeToString(git.Sum(nil))
				}
			}
		})
	}
	return sums, group.Wait()
}

// hashOne fills in SHA1, and hands the content to git as well, unless that is nil. key reports whether it is a private key.
func hashOne(ctx context.Context, root *os.Root, f *slipway.File, buffer []byte, git hash.Hash) (key bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	content, err := openContent(root, *f)
	if err != nil {
		return false, err
	}
	defer content.Close()
	h, size := sha1.New(), int64(0)
	for {
		n, err := content.Read(buffer)
		key = key || size == 0 && f.Mode != ModeLink && isPrivateKey(buffer[:n])
		h.Write(buffer[:n])
		if git != nil {
			git.Write(buffer[:n])
		}
		size += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, unreadable(f.Path, err)
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if size > f.Size {
			break
		}
	}
	if size != f.Size {
		return false, changed(f.Path, "was changed while it was read")
	}
	f.SHA1 = hex.EncodeToString(h.Sum(nil))
	return key, nil
}

// verified passes on a file's bytes and keeps the last ones back until all are known to be right: whoever sends them with their
// length never completes a wrong file.
type verified struct {
	ctx     context.Context
	file    slipway.File
	content io.ReadCloser
	hash    hash.Hash
	read    int64
	done    error // what Read answers from now on
}

func newVerified(ctx context.Context, f slipway.File, content io.ReadCloser) *verified {
	return &verified{ctx: ctx, file: f, content: content, hash: sha1.New()}
}

func (v *verified) Close() error { return v.content.Close() }

func (v *verified) Read(p []byte) (int, error) {
	if v.done != nil {
		return 0, v.done
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := v.next(p)
	v.done = err
	if n > 0 && errors.Is(err, io.EOF) {
		return n, nil
	}
	return n, err
}

// next reads once. It answers io.EOF together with the last bytes.
func (v *verified) next(p []byte) (int, error) {
	if v.ctx.Err() != nil {
		return 0, orCanceled(v.ctx, nil)
	}
	if rest := v.file.Size - v.read; int64(len(p)) > rest {
		p = p[:rest]
	}
	n, err := 0, error(nil)
	if len(p) > 0 {
		n, err = v.content.Read(p)
		v.hash.Write(p[:n])
		v.read += int64(n)
	}
	switch {
	case v.read == v.file.Size:
		return v.last(n)
	case errors.Is(err, io.EOF):
		return 0, changed(v.file.Path, "is shorter than it was")
	case err != nil:
		return 0, unreadable(v.file.Path, err)
	}
	return n, nil
}

// last answers for the end of the file: nothing may follow, and the hash must be the listed one.
func (v *verified) last(n int) (int, error) {
	if more, _ := io.ReadFull(v.content, make([]byte, 1)); more > 0 {
		return 0, changed(v.file.Path, "is longer than it was")
	}
	if hex.EncodeToString(v.hash.Sum(nil)) != v.file.SHA1 {
		return 0, changed(v.file.Path, "has changed")
	}
	return n, io.EOF
}
