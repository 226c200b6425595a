package github

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway"
	"github.com/slipway-dev/slipway/internal/emulator/githubemu"
	"github.com/slipway-dev/slipway/internal/rest"
)

// world is an emulator of acme/shop, which is private, and the public acme/site, that is served.
type world struct {
	t    *testing.T
	emu  *githubemu.Server
	base string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, emu: emulator(t, githubemu.DefaultAccount(), "")}
	srv := httptest.NewServer(w.emu)
	t.Cleanup(srv.Close)
	w.base = srv.URL
	w.do("POST", "/orgs/acme/repos", map[string]any{"name": "site", "auto_init": true})
	return w
}

// do calls the emulator as its owner.
func (w *world) do(method, path string, body any) map[string]any {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("User-Agent", "test")
	rec := httptest.NewRecorder()
	w.emu.ServeHTTP(rec, r)
	if rec.Code >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	var out map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &out) // a list is not looked at
	return out
}

// put commits a file to acme/shop and returns the commit.
func (w *world) put(branch, path, content string) string {
	out := w.do("PUT", "/repos/acme/shop/contents/"+path, map[string]any{"message": "m", "branch": branch, "content": base64.StdEncoding.EncodeToString([]byte(content))})
	return out["commit"].(map[string]any)["sha"].(string)
}

func (w *world) id(name string) slipway.RepoID {
	return slipway.RepoID(w.do("GET", "/repos/acme/"+name, nil)["id"].(float64))
}

// session opens the provider with these settings.
func (w *world) session(settings map[string]string) session {
	w.t.Helper()
	s, err := New(rest.Config{Base: http.DefaultTransport}).Open(w.t.Context(), func(env string) (slipway.Secret, bool) {
		if env == settingURL {
			return slipway.NewSecret(w.base), true
		}
		v, ok := settings[env]
		return slipway.NewSecret(v), ok
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s.(session)
}

func (w *world) owner() session { return w.session(map[string]string{settingToken: token}) }

func TestResolve(t *testing.T) {
	w := newWorld(t)
	first := w.put("main", "a", "1")
	w.do("POST", "/repos/acme/shop/git/refs", map[string]any{"ref": "refs/tags/v1", "sha": first})
	w.do("POST", "/repos/acme/shop/git/refs", map[string]any{"ref": "refs/heads/fix/it", "sha": first})
	fix := w.put("fix/it", "b", "2")
	main := w.put("main", "c", "3")
	w.do("POST", "/orgs/acme/repos", map[string]any{"name": "empty"})
	w.do("POST", "/orgs/acme/repos", map[string]any{"name": "old", "auto_init": true})
	w.do("PATCH", "/repos/acme/old", map[string]any{"name": "new"})
	tests := map[string]struct {
		reason, repository, ref string
		anonymous               bool
		sha, ships              string
		code                    slipway.Code
	}{
		"default":         {"no ref is the default branch", "acme/shop", "", false, main, "acme/shop main", ""},
		"branch":          {"with a slash in its name", "acme/shop", "fix/it", false, fix, "acme/shop fix/it", ""},
		"tag":             {"", "acme/shop", "v1", false, first, "acme/shop v1", ""},
		"commit":          {"by its own id", "acme/shop", first, false, first, "acme/shop " + first, ""},
		"renamed":         {"the name that it had leads to it", "acme/old", "main", false, "", "acme/new main", ""},
		"public":          {"what anybody may see needs no token", "acme/site", "main", true, "", "acme/site main", ""},
		"no ref":          {"nothing is shipped on a guess", "acme/shop", "none", false, "", "", slipway.CodeNotFound},
		"empty":           {"there is no commit", "acme/empty", "", false, "", "", slipway.CodeNotFound},
		"none":            {"404 is not always absence", "acme/none", "", false, "", "", slipway.CodeNotFound},
		"private":         {"a private one takes a token", "acme/shop", "main", true, "", "", slipway.CodeCredential},
		"none, anonymous": {"nothing tells it from a private one", "acme/none", "", true, "", "", slipway.CodeCredential},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := w.owner()
			if test.anonymous {
				s = w.session(nil)
			}
			c, err := s.Resolve(t.Context(), test.repository, test.ref)
			if got := slipway.ErrorCode(err); got != test.code {
				t.Fatalf("%s: %v", test.reason, err)
			}
			if err != nil {
				return
			}
			if test.sha != "" && c.SHA != test.sha || c.Repository+" "+c.Ref != test.ships || !objectID.MatchString(c.Tree) || c.RepoID == 0 {
				t.Errorf("%s: %+v", test.reason, c)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	w := newWorld(t)
	first := w.put("main", "a", "1")
	w.do("POST", "/repos/acme/shop/git/refs", map[string]any{"ref": "refs/heads/side", "sha": first})
	second, side := w.put("main", "b", "2"), w.put("side", "c", "3")
	id := w.id("shop")
	w.do("PATCH", "/repos/acme/shop", map[string]any{"name": "store"})
	got := map[string]slipway.CommitOrder{}
	for name, pair := range map[string][2]string{"identical": {first, first}, "ahead": {first, second}, "behind": {second, first}, "diverged": {second, side}} {
		order, err := w.owner().Compare(t.Context(), id, pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		got[name] = order
	}
	want := map[string]slipway.CommitOrder{
		"identical": slipway.CommitIdentical, "ahead": slipway.CommitAhead, "behind": slipway.CommitBehind, "diverged": slipway.CommitDiverged,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders, of a repository that was renamed (-want +got):\n%s", diff)
	}
	if _, err := w.owner().Compare(t.Context(), id, first, strings.Repeat("0", 40)); slipway.ErrorCode(err) != slipway.CodeNotFound {
		t.Errorf("a commit that is not there: %v", err)
	}
}
