package githubemu

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func archiveRoutes() []route {
	return []route{
		{method: "GET", path: repoPath + "/compare/{basehead}", doc: "commits/commits#compare-two-commits", do: (*Server).compare},
		{method: "GET", path: repoPath + "/tarball/{ref}", doc: "repos/contents#download-a-repository-archive-tar", do: (*Server).getTarball},
		{method: "GET", path: codeload + "{account}/{name}/legacy.tar.gz/{sha}", doc: "repos/contents#download-a-repository-archive-tar", do: (*Server).download},
	}
}

// codeload is where archives are fetched from: at GitHub a host of its own, codeload.github.com.
const codeload = "/codeload/"

// ancestors are a commit and all before it, the nearest first.
func (r *repo) ancestors(c *commit) []*commit {
	var out []*commit
	for ; c != nil; c = r.commit(c.parent) {
		out = append(out, c)
	}
	return out
}

// compare tells how head stands to base. Commits have one parent here.
func (s *Server) compare(c *call) (any, *failure) {
	from, to, ok := strings.Cut(c.path("basehead"), "...")
	base, head := c.repo.resolve(from), c.repo.resolve(to)
	if !ok || base == nil || head == nil {
		return nil, notFound()
	}
	of := func(x, y *commit) []*commit { // what x has and y has not
		return slices.DeleteFunc(c.repo.ancestors(x), func(o *commit) bool { return c.repo.descends(y, o.sha) })
	}
	ahead, behind := of(head, base), of(base, head)
	state := "identical"
	switch {
	case len(ahead) > 0 && len(behind) > 0:
		state = "diverged"
	case len(ahead) > 0:
		state = "ahead"
	case len(behind) > 0:
		state = "behind"
	}
	merge := any(nil)
	if i := slices.IndexFunc(c.repo.ancestors(head), func(o *commit) bool { return c.repo.descends(base, o.sha) }); i >= 0 {
		merge = c.commitView(c.repo.ancestors(head)[i])
	}
	slices.Reverse(ahead)
	return obj{
		"url": c.repoURL(c.repo) + "/compare/" + c.path("basehead"), "status": state, "ahead_by": len(ahead), "behind_by": len(behind),
		"total_commits": len(ahead), "base_commit": c.commitView(base), "merge_base_commit": merge, "commits": page(c, ahead, c.commitView), "files": []obj{},
	}, nil
}

// getTarball leads to the archive. That of a private repository is had for a few minutes by a token in the address.
func (s *Server) getTarball(c *call) (any, *failure) {
	co := c.repo.resolve(c.path("ref"))
	if co == nil {
		return nil, notFound()
	}
	to := c.base() + codeload + c.repo.fullName() + "/legacy.tar.gz/" + co.sha
	if c.repo.private {
		to += "?token=" + s.archiveToken(c.repo, co)
	}
	c.w.Header().Set("Location", to)
	c.status = http.StatusFound
	return nil, nil
}

// archiveToken opens one archive; here it does not end.
func (s *Server) archiveToken(r *repo, co *commit) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%d %d %s", s.Seed, r.id, co.sha))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// archive is a reply that is no JSON.
type archive []byte

func (s *Server) download(c *call) (any, *failure) {
	r := s.find(c.path("account"), c.path("name"))
	if r == nil || r.commit(c.path("sha")) == nil || r.private && c.query("token") != s.archiveToken(r, r.commit(c.path("sha"))) {
		return nil, notFound()
	}
	co := r.commit(c.path("sha"))
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	t := tar.NewWriter(zip)
	top := r.owner + "-" + r.name + "-" + co.sha[:7] + "/"
	// A tar file in memory takes everything.
	_ = t.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": co.sha}})
	_ = t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: top, Mode: 0o775, ModTime: co.at})
	for _, name := range slices.Sorted(maps.Keys(co.files)) {
		_ = t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: top + name, Mode: 0o664, ModTime: co.at, Size: int64(len(co.files[name]))})
		_, _ = t.Write(co.files[name])
	}
	_, _ = t.Close(), zip.Close()
	return archive(out.Bytes()), nil
}

// gitTree is the id that git gives to a folder of files: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
func gitTree(files map[string][]byte) string {
	type entry struct{ mode, name, id string }
	var entries []entry
	below := map[string]map[string][]byte{}
	for path, content := range files {
		if dir, rest, ok := strings.Cut(path, "/"); ok {
			if below[dir] == nil {
				below[dir] = map[string][]byte{}
			}
			below[dir][rest] = content
			continue
		}
		entries = append(entries, entry{"100644", path, blob(content)})
	}
	for dir, inside := range below {
		entries = append(entries, entry{"40000", dir, gitTree(inside)})
	}
	order := func(e entry) string {
		if e.mode == "40000" {
			return e.name + "/"
		}
		return e.name
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(order(a), order(b)) })
	var body bytes.Buffer
	for _, e := range entries {
		id, _ := hex.DecodeString(e.id) // it was just encoded
		fmt.Fprintf(&body, "%s %s\x00%s", e.mode, e.name, id)
	}
	sum := sha1.Sum(append(fmt.Appendf(nil, "tree %d\x00", body.Len()), body.Bytes()...))
	return hex.EncodeToString(sum[:])
}
