package vercelemu

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit/speccheck"
)

// What no document has is judged by the operation whose reply it shares, and the rest by what the vendor's CLI reads.
func TestRepliesThatNoDocumentHasAreThoseOfTheirSiblings(t *testing.T) {
	srv := atOnce()
	srv.Repos = acmeShop
	play(t, srv, func(w *world) {
		p := w.project("shop")
		id, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		staged, _ := w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "y"})
		w.want(201, "POST", "/v1/projects/"+p+"/rollback/"+id, nil)
		w.want(201, "POST", "/v10/projects/"+p+"/env", obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}})
		events := "/v3/deployments/" + staged + "/events"
		for _, tc := range []struct {
			method, path string
			body         any
			sibling      string
		}{
			{"POST", "/v9/projects/" + p + "/link", obj{"type": "github", "repo": "acme/shop"}, "/v9/projects/" + p},
			{"DELETE", "/v9/projects/" + p + "/link", nil, "/v9/projects/" + p},
			{"GET", "/v3/now/deployments/" + staged + "/events", nil, events},
			{"GET", "/v3/now/deployments/" + staged + "/events?follow=1", nil, events},
			{"GET", "/v1/projects/" + p + "/rollback/aliases", nil, "/v1/projects/" + p + "/promote/aliases"},
		} {
			a := w.want(200, tc.method, tc.path, tc.body)
			if !w.check.Lists("GET", tc.sibling, 200) {
				t.Errorf("%s is not in the document", tc.sibling)
			}
			if err := w.check.Response(httptest.NewRequest("GET", tc.sibling, nil), 200, a.header, a.raw); err != nil {
				t.Errorf("%s %s: %v\n%s", tc.method, tc.path, err, a.raw)
			}
		}
		for _, path := range []string{"/v3/env/pull/" + p + "/production", "/v3/env/pull/" + p + "/preview/fix"} {
			pulled := w.want(200, "GET", path, nil)
			env, _ := pulled.get("env").(map[string]any)
			for key, v := range env {
				if _, ok := v.(string); !ok {
					t.Errorf("%s is no text: %v", key, v)
				}
			}
			if fields, ok := pulled.body.(map[string]any); !ok || len(fields) != 2 || env["VERCEL_OIDC_TOKEN"] == nil || !cmp.Equal(pulled.get("buildEnv"), any(obj{})) {
				t.Errorf("%s: %s", path, pulled.raw)
			}
		}
		for _, method := range []string{"POST", "DELETE"} {
			a := w.want(200, method, "/projects/"+p+"/alias?domain=shop.example.com", obj{"domain": "shop.example.com"})
			project := w.want(200, "GET", "/v9/projects/"+p, nil)
			served, extra := project.len("alias"), map[string]int{"POST": 1}[method] // the reply has what does not serve yet as well
			for i := range served {
				for _, field := range []string{"domain", "environment", "target", "createdAt"} {
					if diff := cmp.Diff(project.get("alias", i, field), a.get(i, field)); diff != "" {
						t.Errorf("%s: %s is not that of the project (-project +reply):\n%s", method, field, diff)
					}
				}
			}
			if served == 0 || a.len() != served+extra || extra == 1 && a.str(served, "domain") != "shop.example.com" {
				t.Errorf("%s: %s", method, a.raw)
			}
		}
	})
}

// Where the document has one thing for several, or several for one, each thing is judged.
func TestRepliesThatDifferFromTheDocumentDoSoByAnArrayOnly(t *testing.T) {
	check := speccheck.Load(t, "vercel")
	play(t, atOnce(), func(w *world) {
		w.project("shop")
		w.deploy("shop", obj{"target": "production"}, map[string]string{"index.html": "x"})
		judge := func(path string, header http.Header, reply string) {
			t.Helper()
			if err := check.Response(httptest.NewRequest("GET", path, nil), 200, header, []byte(reply)); err != nil || !check.Lists("GET", path, 200) {
				t.Errorf("GET %s: %v\n%s", path, err, reply)
			}
		}
		alias := w.want(200, "GET", "/v4/aliases/shop.vercel.app", nil)
		judge("/v4/aliases/shop.vercel.app", alias.header, "["+string(alias.raw)+"]")
		spaces := w.want(200, "GET", "/v1/integrations/git-namespaces", nil)
		if spaces.len() == 0 {
			t.Errorf("no namespace to judge: %s", spaces.raw)
		}
		for i := range spaces.len() {
			one, err := json.Marshal(spaces.get(i))
			if err != nil {
				t.Fatal(err)
			}
			judge("/v1/integrations/git-namespaces", spaces.header, string(one))
		}
	})
}
