package vercelemu

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

func fileRoutes() []route {
	return []route{{method: "POST", versions: "v2", path: "/files", doc: "deployments/upload-deployment-files", stream: (*Server).upload}}
}

// upload takes one file of a deployment to come. The digest must be the body's own.
func (s *Server) upload(c *call) *failure {
	want := c.r.Header.Get("x-vercel-digest")
	if want == "" {
		want = c.r.Header.Get("x-now-digest")
	}
	if want == "" {
		return badRequest("Invalid header: `x-vercel-digest` is required.")
	}
	body, err := io.ReadAll(c.r.Body)
	if emukit.TooLarge(err) {
		return &failure{status: http.StatusRequestEntityTooLarge, code: "request_entity_too_large", message: "The file is too large."}
	}
	if err != nil {
		return badRequest("The file ended early.")
	}
	if size := c.r.Header.Get("x-now-size"); size != "" && size != strconv.Itoa(len(body)) {
		return &failure{status: http.StatusBadRequest, code: "size_mismatch", message: "File size is not valid"}
	}
	sum := sha1.Sum(body)
	if got := hex.EncodeToString(sum[:]); got != strings.ToLower(want) {
		return &failure{status: http.StatusBadRequest, code: "digest_mismatch", message: "Digest is not valid: the body has " + got + "."}
	}
	if !s.keep(c.scope, strings.ToLower(want), body) {
		return &failure{
			status: http.StatusRequestEntityTooLarge, code: "request_entity_too_large",
			message: "The emulator keeps no more uploaded files: its memory is for " + strconv.FormatInt(cmp.Or(s.MaxUploads, emukit.DefaultMaxUploads), 10) + " bytes of them.",
		}
	}
	emukit.WriteJSON(c.w, http.StatusOK, obj{"urls": []string{}})
	return nil
}

// keep reports whether there was room for the upload.
func (s *Server) keep(in *scope, sha string, body []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := in.files[sha]; there {
		return true
	}
	var kept int64
	for _, sc := range s.scopes {
		for _, b := range sc.files {
			kept += int64(len(b))
		}
	}
	if !s.Room(kept, int64(len(body))) {
		return false
	}
	in.files[sha] = body
	return true
}

// fileInput is a file of a deployment: a reference to an upload, or the content itself.
type fileInput struct {
	File, SHA, Encoding string
	Data                *string
	Size                *int64
	Mode                uint32
}

// tree turns a request's files into content by name. Uploads that are not there come back as missing, once each.
func (sc *scope) tree(files []fileInput) (tree map[string][]byte, missing []string, f *failure) {
	tree = make(map[string][]byte, len(files))
	seen, links := map[string]bool{}, map[string]bool{}
	for _, in := range files {
		if !safePath(in.File) {
			return nil, nil, badRequest("Invalid file name: `" + in.File + "`.")
		}
		if _, twice := tree[in.File]; twice {
			return nil, nil, badRequest("The file `" + in.File + "` is listed twice.")
		}
		content, known, f := sc.content(in)
		if f != nil {
			return nil, nil, f
		}
		tree[in.File] = content
		if in.Mode&0o170000 == linkMode {
			links[in.File] = true
		}
		if sha := strings.ToLower(in.SHA); !known && !seen[sha] {
			seen[sha] = true
			missing = append(missing, sha)
		}
	}
	if len(missing) == 0 {
		follow(tree, links)
	}
	return tree, missing, nil
}

func (sc *scope) content(in fileInput) (content []byte, known bool, f *failure) {
	switch {
	case in.Data != nil && in.Encoding == "base64":
		b, err := base64.StdEncoding.DecodeString(*in.Data)
		if err != nil {
			return nil, false, badRequest("The file `" + in.File + "` is not valid base64.")
		}
		return b, true, nil
	case in.Data != nil:
		return []byte(*in.Data), true, nil
	case in.SHA == "":
		return nil, false, badRequest("The file `" + in.File + "` has neither `data` nor `sha`.")
	}
	b, known := sc.files[strings.ToLower(in.SHA)]
	if known && in.Size != nil && *in.Size != int64(len(b)) {
		return nil, false, badRequest("The file `" + in.File + "` has another size than its upload.")
	}
	return b, known, nil
}

// safePath refuses names that would leave the deployment's folder on any system.
func safePath(name string) bool {
	if name == "" || len(name) > 4096 || strings.ContainsAny(name, "\\\x00:") || strings.HasPrefix(name, "/") || path.Clean(name) != name {
		return false
	}
	return name != "." && name != ".." && !strings.HasPrefix(name, "../")
}
