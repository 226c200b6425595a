package vercelemu

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needNode skips where functions cannot run.
func needNode(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node not found: functions cannot run")
	}
}

// peep tells what a function can do on the machine.
const peep = `const fs = require('fs'), net = require('net');
const can = (f) => { try { f(); return true; } catch { return false; } };
const connects = (port) => new Promise((done) => {
  const c = net.connect(port, '127.0.0.1', () => { c.destroy(); done(true); });
  c.on('error', () => done(false));
});
module.exports = async (req, res) => res.json({
  cwd: process.cwd(), home: can(() => fs.readdirSync(req.query.home)), other: can(() => fs.readFileSync(req.query.file)),
  own: can(() => fs.readFileSync(__filename)), write: can(() => fs.writeFileSync(__dirname + '/new', 'x')), tmp: can(() => fs.writeFileSync('/tmp/new', 'x')),
  doors: can(() => fs.writeFileSync('/run/emulator/new', 'x')), port: await connects(Number(req.query.port)), pids: fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n)).length,
});`

func TestFunctionsRunIsolated(t *testing.T) {
	needNode(t)
	needCommands(t)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	home := t.TempDir()
	file := filepath.Join(home, "credentials")
	if err := os.WriteFile(file, []byte("canary"), 0o644); err != nil {
		t.Fatal(err)
	}
	visit := functions(t, atOnce(), map[string]string{"api/peep.js": peep})
	rec := visit("GET", fmt.Sprintf("/api/peep?home=%s&file=%s&port=%d", home, file, outside.Addr().(*net.TCPAddr).Port), "")
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	for name, tc := range map[string]struct {
		reason string
		want   any
	}{
		"cwd":   {"it is where Vercel has it", "/var/task"},
		"home":  {"the home of who runs the emulator is not there", false},
		"other": {"nor any file of theirs", false},
		"own":   {"its own files are", true},
		"write": {"and are read-only", false},
		"tmp":   {"/tmp can be written to", true},
		"doors": {"nothing can be put beside the emulator's sockets", false},
		"port":  {"no port of this machine answers", false},
		"pids":  {"it sees no process but its own and the namespace's first", 2.0},
	} {
		if got[name] != tc.want {
			t.Errorf("%s: %s is %v", tc.reason, name, got[name])
		}
	}
}

func TestFunctionsReachTheStoresThatTheirEnvNames(t *testing.T) {
	needNode(t)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer store.Close()
	ask := `module.exports = async (req, res) => { try { res.send(await (await fetch(process.env.STORE, {method: 'POST', body: 'x'.repeat(300000)})).text()); } catch (e) { res.send('no: ' + e.cause.code); } };`
	for name, tc := range map[string]struct {
		reason, url string
		reachable   func(int) bool
		network     bool
		plain       bool
		want        string
	}{
		"allowed":     {"a store at a port of localhost that is allowed answers", store.URL, func(int) bool { return true }, false, false, strings.Repeat("x", 300000)},
		"by name":     {"localhost is the same", strings.Replace(store.URL, "127.0.0.1", "localhost", 1), func(int) bool { return true }, false, false, strings.Repeat("x", 300000)},
		"not allowed": {"the env alone opens nothing", store.URL, func(int) bool { return false }, false, false, "no: ECONNREFUSED"},
		"zero value":  {"nothing is reachable unless it is allowed", store.URL, nil, false, false, "no: ECONNREFUSED"},
		"network":     {"with this machine's network everything is", store.URL, nil, true, false, strings.Repeat("x", 300000)},
		"plain":       {"a plain process has this machine's network", store.URL, nil, false, true, strings.Repeat("x", 300000)},
	} {
		t.Run(name, func(t *testing.T) {
			srv := atOnce()
			srv.Reachable, srv.HostNetwork = tc.reachable, tc.network
			if tc.plain {
				t.Setenv("PATH", withoutBubblewrap(t))
			} else {
				needCommands(t)
			}
			srv.Node = "node"
			t.Cleanup(srv.Close)
			w := &world{t: t, srv: srv, api: srv, token: DefaultToken, team: acme}
			p := w.project("shop")
			w.want(201, "POST", "/v10/projects/"+p+"/env", obj{"key": "STORE", "value": tc.url, "type": "sensitive", "target": []string{"production"}})
			d, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"api/ask.js": ask})
			rec := httptest.NewRecorder()
			srv.Hosting().ServeHTTP(rec, httptest.NewRequest("GET", "http://shop.vercel.app/api/ask", nil).WithContext(t.Context()))
			if rec.Body.String() != tc.want {
				t.Errorf("%s: %d %.200s", tc.reason, rec.Code, rec.Body)
			}
			log := string(w.want(200, "GET", "/v3/deployments/"+d+"/events", nil).raw)
			if warned := strings.Contains(log, "plain processes of this machine: isolation is not available: bubblewrap is not installed"); warned != tc.plain {
				t.Errorf("the build log warns: %v\n%s", warned, log)
			}
		})
	}
}

func TestFunctionsTrustTheCertificatesTheyAreGiven(t *testing.T) {
	needNode(t)
	needCommands(t)
	srv := atOnce()
	srv.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(srv.CAFile, []byte("certificates"), 0o644); err != nil {
		t.Fatal(err)
	}
	visit := functions(t, srv, map[string]string{
		"api/ca.js": "module.exports = (req, res) => res.end(require('fs').readFileSync(process.env.NODE_EXTRA_CA_CERTS));",
	})
	if rec := visit("GET", "/api/ca", ""); rec.Body.String() != "certificates" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// https://vercel.com/docs/errors/FUNCTION_PAYLOAD_TOO_LARGE and https://vercel.com/docs/errors/FUNCTION_RESPONSE_PAYLOAD_TOO_LARGE
func TestFunctionsRefusePayloadsThatAreTooLarge(t *testing.T) {
	needNode(t)
	visit := functions(t, atOnce(), map[string]string{
		"api/size.js": "module.exports = (req, res) => res.json((req.body || '').length);",
		"api/make.js": "module.exports = (req, res) => res.end('x'.repeat(Number(req.query.n)));",
	})
	quoted := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for name, tc := range map[string]struct {
		reason, path, body string
		status             int
		code               string
	}{
		"request":            {"a body of 4.5 MB passes", "/api/size", quoted(functionBodySize), 200, ""},
		"request too large":  {"one more byte does not", "/api/size", quoted(functionBodySize + 1), 413, "FUNCTION_PAYLOAD_TOO_LARGE"},
		"response":           {"an answer of 4.5 MB passes", fmt.Sprintf("/api/make?n=%d", functionBodySize), "", 200, ""},
		"response too large": {"one more byte does not", fmt.Sprintf("/api/make?n=%d", functionBodySize+1), "", 500, "FUNCTION_RESPONSE_PAYLOAD_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := visit("POST", tc.path, tc.body)
			if rec.Code != tc.status || rec.Header().Get("x-vercel-error") != tc.code {
				t.Errorf("%s: %d %s", tc.reason, rec.Code, rec.Header().Get("x-vercel-error"))
			}
		})
	}
}

func TestNoEnvVariableKeepsAFunctionFromRunning(t *testing.T) {
	needNode(t)
	srv := atOnce()
	t.Cleanup(srv.Close)
	w := &world{t: t, srv: srv, api: srv, token: DefaultToken, team: acme}
	w.project("shop")
	for _, home := range []string{"relative", "/usr", "/", "/var/task", ""} {
		w.deploy("shop", obj{"target": "production", "env": obj{"HOME": home, "PATH": "/nowhere", "NODE_EXTRA_CA_CERTS": "/nowhere", "TMPDIR": "/nowhere", "USER": "a b"}},
			map[string]string{"api/ok.js": "module.exports = (req, res) => res.end('ok');"})
		rec := httptest.NewRecorder()
		srv.Hosting().ServeHTTP(rec, httptest.NewRequest("GET", "http://shop.vercel.app/api/ok", nil).WithContext(t.Context()))
		if rec.Code != 200 || rec.Body.String() != "ok" {
			t.Errorf("HOME=%s: %d %s", home, rec.Code, rec.Body)
		}
	}
}

// withoutBubblewrap is a PATH with Node.js alone.
func withoutBubblewrap(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(node, filepath.Join(dir, "node")); err != nil {
		t.Fatal(err)
	}
	return dir
}
