package vercelemu

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type tarEntry struct {
	name, content, link string
	kind                byte
	mode                int64
	size                int64 // said, when not the content's
}

func archive(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tw := tar.NewWriter(zipped)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.content))}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if e.size > 0 {
			h.Size = e.size
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.content); err != nil {
			t.Fatal(err)
		}
	}
	_ = tw.Close() // an entry that says more than it has is refused here, not by the emulator
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (w *sandboxes) write(session, cwd string, body []byte) answer {
	w.t.Helper()
	return w.do("POST", session+"/fs/write", body, "Content-Type", "application/gzip", "x-cwd", cwd)
}

func (w *sandboxes) readFile(session, path string) answer {
	w.t.Helper()
	return w.do("POST", session+"/fs/read", obj{"path": path})
}

func TestArchivesThatLeadOutAreRefused(t *testing.T) {
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	_, session := w.create(nil)
	outside := t.TempDir()
	good := archive(t, tarEntry{name: "f", content: "text"})
	bomb := archive(t, tarEntry{name: "big", content: strings.Repeat("\x00", 1<<20), size: 1 << 20})
	for name, tc := range map[string]struct {
		body   []byte
		cwd    string
		status int
		reason string
	}{
		"above":             {archive(t, tarEntry{name: "../../canary", content: "x"}), sandboxCwd, 400, ""},
		"above, hidden":     {archive(t, tarEntry{name: "a/../../../canary", content: "x"}), sandboxCwd, 400, ""},
		"absolute":          {archive(t, tarEntry{name: outside + "/canary", content: "x"}), sandboxCwd, 400, ""},
		"elsewhere":         {archive(t, tarEntry{name: "etc/canary", content: "x"}), "/", 400, "the client's names are relative to /"},
		"symbolic link":     {archive(t, tarEntry{name: "l", kind: tar.TypeSymlink, link: outside}, tarEntry{name: "l/canary", content: "x"}), sandboxCwd, 400, ""},
		"hard link":         {archive(t, tarEntry{name: "l", kind: tar.TypeLink, link: "/etc/passwd"}), sandboxCwd, 400, ""},
		"device":            {archive(t, tarEntry{name: "d", kind: tar.TypeBlock}), sandboxCwd, 400, ""},
		"pipe":              {archive(t, tarEntry{name: "p", kind: tar.TypeFifo}), sandboxCwd, 400, ""},
		"no gzip":           {[]byte("plain"), sandboxCwd, 400, ""},
		"nothing":           {nil, sandboxCwd, 400, ""},
		"cut":               {good[:len(good)/2], sandboxCwd, 400, ""},
		"checksum":          {append(slices.Clone(good[:len(good)-8]), 1, 2, 3, 4, 5, 6, 7, 8), sandboxCwd, 400, ""},
		"no tar":            {zipped(t, strings.Repeat("x", 2000)), sandboxCwd, 400, ""},
		"says too much":     {archive(t, tarEntry{name: "f", content: "x", size: 1 << 40}), sandboxCwd, 413, ""},
		"says more":         {archive(t, tarEntry{name: "f", content: "x", size: 1 << 20}), sandboxCwd, 400, "less follows than it says"},
		"over 100 MB":       {make([]byte, maxArchive+1), sandboxCwd, 413, ""},
		"relative x-cwd":    {good, "work", 400, ""},
		"x-cwd elsewhere":   {good, "/etc", 400, ""},
		"a file as folder":  {archive(t, tarEntry{name: "a", content: "x"}, tarEntry{name: "a/b", content: "x"}), sandboxCwd, 400, ""},
		"good":              {good, sandboxCwd, 200, ""},
		"good, compressed":  {bomb, sandboxCwd, 200, ""},
		"replaced":          {archive(t, tarEntry{name: "f", content: "other", mode: 0o755}), sandboxCwd, 200, ""},
		"folder in between": {archive(t, tarEntry{name: "x/", kind: tar.TypeDir}, tarEntry{name: "x/y/z", content: "deep"}), sandboxCwd, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.t = t
			if a := w.write(session, tc.cwd, tc.body); a.status != tc.status {
				t.Errorf("%s: %d %s, want %d", tc.reason, a.status, a.raw, tc.status)
			}
		})
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("outside: %v", left)
	}
	if found, _ := filepath.Glob(srv.Dir + "/*/canary"); len(found) != 0 {
		t.Errorf("above: %v", found)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(archive(f, tarEntry{name: "f", content: "text"}, tarEntry{name: "a/b/c", content: "x", mode: 0o755}), sandboxCwd)
	f.Add(archive(f, tarEntry{name: "../canary", content: "x"}), "/tmp")
	f.Add(archive(f, tarEntry{name: "l", kind: tar.TypeSymlink, link: "/"}, tarEntry{name: "l/canary", content: "x"}), "/")
	f.Add([]byte("plain"), "//")
	f.Fuzz(func(t *testing.T, body []byte, cwd string) {
		srv := &SandboxServer{Dir: t.TempDir()}
		srv.once.Do(srv.init)
		b := &sandbox{}
		if err := srv.folders(b); err != nil {
			t.Fatal(err)
		}
		if fail := b.unpack(cwd, bytes.NewReader(body)); fail != nil && fail.status/100 != 4 {
			t.Errorf("%d %s", fail.status, fail.message)
		}
		above, err := os.ReadDir(srv.Dir)
		if err != nil || len(above) != 1 {
			t.Errorf("%v %v", above, err)
		}
		beside, err := os.ReadDir(b.dir)
		if err != nil || len(beside) != 3 {
			t.Errorf("%v %v", beside, err)
		}
	})
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestLinksThatACommandMadeLeadNowhere(t *testing.T) {
	needCommands(t)
	w := newSandboxes(t, &SandboxServer{})
	_, session := w.create(nil)
	outside := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(outside, []byte("canary"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.sh(session, "ln -s "+outside+" file; ln -s "+filepath.Dir(outside)+" folder; ln -s ../../../../../../../../etc/passwd up; mkfifo pipe; ln -s /dev/zero zero")
	for _, path := range []string{"file", "folder/canary", "up", "pipe", "zero"} {
		if a := w.readFile(session, path); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d %.50q", path, a.status, a.raw)
		}
		if a := w.write(session, sandboxCwd, archive(t, tarEntry{name: path, content: "x"})); a.status != 400 {
			t.Errorf("writing %s: %d %s", path, a.status, a.raw)
		}
	}
	if raw, err := os.ReadFile(outside); err != nil || string(raw) != "canary" {
		t.Errorf("%q %v", raw, err)
	}
}

func TestSourcesFromThisMachine(t *testing.T) {
	body := archive(t, tarEntry{name: "src/f", content: "text"})
	from := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.tgz":
			_, _ = rw.Write(body)
		case "/away":
			http.Redirect(rw, r, "http://192.0.2.1/x", http.StatusFound)
		default:
			http.NotFound(rw, r)
		}
	}))
	defer from.Close()
	srv := &SandboxServer{}
	w := newSandboxes(t, srv)
	source := func(path string) obj {
		return obj{"projectId": "prj_1", "source": obj{"type": "tarball", "url": from.URL + path}}
	}
	a := w.want(200, "POST", "/v3/sandboxes", source("/good.tgz"))
	if got := w.readFile("/v2/sandboxes/sessions/"+a.str("session", "id"), "src/f"); string(got.raw) != "text" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	w.want(400, "POST", "/v3/sandboxes", source("/absent"))
	w.want(400, "POST", "/v3/sandboxes", source("/away"))
	if n := w.want(200, "GET", "/v2/sandboxes", nil).len("sandboxes"); n != 1 {
		t.Errorf("%d sandboxes, one had a source that could be had", n)
	}
}

func TestGitSourceFromThisMachine(t *testing.T) {
	needCommands(t)
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git on this machine")
	}
	dir := t.TempDir()
	for _, argv := range [][]string{{"init", "-q", "-b", "main"}, {"add", "f"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "m"}, {"update-server-info"}} {
		if argv[0] == "add" {
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c := exec.CommandContext(t.Context(), "git", argv...)
		c.Dir, c.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", argv, err, out)
		}
	}
	files := http.FileServer(http.Dir(filepath.Join(dir, ".git")))
	from := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "x-access-token" || password != "canary" {
			rw.Header().Set("WWW-Authenticate", "Basic")
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(rw, r)
	}))
	defer from.Close()
	w := newSandboxes(t, &SandboxServer{})
	source := obj{"type": "git", "url": from.URL, "revision": "main", "username": "x-access-token", "password": "canary"}
	a := w.want(200, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": source})
	session := "/v2/sandboxes/sessions/" + a.str("session", "id")
	if got := w.readFile(session, "f"); string(got.raw) != "text" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if code, _, _ := w.sh(session, "! grep -r canary .git ~ /tmp"); code != 0 {
		t.Error("the password is left in the sandbox")
	}
	source["password"] = "wrong"
	if a := w.want(400, "POST", "/v3/sandboxes", obj{"projectId": "prj_1", "source": source}); strings.Contains(string(a.raw), "wrong") {
		t.Errorf("the reply shows the password: %s", a.raw)
	}
}
