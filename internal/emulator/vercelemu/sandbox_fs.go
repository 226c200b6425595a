package vercelemu

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Limits of an archive [? sandbox-archive-limit]: the real ones are not documented.
const (
	maxArchive  = 100 << 20 // compressed
	maxUnpacked = 1 << 30
	maxEntries  = 100_000
)

var pathBody = openObject(map[string]*schema{"path": str(4096), "cwd": str(4096), "recursive": boolean()}, "path")

// place is a path inside a sandbox: below one of the folders that it keeps, which no link leads out of.
type place struct {
	root *os.Root
	name string // below root; "." is root
	uid  int
}

func (p place) close() { _ = p.root.Close() }

// place finds where a path of a request is: relative to cwd, or absolute. Close it after use.
func (b *sandbox) place(cwd, name string) (place, *failure) {
	if name == "" || strings.Contains(name, "\x00") || strings.Contains(cwd, "\x00") {
		return place{}, badRequest("Invalid request: `path` should be a path.")
	}
	if !path.IsAbs(name) {
		if cwd == "" || !path.IsAbs(cwd) {
			cwd = path.Join(sandboxCwd, cwd)
		}
		name = path.Join(cwd, name)
	}
	name = path.Clean(name)
	for _, m := range b.mounts() {
		if rest, ok := strings.CutPrefix(name+"/", m.Inside+"/"); ok {
			root, err := os.OpenRoot(m.Host)
			if err != nil {
				return place{}, fsFailure(err)
			}
			return place{root: root, name: filepath.FromSlash(path.Clean(rest)), uid: b.uid}, nil
		}
	}
	return place{}, outside(name)
}

func outside(name string) *failure {
	return badRequest(fmt.Sprintf("Invalid request: the emulator keeps files below %s, %s and /tmp only, not %s.", sandboxCwd, sandboxHome, name))
}

// fsFailure is what an operation on files answers.
func fsFailure(err error) *failure {
	var pathErr *fs.PathError
	cause := err
	if errors.As(err, &pathErr) {
		cause = pathErr.Err // without the path on this machine
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notFound("No such file or directory.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &failure{status: http.StatusInsufficientStorage, code: "no_space", message: "The disk is full."}
	}
	return badRequest("Invalid request: " + cause.Error())
}

// makeFolder makes a folder, with those above it, for the sandbox's user.
func (p place) makeFolder(name string) error {
	if name == "." {
		return nil
	}
	if info, err := p.root.Stat(name); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s: %w", filepath.Base(name), syscall.ENOTDIR)
		}
		return nil
	}
	if err := p.makeFolder(filepath.Dir(name)); err != nil {
		return err
	}
	if err := p.root.Mkdir(name, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	if p.uid == 0 {
		return nil
	}
	return p.root.Lchown(name, p.uid, p.uid)
}

// writeFile makes or replaces a file for the sandbox's user.
func (p place) writeFile(mode fs.FileMode, content io.Reader) error {
	if err := p.makeFolder(filepath.Dir(p.name)); err != nil {
		return err
	}
	f, err := p.root.OpenFile(p.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, errNotAFile)
	}
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if p.uid != 0 {
		if err := f.Chown(p.uid, p.uid); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	return f.Close()
}

var errNotAFile = errors.New("not a regular file")

// mkdir makes one folder; one that is there already is 400 unless recursive [? sandbox-mkdir-exists].
func (s *SandboxServer) mkdir(c *sandboxCall) (any, *failure) {
	var in struct {
		Path, Cwd string
		Recursive bool
	}
	if f := c.into(&in); f != nil {
		return nil, f
	}
	ses, f := s.live(c)
	if f != nil {
		return nil, f
	}
	p, f := ses.box.place(in.Cwd, in.Path)
	if f != nil {
		return nil, f
	}
	defer p.close()
	if !in.Recursive {
		if _, err := p.root.Lstat(p.name); err == nil {
			return nil, badRequest("Invalid request: the file exists.")
		}
		if _, err := p.root.Stat(filepath.Dir(p.name)); err != nil {
			return nil, fsFailure(err)
		}
	}
	if err := p.makeFolder(p.name); err != nil {
		return nil, fsFailure(err)
	}
	return obj{}, nil
}

// read answers a file's bytes. 404 is absence.
func (s *SandboxServer) read(c *sandboxCall) *failure {
	var in struct{ Path, Cwd string }
	if f := c.into(&in); f != nil {
		return f
	}
	ses, f := s.live(c)
	if f != nil {
		return f
	}
	p, f := ses.box.place(in.Cwd, in.Path)
	if f != nil {
		return f
	}
	defer p.close()
	file, err := p.root.OpenFile(p.name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold the call
	if err != nil {
		return fsFailure(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fsFailure(err)
	}
	if !info.Mode().IsRegular() {
		return badRequest("Invalid request: the path is not a regular file.")
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	if f, ok := c.w.(http.Flusher); ok { // a stream: the file is not held in memory
		f.Flush()
	}
	_, _ = io.CopyN(c.w, file, info.Size())
	return nil
}

// write unpacks a tar.gz below x-cwd. What is before a bad entry stays.
func (s *SandboxServer) write(c *sandboxCall) (any, *failure) {
	ses, f := s.live(c)
	if f != nil {
		return nil, f
	}
	if kind := c.r.Header.Get("Content-Type"); kind != "application/gzip" {
		return nil, &failure{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "The content type should be application/gzip."} // [? sandbox-write-type]
	}
	cwd := c.r.Header.Get("x-cwd")
	if cwd == "" {
		cwd = sandboxCwd
	}
	if !path.IsAbs(cwd) {
		return nil, badRequest("Invalid request: `x-cwd` should be an absolute path.")
	}
	if f := ses.box.unpack(cwd, c.r.Body); f != nil {
		return nil, f
	}
	return obj{}, nil
}

// unpack writes an archive's files and folders. Links, devices, absolute names and names with .. are refused.
func (b *sandbox) unpack(cwd string, archive io.Reader) *failure {
	zipped, err := gzip.NewReader(bufio.NewReader(archive))
	if err != nil {
		return archiveFailure(err)
	}
	unpacked := &capped{from: zipped, left: maxUnpacked}
	entries := tar.NewReader(unpacked)
	for n := 0; ; n++ {
		h, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return archiveFailure(err)
		}
		if n == maxEntries {
			return archiveFailure(errTooMuch)
		}
		if f := b.unpackEntry(cwd, h, entries); f != nil {
			return f
		}
	}
	if _, err := io.Copy(io.Discard, unpacked); err != nil { // the checksum is at the end
		return archiveFailure(err)
	}
	return nil
}

func (b *sandbox) unpackEntry(cwd string, h *tar.Header, content io.Reader) *failure {
	if path.IsAbs(h.Name) || slices.Contains(strings.Split(h.Name, "/"), "..") || strings.Contains(h.Name, "\x00") {
		return badRequest(fmt.Sprintf("Invalid request: the archive has the name %q, which leads out of its folder.", h.Name))
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return badRequest(fmt.Sprintf("Invalid request: %q in the archive is neither a file nor a folder.", h.Name))
	}
	if h.Size > maxUnpacked {
		return archiveFailure(errTooMuch)
	}
	if path.Clean(h.Name) == "." {
		return nil
	}
	p, f := b.place(cwd, h.Name)
	if f != nil {
		return f
	}
	defer p.close()
	if h.Typeflag == tar.TypeDir {
		if err := p.makeFolder(p.name); err != nil {
			return archiveFailure(err)
		}
		return nil
	}
	mode := h.FileInfo().Mode().Perm()
	if mode == 0 {
		mode = 0o644
	}
	if err := p.writeFile(mode, content); err != nil {
		return archiveFailure(err)
	}
	return nil
}

var errTooMuch = errors.New("the archive is too large when unpacked")

func archiveFailure(err error) *failure {
	switch {
	case emukit.TooLarge(err), errors.Is(err, errTooMuch):
		return &failure{status: http.StatusRequestEntityTooLarge, code: "request_entity_too_large", message: "The archive is too large."}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, tar.ErrHeader), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("Invalid request: the body is not a whole tar.gz.")
	}
	f := fsFailure(err)
	if f.status == http.StatusNotFound {
		f.status, f.code = http.StatusBadRequest, "bad_request"
	}
	return f
}

// capped fails with errTooMuch once more than left has been read.
type capped struct {
	from io.Reader
	left int64
}

func (r *capped) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if r.left -= int64(n); r.left < 0 {
		return 0, errTooMuch
	}
	return n, err
}
