package vercel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
	"github.com/slipway-dev/slipway/internal/emulator/vercelemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// world is an app on an emulator where builds and moves take no time.
type world struct {
	t       *testing.T
	server  *vercelemu.Server
	session slipway.Session
	project slipway.Receipt
	specs   map[slipway.Address]slipway.Spec
}

func open(t *testing.T, h http.Handler, settings map[string]string) slipway.Session {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	s, err := New(rest.Config{Wait: noWait}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
		if env == settingURL {
			return slipway.NewSecret(srv.URL), true
		}
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start makes m's project; wrap, when not nil, stands before the emulator.
func start(t *testing.T, m *slipway.Manifest, wrap func(http.Handler) http.Handler) *world {
	t.Helper()
	w := &world{t: t, server: server(), specs: map[slipway.Address]slipway.Spec{}}
	w.server.BuildTime, w.server.AliasTime, w.server.PromoteTime = -1, -1, -1
	var h http.Handler = w.server
	if wrap != nil {
		h = wrap(h)
	}
	w.session = open(t, h, map[string]string{settingToken: token, settingTeam: acme})
	for _, environment := range m.Environments {
		for _, s := range (provider{}).Expand(m, environment) {
			w.specs[s.Address] = s
		}
	}
	r, err := w.handler(kindProject).Create(t.Context(), w.spec("vercel.project/shop"))
	if err != nil {
		t.Fatal(err)
	}
	w.project = r
	return w
}

func (w *world) handler(k slipway.Kind) slipway.Handler { return w.session.Handler(k) }

// spec returns a Spec as the engine passes it.
func (w *world) spec(a slipway.Address) slipway.Spec {
	w.t.Helper()
	s, ok := w.specs[a]
	if !ok {
		w.t.Fatalf("no spec %s", a)
	}
	s.App, s.Run = "shop", "run-1"
	s.Parents = map[slipway.Kind]slipway.Receipt{kindProject: w.project}
	s.Values = map[string]slipway.Secret{"value": slipway.NewSecret("value-of-" + a.Key()), "ledger": slipway.NewSecret(ledger("shop"))}
	if a.Key() == slipway.LedgerKey {
		s.Values["value"] = slipway.NewSecret(ledger("shop"))
	}
	s.Params = maps.Clone(s.Params)
	fill(nil, &s)
	return s
}

func ledger(app string) string { return slipway.NewLedger(app, nil, nil).Encode() }

func (w *world) observe(s slipway.Spec) slipway.Observation {
	w.t.Helper()
	obs, err := w.handler(s.Address.Kind()).Observe(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return obs
}

// send is a call by somebody else.
func (w *world) send(method, path string, body any) {
	w.t.Helper()
	raw, _ := json.Marshal(body)
	r := httptest.NewRequest(method, path, bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer "+token)
	q := r.URL.Query()
	q.Set("teamId", acme)
	r.URL.RawQuery = q.Encode()
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	if rec.Code/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
}

func (w *world) count(method, path string) int {
	n := 0
	for _, c := range w.server.Calls() {
		if c.Method == method && strings.Contains(c.Path, path) {
			n++
		}
	}
	return n
}

func TestNodeVersionAfterCreate(t *testing.T) {
	m := manifest()
	m.Vercel.NodeVersion = "20.x"
	w := start(t, m, nil)
	want := w.spec("vercel.project/shop")
	obs := w.observe(want)
	if obs.Fields["node_version"] == "20.x" || obs.Fields["region"] != "fra1" {
		t.Fatalf("a create takes the region and not the version of Node.js: %v", obs.Fields)
	}
	if _, err := w.handler(kindProject).Update(t.Context(), want, obs); err != nil {
		t.Fatal(err)
	}
	if got := w.observe(want).Fields["node_version"]; got != "20.x" {
		t.Errorf("node_version = %v", got)
	}
}

func TestProjectOfAnotherAccountByID(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.project/shop")
	for reason, tc := range map[string]struct {
		known    slipway.Receipt
		code     slipway.Code
		vanished bool
	}{
		"gone, in the right account":   {slipway.Receipt{ID: "prj_gone", Account: acme}, "", true},
		"gone, and of another account": {slipway.Receipt{ID: "prj_gone", Account: "team_other"}, slipway.CodeAccountChanged, false},
		"it was handed over":           {slipway.Receipt{ID: w.project.ID, Account: "team_other"}, slipway.CodeAccountChanged, false},
	} {
		want.Known = &tc.known
		obs, err := w.handler(kindProject).Observe(t.Context(), want)
		if slipway.ErrorCode(err) != tc.code || err == nil && obs.Vanished != tc.vanished {
			t.Errorf("%s: %+v, %v", reason, obs, err)
		}
	}
}

func TestLedger(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.env/SLIPWAY")
	obs := w.observe(want)
	if !obs.Exists || !obs.Owned || obs.Fields["value"] != ledger("shop") {
		t.Fatalf("the create of the project planted the ledger: %+v", obs)
	}
	if r, err := w.handler(kindEnv).Update(t.Context(), want, obs); err != nil || r.ID != obs.Receipt.ID {
		t.Fatalf("update: %+v, %v", r, err)
	}
	for reason, value := range map[string]string{
		"another app's ledger":    ledger("blog"),
		"somebody else's SLIPWAY": "yes",
	} {
		w.send("PATCH", "/v9/projects/"+w.project.ID+"/env/"+obs.Receipt.ID, map[string]any{"value": value})
		if _, err := w.handler(kindEnv).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeConflict {
			t.Errorf("%s is not overwritten: %v", reason, err)
		}
	}
}

func TestEnvObserve(t *testing.T) {
	project := func(w *world) string { return "/v10/projects/" + w.project.ID + "/env" }
	foreign := func(target []string, more map[string]any) func(*world) {
		return func(w *world) {
			body := map[string]any{"key": "STRIPE_KEY", "value": "theirs", "type": "encrypted", "target": target}
			for k, v := range more {
				body[k] = v
			}
			w.send("POST", project(w), body)
		}
	}
	tests := map[string]struct {
		reason string
		before func(*world)
		exists bool
		owned  bool
		code   slipway.Code
	}{
		"none":            {"absent", func(*world) {}, false, false, ""},
		"foreign":         {"found, and not ours", foreign([]string{"production"}, nil), true, false, ""},
		"other target":    {"another target's variable is another variable", foreign([]string{"preview"}, nil), false, false, ""},
		"branch":          {"a branch's variable is another variable", foreign([]string{"preview"}, map[string]any{"gitBranch": "x"}), false, false, ""},
		"several targets": {"a variable for several targets is not split silently", foreign([]string{"production", "preview"}, nil), false, false, slipway.CodeConflict},
		"ours":            {"our comment proves it ours", foreign([]string{"production"}, map[string]any{"comment": envComment + fingerprint}), true, true, ""},
		"like ours":       {"a comment of another form proves nothing", foreign([]string{"production"}, map[string]any{"comment": "slipway v1 hello"}), true, false, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := start(t, manifest(), nil)
			tc.before(w)
			obs, err := w.handler(kindEnv).Observe(t.Context(), w.spec("vercel.env/STRIPE_KEY@production"))
			if slipway.ErrorCode(err) != tc.code || obs.Exists != tc.exists || obs.Owned != tc.owned {
				t.Errorf("%s: %+v, %v", tc.reason, obs, err)
			}
			if tc.code != "" && !(strings.Contains(err.Error(), "STRIPE_KEY") && strings.Contains(err.Error(), "production, preview")) {
				t.Errorf("the error names neither key nor targets: %v", err)
			}
		})
	}
}

func TestEnvTypeCannotBecomePlain(t *testing.T) {
	w := start(t, manifest(), nil)
	w.send("POST", "/v10/projects/"+w.project.ID+"/env", map[string]any{"key": "LOG_LEVEL", "value": "x", "type": "sensitive", "target": []string{"production"}})
	want := w.spec("vercel.env/LOG_LEVEL@production")
	if _, err := w.handler(kindEnv).Observe(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeRefused {
		t.Errorf("refused before anything is planned: %v", err)
	}
	if _, err := w.handler(kindEnv).Create(t.Context(), want); slipway.ErrorCode(err) != slipway.CodeRefused || slipway.RetryClass(err) != slipway.RetryNever {
		t.Errorf("and by the API itself: %v", err)
	}
}

func TestEnvBatch(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.EnvFails = func(key string) string {
		if key == "STRIPE_KEY" {
			return "ENV_CONFLICT"
		}
		return ""
	}
	wants := []slipway.Spec{w.spec("vercel.env/STRIPE_KEY@production"), w.spec("vercel.env/SLIPWAY"), w.spec("vercel.env/LOG_LEVEL@production")}
	before := w.server.Mutations()
	results, err := w.handler(kindEnv).(slipway.Batcher).Batch(t.Context(), wants)
	if err != nil || len(results) != 3 || w.server.Mutations()-before != 1 {
		t.Fatalf("%d results by %d calls, %v", len(results), w.server.Mutations()-before, err)
	}
	if slipway.ErrorCode(results[0].Err) != slipway.CodeConflict || !strings.Contains(results[0].Err.Error(), "STRIPE_KEY (production)") {
		t.Errorf("the one that failed is told by key and target: %v", results[0].Err)
	}
	for _, i := range []int{1, 2} {
		r := results[i]
		if r.Err != nil || r.Receipt.ID == "" || r.Receipt.Version == "0" || r.Receipt.Address != wants[i].Address || r.Receipt.Details["project_id"] != w.project.ID {
			t.Errorf("%s: %+v", wants[i].Address, r)
		}
	}
}

func TestEnvList(t *testing.T) {
	w := start(t, manifest(), nil)
	var wants []slipway.Spec
	for _, a := range []slipway.Address{"vercel.env/STRIPE_KEY@production", "vercel.env/LOG_LEVEL@production", "vercel.env/LOG_LEVEL@preview", "vercel.env/SLIPWAY"} {
		wants = append(wants, w.spec(a))
	}
	if _, err := w.handler(kindEnv).(slipway.Batcher).Batch(t.Context(), wants); err != nil {
		t.Fatal(err)
	}
	w.send("POST", "/v10/projects/"+w.project.ID+"/env", map[string]any{"key": "THEIRS", "value": "x", "type": "plain", "target": []string{"production"}})
	listed, err := w.handler(kindEnv).(slipway.Lister).List(t.Context(), w.spec("vercel.env/LOG_LEVEL@production"))
	if err != nil {
		t.Fatal(err)
	}
	var got []slipway.Address
	for _, obs := range listed {
		got = append(got, obs.Receipt.Address)
		if !obs.Exists || !obs.Owned {
			t.Errorf("%+v", obs)
		}
	}
	if diff := cmp.Diff([]slipway.Address{"vercel.env/STRIPE_KEY@production", "vercel.env/LOG_LEVEL@production"}, got); diff != "" {
		t.Errorf("ours of this environment alone, and not the ledger (-want +got):\n%s", diff)
	}
}

// bodies records the JSON bodies that are sent to a path.
type bodies struct {
	mu   sync.Mutex
	sent []map[string]any
}

func (b *bodies) of(path string, check func(r *http.Request)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == path {
				raw, _ := io.ReadAll(r.Body)
				var body map[string]any
				_ = json.Unmarshal(raw, &body)
				b.mu.Lock()
				b.sent = append(b.sent, body)
				b.mu.Unlock()
				r.Body = io.NopCloser(bytes.NewReader(raw))
				if check != nil {
					check(r)
				}
				r.Body = io.NopCloser(bytes.NewReader(raw))
			}
			h.ServeHTTP(w, r)
		})
	}
}

func TestDeploymentBody(t *testing.T) {
	spec := speccheck.Load(t, "vercel")
	var b bodies
	w := start(t, manifest(), b.of("/v13/deployments", func(r *http.Request) {
		// The document forbids autoAssignCustomDomains, which the vendor's CLI sends, and mode, which @vercel/client sends.
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		delete(body, "autoAssignCustomDomains")
		for _, f := range body["files"].([]any) {
			delete(f.(map[string]any), "mode")
		}
		raw, _ := json.Marshal(body)
		bare := r.Clone(r.Context())
		bare.Body = io.NopCloser(bytes.NewReader(raw))
		if err := spec.Request(bare); err != nil {
			t.Error(err)
		}
	}))
	for _, environment := range []string{slipway.Production, slipway.Preview} {
		if _, err := w.handler(kindDeployment).Create(t.Context(), w.spec(slipway.NewAddress(kindDeployment, "shop", environment))); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{
		"name": "shop-front", "project": w.project.ID, "target": "production", "autoAssignCustomDomains": false,
		"meta": map[string]any{
			"slipwayApp": "shop", "slipwayRun": "run-1", "slipwayInput": "sha256:1234", "slipwayTree": "sha256:5678", "slipwayTarget": "production",
			"slipwayFramework": "nextjs", "slipwayBuildCommand": "npm run build", "slipwayRegion": "fra1",
		},
		"projectSettings": map[string]any{"framework": "nextjs", "buildCommand": "npm run build", "serverlessFunctionRegion": "fra1"},
		"files": []any{
			map[string]any{"file": "bin/run", "data": "IyEvYmluL3NoCg==", "encoding": "base64", "mode": float64(0o100755)},
			map[string]any{"file": "empty", "data": "", "encoding": "base64"},
			map[string]any{"file": "index.html", "data": "aGVsbG8=", "encoding": "base64"},
		},
	}
	if diff := cmp.Diff(want, b.sent[0]); diff != "" {
		t.Errorf("production is staged (-want +got):\n%s", diff)
	}
	delete(want, "target")
	delete(want, "autoAssignCustomDomains")
	want["meta"].(map[string]any)["slipwayTarget"] = "preview"
	if diff := cmp.Diff(want, b.sent[1]); diff != "" {
		t.Errorf("a preview has no target (-want +got):\n%s", diff)
	}
}

func TestUploadOnlyWhatIsMissing(t *testing.T) {
	var b bodies
	w := start(t, manifest(), b.of("/v13/deployments", nil))
	files := tree{"big": strings.Repeat("x", inlineLimit), "copy-1": "same", "copy-2": "same", "none": ""}
	for i := range 80 {
		files[fmt.Sprintf("page-%d", i)] = fmt.Sprintf("page %d", i)
	}
	create := func(input string) slipway.Receipt {
		s := w.spec("vercel.deployment/shop@production")
		s.Params["input"], s.Files = input, files
		r, err := w.handler(kindDeployment).Create(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := create("one")
	if n := w.count("POST", "/v2/files"); n != 83 || len(b.sent) != 2 {
		t.Errorf("%d uploads and %d creates, want one upload for each content, and a create before and after", n, len(b.sent))
	}
	files["page-0"] = "changed"
	second := create("two")
	if n := w.count("POST", "/v2/files"); n != 84 || len(b.sent) != 4 {
		t.Errorf("%d uploads and %d creates after one file changed", n, len(b.sent))
	}
	if len(first.URLs) != 1 || !strings.HasPrefix(first.URLs[0], "http://shop-front-") || first.ID == second.ID {
		t.Errorf("receipts %+v, %+v", first, second)
	}
}

func TestSourceChangedWhileUploading(t *testing.T) {
	w := start(t, manifest(), nil)
	s := w.spec("vercel.deployment/shop@production")
	for reason, files := range map[string]slipway.FileSet{
		"inline": changing{tree{"a": "x"}},
		"upload": changing{tree{"a": strings.Repeat("x", inlineLimit+1)}},
	} {
		s.Files = files
		if _, err := w.handler(kindDeployment).Create(t.Context(), s); slipway.ErrorCode(err) != slipway.CodeSourceChanged {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if obs := w.observe(s); obs.Exists {
		t.Errorf("a deployment was made: %+v", obs)
	}
}

// changing is a tree whose files are no longer those that were listed.
type changing struct{ tree }

func (changing) Open(context.Context, slipway.File) (io.ReadCloser, error) {
	return nil, slipway.Errorf(slipway.CodeSourceChanged, "the file changed")
}

func TestDeploymentFails(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.BuildFails = func(vercelemu.Build) string { return "exit 1" }
	want := w.spec("vercel.deployment/shop@production")
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if obs := w.observe(want); obs.Exists {
		t.Errorf("a failed build of another run is not taken up: %+v", obs)
	}
	want.Known = &r
	obs := w.observe(want)
	if obs.Failed == nil || obs.Failed.Code != slipway.CodeBuildFailed || !strings.Contains(obs.Failed.Message, "exit 1") {
		t.Errorf("the recorded one tells why it failed: %+v", obs.Failed)
	}
}

func TestDeploymentCalls(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.deployment/shop@production")
	calls := func(s slipway.Spec) int {
		before := len(w.server.Calls())
		w.observe(s)
		return len(w.server.Calls()) - before
	}
	unknown := w.spec("vercel.deployment/shop@production")
	unknown.Params["input"] = nil
	if n := calls(unknown); n != 0 {
		t.Errorf("%d calls while the input is not known", n)
	}
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if n := calls(want); n != 1 {
		t.Errorf("%d calls to find it by its meta", n)
	}
	want.Known = &r
	if n := calls(want); n != 1 {
		t.Errorf("%d calls to look at the recorded one", n)
	}
	bare := w.spec("vercel.deployment/shop@production")
	bare.Known, bare.Params = &r, nil
	if obs := w.observe(bare); !obs.Exists || obs.Receipt.ID != r.ID {
		t.Errorf("without an input the recorded one is meant: %+v", obs)
	}
}

func TestObservedInOnePass(t *testing.T) {
	w := start(t, manifest(), nil)
	pass := w.session.Pass()
	before := len(w.server.Calls())
	for a := range w.specs {
		s := w.spec(a)
		s.Known = nil
		if a.Kind() == kindProject {
			s.Known = &w.project
		}
		if a.Kind() == kindProduction {
			s.Params["deployment"] = nil
		}
		if _, err := pass.Handler(a.Kind()).Observe(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range w.server.Calls()[before:] {
		got = append(got, c.Method+" "+c.Route)
	}
	if len(got) != 3 { // the project, its variables, and the deployments with this input
		t.Errorf("%d calls: %v", len(got), got)
	}
}

func TestWatch(t *testing.T) {
	w := start(t, manifest(), nil)
	want := w.spec("vercel.deployment/shop@production")
	r, err := w.handler(kindDeployment).Create(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	emit := func(l slipway.LogLine) {
		if l.At.IsZero() {
			t.Errorf("no time: %+v", l)
		}
		if !l.Again {
			lines = append(lines, l.Stream+": "+l.Text)
		}
	}
	next, err := w.handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), r, "", emit)
	if err != nil || next == "" {
		t.Fatalf("next %q, %v", next, err)
	}
	if len(lines) < 4 || lines[0] != "state: BUILDING" || lines[len(lines)-1] != "state: READY" {
		t.Errorf("lines %q", lines)
	}
	lines = nil
	again, err := w.handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), r, next, emit)
	if err != nil || len(lines) != 0 || again != next {
		t.Errorf("resumed at its end it says nothing twice: %q, next %q, was %q, %v", lines, again, next, err)
	}
}

func TestWatchLines(t *testing.T) {
	var since []string
	body := `{"type":"stdout","created":61000,"serial":"1","text":"\u001b[32mgreen\u001b[0m\ttab\u0007"}
{"type":"stderr","created":61000,"serial":"2","text":"two\nlines\n"}
{"type":"metric","created":61001,"serial":"3","text":"no"}
{"type":"stdout","created":61001,"payload":{"serial":"4","text":"older form"}}
{"type":"fatal","date":61002,"serial":"5","text":"the end"}
`
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since = append(since, r.URL.Query().Get("since"))
		_, _ = io.WriteString(w, body)
	}), map[string]string{settingToken: token})
	watch := func(from string) (string, []string) {
		var lines []string
		next, err := s.Handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), slipway.Receipt{ID: "dpl_1"}, from, func(l slipway.LogLine) {
			text := l.Stream + ": " + l.Text
			if l.Again {
				text = "again " + text
			}
			lines = append(lines, text)
		})
		if err != nil {
			t.Fatal(err)
		}
		return next, lines
	}
	next, lines := watch("")
	if diff := cmp.Diff([]string{"stdout: green tab", "stderr: two", "stderr: lines", "stdout: older form", "stderr: the end"}, lines); diff != "" {
		t.Error(diff)
	}
	if _, lines := watch("61000/1"); !cmp.Equal(lines[:2], []string{"again stdout: green tab", "stderr: two"}) {
		t.Errorf("after the first of two in the same millisecond: %q", lines)
	}
	if _, lines := watch(next); slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "again ") }) || len(lines) != 5 {
		t.Errorf("after the last: %q", lines)
	}
	if diff := cmp.Diff([]string{"", "51000", "51002"}, since); diff != "" {
		t.Error(diff)
	}
}

func TestWatchBreaks(t *testing.T) {
	s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"type":"stdout","created":1000,"serial":"1","text":"one"}`+"\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), map[string]string{settingToken: token})
	next, err := s.Handler(kindDeployment).(slipway.Watcher).Watch(t.Context(), slipway.Receipt{ID: "dpl_1"}, "", func(slipway.LogLine) {})
	if next != "1000/1" || slipway.ErrorCode(err) != slipway.CodeUnavailable || slipway.RetryClass(err) != slipway.RetryLater {
		t.Errorf("next %q, %v", next, err)
	}
}

// promoted deploys and promotes, and returns the Spec of production with the deployment filled in.
func (w *world) promoted(input string) slipway.Spec {
	w.t.Helper()
	d := w.spec("vercel.deployment/shop@production")
	d.Params["input"] = input
	r, err := w.handler(kindDeployment).Create(w.t.Context(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.specs["vercel.production/shop@production"].Params["deployment"] = r.ID
	want := w.spec("vercel.production/shop@production")
	obs := w.observe(want)
	if obs.Pending || obs.Failed != nil || obs.Fields["deployment"] == r.ID {
		w.t.Fatalf("before the promote: %+v", obs)
	}
	if _, err := w.handler(kindProduction).Update(w.t.Context(), want, obs); err != nil {
		w.t.Fatal(err)
	}
	return want
}

func TestPromote(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.VerifiedDomains = true
	w.send("POST", "/v10/projects/"+w.project.ID+"/domains", map[string]any{"name": "shop.example.com"})
	want := w.promoted("one")
	obs := w.observe(want)
	if obs.Pending || obs.Failed != nil || obs.Fields["deployment"] != want.Params["deployment"] {
		t.Fatalf("%+v", obs)
	}
	if diff := cmp.Diff([]string{"http://shop-front.vercel.app", "http://shop.example.com"}, obs.Receipt.URLs); diff != "" {
		t.Errorf("the project's domain comes first (-want +got):\n%s", diff)
	}
	if got := obs.Receipt.Details["domains"]; got != "shop-front.vercel.app,shop.example.com" {
		t.Errorf("domains %q", got)
	}
	unfilled := want
	unfilled.Params = map[string]any{"deployment": nil}
	before := len(w.server.Calls())
	obs = w.observe(unfilled)
	if obs.Fields["deployment"] != want.Params["deployment"] || !obs.Owned || len(w.server.Calls())-before != 1 {
		t.Errorf("while planning, one read of the project tells what is served and whose it is: %+v by %+v", obs, w.server.Calls()[before:])
	}
	unfilled.App = "blog"
	if obs := w.observe(unfilled); obs.Owned {
		t.Errorf("another app's deployment is not ours: %+v", obs)
	}
}

func TestPromoteTakesTime(t *testing.T) {
	w := start(t, manifest(), nil)
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	w.server.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	w.server.PromoteTime = time.Second
	want := w.promoted("one")
	if obs := w.observe(want); !obs.Pending {
		t.Errorf("just after the promote: %+v", obs)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	if obs := w.observe(want); obs.Pending || obs.Fields["deployment"] != want.Params["deployment"] {
		t.Errorf("a minute later: %+v", obs)
	}
}

func TestPromoteMovesOneOfTwo(t *testing.T) {
	w := start(t, manifest(), nil)
	w.server.VerifiedDomains = true
	w.send("POST", "/v10/projects/"+w.project.ID+"/domains", map[string]any{"name": "shop.example.com"})
	w.server.AliasFails = func(host string) bool { return host == "shop.example.com" }
	obs := w.observe(w.promoted("one"))
	if obs.Failed == nil || !strings.Contains(obs.Failed.Message, "shop.example.com") || strings.Contains(obs.Failed.Message, "vercel.app") {
		t.Errorf("the domain that did not move is named: %+v", obs)
	}
}

func TestMapError(t *testing.T) {
	reset := time.Date(2026, 3, 1, 0, 0, 9, 0, time.UTC)
	date := http.Header{"Date": {reset.Add(-9 * time.Second).Format(http.TimeFormat)}}
	tests := map[string]struct {
		reason string
		status int
		header http.Header
		body   string
		code   slipway.Code
		retry  slipway.Retry
		after  time.Duration
	}{
		"unknown token":  {"Vercel answers 403 for a token that it does not know", 403, nil, `{"error":{"code":"forbidden","message":"Not authorized","invalidToken":true}}`, slipway.CodeUnauthorized, 0, 0},
		"no right":       {"the token may not", 403, nil, `{"error":{"code":"forbidden","message":"You don't have permission"}}`, slipway.CodeForbidden, 0, 0},
		"projects":       {"a limit comes with more than one status", 403, nil, `{"error":{"code":"too_many_projects","message":"Too many"}}`, slipway.CodeLimit, 0, 0},
		"payment":        {"402 is a limit", 402, nil, `{"error":{"code":"payment_required","message":"Pay"}}`, slipway.CodeLimit, 0, 0},
		"env conflict":   {"upper case with 403", 403, nil, `{"error":{"code":"ENV_ALREADY_EXISTS","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"env conflict 2": {"lower case with 409", 409, nil, `{"error":{"code":"existing_key_and_target","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"env conflict 3": {"upper case with 400", 400, nil, `{"error":{"code":"ENV_CONFLICT","message":"x"}}`, slipway.CodeConflict, 0, 0},
		"ongoing":        {"a 400 that passes", 400, nil, `{"error":{"code":"bad_request","message":"There is an ongoing update of this variable"}}`, slipway.CodeBusy, slipway.RetryLater, 0},
		"reset as time":  {"limit.reset since 1970", 429, date, fmt.Sprintf(`{"error":{"code":"rate_limited","message":"x","limit":{"reset":%d}}}`, reset.Unix()), slipway.CodeRateLimited, 0, 9 * time.Second},
		"reset as wait":  {"limit.reset in seconds", 429, nil, `{"error":{"code":"rate_limited","message":"x","limit":{"reset":4}}}`, slipway.CodeRateLimited, 0, 4 * time.Second},
		"no envelope":    {"the status alone", 409, nil, `[]`, slipway.CodeConflict, 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e := mapError(tc.status, tc.header, []byte(tc.body))
			if e.Code != tc.code || e.Retry != tc.retry || e.RetryAfter != tc.after {
				t.Errorf("%s: code %s, retry %d after %s", tc.reason, e.Code, e.Retry, e.RetryAfter)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		reason   string
		settings map[string]string
		code     slipway.Code
	}{
		"good":     {"a token is enough", map[string]string{settingToken: "t"}, ""},
		"none":     {"without a token", nil, slipway.CodeCredential},
		"empty":    {"with an empty token", map[string]string{settingToken: ""}, slipway.CodeCredential},
		"bad base": {"a token is not sent in the clear", map[string]string{settingToken: "t", settingURL: "http://api.vercel.com"}, slipway.CodeInvalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(rest.Config{}).Open(t.Context(), func(env string) (slipway.Secret, bool) {
				v, ok := tc.settings[env]
				return slipway.NewSecret(v), ok
			})
			var e *slipway.Error
			if slipway.ErrorCode(err) != tc.code || errors.As(err, &e) && tc.code == slipway.CodeCredential && !strings.Contains(e.Hint, settingToken) {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}

func TestProtectionIsTold(t *testing.T) {
	h := bypasses{}
	for name, tc := range map[string]struct {
		status int
		header http.Header
		body   string
		want   bool
		reason string
	}{
		"page":      {401, http.Header{"Content-Type": {"text/html; charset=utf-8"}}, "<title>Authentication Required</title>", true, "Vercel's page stands in the app's place"},
		"nonce":     {401, http.Header{"Set-Cookie": {"_vercel_sso_nonce=x; Path=/"}}, "", true, "its cookie comes from Vercel alone"},
		"browser":   {302, http.Header{"Location": {"https://vercel.com/sso-api?url=x"}}, "", true, "a browser is sent to log in"},
		"the app's": {401, http.Header{"Content-Type": {"application/json"}}, `{"error":"Authentication Required"}`, false, "an app may have a door of its own"},
		"elsewhere": {302, http.Header{"Location": {"/login"}}, "", false, "so may it send elsewhere"},
		"fine":      {200, http.Header{}, "Authentication Required", false, "a page may say so"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := h.Protected(tc.status, tc.header.Get, []byte(tc.body)); got != tc.want {
				t.Errorf("%s: %v", tc.reason, got)
			}
		})
	}
}
