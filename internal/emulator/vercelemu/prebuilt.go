package vercelemu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

// linkMode is the type of a file's mode that says that its content is where it leads.
const linkMode = 0o120000

// outputFolder is where a deployment with ?prebuilt=1 has its build's output, with a slash at the end:
// https://vercel.com/docs/build-output-api
func (d *deployment) outputFolder() string {
	return folder(d.setting("rootDirectory")) + ".vercel/output/"
}

// outputFault is why a prebuilt deployment fails, "" when it does not. The words are our own.
func (d *deployment) outputFault() string {
	file := d.outputFolder() + "config.json"
	text, ok := d.tree[file]
	var config struct{ Version int }
	switch {
	case !ok:
		return `Config file was not found at "` + file + `"`
	case json.Unmarshal(text, &config) != nil || config.Version != 3:
		return `Invalid Build Output API version in "` + file + `"`
	}
	return ""
}

// follow puts copies of what links lead to in their places; links that lead nowhere, or around, go. A function's files are
// put where its filePathMap says. The contents are shared, not copied.
func follow(tree map[string][]byte, links map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(links)) {
		target := leadsTo(tree, links, name)
		delete(tree, name)
		if target == "" || strings.HasPrefix(name+"/", target+"/") {
			continue
		}
		if content, ok := tree[target]; ok {
			tree[name] = content
			continue
		}
		for _, from := range slices.Collect(maps.Keys(tree)) {
			if rest, below := strings.CutPrefix(from, target+"/"); below && !links[from] {
				tree[name+"/"+rest] = tree[from]
			}
		}
	}
	for _, name := range slices.Collect(maps.Keys(tree)) {
		var config struct{ FilePathMap map[string]string }
		if path.Base(name) != vcConfig || json.Unmarshal(tree[name], &config) != nil {
			continue
		}
		for inside, from := range config.FilePathMap {
			at := path.Join(path.Dir(name), inside)
			if content, ok := tree[path.Clean(from)]; ok && strings.HasPrefix(at, path.Dir(name)+"/") {
				tree[at] = content
			}
		}
	}
}

// leadsTo follows links to a file or a folder of the tree, "" for neither.
func leadsTo(tree map[string][]byte, links map[string]bool, name string) string {
	for range 40 {
		if !links[name] {
			return name
		}
		name = path.Join(path.Dir(name), string(tree[name]))
		if name == "." || name == ".." || strings.HasPrefix(name, "../") || strings.HasPrefix(name, "/") {
			return ""
		}
	}
	return ""
}

const vcConfig = ".vc-config.json"

// outputRoute is one of config.json's routes: https://vercel.com/docs/build-output-api/configuration#routes
type outputRoute struct {
	Handle, Src, Dest string
	Headers           map[string]string
	Methods           []string
	Status            int
	Continue          bool
	Has, Missing      []json.RawMessage
	MiddlewarePath    string
}

type outputConfig struct {
	Routes    []outputRoute
	Overrides map[string]struct{ Path, ContentType string }
}

// visit is one request to a prebuilt deployment on its way through the routes.
type visit struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	at     site
	config outputConfig
}

// serveOutput answers from a build's output. Routes with conditions or middleware, and expressions that RE2 has not, are 501.
func (s *Server) serveOutput(w http.ResponseWriter, r *http.Request, at site) {
	v := visit{s: s, w: w, r: r.Clone(r.Context()), at: at}
	_ = json.Unmarshal(at.d.tree[at.output+"config.json"], &v.config) // a build without it fails
	to := path.Clean("/" + r.URL.Path)
	phase := ""
	for _, route := range v.config.Routes {
		if route.Handle != "" {
			if phase = route.Handle; phase == "filesystem" && v.serve(to, 0) {
				return
			}
			continue
		}
		if phase == "hit" || phase == "error" {
			continue
		}
		next, matched, ok := v.match(route, to)
		if !ok {
			http.Error(w, "the emulator does not model this route of config.json: "+route.Src, http.StatusNotImplemented)
			return
		}
		if !matched {
			continue
		}
		if to = next; v.decided(route, to) {
			return
		}
	}
	if !v.serve(to, 0) {
		v.notFound(to)
	}
}

// match applies a route to a path. ok is false for what is not modelled.
func (v visit) match(route outputRoute, to string) (next string, matched, ok bool) {
	expression, err := regexp.Compile("^(?:" + strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(route.Src, "(?<", "(?P<"), "^"), "$") + ")$")
	if err != nil {
		return to, false, false
	}
	found := expression.FindStringSubmatchIndex(to)
	if found == nil || len(route.Methods) > 0 && !slices.Contains(route.Methods, v.r.Method) {
		return to, false, true
	}
	if len(route.Has) > 0 || len(route.Missing) > 0 || route.MiddlewarePath != "" {
		return to, false, false
	}
	expand := func(template string) string {
		return string(expression.ExpandString(nil, placeholders.ReplaceAllString(template, "$${$1}"), to, found))
	}
	for name, value := range route.Headers {
		v.w.Header().Set(name, expand(value))
	}
	if route.Dest == "" {
		return to, true, true
	}
	dest, query, _ := strings.Cut(expand(route.Dest), "?")
	if query != "" {
		v.r.URL.RawQuery = strings.Trim(v.r.URL.RawQuery+"&"+query, "&")
	}
	return path.Clean("/" + dest), true, true
}

var placeholders = regexp.MustCompile(`\$(\w+)`)

// decided answers where a route that matched ends the way.
func (v visit) decided(route outputRoute, to string) bool {
	switch {
	case route.Status >= 300 && route.Status < 400 && v.w.Header().Get("Location") != "":
		v.w.WriteHeader(route.Status)
		return true
	case route.Continue:
		return false
	case route.Dest != "":
		return v.serve(to, route.Status)
	case route.Status == http.StatusNotFound:
		v.notFound(to)
		return true
	case route.Status >= 400:
		vercelError(v.w, route.Status, "ROUTE")
		return true
	}
	return false
}

// serve answers with the static file or the function at a path. status replaces a file's 200.
func (v visit) serve(to string, status int) bool {
	name := strings.TrimPrefix(to, "/")
	static := v.at.output + "static/"
	for file, override := range v.config.Overrides {
		if override.Path != "" && override.Path == name {
			v.static(static+file, override.ContentType, status)
			return true
		}
	}
	for _, candidate := range []string{static + name, static + path.Join(name, "index.html")} {
		if _, ok := v.at.d.tree[candidate]; ok {
			v.static(candidate, v.config.Overrides[strings.TrimPrefix(candidate, static)].ContentType, status)
			return true
		}
	}
	for _, candidate := range []string{cmp.Or(name, "index"), path.Join(name, "index")} {
		dir := v.at.output + "functions/" + candidate + ".func/"
		if text, ok := v.at.d.tree[dir+vcConfig]; ok {
			v.function(dir, text)
			return true
		}
	}
	return false
}

func (v visit) static(name, contentType string, status int) {
	content := v.at.d.tree[name]
	kind := cmp.Or(contentType, mime.TypeByExtension(path.Ext(name)), "application/octet-stream")
	if status == 0 {
		v.w.Header().Set("Content-Type", kind)
		serveContent(v.w, v.r, name, content)
		return
	}
	v.w.Header().Set("Content-Type", kind)
	v.w.WriteHeader(status)
	_, _ = v.w.Write(content)
}

// function runs one with the Node.js launcher: https://vercel.com/docs/build-output-api/primitives#serverless-functions
func (v visit) function(dir string, text []byte) {
	var config struct{ Runtime, Handler, LauncherType string }
	if err := json.Unmarshal(text, &config); err != nil || !strings.HasPrefix(config.Runtime, "nodejs") || config.LauncherType != "Nodejs" {
		v.w.Header().Set("x-vercel-error", "FUNCTION_NOT_SUPPORTED")
		http.Error(v.w, fmt.Sprintf("the emulator runs functions of runtime nodejs and launcherType Nodejs alone: %s is %s, %s", dir, config.Runtime, config.LauncherType), http.StatusNotImplemented)
		return
	}
	at := v.at
	at.root = dir
	v.s.runFunction(v.w, v.r, at, path.Join(dir, config.Handler))
}

// notFound answers with what the routes have for an error, else with the output's own page.
func (v visit) notFound(to string) {
	phase := ""
	for _, route := range v.config.Routes {
		if route.Handle != "" {
			phase = route.Handle
			continue
		}
		if phase != "error" || route.Status != 0 && route.Status != http.StatusNotFound || route.Dest == "" {
			continue
		}
		if dest, matched, ok := v.match(route, to); ok && matched && v.serve(dest, http.StatusNotFound) {
			return
		}
	}
	if _, ok := v.at.d.tree[v.at.output+"static/404.html"]; ok {
		v.static(v.at.output+"static/404.html", "", http.StatusNotFound)
		return
	}
	vercelError(v.w, http.StatusNotFound, "NOT_FOUND")
}
