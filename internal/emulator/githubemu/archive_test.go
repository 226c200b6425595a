package githubemu

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (w *world) put(branch, path, content string) string {
	w.t.Helper()
	return w.want(201, "PUT", shop+"/contents/"+path, obj{"message": "m", "branch": branch, "content": base64.StdEncoding.EncodeToString([]byte(content))}).str("commit", "sha")
}

func TestCompare(t *testing.T) {
	w := newWorld(t, &Server{})
	first := w.head()
	w.want(201, "POST", shop+"/git/refs", obj{"ref": "refs/heads/side", "sha": first})
	second, third := w.put("main", "a", "1"), w.put("main", "b", "2")
	side := w.put("side", "c", "3")
	tests := map[string]struct{ reason, base, head, want, merge string }{
		"ahead":     {"two commits later", first, third, "ahead 2 0", first},
		"behind":    {"one commit earlier", third, second, "behind 0 1", second},
		"identical": {"itself", second, second, "identical 0 0", second},
		"diverged":  {"another branch", third, side, "diverged 1 2", first},
		"by branch": {"refs are taken too", "main", "side", "diverged 1 2", first},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.want(200, "GET", shop+"/compare/"+test.base+"..."+test.head, nil)
			if got := a.str("status") + " " + a.id("ahead_by") + " " + a.id("behind_by"); got != test.want || a.str("merge_base_commit", "sha") != test.merge {
				t.Errorf("%s: %s, from %s", test.reason, got, a.str("merge_base_commit", "sha"))
			}
		})
	}
}

// The ids are those of git itself: printf '# shop\n' > README.md, a file in two folders; git add, git write-tree.
func TestATreeHasGitsOwnID(t *testing.T) {
	w := newWorld(t, &Server{})
	tree := func() string {
		return w.want(200, "GET", shop+"/commits/main", nil).str("commit", "tree", "sha")
	}
	got := []string{tree()}
	w.put("main", "src/lib/a.js", "1")
	got = append(got, tree())
	if diff := cmp.Diff([]string{"d13387246fd10217f8f14d9a27cb09c37dcce693", "823784ad989f15458d0b1e708b3f0d925ab4bc64"}, got); diff != "" {
		t.Errorf("trees (-git +ours):\n%s", diff)
	}
}

func TestAnArchiveHoldsTheCommit(t *testing.T) {
	w := newWorld(t, &Server{})
	old := w.put("main", "src/app.js", "1")
	w.put("main", "later", "2")
	at := w.raw(302, shop+"/tarball/"+old).Header().Get("Location")
	w.token = "" // the address is enough
	zip, err := gzip.NewReader(w.raw(200, strings.TrimPrefix(at, "http://example.com")).Body)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		if h.Typeflag == tar.TypeReg {
			got[h.Name] = string(content)
		}
	}
	top := "acme-shop-" + old[:7] + "/"
	if diff := cmp.Diff(map[string]string{top + "README.md": "# shop\n", top + "src/app.js": "1"}, got); diff != "" {
		t.Errorf("the archive (-want +got):\n%s", diff)
	}
}

func TestAnOldNameLeadsToTheRepository(t *testing.T) {
	w := newWorld(t, &Server{})
	id := w.want(200, "GET", shop, nil).id("id")
	w.want(200, "PATCH", shop, obj{"name": "store"})
	if a := w.want(301, "GET", shop+"/commits/main", nil); a.header.Get("Location") != "http://example.com/repositories/"+id+"/commits/main" || a.str("message") != "Moved Permanently" {
		t.Errorf("%v %v", a.header, a.body)
	}
	w.want(307, "POST", shop+"/deployments", obj{"ref": "main"})
	w.want(200, "GET", "/repos/acme/store", nil)
	w.token = stranger
	w.want(404, "GET", shop, nil)
}
