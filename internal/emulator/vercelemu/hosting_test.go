package vercelemu

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestHostingServesTheTree(t *testing.T) {
	root := map[string]string{
		"index.html": "home", "docs/index.html": "docs", "about.html": "about", "app.css": "a{}", "api/x.txt": "source",
		"package.json": "{}", ".env": "SECRET", "node_modules/m/index.js": "m",
	}
	public := map[string]string{"public/index.html": "public home", "public/package.json": "asset", "index.html": "root home", "public/404.html": "custom 404"}
	clean := map[string]string{"vercel.json": `{"cleanUrls":true}`, "about.html": "about", "index.html": "home"}
	for name, tc := range map[string]struct {
		reason   string
		tree     map[string]string
		settings obj
		path     string
		status   int
		body     string
		kind     string
	}{
		"index":              {"the root shows index.html", root, nil, "/", 200, "home", "text/html; charset=utf-8"},
		"folder":             {"a folder shows its index.html", root, nil, "/docs/", 200, "docs", "text/html; charset=utf-8"},
		"file":               {"the content type follows the name", root, nil, "/app.css", 200, "a{}", "text/css; charset=utf-8"},
		"no clean URLs":      {"a page has its ending unless cleanUrls says otherwise", root, nil, "/about", 404, "Not Found\n\nNOT_FOUND\n", "text/plain; charset=utf-8"},
		"function source":    {"api/ is not served as files", root, nil, "/api/x.txt", 404, "Not Found\n\nNOT_FOUND\n", "text/plain; charset=utf-8"},
		"dot file":           {"nor are dot files", root, nil, "/.env", 404, "Not Found\n\nNOT_FOUND\n", "text/plain; charset=utf-8"},
		"package.json":       {"nor the app's own settings", root, nil, "/package.json", 404, "Not Found\n\nNOT_FOUND\n", "text/plain; charset=utf-8"},
		"traversal":          {"a path stays in the tree", root, nil, "/docs/../../../etc/passwd", 404, "Not Found\n\nNOT_FOUND\n", "text/plain; charset=utf-8"},
		"public":             {"public/ is the output when it is there", public, nil, "/", 200, "public home", "text/html; charset=utf-8"},
		"public asset":       {"what is in the output is an asset", public, nil, "/package.json", 200, "asset", "application/json"},
		"custom 404":         {"404.html is the page for what is missing", public, nil, "/none", 404, "custom 404", "text/html; charset=utf-8"},
		"output directory":   {"outputDirectory wins", public, obj{"outputDirectory": "."}, "/", 200, "root home", "text/html; charset=utf-8"},
		"root directory":     {"rootDirectory is where the app is", map[string]string{"web/public/index.html": "web"}, obj{"rootDirectory": "web"}, "/", 200, "web", "text/html; charset=utf-8"},
		"clean URL":          {"cleanUrls leaves the ending out", clean, nil, "/about", 200, "about", "text/html; charset=utf-8"},
		"clean URL redirect": {"and redirects from it", clean, nil, "/about.html", 308, "<a href=\"/about\">Permanent Redirect</a>.\n\n", "text/html; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, atOnce(), func(w *world) {
				w.project("shop")
				settings := obj{"framework": nil}
				for k, v := range tc.settings {
					settings[k] = v
				}
				w.deploy("shop", obj{"target": "production", "projectSettings": settings}, tc.tree)
				a := w.visit("shop.vercel.app", tc.path, nil)
				if a.status != tc.status || string(a.raw) != tc.body || a.header.Get("Content-Type") != tc.kind {
					t.Errorf("%s: %d %q %q", tc.reason, a.status, a.header.Get("Content-Type"), a.raw)
				}
			})
		})
	}
}

func TestDeploymentProtection(t *testing.T) {
	const generated, preview, alias, custom = "generated", "preview", "alias", "custom"
	for kind, open := range map[string][]string{
		"":                                      {generated, preview, alias, custom},
		"all":                                   {},
		"preview":                               {generated, alias, custom},
		"prod_deployment_urls_and_all_previews": {alias, custom},
		"all_except_custom_domains":             {custom},
	} {
		srv := atOnce()
		srv.VerifiedDomains = true
		play(t, srv, func(w *world) {
			body := obj{"name": "shop", "ssoProtection": nil}
			if kind != "" {
				body["ssoProtection"] = obj{"deploymentType": kind}
			}
			p := w.want(200, "POST", "/v11/projects", body).str("id")
			w.want(200, "POST", "/v10/projects/"+p+"/domains", obj{"name": "shop.example.com"})
			_, host := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
			_, other := w.deploy("shop", nil, map[string]string{"index.html": "x"})
			secret := strings.Repeat("b", 32)
			w.want(200, "PATCH", "/v1/projects/"+p+"/protection-bypass", obj{"generate": obj{"secret": secret}})
			for what, host := range map[string]string{generated: host, preview: other, alias: "shop.vercel.app", custom: "shop.example.com"} {
				want := http.StatusUnauthorized
				for _, o := range open {
					if o == what {
						want = http.StatusOK
					}
				}
				got := []int{
					w.visit(host, "/", nil).status, w.visit(host, "/?x-vercel-protection-bypass=wrong", nil).status,
					w.visit(host, "/?x-vercel-protection-bypass="+secret, nil).status,
				}
				if got[0] != want || got[1] != want || got[2] != http.StatusOK {
					t.Errorf("%q, %s URL: without, wrong and right secret: %v, want %d without", kind, what, got, want)
				}
			}
			w.want(200, "PATCH", "/v1/projects/"+p+"/protection-bypass", obj{"revoke": obj{"secret": secret, "regenerate": false}})
			if kind == "all" && w.visit(host, "/?x-vercel-protection-bypass="+secret, nil).status != http.StatusUnauthorized {
				t.Error("a revoked secret still passes")
			}
		})
	}
}

// functions deploys an app with functions and returns a visitor. Real time: processes do not wait for a bubble.
func functions(t *testing.T, srv *Server, tree map[string]string) func(method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	t.Cleanup(srv.Close)
	w := &world{t: t, srv: srv, api: srv, token: DefaultToken, team: acme}
	p := w.project("shop")
	w.want(201, "POST", "/v10/projects/"+p+"/env", obj{"key": "GREETING", "value": "hello", "type": "sensitive", "target": []string{"production"}})
	w.deploy("shop", obj{"target": "production"}, tree)
	w.want(200, "DELETE", "/v9/projects/"+p+"/env/"+w.want(200, "GET", "/v10/projects/"+p+"/env", nil).str("envs", 0, "id"), nil)
	hosting := srv.Hosting()
	return func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://shop.vercel.app"+path, strings.NewReader(body)).WithContext(t.Context())
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		hosting.ServeHTTP(rec, r)
		return rec
	}
}

func TestFunctionsRunWithTheDeploymentsOwnEnv(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node not found: functions cannot run")
	}
	t.Setenv("HOST_SECRET", "canary")
	srv := atOnce()
	visit := functions(t, srv, map[string]string{
		"lib/shared.js":     "exports.word = 'world';",
		"api/health.js":     "const {word} = require('../lib/shared'); console.log('noise'); module.exports = (req, res) => res.status(200).json({say: process.env.GREETING + ' ' + word, q: req.query.q, host: process.env.HOST_SECRET || null, body: req.body || null});",
		"api/esm.mjs":       "export default function (req, res) { res.setHeader('x-made-by', 'esm'); res.send('esm ' + req.method); }",
		"api/deep/index.js": "module.exports = (req, res) => res.end('deep ' + req.url);",
		"api/throws.js":     "module.exports = () => { throw new Error('boom ' + process.env.GREETING); };",
	})
	for name, tc := range map[string]struct {
		reason, method, path, body string
		status                     int
		want                       string
	}{
		"CommonJS":   {"module.exports runs with siblings, query and frozen env, without the host's env", "POST", "/api/health?q=1", `{"a":1}`, 200, `{"say":"hello world","q":"1","host":null,"body":{"a":1}}`},
		"ES module":  {"export default runs", "GET", "/api/esm", "", 200, "esm GET"},
		"index file": {"a folder's index runs, with its URL", "GET", "/api/deep?x=2", "", 200, "deep /api/deep?x=2"},
		"a throw":    {"an error is 500 and tells nothing", "GET", "/api/throws", "", 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rec := visit(tc.method, tc.path, tc.body)
			if rec.Code != tc.status || rec.Body.String() != tc.want {
				t.Errorf("%s: %d %s", tc.reason, rec.Code, rec.Body)
			}
		})
	}
	dir := srv.workDir
	srv.Close()
	if _, err := os.Stat(dir); dir == "" || !os.IsNotExist(err) {
		t.Errorf("files are left in %q: %v", dir, err)
	}
}

func TestFunctionsWithoutNodeAre501(t *testing.T) {
	srv := atOnce()
	srv.Node = "no-such-program"
	visit := functions(t, srv, map[string]string{"api/health.js": "module.exports = () => {};"})
	if rec := visit("GET", "/api/health", ""); rec.Code != http.StatusNotImplemented || !strings.Contains(rec.Body.String(), "Node.js") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
