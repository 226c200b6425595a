package vercelemu

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPullingTheEnvShowsWhatMayBeRead(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		qa := w.want(201, "POST", "/v9/projects/"+p+"/custom-environments", obj{"slug": "qa"}).str("id")
		w.want(201, "POST", "/v10/projects/"+p+"/env", []obj{
			{"key": "A", "value": "dev", "type": "encrypted", "target": []string{"development"}},
			{"key": "A", "value": "never readable", "type": "sensitive", "target": []string{"production"}},
			{"key": "B", "value": "all", "type": "plain", "target": []string{"preview", "production"}},
			{"key": "B", "value": "branch", "type": "plain", "target": []string{"preview"}, "gitBranch": "fix"},
			{"key": "C", "value": "qa", "type": "plain", "customEnvironmentIds": []string{qa}},
		})
		got := map[string]any{}
		for _, target := range []string{"development", "production", "preview", "preview/fix", "qa"} {
			a := w.want(200, "GET", "/v3/env/pull/"+p+"/"+target, nil)
			env := a.get("env").(map[string]any)
			delete(env, "VERCEL_OIDC_TOKEN")
			got[target] = env
			if strings.Contains(string(a.raw), "never readable") {
				t.Errorf("%s shows a sensitive value: %s", target, a.raw)
			}
		}
		want := map[string]any{
			"development": obj{"A": "dev"}, "production": obj{"A": "", "B": "all"}, "preview": obj{"B": "all"},
			"preview/fix": obj{"B": "branch"}, "qa": obj{"C": "qa"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.want(404, "GET", "/v3/env/pull/"+p+"/none", nil)
		if n := w.want(200, "GET", "/v10/projects/"+p+"/env?target=development", nil).len("envs"); n != 1 {
			t.Errorf("a list of one target has %d variables", n)
		}
	})
}

func TestThePulledOIDCTokenNamesOwnerAndProject(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		token := w.want(200, "GET", "/v3/env/pull/"+p+"/development", nil).str("env", "VERCEL_OIDC_TOKEN")
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			t.Fatalf("%d parts", len(parts))
		}
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Owner   string `json:"owner_id"`
			Project string `json:"project_id"`
			Sub     string
		}
		if err := json.Unmarshal(raw, &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Owner != acme || claims.Project != p || claims.Sub != "owner:acme:project:shop:environment:development" {
			t.Errorf("%s", raw)
		}
	})
}

func TestTheOlderAliasRouteGivesAProjectADomain(t *testing.T) {
	srv := atOnce()
	srv.VerifiedDomains = true
	play(t, srv, func(w *world) {
		p := w.project("shop")
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		w.want(200, "POST", "/projects/"+p+"/alias", obj{"domain": "shop.example.com"})
		if w.visit("shop.example.com", "/", nil).status != 200 {
			t.Error("the domain does not serve")
		}
		if a := w.want(409, "POST", "/projects/"+w.project("other")+"/alias", obj{"domain": "shop.example.com"}); a.str("error", "code") != "domain_already_in_use" {
			t.Errorf("%s", a.raw)
		}
		w.want(200, "DELETE", "/projects/"+p+"/alias?domain=shop.example.com", nil)
		w.want(404, "DELETE", "/projects/"+p+"/alias?domain=shop.example.com", nil)
	})
}

// A domain that waits for its TXT record is in the reply too: the CLI looks for it there.
func TestTheOlderAliasRouteShowsAnUnverifiedDomain(t *testing.T) {
	play(t, atOnce(), func(w *world) {
		p := w.project("shop")
		a := w.want(200, "POST", "/projects/"+p+"/alias", obj{"domain": "shop.example.com", "target": "PRODUCTION"})
		if !strings.Contains(string(a.raw), `"domain":"shop.example.com"`) {
			t.Errorf("%s", a.raw)
		}
	})
}
