package vercelemu

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A list keeps what it has encoded. Whatever changes a project must show in the next list, as it does in a single read.
func TestAListShowsEveryChangeAtOnce(t *testing.T) {
	play(t, &Server{BuildTime: time.Second, AliasTime: time.Second, PromoteTime: time.Second}, func(w *world) {
		t := w.t
		another := w.project("another")
		p := w.project("shop")
		look := func(after string) {
			t.Helper()
			list := w.want(200, "GET", "/v10/projects", nil)
			again := w.want(200, "GET", "/v10/projects", nil)
			fresh, err := json.Marshal(w.srv.projectView(w.srv.scopes[acme].project("shop")))
			if err != nil {
				t.Fatal(err)
			}
			var want any
			if err := json.Unmarshal(fresh, &want); err != nil {
				t.Fatal(err)
			}
			for name, a := range map[string]answer{"the first": list, "the second": again} {
				if diff := cmp.Diff(want, a.get("projects", 0)); diff != "" {
					t.Errorf("after %s %s list is stale (-now +listed):\n%s", after, name, diff)
				}
			}
		}
		look("a create")
		w.want(200, "PATCH", "/v9/projects/"+p, obj{"framework": "nextjs"})
		look("an update")
		deployed := w.want(200, "POST", "/v13/deployments", obj{
			"name": "shop", "project": "shop", "target": "production", "projectSettings": obj{}, "files": []obj{{"file": "index.html", "data": "x"}},
		}).str("id")
		look("a deployment")
		for range 30 { // through the stages of a build and the move of aliases, which nothing calls for
			w.sleep(100 * time.Millisecond)
			look("some time")
		}
		w.want(200, "POST", "/v2/deployments/"+deployed+"/aliases", obj{"alias": "shop-two.vercel.app"})
		look("an alias")
		w.want(200, "PATCH", "/v1/projects/"+p+"/protection-bypass", obj{})
		look("a bypass")
		w.want(200, "DELETE", "/v13/deployments/"+deployed, nil)
		look("a removal")
		w.want(204, "DELETE", "/v9/projects/"+another, nil)
		raw, err := w.srv.SaveState()
		if err != nil {
			t.Fatal(err)
		}
		w.want(200, "PATCH", "/v9/projects/"+p, obj{"framework": nil})
		look("an update")
		if err := w.srv.LoadState(raw); err != nil {
			t.Fatal(err)
		}
		look("a load")
	})
}
