package vercelemu

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

const bypassName = "x-vercel-protection-bypass"

// Hosting serves the deployed apps by Host header: generated deployment URLs, aliases and verified custom domains.
// Static files come from the project's output directory, else from public/, else from the root; functions from
// api/; those of a prebuilt deployment from its output. What deployment protection covers answers 401 unless the request has a bypass secret of the project, as
// header or query parameter x-vercel-protection-bypass:
// https://vercel.com/docs/deployment-protection/methods-to-bypass-deployment-protection/protection-bypass-automation
func (s *Server) Hosting() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.once.Do(s.init)
		w.Header().Set("Server", "Vercel")
		if to, status := s.redirected(r); to != "" {
			http.Redirect(w, r, to, status)
			return
		}
		site, why := s.site(r)
		switch {
		case why != "":
			vercelError(w, http.StatusNotFound, why)
		case site.protected:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(authenticationPage))
		default:
			s.serveSite(w, r, site)
		}
	})
}

const authenticationPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Authentication Required</title></head>` +
	`<body><h1>Authentication Required</h1><p>This deployment is protected. Send a protection bypass secret of its project.</p></body></html>
`

// site is what a request's host leads to. Its fields do not change after the deployment is made.
type site struct {
	d         *deployment
	protected bool
	root      string // folder of the tree that holds the app, "" or with a slash at the end
	static    string // folder of the static files, likewise
	output    string // folder of a build's output, likewise; "" for none
	cleanURLs bool
}

// site finds the deployment, or says why there is none in Vercel's words.
func (s *Server) site(r *http.Request) (site, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock()
	s.advance(now)
	host := strings.ToLower(r.Host)
	d := s.serving(host)
	if d == nil {
		if bare, _, err := net.SplitHostPort(host); err == nil {
			host = bare
			d = s.serving(host)
		}
	}
	if d == nil || d.state(now) != ready {
		return site{}, "DEPLOYMENT_NOT_FOUND"
	}
	out := site{d: d, protected: s.guarded(host, d) && !d.project.bypassed(r), root: folder(d.setting("rootDirectory"))}
	if d.prebuilt {
		out.output = d.outputFolder()
	}
	out.static = out.root
	if dir := d.setting("outputDirectory"); dir != "" {
		out.static += folder(dir)
	} else if d.has(out.root + "public/") {
		out.static += "public/"
	}
	var config struct{ CleanURLs bool }
	_ = json.Unmarshal(d.tree[out.root+"vercel.json"], &config)
	out.cleanURLs = config.CleanURLs
	return out, ""
}

func folder(dir string) string {
	dir = strings.Trim(path.Clean("/"+dir), "/")
	if dir == "" {
		return ""
	}
	return dir + "/"
}

func (d *deployment) setting(name string) string {
	return (&project{settings: d.settings}).setting(name)
}

func (d *deployment) has(prefix string) bool {
	for name := range d.tree {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// guarded says whether the host asks for authentication: https://vercel.com/docs/deployment-protection
func (s *Server) guarded(host string, d *deployment) bool {
	a := s.aliases[host]
	production := a != nil && d.target == "production"
	switch d.project.protection() {
	case "all":
		return true
	case "preview":
		return d.target != "production"
	case "prod_deployment_urls_and_all_previews":
		return !production
	case "all_except_custom_domains":
		return !production || strings.HasSuffix(host, "."+s.suffix())
	}
	return false
}

func (p *project) bypassed(r *http.Request) bool {
	secret := r.Header.Get(bypassName)
	if secret == "" {
		secret = r.URL.Query().Get(bypassName)
	}
	return secret != "" && p.passes(secret)
}

func (s *Server) serveSite(w http.ResponseWriter, r *http.Request, at site) {
	if at.output != "" {
		s.serveOutput(w, r, at)
		return
	}
	clean := path.Clean("/" + r.URL.Path)
	if entry := at.function(clean); entry != "" {
		s.runFunction(w, r, at, entry)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		vercelError(w, http.StatusMethodNotAllowed, "INVALID_REQUEST_METHOD")
		return
	}
	if at.cleanURLs && strings.HasSuffix(clean, ".html") && at.file(clean) != "" {
		to := strings.TrimSuffix(strings.TrimSuffix(clean, ".html"), "/index")
		http.Redirect(w, r, cmp.Or(to, "/"), http.StatusPermanentRedirect)
		return
	}
	if name := at.file(clean); name != "" {
		serveContent(w, r, name, at.d.tree[name])
		return
	}
	if page, ok := at.d.tree[at.static+"404.html"]; ok {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(page)
		return
	}
	vercelError(w, http.StatusNotFound, "NOT_FOUND")
}

// file returns the name in the tree that a URL path shows, "" when there is none.
func (at site) file(clean string) string {
	rest := strings.TrimPrefix(clean, "/")
	candidates := []string{rest, path.Join(rest, "index.html")}
	if at.cleanURLs && rest != "" {
		candidates = append(candidates, rest+".html")
	}
	for _, c := range candidates {
		if _, ok := at.d.tree[at.static+c]; ok && c != "" && at.public(c) {
			return at.static + c
		}
	}
	return ""
}

// public says whether a file is an asset and not a part of the app's source or settings.
func (at site) public(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "node_modules" || strings.HasPrefix(part, ".") && part != ".well-known" {
			return false
		}
	}
	if at.static != at.root {
		return true
	}
	switch name {
	case "package.json", "package-lock.json", "vercel.json", "yarn.lock", "pnpm-lock.yaml":
		return false
	}
	return !strings.HasPrefix(name, "api/")
}

func serveContent(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	sum := sha1.Sum(content)
	w.Header().Set("Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.Header().Set("Cache-Control", "public, max-age=0, must-revalidate")
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", kind)
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// vercelError answers as Vercel's edge does: https://vercel.com/docs/errors
func vercelError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("x-vercel-error", code)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status) + "\n\n" + code + "\n"))
}
