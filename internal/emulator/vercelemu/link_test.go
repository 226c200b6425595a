package vercelemu

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// acmeShop is a Git provider with one repository, acme/shop, of two branches.
func acmeShop(provider, name string) *Repository {
	if provider != "github" || name != "acme/shop" {
		return nil
	}
	commits := map[string]string{"trunk": "sha-of-trunk", "fix/it": "sha-of-fix"}
	return &Repository{ID: 42, DefaultBranch: "trunk", Tree: func(ref string) (map[string][]byte, string) {
		for branch, sha := range commits {
			if ref == branch || ref == sha {
				return map[string][]byte{"index.html": []byte(branch)}, sha
			}
		}
		return nil, ""
	}}
}

func TestALinkIsRefusedInTheWaysThatOnlyAPersonCanMend(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, repo string
		fails        LinkRefusal
		code, action string
	}{
		"not there":   {"a repository that the app cannot see", "acme/none", "", "repo_not_found", ""},
		"no name":     {"a repository has an owner", "shop", "", "repo_not_found", ""},
		"too many":    {"one project more than the plan allows", "acme/shop", "", "repo_links_exceeded_limit", "Upgrade"},
		"no app":      {"the app is to be installed", "acme/shop", InstallApp, "bad_request", "Install GitHub App"},
		"no login":    {"a login connection is to be added", "acme/shop", LoginConnection, "bad_request", "Add a Login Connection"},
		"switched on": {"the switch goes before the lookup", "acme/shop", RepoNotFound, "repo_not_found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := atOnce()
			srv.Repos, srv.MaxLinks = acmeShop, 1
			play(t, srv, func(w *world) {
				w.want(200, "POST", "/v9/projects/"+w.project("first")+"/link", obj{"type": "github", "repo": "acme/shop"})
				srv.LinkFails = func(string, string) LinkRefusal { return tc.fails }
				p := w.project("shop")
				a := w.want(400, "POST", "/v9/projects/"+p+"/link", obj{"type": "github", "repo": tc.repo})
				if a.str("error", "code") != tc.code || a.str("error", "action") != tc.action {
					t.Errorf("%s: %s", tc.reason, a.raw)
				}
				if a = w.want(400, "POST", "/v11/projects", obj{"name": "other", "gitRepository": obj{"type": "github", "repo": tc.repo}}); a.str("error", "code") != tc.code {
					t.Errorf("in a create: %s", a.raw)
				}
				w.want(404, "GET", "/v9/projects/other", nil)
				if w.want(200, "GET", "/v9/projects/"+p, nil).get("link") != nil {
					t.Error("it is linked all the same")
				}
			})
		})
	}
}

func TestAGitSourceIsBuiltFromTheRepository(t *testing.T) {
	srv := atOnce()
	srv.Repos, srv.Unprotected = acmeShop, true
	play(t, srv, func(w *world) {
		p := w.project("shop")
		link := w.want(200, "POST", "/v9/projects/"+p+"/link", obj{"type": "github", "repo": "acme/shop"})
		if link.str("link", "productionBranch") != "trunk" || link.get("link", "repoId") != 42.0 {
			t.Errorf("link: %s", link.raw)
		}
		w.want(201, "POST", "/v10/projects/"+p+"/env", []obj{
			{"key": "K", "value": "all", "type": "plain", "target": []string{"preview", "production"}},
			{"key": "K", "value": "branch", "type": "plain", "target": []string{"preview"}, "gitBranch": "fix/it"},
		})
		w.want(200, "POST", "/v10/projects/"+p+"/domains", obj{"name": "fix.vercel.app", "gitBranch": "fix/it"})
		deploy := func(source obj) string {
			id, _ := w.deploy("shop", obj{"files": nil, "gitSource": source}, nil)
			return id
		}
		byName := deploy(obj{"type": "github", "org": "acme", "repo": "shop", "ref": "fix/it"})
		byID := deploy(obj{"type": "github", "repoId": 42, "ref": "trunk", "sha": "sha-of-trunk"})
		d := w.want(200, "GET", "/v13/deployments/"+byName, nil)
		if d.str("gitSource", "sha") != "sha-of-fix" || d.str("source") != "git" || d.str("meta", "githubCommitRef") != "fix/it" {
			t.Errorf("%s", d.raw)
		}
		got := []string{
			string(w.visit("fix.vercel.app", "/", nil).raw), string(w.visit("shop-git-fix-it-acme.vercel.app", "/", nil).raw),
			w.srv.deployments[byName].env["K"], w.srv.deployments[byName].env["VERCEL_GIT_COMMIT_SHA"], w.srv.deployments[byID].env["K"],
		}
		if diff := cmp.Diff([]string{"fix/it", "fix/it", "branch", "sha-of-fix", "all"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for name, source := range map[string]obj{
			"unknown repository": {"type": "github", "org": "acme", "repo": "none", "ref": "trunk"},
			"unknown ref":        {"type": "github", "org": "acme", "repo": "shop", "ref": "none"},
			"another id":         {"type": "github", "repoId": 43, "ref": "trunk"},
		} {
			if a := w.want(400, "POST", "/v13/deployments", obj{"name": "shop", "gitSource": source}); a.str("error", "code") != "incorrect_git_source_info" {
				t.Errorf("%s: %s", name, a.raw)
			}
		}
		w.want(200, "DELETE", "/v9/projects/"+p+"/link", nil)
		w.want(400, "DELETE", "/v9/projects/"+p+"/link", nil)
	})
}

func TestBuildsFinishOutOfOrder(t *testing.T) {
	play(t, &Server{BuildTakes: func(b Build) time.Duration {
		if b.Meta["slow"] != "" {
			return 10 * time.Second
		}
		return time.Second
	}}, func(w *world) {
		w.project("shop")
		slow, _ := w.deploy("shop", obj{"meta": obj{"slow": "1"}}, map[string]string{"a": "1"})
		fast, _ := w.deploy("shop", nil, map[string]string{"a": "2"})
		w.sleep(2 * time.Second)
		got := []string{w.want(200, "GET", "/v13/deployments/"+slow, nil).str("readyState"), w.want(200, "GET", "/v13/deployments/"+fast, nil).str("readyState")}
		if diff := cmp.Diff([]string{"BUILDING", "READY"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
