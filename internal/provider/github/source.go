package github

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/rest"
)

// Limits of a checkout, which is kept in memory while it is used.
const (
	maxCheckout = 256 << 20 // bytes of all files
	maxFiles    = 100_000
)

// pinned is a commit as a source.
type pinned struct {
	session session
	commit  slipway.Commit
}

var _ slipway.Pinned = pinned{}

// Pin makes no call.
func (s session) Pin(c slipway.Commit) slipway.Pinned { return pinned{s, c} }

func (p pinned) Digest() string         { return p.commit.Digest() }
func (p pinned) Files() []slipway.File  { return nil }
func (p pinned) Commit() slipway.Commit { return p.commit }

func (p pinned) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return nil, slipway.Errorf(slipway.CodeInternal, "a commit is not read before it is checked out")
}

// Checkout fetches the commit as an archive and proves it by git's own tree id. So no credential leaves Slipway: what verifies the files
// gets the files. https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar
func (p pinned) Checkout(ctx context.Context) (slipway.FileSet, error) {
	const op = "github checkout"
	if p.commit.Tree == "" {
		e := slipway.Errorf(slipway.CodeCredential, "the commit %s was stated, and nothing here can fetch it", p.commit.SHA).
			WithHint("set %s to a token that reads %s", settingToken, p.commit.Repository)
		e.Op = op
		return nil, e
	}
	body, err := p.session.archive(ctx, op, p.commit)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	out, err := unpack(body, maxFiles, maxCheckout)
	if own := (*slipway.Error)(nil); err != nil && !errors.As(err, &own) {
		err = &slipway.Error{Code: slipway.CodeUnavailable, Message: "the archive of the commit could not be read to its end", Retry: slipway.RetryLater, Cause: err}
	}
	if own := (*slipway.Error)(nil); errors.As(err, &own) {
		own.Op = op
		return nil, own
	}
	if got := gitTree(out.files, out.content); got != p.commit.Tree {
		e := slipway.Errorf(slipway.CodeSourceChanged, "the archive that GitHub makes of the commit %s is not its tree", p.commit.SHA).
			WithHint("submodules and the attributes export-ignore and export-subst make it differ: leave verify.commands out, or ship a checkout with source.dir")
		e.Op = op
		return nil, e
	}
	out.digest = p.commit.Digest()
	return out, nil
}

// archive opens the archive of a commit. GitHub answers with an address that is good for some minutes, and needs no credential.
func (s session) archive(ctx context.Context, op string, c slipway.Commit) (io.ReadCloser, error) {
	name, err := s.named(ctx, op, c.RepoID)
	if err != nil {
		return nil, err
	}
	owner, short, _ := strings.Cut(name, "/")
	seen := s.rest.Look(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: rest.Path("/repos/%s/%s/tarball/%s", owner, short, c.SHA)}, &struct{}{})
	if seen.Status != http.StatusFound {
		if seen.Err == nil {
			seen.Err = slipway.Errorf(slipway.CodeMalformed, "GitHub sent no address of an archive")
		}
		return nil, seen.Err
	}
	at, err := url.Parse(seen.Header.Get("Location"))
	if err != nil || at.Host == "" {
		return nil, slipway.Errorf(slipway.CodeMalformed, "GitHub sent no address of an archive")
	}
	from := rest.New(s.config, rest.API{Name: "github", Base: at.Scheme + "://" + at.Host, Error: explain})
	return from.Stream(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: at.EscapedPath(), Query: at.Query()})
}

// named returns the name that a repository has now.
func (s session) named(ctx context.Context, op string, id slipway.RepoID) (string, error) {
	var at repositoryReply
	err := s.get(ctx, op, rest.Path("/repositories/%s", id.String()), nil, &at)
	return at.FullName, err
}

// checkout is a commit's files in memory.
type checkout struct {
	digest  string
	files   []slipway.File // sorted by path
	content map[string][]byte
}

func (c *checkout) Digest() string        { return c.digest }
func (c *checkout) Files() []slipway.File { return slices.Clone(c.files) }

func (c *checkout) Open(_ context.Context, f slipway.File) (io.ReadCloser, error) {
	content, ok := c.content[f.Path]
	if !ok {
		return nil, slipway.Errorf(slipway.CodeSourceChanged, "%s is not in the commit", f.Path)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Modes of files, as stat gives them; git knows no others.
const (
	modeFile       = 0o100644
	modeExecutable = 0o100755
	modeLink       = 0o120777
)

// unpack reads an archive as git makes it, without the folder that all is in. CodeLimit over the limits, CodeMalformed for what git does
// not archive.
func unpack(r io.Reader, most int, bytes int64) (*checkout, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	out := &checkout{content: map[string][]byte{}}
	for entries := tar.NewReader(zip); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == tar.TypeDir {
			continue
		}
		if bytes -= h.Size; bytes < 0 || len(out.files) == most {
			return nil, slipway.Errorf(slipway.CodeLimit, "the commit has over %d files or %d MiB, too many to be verified from GitHub", maxFiles, maxCheckout>>20).
				WithHint("ship a checkout with source.dir")
		}
		if err := out.add(h, entries); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out.files, func(a, b slipway.File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func (c *checkout) add(h *tar.Header, r io.Reader) error {
	_, name, _ := strings.Cut(h.Name, "/")
	f := slipway.File{Path: name, Mode: modeFile}
	var content []byte
	var err error
	switch {
	case !fs.ValidPath(name) || name == "." || c.content[name] != nil:
		return slipway.Errorf(slipway.CodeMalformed, "the archive of the commit holds %q, which is no path of a tree", h.Name)
	case h.Typeflag == tar.TypeSymlink:
		f.Mode, content = modeLink, []byte(h.Linkname)
	case h.Typeflag != tar.TypeReg:
		return slipway.Errorf(slipway.CodeMalformed, "the archive of the commit holds %q, which is neither a file nor a link", h.Name)
	default:
		if h.Mode&0o100 != 0 {
			f.Mode = modeExecutable
		}
		if content, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	if content == nil {
		content = []byte{}
	}
	sum := sha1.Sum(content)
	f.Size, f.SHA1 = int64(len(content)), hex.EncodeToString(sum[:])
	c.files, c.content[name] = append(c.files, f), content
	return nil
}

// gitModes are the modes that stand in a git tree.
var gitModes = map[uint32]string{modeFile: "100644", modeExecutable: "100755", modeLink: "120000"}

// gitTree is the id that git gives to the tree of these files: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
func gitTree(files []slipway.File, content map[string][]byte) string {
	type entry struct {
		mode, name string
		id         [sha1.Size]byte
	}
	folders := map[string][]entry{"": nil}
	var paths []string // of folders, those inside after the one that they are in
	seen := map[string]bool{"": true}
	for _, f := range files {
		dir, name := path.Split(f.Path)
		dir = strings.TrimSuffix(dir, "/")
		for d := dir; !seen[d]; d = strings.TrimPrefix(path.Dir(d), ".") {
			seen[d] = true
			paths = append(paths, d)
		}
		folders[dir] = append(folders[dir], entry{gitModes[f.Mode], name, gitObject("blob", content[f.Path])})
	}
	tree := func(dir string) [sha1.Size]byte {
		entries := folders[dir]
		order := func(e entry) string {
			if e.mode == "40000" {
				return e.name + "/"
			}
			return e.name
		}
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(order(a), order(b)) })
		var body bytes.Buffer
		for _, e := range entries {
			fmt.Fprintf(&body, "%s %s\x00%s", e.mode, e.name, e.id[:])
		}
		return gitObject("tree", body.Bytes())
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") }) // the deepest first
	for _, dir := range paths {
		above, name := path.Split(dir)
		above = strings.TrimSuffix(above, "/")
		folders[above] = append(folders[above], entry{"40000", name, tree(dir)})
	}
	root := tree("")
	return hex.EncodeToString(root[:])
}

func gitObject(kind string, body []byte) [sha1.Size]byte {
	return sha1.Sum(append(fmt.Appendf(nil, "%s %d\x00", kind, len(body)), body...))
}
