package vercelemu

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// prebuilt deploys an output; content that starts with -> is a link.
func (w *world) prebuilt(files map[string]string) (id string) {
	in := []obj{}
	for name, content := range files {
		entry := obj{"file": ".vercel/output/" + name, "data": content, "encoding": "utf-8"}
		if target, ok := strings.CutPrefix(content, "->"); ok {
			entry["data"], entry["mode"] = target, 0o120777
		}
		in = append(in, entry)
	}
	body := obj{"name": "shop", "project": "shop", "target": "production", "projectSettings": obj{"framework": nil}, "files": in}
	return w.want(200, "POST", "/v13/deployments?prebuilt=1", body).str("id")
}

func TestPrebuiltIsServedByItsRoutes(t *testing.T) {
	srv := atOnce()
	t.Cleanup(srv.Close)
	w := &world{t: t, srv: srv, api: srv, token: DefaultToken, team: acme}
	w.project("shop")
	w.prebuilt(map[string]string{
		"config.json": `{"version":3,"overrides":{"about.html":{"path":"about","contentType":"text/x-about"}},"routes":[
			{"src":"/(.*)","headers":{"x-all":"$1"},"continue":true},
			{"src":"^/go/(?<to>.*)$","status":308,"headers":{"Location":"/$to"}},
			{"src":"/gone","status":410},
			{"src":"/post","methods":["POST"],"status":405},
			{"src":"/guarded","has":[{"type":"cookie","key":"a"}],"dest":"/"},
			{"handle":"filesystem"},
			{"src":"/blog/([^/]+)","dest":"/page?slug=$1"},
			{"src":"/none","status":404},
			{"handle":"error"},{"src":"/.*","status":404,"dest":"/missing.html"}]}`,
		"static/index.html": "home", "static/about.html": "about", "static/page": "page", "static/missing.html": "missing", "static/d/index.html": "folder",
		"static/linked": "->page", "static/again": "->linked", "static/loop": "->loop", "static/out": "->../../../x", "static/all": "->d",
		"functions/edge.func/.vc-config.json": `{"runtime":"edge","entrypoint":"i.js"}`, "functions/same.func": "->edge.func",
	})
	for path, want := range map[string]struct {
		status       int
		body, header string
	}{
		"/":               {200, "home", ""},
		"/index.html":     {200, "home", ""},
		"/about":          {200, "about", "Content-Type: text/x-about"},
		"/page":           {200, "page", "X-All: page"},
		"/d":              {200, "folder", ""},
		"/all/index.html": {200, "folder", ""},
		"/linked":         {200, "page", ""},
		"/again":          {200, "page", ""},
		"/loop":           {404, "missing", ""},
		"/out":            {404, "missing", ""},
		"/go/page":        {308, "", "Location: /page"},
		"/gone":           {410, "Gone", ""},
		"/post":           {404, "missing", ""},
		"/blog/x":         {200, "page", ""},
		"/none":           {404, "missing", ""},
		"/config.json":    {404, "missing", ""},
		"/guarded":        {501, "does not model", ""},
		"/edge":           {501, "runtime nodejs", ""},
		"/same":           {501, "runtime nodejs", ""},
	} {
		rec := httptest.NewRecorder()
		srv.Hosting().ServeHTTP(rec, httptest.NewRequest("GET", "http://shop.vercel.app"+path, nil).WithContext(t.Context()))
		name, value, _ := strings.Cut(want.header, ": ")
		if rec.Code != want.status || !strings.Contains(rec.Body.String(), want.body) || rec.Header().Get(name) != value {
			t.Errorf("%s: %d %q %v, want %+v", path, rec.Code, rec.Body, rec.Header(), want)
		}
	}
}

func TestPrebuiltFunctions(t *testing.T) {
	needNode(t)
	srv := atOnce()
	t.Cleanup(srv.Close)
	w := &world{t: t, srv: srv, api: srv, token: DefaultToken, team: acme}
	w.project("shop")
	w.prebuilt(map[string]string{
		"config.json":                            `{"version":3}`,
		"functions/index.func":                   "->api/say.func",
		"functions/api/say.func/say.js":          "module.exports = (req, res) => res.end(require('./lib/word.js'));",
		"static/word.js":                         "module.exports = 'said';",
		"functions/api/say.func/.vc-config.json": `{"runtime":"nodejs22.x","handler":"say.js","launcherType":"Nodejs","filePathMap":{"lib/word.js":".vercel/output/static/word.js"}}`,
	})
	for _, path := range []string{"/api/say", "/"} {
		rec := httptest.NewRecorder()
		srv.Hosting().ServeHTTP(rec, httptest.NewRequest("POST", "http://shop.vercel.app"+path, nil).WithContext(t.Context()))
		if rec.Code != 200 || rec.Body.String() != "said" {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}

func TestPrebuiltWithoutAnOutputFails(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no config.json":  {"static/index.html": "x"},
		"another version": {"config.json": `{"version":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, atOnce(), func(w *world) {
				w.project("shop")
				a := w.want(200, "GET", "/v13/deployments/"+w.prebuilt(files), nil)
				if a.str("readyState") != "ERROR" || !strings.Contains(a.str("errorMessage"), ".vercel/output/config.json") {
					t.Error(fmt.Sprint(a.body))
				}
			})
		})
	}
}
