package vercelemu

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

// Every setting of Settings does here what it says.
func TestAFaultScheduleSetsSingleCalls(t *testing.T) {
	untried := Settings()
	try := func(name, method, glob, value string) *Server {
		delete(untried, name)
		hook, err := emukit.ParseFaults(method + " " + glob + "#*=with:" + name + ":" + value)
		if err != nil {
			t.Fatal(err)
		}
		srv := &Server{BuildTime: time.Second, AliasTime: -1, PromoteTime: time.Second}
		srv.Hook = hook
		return srv
	}
	page := map[string]string{"index.html": "x"}
	staged := obj{"target": "production", "autoAssignCustomDomains": false}
	env := obj{"key": "K", "value": "v", "type": "plain", "target": []string{"production"}}
	promoted := func(w *world, after time.Duration) string {
		p := w.project("shop")
		id, _ := w.deploy("shop", staged, page)
		w.sleep(2 * time.Second)
		w.want(201, "POST", "/v10/projects/"+p+"/promote/"+id, obj{})
		w.sleep(after)
		return w.want(200, "GET", "/v9/projects/"+p, nil).str("lastAliasRequest", "jobStatus")
	}
	for name, tc := range map[string]struct {
		srv  *Server
		do   func(*world) any
		want any
	}{
		"build-time": {try("build-time", "POST", "*/deployments", "1h"), func(w *world) any {
			w.project("shop")
			id, _ := w.deploy("shop", nil, page)
			w.sleep(59 * time.Minute)
			return w.want(200, "GET", "/v13/deployments/"+id, nil).str("readyState")
		}, "BUILDING"},
		"build-fails": {try("build-fails", "POST", "*/deployments", "out of luck"), func(w *world) any {
			w.project("shop")
			id, _ := w.deploy("shop", nil, page)
			w.sleep(time.Minute)
			return w.want(200, "GET", "/v13/deployments/"+id, nil).str("errorMessage")
		}, "out of luck"},
		"alias-fails at a build": {try("alias-fails", "POST", "*/deployments", "shop-acme.*"), func(w *world) any {
			w.project("shop")
			id, _ := w.deploy("shop", obj{"target": "production"}, page)
			w.sleep(time.Minute)
			a := w.want(200, "GET", "/v13/deployments/"+id, nil)
			return []any{a.get("alias"), a.get("aliasAssigned")}
		}, []any{[]any{"shop.vercel.app"}, false}},
		"alias-fails at a promote": {try("alias-fails", "POST", "*/promote/*", "shop-acme.*"), func(w *world) any { return promoted(w, time.Minute) }, "failed"},
		"promote-time":             {try("promote-time", "POST", "*/promote/*", "1h"), func(w *world) any { return promoted(w, 90*time.Minute) }, "in-progress"},
		"promote-deadline":         {try("promote-deadline", "POST", "*/promote/*", "1500ms"), func(w *world) any { return promoted(w, 1600*time.Millisecond) }, "failed"},
		"queue-survives": {try("queue-survives", "POST", "*/rollback/*", "true"), func(w *world) any {
			p, of := w.releasing(byHand)
			w.want(202, "POST", "/v10/projects/"+p+"/promote/"+of[2], obj{})
			w.want(201, "POST", "/v9/projects/"+p+"/rollback/"+of[0], obj{})
			w.sleep(3 * time.Second)
			return w.want(200, "GET", "/v1/projects/"+p+"/rolling-release", nil).str("rollingRelease", "canaryDeployment", "id") == of[2]
		}, true},
		"env-fails": {try("env-fails", "POST", "*/env", "K"), func(w *world) any {
			return w.want(201, "POST", "/v10/projects/"+w.project("shop")+"/env", []obj{env}).str("failed", 0, "error", "envVarKey")
		}, "K"},
		"env-conflict": {try("env-conflict", "POST", "*/env", "409"), func(w *world) any {
			p := w.project("shop")
			w.want(201, "POST", "/v10/projects/"+p+"/env", env)
			return w.want(http.StatusConflict, "POST", "/v10/projects/"+p+"/env", env).str("error", "code")
		}, "existing_key_and_target"},
		"env-busy": {try("env-busy", "POST", "*/env", "1"), func(w *world) any {
			return w.want(400, "POST", "/v10/projects/"+w.project("shop")+"/env", env).str("error", "message")
		}, "The Environment Variable couldn't be changed because an ongoing update is already happening."},
		"link-fails": {try("link-fails", "POST", "*/link", "install-app"), func(w *world) any {
			return w.want(400, "POST", "/v9/projects/"+w.project("shop")+"/link", obj{"type": "github", "repo": "acme/shop"}).str("error", "action")
		}, "Install GitHub App"},
		"access": {try("access", "POST", "*/projects", "viewer"), func(w *world) any {
			return w.want(403, "POST", "/v11/projects", obj{"name": "shop"}).str("error", "message")
		}, "You don't have permission to create the project."},
		"no such value": {try("link-fails", "POST", "*/link", "rain"), func(w *world) any {
			return w.want(400, "POST", "/v9/projects/"+w.project("shop")+"/link", obj{"type": "github", "repo": "acme/shop"}).str("error", "message")
		}, `the emulator's fault schedule sets link-fails to "rain", which is no such value`},
		"no duration": {try("build-time", "POST", "*/deployments", "soon"), func(w *world) any {
			w.project("shop")
			return w.want(400, "POST", "/v13/deployments", obj{"name": "shop", "projectSettings": obj{}, "files": []obj{{"file": "a", "data": "b"}}}).str("error", "message")
		}, `the emulator's fault schedule sets build-time to "soon", which is no such value`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, tc.srv, func(w *world) {
				if diff := cmp.Diff(tc.want, tc.do(w)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
	if len(untried) > 0 {
		t.Errorf("settings without a test: %v", untried)
	}
}
